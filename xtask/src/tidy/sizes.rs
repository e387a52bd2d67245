//! Sizes: files, functions and lines, with a ratchet for what is too big today.
//!
//! `xtask/ratchet.txt` lists each exception with the size it has; a number there may only shrink,
//! and leaves the list when it fits. Tests, generated code and tables are not counted.
//! Must hold: nothing that fits may grow past the limit.

use std::collections::BTreeMap;

use super::rust::{Line, Source};
use super::tree::{File, Tree};

/// Where the exceptions stand: a size and a path, or a path with `#function`.
pub(super) const RATCHET: &str = "xtask/ratchet.txt";

const FILE_LINES_MAX: usize = 600;
const TEST_LINES_MAX: usize = 300;
const FUNCTION_LINES_MAX: usize = 70;
const LINE_COLUMNS_MAX: usize = 100;

pub(super) fn files_fit(tree: &Tree) -> Vec<String> {
    let ratchet = ratchet(tree);
    let mut found = too_big(file_sizes(tree), &ratchet, FILE_LINES_MAX);
    for (file, source) in tree.rust().filter(|(file, _)| !file.is_test()) {
        let lines = source.lines.iter().filter(|line| line.test).count();
        if lines > TEST_LINES_MAX {
            found.push(format!(
                "{}: {lines} lines of tests; past {TEST_LINES_MAX} they move to a tests.rs",
                file.path
            ));
        }
    }
    found
}

pub(super) fn functions_fit(tree: &Tree) -> Vec<String> {
    too_big(function_sizes(tree), &ratchet(tree), FUNCTION_LINES_MAX)
}

pub(super) fn ratchet_is_tight(tree: &Tree) -> Vec<String> {
    let sizes = all_sizes(tree);
    let mut found = Vec::new();
    for (what, allowed) in ratchet(tree) {
        let real = sizes.get(&what).copied().unwrap_or(0);
        if real < allowed {
            found.push(format!(
                "{what} has shrunk from {allowed} to {real}: run cargo xtask tidy --ratchet"
            ));
        }
    }
    found
}

pub(super) fn lines_fit(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (file, _) in tree.rust().filter(|(file, _)| !file.is_generated()) {
        for (at, line) in file.text.lines().enumerate() {
            let columns = line.chars().count();
            if columns > LINE_COLUMNS_MAX && !line.contains("://") {
                found.push(format!("{}:{}: {columns} columns", file.path, at + 1));
            }
        }
    }
    found
}

/// The ratchet with every number lowered to what is true today, and without what fits.
pub(super) fn tightened(tree: &Tree) -> String {
    let sizes = all_sizes(tree);
    let comments = ratchet_text(tree).lines().filter(|line| line.starts_with('#'));
    let mut lines: Vec<String> = comments.map(str::to_string).collect();
    for (what, allowed) in ratchet(tree) {
        let limit = if what.contains('#') { FUNCTION_LINES_MAX } else { FILE_LINES_MAX };
        let real = sizes.get(&what).copied().unwrap_or(0).min(allowed);
        if real > limit {
            lines.push(format!("{real} {what}"));
        }
    }
    lines.join("\n") + "\n"
}

fn too_big(
    sizes: BTreeMap<String, usize>,
    ratchet: &BTreeMap<String, usize>,
    limit: usize,
) -> Vec<String> {
    let mut found = Vec::new();
    for (what, size) in sizes {
        let allowed = ratchet.get(&what).copied().unwrap_or(limit).max(limit);
        if size > allowed {
            found.push(format!("{what} has {size} lines, more than {allowed}"));
        }
    }
    found
}

fn all_sizes(tree: &Tree) -> BTreeMap<String, usize> {
    let mut sizes = file_sizes(tree);
    sizes.extend(function_sizes(tree));
    sizes
}

fn file_sizes(tree: &Tree) -> BTreeMap<String, usize> {
    let counted = tree.rust().filter(|(file, _)| is_counted(file));
    let size = |source: &Source| source.lines.iter().filter(|line| !line.test).count();
    counted.map(|(file, source)| (file.path.clone(), size(source))).collect()
}

fn function_sizes(tree: &Tree) -> BTreeMap<String, usize> {
    let mut sizes = BTreeMap::new();
    for (file, source) in tree.rust().filter(|(file, _)| is_counted(file)) {
        for function in &source.functions {
            if !source.lines.get(function.first).is_some_and(|line: &Line| line.test) {
                let size = sizes.entry(format!("{}#{}", file.path, function.name)).or_insert(0);
                *size = (function.last - function.first + 1).max(*size);
            }
        }
    }
    sizes
}

fn is_counted(file: &File) -> bool {
    !file.is_test() && !file.is_generated() && !file.is_table()
}

fn ratchet_text(tree: &Tree) -> &str {
    tree.find(RATCHET).map_or("", |file| &file.text)
}

fn ratchet(tree: &Tree) -> BTreeMap<String, usize> {
    let rows = ratchet_text(tree).lines().filter_map(|line| line.split_once(' '));
    rows.filter_map(|(size, what)| Some((what.to_string(), size.parse().ok()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function_of(lines: usize) -> String {
        format!("fn long() {{\n{}}}\n", "    go();\n".repeat(lines - 2))
    }

    #[test]
    fn a_function_past_the_limit_is_found() {
        let check = |lines: usize, expect: usize| {
            let tree = Tree::of(&[("crates/a/src/lib.rs", &function_of(lines))]);
            assert_eq!(functions_fit(&tree).len(), expect, "{lines} lines");
        };
        check(70, 0);
        check(71, 1);
    }

    #[test]
    fn an_exception_may_shrink_but_not_grow() {
        let check = |lines: usize, findings: (usize, usize)| {
            let ratchet = "80 crates/a/src/lib.rs#long\n";
            let text = function_of(lines);
            let tree = Tree::of(&[("crates/a/src/lib.rs", &text), (RATCHET, ratchet)]);
            assert_eq!((functions_fit(&tree).len(), ratchet_is_tight(&tree).len()), findings);
        };
        check(80, (0, 0));
        check(81, (1, 0));
        check(79, (0, 1));
    }

    #[test]
    fn a_table_and_generated_code_are_not_counted() {
        for head in ["//! Table: rows.\n", "//! Generated by cargo xtask codegen.\n"] {
            let text = format!("{head}{}", "//\n".repeat(700));
            assert!(files_fit(&Tree::of(&[("crates/a/src/rows.rs", &text)])).is_empty());
        }
    }
}
