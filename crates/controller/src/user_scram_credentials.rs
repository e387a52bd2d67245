//! AlterUserScramCredentials (51), v0, and DescribeUserScramCredentials (50), v0: what users of
//! SCRAM log in with (KIP-554).
//!
//! A request may name a user once; one that it names twice is refused. The first refusal of a user
//! is the one that is told.
//! The salt and the keys made of the salted password are kept, the password never gets here.
//! Not served: nothing.

use std::collections::BTreeMap;

use ottla_metadata::{Image, MetadataRecord};
use ottla_security::scram::{ITERATIONS_MAX, ITERATIONS_MIN, ScramMechanism};
use ottla_wire::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use ottla_wire::messages::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use ottla_wire::messages::describe_user_scram_credentials_response::{
    CredentialInfo, DescribeUserScramCredentialsResult,
};
use ottla_wire::messages::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse,
    DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
    RemoveUserScramCredentialRecord, UserScramCredentialRecord,
};
use ottla_wire::{Bytes, ErrorCode, StrBytes};

use crate::{Controller, Decision, Live, RECORDS_MAX, Refusal};

/// What is to become of a user's credential.
#[derive(Clone, Copy)]
enum Change<'a> {
    Delete(&'a ScramCredentialDeletion),
    Set(&'a ScramCredentialUpsertion),
}

impl Controller {
    /// Sets and deletes credentials.
    pub fn alter_user_scram_credentials(
        &self,
        live: &mut Live<'_>,
        request: &AlterUserScramCredentialsRequest,
    ) -> Decision<AlterUserScramCredentialsResponse> {
        let deletions = request.deletions.iter().map(|one| (&one.name, Change::Delete(one)));
        let upsertions = request.upsertions.iter().map(|one| (&one.name, Change::Set(one)));
        let mut changes: BTreeMap<&StrBytes, Result<MetadataRecord, Refusal>> = BTreeMap::new();
        for (name, change) in deletions.chain(upsertions) {
            match changes.get_mut(name) {
                None => {
                    changes.insert(name, self.changed_credential(live.image, name, change));
                }
                Some(known) if known.is_ok() => *known = Err(twice()),
                Some(_) => {}
            }
        }
        let mut records = Vec::new();
        let mut results = Vec::with_capacity(changes.len());
        for (user, changed) in changes {
            let refusal = match changed {
                Ok(record) if records.len() < RECORDS_MAX => {
                    records.push(record);
                    None
                }
                Ok(_) => {
                    let message = "Too many credentials in one request.";
                    Some(Refusal::new(ErrorCode::POLICY_VIOLATION, message))
                }
                Err(refusal) => Some(refusal),
            };
            results.push(AlterUserScramCredentialsResult {
                user: user.clone(),
                error_code: refusal.as_ref().map_or(ErrorCode::NONE, |refusal| refusal.code),
                error_message: refusal.and_then(Refusal::text),
                ..Default::default()
            });
        }
        let response = AlterUserScramCredentialsResponse { results, ..Default::default() };
        Decision::new(records, response)
    }

    fn changed_credential(
        &self,
        image: &Image,
        user: &StrBytes,
        change: Change<'_>,
    ) -> Result<MetadataRecord, Refusal> {
        let refused = |code, message: &str| Err(Refusal::new(code, message));
        let number = match change {
            Change::Delete(deletion) => deletion.mechanism,
            Change::Set(upsertion) => upsertion.mechanism,
        };
        if user.is_empty() {
            return refused(ErrorCode::UNACCEPTABLE_CREDENTIAL, "Username must not be empty");
        }
        let Some(mechanism) = ScramMechanism::from_number(number) else {
            return refused(ErrorCode::UNSUPPORTED_SASL_MECHANISM, "Unknown SCRAM mechanism");
        };
        match change {
            Change::Set(upsertion) => set(mechanism, upsertion),
            _ if image.security().credentials.contains_key(&(user.clone(), number)) => {
                Ok(MetadataRecord::from(RemoveUserScramCredentialRecord {
                    name: user.clone(),
                    mechanism: number,
                    ..Default::default()
                }))
            }
            _ => refused(
                ErrorCode::RESOURCE_NOT_FOUND,
                "Attempt to delete a user credential that does not exist",
            ),
        }
    }
}

fn twice() -> Refusal {
    let message = "A user credential cannot be altered twice in the same request";
    Refusal::new(ErrorCode::DUPLICATE_RESOURCE, message)
}

fn set(
    mechanism: ScramMechanism,
    upsertion: &ScramCredentialUpsertion,
) -> Result<MetadataRecord, Refusal> {
    let refused = |code, message: &str| Err(Refusal::new(code, message));
    if upsertion.iterations < ITERATIONS_MIN {
        return refused(ErrorCode::UNACCEPTABLE_CREDENTIAL, "Too few iterations");
    }
    if upsertion.iterations > ITERATIONS_MAX {
        return refused(ErrorCode::UNACCEPTABLE_CREDENTIAL, "Too many iterations");
    }
    if upsertion.salted_password.is_empty() {
        // Kafka's controller fails here, since Java's HMAC takes no empty key.
        return Err(Refusal { code: ErrorCode::UNKNOWN_SERVER_ERROR, message: None });
    }
    let (stored_key, server_key) = mechanism.keys(&upsertion.salted_password);
    Ok(MetadataRecord::from(UserScramCredentialRecord {
        name: upsertion.name.clone(),
        mechanism: mechanism.number(),
        salt: upsertion.salt.clone(),
        stored_key: Bytes::from(stored_key),
        server_key: Bytes::from(server_key),
        iterations: upsertion.iterations,
        ..Default::default()
    }))
}

/// Answers DescribeUserScramCredentials from an image: of the users that are named, or of all that
/// have credentials, mechanisms and iterations.
pub fn describe_user_scram_credentials(
    image: &Image,
    request: &DescribeUserScramCredentialsRequest,
) -> DescribeUserScramCredentialsResponse {
    let mut known: BTreeMap<&str, Vec<CredentialInfo>> = BTreeMap::new();
    for ((user, mechanism), credential) in image.security().credentials.iter() {
        known.entry(user.as_str()).or_default().push(CredentialInfo {
            mechanism: *mechanism,
            iterations: credential.iterations,
            ..Default::default()
        });
    }
    let asked: Option<BTreeMap<&str, usize>> =
        request.users.as_deref().filter(|users| !users.is_empty()).map(|users| {
            let mut counts = BTreeMap::new();
            users.iter().for_each(|user| *counts.entry(user.name.as_str()).or_default() += 1);
            counts
        });
    let asked = asked.unwrap_or_else(|| known.keys().map(|user| (*user, 1)).collect());
    let result = |(user, times): (&str, usize)| {
        let (error_code, message) = match (times, known.contains_key(user)) {
            (1, true) => (ErrorCode::NONE, String::new()),
            (1, false) => (
                ErrorCode::RESOURCE_NOT_FOUND,
                format!("Attempt to describe a user credential that does not exist: {user}"),
            ),
            _ => (
                ErrorCode::DUPLICATE_RESOURCE,
                format!(
                    "Cannot describe SCRAM credentials for the same user twice in a single \
                     request: {user}"
                ),
            ),
        };
        let is_told = error_code.is_none();
        DescribeUserScramCredentialsResult {
            user: StrBytes::copied(user),
            error_code,
            error_message: Some(message.into()),
            credential_infos: if is_told { known[user].clone() } else { Vec::new() },
            ..Default::default()
        }
    };
    DescribeUserScramCredentialsResponse {
        // Kafka's word for nothing is empty here.
        error_message: Some(StrBytes::default()),
        results: asked.into_iter().map(result).collect(),
        ..Default::default()
    }
}
