// What the official Java consumer must show with group.protocol=consumer (KIP-848): `Consumers
// <bootstrap>`. Its lines are the contract in ../README.md.

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public final class Consumers extends Story {
    private static final int SECONDS_PER_FEATURE = 120;

    private Consumers(String bootstrap) {
        super(bootstrap, "consumers-" + System.currentTimeMillis());
    }

    public static void main(String[] args) {
        Consumers suite = new Consumers(args[0]);
        run("group", SECONDS_PER_FEATURE, suite::group);
        run("regex", SECONDS_PER_FEATURE, suite::regex);
        run("static", SECONDS_PER_FEATURE, suite::remembered);
        run("described", SECONDS_PER_FEATURE, suite::described);
        run("restart", SECONDS_PER_FEATURE, suite::outliving);
        System.exit(0);
    }

    private KafkaConsumer<String, String> consumer(String group, Map<String, Object> how) {
        Map<String, Object> config = common(StringSerializer.class, StringDeserializer.class);
        // The broker says how often, and for how long it waits.
        config.remove("heartbeat.interval.ms");
        config.put("group.protocol", "consumer");
        config.put("group.id", prefix + "-" + group);
        config.putAll(how);
        return new KafkaConsumer<>(config);
    }

    private void send(String topic, int partitions, int count) {
        Map<String, Object> config = common(StringSerializer.class, StringDeserializer.class);
        try (var producer = new KafkaProducer<String, String>(config)) {
            for (int i = 0; i < count; i++) {
                producer.send(new ProducerRecord<>(topic, i % partitions, null, "v" + i));
            }
        }
    }

    /** Polls once; true, so that conditions can be told in a row. */
    private static boolean drain(KafkaConsumer<String, String> consumer, List<String> got) {
        consumer.poll(Duration.ofMillis(50)).forEach(record -> got.add(record.value()));
        return true;
    }

    /** One member owns all, a second takes half without the first one losing the rest, and back. */
    private void group() throws Exception {
        String topic = topic("group", 4);
        List<String> got = new ArrayList<>();
        var first = consumer("group", Map.of());
        var second = consumer("group", Map.of("group.remote.assignor", "uniform"));
        try (first) {
            first.subscribe(List.of(topic));
            until("one member owns all", () -> drain(first, got) && first.assignment().size() == 4);
            Set<TopicPartition> before = new HashSet<>(first.assignment());
            try (second) {
                second.subscribe(List.of(topic));
                BooleanSupplier both = () -> drain(first, got) && drain(second, got)
                    && first.assignment().size() == 2 && second.assignment().size() == 2;
                until("each owns two", both);
                equal("kept", before.containsAll(first.assignment()), true);
                send(topic, 4, 40);
                until("both read all", () -> both.getAsBoolean() && got.size() >= 40);
                equal("count", got.size(), 40);
                first.commitSync();
                second.commitSync();
            }
            until("the one that stays owns all",
                () -> drain(first, got) && first.assignment().size() == 4);
            send(topic, 4, 4);
            until("it reads on", () -> drain(first, got) && got.size() >= 44);
            equal("count", got.size(), 44);
        }
    }

    /** The broker finds the topics of an expression, also those that are made later. */
    private void regex() throws Exception {
        String topic = topic("regex-a", 1);
        List<String> got = new ArrayList<>();
        try (var consumer = consumer("regex", Map.of())) {
            consumer.subscribe(new SubscriptionPattern(prefix + "-regex-[ab]"));
            until("the topic is found", () -> drain(consumer, got) && consumer.assignment().size() == 1);
            send(topic, 1, 5);
            String later = topic("regex-b", 2);
            send(later, 2, 6);
            topic("regex-c", 1);
            until("the later topic is found",
                () -> drain(consumer, got) && consumer.assignment().size() == 3);
            until("all is read", () -> drain(consumer, got) && got.size() >= 11);
        }
    }

    /** A static member that comes back has what it had, and nobody else was disturbed. */
    private void remembered() throws Exception {
        String topic = topic("static", 4);
        List<String> got = new ArrayList<>();
        try (var other = consumer("static", Map.of())) {
            other.subscribe(List.of(topic));
            var first = consumer("static", Map.of("group.instance.id", "s"));
            first.subscribe(List.of(topic));
            until("each owns two", () -> drain(first, got) && drain(other, got)
                && first.assignment().size() == 2 && other.assignment().size() == 2);
            Set<TopicPartition> had = new HashSet<>(first.assignment());
            first.close();
            try (var again = consumer("static", Map.of("group.instance.id", "s"))) {
                again.subscribe(List.of(topic));
                until("it has what it had",
                    () -> drain(again, got) && drain(other, got) && again.assignment().equals(had));
                equal("the other one's", other.assignment().size(), 2);
            }
        }
    }

    /** Kafka's admin client sees the group as it is, and may not delete what is in use. */
    private void described() throws Exception {
        String topic = topic("described", 2);
        List<String> got = new ArrayList<>();
        String group = prefix + "-described";
        try (var consumer = consumer("described", Map.of("client.id", "reader"))) {
            consumer.subscribe(List.of(topic));
            until("it owns both", () -> drain(consumer, got) && consumer.assignment().size() == 2);
            var found = get(admin.describeConsumerGroups(List.of(group)).all()).get(group);
            equal("state", found.groupState(), GroupState.STABLE);
            equal("assignor", found.partitionAssignor(), "uniform");
            var member = found.members().iterator().next();
            equal("client", member.clientId(), "reader");
            equal("assigned", member.assignment().topicPartitions(), consumer.assignment());
            equal("target", member.targetAssignment().get().topicPartitions(), consumer.assignment());
        }
        get(admin.deleteConsumerGroups(List.of(group)).all());
    }

    /** A member outlives a broker that is killed, with its epoch and its commits. */
    private void outliving() throws Exception {
        String topic = topic("restart", 1);
        List<String> got = new ArrayList<>();
        try (var consumer = consumer("restart", Map.of())) {
            consumer.subscribe(List.of(topic));
            send(topic, 1, 10);
            until("ten are read", () -> drain(consumer, got) && got.size() >= 10);
            var at = new TopicPartition(topic, 0);
            consumer.commitSync(Map.of(at, new OffsetAndMetadata(10, "ten")));
            var epoch = consumer.groupMetadata().generationId();
            restart();
            send(topic, 1, 10);
            until("ten more are read", () -> drain(consumer, got) && got.size() >= 20);
            equal("epoch", consumer.groupMetadata().generationId(), epoch);
            equal("committed", consumer.committed(Set.of(at)).get(at), new OffsetAndMetadata(10, "ten"));
        }
    }
}
