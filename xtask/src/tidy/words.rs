//! Banned words and calls, each with its reason; names; where `unsafe` may stand.
//!
//! Not here: what clippy.toml bans by resolved path. The rows below catch what clippy cannot see
//! (comments, strings, macros, other languages) and give the reason in one place.

use super::rust::{Line, Source};
use super::tree::{File, Tree};

/// Where a row looks.
enum Where {
    /// Rust code outside strings and comments, tests included.
    Code,
    /// Rust code outside tests.
    Shipped,
    /// Comments of Rust files.
    Comment,
    /// Every text file, every character.
    Anywhere,
}

/// One banned word: what, where, why, and the paths where it is at home.
struct Ban {
    word: &'static str,
    place: Where,
    reason: &'static str,
    home: &'static [&'static str],
}

const fn ban(
    word: &'static str,
    place: Where,
    reason: &'static str,
    home: &'static [&'static str],
) -> Ban {
    Ban { word, place, reason, home }
}

/// Where the real world is at home: its own crate, the binary, and what never ships.
const WORLD: &[&str] = &["crates/env/", "bin/", "xtask/", "bench/", "conform/", "examples/"];

/// This file, which has to name what it bans.
const SELF: &str = "xtask/src/tidy/words.rs";

const STUB: &str = "a stub is no work done: write it, or leave it out and say so in a head";
const CLOCK: &str = "time comes from env: the simulator owns the clock";
const TASKS: &str = "tasks come from env: the simulator owns them";
const DISK: &str = "files come from env: the simulator owns the disk";
const HISTORY: &str = "comments tell why, not what was before: git tells that";
const LATER: &str = "say what holds, and file what does not yet";
const PLACE: &str = "a path or host of one machine means nothing on another";

/// Every banned word.
const BANS: &[Ban] = &[
    ban("todo!", Where::Code, STUB, &[]),
    ban("unimplemented!", Where::Code, STUB, &[]),
    ban("dbg!", Where::Code, "a trace for one afternoon", &[]),
    ban("#[ignore", Where::Code, "a test that does not run proves nothing", &[]),
    ban("allow(dead_code", Where::Shipped, "dead code is removed, not allowed", &[]),
    ban("allow(unused", Where::Shipped, "dead code is removed, not allowed", &[]),
    ban("static mut", Where::Code, "a node is a value: nothing global", &[]),
    ban("lazy_static", Where::Code, "a node is a value: nothing global", &[]),
    ban(
        "thread::sleep",
        Where::Code,
        "a sleeping test is slow when right and flaky when wrong",
        &["bench/"],
    ),
    ban("SystemTime::now", Where::Code, CLOCK, WORLD),
    ban("Instant::now", Where::Code, CLOCK, WORLD),
    ban("tokio::time::", Where::Code, CLOCK, WORLD),
    ban("tokio::spawn", Where::Code, TASKS, WORLD),
    ban("spawn_blocking", Where::Code, TASKS, WORLD),
    ban("thread::spawn", Where::Shipped, TASKS, WORLD),
    ban("thread::scope", Where::Shipped, TASKS, WORLD),
    ban("thread::Builder", Where::Shipped, TASKS, WORLD),
    ban("std::fs::", Where::Shipped, DISK, WORLD),
    ban("tokio::fs::", Where::Code, DISK, WORLD),
    ban(
        "tokio::net::",
        Where::Code,
        "sockets come from env: the simulator owns the network",
        WORLD,
    ),
    ban(
        "process::exit",
        Where::Code,
        "a node is a value: only the binary ends the process",
        &["bin/", "xtask/", "bench/"],
    ),
    ban("thread_rng", Where::Code, "randomness comes from env: a seed must repeat a run", &[]),
    ban("rand::random", Where::Code, "randomness comes from env: a seed must repeat a run", &[]),
    ban("unbounded_channel", Where::Code, "everything has a limit and a name for it", &[]),
    ban("fn get_", Where::Code, "a noun reads better: name what is returned", &[]),
    ban("fn test_", Where::Code, "a test's name is a sentence about behaviour", &[]),
    ban("fn issue_", Where::Code, "a test's name is a sentence about behaviour", &[]),
    ban("previously", Where::Comment, HISTORY, &[]),
    ban("formerly", Where::Comment, HISTORY, &[]),
    ban("TODO", Where::Comment, LATER, &[]),
    ban("FIXME", Where::Comment, LATER, &[]),
    ban("XXX", Where::Comment, LATER, &[]),
    ban("HACK", Where::Comment, LATER, &[]),
    ban("/work/", Where::Anywhere, PLACE, &[]),
    ban("/root/", Where::Anywhere, PLACE, &[]),
    ban("/home/", Where::Anywhere, PLACE, &["deploy/"]),
    ban("GOPROXY=", Where::Anywhere, PLACE, &[]),
    ban("--index-url", Where::Anywhere, PLACE, &[]),
];

/// Modules and folders that say nothing about what is in them.
const HOLLOW: &[&str] = &["utils", "util", "common", "misc", "helper", "helpers", "shared"];

/// Ends of type names that say nothing about what the type is.
const SUFFIXES: &[&str] = &["Manager", "Helper", "Helpers", "Util", "Utils", "Impl"];

/// Files that may hold `unsafe`, each for one need. A row needs its reason in the file's head.
const UNSAFE_HOMES: &[&str] = &[
    "bin/ottla/src/memory.rs",
    "crates/env/src/real/linux.rs",
    "crates/groups/tests/memory.rs",
    "crates/wire/tests/fuzz.rs",
];

/// Files that other people's package tools write; the URLs in them are checked.
const LOCKS: &[&str] =
    &["Cargo.lock", "package-lock.json", "pom.xml", "uv.lock", "requirements.txt", "go.sum"];

/// Hosts that everybody reaches, and those that only name a format.
const PUBLIC_HOSTS: &[&str] = &[
    "github.com",
    "registry.npmjs.org",
    "files.pythonhosted.org",
    "pypi.org",
    "opencollective.com",
    "tidelift.com",
    "paypal.me",
    "www.patreon.com",
    "maven.apache.org",
    "www.w3.org",
    "feross.org",
    "www.buymeacoffee.com",
    "packages.confluent.io",
];

pub(super) fn nothing_banned(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for file in tree.files.iter().filter(|file| file.path != SELF) {
        for ban in BANS.iter().filter(|ban| !is_home(ban, &file.path)) {
            for at in lines_with(ban, file) {
                found.push(format!("{}:{}: `{}`: {}", file.path, at + 1, ban.word, ban.reason));
            }
        }
        found.extend(ticket_numbers(file));
    }
    found
}

/// Whether the path may hold the word; programs that measure are at home where the world is.
fn is_home(ban: &Ban, path: &str) -> bool {
    let measures = path.contains("/examples/") || path.contains("/benches/");
    ban.home.iter().any(|home| path.starts_with(home)) || (measures && ban.home == WORLD)
}

fn lines_with(ban: &Ban, file: &File) -> Vec<usize> {
    let matching = |pick: &dyn Fn(&Line) -> bool| -> Vec<usize> {
        let lines = file.rust.iter().flat_map(|source: &Source| source.lines.iter().enumerate());
        lines.filter(|(_, line)| pick(line)).map(|(at, _)| at).collect()
    };
    match ban.place {
        Where::Code => matching(&|line| has_word(&line.code, ban.word)),
        Where::Shipped if file.is_test() => Vec::new(),
        Where::Shipped => matching(&|line| !line.test && has_word(&line.code, ban.word)),
        Where::Comment => matching(&|line| has_word(&line.comment, ban.word)),
        Where::Anywhere => {
            let lines = file.text.lines().enumerate();
            lines.filter(|(_, line)| line.contains(ban.word)).map(|(at, _)| at).collect()
        }
    }
}

/// Numbers of our own tracker in comments; those of Kafka's (KAFKA-1, KIP-1) are citations.
fn ticket_numbers(file: &File) -> Vec<String> {
    let lines = file.rust.iter().flat_map(|source| source.lines.iter().enumerate());
    let told = lines.filter(|(_, line)| names_a_ticket(&line.comment.to_lowercase()));
    told.map(|(at, _)| format!("{}:{}: a ticket number: say the reason itself", file.path, at + 1))
        .collect()
}

fn names_a_ticket(comment: &str) -> bool {
    ["issue ", "issue #", "ticket ", "ticket #"].iter().any(|word| {
        comment.split(word).skip(1).any(|after| after.starts_with(|c: char| c.is_ascii_digit()))
    })
}

pub(super) fn names_are_nouns(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (file, source) in tree.rust() {
        let hollow = file.path.split('/').map(|part| part.trim_end_matches(".rs"));
        for part in hollow.filter(|part| HOLLOW.contains(part)) {
            found.push(format!("{}: `{part}` says nothing: name what is in it", file.path));
        }
        for (at, line) in source.lines.iter().enumerate() {
            if let Some(name) = declared_type(&line.code)
                && SUFFIXES.iter().any(|end| name.ends_with(end))
            {
                found.push(format!(
                    "{}:{}: {name}: a type is a noun of the trade, without filler at its end",
                    file.path,
                    at + 1
                ));
            }
        }
    }
    found
}

/// What people read of an error are its words, which say what to do; not how it is built.
pub(super) fn errors_are_worded(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (file, source) in tree.rust().filter(|(file, _)| !file.is_test()) {
        let never_ships =
            ["xtask/", "bench/", "conform/"].iter().any(|it| file.path.starts_with(it));
        if never_ships || file.path.contains("/examples/") {
            continue;
        }
        for (at, (line, text)) in source.lines.iter().zip(file.text.lines()).enumerate() {
            if !line.test && BARE_ERRORS.iter().any(|bare| text.contains(bare)) {
                let why = "an error in Debug form: print its words, and what to do";
                found.push(format!("{}:{}: {why}", file.path, at + 1));
            }
        }
    }
    found
}

/// Errors by the names that they have, as only a debugger shows them.
const BARE_ERRORS: &[&str] = &["{error:?}", "{error:#?}", "{err:?}", "{e:?}", "{cause:?}"];

pub(super) fn unsafe_stays_home(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (file, source) in tree.rust() {
        for (at, line) in source.lines.iter().enumerate() {
            if !has_word(&line.code, "unsafe") || line.code.contains("unsafe_code") {
                continue;
            }
            let home = UNSAFE_HOMES.contains(&file.path.as_str());
            let above = source.lines[at.saturating_sub(4)..=at].iter();
            if !home {
                found.push(format!("{}:{}: unsafe outside its homes", file.path, at + 1));
            } else if !above.into_iter().any(|line| line.comment.contains("SAFETY")) {
                found.push(format!("{}:{}: unsafe without its SAFETY", file.path, at + 1));
            }
        }
    }
    found
}

/// A `select!` without `biased;` draws a random order that no seed repeats.
pub(super) fn select_is_biased(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (file, source) in tree.rust() {
        for (at, line) in source.lines.iter().enumerate() {
            let here = source.lines[at..].iter().take(2);
            if has_word(&line.code, "select!")
                && !here.map(|l| l.code.as_str()).any(|code| code.contains("biased;"))
            {
                found.push(format!("{}:{}: select! must be biased", file.path, at + 1));
            }
        }
    }
    found
}

pub(super) fn locks_name_public_hosts(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for file in tree.files.iter().filter(|file| LOCKS.contains(&file.name())) {
        for (at, line) in file.text.lines().enumerate() {
            for after in line.split("://").skip(1) {
                let host = after.split(['/', '"', ':', '<']).next().unwrap_or_default();
                if !PUBLIC_HOSTS.contains(&host) {
                    found.push(format!("{}:{}: {host} is no public host", file.path, at + 1));
                }
            }
        }
    }
    found
}

/// The name in `struct Name`, `enum Name`, `trait Name`, `type Name`.
fn declared_type(code: &str) -> Option<&str> {
    let mut words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.find(|word| ["struct", "enum", "trait", "type"].contains(word))?;
    words.find(|word| !word.is_empty())
}

/// Whether `word` stands in `text` and does not merely end or begin a longer one.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        let begins = !word.starts_with(is_part) || !before.is_some_and(is_part);
        let ends = !word.ends_with(|c: char| c.is_alphanumeric()) || !after.is_some_and(is_part);
        begins && ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: usize) {
        let tree = Tree::of(&[("crates/a/src/lib.rs", text)]);
        let mut found = nothing_banned(&tree);
        found.extend(names_are_nouns(&tree));
        found.extend(errors_are_worded(&tree));
        found.extend(unsafe_stays_home(&tree));
        found.extend(select_is_biased(&tree));
        assert_eq!(found.len(), expect, "{text}: {found:?}");
    }

    #[test]
    fn banned_calls_are_found_in_code_and_not_in_strings() {
        check("fn f() { todo!() }", 1);
        check("let a = \"todo!()\";", 0);
        check("let now = std::time::Instant::now();", 1);
        check("fn get_name() {}", 1);
        check("fn forget_name() {}", 0);
    }

    #[test]
    fn tests_may_read_their_fixtures() {
        check("#[cfg(test)]\nmod tests {\n    use std::fs::read;\n}", 0);
        check("use std::fs::read;", 1);
    }

    #[test]
    fn comments_tell_no_history_and_no_tickets() {
        check("// previously a list", 1);
        check("// see issue 12", 1);
        check("// KAFKA-18659, KIP-345", 0);
    }

    #[test]
    fn names_without_a_meaning_are_found() {
        check("pub struct TopicManager;", 1);
        check("pub struct Topics;", 0);
    }

    #[test]
    fn errors_in_debug_form_are_found_where_people_read_them() {
        check("fn f() { let why = format!(\"{error:?}\"); }", 1);
        check("fn f() { let why = format!(\"{error}\"); }", 0);
        check("#[cfg(test)]\nmod tests {\n    fn f() { panic!(\"{error:?}\") }\n}", 0);
    }

    #[test]
    fn unsafe_and_unfair_selects_are_found() {
        check("fn f() { unsafe { g() } }", 1);
        check("select! {\n  a => {}\n}", 1);
        check("select! {\n  biased;\n  a => {}\n}", 0);
    }
}
