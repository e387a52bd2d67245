// A folder of the node in which half of the partitions have no directory, since nobody has written
// to them (docs/decisions/0014): Apache Kafka opens it and serves them all. `Unmade <bootstrap>`
// needs no broker but its own. Its lines are the contract in ../README.md.

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public final class Unmade {
    private static final int TOPICS = 1_000;
    private static final int TOPICS_AT_ONCE = 100;
    private static final int SECONDS_MAX = 300;

    private final Host host;
    private final Admin admin;
    /** Topics by name, with their ids. */
    private Map<String, String> ids;
    private final Map<TopicPartition, Long> ends = new HashMap<>();

    private Unmade(Host host) {
        this.host = host;
        Map<String, Object> config = State.clientConfig(host.bootstrap());
        config.put("default.api.timeout.ms", (int) TimeUnit.SECONDS.toMillis(SECONDS_MAX));
        admin = Admin.create(config);
        topics().forEach(name -> ends.put(new TopicPartition(name, 0), 0L));
    }

    public static void main(String[] args) throws Exception {
        System.exit(new Unmade(Host.ofProgram("unmade")).story() ? 0 : 1);
    }

    /** Each feature needs the one before. */
    private boolean story() {
        return Host.feature("unmade-to-kafka", () -> {
            host.format();
            host.start(Host.Broker.NODE);
            create();
            write(topics().filter(name -> (name.charAt(name.length() - 1) - (int) '0') % 2 == 0).toList());
            ids = described();
            host.stop();
            host.verify();
            require(!host.hasNode() || made() == TOPICS / 2, "so many have a directory: " + made());
            takes(Host.Broker.KAFKA);
            require(made() == TOPICS, "Kafka has made so many directories: " + made());
        }) && Host.feature("unmade-written", () -> {
            write(topics().toList());
            host.stop();
            host.verify();
        }) && Host.feature("unmade-back", () -> {
            takes(Host.Broker.NODE);
            write(topics().toList());
        }) && Host.feature("unmade-killed", () -> {
            NewTopic late = new NewTopic("late", 50, (short) 1);
            admin.createTopics(List.of(late)).all().get();
            IntStream.range(0, 50).forEach(i -> ends.put(new TopicPartition("late", i), 0L));
            write(List.of("late"));
            ids = described();
            host.kill();
            takes(Host.Broker.KAFKA);
            write(List.of("late"));
            host.stop();
            host.verify();
        });
    }

    private static Stream<String> topics() {
        return IntStream.range(0, TOPICS).mapToObj(number -> "topic-%03d".formatted(number));
    }

    private void create() throws Exception {
        List<String> names = topics().toList();
        for (int at = 0; at < TOPICS; at += TOPICS_AT_ONCE) {
            admin.createTopics(names.subList(at, at + TOPICS_AT_ONCE).stream()
                .map(name -> new NewTopic(name, 1, (short) 1)).toList()).all().get();
        }
    }

    /** One record to the first partition of each. */
    private void write(List<String> names) throws Exception {
        Map<String, Object> config = State.clientConfig(host.bootstrap());
        config.remove("default.api.timeout.ms");
        config.put("delivery.timeout.ms", (int) TimeUnit.SECONDS.toMillis(SECONDS_MAX));
        config.put("max.block.ms", TimeUnit.SECONDS.toMillis(SECONDS_MAX));
        var bytes = new ByteArraySerializer();
        try (var producer = new KafkaProducer<>(config, bytes, bytes)) {
            var sent = new TreeMap<String, java.util.concurrent.Future<org.apache.kafka.clients.producer.RecordMetadata>>();
            for (String name : names) {
                sent.put(name, producer.send(new ProducerRecord<>(name, 0, null, name.getBytes())));
            }
            for (var one : sent.entrySet()) {
                var partition = new TopicPartition(one.getKey(), 0);
                long offset = one.getValue().get().offset();
                require(offset == ends.get(partition), partition + " has given offset " + offset);
                ends.put(partition, offset + 1);
            }
        }
    }

    /** The broker starts on the folder, has the same topics, and serves all partitions. */
    private void takes(Host.Broker broker) throws Exception {
        host.start(broker);
        require(described().equals(ids), "the topics are others");
        Map<TopicPartition, OffsetSpec> latest = new HashMap<>();
        ends.keySet().forEach(partition -> latest.put(partition, OffsetSpec.latest()));
        Map<TopicPartition, Long> told = new HashMap<>();
        for (Map.Entry<TopicPartition, ListOffsetsResultInfo> one
                : admin.listOffsets(latest).all().get().entrySet()) {
            told.put(one.getKey(), one.getValue().offset());
        }
        List<String> wrong = new ArrayList<>();
        ends.forEach((partition, end) -> {
            if (!end.equals(told.get(partition))) {
                wrong.add(partition + " ends at " + told.get(partition) + " and not at " + end);
            }
        });
        wrong.sort(Comparator.naturalOrder());
        require(wrong.isEmpty(), wrong.size() + " are wrong: " + wrong.stream().findFirst().orElse(""));
    }

    private Map<String, String> described() throws Exception {
        Map<String, String> found = new TreeMap<>();
        admin.listTopics().listings().get()
            .forEach(topic -> found.put(topic.name(), topic.topicId().toString()));
        return found;
    }

    /** How many of the thousand have a directory. */
    private long made() throws Exception {
        try (Stream<Path> all = Files.list(host.data)) {
            return all.filter(path -> path.getFileName().toString().matches("topic-\\d{3}-0")).count();
        }
    }

    private static void require(boolean holds, String otherwise) {
        if (!holds) {
            throw new AssertionError(otherwise);
        }
    }
}
