//! Rules about the way in: what the root holds, the documents a newcomer reads, the decisions.
//!
//! Not here: the heads of source files (heads.rs).
//! Must hold: a stranger who lists the root recognises every name in it.

use super::tree::Tree;

/// What the root may hold beside dotfiles that tools insist on.
const ROOT: &[&str] = &[
    ".cargo",
    ".ci",
    ".gitattributes",
    ".github",
    ".gitignore",
    ".gitlab-ci.yml",
    "ARCHITECTURE.md",
    "BENCHMARKS.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "bench",
    "bin",
    "clippy.toml",
    "conform",
    "crates",
    "deploy",
    "docs",
    "examples",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "xtask",
];

/// Documents that must be there, each with the most lines it may have.
const DOCUMENTS: &[(&str, usize)] = &[
    ("README.md", 200),
    ("ARCHITECTURE.md", 400),
    ("CONTRIBUTING.md", 200),
    ("CHANGELOG.md", usize::MAX),
    ("BENCHMARKS.md", usize::MAX),
    ("LICENSE", usize::MAX),
];

const DECISIONS: &str = "docs/decisions/";

pub(super) fn root_holds_only_what_it_should(tree: &Tree) -> Vec<String> {
    let strange = tree.root_names.iter().filter(|name| !ROOT.contains(&name.as_str()));
    strange.map(|name| format!("{name} has no place in the root (see front.rs)")).collect()
}

pub(super) fn documents_are_there(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (path, most) in DOCUMENTS {
        match tree.find(path).map(|file| file.text.lines().count()) {
            None => found.push(format!("{path} is missing")),
            Some(lines) if lines > *most => {
                found.push(format!("{path} has {lines} lines, and nobody reads more than {most}"));
            }
            Some(_) => {}
        }
    }
    found
}

/// `NNNN-title.md`, counted from 0001 without gaps: a decision is never reused nor removed.
pub(super) fn decisions_are_numbered(tree: &Tree) -> Vec<String> {
    let names = tree.files.iter().filter_map(|file| file.path.strip_prefix(DECISIONS));
    let mut found = Vec::new();
    for (at, name) in names.enumerate() {
        let expected = format!("{:04}-", at + 1);
        if !name.starts_with(&expected) || !name.ends_with(".md") {
            found.push(format!("{DECISIONS}{name} should be named {expected}<title>.md"));
        }
    }
    found
}
