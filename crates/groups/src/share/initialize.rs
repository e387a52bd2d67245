//! Which partitions of a share group have a state at the share coordinator.
//!
//! A subscribed partition is *initializing* from the heartbeat that finds it missing until the
//! caller says that the coordinator has its state; only then it is assigned. An initialization that
//! was not heard of for `group.share.initialize.retry.interval.ms` is asked for again. Topics whose
//! states are being deleted are *deleting*.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_wire::messages::ShareGroupStatePartitionMetadataValue;
use ottla_wire::messages::share_group_state_partition_metadata_value::{
    TopicInfo, TopicPartitionsInfo,
};
use ottla_wire::{ErrorCode, MemberEpoch, Offset, PartitionIndex, StrBytes, TopicId};

use super::ShareDraft;
use super::records::ShareEntry;
use crate::{Ask, Decided, GroupReply, Groups, Soft, Topics};

/// Partitions by topic, with where each begins; -1 leaves that to the group's reset policy.
pub type Places = BTreeMap<TopicId, BTreeMap<PartitionIndex, Offset>>;

/// States that the share coordinator is to begin.
#[derive(Clone, Debug, PartialEq)]
pub struct Initialize {
    /// The group's id.
    pub group: StrBytes,
    /// The state epoch: the group's.
    pub epoch: MemberEpoch,
    /// Of which partitions.
    pub places: Places,
}

/// What record 15 says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct States {
    pub(crate) initializing: BTreeMap<TopicId, TopicStates>,
    pub(crate) initialized: BTreeMap<TopicId, TopicStates>,
    pub(crate) deleting: BTreeMap<TopicId, StrBytes>,
}

/// The partitions of a topic.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TopicStates {
    pub(crate) name: StrBytes,
    pub(crate) partitions: BTreeSet<PartitionIndex>,
}

impl States {
    pub(super) fn from_value(value: &ShareGroupStatePartitionMetadataValue) -> States {
        let read = |topics: &[TopicPartitionsInfo]| {
            let topics = topics.iter().map(|topic| {
                let partitions = topic.partitions.iter().copied().collect();
                let name = StrBytes::copied(&topic.topic_name);
                (topic.topic_id, TopicStates { name, partitions })
            });
            topics.collect()
        };
        let deleting = value.deleting_topics.iter();
        States {
            initializing: read(&value.initializing_topics),
            initialized: read(&value.initialized_topics),
            deleting: deleting.map(|it| (it.topic_id, StrBytes::copied(&it.topic_name))).collect(),
        }
    }

    /// How many partitions there are in it.
    pub(crate) fn len(&self) -> usize {
        let topics = self.initializing.values().chain(self.initialized.values());
        topics.map(|topic| topic.partitions.len()).sum()
    }

    /// The record of it.
    pub(super) fn entry(&self) -> ShareEntry {
        let write = |topics: &BTreeMap<TopicId, TopicStates>| {
            let topics = topics.iter().map(|(topic_id, topic)| TopicPartitionsInfo {
                topic_id: *topic_id,
                topic_name: topic.name.clone(),
                partitions: topic.partitions.iter().copied().collect(),
                ..TopicPartitionsInfo::default()
            });
            topics.collect()
        };
        let deleting = self.deleting.iter().map(|(topic_id, name)| TopicInfo {
            topic_id: *topic_id,
            topic_name: name.clone(),
            ..TopicInfo::default()
        });
        ShareEntry::States(Some(Arc::new(ShareGroupStatePartitionMetadataValue {
            initializing_topics: write(&self.initializing),
            initialized_topics: write(&self.initialized),
            deleting_topics: deleting.collect(),
            ..ShareGroupStatePartitionMetadataValue::default()
        })))
    }

    /// Takes partitions from one list to another.
    pub(super) fn begin(&mut self, names: &BTreeMap<TopicId, StrBytes>, places: &Places) {
        for (topic, partitions) in places {
            let name = names.get(topic).cloned().unwrap_or_default();
            let entry = self.initializing.entry(*topic);
            let known = entry.or_insert_with(|| TopicStates { name, ..TopicStates::default() });
            known.partitions.extend(partitions.keys().copied());
            self.deleting.remove(topic);
        }
    }

    /// Partitions are initialized, or will not be: they are initializing no longer.
    fn finish(&mut self, places: &Places, is_done: bool) {
        for (topic, partitions) in places {
            let Some(known) = self.initializing.get_mut(topic) else { continue };
            let name = known.name.clone();
            known.partitions.retain(|index| !partitions.contains_key(index));
            if known.partitions.is_empty() {
                self.initializing.remove(topic);
            }
            if is_done {
                let entry = self.initialized.entry(*topic);
                let done = entry.or_insert_with(|| TopicStates { name, ..TopicStates::default() });
                done.partitions.extend(partitions.keys().copied());
            }
        }
    }

    /// Nothing of a topic has a state.
    pub(super) fn forget(&mut self, topic: TopicId) {
        self.initialized.remove(&topic);
        self.initializing.remove(&topic);
        self.deleting.remove(&topic);
    }

    pub(super) fn is_initialized(&self, topic: TopicId, partition: PartitionIndex) -> bool {
        self.initialized.get(&topic).is_some_and(|known| known.partitions.contains(&partition))
    }

    fn is_initializing(&self, topic: TopicId, partition: PartitionIndex) -> bool {
        self.initializing.get(&topic).is_some_and(|known| known.partitions.contains(&partition))
    }
}

/// Finds subscribed partitions without a state, and writes down that they are to get one.
pub(super) fn missing(
    draft: &mut ShareDraft<'_>,
    soft: &mut Soft,
    ask: &Ask<'_>,
    topics: &dyn Topics,
) -> Option<Initialize> {
    let states = Arc::clone(draft.group().states());
    let asked_at = soft.share_initializing.get(&draft.id).copied();
    let retry_ms = ask.settings.share.initialize_retry_ms;
    // After a change of the coordinator nobody knows when it was asked: it is asked again.
    let is_stale = asked_at.is_none_or(|at| ask.now.steady - at >= retry_ms);
    let mut places = Places::new();
    let mut names = BTreeMap::new();
    for name in draft.group().names() {
        let Some(id) = topics.id(&name) else { continue };
        let partitions = (0..topics.partition_count(id)).map(PartitionIndex);
        let missing = partitions.filter(|index| {
            let waits = states.is_initializing(id, *index) && !is_stale;
            !states.is_initialized(id, *index) && !waits
        });
        let missing: BTreeMap<_, _> = missing.map(|index| (index, Offset(-1))).collect();
        if !missing.is_empty() {
            places.insert(id, missing);
            names.insert(id, name);
        }
    }
    if places.is_empty() {
        return None;
    }
    soft.share_initializing.insert(draft.id.clone(), ask.now.steady);
    let mut next = (*states).clone();
    next.begin(&names, &places);
    if next != *states {
        draft.push(next.entry());
    }
    Some(Initialize { group: draft.id.clone(), epoch: draft.group().epochs().epoch(), places })
}

impl Groups {
    /// The share coordinator has begun the states of these partitions, or has not.
    pub fn share_initialized(
        &self,
        soft: &mut Soft,
        ask: &Ask<'_>,
        initialize: &Initialize,
        is_done: bool,
    ) -> Decided {
        soft.share_initializing.remove(&initialize.group);
        let mut records = Vec::new();
        if let Some(group) = self.share_group(&initialize.group) {
            let mut draft = ShareDraft::of(&initialize.group, group);
            let mut next = (**group.states()).clone();
            next.finish(&initialize.places, is_done);
            if next != **group.states() {
                draft.push(next.entry());
            }
            records = draft.records;
        }
        let replies = vec![(ask.ticket, GroupReply::ShareNoted(ErrorCode::NONE))];
        Decided { records, replies, wake: soft.wake() }
    }
}
