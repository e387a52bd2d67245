//! Table: followers, leaders and elections of partitions.
//! Not here: the quorum of controllers (quorum.rs). A row is a config of Apache Kafka and a field.

use crate::row::{CLUSTER_WIDE, HIGH, LOW, MEDIUM, READ_ONLY, config, internal};
use crate::valid::{any, at_least};

config! {
    /// How replicas follow leaders, and who leads.
    pub struct ReplicationSettings {
        /// How many connections a follower opens to each leader.
        "num.replica.fetchers" => num_replica_fetchers: i32 = "1", at_least(1), HIGH, CLUSTER_WIDE;
        /// How many partitions move between folders side by side; one per folder without a value.
        "num.replica.alter.log.dirs.threads" =>
            num_replica_alter_log_dirs_threads: Option<i32> = null,
            any(), HIGH, READ_ONLY;
        /// The bytes a follower asks for per partition; a larger batch is fetched all the same.
        "replica.fetch.max.bytes" => replica_fetch_max_bytes: i32 = "1048576",
            at_least(0), MEDIUM, READ_ONLY;
        /// The bytes a follower asks for in all; a larger batch is fetched all the same.
        "replica.fetch.response.max.bytes" => replica_fetch_response_max_bytes: i32 = "10485760",
            at_least(0), MEDIUM, READ_ONLY;
        /// The bytes a follower waits for, up to replica.fetch.wait.max.ms.
        "replica.fetch.min.bytes" => replica_fetch_min_bytes: i32 = "1", any(), HIGH, READ_ONLY;
        /// How long a follower's fetch waits for bytes to arrive.
        "replica.fetch.wait.max.ms" => replica_fetch_wait_max_ms: i32 = "500",
            any(), HIGH, READ_ONLY;
        /// How long a follower rests after a failed fetch.
        "replica.fetch.backoff.ms" => replica_fetch_backoff_ms: i32 = "1000",
            at_least(0), MEDIUM, READ_ONLY;
        /// How long a follower waits for the answer to a fetch, beyond its wait.
        "replica.socket.timeout.ms" => replica_socket_timeout_ms: i32 = "30000",
            any(), HIGH, READ_ONLY;
        /// The receive buffer of a follower's sockets.
        "replica.socket.receive.buffer.bytes" => replica_socket_receive_buffer_bytes: i32 = "65536",
            any(), HIGH, READ_ONLY;
        /// How long a follower may lag before it leaves the in-sync replicas.
        "replica.lag.time.max.ms" => replica_lag_time_max_ms: i64 = "30000", any(), HIGH, READ_ONLY;
        /// How often the high watermarks are written down.
        "replica.high.watermark.checkpoint.interval.ms" =>
            replica_high_watermark_checkpoint_interval_ms: i64 = "5000",
            any(), HIGH, READ_ONLY;
        /// The plugin that picks the replica a consumer fetches from.
        "replica.selector.class" => replica_selector_class: Option<String> = null,
            any(), MEDIUM, READ_ONLY;
        /// Whether a replica that is not in sync may lead when no other is left, at the price of
        /// records.
        "unclean.leader.election.enable" => unclean_leader_election_enable: bool = "false",
            any(), HIGH, CLUSTER_WIDE;
        /// How often partitions without a leader are looked at for such an election.
        "unclean.leader.election.interval.ms" =>
            unclean_leader_election_interval_ms: i64 = "300000",
            at_least(1), MEDIUM, internal(READ_ONLY);
        /// Whether leadership returns to preferred replicas by itself.
        "auto.leader.rebalance.enable" => auto_leader_rebalance_enable: bool = "true",
            any(), HIGH, READ_ONLY;
        /// How often leadership is looked at for its return to preferred replicas.
        "leader.imbalance.check.interval.seconds" =>
            leader_imbalance_check_interval_seconds: i64 = "300",
            at_least(1), HIGH, READ_ONLY;
        /// How many past windows the throttled replication rate is measured over.
        "replication.quota.window.num" => replication_quota_window_num: i32 = "11",
            at_least(1), LOW, READ_ONLY;
        /// How long each window of the throttled replication rate is.
        "replication.quota.window.size.seconds" => replication_quota_window_size_seconds: i32 = "1",
            at_least(1), LOW, READ_ONLY;
        /// How many past windows the rate of moves between folders is measured over.
        "alter.log.dirs.replication.quota.window.num" =>
            alter_log_dirs_replication_quota_window_num: i32 = "11",
            at_least(1), LOW, READ_ONLY;
        /// How long each window of the rate of moves between folders is.
        "alter.log.dirs.replication.quota.window.size.seconds" =>
            alter_log_dirs_replication_quota_window_size_seconds: i32 = "1",
            at_least(1), LOW, READ_ONLY;
    }
}

config! {
    /// Rates of throttled replication, which only a change at run time can set.
    pub struct ThrottleSettings {
        /// How many bytes per second throttled replicas may be sent.
        "leader.replication.throttled.rate" => leader_rate: i64 = "9223372036854775807",
            at_least(0), MEDIUM, CLUSTER_WIDE;
        /// How many bytes per second throttled replicas may fetch.
        "follower.replication.throttled.rate" => follower_rate: i64 = "9223372036854775807",
            at_least(0), MEDIUM, CLUSTER_WIDE;
        /// How many bytes per second may move between folders.
        "replica.alter.log.dirs.io.max.bytes.per.second" =>
            alter_log_dirs_rate: i64 = "9223372036854775807",
            at_least(0), MEDIUM, CLUSTER_WIDE;
    }
}
