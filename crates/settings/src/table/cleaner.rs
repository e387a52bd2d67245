//! Table: compaction. Not here: which topics are compacted (`log.cleanup.policy` in log.rs).
//! A row is a config of Apache Kafka and a typed field.

use crate::row::{CLUSTER_WIDE, MEDIUM, READ_ONLY, config};
use crate::valid::{any, at_least, between_real};

config! {
    /// How compacted topics are compacted.
    pub struct CleanerSettings {
        /// Whether compacted topics are compacted.
        "log.cleaner.enable" => enable: bool = "true", any(), MEDIUM, READ_ONLY;
        /// How many logs are compacted side by side.
        "log.cleaner.threads" => threads: i32 = "1", at_least(0), MEDIUM, CLUSTER_WIDE;
        /// How fast compaction may read and write, all threads together.
        "log.cleaner.io.max.bytes.per.second" =>
            io_max_bytes_per_second: f64 = "1.7976931348623157E308",
            any(), MEDIUM, CLUSTER_WIDE;
        /// Memory for the latest offset of each key, all threads together.
        "log.cleaner.dedupe.buffer.size" => dedupe_buffer_size: i64 = "134217728",
            any(), MEDIUM, CLUSTER_WIDE;
        /// Memory for reading and writing, all threads together.
        "log.cleaner.io.buffer.size" => io_buffer_size: i32 = "524288",
            at_least(0), MEDIUM, CLUSTER_WIDE;
        /// How full the map of keys may get; fuller compacts more at once.
        "log.cleaner.io.buffer.load.factor" => io_buffer_load_factor: f64 = "0.9",
            any(), MEDIUM, CLUSTER_WIDE;
        /// How long compaction rests when there is nothing to do.
        "log.cleaner.backoff.ms" => backoff_ms: i64 = "15000", at_least(0), MEDIUM, CLUSTER_WIDE;
        /// How large the uncompacted part of a log must be, as a share of the whole, to be worth
        /// the work.
        "log.cleaner.min.cleanable.ratio" => min_cleanable_ratio: f64 = "0.5",
            between_real(0.0, 1.0), MEDIUM, CLUSTER_WIDE;
        /// How long a tombstone stays after its log has been compacted.
        "log.cleaner.delete.retention.ms" => delete_retention_ms: i64 = "86400000",
            at_least(0), MEDIUM, CLUSTER_WIDE;
        /// How long a record at least stays as it was written.
        "log.cleaner.min.compaction.lag.ms" => min_compaction_lag_ms: i64 = "0",
            at_least(0), MEDIUM, CLUSTER_WIDE;
        /// How long a record at most stays as it was written.
        "log.cleaner.max.compaction.lag.ms" => max_compaction_lag_ms: i64 = "9223372036854775807",
            at_least(1), MEDIUM, CLUSTER_WIDE;
    }
}
