// What the official Kafka Streams must show as members of streams groups (KIP-1071):
// `StreamsGroups <bootstrap>`. Its lines are the contract in ../README.md.

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.ListStreamsGroupOffsetsSpec;
import org.apache.kafka.clients.admin.StreamsGroupMemberAssignment;
import org.apache.kafka.clients.admin.StreamsGroupSubtopologyDescription;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.CloseOptions;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.TaskMetadata;
import org.apache.kafka.streams.ThreadMetadata;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.state.Stores;

public final class StreamsGroups extends Story {
    private static final int SECONDS_PER_FEATURE = 180;
    private static final Duration CLOSE = Duration.ofSeconds(30);
    private static final int PARTITIONS = 3;

    private StreamsGroups(String bootstrap, String prefix) {
        super(bootstrap, prefix);
    }

    /** With a prefix this is one instance of `silent`, which is killed. */
    public static void main(String[] args) throws Exception {
        if (args.length > 1) {
            var instance = new StreamsGroups(args[0], args[1]).counter("silent", "second");
            Thread.currentThread().join();
            instance.close();
        }
        var suite = new StreamsGroups(args[0], "sg-" + System.currentTimeMillis());
        run("tasks", SECONDS_PER_FEATURE, suite::tasks);
        run("internal-topics", SECONDS_PER_FEATURE, suite::internalTopics);
        run("standbys", SECONDS_PER_FEATURE, suite::standbys);
        run("missing-source", SECONDS_PER_FEATURE, suite::missingSource);
        run("partitioned-otherwise", SECONDS_PER_FEATURE, suite::partitionedOtherwise);
        run("shutdown", SECONDS_PER_FEATURE, suite::shutdown);
        run("silent", SECONDS_PER_FEATURE, suite::silent);
        run("two-applications", SECONDS_PER_FEATURE, suite::twoApplications);
        run("topic-grows", SECONDS_PER_FEATURE, suite::topicGrows);
        run("source-deleted", SECONDS_PER_FEATURE, suite::sourceDeleted);
        run("other-topology", SECONDS_PER_FEATURE, suite::otherTopology);
        run("endpoints", SECONDS_PER_FEATURE, suite::endpoints);
        run("described", SECONDS_PER_FEATURE, suite::described);
        run("restart", SECONDS_PER_FEATURE, suite::outliving);
        System.exit(0);
    }

    /** One instance of an application; each in a folder of its own, as on a host of its own. */
    private final class Instance implements AutoCloseable {
        final KafkaStreams streams;
        volatile Throwable failure;

        Instance(String application, String folder, Topology topology,
                StreamThreadExceptionResponse onFailure) {
            this(topology, config(application, folder), onFailure);
        }

        Instance(Topology topology, Properties config, StreamThreadExceptionResponse onFailure) {
            streams = new KafkaStreams(topology, config);
            streams.setUncaughtExceptionHandler(why -> {
                failure = why;
                return onFailure;
            });
            streams.start();
        }

        private Collection<TaskMetadata> tasks(boolean active) {
            List<TaskMetadata> tasks = new ArrayList<>();
            for (ThreadMetadata thread : streams.metadataForLocalThreads()) {
                tasks.addAll(active ? thread.activeTasks() : thread.standbyTasks());
            }
            return tasks;
        }

        Set<String> active() {
            return names(tasks(true));
        }

        Set<String> standby() {
            return names(tasks(false));
        }

        private static Set<String> names(Collection<TaskMetadata> tasks) {
            return tasks.stream().map(task -> task.taskId().toString())
                .collect(Collectors.toCollection(TreeSet::new));
        }

        @Override
        public void close() {
            var leave = CloseOptions.GroupMembershipOperation.LEAVE_GROUP;
            streams.close(CloseOptions.timeout(CLOSE).withGroupMembershipOperation(leave));
        }
    }

    private Properties config(String application, String folder) {
        var config = new Properties();
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, application);
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        config.put(StreamsConfig.GROUP_PROTOCOL_CONFIG, "streams");
        config.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
        config.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
        config.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        config.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        Path state = Path.of(System.getProperty("java.io.tmpdir"), application, folder);
        config.put(StreamsConfig.STATE_DIR_CONFIG, state.toString());
        config.put("auto.offset.reset", "earliest");
        config.put(StreamsConfig.consumerPrefix("max.poll.interval.ms"), 8_000);
        return config;
    }

    /** Counts the values of `from` in a second part behind a repartition: two times three tasks. */
    private static Topology counting(String from, String to) {
        var builder = new StreamsBuilder();
        KStream<String, String> inputs = builder.stream(from);
        inputs.groupBy((key, value) -> value, Grouped.as("by-value"))
            .count(Materialized.as(Stores.inMemoryKeyValueStore("counts")))
            .toStream()
            .mapValues(String::valueOf)
            .to(to, Produced.with(Serdes.String(), Serdes.String()));
        return builder.build();
    }

    private Instance counter(String name, String folder) {
        return new Instance(prefix + "-" + name, folder,
            counting(prefix + "-" + name + "-from", prefix + "-" + name + "-to"),
            StreamThreadExceptionResponse.SHUTDOWN_CLIENT);
    }

    private void topics(String name) throws Exception {
        topic(name + "-from", PARTITIONS);
        topic(name + "-to", PARTITIONS);
    }

    /** Each of ten values `times` times, over all partitions. */
    private void send(String topic, int times) {
        Map<String, Object> config = common(StringSerializer.class, StringDeserializer.class);
        try (var producer = new KafkaProducer<String, String>(config)) {
            for (int i = 0; i < 10 * times; i++) {
                get(producer.send(new ProducerRecord<>(topic, i % PARTITIONS, "k" + i, "v" + i % 10)));
            }
        }
    }

    /** The last count of each value, once all of them are `count`. */
    private void untilCounted(String topic, int count) {
        Map<String, Object> config = common(StringSerializer.class, StringDeserializer.class);
        Map<String, String> last = new HashMap<>();
        try (var consumer = new KafkaConsumer<String, String>(config)) {
            List<TopicPartition> all = new ArrayList<>();
            for (int partition = 0; partition < PARTITIONS; partition++) {
                all.add(new TopicPartition(topic, partition));
            }
            consumer.assign(all);
            consumer.seekToBeginning(all);
            String wanted = String.valueOf(count);
            until("each is counted " + count + " times", () -> {
                consumer.poll(POLL).forEach(record -> last.put(record.key(), record.value()));
                return last.size() == 10 && last.values().stream().allMatch(wanted::equals);
            });
        }
    }

    private static final Set<String> TASKS =
        new TreeSet<>(List.of("0_0", "0_1", "0_2", "1_0", "1_1", "1_2"));

    /** Every task is active once, and each instance has so many. */
    private static boolean share(int each, Instance... instances) {
        Set<String> all = new TreeSet<>();
        int sum = 0;
        for (Instance instance : instances) {
            Set<String> active = instance.active();
            if (active.size() != each) {
                return false;
            }
            sum += active.size();
            all.addAll(active);
        }
        return sum == TASKS.size() && all.equals(TASKS);
    }

    /** Tasks go to who is there: one instance, two, one again, three. */
    private void tasks() throws Exception {
        topics("tasks");
        String from = prefix + "-tasks-from";
        String to = prefix + "-tasks-to";
        try (var first = counter("tasks", "first")) {
            until("one has all tasks", () -> share(6, first));
            send(from, 1);
            untilCounted(to, 1);
            try (var second = counter("tasks", "second")) {
                until("two share the tasks", () -> share(3, first, second));
                send(from, 1);
                untilCounted(to, 2);
            }
            until("the tasks of who left move", () -> share(6, first));
            try (var second = counter("tasks", "second"); var third = counter("tasks", "third")) {
                until("three share the tasks", () -> share(2, first, second, third));
                send(from, 1);
                untilCounted(to, 3);
            }
        }
    }

    /** The topics that the coordinator made are as Apache Kafka makes them. */
    private void internalTopics() throws Exception {
        String application = prefix + "-tasks";
        Map<String, String> made = new TreeMap<>();
        for (String name : get(admin.listTopics().names())) {
            if (!name.startsWith(application + "-") || name.endsWith("from") || name.endsWith("to")) {
                continue;
            }
            var found = get(admin.describeTopics(List.of(name)).allTopicNames()).get(name);
            var resource = new ConfigResource(ConfigResource.Type.TOPIC, name);
            var configs = get(admin.describeConfigs(List.of(resource)).all()).get(resource);
            String own = configs.entries().stream()
                .filter(entry -> entry.source() == ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG)
                .map(entry -> entry.name() + "=" + entry.value())
                .sorted()
                .collect(Collectors.joining(","));
            int replicas = found.partitions().get(0).replicas().size();
            made.put(name.substring(application.length() + 1),
                found.partitions().size() + " x " + replicas + " " + own);
        }
        equal("topics", made, INTERNAL);
    }

    private static final Map<String, String> INTERNAL = new TreeMap<>(Map.of(
        "by-value-repartition", "3 x 1 cleanup.policy=delete,message.timestamp.type=CreateTime,"
            + "retention.ms=-1,segment.bytes=52428800",
        "counts-changelog", "3 x 1 cleanup.policy=compact,message.timestamp.type=CreateTime"));

    private void set(String group, String name, String value) {
        var of = new ConfigResource(ConfigResource.Type.GROUP, group);
        var op = new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET);
        get(admin.incrementalAlterConfigs(Map.of(of, List.of(op))).all());
    }

    /** Copies of what has a state are kept where it is not active, and take over. */
    private void standbys() throws Exception {
        topics("standbys");
        set(prefix + "-standbys", "streams.num.standby.replicas", "1");
        var stateful = new TreeSet<>(List.of("1_0", "1_1", "1_2"));
        try (var first = counter("standbys", "first")) {
            try (var second = counter("standbys", "second")) {
                until("each has what the other keeps a copy of", () -> {
                    Set<String> copies = new TreeSet<>(first.standby());
                    copies.addAll(second.standby());
                    Set<String> both = new TreeSet<>(first.standby());
                    both.retainAll(first.active());
                    return share(3, first, second) && copies.equals(stateful) && both.isEmpty()
                        && first.standby().size() + second.standby().size() == 3;
                });
                send(prefix + "-standbys-from", 2);
                untilCounted(prefix + "-standbys-to", 2);
            }
            until("the copies take over", () -> share(6, first) && first.standby().isEmpty());
            send(prefix + "-standbys-from", 1);
            untilCounted(prefix + "-standbys-to", 3);
        }
    }

    private static String cause(Throwable failure) {
        String names = "";
        for (Throwable why = failure; why != null; why = why.getCause()) {
            names += (names.isEmpty() ? "" : " of ") + why.getClass().getSimpleName();
        }
        return names;
    }

    /** Without its source topic a topology does not run, and the application hears which it is. */
    private void missingSource() throws Exception {
        topic("missing-to", PARTITIONS);
        try (var instance = counter("missing", "first")) {
            until("the application hears of it", () -> instance.failure != null);
            equal("failure", cause(instance.failure), "MissingSourceTopicException");
            String said = instance.failure.getMessage();
            equal(said, said.contains(prefix + "-missing-from"), true);
        }
        String group = prefix + "-missing";
        topic("missing-from", PARTITIONS);
        try (var instance = counter("missing", "first")) {
            until("it runs once the topic is there", () -> share(6, instance));
        }
        get(admin.deleteStreamsGroups(List.of(group)).all());
    }

    /** Topics that are joined have as many partitions as each other, or nothing runs. */
    private void partitionedOtherwise() throws Exception {
        String left = topic("join-left", 2);
        String right = topic("join-right", 3);
        var builder = new StreamsBuilder();
        KStream<String, String> joined = builder.<String, String>stream(left).join(
            builder.<String, String>stream(right), (one, other) -> one + other,
            JoinWindows.ofTimeDifferenceWithNoGrace(Duration.ofSeconds(5)));
        joined.foreach((key, value) -> { });
        try (var instance = new Instance(prefix + "-join", "first", builder.build(),
                StreamThreadExceptionResponse.SHUTDOWN_CLIENT)) {
            until("the application hears of it", () -> instance.failure != null);
            equal("failure", cause(instance.failure), "TopologyException");
            String said = instance.failure.getMessage();
            equal(said, said.contains(left) && said.contains(right), true);
        }
    }

    /** When one asks for the end of the application, all of its instances end. */
    private void shutdown() throws Exception {
        topics("shutdown");
        String from = prefix + "-shutdown-from";
        var builder = new StreamsBuilder();
        builder.<String, String>stream(from).foreach((key, value) -> {
            throw new IllegalStateException("cannot go on");
        });
        Topology failing = builder.build();
        var response = StreamThreadExceptionResponse.SHUTDOWN_APPLICATION;
        String application = prefix + "-shutdown";
        try (var first = new Instance(application, "first", failing, response);
                var second = new Instance(application, "second", failing, response)) {
            until("both have tasks", () ->
                first.active().size() + second.active().size() == PARTITIONS
                    && !first.active().isEmpty() && !second.active().isEmpty());
            try (var producer = new KafkaProducer<String, String>(
                    common(StringSerializer.class, StringDeserializer.class))) {
                get(producer.send(new ProducerRecord<>(from, 0, "k", "v")));
            }
            until("both end", () -> first.streams.state() == KafkaStreams.State.ERROR
                && second.streams.state() == KafkaStreams.State.ERROR);
        }
    }

    /** Who is not heard of any more loses its tasks when its session is over. */
    private void silent() throws Exception {
        topics("silent");
        String group = prefix + "-silent";
        try (var first = counter("silent", "first")) {
            until("one has all tasks", () -> share(6, first));
            Process second = new ProcessBuilder("java", "-Xmx128M", "-XX:TieredStopAtLevel=1",
                "-Djava.io.tmpdir=" + System.getProperty("java.io.tmpdir"),
                "-cp", System.getProperty("java.class.path"), "StreamsGroups", bootstrap, prefix)
                .redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.DISCARD).start();
            try {
                until("two share the tasks", () -> first.active().size() == 3);
            } finally {
                second.destroyForcibly().waitFor();
            }
            equal("members", described(group).members().size(), 2);
            until("its tasks move", () -> share(6, first));
            equal("members", described(group).members().size(), 1);
            send(prefix + "-silent-from", 1);
            untilCounted(prefix + "-silent-to", 1);
        }
    }

    /** What is done with each record. */
    private interface Doing {
        void with(String value);
    }

    private Instance reader(String application, String folder, String topic, Doing doing) {
        var builder = new StreamsBuilder();
        builder.<String, String>stream(topic).foreach((key, value) -> doing.with(value));
        return new Instance(prefix + "-" + application, folder, builder.build(),
            StreamThreadExceptionResponse.SHUTDOWN_CLIENT);
    }

    /** Two applications read the same topic, each for itself. */
    private void twoApplications() throws Exception {
        String from = topic("both", PARTITIONS);
        var one = new java.util.concurrent.atomic.AtomicInteger();
        var other = new java.util.concurrent.atomic.AtomicInteger();
        try (var first = reader("one", "first", from, value -> one.incrementAndGet());
                var second = reader("other", "second", from, value -> other.incrementAndGet())) {
            until("each has all tasks", () ->
                first.active().size() == PARTITIONS && second.active().size() == PARTITIONS);
            send(from, 2);
            until("each has read all", () -> one.get() == 20 && other.get() == 20);
        }
    }

    /** Partitions that a source gets while it is read are read too. */
    private void topicGrows() throws Exception {
        String from = topic("grows", PARTITIONS);
        Set<String> read = java.util.concurrent.ConcurrentHashMap.newKeySet();
        try (var first = reader("grows", "first", from, read::add);
                var second = reader("grows", "second", from, read::add)) {
            until("two share the tasks", () ->
                first.active().size() + second.active().size() == PARTITIONS
                    && !first.active().isEmpty() && !second.active().isEmpty());
            get(admin.createPartitions(Map.of(from,
                org.apache.kafka.clients.admin.NewPartitions.increaseTo(PARTITIONS + 2))).all());
            until("they share the new ones too", () -> {
                Set<String> all = new TreeSet<>(first.active());
                all.addAll(second.active());
                return all.size() == PARTITIONS + 2
                    && first.active().size() + second.active().size() == PARTITIONS + 2;
            });
            try (var producer = new KafkaProducer<String, String>(
                    common(StringSerializer.class, StringDeserializer.class))) {
                for (int partition = 0; partition < PARTITIONS + 2; partition++) {
                    get(producer.send(new ProducerRecord<>(from, partition, "k", "p" + partition)));
                }
            }
            until("all are read", () -> read.size() == PARTITIONS + 2);
        }
    }

    /** Without its source an application that runs ends, and hears why. */
    private void sourceDeleted() throws Exception {
        String from = topic("deleted", PARTITIONS);
        try (var instance = reader("deleted", "first", from, value -> { })) {
            until("it has all tasks", () -> instance.active().size() == PARTITIONS);
            get(admin.deleteTopics(List.of(from)).all());
            until("the application hears of it", () -> instance.failure != null);
            equal("failure", cause(instance.failure), "MissingSourceTopicException");
        }
    }

    /** Another topology is not taken while the group is there; what runs goes on. */
    private void otherTopology() throws Exception {
        topics("update");
        String from = prefix + "-update-from";
        try (var first = counter("update", "first")) {
            until("one has all tasks", () -> share(6, first));
            var builder = new StreamsBuilder();
            builder.<String, String>stream(from).foreach((key, value) -> { });
            builder.<String, String>stream(prefix + "-update-to").foreach((key, value) -> { });
            try (var second = new Instance(prefix + "-update", "second", builder.build(),
                    StreamThreadExceptionResponse.SHUTDOWN_CLIENT)) {
                until("the newcomer hears of it", () -> second.failure != null);
                equal("failure", cause(second.failure), "StreamsException of InvalidRequestException");
            }
            send(from, 1);
            untilCounted(prefix + "-update-to", 1);
            equal("tasks", share(6, first), true);
        }
    }

    /** Each instance knows where the others can be asked, and for which partitions. */
    private void endpoints() throws Exception {
        topics("endpoints");
        List<Instance> both = new ArrayList<>();
        try {
            for (String port : List.of("7001", "7002")) {
                Properties config = config(prefix + "-endpoints", port);
                config.put(StreamsConfig.APPLICATION_SERVER_CONFIG, "here.example:" + port);
                both.add(new Instance(
                    counting(prefix + "-endpoints-from", prefix + "-endpoints-to"), config,
                    StreamThreadExceptionResponse.SHUTDOWN_CLIENT));
            }
            until("two share the tasks", () -> share(3, both.get(0), both.get(1)));
            for (Instance instance : both) {
                until("it knows both", () -> served(instance).size() == 2);
                until("it knows who has what", () -> served(instance).equals(
                    Map.of(7001, served(both, 0), 7002, served(both, 1))));
            }
        } finally {
            both.forEach(Instance::close);
        }
    }

    /** The partitions of the store's topic that an instance has. */
    private static Set<Integer> served(List<Instance> instances, int which) {
        return instances.get(which).active().stream().filter(task -> task.startsWith("1_"))
            .map(task -> Integer.parseInt(task.substring(2)))
            .collect(Collectors.toCollection(TreeSet::new));
    }

    /** By port the partitions of the store's topic, as an instance knows them. */
    private static Map<Integer, Set<Integer>> served(Instance instance) {
        Map<Integer, Set<Integer>> found = new TreeMap<>();
        for (var of : instance.streams.metadataForAllStreamsClients()) {
            found.put(of.port(), of.topicPartitions().stream()
                .filter(it -> it.topic().endsWith("-repartition")).map(TopicPartition::partition)
                .collect(Collectors.toCollection(TreeSet::new)));
        }
        return found;
    }

    /** The admin client sees the group as it is. */
    private void described() throws Exception {
        topics("described");
        String group = prefix + "-described";
        String from = prefix + "-described-from";
        try (var first = counter("described", "first"); var second = counter("described", "second")) {
            until("two share the tasks", () -> share(3, first, second));
            send(from, 3);
            untilCounted(prefix + "-described-to", 3);
            until("it is stable", () -> described(group).groupState() == GroupState.STABLE);
            var found = described(group);
            equal("members", found.members().size(), 2);
            equal("target", found.targetAssignmentEpoch(), found.groupEpoch());
            Set<String> active = new TreeSet<>();
            for (var member : found.members()) {
                equal("epoch", member.memberEpoch(), found.groupEpoch());
                equal("topology", member.topologyEpoch(), 0);
                equal("host", member.clientHost(), "/127.0.0.1");
                equal("is classic", member.isClassic(), false);
                equal("has its target", tasks(member.assignment()), tasks(member.targetAssignment()));
                active.addAll(tasks(member.assignment()));
            }
            equal("tasks", active, TASKS);
            Map<String, String> parts = new TreeMap<>();
            for (StreamsGroupSubtopologyDescription part : found.subtopologies()) {
                parts.put(part.subtopologyId(), part.sourceTopics() + " "
                    + part.repartitionSinkTopics() + " " + part.repartitionSourceTopics() + " "
                    + part.stateChangelogTopics());
            }
            String told = parts.toString().replace(group, "A");
            equal("parts", told, PARTS);
            var listed = get(admin.listGroups(ListGroupsOptions.forStreamsGroups()).all()).stream()
                .filter(it -> it.groupId().equals(group)).toList();
            equal("listed", listed.size(), 1);
            equal("type", listed.get(0).type().get(), GroupType.STREAMS);
            equal("protocol", listed.get(0).protocol(), "streams");
            equal("state", listed.get(0).groupState().get(), GroupState.STABLE);
            var refused = admin.deleteStreamsGroups(List.of(group)).deletedGroups().get(group);
            try {
                refused.get();
                throw new AssertionError("a group with members was deleted");
            } catch (java.util.concurrent.ExecutionException e) {
                equal("refused", e.getCause().getClass(), GroupNotEmptyException.class);
            }
            until("all is committed", () -> committed(group, from) == 30);
        }
        equal("empty", described(group).groupState(), GroupState.EMPTY);
        var of = new TopicPartition(from, 0);
        get(admin.alterStreamsGroupOffsets(group,
            Map.of(of, new org.apache.kafka.clients.consumer.OffsetAndMetadata(4))).all());
        equal("altered", committed(group, from), 24L);
        get(admin.deleteStreamsGroupOffsets(group, Set.of(of)).all());
        equal("deleted", committed(group, from), 20L);
        get(admin.deleteStreamsGroups(List.of(group)).all());
        equal("gone", get(admin.listGroups(ListGroupsOptions.forStreamsGroups()).all()).stream()
            .anyMatch(it -> it.groupId().equals(group)), false);
    }

    private static final String PARTS = "{0=[A-from] [A-by-value-repartition] {} {}, "
        + "1=[] [] {A-by-value-repartition=TopicInfo(partitions=3, replicationFactor=-1, "
        + "topicConfigs=cleanup.policy=delete,message.timestamp.type=CreateTime,retention.ms=-1,"
        + "segment.bytes=52428800)} {A-counts-changelog=TopicInfo(partitions=3, "
        + "replicationFactor=-1, "
        + "topicConfigs=cleanup.policy=compact,message.timestamp.type=CreateTime)}}";

    private org.apache.kafka.clients.admin.StreamsGroupDescription described(String group) {
        return get(admin.describeStreamsGroups(List.of(group)).all()).get(group);
    }

    private static Set<String> tasks(StreamsGroupMemberAssignment assignment) {
        Set<String> tasks = new TreeSet<>();
        for (var of : assignment.activeTasks()) {
            of.partitions().forEach(partition -> tasks.add(of.subtopologyId() + "_" + partition));
        }
        return tasks;
    }

    private long committed(String group, String topic) {
        var spec = Map.of(group, new ListStreamsGroupOffsetsSpec());
        return get(admin.listStreamsGroupOffsets(spec).all()).get(group).entrySet().stream()
            .filter(entry -> entry.getKey().topic().equals(topic) && entry.getValue() != null)
            .mapToLong(entry -> entry.getValue().offset()).sum();
    }

    /** Members and their tasks outlive a broker that is killed. */
    private void outliving() throws Exception {
        topics("restart");
        String group = prefix + "-restart";
        try (var first = counter("restart", "first"); var second = counter("restart", "second")) {
            until("two share the tasks", () -> share(3, first, second));
            send(prefix + "-restart-from", 1);
            untilCounted(prefix + "-restart-to", 1);
            Set<String> before = first.active();
            until("it is stable", () -> described(group).groupState() == GroupState.STABLE);
            int epoch = described(group).groupEpoch();
            restart();
            send(prefix + "-restart-from", 1);
            untilCounted(prefix + "-restart-to", 2);
            equal("tasks", first.active(), before);
            equal("epoch", described(group).groupEpoch(), epoch);
        }
    }
}
