// What is written to the folder, round after round: under every codec, in transactions that are
// committed, aborted and left open, compacted, deleted, and as positions of groups. Each round
// goes on with the producers, transactional ids and groups of the one before, whichever broker
// that was. Must hold: the ledger knows every record that was acknowledged, and what became of it.

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

final class Writing implements AutoCloseable {
    private static final List<String> CODECS = List.of("none", "gzip", "snappy", "lz4", "zstd");
    private static final int SECONDS_MAX = 120;
    /** A record this much newer than the first of a segment begins another one. */
    private static final int SEGMENT_MS = 60_000;
    private static final int INPUTS = 20;

    /** What became of a record. */
    enum Fate { PLAIN, OPEN, COMMITTED, ABORTED }

    private record Entry(String value, Fate fate) { }

    private final String bootstrap;
    private final Admin admin;
    /** Every acknowledged record by `topic-partition@offset`, but for what may be compacted. */
    private final Map<String, Entry> ledger = new TreeMap<>();
    /** The newest value of each key of the compacted topic. */
    private final Map<String, String> newest = new HashMap<>();
    /** They live as long as this program: brokers come and go. */
    private final KafkaProducer<byte[], byte[]> traveller;
    private final KafkaProducer<byte[], byte[]> transactional;
    private final List<String> openOfTransactional = new ArrayList<>();
    private final List<String> openOfLeft = new ArrayList<>();
    /** Record times that the program gives; old enough that none is ahead of the clock. */
    private long time = System.currentTimeMillis() - TimeUnit.HOURS.toMillis(12);

    Writing(String bootstrap) {
        this.bootstrap = bootstrap;
        admin = Admin.create(State.clientConfig(bootstrap));
        traveller = producer(Map.of());
        transactional = producer(Map.of("transactional.id", "traveller"));
    }

    @Override
    public void close() {
        traveller.close(Duration.ZERO);
        transactional.close(Duration.ZERO);
        admin.close(Duration.ZERO);
    }

    /** `deletes` raises a log start: what follows must not be a kill, which may take that back. */
    void round(int number, boolean deletes) throws Exception {
        if (number == 0) {
            begin();
        } else {
            takeOver(number);
        }
        for (String codec : CODECS) {
            codec(codec, number);
        }
        for (int i = 0; i < 10; i++) {
            note(traveller, "travel", 0, null, null, "round " + number + " " + i, Fate.PLAIN);
        }
        rolled(number, deletes);
        transactions(number);
        groups(number);
        topics(number);
        leaveOpen(number);
        keys(number);
        settle();
    }

    private void begin() throws Exception {
        List<NewTopic> topics = new ArrayList<>();
        CODECS.forEach(codec -> topics.add(topic("codec-" + codec, 1, Map.of())));
        Map<String, String> rolls = Map.of("segment.ms", "" + SEGMENT_MS);
        topics.add(topic("rolled", 2, rolls));
        topics.add(topic("arrived", 1, Map.of("message.timestamp.type", "LogAppendTime")));
        topics.add(topic("pairs", 2, Map.of()));
        topics.add(topic("open", 2, Map.of()));
        topics.add(topic("travel", 1, Map.of()));
        topics.add(topic("input", 2, Map.of()));
        topics.add(topic("keys", 1, Map.of("cleanup.policy", "compact", "segment.ms", "" + SEGMENT_MS,
            "min.cleanable.dirty.ratio", "0.01", "delete.retention.ms", "86400000")));
        admin.createTopics(topics).all().get();
        transactional.initTransactions();
    }

    private static NewTopic topic(String name, int partitions, Map<String, String> configs) {
        Map<String, String> all = new HashMap<>(configs);
        all.put("retention.ms", "-1");
        return new NewTopic(name, partitions, (short) 1).configs(all);
    }

    /** Transactions that the broker before left open: one is committed by who began it, the other
     * aborted by who takes over its id. */
    private void takeOver(int number) throws Exception {
        transactional.commitTransaction();
        settled(openOfTransactional, Fate.COMMITTED);
        try (var successor = producer(Map.of("transactional.id", "left"))) {
            successor.initTransactions();
            settled(openOfLeft, Fate.ABORTED);
            successor.beginTransaction();
            note(successor, "open", 1, null, null, "taken over in " + number, Fate.COMMITTED);
            successor.commitTransaction();
        }
    }

    private void leaveOpen(int number) throws Exception {
        transactional.beginTransaction();
        openOfTransactional.add(
            note(transactional, "open", 0, null, null, "open since " + number, Fate.OPEN));
        var left = producer(Map.of("transactional.id", "left"));
        left.initTransactions();
        left.beginTransaction();
        openOfLeft.add(note(left, "open", 1, null, null, "left in " + number, Fate.OPEN));
        // Without the time to say farewell it ends as a program that is killed.
        left.close(Duration.ZERO);
        note(traveller, "open", 1, null, null, "behind it " + number, Fate.PLAIN);
    }

    private void settled(List<String> open, Fate fate) {
        open.forEach(at -> ledger.computeIfPresent(at, (key, entry) -> new Entry(entry.value, fate)));
        open.clear();
    }

    private void codec(String codec, int number) throws Exception {
        try (var producer = producer(Map.of("compression.type", codec, "linger.ms", 50))) {
            for (int i = 0; i < 60; i++) {
                String value = i % 9 == 8 ? null : number + " value " + i + " abc".repeat(i % 7 * 20);
                String key = i % 5 == 4 ? null : "key " + i;
                var record = new ProducerRecord<>("codec-" + codec, 0, time + i, bytes(key), bytes(value));
                if (i % 3 == 0) {
                    record.headers().add(new RecordHeader("i", bytes("" + i)));
                    record.headers().add(new RecordHeader("none", null));
                }
                var sent = producer.send(record);
                if (i % 20 == 19) {
                    producer.flush();
                }
                // It is noted when it is acknowledged, which the close waits for.
                acknowledged.add(() -> enter(sent.get(), value, Fate.PLAIN));
            }
        }
        for (Note each : acknowledged) {
            each.write();
        }
        acknowledged.clear();
        time += 1_000;
    }

    private interface Note {
        void write() throws Exception;
    }

    private final List<Note> acknowledged = new ArrayList<>();

    private void rolled(int number, boolean deletes) throws Exception {
        for (int i = 0; i < 8; i++) {
            time += SEGMENT_MS + 1_000;
            for (int partition = 0; partition < 2; partition++) {
                for (int j = 0; j < 3; j++) {
                    note(traveller, "rolled", partition, time, "k" + j, number + " " + i, Fate.PLAIN);
                }
            }
        }
        note(traveller, "arrived", 0, time, null, "arrived " + number, Fate.PLAIN);
        if (deletes) {
            // Into the middle of a segment.
            TopicPartition partition = new TopicPartition("rolled", 1);
            long offset = 24L * number + 10;
            admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(offset))).all().get();
            ledger.keySet().removeIf(at -> at.startsWith("rolled-1@") && at.compareTo(at(partition, offset)) < 0);
        }
    }

    private void transactions(int number) throws Exception {
        try (var producer = producer(Map.of("transactional.id", "steady", "compression.type", "lz4"));
                var other = producer(Map.of("transactional.id", "other-" + number))) {
            producer.initTransactions();
            other.initTransactions();
            for (int i = 0; i < 5; i++) {
                Fate fate = i % 2 == 0 ? Fate.COMMITTED : Fate.ABORTED;
                producer.beginTransaction();
                other.beginTransaction();
                note(producer, "pairs", 0, null, "a", number + " " + i, fate);
                note(other, "pairs", 0, null, "b", number + " " + i, Fate.ABORTED);
                note(producer, "pairs", 1, null, "a", number + " " + i, fate);
                note(traveller, "pairs", 0, null, "c", number + " " + i, Fate.PLAIN);
                if (fate == Fate.COMMITTED) {
                    producer.sendOffsetsToTransaction(
                        Map.of(new TopicPartition("input", 0),
                            new OffsetAndMetadata(number * 5 + i, "in transaction " + i)),
                        ofNobody("g-transactional"));
                    producer.commitTransaction();
                } else {
                    producer.abortTransaction();
                }
                other.abortTransaction();
            }
        }
    }

    /** A group goes on where it was, others get positions, are deleted, lose one of two. */
    private void groups(int number) throws Exception {
        Set<String> wanted = new TreeSet<>();
        for (int i = 0; i < 2 * INPUTS; i++) {
            String value = number + " input " + i;
            note(traveller, "input", i % 2, null, null, value, Fate.PLAIN);
            wanted.add(value);
        }
        goesOn("g-classic", "classic", number, wanted);
        goesOn("g-consumer", "consumer", number, wanted);
        var zero = new TopicPartition("input", 0);
        var one = new TopicPartition("input", 1);
        for (String group : List.of("g-simple", "g-gone", "g-half-" + number)) {
            admin.alterConsumerGroupOffsets(group, Map.of(zero, new OffsetAndMetadata(number, "zero"),
                one, new OffsetAndMetadata(number + 1, Optional.empty(), ""))).all().get();
        }
        admin.deleteConsumerGroups(List.of("g-gone")).all().get();
        admin.deleteConsumerGroupOffsets("g-half-" + number, Set.of(one)).all().get();
    }

    /** A member reads what is new since the position of the one before, and leaves its own. */
    private void goesOn(String group, String protocol, int number, Set<String> wanted) throws Exception {
        Map<String, Object> config = consumerConfig(group);
        config.put("group.protocol", protocol);
        try (var consumer = new KafkaConsumer<byte[], byte[]>(config)) {
            consumer.subscribe(List.of("input"));
            Set<String> got = new TreeSet<>();
            Map<TopicPartition, OffsetAndMetadata> positions = new HashMap<>();
            long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS_MAX);
            while (got.size() < wanted.size()) {
                for (var record : consumer.poll(Duration.ofMillis(200))) {
                    got.add(string(record.value()));
                    // With another epoch than the record's the next member finds that the log was
                    // cut, and goes on where that epoch ended.
                    positions.put(new TopicPartition(record.topic(), record.partition()),
                        new OffsetAndMetadata(record.offset() + 1, record.leaderEpoch(), "round " + number));
                }
                require(System.nanoTime() < end, "the group got " + got);
            }
            require(got.equals(wanted), "the group got " + got + " of " + wanted);
            consumer.commitSync(positions);
        }
    }

    private void topics(int number) throws Exception {
        String gone = "gone-" + number;
        String late = "late-" + number;
        admin.createTopics(List.of(topic(gone, 2, Map.of()), topic(late, 1, Map.of()))).all().get();
        var brief = Map.<String, Object>of("transactional.id", "brief-" + number);
        note(traveller, late, 0, null, null, late, Fate.PLAIN);
        try (var producer = producer(brief)) {
            producer.initTransactions();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(gone, 0, null, bytes("gone")));
            producer.commitTransaction();
        }
        settle();
        admin.deleteTopics(List.of(gone)).all().get();
        admin.createPartitions(Map.of(late, NewPartitions.increaseTo(3))).all().get();
        note(traveller, late, 2, null, null, late, Fate.PLAIN);
        var set = new AlterConfigOp(new ConfigEntry("max.message.bytes", "" + (1_100_000 + number)),
            AlterConfigOp.OpType.SET);
        var ofBroker = new AlterConfigOp(new ConfigEntry("log.cleaner.threads", "1"), AlterConfigOp.OpType.SET);
        admin.incrementalAlterConfigs(Map.of(
            new ConfigResource(ConfigResource.Type.TOPIC, late), List.of(set),
            new ConfigResource(ConfigResource.Type.BROKER, ""), List.of(ofBroker))).all().get();
        String user = "user-" + number;
        admin.alterClientQuotas(List.of(new ClientQuotaAlteration(
            new ClientQuotaEntity(Map.of(ClientQuotaEntity.USER, user)),
            List.of(new ClientQuotaAlteration.Op("producer_byte_rate", 1e9 + number))))).all().get();
        admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion(user,
            new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), "secret"))).all().get();
    }

    /** Writes keys again and again, and waits until what can be compacted is. */
    private void keys(int number) throws Exception {
        for (int pass = 0; pass < 3; pass++) {
            time += SEGMENT_MS + 1_000;
            for (int i = 0; i < 40; i++) {
                boolean isRemoved = (i + number + pass) % 7 == 0;
                key("key " + i, isRemoved ? null : number + " " + pass + " " + "x".repeat(50));
            }
            traveller.flush();
        }
        time += SEGMENT_MS + 1_000;
        key("end", "of " + number);
        traveller.flush();
        Map<String, Object> config = consumerConfig(null);
        var partition = new TopicPartition("keys", 0);
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS_MAX);
        while (true) {
            List<String> keys = new ArrayList<>();
            try (var consumer = new KafkaConsumer<byte[], byte[]>(config)) {
                consumer.assign(List.of(partition));
                consumer.seekToBeginning(List.of(partition));
                long until = consumer.endOffsets(List.of(partition)).get(partition);
                while (consumer.position(partition) < until) {
                    consumer.poll(Duration.ofMillis(200))
                        .forEach(record -> keys.add(string(record.key())));
                }
            }
            keys.removeIf(key -> key.equals("end"));
            if (keys.size() == Set.copyOf(keys).size()) {
                return;
            }
            require(System.nanoTime() < end, "nothing was compacted: " + keys);
            Thread.sleep(100);
        }
    }

    private void key(String key, String value) {
        newest.put(key, value);
        traveller.send(new ProducerRecord<>("keys", 0, time, bytes(key), bytes(value)));
    }

    /** Waits until nothing changes any more by itself. */
    void settle() throws Exception {
        var steady = Set.of("Ongoing", "CompleteCommit", "CompleteAbort", "Empty");
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS_MAX);
        while (true) {
            var transactions = admin.listTransactions().all().get();
            var groups = admin.listGroups().all().get();
            boolean isSettled = transactions.stream()
                .allMatch(transaction -> steady.contains(transaction.state().toString()))
                && groups.stream().allMatch(group -> group.groupState().equals(Optional.of(GroupState.EMPTY)));
            if (isSettled) {
                return;
            }
            require(System.nanoTime() < end, "it does not settle: " + transactions + groups);
            Thread.sleep(50);
        }
    }

    /** Whether the state shows each acknowledged record, and no other one. */
    void check(State state) {
        for (IsolationLevel isolation : IsolationLevel.values()) {
            boolean committed = isolation == IsolationLevel.READ_COMMITTED;
            Map<String, String> wanted = new TreeMap<>();
            ledger.forEach((at, entry) -> {
                int split = at.indexOf('@');
                int dash = at.lastIndexOf('-', split);
                var partition = new TopicPartition(at.substring(0, dash),
                    Integer.parseInt(at.substring(dash + 1, split)));
                boolean isStable = Long.parseLong(at.substring(split + 1)) < state.stable.get(partition);
                if (!committed || isStable && entry.fate != Fate.ABORTED && entry.fate != Fate.OPEN) {
                    wanted.put(at, entry.value);
                }
            });
            Map<String, String> found = new TreeMap<>();
            Map<String, String> keys = new HashMap<>();
            state.records.get(isolation).forEach((at, record) -> {
                if (record.topic().equals("keys")) {
                    keys.put(string(record.key()), string(record.value()));
                } else {
                    found.put(at, String.valueOf(string(record.value())));
                }
            });
            wanted.forEach((at, value) -> require(value.equals(found.get(at)),
                isolation + " " + at + ": written " + value + ", read " + found.get(at)));
            found.forEach((at, value) -> require(wanted.containsKey(at),
                isolation + " " + at + " was never acknowledged or is not committed: " + value));
            require(keys.equals(newest), isolation + " keys: " + keys + " are not " + newest);
        }
        long travelled = state.lines.entrySet().stream()
            .filter(line -> line.getKey().endsWith(" of travel-0"))
            .filter(line -> line.getValue().startsWith("epoch 0 ")).count();
        require(travelled == 1, "the travelling producer had to begin anew");
    }

    private String note(KafkaProducer<byte[], byte[]> producer, String topic, int partition, Long at,
            String key, String value, Fate fate) throws Exception {
        var record = new ProducerRecord<>(topic, partition, at, bytes(key), bytes(value));
        return enter(producer.send(record).get(), value, fate);
    }

    private String enter(RecordMetadata written, String value, Fate fate) {
        String at = at(new TopicPartition(written.topic(), written.partition()), written.offset());
        require(ledger.put(at, new Entry(String.valueOf(value), fate)) == null, at + " was given twice");
        return at;
    }

    private static String at(TopicPartition partition, long offset) {
        return String.format("%s@%06d", partition, offset);
    }

    private KafkaProducer<byte[], byte[]> producer(Map<String, Object> more) {
        Map<String, Object> config = new HashMap<>();
        config.put("bootstrap.servers", bootstrap);
        config.put("key.serializer", ByteArraySerializer.class);
        config.put("value.serializer", ByteArraySerializer.class);
        config.put("max.block.ms", SECONDS_MAX * 1_000);
        config.put("transaction.timeout.ms", 7_200_000);
        config.put("reconnect.backoff.max.ms", 200);
        config.putAll(more);
        return new KafkaProducer<>(config);
    }

    private Map<String, Object> consumerConfig(String group) {
        Map<String, Object> config = State.clientConfig(bootstrap);
        config.put("key.deserializer", ByteArrayDeserializer.class);
        config.put("value.deserializer", ByteArrayDeserializer.class);
        config.put("auto.offset.reset", "earliest");
        config.put("enable.auto.commit", false);
        if (group != null) {
            config.put("group.id", group);
        }
        return config;
    }

    /** A group of which the producer knows no member. */
    @SuppressWarnings("removal")
    private static ConsumerGroupMetadata ofNobody(String group) {
        return new ConsumerGroupMetadata(group);
    }

    private static byte[] bytes(String text) {
        return text == null ? null : text.getBytes(StandardCharsets.UTF_8);
    }

    private static String string(byte[] bytes) {
        return bytes == null ? null : new String(bytes, StandardCharsets.UTF_8);
    }

    private static void require(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }
}
