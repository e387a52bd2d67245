//! A KIP-848 group that survives: what its records say.
//!
//! Not here: timers (sessions.rs), how it comes to be another (heartbeat.rs). Must hold: only
//! `apply` changes a group, and what it gives takes exactly that back.

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_wire::messages::consumer_group_current_member_assignment_value::TopicPartitions;
use ottla_wire::messages::consumer_group_target_assignment_member_value::TopicPartition;
use ottla_wire::messages::{
    ConsumerGroupCurrentMemberAssignmentValue, ConsumerGroupMemberMetadataValue,
    ConsumerGroupMetadataValue, ConsumerGroupTargetAssignmentMemberValue,
    ConsumerGroupTargetAssignmentMetadataValue,
};
use ottla_wire::{MemberEpoch, Offset, PartitionIndex, StrBytes, Timestamp, TopicId};

use crate::classic::Out;
use crate::consumer::census::Census;
use crate::consumer::partitions::Partitions;
use crate::consumer::records::ConsumerEntry;
use crate::epochs::{Epochs, EpochsUndo};
use crate::kinds::Kind;
use crate::shared_map::SharedMap;
use crate::state::set;
use crate::{Groups, Settings, Soft, Topics};

/// What a member says of itself.
pub(crate) type MemberValue = ConsumerGroupMemberMetadataValue;

/// A partition of a topic.
type Place = (TopicId, PartitionIndex);

/// One KIP-848 group.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ConsumerGroup {
    epochs: Epochs,
    /// There is a record of the type that Kafka 4.0 wrote.
    pub(crate) has_partition_metadata: bool,
    members: SharedMap<StrBytes, Arc<MemberValue>>,
    targets: SharedMap<StrBytes, Arc<Partitions>>,
    currents: SharedMap<StrBytes, Arc<Current>>,
    regexes: BTreeMap<StrBytes, Arc<ResolvedRegex>>,
    /// How many members have each partition, or are about to let it go.
    held: SharedMap<Place, u32>,
    census: Census,
}

/// What a member has.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Current {
    pub(crate) epoch: MemberEpoch,
    pub(crate) previous_epoch: MemberEpoch,
    pub(crate) state: MemberState,
    pub(crate) assigned: Partitions,
    pub(crate) revoking: Partitions,
}

/// Where a member stands on its way to its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemberState {
    /// It has all that it shall have in its epoch.
    Stable,
    /// It has to let partitions go before it may reach the next epoch.
    Unrevoked,
    /// It waits for partitions that others have to let go.
    Unreleased,
    /// A state of a newer Kafka.
    Unknown(i8),
}

/// The topics that a regular expression stands for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ResolvedRegex {
    pub(crate) topics: Vec<StrBytes>,
    /// The metadata that it was resolved with.
    pub(crate) version: Offset,
    pub(crate) resolved_at: Timestamp,
}

/// Takes one applied entry back.
#[derive(Debug)]
pub(crate) enum ConsumerUndo {
    Epochs(EpochsUndo),
    PartitionMetadata(bool),
    Member(StrBytes, Option<Arc<MemberValue>>),
    MemberTarget(StrBytes, Option<Arc<Partitions>>),
    Current(StrBytes, Option<Arc<Current>>),
    Regex(StrBytes, Option<Arc<ResolvedRegex>>),
}

impl ConsumerGroup {
    pub(crate) fn epochs(&self) -> &Epochs {
        &self.epochs
    }

    pub(crate) fn members(&self) -> &SharedMap<StrBytes, Arc<MemberValue>> {
        &self.members
    }

    pub(crate) fn member(&self, id: &str) -> Option<&Arc<MemberValue>> {
        self.members.get(id)
    }

    /// What is counted of the members.
    pub(crate) fn census(&self) -> &Census {
        &self.census
    }

    /// Who is the static member of this instance id.
    pub(crate) fn static_member(&self, instance: &str) -> Option<(&StrBytes, &Arc<MemberValue>)> {
        let id = self.census.static_member(instance)?;
        Some((id, self.members.get(id)?))
    }

    /// What the member has; a new one has nothing.
    pub(crate) fn current(&self, member: &str) -> Arc<Current> {
        self.currents.get(member).cloned().unwrap_or_default()
    }

    pub(crate) fn target(&self, member: &str) -> Arc<Partitions> {
        self.targets.get(member).cloned().unwrap_or_default()
    }

    pub(crate) fn targets(&self) -> &SharedMap<StrBytes, Arc<Partitions>> {
        &self.targets
    }

    pub(crate) fn regexes(&self) -> &BTreeMap<StrBytes, Arc<ResolvedRegex>> {
        &self.regexes
    }

    /// How many members subscribe by this regular expression.
    pub(crate) fn subscribers(&self, regex: &str) -> usize {
        self.census.regexes().get(regex).copied().unwrap_or(0)
    }

    /// Whether somebody else than `mine` has the partition.
    pub(crate) fn is_held(
        &self,
        mine: &Current,
        topic: TopicId,
        partition: PartitionIndex,
    ) -> bool {
        let holders = self.held.get(&(topic, partition)).copied().unwrap_or(0);
        holders > u32::from(mine.holds(topic, partition))
    }

    /// How many partitions members have.
    pub(crate) fn held(&self) -> usize {
        self.held.len()
    }

    /// Whether every member has what it shall have by the group's newest epoch.
    pub(crate) fn is_settled(&self) -> bool {
        let epoch = self.epochs.target_epoch();
        !self.epochs.is_ahead()
            && self.currents.len() == self.members.len()
            && self.census.stable_in(epoch) == self.currents.len()
    }
}

impl Kind for ConsumerGroup {
    type Entry = ConsumerEntry;
    type Undo = ConsumerUndo;

    fn wake(soft: &Soft) -> Option<Timestamp> {
        soft.consumers.wake()
    }

    fn tick(groups: &Groups, soft: &mut Soft, topics: &dyn Topics, out: &mut Out<'_>) {
        groups.end_consumers(soft, topics, out);
    }

    fn forget(soft: &mut Soft, id: &StrBytes) {
        soft.consumers.remove_group(id);
    }

    fn apply(&mut self, entry: &ConsumerEntry) -> ConsumerUndo {
        match entry {
            ConsumerEntry::Epoch(value) => {
                let after = value.as_ref().map(|value| (value.epoch, value.metadata_hash));
                ConsumerUndo::Epochs(self.epochs.change(after))
            }
            ConsumerEntry::PartitionMetadata(value) => {
                let before = std::mem::replace(&mut self.has_partition_metadata, value.is_some());
                ConsumerUndo::PartitionMetadata(before)
            }
            ConsumerEntry::Member(id, value) => {
                ConsumerUndo::Member(id.clone(), self.set_member(id, value.clone()))
            }
            ConsumerEntry::TargetEpoch(value) => {
                let after = value
                    .as_ref()
                    .map(|value| (value.assignment_epoch, value.assignment_timestamp));
                ConsumerUndo::Epochs(self.epochs.change_target(after))
            }
            ConsumerEntry::Target(id, value) => {
                let after = value.as_deref().map(|value| Arc::new(partitions_of_target(value)));
                ConsumerUndo::MemberTarget(id.clone(), self.set_target(id, after))
            }
            ConsumerEntry::Current(id, value) => {
                let after = value.as_deref().map(|value| Arc::new(Current::from_value(value)));
                ConsumerUndo::Current(id.clone(), self.set_current(id, after))
            }
            ConsumerEntry::Regex(regex, value) => {
                let after = value.as_deref().map(|value| {
                    Arc::new(ResolvedRegex {
                        topics: value.topics.clone(),
                        version: Offset(value.version),
                        resolved_at: value.timestamp,
                    })
                });
                ConsumerUndo::Regex(StrBytes::copied(regex), set(&mut self.regexes, regex, after))
            }
        }
    }

    fn undo(&mut self, undo: ConsumerUndo) {
        match undo {
            ConsumerUndo::Epochs(undo) => self.epochs.undo(undo),
            ConsumerUndo::PartitionMetadata(before) => self.has_partition_metadata = before,
            ConsumerUndo::Member(id, before) => drop(self.set_member(&id, before)),
            ConsumerUndo::MemberTarget(id, before) => drop(self.set_target(&id, before)),
            ConsumerUndo::Current(id, before) => drop(self.set_current(&id, before)),
            ConsumerUndo::Regex(regex, before) => drop(set(&mut self.regexes, &regex, before)),
        }
    }
}

impl ConsumerGroup {
    fn set_member(
        &mut self,
        id: &StrBytes,
        after: Option<Arc<MemberValue>>,
    ) -> Option<Arc<MemberValue>> {
        let before = self.members.set(id.as_str(), |_| id.clone(), after.clone());
        self.census.member_changed(id, before.as_deref(), after.as_deref());
        before
    }

    fn set_target(
        &mut self,
        id: &StrBytes,
        after: Option<Arc<Partitions>>,
    ) -> Option<Arc<Partitions>> {
        let members = &self.members;
        self.targets.set(id.as_str(), |_| text_of(members, id), after)
    }

    fn set_current(&mut self, id: &StrBytes, after: Option<Arc<Current>>) -> Option<Arc<Current>> {
        let mut count = |place: Place, change: fn(u32) -> u32| {
            let holders = change(self.held.get(&place).copied().unwrap_or(0));
            self.held.set(&place, |place| *place, (holders > 0).then_some(holders));
        };
        for place in after.iter().flat_map(|current| current.places()) {
            count(place, |holders| holders + 1);
        }
        let members = &self.members;
        let before = self.currents.set(id.as_str(), |_| text_of(members, id), after.clone());
        self.census.current_changed(before.as_deref(), after.as_deref());
        for place in before.iter().flat_map(|current| current.places()) {
            count(place, |holders| holders.saturating_sub(1));
        }
        before
    }
}

/// The id of a member as it stands in the list of members: all lists share one text.
fn text_of(members: &SharedMap<StrBytes, Arc<MemberValue>>, id: &StrBytes) -> StrBytes {
    members.key(id.as_str()).unwrap_or(id).clone()
}

impl Default for Current {
    fn default() -> Self {
        Current {
            epoch: MemberEpoch(0),
            previous_epoch: MemberEpoch(-1),
            state: MemberState::Stable,
            assigned: Partitions::default(),
            revoking: Partitions::default(),
        }
    }
}

impl Current {
    fn from_value(value: &ConsumerGroupCurrentMemberAssignmentValue) -> Self {
        // Without epochs of its own a partition counts as assigned in the member's epoch.
        let epoch = MemberEpoch(value.member_epoch.0.max(0));
        Current {
            epoch: value.member_epoch,
            previous_epoch: value.previous_member_epoch,
            state: MemberState::of(value.state),
            assigned: partitions_of(&value.assigned_partitions, epoch),
            revoking: partitions_of(&value.partitions_pending_revocation, epoch),
        }
    }

    /// What is written down of it.
    pub(crate) fn entry(&self, member: &StrBytes) -> ConsumerEntry {
        ConsumerEntry::Current(
            member.clone(),
            Some(Arc::new(ConsumerGroupCurrentMemberAssignmentValue {
                member_epoch: self.epoch,
                previous_member_epoch: self.previous_epoch,
                state: self.state.number(),
                assigned_partitions: values_of(&self.assigned),
                partitions_pending_revocation: values_of(&self.revoking),
                ..ConsumerGroupCurrentMemberAssignmentValue::default()
            })),
        )
    }

    /// Whether it is settled in this epoch.
    pub(crate) fn is_at(&self, epoch: MemberEpoch) -> bool {
        self.state == MemberState::Stable && self.epoch == epoch
    }

    fn holds(&self, topic: TopicId, partition: PartitionIndex) -> bool {
        self.assigned.contains(topic, partition) || self.revoking.contains(topic, partition)
    }

    /// Every partition that it holds, once.
    fn places(&self) -> impl Iterator<Item = Place> + '_ {
        let revoking = self.revoking.iter();
        let revoking = revoking.filter(|(topic, index, _)| !self.assigned.contains(*topic, *index));
        self.assigned.iter().chain(revoking).map(|(topic, partition, _)| (topic, partition))
    }
}

impl MemberState {
    fn of(number: i8) -> Self {
        match number {
            0 => MemberState::Stable,
            1 => MemberState::Unrevoked,
            2 => MemberState::Unreleased,
            other => MemberState::Unknown(other),
        }
    }

    fn number(self) -> i8 {
        match self {
            MemberState::Stable => 0,
            MemberState::Unrevoked => 1,
            MemberState::Unreleased => 2,
            MemberState::Unknown(number) => number,
        }
    }
}

/// What a member's value says of its regular expression.
pub(crate) trait Subscription {
    /// The regular expression; none when it is empty.
    fn regex(&self) -> Option<&str>;
}

impl Subscription for MemberValue {
    fn regex(&self) -> Option<&str> {
        self.subscribed_topic_regex.as_deref().filter(|regex| !regex.is_empty())
    }
}

/// A member that has said nothing yet.
pub(crate) fn unsaid() -> MemberValue {
    MemberValue {
        instance_id: None,
        rack_id: None,
        // As Kafka writes down that there is none.
        subscribed_topic_regex: Some(StrBytes::default()),
        server_assignor: None,
        ..MemberValue::default()
    }
}

/// How long a member may be silent: one of the classic protocol says so itself.
pub(crate) fn session_ms(value: &MemberValue, settings: &Settings, group: &str) -> i64 {
    let classic = value.classic_member_metadata.as_ref();
    let timeout_ms = classic.map_or_else(
        || settings.consumer.times_of(group).session_timeout_ms,
        |classic| classic.session_timeout_ms,
    );
    i64::from(timeout_ms.max(1))
}

/// The record of a group's epoch.
pub(crate) fn epoch_entry(epoch: MemberEpoch, metadata_hash: i64) -> ConsumerEntry {
    ConsumerEntry::Epoch(Some(Arc::new(ConsumerGroupMetadataValue {
        epoch,
        metadata_hash,
        ..ConsumerGroupMetadataValue::default()
    })))
}

/// The record of the epoch that targets are for.
pub(crate) fn target_epoch_entry(epoch: MemberEpoch, at: Timestamp) -> ConsumerEntry {
    ConsumerEntry::TargetEpoch(Some(Arc::new(ConsumerGroupTargetAssignmentMetadataValue {
        assignment_epoch: epoch,
        assignment_timestamp: at,
        ..ConsumerGroupTargetAssignmentMetadataValue::default()
    })))
}

/// The record of a member's target.
pub(crate) fn target_entry(member: &StrBytes, target: &Partitions) -> ConsumerEntry {
    let topic_partitions = target.topics().map(|(topic_id, partitions)| TopicPartition {
        topic_id,
        partitions: partitions.iter().map(|(index, _)| *index).collect(),
        ..TopicPartition::default()
    });
    ConsumerEntry::Target(
        member.clone(),
        Some(Arc::new(ConsumerGroupTargetAssignmentMemberValue {
            topic_partitions: topic_partitions.collect(),
            ..ConsumerGroupTargetAssignmentMemberValue::default()
        })),
    )
}

fn partitions_of_target(value: &ConsumerGroupTargetAssignmentMemberValue) -> Partitions {
    let topics = value.topic_partitions.iter();
    topics
        .flat_map(|topic| {
            let partitions = topic.partitions.iter();
            partitions.map(|partition| (topic.topic_id, *partition, MemberEpoch(0)))
        })
        .collect()
}

fn partitions_of(topics: &[TopicPartitions], default: MemberEpoch) -> Partitions {
    let topics = topics.iter().flat_map(|topic| {
        let epochs = topic.assignment_epochs.as_deref();
        let epochs = epochs.filter(|epochs| epochs.len() == topic.partitions.len());
        let partitions = topic.partitions.iter().enumerate();
        partitions.map(move |(at, partition)| {
            let epoch = epochs.and_then(|epochs| epochs.get(at)).copied();
            (topic.topic_id, *partition, epoch.unwrap_or(default))
        })
    });
    topics.collect()
}

fn values_of(partitions: &Partitions) -> Vec<TopicPartitions> {
    let topics = partitions.topics().map(|(topic_id, partitions)| TopicPartitions {
        topic_id,
        partitions: partitions.iter().map(|(index, _)| *index).collect(),
        assignment_epochs: Some(partitions.iter().map(|(_, epoch)| *epoch).collect()),
        ..TopicPartitions::default()
    });
    topics.collect()
}
