//! The tables that people keep by hand: docs/compatibility/*.tsv, read into rows.
//!
//! Not here: what the sources say (sources.rs), whether the two agree (docs.rs).
//! Must hold: a row has as many columns as its table's first line names.

use std::path::Path;

/// What a row says of something: its state, the tests that show it, a reason or a limit.
pub(super) struct Claim {
    /// Where it is said, for findings.
    pub(super) about: String,
    pub(super) state: String,
    pub(super) tests: Vec<String>,
    pub(super) note: String,
}

/// What is said of an API on one listener.
pub(super) struct ApiRow {
    pub(super) api: String,
    pub(super) listener: String,
    pub(super) claim: Claim,
}

/// What is said of a config, or of all whose names begin alike (`name*`).
pub(super) struct ConfigRow {
    pub(super) scope: String,
    pub(super) config: String,
    pub(super) claim: Claim,
}

/// What is said of a KIP.
pub(super) struct KipRow {
    pub(super) number: u32,
    /// The release of Apache Kafka that brought it.
    pub(super) release: String,
    pub(super) title: String,
    pub(super) claim: Claim,
}

/// All tables.
pub(super) struct Tables {
    pub(super) apis: Vec<ApiRow>,
    pub(super) configs: Vec<ConfigRow>,
    pub(super) kips: Vec<KipRow>,
}

/// The words that a config's state may be.
const CONFIG_STATES: &[&str] = &["works", "untested", "no effect", "refused", "warned", "not yet"];
/// The words that a KIP's state may be.
const KIP_STATES: &[&str] = &["served", "partly", "untested", "not yet", "not here"];

impl Tables {
    pub(super) fn read(root: &Path) -> Result<Tables, String> {
        let mut tables = Tables { apis: Vec::new(), configs: Vec::new(), kips: Vec::new() };
        for row in rows(root, "apis.tsv", ["api", "listener", "shown by", "note"])? {
            let (about, [api, listener, tests, note]) = row;
            let claim = claim(about, "served".into(), &tests, note);
            tables.apis.push(ApiRow { api, listener, claim });
        }
        let columns = ["scope", "config", "state", "shown by", "note"];
        for (about, [scope, config, state, tests, note]) in rows(root, "configs.tsv", columns)? {
            known(&about, &state, CONFIG_STATES)?;
            let claim = claim(about, state, &tests, note);
            tables.configs.push(ConfigRow { scope, config, claim });
        }
        let columns = ["kip", "release", "title", "state", "shown by", "note"];
        for row in rows(root, "kips.tsv", columns)? {
            let (about, [kip, release, title, state, tests, note]) = row;
            known(&about, &state, KIP_STATES)?;
            let number = kip.parse().map_err(|_| format!("{about}: {kip} is no number"))?;
            let claim = claim(about, state, &tests, note);
            tables.kips.push(KipRow { number, release, title, claim });
        }
        Ok(tables)
    }

    /// The row of a config: its own, else that of the longest beginning; and where it stands.
    pub(super) fn config(&self, scope: &str, name: &str) -> Option<(usize, &ConfigRow)> {
        let fits = |row: &ConfigRow| match row.config.strip_suffix('*') {
            _ if row.scope != scope => None,
            Some(beginning) => name.starts_with(beginning).then_some(beginning.len()),
            None => (row.config == name).then_some(usize::MAX),
        };
        let rows = self.configs.iter().enumerate();
        let fitting = rows.filter_map(|(at, row)| Some((fits(row)?, (at, row))));
        fitting.max_by_key(|(length, _)| *length).map(|(_, found)| found)
    }
}

impl ConfigRow {
    pub(super) fn is_pattern(&self) -> bool {
        self.config.ends_with('*')
    }
}

fn known(about: &str, state: &str, states: &[&str]) -> Result<(), String> {
    match states.contains(&state) {
        true => Ok(()),
        false => Err(format!("{about}: a state is one of {}, not {state}", states.join(", "))),
    }
}

fn claim(about: String, state: String, tests: &str, note: String) -> Claim {
    let tests = tests.split(',').map(str::trim).filter(|name| !name.is_empty());
    Claim { about, state, tests: tests.map(str::to_owned).collect(), note }
}

/// The rows of a table, each with where it stands.
fn rows<const N: usize>(
    root: &Path,
    name: &str,
    columns: [&str; N],
) -> Result<Vec<(String, [String; N])>, String> {
    let path = root.join("docs/compatibility").join(name);
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{name}: {e}"))?;
    let mut lines = text.lines().enumerate();
    if lines.next().map(|(_, first)| first) != Some(columns.join("\t").as_str()) {
        return Err(format!("{name}:1: the columns are {}", columns.join(", ")));
    }
    let row = |(at, line): (usize, &str)| {
        let cells: Vec<String> = line.split('\t').map(str::to_owned).collect();
        let about = format!("{name}:{} {}", at + 1, cells[..cells.len().min(2)].join(" "));
        let cells = cells.try_into().map_err(|_| format!("{about}: a row has {N} columns"))?;
        Ok((about, cells))
    };
    lines.map(row).collect()
}
