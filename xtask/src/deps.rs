//! `cargo xtask deps`: what other people's code we build with, and on which terms.
//!
//! Asks `cargo metadata`, so it needs no network beyond what a build needs and no advisory list.
//! Must hold: every licence is permissive, nothing needs OpenSSL, and a C compiler is enough.

use std::process::Command;

use serde_json::Value;

/// Licences that ask for no more than their text being kept.
const PERMISSIVE: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Zlib",
    "bzip2-1.0.6",
    "CDLA-Permissive-2.0",
];

/// Crates that are refused, each with its reason.
const REFUSED: &[(&str, &str)] = &[
    ("openssl-sys", "needs OpenSSL on the machine: TLS is rustls with ring"),
    ("openssl", "needs OpenSSL on the machine: TLS is rustls with ring"),
    ("native-tls", "needs the machine's TLS: TLS is rustls with ring"),
    ("aws-lc-sys", "a minute of C to build: TLS is rustls with ring"),
    ("aws-lc-rs", "a minute of C to build: TLS is rustls with ring"),
    ("cmake", "a build tool that a fresh machine lacks"),
    ("bindgen", "needs libclang, which a fresh machine lacks"),
    ("protobuf-src", "builds a compiler of another language"),
    ("autotools", "a build tool that a fresh machine lacks"),
    ("rdkafka-sys", "another client's C library: clients are judged in conform/"),
    ("chrono", "time is a number of milliseconds here"),
    ("rand", "randomness comes from env"),
];

/// Prints each finding; fails when there is one.
pub(crate) fn run(_args: &[String]) -> Result<(), String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(crate::root())
        .output()
        .map_err(|e| format!("cargo metadata: {e}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let metadata = serde_json::from_slice(&output.stdout).map_err(|e| e.to_string())?;
    let packages = others(&metadata);
    let findings: Vec<_> = packages.iter().flat_map(judge).collect();
    if findings.is_empty() {
        println!("{} dependencies, all permissive, none refused", packages.len());
        return Ok(());
    }
    Err(findings.join("\n"))
}

/// A crate of others: name, version, licence expression.
struct Package<'a> {
    name: &'a str,
    version: &'a str,
    licence: &'a str,
}

/// The packages that are really built, without our own.
fn others(metadata: &Value) -> Vec<Package<'_>> {
    let text = |value: &'_ Value, key: &str| -> Option<String> {
        value.get(key).and_then(Value::as_str).map(str::to_string)
    };
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let built: Vec<_> =
        list(&metadata["resolve"]["nodes"]).iter().filter_map(|node| text(node, "id")).collect();
    let all = metadata["packages"].as_array().map_or(&[][..], Vec::as_slice);
    let foreign = all.iter().filter(|package| {
        package["source"].is_string() && built.iter().any(|id| package["id"] == id.as_str())
    });
    foreign
        .map(|package| Package {
            name: package["name"].as_str().unwrap_or_default(),
            version: package["version"].as_str().unwrap_or_default(),
            licence: package["license"].as_str().unwrap_or_default(),
        })
        .collect()
}

fn judge(package: &Package) -> Vec<String> {
    let Package { name, version, licence } = package;
    let mut found = Vec::new();
    if !is_permissive(licence) {
        found.push(format!("{name} {version}: licence `{licence}` is not on the permissive list"));
    }
    if let Some((_, reason)) = REFUSED.iter().find(|(refused, _)| refused == name) {
        found.push(format!("{name} {version}: refused: {reason}"));
    }
    found
}

/// Whether an SPDX expression can be met by permissive licences alone.
fn is_permissive(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = tokens.as_slice();
    let met = any_of(&mut rest);
    met && rest.is_empty()
}

fn any_of(rest: &mut &[&str]) -> bool {
    let mut met = all_of(rest);
    while let Some(("OR", after)) = rest.split_first().map(|(word, after)| (*word, after)) {
        *rest = after;
        met |= all_of(rest);
    }
    met
}

fn all_of(rest: &mut &[&str]) -> bool {
    let mut met = one_of(rest);
    while let Some(("AND", after)) = rest.split_first().map(|(word, after)| (*word, after)) {
        *rest = after;
        met &= one_of(rest);
    }
    met
}

fn one_of(rest: &mut &[&str]) -> bool {
    let Some((word, after)) = rest.split_first() else { return false };
    *rest = after;
    if *word == "(" {
        let met = any_of(rest);
        *rest = rest.get(1..).unwrap_or_default();
        return met;
    }
    if rest.first() == Some(&"WITH") {
        *rest = rest.get(2..).unwrap_or_default();
    }
    PERMISSIVE.contains(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_needs_one_permissive_side_and_a_sum_needs_all() {
        for (expression, expect) in [
            ("MIT", true),
            ("MIT OR GPL-3.0", true),
            ("MIT/Apache-2.0", true),
            ("MIT AND GPL-3.0", false),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("Apache-2.0 WITH LLVM-exception OR GPL-2.0", true),
            ("GPL-3.0", false),
            ("", false),
        ] {
            assert_eq!(is_permissive(expression), expect, "{expression}");
        }
    }

    #[test]
    fn every_refusal_has_a_reason() {
        assert!(REFUSED.iter().all(|(name, reason)| !name.is_empty() && reason.len() > 10));
    }
}
