//! The licences of the crates that are in the binary, in full, as they ask for it.
//!
//! Not here: which licences may be in it (deps.rs).

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::output;
use crate::root;

/// How the names of files with terms begin.
const FILES: &[&str] = &["license", "licence", "copying", "notice", "unlicense"];

/// The version of one of our packages.
pub(super) fn version_of(name: &str) -> Result<String, String> {
    let metadata = metadata(&["--no-deps"])?;
    let packages = metadata["packages"].as_array();
    let found = packages.and_then(|all| all.iter().find(|package| package["name"] == name));
    let version = found.and_then(|package| package["version"].as_str());
    version.map(str::to_owned).ok_or_else(|| format!("there is no package {name}"))
}

/// Every crate of others in the binary, each with its terms.
pub(super) fn texts(target: &str) -> Result<String, String> {
    let metadata = metadata(&["--filter-platform", target])?;
    let built = reached(&metadata);
    let none = Vec::new();
    let mut text = String::from(
        "ottla contains these works of others, each under its own terms.\n\
         musl, the C library that it is linked with, is MIT: https://musl.libc.org\n",
    );
    for package in metadata["packages"].as_array().unwrap_or(&none) {
        let is_ours = package["source"].is_null();
        if is_ours || !package["id"].as_str().is_some_and(|id| built.contains(id)) {
            continue;
        }
        let word = |key: &str| package[key].as_str().unwrap_or_default();
        let manifest = Path::new(word("manifest_path"));
        let mut terms = terms(manifest.parent().unwrap_or(manifest));
        if terms.is_empty() {
            terms = format!("The terms stand at {}", word("repository"));
        }
        let (name, version, licence) = (word("name"), word("version"), word("license"));
        writeln!(text, "\n==== {name} {version} ({licence})\n\n{}", terms.trim_end())
            .map_err(|e| e.to_string())?;
    }
    Ok(text)
}

fn metadata(words: &[&str]) -> Result<Value, String> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--format-version", "1", "--locked"]).args(words);
    serde_json::from_str(&output(command.current_dir(root()))?).map_err(|e| e.to_string())
}

/// The packages that the binary reaches without those for tests and for builds.
fn reached(metadata: &Value) -> BTreeSet<String> {
    let none = Vec::new();
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap_or(&none);
    let packages = metadata["packages"].as_array().unwrap_or(&none);
    let start = packages.iter().find(|package| package["name"] == "ottla");
    let mut open: Vec<&str> = start.and_then(|it| it["id"].as_str()).into_iter().collect();
    let mut found = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !found.insert(id.to_owned()) {
            continue;
        }
        let node = nodes.iter().find(|node| node["id"] == id);
        for needed in node.and_then(|node| node["deps"].as_array()).unwrap_or(&none) {
            let mut kinds = needed["dep_kinds"].as_array().unwrap_or(&none).iter();
            if kinds.any(|kind| kind["kind"].is_null()) {
                open.extend(needed["pkg"].as_str());
            }
        }
    }
    found
}

/// The files with terms in a package's folder, one after another.
fn terms(folder: &Path) -> String {
    let Ok(entries) = fs::read_dir(folder) else { return String::new() };
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let is_terms = |path: &Path| {
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase());
        name.is_some_and(|name| FILES.iter().any(|beginning| name.starts_with(beginning)))
    };
    let files = paths.iter().filter(|path| path.is_file() && is_terms(path));
    files.filter_map(|path| fs::read_to_string(path).ok()).collect::<Vec<_>>().join("\n")
}
