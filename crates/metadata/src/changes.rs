//! What differs between two images: what a broker has to act on.
//!
//! Parts that two images share are skipped without a look, so the cost follows the change, not
//! the cluster.

use std::collections::BTreeSet;

use ottla_wire::{BrokerId, PartitionIndex, TopicId};

use crate::configs::ConfigResource;
use crate::image::Image;
use crate::sorted::SortedMap;

/// A topic that is in both images and differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicChange {
    /// Which one.
    pub id: TopicId,
    /// Its partitions that are new or changed.
    pub partitions: Vec<PartitionIndex>,
}

/// The difference between two images, each list sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Feature levels differ.
    pub features: bool,
    /// Brokers that are new, changed or gone.
    pub brokers: Vec<BrokerId>,
    /// Controllers that are new, changed or gone.
    pub controllers: Vec<BrokerId>,
    /// Topics that are new.
    pub topics_created: Vec<TopicId>,
    /// Topics that are gone; a topic made again under its name has another id and is in both.
    pub topics_deleted: Vec<TopicId>,
    /// Topics with new or changed partitions.
    pub topics_changed: Vec<TopicChange>,
    /// Resources whose configs differ.
    pub configs: Vec<ConfigResource>,
    /// Quotas, ACLs, credentials or tokens differ.
    pub security: bool,
    /// The next producer id differs.
    pub producer_ids: bool,
}

impl Changes {
    /// Whether the images say the same.
    pub fn is_empty(&self) -> bool {
        *self == Changes::default()
    }

    pub(crate) fn between(old: &Image, new: &Image) -> Self {
        let mut changes = Changes {
            features: new.features() != old.features(),
            brokers: new.broker_map().changed_since(old.broker_map()),
            controllers: new.controller_map().changed_since(old.controller_map()),
            configs: new.all_configs().changed_since(old.all_configs()),
            security: new.security() != old.security(),
            producer_ids: new.next_producer_id() != old.next_producer_id(),
            ..Changes::default()
        };
        for id in new.topics().by_id().changed_since(old.topics().by_id()) {
            match (old.topic(id), new.topic(id)) {
                (Some(before), Some(after)) => {
                    let partitions = after.partitions.changed_since(&before.partitions);
                    changes.topics_changed.push(TopicChange { id, partitions });
                }
                (None, _) => changes.topics_created.push(id),
                (Some(_), None) => changes.topics_deleted.push(id),
            }
        }
        changes
    }

    /// Every partition of `new` that is new or changed, whole topics included.
    pub fn partitions<'a>(
        &'a self,
        new: &'a Image,
    ) -> impl Iterator<Item = (TopicId, PartitionIndex)> + 'a {
        let created = self.topics_created.iter().flat_map(|id| {
            let partitions = new.topic(*id).map(|topic| &topic.partitions);
            let keys: BTreeSet<PartitionIndex> =
                partitions.into_iter().flat_map(SortedMap::keys).copied().collect();
            keys.into_iter().map(|index| (*id, index))
        });
        let changed = self.topics_changed.iter();
        created.chain(
            changed.flat_map(|change| change.partitions.iter().map(|index| (change.id, *index))),
        )
    }
}
