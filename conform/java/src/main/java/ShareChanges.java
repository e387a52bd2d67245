// What happens around the official Java share consumer while it holds records: `ShareChanges
// <bootstrap>`. Its lines are the contract in ../README.md.

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicIdPartition;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public final class ShareChanges extends ShareStory {
    private static final int SECONDS_PER_FEATURE = 180;
    /** The shortest lock that a group may have. */
    private static final int LOCK_MS = 15_000;

    private ShareChanges(String bootstrap) {
        super(bootstrap, "share-changes-" + System.currentTimeMillis());
    }

    public static void main(String[] args) {
        ShareChanges suite = new ShareChanges(args[0]);
        run("callbacks", SECONDS_PER_FEATURE, suite::callbacks);
        run("implicit", SECONDS_PER_FEATURE, suite::implicit);
        run("record-limit", SECONDS_PER_FEATURE, suite::recordLimit);
        run("isolation", SECONDS_PER_FEATURE, suite::isolation);
        run("locks", SECONDS_PER_FEATURE, suite::locks);
        run("renewed", SECONDS_PER_FEATURE, suite::renewed);
        run("grows", SECONDS_PER_FEATURE, suite::grows);
        run("topic-deleted", SECONDS_PER_FEATURE, suite::topicDeleted);
        System.exit(0);
    }

    private void sendTo(String topic, int partition, String... values) {
        Map<String, Object> config = common(StringSerializer.class, StringDeserializer.class);
        try (var producer = new KafkaProducer<String, String>(config)) {
            for (String value : values) {
                get(producer.send(new ProducerRecord<>(topic, partition, null, value)));
            }
        }
    }

    /** Polls until there are so many records; those before are accepted as they come. */
    private static List<ConsumerRecord<String, String>> take(
        KafkaShareConsumer<String, String> member, int count) {
        List<ConsumerRecord<String, String>> got = new ArrayList<>();
        until(count + " records come", () -> {
            for (var record : member.poll(POLL)) {
                got.add(record);
            }
            return got.size() >= count;
        });
        return got;
    }

    /** What is committed behind the caller's back comes to its callback, each offset once. */
    private void callbacks() throws Exception {
        String topic = topic("callbacks", 1);
        String group = group("callbacks");
        sendTo(topic, 0, "v0", "v1", "v2", "v3");
        Map<Long, String> told = new TreeMap<>();
        try (var member = member(group, Map.of("max.poll.records", 2))) {
            member.setAcknowledgementCommitCallback((offsets, failure) -> offsets.forEach(
                (of, at) -> at.forEach(offset -> told.merge(offset, "" + failure, (a, b) -> a + b))));
            member.subscribe(List.of(topic));
            List<String> got = new ArrayList<>();
            until("all are committed", () -> {
                for (var record : member.poll(POLL)) {
                    got.add(record.value());
                    member.acknowledge(record,
                        record.offset() == 1 ? AcknowledgeType.REJECT : AcknowledgeType.ACCEPT);
                }
                member.commitAsync();
                return told.size() >= 4;
            });
            equal("got", new TreeSet<>(got), new TreeSet<>(List.of("v0", "v1", "v2", "v3")));
            equal("once each", got.size(), 4);
        }
        equal("told", told, new TreeMap<>(Map.of(0L, "null", 1L, "null", 2L, "null", 3L, "null")));
    }

    /** Without a word, what was polled is accepted by the next poll, and by closing. */
    private void implicit() throws Exception {
        String topic = topic("implicit", 1);
        String group = group("implicit");
        sendTo(topic, 0, "v0", "v1", "v2");
        List<String> got = new ArrayList<>();
        var how = Map.<String, Object>of("share.acknowledgement.mode", "implicit", "max.poll.records", 1);
        try (var member = member(group, how)) {
            member.subscribe(List.of(topic));
            take(member, 3).forEach(record -> got.add(record.value()));
            equal("committed", member.commitSync(COMMIT).values().stream().allMatch(Optional::isEmpty), true);
        }
        equal("got", got, List.of("v0", "v1", "v2"));
        sendTo(topic, 0, "v3");
        try (var member = member(group)) {
            member.subscribe(List.of(topic));
            equal("the rest", take(member, 1).get(0).value(), "v3");
        }
    }

    /** With a strict limit a member gets no more than it asks for, and another something else. */
    private void recordLimit() throws Exception {
        String topic = topic("limit", 1);
        String group = group("limit");
        sendTo(topic, 0, "v0");
        Map<String, Object> config = common(StringSerializer.class, StringDeserializer.class);
        config.put("linger.ms", 200);
        try (var producer = new KafkaProducer<String, String>(config)) {
            for (int i = 1; i < 10; i++) {
                producer.send(new ProducerRecord<>(topic, 0, null, "v" + i));
            }
        }
        var how = Map.<String, Object>of("share.acquire.mode", "record_limit", "max.poll.records", 3);
        try (var one = member(group, how); var other = member(group, how)) {
            one.subscribe(List.of(topic));
            other.subscribe(List.of(topic));
            var mine = take(one, 1);
            equal("no more than asked for", mine.size() <= 3, true);
            // A member may have fetched again before it is asked.
            var others = take(other, 1);
            equal("no more for the other", others.size() <= 3, true);
            Set<Long> offsets = new TreeSet<>();
            mine.forEach(record -> offsets.add(record.offset()));
            others.forEach(record -> offsets.add(record.offset()));
            equal("nothing twice", offsets.size(), mine.size() + others.size());
        }
    }

    /** A group that begins to read what is committed gets nothing of what is aborted after that. */
    private void isolation() throws Exception {
        String topic = topic("isolation", 1);
        String group = group("isolation");
        Map<String, Object> config = common(StringSerializer.class, StringDeserializer.class);
        config.put("transactional.id", topic);
        try (var producer = new KafkaProducer<String, String>(config);
            var member = member(group)) {
            producer.initTransactions();
            member.subscribe(List.of(topic));
            transact(producer, topic, "a0", false);
            List<String> got = new ArrayList<>();
            until("what is aborted comes to who does not ask", () -> got.addAll(accept(member)) && !got.isEmpty());
            configure(group, "share.isolation.level", "read_committed");
            // Whoever waits goes by what held when it asked: let that be over.
            transact(producer, topic, "c1", true);
            until("the first committed one", () -> got.addAll(accept(member)) && got.contains("c1"));
            transact(producer, topic, "a2", false);
            transact(producer, topic, "c3", true);
            transact(producer, topic, "a4", false);
            transact(producer, topic, "c5", true);
            until("the last committed one", () -> got.addAll(accept(member)) && got.contains("c5"));
            equal("got", got, List.of("a0", "c1", "c3", "c5"));
        }
    }

    private static void transact(
        KafkaProducer<String, String> producer, String topic, String value, boolean commits) {
        producer.beginTransaction();
        get(producer.send(new ProducerRecord<>(topic, 0, null, value)));
        if (commits) {
            producer.commitTransaction();
        } else {
            producer.abortTransaction();
        }
    }

    /** A lock lasts as long as the group says; what is said too late does not count. */
    private void locks() throws Exception {
        String topic = topic("locks", 1);
        String group = group("locks");
        for (String wrong : List.of("14999", "60001")) {
            try {
                configure(group, "share.record.lock.duration.ms", wrong);
                throw new AssertionError(wrong + " was taken");
            } catch (IllegalStateException e) {
                equal("refused", e.getCause().getCause() instanceof InvalidConfigurationException, true);
            }
        }
        configure(group, "share.record.lock.duration.ms", "" + LOCK_MS);
        sendTo(topic, 0, "v0");
        try (var slow = member(group); var other = member(group)) {
            slow.subscribe(List.of(topic));
            var late = take(slow, 1).get(0);
            equal("lock", slow.acquisitionLockTimeoutMs(), Optional.of(LOCK_MS));
            other.subscribe(List.of(topic));
            var again = take(other, 1).get(0);
            equal("count", again.deliveryCount(), Optional.of((short) 2));
            slow.acknowledge(late, AcknowledgeType.ACCEPT);
            Map<TopicIdPartition, Optional<KafkaException>> said = slow.commitSync(COMMIT);
            equal("too late", said.values().stream().allMatch(Optional::isPresent) && !said.isEmpty(), true);
            other.acknowledge(again, AcknowledgeType.ACCEPT);
            said = other.commitSync(COMMIT);
            equal("in time", said.values().stream().allMatch(Optional::isEmpty) && !said.isEmpty(), true);
        }
    }

    /** Who renews its lock keeps its record for longer than one lock lasts. */
    private void renewed() throws Exception {
        String topic = topic("renewed", 1);
        String group = group("renewed");
        configure(group, "share.record.lock.duration.ms", "" + LOCK_MS);
        sendTo(topic, 0, "v0");
        try (var member = member(group); var other = member(group)) {
            member.subscribe(List.of(topic));
            var mine = take(member, 1).get(0);
            other.subscribe(List.of(topic));
            long end = System.nanoTime() + Duration.ofMillis(2L * LOCK_MS).toNanos();
            while (System.nanoTime() < end) {
                member.acknowledge(mine, AcknowledgeType.RENEW);
                var said = member.commitSync(COMMIT);
                equal("renewed", said.values().stream().allMatch(Optional::isEmpty), true);
                for (var record : member.poll(POLL)) {
                    equal("still mine", record.offset(), mine.offset());
                }
                equal("nobody else's", other.poll(Duration.ofSeconds(1)).count(), 0);
            }
            member.acknowledge(mine, AcknowledgeType.ACCEPT);
            var said = member.commitSync(COMMIT);
            equal("accepted", said.values().stream().allMatch(Optional::isEmpty) && !said.isEmpty(), true);
        }
    }

    /** Partitions that a topic gets while it is read are read too, from their beginning. */
    private void grows() throws Exception {
        String topic = topic("grows", 1);
        String group = group("grows");
        sendTo(topic, 0, "v0");
        List<String> got = new ArrayList<>();
        try (var member = member(group)) {
            member.subscribe(List.of(topic));
            until("the first one", () -> got.addAll(accept(member)) && !got.isEmpty());
            get(admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(3))).all());
            sendTo(topic, 1, "v1");
            sendTo(topic, 2, "v2");
            until("those of the new ones", () -> {
                got.addAll(accept(member));
                return got.size() >= 3;
            });
        }
        equal("got", new TreeSet<>(got), new TreeSet<>(List.of("v0", "v1", "v2")));
        equal("once each", got.size(), 3);
    }

    /** Who holds records of a topic that is deleted hears it, and goes on with another topic. */
    private void topicDeleted() throws Exception {
        String topic = topic("deleted", 1);
        String left = topic("left", 1);
        String group = group("deleted");
        sendTo(topic, 0, "v0");
        try (var member = member(group)) {
            member.subscribe(List.of(topic, left));
            var held = take(member, 1).get(0);
            get(admin.deleteTopics(Set.of(topic)).all());
            member.acknowledge(held, AcknowledgeType.ACCEPT);
            Map<String, Boolean> refused = new HashMap<>();
            member.commitSync(COMMIT).forEach((of, why) -> refused.put(of.topic(), why.isPresent()));
            equal("refused", refused, Map.of(topic, true));
            sendTo(left, 0, "w0");
            List<String> got = new ArrayList<>();
            until("the other topic goes on", () -> got.addAll(accept(member)) && !got.isEmpty());
            equal("got", got, List.of("w0"));
        }
    }
}
