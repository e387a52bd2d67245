//! `cargo xtask tidy`: the house rules that a machine can check, over every file of the tree.
//!
//! Not here: what rustc, rustfmt and clippy check already. A rule is one row in `RULES` and one
//! function from the tree to findings; a finding says where, what, and what to do about it.
//! Must hold: the same tree gives the same findings.

mod arrows;
mod dead;
mod front;
mod heads;
mod rust;
mod sizes;
mod tree;
mod words;

use tree::Tree;

/// One house rule: its name in the output, and the check.
struct Rule {
    name: &'static str,
    check: fn(&Tree) -> Vec<String>,
}

/// Every rule, in the order in which findings are printed.
const RULES: &[Rule] = &[
    Rule { name: "root", check: front::root_holds_only_what_it_should },
    Rule { name: "documents", check: front::documents_are_there },
    Rule { name: "decisions", check: front::decisions_are_numbered },
    Rule { name: "layers", check: arrows::arrows_point_down },
    Rule { name: "pure", check: arrows::cores_stay_pure },
    Rule { name: "dead files", check: dead::every_file_is_declared },
    Rule { name: "heads", check: heads::every_file_says_what_it_is },
    Rule { name: "front pages", check: heads::every_crate_has_a_front_page },
    Rule { name: "tables", check: heads::tables_are_documented },
    Rule { name: "file size", check: sizes::files_fit },
    Rule { name: "function size", check: sizes::functions_fit },
    Rule { name: "ratchet", check: sizes::ratchet_is_tight },
    Rule { name: "line length", check: sizes::lines_fit },
    Rule { name: "words", check: words::nothing_banned },
    Rule { name: "names", check: words::names_are_nouns },
    Rule { name: "errors", check: words::errors_are_worded },
    Rule { name: "unsafe", check: words::unsafe_stays_home },
    Rule { name: "select", check: words::select_is_biased },
    Rule { name: "hosts", check: words::locks_name_public_hosts },
    Rule { name: "generated", check: generated_code_is_current },
    Rule { name: "compatibility", check: compatibility_is_told },
];

/// Checks the tree; `--ratchet` first lowers the numbers in `xtask/ratchet.txt` to what is true.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let root = crate::root();
    match args {
        [] => {}
        [flag] if flag == "--ratchet" => {
            let tightened = sizes::tightened(&Tree::read(&root)?);
            std::fs::write(root.join(sizes::RATCHET), tightened).map_err(|e| e.to_string())?;
        }
        _ => return Err("usage: cargo xtask tidy [--ratchet]".into()),
    }
    let findings = findings(&Tree::read(&root)?);
    if findings.is_empty() {
        return Ok(());
    }
    Err(format!("{}\n\n{} findings", findings.join("\n"), findings.len()))
}

fn findings(tree: &Tree) -> Vec<String> {
    let each = |rule: &Rule| {
        (rule.check)(tree).into_iter().map(|found| format!("{}: {found}", rule.name)).collect()
    };
    RULES.iter().flat_map(|rule| -> Vec<String> { each(rule) }).collect()
}

fn generated_code_is_current(_tree: &Tree) -> Vec<String> {
    crate::codegen::run(&["--check".to_string()]).err().into_iter().collect()
}

fn compatibility_is_told(_tree: &Tree) -> Vec<String> {
    crate::docs::run(&["--check".to_string()]).err().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_house_is_tidy() {
        let tree = Tree::read(&crate::root()).expect("the tree is readable");
        let findings = findings(&tree);
        assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
    }
}
