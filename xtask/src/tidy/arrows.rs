//! Arrows between crates, as their manifests draw them, against the list in `layers.rs`.
//!
//! Not here: the list itself, nor what may be used from crates.io (deps.rs), but for one thing: a
//! pure core must not see the world through a crate of others.

use std::collections::BTreeSet;

use crate::layers::{ANYONE, IN_TESTS, LAYERS, Layer};

use super::tree::{File, Tree};

/// What a pure core's `[dependencies]` never name: with these it would see the world.
const WORLDLY: &[&str] = &["tokio", "libc", "rustix", "rand", "getrandom", "mio", "socket2"];

const PACKAGE_PREFIX: &str = "ottla-";

pub(super) fn arrows_point_down(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (at, layer) in LAYERS.iter().enumerate() {
        let below: Vec<_> = LAYERS[at + 1..].iter().map(|lower| lower.name).collect();
        let upward = layer.uses.iter().filter(|name| !below.contains(name));
        found.extend(upward.map(|to| format!("layers.rs: {} -> {to} points up", layer.name)));
    }
    for (manifest, name) in manifests(tree) {
        let Some(layer) = LAYERS.iter().find(|layer| layer.name == name) else {
            found.push(format!("crates/{name} has no row in xtask/src/layers.rs"));
            continue;
        };
        let allowed = reach(layer);
        for (section, dependency) in dependencies(&manifest.text) {
            let Some(to) = dependency.strip_prefix(PACKAGE_PREFIX) else { continue };
            let in_tests = section == "dev-dependencies" && (IN_TESTS.contains(&to) || to == name);
            if !in_tests && !allowed.contains(to) {
                found.push(format!(
                    "{}: {name} -> {to} is no arrow of the house (see layers.rs)",
                    manifest.path
                ));
            }
        }
    }
    found
}

pub(super) fn cores_stay_pure(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (manifest, name) in manifests(tree) {
        if !LAYERS.iter().any(|layer| layer.name == name && layer.pure) {
            continue;
        }
        for (section, dependency) in dependencies(&manifest.text) {
            if section == "dependencies" && WORLDLY.contains(&dependency.as_str()) {
                found.push(format!(
                    "{}: {name} is pure and must not see the world through {dependency}",
                    manifest.path
                ));
            }
        }
    }
    found
}

/// The manifests of the crates, each with its folder's name.
fn manifests(tree: &Tree) -> impl Iterator<Item = (&File, &str)> {
    tree.files.iter().filter_map(|file| {
        let folder = file.path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml")?;
        Some((file, folder))
    })
}

/// Everything that a crate may use: its row, the rows of those, and so on.
fn reach(layer: &Layer) -> BTreeSet<&'static str> {
    let mut reached: BTreeSet<_> = ANYONE.iter().copied().collect();
    let mut open: Vec<_> = layer.uses.to_vec();
    while let Some(name) = open.pop() {
        if reached.insert(name) || ANYONE.contains(&name) {
            let row = LAYERS.iter().find(|lower| lower.name == name);
            open.extend(row.map_or(&[][..], |lower| lower.uses));
        }
    }
    reached
}

/// The section and name of each dependency that a manifest declares.
fn dependencies(manifest: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut section = String::new();
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            let header = header.rsplit_once("'.").map_or(header, |(_, last)| last);
            match header.split_once('.') {
                Some((kind, name)) if kind.ends_with("dependencies") => {
                    found.push((kind.to_string(), name.to_string()));
                    section.clear();
                }
                _ => section = header.to_string(),
            }
        } else if section.ends_with("dependencies") {
            let name = line.split(['.', '=', ' ']).next().unwrap_or_default();
            if !name.is_empty() && !name.starts_with('#') {
                found.push((section.clone(), name.to_string()));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, manifest: &str, expect: &[&str]) {
        let path = format!("crates/{name}/Cargo.toml");
        let tree = Tree::of(&[(&path, manifest)]);
        let mut found = arrows_point_down(&tree);
        found.extend(cores_stay_pure(&tree));
        let said: Vec<_> =
            found.iter().map(|line| line.split(": ").nth(1).unwrap_or(line)).collect();
        assert_eq!(said, expect);
    }

    #[test]
    fn an_arrow_down_passes_also_through_another_crate() {
        check("storage", "[dependencies]\nottla-wire.workspace = true\nbytes = \"1\"", &[]);
        check("raft", "[dependencies]\nottla-settings.workspace = true", &[]);
    }

    #[test]
    fn an_arrow_up_is_found() {
        let refused = "wire -> records is no arrow of the house (see layers.rs)";
        check("wire", "[dependencies]\nottla-records = { workspace = true }", &[refused]);
        check("wire", "[dev-dependencies.ottla-records]\npath = \"..\"", &[refused]);
    }

    #[test]
    fn only_tests_may_use_the_simulator() {
        check("raft", "[dev-dependencies]\nottla-sim.workspace = true", &[]);
        let refused = "raft -> sim is no arrow of the house (see layers.rs)";
        check("raft", "[dependencies]\nottla-sim.workspace = true", &[refused]);
    }

    #[test]
    fn a_core_that_sees_the_world_is_found() {
        let refused = "raft is pure and must not see the world through tokio";
        check("raft", "[dependencies]\ntokio.workspace = true", &[refused]);
        check("raft", "[dev-dependencies]\ntokio.workspace = true", &[]);
    }
}
