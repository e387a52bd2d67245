//! Table: how much is measured and who is told.
//! A row is a config of Apache Kafka and a typed field.

use crate::row::{CLUSTER_WIDE, LOW, READ_ONLY, config};
use crate::valid::{any, at_least, distinct};

config! {
    /// How much is measured, and who is told.
    pub struct MetricsSettings {
        /// Classes that Kafka reports metrics through; accepted and reported.
        "metric.reporters" =>
            metric_reporters: Vec<String> = "org.apache.kafka.common.metrics.JmxReporter",
            distinct(), LOW, CLUSTER_WIDE;
        /// How many past windows a metric is computed from.
        "metrics.num.samples" => metrics_num_samples: i32 = "2", at_least(1), LOW, READ_ONLY;
        /// How long each window of a metric is.
        "metrics.sample.window.ms" => metrics_sample_window_ms: i64 = "30000",
            at_least(1), LOW, READ_ONLY;
        /// How much is measured: INFO, DEBUG or TRACE.
        "metrics.recording.level" => metrics_recording_level: String = "INFO",
            any(), LOW, READ_ONLY;
        /// Classes that Kafka reports its older metrics through; accepted and reported.
        "kafka.metrics.reporters" => kafka_metrics_reporters: Vec<String> = "",
            distinct(), LOW, READ_ONLY;
        /// How often those older metrics are reported.
        "kafka.metrics.polling.interval.secs" => kafka_metrics_polling_interval_secs: i32 = "10",
            at_least(1), LOW, READ_ONLY;
        /// How large the metrics may be that a client pushes at a time.
        "telemetry.max.bytes" => telemetry_max_bytes: i32 = "1048576", at_least(1), LOW, READ_ONLY;
    }
}
