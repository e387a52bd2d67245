// What the stories of share consumers have in common (KIP-932): members of groups that begin with the
// first record and say themselves what becomes of each.

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

abstract class ShareStory extends Story {
    static final Duration COMMIT = Duration.ofSeconds(30);

    ShareStory(String bootstrap, String prefix) {
        super(bootstrap, prefix);
    }

    KafkaShareConsumer<String, String> member(String group) {
        return member(group, Map.of());
    }

    KafkaShareConsumer<String, String> member(String group, Map<String, Object> more) {
        Map<String, Object> config = common(StringSerializer.class, StringDeserializer.class);
        config.remove("heartbeat.interval.ms");
        config.remove("auto.offset.reset");
        config.remove("enable.auto.commit");
        config.put("group.id", group);
        config.put("share.acknowledgement.mode", "explicit");
        config.putAll(more);
        return new KafkaShareConsumer<>(config);
    }

    /** The name of a group that begins with the first record. */
    String group(String name) {
        String group = prefix + "-" + name;
        configure(group, "share.auto.offset.reset", "earliest");
        return group;
    }

    void configure(String group, String name, String value) {
        var of = new ConfigResource(ConfigResource.Type.GROUP, group);
        var op = new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET);
        get(admin.incrementalAlterConfigs(Map.of(of, List.of(op))).all());
    }

    void send(String topic, int from, int until) {
        Map<String, Object> config = common(StringSerializer.class, StringDeserializer.class);
        try (var producer = new KafkaProducer<String, String>(config)) {
            for (int i = from; i < until; i++) {
                get(producer.send(new ProducerRecord<>(topic, i % 2, null, "v" + i)));
            }
        }
    }

    /** Polls once and accepts; gives what was accepted and is written. */
    static List<String> accept(KafkaShareConsumer<String, String> member) {
        List<String> got = new ArrayList<>();
        for (ConsumerRecord<String, String> record : member.poll(POLL)) {
            member.acknowledge(record, AcknowledgeType.ACCEPT);
            got.add(record.value());
        }
        boolean written = member.commitSync(COMMIT).values().stream().allMatch(it -> it.isEmpty());
        return written ? got : List.of();
    }
}
