//! What the cluster says of replicas: on which brokers, in which log directories, and which of
//! them are being reassigned.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ottla_client::{Client, ClientError, TopicPartition};
use ottla_wire::messages::describe_log_dirs_request::DescribableLogDirTopic;
use ottla_wire::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use ottla_wire::messages::{DescribeLogDirsRequest, ListPartitionReassignmentsRequest};
use ottla_wire::{ApiKey, BrokerId, ErrorCode, PartitionIndex, StrBytes};

use super::joined;
use super::plan::{Directories, Placed};
use crate::client_options::{exception, refused};
use crate::failure::Failure;

/// One replica of a partition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Replica {
    pub(super) partition: TopicPartition,
    pub(super) broker: BrokerId,
}

impl fmt::Display for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.partition, self.broker)
    }
}

/// A partition that is being reassigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// All replicas, those on their way in either direction too.
    pub(super) replicas: Vec<BrokerId>,
    pub(super) adding: Vec<BrokerId>,
    pub(super) removing: Vec<BrokerId>,
}

impl Change {
    /// How it is listed.
    pub(super) fn line(&self, partition: &TopicPartition) -> String {
        let part = |word: &str, brokers: &[BrokerId]| match brokers {
            [] => String::new(),
            brokers => format!(" {word}: {}.", joined(brokers)),
        };
        format!(
            "{partition}: replicas: {}.{}{}",
            joined(&self.replicas),
            part("adding", &self.adding),
            part("removing", &self.removing)
        )
    }
}

/// For how long the controller may take to answer.
const TIMEOUT_MS: i32 = 60_000;

/// What is being reassigned: everything, or of these partitions.
pub(super) async fn reassignments(
    client: &Client,
    only: Option<&Placed>,
) -> Result<BTreeMap<TopicPartition, Change>, Failure> {
    let topics = only.map(|placed| {
        let topics = by_topic(placed.keys()).into_iter();
        let topics = topics.map(|(name, partition_indexes)| ListPartitionReassignmentsTopics {
            name,
            partition_indexes,
            ..Default::default()
        });
        topics.collect()
    });
    let request =
        ListPartitionReassignmentsRequest { timeout_ms: TIMEOUT_MS, topics, ..Default::default() };
    let response = client.call_controller(&request).await?;
    refused(response.error_code, response.error_message.as_ref())?;
    let moving = response.topics.into_iter().flat_map(|topic| {
        let name = topic.name;
        topic.partitions.into_iter().map(move |one| {
            let partition = TopicPartition { topic: name.clone(), partition: one.partition_index };
            let change = Change {
                replicas: one.replicas,
                adding: one.adding_replicas,
                removing: one.removing_replicas,
            };
            (partition, change)
        })
    });
    Ok(moving.collect())
}

/// Where all partitions of these topics have their replicas; topics that do not exist are left
/// out.
pub(super) async fn of_topics(
    client: &Client,
    topics: &BTreeSet<StrBytes>,
) -> Result<Placed, Failure> {
    if topics.is_empty() {
        return Ok(Placed::new());
    }
    let names: Vec<StrBytes> = topics.iter().cloned().collect();
    let (cluster, failed) = client.refresh_topics(&names, false).await?;
    for (name, code) in failed {
        if code != ErrorCode::UNKNOWN_TOPIC_OR_PARTITION {
            let error = ClientError::refused(ApiKey::Metadata, name.to_string(), code, None);
            return Err(Failure::said(exception(&error)));
        }
    }
    let found = names.iter().filter_map(|name| cluster.topic(name));
    let placed = found.flat_map(|topic| {
        topic.partitions.values().map(|partition| {
            let name = TopicPartition { topic: topic.name.clone(), partition: partition.index };
            (name, partition.replicas.clone())
        })
    });
    Ok(placed.collect())
}

/// Where these partitions have their replicas.
///
/// # Errors
/// One of them does not exist.
pub(super) async fn of_partitions(client: &Client, wanted: &Placed) -> Result<Placed, Failure> {
    let topics = wanted.keys().map(|partition| partition.topic.clone()).collect();
    let mut there = of_topics(client, &topics).await?;
    there.retain(|partition, _| wanted.contains_key(partition));
    match wanted.keys().find(|partition| !there.contains_key(partition)) {
        None => Ok(there),
        Some(missing) => {
            let cluster = client.cluster();
            Err(match cluster.topic(&missing.topic) {
                None => unknown(format!("Topic {} not found.", missing.topic)),
                Some(_) => unknown(format!("Unable to find partition: {missing}")),
            })
        }
    }
}

/// That something does not exist, as Apache Kafka's tool says it.
pub(super) fn unknown(what: String) -> Failure {
    Failure::said(format!(
        "org.apache.kafka.common.errors.UnknownTopicOrPartitionException: {what}"
    ))
}

/// The directories of a replica.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Located {
    /// Where it serves.
    pub(super) current: Option<String>,
    /// Where it is on its way to.
    pub(super) future: Option<String>,
}

/// In which directories replicas are; those on brokers that are not there are left out.
pub(super) async fn located(
    client: &Client,
    replicas: impl Iterator<Item = Replica>,
) -> Result<BTreeMap<Replica, Located>, Failure> {
    let mut by_broker: BTreeMap<BrokerId, BTreeSet<TopicPartition>> = BTreeMap::new();
    let brokers = client.cluster();
    for replica in replicas.filter(|replica| brokers.brokers.contains_key(&replica.broker)) {
        by_broker.entry(replica.broker).or_default().insert(replica.partition);
    }
    let mut found = BTreeMap::new();
    for (broker, partitions) in by_broker {
        let topics = by_topic(partitions.iter()).into_iter();
        let topics = topics.map(|(topic, partitions)| DescribableLogDirTopic {
            topic,
            partitions,
            ..Default::default()
        });
        let request =
            DescribeLogDirsRequest { topics: Some(topics.collect()), ..Default::default() };
        let response = client.call_broker(broker, &request).await?;
        refused(response.error_code, None)?;
        found.extend(
            partitions
                .into_iter()
                .map(|partition| (Replica { partition, broker }, Located::default())),
        );
        for dir in response.results.iter().filter(|dir| dir.error_code.is_none()) {
            for topic in &dir.topics {
                for one in &topic.partitions {
                    let partition = TopicPartition {
                        topic: topic.name.clone(),
                        partition: one.partition_index,
                    };
                    let Some(replica) = found.get_mut(&Replica { partition, broker }) else {
                        continue;
                    };
                    let place = Some(dir.log_dir.to_string());
                    match one.is_future_key {
                        true => replica.future = place,
                        false => replica.current = place,
                    }
                }
            }
        }
    }
    Ok(found)
}

/// The directories in which these replicas serve.
pub(super) async fn directories(client: &Client, placed: &Placed) -> Result<Directories, Failure> {
    let replicas = placed.iter().flat_map(|(partition, brokers)| {
        let replica = |broker: &BrokerId| Replica { partition: partition.clone(), broker: *broker };
        brokers.iter().map(replica).collect::<Vec<_>>()
    });
    let found = located(client, replicas).await?;
    let known = found.into_iter();
    Ok(known.filter_map(|(replica, at)| Some((replica, at.current?))).collect())
}

/// Partitions as most requests want them.
pub(super) fn by_topic<'a>(
    partitions: impl Iterator<Item = &'a TopicPartition>,
) -> BTreeMap<StrBytes, Vec<PartitionIndex>> {
    let mut topics: BTreeMap<StrBytes, Vec<PartitionIndex>> = BTreeMap::new();
    for one in partitions {
        topics.entry(one.topic.clone()).or_default().push(one.partition);
    }
    topics
}
