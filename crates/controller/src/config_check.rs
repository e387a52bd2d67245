//! What a config of a resource may be, and Kafka's sentence for what it may not.
//!
//! The rules are `settings`' own; the words are Kafka's where Kafka has some, because people know
//! them and tools search for them.

use std::collections::BTreeMap;

use ottla_metadata::{Image, ResourceType};
use ottla_settings::{
    ConfigError, GroupConfig, Kind, Row, Settings, TopicConfig, Valid, check_served, table,
};
use ottla_wire::{BrokerId, ErrorCode};
use regex::Regex;

use crate::Refusal;
use crate::names::check_topic_name;

/// The one config with rules of its own, since the controller itself depends on it (KIP-966).
pub(crate) const MIN_ISR: &str = "min.insync.replicas";

/// How often clients may be asked for their metrics, in milliseconds.
const METRICS_INTERVAL_MS: std::ops::RangeInclusive<i64> = 100..=3_600_000;

/// Selectors that a client metrics subscription can match by.
const METRICS_SELECTORS: &[&str] = &[
    "client_instance_id",
    "client_id",
    "client_software_name",
    "client_software_version",
    "client_source_address",
    "client_source_port",
];

/// The scope in the table of configs.
pub(crate) fn scope(kind: ResourceType) -> Option<table::Scope> {
    match kind {
        ResourceType::TOPIC => Some(table::Scope::Topic),
        ResourceType::BROKER => Some(table::Scope::Broker),
        ResourceType::GROUP => Some(table::Scope::Group),
        ResourceType::CLIENT_METRICS => Some(table::Scope::ClientMetrics),
        _ => None,
    }
}

/// Whether there is such a resource, and it may have configs.
pub(crate) fn check_resource(image: &Image, kind: ResourceType, name: &str) -> Result<(), Refusal> {
    let invalid = |message: &str| Err(Refusal::new(ErrorCode::INVALID_REQUEST, message));
    match kind {
        ResourceType::TOPIC if name.is_empty() => {
            invalid("Default topic resources are not allowed.")
        }
        ResourceType::TOPIC => {
            check_topic_name(name)?;
            match image.topic_by_name(name) {
                Some(_) => Ok(()),
                None => Err(Refusal::new(
                    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                    format!("The topic '{name}' does not exist."),
                )),
            }
        }
        ResourceType::BROKER if name.is_empty() => Ok(()),
        ResourceType::BROKER => {
            let Ok(id) = name.parse() else {
                return invalid(&format!("Node id must be an integer, but it is: {name}"));
            };
            let id = BrokerId(id);
            if image.broker(id).is_none() && image.controller(id).is_none() {
                let message = format!("No node with id {id} found.");
                return Err(Refusal::new(ErrorCode::BROKER_ID_NOT_REGISTERED, message));
            }
            Ok(())
        }
        ResourceType::GROUP if name.is_empty() => {
            invalid("Default group resources are not allowed.")
        }
        ResourceType::CLIENT_METRICS if name.is_empty() => {
            invalid("Subscription name can't be empty")
        }
        ResourceType::GROUP | ResourceType::CLIENT_METRICS => Ok(()),
        ResourceType::BROKER_LOGGER => match name.parse().map(BrokerId) {
            Ok(id) if image.broker(id).is_some() || image.controller(id).is_some() => Ok(()),
            Ok(id) => invalid(&format!("Unexpected node id: no node {id} is known")),
            Err(_) => invalid(&format!("Node id must be an integer, but it is: {name}")),
        },
        ResourceType(number) => invalid(&format!("Unknown resource type {number}")),
    }
}

/// Whether a resource may have these configs, all of them, of which `changed` are new.
pub(crate) fn check_configs(
    settings: &Settings,
    kind: ResourceType,
    name: &str,
    configs: &BTreeMap<String, String>,
    changed: &BTreeMap<String, String>,
) -> Result<(), Refusal> {
    let pairs = texts(configs);
    match kind {
        ResourceType::TOPIC => {
            TopicConfig::check(&settings.topic_defaults(), pairs).map_err(config_refusal)?;
            check_served(table::Scope::Topic, texts(changed)).map_err(config_refusal)?;
        }
        ResourceType::GROUP => {
            GroupConfig::check(settings, pairs).map_err(|error| match error {
                ConfigError::Unknown { key, .. } => {
                    let message = format!("Unknown group config name: {key}");
                    Refusal::new(ErrorCode::INVALID_CONFIG, message)
                }
                error => config_refusal(error),
            })?;
        }
        ResourceType::CLIENT_METRICS => check_metrics(configs)?,
        _ => {
            // What the log holds already was accepted; only what is new is judged.
            let none = BTreeMap::new();
            let (for_all, for_one) =
                if name.is_empty() { (changed, &none) } else { (&none, changed) };
            settings.check_change(for_all, for_one).map_err(broker_refusal)?;
            check_served(table::Scope::Broker, texts(changed)).map_err(broker_refusal)?;
        }
    }
    Ok(())
}

fn texts(configs: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    configs.iter().map(|(key, value)| (key.as_str(), value.as_str()))
}

fn check_metrics(configs: &BTreeMap<String, String>) -> Result<(), Refusal> {
    for (key, value) in configs {
        match key.as_str() {
            "interval.ms" => {
                let known = value.trim().parse::<i64>();
                if !known.is_ok_and(|number| METRICS_INTERVAL_MS.contains(&number)) {
                    let message = format!(
                        "Invalid value {value} for interval.ms, interval must be between 100 and \
                         3600000 (1 hour)"
                    );
                    return Err(Refusal::new(ErrorCode::INVALID_REQUEST, message));
                }
            }
            "match" => {
                for item in ottla_settings::list(value) {
                    let is_known = item.split_once('=').is_some_and(|(selector, wanted)| {
                        METRICS_SELECTORS.contains(&selector.trim())
                            && Regex::new(wanted.trim()).is_ok()
                    });
                    if !is_known {
                        let message = format!("Illegal client matching pattern: {item}");
                        return Err(Refusal::new(ErrorCode::INVALID_CONFIG, message));
                    }
                }
            }
            "metrics" => {}
            _ => {
                let message = format!("Unknown client metrics configuration: {key}");
                return Err(Refusal::new(ErrorCode::INVALID_REQUEST, message));
            }
        }
    }
    Ok(())
}

/// The refusal of a topic's or group's config.
pub(crate) fn config_refusal(error: ConfigError) -> Refusal {
    let message = match &error {
        ConfigError::Unknown { key, .. } => format!("Unknown topic config name: {key}"),
        ConfigError::Invalid { key, value, .. } => invalid(key, value, &error),
        error => error.to_string(),
    };
    Refusal::new(ErrorCode::INVALID_CONFIG, message)
}

/// The refusal of a broker's config.
fn broker_refusal(error: ConfigError) -> Refusal {
    let message = match &error {
        ConfigError::ReadOnly { key } => {
            format!("Cannot update these configs dynamically: [{key}]")
        }
        ConfigError::PerBroker { key } => format!(
            "Cannot update these configs at default cluster level, broker id must be specified: \
             [{key}]"
        ),
        ConfigError::Invalid { key, value, .. } => invalid(key, value, &error),
        error => error.to_string(),
    };
    Refusal::new(ErrorCode::INVALID_REQUEST, message)
}

/// Kafka's sentence for a value that a config may not have; ours where Kafka has a longer one.
fn invalid(key: &str, value: &str, error: &ConfigError) -> String {
    let scopes = [table::Scope::Topic, table::Scope::Group, table::Scope::Broker];
    let row = scopes.into_iter().find_map(|scope| table::find(scope, key));
    // A value that the row itself allows is refused by another rule, which the error tells.
    let row = row.filter(|row| row.parse(value).is_err());
    match row.and_then(|row| Some((row, reason(row, value)?))) {
        Some((row, reason)) => {
            let value = wrong_item(row, value);
            format!("Invalid value {value} for configuration {key}: {reason}")
        }
        None => error.to_string(),
    }
}

/// Of a list the first item that may not be in it, else the value itself.
fn wrong_item(row: &Row, value: &str) -> String {
    let Valid::EachOf { items, .. } = row.valid else { return value.to_owned() };
    let list = ottla_settings::list(value);
    let wrong = list.into_iter().find(|item| !items.contains(&item.as_str()));
    wrong.unwrap_or_else(|| value.to_owned())
}

fn reason(row: &Row, value: &str) -> Option<String> {
    let text = value.trim();
    let whole: Option<i64> = match row.kind {
        Kind::Int => text.parse::<i32>().ok().map(i64::from),
        Kind::Short => text.parse::<i16>().ok().map(i64::from),
        _ => text.parse().ok(),
    };
    let is_typed = match row.kind {
        Kind::Boolean => return Some("Expected value to be either true or false".to_owned()),
        Kind::Int | Kind::Short | Kind::Long => whole.is_some(),
        Kind::Double => text.parse::<f64>().is_ok(),
        _ => true,
    };
    if !is_typed {
        return Some(format!("Not a number of type {}", row.kind.name()));
    }
    match row.valid {
        Valid::AtLeast(least) => Some(format!("Value must be at least {least}")),
        Valid::Between(least, _) if whole? < least => {
            Some(format!("Value must be at least {least}"))
        }
        Valid::Between(_, most) => Some(format!("Value must be no more than {most}")),
        Valid::BetweenReal(least, _) if text.parse::<f64>().ok()? < least => {
            Some(format!("Value must be at least {least}"))
        }
        Valid::BetweenReal(_, most) => Some(format!("Value must be no more than {most}")),
        Valid::GzipLevel => Some("Value must be between 1 and 9 or equal to -1".to_owned()),
        Valid::OneOf(items) | Valid::EachOf { items, .. } => {
            Some(format!("String must be one of: {}", items.join(", ")))
        }
        _ => None,
    }
}
