// The one broker of a data folder: Apache Kafka from the jars that this program runs with, or the
// node, one after the other on the same folder and ports. Both are processes of their own, ended
// in order or killed; what they say is in broker.log. Kafka's dump tool and the node's verifier
// read the folder while neither of them runs.

import java.io.File;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;

final class Host {
    /** A start, a stop or a run of a tool that takes longer does not end. */
    private static final int SECONDS_MAX = 120;
    private static final String CLASS_PATH = System.getProperty("java.class.path");

    /** Who has the folder. */
    enum Broker { KAFKA, NODE }

    final Path home;
    final Path data;
    private final Path config;
    private final List<String> node;
    private final int port;
    private Process running;

    /** `node` is how the node is started, its configuration last; without it Kafka plays its part.
     * Lines of `more` go before those of the same name. */
    Host(Path home, List<String> node, String... more) throws IOException {
        this.home = home;
        this.node = node;
        data = home.resolve("data");
        config = home.resolve("server.properties");
        InetAddress here = InetAddress.getLoopbackAddress();
        try (var first = new ServerSocket(0, 1, here); var second = new ServerSocket(0, 1, here)) {
            port = first.getLocalPort();
            Files.writeString(config, properties(second.getLocalPort()) + String.join("\n", more) + "\n");
        }
    }

    /** Nothing happens by itself that an answer depends on: retention, expiry and timeouts wait. */
    private String properties(int controller) {
        return String.join("\n",
            "process.roles=broker,controller",
            "node.id=1",
            "listeners=PLAINTEXT://127.0.0.1:" + port + ",CONTROLLER://127.0.0.1:" + controller,
            "controller.listener.names=CONTROLLER",
            "controller.quorum.bootstrap.servers=127.0.0.1:" + controller,
            "log.dirs=" + data,
            "offsets.topic.num.partitions=3",
            "offsets.topic.replication.factor=1",
            "transaction.state.log.num.partitions=3",
            "transaction.state.log.replication.factor=1",
            "transaction.state.log.min.isr=1",
            "share.coordinator.state.topic.replication.factor=1",
            "share.coordinator.state.topic.min.isr=1",
            "transaction.max.timeout.ms=7200000",
            "group.initial.rebalance.delay.ms=200",
            "log.initial.task.delay.ms=86400000",
            "log.segment.delete.delay.ms=1000",
            "log.cleaner.backoff.ms=200",
            "log.index.interval.bytes=256",
            "");
    }

    /** In a folder of its own, with the node that BROKER_COMMAND names; the broker ends with this
     * program. */
    static Host ofProgram(String name, String... more) throws IOException {
        String command = System.getenv().getOrDefault("BROKER_COMMAND", "").strip();
        List<String> node = command.isEmpty() ? List.of() : List.of(command.split("\\s+"));
        Path scratch = Path.of(System.getenv().getOrDefault("TMPDIR", "/tmp"));
        Path home = scratch.resolve(name + "-" + ProcessHandle.current().pid());
        Host host = new Host(Files.createDirectories(home), node, more);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                host.kill();
            } catch (Exception e) {
                e.printStackTrace();
            }
        }));
        return host;
    }

    interface Step {
        void run() throws Exception;
    }

    /** Prints what the contract in ../README.md wants of a feature. */
    static boolean feature(String name, Step step) {
        long begin = System.nanoTime();
        try {
            step.run();
            System.out.println("ok " + name);
            System.err.printf("%s took %d ms%n", name, (System.nanoTime() - begin) / 1_000_000);
            return true;
        } catch (Throwable e) {
            e.printStackTrace();
            System.out.println("FAIL " + name + " " + String.valueOf(e).replaceAll("\\s+", " "));
            return false;
        }
    }

    boolean hasNode() {
        return !node.isEmpty();
    }

    String bootstrap() {
        return "127.0.0.1:" + port;
    }

    /** Formats the folder with Kafka's own tool. */
    void format() throws Exception {
        tool("format", "kafka.tools.StorageTool", "format", "--standalone", "--cluster-id",
            "ottlaFolderSuite00000Q", "--config", config.toString());
    }

    /** Starts and returns when it answers. */
    void start(Broker broker) throws Exception {
        boolean isNode = broker == Broker.NODE && !node.isEmpty();
        List<String> command = new ArrayList<>(isNode ? node.subList(0, node.size() - 1)
            : List.of("java", "-Xmx512M", "-XX:TieredStopAtLevel=1", "-Dconform.log=INFO",
                "-cp", CLASS_PATH, "kafka.Kafka"));
        command.add(config.toString());
        File log = home.resolve("broker.log").toFile();
        running = new ProcessBuilder(command).redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.appendTo(log)).start();
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS_MAX);
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap()))) {
            while (true) {
                try {
                    admin.describeCluster().nodes().get(2, TimeUnit.SECONDS);
                    return;
                } catch (Exception e) {
                    if (!running.isAlive() || System.nanoTime() > end) {
                        throw new AssertionError(broker + " does not answer; see " + log, e);
                    }
                }
            }
        }
    }

    /** Asks it to end, as an operator does, and waits for that. */
    void stop() throws Exception {
        running.destroy();
        if (!running.waitFor(SECONDS_MAX, TimeUnit.SECONDS)) {
            throw new AssertionError("it does not stop; see " + home);
        }
        if (!Files.exists(data.resolve(".kafka_cleanshutdown"))) {
            throw new AssertionError("the stop left no clean mark");
        }
    }

    void kill() throws Exception {
        if (running != null) {
            running.destroyForcibly().waitFor();
        }
    }

    /** Nothing is wrong with any file, says the node's verifier. */
    void verify() throws Exception {
        if (!node.isEmpty()) {
            run("verify", List.of(node.get(0), "log", "verify", data.toString()));
        }
    }

    /** And so says Kafka's dump tool, which takes the zeros of a crash for entries. */
    void examine() throws Exception {
        verify();
        Map<String, List<String>> files = files();
        dump("records", files.get("log"), "--deep-iteration");
        dump("sane", files.get("index"), "--index-sanity-check");
        dump("indexes", files.get("index"), "--verify-index-only");
        dump("times", files.get("timeindex"), "--verify-index-only");
        dump("aborted", files.get("txnindex"));
        dump("producers", files.get("snapshot"));
        dump("metadata", named(files, "__cluster_metadata"), "--cluster-metadata-decoder");
        dump("offsets", named(files, "__consumer_offsets"), "--offsets-decoder");
        dump("transactions", named(files, "__transaction_state"), "--transaction-log-decoder");
    }

    /** The files of partitions by their extension, as far as the tool knows what to make of them:
     * it fails on the index of an empty log, and on those that a deletion left as they were. */
    private Map<String, List<String>> files() throws IOException {
        try (Stream<Path> all = Files.walk(data, 2)) {
            return all.filter(path -> path.getFileName().toString().matches("\\d{20}\\.[a-z]+"))
                .map(Path::toString)
                .filter(path -> !path.contains("-delete/"))
                .filter(path -> !path.endsWith("index") || new File(log(path)).length() > 0).sorted()
                .collect(Collectors.groupingBy(
                    path -> path.substring(path.lastIndexOf('.') + 1), TreeMap::new, Collectors.toList()));
        }
    }

    private static String log(String index) {
        return index.substring(0, index.lastIndexOf('.')) + ".log";
    }

    private static List<String> named(Map<String, List<String>> files, String topic) {
        return files.get("log").stream().filter(path -> path.contains("/" + topic + "-")).toList();
    }

    private void dump(String name, List<String> files, String... options) throws Exception {
        if (files == null) {
            throw new AssertionError("there is no file to be dumped for " + name);
        }
        List<String> arguments = new ArrayList<>(List.of(options));
        arguments.addAll(List.of("--files", String.join(",", files)));
        Path said = tool("dump-" + name, "org.apache.kafka.tools.DumpLogSegments",
            arguments.toArray(String[]::new));
        // What compaction leaves are holes, and no fault.
        List<String> faults = List.of("isvalid: false", "invalid bytes", "Mismatches in",
            "are not found in", "out of order timestamp", "timestamp mismatch", "Could not", "Exception");
        List<String> found = new ArrayList<>();
        for (String line : Files.readAllLines(said)) {
            if (faults.stream().anyMatch(line::contains)) {
                found.add(line);
            }
        }
        if (!found.isEmpty()) {
            throw new AssertionError(found.size() + " faults of " + name + ", the first: " + found.get(0));
        }
    }

    /** Runs a tool of Kafka to its end; answers where its words are. */
    Path tool(String name, String main, String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of("java", "-Xmx512M", "-XX:TieredStopAtLevel=1",
            "-cp", CLASS_PATH, main));
        command.addAll(List.of(arguments));
        return run(name, command);
    }

    /** Runs a command of the node's program. */
    Path ownTool(String name, String... words) throws Exception {
        List<String> command = new ArrayList<>(List.of(node.get(0)));
        command.addAll(List.of(words));
        return run(name, command);
    }

    /** Runs to the end, which must be a good one; answers where its words are. */
    private Path run(String name, List<String> command) throws Exception {
        Path said = home.resolve(name + ".txt");
        Process process = new ProcessBuilder(command).redirectErrorStream(true)
            .redirectOutput(said.toFile()).start();
        if (!process.waitFor(SECONDS_MAX, TimeUnit.SECONDS)) {
            process.destroyForcibly();
            throw new AssertionError(name + " does not end; see " + said);
        }
        if (process.exitValue() != 0) {
            String words = Files.readString(said);
            throw new AssertionError(name + " ended with " + process.exitValue() + ": "
                + words.substring(Math.max(0, words.length() - 500)));
        }
        return said;
    }
}
