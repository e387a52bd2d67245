//! Table: transactions and their coordinator.
//! A row is a config of Apache Kafka and a typed field.

use crate::row::{CLUSTER_WIDE, HIGH, LOW, READ_ONLY, config};
use crate::valid::{any, at_least};

config! {
    /// Transactions and their coordinator.
    pub struct TransactionSettings {
        /// The longest timeout that a producer may ask for its transactions.
        "transaction.max.timeout.ms" => max_timeout_ms: i32 = "900000",
            at_least(1), HIGH, READ_ONLY;
        /// How many partitions __transaction_state gets when it is created.
        "transaction.state.log.num.partitions" => state_log_num_partitions: i32 = "50",
            at_least(1), HIGH, READ_ONLY;
        /// How many replicas __transaction_state gets when it is created.
        "transaction.state.log.replication.factor" => state_log_replication_factor: i16 = "3",
            at_least(1), HIGH, READ_ONLY;
        /// How many in-sync replicas __transaction_state asks for.
        "transaction.state.log.min.isr" => state_log_min_isr: i32 = "2",
            at_least(1), HIGH, READ_ONLY;
        /// How large segments of __transaction_state grow.
        "transaction.state.log.segment.bytes" => state_log_segment_bytes: i32 = "104857600",
            at_least(1), HIGH, READ_ONLY;
        /// How many bytes are read at a time when a transaction coordinator takes over a partition.
        "transaction.state.log.load.buffer.size" => state_log_load_buffer_size: i32 = "5242880",
            at_least(1), HIGH, READ_ONLY;
        /// How often transactions past their timeout are looked for and aborted.
        "transaction.abort.timed.out.transaction.cleanup.interval.ms" =>
            abort_timed_out_transaction_cleanup_interval_ms: i32 = "10000",
            at_least(1), LOW, READ_ONLY;
        /// How often transactional ids past their expiry are looked for and removed.
        "transaction.remove.expired.transaction.cleanup.interval.ms" =>
            remove_expired_transaction_cleanup_interval_ms: i32 = "3600000",
            at_least(1), LOW, READ_ONLY;
        /// How long a transactional id without transactions is kept.
        "transactional.id.expiration.ms" => transactional_id_expiration_ms: i32 = "604800000",
            at_least(1), HIGH, READ_ONLY;
        /// Whether a partition checks with the coordinator that it belongs to the transaction it is
        /// written in.
        "transaction.partition.verification.enable" => partition_verification_enable: bool = "true",
            any(), LOW, CLUSTER_WIDE;
        /// Whether producers may take part in transactions that something else decides.
        "transaction.two.phase.commit.enable" => two_phase_commit_enable: bool = "false",
            any(), LOW, READ_ONLY;
        /// How long a broker rests before it repeats an addition of partitions to a transaction.
        "add.partitions.to.txn.retry.backoff.ms" =>
            add_partitions_to_txn_retry_backoff_ms: i32 = "20",
            at_least(1), HIGH, READ_ONLY;
        /// The longest rest before a repeated addition of partitions to a transaction.
        "add.partitions.to.txn.retry.backoff.max.ms" =>
            add_partitions_to_txn_retry_backoff_max_ms: i32 = "100",
            at_least(0), HIGH, READ_ONLY;
    }
}
