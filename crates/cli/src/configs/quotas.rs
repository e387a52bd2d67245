//! Quotas of users, client ids and addresses: `configs` for what DescribeClientQuotas knows.
//!
//! Not here: other configs (configs.rs).

use ottla_client::Client;
use ottla_wire::StrBytes;
use ottla_wire::messages::alter_client_quotas_request as alter_request;
use ottla_wire::messages::describe_client_quotas_request::ComponentData;
use ottla_wire::messages::describe_client_quotas_response::EntryData;
use ottla_wire::messages::{AlterClientQuotasRequest, DescribeClientQuotasRequest};

use crate::client_options::refused;
use crate::failure::Failure;

use super::Changes;
use super::entity::{Entity, Kind};

/// Sets and removes quotas of the one entity that the parts make up.
pub(super) async fn alter(
    client: &Client,
    entities: &[Entity],
    changes: &Changes,
) -> Result<(), Failure> {
    let mut ops = Vec::new();
    for (name, value) in &changes.set {
        if name.starts_with("SCRAM-") {
            return Err(Failure::said(format!("{name}: SCRAM credentials are not served")));
        }
        let value = value.parse().map_err(|_| {
            Failure::said(format!("Cannot parse quota configuration value for {name}: {value}"))
        })?;
        let key = StrBytes::copied(name);
        ops.push(alter_request::OpData { key, value, remove: false, ..Default::default() });
    }
    for name in &changes.unset {
        let key = StrBytes::copied(name);
        ops.push(alter_request::OpData { key, remove: true, ..Default::default() });
    }
    let entity = entities.iter().map(|entity| alter_request::EntityData {
        entity_type: part(entity.kind).0.into(),
        entity_name: entity.name.as_deref().filter(|name| !name.is_empty()).map(StrBytes::copied),
        ..Default::default()
    });
    let entity = entity.collect();
    let request = AlterClientQuotasRequest {
        entries: vec![alter_request::EntryData { entity, ops, ..Default::default() }],
        ..Default::default()
    };
    let entries = client.call(&request).await?.entries;
    entries.iter().try_for_each(|entry| refused(entry.error_code, entry.error_message.as_ref()))
}

/// A line for each entity that has quotas.
pub(super) async fn describe(client: &Client, entities: &[Entity]) -> Result<String, Failure> {
    let components = entities.iter().map(|entity| {
        let (match_type, name) = match entity.name.as_deref() {
            None => (ANY, None),
            Some("") => (DEFAULT, None),
            Some(name) => (EXACT, Some(StrBytes::copied(name))),
        };
        ComponentData {
            entity_type: part(entity.kind).0.into(),
            match_type,
            r#match: name,
            ..Default::default()
        }
    });
    let request = DescribeClientQuotasRequest {
        components: components.collect(),
        strict: true,
        ..Default::default()
    };
    let response = client.call(&request).await?;
    refused(response.error_code, response.error_message.as_ref())?;
    Ok(response.entries.unwrap_or_default().iter().map(line).collect())
}

fn line(entry: &EntryData) -> String {
    let mut parts = Vec::new();
    for kind in [Kind::Users, Kind::Clients, Kind::Ips] {
        let (entity_type, called) = part(kind);
        let Some(found) =
            entry.entity.iter().find(|found| found.entity_type.as_str() == entity_type)
        else {
            continue;
        };
        parts.push(match &found.entity_name {
            Some(name) => format!("{called} '{name}'"),
            None => format!("the default {called}"),
        });
    }
    let values: Vec<String> =
        entry.values.iter().map(|quota| format!("{}={:?}", quota.key, quota.value)).collect();
    format!("Quota configs for {} are {}\n", parts.join(", "), values.join(", "))
}

/// What the protocol calls the kind, and what Apache Kafka's tool prints.
fn part(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Clients => ("client-id", "client-id"),
        Kind::Ips => ("ip", "IP"),
        _ => ("user", "user-principal"),
    }
}

/// DescribeClientQuotas: the entity of this name.
const EXACT: i8 = 0;
/// DescribeClientQuotas: the entity for all that have none of their own.
const DEFAULT: i8 = 1;
/// DescribeClientQuotas: every entity of the kind.
const ANY: i8 = 2;

#[cfg(test)]
mod tests {
    use ottla_wire::messages::describe_client_quotas_response::{EntityData, ValueData};

    use super::*;

    #[test]
    fn a_line_names_the_entity_by_its_parts() {
        let entity = |entity_type: &'static str, name: Option<&'static str>| EntityData {
            entity_type: entity_type.into(),
            entity_name: name.map(StrBytes::from),
            ..Default::default()
        };
        let values = vec![ValueData {
            key: "consumer_byte_rate".into(),
            value: 2048.0,
            ..Default::default()
        }];
        let entry = EntryData {
            entity: vec![entity("client-id", None), entity("user", Some("alice"))],
            values,
            ..Default::default()
        };
        assert_eq!(
            line(&entry),
            "Quota configs for user-principal 'alice', the default client-id are \
             consumer_byte_rate=2048.0\n"
        );
    }
}
