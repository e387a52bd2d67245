//! Table: the quorum of controllers and its metadata log.
//! A row is a config of Apache Kafka and a typed field.

use crate::row::{HIGH, LOW, MEDIUM, READ_ONLY, config, internal};
use crate::valid::{any, at_least, bootstrap_servers, distinct_not_empty, quorum_voters};

config! {
    /// The quorum of controllers and its metadata log.
    pub struct QuorumSettings {
        /// The listeners of controllers; the first is the one that others use to reach them.
        "controller.listener.names" => controller_listener_names: Vec<String> = required,
            distinct_not_empty(), HIGH, READ_ONLY;
        /// The fixed voters, each as id@host:port; without a value the voters are kept in the
        /// metadata log.
        "controller.quorum.voters" => voters: Vec<String> = "", quorum_voters(), HIGH, READ_ONLY;
        /// Where to find the controllers, each as host:port.
        "controller.quorum.bootstrap.servers" => bootstrap_servers: Vec<String> = "",
            bootstrap_servers(), HIGH, READ_ONLY;
        /// Whether a starting controller adds itself to the voters.
        "controller.quorum.auto.join.enable" => auto_join_enable: bool = "false",
            any(), LOW, READ_ONLY;
        /// How long a voter waits for a leader before it stands for election.
        "controller.quorum.election.timeout.ms" => election_timeout_ms: i32 = "1000",
            at_least(0), HIGH, READ_ONLY;
        /// The longest random pause of a voter after an election without result.
        "controller.quorum.election.backoff.max.ms" => election_backoff_max_ms: i32 = "1000",
            at_least(0), HIGH, READ_ONLY;
        /// How long a follower goes without a successful fetch before it looks for another leader.
        "controller.quorum.fetch.timeout.ms" => fetch_timeout_ms: i32 = "2000",
            at_least(0), HIGH, READ_ONLY;
        /// How long the leader may gather records before it writes them.
        "controller.quorum.append.linger.ms" => append_linger_ms: i32 = "25",
            at_least(0), MEDIUM, READ_ONLY;
        /// How long a node waits for an answer of the quorum.
        "controller.quorum.request.timeout.ms" => request_timeout_ms: i32 = "2000",
            at_least(0), MEDIUM, READ_ONLY;
        /// How long a node rests before it repeats a failed request to the quorum.
        "controller.quorum.retry.backoff.ms" => retry_backoff_ms: i32 = "20",
            at_least(0), LOW, READ_ONLY;
        /// The most bytes of the metadata log that one fetch carries.
        "controller.quorum.fetch.max.bytes" => fetch_max_bytes: i32 = "1048576",
            at_least(1), LOW, READ_ONLY;
        /// The most bytes of a snapshot that one fetch carries.
        "controller.quorum.fetch.snapshot.max.bytes" => fetch_snapshot_max_bytes: i32 = "1048576",
            at_least(1), LOW, READ_ONLY;
        /// How long a broker waits for the controller on a socket.
        "controller.socket.timeout.ms" => controller_socket_timeout_ms: i32 = "30000",
            any(), MEDIUM, READ_ONLY;
        /// The folder of the metadata log; the first data folder without a value.
        "metadata.log.dir" => metadata_log_dir: Option<String> = null, any(), HIGH, READ_ONLY;
        /// How large a segment of the metadata log grows before the next one begins.
        "metadata.log.segment.bytes" => metadata_log_segment_bytes: i32 = "1073741824",
            at_least(8_388_608), HIGH, READ_ONLY;
        /// How old a segment of the metadata log grows before the next one begins.
        "metadata.log.segment.ms" => metadata_log_segment_ms: i64 = "604800000",
            any(), HIGH, READ_ONLY;
        /// How many bytes of records follow a snapshot before the next one is made.
        "metadata.log.max.record.bytes.between.snapshots" =>
            metadata_log_max_record_bytes_between_snapshots: i64 = "20971520",
            at_least(1), HIGH, READ_ONLY;
        /// How long the next snapshot waits while there are new records; 0 for no such limit.
        "metadata.log.max.snapshot.interval.ms" =>
            metadata_log_max_snapshot_interval_ms: i64 = "3600000",
            at_least(0), HIGH, READ_ONLY;
        /// How often an idle leader writes a record to show that it leads; 0 for never.
        "metadata.max.idle.interval.ms" => metadata_max_idle_interval_ms: i32 = "500",
            at_least(0), LOW, READ_ONLY;
        /// How large metadata log and snapshots may grow before the oldest go.
        "metadata.max.retention.bytes" => metadata_max_retention_bytes: i64 = "104857600",
            any(), HIGH, READ_ONLY;
        /// How long segments and snapshots of the metadata log are kept once they are not needed.
        "metadata.max.retention.ms" => metadata_max_retention_ms: i64 = "604800000",
            any(), HIGH, READ_ONLY;
        /// How often the controller sums up how long its events took.
        "controller.performance.sample.period.ms" =>
            controller_performance_sample_period_ms: i64 = "60000",
            at_least(100), MEDIUM, internal(READ_ONLY);
        /// How long an event of the controller may take before it is logged.
        "controller.performance.always.log.threshold.ms" =>
            controller_performance_always_log_threshold_ms: i64 = "2000",
            at_least(0), MEDIUM, internal(READ_ONLY);
        /// The same as metadata.log.segment.bytes without its lower bound, for tests.
        "internal.metadata.log.segment.bytes" =>
            internal_metadata_log_segment_bytes: Option<i32> = null,
            any(), LOW, internal(READ_ONLY);
        /// The largest batch that the metadata log takes, for tests.
        "internal.metadata.max.batch.size.in.bytes" =>
            internal_metadata_max_batch_size_in_bytes: i32 = "8388608",
            any(), LOW, internal(READ_ONLY);
        /// How long removed files of the metadata log stay on disk, for tests.
        "internal.metadata.delete.delay.millis" =>
            internal_metadata_delete_delay_millis: i64 = "60000",
            any(), LOW, internal(READ_ONLY);
    }
}
