//! What the sources say: which APIs and versions have a row, which configs there are and which of
//! them a room reads, which tests there are.
//!
//! Read as text, so that the tools need none of the crates. Not here: what people say about it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// An API of Apache Kafka 4.4, from wire's table of messages.
pub(super) struct Known {
    pub(super) key: u32,
    pub(super) name: String,
    /// First and last version.
    pub(super) versions: (u32, u32),
    /// Whether the last version is not final.
    pub(super) unstable: bool,
    pub(super) listeners: String,
}

/// An API that has a row on a listener.
pub(super) struct Served {
    pub(super) name: String,
    pub(super) versions: (u32, u32),
    /// The first version that ApiVersions tells, where it is another.
    pub(super) announced: Option<u32>,
    /// A version that is not final, served where a config says so.
    pub(super) draft: Option<u32>,
}

/// A config, from its row.
pub(super) struct Config {
    pub(super) scope: &'static str,
    /// The file of its row, without folder and ending.
    pub(super) area: String,
    pub(super) name: String,
    pub(super) field: String,
    pub(super) default: String,
    /// The configs of the broker that it falls back to.
    fallbacks: Vec<String>,
}

/// The scopes of configs, each with its heading.
pub(super) const KINDS: &[(&str, &str)] = &[
    ("topic", "Topics"),
    ("broker", "Nodes"),
    ("group", "Groups"),
    ("client-metrics", "Metrics of clients"),
    ("quota", "Quotas"),
];

/// The heading of a scope.
pub(super) fn kind_of(scope: &str) -> Option<&'static str> {
    KINDS.iter().find(|(name, _)| *name == scope).map(|(_, heading)| *heading)
}

/// Rooms that a node is made of: who reads a config there obeys it.
const ROOMS: &[&str] = &[
    "broker",
    "controller",
    "coordination",
    "groups",
    "net",
    "node",
    "quorum",
    "settings",
    "share",
    "storage",
    "transactions",
];

/// What is read of the tree.
pub(super) struct Sources {
    pub(super) known: Vec<Known>,
    broker: Vec<Served>,
    controller: Vec<Served>,
    pub(super) configs: Vec<Config>,
    /// Every test by name, with its file.
    tests: BTreeMap<String, String>,
    /// Every `.name` and every whole string in the rooms' shipped code.
    words: BTreeSet<String>,
    /// The configs of which some values are refused or warned of.
    unserved: BTreeSet<(String, String)>,
}

impl Sources {
    pub(super) fn read(root: &Path) -> Result<Sources, String> {
        let mut files = Vec::new();
        for folder in ["bin", "crates"] {
            rust_files(&root.join(folder), folder, &mut files)?;
        }
        let text = |path: &str| {
            let found = files.iter().find(|(name, _)| name == path);
            found.map(|(_, text)| text.as_str()).ok_or_else(|| format!("{path} is missing"))
        };
        let messages = root.join("crates/wire/messages.txt");
        let messages = std::fs::read_to_string(messages).map_err(|e| e.to_string())?;
        let mut sources = Sources {
            known: messages.lines().filter_map(known).collect(),
            broker: text("crates/broker/src/api.rs")?.lines().filter_map(served).collect(),
            controller: text("crates/quorum/src/api.rs")?.lines().filter_map(served).collect(),
            configs: Vec::new(),
            tests: BTreeMap::new(),
            words: BTreeSet::new(),
            unserved: unserved(text("crates/settings/src/unserved.rs")?),
        };
        for (path, text) in &files {
            tests(path, text, &mut sources.tests);
            if let Some(area) = path.strip_prefix("crates/settings/src/table/") {
                configs(area.trim_end_matches(".rs"), text, &mut sources.configs);
            } else if is_room(path) {
                words(text, &mut sources.words);
            }
        }
        Ok(sources)
    }

    /// The APIs that have a row on a listener.
    pub(super) fn served(&self, listener: &str) -> &[Served] {
        match listener {
            "broker" => &self.broker,
            "controller" => &self.controller,
            _ => &[],
        }
    }

    /// The file of a test.
    pub(super) fn test(&self, name: &str) -> Option<&str> {
        self.tests.get(name).map(String::as_str)
    }

    /// Whether a room reads the config, itself or as what a topic or group falls back to.
    pub(super) fn is_read(&self, config: &Config) -> bool {
        let directly = |config: &Config| {
            self.words.contains(&format!(".{}", config.field)) || self.words.contains(&config.name)
        };
        let mut behind = self.configs.iter().filter(|it| it.fallbacks.contains(&config.name));
        directly(config) || behind.any(directly)
    }

    /// Whether some of its values are refused or warned of by settings' own table.
    pub(super) fn is_unserved(&self, config: &Config) -> bool {
        self.unserved.contains(&(config.scope.to_owned(), config.name.clone()))
    }
}

fn rust_files(
    folder: &Path,
    prefix: &str,
    files: &mut Vec<(String, String)>,
) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("{prefix}: {e}");
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    let mut entries: Vec<_> = entries.collect::<Result<_, _>>().map_err(failed)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = format!("{prefix}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().map_err(failed)?.is_dir() {
            rust_files(&entry.path(), &path, files)?;
        } else if path.ends_with(".rs") {
            files.push((path, std::fs::read_to_string(entry.path()).map_err(failed)?));
        }
    }
    Ok(())
}

/// Whether the file is shipped code of a room, but for the rows of configs themselves.
fn is_room(path: &str) -> bool {
    let mut parts = path.split('/').skip(1);
    let room = parts.next().is_some_and(|room| ROOMS.contains(&room));
    room && parts.next() == Some("src") && !path.ends_with("/tests.rs") && !path.contains("/tests/")
}

/// `request KEY NAMERequest FIRST-LAST [flexible N+] [unstable] on LISTENERS`.
fn known(line: &str) -> Option<Known> {
    let words: Vec<&str> = line.strip_prefix("request ")?.split(' ').collect();
    let [key, name, versions, ..] = words[..] else { return None };
    let on = words.iter().position(|word| *word == "on")?;
    Some(Known {
        key: key.parse().ok()?,
        name: name.trim_end_matches("Request").to_owned(),
        versions: range(versions, "-")?,
        unstable: words.contains(&"unstable"),
        listeners: words.get(on + 1)?.replace(',', ", "),
    })
}

/// `NAME FIRST..LAST [announced N] [draft N], ... => ...;` of an `apis!` table.
fn served(line: &str) -> Option<Served> {
    let (row, _) = line.strip_prefix("    ")?.split_once(" =>")?;
    let mut words = row.split([' ', ',']);
    let name = words.next().filter(|word| word.starts_with(|c: char| c.is_ascii_uppercase()))?;
    let versions = range(&words.next()?.replace('=', ""), "..")?;
    let more: Vec<&str> = words.collect();
    let after = |word: &str| {
        let at = more.iter().position(|it| *it == word)?;
        more.get(at + 1)?.parse().ok()
    };
    let (announced, draft) = (after("announced"), after("draft"));
    Some(Served { name: name.to_owned(), versions, announced, draft })
}

fn range(text: &str, between: &str) -> Option<(u32, u32)> {
    let (first, last) = text.split_once(between).unwrap_or((text, text));
    Some((first.parse().ok()?, last.parse().ok()?))
}

/// The names of the tests of a file.
fn tests(path: &str, text: &str, into: &mut BTreeMap<String, String>) {
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if is_test && !line.starts_with("#[") {
            is_test = false;
            let name = line.split_once("fn ").and_then(|(_, rest)| rest.split_once('('));
            if let Some((name, _)) = name {
                into.entry(name.to_owned()).or_insert_with(|| path.to_owned());
            }
        }
    }
}

/// The words of a file above its tests.
fn words(text: &str, into: &mut BTreeSet<String>) {
    let text = text.split("\n#[cfg(test)]").next().unwrap_or(text);
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for (at, _) in text.match_indices('.') {
        let word: String = text[at + 1..].chars().take_while(|c| is_word(*c)).collect();
        into.insert(format!(".{word}"));
    }
    for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
        into.extend(line.split('"').skip(1).step_by(2).map(str::to_owned));
    }
}

/// The rows of settings' table of what is not served: `(Scope, "key", ...)`.
fn unserved(text: &str) -> BTreeSet<(String, String)> {
    let row = |line: &str| {
        let (scope, rest) = line.trim().split_once("(\"")?;
        let scope = match scope {
            "topic" => scope,
            "broker" | "warned" => "broker",
            _ => return None,
        };
        Some((scope.to_owned(), rest.split_once('"')?.0.to_owned()))
    };
    text.lines().filter_map(row).collect()
}

/// The rows of a table of configs: `"name" => field: Type = default, ..., change;`.
fn configs(area: &str, text: &str, into: &mut Vec<Config>) {
    let mut scope = "broker";
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\" =>") {
        if let Some((_, block)) = before.rsplit_once("pub struct ") {
            scope = scope_of(block.split([' ', '{']).next().unwrap_or_default());
        }
        let name = before.rsplit('"').next().unwrap_or_default();
        let (row, next) = after.split_once(';').unwrap_or((after, ""));
        rest = next;
        let (field, value) = row.split_once(':').unwrap_or((row, ""));
        let (_, value) = value.split_once('=').unwrap_or(("", value));
        let value = value.trim_start();
        let default = match value.strip_prefix('"') {
            Some(text) => text.split('"').next().unwrap_or_default().to_owned(),
            None => value.split(',').next().unwrap_or_default().to_owned(),
        };
        let named = row.split_once("from(").map_or("", |(_, change)| change);
        let fallbacks = named.split('"').skip(1).step_by(2).map(str::to_owned).collect();
        let (name, field, area) = (name.to_owned(), field.trim().to_owned(), area.to_owned());
        into.push(Config { scope, area, name, field, default, fallbacks });
    }
}

fn scope_of(block: &str) -> &'static str {
    match block {
        "TopicConfig" => "topic",
        "GroupConfig" => "group",
        "ClientMetricsConfig" => "client-metrics",
        "ClientQuota" | "IpQuota" => "quota",
        _ => "broker",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_apis_are_read_from_the_sources() {
        let row = "    Produce 3..13 announced 0, Write Topic => produce::handle;";
        let api = served(row).unwrap();
        assert_eq!((api.name.as_str(), api.versions, api.announced), ("Produce", (3, 13), Some(0)));
        let row = "    InitProducerId 0..5 draft 6, IdempotentWrite Cluster => it::handle;";
        assert_eq!(served(row).unwrap().draft, Some(6));
        let api = served("    Envelope 0..=0, DIRECT => envelope::handle;").unwrap();
        assert_eq!((api.name.as_str(), api.versions, api.announced), ("Envelope", (0, 0), None));
        let wrapped = served("    ListGroups 0..5, Describe Group =>").unwrap();
        assert_eq!((wrapped.name.as_str(), wrapped.versions), ("ListGroups", (0, 5)));
        assert!(served("        |ctx, frame| answered(ctx, frame, $file::handle)").is_none());
        let line = "request 22 InitProducerIdRequest 0-6 flexible 2+ unstable on broker";
        let api = super::known(line).unwrap();
        assert_eq!((api.key, api.versions, api.unstable), (22, (0, 6), true));
    }

    #[test]
    fn rows_of_configs_are_read_from_the_sources() {
        let text = r#"pub struct TopicConfig {
            /// A "word".
            "segment.ms" => segment_ms: i64 = "7",
                at_least(1), MEDIUM, from(&[to("log.roll.ms"), hours("log.roll.hours")]);
            "none" => none: Option<i32> = null, any(), LOW, OWN;
        }"#;
        let mut found = Vec::new();
        configs("topic", text, &mut found);
        let told = |config: &Config| {
            let Config { scope, name, field, default, fallbacks, .. } = config;
            format!("{scope} {name} {field} {default} {}", fallbacks.join(","))
        };
        let told: Vec<_> = found.iter().map(told).collect();
        let one = "topic segment.ms segment_ms 7 log.roll.ms,log.roll.hours";
        assert_eq!(told, [one, "topic none none null "]);
    }

    #[test]
    fn what_a_room_reads_stands_in_its_shipped_code() {
        let mut found = BTreeSet::new();
        let shipped = "let a = settings.log.dir;\n// \"no.word\"\nfind(\"a.b\");";
        words(&format!("{shipped}\n#[cfg(test)]\n.x"), &mut found);
        let expected = [".b", ".dir", ".log", ".word", "a.b"];
        assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    }
}
