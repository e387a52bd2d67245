//! IncrementalAlterConfigs (44), v0-1, and AlterConfigs (33), v0-2: dynamic configs of topics,
//! brokers, the cluster, groups and subscriptions to client metrics.
//!
//! 44 sets, deletes, appends to lists and subtracts from them; what changes nothing makes no
//! record. 33 replaces all configs of a resource. A new `min.insync.replicas` clears the eligible
//! leader replicas that were kept by the old one (KIP-966).
//! Not served: levels of loggers (resource 8), of which a node has the root one alone; its level is
//! given at start, and changing it is refused as Kafka refuses what it cannot do.

use std::collections::{BTreeMap, BTreeSet};

use ottla_metadata::{Image, MetadataRecord, ResourceType};
use ottla_settings::{Kind, Settings, append, subtract, table};
use ottla_wire::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use ottla_wire::messages::{
    AlterConfigsRequest, AlterConfigsResponse, ClearElrRecord, ConfigRecord,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, alter_configs_request,
    alter_configs_response, incremental_alter_configs_response,
};
use ottla_wire::{ErrorCode, StrBytes};

use crate::config_check::{MIN_ISR, check_configs, check_resource, scope};
use crate::{Controller, Decision, Live, RECORDS_MAX, Refusal};

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// The one logger of a node.
const ROOT_LOGGER: &str = "root";

/// What becomes of some configs of a resource: a new value, or none.
type Edits = BTreeMap<String, Option<String>>;

impl Controller {
    /// Changes single configs.
    pub fn incremental_alter_configs(
        &self,
        live: &mut Live<'_>,
        request: &IncrementalAlterConfigsRequest,
    ) -> Decision<IncrementalAlterConfigsResponse> {
        let settings = self.changed_settings(live.image, live.soft);
        let resources = &request.resources;
        let once = occur_once(resources.iter().map(|r| (r.resource_type, &r.resource_name)));
        let mut records = Vec::new();
        let mut responses = Vec::with_capacity(resources.len());
        for resource in resources {
            let (kind, name) = (ResourceType(resource.resource_type), &resource.resource_name);
            let altered = check_once(&once, kind, name)
                .and_then(|()| check_resource(live.image, kind, name))
                .and_then(|()| incremental_edits(live.image, settings, kind, resource))
                .and_then(|edits| alter(live.image, settings, (kind, name), edits, false));
            let refusal = take(&mut records, altered);
            responses.push(incremental_alter_configs_response::AlterConfigsResourceResponse {
                error_code: refusal.as_ref().map_or(ErrorCode::NONE, |refusal| refusal.code),
                error_message: refusal.and_then(Refusal::text),
                resource_type: resource.resource_type,
                resource_name: name.clone(),
                ..Default::default()
            });
        }
        if request.validate_only {
            records.clear();
        }
        let response = IncrementalAlterConfigsResponse { responses, ..Default::default() };
        Decision::new(records, response)
    }

    /// Replaces all configs of resources.
    pub fn alter_configs(
        &self,
        live: &mut Live<'_>,
        request: &AlterConfigsRequest,
    ) -> Decision<AlterConfigsResponse> {
        let settings = self.changed_settings(live.image, live.soft);
        let resources = &request.resources;
        let once = occur_once(resources.iter().map(|r| (r.resource_type, &r.resource_name)));
        let mut records = Vec::new();
        let mut responses = Vec::with_capacity(resources.len());
        for resource in resources {
            let (kind, name) = (ResourceType(resource.resource_type), &resource.resource_name);
            let altered = check_once(&once, kind, name)
                .and_then(|()| check_resource(live.image, kind, name))
                .and_then(|()| replacing_edits(live.image, kind, resource))
                .and_then(|edits| alter(live.image, settings, (kind, name), edits, true));
            let refusal = take(&mut records, altered);
            responses.push(alter_configs_response::AlterConfigsResourceResponse {
                error_code: refusal.as_ref().map_or(ErrorCode::NONE, |refusal| refusal.code),
                error_message: refusal.and_then(Refusal::text),
                resource_type: resource.resource_type,
                resource_name: name.clone(),
                ..Default::default()
            });
        }
        if request.validate_only {
            records.clear();
        }
        Decision::new(records, AlterConfigsResponse { responses, ..Default::default() })
    }
}

/// Adds records while there is room for them.
fn take(
    records: &mut Vec<MetadataRecord>,
    altered: Result<Vec<MetadataRecord>, Refusal>,
) -> Option<Refusal> {
    match altered {
        Ok(more) if records.len() + more.len() > RECORDS_MAX => {
            Some(Refusal::new(ErrorCode::POLICY_VIOLATION, "Too many configs in one request."))
        }
        Ok(more) => {
            records.extend(more);
            None
        }
        Err(refusal) => Some(refusal),
    }
}

fn occur_once<'a>(
    resources: impl Iterator<Item = (i8, &'a StrBytes)>,
) -> BTreeMap<(i8, &'a StrBytes), bool> {
    let mut once = BTreeMap::new();
    for resource in resources {
        once.entry(resource).and_modify(|once| *once = false).or_insert(true);
    }
    once
}

fn check_once(
    once: &BTreeMap<(i8, &StrBytes), bool>,
    kind: ResourceType,
    name: &StrBytes,
) -> Result<(), Refusal> {
    match once.get(&(kind.0, name)) {
        Some(true) => Ok(()),
        _ => {
            Err(Refusal::new(ErrorCode::INVALID_REQUEST, "Each resource must appear at most once."))
        }
    }
}

fn null_value(name: &str) -> Refusal {
    Refusal::new(ErrorCode::INVALID_REQUEST, format!("Null value not supported for : {name}"))
}

fn check_keys<'a>(mut keys: impl Iterator<Item = &'a StrBytes>) -> Result<(), Refusal> {
    let mut seen = BTreeSet::new();
    match keys.all(|key| seen.insert(key)) {
        true => Ok(()),
        false => {
            Err(Refusal::new(ErrorCode::INVALID_REQUEST, "Error due to duplicate config keys"))
        }
    }
}

fn incremental_edits(
    image: &Image,
    settings: &Settings,
    kind: ResourceType,
    resource: &AlterConfigsResource,
) -> Result<Edits, Refusal> {
    check_keys(resource.configs.iter().map(|config| &config.name))?;
    if kind == ResourceType::BROKER_LOGGER {
        return resource.configs.iter().try_for_each(refuse_level).map(|()| Edits::new());
    }
    let present = image.configs(kind, &resource.resource_name);
    let mut edits = Edits::new();
    for config in &resource.configs {
        let key = config.name.as_str();
        let given = || config.value.as_deref().ok_or_else(|| null_value(key));
        let value = match config.config_operation {
            SET => Some(given()?.to_owned()),
            DELETE => None,
            APPEND | SUBTRACT => {
                let list = || present.get(key).cloned().or_else(|| unset(settings, kind, key));
                Some(edited_list(kind, config, given()?, &list().unwrap_or_default())?)
            }
            other => {
                let message = format!("Unknown operation type {other}");
                return Err(Refusal::new(ErrorCode::INVALID_REQUEST, message));
            }
        };
        edits.insert(key.to_owned(), value);
    }
    Ok(edits)
}

/// Why the level of a logger is not changed.
fn refuse_level(config: &AlterableConfig) -> Result<(), Refusal> {
    let name = config.name.as_str();
    let (code, why) = match config.config_operation {
        operation @ (APPEND | SUBTRACT) => {
            let word = if operation == APPEND { "APPEND" } else { "SUBTRACT" };
            let why = format!("{word} operation is not allowed for the BROKER_LOGGER resource");
            (ErrorCode::INVALID_REQUEST, why)
        }
        _ if name != ROOT_LOGGER => {
            (ErrorCode::INVALID_CONFIG, format!("Logger {name} does not exist!"))
        }
        _ => {
            let why = "The level of the root logger is given when the node starts";
            (ErrorCode::INVALID_REQUEST, why.to_owned())
        }
    };
    Err(Refusal::new(code, why))
}

/// What a config is where the resource does not say.
fn unset(settings: &Settings, kind: ResourceType, key: &str) -> Option<String> {
    if kind == ResourceType::TOPIC {
        let entries = settings.describe_topic([]);
        return entries.into_iter().find(|entry| entry.name == key)?.value;
    }
    let row = table::find(scope(kind)?, key)?;
    settings.text(key).or_else(|| row.default_text()).map(str::to_owned)
}

fn edited_list(
    kind: ResourceType,
    config: &AlterableConfig,
    items: &str,
    list: &str,
) -> Result<String, Refusal> {
    let appends = config.config_operation == APPEND;
    let key = config.name.as_str();
    let row = scope(kind).and_then(|scope| table::find(scope, key));
    if row.is_none_or(|row| row.kind != Kind::List) {
        let operation = if appends { "APPEND" } else { "SUBTRACT" };
        let message = format!("Can't {operation} to key {key} because its type is not LIST.");
        return Err(Refusal::new(ErrorCode::INVALID_CONFIG, message));
    }
    if appends && items.trim().is_empty() {
        let message = format!("Configuration '{key}' values must not be empty.");
        return Err(Refusal::new(ErrorCode::INVALID_CONFIG, message));
    }
    Ok(if appends { append(list, items) } else { subtract(list, items) })
}

fn replacing_edits(
    image: &Image,
    kind: ResourceType,
    resource: &alter_configs_request::AlterConfigsResource,
) -> Result<Edits, Refusal> {
    check_keys(resource.configs.iter().map(|config| &config.name))?;
    if kind == ResourceType::BROKER_LOGGER {
        return Err(Refusal::new(ErrorCode::INVALID_REQUEST, "Unknown resource type 8"));
    }
    let present = image.configs(kind, &resource.resource_name);
    let mut edits: Edits = present.keys().map(|key| (key.clone(), None)).collect();
    for config in &resource.configs {
        let value = config.value.as_deref().ok_or_else(|| null_value(&config.name))?;
        edits.insert(config.name.as_str().to_owned(), Some(value.to_owned()));
    }
    Ok(edits)
}

/// The records of edits that the resource may have; `rewrites` what is the same as well.
fn alter(
    image: &Image,
    settings: &Settings,
    (kind, name): (ResourceType, &str),
    edits: Edits,
    rewrites: bool,
) -> Result<Vec<MetadataRecord>, Refusal> {
    check_min_isr(image, kind, name, &edits)?;
    let present = image.configs(kind, name);
    let mut next = present.clone();
    let mut changed = BTreeMap::new();
    for (key, value) in &edits {
        match value {
            Some(value) => {
                next.insert(key.clone(), value.clone());
                changed.insert(key.clone(), value.clone());
            }
            None => {
                next.remove(key);
            }
        }
    }
    check_configs(settings, kind, name, &next, &changed)?;
    let mut records = Vec::new();
    let mut clears = false;
    for (key, value) in edits {
        let is_same = present.get(&key) == value.as_ref();
        if is_same && (value.is_none() || !rewrites) {
            continue;
        }
        clears |= key == MIN_ISR && image.features().eligible_leader_replicas();
        records.push(MetadataRecord::from(ConfigRecord {
            resource_type: kind.0,
            resource_name: StrBytes::copied(name),
            name: StrBytes::from(key),
            value: value.map(StrBytes::from),
            ..Default::default()
        }));
    }
    if clears {
        let topic_name = match kind {
            ResourceType::TOPIC => StrBytes::copied(name),
            _ => StrBytes::default(),
        };
        records.push(ClearElrRecord { topic_name, ..Default::default() }.into());
    }
    Ok(records)
}

/// With eligible leader replicas the controller itself needs to know the minimum of each topic, so
/// brokers may not differ.
fn check_min_isr(
    image: &Image,
    kind: ResourceType,
    name: &str,
    edits: &Edits,
) -> Result<(), Refusal> {
    if kind != ResourceType::BROKER || !image.features().eligible_leader_replicas() {
        return Ok(());
    }
    let refused = |message: &str| Err(Refusal::new(ErrorCode::INVALID_CONFIG, message));
    match edits.get(MIN_ISR) {
        Some(_) if !name.is_empty() => {
            refused("Broker-level min.insync.replicas cannot be altered while ELR is enabled.")
        }
        Some(None) => {
            refused("Cluster-level min.insync.replicas cannot be removed while ELR is enabled.")
        }
        _ => Ok(()),
    }
}
