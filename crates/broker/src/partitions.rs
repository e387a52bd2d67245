//! The directory of partitions on this broker: by topic id, with the names beside.
//!
//! The metadata image alone decides what is in it. Look-ups take a read lock for a few
//! nanoseconds; the one writer is whoever applies a new image.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use ottla_metrics::{TopicTraffic, Traffic};
use ottla_wire::{ErrorCode, PartitionIndex, TopicId};

use crate::partition::Partition;

/// One topic with those of its partitions that are here.
#[derive(Clone)]
struct Topic {
    name: Arc<str>,
    traffic: Arc<TopicTraffic>,
    partitions: BTreeMap<PartitionIndex, Arc<Partition>>,
    /// Partitions that should be here and whose log cannot be opened.
    offline: BTreeSet<PartitionIndex>,
    /// Partitions that are here and whose log is still being opened after the start.
    loading: BTreeSet<PartitionIndex>,
}

impl Topic {
    fn find(&self, index: PartitionIndex) -> Result<Arc<Partition>, ErrorCode> {
        match self.partitions.get(&index) {
            Some(partition) if partition.is_offline() => Err(ErrorCode::KAFKA_STORAGE_ERROR),
            Some(partition) => Ok(Arc::clone(partition)),
            None if self.loading.contains(&index) => Err(ErrorCode::NOT_LEADER_OR_FOLLOWER),
            None if self.offline.contains(&index) => Err(ErrorCode::KAFKA_STORAGE_ERROR),
            None => Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        }
    }
}

#[derive(Default)]
struct Directory {
    topics: BTreeMap<TopicId, Topic>,
    /// All topics of the cluster, also those without a partition here.
    ids: BTreeMap<Arc<str>, TopicId>,
}

/// All partitions that this broker holds.
pub(crate) struct Partitions {
    directory: RwLock<Directory>,
    /// Counts for all topics.
    traffic: Arc<Traffic>,
}

impl Partitions {
    /// None yet; what is appended to them and read of them counts in `traffic`.
    pub(crate) fn new(traffic: Arc<Traffic>) -> Self {
        Partitions { directory: RwLock::default(), traffic }
    }

    /// The partition, if it is here.
    ///
    /// # Errors
    /// The code that Kafka answers when it is not.
    pub(crate) fn find(
        &self,
        topic: TopicId,
        index: PartitionIndex,
    ) -> Result<Arc<Partition>, ErrorCode> {
        let directory = self.read();
        directory.topics.get(&topic).ok_or(ErrorCode::UNKNOWN_TOPIC_ID)?.find(index)
    }

    /// The partition by its topic's name, if it is here.
    ///
    /// # Errors
    /// The code that Kafka answers when it is not.
    pub(crate) fn find_named(
        &self,
        topic: &str,
        index: PartitionIndex,
    ) -> Result<Arc<Partition>, ErrorCode> {
        let directory = self.read();
        let topic = directory.ids.get(topic).and_then(|id| directory.topics.get(id));
        topic.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?.find(index)
    }

    /// The partition, also one whose log directory has failed.
    pub(crate) fn held(&self, topic: TopicId, index: PartitionIndex) -> Option<Arc<Partition>> {
        self.read().topics.get(&topic)?.partitions.get(&index).cloned()
    }

    /// The id of a topic.
    pub(crate) fn topic_id(&self, name: &str) -> Option<TopicId> {
        self.read().ids.get(name).copied()
    }

    /// The name of a topic.
    pub(crate) fn topic_name(&self, id: TopicId) -> Option<Arc<str>> {
        self.read().topics.get(&id).map(|topic| Arc::clone(&topic.name))
    }

    /// Every partition that is here.
    pub(crate) fn all(&self) -> Vec<Arc<Partition>> {
        let directory = self.read();
        directory.topics.values().flat_map(|topic| topic.partitions.values().cloned()).collect()
    }

    /// How many partitions cannot be opened.
    pub(crate) fn offline_count(&self) -> usize {
        self.read().topics.values().map(|topic| topic.offline.len()).sum()
    }

    /// What a topic's partitions count in.
    pub(crate) fn traffic(&self, id: TopicId) -> Arc<TopicTraffic> {
        match self.read().topics.get(&id) {
            Some(topic) => Arc::clone(&topic.traffic),
            None => self.new_traffic(),
        }
    }

    /// What each topic's partitions count in, of those topics that have any here.
    pub(crate) fn traffics(&self) -> Vec<(Arc<str>, Arc<TopicTraffic>)> {
        let directory = self.read();
        let here = directory.topics.values().filter(|topic| !topic.partitions.is_empty());
        here.map(|topic| (Arc::clone(&topic.name), Arc::clone(&topic.traffic))).collect()
    }

    fn new_traffic(&self) -> Arc<TopicTraffic> {
        Arc::new(TopicTraffic::new(Arc::clone(&self.traffic)))
    }

    /// Makes a topic known.
    pub(crate) fn add_topic(&self, id: TopicId, name: &Arc<str>) {
        let mut directory = self.directory.write().unwrap_or_else(PoisonError::into_inner);
        directory.ids.insert(Arc::clone(name), id);
        let topic = || Topic {
            name: Arc::clone(name),
            traffic: self.new_traffic(),
            partitions: BTreeMap::new(),
            offline: BTreeSet::new(),
            loading: BTreeSet::new(),
        };
        directory.topics.entry(id).or_insert_with(topic);
    }

    /// Adds a partition of a known topic.
    pub(crate) fn add(&self, partition: Arc<Partition>) {
        let mut directory = self.directory.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(topic) = directory.topics.get_mut(&partition.topic_id) {
            topic.offline.remove(&partition.index);
            topic.loading.remove(&partition.index);
            topic.partitions.insert(partition.index, partition);
        }
    }

    /// Notes that the log of a partition of a known topic cannot be opened.
    pub(crate) fn add_offline(&self, id: TopicId, index: PartitionIndex) {
        let mut directory = self.directory.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(topic) = directory.topics.get_mut(&id) {
            topic.loading.remove(&index);
            topic.offline.insert(index);
        }
    }

    /// Notes that the log of a partition of a known topic is still being opened.
    pub(crate) fn add_loading(&self, id: TopicId, index: PartitionIndex) {
        let mut directory = self.directory.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(topic) = directory.topics.get_mut(&id) {
            topic.loading.insert(index);
        }
    }

    /// Whether the log of a partition is still being opened.
    pub(crate) fn is_loading(&self, id: TopicId, index: PartitionIndex) -> bool {
        self.read().topics.get(&id).is_some_and(|topic| topic.loading.contains(&index))
    }

    /// The partitions whose logs are still being opened.
    pub(crate) fn loading(&self) -> Vec<(TopicId, PartitionIndex)> {
        let directory = self.read();
        let each = directory.topics.iter();
        each.flat_map(|(id, topic)| topic.loading.iter().map(|index| (*id, *index))).collect()
    }

    /// Forgets a topic; gives its partitions, which nobody finds any more.
    pub(crate) fn remove_topic(&self, id: TopicId) -> Vec<Arc<Partition>> {
        let mut directory = self.directory.write().unwrap_or_else(PoisonError::into_inner);
        let Some(topic) = directory.topics.remove(&id) else { return Vec::new() };
        // A topic of the same name may have been made anew already.
        if directory.ids.get(&topic.name) == Some(&id) {
            directory.ids.remove(&topic.name);
        }
        topic.partitions.into_values().collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, Directory> {
        self.directory.read().unwrap_or_else(PoisonError::into_inner)
    }
}
