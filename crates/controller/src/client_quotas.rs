//! AlterClientQuotas (49), v0-1: limits of users, client ids and addresses (KIP-546, KIP-612).
//!
//! An entity is a user, a client id, both, or an address; no name stands for the default of its
//! type. An entity changes wholly or not at all. One that the request names again is refused, as
//! Kafka does, though its first change stays.
//! Not served: names of hosts are not looked up, which needs a network; whatever could be one
//! passes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ottla_metadata::{Image, MetadataRecord, QuotaEntity};
use ottla_settings::table::{Scope, find};
use ottla_settings::{Kind, Row};
use ottla_wire::messages::alter_client_quotas_request::{EntryData, OpData};
use ottla_wire::messages::client_quota_record::EntityData as RecordEntity;
use ottla_wire::messages::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, ClientQuotaRecord,
    alter_client_quotas_response as answer,
};
use ottla_wire::{ErrorCode, StrBytes};

use crate::{Controller, Decision, Live, RECORDS_MAX, Refusal};

const USER: &str = "user";
const CLIENT_ID: &str = "client-id";
const IP: &str = "ip";

/// How far a limit that must be whole may be from a whole number.
const FRACTION_MAX: f64 = 1e-6;

impl Controller {
    /// Sets and removes limits.
    pub fn alter_client_quotas(
        &self,
        live: &mut Live<'_>,
        request: &AlterClientQuotasRequest,
    ) -> Decision<AlterClientQuotasResponse> {
        let mut records = Vec::new();
        let mut seen = BTreeSet::new();
        let mut entries: Vec<answer::EntryData> = Vec::with_capacity(request.entries.len());
        for entry in &request.entries {
            let entity = entity(entry);
            let is_first = seen.insert(entity.clone());
            let altered = match is_first {
                true => alter(live.image, &entity, &entry.ops, RECORDS_MAX - records.len()),
                false => Err(duplicate(&entity)),
            };
            let refusal = altered.map(|more| records.extend(more)).err();
            let told = told(&entity, refusal);
            match entries.iter_mut().find(|known| known.entity == told.entity) {
                Some(known) => *known = told,
                None => entries.push(told),
            }
        }
        if request.validate_only {
            records.clear();
        }
        Decision::new(records, AlterClientQuotasResponse { entries, ..Default::default() })
    }
}

/// Whom an entry is about: of a type that it names twice the last one, in the order of types.
fn entity(entry: &EntryData) -> QuotaEntity {
    let parts: BTreeMap<&str, Option<&StrBytes>> = entry
        .entity
        .iter()
        .map(|part| (part.entity_type.as_str(), part.entity_name.as_ref()))
        .collect();
    let owned = |(kind, name): (&str, Option<&StrBytes>)| {
        (kind.to_owned(), name.map(|name| name.as_str().to_owned()))
    };
    parts.into_iter().map(owned).collect()
}

fn told(entity: &QuotaEntity, refusal: Option<Refusal>) -> answer::EntryData {
    let part = |(kind, name): &(String, Option<String>)| answer::EntityData {
        entity_type: StrBytes::copied(kind),
        entity_name: name.as_deref().map(StrBytes::copied),
        ..Default::default()
    };
    answer::EntryData {
        error_code: refusal.as_ref().map_or(ErrorCode::NONE, |refusal| refusal.code),
        error_message: refusal.and_then(Refusal::text),
        entity: entity.iter().map(part).collect(),
        ..Default::default()
    }
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::INVALID_REQUEST, message)
}

fn duplicate(entity: &QuotaEntity) -> Refusal {
    let part = |(kind, name): &(String, Option<String>)| {
        format!("{kind}={}", name.as_deref().unwrap_or("null"))
    };
    let parts: Vec<String> = entity.iter().map(part).collect();
    let parts = parts.join(", ");
    invalid(format!("Ignoring duplicate entity ClientQuotaEntity(entries={{{parts}}})"))
}

/// The records of changes that the entity may have.
fn alter(
    image: &Image,
    entity: &QuotaEntity,
    ops: &[OpData],
    records_max: usize,
) -> Result<Vec<MetadataRecord>, Refusal> {
    let mut keys = BTreeSet::new();
    if !ops.iter().all(|op| keys.insert(&op.key)) {
        return Err(duplicate(entity));
    }
    check_entity(entity)?;
    let scope =
        if entity.iter().any(|(kind, _)| kind == IP) { Scope::IpQuota } else { Scope::ClientQuota };
    let none = BTreeMap::new();
    let present = image.security().quotas.get(entity).unwrap_or(&none);
    let mut records = Vec::new();
    for op in ops {
        let known = present.get(op.key.as_str());
        if !op.remove {
            check_limit(scope, &op.key, op.value)?;
        }
        let is_same = if op.remove { known.is_none() } else { known == Some(&op.value) };
        if !is_same {
            records.push(record(entity, op));
        }
    }
    if records.len() > records_max {
        let message = "Too many limits in one request.";
        return Err(Refusal::new(ErrorCode::POLICY_VIOLATION, message));
    }
    Ok(records)
}

fn record(entity: &QuotaEntity, op: &OpData) -> MetadataRecord {
    let part = |(kind, name): &(String, Option<String>)| RecordEntity {
        entity_type: StrBytes::copied(kind),
        entity_name: name.as_deref().map(StrBytes::copied),
        ..Default::default()
    };
    MetadataRecord::from(ClientQuotaRecord {
        entity: entity.iter().map(part).collect(),
        key: StrBytes::copied(&op.key),
        value: if op.remove { 0.0 } else { op.value },
        remove: op.remove,
        ..Default::default()
    })
}

fn check_entity(entity: &QuotaEntity) -> Result<(), Refusal> {
    if entity.is_empty() {
        return Err(invalid("Invalid empty client quota entity"));
    }
    for (kind, name) in entity {
        if ![USER, CLIENT_ID, IP].contains(&kind.as_str()) {
            return Err(invalid(format!("Unhandled client quota entity type: {kind}")));
        }
        if name.as_deref() == Some("") {
            return Err(invalid(format!("Empty {kind} not supported")));
        }
    }
    let address = entity.iter().find(|(kind, _)| kind == IP);
    match address {
        Some(_) if entity.len() > 1 => Err(invalid(
            "Invalid quota entity combination, IP entity shouldnot be combined with User or \
             ClientId",
        )),
        Some((_, Some(name))) if !could_be_address(name) => {
            Err(invalid(format!("{name} is not a valid IP or resolvable host.")))
        }
        _ => Ok(()),
    }
}

/// Whether a text is an address or has the form of a host's name (RFC 1123).
fn could_be_address(text: &str) -> bool {
    let is_label = |label: &str| {
        let is_known = |c: char| c.is_ascii_alphanumeric() || c == '-';
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(is_known)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.parse::<IpAddr>().is_ok() || text.len() <= 253 && text.split('.').all(is_label)
}

fn check_limit(scope: Scope, key: &str, value: f64) -> Result<(), Refusal> {
    let Some(row) = find(scope, key) else {
        return Err(invalid(format!("Invalid configuration key {key}")));
    };
    // What is no number is not above 0 either.
    if value.is_nan() || value <= 0.0 {
        return Err(invalid(format!("Quota {key} must be greater than 0")));
    }
    let Some((kind, most)) = whole(row) else { return Ok(()) };
    if value > most {
        return Err(invalid(format!("Proposed value for {key} is too large for {kind}.")));
    }
    if (value - value.trunc()).abs() > FRACTION_MAX {
        return Err(invalid(format!("{key} cannot be a fractional value.")));
    }
    Ok(())
}

/// What a whole number is called in Kafka's sentence, and its largest value.
fn whole(row: &Row) -> Option<(&'static str, f64)> {
    /// 2^63: the nearest that a double comes to the largest number of 64 bits.
    const LONG_MAX: f64 = 9_223_372_036_854_775_807.0;
    match row.kind {
        Kind::Int => Some(("an INT", f64::from(i32::MAX))),
        Kind::Long => Some(("a LONG", LONG_MAX)),
        _ => None,
    }
}
