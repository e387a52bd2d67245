//! Dead files: a `.rs` file that no `mod` declares is never compiled, and nobody notices.
//!
//! Not here: dead functions (rustc finds them).
//! Must hold: a crate's roots are the ones that cargo itself would take.

use std::collections::BTreeSet;

use super::tree::{File, Tree};

/// What else may stand in a folder without a `mod`: pieces that one `include!` brings in.
const INCLUDED: &str = "include!(";

pub(super) fn every_file_is_declared(tree: &Tree) -> Vec<String> {
    let mut alive = BTreeSet::new();
    for (file, _) in tree.rust() {
        if is_root(&file.path) {
            reach(tree, file, &folder(&file.path), &mut alive);
        }
    }
    let dead = tree.rust().filter(|(file, _)| !alive.contains(&file.path));
    dead.map(|(file, _)| format!("{} is declared by no mod", file.path)).collect()
}

/// Whether cargo compiles this file without being told.
fn is_root(path: &str) -> bool {
    let parts: Vec<_> = path.split('/').collect();
    match parts.as_slice() {
        [.., "build.rs"] | [.., "src", "lib.rs" | "main.rs"] | [.., "src", "bin", _] => true,
        [.., "tests" | "benches" | "examples", _] => !path.contains("/src/"),
        [.., "tests" | "benches" | "examples", _, "main.rs"] => !path.contains("/src/"),
        _ => false,
    }
}

/// Marks `file` and everything that its `mod` lines bring in; their files lie in `home`.
fn reach(tree: &Tree, file: &File, home: &str, alive: &mut BTreeSet<String>) {
    if !alive.insert(file.path.clone()) {
        return;
    }
    let Some(source) = &file.rust else { return };
    let raw: Vec<_> = file.text.lines().collect();
    for (at, line) in source.lines.iter().enumerate() {
        if line.code.contains(INCLUDED) {
            let name = raw.get(at).and_then(|text| text.split('"').nth(1));
            let path = format!("{}{}", folder(&file.path), name.unwrap_or_default());
            alive.insert(path);
        }
        let Some(name) = declared(&line.code) else { continue };
        let above = if at > 0 { raw.get(at - 1).copied().unwrap_or_default() } else { "" };
        let given = above.trim().strip_prefix("#[path = \"").and_then(|p| p.strip_suffix("\"]"));
        let (flat, nested) = match given {
            Some(path) => (format!("{}{path}", folder(&file.path)), String::new()),
            None => (format!("{home}{name}.rs"), format!("{home}{name}/mod.rs")),
        };
        let child = tree.find(&flat).or_else(|| tree.find(&nested));
        if let Some(child) = child {
            reach(tree, child, &format!("{home}{name}/"), alive);
        }
    }
}

/// The name in `mod name;`, with whatever visibility.
fn declared(code: &str) -> Option<&str> {
    let (before, after) = code.split_once("mod ")?;
    let name = after.trim().strip_suffix(';')?;
    let visibility = before.trim();
    (visibility.is_empty() || visibility.starts_with("pub")).then_some(name)
}

/// The folder of a path, with its slash.
fn folder(path: &str) -> String {
    path.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_nobody_declares_is_dead() {
        let tree = Tree::of(&[
            ("crates/a/src/lib.rs", "mod one;\npub(crate) mod two;\n// mod three;"),
            ("crates/a/src/one.rs", "mod deep;"),
            ("crates/a/src/one/deep.rs", ""),
            ("crates/a/src/two/mod.rs", "#[path = \"odd_name.rs\"]\nmod odd;"),
            ("crates/a/src/two/odd_name.rs", ""),
            ("crates/a/src/three.rs", ""),
            ("crates/a/tests/whole.rs", ""),
        ]);
        let found = every_file_is_declared(&tree);
        assert_eq!(found, ["crates/a/src/three.rs is declared by no mod"]);
    }
}
