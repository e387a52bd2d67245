// The few words that the stories of the official Java clients are told in; the contract of their lines
// is in ../README.md.

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;

abstract class Story {
    static final Duration POLL = Duration.ofMillis(200);

    interface Body {
        void run() throws Exception;
    }

    final String bootstrap;
    /** What the names of this run begin with. */
    final String prefix;
    final Admin admin;
    private final BufferedReader stdin = new BufferedReader(new InputStreamReader(System.in));

    Story(String bootstrap, String prefix) {
        this.bootstrap = bootstrap;
        this.prefix = prefix;
        this.admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
    }

    /** Shows one feature. */
    static void run(String feature, int seconds, Body body) {
        Future<Void> done = CompletableFuture.runAsync(() -> {
            try {
                body.run();
            } catch (Exception e) {
                throw new RuntimeException(e);
            }
        });
        try {
            done.get(seconds, TimeUnit.SECONDS);
            System.out.println("ok " + feature);
        } catch (Exception e) {
            e.printStackTrace();
            System.out.println("FAIL " + feature + " " + e.toString().replaceAll("\\s+", " "));
        }
    }

    static void equal(String what, Object got, Object wanted) {
        if (!Objects.equals(got, wanted)) {
            throw new AssertionError(what + ": " + shorter(got) + " is not " + shorter(wanted));
        }
    }

    private static String shorter(Object of) {
        String text = String.valueOf(of);
        return text.length() < 500 ? text : text.length() + " characters of " + text.substring(0, 500);
    }

    static void until(String what, BooleanSupplier condition) {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > end) {
                throw new AssertionError("not within 30 s: " + what);
            }
        }
    }

    static <T> T get(Future<T> future) {
        try {
            return future.get();
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    /** Has the broker killed and started again. */
    void restart() throws IOException {
        System.out.println("@restart");
        stdin.readLine();
    }

    /** The configs that every client of a story has, with bytes or texts for keys and values. */
    Map<String, Object> common(Class<?> serializer, Class<?> deserializer) {
        Map<String, Object> config = new HashMap<>();
        config.put("bootstrap.servers", bootstrap);
        config.put("key.serializer", serializer);
        config.put("value.serializer", serializer);
        config.put("key.deserializer", deserializer);
        config.put("value.deserializer", deserializer);
        config.put("auto.offset.reset", "earliest");
        config.put("enable.auto.commit", false);
        config.put("heartbeat.interval.ms", 500);
        return config;
    }

    String topic(String name, int partitions) throws Exception {
        String topic = prefix + "-" + name;
        admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1))).all().get();
        return topic;
    }
}
