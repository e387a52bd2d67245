//! Markers on their way to the leaders of their partitions: one WriteTxnMarkers for each leader.
//!
//! Kafka's TransactionMarkerChannelManager. Not here: how a leader is reached ([`Peers`]), what an
//! answer means for the transaction and when to try again (transactions, marking.rs). Must hold: a
//! partition that is gone is not waited for; a leader that does not answer holds nobody up for
//! longer than its time, and says nothing about its partitions, which are asked for again wherever
//! they are led by then.

use std::collections::{BTreeMap, BTreeSet};
use std::task::Poll;
use std::time::Duration;

use ottla_env::Env;
use ottla_transactions::{Marked, Markers, TopicPartition};
use ottla_wire::messages::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use ottla_wire::messages::{WriteTxnMarkersRequest, WriteTxnMarkersResponse};
use ottla_wire::{BrokerId, ErrorCode, LeaderEpoch, PartitionIndex, StrBytes};

use crate::hosted::MarkerResults;
use crate::log::BoxFuture;

/// Where a marker is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leader {
    /// By this broker.
    At(BrokerId),
    /// By nobody at present, or the cluster is not known yet.
    Nobody,
    /// Nowhere: the cluster has no such partition any more.
    Gone,
}

/// The brokers of the cluster as the coordinator of transactions sees them.
pub trait Peers: Send + Sync + 'static {
    /// Who leads a partition, as far as this broker's metadata says.
    fn leader(&self, partition: &TopicPartition) -> Leader;

    /// Sends markers to a broker; none when it cannot be reached or does not answer, whatever it
    /// has written.
    fn write_markers(
        &self,
        to: BrokerId,
        request: WriteTxnMarkersRequest,
    ) -> BoxFuture<'static, Option<WriteTxnMarkersResponse>>;
}

/// Brings markers to the leaders of their partitions, to all at once, and gives what they answer.
/// What is missing in the result has not been answered.
///
/// The brokers are asked before this returns, so that those who answer at once have when the future
/// is first polled.
pub fn deliver(
    env: &Env,
    peers: &dyn Peers,
    epoch: LeaderEpoch,
    markers: &Markers,
) -> BoxFuture<'static, MarkerResults> {
    let mut results = MarkerResults::new();
    let mut by_leader: BTreeMap<BrokerId, BTreeSet<TopicPartition>> = BTreeMap::new();
    for partition in &markers.partitions {
        match peers.leader(partition) {
            Leader::At(leader) => {
                by_leader.entry(leader).or_default().insert(partition.clone());
            }
            Leader::Nobody => {
                let nobody = Marked::Answered(ErrorCode::LEADER_NOT_AVAILABLE);
                results.push((partition.clone(), nobody));
            }
            Leader::Gone => results.push((partition.clone(), Marked::Gone)),
        }
    }
    let ask = |(leader, asked): (BrokerId, BTreeSet<TopicPartition>)| {
        let answer = peers.write_markers(leader, request(epoch, markers, &asked));
        let env = env.clone();
        Box::pin(async move {
            match env.timeout(LEADER_PATIENCE, answer).await {
                Ok(Some(response)) => answered(response, &asked),
                Ok(None) | Err(_) => MarkerResults::new(),
            }
        }) as BoxFuture<'static, MarkerResults>
    };
    let asked = by_leader.into_iter().map(ask).collect();
    Box::pin(async move {
        results.extend(all(asked).await.into_iter().flatten());
        results
    })
}

/// Waits for all of them, in whatever order they end.
async fn all<T: Unpin>(mut pending: Vec<BoxFuture<'static, T>>) -> Vec<T> {
    let mut done = Vec::new();
    std::future::poll_fn(move |context| {
        pending.retain_mut(|one| match one.as_mut().poll(context) {
            Poll::Ready(value) => {
                done.push(value);
                false
            }
            Poll::Pending => true,
        });
        match pending.is_empty() {
            true => Poll::Ready(std::mem::take(&mut done)),
            false => Poll::Pending,
        }
    })
    .await
}

fn request(
    epoch: LeaderEpoch,
    markers: &Markers,
    partitions: &BTreeSet<TopicPartition>,
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

/// What is said of the partitions that were asked for; a broker speaks for no others.
fn answered(response: WriteTxnMarkersResponse, asked: &BTreeSet<TopicPartition>) -> MarkerResults {
    let topics = response.markers.into_iter().flat_map(|marker| marker.topics);
    let results = topics.flat_map(|topic| {
        let name = topic.name;
        topic.partitions.into_iter().map(move |one| {
            let partition = TopicPartition { topic: name.clone(), partition: one.partition_index };
            (partition, Marked::Answered(one.error_code))
        })
    });
    results.filter(|(partition, _)| asked.contains(partition)).collect()
}

/// How long a leader may take: longer than it waits for its replicas.
const LEADER_PATIENCE: Duration = Duration::from_secs(40);

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use ottla_sim::World;
    use ottla_wire::messages::write_txn_markers_response::{
        WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
    };
    use ottla_wire::{ProducerEpoch, ProducerId};

    use super::*;

    fn partition(text: &str) -> TopicPartition {
        let (topic, partition) = text.split_once('-').expect("topic-partition");
        let partition = PartitionIndex(partition.parse().expect("a number"));
        TopicPartition { topic: StrBytes::copied(topic), partition }
    }

    /// Partitions of `a` are led by broker 1, those of `b` by broker 2, which says more than it was
    /// asked for, those of `c` by broker 3, which is silent, those of `d` by nobody.
    #[derive(Default)]
    struct Three {
        asked: Arc<Mutex<Vec<String>>>,
    }

    impl Peers for Three {
        fn leader(&self, partition: &TopicPartition) -> Leader {
            match &*partition.topic {
                "a" => Leader::At(BrokerId(1)),
                "b" => Leader::At(BrokerId(2)),
                "c" => Leader::At(BrokerId(3)),
                "d" => Leader::Nobody,
                _ => Leader::Gone,
            }
        }

        fn write_markers(
            &self,
            to: BrokerId,
            request: WriteTxnMarkersRequest,
        ) -> BoxFuture<'static, Option<WriteTxnMarkersResponse>> {
            let marker = &request.markers[0];
            let topics = marker.topics.iter().map(|topic| {
                let ids = topic.partition_indexes.iter().map(ToString::to_string);
                format!("{}-{}", topic.name, ids.collect::<Vec<_>>().join("+"))
            });
            let topics = topics.collect::<Vec<_>>().join(" ");
            let said = format!("{to}: {topics} by {}", marker.coordinator_epoch);
            self.asked.lock().expect("no panic").push(said);
            if to == BrokerId(3) {
                return Box::pin(std::future::pending());
            }
            let result = |topic: &'static str, index: i32| WritableTxnMarkerTopicResult {
                name: topic.into(),
                partitions: vec![WritableTxnMarkerPartitionResult {
                    partition_index: PartitionIndex(index),
                    ..Default::default()
                }],
                ..Default::default()
            };
            let topics = match to {
                BrokerId(1) => vec![result("a", 0), result("a", 4)],
                _ => vec![result("b", 1), result("c", 0), result("b", 7)],
            };
            let marker = WritableTxnMarkerResult { topics, ..Default::default() };
            let markers = vec![marker];
            let response = WriteTxnMarkersResponse { markers, ..Default::default() };
            Box::pin(std::future::ready(Some(response)))
        }
    }

    #[test]
    fn each_leader_is_asked_once_and_speaks_for_its_own_partitions() {
        let told = World::new(1).run(async |world: World| {
            let peers = Three::default();
            let names = ["a-0", "a-4", "b-1", "c-0", "d-0", "e-0"];
            let markers = Markers {
                id: "tx".into(),
                producer_id: ProducerId(7),
                producer_epoch: ProducerEpoch(1),
                committed: true,
                transaction_version: 2,
                partitions: names.into_iter().map(partition).collect(),
            };
            let delivered = deliver(&world.node(1), &peers, LeaderEpoch(5), &markers);
            let asked = peers.asked.lock().expect("no panic").clone();
            assert_eq!(asked, ["1: a-0+4 by 5", "2: b-1 by 5", "3: c-0 by 5"]);
            let before = world.now();
            let results = delivered.await;
            assert!(world.now() - before >= LEADER_PATIENCE, "the silent one had its time");
            results
        });
        let none = Marked::Answered(ErrorCode::NONE);
        let expected = [
            (partition("d-0"), Marked::Answered(ErrorCode::LEADER_NOT_AVAILABLE)),
            (partition("e-0"), Marked::Gone),
            (partition("a-0"), none),
            (partition("a-4"), none),
            (partition("b-1"), none),
        ];
        assert_eq!(told, expected);
    }
}
