//! Partitions of topics that a member has or shall have, each with the epoch in which it came.
//!
//! Not here: names of topics, who may have what. Must hold: a topic without partitions is absent.

use std::collections::BTreeMap;

use ottla_wire::{MemberEpoch, PartitionIndex, TopicId};

/// Partitions by topic, each with the epoch in which it was assigned; a target has no epochs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Partitions {
    topics: BTreeMap<TopicId, BTreeMap<PartitionIndex, MemberEpoch>>,
}

impl Partitions {
    pub(crate) fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.topics.values().map(BTreeMap::len).sum()
    }

    pub(crate) fn insert(&mut self, topic: TopicId, partition: PartitionIndex, epoch: MemberEpoch) {
        self.topics.entry(topic).or_default().insert(partition, epoch);
    }

    pub(crate) fn contains(&self, topic: TopicId, partition: PartitionIndex) -> bool {
        self.epoch(topic, partition).is_some()
    }

    /// When the partition was assigned; none when it is not in here.
    pub(crate) fn epoch(&self, topic: TopicId, partition: PartitionIndex) -> Option<MemberEpoch> {
        self.topics.get(&topic)?.get(&partition).copied()
    }

    pub(crate) fn topics(
        &self,
    ) -> impl Iterator<Item = (TopicId, &BTreeMap<PartitionIndex, MemberEpoch>)> {
        self.topics.iter().map(|(topic, partitions)| (*topic, partitions))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (TopicId, PartitionIndex, MemberEpoch)> + '_ {
        self.topics.iter().flat_map(|(topic, partitions)| {
            partitions.iter().map(move |(partition, epoch)| (*topic, *partition, *epoch))
        })
    }

    /// The same partitions, all as if they had always been there.
    pub(crate) fn at(&self, epoch: MemberEpoch) -> Self {
        self.iter().map(|(topic, partition, _)| (topic, partition, epoch)).collect()
    }

    /// Whether the partitions are the same, whenever they came.
    pub(crate) fn same_as(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self.iter().all(|(topic, partition, _)| other.contains(topic, partition))
    }
}

impl FromIterator<(TopicId, PartitionIndex, MemberEpoch)> for Partitions {
    fn from_iter<I: IntoIterator<Item = (TopicId, PartitionIndex, MemberEpoch)>>(from: I) -> Self {
        let mut partitions = Partitions::default();
        for (topic, partition, epoch) in from {
            partitions.insert(topic, partition, epoch);
        }
        partitions
    }
}
