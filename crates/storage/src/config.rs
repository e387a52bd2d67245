//! What a topic's configs mean for its logs, as typed values.
//!
//! Not here: names, defaults of a cluster, parsing; whoever owns the settings fills this in.
//! The defaults are Apache Kafka's.

use ottla_records::TimestampType;
use ottla_records::validate::Compression;

/// How a log rolls, checks, keeps and drops. Swapped as a whole when a config changes.
#[derive(Clone, Debug, PartialEq)]
pub struct LogConfig {
    /// `segment.bytes`
    pub segment_bytes: u32,
    /// `segment.ms`
    pub segment_ms: i64,
    /// `segment.jitter.ms`
    pub segment_jitter_ms: i64,
    /// `segment.index.bytes`
    pub segment_index_bytes: u32,
    /// `index.interval.bytes`
    pub index_interval_bytes: u32,
    /// `max.message.bytes`
    pub max_message_bytes: u32,
    /// `compression.type` and the level of that codec
    pub compression: Compression,
    /// `message.timestamp.type`
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`
    pub timestamp_after_max_ms: i64,
    /// `retention.bytes`; negative means without limit
    pub retention_bytes: i64,
    /// `retention.ms`; negative means without limit
    pub retention_ms: i64,
    /// `cleanup.policy` has `delete`
    pub cleanup_delete: bool,
    /// `cleanup.policy` has `compact`
    pub cleanup_compact: bool,
    /// `min.compaction.lag.ms`
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`
    pub max_compaction_lag_ms: i64,
    /// `min.cleanable.dirty.ratio`
    pub min_cleanable_dirty_ratio: f64,
    /// `delete.retention.ms`
    pub delete_retention_ms: i64,
    /// `file.delete.delay.ms`
    pub file_delete_delay_ms: i64,
    /// `flush.messages`
    pub flush_messages: i64,
    /// `flush.ms`
    pub flush_ms: i64,
    /// `preallocate`
    pub preallocate: bool,
    /// `producer.id.expiration.ms`
    pub producer_expiration_ms: i64,
}

impl Default for LogConfig {
    fn default() -> LogConfig {
        LogConfig {
            segment_bytes: 1 << 30,
            segment_ms: 7 * DAY_MS,
            segment_jitter_ms: 0,
            segment_index_bytes: 10 << 20,
            index_interval_bytes: 4 << 10,
            max_message_bytes: (1 << 20) + 12,
            compression: Compression::Producer,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: HOUR_MS,
            retention_bytes: -1,
            retention_ms: 7 * DAY_MS,
            cleanup_delete: true,
            cleanup_compact: false,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX,
            min_cleanable_dirty_ratio: 0.5,
            delete_retention_ms: DAY_MS,
            file_delete_delay_ms: 60_000,
            flush_messages: i64::MAX,
            flush_ms: i64::MAX,
            preallocate: false,
            producer_expiration_ms: DAY_MS,
        }
    }
}

impl LogConfig {
    /// How old a segment may get before it is closed: a compacted log closes its segments in time
    /// for `max.compaction.lag.ms`.
    pub(crate) fn roll_ms(&self) -> i64 {
        match self.cleanup_compact && self.max_compaction_lag_ms > 0 {
            true => self.segment_ms.min(self.max_compaction_lag_ms),
            false => self.segment_ms,
        }
    }

    /// The configs of the metadata log, which only the controller rolls and cuts.
    pub fn metadata_log(segment_bytes: u32, segment_ms: i64) -> LogConfig {
        LogConfig {
            segment_bytes,
            segment_ms,
            max_message_bytes: 8 << 20,
            retention_ms: -1,
            cleanup_delete: false,
            ..LogConfig::default()
        }
    }
}

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
