//! A streams group that survives: what its records say.
//!
//! Not here: timers, what is known of its topics (soft.rs), how it comes to be another
//! (heartbeat.rs). Must hold: only `apply` changes a group, and what it gives takes exactly that
//! back.

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_wire::messages::streams_group_current_member_assignment_value::TaskIds;
use ottla_wire::messages::streams_group_metadata_value::LastAssignmentConfig;
use ottla_wire::messages::streams_group_target_assignment_member_value as target;
use ottla_wire::messages::{
    StreamsGroupCurrentMemberAssignmentValue, StreamsGroupMemberMetadataValue,
    StreamsGroupMetadataValue, StreamsGroupTargetAssignmentMemberValue,
    StreamsGroupTargetAssignmentMetadataValue, StreamsGroupTopologyValue,
};
use ottla_wire::{MemberEpoch, StrBytes, Timestamp};

use super::records::StreamsEntry;
use super::tasks::{TaskId, Tasks, lists_of, tasks_of};
use crate::classic::Out;
use crate::epochs::{Epochs, EpochsUndo};
use crate::kinds::Kind;
use crate::shared_map::SharedMap;
use crate::state::set_shared;
use crate::{Groups, Soft, Topics};

/// What a member says of itself.
pub(crate) type MemberValue = StreamsGroupMemberMetadataValue;

/// One streams group.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct StreamsGroup {
    epochs: Epochs,
    ground: Arc<Ground>,
    members: SharedMap<StrBytes, Arc<MemberValue>>,
    targets: SharedMap<StrBytes, Arc<Tasks>>,
    currents: SharedMap<StrBytes, Arc<Current>>,
    topology: Option<Arc<StreamsGroupTopologyValue>>,
}

/// What the group's epoch was made for, beside its topics.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ground {
    /// The epoch of the topology whose topics were all there; -1 when some were not.
    pub(crate) validated_topology_epoch: i32,
    /// The configs that the assignment went by.
    pub(crate) configs: BTreeMap<StrBytes, StrBytes>,
}

/// What a member has.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Current {
    pub(crate) epoch: MemberEpoch,
    pub(crate) previous_epoch: MemberEpoch,
    pub(crate) state: MemberState,
    pub(crate) assigned: Tasks,
    pub(crate) revoking: Tasks,
}

/// Where a member stands on its way to its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemberState {
    /// It has all that it shall have in its epoch.
    Stable,
    /// It has to let tasks go before it may reach the next epoch.
    Unrevoked,
    /// It waits for tasks that others have to let go.
    Unreleased,
    /// A state of a newer Kafka.
    Unknown(i8),
}

/// Takes one applied entry back.
#[derive(Debug)]
pub(crate) enum StreamsUndo {
    Epoch(EpochsUndo, Arc<Ground>),
    TargetEpoch(EpochsUndo),
    Member(StrBytes, Option<Arc<MemberValue>>),
    Target(StrBytes, Option<Arc<Tasks>>),
    Current(StrBytes, Option<Arc<Current>>),
    Topology(Option<Arc<StreamsGroupTopologyValue>>),
}

impl StreamsGroup {
    pub(crate) fn epochs(&self) -> &Epochs {
        &self.epochs
    }

    pub(crate) fn ground(&self) -> &Arc<Ground> {
        &self.ground
    }

    pub(crate) fn topology(&self) -> Option<&Arc<StreamsGroupTopologyValue>> {
        self.topology.as_ref()
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

    pub(crate) fn target(&self, member: &str) -> Arc<Tasks> {
        self.targets.get(member).cloned().unwrap_or_default()
    }

    pub(crate) fn targets(&self) -> &SharedMap<StrBytes, Arc<Tasks>> {
        &self.targets
    }

    /// The members with what they have.
    pub(crate) fn holders(&self) -> impl Iterator<Item = (&MemberValue, &Current)> {
        let of = |id: &StrBytes| self.currents.get(id);
        self.members.iter().filter_map(move |(id, value)| Some((&**value, &**of(id)?)))
    }

    /// How many parts its topology has, and tasks its members.
    pub(crate) fn parts(&self) -> usize {
        let of_topology = self.topology.as_ref().map_or(0, |it| it.subtopologies.len());
        let tasks = self.targets.values().map(|it| it.active.len() + it.standby.len());
        of_topology + tasks.sum::<usize>()
    }

    /// Whether every member has what it shall have by the targets' epoch.
    pub(super) fn is_settled(&self) -> bool {
        let epoch = self.epochs.target_epoch();
        self.members.keys().all(|id| self.current(id).is_at(epoch))
    }
}

impl Kind for StreamsGroup {
    type Entry = StreamsEntry;
    type Undo = StreamsUndo;

    fn wake(soft: &Soft) -> Option<Timestamp> {
        soft.streams.wake()
    }

    fn tick(groups: &Groups, soft: &mut Soft, _topics: &dyn Topics, out: &mut Out<'_>) {
        groups.end_streamers(soft, out);
        groups.end_delays(soft, out);
    }

    fn forget(soft: &mut Soft, id: &StrBytes) {
        soft.streams.remove(id);
    }

    fn apply(&mut self, entry: &StreamsEntry) -> StreamsUndo {
        match entry {
            StreamsEntry::Epoch(value) => {
                let after = value.as_deref().map(|value| (value.epoch, value.metadata_hash));
                let ground = value.as_deref().map(Ground::from_value).unwrap_or_default();
                let ground = std::mem::replace(&mut self.ground, Arc::new(ground));
                StreamsUndo::Epoch(self.epochs.change(after), ground)
            }
            StreamsEntry::TargetEpoch(value) => {
                let after = value
                    .as_ref()
                    .map(|value| (value.assignment_epoch, value.assignment_timestamp));
                StreamsUndo::TargetEpoch(self.epochs.change_target(after))
            }
            StreamsEntry::Member(id, value) => {
                let before = set_shared(&mut self.members, id, value.clone());
                StreamsUndo::Member(StrBytes::copied(id), before)
            }
            StreamsEntry::Target(id, value) => {
                let after = value.as_deref().map(|value| Arc::new(tasks_of_target(value)));
                StreamsUndo::Target(StrBytes::copied(id), set_shared(&mut self.targets, id, after))
            }
            StreamsEntry::Current(id, value) => {
                let after = value.as_deref().map(|value| Arc::new(Current::from_value(value)));
                StreamsUndo::Current(
                    StrBytes::copied(id),
                    set_shared(&mut self.currents, id, after),
                )
            }
            StreamsEntry::Topology(value) => {
                StreamsUndo::Topology(std::mem::replace(&mut self.topology, value.clone()))
            }
        }
    }

    fn undo(&mut self, undo: StreamsUndo) {
        match undo {
            StreamsUndo::Epoch(undo, ground) => {
                self.epochs.undo(undo);
                self.ground = ground;
            }
            StreamsUndo::TargetEpoch(undo) => self.epochs.undo(undo),
            StreamsUndo::Member(id, before) => drop(set_shared(&mut self.members, &id, before)),
            StreamsUndo::Target(id, before) => drop(set_shared(&mut self.targets, &id, before)),
            StreamsUndo::Current(id, before) => drop(set_shared(&mut self.currents, &id, before)),
            StreamsUndo::Topology(before) => self.topology = before,
        }
    }
}

impl Default for Ground {
    fn default() -> Self {
        Ground { validated_topology_epoch: NOT_VALIDATED, configs: BTreeMap::new() }
    }
}

impl Ground {
    fn from_value(value: &StreamsGroupMetadataValue) -> Self {
        let configs = value.last_assignment_configs.iter().flatten();
        Ground {
            validated_topology_epoch: value.validated_topology_epoch,
            configs: configs.map(|it| (it.key.clone(), it.value.clone())).collect(),
        }
    }

    /// The record of a group's epoch that is made for this.
    pub(crate) fn entry(&self, epoch: MemberEpoch, metadata_hash: i64) -> StreamsEntry {
        let configs = self.configs.iter().map(|(key, value)| LastAssignmentConfig {
            key: key.clone(),
            value: value.clone(),
            ..LastAssignmentConfig::default()
        });
        StreamsEntry::Epoch(Some(Arc::new(StreamsGroupMetadataValue {
            epoch,
            metadata_hash,
            validated_topology_epoch: self.validated_topology_epoch,
            last_assignment_configs: Some(configs.collect()),
            ..StreamsGroupMetadataValue::default()
        })))
    }
}

impl Default for Current {
    fn default() -> Self {
        Current {
            epoch: MemberEpoch(0),
            previous_epoch: MemberEpoch(0),
            state: MemberState::Stable,
            assigned: Tasks::default(),
            revoking: Tasks::default(),
        }
    }
}

impl Current {
    fn from_value(value: &StreamsGroupCurrentMemberAssignmentValue) -> Self {
        // Without epochs of its own a task counts as assigned in the member's epoch.
        let epoch = MemberEpoch(value.member_epoch.0.max(0));
        Current {
            epoch: value.member_epoch,
            previous_epoch: value.previous_member_epoch,
            state: MemberState::of(value.state),
            assigned: Tasks {
                active: with_epochs(&value.active_tasks, epoch),
                standby: without_epochs(&value.standby_tasks),
                warmup: without_epochs(&value.warmup_tasks),
            },
            revoking: Tasks {
                active: with_epochs(&value.active_tasks_pending_revocation, epoch),
                standby: without_epochs(&value.standby_tasks_pending_revocation),
                warmup: without_epochs(&value.warmup_tasks_pending_revocation),
            },
        }
    }

    /// What is written down of it.
    pub(crate) fn entry(&self, member: &StrBytes) -> StreamsEntry {
        StreamsEntry::Current(
            member.clone(),
            Some(Arc::new(StreamsGroupCurrentMemberAssignmentValue {
                member_epoch: self.epoch,
                previous_member_epoch: self.previous_epoch,
                state: self.state.number(),
                active_tasks: lists_with_epochs(&self.assigned.active),
                standby_tasks: lists(&self.assigned.standby),
                warmup_tasks: lists(&self.assigned.warmup),
                active_tasks_pending_revocation: lists_with_epochs(&self.revoking.active),
                standby_tasks_pending_revocation: lists(&self.revoking.standby),
                warmup_tasks_pending_revocation: lists(&self.revoking.warmup),
                ..StreamsGroupCurrentMemberAssignmentValue::default()
            })),
        )
    }

    /// Whether it is settled in this epoch.
    pub(crate) fn is_at(&self, epoch: MemberEpoch) -> bool {
        self.state == MemberState::Stable && self.epoch == epoch
    }
}

impl MemberState {
    fn of(number: i8) -> Self {
        match number {
            1 => MemberState::Stable,
            2 => MemberState::Unrevoked,
            3 => MemberState::Unreleased,
            other => MemberState::Unknown(other),
        }
    }

    fn number(self) -> i8 {
        match self {
            MemberState::Stable => 1,
            MemberState::Unrevoked => 2,
            MemberState::Unreleased => 3,
            MemberState::Unknown(number) => number,
        }
    }
}

/// The record of the epoch that targets are for.
pub(crate) fn target_epoch_entry(epoch: MemberEpoch, at: Timestamp) -> StreamsEntry {
    StreamsEntry::TargetEpoch(Some(Arc::new(StreamsGroupTargetAssignmentMetadataValue {
        assignment_epoch: epoch,
        assignment_timestamp: at,
        ..StreamsGroupTargetAssignmentMetadataValue::default()
    })))
}

/// The record of a member's target.
pub(crate) fn target_entry(member: &StrBytes, tasks: &Tasks) -> StreamsEntry {
    let list = |subtopology_id, partitions| target::TaskIds {
        subtopology_id,
        partitions,
        ..target::TaskIds::default()
    };
    StreamsEntry::Target(
        member.clone(),
        Some(Arc::new(StreamsGroupTargetAssignmentMemberValue {
            active_tasks: lists_of(tasks.active.keys(), list),
            standby_tasks: lists_of(&tasks.standby, list),
            warmup_tasks: lists_of(&tasks.warmup, list),
            ..StreamsGroupTargetAssignmentMemberValue::default()
        })),
    )
}

fn tasks_of_target(value: &StreamsGroupTargetAssignmentMemberValue) -> Tasks {
    let tasks = |lists: &[target::TaskIds]| -> Vec<TaskId> {
        tasks_of(lists.iter().map(|it| (&it.subtopology_id, &*it.partitions))).collect()
    };
    let active = tasks(&value.active_tasks).into_iter().map(|task| (task, MemberEpoch(0)));
    Tasks {
        active: active.collect(),
        standby: tasks(&value.standby_tasks).into_iter().collect(),
        warmup: tasks(&value.warmup_tasks).into_iter().collect(),
    }
}

fn without_epochs<C: FromIterator<TaskId>>(lists: &[TaskIds]) -> C {
    tasks_of(lists.iter().map(|it| (&it.subtopology_id, &*it.partitions))).collect()
}

fn with_epochs(lists: &[TaskIds], default: MemberEpoch) -> BTreeMap<TaskId, MemberEpoch> {
    let epochs = lists.iter().flat_map(|list| {
        let known = list.assignment_epochs.as_deref().unwrap_or_default();
        (0..list.partitions.len()).map(move |at| known.get(at).copied().unwrap_or(default))
    });
    without_epochs::<Vec<_>>(lists).into_iter().zip(epochs).collect()
}

fn lists<'a>(tasks: impl IntoIterator<Item = &'a TaskId>) -> Vec<TaskIds> {
    lists_of(tasks, |subtopology_id, partitions| TaskIds {
        subtopology_id,
        partitions,
        ..TaskIds::default()
    })
}

fn lists_with_epochs(tasks: &BTreeMap<TaskId, MemberEpoch>) -> Vec<TaskIds> {
    let mut epochs = tasks.values().copied();
    let lists = lists(tasks.keys()).into_iter().map(|list| {
        let assignment_epochs = epochs.by_ref().take(list.partitions.len()).collect();
        TaskIds { assignment_epochs: Some(assignment_epochs), ..list }
    });
    lists.collect()
}

/// The topology's epoch while some of its topics are not there.
pub(crate) const NOT_VALIDATED: i32 = -1;

#[cfg(test)]
mod tests {
    use super::super::StreamsDraft;
    use super::*;

    #[test]
    fn a_draft_that_changes_one_of_a_thousand_members_copies_no_map() {
        let mut group = StreamsGroup::default();
        for number in 0..1_000 {
            let id = StrBytes::from(format!("m{number:03}"));
            group.apply(&StreamsEntry::Member(id.clone(), Some(Arc::default())));
            group.apply(&target_entry(&id, &Tasks::default()));
            group.apply(&Current::default().entry(&id));
        }
        let mut draft = StreamsDraft::of("g", &group);
        draft.push(Current { epoch: MemberEpoch(1), ..Current::default() }.entry(&"m500".into()));
        let after = draft.group();
        let copied = [
            after.members.copied(&group.members),
            after.targets.copied(&group.targets),
            after.currents.copied(&group.currents),
        ];
        assert_eq!(copied, [0, 0, 1]);
    }
}
