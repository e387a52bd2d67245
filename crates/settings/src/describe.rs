//! What DescribeConfigs answers: every config of a resource with its value, where it comes from,
//! and who else could have given it.
//!
//! Synonyms stand in Kafka's order: changes for this broker, changes for all, the file, the
//! default; the first is the source. Entries stand in Kafka's order too (order.rs). Must hold: a
//! secret's value is never in an entry.

use std::collections::{BTreeMap, BTreeSet};

use crate::order::as_kafka_lists;
use crate::overrides::fallback_text;
use crate::row::{Block, Row, Update};
use crate::settings::Settings;
use crate::sources::Texts;
use crate::table::own::OwnSettings;
use crate::table::{self, Scope};
use crate::value::Kind;

/// Where a value comes from. The discriminant is its number in DescribeConfigs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum Source {
    /// Set on the topic.
    Topic = 1,
    /// Changed at run time for this broker.
    Broker = 2,
    /// Changed at run time for all brokers.
    AllBrokers = 3,
    /// Given at start.
    Static = 4,
    /// Kafka's default.
    Default = 5,
    /// Set on a subscription to the metrics of clients.
    ClientMetrics = 7,
    /// Set on the group.
    Group = 8,
}

/// Another place where a config has, or could have had, its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synonym {
    /// The config's name there.
    pub name: String,
    /// Its value there; `None` for a secret.
    pub value: Option<String>,
    /// The place.
    pub source: Source,
}

/// One config of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its value; `None` where it has none or is a secret.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: Source,
    /// Whether the value is a secret.
    pub is_sensitive: bool,
    /// Whether it cannot change at run time.
    pub is_read_only: bool,
    /// Its type, where the table holds it.
    pub kind: Option<Kind>,
    /// What it does, in a sentence.
    pub documentation: &'static str,
    /// Everywhere it could come from, the one that counts first.
    pub synonyms: Vec<Synonym>,
}

/// Configs of the node that are one setting in several units, or one behind the other.
const FAMILIES: &[&[&str]] = &[
    &["log.roll.ms", "log.roll.hours"],
    &["log.roll.jitter.ms", "log.roll.jitter.hours"],
    &["log.retention.ms", "log.retention.minutes", "log.retention.hours"],
];

/// Which of the changes at run time a description shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum View {
    /// All, for the one broker that answers.
    ThisBroker,
    /// Those for all brokers alone.
    AllBrokers,
}

impl Settings {
    /// Every config of this broker: given ones that no row defines, or that are internal, first, as
    /// in Kafka. Internal ones that nobody gave are not told.
    pub fn describe_broker(&self) -> Vec<Entry> {
        let texts = &self.texts;
        let given = texts.given.keys().chain(texts.for_all.keys()).chain(texts.for_this.keys());
        let given: BTreeSet<&str> = given.map(String::as_str).collect();
        let is_kafkas = |name: &str| {
            let ours = OwnSettings::ROWS.iter().any(|row| row.name == name);
            let row = table::find(Scope::Broker, name);
            !ours && row.is_some_and(|row| !row.is_internal())
        };
        let others = given.into_iter().filter(|name| !is_kafkas(name));
        let shown = table::rows(Scope::Broker).filter(|row| !row.is_internal());
        let described = |name: &str| broker_entry(texts, name, View::ThisBroker);
        let mut entries: Vec<Entry> = others.map(described).collect();
        as_kafka_lists(&mut entries);
        let mut defined: Vec<Entry> = shown.map(|row| described(row.name)).collect();
        as_kafka_lists(&mut defined);
        entries.append(&mut defined);
        entries
    }

    /// The configs that were changed at run time for all brokers.
    pub fn describe_all_brokers(&self) -> Vec<Entry> {
        let names = self.texts.for_all.keys();
        let mut entries: Vec<Entry> =
            names.map(|name| broker_entry(&self.texts, name, View::AllBrokers)).collect();
        as_kafka_lists(&mut entries);
        entries
    }

    /// Every config of a topic with these overrides.
    pub fn describe_topic<'a>(
        &self,
        overrides: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Vec<Entry> {
        self.describe(Scope::Topic, Source::Topic, overrides)
    }

    /// Every config of a group with these overrides.
    pub fn describe_group<'a>(
        &self,
        overrides: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Vec<Entry> {
        self.describe(Scope::Group, Source::Group, overrides)
    }

    /// Every config of a subscription to the metrics of clients with these overrides.
    pub fn describe_client_metrics<'a>(
        &self,
        overrides: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Vec<Entry> {
        self.describe(Scope::ClientMetrics, Source::ClientMetrics, overrides)
    }

    fn describe<'a>(
        &self,
        scope: Scope,
        source: Source,
        overrides: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Vec<Entry> {
        let overrides: BTreeMap<_, _> = overrides.into_iter().collect();
        let rows = table::rows(scope).filter(|row| !row.is_internal());
        let mut entries: Vec<_> =
            rows.map(|row| entry(&self.texts, row, source, overrides.get(row.name))).collect();
        as_kafka_lists(&mut entries);
        entries
    }
}

fn broker_entry(texts: &Texts, name: &str, view: View) -> Entry {
    let throttle = table::throttles().iter().find(|row| row.name == name);
    let row = throttle.or_else(|| table::find_base(name));
    let is_sensitive = row.is_none_or(Row::is_sensitive);
    let mut synonyms = broker_synonyms(texts, name, is_sensitive);
    let mut given = texts.find(name).filter(|_| !is_overtaken(texts, name));
    if view == View::AllBrokers {
        synonyms.retain(|synonym| synonym.source == Source::AllBrokers);
        given = texts.for_all.get(name).map(String::as_str);
    }
    let text = given.or_else(|| row.and_then(Row::default_text));
    let source = synonyms.first().map_or(Source::Default, |synonym| synonym.source);
    Entry {
        name: name.to_string(),
        value: text.filter(|_| !is_sensitive).map(|text| shown(row, text)),
        source,
        is_sensitive,
        is_read_only: row.is_none_or(|row| row.name != name || row.update() == Update::ReadOnly),
        kind: row.map(|row| row.kind),
        documentation: row.map_or("", Row::doc),
        synonyms,
    }
}

/// Whether a change at run time to the same setting in another unit makes this text void.
fn is_overtaken(texts: &Texts, name: &str) -> bool {
    let is_changed =
        |name: &str| texts.for_this.contains_key(name) || texts.for_all.contains_key(name);
    !is_changed(name) && family(name).into_iter().any(is_changed)
}

/// Every place that a node's config could take its value from, from its own name on.
fn broker_synonyms(texts: &Texts, name: &str, is_sensitive: bool) -> Vec<Synonym> {
    let names = family(name);
    let mut found = Vec::new();
    let mut add = |name: &str, value: Option<&str>, source: Source| {
        if let Some(value) = value {
            let value = (!is_sensitive).then(|| value.to_string());
            found.push(Synonym { name: name.to_string(), value, source });
        }
    };
    for (layer, source) in [(&texts.for_this, Source::Broker), (&texts.for_all, Source::AllBrokers)]
    {
        names.iter().for_each(|name| add(name, layer.get(*name).map(String::as_str), source));
    }
    for name in &names {
        add(name, texts.given.get(*name).map(|given| given.text.as_str()), Source::Static);
    }
    for name in &names {
        let default = table::find(Scope::Broker, name)
            .and_then(|row| row.default_text().map(|text| shown(Some(row), text)));
        add(name, default.as_deref(), Source::Default);
    }
    found.into_iter().skip_while(|synonym| synonym.name != name).collect()
}

/// The names that give a node's config its value, itself among them.
fn family(name: &str) -> Vec<&str> {
    if let Some(family) = FAMILIES.iter().find(|family| family.contains(&name)) {
        return family.to_vec();
    }
    match table::find_base(name) {
        _ if name == "log.flush.interval.ms" => vec![name, "log.flush.scheduler.interval.ms"],
        Some(row) if row.name != name => vec![name, row.name],
        _ => vec![name],
    }
}

fn entry(texts: &Texts, row: &'static Row, own: Source, overridden: Option<&&str>) -> Entry {
    let is_sensitive = row.is_sensitive();
    let mut synonyms = Vec::new();
    if let Some(text) = overridden {
        let value = (!is_sensitive).then(|| shown(Some(row), text));
        synonyms.push(Synonym { name: row.name.to_string(), value, source: own });
    }
    if let Some(first) = row.fallbacks().first() {
        synonyms.extend(broker_synonyms(texts, first.name, is_sensitive));
    } else if let Some(text) = row.default_text().filter(|_| own == Source::Group) {
        let value = (!is_sensitive).then(|| shown(Some(row), text));
        synonyms.push(Synonym { name: row.name.to_string(), value, source: Source::Default });
    }
    let inherited = || row.fallbacks().iter().find_map(|fallback| fallback_text(texts, fallback));
    let value = match overridden {
        Some(text) => Some(shown(Some(row), text)),
        None => inherited().or_else(|| row.default_text().map(|text| shown(Some(row), text))),
    };
    Entry {
        name: row.name.to_string(),
        value: value.filter(|_| !is_sensitive),
        source: synonyms.first().map_or(Source::Default, |synonym| synonym.source),
        is_sensitive,
        is_read_only: false,
        kind: Some(row.kind),
        documentation: row.doc(),
        synonyms,
    }
}

/// A text as Kafka shows it: read and printed again, where the table holds it.
fn shown(row: Option<&Row>, text: &str) -> String {
    match row.and_then(|row| crate::value::Value::parse(row.kind, text)) {
        Some(value) => value.to_string(),
        None => text.to_string(),
    }
}
