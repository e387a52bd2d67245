// What the official Java share consumer must show (KIP-932): `Shares <bootstrap>`. Its lines are the
// contract in ../README.md.

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.FeatureUpdate;
import org.apache.kafka.clients.admin.ListShareGroupOffsetsSpec;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.UpdateFeaturesOptions;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public final class Shares extends ShareStory {
    private static final int SECONDS_PER_FEATURE = 120;

    private Shares(String bootstrap) {
        super(bootstrap, "shares-" + System.currentTimeMillis());
    }

    public static void main(String[] args) {
        Shares suite = new Shares(args[0]);
        run("shared", SECONDS_PER_FEATURE, suite::shared);
        run("verdicts", SECONDS_PER_FEATURE, suite::verdicts);
        run("described", SECONDS_PER_FEATURE, suite::described);
        run("dead-letters", SECONDS_PER_FEATURE, suite::deadLetters);
        run("offsets-first", SECONDS_PER_FEATURE, suite::offsetsFirst);
        run("restart", SECONDS_PER_FEATURE, suite::outliving);
        System.exit(0);
    }

    /** Two members of one group get every record once between them. */
    private void shared() throws Exception {
        String topic = topic("shared", 2);
        String group = group("shared");
        List<String> got = new ArrayList<>();
        try (var one = member(group); var other = member(group)) {
            one.subscribe(List.of(topic));
            other.subscribe(List.of(topic));
            send(topic, 0, 40);
            until("all are accepted", () -> {
                got.addAll(accept(one));
                got.addAll(accept(other));
                return got.size() >= 40;
            });
        }
        equal("once each", new TreeSet<>(got).size(), got.size());
    }

    /** What is released comes again and is counted, what is rejected does not, a lock is renewed. */
    private void verdicts() throws Exception {
        String topic = topic("verdicts", 1 + 1);
        String group = group("verdicts");
        send(topic, 0, 4);
        Set<String> accepted = new TreeSet<>();
        List<String> again = new ArrayList<>();
        try (var member = member(group)) {
            member.subscribe(List.of(topic));
            until("what was released is accepted", () -> {
                for (ConsumerRecord<String, String> record : member.poll(POLL)) {
                    int count = record.deliveryCount().orElse((short) 0);
                    if (record.value().equals("v0") && count < 3) {
                        again.add(record.value() + "/" + count);
                        member.acknowledge(record, AcknowledgeType.RELEASE);
                    } else if (record.value().equals("v1")) {
                        member.acknowledge(record, AcknowledgeType.REJECT);
                    } else {
                        accepted.add(record.value() + "/" + count);
                        member.acknowledge(record, AcknowledgeType.ACCEPT);
                    }
                }
                member.commitSync(COMMIT);
                return accepted.size() >= 3;
            });
        }
        equal("released", again, List.of("v0/1", "v0/2"));
        equal("accepted", accepted, new TreeSet<>(List.of("v0/3", "v2/1", "v3/1")));
    }

    /** The admin client sees the group as it is, and where it stands. */
    private void described() throws Exception {
        String topic = topic("described", 2);
        String group = group("described");
        send(topic, 0, 2);
        try (var member = member(group)) {
            member.subscribe(List.of(topic));
            List<String> got = new ArrayList<>();
            until("both are accepted", () -> got.addAll(accept(member)) && got.size() >= 2
                || got.size() >= 2);
            var found = get(admin.describeShareGroups(List.of(group)).all()).get(group);
            equal("state", found.groupState(), GroupState.STABLE);
            equal("members", found.members().size(), 1);
        }
        var spec = Map.of(group, new ListShareGroupOffsetsSpec());
        var offsets = get(admin.listShareGroupOffsets(spec).all()).get(group);
        equal("lag", offsets.get(new TopicPartition(topic, 0)).lag().get(), 0L);
        get(admin.deleteShareGroups(List.of(group)).all());
    }

    /** What is rejected is in the dead-letter queue, with its headers, key and value (KIP-1191). */
    private void deadLetters() throws Exception {
        var features = get(admin.describeFeatures().featureMetadata()).finalizedFeatures();
        var level = features.get("share.version");
        if (level == null || level.maxVersionLevel() < 2) {
            var update = new FeatureUpdate((short) 2, FeatureUpdate.UpgradeType.UPGRADE);
            get(admin.updateFeatures(Map.of("share.version", update), new UpdateFeaturesOptions()).all());
        }
        String topic = topic("dead", 1);
        String queue = "dlq." + topic;
        var made = new NewTopic(queue, 1, (short) 1)
            .configs(Map.of("errors.deadletterqueue.group.enable", "true"));
        get(admin.createTopics(List.of(made)).all());
        String group = group("dead");
        var of = new ConfigResource(ConfigResource.Type.GROUP, group);
        var ops = List.of(
            new AlterConfigOp(new ConfigEntry("errors.deadletterqueue.topic.name", queue), AlterConfigOp.OpType.SET),
            new AlterConfigOp(new ConfigEntry("errors.deadletterqueue.copy.record.enable", "true"), AlterConfigOp.OpType.SET));
        get(admin.incrementalAlterConfigs(Map.of(of, ops)).all());
        Map<String, Object> config = common(StringSerializer.class, StringDeserializer.class);
        try (var producer = new KafkaProducer<String, String>(config)) {
            for (String value : List.of("good", "bad")) {
                get(producer.send(new ProducerRecord<>(topic, 0, "k-" + value, value)));
            }
        }
        List<String> got = new ArrayList<>();
        try (var member = member(group)) {
            member.subscribe(List.of(topic));
            until("both are told of", () -> {
                for (ConsumerRecord<String, String> record : member.poll(POLL)) {
                    got.add(record.value());
                    boolean good = record.value().equals("good");
                    member.acknowledge(record, good ? AcknowledgeType.ACCEPT : AcknowledgeType.REJECT);
                }
                member.commitSync(COMMIT);
                return got.size() >= 2;
            });
        }
        List<String> letters = new ArrayList<>();
        try (var reader = new KafkaConsumer<String, String>(config)) {
            var at = List.of(new TopicPartition(queue, 0));
            reader.assign(at);
            reader.seekToBeginning(at);
            until("the letter is there", () -> {
                for (ConsumerRecord<String, String> record : reader.poll(POLL)) {
                    StringBuilder told = new StringBuilder(record.key() + " " + record.value());
                    for (Header header : record.headers()) {
                        String value = new String(header.value(), StandardCharsets.UTF_8);
                        told.append(" ").append(header.key()).append("=").append(value);
                    }
                    letters.add(told.toString());
                }
                return !letters.isEmpty();
            });
        }
        equal("letters", letters, List.of("k-bad bad __dlq.errors.topic=" + topic
            + " __dlq.errors.partition=0 __dlq.errors.offset=1 __dlq.errors.group=" + group
            + " __dlq.errors.delivery.count=1 __dlq.errors.message=Offset rejected by client."));
    }

    /** Where a group begins may be said before anybody is in it. */
    private void offsetsFirst() throws Exception {
        String topic = topic("first", 1);
        String group = prefix + "-first";
        var spec = Map.of(group, new ListShareGroupOffsetsSpec());
        equal("of nobody", get(admin.listShareGroupOffsets(spec).all()).get(group), Map.of());
        try (var producer = new KafkaProducer<String, String>(
            common(StringSerializer.class, StringDeserializer.class))) {
            for (int i = 0; i < 3; i++) {
                get(producer.send(new ProducerRecord<>(topic, 0, null, "v" + i)));
            }
        }
        var at = new TopicPartition(topic, 0);
        get(admin.alterShareGroupOffsets(group, Map.of(at, 1L)).all());
        equal("lag", get(admin.listShareGroupOffsets(spec).all()).get(group).get(at).lag().get(), 2L);
        List<String> got = new ArrayList<>();
        try (var member = member(group)) {
            member.subscribe(List.of(topic));
            until("the rest is accepted", () -> {
                got.addAll(accept(member));
                return got.size() >= 2;
            });
        }
        equal("got", got, List.of("v1", "v2"));
        var found = get(admin.describeShareGroups(List.of(group)).all()).get(group);
        equal("epochs", found.targetAssignmentEpoch(), found.groupEpoch());
        get(admin.deleteShareGroups(List.of(group)).all());
    }

    /** What was accepted and written is not delivered again by a broker that is killed. */
    private void outliving() throws Exception {
        String topic = topic("restart", 2);
        String group = group("restart");
        List<String> got = new ArrayList<>();
        try (var member = member(group)) {
            member.subscribe(List.of(topic));
            send(topic, 0, 10);
            until("ten are accepted", () -> {
                got.addAll(accept(member));
                return got.size() >= 10;
            });
            restart();
            send(topic, 10, 20);
            until("ten more are accepted", () -> {
                got.addAll(accept(member));
                return new TreeSet<>(got).size() >= 20;
            });
        }
        equal("once each", got.size(), 20);
    }
}
