//! A share group that survives: what its records say.
//!
//! Not here: timers (sessions), how it comes to be another (heartbeat.rs). Must hold: only `apply`
//! changes a group, and what it gives takes exactly that back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_wire::messages::share_group_current_member_assignment_value::TopicPartitions;
use ottla_wire::messages::share_group_target_assignment_member_value::TopicPartition;
use ottla_wire::messages::{
    ShareGroupCurrentMemberAssignmentValue, ShareGroupMemberMetadataValue, ShareGroupMetadataValue,
    ShareGroupTargetAssignmentMemberValue, ShareGroupTargetAssignmentMetadataValue,
};
use ottla_wire::{MemberEpoch, PartitionIndex, StrBytes, Timestamp, TopicId};

use super::initialize::States;
use super::records::ShareEntry;
use crate::classic::Out;
use crate::epochs::{Epochs, EpochsUndo};
use crate::kinds::Kind;
use crate::shared_map::SharedMap;
use crate::state::set_shared;
use crate::{Groups, Soft, Topics};

/// What a member says of itself.
pub(crate) type MemberValue = ShareGroupMemberMetadataValue;
/// Partitions by topic.
pub(crate) type Assigned = BTreeMap<TopicId, BTreeSet<PartitionIndex>>;

/// One share group.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ShareGroup {
    epochs: Epochs,
    members: SharedMap<StrBytes, Arc<MemberValue>>,
    targets: SharedMap<StrBytes, Arc<Assigned>>,
    currents: SharedMap<StrBytes, Arc<Current>>,
    states: Arc<States>,
}

/// What a member has.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Current {
    pub(crate) epoch: MemberEpoch,
    pub(crate) previous_epoch: MemberEpoch,
    pub(crate) assigned: Assigned,
}

/// Takes one applied entry back.
#[derive(Debug)]
pub(crate) enum ShareUndo {
    Epochs(EpochsUndo),
    Member(StrBytes, Option<Arc<MemberValue>>),
    MemberTarget(StrBytes, Option<Arc<Assigned>>),
    Current(StrBytes, Option<Arc<Current>>),
    States(Arc<States>),
}

impl ShareGroup {
    pub(crate) fn epochs(&self) -> &Epochs {
        &self.epochs
    }

    pub(crate) fn members(&self) -> &SharedMap<StrBytes, Arc<MemberValue>> {
        &self.members
    }

    pub(crate) fn member(&self, id: &str) -> Option<&Arc<MemberValue>> {
        self.members.get(id)
    }

    /// What the member has; a new one has nothing.
    pub(crate) fn current(&self, member: &str) -> Arc<Current> {
        self.currents.get(member).cloned().unwrap_or_default()
    }

    pub(crate) fn target(&self, member: &str) -> Arc<Assigned> {
        self.targets.get(member).cloned().unwrap_or_default()
    }

    pub(crate) fn has_target(&self, member: &str) -> bool {
        self.targets.contains_key(member)
    }

    /// Which partitions have a state at the share coordinator.
    pub(crate) fn states(&self) -> &Arc<States> {
        &self.states
    }

    /// The names that members subscribe to.
    pub(crate) fn names(&self) -> BTreeSet<StrBytes> {
        let members = self.members.values();
        members.flat_map(|value| &value.subscribed_topic_names).cloned().collect()
    }
}

impl Kind for ShareGroup {
    type Entry = ShareEntry;
    type Undo = ShareUndo;

    fn wake(soft: &Soft) -> Option<Timestamp> {
        soft.sharers.wake()
    }

    fn tick(groups: &Groups, soft: &mut Soft, _topics: &dyn Topics, out: &mut Out<'_>) {
        groups.end_sharers(soft, out);
    }

    fn forget(soft: &mut Soft, id: &StrBytes) {
        soft.sharers.remove_group(id);
    }

    fn apply(&mut self, entry: &ShareEntry) -> ShareUndo {
        match entry {
            ShareEntry::Epoch(value) => {
                let after = value.as_ref().map(|value| (value.epoch, value.metadata_hash));
                ShareUndo::Epochs(self.epochs.change(after))
            }
            ShareEntry::Member(id, value) => {
                let before = set_shared(&mut self.members, id, value.clone());
                ShareUndo::Member(StrBytes::copied(id), before)
            }
            ShareEntry::TargetEpoch(value) => {
                let after = value
                    .as_ref()
                    .map(|value| (value.assignment_epoch, value.assignment_timestamp));
                ShareUndo::Epochs(self.epochs.change_target(after))
            }
            ShareEntry::Target(id, value) => {
                let after = value.as_deref().map(|value| {
                    let topics = value.topic_partitions.iter();
                    Arc::new(assigned(topics.map(|it| (it.topic_id, &*it.partitions))))
                });
                ShareUndo::MemberTarget(
                    StrBytes::copied(id),
                    set_shared(&mut self.targets, id, after),
                )
            }
            ShareEntry::Current(id, value) => {
                let after = value.as_deref().map(|value| {
                    let topics = value.assigned_partitions.iter();
                    Arc::new(Current {
                        epoch: value.member_epoch,
                        previous_epoch: value.previous_member_epoch,
                        assigned: assigned(topics.map(|it| (it.topic_id, &*it.partitions))),
                    })
                });
                ShareUndo::Current(StrBytes::copied(id), set_shared(&mut self.currents, id, after))
            }
            ShareEntry::States(value) => {
                let after = value.as_deref().map(States::from_value).unwrap_or_default();
                ShareUndo::States(std::mem::replace(&mut self.states, Arc::new(after)))
            }
        }
    }

    fn undo(&mut self, undo: ShareUndo) {
        match undo {
            ShareUndo::Epochs(undo) => self.epochs.undo(undo),
            ShareUndo::Member(id, before) => drop(set_shared(&mut self.members, &id, before)),
            ShareUndo::MemberTarget(id, before) => drop(set_shared(&mut self.targets, &id, before)),
            ShareUndo::Current(id, before) => drop(set_shared(&mut self.currents, &id, before)),
            ShareUndo::States(before) => self.states = before,
        }
    }
}

fn assigned<'a>(topics: impl Iterator<Item = (TopicId, &'a [PartitionIndex])>) -> Assigned {
    topics.map(|(topic, partitions)| (topic, partitions.iter().copied().collect())).collect()
}

/// The record of a group's epoch.
pub(crate) fn epoch_entry(epoch: MemberEpoch, metadata_hash: i64) -> ShareEntry {
    ShareEntry::Epoch(Some(Arc::new(ShareGroupMetadataValue {
        epoch,
        metadata_hash,
        ..ShareGroupMetadataValue::default()
    })))
}

/// The record of the epoch that targets are for.
pub(crate) fn target_epoch_entry(epoch: MemberEpoch, at: Timestamp) -> ShareEntry {
    ShareEntry::TargetEpoch(Some(Arc::new(ShareGroupTargetAssignmentMetadataValue {
        assignment_epoch: epoch,
        assignment_timestamp: at,
        ..ShareGroupTargetAssignmentMetadataValue::default()
    })))
}

/// The record of a member's target.
pub(crate) fn target_entry(member: &StrBytes, target: &Assigned) -> ShareEntry {
    let topic_partitions = target.iter().map(|(topic_id, partitions)| TopicPartition {
        topic_id: *topic_id,
        partitions: partitions.iter().copied().collect(),
        ..TopicPartition::default()
    });
    ShareEntry::Target(
        member.clone(),
        Some(Arc::new(ShareGroupTargetAssignmentMemberValue {
            topic_partitions: topic_partitions.collect(),
            ..ShareGroupTargetAssignmentMemberValue::default()
        })),
    )
}

/// The record of what a member has.
pub(crate) fn current_entry(member: &StrBytes, current: &Current) -> ShareEntry {
    let topics = current.assigned.iter().map(|(topic_id, partitions)| TopicPartitions {
        topic_id: *topic_id,
        partitions: partitions.iter().copied().collect(),
        ..TopicPartitions::default()
    });
    ShareEntry::Current(
        member.clone(),
        Some(Arc::new(ShareGroupCurrentMemberAssignmentValue {
            member_epoch: current.epoch,
            previous_member_epoch: current.previous_epoch,
            state: STABLE,
            assigned_partitions: topics.collect(),
            ..ShareGroupCurrentMemberAssignmentValue::default()
        })),
    )
}

/// The only state that a member of a share group is in.
const STABLE: i8 = 0;
