//! The topics of scripts: `t` and `u` with four partitions each, until they are dropped or grow.
//!
//! Each change is one more record of the metadata log, as groups see it.

use std::collections::BTreeMap;

use ottla_wire::{Offset, PartitionIndex, StrBytes, TopicId, Uuid};

use crate::Topics;

/// A topic's id and how many partitions it has.
type Topic = (TopicId, i32);

/// The topics that there are, and how often they have changed.
#[derive(Clone, Debug)]
pub(crate) struct TwoTopics {
    topics: BTreeMap<String, Topic>,
    version: i64,
}

impl Default for TwoTopics {
    fn default() -> Self {
        let topics = [("t", 1), ("u", 2)];
        let topics = topics.map(|(name, id)| (name.to_owned(), (topic_id(id), 4)));
        TwoTopics { topics: BTreeMap::from(topics), version: 1 }
    }
}

impl TwoTopics {
    pub(super) fn remove(&mut self, name: &str) -> TopicId {
        self.version += 1;
        self.topics.remove(name).expect("a topic to drop").0
    }

    /// Makes a topic, or gives one another number of partitions.
    pub(super) fn put(&mut self, name: &str, partitions: i32) {
        self.version += 1;
        let next = topic_id(u128::from(self.version.unsigned_abs()) + 2);
        self.topics.entry(name.to_owned()).or_insert((next, 0)).1 = partitions;
    }

    pub(super) fn names(&self) -> BTreeMap<TopicId, &str> {
        self.topics.iter().map(|(name, (id, _))| (*id, name.as_str())).collect()
    }
}

fn topic_id(id: u128) -> TopicId {
    TopicId(Uuid::from_u128(id))
}

impl Topics for TwoTopics {
    fn id(&self, name: &str) -> Option<TopicId> {
        self.topics.get(name).map(|(id, _)| *id)
    }

    fn name(&self, id: TopicId) -> Option<StrBytes> {
        self.names().get(&id).map(|name| StrBytes::copied(name))
    }

    fn has_partition(&self, name: &str, partition: PartitionIndex) -> bool {
        self.topics.get(name).is_some_and(|(_, count)| (0..*count).contains(&partition.0))
    }

    fn partition_count(&self, id: TopicId) -> i32 {
        self.topics.values().find(|(known, _)| *known == id).map_or(0, |(_, count)| *count)
    }

    fn racks(&self, _: TopicId, _: PartitionIndex) -> Vec<StrBytes> {
        Vec::new()
    }

    fn each_name(&self, show: &mut dyn FnMut(&str)) {
        self.topics.keys().for_each(|name| show(name));
    }

    fn version(&self) -> Offset {
        Offset(self.version)
    }
}
