// What the official Java consumer must show while its group changes between the classic protocol and
// KIP-848: `Migration <bootstrap>`. Its lines are the contract in ../README.md.

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public final class Migration extends Story {
    private static final int SECONDS_PER_FEATURE = 900;
    /** A member of KIP-848 hears of a change with its next heartbeat, and takes three for a move. */
    private static final int SECONDS_TO_SETTLE = 120;
    private static final int PARTITIONS = 6;
    private static final String COOPERATIVE =
        "org.apache.kafka.clients.consumer.CooperativeStickyAssignor";
    private static final String RANGE = "org.apache.kafka.clients.consumer.RangeAssignor";

    private Migration(String bootstrap) {
        super(bootstrap, "migration-" + System.currentTimeMillis());
    }

    public static void main(String[] args) {
        Migration suite = new Migration(args[0]);
        run("there-and-back", SECONDS_PER_FEATURE, () -> suite.rolling("cooperative", COOPERATIVE, 3));
        run("eager", SECONDS_PER_FEATURE, () -> suite.rolling("eager", RANGE, 2));
        run("static", SECONDS_PER_FEATURE, suite::crossing);
        System.exit(0);
    }

    /** Members cross over one after the other and come back, and the broker is killed between. */
    private void rolling(String name, String assignor, int count) throws Exception {
        try (Work work = new Work(name, assignor)) {
            List<Member> members = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                members.add(work.member("classic", null));
            }
            work.settled(members, GroupType.CLASSIC);
            replaceEach(work, members, "consumer", GroupType.CONSUMER, GroupType.CONSUMER);
            replaceEach(work, members, "classic", GroupType.CONSUMER, GroupType.CLASSIC);
            work.judge(members);
        }
    }

    private void replaceEach(Work work, List<Member> members, String protocol, GroupType between,
            GroupType after) throws Exception {
        for (int i = 0; i < members.size(); i++) {
            members.set(i, members.get(i).replacedBy(protocol));
            work.settled(members, i + 1 < members.size() ? between : after);
            if (i == 0) {
                restart();
                work.settled(members, between);
            }
        }
    }

    /** Static members cross over by their instance ids, and nobody else is disturbed. */
    private void crossing() throws Exception {
        try (Work work = new Work("static", COOPERATIVE)) {
            List<Member> members = new ArrayList<>();
            for (String instance : List.of("i", "j")) {
                members.add(work.member("classic", instance));
            }
            work.settled(members, GroupType.CLASSIC);
            replaceEach(work, members, "consumer", GroupType.CONSUMER, GroupType.CONSUMER);
            replaceEach(work, members, "classic", GroupType.CONSUMER, GroupType.CLASSIC);
            work.judge(members);
        }
    }

    /** One group, what is produced for it, and what its members did. */
    private final class Work implements AutoCloseable {
        final String topic;
        final String group;
        final String assignor;
        private final Thread producing = new Thread(this::produce);
        private volatile boolean stops;
        private final Map<TopicPartition, Member> owners = new HashMap<>();
        private final Map<String, Integer> committed = new HashMap<>();
        private final List<String> faults = new ArrayList<>();
        private final List<Member> all = new ArrayList<>();

        Work(String name, String assignor) throws Exception {
            this.topic = topic(name, PARTITIONS);
            this.group = prefix + "-" + name;
            this.assignor = assignor;
            producing.start();
        }

        private void produce() {
            Map<String, Object> config = common(StringSerializer.class, StringDeserializer.class);
            try (var producer = new KafkaProducer<String, String>(config)) {
                for (int i = 0; !stops; i++) {
                    producer.send(new ProducerRecord<>(topic, i % PARTITIONS, null, "v" + i));
                    Thread.sleep(5);
                }
            } catch (InterruptedException e) {
                fault("the producer was interrupted");
            }
        }

        synchronized void fault(String what) {
            faults.add(what);
        }

        /** Nobody else may have what a member is given, unless that one has lost it unknowingly. */
        synchronized void owned(Member member, Collection<TopicPartition> partitions) {
            for (TopicPartition partition : partitions) {
                Member other = owners.put(partition, member);
                if (other != null && other != member) {
                    faults.add(partition + " went to " + member.name + " while " + other.name + " had it");
                }
            }
        }

        synchronized void givenUp(Member member, Collection<TopicPartition> partitions) {
            partitions.forEach(partition -> owners.remove(partition, member));
        }

        synchronized List<TopicPartition> ownedBy(Member member) {
            return owners.entrySet().stream().filter(it -> it.getValue() == member)
                .map(Map.Entry::getKey).toList();
        }

        synchronized void committed(ConsumerRecords<String, String> records) {
            records.forEach(record ->
                committed.merge(record.partition() + "@" + record.offset(), 1, Integer::sum));
        }

        Member member(String protocol, String instance) {
            Member member = new Member(this, protocol, instance, "m" + all.size());
            all.add(member);
            member.start();
            return member;
        }

        /** Waits until all partitions are shared out evenly, in a group of this type. */
        void settled(List<Member> members, GroupType type) {
            settle("the group is " + type + " and each member has its share", () -> {
                synchronized (this) {
                    Map<Member, Integer> counts = new HashMap<>();
                    owners.values().forEach(owner -> counts.merge(owner, 1, Integer::sum));
                    int share = PARTITIONS / members.size();
                    if (!members.stream().allMatch(m -> counts.getOrDefault(m, 0) == share)) {
                        return false;
                    }
                }
                var listed = get(admin.listGroups().all());
                return listed.stream().filter(it -> it.groupId().equals(group))
                    .map(GroupListing::type).anyMatch(it -> it.equals(Optional.of(type)));
            });
        }

        /** Everything is committed, and nothing by two. */
        void judge(List<Member> members) throws Exception {
            stops = true;
            producing.join();
            Map<TopicPartition, OffsetSpec> wanted = new HashMap<>();
            for (int i = 0; i < PARTITIONS; i++) {
                wanted.put(new TopicPartition(topic, i), OffsetSpec.latest());
            }
            Map<Integer, Long> ends = new TreeMap<>();
            get(admin.listOffsets(wanted).all()).forEach((at, found) ->
                ends.put(at.partition(), found.offset()));
            settle("all is committed", () -> {
                var offsets = get(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata());
                Map<Integer, Long> found = new TreeMap<>();
                offsets.forEach((at, offset) -> found.put(at.partition(), offset.offset()));
                return found.equals(ends);
            });
            for (Member member : members) {
                member.end();
            }
            synchronized (this) {
                long count = ends.values().stream().mapToLong(Long::longValue).sum();
                equal("faults", faults, List.of());
                List<String> twice = committed.entrySet().stream().filter(it -> it.getValue() > 1)
                    .map(Map.Entry::getKey).toList();
                equal("committed by two", twice, List.of());
                equal("something was committed", count > 0 && committed.size() > count / 2, true);
            }
        }

        @Override
        public void close() throws Exception {
            stops = true;
            for (Member member : all) {
                member.end();
            }
        }
    }

    private static void settle(String what, BooleanSupplier condition) {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS_TO_SETTLE);
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > end) {
                throw new AssertionError("not within " + SECONDS_TO_SETTLE + " s: " + what);
            }
            try {
                Thread.sleep(50);
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        }
    }

    /** A consumer in a thread of its own, which commits what each poll brought. */
    private final class Member extends Thread {
        private final Work work;
        private final String instance;
        final String name;
        private final KafkaConsumer<String, String> consumer;
        private volatile boolean ends;

        Member(Work work, String protocol, String instance, String name) {
            this.work = work;
            this.instance = instance;
            this.name = name;
            Map<String, Object> config = common(StringSerializer.class, StringDeserializer.class);
            config.put("group.id", work.group);
            config.put("client.id", name);
            // A broker may take its time to start again.
            config.put("default.api.timeout.ms", 280_000);
            config.put("group.protocol", protocol);
            if (instance != null) {
                config.put("group.instance.id", instance);
            }
            if (protocol.equals("classic")) {
                config.put("partition.assignment.strategy", work.assignor);
                config.put("session.timeout.ms", 45_000);
            } else {
                config.remove("heartbeat.interval.ms");
            }
            consumer = new KafkaConsumer<>(config);
        }

        Member replacedBy(String protocol) throws Exception {
            end();
            return work.member(protocol, instance);
        }

        void end() throws Exception {
            ends = true;
            join();
        }

        @Override
        public void run() {
            try (consumer) {
                consumer.subscribe(List.of(work.topic), new ConsumerRebalanceListener() {
                    @Override
                    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
                        work.owned(Member.this, partitions);
                    }

                    @Override
                    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
                        work.givenUp(Member.this, partitions);
                    }
                });
                while (!ends) {
                    var records = consumer.poll(Duration.ofMillis(100));
                    Map<TopicPartition, OffsetAndMetadata> positions = new HashMap<>();
                    for (TopicPartition partition : records.partitions()) {
                        var of = records.records(partition);
                        long next = of.get(of.size() - 1).offset() + 1;
                        positions.put(partition, new OffsetAndMetadata(next));
                    }
                    commit(records, positions);
                }
            } catch (Exception e) {
                e.printStackTrace();
                work.fault(name + ": " + e);
            } finally {
                work.givenUp(this, work.ownedBy(this));
            }
        }

        private void commit(ConsumerRecords<String, String> records,
                Map<TopicPartition, OffsetAndMetadata> positions) {
            if (positions.isEmpty()) {
                return;
            }
            try {
                consumer.commitSync(positions);
                work.committed(records);
            } catch (RebalanceInProgressException | CommitFailedException e) {
                // Whoever is given these records next gets them again.
                positions.keySet().forEach(partition -> {
                    var last = get(admin.listConsumerGroupOffsets(work.group)
                        .partitionsToOffsetAndMetadata()).get(partition);
                    if (consumer.assignment().contains(partition)) {
                        consumer.seek(partition, last == null ? 0 : last.offset());
                    }
                });
            }
        }
    }
}
