// The worker of Kafka Streams with exactly_once_v2; ../suite.py says what it does. Beside the copies it
// counts its inputs by key, in a state that its transactions hold together with them. With
// `-Dprotocol=streams` it is a member of a streams group (KIP-1071).

import java.nio.file.Path;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.state.Stores;

public final class Streams {
    public static void main(String[] args) throws InterruptedException {
        if (!args[0].equals("transform")) {
            throw new IllegalArgumentException(args[0]);
        }
        String bootstrap = args[1];
        String prefix = args[2];
        String from = args[3];
        String to = args[4];
        var builder = new StreamsBuilder();
        KStream<String, String> inputs = builder.stream(from);
        inputs.mapValues(value -> value + "!").to(to);
        inputs.groupByKey()
            .count(Materialized.as(Stores.inMemoryKeyValueStore("counts")))
            .toStream()
            .mapValues(String::valueOf)
            .to(to + "-counts", Produced.with(Serdes.String(), Serdes.String()));
        var streams = new KafkaStreams(builder.build(), config(bootstrap, prefix));
        streams.setUncaughtExceptionHandler(failure -> {
            failure.printStackTrace();
            return StreamThreadExceptionResponse.REPLACE_THREAD;
        });
        streams.start();
        new CountDownLatch(1).await();
    }

    private static Properties config(String bootstrap, String prefix) {
        var config = new Properties();
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, prefix + "-transform");
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        config.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        config.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 50);
        config.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
        config.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        config.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        config.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        Path state = Path.of(System.getProperty("java.io.tmpdir"), prefix + "-state");
        config.put(StreamsConfig.STATE_DIR_CONFIG, state.toString());
        config.put("max.poll.records", 20);
        config.put("auto.offset.reset", "earliest");
        config.put(StreamsConfig.producerPrefix("transaction.timeout.ms"), 10_000);
        String protocol = System.getProperty("protocol", "classic");
        config.put(StreamsConfig.GROUP_PROTOCOL_CONFIG, protocol);
        if (protocol.equals("classic")) {
            config.put("session.timeout.ms", 6_000);
            config.put("heartbeat.interval.ms", 500);
            config.put(StreamsConfig.consumerPrefix("group.instance.id"), "only");
        }
        return config;
    }
}
