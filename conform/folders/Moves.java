// Replicas on their way between the log directories of a node while somebody writes and reads, sent
// there by Kafka's tool and by the node's. `Moves <bootstrap>` needs no broker but its own. Its lines
// are the contract in ../README.md.

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public final class Moves {
    private static final String TOPIC = "moving";
    private static final TopicPartition PARTITION = new TopicPartition(TOPIC, 0);
    private static final int SECONDS_MAX = 120;
    private static final int RECORD_BYTES = 1_000;
    /** So much lies in the partition before it moves. */
    private static final int RECORDS_FIRST = 20_000;
    private static final String KAFKAS_TOOL = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";

    private final Host host;
    private final Path more;
    private final AtomicBoolean ends = new AtomicBoolean();
    private final AtomicLong acknowledged = new AtomicLong();
    private final AtomicReference<Throwable> failed = new AtomicReference<>();

    private Moves(Host host, Path more) {
        this.host = host;
        this.more = more;
    }

    public static void main(String[] args) throws Exception {
        Path scratch = Path.of(System.getenv().getOrDefault("TMPDIR", "/tmp"));
        Path home = scratch.resolve("moves-" + ProcessHandle.current().pid());
        Path more = home.resolve("more");
        Host host = Host.ofProgram("moves", "log.dirs=" + home.resolve("data") + "," + more);
        System.exit(new Moves(host, more).story() ? 0 : 1);
    }

    private boolean story() {
        Thread writer = new Thread(this::write);
        return Host.feature("moved-by-kafkas-tool", () -> {
            host.format();
            host.start(Host.Broker.NODE);
            try (Admin admin = Admin.create(State.clientConfig(host.bootstrap()))) {
                admin.createTopics(List.of(new NewTopic(TOPIC, 1, (short) 1))).all().get();
            }
            writer.start();
            until(() -> acknowledged.get() >= RECORDS_FIRST, "the first records are not written");
            move(opposite(), this::kafkasTool);
        }) && Host.feature("moved-by-own-tool", () -> {
            move(opposite(), host.hasNode() ? this::ownTool : this::kafkasTool);
        }) && Host.feature("moves-lose-nothing", () -> {
            ends.set(true);
            writer.join();
            require(failed.get() == null, "the writer has failed: " + failed.get());
            read();
            host.stop();
            host.verify();
            host.start(Host.Broker.KAFKA);
            read();
            host.stop();
        });
    }

    interface Tool {
        Path run(String name, String... words) throws Exception;
    }

    private Path kafkasTool(String name, String... words) throws Exception {
        return host.tool(name, KAFKAS_TOOL, words);
    }

    private Path ownTool(String name, String... words) throws Exception {
        String[] all = new String[words.length + 1];
        all[0] = "reassign-partitions";
        System.arraycopy(words, 0, all, 1, words.length);
        return host.ownTool(name, all);
    }

    /** Records go on arriving while the replica moves, and behind that. */
    private void move(Path to, Tool tool) throws Exception {
        Path plan = host.home.resolve("plan.json");
        Files.writeString(plan, "{\"version\":1,\"partitions\":[{\"topic\":\"" + TOPIC
            + "\",\"partition\":0,\"replicas\":[1],\"log_dirs\":[\"" + to + "\"]}]}");
        String[] server = {"--bootstrap-server", host.bootstrap()};
        String[] file = {"--reassignment-json-file", plan.toString()};
        Path said = tool.run("execute", server[0], server[1], file[0], file[1], "--execute",
            "--replica-alter-log-dirs-throttle", "10000000");
        String begun = "Successfully started moving log directory to " + to + " for replica " + PARTITION;
        require(Files.readString(said).contains(begun), "it has not begun; see " + said);
        until(() -> {
            Path told = tool.run("verify", server[0], server[1], file[0], file[1], "--verify");
            return Files.readString(told).contains("completed successfully");
        }, "the move does not end");
        require(Files.isDirectory(to.resolve(PARTITION.toString())), "the replica is not in " + to);
        long before = acknowledged.get();
        until(() -> acknowledged.get() > before + 100, "nothing is written behind the move");
        require(failed.get() == null, "the writer has failed: " + failed.get());
    }

    /** The directory that the replica is not in. */
    private Path opposite() {
        return Files.isDirectory(more.resolve(PARTITION.toString())) ? host.data : more;
    }

    /** Numbered records, each acknowledged by all; as many as come through. */
    private void write() {
        Map<String, Object> config = Map.of("bootstrap.servers", host.bootstrap(), "acks", "all",
            "enable.idempotence", true, "linger.ms", 2);
        var bytes = new ByteArraySerializer();
        try (var producer = new KafkaProducer<>(config, bytes, bytes)) {
            for (long number = 0; !ends.get() && failed.get() == null; number++) {
                byte[] value = new byte[RECORD_BYTES];
                System.arraycopy(("" + number).getBytes(), 0, value, 0, ("" + number).length());
                producer.send(new ProducerRecord<>(TOPIC, 0, null, value), (where, error) -> {
                    if (error != null) {
                        failed.compareAndSet(null, error);
                    } else {
                        acknowledged.incrementAndGet();
                    }
                });
                if (number >= RECORDS_FIRST) {
                    Thread.sleep(1);
                }
            }
            producer.flush();
        } catch (Throwable e) {
            failed.compareAndSet(null, e);
        }
    }

    /** Every record is there once and in order. */
    private void read() {
        Map<String, Object> config = Map.of("bootstrap.servers", host.bootstrap(),
            "enable.auto.commit", false);
        var bytes = new ByteArrayDeserializer();
        try (var consumer = new KafkaConsumer<>(config, bytes, bytes)) {
            consumer.assign(List.of(PARTITION));
            consumer.seekToBeginning(List.of(PARTITION));
            long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS_MAX);
            long next = 0;
            while (next < acknowledged.get()) {
                for (var record : consumer.poll(Duration.ofMillis(200))) {
                    String value = new String(record.value()).trim();
                    require(record.offset() == next && value.equals("" + next),
                        "at " + record.offset() + " is " + value + ", expected " + next);
                    next++;
                }
                require(System.nanoTime() < end, "only " + next + " of " + acknowledged + " came");
            }
            require(consumer.endOffsets(List.of(PARTITION)).get(PARTITION) == next, "there are more");
        }
    }

    interface Holds {
        boolean now() throws Exception;
    }

    private static void until(Holds holds, String otherwise) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS_MAX);
        while (!holds.now()) {
            require(System.nanoTime() < end, otherwise);
            Thread.sleep(50);
        }
    }

    private static void require(boolean holds, String otherwise) {
        if (!holds) {
            throw new AssertionError(otherwise);
        }
    }
}
