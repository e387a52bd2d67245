// What the official Java clients must show of transactions: `Transactions <bootstrap>`. Its lines are
// the contract in ../README.md.

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public final class Transactions extends Story {
    private static final int SECONDS_PER_FEATURE = 120;
    private static final int INPUTS = 3_000;
    private static final int KILLS = 3;

    private Transactions(String bootstrap, String prefix) {
        super(bootstrap, prefix);
    }

    public static void main(String[] args) {
        if (args[0].equals("transform")) {
            new Transactions(args[1], args[2]).work(args[3], args[4]);
        }
        Transactions suite = new Transactions(args[0], "txn-" + System.currentTimeMillis());
        run("atomic", suite::atomic);
        run("fenced", suite::fenced);
        run("offsets", suite::offsets);
        run("exactly-once", suite::exactlyOnce);
        System.exit(0);
    }

    private static void run(String feature, Body body) {
        run(feature, SECONDS_PER_FEATURE, body);
    }

    /** Both partitions of a transaction are seen when it is committed, and never when it is aborted. */
    private void atomic() throws Exception {
        String topic = topic("atomic", 2);
        List<String> wanted = new ArrayList<>();
        try (var producer = producer("atomic")) {
            producer.initTransactions();
            for (int i = 0; i < 20; i++) {
                producer.beginTransaction();
                producer.send(new ProducerRecord<>(topic, 0, null, "a" + i));
                producer.send(new ProducerRecord<>(topic, 1, null, "b" + i));
                if (i % 3 == 0) {
                    producer.flush();
                    producer.abortTransaction();
                } else {
                    producer.commitTransaction();
                    wanted.addAll(List.of("a" + i, "b" + i));
                }
            }
        }
        equal("committed", sorted(read(topic, 2, "read_committed")), sorted(wanted));
        equal("all", read(topic, 2, "read_uncommitted").size(), 40);
    }

    /** A second producer of an id ends what the first one has open, and the first one hears it. */
    private void fenced() throws Exception {
        String topic = topic("fenced", 1);
        try (var first = producer("fenced"); var second = producer("fenced")) {
            first.initTransactions();
            first.beginTransaction();
            first.send(new ProducerRecord<>(topic, "late"));
            first.flush();
            second.initTransactions();
            second.beginTransaction();
            second.send(new ProducerRecord<>(topic, "good"));
            second.commitTransaction();
            try {
                first.commitTransaction();
                throw new AssertionError("two producers of one id");
            } catch (ProducerFencedException e) {
                equal("committed", read(topic, 1, "read_committed"), List.of("good"));
            }
        }
    }

    /** Offsets of a group count with the transaction that they are in. */
    private void offsets() throws Exception {
        String topic = topic("offsets", 1);
        String group = prefix + "-offsets-group";
        var at = new TopicPartition(topic, 0);
        fill(topic, 1, 10);
        try (var producer = producer("offsets"); var consumer = consumer(group, "read_committed")) {
            producer.initTransactions();
            consumer.subscribe(List.of(topic));
            while (consumer.poll(POLL).isEmpty()) {
                continue;
            }
            for (boolean commits : List.of(false, true)) {
                producer.beginTransaction();
                long next = commits ? 7 : 3;
                producer.sendOffsetsToTransaction(
                    Map.of(at, new OffsetAndMetadata(next, "m" + next)), consumer.groupMetadata());
                if (commits) {
                    producer.commitTransaction();
                } else {
                    producer.abortTransaction();
                }
                var found = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata();
                var committed = found.get().get(at);
                equal("offset", committed == null ? null : committed.offset(), commits ? 7L : null);
                equal("as the member sees it", consumer.committed(java.util.Set.of(at)).get(at),
                    committed);
            }
        }
    }

    /** Consume, transform, produce: each input counts once, whenever the broker is killed. */
    private void exactlyOnce() throws Exception {
        String from = topic("from", 2);
        String to = topic("to", 2);
        fill(from, 2, INPUTS);
        AtomicInteger done = new AtomicInteger();
        AtomicBoolean stop = new AtomicBoolean();
        Thread worker = new Thread(() -> work(from, to, done, stop));
        worker.start();
        for (int kill = 1; kill <= KILLS; kill++) {
            int before = done.get();
            int wanted = Math.min(INPUTS, kill * INPUTS / (KILLS + 1));
            while (done.get() < Math.max(before + 1, wanted) && done.get() < INPUTS) {
                Thread.sleep(1);
            }
            restart();
        }
        while (done.get() < INPUTS) {
            Thread.sleep(10);
        }
        stop.set(true);
        worker.join();
        List<String> wanted = IntStream.range(0, INPUTS).mapToObj(i -> "v" + i + "!").toList();
        equal("outputs", sorted(read(to, 2, "read_committed")), sorted(wanted));
    }

    /** The worker of ../exactly-once/suite.py. */
    private void work(String from, String to) {
        work(from, to, new AtomicInteger(), new AtomicBoolean());
    }

    private void work(String from, String to, AtomicInteger done, AtomicBoolean stop) {
        while (!stop.get()) {
            try {
                transform(from, to, done, stop);
            } catch (KafkaException e) {
                System.err.println("begins anew: " + e);
            }
        }
    }

    private void transform(String from, String to, AtomicInteger done, AtomicBoolean stop) {
        String group = prefix + "-transform";
        // First the producer: that ends what a killed worker has left open.
        try (var producer = producer("transform"); var consumer = consumer(group, "read_committed")) {
            producer.initTransactions();
            consumer.subscribe(List.of(from));
            while (!stop.get()) {
                ConsumerRecords<String, String> records = consumer.poll(POLL);
                if (records.isEmpty()) {
                    continue;
                }
                producer.beginTransaction();
                Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
                for (ConsumerRecord<String, String> record : records) {
                    producer.send(new ProducerRecord<>(to, record.partition(), null, record.value() + "!"));
                    offsets.put(new TopicPartition(from, record.partition()),
                        new OffsetAndMetadata(record.offset() + 1));
                }
                producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
                producer.commitTransaction();
                done.addAndGet(records.count());
            }
        }
    }

    // -- the few words the features are told in

    private static List<String> sorted(List<String> of) {
        List<String> sorted = new ArrayList<>(of);
        Collections.sort(sorted);
        return sorted;
    }

    private Map<String, Object> common() {
        Map<String, Object> config = common(StringSerializer.class, StringDeserializer.class);
        config.put("session.timeout.ms", 6_000);
        config.put("max.poll.records", 50);
        return config;
    }

    private KafkaProducer<String, String> producer(String id) {
        Map<String, Object> config = common();
        config.put("transactional.id", prefix + "-" + id);
        config.put("transaction.timeout.ms", 20_000);
        return new KafkaProducer<>(config);
    }

    private KafkaConsumer<String, String> consumer(String group, String isolation) {
        Map<String, Object> config = common();
        config.put("isolation.level", isolation);
        if (group != null) {
            config.put("group.id", group);
            config.put("group.instance.id", "only");
        }
        return new KafkaConsumer<>(config);
    }

    private void fill(String topic, int partitions, int count) {
        try (var producer = new KafkaProducer<String, String>(common())) {
            for (int i = 0; i < count; i++) {
                producer.send(new ProducerRecord<>(topic, i % partitions, null, "v" + i));
            }
        }
    }

    /** Everything up to the present end of each partition. */
    private List<String> read(String topic, int partitions, String isolation) {
        List<String> got = new ArrayList<>();
        try (var consumer = consumer(null, isolation)) {
            var parts = IntStream.range(0, partitions).mapToObj(i -> new TopicPartition(topic, i)).toList();
            consumer.assign(parts);
            consumer.seekToBeginning(parts);
            var ends = consumer.endOffsets(parts);
            while (parts.stream().anyMatch(part -> consumer.position(part) < ends.get(part))) {
                consumer.poll(POLL).forEach(record -> got.add(record.value()));
            }
        }
        return got;
    }
}
