//! Table: everything that a topic may say about itself.
//! A row names the broker configs that it falls back to, in their order, with the factor that turns
//! their unit into its own.

use crate::row::{MEDIUM, OWN, config, from, hours, internal, minutes, to};
use crate::valid::{
    any, at_least, between, between_real, each_of, gzip_level, one_of, throttled_replicas,
};

config! {
    /// Everything that a topic may say about itself.
    pub struct TopicConfig {
        /// What becomes of old segments: delete, compact, both, or neither.
        "cleanup.policy" => cleanup_policy: Vec<String> = "delete",
            each_of(&["compact", "delete"]), MEDIUM, from(&[to("log.cleanup.policy")]);
        /// The codec that batches are stored in; producer keeps each batch as it came.
        "compression.type" =>
            compression_type: String =
        "producer",
            one_of(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]),
            MEDIUM, from(&[to("compression.type")]);
        /// How hard gzip works; -1 for its own default.
        "compression.gzip.level" => compression_gzip_level: i32 = "-1",
            gzip_level(), MEDIUM, from(&[to("compression.gzip.level")]);
        /// How hard lz4 works.
        "compression.lz4.level" => compression_lz4_level: i32 = "9",
            between(1, 17), MEDIUM, from(&[to("compression.lz4.level")]);
        /// How hard zstd works.
        "compression.zstd.level" => compression_zstd_level: i32 = "3",
            between(-131_072, 22), MEDIUM, from(&[to("compression.zstd.level")]);
        /// How long a tombstone stays after the topic has been compacted.
        "delete.retention.ms" => delete_retention_ms: i64 = "86400000",
            at_least(0), MEDIUM, from(&[to("log.cleaner.delete.retention.ms")]);
        /// Whether share groups may write their undeliverable records to this topic.
        "errors.deadletterqueue.group.enable" =>
            errors_deadletterqueue_group_enable: bool = "false",
            any(), MEDIUM, OWN;
        /// How long a removed segment stays on disk under its .deleted name.
        "file.delete.delay.ms" => file_delete_delay_ms: i64 = "60000",
            at_least(0), MEDIUM, from(&[to("log.segment.delete.delay.ms")]);
        /// How many records a partition takes before it is synced to disk.
        "flush.messages" => flush_messages: i64 = "9223372036854775807",
            at_least(1), MEDIUM, from(&[to("log.flush.interval.messages")]);
        /// How long records may stay unsynced.
        "flush.ms" =>
            flush_ms: i64 =
        "9223372036854775807",
            at_least(0),
            MEDIUM, from(&[to("log.flush.interval.ms"), to("log.flush.scheduler.interval.ms")]);
        /// The replicas whose fetching is throttled, as partition:broker, or * for all.
        "follower.replication.throttled.replicas" =>
            follower_replication_throttled_replicas: Vec<String> = "",
            throttled_replicas(), MEDIUM, OWN;
        /// How many bytes of log lie between two entries of the offset index.
        "index.interval.bytes" => index_interval_bytes: i32 = "4096",
            at_least(0), MEDIUM, from(&[to("log.index.interval.bytes")]);
        /// The same as segment.bytes without its lower bound, for tests.
        "internal.segment.bytes" => internal_segment_bytes: Option<i32> = null,
            any(), MEDIUM, internal(OWN);
        /// The replicas whose followers are throttled, as partition:broker, or * for all.
        "leader.replication.throttled.replicas" =>
            leader_replication_throttled_replicas: Vec<String> = "",
            throttled_replicas(), MEDIUM, OWN;
        /// How many bytes stay on the local disk once they are remote; -2 for as many as
        /// retention.bytes.
        "local.retention.bytes" => local_retention_bytes: i64 = "-2",
            at_least(-2), MEDIUM, from(&[to("log.local.retention.bytes")]);
        /// How long segments stay on the local disk once they are remote; -2 for as long as
        /// retention.ms.
        "local.retention.ms" => local_retention_ms: i64 = "-2",
            at_least(-2), MEDIUM, from(&[to("log.local.retention.ms")]);
        /// How long a record at most stays as it was written.
        "max.compaction.lag.ms" => max_compaction_lag_ms: i64 = "9223372036854775807",
            at_least(1), MEDIUM, from(&[to("log.cleaner.max.compaction.lag.ms")]);
        /// The largest batch of records that is taken, once decompressed.
        "max.decompressed.message.bytes" => max_decompressed_message_bytes: i32 = "2147483639",
            between(1, 2_147_483_639), MEDIUM, from(&[to("max.decompressed.message.bytes")]);
        /// The largest batch of records that is taken, as it arrives (compressed).
        "max.message.bytes" => max_message_bytes: i32 = "1048588",
            at_least(0), MEDIUM, from(&[to("message.max.bytes")]);
        /// How far a record's timestamp may lie after the broker's clock.
        "message.timestamp.after.max.ms" => message_timestamp_after_max_ms: i64 = "3600000",
            at_least(0), MEDIUM, from(&[to("log.message.timestamp.after.max.ms")]);
        /// How far a record's timestamp may lie before the broker's clock.
        "message.timestamp.before.max.ms" =>
            message_timestamp_before_max_ms: i64 = "9223372036854775807",
            at_least(0), MEDIUM, from(&[to("log.message.timestamp.before.max.ms")]);
        /// Whether records carry the time of their creation or that of their append.
        "message.timestamp.type" =>
            message_timestamp_type: String =
        "CreateTime",
            one_of(&["CreateTime", "LogAppendTime"]),
            MEDIUM, from(&[to("log.message.timestamp.type")]);
        /// How large the uncompacted part must be, as a share of the whole, to be worth the work.
        "min.cleanable.dirty.ratio" => min_cleanable_dirty_ratio: f64 = "0.5",
            between_real(0.0, 1.0), MEDIUM, from(&[to("log.cleaner.min.cleanable.ratio")]);
        /// How long a record at least stays as it was written.
        "min.compaction.lag.ms" => min_compaction_lag_ms: i64 = "0",
            at_least(0), MEDIUM, from(&[to("log.cleaner.min.compaction.lag.ms")]);
        /// How many in-sync replicas must hold a batch before acks=all is answered.
        "min.insync.replicas" => min_insync_replicas: i32 = "1",
            at_least(1), MEDIUM, from(&[to("min.insync.replicas")]);
        /// Whether a new segment's file gets its full size at once.
        "preallocate" => preallocate: bool = "false", any(), MEDIUM, from(&[to("log.preallocate")]);
        /// How many newer bytes a closed segment waits for before it is copied; -1 for until it
        /// would be deleted.
        "remote.copy.lag.bytes" => remote_copy_lag_bytes: i64 = "-1",
            at_least(-1), MEDIUM, from(&[to("log.remote.copy.lag.bytes")]);
        /// How long a closed segment waits before it is copied; -1 for until it would be deleted.
        "remote.copy.lag.ms" => remote_copy_lag_ms: i64 = "0",
            at_least(-1), MEDIUM, from(&[to("log.remote.copy.lag.ms")]);
        /// Whether no more segments are copied to the remote store, while those there are served.
        "remote.log.copy.disable" => remote_log_copy_disable: bool = "false", any(), MEDIUM, OWN;
        /// Whether the remote segments go when the remote store is switched off for the topic.
        "remote.log.delete.on.disable" => remote_log_delete_on_disable: bool = "false",
            any(), MEDIUM, OWN;
        /// Whether old segments of the topic move to the remote store.
        "remote.storage.enable" => remote_storage_enable: bool = "false", any(), MEDIUM, OWN;
        /// How large a partition may grow before its oldest segments go; -1 for no limit.
        "retention.bytes" => retention_bytes: i64 = "-1",
            any(), MEDIUM, from(&[to("log.retention.bytes")]);
        /// How long records are kept; -1 for ever.
        "retention.ms" => retention_ms: i64 = "604800000",
            at_least(-1), MEDIUM, from(&[
                to("log.retention.ms"),
                minutes("log.retention.minutes"),
                hours("log.retention.hours"),
            ]);
        /// How large a segment grows before the next one begins.
        "segment.bytes" => segment_bytes: i32 = "1073741824",
            at_least(1_048_576), MEDIUM, from(&[to("log.segment.bytes")]);
        /// How large an offset index may grow.
        "segment.index.bytes" => segment_index_bytes: i32 = "10485760",
            at_least(4), MEDIUM, from(&[to("log.index.size.max.bytes")]);
        /// The most by which the age limit of segments is shortened at random.
        "segment.jitter.ms" => segment_jitter_ms: i64 = "0",
            at_least(0), MEDIUM, from(&[to("log.roll.jitter.ms"), hours("log.roll.jitter.hours")]);
        /// How old a segment grows before the next one begins.
        "segment.ms" => segment_ms: i64 = "604800000",
            at_least(1), MEDIUM, from(&[to("log.roll.ms"), hours("log.roll.hours")]);
        /// Whether a replica that is not in sync may lead when no other is left, at the price of
        /// records.
        "unclean.leader.election.enable" => unclean_leader_election_enable: bool = "false",
            any(), MEDIUM, from(&[to("unclean.leader.election.enable")]);
    }
}
