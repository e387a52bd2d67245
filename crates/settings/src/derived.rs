//! What rooms want to know and several configs answer together: units joined, names made enums.
//!
//! Not here: the fields themselves (table/). Every answer is a function of its block alone.

use crate::table::log::LogSettings;
use crate::table::network::NetworkSettings;
use crate::table::topic::TopicConfig;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;

/// The codec that a topic's batches are stored in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompressionType {
    /// As they came.
    Producer,
    /// Not compressed.
    Uncompressed,
    /// gzip.
    Gzip,
    /// snappy.
    Snappy,
    /// lz4.
    Lz4,
    /// zstd.
    Zstd,
}

/// Which time a record carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    /// That of its creation, as the producer says.
    CreateTime,
    /// That of its append.
    LogAppendTime,
}

impl LogSettings {
    /// How long records are kept, -1 for ever.
    pub fn retention_ms(&self) -> i64 {
        let minutes = self.retention_minutes.map(|minutes| i64::from(minutes) * MINUTE_MS);
        let hours = i64::from(self.retention_hours) * HOUR_MS;
        self.retention_ms.or(minutes).unwrap_or(hours).max(-1)
    }

    /// How old a segment grows.
    pub fn roll_ms(&self) -> i64 {
        self.roll_ms.unwrap_or(i64::from(self.roll_hours) * HOUR_MS)
    }

    /// The most by which the age limit of segments is shortened at random.
    pub fn roll_jitter_ms(&self) -> i64 {
        self.roll_jitter_ms.unwrap_or(i64::from(self.roll_jitter_hours) * HOUR_MS)
    }

    /// How long records may stay unsynced.
    pub fn flush_ms(&self) -> i64 {
        self.flush_interval_ms.unwrap_or(self.flush_scheduler_interval_ms)
    }
}

impl NetworkSettings {
    /// The limits of single hosts; `None` if one is no `host:limit`.
    pub fn connection_limits(&self) -> Option<Vec<(String, i32)>> {
        let limit = |text: String| -> Option<(String, i32)> {
            let (host, limit) = text.rsplit_once(':')?;
            Some((host.trim().to_string(), limit.trim().parse().ok()?))
        };
        crate::value::list(&self.max_connections_per_ip_overrides).into_iter().map(limit).collect()
    }
}

impl TopicConfig {
    /// Whether old records of a key give way to newer ones.
    pub fn is_compacted(&self) -> bool {
        self.cleanup_policy.iter().any(|policy| policy == "compact")
    }

    /// Whether old segments are deleted.
    pub fn is_deleted(&self) -> bool {
        self.cleanup_policy.iter().any(|policy| policy == "delete")
    }

    /// The codec that batches are stored in.
    pub fn compression(&self) -> CompressionType {
        match self.compression_type.as_str() {
            "uncompressed" => CompressionType::Uncompressed,
            "gzip" => CompressionType::Gzip,
            "snappy" => CompressionType::Snappy,
            "lz4" => CompressionType::Lz4,
            "zstd" => CompressionType::Zstd,
            _ => CompressionType::Producer,
        }
    }

    /// Which time records carry.
    pub fn timestamp_type(&self) -> TimestampType {
        match self.message_timestamp_type.as_str() {
            "LogAppendTime" => TimestampType::LogAppendTime,
            _ => TimestampType::CreateTime,
        }
    }

    /// How large a segment grows; tests may go below `segment.bytes`'s bound.
    pub fn segment_size(&self) -> i32 {
        self.internal_segment_bytes.unwrap_or(self.segment_bytes)
    }
}
