//! TxnOffsetCommit, and the ends of transactions on the partitions of groups.
//!
//! Not here: whether the transaction is open, which the caller finds out before; the bytes of the
//! marker. Must hold: markers reach groups through their shard, so that what they do and what is
//! decided are in the order of the log.

use bytes::Bytes;
use ottla_groups::{GroupRecord, GroupReply, Groups, Settings, Soft, Topics};
use ottla_records::{MarkerEpoch, Producer};
use ottla_wire::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use ottla_wire::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};
use ottla_wire::{ErrorCode, PartitionIndex, ProducerId};

use crate::Answer;
use crate::coordinator::{Caller, Coordinator};
use crate::requests::{Shape, answer_of, ask_of, ask_shard, little, only};
use crate::shard::{Reply, Seat};
use crate::turns::{Asked, By, Turn};

const COMMIT: Shape<TxnOffsetCommitRequest, TxnOffsetCommitResponse> =
    Shape { take: only!(GroupReply::TxnOffsetCommit), refused };

impl Coordinator<Groups> {
    /// TxnOffsetCommit, v0 to v6. `entering` is asked when nothing can come between its answer and
    /// the append: whether the transaction may write to the group's partition.
    pub fn txn_offset_commit(
        &self,
        caller: Caller,
        version: i16,
        topics: impl Topics + Send + 'static,
        request: TxnOffsetCommitRequest,
        entering: impl FnOnce() -> Result<(), ErrorCode> + Send + 'static,
    ) -> Answer<TxnOffsetCommitResponse> {
        let shard = self.shared.shard_of(&request.group_id);
        let (id, epoch) = (request.producer_id, request.producer_epoch);
        let producer = Some(Producer { id, epoch, base_sequence: 0 });
        let cost = |_: &Groups, request: &TxnOffsetCommitRequest| {
            request.topics.iter().map(|topic| topic.partitions.len()).sum()
        };
        let decide = move |groups: &Groups,
                           soft: &mut Soft,
                           seat: &Seat<'_, Settings>,
                           request: &TxnOffsetCommitRequest| {
            let ask = ask_of(&caller, version, seat);
            groups.txn_offset_commit(soft, &ask, &topics, request, entering())
        };
        ask_shard(&self.shared, shard, producer, request, &COMMIT, (cost, decide))
    }

    /// Ends the transaction of a producer on one partition of groups with this marker, whose epoch
    /// is to be such. Gives the error code when the marker is committed.
    pub fn end_transaction_of(
        &self,
        partition: PartitionIndex,
        (producer, of): (ProducerId, MarkerEpoch),
        committed: bool,
        marker: Bytes,
    ) -> Answer<ErrorCode> {
        let Some(shard) = self.shared.shard(partition) else {
            return Answer::Now(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        };
        let record = GroupRecord::EndTransaction { producer, committed };
        let done = move |marker: Bytes, turn: Result<Turn<'_, Groups>, ErrorCode>| {
            let reply = GroupReply::TransactionEnded(ErrorCode::NONE);
            match turn.and_then(|turn| turn.end_transaction((marker, of), record, reply)) {
                Err(error) => Answer::Now(to_coordinator(error)),
                Ok(Reply::Now(reply)) => Answer::Now(told(reply)),
                Ok(Reply::Later(reply)) => Answer::later(async move {
                    // The sender is dropped when the shard closes.
                    reply.await.map_or(ErrorCode::NOT_LEADER_OR_FOLLOWER, told)
                }),
            }
        };
        let work = Asked::new(marker, little, done);
        answer_of(shard.bring(&self.shared, By::Request, work))
    }
}

fn told(reply: GroupReply) -> ErrorCode {
    match reply {
        GroupReply::TransactionEnded(error) => error,
        _ => ErrorCode::UNKNOWN_SERVER_ERROR,
    }
}

/// What makes a coordinator of transactions try again (KafkaApis.handleWriteTxnMarkersRequest).
fn to_coordinator(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
        | ErrorCode::COORDINATOR_NOT_AVAILABLE
        | ErrorCode::NOT_COORDINATOR => ErrorCode::NOT_LEADER_OR_FOLLOWER,
        error => error,
    }
}

fn refused(request: &TxnOffsetCommitRequest, error_code: ErrorCode) -> TxnOffsetCommitResponse {
    let topics = request.topics.iter().map(|topic| TxnOffsetCommitResponseTopic {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partitions: topic
            .partitions
            .iter()
            .map(|partition| TxnOffsetCommitResponsePartition {
                partition_index: partition.partition_index,
                error_code,
                ..TxnOffsetCommitResponsePartition::default()
            })
            .collect(),
        ..TxnOffsetCommitResponseTopic::default()
    });
    TxnOffsetCommitResponse { topics: topics.collect(), ..TxnOffsetCommitResponse::default() }
}
