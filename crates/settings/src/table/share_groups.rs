//! Table: share groups (KIP-932) and the coordinator of their state.
//! A row is a config of Apache Kafka and a typed field.

use crate::row::{CLUSTER_WIDE, HIGH, LOW, MEDIUM, READ_ONLY, config, internal};
use crate::valid::{any, at_least, between, distinct_not_empty};

config! {
    /// Share groups (KIP-932) and the coordinator of their state.
    pub struct ShareGroupSettings {
        /// How long a member of a share group may stay silent before it is removed.
        "group.share.session.timeout.ms" => session_timeout_ms: i32 = "45000",
            at_least(1), MEDIUM, READ_ONLY;
        /// The shortest session timeout that a share group may be given.
        "group.share.min.session.timeout.ms" => min_session_timeout_ms: i32 = "45000",
            at_least(1), MEDIUM, READ_ONLY;
        /// The longest session timeout that a share group may be given.
        "group.share.max.session.timeout.ms" => max_session_timeout_ms: i32 = "60000",
            at_least(1), MEDIUM, READ_ONLY;
        /// How often members of a share group are told to send heartbeats.
        "group.share.heartbeat.interval.ms" => heartbeat_interval_ms: i32 = "5000",
            at_least(1), MEDIUM, READ_ONLY;
        /// The shortest heartbeat interval that a share group may be given.
        "group.share.min.heartbeat.interval.ms" => min_heartbeat_interval_ms: i32 = "5000",
            at_least(1), MEDIUM, READ_ONLY;
        /// The longest heartbeat interval that a share group may be given.
        "group.share.max.heartbeat.interval.ms" => max_heartbeat_interval_ms: i32 = "15000",
            at_least(1), MEDIUM, READ_ONLY;
        /// The least time between two assignments of a share group.
        "group.share.assignment.interval.ms" => assignment_interval_ms: i32 = "1000",
            at_least(0), MEDIUM, CLUSTER_WIDE;
        /// The least assignment interval that a share group may be given.
        "group.share.min.assignment.interval.ms" => min_assignment_interval_ms: i32 = "0",
            at_least(0), MEDIUM, READ_ONLY;
        /// The largest assignment interval that a share group may be given.
        "group.share.max.assignment.interval.ms" => max_assignment_interval_ms: i32 = "15000",
            at_least(0), MEDIUM, READ_ONLY;
        /// How many members a share group may have.
        "group.share.max.size" => max_size: i32 = "200", between(1, 1000), MEDIUM, READ_ONLY;
        /// The assignors that share groups may use; the first is the default.
        "group.share.assignors" => assignors: Vec<String> = "simple",
            distinct_not_empty(), MEDIUM, READ_ONLY;
        /// Whether assignments of share groups are computed off the coordinator's thread.
        "group.share.assignor.offload.enable" => assignor_offload_enable: bool = "true",
            any(), MEDIUM, internal(CLUSTER_WIDE);
        /// How many times a record is delivered before it counts as undeliverable.
        "group.share.delivery.count.limit" => delivery_count_limit: i32 = "5",
            between(2, 10), MEDIUM, READ_ONLY;
        /// The least delivery count limit that a share group may be given.
        "group.share.min.delivery.count.limit" => min_delivery_count_limit: i32 = "2",
            between(2, 5), MEDIUM, READ_ONLY;
        /// The largest delivery count limit that a share group may be given.
        "group.share.max.delivery.count.limit" => max_delivery_count_limit: i32 = "10",
            between(5, 25), MEDIUM, READ_ONLY;
        /// How long a delivered record is kept from other members while it is not acknowledged.
        "group.share.record.lock.duration.ms" => record_lock_duration_ms: i32 = "30000",
            between(1000, 3_600_000), MEDIUM, READ_ONLY;
        /// The shortest lock duration that a share group may be given.
        "group.share.min.record.lock.duration.ms" => min_record_lock_duration_ms: i32 = "15000",
            between(1000, 30_000), MEDIUM, READ_ONLY;
        /// The longest lock duration that a share group may be given.
        "group.share.max.record.lock.duration.ms" => max_record_lock_duration_ms: i32 = "60000",
            between(30_000, 3_600_000), MEDIUM, READ_ONLY;
        /// How many records of a partition may be delivered and not yet acknowledged.
        "group.share.partition.max.record.locks" => partition_max_record_locks: i32 = "2000",
            between(100, 10_000), MEDIUM, READ_ONLY;
        /// The least number of locked records that a share group may be given.
        "group.share.min.partition.max.record.locks" => min_partition_max_record_locks: i32 = "100",
            between(100, 2000), MEDIUM, READ_ONLY;
        /// The largest number of locked records that a share group may be given.
        "group.share.max.partition.max.record.locks" =>
            max_partition_max_record_locks: i32 = "4000",
            between(2000, 10_000), MEDIUM, READ_ONLY;
        /// How many sessions of share consumers are kept.
        "group.share.max.share.sessions" => max_share_sessions: i32 = "2000",
            at_least(1), MEDIUM, READ_ONLY;
        /// How long a failed initialisation of share state waits before it is repeated.
        "group.share.initialize.retry.interval.ms" => initialize_retry_interval_ms: i32 = "30000",
            at_least(1), LOW, internal(READ_ONLY);
        /// The class that Kafka keeps share state with; accepted and reported.
        "group.share.persister.class.name" =>
            persister_class_name: String =
        "org.apache.kafka.server.share.persister.DefaultStatePersister",
            any(), MEDIUM, internal(READ_ONLY);
        /// The class that Kafka writes undeliverable records with; accepted and reported.
        "group.share.dlq.manager.class.name" =>
            dlq_manager_class_name: String =
        "org.apache.kafka.server.share.dlq.DefaultShareGroupDLQManager",
            any(), MEDIUM, internal(READ_ONLY);
        /// How many decisions of share coordinators that take long are taken at a time.
        "share.coordinator.threads" => share_coordinator_threads: i32 = "1",
            at_least(1), MEDIUM, READ_ONLY;
        /// How long a share coordinator may gather records before it writes them; -1 lets it
        /// decide.
        "share.coordinator.append.linger.ms" => share_coordinator_append_linger_ms: i32 = "-1",
            at_least(-1), MEDIUM, READ_ONLY;
        /// The largest buffer that a share coordinator keeps for its next write.
        "share.coordinator.cached.buffer.max.bytes" =>
            share_coordinator_cached_buffer_max_bytes: i32 = "1048588",
            at_least(524_288), MEDIUM, CLUSTER_WIDE;
        /// How many bytes are read at a time when a share coordinator takes over a partition.
        "share.coordinator.load.buffer.size" => share_coordinator_load_buffer_size: i32 = "5242880",
            at_least(1), HIGH, READ_ONLY;
        /// How long a write of share state waits until enough replicas hold it.
        "share.coordinator.write.timeout.ms" => share_coordinator_write_timeout_ms: i32 = "5000",
            at_least(1), HIGH, READ_ONLY;
        /// How many updates of a share partition follow a snapshot before the next one.
        "share.coordinator.snapshot.update.records.per.snapshot" =>
            share_coordinator_snapshot_update_records_per_snapshot: i32 = "500",
            between(0, 500), MEDIUM, READ_ONLY;
        /// How often share partitions without changes get a snapshot.
        "share.coordinator.cold.partition.snapshot.interval.ms" =>
            share_coordinator_cold_partition_snapshot_interval_ms: i32 = "300000",
            at_least(1), LOW, internal(READ_ONLY);
        /// How often records that no share partition needs are removed.
        "share.coordinator.state.topic.prune.interval.ms" =>
            share_coordinator_state_topic_prune_interval_ms: i32 = "300000",
            at_least(1), LOW, internal(READ_ONLY);
        /// The number of the codec of __share_group_state.
        "share.coordinator.state.topic.compression.codec" =>
            share_coordinator_state_topic_compression_codec: i32 = "0",
            any(), HIGH, READ_ONLY;
        /// How many partitions __share_group_state gets when it is created.
        "share.coordinator.state.topic.num.partitions" =>
            share_coordinator_state_topic_num_partitions: i32 = "50",
            at_least(1), HIGH, READ_ONLY;
        /// How many replicas __share_group_state gets when it is created.
        "share.coordinator.state.topic.replication.factor" =>
            share_coordinator_state_topic_replication_factor: i16 = "3",
            at_least(1), HIGH, READ_ONLY;
        /// How many in-sync replicas __share_group_state asks for.
        "share.coordinator.state.topic.min.isr" => share_coordinator_state_topic_min_isr: i16 = "2",
            at_least(1), HIGH, READ_ONLY;
        /// How large segments of __share_group_state grow.
        "share.coordinator.state.topic.segment.bytes" =>
            share_coordinator_state_topic_segment_bytes: i32 = "104857600",
            at_least(1), HIGH, READ_ONLY;
    }
}
