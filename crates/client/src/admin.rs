//! What administrators ask: topics, configs and the cluster here; groups and offsets beside.
//!
//! Thin: each function is one API (or the same API at several brokers), retried where the
//! protocol says that trying again is safe. Answers are the protocol's own structs; a refusal of
//! one item is that item's result. Serves brokers from Apache Kafka 3.0 on.

mod groups;
mod offsets;
mod transactions;

use std::collections::BTreeMap;

use ottla_wire::messages::create_partitions_request::CreatePartitionsTopic;
use ottla_wire::messages::create_topics_request::CreatableTopic;
use ottla_wire::messages::create_topics_response::CreatableTopicResult;
use ottla_wire::messages::delete_topics_request::DeleteTopicState;
use ottla_wire::messages::describe_configs_request::DescribeConfigsResource;
use ottla_wire::messages::describe_configs_response::DescribeConfigsResult;
use ottla_wire::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use ottla_wire::messages::describe_topic_partitions_response::{
    DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use ottla_wire::messages::incremental_alter_configs_request::AlterConfigsResource;
use ottla_wire::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, DescribeClusterRequest,
    DescribeClusterResponse, DescribeConfigsRequest, DescribeTopicPartitionsRequest,
    IncrementalAlterConfigsRequest,
};
use ottla_wire::{ApiKey, BrokerId, ErrorCode, Request, StrBytes};

pub(crate) use self::transactions::INIT_WITHOUT_PREPARED;
use crate::client::Client;
use crate::core::cluster::{Cluster, Topic};
use crate::error::ClientError;

pub use groups::PerPartition;
pub use offsets::{EARLIEST, EARLIEST_LOCAL, LATEST, LATEST_TIERED, MAX_TIMESTAMP};

/// The type of a resource in the APIs of configs.
pub mod resource_type {
    /// A topic.
    pub const TOPIC: i8 = 2;
    /// A broker, or with an empty name all of them.
    pub const BROKER: i8 = 4;
    /// The loggers of a broker.
    pub const BROKER_LOGGER: i8 = 8;
    /// Client metrics.
    pub const CLIENT_METRICS: i8 = 16;
    /// A group.
    pub const GROUP: i8 = 32;
}

/// One item of an answer: what came of it, by its name.
pub type PerName<T = ()> = Vec<(StrBytes, Result<T, ClientError>)>;

/// The administrator's calls. Cheap to make and to clone.
#[derive(Clone, Debug)]
pub struct Admin {
    client: Client,
}

impl Client {
    /// The administrator's calls over this client.
    pub fn admin(&self) -> Admin {
        Admin { client: self.clone() }
    }
}

impl Admin {
    /// Creates topics, or only says whether they could be.
    ///
    /// # Errors
    /// Those of the call; refusals are in the results.
    pub async fn create_topics(
        &self,
        topics: Vec<CreatableTopic>,
        validate_only: bool,
    ) -> Result<PerName<CreatableTopicResult>, ClientError> {
        let request = CreateTopicsRequest {
            topics,
            timeout_ms: self.timeout_ms(),
            validate_only,
            ..Default::default()
        };
        let response = self.client.call_controller(&request).await?;
        let results = response.topics.into_iter().map(|topic| {
            let name = topic.name.clone();
            let message = topic.error_message.clone();
            (name.clone(), judged(ApiKey::CreateTopics, &name, topic.error_code, message, topic))
        });
        Ok(results.collect())
    }

    /// Deletes topics.
    ///
    /// # Errors
    /// Those of the call; refusals are in the results.
    pub async fn delete_topics(&self, names: &[StrBytes]) -> Result<PerName, ClientError> {
        let topics = names
            .iter()
            .map(|name| DeleteTopicState { name: Some(name.clone()), ..Default::default() })
            .collect();
        let request =
            DeleteTopicsRequest { topics, timeout_ms: self.timeout_ms(), ..Default::default() };
        let response = self.client.call_controller(&request).await?;
        let results = response.responses.into_iter().map(|topic| {
            let name = topic.name.unwrap_or_default();
            let message = topic.error_message;
            (name.clone(), judged(ApiKey::DeleteTopics, &name, topic.error_code, message, ()))
        });
        Ok(results.collect())
    }

    /// Raises the number of partitions of topics to the count of each.
    ///
    /// # Errors
    /// Those of the call; refusals are in the results.
    pub async fn create_partitions(
        &self,
        topics: Vec<CreatePartitionsTopic>,
        validate_only: bool,
    ) -> Result<PerName, ClientError> {
        let request = CreatePartitionsRequest {
            topics,
            timeout_ms: self.timeout_ms(),
            validate_only,
            ..Default::default()
        };
        let response = self.client.call_controller(&request).await?;
        let results = response.results.into_iter().map(|topic| {
            let message = topic.error_message;
            let result =
                judged(ApiKey::CreatePartitions, &topic.name, topic.error_code, message, ());
            (topic.name, result)
        });
        Ok(results.collect())
    }

    /// The topics that there are, internal ones too.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn topics(&self) -> Result<BTreeMap<StrBytes, Topic>, ClientError> {
        Ok(self.client.refresh_all().await?.topics.clone())
    }

    /// Describes topics: with their eligible leaders where the brokers know of such (KIP-966).
    ///
    /// # Errors
    /// Those of the call; topics that do not exist are errors in the results.
    pub async fn describe_topics(
        &self,
        names: &[StrBytes],
    ) -> Result<PerName<DescribeTopicPartitionsResponseTopic>, ClientError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let described = self.describe_topic_partitions(names).await;
        match described {
            Err(ClientError::NoCommonVersion { .. }) => self.describe_by_metadata(names).await,
            described => described,
        }
    }

    /// The brokers, fenced ones too if asked for.
    ///
    /// # Errors
    /// Those of the call, and a refusal.
    pub async fn describe_cluster(
        &self,
        include_fenced_brokers: bool,
    ) -> Result<DescribeClusterResponse, ClientError> {
        let request = DescribeClusterRequest {
            include_fenced_brokers,
            include_cluster_authorized_operations: false,
            ..Default::default()
        };
        let response = self.client.call(&request).await?;
        let message = response.error_message.clone();
        judged(ApiKey::DescribeCluster, "the cluster", response.error_code, message, response)
    }

    /// Describes the configs of resources, with their synonyms; those of a broker by itself.
    ///
    /// # Errors
    /// Those of the calls; refusals are in the results.
    pub async fn describe_configs(
        &self,
        resources: Vec<DescribeConfigsResource>,
        include_documentation: bool,
    ) -> Result<PerName<DescribeConfigsResult>, ClientError> {
        let mut results = Vec::new();
        let keyed = resources
            .into_iter()
            .map(|resource| (owner(resource.resource_type, &resource.resource_name), resource));
        for (owner, resources) in by_owner(keyed) {
            let request = DescribeConfigsRequest {
                resources,
                include_synonyms: true,
                include_documentation,
                ..Default::default()
            };
            let response = self.call_owner(owner, &request).await?;
            results.extend(response.results.into_iter().map(|result| {
                let (name, message) = (result.resource_name.clone(), result.error_message.clone());
                let code = result.error_code;
                (name.clone(), judged(ApiKey::DescribeConfigs, &name, code, message, result))
            }));
        }
        Ok(results)
    }

    /// Changes configs of resources one by one (KIP-339); those of a broker at itself.
    ///
    /// # Errors
    /// Those of the calls; refusals are in the results.
    pub async fn alter_configs(
        &self,
        resources: Vec<AlterConfigsResource>,
        validate_only: bool,
    ) -> Result<PerName, ClientError> {
        let mut results = Vec::new();
        let keyed = resources
            .into_iter()
            .map(|resource| (owner(resource.resource_type, &resource.resource_name), resource));
        for (owner, resources) in by_owner(keyed) {
            let request =
                IncrementalAlterConfigsRequest { resources, validate_only, ..Default::default() };
            let response = self.call_owner(owner, &request).await?;
            results.extend(response.responses.into_iter().map(|result| {
                let (name, message) = (result.resource_name, result.error_message);
                let api = ApiKey::IncrementalAlterConfigs;
                (name.clone(), judged(api, &name, result.error_code, message, ()))
            }));
        }
        Ok(results)
    }

    async fn call_owner<R: Request>(
        &self,
        owner: Option<BrokerId>,
        request: &R,
    ) -> Result<R::Response, ClientError> {
        match owner {
            Some(broker) => self.client.call_broker(broker, request).await,
            None => self.client.call_controller(request).await,
        }
    }

    /// Page by page, as brokers limit the partitions of an answer.
    async fn describe_topic_partitions(
        &self,
        names: &[StrBytes],
    ) -> Result<PerName<DescribeTopicPartitionsResponseTopic>, ClientError> {
        let api = ApiKey::DescribeTopicPartitions;
        let mut found: BTreeMap<StrBytes, DescribeTopicPartitionsResponseTopic> = BTreeMap::new();
        let mut cursor: Option<Cursor> = None;
        loop {
            let from = cursor.as_ref().map(|cursor| cursor.topic_name.clone());
            let mut sorted: Vec<&StrBytes> = names.iter().collect();
            sorted.sort();
            let wanted =
                sorted.into_iter().filter(|name| from.as_ref().is_none_or(|from| *name >= from));
            let topics = wanted
                .map(|name| TopicRequest { name: name.clone(), ..Default::default() })
                .collect();
            let request = DescribeTopicPartitionsRequest { topics, cursor, ..Default::default() };
            let response = self.client.call(&request).await?;
            for topic in response.topics {
                let Some(name) = topic.name.clone() else { continue };
                match found.get_mut(&name) {
                    Some(begun) => begun.partitions.extend(topic.partitions),
                    None => drop(found.insert(name, topic)),
                }
            }
            match response.next_cursor {
                Some(next) => {
                    let (topic_name, partition_index) = (next.topic_name, next.partition_index);
                    cursor = Some(Cursor { topic_name, partition_index, ..Default::default() });
                }
                None => break,
            }
        }
        let results = found
            .into_iter()
            .map(|(name, topic)| (name.clone(), judged(api, &name, topic.error_code, None, topic)));
        Ok(results.collect())
    }

    async fn describe_by_metadata(
        &self,
        names: &[StrBytes],
    ) -> Result<PerName<DescribeTopicPartitionsResponseTopic>, ClientError> {
        let (cluster, failed) = self.client.refresh_topics(names, false).await?;
        let results = names.iter().map(|name| {
            let code = failed.iter().find(|(failed, _)| failed == name).map(|(_, code)| *code);
            let described = describe(&cluster, name);
            let code = code.unwrap_or(match described {
                Some(_) => ErrorCode::NONE,
                None => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            });
            let described = described.unwrap_or_default();
            (name.clone(), judged(ApiKey::Metadata, name, code, None, described))
        });
        Ok(results.collect())
    }

    fn timeout_ms(&self) -> i32 {
        i32::try_from(self.client.request_timeout().as_millis()).unwrap_or(i32::MAX)
    }
}

fn describe(cluster: &Cluster, name: &str) -> Option<DescribeTopicPartitionsResponseTopic> {
    let topic = cluster.topic(name)?;
    let partitions =
        topic.partitions.values().map(|partition| DescribeTopicPartitionsResponsePartition {
            partition_index: partition.index,
            leader_id: partition.leader.unwrap_or(BrokerId(-1)),
            leader_epoch: partition.leader_epoch,
            replica_nodes: partition.replicas.clone(),
            isr_nodes: partition.isr.clone(),
            eligible_leader_replicas: None,
            last_known_elr: None,
            offline_replicas: partition.offline.clone(),
            ..Default::default()
        });
    Some(DescribeTopicPartitionsResponseTopic {
        name: Some(topic.name.clone()),
        topic_id: topic.id,
        is_internal: topic.is_internal,
        partitions: partitions.collect(),
        ..Default::default()
    })
}

/// The broker that alone knows the configs of a resource.
fn owner(resource_type: i8, name: &str) -> Option<BrokerId> {
    match resource_type {
        resource_type::BROKER | resource_type::BROKER_LOGGER => name.parse().ok().map(BrokerId),
        _ => None,
    }
}

fn by_owner<T>(
    keyed: impl Iterator<Item = (Option<BrokerId>, T)>,
) -> BTreeMap<Option<BrokerId>, Vec<T>> {
    let mut grouped: BTreeMap<Option<BrokerId>, Vec<T>> = BTreeMap::new();
    for (owner, item) in keyed {
        grouped.entry(owner).or_default().push(item);
    }
    grouped
}

/// The item, or the refusal in its place.
fn judged<T>(
    api: ApiKey,
    about: &str,
    code: ErrorCode,
    message: Option<StrBytes>,
    item: T,
) -> Result<T, ClientError> {
    match code {
        ErrorCode::NONE => Ok(item),
        code => Err(ClientError::refused(api, about, code, message.as_deref())),
    }
}
