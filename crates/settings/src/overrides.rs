//! Configs of topics and groups: what they say themselves, over what the broker says.
//!
//! `resolve` takes what stands in the metadata log and never fails; `check` judges what a client
//! wants to put there. Not here: the rows (table/topic.rs, table/group.rs).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::check;
use crate::error::ConfigError;
use crate::nearest::nearest;
use crate::row::{Block, Fallback, Reader, Row};
use crate::settings::Settings;
use crate::sources::Texts;
use crate::table::group::GroupConfig;
use crate::table::topic::TopicConfig;
use crate::table::{self, Scope};

/// What topics are that say nothing themselves, by the broker's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDefaults {
    texts: Arc<BTreeMap<&'static str, String>>,
    has_remote_storage: bool,
}

impl Settings {
    /// What topics are that say nothing themselves.
    pub fn topic_defaults(&self) -> TopicDefaults {
        TopicDefaults {
            texts: Arc::new(defaults(Scope::Topic, &self.texts)),
            has_remote_storage: self.remote.log_storage_system_enable,
        }
    }
}

impl TopicConfig {
    /// The config of a topic with these overrides; one that is unknown or wrong is passed over.
    pub fn resolve<'a>(
        defaults: &TopicDefaults,
        overrides: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> TopicConfig {
        resolve(&defaults.texts, overrides).0
    }

    /// Whether a topic may have these overrides, and the config it would get.
    pub fn check<'a>(
        defaults: &TopicDefaults,
        overrides: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<TopicConfig, ConfigError> {
        let overrides: BTreeMap<_, _> = overrides.into_iter().collect();
        known(Scope::Topic, &overrides)?;
        let (config, wrong): (TopicConfig, _) = resolve(&defaults.texts, overrides.clone());
        wrong.into_iter().next().map_or(Ok(()), Err)?;
        config.check_rules(defaults.has_remote_storage, &overrides)?;
        Ok(config)
    }

    fn check_rules(
        &self,
        has_remote_storage: bool,
        overrides: &BTreeMap<&str, &str>,
    ) -> Result<(), ConfigError> {
        unless(
            self.min_compaction_lag_ms <= self.max_compaction_lag_ms,
            &["min.compaction.lag.ms", "max.compaction.lag.ms"],
            "a record cannot stay longer than it may",
        )?;
        if !self.remote_storage_enable || !overrides.contains_key("remote.storage.enable") {
            return Ok(());
        }
        unless(
            has_remote_storage,
            &["remote.storage.enable", "remote.log.storage.system.enable"],
            "the node has no remote store",
        )?;
        self.check_remote()
    }

    /// What must hold where segments move to a remote store.
    fn check_remote(&self) -> Result<(), ConfigError> {
        const BYTES: &[&str] = &["local.retention.bytes", "retention.bytes"];
        const MS: &[&str] = &["local.retention.ms", "retention.ms"];
        let (bytes, ms) = (
            Local { kept: self.local_retention_bytes, whole: self.retention_bytes },
            Local { kept: self.local_retention_ms, whole: self.retention_ms },
        );
        unless(
            !self.is_compacted(),
            &["remote.storage.enable", "cleanup.policy"],
            "a compacted topic cannot move to the remote store",
        )?;
        unless(bytes.fits(), BYTES, "what stays local must not exceed what is kept")?;
        unless(ms.fits(), MS, "what stays local must not exceed what is kept")?;
        unless(
            bytes.takes(self.remote_copy_lag_bytes),
            &["remote.copy.lag.bytes", "local.retention.bytes"],
            "what is not copied yet must not exceed what stays local",
        )?;
        unless(
            ms.takes(self.remote_copy_lag_ms),
            &["remote.copy.lag.ms", "local.retention.ms"],
            "what is not copied yet must not exceed what stays local",
        )?;
        if !self.remote_log_copy_disable {
            return Ok(());
        }
        let rule = "where nothing more is copied, what stays local must equal what is kept";
        unless(bytes.is_whole(), BYTES, rule)?;
        unless(ms.is_whole(), MS, rule)
    }
}

/// A local limit (-2: the same as the whole, -1: none) and the whole one (-1: none).
struct Local {
    kept: i64,
    whole: i64,
}

impl Local {
    fn fits(&self) -> bool {
        self.kept == -2 || self.whole == -1 || (self.kept != -1 && self.kept <= self.whole)
    }

    /// Whether a lag of copying leaves enough on the local disk.
    fn takes(&self, lag: i64) -> bool {
        let kept = if self.kept == -2 { self.whole } else { self.kept };
        kept < 0 || lag <= kept
    }

    fn is_whole(&self) -> bool {
        self.kept == -2 || self.kept == self.whole
    }
}

fn unless(holds: bool, keys: &'static [&'static str], rule: &str) -> Result<(), ConfigError> {
    if holds { Ok(()) } else { Err(ConfigError::Conflict { keys, rule: rule.to_string() }) }
}

impl GroupConfig {
    /// The config of a group with these overrides, each kept within the broker's bounds.
    pub fn resolve<'a>(
        settings: &Settings,
        overrides: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> GroupConfig {
        let overrides: BTreeMap<_, _> = overrides.into_iter().collect();
        let bounded = overrides.iter().map(|(key, text)| (*key, bounded(settings, key, text)));
        let bounded: BTreeMap<&str, String> = bounded.collect();
        let texts = bounded.iter().map(|(key, text)| (*key, text.as_str()));
        resolve(&defaults(Scope::Group, &settings.texts), texts).0
    }

    /// Whether a group may have these overrides.
    pub fn check<'a>(
        settings: &Settings,
        overrides: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<GroupConfig, ConfigError> {
        let overrides: BTreeMap<_, _> = overrides.into_iter().collect();
        known(Scope::Group, &overrides)?;
        let (config, wrong): (GroupConfig, _) =
            resolve(&defaults(Scope::Group, &settings.texts), overrides.clone());
        wrong.into_iter().next().map_or(Ok(()), Err)?;
        for (key, text) in &overrides {
            let (least, most) = bounds(settings, key);
            let number = text.trim().parse::<i64>();
            if number.is_ok_and(|number| !(least..=most).contains(&number)) {
                return Err(ConfigError::Invalid {
                    key: key.to_string(),
                    value: text.to_string(),
                    allowed: format!("from {least} to {most}, as the broker allows"),
                });
            }
        }
        config.check_rules(settings)?;
        Ok(config)
    }

    fn check_rules(&self, settings: &Settings) -> Result<(), ConfigError> {
        const OFTEN: &str = "heartbeats must come more often than sessions end";
        unless(
            self.consumer_heartbeat_interval_ms < self.consumer_session_timeout_ms,
            &["consumer.heartbeat.interval.ms", "consumer.session.timeout.ms"],
            OFTEN,
        )?;
        unless(
            self.share_heartbeat_interval_ms < self.share_session_timeout_ms,
            &["share.heartbeat.interval.ms", "share.session.timeout.ms"],
            OFTEN,
        )?;
        unless(
            self.streams_heartbeat_interval_ms < self.streams_session_timeout_ms,
            &["streams.heartbeat.interval.ms", "streams.session.timeout.ms"],
            OFTEN,
        )?;
        unless(
            !self.errors_deadletterqueue_topic_name.starts_with("__"),
            &["errors.deadletterqueue.topic.name"],
            "it must not be an internal topic",
        )?;
        let offered = &settings.streams_groups.assignors;
        unless(
            self.streams_assignor_name.as_ref().is_none_or(|name| offered.contains(name)),
            &["streams.assignor.name", "group.streams.assignors"],
            "the broker must offer the assignor",
        )
    }
}

/// Puts the items of `more` that `list` lacks at its end, as IncrementalAlterConfigs appends.
pub fn append(list: &str, more: &str) -> String {
    let mut items = crate::value::list(list);
    for item in crate::value::list(more) {
        if !items.contains(&item) {
            items.push(item);
        }
    }
    items.join(",")
}

/// Takes the items of `less` out of `list`, as IncrementalAlterConfigs subtracts.
pub fn subtract(list: &str, less: &str) -> String {
    let gone = crate::value::list(less);
    let mut items = crate::value::list(list);
    items.retain(|item| !gone.contains(item));
    items.join(",")
}

fn known(scope: Scope, overrides: &BTreeMap<&str, &str>) -> Result<(), ConfigError> {
    match overrides.keys().find(|key| table::find(scope, key).is_none()) {
        None => Ok(()),
        Some(key) => Err(ConfigError::Unknown {
            key: key.to_string(),
            nearest: nearest(key, table::rows(scope).map(|row| row.name)),
        }),
    }
}

fn resolve<'a, B: Block>(
    defaults: &BTreeMap<&'static str, String>,
    overrides: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> (B, Vec<ConfigError>) {
    let overrides: BTreeMap<_, _> = overrides.into_iter().collect();
    let text = |row: &Row| {
        let own = overrides.get(row.name).filter(|text| row.parse(text).is_ok());
        own.map(|text| text.to_string()).or_else(|| defaults.get(row.name).cloned())
    };
    let config = B::read(&mut Reader::new(&text));
    let rows = B::ROWS.iter();
    let wrong = rows.filter_map(|row| row.parse(overrides.get(row.name)?).err()).collect();
    (config, wrong)
}

/// What a scope's configs are by the broker's: the first of their fallbacks that has a value.
fn defaults(scope: Scope, texts: &Texts) -> BTreeMap<&'static str, String> {
    let found = table::rows(scope).filter_map(|row| {
        let text = row.fallbacks().iter().find_map(|fallback| fallback_text(texts, fallback))?;
        Some((row.name, text))
    });
    found.collect()
}

/// The broker's value in the unit of the config that falls back to it.
pub(crate) fn fallback_text(texts: &Texts, fallback: &Fallback) -> Option<String> {
    let row = table::find(Scope::Broker, fallback.name)?;
    let text = texts.find(fallback.name).or_else(|| row.default_text())?;
    let value = row.parse(text).ok()?;
    match value.whole() {
        Some(number) if number < 0 && is_retention(fallback.name) => Some("-1".to_string()),
        Some(number) => Some(number.saturating_mul(fallback.factor).to_string()),
        None => Some(value.to_string()),
    }
}

/// Whether every negative number of this config means for ever.
fn is_retention(name: &str) -> bool {
    ["log.retention.ms", "log.retention.minutes", "log.retention.hours"].contains(&name)
}

fn bounds(settings: &Settings, key: &str) -> (i64, i64) {
    let row = table::find(Scope::Group, key);
    let broker = row.and_then(|row| row.fallbacks().first());
    broker.map_or((i64::MIN, i64::MAX), |broker| check::bounds_of(settings, broker.name))
}

fn bounded(settings: &Settings, key: &str, text: &str) -> String {
    let (least, most) = bounds(settings, key);
    match text.trim().parse::<i64>() {
        Ok(number) => number.max(least).min(most).to_string(),
        Err(_) => text.to_string(),
    }
}
