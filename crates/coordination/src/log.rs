//! What a coordinator needs of the partition that it writes to.
//!
//! Implemented by the broker's partition. Must hold: an append under an epoch that is not the
//! partition's is refused, and offsets are given once.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use ottla_records::MarkerEpoch;
use ottla_wire::{ErrorCode, LeaderEpoch, Offset};
use tokio::sync::watch;

/// A future in a box.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One partition of an internal topic that this broker leads.
pub trait PartitionLog: Send + Sync + 'static {
    /// Appends one batch as the leader of `epoch`, and gives the offset of its first record.
    ///
    /// Called under the shard's lock: returns at once, without waiting for replicas.
    fn append(&self, epoch: LeaderEpoch, batch: Bytes) -> Result<Offset, ErrorCode>;

    /// Appends the end of a transaction in the same way; its epoch is to be such.
    fn append_marker(
        &self,
        epoch: LeaderEpoch,
        marker: Bytes,
        of: MarkerEpoch,
    ) -> Result<Offset, ErrorCode>;

    /// The first offset.
    fn start(&self) -> Offset;

    /// One past the last offset.
    fn end(&self) -> Offset;

    /// One past the last committed offset, as it moves.
    fn high_watermark(&self) -> watch::Receiver<Offset>;

    /// Whole batches from the one that holds `from`, up to the log's end and about `bytes_max`;
    /// one at least, unless `from` is the end.
    fn read(&self, from: Offset, bytes_max: usize) -> BoxFuture<'_, Result<Bytes, ErrorCode>>;

    /// Nothing below this offset is needed any more: the log may begin there.
    fn forget(&self, below: Offset);

    /// The largest batch that an append takes (`max.message.bytes`).
    fn batch_bytes_max(&self) -> usize;
}

/// What a client hears of an append that the log refused.
pub(crate) fn to_client(refused: ErrorCode) -> ErrorCode {
    match refused {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        | ErrorCode::NOT_ENOUGH_REPLICAS
        | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND
        | ErrorCode::REQUEST_TIMED_OUT => ErrorCode::COORDINATOR_NOT_AVAILABLE,
        ErrorCode::NOT_LEADER_OR_FOLLOWER
        | ErrorCode::FENCED_LEADER_EPOCH
        | ErrorCode::KAFKA_STORAGE_ERROR => ErrorCode::NOT_COORDINATOR,
        // What a producer's own state says of its transaction is for the producer.
        ErrorCode::INVALID_PRODUCER_EPOCH | ErrorCode::INVALID_TXN_STATE => refused,
        _ => ErrorCode::UNKNOWN_SERVER_ERROR,
    }
}
