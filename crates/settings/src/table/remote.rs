//! Table: segments in a remote store (KIP-405).
//! A row is a config of Apache Kafka and a typed field.

use crate::row::{CLUSTER_WIDE, LOW, MEDIUM, READ_ONLY, config, internal};
use crate::valid::{any, at_least, between_real, not_empty};

config! {
    /// Segments in a remote store (KIP-405).
    pub struct RemoteSettings {
        /// Whether old segments may move to a remote store.
        "remote.log.storage.system.enable" => log_storage_system_enable: bool = "false",
            any(), MEDIUM, READ_ONLY;
        /// The plugin that reaches the remote store.
        "remote.log.storage.manager.class.name" =>
            log_storage_manager_class_name: Option<String> = null,
            not_empty(), MEDIUM, READ_ONLY;
        /// Where the plugin for the remote store is loaded from.
        "remote.log.storage.manager.class.path" =>
            log_storage_manager_class_path: Option<String> = null,
            any(), MEDIUM, READ_ONLY;
        /// How the configs begin that are passed to the plugin for the remote store.
        "remote.log.storage.manager.impl.prefix" =>
            log_storage_manager_impl_prefix: String = "rsm.config.",
            not_empty(), MEDIUM, READ_ONLY;
        /// The plugin that knows which segments are in the remote store.
        "remote.log.metadata.manager.class.name" =>
            log_metadata_manager_class_name: String =
        "org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager",
            not_empty(), MEDIUM, READ_ONLY;
        /// Where the plugin that knows remote segments is loaded from.
        "remote.log.metadata.manager.class.path" =>
            log_metadata_manager_class_path: Option<String> = null,
            any(), MEDIUM, READ_ONLY;
        /// How the configs begin that are passed to the plugin that knows remote segments.
        "remote.log.metadata.manager.impl.prefix" =>
            log_metadata_manager_impl_prefix: String = "rlmm.config.",
            not_empty(), MEDIUM, READ_ONLY;
        /// The listener through which the plugin that knows remote segments reaches brokers.
        "remote.log.metadata.manager.listener.name" =>
            log_metadata_manager_listener_name: Option<String> = null,
            not_empty(), MEDIUM, READ_ONLY;
        /// The most bytes that the remote store may attach to a segment.
        "remote.log.metadata.custom.metadata.max.bytes" =>
            log_metadata_custom_metadata_max_bytes: i32 = "128",
            at_least(0), LOW, READ_ONLY;
        /// Disk space for indexes of remote segments.
        "remote.log.index.file.cache.total.size.bytes" =>
            log_index_file_cache_total_size_bytes: i64 = "1073741824",
            at_least(1), LOW, CLUSTER_WIDE;
        /// How long the unused index of a remote segment is kept.
        "remote.log.index.file.cache.ttl.ms" => log_index_file_cache_ttl_ms: i64 = "900000",
            at_least(-1), LOW, internal(READ_ONLY);
        /// Threads that look after partitions in the remote store, where the pools below are not
        /// set.
        "remote.log.manager.thread.pool.size" => log_manager_thread_pool_size: i32 = "2",
            at_least(1), MEDIUM, READ_ONLY;
        /// Threads that copy segments to the remote store.
        "remote.log.manager.copier.thread.pool.size" =>
            log_manager_copier_thread_pool_size: i32 = "10",
            at_least(1), MEDIUM, CLUSTER_WIDE;
        /// Threads that delete old segments from the remote store.
        "remote.log.manager.expiration.thread.pool.size" =>
            log_manager_expiration_thread_pool_size: i32 = "10",
            at_least(1), MEDIUM, CLUSTER_WIDE;
        /// Threads that follow the remote segments of partitions led elsewhere.
        "remote.log.manager.follower.thread.pool.size" =>
            log_manager_follower_thread_pool_size: i32 = "2",
            at_least(1), MEDIUM, CLUSTER_WIDE;
        /// How often a partition is looked at for segments to copy or delete.
        "remote.log.manager.task.interval.ms" => log_manager_task_interval_ms: i64 = "30000",
            at_least(1), LOW, READ_ONLY;
        /// How long a failed task waits at first before it is repeated.
        "remote.log.manager.task.retry.backoff.ms" =>
            log_manager_task_retry_backoff_ms: i64 = "500",
            at_least(1), LOW, internal(READ_ONLY);
        /// How long a failed task waits at most before it is repeated.
        "remote.log.manager.task.retry.backoff.max.ms" =>
            log_manager_task_retry_backoff_max_ms: i64 = "30000",
            at_least(1), LOW, internal(READ_ONLY);
        /// How much the waits of failed tasks vary.
        "remote.log.manager.task.retry.jitter" => log_manager_task_retry_jitter: f64 = "0.2",
            between_real(0.0, 0.5), LOW, internal(READ_ONLY);
        /// How fast segments are copied to the remote store.
        "remote.log.manager.copy.max.bytes.per.second" =>
            log_manager_copy_max_bytes_per_second: i64 = "9223372036854775807",
            at_least(1), MEDIUM, CLUSTER_WIDE;
        /// How many past windows the copy rate is measured over.
        "remote.log.manager.copy.quota.window.num" => log_manager_copy_quota_window_num: i32 = "11",
            at_least(1), MEDIUM, READ_ONLY;
        /// How long each window of the copy rate is.
        "remote.log.manager.copy.quota.window.size.seconds" =>
            log_manager_copy_quota_window_size_seconds: i32 = "1",
            at_least(1), MEDIUM, READ_ONLY;
        /// How fast segments are read from the remote store.
        "remote.log.manager.fetch.max.bytes.per.second" =>
            log_manager_fetch_max_bytes_per_second: i64 = "9223372036854775807",
            at_least(1), MEDIUM, CLUSTER_WIDE;
        /// How many past windows the read rate is measured over.
        "remote.log.manager.fetch.quota.window.num" =>
            log_manager_fetch_quota_window_num: i32 = "11",
            at_least(1), MEDIUM, READ_ONLY;
        /// How long each window of the read rate is.
        "remote.log.manager.fetch.quota.window.size.seconds" =>
            log_manager_fetch_quota_window_size_seconds: i32 = "1",
            at_least(1), MEDIUM, READ_ONLY;
        /// Threads that read from the remote store for consumers.
        "remote.log.reader.threads" => log_reader_threads: i32 = "10",
            at_least(1), MEDIUM, CLUSTER_WIDE;
        /// How many reads from the remote store may wait.
        "remote.log.reader.max.pending.tasks" => log_reader_max_pending_tasks: i32 = "100",
            at_least(1), MEDIUM, READ_ONLY;
        /// How long a fetch waits for the remote store.
        "remote.fetch.max.wait.ms" => fetch_max_wait_ms: i32 = "500",
            at_least(1), MEDIUM, CLUSTER_WIDE;
        /// How long a search by time waits for the remote store.
        "remote.list.offsets.request.timeout.ms" => list_offsets_request_timeout_ms: i64 = "30000",
            at_least(1), MEDIUM, CLUSTER_WIDE;
        /// How long segments stay on the local disk once they are remote; -2 for as long as they
        /// are kept at all.
        "log.local.retention.ms" => local_retention_ms: i64 = "-2",
            at_least(-2), MEDIUM, CLUSTER_WIDE;
        /// How many bytes stay on the local disk once they are remote; -2 for as many as are kept
        /// at all.
        "log.local.retention.bytes" => local_retention_bytes: i64 = "-2",
            at_least(-2), MEDIUM, CLUSTER_WIDE;
        /// How long a closed segment waits before it is copied to the remote store; -1 for until it
        /// would be deleted.
        "log.remote.copy.lag.ms" => remote_copy_lag_ms: i64 = "0",
            at_least(-1), MEDIUM, CLUSTER_WIDE;
        /// How many newer bytes a closed segment waits for before it is copied; -1 for until it
        /// would be deleted.
        "log.remote.copy.lag.bytes" => remote_copy_lag_bytes: i64 = "-1",
            at_least(-1), MEDIUM, CLUSTER_WIDE;
        /// Whether a new follower starts from the end of the remote segments.
        "follower.fetch.last.tiered.offset.enable" =>
            follower_fetch_last_tiered_offset_enable: bool = "false",
            any(), MEDIUM, CLUSTER_WIDE;
    }
}
