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

fn sorted(image: &Image, me: BrokerId, markers: &Markers) -> Sorted {
    let mut sorted = Sorted { results: Vec::new(), here: Vec::new() };
    for partition in &markers.partitions {
        let topic = image.topic_by_name(&partition.topic);
        let known = topic.and_then(|topic| topic.partitions.get(&partition.partition));
        match known {
            None => sorted.results.push((partition.clone(), Marked::Gone)),
            Some(known) if known.leader == Some(me) => sorted.here.push(partition.clone()),
            Some(_) => {
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
