//! TxnOffsetCommit: offsets that count when their transaction is committed.
//!
//! v3 tells member and generation (KIP-447), v5 takes the group's partition into the transaction
//! (KIP-890), v6 names topics by id (KIP-1319). Not here: whether the transaction is open, which
//! the caller has found out; the marker, which is a record that is replayed. Must hold: nobody's
//! session is prolonged by it, since it may come from a producer whose consumer is gone.

use ottla_wire::messages::txn_offset_commit_request::TxnOffsetCommitRequestPartition;
use ottla_wire::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use ottla_wire::messages::{OffsetCommitValue, TxnOffsetCommitRequest, TxnOffsetCommitResponse};
use ottla_wire::{ErrorCode, Generation, MemberEpoch, StrBytes, Timestamp, TopicId};

use crate::classic::{Out, Phase};
use crate::commit::is_too_large;
use crate::consumer::{Committer, May};
use crate::records::OffsetCommit;
use crate::{Ask, Decided, GroupRecord, GroupReply, Groups, Soft, Topics};

/// From this version on topics come by id.
const IDS_SINCE: i16 = 6;

impl Groups {
    /// TxnOffsetCommit, v0 to v6. `entering` says whether the transaction may write here.
    pub fn txn_offset_commit(
        &self,
        soft: &Soft,
        ask: &Ask<'_>,
        topics: &dyn Topics,
        request: &TxnOffsetCommitRequest,
        entering: Result<(), ErrorCode>,
    ) -> Decided {
        let mut out = Out::new(ask.now, ask.settings);
        // As in Kafka the transaction is looked at before the member.
        let allowed = match request.group_id.is_empty() {
            true => Err(ErrorCode::INVALID_GROUP_ID),
            false => entering.and_then(|()| self.may_commit_in_transaction(soft, request)),
        };
        let mut response = TxnOffsetCommitResponse::default();
        for asked in &request.topics {
            let name = match ask.version >= IDS_SINCE {
                true => topics.name(asked.topic_id).ok_or(ErrorCode::UNKNOWN_TOPIC_ID),
                false => Ok(asked.name.clone()),
            };
            let partitions = asked.partitions.iter().map(|partition| {
                let record = name.clone().and_then(|name| {
                    if !topics.has_partition(&name, partition.partition_index) {
                        return Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
                    }
                    let id = match ask.version >= IDS_SINCE {
                        true => asked.topic_id,
                        false => topics.id(&name).unwrap_or_default(),
                    };
                    let may = allowed.as_ref().map_err(|error| *error)?;
                    // There is no code for a stale epoch within a transaction.
                    may.commit(&name, id, partition.partition_index)
                        .map_err(|_| ErrorCode::ILLEGAL_GENERATION)?;
                    pending(ask, request, (name, asked.topic_id), partition)
                });
                let error_code = record.as_ref().err().copied().unwrap_or(ErrorCode::NONE);
                out.records.extend(record);
                let partition_index = partition.partition_index;
                TxnOffsetCommitResponsePartition {
                    partition_index,
                    error_code,
                    ..TxnOffsetCommitResponsePartition::default()
                }
            });
            response.topics.push(TxnOffsetCommitResponseTopic {
                name: asked.name.clone(),
                topic_id: asked.topic_id,
                partitions: partitions.collect(),
                ..TxnOffsetCommitResponseTopic::default()
            });
        }
        let mut decided = Decided::reply(ask.ticket, GroupReply::TxnOffsetCommit(response));
        decided.records = out.records;
        decided.wake = soft.wake();
        decided
    }

    /// Whether the request comes from a member of the present generation, or does not say from whom
    /// (ClassicGroup.validateOffsetCommit).
    fn may_commit_in_transaction(
        &self,
        soft: &Soft,
        request: &TxnOffsetCommitRequest,
    ) -> Result<May, ErrorCode> {
        let generation = request.generation_id_or_member_epoch;
        let nobody = request.member_id.is_empty() && request.group_instance_id.is_none();
        let Some(group) = self.group(&request.group_id) else {
            return if generation < 0 { Ok(May::All) } else { Err(ErrorCode::ILLEGAL_GENERATION) };
        };
        let committer = Committer {
            member: &request.member_id,
            instance: request.group_instance_id.as_ref(),
            epoch: MemberEpoch(generation),
            version: None,
        };
        if let Some(group) = group.kinds.group() {
            return group.may_commit(&committer).map_err(|error| match error {
                ErrorCode::STALE_MEMBER_EPOCH => ErrorCode::ILLEGAL_GENERATION,
                other => other,
            });
        }
        let session = soft.sessions.get(&request.group_id);
        let is_empty = session.is_none_or(|session| session.phase() == Phase::Empty);
        if generation < 0 && (is_empty || nobody) {
            return Ok(May::All);
        }
        let Some(session) = session else { return Err(ErrorCode::UNKNOWN_MEMBER_ID) };
        session.validate(&request.member_id, request.group_instance_id.as_ref())?;
        session.same_generation(Generation(generation)).map(|()| May::All)
    }
}

fn pending(
    ask: &Ask<'_>,
    request: &TxnOffsetCommitRequest,
    (topic, topic_id): (StrBytes, TopicId),
    asked: &TxnOffsetCommitRequestPartition,
) -> Result<GroupRecord, ErrorCode> {
    let metadata = asked.committed_metadata.clone().unwrap_or_default();
    if is_too_large(&metadata, ask.settings) {
        return Err(ErrorCode::OFFSET_METADATA_TOO_LARGE);
    }
    Ok(GroupRecord::OffsetCommit(OffsetCommit {
        group: request.group_id.clone(),
        topic,
        partition: asked.partition_index,
        producer: Some(request.producer_id),
        value: Some(OffsetCommitValue {
            offset: asked.committed_offset,
            leader_epoch: asked.committed_leader_epoch,
            metadata,
            commit_timestamp: ask.now.wall,
            expire_timestamp: Timestamp(-1),
            topic_id,
            ..OffsetCommitValue::default()
        }),
    }))
}
