//! Quotas of users, client ids and addresses: `configs` for what DescribeClientQuotas knows.
//!
//! Not here: other configs (configs.rs), credentials of users (scram.rs).

use std::collections::BTreeSet;

use ottla_client::Client;
use ottla_settings::table::{Scope, find};
use ottla_wire::StrBytes;
use ottla_wire::messages::alter_client_quotas_request as alter_request;
use ottla_wire::messages::describe_client_quotas_request::ComponentData;
use ottla_wire::messages::describe_client_quotas_response::{EntryData, ValueData};
use ottla_wire::messages::{AlterClientQuotasRequest, DescribeClientQuotasRequest};

use crate::client_options::refused;
use crate::failure::Failure;

use super::Changes;
use super::entity::{Entity, Kind};
use super::scram;

/// Sets and removes quotas of the one entity that the parts make up.
pub(super) async fn alter(
    client: &Client,
    entities: &[Entity],
    changes: &Changes,
) -> Result<(), Failure> {
    let mut ops = Vec::new();
    for (name, value) in &changes.set {
        let value = parsed_double(value).ok_or_else(|| {
            Failure::said(format!("Cannot parse quota configuration value for {name}: {value}"))
        })?;
        let key = StrBytes::copied(name);
        ops.push(alter_request::OpData { key, value, remove: false, ..Default::default() });
    }
    if !changes.unset.is_empty() {
        let known = described(client, entities).await?;
        let known: BTreeSet<&str> =
            known.iter().flat_map(|entry| &entry.values).map(|limit| limit.key.as_str()).collect();
        for name in &changes.unset {
            if !known.contains(name.as_str()) {
                return Err(Failure::said(format!("Invalid config(s): {name}")));
            }
            let key = StrBytes::copied(name);
            ops.push(alter_request::OpData { key, remove: true, ..Default::default() });
        }
    }
    let entity = entities.iter().map(|entity| alter_request::EntityData {
        entity_type: entity_type(entity.kind).into(),
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

/// Whether all that is to change is a limit of these entities, or a credential of a user.
pub(super) fn check(entities: &[Entity], changes: &Changes) -> Result<(), Failure> {
    let of = |kind: Kind| entities.iter().any(|entity| entity.kind == kind);
    let (kinds, what, scope) = match () {
        () if of(Kind::Ips) => (Kind::Ips, "connection quota", Scope::IpQuota),
        () if of(Kind::Clients) => (Kind::Clients, "quota", Scope::ClientQuota),
        () => (Kind::Users, "quota and SCRAM credential", Scope::ClientQuota),
    };
    let is_known = |name: &str| {
        find(scope, name).is_some() || kinds == Kind::Users && scram::is_credential(name)
    };
    let unknown = |names: &mut dyn Iterator<Item = &str>| -> Vec<String> {
        names.filter(|name| !is_known(name)).map(String::from).collect()
    };
    let refused = |done: &str, names: String| {
        let kinds = kinds.plural();
        Err(Failure::said(format!(
            "Only {what} configs can be {done} for '{kinds}' using --bootstrap-server. Unexpected \
             config names: {names}"
        )))
    };
    // The collections of the tool's language are part of its words.
    let shown = |names: Vec<String>, collection: &str| match kinds {
        Kind::Ips => names.join(","),
        _ => format!("{collection}({})", names.join(", ")),
    };
    let added = unknown(&mut changes.set.iter().map(|(name, _)| name.as_str()));
    if !added.is_empty() {
        return refused("added", shown(added, "Set"));
    }
    let deleted = unknown(&mut changes.unset.iter().map(String::as_str));
    if !deleted.is_empty() {
        return refused("deleted", shown(deleted, "ArrayBuffer"));
    }
    Ok(())
}

/// A line for each entity that has quotas.
pub(super) async fn describe(client: &Client, entities: &[Entity]) -> Result<String, Failure> {
    Ok(described(client, entities).await?.iter().map(line).collect())
}

async fn described(client: &Client, entities: &[Entity]) -> Result<Vec<EntryData>, Failure> {
    let components = entities.iter().map(|entity| {
        let (match_type, name) = match entity.name.as_deref() {
            None => (ANY, None),
            Some("") => (DEFAULT, None),
            Some(name) => (EXACT, Some(StrBytes::copied(name))),
        };
        ComponentData {
            entity_type: entity_type(entity.kind).into(),
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
    Ok(response.entries.unwrap_or_default())
}

fn line(entry: &EntryData) -> String {
    let mut parts = Vec::new();
    for kind in [Kind::Users, Kind::Clients, Kind::Ips] {
        let called = match kind {
            Kind::Users => "user-principal",
            kind => entity_type(kind),
        };
        let found = entry.entity.iter().find(|part| part.entity_type.as_str() == entity_type(kind));
        parts.extend(found.map(|found| match &found.entity_name {
            Some(name) => format!("{called} '{name}'"),
            None => format!("the default {called}"),
        }));
    }
    let values: Vec<String> = as_hashed(&entry.values)
        .iter()
        .map(|limit| format!("{}={}", limit.key, java_double(limit.value)))
        .collect();
    format!("Quota configs for {} are {}\n", parts.join(", "), values.join(", "))
}

/// What the protocol calls the kind.
fn entity_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Clients => "client-id",
        Kind::Ips => "ip",
        _ => "user",
    }
}

/// Limits in the order in which the tool prints them: that of Java's `HashMap`, of the broker's
/// first, which has room for 16, and then of the client's, which is made for as many as there are.
fn as_hashed(limits: &[ValueData]) -> Vec<&ValueData> {
    const ROOM: usize = 16;
    // A map doubles once it is more than three quarters full.
    let made_for = limits.len().next_power_of_two();
    let room = if limits.len() * 4 > made_for * 3 { made_for * 2 } else { made_for };
    let hash = |key: &str| {
        let add = |hash: u32, unit: u16| hash.wrapping_mul(31).wrapping_add(u32::from(unit));
        let hash = key.encode_utf16().fold(0, add);
        usize::try_from(hash ^ (hash >> 16)).unwrap_or_default()
    };
    let mut hashed: Vec<&ValueData> = limits.iter().collect();
    hashed.sort_by_key(|limit| hash(&limit.key) & (ROOM - 1));
    hashed.sort_by_key(|limit| hash(&limit.key) & (room - 1));
    hashed
}

/// A number as Java reads it: blanks around it and the suffix of its type count for nothing, and
/// words that Rust alone knows are none. Hexadecimal ones are not read.
fn parsed_double(text: &str) -> Option<f64> {
    let text = text.trim();
    let number = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    match number.trim_start_matches(['+', '-']) {
        "NaN" | "Infinity" if number == text => text.parse().ok(),
        digits if digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') => {
            number.parse().ok()
        }
        _ => None,
    }
}

/// A number as Java prints it: with a fraction, and with an exponent above 10^7.
fn java_double(value: f64) -> String {
    if (1e-3..1e7).contains(&value.abs()) || value == 0.0 {
        return format!("{value:?}");
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let fraction = if digits.contains('.') { "" } else { ".0" };
    format!("{digits}{fraction}E{exponent}")
}

/// DescribeClientQuotas: the entity of this name.
const EXACT: i8 = 0;
/// DescribeClientQuotas: the entity for all that have none of their own.
const DEFAULT: i8 = 1;
/// DescribeClientQuotas: every entity of the kind.
const ANY: i8 = 2;

#[cfg(test)]
mod tests {
    use ottla_wire::messages::describe_client_quotas_response::EntityData;

    use super::*;

    fn check(
        entity: &[(&'static str, Option<&'static str>)],
        limits: &[(&'static str, f64)],
        expect: &str,
    ) {
        let part = |(kind, name): &(&'static str, Option<&'static str>)| EntityData {
            entity_type: (*kind).into(),
            entity_name: name.map(StrBytes::from),
            ..Default::default()
        };
        let limit = |(key, value): &(&'static str, f64)| ValueData {
            key: (*key).into(),
            value: *value,
            ..Default::default()
        };
        let entry = EntryData {
            entity: entity.iter().map(part).collect(),
            values: limits.iter().map(limit).collect(),
            ..Default::default()
        };
        assert_eq!(line(&entry), format!("Quota configs for {expect}\n"));
    }

    #[test]
    fn a_line_names_the_entity_by_its_parts() {
        let (consumer, producer) = ("consumer_byte_rate", "producer_byte_rate");
        check(
            &[("client-id", None), ("user", Some("alice"))],
            &[(consumer, 2048.0)],
            "user-principal 'alice', the default client-id are consumer_byte_rate=2048.0",
        );
        check(
            &[("ip", Some("10.0.0.1"))],
            &[("connection_creation_rate", 10.0)],
            "ip '10.0.0.1' are connection_creation_rate=10.0",
        );
        check(
            &[("client-id", Some("x"))],
            &[(consumer, 2.0000001), (producer, 9_223_372_036_854_775_807.0)],
            "client-id 'x' are consumer_byte_rate=2.0000001, \
             producer_byte_rate=9.223372036854776E18",
        );
        check(
            &[("user", None)],
            &[(producer, 1024.0), ("request_percentage", 12.5)],
            "the default user-principal are request_percentage=12.5, producer_byte_rate=1024.0",
        );
    }

    #[test]
    fn numbers_are_read_as_in_java() {
        for (text, expect) in [
            ("1", Some(1.0)),
            (" 1.5e3 ", Some(1500.0)),
            ("1d", Some(1.0)),
            ("-.5F", Some(-0.5)),
            ("+2.", Some(2.0)),
            ("Infinity", Some(f64::INFINITY)),
            ("inf", None),
            ("nan", None),
            ("1dd", None),
            ("d", None),
            ("1 d", None),
            ("", None),
        ] {
            assert_eq!(parsed_double(text), expect, "{text:?}");
        }
    }

    #[test]
    fn numbers_look_as_in_java() {
        for (value, expect) in [
            (1.0, "1.0"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (10_485_760.0, "1.048576E7"),
            (0.001, "0.001"),
            (0.0005, "5.0E-4"),
        ] {
            assert_eq!(java_double(value), expect);
        }
    }
}
