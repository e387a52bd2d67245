//! DescribeConfigs (32): configs of topics, brokers, groups and client metrics as the image has
//! them over a node's own settings, and the node's one logger (KIP-412).
//!
//! A question like no other here: brokers and controllers answer it alike, each for itself. Who
//! may ask is told by whoever asks for an answer.
//! Not here: which configs there are and where their values come from (settings).

use std::collections::BTreeMap;

use ottla_metadata::{Image, ResourceType};
use ottla_security::{Operation, Resource};
use ottla_settings::{Entry, Settings};
use ottla_wire::messages::describe_configs_request::DescribeConfigsResource;
use ottla_wire::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use ottla_wire::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use ottla_wire::{BrokerId, ErrorCode, StrBytes};

use crate::Refusal;
use crate::names::check_topic_name;

/// Where the level of a logger comes from: `DYNAMIC_BROKER_LOGGER_CONFIG`.
const LOGGER_SOURCE: i8 = 6;

/// What a node can say of configs.
pub struct ConfigsOf<'a> {
    /// The cluster.
    pub image: &'a Image,
    /// What holds for the node now.
    pub settings: &'a Settings,
    /// The node.
    pub me: BrokerId,
    /// The level at which the node logs, in capitals.
    pub log_level: &'a str,
    /// Whether the client may do this.
    pub allows: &'a dyn Fn(Operation, Resource<'_>) -> bool,
}

impl ConfigsOf<'_> {
    /// Answers a whole request. One resource of an unknown kind spoils it, as in Kafka.
    pub fn answer(&self, request: &DescribeConfigsRequest) -> DescribeConfigsResponse {
        let kinds = request.resources.iter().map(|resource| resource.resource_type);
        let unknown = kinds.into_iter().find(|kind| !has_configs(*kind));
        let results = request.resources.iter().map(|resource| {
            let (resource_type, resource_name) =
                (resource.resource_type, resource.resource_name.clone());
            let configs = match unknown {
                Some(kind) => Err(spoiled(kind)),
                None => self.configs(request, resource),
            };
            match configs {
                Ok(configs) => DescribeConfigsResult {
                    resource_type,
                    resource_name,
                    configs,
                    error_message: Some(StrBytes::default()),
                    ..Default::default()
                },
                Err(refusal) => DescribeConfigsResult {
                    error_code: refusal.code,
                    error_message: Some(refusal.text().unwrap_or_default()),
                    resource_type,
                    resource_name,
                    ..Default::default()
                },
            }
        });
        DescribeConfigsResponse { results: results.collect(), ..Default::default() }
    }

    fn configs(
        &self,
        request: &DescribeConfigsRequest,
        resource: &DescribeConfigsResource,
    ) -> Result<Vec<DescribeConfigsResourceResult>, Refusal> {
        let told: Vec<_> = match ResourceType(resource.resource_type) {
            ResourceType::BROKER_LOGGER => vec![self.root_logger(&resource.resource_name)?],
            _ => self.entries(resource)?.into_iter().map(|entry| told(request, entry)).collect(),
        };
        let is_wanted = |config: &DescribeConfigsResourceResult| match &resource.configuration_keys
        {
            Some(keys) if !keys.is_empty() => keys.contains(&config.name),
            _ => true,
        };
        Ok(told.into_iter().filter(is_wanted).collect())
    }

    fn entries(&self, resource: &DescribeConfigsResource) -> Result<Vec<Entry>, Refusal> {
        let (kind, name) = (ResourceType(resource.resource_type), &*resource.resource_name);
        match kind {
            ResourceType::TOPIC => self.topic(name),
            ResourceType::BROKER => self.broker(name),
            ResourceType::GROUP => {
                self.allowed(Resource::Group(name), ErrorCode::GROUP_AUTHORIZATION_FAILED)?;
                named(name, "Group name must not be empty")?;
                Ok(self.described(kind, name, |of| self.settings.describe_group(of)))
            }
            ResourceType::CLIENT_METRICS => {
                self.allowed(Resource::Cluster, ErrorCode::CLUSTER_AUTHORIZATION_FAILED)?;
                named(name, "Client metrics subscription name must not be empty")?;
                Ok(self.described(kind, name, |of| self.settings.describe_client_metrics(of)))
            }
            other => Err(spoiled(other.0)),
        }
    }

    fn allowed(&self, on: Resource<'_>, otherwise: ErrorCode) -> Result<(), Refusal> {
        match (self.allows)(Operation::DescribeConfigs, on) {
            true => Ok(()),
            false => Err(Refusal::new(otherwise, otherwise.message())),
        }
    }

    fn described(
        &self,
        kind: ResourceType,
        name: &str,
        describe: impl Fn(Vec<(&str, &str)>) -> Vec<Entry>,
    ) -> Vec<Entry> {
        let overrides: &BTreeMap<String, String> = self.image.configs(kind, name);
        describe(overrides.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect())
    }

    fn topic(&self, name: &str) -> Result<Vec<Entry>, Refusal> {
        self.allowed(Resource::Topic(name), ErrorCode::TOPIC_AUTHORIZATION_FAILED)?;
        check_topic_name(name)?;
        if self.image.topic_by_name(name).is_none() {
            return Err(Refusal::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, ""));
        }
        Ok(self.described(ResourceType::TOPIC, name, |of| self.settings.describe_topic(of)))
    }

    fn broker(&self, name: &str) -> Result<Vec<Entry>, Refusal> {
        self.allowed(Resource::Cluster, ErrorCode::CLUSTER_AUTHORIZATION_FAILED)?;
        if name.is_empty() {
            return Ok(self.settings.describe_all_brokers());
        }
        self.is_me(name, " or empty string")?;
        Ok(self.settings.describe_broker())
    }

    /// Whether this node is meant.
    fn is_me(&self, name: &str, otherwise: &str) -> Result<(), Refusal> {
        let me = self.me;
        let message = match name.parse::<i32>() {
            Ok(id) if id == me.0 => return Ok(()),
            Ok(id) => format!("Unexpected broker id, expected {me}{otherwise}, but received {id}"),
            Err(_) => format!("Broker id must be an integer, but it is: {name}"),
        };
        Err(Refusal::new(ErrorCode::INVALID_REQUEST, message))
    }

    /// The one logger, whose level is given when the node starts.
    fn root_logger(&self, name: &str) -> Result<DescribeConfigsResourceResult, Refusal> {
        self.allowed(Resource::Cluster, ErrorCode::CLUSTER_AUTHORIZATION_FAILED)?;
        named(name, "Broker id must not be empty")?;
        self.is_me(name, "")?;
        Ok(DescribeConfigsResourceResult {
            name: StrBytes::from_static("root"),
            value: Some(StrBytes::copied(self.log_level)),
            config_source: LOGGER_SOURCE,
            // Kafka has none, and says so by an empty text, asked for or not.
            documentation: Some(StrBytes::default()),
            ..Default::default()
        })
    }
}

/// Whether resources of this kind have configs that are described here.
fn has_configs(kind: i8) -> bool {
    matches!(
        ResourceType(kind),
        ResourceType::TOPIC
            | ResourceType::BROKER
            | ResourceType::BROKER_LOGGER
            | ResourceType::GROUP
            | ResourceType::CLIENT_METRICS
    )
}

fn spoiled(kind: i8) -> Refusal {
    let message = format!("resources of type {kind} have no configs here");
    Refusal::new(ErrorCode::INVALID_REQUEST, message)
}

fn named(name: &str, otherwise: &str) -> Result<(), Refusal> {
    match name.is_empty() {
        true => Err(Refusal::new(ErrorCode::INVALID_REQUEST, otherwise)),
        false => Ok(()),
    }
}

fn told(request: &DescribeConfigsRequest, entry: Entry) -> DescribeConfigsResourceResult {
    let synonyms = if request.include_synonyms { entry.synonyms } else { Vec::new() };
    let synonyms = synonyms.into_iter().map(|synonym| DescribeConfigsSynonym {
        name: synonym.name.into(),
        value: synonym.value.map(StrBytes::from),
        source: synonym.source as i8,
        ..Default::default()
    });
    let documentation = || StrBytes::from(entry.documentation.to_owned());
    DescribeConfigsResourceResult {
        name: entry.name.into(),
        value: entry.value.map(StrBytes::from),
        read_only: entry.is_read_only,
        config_source: entry.source as i8,
        is_sensitive: entry.is_sensitive,
        synonyms: synonyms.collect(),
        config_type: entry.kind.map_or(0, |kind| kind as i8),
        documentation: request.include_documentation.then(documentation),
        ..Default::default()
    }
}
