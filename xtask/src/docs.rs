//! `cargo xtask docs [--check]`: writes docs/compatibility.md, what of Apache Kafka works here, and
//! docs/differences.md, which answers differ (conform/page.rs), and docs/metrics.md, what a node
//! shows of itself (docs/metrics.rs).
//!
//! What is served is read from the rows themselves (apis, configs, wire's messages); what people
//! say about it stands in docs/compatibility/*.tsv. Must hold: nothing is said to work that names
//! no test or that no room reads; with `--check` nothing is written and a difference is an error.

mod metrics;
mod page;
mod sources;
mod tables;

use std::collections::BTreeSet;

use sources::{Sources, kind_of};
use tables::{Claim, Tables};

use crate::root;

/// The pages that are written.
const PAGE: &str = "docs/compatibility.md";
const DIFFERENCES: &str = "docs/differences.md";
const METRICS: &str = "docs/metrics.md";

/// The page of what is refused, which is written by hand.
const BAD_INPUT: &str = "docs/bad-input.md";

/// Runs the task.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let check = match args {
        [] => false,
        [flag] if flag == "--check" => true,
        _ => return Err("usage: cargo xtask docs [--check]".into()),
    };
    let root = root();
    let sources = Sources::read(&root)?;
    let tables = Tables::read(&root)?;
    let mut findings = findings(&sources, &tables);
    let bad_input =
        std::fs::read_to_string(root.join(BAD_INPUT)).map_err(|e| format!("{BAD_INPUT}: {e}"))?;
    links_hold(&sources, &bad_input, &mut findings);
    if !findings.is_empty() {
        return Err(findings.join("\n"));
    }
    write(PAGE, page::page(&sources, &tables), check)?;
    write(DIFFERENCES, crate::conform::differences(&root)?, check)?;
    write(METRICS, metrics::page(), check)
}

/// Writes a page that is another one than that in the tree, or says that it is.
fn write(page: &str, wanted: String, check: bool) -> Result<(), String> {
    let path = root().join(page);
    if std::fs::read_to_string(&path).is_ok_and(|there| there == wanted) {
        return Ok(());
    }
    if check {
        return Err(format!("{page} is not what the tables say: run `cargo xtask docs`"));
    }
    std::fs::write(&path, wanted).map_err(|e| format!("{page}: {e}"))?;
    println!("wrote {page}");
    Ok(())
}

/// A page by hand names tests in links: `[the name in words](../path)`.
fn links_hold(sources: &Sources, page: &str, found: &mut Vec<String>) {
    let mut rest = page;
    while let Some((before, after)) = rest.split_once("](../") {
        let (name, path) = (before.rsplit('[').next(), after.split(')').next());
        let name = name.unwrap_or_default().replace(' ', "_");
        let path = path.unwrap_or_default();
        if sources.test(&name) != Some(path) {
            found.push(format!("{BAD_INPUT}: there is no test {name} in {path}"));
        }
        rest = after;
    }
}

/// What the tables say and the sources do not bear out.
fn findings(sources: &Sources, tables: &Tables) -> Vec<String> {
    let mut found = Vec::new();
    let claims = tables.apis.iter().map(|row| &row.claim);
    let claims = claims.chain(tables.configs.iter().map(|row| &row.claim));
    for claim in claims.chain(tables.kips.iter().map(|row| &row.claim)) {
        claim_holds(sources, claim, &mut found);
    }
    configs_are_told(sources, tables, &mut found);
    for row in &tables.apis {
        let is_served = sources.served(&row.listener).iter().any(|api| api.name == row.api);
        if !is_served {
            found.push(format!("apis.tsv: {} is not served on {}", row.api, row.listener));
        }
    }
    let mut seen = BTreeSet::new();
    for row in &tables.kips {
        if !seen.insert(row.number) {
            found.push(format!("kips.tsv: KIP-{} stands there twice", row.number));
        }
    }
    found
}

fn claim_holds(sources: &Sources, claim: &Claim, found: &mut Vec<String>) {
    let Claim { about, state, tests, note } = claim;
    for test in tests {
        if sources.test(test).is_none() {
            found.push(format!("{about}: there is no test {test}"));
        }
    }
    if tests.is_empty()
        && ["works", "refused", "warned", "served", "partly"].contains(&state.as_str())
    {
        found.push(format!("{about}: is said to be {state}, and no test shows it"));
    }
    if note.is_empty() && ["no effect", "not yet", "not here"].contains(&state.as_str()) {
        found.push(format!("{about}: says {state} without a reason"));
    }
}

fn configs_are_told(sources: &Sources, tables: &Tables, found: &mut Vec<String>) {
    let mut used = BTreeSet::new();
    for config in &sources.configs {
        let about = format!("{} {}", config.scope, config.name);
        let Some((at, row)) = tables.config(config.scope, &config.name) else {
            found.push(format!("configs.tsv: {about} is missing"));
            continue;
        };
        used.insert(at);
        let works = ["works", "untested"].contains(&row.claim.state.as_str());
        if works && row.is_pattern() {
            found.push(format!("configs.tsv: {about} is said to work by a pattern"));
        }
        if works && !sources.is_read(config) {
            found.push(format!("configs.tsv: {about} is said to work, and no room reads it"));
        }
        let is_refused = ["refused", "warned"].contains(&row.claim.state.as_str());
        if sources.is_unserved(config) && !is_refused {
            found.push(format!("configs.tsv: {about} is refused, and the table says otherwise"));
        }
    }
    for (at, row) in tables.configs.iter().enumerate().filter(|(at, _)| !used.contains(at)) {
        found.push(format!("configs.tsv:{}: no config is {} {}", at + 2, row.scope, row.config));
    }
    let kinds = tables.configs.iter().map(|row| row.scope.as_str());
    for scope in kinds.filter(|scope| kind_of(scope).is_none()) {
        found.push(format!("configs.tsv: nothing is a {scope}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_a_test_that_is_not_there_is_found() {
        let sources = Sources::read(&root()).unwrap();
        let mut found = Vec::new();
        links_hold(
            &sources,
            "[the first wrong byte is named](../crates/storage/tests/storage/verify.rs)",
            &mut found,
        );
        assert_eq!(found, [""; 0]);
        links_hold(&sources, "[the page is what it is](../xtask/src/docs.rs)", &mut found);
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn the_pages_are_what_the_tables_say() {
        run(&["--check".into()]).unwrap();
    }
}
