//! SCRAM credentials of users: `configs` for what DescribeUserScramCredentials knows.
//!
//! The password is salted here and does not leave the process. Not here: quotas (quotas.rs).

use ottla_client::Client;
use ottla_env::Env;
use ottla_security::scram::{ITERATIONS_MAX, ITERATIONS_MIN, ScramMechanism};
use ottla_wire::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use ottla_wire::messages::describe_user_scram_credentials_request::UserName;
use ottla_wire::messages::{
    AlterUserScramCredentialsRequest, DescribeUserScramCredentialsRequest,
    describe_user_scram_credentials_response as response,
};
use ottla_wire::{Bytes, ErrorCode, StrBytes};

use crate::client_options::refused;
use crate::failure::Failure;

use super::Changes;

/// How many iterations a password goes through unless told.
const ITERATIONS: i32 = ITERATIONS_MIN;
/// Words of random bytes in a salt.
const SALT_WORDS: usize = 3;

/// Whether a config is a credential.
pub(super) fn is_credential(name: &str) -> bool {
    ScramMechanism::from_name(name).is_some()
}

/// Sets and deletes credentials of a user.
pub(super) async fn alter(
    client: &Client,
    env: &Env,
    user: &str,
    changes: &Changes,
) -> Result<(), Failure> {
    let deletion = |mechanism: ScramMechanism| ScramCredentialDeletion {
        name: StrBytes::copied(user),
        mechanism: mechanism.number(),
        ..Default::default()
    };
    let deleted = changes.unset.iter().filter_map(|name| ScramMechanism::from_name(name));
    let deletions = deleted.map(deletion).collect();
    let mut upsertions = Vec::new();
    for (name, value) in &changes.set {
        let Some(mechanism) = ScramMechanism::from_name(name) else { continue };
        let (iterations, password) = credential(mechanism, value)?;
        let salt: Vec<u8> = (0..SALT_WORDS).flat_map(|_| env.random_u64().to_be_bytes()).collect();
        let salted_password = mechanism.salted_password(password, &salt, iterations);
        upsertions.push(ScramCredentialUpsertion {
            name: StrBytes::copied(user),
            mechanism: mechanism.number(),
            iterations,
            salt: Bytes::from(salt),
            salted_password: Bytes::from(salted_password),
            ..Default::default()
        });
    }
    let request = AlterUserScramCredentialsRequest { deletions, upsertions, ..Default::default() };
    let results = client.call(&request).await?.results;
    results.iter().try_for_each(|result| refused(result.error_code, result.error_message.as_ref()))
}

/// Reads `[iterations=N,]password=TEXT`.
fn credential(mechanism: ScramMechanism, text: &str) -> Result<(i32, &str), Failure> {
    let name = mechanism.name();
    let invalid = || {
        let name = name.replace('-', "_");
        Failure::said(format!("Invalid credential property {name}={text}"))
    };
    let (iterations, rest) = match text.strip_prefix("iterations=") {
        Some(rest) => {
            let (number, rest) = rest.split_once(',').ok_or_else(invalid)?;
            (number.parse().map_err(|_| invalid())?, rest)
        }
        None => (ITERATIONS, text),
    };
    let password = rest.strip_prefix("password=").ok_or_else(invalid)?;
    let limit = |word: &str, limit: i32| {
        Err(Failure::said(format!("Iterations {iterations} is {word} {limit} required for {name}")))
    };
    match iterations {
        few if few < ITERATIONS_MIN => limit("less than the minimum", ITERATIONS_MIN),
        many if many > ITERATIONS_MAX => limit("greater than the maximum", ITERATIONS_MAX),
        iterations => Ok((iterations, password)),
    }
}

/// A line for each user that has credentials: of one user, or of all.
pub(super) async fn describe(client: &Client, user: Option<&str>) -> Result<String, Failure> {
    let users = described(client, user).await?;
    let lines = users.iter().map(|user| {
        let infos = user.credential_infos.iter().filter_map(|info| {
            let name = ScramMechanism::from_number(info.mechanism)?.name();
            Some(format!("{name}=iterations={}", info.iterations))
        });
        let infos: Vec<String> = infos.collect();
        let user = &user.user;
        format!("SCRAM credential configs for user-principal '{user}' are {}\n", infos.join(", "))
    });
    Ok(lines.collect())
}

async fn described(
    client: &Client,
    user: Option<&str>,
) -> Result<Vec<response::DescribeUserScramCredentialsResult>, Failure> {
    let name = |user: &str| UserName { name: StrBytes::copied(user), ..Default::default() };
    let users = user.map(|user| vec![name(user)]);
    let request = DescribeUserScramCredentialsRequest { users, ..Default::default() };
    let response = client.call(&request).await?;
    refused(response.error_code, response.error_message.as_ref())?;
    let mut found = response.results;
    // A user without credentials has none to tell of.
    found.retain(|user| user.error_code != ErrorCode::RESOURCE_NOT_FOUND);
    found.iter().try_for_each(|user| refused(user.error_code, user.error_message.as_ref()))?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let said = match credential(ScramMechanism::Sha256, text) {
            Ok((iterations, password)) => format!("{iterations} {password}"),
            Err(failure) => failure.to_string(),
        };
        assert_eq!(said, expect, "{text}");
    }

    #[test]
    fn a_credential_is_a_password_with_iterations_before_it() {
        check("password=a=b,c", "4096 a=b,c");
        check("iterations=8192,password=secret", "8192 secret");
        check("secret", "Invalid credential property SCRAM_SHA_256=secret");
        check("iterations=4096", "Invalid credential property SCRAM_SHA_256=iterations=4096");
        check(
            "iterations=100,password=x",
            "Iterations 100 is less than the minimum 4096 required for SCRAM-SHA-256",
        );
        check(
            "iterations=16385,password=x",
            "Iterations 16385 is greater than the maximum 16384 required for SCRAM-SHA-256",
        );
    }
}
