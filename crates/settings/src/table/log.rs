//! Table: logs on disk and the defaults of topics.
//! Not here: compaction (cleaner.rs), remote segments (remote.rs),
//! what a topic overrides (topic.rs).
//! A row is a config of Apache Kafka and a typed field.

use crate::row::{CLUSTER_WIDE, HIGH, LOW, MEDIUM, PER_BROKER, READ_ONLY, config, internal};
use crate::valid::{
    any, at_least, between, distinct, distinct_not_empty, each_of, gzip_level, one_of,
};
use crate::value::ClassName;

config! {
    /// Logs on disk, and what a topic gets that says nothing about itself.
    pub struct LogSettings {
        /// The data folder, used where log.dirs has no value.
        "log.dir" => dir: Vec<String> = "/tmp/kafka-logs", distinct_not_empty(), HIGH, READ_ONLY;
        /// The data folders, parted by commas.
        "log.dirs" => dirs: Option<Vec<String>> = null, distinct_not_empty(), HIGH, READ_ONLY;
        /// Data folders that take no new partitions.
        "cordoned.log.dirs" => cordoned_log_dirs: Vec<String> = "", distinct(), MEDIUM, PER_BROKER;
        /// How large a segment grows before the next one begins.
        "log.segment.bytes" => segment_bytes: i32 = "1073741824",
            at_least(1_048_576), HIGH, CLUSTER_WIDE;
        /// How old a segment grows before the next one begins; log.roll.hours without a value.
        "log.roll.ms" => roll_ms: Option<i64> = null, any(), HIGH, CLUSTER_WIDE;
        /// How old, in hours, a segment grows before the next one begins.
        "log.roll.hours" => roll_hours: i32 = "168", at_least(1), HIGH, READ_ONLY;
        /// The most by which the age limit of segments is shortened at random;
        /// log.roll.jitter.hours without a value.
        "log.roll.jitter.ms" => roll_jitter_ms: Option<i64> = null, any(), HIGH, CLUSTER_WIDE;
        /// The most, in hours, by which the age limit of segments is shortened at random.
        "log.roll.jitter.hours" => roll_jitter_hours: i32 = "0", at_least(0), HIGH, READ_ONLY;
        /// How long records are kept, -1 for ever; log.retention.minutes without a value.
        "log.retention.ms" => retention_ms: Option<i64> = null, any(), HIGH, CLUSTER_WIDE;
        /// How long, in minutes, records are kept; log.retention.hours without a value.
        "log.retention.minutes" => retention_minutes: Option<i32> = null, any(), HIGH, READ_ONLY;
        /// How long, in hours, records are kept; -1 for ever.
        "log.retention.hours" => retention_hours: i32 = "168", any(), HIGH, READ_ONLY;
        /// How large a partition may grow before its oldest segments go; -1 for no limit.
        "log.retention.bytes" => retention_bytes: i64 = "-1", any(), HIGH, CLUSTER_WIDE;
        /// How often segments are looked at for deletion.
        "log.retention.check.interval.ms" => retention_check_interval_ms: i64 = "300000",
            at_least(1), MEDIUM, READ_ONLY;
        /// How long a removed segment stays on disk under its .deleted name.
        "log.segment.delete.delay.ms" => segment_delete_delay_ms: i64 = "60000",
            at_least(0), HIGH, CLUSTER_WIDE;
        /// How long after the start the housekeeping of logs begins.
        "log.initial.task.delay.ms" => initial_task_delay_ms: i64 = "30000",
            at_least(0), LOW, internal(READ_ONLY);
        /// What becomes of old segments: delete, compact, both, or neither.
        "log.cleanup.policy" => cleanup_policy: Vec<String> = "delete",
            each_of(&["compact", "delete"]), MEDIUM, CLUSTER_WIDE;
        /// How large an offset index may grow.
        "log.index.size.max.bytes" => index_size_max_bytes: i32 = "10485760",
            at_least(4), MEDIUM, CLUSTER_WIDE;
        /// How many bytes of log lie between two entries of the offset index.
        "log.index.interval.bytes" => index_interval_bytes: i32 = "4096",
            at_least(0), MEDIUM, CLUSTER_WIDE;
        /// How many records a log takes before it is synced to disk.
        "log.flush.interval.messages" => flush_interval_messages: i64 = "9223372036854775807",
            at_least(1), HIGH, CLUSTER_WIDE;
        /// How long records may stay unsynced; log.flush.scheduler.interval.ms without a value.
        "log.flush.interval.ms" => flush_interval_ms: Option<i64> = null, any(), HIGH, CLUSTER_WIDE;
        /// How often logs are looked at for records to sync.
        "log.flush.scheduler.interval.ms" =>
            flush_scheduler_interval_ms: i64 = "9223372036854775807",
            any(), HIGH, READ_ONLY;
        /// How often the recovery points are written down.
        "log.flush.offset.checkpoint.interval.ms" =>
            flush_offset_checkpoint_interval_ms: i32 = "60000",
            at_least(0), HIGH, READ_ONLY;
        /// How often the log start offsets are written down.
        "log.flush.start.offset.checkpoint.interval.ms" =>
            flush_start_offset_checkpoint_interval_ms: i32 = "60000",
            at_least(0), HIGH, READ_ONLY;
        /// Whether a new segment's file gets its full size at once.
        "log.preallocate" => preallocate: bool = "false", any(), MEDIUM, CLUSTER_WIDE;
        /// Whether records carry the time of their creation or that of their append.
        "log.message.timestamp.type" => message_timestamp_type: String = "CreateTime",
            one_of(&["CreateTime", "LogAppendTime"]), MEDIUM, CLUSTER_WIDE;
        /// How far a record's timestamp may lie before the broker's clock.
        "log.message.timestamp.before.max.ms" =>
            message_timestamp_before_max_ms: i64 = "9223372036854775807",
            at_least(0), MEDIUM, CLUSTER_WIDE;
        /// How far a record's timestamp may lie after the broker's clock.
        "log.message.timestamp.after.max.ms" => message_timestamp_after_max_ms: i64 = "3600000",
            at_least(0), MEDIUM, CLUSTER_WIDE;
        /// How long a leader on a failed folder may stay unreported before the broker stops.
        "log.dir.failure.timeout.ms" => dir_failure_timeout_ms: i64 = "30000",
            at_least(1), LOW, READ_ONLY;
        /// The largest batch of records that is taken, as it arrives (compressed).
        "message.max.bytes" => message_max_bytes: i32 = "1048588", at_least(0), HIGH, CLUSTER_WIDE;
        /// The largest batch of records that is taken, once decompressed.
        "max.decompressed.message.bytes" => max_decompressed_message_bytes: i32 = "2147483639",
            between(1, 2_147_483_639), MEDIUM, CLUSTER_WIDE;
        /// The codec that batches are stored in; producer keeps each batch as it came.
        "compression.type" =>
            compression_type: String =
        "producer",
            one_of(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]),
            HIGH, CLUSTER_WIDE;
        /// How hard gzip works; -1 for its own default.
        "compression.gzip.level" => compression_gzip_level: i32 = "-1",
            gzip_level(), MEDIUM, CLUSTER_WIDE;
        /// How hard lz4 works.
        "compression.lz4.level" => compression_lz4_level: i32 = "9",
            between(1, 17), MEDIUM, CLUSTER_WIDE;
        /// How hard zstd works.
        "compression.zstd.level" => compression_zstd_level: i32 = "3",
            between(-131_072, 22), MEDIUM, CLUSTER_WIDE;
        /// How many partitions a topic gets whose creator names no number.
        "num.partitions" => num_partitions: i32 = "1", at_least(1), MEDIUM, READ_ONLY;
        /// How many replicas a topic gets whose creator names no number.
        "default.replication.factor" => default_replication_factor: i32 = "1",
            any(), MEDIUM, READ_ONLY;
        /// How many in-sync replicas must hold a batch before acks=all is answered.
        "min.insync.replicas" => min_insync_replicas: i32 = "1", at_least(1), HIGH, CLUSTER_WIDE;
        /// Whether a topic is created when a client first asks for it.
        "auto.create.topics.enable" => auto_create_topics_enable: bool = "true",
            any(), HIGH, READ_ONLY;
        /// Whether topics may be deleted.
        "delete.topic.enable" => delete_topic_enable: bool = "true", any(), HIGH, READ_ONLY;
        /// A plugin that may refuse the creation of topics.
        "create.topic.policy.class.name" =>
            create_topic_policy_class_name: Option<ClassName> = null,
            any(), LOW, READ_ONLY;
        /// A plugin that may refuse changes of configs.
        "alter.config.policy.class.name" =>
            alter_config_policy_class_name: Option<ClassName> = null,
            any(), LOW, READ_ONLY;
        /// How many logs of a folder are recovered side by side at start.
        "num.recovery.threads.per.data.dir" => num_recovery_threads_per_data_dir: i32 = "2",
            at_least(1), HIGH, CLUSTER_WIDE;
        /// How long the state of a silent producer is kept.
        "producer.id.expiration.ms" => producer_id_expiration_ms: i32 = "86400000",
            at_least(1), LOW, CLUSTER_WIDE;
        /// How often the states of silent producers are looked at.
        "producer.id.expiration.check.interval.ms" =>
            producer_id_expiration_check_interval_ms: i32 = "600000",
            at_least(1), LOW, internal(READ_ONLY);
        /// Finished waits that Kafka lets pile up for producers; accepted and reported.
        "producer.purgatory.purge.interval.requests" =>
            producer_purgatory_purge_interval_requests: i32 = "1000",
            any(), MEDIUM, READ_ONLY;
        /// Finished waits that Kafka lets pile up for consumers; accepted and reported.
        "fetch.purgatory.purge.interval.requests" =>
            fetch_purgatory_purge_interval_requests: i32 = "1000",
            any(), MEDIUM, READ_ONLY;
        /// Finished waits that Kafka lets pile up for share consumers; accepted and reported.
        "share.fetch.purgatory.purge.interval.requests" =>
            share_fetch_purgatory_purge_interval_requests: i32 = "1000",
            any(), MEDIUM, READ_ONLY;
        /// Finished waits that Kafka lets pile up for deletions; accepted and reported.
        "delete.records.purgatory.purge.interval.requests" =>
            delete_records_purgatory_purge_interval_requests: i32 = "1",
            any(), MEDIUM, READ_ONLY;
        /// The most bytes that one fetch is answered with.
        "fetch.max.bytes" => fetch_max_bytes: i32 = "57671680", at_least(1024), MEDIUM, READ_ONLY;
        /// How many fetch sessions are kept.
        "max.incremental.fetch.session.cache.slots" =>
            max_incremental_fetch_session_cache_slots: i32 = "1000",
            at_least(0), MEDIUM, READ_ONLY;
        /// Whether the topic that takes undeliverable records of share groups is created when
        /// needed.
        "errors.deadletterqueue.auto.create.topics.enable" =>
            errors_deadletterqueue_auto_create_topics_enable: bool = "false",
            any(), MEDIUM, CLUSTER_WIDE;
        /// How the names of topics for undeliverable records of share groups begin.
        "errors.deadletterqueue.topic.name.prefix" =>
            errors_deadletterqueue_topic_name_prefix: String = "dlq.",
            any(), MEDIUM, CLUSTER_WIDE;
    }
}
