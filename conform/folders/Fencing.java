// Producers that are replaced, expire, take too long or use up their epochs: the same stories of the
// official client on Apache Kafka and on the node, which must hear the same. `Fencing <bootstrap>` needs
// no broker but its own. Its lines are the contract in ../README.md.

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TransactionDescription;
import org.apache.kafka.clients.admin.TransactionListing;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.message.InitProducerIdResponseData;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public final class Fencing {
    private static final String TOPIC = "fenced";
    private static final int PARTITIONS = 2;
    private static final int SECONDS_MAX = 120;
    /** The last epoch that a client is given. */
    private static final short EPOCH_LAST = Short.MAX_VALUE - 1;
    private static final int LEFT_OPEN = 12;
    /** What those write who go on while others do not. */
    private static final String BUSY = "busy";

    private final Host host;
    private final Host.Broker broker;
    private final Map<String, List<String>> heard = new HashMap<>();
    private Admin admin;

    private Fencing(String name, Host.Broker broker, String... more) throws Exception {
        this.broker = broker;
        host = Host.ofProgram("fencing-" + name + "-" + broker, more);
    }

    public static void main(String[] args) throws Exception {
        if (args[0].equals("take-over")) {
            takeOver(args[1], args[2]);
            return;
        }
        String[] patient = {"transaction.abort.timed.out.transaction.cleanup.interval.ms=300"};
        boolean ok = stories(both("patient", patient), Map.of(
            "exhausted", Fencing::exhausted, "timed-out", Fencing::timedOut, "zombie", Fencing::zombie));
        String[] hasty = {
            "transactional.id.expiration.ms=15000",
            "transaction.remove.expired.transaction.cleanup.interval.ms=500",
        };
        ok &= stories(both("hasty", hasty), Map.of("expired", Fencing::expired));
        System.exit(ok ? 0 : 1);
    }

    private static List<Fencing> both(String name, String... more) throws Exception {
        return List.of(
            new Fencing(name, Host.Broker.KAFKA, more), new Fencing(name, Host.Broker.NODE, more));
    }

    interface Story {
        void tell(Fencing on) throws Exception;
    }

    /** A feature is shown when both have heard the same of it. */
    private static boolean stories(List<Fencing> hosts, Map<String, Story> stories) throws Exception {
        Map<String, Throwable> failed = new HashMap<>();
        for (Fencing one : hosts) {
            one.host.format();
            one.host.start(one.broker);
            one.admin = Admin.create(State.clientConfig(one.host.bootstrap()));
            one.admin.createTopics(List.of(new NewTopic(TOPIC, PARTITIONS, (short) 1))).all().get();
            for (var story : new TreeMap<>(stories).entrySet()) {
                try {
                    story.getValue().tell(one);
                } catch (Throwable e) {
                    failed.putIfAbsent(story.getKey(), new AssertionError(one.broker + ": " + e, e));
                }
                System.err.println(one.broker + " " + story.getKey() + ": " + one.heard.get(story.getKey()));
            }
            one.admin.close();
            one.host.stop();
        }
        boolean ok = true;
        for (String name : new TreeSet<>(stories.keySet())) {
            ok &= Host.feature(name, () -> {
                if (failed.containsKey(name)) {
                    throw new AssertionError(failed.get(name));
                }
                equal("heard", hosts.get(1).heard.get(name), hosts.get(0).heard.get(name));
            });
        }
        return ok;
    }

    private void hear(String story, Object what) {
        heard.computeIfAbsent(story, name -> new ArrayList<>()).add(String.valueOf(what));
    }

    /** Another process begins under the id of one that is within a transaction. */
    private void zombie() throws Exception {
        try (var first = producer("zombie", 60_000)) {
            first.initTransactions();
            first.beginTransaction();
            first.send(new ProducerRecord<>(TOPIC, 0, null, "of the zombie")).get();
            String java = ProcessHandle.current().info().command().orElse("java");
            Process other = new ProcessBuilder(java, "-Xmx128M", "-XX:TieredStopAtLevel=1", "-cp",
                System.getProperty("java.class.path"), "Fencing", "take-over", host.bootstrap(), "zombie")
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(ProcessBuilder.Redirect.INHERIT).start();
            if (!other.waitFor(SECONDS_MAX, TimeUnit.SECONDS) || other.exitValue() != 0) {
                other.destroyForcibly();
                throw new AssertionError("the other process does not take over");
            }
            hear("zombie", "send: " + why(() -> first.send(new ProducerRecord<>(TOPIC, 1, null, "late")).get()));
            hear("zombie", "commit: " + why(first::commitTransaction));
            hear("zombie", "begin: " + why(first::beginTransaction));
        }
        hear("zombie", committed());
    }

    private static void takeOver(String bootstrap, String id) {
        try (var second = producer(bootstrap, id, 60_000)) {
            second.initTransactions();
            second.beginTransaction();
            second.send(new ProducerRecord<>(TOPIC, 0, null, "of the one that took over"));
            second.commitTransaction();
        }
    }

    /** The epochs of an id are used up by others, then by the producer itself. */
    private void exhausted() throws Exception {
        long before;
        try (var first = producer("exhausted", 60_000)) {
            first.initTransactions();
        }
        try (Raw raw = new Raw(host.bootstrap())) {
            InitProducerIdResponseData who = raw.init("exhausted");
            while (who.errorCode() != 0 || who.producerEpoch() < EPOCH_LAST - 3) {
                who = raw.init("exhausted");
            }
            before = who.producerId();
        }
        try (var producer = producer("exhausted", 60_000)) {
            producer.initTransactions();
            for (int i = 0; i < 6; i++) {
                producer.beginTransaction();
                producer.send(new ProducerRecord<>(TOPIC, 0, null, "exhausted " + i));
                producer.send(new ProducerRecord<>(TOPIC, 1, null, "exhausted " + i));
                if (i == 3) {
                    producer.flush();
                    producer.abortTransaction();
                } else {
                    producer.commitTransaction();
                }
                var now = described("exhausted");
                String same = now.producerId() == before ? "the same id" : "another id";
                hear("exhausted", same + ", epoch " + now.producerEpoch());
            }
        }
        for (int i = 0; i < 2; i++) {
            // An administrator fences whoever has the id.
            admin.fenceProducers(List.of("exhausted")).all().get();
            hear("exhausted", "fenced: epoch " + described("exhausted").producerEpoch());
        }
        hear("exhausted", committed());
    }

    /** An id that was not used for long is forgotten, and its producer comes back. */
    private void expired() throws Exception {
        try (var producer = producer("expired", 60_000)) {
            producer.initTransactions();
            transact(producer, "in time");
            until("the id expires", () -> listed().noneMatch(one -> one.transactionalId().equals("expired")));
            hear("expired", "begin: " + why(producer::beginTransaction));
            hear("expired", "send: " + why(() -> producer.send(new ProducerRecord<>(TOPIC, 0, null, "too late")).get()));
            hear("expired", "commit: " + why(producer::commitTransaction));
            hear("expired", "abort: " + why(producer::abortTransaction));
            hear("expired", "again: " + why(() -> transact(producer, "again")));
        }
        try (var producer = producer("expired", 60_000)) {
            producer.initTransactions();
            transact(producer, "anew");
        }
        hear("expired", committed());
    }

    /** Many leave transactions open while others commit; all are ended, and nobody waits for long. */
    private void timedOut() throws Exception {
        AtomicBoolean stop = new AtomicBoolean();
        AtomicLong commits = new AtomicLong();
        List<Thread> busy = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            String id = "busy-" + i;
            Thread thread = new Thread(() -> {
                try (var producer = producer(id, 60_000)) {
                    producer.initTransactions();
                    while (!stop.get()) {
                        producer.beginTransaction();
                        producer.send(new ProducerRecord<>(TOPIC, 1, null, BUSY));
                        producer.commitTransaction();
                        commits.incrementAndGet();
                    }
                }
            });
            thread.start();
            busy.add(thread);
        }
        List<KafkaProducer<String, String>> left = new ArrayList<>();
        for (int i = 0; i < LEFT_OPEN; i++) {
            var producer = producer("left-" + i, 1_500);
            producer.initTransactions();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(TOPIC, 0, null, "left open")).get();
            left.add(producer);
        }
        until("what was left open is aborted", () -> listed().noneMatch(
            one -> one.transactionalId().startsWith("left-") && one.state().toString().equals("Ongoing")));
        long then = commits.get();
        until("the others go on", () -> commits.get() > then + 20);
        stop.set(true);
        for (Thread thread : busy) {
            thread.join();
        }
        TreeSet<String> whys = new TreeSet<>();
        for (var producer : left) {
            whys.add(why(producer::commitTransaction));
            producer.close(Duration.ZERO);
        }
        hear("timed-out", whys);
        hear("timed-out", committed());
    }

    // -- the few words the stories are told in

    interface Step {
        void run() throws Exception;
    }

    /** The class of the cause of what a step throws: the client wraps it when it knew before. */
    private static String why(Step step) {
        try {
            step.run();
            return "nothing";
        } catch (Exception e) {
            Throwable cause = e;
            while (cause.getCause() != null) {
                cause = cause.getCause();
            }
            return cause.getClass().getSimpleName();
        }
    }

    private void transact(KafkaProducer<String, String> producer, String value) {
        producer.beginTransaction();
        producer.send(new ProducerRecord<>(TOPIC, 0, null, value));
        producer.commitTransaction();
    }

    private TransactionDescription described(String id) throws Exception {
        // Its markers may still be on their way.
        while (true) {
            var told = admin.describeTransactions(List.of(id)).description(id).get();
            if (!told.state().toString().startsWith("Prepare")) {
                return told;
            }
        }
    }

    private java.util.stream.Stream<TransactionListing> listed() {
        try {
            return admin.listTransactions().all().get().stream();
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    private static void until(String what, java.util.function.BooleanSupplier condition) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS_MAX);
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > end) {
                throw new AssertionError("not within " + SECONDS_MAX + " s: " + what);
            }
            Thread.sleep(50);
        }
    }

    private KafkaProducer<String, String> producer(String id, int timeoutMs) {
        return producer(host.bootstrap(), id, timeoutMs);
    }

    private static KafkaProducer<String, String> producer(String bootstrap, String id, int timeoutMs) {
        Map<String, Object> config = new HashMap<>();
        config.put("bootstrap.servers", bootstrap);
        config.put("transactional.id", id);
        config.put("transaction.timeout.ms", timeoutMs);
        return new KafkaProducer<>(config, new StringSerializer(), new StringSerializer());
    }

    /** What readers are given of the topic, partition by partition, but for those who were busy. */
    private List<String> committed() {
        List<String> got = new ArrayList<>();
        Map<String, Object> config = new HashMap<>();
        config.put("bootstrap.servers", host.bootstrap());
        config.put("isolation.level", "read_committed");
        var text = new StringDeserializer();
        for (int at = 0; at < PARTITIONS; at++) {
            var partition = new TopicPartition(TOPIC, at);
            try (var consumer = new KafkaConsumer<>(config, text, text)) {
                consumer.assign(List.of(partition));
                consumer.seekToBeginning(List.of(partition));
                long end = consumer.endOffsets(List.of(partition)).get(partition);
                while (consumer.position(partition) < end) {
                    consumer.poll(Duration.ofMillis(200)).forEach(record -> got.add(record.value()));
                }
            }
        }
        got.removeIf(BUSY::equals);
        return got;
    }

    private static void equal(String what, Object got, Object wanted) {
        if (got == null || !got.equals(wanted)) {
            throw new AssertionError(what + ": " + got + " is not " + wanted);
        }
    }
}
