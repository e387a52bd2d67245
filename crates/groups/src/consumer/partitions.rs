//! Partitions of topics that a member has or shall have, each with the epoch in which it came.
//!
//! Not here: names of topics, who may have what. Must hold: a topic without partitions is absent.

use ottla_wire::{MemberEpoch, PartitionIndex, TopicId};

/// Partitions by topic, each with the epoch in which it was assigned; a target has no epochs.
///
/// There are two or three of these for each member of a group that is at rest, most of them with
/// few topics and partitions: sorted lists take a tenth of what trees do.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Partitions {
    topics: Vec<(TopicId, Vec<Assigned>)>,
}

/// A partition and the epoch in which it was assigned.
type Assigned = (PartitionIndex, MemberEpoch);

impl Partitions {
    pub(crate) fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.topics.iter().map(|(_, partitions)| partitions.len()).sum()
    }

    /// Costs most when partitions come in the reverse of their order.
    pub(crate) fn insert(&mut self, topic: TopicId, partition: PartitionIndex, epoch: MemberEpoch) {
        let at = match self.place(topic) {
            Ok(at) => at,
            Err(at) => {
                self.topics.insert(at, (topic, Vec::new()));
                at
            }
        };
        let Some((_, partitions)) = self.topics.get_mut(at) else { return };
        match partitions.binary_search_by_key(&partition, |(partition, _)| *partition) {
            Ok(at) => partitions[at].1 = epoch,
            Err(at) => partitions.insert(at, (partition, epoch)),
        }
    }

    pub(crate) fn contains(&self, topic: TopicId, partition: PartitionIndex) -> bool {
        self.epoch(topic, partition).is_some()
    }

    /// When the partition was assigned; none when it is not in here.
    pub(crate) fn epoch(&self, topic: TopicId, partition: PartitionIndex) -> Option<MemberEpoch> {
        let (_, partitions) = self.topics.get(self.place(topic).ok()?)?;
        let at = partitions.binary_search_by_key(&partition, |(partition, _)| *partition).ok()?;
        partitions.get(at).map(|(_, epoch)| *epoch)
    }

    /// The topics, each with its partitions in order.
    pub(crate) fn topics(&self) -> impl Iterator<Item = (TopicId, &[Assigned])> {
        self.topics.iter().map(|(topic, partitions)| (*topic, partitions.as_slice()))
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
        self.topics.len() == other.topics.len()
            && self.topics.iter().zip(&other.topics).all(|((topic, mine), (other, theirs))| {
                let mut pairs = mine.iter().zip(theirs);
                let same_indexes = pairs.all(|((index, _), (other, _))| index == other);
                topic == other && mine.len() == theirs.len() && same_indexes
            })
    }

    fn place(&self, topic: TopicId) -> Result<usize, usize> {
        self.topics.binary_search_by_key(&topic, |(topic, _)| *topic)
    }
}

impl FromIterator<(TopicId, PartitionIndex, MemberEpoch)> for Partitions {
    fn from_iter<I: IntoIterator<Item = (TopicId, PartitionIndex, MemberEpoch)>>(from: I) -> Self {
        let mut partitions = Partitions::default();
        for (topic, partition, epoch) in from {
            partitions.insert(topic, partition, epoch);
        }
        // What is collected mostly stays.
        partitions.topics.iter_mut().for_each(|(_, partitions)| partitions.shrink_to_fit());
        partitions.topics.shrink_to_fit();
        partitions
    }
}
