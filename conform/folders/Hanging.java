// Transactions that hang: made, found and ended on Apache Kafka and on the node, by Kafka's tool and by
// the node's. `Hanging <bootstrap>` needs no broker but its own. Its lines are the contract in
// ../README.md.

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public final class Hanging {
    private static final String TOPIC = "left";
    private static final TopicPartition PARTITION = new TopicPartition(TOPIC, 0);
    private static final String TOOL = "org.apache.kafka.tools.TransactionsCommand";
    /** Longer ago than a transaction may be open for who looks for those that hang. */
    private static final long AGO_MS = Duration.ofHours(1).toMillis();

    private final Host host;
    /** What the tools said, with what differs from run to run masked. */
    private final List<String> said = new ArrayList<>();
    private int tools;

    private Hanging(Host host) {
        this.host = host;
    }

    public static void main(String[] args) throws Exception {
        // Without this no broker lets a batch into a transaction that its coordinator knows nothing of.
        String more = "transaction.partition.verification.enable=false";
        var onKafka = new Hanging(Host.ofProgram("hanging-kafka", more));
        var onNode = new Hanging(Host.ofProgram("hanging-node", more));
        boolean ok = Host.feature("hanging-on-kafka", () -> onKafka.story(Host.Broker.KAFKA))
            && Host.feature("hanging-on-node", () -> onNode.story(Host.Broker.NODE))
            && Host.feature("hanging-told-alike", () -> equal("the tools say", onNode.said, onKafka.said));
        System.exit(ok ? 0 : 1);
    }

    private void story(Host.Broker broker) throws Exception {
        host.format();
        host.start(broker);
        boolean hasOwnTool = broker == Host.Broker.NODE && host.hasNode();
        try (Admin admin = Admin.create(State.clientConfig(host.bootstrap()))) {
            admin.createTopics(List.of(new NewTopic(TOPIC, 1, (short) 1))).all().get();
        }
        List<String> wanted = new ArrayList<>();
        commit("before");
        wanted.add("before");
        for (boolean own : new boolean[] {false, true}) {
            String behind = "behind " + wanted.size();
            long start = hang("hangs " + wanted.size());
            commit(behind);
            equal("committed", committed(), wanted);
            String found = find(own && hasOwnTool);
            said.add(found);
            equal("lines of what hangs", found.lines().count(), 2L);
            run(own && hasOwnTool, "describe-producers", "--topic", TOPIC, "--partition", "0");
            run(own && hasOwnTool, "abort", "--topic", TOPIC, "--partition", "0", "--start-offset", "" + start);
            wanted.add(behind);
            equal("committed behind the abort", committed(), wanted);
            equal("lines of what hangs", find(own && hasOwnTool).lines().count(), 1L);
        }
        host.stop();
    }

    /** Leaves a record in a transaction that no coordinator will end; answers its offset. */
    private long hang(String value) throws Exception {
        long before;
        try (Admin admin = Admin.create(State.clientConfig(host.bootstrap()))) {
            var latest = Map.of(PARTITION, org.apache.kafka.clients.admin.OffsetSpec.latest());
            before = admin.listOffsets(latest).partitionResult(PARTITION).get().offset();
        }
        try (Raw raw = new Raw(host.bootstrap())) {
            var who = raw.init("forgotten");
            equal("error of InitProducerId", who.errorCode(), (short) 0);
            long time = System.currentTimeMillis() - AGO_MS;
            equal("error of Produce", raw.produce(TOPIC, "forgotten", who, time, value), (short) 0);
        }
        return before;
    }

    private String find(boolean own) throws Exception {
        return run(own, "find-hanging", "--broker-id", "1");
    }

    /** What a tool says, without the width of its columns and what is another on every broker. */
    private String run(boolean own, String command, String... words) throws Exception {
        List<String> all = new ArrayList<>(List.of("--bootstrap-server", host.bootstrap(), command));
        all.addAll(List.of(words));
        String name = command + ++tools;
        if (own) {
            all.add(0, "transactions");
        }
        String[] line = all.toArray(String[]::new);
        Path file = own ? host.ownTool(name, line) : host.tool(name, TOOL, line);
        String text = Files.readString(file).replaceAll("[ \t]+", " ").replaceAll("\\b\\d{10,}\\b", "TIME");
        return text.replaceAll("(?m)^(" + TOPIC + " 0) \\d+", "$1 PRODUCER");
    }

    private void commit(String value) {
        var text = new StringSerializer();
        try (var producer = new KafkaProducer<>(config("transactional.id", "ends"), text, text)) {
            producer.initTransactions();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(TOPIC, 0, null, value));
            producer.commitTransaction();
        }
    }

    /** What a reader is given that waits for the ends of transactions. */
    private List<String> committed() {
        List<String> got = new ArrayList<>();
        var text = new StringDeserializer();
        try (var consumer = new KafkaConsumer<>(config("isolation.level", "read_committed"), text, text)) {
            consumer.assign(List.of(PARTITION));
            consumer.seekToBeginning(List.of(PARTITION));
            long end = consumer.endOffsets(List.of(PARTITION)).get(PARTITION);
            while (consumer.position(PARTITION) < end) {
                consumer.poll(Duration.ofMillis(200)).forEach(record -> got.add(record.value()));
            }
        }
        return got;
    }

    private Map<String, Object> config(String key, String value) {
        Map<String, Object> config = new HashMap<>(Map.of("bootstrap.servers", host.bootstrap()));
        config.put(key, value);
        return config;
    }

    private static void equal(String what, Object got, Object wanted) {
        if (!got.equals(wanted)) {
            throw new AssertionError(what + ": " + got + " is not " + wanted);
        }
    }
}
