//! Committed offsets of one group: what was committed, when, until when.
//!
//! Not here: whether a commit is allowed (commit.rs), when offsets expire (cleanup.rs). Must hold:
//! an offset of an open transaction is never in here, but in `Pending`.

use std::collections::BTreeMap;

use ottla_wire::messages::OffsetCommitValue;
use ottla_wire::{LeaderEpoch, Offset, PartitionIndex, ProducerId, StrBytes, Timestamp, TopicId};

/// One committed offset.
#[derive(Clone, Debug, PartialEq)]
pub struct CommittedOffset {
    /// The next record that the group wants.
    pub offset: Offset,
    /// The epoch of the last record that it has; -1 when the client did not tell.
    pub leader_epoch: LeaderEpoch,
    /// What the client wants to remember with it.
    pub metadata: StrBytes,
    /// When it was committed.
    pub committed_at: Timestamp,
    /// Set by clients that ask for a retention of their own (OffsetCommit v2 to v4).
    pub expires_at: Option<Timestamp>,
    /// The topic's id at the commit; zero when the record does not tell.
    pub topic_id: TopicId,
    /// Where the record stands: of a pending and a plain commit the later one wins.
    pub written_at: Offset,
}

impl CommittedOffset {
    pub(crate) fn from_value(value: &OffsetCommitValue, written_at: Offset) -> Self {
        CommittedOffset {
            offset: value.offset,
            leader_epoch: value.leader_epoch,
            metadata: StrBytes::copied(&value.metadata),
            committed_at: value.commit_timestamp,
            expires_at: Some(value.expire_timestamp).filter(|at| at.0 != -1),
            topic_id: value.topic_id,
            written_at,
        }
    }
}

/// The committed offsets of one group, by topic name and partition.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Offsets {
    topics: BTreeMap<StrBytes, BTreeMap<PartitionIndex, CommittedOffset>>,
}

impl Offsets {
    pub(crate) fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    pub(crate) fn topics(
        &self,
    ) -> impl Iterator<Item = (&StrBytes, &BTreeMap<PartitionIndex, CommittedOffset>)> {
        self.topics.iter()
    }

    pub(crate) fn topic(&self, topic: &str) -> Option<&BTreeMap<PartitionIndex, CommittedOffset>> {
        self.topics.get(topic)
    }

    pub(crate) fn iter(
        &self,
    ) -> impl Iterator<Item = (&StrBytes, PartitionIndex, &CommittedOffset)> {
        self.topics.iter().flat_map(|(topic, partitions)| {
            partitions.iter().map(move |(partition, committed)| (topic, *partition, committed))
        })
    }

    pub(crate) fn get(&self, topic: &str, partition: PartitionIndex) -> Option<&CommittedOffset> {
        self.topics.get(topic)?.get(&partition)
    }

    /// Puts or removes one offset and gives what stood there.
    pub(crate) fn set(
        &mut self,
        topic: &str,
        partition: PartitionIndex,
        value: Option<CommittedOffset>,
    ) -> Option<CommittedOffset> {
        if let Some(value) = value {
            return match self.topics.get_mut(topic) {
                Some(partitions) => partitions.insert(partition, value),
                None => {
                    self.topics.entry(StrBytes::copied(topic)).or_default().insert(partition, value)
                }
            };
        }
        let partitions = self.topics.get_mut(topic)?;
        let before = partitions.remove(&partition);
        if partitions.is_empty() {
            self.topics.remove(topic);
        }
        before
    }
}

/// Names one committed offset of a coordinator partition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OffsetKey {
    pub(crate) group: StrBytes,
    pub(crate) topic: StrBytes,
    pub(crate) partition: PartitionIndex,
}

impl OffsetKey {
    pub(crate) fn copied(group: &str, topic: &str, partition: PartitionIndex) -> Self {
        OffsetKey { group: StrBytes::copied(group), topic: StrBytes::copied(topic), partition }
    }
}

/// Offsets of open transactions, by producer: visible once the producer's marker says so.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Pending {
    producers: BTreeMap<ProducerId, BTreeMap<OffsetKey, CommittedOffset>>,
}

impl Pending {
    pub(crate) fn contains(&self, key: &OffsetKey) -> bool {
        self.producers.values().any(|offsets| offsets.contains_key(key))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.producers.is_empty()
    }

    /// The keys of one group, of all producers.
    pub(crate) fn of_group(&self, group: &str) -> impl Iterator<Item = &OffsetKey> {
        self.producers
            .values()
            .flat_map(BTreeMap::keys)
            .filter(move |key| key.group.as_bytes() == group.as_bytes())
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &OffsetKey> {
        self.producers.values().flat_map(BTreeMap::keys)
    }

    /// Puts or removes one offset and gives what stood there.
    pub(crate) fn set(
        &mut self,
        producer: ProducerId,
        key: OffsetKey,
        value: Option<CommittedOffset>,
    ) -> Option<CommittedOffset> {
        if let Some(value) = value {
            return self.producers.entry(producer).or_default().insert(key, value);
        }
        let offsets = self.producers.get_mut(&producer)?;
        let before = offsets.remove(&key);
        if offsets.is_empty() {
            self.producers.remove(&producer);
        }
        before
    }

    /// Removes what `key` has pending, whoever wrote it.
    pub(crate) fn remove_key(&mut self, key: &OffsetKey) -> Vec<(ProducerId, CommittedOffset)> {
        let owners: Vec<ProducerId> = self
            .producers
            .iter()
            .filter(|(_, offsets)| offsets.contains_key(key))
            .map(|(producer, _)| *producer)
            .collect();
        let removed = owners.into_iter().filter_map(|producer| {
            let before = self.set(producer, key.clone(), None)?;
            Some((producer, before))
        });
        removed.collect()
    }

    /// Takes out all that one producer has pending.
    pub(crate) fn take(&mut self, producer: ProducerId) -> BTreeMap<OffsetKey, CommittedOffset> {
        self.producers.remove(&producer).unwrap_or_default()
    }

    /// Puts back what [`Pending::take`] gave.
    pub(crate) fn restore(
        &mut self,
        producer: ProducerId,
        offsets: BTreeMap<OffsetKey, CommittedOffset>,
    ) {
        if !offsets.is_empty() {
            self.producers.insert(producer, offsets);
        }
    }
}
