//! `--add-scram MECHANISM=[name=USER,password=TEXT]`: credentials that a cluster begins with.
//!
//! Instead of a password there may be `saltedpassword` and `salt`, in base64; `iterations` may be
//! told. Not here: the other words of `format` (words.rs).

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ottla_env::Env;
use ottla_security::scram::{ITERATIONS_MAX, ITERATIONS_MIN, ScramMechanism};
use ottla_wire::messages::UserScramCredentialRecord;
use ottla_wire::{Bytes, StrBytes};

use crate::failure::Failure;

/// Words of random bytes in a salt.
const SALT_WORDS: usize = 3;
const KNOWN: [&str; 5] = ["name", "password", "saltedpassword", "salt", "iterations"];

/// The credentials that the words ask for.
pub(super) fn credentials(
    env: &Env,
    words: &[String],
) -> Result<Vec<UserScramCredentialRecord>, Failure> {
    words.iter().map(|word| credential(env, word).map_err(Failure::said)).collect()
}

fn credential(env: &Env, word: &str) -> Result<UserScramCredentialRecord, String> {
    let (mechanism, text) = word
        .split_once('=')
        .ok_or_else(|| format!("Failed to find equals sign in SCRAM argument '{word}'"))?;
    let mechanism = ScramMechanism::from_name(mechanism)
        .ok_or_else(|| format!("The add-scram mechanism {mechanism} is not supported."))?;
    let given = assignments(text)?;
    let kafkas_name = mechanism.name().replace('-', "_");
    let iterations = match given.get("iterations") {
        None => ITERATIONS_MIN,
        Some(text) => {
            text.parse().map_err(|_| format!("Failed to parse iterations count: {text}"))?
        }
    };
    let limit = |sign: &str, limit: i32| {
        Err(format!(
            "The 'iterations' value must be {sign} {limit} for add-scram using {kafkas_name}"
        ))
    };
    if iterations < ITERATIONS_MIN {
        return limit(">=", ITERATIONS_MIN);
    }
    if iterations > ITERATIONS_MAX {
        return limit("<=", ITERATIONS_MAX);
    }
    let name = given.get("name").ok_or("You must supply 'name' to add-scram")?;
    let salt = given.get("salt").map(|text| decoded("salt", text)).transpose()?;
    let (salt, salted) = match (given.get("password"), given.get("saltedpassword"), salt) {
        (Some(password), _, salt) => {
            let drawn = || (0..SALT_WORDS).flat_map(|_| env.random_u64().to_be_bytes()).collect();
            let salt: Vec<u8> = salt.unwrap_or_else(drawn);
            let salted = mechanism.salted_password(password, &salt, iterations);
            (salt, salted)
        }
        (None, Some(salted), Some(salt)) => (salt, decoded("saltedpassword", salted)?),
        (None, Some(_), None) => {
            return Err("You must supply 'salt' with 'saltedpassword' to add-scram".to_owned());
        }
        (None, None, _) => {
            let message = "You must supply one of 'password' or 'saltedpassword' to add-scram";
            return Err(message.to_owned());
        }
    };
    let (stored_key, server_key) = mechanism.keys(&salted);
    Ok(UserScramCredentialRecord {
        name: StrBytes::copied(name),
        mechanism: mechanism.number(),
        salt: Bytes::from(salt),
        stored_key: Bytes::from(stored_key),
        server_key: Bytes::from(server_key),
        iterations,
        ..Default::default()
    })
}

/// Reads `[key=value,key="value"]`.
fn assignments(text: &str) -> Result<BTreeMap<&str, &str>, String> {
    let rest = text.strip_prefix('[').ok_or("Expected configuration string to start with [")?;
    let rest = rest.strip_suffix(']').ok_or("Expected configuration string to end with ]")?;
    let mut given = BTreeMap::new();
    for part in rest.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (key, value) =
            part.split_once('=').ok_or("Expected configuration assignments as key=value")?;
        let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        given.insert(key.trim(), inner.unwrap_or(value));
    }
    let unknown: Vec<&str> = given.keys().copied().filter(|key| !KNOWN.contains(key)).collect();
    match unknown.is_empty() {
        true => Ok(given),
        false => Err(format!("Unknown SCRAM configurations: {}", unknown.join(", "))),
    }
}

fn decoded(key: &str, text: &str) -> Result<Vec<u8>, String> {
    STANDARD.decode(text).map_err(|error| format!("Failed to decode given {key}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is made of a word, in a world whose random numbers do not matter here.
    fn check(word: &str, expect: &str) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let env = Env::real(runtime.handle().clone());
        let said = match credential(&env, word) {
            Ok(made) => format!(
                "{} {} {} {}",
                made.name,
                made.mechanism,
                made.iterations,
                STANDARD.encode(&made.stored_key)
            ),
            Err(wrong) => wrong,
        };
        assert_eq!(said, expect, "{word}");
    }

    #[test]
    fn a_salted_password_is_kept_as_apache_kafka_keeps_it() {
        // storedKey as the format command of 4.3.1 printed it for `password=x,salt="MTIz"`.
        check(
            "SCRAM-SHA-256=[name=alice,password=x,salt=\"MTIz\"]",
            "alice 1 4096 a+cwk9UEJPZA/DuYrebuKUqwgolKdo1F9C+vEB2XVfM=",
        );
    }

    #[test]
    fn what_is_wrong_is_named_as_apache_kafka_names_it() {
        check("SCRAM-SHA-1=[name=a]", "The add-scram mechanism SCRAM-SHA-1 is not supported.");
        check("SCRAM-SHA-256", "Failed to find equals sign in SCRAM argument 'SCRAM-SHA-256'");
        check("SCRAM-SHA-256=name", "Expected configuration string to start with [");
        check("SCRAM-SHA-256=[password=x]", "You must supply 'name' to add-scram");
        check(
            "SCRAM-SHA-256=[name=a]",
            "You must supply one of 'password' or 'saltedpassword' to add-scram",
        );
        check(
            "SCRAM-SHA-256=[name=a,saltedpassword=\"MTIz\"]",
            "You must supply 'salt' with 'saltedpassword' to add-scram",
        );
        check("SCRAM-SHA-256=[name=a,foo=1]", "Unknown SCRAM configurations: foo");
        check(
            "SCRAM-SHA-256=[name=a,password=x,iterations=5]",
            "The 'iterations' value must be >= 4096 for add-scram using SCRAM_SHA_256",
        );
        check(
            "SCRAM-SHA-256=[name=a,password=x,iterations=99999]",
            "The 'iterations' value must be <= 16384 for add-scram using SCRAM_SHA_256",
        );
        check(
            "SCRAM-SHA-256=[name=a,password=x,iterations=abc]",
            "Failed to parse iterations count: abc",
        );
    }
}
