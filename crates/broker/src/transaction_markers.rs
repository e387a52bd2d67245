//! What the coordinator of transactions needs of its broker: markers brought to the leaders of
//! partitions in Kafka's own message, and producer ids.
//!
//! Must hold: a marker for a partition that the cluster no longer has is not waited for; one whose
//! leader cannot be reached is.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use ottla_coordination::{BoxFuture, MarkerResults, TransactionWorld};
use ottla_metadata::Image;
use ottla_net::Channel;
use ottla_transactions::{Marked, Markers, TopicPartition};
use ottla_wire::messages::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use ottla_wire::messages::{WriteTxnMarkersRequest, WriteTxnMarkersResponse};
use ottla_wire::{BrokerId, ErrorCode, LeaderEpoch, PartitionIndex, ProducerId, StrBytes};

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
        let image = rooms.image.borrow().clone();
        let Sorted { mut results, here } = sorted(&image, rooms.broker_id, markers);
        let request = request(epoch, markers, &here);
        Box::pin(async move {
            if !here.is_empty() {
                let me = rooms.broker_id.to_string();
                let channel = Channel::pipe(Arc::new(BrokerService(Arc::clone(&rooms))), &me);
                match channel.send(&request, WRITE_MARKERS_VERSION).await {
                    Ok(response) => results.extend(answered(response)),
                    Err(error) => tracing::warn!(%error, "writing transaction markers failed"),
                }
            }
            results
        })
    }

    fn producer_id(&self) -> BoxFuture<'static, Result<ProducerId, ErrorCode>> {
        let Some(rooms) = self.0.upgrade() else { return Box::pin(std::future::pending()) };
        Box::pin(async move { rooms.next_producer_id().await })
    }
}

/// Markers by what is to be done with them.
struct Sorted {
    /// What is known without asking a leader.
    results: MarkerResults,
    /// Those that this broker leads.
    here: Vec<TopicPartition>,
}

/// A partition is gone when an image lacks it that knows the coordinator's own topic. While a node
/// starts there is none yet: without this, markers would be held for written that never were.
fn sorted(image: &Image, me: BrokerId, markers: &Markers) -> Sorted {
    let mut sorted = Sorted { results: Vec::new(), here: Vec::new() };
    let is_known = image.topic_by_name(topics::TRANSACTION_STATE).is_some();
    for partition in &markers.partitions {
        let topic = image.topic_by_name(&partition.topic);
        let known = topic.and_then(|topic| topic.partitions.get(&partition.partition));
        match known {
            None if is_known => sorted.results.push((partition.clone(), Marked::Gone)),
            Some(known) if known.leader == Some(me) => sorted.here.push(partition.clone()),
            None | Some(_) => {
                let elsewhere = Marked::Answered(ErrorCode::NOT_LEADER_OR_FOLLOWER);
                sorted.results.push((partition.clone(), elsewhere));
            }
        }
    }
    sorted
}

fn request(
    epoch: LeaderEpoch,
    markers: &Markers,
    partitions: &[TopicPartition],
) -> WriteTxnMarkersRequest {
    let mut by_topic: BTreeMap<&StrBytes, Vec<PartitionIndex>> = BTreeMap::new();
    for partition in partitions {
        by_topic.entry(&partition.topic).or_default().push(partition.partition);
    }
    let topics = by_topic.into_iter().map(|(name, partition_indexes)| WritableTxnMarkerTopic {
        name: name.clone(),
        partition_indexes,
        ..Default::default()
    });
    let marker = WritableTxnMarker {
        producer_id: markers.producer_id,
        producer_epoch: markers.producer_epoch,
        transaction_result: markers.committed,
        topics: topics.collect(),
        coordinator_epoch: epoch.0,
        transaction_version: i8::try_from(markers.transaction_version).unwrap_or(i8::MAX),
        ..Default::default()
    };
    WriteTxnMarkersRequest { markers: vec![marker], ..Default::default() }
}

fn answered(response: WriteTxnMarkersResponse) -> impl Iterator<Item = (TopicPartition, Marked)> {
    let topics = response.markers.into_iter().flat_map(|marker| marker.topics);
    topics.flat_map(|topic| {
        let name = topic.name;
        topic.partitions.into_iter().map(move |partition| {
            let (topic, index) = (name.clone(), partition.partition_index);
            let partition_named = TopicPartition { topic, partition: index };
            (partition_named, Marked::Answered(partition.error_code))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_metadata::MetadataRecord;
    use ottla_wire::messages::{PartitionRecord, TopicRecord};
    use ottla_wire::{Offset, ProducerEpoch, TopicId, Uuid};

    const ME: BrokerId = BrokerId(1);

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

    fn told(image: &Image, names: &[&'static str]) -> String {
        let partition =
            |name: &&'static str| TopicPartition { topic: (*name).into(), partition: 0.into() };
        let markers = Markers {
            id: "tx".into(),
            producer_id: ProducerId(7),
            producer_epoch: ProducerEpoch(0),
            committed: true,
            transaction_version: 2,
            partitions: names.iter().map(partition).collect(),
        };
        let Sorted { results, here } = sorted(image, ME, &markers);
        let results = results.iter().map(|(partition, result)| format!("{partition} {result:?}"));
        let here = here.iter().map(|partition| format!("{partition} here"));
        results.chain(here).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn a_deleted_partition_is_gone_and_one_led_elsewhere_is_asked_again() {
        let image = image(&[(topics::TRANSACTION_STATE, 1), ("t", 1), ("u", 2)]);
        let elsewhere = Marked::Answered(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        let expected = format!("u-0 {elsewhere:?}, v-0 Gone, t-0 here");
        assert_eq!(told(&image, &["t", "u", "v"]), expected);
    }

    #[test]
    fn while_the_cluster_is_not_known_nothing_is_gone() {
        let elsewhere = Marked::Answered(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        assert_eq!(told(&Image::default(), &["t"]), format!("t-0 {elsewhere:?}"));
    }
}
