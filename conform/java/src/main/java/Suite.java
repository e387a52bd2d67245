// What the official Java clients must show: `Suite <bootstrap>`. Its lines are the contract in
// ../README.md.

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.function.BooleanSupplier;
import java.util.function.IntFunction;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public final class Suite extends Story {
    private static final int SECONDS_PER_FEATURE = 60;

    private Suite(String bootstrap) {
        super(bootstrap, "java-" + System.currentTimeMillis());
    }

    public static void main(String[] args) {
        Suite suite = new Suite(args[0]);
        run("topics", suite::topics);
        for (String acks : List.of("0", "1", "all")) {
            run("acks-" + acks, () -> suite.acks(acks));
        }
        for (String codec : List.of("gzip", "snappy", "lz4", "zstd")) {
            run(codec, () -> suite.codec(codec));
        }
        run("headers", suite::headers);
        run("nullkeys", suite::nullkeys);
        run("tombstones", suite::tombstones);
        run("group", suite::group);
        run("commit", suite::commit);
        run("seek", suite::seek);
        run("restart", suite::restarted);
        System.exit(0);
    }

    private static void run(String feature, Body body) {
        run(feature, SECONDS_PER_FEATURE, body);
    }

    private void topics() throws Exception {
        String topic = topic("topics", 3);
        var found = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
        equal("partitions", found.partitions().size(), 3);
        try {
            topic("topics", 1);
            throw new AssertionError("created a topic twice");
        } catch (ExecutionException e) {
            equal("error", e.getCause().getClass(), TopicExistsException.class);
        }
        admin.deleteTopics(List.of(topic)).all().get();
        until("the topic is gone", () -> !get(admin.listTopics().names()).contains(topic));
    }

    private void acks(String acks) throws Exception {
        String topic = topic("acks" + acks, 1);
        List<Long> offsets = send(topic, values(0, 20), Map.of("acks", acks));
        if (!acks.equals("0")) {
            equal("last offset", offsets.get(19), 19L);
        }
        equal("values", texts(read(topic, 20)), texts(values(0, 20)));
    }

    private void codec(String codec) throws Exception {
        byte[] noise = new byte[3000];
        new Random(1).nextBytes(noise);
        List<Message> sent = messages(50, i -> new Message(bytes("v" + i + "abc".repeat(400))));
        sent.add(new Message(noise));
        String topic = topic(codec, 1);
        send(topic, sent, Map.of("compression.type", codec));
        equal("values", texts(read(topic, 51)), texts(sent));
    }

    private void headers() throws Exception {
        List<Header> headers = List.of(header("a", bytes("1")), header("b", bytes("")),
            header("null", null), header("a", bytes("2")), header("\u00e9", new byte[] {0, -1}));
        String topic = topic("headers", 1);
        send(topic, List.of(new Message(0, bytes("k"), bytes("v"), headers, null)), Map.of());
        equal("headers", Arrays.asList(read(topic, 1).get(0).headers().toArray()), headers);
    }

    private void nullkeys() throws Exception {
        String topic = topic("nullkeys", 1);
        send(topic, List.of(new Message(0, null, bytes("x"), List.of(), null),
            new Message(0, bytes(""), bytes("y"), List.of(), null)), Map.of());
        equal("keys", read(topic, 2).stream().map(r -> text(r.key())).toList(), Arrays.asList(null, ""));
    }

    private void tombstones() throws Exception {
        String topic = topic("tombstones", 1);
        send(topic, List.of(new Message(null), new Message(bytes(""))), Map.of());
        equal("values", texts(read(topic, 2)), Arrays.asList(null, ""));
    }

    private void group() throws Exception {
        String topic = topic("group", 2);
        List<String> got = new ArrayList<>();
        var first = consumer(prefix + "-group");
        var second = consumer(prefix + "-group");
        try (first) {
            first.subscribe(List.of(topic));
            until("one member owns both", () -> drain(first, got) && first.assignment().size() == 2);
            try (second) {
                second.subscribe(List.of(topic));
                BooleanSupplier both = () -> drain(first, got) && drain(second, got)
                    && first.assignment().size() == 1 && second.assignment().size() == 1;
                until("each owns one", both);
                List<Message> sent = messages(40, i ->
                    new Message(i % 2, null, bytes("v" + i), List.of(), null));
                send(topic, sent, Map.of());
                until("both read all", () -> both.getAsBoolean() && got.size() >= 40);
                equal("values", new HashSet<>(got), new HashSet<>(texts(sent)));
                equal("count", got.size(), 40);
                first.commitSync();
                second.commitSync();
            }
            until("the one that stays owns both", () -> drain(first, got) && first.assignment().size() == 2);
            send(topic, List.of(new Message(0, null, bytes("a"), List.of(), null),
                new Message(1, null, bytes("b"), List.of(), null)), Map.of());
            until("it reads both", () -> drain(first, got) && got.size() >= 42);
            equal("late values", new HashSet<>(got.subList(40, got.size())), new HashSet<>(List.of("a", "b")));
        }
    }

    private void commit() throws Exception {
        String topic = topic("commit", 1);
        TopicPartition at = new TopicPartition(topic, 0);
        send(topic, values(0, 30), Map.of());
        try (var consumer = consumer(prefix + "-commit")) {
            consumer.subscribe(List.of(topic));
            take(consumer, 30);
            consumer.commitSync(Map.of(at, new OffsetAndMetadata(12, "twelve")));
            equal("committed", consumer.committed(Collections.singleton(at)).get(at),
                new OffsetAndMetadata(12, "twelve"));
        }
        try (var consumer = consumer(prefix + "-commit")) {
            consumer.subscribe(List.of(topic));
            equal("goes on at", take(consumer, 18).get(0).offset(), 12L);
        }
    }

    private void seek() throws Exception {
        String topic = topic("seek", 1);
        TopicPartition at = new TopicPartition(topic, 0);
        long base = System.currentTimeMillis() - 100_000;
        send(topic, messages(20, i ->
            new Message(0, null, bytes("v" + i), List.of(), base + i * 1000)), Map.of());
        try (var consumer = consumer(null)) {
            consumer.assign(List.of(at));
            for (long offset : List.of(7L, 0L, 19L)) {
                consumer.seek(at, offset);
                equal("offset after seek", take(consumer, 1).get(0).offset(), offset);
            }
            equal("start", consumer.beginningOffsets(List.of(at)).get(at), 0L);
            equal("end", consumer.endOffsets(List.of(at)).get(at), 20L);
            equal("for time", consumer.offsetsForTimes(Map.of(at, base + 6500)).get(at).offset(), 7L);
        }
    }

    private void restarted() throws Exception {
        String topic = topic("restart", 1);
        TopicPartition at = new TopicPartition(topic, 0);
        List<String> got = new ArrayList<>();
        try (var producer = producer(Map.of()); var consumer = consumer(prefix + "-restart")) {
            send(producer, topic, values(0, 50));
            consumer.subscribe(List.of(topic));
            until("50 records", () -> drain(consumer, got) && got.size() >= 50);
            consumer.commitSync(Map.of(at, new OffsetAndMetadata(20)));
            restart();
            equal("committed", get(admin.listConsumerGroupOffsets(prefix + "-restart")
                .partitionsToOffsetAndMetadata()).get(at).offset(), 20L);
            equal("offsets go on", send(producer, topic, values(50, 100)).get(49), 99L);
            var wanted = new HashSet<>(texts(values(0, 100)));
            until("all values", () -> drain(consumer, got) && new HashSet<>(got).equals(wanted));
        }
        equal("log", texts(read(topic, 100)), texts(values(0, 100)));
    }

    // -- the few words the features are told in

    record Message(int partition, byte[] key, byte[] value, List<Header> headers, Long timestamp) {
        Message(byte[] value) {
            this(0, bytes("k"), value, List.of(), null);
        }
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static String text(byte[] bytes) {
        return bytes == null ? null : new String(bytes, StandardCharsets.ISO_8859_1);
    }

    private static Header header(String key, byte[] value) {
        return new RecordHeader(key, value);
    }

    private static List<Message> messages(int count, IntFunction<Message> make) {
        List<Message> made = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            made.add(make.apply(i));
        }
        return made;
    }

    private static List<Message> values(int from, int to) {
        return messages(to - from, i -> new Message(bytes("v" + (from + i))));
    }

    private static List<String> texts(List<?> records) {
        List<String> found = new ArrayList<>();
        for (Object record : records) {
            found.add(text(record instanceof Message m ? m.value : ((ConsumerRecord<?, byte[]>) record).value()));
        }
        return found;
    }

    private Map<String, Object> common() {
        Map<String, Object> config = common(ByteArraySerializer.class, ByteArrayDeserializer.class);
        config.put("linger.ms", 20);
        config.put("session.timeout.ms", 10_000);
        config.put("fetch.max.wait.ms", 200);
        return config;
    }

    private KafkaProducer<byte[], byte[]> producer(Map<String, Object> how) {
        Map<String, Object> config = common();
        config.putAll(how);
        return new KafkaProducer<>(config);
    }

    private KafkaConsumer<byte[], byte[]> consumer(String group) {
        Map<String, Object> config = common();
        if (group != null) {
            config.put("group.id", group);
        }
        return new KafkaConsumer<>(config);
    }

    private List<Long> send(String topic, List<Message> messages, Map<String, Object> how) throws Exception {
        try (var producer = producer(how)) {
            return send(producer, topic, messages);
        }
    }

    private static List<Long> send(KafkaProducer<byte[], byte[]> producer, String topic,
            List<Message> messages) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (Message m : messages) {
            sent.add(producer.send(
                new ProducerRecord<>(topic, m.partition, m.timestamp, m.key, m.value, m.headers)));
        }
        List<Long> offsets = new ArrayList<>();
        for (Future<RecordMetadata> one : sent) {
            offsets.add(one.get().offset());
        }
        return offsets;
    }

    private static boolean drain(KafkaConsumer<byte[], byte[]> consumer, List<String> into) {
        consumer.poll(POLL).forEach(record -> into.add(text(record.value())));
        return true;
    }

    private static List<ConsumerRecord<byte[], byte[]>> take(KafkaConsumer<byte[], byte[]> consumer, int count) {
        List<ConsumerRecord<byte[], byte[]>> got = new ArrayList<>();
        until(count + " records", () -> {
            consumer.poll(POLL).forEach(got::add);
            return got.size() >= count;
        });
        return got;
    }

    private List<ConsumerRecord<byte[], byte[]>> read(String topic, int count) {
        try (var consumer = consumer(null)) {
            consumer.assign(List.of(new TopicPartition(topic, 0)));
            return take(consumer, count);
        }
    }
}
