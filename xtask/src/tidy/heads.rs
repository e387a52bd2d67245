//! The first lines of files: each says what it is, each crate has a front page with an example,
//! each table says what its rows are.
//!
//! Not here: whether the head is true; that is for a reader.

use super::tree::{File, Tree};

/// The most lines of `//!` before a head stops being read; a crate's front page may be longer.
const HEAD_LINES_MAX: usize = 15;

pub(super) fn every_file_says_what_it_is(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (file, _) in tree.rust() {
        let lines = head(file).len();
        let least = if file.is_test() || file.is_generated() { 1 } else { 2 };
        let most = if is_front_page(file) { usize::MAX } else { HEAD_LINES_MAX };
        if lines < least {
            found.push(format!(
                "{}:1: has {lines} lines of //!: say what it is, what it is not, what must hold",
                file.path
            ));
        } else if lines > most {
            found.push(format!("{}:1: has {lines} lines of //!, more than {most}", file.path));
        }
    }
    found
}

pub(super) fn every_crate_has_a_front_page(tree: &Tree) -> Vec<String> {
    let pages = tree.files.iter().filter(|file| is_front_page(file));
    let bare = pages.filter(|file| !head(file).iter().any(|line| line.contains("```")));
    bare.map(|file| format!("{}:1: the crate's front page shows no example", file.path)).collect()
}

/// In a file that calls itself a table, each const says what its rows are.
pub(super) fn tables_are_documented(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (file, source) in tree.rust().filter(|(file, _)| file.is_table()) {
        for (at, line) in source.lines.iter().enumerate() {
            let item = line.code.trim_start().trim_start_matches("pub(crate) ");
            let item = item.trim_start_matches("pub(super) ").trim_start_matches("pub ");
            let declares = item.starts_with("const ") || item.starts_with("static ");
            let said = at > 0 && source.lines[at - 1].comment.starts_with('/');
            if declares && !item.starts_with("const fn") && !line.test && !said {
                found.push(format!("{}:{}: a table without a sentence", file.path, at + 1));
            }
        }
    }
    found
}

fn head(file: &File) -> Vec<&str> {
    file.text.lines().take_while(|line| line.starts_with("//!")).collect()
}

fn is_front_page(file: &File) -> bool {
    file.path.starts_with("crates/") && file.path.ends_with("/src/lib.rs")
}
