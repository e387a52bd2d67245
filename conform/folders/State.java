// Everything of a cluster that a client can ask for, as lines of text by what they tell of: what
// one broker answered is compared with what the other does on the same folder.

import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

final class State {
    /** A cluster that is silent for so long is no longer there. */
    private static final int TIMEOUT_MS = 120_000;

    /** What is told of, and what of it. */
    final TreeMap<String, String> lines = new TreeMap<>();
    /** Records by `topic-partition@offset`, as each isolation shows them. */
    final Map<IsolationLevel, TreeMap<String, ConsumerRecord<byte[], byte[]>>> records = new HashMap<>();
    final Map<TopicPartition, Long> starts = new HashMap<>();
    /** The last stable offsets. */
    final Map<TopicPartition, Long> stable = new HashMap<>();

    private final String bootstrap;

    private State(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    static Map<String, Object> clientConfig(String bootstrap) {
        Map<String, Object> config = new HashMap<>();
        config.put("bootstrap.servers", bootstrap);
        config.put("default.api.timeout.ms", TIMEOUT_MS);
        return config;
    }

    static State of(String bootstrap) throws Exception {
        State state = new State(bootstrap);
        try (Admin admin = Admin.create(clientConfig(bootstrap))) {
            state.cluster(admin);
            Collection<TopicDescription> topics = state.topics(admin);
            List<TopicPartition> partitions = topics.stream()
                .filter(topic -> !topic.isInternal())
                .flatMap(topic -> topic.partitions().stream()
                    .map(partition -> new TopicPartition(topic.name(), partition.partition())))
                .toList();
            state.configs(admin, topics);
            state.offsets(admin, partitions);
            state.producers(admin, partitions);
            state.transactions(admin);
            state.groups(admin);
            state.users(admin);
            state.sizes(admin);
            for (IsolationLevel isolation : IsolationLevel.values()) {
                state.read(partitions, isolation);
            }
        }
        return state;
    }

    /** What the other tells otherwise; at most so many lines. */
    static List<String> differences(State before, State after) {
        var names = new TreeSet<>(before.lines.keySet());
        names.addAll(after.lines.keySet());
        return names.stream()
            .filter(name -> !String.valueOf(before.lines.get(name)).equals(after.lines.get(name)))
            .map(name -> name + ": was " + before.lines.get(name) + ", is " + after.lines.get(name))
            .toList();
    }

    private void cluster(Admin admin) throws Exception {
        lines.put("cluster id", admin.describeCluster().clusterId().get());
        admin.describeFeatures().featureMetadata().get().finalizedFeatures()
            .forEach((name, levels) -> lines.put("feature " + name, levels.toString()));
    }

    private Collection<TopicDescription> topics(Admin admin) throws Exception {
        var names = admin.listTopics(new org.apache.kafka.clients.admin.ListTopicsOptions()
            .listInternal(true)).names().get();
        var topics = admin.describeTopics(names).allTopicNames().get().values();
        for (TopicDescription topic : topics) {
            lines.put("topic " + topic.name(), topic.topicId() + " " + topic.partitions());
        }
        return topics;
    }

    private void configs(Admin admin, Collection<TopicDescription> topics) throws Exception {
        List<ConfigResource> resources = new java.util.ArrayList<>(topics.stream()
            .map(topic -> new ConfigResource(ConfigResource.Type.TOPIC, topic.name())).toList());
        resources.add(new ConfigResource(ConfigResource.Type.BROKER, "1"));
        resources.add(new ConfigResource(ConfigResource.Type.BROKER, ""));
        admin.describeConfigs(resources).all().get().forEach((resource, config) -> {
            for (ConfigEntry entry : config.entries()) {
                if (entry.source().name().startsWith("DYNAMIC")) {
                    lines.put("config " + resource + " " + entry.name(),
                        entry.value() + " " + entry.source());
                }
            }
        });
    }

    private void offsets(Admin admin, List<TopicPartition> partitions) throws Exception {
        Map<String, OffsetSpec> specs = Map.of("earliest", OffsetSpec.earliest(),
            "latest", OffsetSpec.latest(), "max timestamp", OffsetSpec.maxTimestamp());
        for (var spec : specs.entrySet()) {
            var asked = partitions.stream().collect(Collectors.toMap(p -> p, p -> spec.getValue()));
            for (IsolationLevel isolation : IsolationLevel.values()) {
                var answers = admin.listOffsets(asked, new ListOffsetsOptions(isolation)).all().get();
                answers.forEach((partition, offset) -> lines.put(
                    "offset " + partition + " " + spec.getKey() + " " + isolation,
                    offset.offset() + " at " + offset.timestamp()));
                if (spec.getKey().equals("earliest")) {
                    answers.forEach((partition, offset) -> starts.put(partition, offset.offset()));
                }
                if (spec.getKey().equals("latest") && isolation == IsolationLevel.READ_COMMITTED) {
                    answers.forEach((partition, offset) -> stable.put(partition, offset.offset()));
                }
            }
        }
    }

    private void producers(Admin admin, List<TopicPartition> partitions) throws Exception {
        admin.describeProducers(partitions).all().get().forEach((partition, states) ->
            states.activeProducers().forEach(producer -> lines.put(
                "producer " + producer.producerId() + " of " + partition,
                "epoch " + producer.producerEpoch() + " sequence " + producer.lastSequence()
                    + " time " + producer.lastTimestamp()
                    + " coordinator " + producer.coordinatorEpoch().orElse(-1)
                    + " begins " + producer.currentTransactionStartOffset().orElse(-1))));
    }

    private void transactions(Admin admin) throws Exception {
        List<String> ids = admin.listTransactions().all().get().stream()
            .map(listing -> listing.transactionalId()).toList();
        admin.describeTransactions(ids).all().get().forEach((id, transaction) ->
            lines.put("transaction " + id, transaction.state()
                + " producer " + transaction.producerId() + " epoch " + transaction.producerEpoch()
                + " timeout " + transaction.transactionTimeoutMs()
                + " begun " + transaction.transactionStartTimeMs().orElse(-1) + " in "
                + transaction.topicPartitions().stream().map(Object::toString).sorted().toList()));
    }

    private void groups(Admin admin) throws Exception {
        for (var group : admin.listGroups().all().get()) {
            lines.put("group " + group.groupId(), group.toString());
            admin.listConsumerGroupOffsets(group.groupId()).partitionsToOffsetAndMetadata().get()
                .forEach((partition, offset) ->
                    lines.put("group " + group.groupId() + " in " + partition, offset.offset()
                        + " epoch " + offset.leaderEpoch().orElse(-1) + " '" + offset.metadata() + "'"));
        }
    }

    private void users(Admin admin) throws Exception {
        admin.describeClientQuotas(ClientQuotaFilter.all()).entities().get().forEach((entity, quotas) ->
            lines.put("quotas of " + new TreeMap<>(entity.entries()), new TreeMap<>(quotas).toString()));
        admin.describeUserScramCredentials().all().get().forEach((user, credentials) ->
            lines.put("credentials of " + user, credentials.toString()));
    }

    private void sizes(Admin admin) throws Exception {
        admin.describeLogDirs(List.of(1)).allDescriptions().get().get(1).forEach((dir, description) ->
            description.replicaInfos().forEach((partition, replica) -> {
                // The coordinators write to theirs when they begin.
                if (!partition.topic().startsWith("__")) {
                    lines.put("size " + partition, dir + " " + replica.size());
                }
            }));
    }

    private void read(List<TopicPartition> partitions, IsolationLevel isolation) {
        var found = new TreeMap<String, ConsumerRecord<byte[], byte[]>>();
        records.put(isolation, found);
        Map<String, Object> config = clientConfig(bootstrap);
        config.put("isolation.level", isolation.toString());
        config.put("key.deserializer", ByteArrayDeserializer.class);
        config.put("value.deserializer", ByteArrayDeserializer.class);
        config.put("auto.offset.reset", "none");
        try (var consumer = new KafkaConsumer<byte[], byte[]>(config)) {
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            var ends = consumer.endOffsets(partitions);
            long limit = System.nanoTime() + Duration.ofMillis(TIMEOUT_MS).toNanos();
            while (partitions.stream().anyMatch(part -> consumer.position(part) < ends.get(part))) {
                for (var record : consumer.poll(Duration.ofMillis(200))) {
                    String at = String.format("%s-%d@%06d", record.topic(), record.partition(), record.offset());
                    found.put(at, record);
                    lines.put("record " + isolation + " " + at, text(record));
                }
                if (System.nanoTime() > limit) {
                    throw new AssertionError("the logs cannot be read to their ends " + ends);
                }
            }
        }
    }

    private static String text(ConsumerRecord<byte[], byte[]> record) {
        StringBuilder text = new StringBuilder();
        text.append(record.timestampType()).append(' ').append(record.timestamp());
        text.append(" epoch ").append(record.leaderEpoch().map(String::valueOf).orElse("none"));
        text.append(" key ").append(text(record.key())).append(" value ").append(text(record.value()));
        for (Header header : record.headers()) {
            text.append(' ').append(header.key()).append('=').append(text(header.value()));
        }
        return text.toString();
    }

    /** Bytes in a few characters. */
    static String text(byte[] bytes) {
        if (bytes == null) {
            return "null";
        }
        String text = new String(bytes, java.nio.charset.StandardCharsets.ISO_8859_1);
        return text.length() <= 40 ? "'" + text + "'"
            : text.length() + " bytes " + java.util.Arrays.hashCode(bytes);
    }
}
