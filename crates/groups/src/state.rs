//! The state of one coordinator partition that survives: what replaying its log gives.
//!
//! A group exists here when it has a GroupMetadata record, records of another kind of group, or
//! when an offset was ever committed for it, be it in a transaction that is open or aborted: losing
//! its last offset does not end it, the tombstone of its GroupMetadata does, as in Kafka. Not here:
//! sessions, members of a rebalance in progress, timers (soft.rs).

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_machine::Machine;
use ottla_wire::messages::GroupMetadataValue;
use ottla_wire::{Offset, PartitionIndex, ProducerId, StrBytes};

use crate::Soft;
use crate::consumer::ConsumerGroup;
use crate::kinds::{KindRecord, KindUndo, Kinds};
use crate::offsets::{CommittedOffset, OffsetKey, Offsets, Pending};
use crate::records::{GroupRecord, OffsetCommit};
use crate::shared_map::SharedMap;

/// The groups of one coordinator partition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Groups {
    pub(crate) groups: BTreeMap<StrBytes, Group>,
    pub(crate) pending: Pending,
    unserved: BTreeMap<i16, u64>,
}

/// One group, as its records tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Group {
    /// The last GroupMetadata record: who was in the group at its last settled generation.
    pub(crate) metadata: Option<Arc<GroupMetadataValue>>,
    /// What it is when its members are told what to have.
    pub(crate) kinds: Kinds,
    pub(crate) offsets: Offsets,
    /// An offset was committed for it since it was last deleted.
    has_committed: bool,
}

impl Group {
    fn is_gone(&self) -> bool {
        let is_empty = self.metadata.is_none() && self.offsets.is_empty();
        is_empty && self.is_classic() && !self.has_committed
    }

    pub(crate) fn is_classic(&self) -> bool {
        self.kinds.group().is_none()
    }

    /// Ends the group, which nobody is in and which has no offsets.
    pub(crate) fn end(&self, soft: &mut Soft, id: &StrBytes, records: &mut Vec<GroupRecord>) {
        match self.kinds.group() {
            Some(group) => group.end(soft, id, records),
            None => records.push(GroupRecord::GroupMetadata { group: id.clone(), value: None }),
        }
    }
}

/// Takes one replayed record back.
#[derive(Debug)]
pub struct Undo(Change);

#[derive(Debug)]
enum Change {
    Metadata { group: StrBytes, before: Was<Arc<GroupMetadataValue>> },
    Kind { group: StrBytes, undo: KindUndo, has_committed: bool },
    Unserved { kind: i16 },
    Offset { key: OffsetKey, before: Was<CommittedOffset>, pending: Vec<PendingBefore> },
    Pending { producer: ProducerId, key: OffsetKey, before: Was<CommittedOffset> },
    Ended { producer: ProducerId, pending: BTreeMap<OffsetKey, CommittedOffset>, set: Vec<Set> },
}

/// What stood in a group before a record was replayed.
#[derive(Debug)]
struct Was<T> {
    value: Option<T>,
    has_committed: bool,
}

type PendingBefore = (ProducerId, CommittedOffset);
type Set = (OffsetKey, Was<CommittedOffset>);

impl Groups {
    /// How many records of each type were met that no group of this release reads, by record type.
    pub fn unserved(&self) -> &BTreeMap<i16, u64> {
        &self.unserved
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether there is no group.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// A committed offset.
    pub fn committed(
        &self,
        group: &str,
        topic: &str,
        partition: PartitionIndex,
    ) -> Option<&CommittedOffset> {
        self.groups.get(group)?.offsets.get(topic, partition)
    }

    pub(crate) fn group(&self, id: &str) -> Option<&Group> {
        self.groups.get(id)
    }

    /// The KIP-848 group of this id.
    pub(crate) fn consumers(&self, id: &str) -> Option<&ConsumerGroup> {
        self.groups.get(id)?.kinds.consumers.as_deref()
    }

    /// Changes a group and forgets it when nothing is left of it.
    fn change<T>(&mut self, id: &str, change: impl FnOnce(&mut Group) -> T) -> T {
        if let Some(group) = self.groups.get_mut(id) {
            let result = change(group);
            if group.is_gone() {
                self.groups.remove(id);
            }
            return result;
        }
        let mut group = Group::default();
        let result = change(&mut group);
        if !group.is_gone() {
            self.groups.insert(StrBytes::copied(id), group);
        }
        result
    }

    fn set_offset(
        &mut self,
        key: &OffsetKey,
        value: Option<CommittedOffset>,
    ) -> Was<CommittedOffset> {
        self.change(&key.group, |group| {
            let has_committed = group.has_committed;
            group.has_committed |= value.is_some();
            Was { value: group.offsets.set(&key.topic, key.partition, value), has_committed }
        })
    }

    fn put_back(&mut self, key: &OffsetKey, before: Was<CommittedOffset>) {
        self.change(&key.group, |group| {
            group.offsets.set(&key.topic, key.partition, before.value);
            group.has_committed = before.has_committed;
        });
    }

    /// Changes what makes a group one of its kind; taking it away ends the group.
    fn found_or_end<T>(
        &mut self,
        id: &str,
        place: impl FnOnce(&mut Group) -> &mut Option<T>,
        after: Option<T>,
    ) -> Was<T> {
        self.change(id, |group| {
            let has_committed = group.has_committed;
            group.has_committed &= after.is_some();
            Was { value: std::mem::replace(place(group), after), has_committed }
        })
    }

    fn replay_offset(&mut self, at: Offset, commit: &OffsetCommit) -> Change {
        let value = commit.value.as_ref().map(|value| CommittedOffset::from_value(value, at));
        let key = OffsetKey::copied(&commit.group, &commit.topic, commit.partition);
        if let Some(producer) = commit.producer {
            let has_committed = self.change(&key.group, |group| {
                let before = group.has_committed;
                group.has_committed |= value.is_some();
                before
            });
            let value = self.pending.set(producer, key.clone(), value);
            return Change::Pending { producer, key, before: Was { value, has_committed } };
        }
        // A tombstone means that nothing is left of the topic or group: a transaction that is
        // still open must not bring the offset back.
        let pending = match value {
            None => self.pending.remove_key(&key),
            Some(_) => Vec::new(),
        };
        let before = self.set_offset(&key, value);
        Change::Offset { key, before, pending }
    }

    fn replay_end(&mut self, producer: ProducerId, committed: bool) -> Change {
        let pending = self.pending.take(producer);
        let mut set = Vec::new();
        if committed {
            for (key, value) in &pending {
                let existing = self.committed(&key.group, &key.topic, key.partition);
                if existing.is_none_or(|existing| existing.written_at < value.written_at) {
                    let before = self.set_offset(key, Some(value.clone()));
                    set.push((key.clone(), before));
                }
            }
        }
        Change::Ended { producer, pending, set }
    }

    fn replay_kind(&mut self, record: &KindRecord) -> Change {
        let (undo, has_committed) = self.change(record.group(), |group| {
            let has_committed = group.has_committed;
            group.has_committed &= !record.ends_group();
            (group.kinds.replay(record), has_committed)
        });
        Change::Kind { group: StrBytes::copied(record.group()), undo, has_committed }
    }

    fn uncount(&mut self, kind: i16) {
        if let Some(count) = self.unserved.get_mut(&kind) {
            *count -= 1;
            if *count == 0 {
                self.unserved.remove(&kind);
            }
        }
    }
}

impl Machine for Groups {
    type Record = GroupRecord;
    type Undo = Undo;

    fn replay(&mut self, at: Offset, record: &GroupRecord) -> Undo {
        Undo(match record {
            GroupRecord::OffsetCommit(commit) => self.replay_offset(at, commit),
            GroupRecord::GroupMetadata { group, value } => {
                let after = value.clone();
                let before = self.found_or_end(group, |group| &mut group.metadata, after);
                Change::Metadata { group: StrBytes::copied(group), before }
            }
            GroupRecord::Kind(record) => self.replay_kind(record),
            GroupRecord::EndTransaction { producer, committed } => {
                self.replay_end(*producer, *committed)
            }
            GroupRecord::Unserved { kind, .. } => {
                *self.unserved.entry(*kind).or_default() += 1;
                Change::Unserved { kind: *kind }
            }
        })
    }

    fn undo(&mut self, undo: Undo) {
        match undo.0 {
            Change::Metadata { group, before } => {
                self.change(&group, |group| {
                    (group.metadata, group.has_committed) = (before.value, before.has_committed);
                });
            }
            Change::Kind { group, undo, has_committed } => {
                self.change(&group, |group| {
                    group.kinds.undo(undo);
                    group.has_committed = has_committed;
                });
            }
            Change::Unserved { kind } => self.uncount(kind),
            Change::Offset { key, before, pending } => {
                self.put_back(&key, before);
                for (producer, value) in pending {
                    self.pending.set(producer, key.clone(), Some(value));
                }
            }
            Change::Pending { producer, key, before } => {
                self.change(&key.group, |group| group.has_committed = before.has_committed);
                self.pending.set(producer, key, before.value);
            }
            Change::Ended { producer, pending, set } => {
                for (key, before) in set.into_iter().rev() {
                    self.put_back(&key, before);
                }
                self.pending.restore(producer, pending);
            }
        }
    }
}

/// Puts or removes an entry and gives what stood there.
pub(crate) fn set_shared<T: Clone>(
    map: &mut SharedMap<StrBytes, T>,
    key: &str,
    value: Option<T>,
) -> Option<T> {
    map.set(key, StrBytes::copied, value)
}

/// Puts or removes an entry and gives what stood there.
pub(crate) fn set<T>(map: &mut BTreeMap<StrBytes, T>, key: &str, value: Option<T>) -> Option<T> {
    match value {
        None => map.remove(key),
        Some(value) => match map.get_mut(key) {
            Some(place) => Some(std::mem::replace(place, value)),
            None => map.insert(StrBytes::copied(key), value),
        },
    }
}
