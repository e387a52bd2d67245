//! Quotas, ACLs, SCRAM credentials and delegation tokens: kept as they were written.
//!
//! Records are copied out of the batch they came in, so that no kept state holds a log's buffer.

use std::collections::BTreeMap;

use ottla_wire::messages::client_quota_record::EntityData;
use ottla_wire::messages::{
    AccessControlEntryRecord, ClientQuotaRecord, DelegationTokenRecord,
    RemoveUserScramCredentialRecord, UserScramCredentialRecord,
};
use ottla_wire::{Bytes, StrBytes, Uuid};

use crate::record::MetadataRecord;
use crate::sorted::SortedMap;

/// Whom a quota is for: entity types with names, sorted; no name for the default of a type.
pub type QuotaEntity = Vec<(String, Option<String>)>;

/// What is kept about users and their rights and limits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Security {
    /// Limits by entity and key.
    pub quotas: SortedMap<QuotaEntity, BTreeMap<String, f64>>,
    /// ACLs by id.
    pub acls: SortedMap<Uuid, AccessControlEntryRecord>,
    /// Credentials by user and mechanism (1 SCRAM-SHA-256, 2 SCRAM-SHA-512).
    pub credentials: SortedMap<(StrBytes, i8), UserScramCredentialRecord>,
    /// Delegation tokens by id.
    pub tokens: SortedMap<StrBytes, DelegationTokenRecord>,
}

impl Security {
    pub(crate) fn change_quota(&mut self, record: &ClientQuotaRecord) {
        let text = |text: &StrBytes| text.as_str().to_owned();
        let mut entity: QuotaEntity = record
            .entity
            .iter()
            .map(|part| (text(&part.entity_type), part.entity_name.as_ref().map(text)))
            .collect();
        entity.sort();
        let mut limits = self.quotas.get(&entity).cloned().unwrap_or_default();
        if record.remove {
            limits.remove(record.key.as_str());
        } else {
            limits.insert(text(&record.key), record.value);
        }
        if limits.is_empty() {
            self.quotas.remove(&entity);
        } else {
            self.quotas.insert(entity, limits);
        }
    }

    pub(crate) fn add_acl(&mut self, record: &AccessControlEntryRecord) {
        let copied = AccessControlEntryRecord {
            resource_name: StrBytes::copied(&record.resource_name),
            principal: StrBytes::copied(&record.principal),
            host: StrBytes::copied(&record.host),
            ..record.clone()
        };
        self.acls.insert(record.id, copied);
    }

    pub(crate) fn set_credential(&mut self, record: &UserScramCredentialRecord) {
        let copied = UserScramCredentialRecord {
            name: StrBytes::copied(&record.name),
            salt: Bytes::copy_from_slice(&record.salt),
            stored_key: Bytes::copy_from_slice(&record.stored_key),
            server_key: Bytes::copy_from_slice(&record.server_key),
            ..record.clone()
        };
        self.credentials.insert((copied.name.clone(), record.mechanism), copied);
    }

    pub(crate) fn remove_credential(&mut self, record: &RemoveUserScramCredentialRecord) {
        self.credentials.remove(&(record.name.clone(), record.mechanism));
    }

    pub(crate) fn set_token(&mut self, record: &DelegationTokenRecord) {
        let copied = DelegationTokenRecord {
            owner: StrBytes::copied(&record.owner),
            requester: StrBytes::copied(&record.requester),
            renewers: record.renewers.iter().map(|name| StrBytes::copied(name)).collect(),
            token_id: StrBytes::copied(&record.token_id),
            ..record.clone()
        };
        self.tokens.insert(copied.token_id.clone(), copied);
    }

    pub(crate) fn quota_records(&self) -> impl Iterator<Item = MetadataRecord> {
        self.quotas.iter().flat_map(|(entity, limits)| {
            limits.iter().map(|(key, value)| {
                let part = |(kind, name): &(String, Option<String>)| EntityData {
                    entity_type: StrBytes::copied(kind),
                    entity_name: name.as_deref().map(StrBytes::copied),
                    ..Default::default()
                };
                MetadataRecord::from(ClientQuotaRecord {
                    entity: entity.iter().map(part).collect(),
                    key: StrBytes::copied(key),
                    value: *value,
                    ..Default::default()
                })
            })
        })
    }
}
