//! `docs/differences.md`, written from `conform/differences.toml` for users: what answers otherwise
//! than Apache Kafka, by API, and why.
//!
//! Not here: whether it does; that is the differential mode (diff.rs), nor the writing (docs.rs).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::diff::{Allowed, matches, parse};

const LIST: &str = "conform/differences.toml";
const SCRIPTS: &str = "conform/diff";
const INTRODUCTION: &str = "# Answers that differ from Apache Kafka's

Each change of Ottla is compared with Apache Kafka 4.4: the same requests go to both, in every
version that both know, and the answers are compared field by field
([conform/diff](../conform/diff/README.md)). What may differ stands below, with its reason; anything
else fails the build. This page is written by `cargo xtask docs` from
[conform/differences.toml](../conform/differences.toml).

| API | what differs | why |
|---|---|---|
";

/// The page as the list has it.
pub(crate) fn page(root: &Path) -> Result<String, String> {
    let apis = apis(root)?;
    let text = fs::read_to_string(root.join(LIST)).map_err(|e| format!("{LIST}: {e}"))?;
    let mut rows = BTreeMap::<String, BTreeMap<String, BTreeSet<String>>>::new();
    for allowed in parse(&text)? {
        let reasons = rows.entry(of(&apis, &allowed)?).or_default();
        reasons.entry(allowed.reason.clone()).or_default().insert(field(&allowed));
    }
    let mut page = INTRODUCTION.to_owned();
    for (api, reasons) in rows {
        for (reason, fields) in reasons {
            let fields: Vec<_> = fields.into_iter().collect();
            page.push_str(&format!("| {api} | {} | {reason} |\n", fields.join(", ")));
        }
    }
    Ok(page)
}

/// The API of each question.
fn apis(root: &Path) -> Result<BTreeMap<String, String>, String> {
    let wrong = |e: std::io::Error| format!("{SCRIPTS}: {e}");
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(root.join(SCRIPTS)).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        for line in fs::read_to_string(&path).map_err(wrong)?.lines() {
            let is_question = !line.starts_with([' ', '#']);
            if let Some((name, rest)) = line.split_once(": ").filter(|_| is_question) {
                let api = rest.split_whitespace().next().unwrap_or_default();
                found.insert(name.to_owned(), api.to_owned());
            }
        }
    }
    Ok(found)
}

/// Whose answers an entry is about.
fn of(apis: &BTreeMap<String, String>, allowed: &Allowed) -> Result<String, String> {
    if allowed.question == "*" {
        return Ok("every API".to_owned());
    }
    let asked = apis.iter().filter(|(question, _)| matches(&allowed.question, question));
    let asked = asked.map(|(_, api)| api.as_str()).filter(|api| *api != "Raw");
    let asked: BTreeSet<&str> = asked.collect();
    let is_known = apis.keys().any(|question| matches(&allowed.question, question));
    match (is_known, asked.is_empty()) {
        (false, _) => Err(format!("{LIST}: nobody asks {}", allowed.question)),
        (true, true) => Ok("frames".to_owned()),
        (true, false) => Ok(asked.into_iter().collect::<Vec<_>>().join(", ")),
    }
}

/// The part of an answer, in a reader's words.
fn field(allowed: &Allowed) -> String {
    match allowed.field.trim_matches('*') {
        "" => "the answer".to_owned(),
        "version" => "the API is not served".to_owned(),
        name => format!("`{}`", name.trim_end_matches('[')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_told_in_words() {
        for (pattern, expect) in
            [("*", "the answer"), ("*errorCode", "`errorCode`"), ("apiKeys[*", "`apiKeys`")]
        {
            let allowed = Allowed { field: pattern.to_owned(), ..Allowed::default() };
            assert_eq!(field(&allowed), expect);
        }
    }
}
