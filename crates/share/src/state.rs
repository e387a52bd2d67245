//! The state of one coordinator partition that survives: what replaying its log gives.
//!
//! Not here: when snapshots are taken and records pruned (soft.rs). Must hold: a share partition
//! that was never initialised has no state; replay checks nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_machine::Machine;
use ottla_wire::messages::{ShareSnapshotValue, ShareUpdateValue, share_snapshot_value};
use ottla_wire::{LeaderEpoch, Offset, PartitionIndex, StrBytes, Timestamp, TopicId};

use crate::batches::{StateBatch, combine};
use crate::records::ShareRecord;

/// No start is written down: the group's reset policy says where to begin.
pub(crate) const UNSET: Offset = Offset(-1);
/// An epoch that says nothing.
pub(crate) const NO_EPOCH: i32 = -1;

/// A share partition: a partition as one share group sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The group's id.
    pub group: StrBytes,
    /// The topic.
    pub topic: TopicId,
    /// Its partition.
    pub partition: PartitionIndex,
}

/// What is written down of one share partition.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Counts snapshots.
    pub snapshot_epoch: i32,
    /// Which initialisation it comes from.
    pub state_epoch: i32,
    /// The leader of the partition that has read it last; 0 when it has begun anew since.
    pub leader_epoch: LeaderEpoch,
    /// The newest leader of the partition that has ever read it: none before may read or write.
    pub(crate) newest_leader: LeaderEpoch,
    /// The first offset that is not done with, or -1.
    pub start: Offset,
    /// How many records from the start on are done with, or -1 when nobody has said.
    pub delivery_complete_count: i32,
    /// The states of records from the start on, as far as they were written.
    pub batches: Vec<StateBatch>,
    /// When the first snapshot of this line was taken.
    pub created_at: Timestamp,
    /// When the last snapshot was taken.
    pub written_at: Timestamp,
    /// Updates since the last snapshot.
    pub(crate) updates: u32,
    /// Where the last snapshot stands in the log: what is before it is not needed for this one.
    pub(crate) snapshot_at: Offset,
}

impl State {
    pub(crate) fn to_snapshot(&self) -> ShareSnapshotValue {
        let batches = self.batches.iter().map(|batch| share_snapshot_value::StateBatch {
            first_offset: batch.first,
            last_offset: batch.last,
            delivery_state: batch.state,
            delivery_count: batch.count,
            ..Default::default()
        });
        ShareSnapshotValue {
            snapshot_epoch: self.snapshot_epoch,
            state_epoch: self.state_epoch,
            leader_epoch: self.leader_epoch,
            start_offset: self.start,
            delivery_complete_count: self.delivery_complete_count,
            create_timestamp: self.created_at,
            write_timestamp: self.written_at,
            state_batches: batches.collect(),
            ..Default::default()
        }
    }

    fn from_snapshot(value: &ShareSnapshotValue, at: Offset, known: Option<&State>) -> State {
        let batches = value.state_batches.iter().map(|batch| StateBatch {
            first: batch.first_offset,
            last: batch.last_offset,
            state: batch.delivery_state,
            count: batch.delivery_count,
        });
        let known_epochs = known.map_or((LeaderEpoch(NO_EPOCH), NO_EPOCH), |known| {
            (known.newest_leader, known.state_epoch)
        });
        State {
            snapshot_epoch: value.snapshot_epoch,
            // Epochs never go back, whatever a snapshot says.
            state_epoch: value.state_epoch.max(known_epochs.1),
            leader_epoch: value.leader_epoch,
            newest_leader: value.leader_epoch.max(known_epochs.0),
            start: value.start_offset,
            delivery_complete_count: value.delivery_complete_count,
            batches: batches.collect(),
            created_at: value.create_timestamp,
            written_at: value.write_timestamp,
            updates: 0,
            snapshot_at: at,
        }
    }

    fn updated(&self, value: &ShareUpdateValue) -> State {
        let batches: Vec<StateBatch> = value.state_batches.iter().map(of_update).collect();
        let start = if value.start_offset == UNSET { self.start } else { value.start_offset };
        let leader_epoch = match value.leader_epoch {
            LeaderEpoch(NO_EPOCH) => self.leader_epoch,
            told => told,
        };
        State {
            leader_epoch,
            newest_leader: self.newest_leader.max(value.leader_epoch),
            start,
            delivery_complete_count: value.delivery_complete_count,
            batches: combine(&self.batches, &batches, start),
            updates: self.updates.saturating_add(1),
            ..self.clone()
        }
    }

    /// An update whose snapshot is not in the log: it is all that is known.
    fn from_update(value: &ShareUpdateValue, at: Offset) -> State {
        State {
            snapshot_epoch: value.snapshot_epoch,
            state_epoch: 0,
            leader_epoch: value.leader_epoch,
            newest_leader: value.leader_epoch,
            start: value.start_offset,
            delivery_complete_count: value.delivery_complete_count,
            batches: value.state_batches.iter().map(of_update).collect(),
            created_at: Timestamp(0),
            written_at: Timestamp(0),
            updates: 1,
            snapshot_at: at,
        }
    }

    /// Whether nothing was written since a snapshot that was taken for want of writes.
    pub(crate) fn is_cold(&self) -> bool {
        self.updates == 0 && self.created_at != self.written_at
    }
}

fn of_update(batch: &ottla_wire::messages::share_update_value::StateBatch) -> StateBatch {
    StateBatch {
        first: batch.first_offset,
        last: batch.last_offset,
        state: batch.delivery_state,
        count: batch.delivery_count,
    }
}

/// The share partitions of one coordinator partition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShareStates {
    states: BTreeMap<Key, Arc<State>>,
    /// One past the last record.
    end: Offset,
    /// How many records there were of a type that this release does not know.
    unknown: u64,
}

/// Takes one replayed record back.
#[derive(Debug)]
pub struct Undo {
    before: Option<(Key, Option<Arc<State>>)>,
    end: Offset,
}

impl ShareStates {
    /// How many share partitions there are.
    pub fn len(&self) -> usize {
        self.states.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// What is written down of one.
    pub fn get(&self, key: &Key) -> Option<&Arc<State>> {
        self.states.get(key)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Arc<State>)> {
        self.states.iter()
    }

    /// How many records of unknown types were met.
    pub fn unknown(&self) -> u64 {
        self.unknown
    }

    /// No record below this offset is needed any more.
    pub(crate) fn needed_from(&self) -> Offset {
        let snapshots = self.states.values().map(|state| state.snapshot_at);
        snapshots.min().unwrap_or(self.end)
    }

    fn set(&mut self, key: &Key, to: Option<Arc<State>>) -> Option<Arc<State>> {
        match to {
            None => self.states.remove(key),
            Some(to) => self.states.insert(key.clone(), to),
        }
    }
}

impl Machine for ShareStates {
    type Record = ShareRecord;
    type Undo = Undo;

    fn replay(&mut self, at: Offset, record: &ShareRecord) -> Undo {
        let end = std::mem::replace(&mut self.end, at.next());
        let before = match record {
            ShareRecord::Snapshot { key, value } => {
                let known = self.states.get(key);
                let to = value.as_deref().map(|value| {
                    Arc::new(State::from_snapshot(value, at, known.map(AsRef::as_ref)))
                });
                Some((key.clone(), self.set(key, to)))
            }
            ShareRecord::Update { key, value } => {
                let to = match self.states.get(key) {
                    Some(known) => known.updated(value),
                    None => State::from_update(value, at),
                };
                Some((key.clone(), self.set(key, Some(Arc::new(to)))))
            }
            ShareRecord::Unknown { .. } => {
                self.unknown += 1;
                None
            }
        };
        Undo { before, end }
    }

    fn undo(&mut self, undo: Undo) {
        self.end = undo.end;
        match undo.before {
            Some((key, before)) => {
                self.set(&key, before);
            }
            None => self.unknown -= 1,
        }
    }
}
