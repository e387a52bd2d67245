//! InitializeShareGroupState (83), ReadShareGroupState (84), WriteShareGroupState (85, v0-1),
//! DeleteShareGroupState (86) and ReadShareGroupStateSummary (87, v0-1), for one share partition
//! each.
//!
//! The order of the checks is that of Kafka 4.4 (ShareCoordinatorShard). A leader that reads fences
//! those before it. Write v1 and summary v1 have the count of deliveries that are done. Where a
//! group begins goes forward only, until it is initialized anew.

use std::cmp::Ordering;
use std::sync::Arc;

use ottla_wire::messages::share_update_value::{self, ShareUpdateValue};
use ottla_wire::messages::{
    delete_share_group_state_request, delete_share_group_state_response,
    initialize_share_group_state_request, initialize_share_group_state_response,
    read_share_group_state_request, read_share_group_state_response,
    read_share_group_state_summary_request, read_share_group_state_summary_response,
    write_share_group_state_request, write_share_group_state_response,
};
use ottla_wire::{ErrorCode, LeaderEpoch, Offset, PartitionIndex, StrBytes, Timestamp, TopicId};

use crate::batches::{StateBatch, combine};
use crate::state::{NO_EPOCH, State, UNSET};
use crate::{Ask, Decided, Key, ShareRecord, ShareReply, ShareStates, Soft};

/// Why a request is refused.
type Refused = (ErrorCode, &'static str);

/// What a leader writes of a share partition.
struct Written {
    leader_epoch: LeaderEpoch,
    start: Offset,
    delivery_complete_count: i32,
    batches: Vec<StateBatch>,
}

impl ShareStates {
    /// InitializeShareGroupState, one partition of v0: begins anew under a state epoch.
    pub fn initialize(
        &self,
        soft: &mut Soft,
        ask: &Ask<'_>,
        key: &Key,
        request: &initialize_share_group_state_request::PartitionData,
    ) -> Decided {
        let known = self.get(key);
        let refused = check_key(key)
            .and_then(|()| check_not_negative(LeaderEpoch(0), request.state_epoch))
            .and_then(|()| {
                let newest = known.map_or(NO_EPOCH, |known| known.state_epoch);
                let is_fenced = newest > request.state_epoch;
                if is_fenced { Err(told(ErrorCode::FENCED_STATE_EPOCH)) } else { check_exists(ask) }
            });
        let (error_code, error_message) = in_words(refused);
        let records = refused.is_ok().then(|| {
            let state = State {
                snapshot_epoch: known.map_or(0, |known| known.snapshot_epoch.saturating_add(1)),
                state_epoch: request.state_epoch,
                leader_epoch: LeaderEpoch(0),
                newest_leader: LeaderEpoch(0),
                start: request.start_offset,
                // From where a group begins is known, nothing is done with (ShareGroupOffset).
                delivery_complete_count: if request.start_offset == UNSET { -1 } else { 0 },
                batches: Vec::new(),
                created_at: ask.now.wall,
                written_at: ask.now.wall,
                updates: 0,
                snapshot_at: Offset(0),
            };
            snapshot(key, &state)
        });
        let reply = initialize_share_group_state_response::PartitionResult {
            partition: key.partition,
            error_code,
            error_message,
            ..Default::default()
        };
        decided(soft, ask, records, ShareReply::Initialize(reply))
    }

    /// ReadShareGroupState, one partition of v0: what a new leader begins with.
    pub fn read(
        &self,
        soft: &mut Soft,
        ask: &Ask<'_>,
        key: &Key,
        request: &read_share_group_state_request::PartitionData,
    ) -> Decided {
        let epoch = request.leader_epoch;
        let found = check_key(key)
            .and_then(|()| check_not_negative(epoch, 0))
            .and_then(|()| self.get(key).ok_or((ErrorCode::INVALID_REQUEST, UNINITIALIZED_READ)))
            .and_then(|known| check_leader(known, epoch).map(|()| known))
            .and_then(|known| check_exists(ask).map(|()| known));
        let (error_code, error_message) = in_words(found.map(|_| ()));
        let mut reply = read_share_group_state_response::PartitionResult {
            partition: key.partition,
            error_code,
            error_message,
            ..Default::default()
        };
        let mut record = None;
        if let Ok(known) = found {
            reply.state_epoch = known.state_epoch;
            reply.start_offset = known.start;
            let batches = known.batches.iter();
            let batches = batches.map(|batch| read_share_group_state_response::StateBatch {
                first_offset: batch.first,
                last_offset: batch.last,
                delivery_state: batch.state,
                delivery_count: batch.count,
                ..Default::default()
            });
            reply.state_batches = batches.collect();
            if epoch != known.newest_leader {
                let written = Written {
                    leader_epoch: epoch,
                    start: known.start,
                    delivery_complete_count: known.delivery_complete_count,
                    batches: Vec::new(),
                };
                record = Some(generate(ask, key, known, written));
            }
        }
        decided(soft, ask, record, ShareReply::Read(reply))
    }

    /// WriteShareGroupState, one partition of v0 or v1.
    pub fn write(
        &self,
        soft: &mut Soft,
        ask: &Ask<'_>,
        key: &Key,
        request: &write_share_group_state_request::PartitionData,
    ) -> Decided {
        let found = check_key(key)
            .and_then(|()| check_not_negative(request.leader_epoch, request.state_epoch))
            .and_then(|()| self.get(key).ok_or((ErrorCode::INVALID_REQUEST, UNINITIALIZED_WRITE)))
            .and_then(|known| check_leader(known, request.leader_epoch).map(|()| known))
            .and_then(|known| {
                let is_fenced = known.state_epoch > request.state_epoch;
                if is_fenced { Err(told(ErrorCode::FENCED_STATE_EPOCH)) } else { Ok(known) }
            })
            .and_then(|known| check_exists(ask).map(|()| known));
        let (error_code, error_message) = in_words(found.map(|_| ()));
        let record = found.ok().map(|known| {
            let batches = request.state_batches.iter().map(|batch| StateBatch {
                first: batch.first_offset,
                last: batch.last_offset,
                state: batch.delivery_state,
                count: batch.delivery_count,
            });
            let (start, count) = (request.start_offset, request.delivery_complete_count);
            let written = Written {
                // It has read before, or it will.
                leader_epoch: known.leader_epoch,
                start: start.max(known.start),
                delivery_complete_count: match start.cmp(&known.start) {
                    Ordering::Less => known.delivery_complete_count,
                    Ordering::Equal => count.max(known.delivery_complete_count),
                    Ordering::Greater => count,
                },
                batches: batches.collect(),
            };
            generate(ask, key, known, written)
        });
        let reply = write_share_group_state_response::PartitionResult {
            partition: key.partition,
            error_code,
            error_message,
            ..Default::default()
        };
        decided(soft, ask, record, ShareReply::Write(reply))
    }

    /// DeleteShareGroupState, one partition of v0; what is not there is deleted already.
    pub fn delete(
        &self,
        soft: &mut Soft,
        ask: &Ask<'_>,
        key: &Key,
        _request: &delete_share_group_state_request::PartitionData,
    ) -> Decided {
        let refused = check_key(key).and_then(|()| check_exists(ask));
        let (error_code, error_message) = in_words(refused);
        let is_there = refused.is_ok() && self.get(key).is_some();
        let record = is_there.then(|| ShareRecord::Snapshot { key: key.clone(), value: None });
        let reply = delete_share_group_state_response::PartitionResult {
            partition: key.partition,
            error_code,
            error_message,
            ..Default::default()
        };
        decided(soft, ask, record, ShareReply::Delete(reply))
    }

    /// ReadShareGroupStateSummary, one partition of v0 or v1: reads without fencing anybody.
    pub fn summary(
        &self,
        soft: &mut Soft,
        ask: &Ask<'_>,
        key: &Key,
        _request: &read_share_group_state_summary_request::PartitionData,
    ) -> Decided {
        let refused = check_key(key).and_then(|()| check_exists(ask));
        let (error_code, error_message) = in_words(refused);
        let mut reply = read_share_group_state_summary_response::PartitionResult {
            partition: key.partition,
            error_code,
            error_message,
            ..Default::default()
        };
        if refused.is_ok() {
            match self.get(key) {
                Some(known) => {
                    reply.state_epoch = known.state_epoch;
                    reply.leader_epoch = known.leader_epoch;
                    reply.start_offset = known.start;
                    reply.delivery_complete_count = known.delivery_complete_count;
                }
                None => {
                    reply.start_offset = UNSET;
                    reply.delivery_complete_count = -1;
                }
            }
        }
        decided(soft, ask, None, ShareReply::Summary(reply))
    }

    /// Topics are deleted: so is what is written down of their partitions.
    pub fn topics_deleted(&self, soft: &Soft, deleted: &[TopicId]) -> Decided {
        let gone = self.iter().filter(|(key, _)| deleted.contains(&key.topic));
        let records = gone.map(|(key, _)| ShareRecord::Snapshot { key: key.clone(), value: None });
        Decided { records: records.collect(), wake: soft.wake(), ..Decided::default() }
    }
}

/// The record of a write: an update, or a snapshot when there were enough of them.
fn generate(ask: &Ask<'_>, key: &Key, known: &State, written: Written) -> ShareRecord {
    let (leader_epoch, start) = (written.leader_epoch, written.start);
    if known.updates >= ask.settings.updates_per_snapshot {
        let state = State {
            snapshot_epoch: known.snapshot_epoch.saturating_add(1),
            leader_epoch,
            start,
            delivery_complete_count: written.delivery_complete_count,
            batches: combine(&known.batches, &written.batches, start),
            created_at: ask.now.wall,
            written_at: ask.now.wall,
            ..known.clone()
        };
        return snapshot(key, &state);
    }
    let batches = combine(&[], &written.batches, start);
    let batches = batches.iter().map(|batch| share_update_value::StateBatch {
        first_offset: batch.first,
        last_offset: batch.last,
        delivery_state: batch.state,
        delivery_count: batch.count,
        ..Default::default()
    });
    let value = ShareUpdateValue {
        snapshot_epoch: known.snapshot_epoch,
        leader_epoch,
        start_offset: start,
        delivery_complete_count: written.delivery_complete_count,
        state_batches: batches.collect(),
        ..Default::default()
    };
    ShareRecord::Update { key: key.clone(), value: Arc::new(value) }
}

pub(crate) fn snapshot(key: &Key, state: &State) -> ShareRecord {
    ShareRecord::Snapshot { key: key.clone(), value: Some(Arc::new(state.to_snapshot())) }
}

/// The snapshot of a share partition that nobody writes to any more.
pub(crate) fn cold_snapshot(key: &Key, known: &State, now: Timestamp) -> ShareRecord {
    let snapshot_epoch = known.snapshot_epoch.saturating_add(1);
    snapshot(key, &State { snapshot_epoch, written_at: now, ..known.clone() })
}

fn decided(
    soft: &mut Soft,
    ask: &Ask<'_>,
    record: impl IntoIterator<Item = ShareRecord>,
    reply: ShareReply,
) -> Decided {
    let records: Vec<ShareRecord> = record.into_iter().collect();
    if !records.is_empty() {
        soft.watch(ask.now, ask.settings);
    }
    Decided { records, replies: vec![(ask.ticket, reply)], wake: soft.wake() }
}

fn check_key(key: &Key) -> Result<(), Refused> {
    if key.group.is_empty() {
        return Err((ErrorCode::INVALID_REQUEST, "the group id is empty"));
    }
    if key.partition < PartitionIndex(0) {
        return Err((ErrorCode::INVALID_REQUEST, "the partition is negative"));
    }
    Ok(())
}

fn check_not_negative(leader: LeaderEpoch, state_epoch: i32) -> Result<(), Refused> {
    if leader < LeaderEpoch(0) {
        return Err((ErrorCode::INVALID_REQUEST, "the leader epoch is negative"));
    }
    if state_epoch < 0 {
        return Err((ErrorCode::INVALID_REQUEST, "the state epoch is negative"));
    }
    Ok(())
}

fn check_leader(known: &State, epoch: LeaderEpoch) -> Result<(), Refused> {
    let is_fenced = known.newest_leader > epoch;
    if is_fenced { Err(told(ErrorCode::FENCED_LEADER_EPOCH)) } else { Ok(()) }
}

fn check_exists(ask: &Ask<'_>) -> Result<(), Refused> {
    if ask.exists { Ok(()) } else { Err(told(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)) }
}

fn told(code: ErrorCode) -> Refused {
    (code, code.message())
}

fn in_words(checked: Result<(), Refused>) -> (ErrorCode, Option<StrBytes>) {
    match checked {
        Ok(()) => (ErrorCode::NONE, None),
        Err((code, message)) => (code, Some(StrBytes::from(message))),
    }
}

const UNINITIALIZED_READ: &str = "the share partition was not initialised: it cannot be read";
const UNINITIALIZED_WRITE: &str = "the share partition was not initialised: it cannot be written";
