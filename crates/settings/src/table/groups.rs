//! Table: coordinators, classic groups, committed offsets and consumer groups (KIP-848).
//! Not here: what one group overrides (group.rs). A row is a config of Apache Kafka and a field.

use crate::row::{CLUSTER_WIDE, HIGH, MEDIUM, READ_ONLY, config, internal};
use crate::valid::{any, at_least, distinct_not_empty, each_of_some, one_of_any_case};

config! {
    /// Coordinators of groups, classic groups and committed offsets.
    pub struct GroupSettings {
        /// The shortest session timeout that a member of a classic group may ask for.
        "group.min.session.timeout.ms" => min_session_timeout_ms: i32 = "6000",
            any(), MEDIUM, READ_ONLY;
        /// The longest session timeout that a member of a classic group may ask for.
        "group.max.session.timeout.ms" => max_session_timeout_ms: i32 = "1800000",
            any(), MEDIUM, READ_ONLY;
        /// How long the first rebalance of a new classic group waits for more members. With 0 it
        /// waits for a moment only, which is longer while more members come.
        "group.initial.rebalance.delay.ms" => initial_rebalance_delay_ms: i32 = "3000",
            any(), MEDIUM, READ_ONLY;
        /// How many members a classic group may have.
        "group.max.size" => max_size: i32 = "2147483647", at_least(1), MEDIUM, READ_ONLY;
        /// Threads that Kafka gives to group coordinators; accepted and reported.
        "group.coordinator.threads" => coordinator_threads: i32 = "4", at_least(1), HIGH, READ_ONLY;
        /// How many decisions that take long, such as assignments of large groups, are taken at a
        /// time.
        "group.coordinator.background.threads" => coordinator_background_threads: i32 = "2",
            at_least(1), HIGH, READ_ONLY;
        /// How long a coordinator may gather records before it writes them; -1 lets it decide.
        "group.coordinator.append.linger.ms" => coordinator_append_linger_ms: i32 = "-1",
            at_least(-1), MEDIUM, READ_ONLY;
        /// The largest buffer that a coordinator keeps for its next write.
        "group.coordinator.cached.buffer.max.bytes" =>
            coordinator_cached_buffer_max_bytes: i32 = "1048588",
            at_least(524_288), MEDIUM, CLUSTER_WIDE;
        /// The kinds of groups that are served.
        "group.coordinator.rebalance.protocols" =>
            coordinator_rebalance_protocols: Vec<String> = "classic,consumer,streams",
            each_of_some(&["consumer", "classic", "share", "streams"]), MEDIUM, READ_ONLY;
        /// How long the text beside a committed offset may be.
        "offset.metadata.max.bytes" => offset_metadata_max_bytes: i32 = "4096",
            any(), HIGH, READ_ONLY;
        /// How long a commit waits until enough replicas hold it.
        "offsets.commit.timeout.ms" => offsets_commit_timeout_ms: i32 = "5000",
            at_least(1), HIGH, READ_ONLY;
        /// How many bytes are read at a time when a coordinator takes over a partition.
        "offsets.load.buffer.size" => offsets_load_buffer_size: i32 = "5242880",
            at_least(1), HIGH, READ_ONLY;
        /// How long the committed offsets of an empty group are kept.
        "offsets.retention.minutes" => offsets_retention_minutes: i32 = "10080",
            at_least(1), HIGH, READ_ONLY;
        /// How often committed offsets are looked at for expiry.
        "offsets.retention.check.interval.ms" =>
            offsets_retention_check_interval_ms: i64 = "600000",
            at_least(1), HIGH, READ_ONLY;
        /// The number of the codec of __consumer_offsets: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
        "offsets.topic.compression.codec" => offsets_topic_compression_codec: i32 = "0",
            any(), HIGH, READ_ONLY;
        /// How many partitions __consumer_offsets gets when it is created.
        "offsets.topic.num.partitions" => offsets_topic_num_partitions: i32 = "50",
            at_least(1), HIGH, READ_ONLY;
        /// How many replicas __consumer_offsets gets when it is created.
        "offsets.topic.replication.factor" => offsets_topic_replication_factor: i16 = "3",
            at_least(1), HIGH, READ_ONLY;
        /// How large segments of __consumer_offsets grow.
        "offsets.topic.segment.bytes" => offsets_topic_segment_bytes: i32 = "104857600",
            at_least(1), HIGH, READ_ONLY;
    }
}

config! {
    /// Consumer groups (KIP-848).
    pub struct ConsumerGroupSettings {
        /// How long a member of a consumer group may stay silent before it is removed.
        "group.consumer.session.timeout.ms" => session_timeout_ms: i32 = "45000",
            at_least(1), MEDIUM, READ_ONLY;
        /// The shortest session timeout that a consumer group may be given.
        "group.consumer.min.session.timeout.ms" => min_session_timeout_ms: i32 = "45000",
            at_least(1), MEDIUM, READ_ONLY;
        /// The longest session timeout that a consumer group may be given.
        "group.consumer.max.session.timeout.ms" => max_session_timeout_ms: i32 = "60000",
            at_least(1), MEDIUM, READ_ONLY;
        /// How often members of a consumer group are told to send heartbeats.
        "group.consumer.heartbeat.interval.ms" => heartbeat_interval_ms: i32 = "5000",
            at_least(1), MEDIUM, READ_ONLY;
        /// The shortest heartbeat interval that a consumer group may be given.
        "group.consumer.min.heartbeat.interval.ms" => min_heartbeat_interval_ms: i32 = "5000",
            at_least(1), MEDIUM, READ_ONLY;
        /// The longest heartbeat interval that a consumer group may be given.
        "group.consumer.max.heartbeat.interval.ms" => max_heartbeat_interval_ms: i32 = "15000",
            at_least(1), MEDIUM, READ_ONLY;
        /// The least time between two assignments of a consumer group.
        "group.consumer.assignment.interval.ms" => assignment_interval_ms: i32 = "1000",
            at_least(0), MEDIUM, CLUSTER_WIDE;
        /// The least assignment interval that a consumer group may be given.
        "group.consumer.min.assignment.interval.ms" => min_assignment_interval_ms: i32 = "0",
            at_least(0), MEDIUM, READ_ONLY;
        /// The largest assignment interval that a consumer group may be given.
        "group.consumer.max.assignment.interval.ms" => max_assignment_interval_ms: i32 = "15000",
            at_least(0), MEDIUM, READ_ONLY;
        /// How many members a consumer group may have.
        "group.consumer.max.size" => max_size: i32 = "2147483647", at_least(1), MEDIUM, READ_ONLY;
        /// The assignors that consumer groups may use; the first is the default.
        "group.consumer.assignors" => assignors: Vec<String> = "uniform,range",
            distinct_not_empty(), MEDIUM, READ_ONLY;
        /// Whether assignments of consumer groups are computed off the coordinator's thread.
        "group.consumer.assignor.offload.enable" => assignor_offload_enable: bool = "true",
            any(), MEDIUM, internal(CLUSTER_WIDE);
        /// Which way a group may change between classic and consumer while it has members.
        "group.consumer.migration.policy" =>
            migration_policy: String =
        "bidirectional",
            one_of_any_case(&["DISABLED", "DOWNGRADE", "UPGRADE", "BIDIRECTIONAL"]),
            MEDIUM, READ_ONLY;
        /// How often the topics behind a regular expression are looked up again.
        "group.consumer.regex.refresh.interval.ms" => regex_refresh_interval_ms: i32 = "600000",
            at_least(10_000), MEDIUM, internal(READ_ONLY);
    }
}
