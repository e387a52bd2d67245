//! DescribeConfigs (32), v1-4: configs of topics, brokers, groups and client metrics, with their
//! sources. v1 synonyms; v3 documentation and types; v4 flexible. A broker's configs are answered
//! by that broker; an empty broker name asks for what was changed for all of them. Secrets have
//! no value. Of loggers (KIP-412) there is the root one with the level that the node logs at.
//! Not served: nothing.

use std::collections::BTreeMap;

use ottla_metadata::ResourceType;
use ottla_security::{Operation, Resource};
use ottla_settings::{Entry, Settings};
use ottla_wire::messages::describe_configs_request::DescribeConfigsResource;
use ottla_wire::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use ottla_wire::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use ottla_wire::{ErrorCode, StrBytes};
use tracing::level_filters::LevelFilter;

use crate::answer::Answer;
use crate::context::Ctx;
use crate::topics;

/// Where the level of a logger comes from: `DYNAMIC_BROKER_LOGGER_CONFIG`.
const LOGGER_SOURCE: i8 = 6;

/// A code and what to tell.
type Refusal = (ErrorCode, String);

pub(crate) async fn handle(
    ctx: Ctx,
    request: DescribeConfigsRequest,
) -> Answer<DescribeConfigsResponse> {
    // One resource of an unknown kind spoils the whole request, as in Kafka.
    let unknown = request.resources.iter().find(|resource| !has_configs(resource.resource_type));
    let unknown = unknown.map(|resource| resource.resource_type);
    let results = request.resources.iter().map(|resource| {
        let (resource_type, resource_name) =
            (resource.resource_type, resource.resource_name.clone());
        let configs = match unknown {
            Some(kind) => Err(spoiled(kind)),
            None => configs(&ctx, &request, resource),
        };
        match configs {
            Ok(configs) => DescribeConfigsResult {
                resource_type,
                resource_name,
                configs,
                error_message: Some(StrBytes::from("")),
                ..Default::default()
            },
            Err((error_code, message)) => DescribeConfigsResult {
                error_code,
                error_message: Some(message.into()),
                resource_type,
                resource_name,
                ..Default::default()
            },
        }
    });
    DescribeConfigsResponse { results: results.collect(), ..Default::default() }.into()
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
    (ErrorCode::INVALID_REQUEST, message)
}

fn configs(
    ctx: &Ctx,
    request: &DescribeConfigsRequest,
    resource: &DescribeConfigsResource,
) -> Result<Vec<DescribeConfigsResourceResult>, Refusal> {
    let told: Vec<_> = match ResourceType(resource.resource_type) {
        ResourceType::BROKER_LOGGER => vec![root_logger(ctx, &resource.resource_name)?],
        _ => entries(ctx, resource)?.into_iter().map(|entry| told(request, entry)).collect(),
    };
    let is_wanted = |config: &DescribeConfigsResourceResult| match &resource.configuration_keys {
        Some(keys) if !keys.is_empty() => keys.contains(&config.name),
        _ => true,
    };
    Ok(told.into_iter().filter(is_wanted).collect())
}

fn entries(ctx: &Ctx, resource: &DescribeConfigsResource) -> Result<Vec<Entry>, Refusal> {
    let name = &*resource.resource_name;
    let settings = ctx.rooms.configs.now();
    match ResourceType(resource.resource_type) {
        ResourceType::TOPIC => topic(ctx, &settings, name),
        ResourceType::BROKER => broker(ctx, &settings, name),
        ResourceType::GROUP => {
            allowed(ctx, Resource::Group(name), ErrorCode::GROUP_AUTHORIZATION_FAILED)?;
            named(name, "Group name must not be empty")?;
            Ok(described(ctx, ResourceType::GROUP, name, |of| settings.describe_group(of)))
        }
        ResourceType::CLIENT_METRICS => {
            allowed(ctx, Resource::Cluster, ErrorCode::CLUSTER_AUTHORIZATION_FAILED)?;
            named(name, "Client metrics subscription name must not be empty")?;
            let kind = ResourceType::CLIENT_METRICS;
            Ok(described(ctx, kind, name, |of| settings.describe_client_metrics(of)))
        }
        other => Err(spoiled(other.0)),
    }
}

fn allowed(ctx: &Ctx, on: Resource<'_>, otherwise: ErrorCode) -> Result<(), Refusal> {
    if ctx.allows(Operation::DescribeConfigs, on) {
        return Ok(());
    }
    Err((otherwise, otherwise.message().to_owned()))
}

fn named(name: &str, otherwise: &str) -> Result<(), Refusal> {
    if name.is_empty() { Err((ErrorCode::INVALID_REQUEST, otherwise.to_owned())) } else { Ok(()) }
}

fn described(
    ctx: &Ctx,
    kind: ResourceType,
    name: &str,
    describe: impl Fn(Vec<(&str, &str)>) -> Vec<Entry>,
) -> Vec<Entry> {
    let image = ctx.image();
    let overrides: &BTreeMap<String, String> = image.configs(kind, name);
    describe(overrides.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect())
}

fn topic(ctx: &Ctx, settings: &Settings, name: &str) -> Result<Vec<Entry>, Refusal> {
    allowed(ctx, Resource::Topic(name), ErrorCode::TOPIC_AUTHORIZATION_FAILED)?;
    if !topics::is_valid_name(name) {
        let message =
            format!("topic name {name:?} is invalid: it needs 1 to 249 of a-z A-Z 0-9 . _ -");
        return Err((ErrorCode::INVALID_TOPIC_EXCEPTION, message));
    }
    if ctx.image().topic_by_name(name).is_none() {
        return Err((ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, String::new()));
    }
    Ok(described(ctx, ResourceType::TOPIC, name, |of| settings.describe_topic(of)))
}

fn broker(ctx: &Ctx, settings: &Settings, name: &str) -> Result<Vec<Entry>, Refusal> {
    allowed(ctx, Resource::Cluster, ErrorCode::CLUSTER_AUTHORIZATION_FAILED)?;
    if name.is_empty() {
        return Ok(settings.describe_all_brokers());
    }
    is_me(ctx, name, " or empty string")?;
    Ok(settings.describe_broker())
}

/// Whether this broker is meant.
fn is_me(ctx: &Ctx, name: &str, otherwise: &str) -> Result<(), Refusal> {
    let me = ctx.rooms.broker_id;
    let message = match name.parse::<i32>() {
        Ok(id) if id == me.0 => return Ok(()),
        Ok(id) => format!("Unexpected broker id, expected {me}{otherwise}, but received {id}"),
        Err(_) => format!("Broker id must be an integer, but it is: {name}"),
    };
    Err((ErrorCode::INVALID_REQUEST, message))
}

/// The one logger, whose level is given when the node starts.
fn root_logger(ctx: &Ctx, name: &str) -> Result<DescribeConfigsResourceResult, Refusal> {
    allowed(ctx, Resource::Cluster, ErrorCode::CLUSTER_AUTHORIZATION_FAILED)?;
    named(name, "Broker id must not be empty")?;
    is_me(ctx, name, "")?;
    Ok(DescribeConfigsResourceResult {
        name: StrBytes::from_static("root"),
        value: Some(LevelFilter::current().to_string().to_uppercase().into()),
        config_source: LOGGER_SOURCE,
        // Kafka has none, and says so by an empty text, asked for or not.
        documentation: Some(StrBytes::default()),
        ..Default::default()
    })
}

fn told(request: &DescribeConfigsRequest, entry: Entry) -> DescribeConfigsResourceResult {
    let synonyms = if request.include_synonyms { entry.synonyms } else { Vec::new() };
    let synonyms = synonyms.into_iter().map(|synonym| DescribeConfigsSynonym {
        name: synonym.name.into(),
        value: synonym.value.map(StrBytes::from),
        source: synonym.source as i8,
        ..Default::default()
    });
    DescribeConfigsResourceResult {
        name: entry.name.into(),
        value: entry.value.map(StrBytes::from),
        read_only: entry.is_read_only,
        config_source: entry.source as i8,
        is_sensitive: entry.is_sensitive,
        synonyms: synonyms.collect(),
        config_type: entry.kind.map_or(0, |kind| kind as i8),
        documentation: request
            .include_documentation
            .then(|| StrBytes::from(entry.documentation.to_owned())),
        ..Default::default()
    }
}
