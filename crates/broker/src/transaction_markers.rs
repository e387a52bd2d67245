//! What the coordinator of transactions needs of its broker: markers brought to the leaders of
//! partitions in Kafka's own message, and producer ids.
//!
//! Not here: who is asked for which markers, and what silence means (coordination, markers.rs).
//! Must hold: a partition is gone only when the cluster is known and lacks it.
//!
//! Not served: markers to other brokers. There is no way to one: what another leads is asked for
//! again until it is led here, or gone.

use std::sync::{Arc, Weak};

use ottla_coordination::{BoxFuture, Leader, MarkerResults, Peers, TransactionWorld, deliver};
use ottla_metadata::Image;
use ottla_net::Channel;
use ottla_transactions::{Markers, TopicPartition};
use ottla_wire::messages::{WriteTxnMarkersRequest, WriteTxnMarkersResponse};
use ottla_wire::{BrokerId, ErrorCode, LeaderEpoch, ProducerId};

use crate::context::Rooms;
use crate::service::BrokerService;
use crate::topics;

const WRITE_MARKERS_VERSION: i16 = 2;

/// The broker as the coordinator of transactions sees it.
pub(crate) struct Surroundings(pub(crate) Weak<Rooms>);

impl TransactionWorld for Surroundings {
    fn write_markers(
        &self,
        epoch: LeaderEpoch,
        markers: &Markers,
    ) -> BoxFuture<'static, MarkerResults> {
        let Some(rooms) = self.0.upgrade() else { return Box::pin(std::future::pending()) };
        let env = rooms.env.clone();
        let image = rooms.image.borrow().clone();
        deliver(&env, &Cluster { rooms, image }, epoch, markers)
    }

    fn producer_id(&self) -> BoxFuture<'static, Result<ProducerId, ErrorCode>> {
        let Some(rooms) = self.0.upgrade() else { return Box::pin(std::future::pending()) };
        Box::pin(async move { rooms.next_producer_id().await })
    }
}

/// The brokers by what this one knows of them.
struct Cluster {
    rooms: Arc<Rooms>,
    image: Arc<Image>,
}

impl Peers for Cluster {
    fn leader(&self, partition: &TopicPartition) -> Leader {
        leader(&self.image, partition)
    }

    fn write_markers(
        &self,
        to: BrokerId,
        request: WriteTxnMarkersRequest,
    ) -> BoxFuture<'static, Option<WriteTxnMarkersResponse>> {
        if to != self.rooms.broker_id {
            return Box::pin(std::future::ready(None));
        }
        let me = to.to_string();
        let channel = Channel::pipe(Arc::new(BrokerService(Arc::clone(&self.rooms))), &me);
        Box::pin(async move {
            let sent = channel.send(&request, WRITE_MARKERS_VERSION).await;
            sent.inspect_err(|error| tracing::warn!(%error, "writing transaction markers failed"))
                .ok()
        })
    }
}

/// A partition is gone when an image lacks it that knows the coordinator's own topic. While a node
/// starts there is none yet: without this, markers would be held for written that never were.
fn leader(image: &Image, partition: &TopicPartition) -> Leader {
    let topic = image.topic_by_name(&partition.topic);
    match topic.and_then(|topic| topic.partitions.get(&partition.partition)) {
        Some(known) => known.leader.map_or(Leader::Nobody, Leader::At),
        None if image.topic_by_name(topics::TRANSACTION_STATE).is_some() => Leader::Gone,
        None => Leader::Nobody,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_metadata::MetadataRecord;
    use ottla_wire::messages::{PartitionRecord, TopicRecord};
    use ottla_wire::{Offset, PartitionIndex, TopicId, Uuid};

    /// An image of topics that have one partition each, with these leaders.
    fn image(topics: &[(&'static str, i32)]) -> Image {
        let mut image = Image::default();
        for (at, (name, leader)) in (1_u8..).zip(topics) {
            let topic_id = TopicId(Uuid([at; 16]));
            let topic = TopicRecord { name: (*name).into(), topic_id, ..Default::default() };
            let leader = BrokerId(*leader);
            let replicas = vec![leader];
            let partition_id = PartitionIndex(0);
            let partition =
                PartitionRecord { partition_id, topic_id, replicas, leader, ..Default::default() };
            let records = [MetadataRecord::Topic(topic), MetadataRecord::Partition(partition)];
            for record in &records {
                image.apply(Offset(0), record);
            }
        }
        image
    }

    fn told(image: &Image, names: &[&'static str]) -> Vec<Leader> {
        let partition =
            |name: &&'static str| TopicPartition { topic: (*name).into(), partition: 0.into() };
        names.iter().map(|name| leader(image, &partition(name))).collect()
    }

    #[test]
    fn a_deleted_partition_is_gone_and_others_are_where_they_are_led() {
        let image = image(&[(topics::TRANSACTION_STATE, 1), ("t", 1), ("u", 2)]);
        let expected = [Leader::At(BrokerId(1)), Leader::At(BrokerId(2)), Leader::Gone];
        assert_eq!(told(&image, &["t", "u", "v"]), expected);
    }

    #[test]
    fn while_the_cluster_is_not_known_nothing_is_gone() {
        assert_eq!(told(&Image::default(), &["t"]), [Leader::Nobody]);
    }
}
