//! `ottla features` (kafka-features.sh): feature levels, described and changed; what comes with a
//! release, and what a level needs.
//!
//! Not here: the command line (features/words.rs), which levels there are (metadata).

mod words;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;

use ottla_client::Client;
use ottla_metadata::{
    FEATURES, Feature, KRAFT_VERSION, KRAFT_VERSION_MAX, METADATA_VERSION, MetadataVersion,
};
use ottla_wire::messages::update_features_request::FeatureUpdateKey;
use ottla_wire::messages::{ApiVersionsRequest, ApiVersionsResponse, UpdateFeaturesRequest};
use ottla_wire::{BrokerId, StrBytes};

use crate::client_options::{self, sentence};
use crate::context::Context;
use crate::failure::Failure;
use crate::storage::unknown_version;
use crate::words::Servers;

use words::{Asked, Change, Verb};

/// Runs one of the words.
pub(crate) async fn run(context: &mut Context, words: &[String]) -> Result<(), Failure> {
    let (servers, asked) = words::parse(words)?;
    match asked {
        Asked::Help(text) => Ok(write!(context.out, "{text}")?),
        Asked::VersionMapping { release } => {
            Ok(write!(context.out, "{}", version_mapping(release.as_deref())?)?)
        }
        Asked::Dependencies(features) => {
            for feature in features {
                write!(context.out, "{}", dependencies(&feature)?)?;
            }
            Ok(())
        }
        Asked::Describe { node_id } => {
            let client = connect(context, &servers).await?;
            let node = node_id.map(BrokerId);
            let told = api_versions(&client, node).await?;
            client.close().await;
            Ok(write!(context.out, "{}", described(&told))?)
        }
        Asked::Change(asked) => {
            let levels = levels(context, &asked)?;
            let client = connect(context, &servers).await?;
            let changed = change(context, &client, &asked, &levels).await;
            client.close().await;
            changed
        }
    }
}

async fn connect(context: &Context, servers: &Servers) -> Result<Client, Failure> {
    if servers.brokers.is_none() && servers.controllers.is_none() {
        return Err(Failure::said(
            "You must specify either --bootstrap-controller or --bootstrap-server.",
        ));
    }
    client_options::admin_of(context, servers).await
}

async fn api_versions(
    client: &Client,
    node: Option<BrokerId>,
) -> Result<ApiVersionsResponse, Failure> {
    let request = ApiVersionsRequest {
        client_software_name: "ottla".into(),
        client_software_version: env!("CARGO_PKG_VERSION").into(),
        ..Default::default()
    };
    let response = match node {
        Some(id) => client.call_broker(id, &request).await?,
        None => client.call(&request).await?,
    };
    client_options::refused(response.error_code, None)?;
    Ok(response)
}

/// A line for each feature that the node supports.
fn described(told: &ApiVersionsResponse) -> String {
    let finalized: BTreeMap<&str, i16> = told
        .finalized_features
        .iter()
        .map(|feature| (feature.name.as_str(), feature.max_version_level))
        .collect();
    let mut supported: Vec<_> = told.supported_features.iter().collect();
    supported.sort_by(|one, other| one.name.cmp(&other.name));
    let epoch = match told.finalized_features_epoch {
        known if known >= 0 => known.to_string(),
        _ => "-".to_owned(),
    };
    let lines = supported.iter().map(|feature| {
        let name = feature.name.as_str();
        let level = finalized.get(name).copied().unwrap_or(0);
        format!(
            "Feature: {name:<40}  SupportedMinVersion: {:<15}  SupportedMaxVersion: {:<15}  \
             FinalizedVersionLevel: {:<15}  Epoch: {epoch}\n",
            level_text(name, feature.min_version),
            level_text(name, feature.max_version),
            level_text(name, level),
        )
    });
    lines.collect()
}

/// A level as it is shown: that of `metadata.version` by its release.
fn level_text(name: &str, level: i16) -> String {
    let release = MetadataVersion::from_level(level).filter(|_| name == METADATA_VERSION);
    release.map_or_else(|| level.to_string(), |release| release.to_string())
}

/// The order in which the tool lists what comes with a release.
const MAPPED: [&str; 5] = [
    "transaction.version",
    "group.version",
    "eligible.leader.replicas.version",
    "share.version",
    "streams.version",
];

fn version_mapping(release: Option<&str>) -> Result<String, Failure> {
    let version = match release {
        Some(text) => MetadataVersion::from_text(text).ok_or_else(|| unknown_version(text))?,
        None => MetadataVersion::DEFAULT,
    };
    let called = release.map_or_else(|| version.to_string(), String::from);
    let mut text = format!("{METADATA_VERSION}={} ({called})\n", version.level());
    for name in [KRAFT_VERSION].into_iter().chain(MAPPED) {
        writeln!(text, "{name}={}", default_at(name, version)).expect("a string takes all");
    }
    Ok(text)
}

/// The level of a feature in a cluster that begins at a release.
fn default_at(name: &str, version: MetadataVersion) -> i16 {
    match Feature::by_name(name) {
        Some(feature) => feature.default_at(version),
        None if version >= MetadataVersion::VOTERS_IN_LOG => KRAFT_VERSION_MAX,
        None => 0,
    }
}

fn dependencies(text: &str) -> Result<String, Failure> {
    let (name, level) = level_of(text)?;
    let (level_max, needs) = match (name, Feature::by_name(name)) {
        (_, Some(feature)) => (feature.level_max, feature.needs),
        (KRAFT_VERSION, None) => (KRAFT_VERSION_MAX, &[][..]),
        (unknown, None) => return Err(Failure::said(format!("Unknown feature: {unknown}"))),
    };
    let shown = match (name, MetadataVersion::from_level(level)) {
        (METADATA_VERSION, None) => {
            return Err(Failure::said(format!("Unknown {METADATA_VERSION} {level}")));
        }
        (METADATA_VERSION, Some(version)) => format!("{name}={level} ({version})"),
        _ if !(0..=level_max).contains(&level) => {
            let message = format!("No feature:{name} with feature level {level}");
            return Err(Failure::said(message));
        }
        _ => format!("{name}={level}"),
    };
    let needed: Vec<MetadataVersion> =
        needs.iter().filter(|(from, _)| level >= *from).map(|(_, needed)| *needed).collect();
    if needed.is_empty() {
        return Ok(format!("{shown} has no dependencies.\n"));
    }
    let lines = needed
        .iter()
        .map(|version| format!("    {METADATA_VERSION}={} ({version})\n", version.level()));
    Ok(format!("{shown} requires:\n{}", lines.collect::<String>()))
}

/// Reads `feature=level`.
fn level_of(text: &str) -> Result<(&str, i16), Failure> {
    let unread =
        |why: &str| Failure::said(format!("Can't parse feature=level string {text}: {why}"));
    let (name, level) = text.split_once('=').ok_or_else(|| unread("equals sign not found."))?;
    let (name, level) = (name.trim(), level.trim());
    let level =
        level.parse().map_err(|_| unread(&format!("unable to parse {level} as a short.")))?;
    Ok((name, level))
}

/// The levels that are asked for, by name.
fn levels(context: &mut Context, asked: &Change) -> Result<BTreeMap<String, i16>, Failure> {
    let mut levels = BTreeMap::new();
    if let Some(text) = &asked.release {
        if asked.metadata.is_some() || !asked.features.is_empty() {
            return Err(Failure::said(
                "Can not specify `release-version` with other feature flags.",
            ));
        }
        let version = MetadataVersion::from_text(text).ok_or_else(|| unknown_version(text))?;
        let names = FEATURES.iter().map(|feature| feature.name).chain([KRAFT_VERSION]);
        let all = names.map(|name| (name.to_owned(), default_at(name, version)));
        // Nothing is upgraded to 0.
        levels.extend(all.filter(|(_, level)| *level > 0 || asked.verb != Verb::Upgrade));
    }
    if let Some(text) = &asked.metadata {
        let note = " `metadata` flag is deprecated and may be removed in a future release.";
        writeln!(context.out, "{note}")?;
        let version = MetadataVersion::from_text(text).ok_or_else(|| unknown_version(text))?;
        levels.insert(METADATA_VERSION.to_owned(), version.level());
    }
    for text in &asked.features {
        let (name, level) = match asked.verb {
            Verb::Disable => (text.as_str(), 0),
            Verb::Upgrade | Verb::Downgrade => level_of(text)?,
        };
        if levels.insert(name.to_owned(), level).is_some() {
            let message = format!("Feature {name} was specified more than once.");
            return Err(Failure::said(message));
        }
    }
    if levels.is_empty() {
        let verb = asked.verb.name();
        return Err(Failure::said(format!("You must specify at least one feature to {verb}")));
    }
    Ok(levels)
}

/// UpdateFeatures: the level may only rise.
const UPGRADE: i8 = 1;
/// UpdateFeatures: the level may fall as long as no metadata gets lost.
const SAFE_DOWNGRADE: i8 = 2;
/// UpdateFeatures: the level may fall.
const UNSAFE_DOWNGRADE: i8 = 3;

async fn change(
    context: &mut Context,
    client: &Client,
    asked: &Change,
    levels: &BTreeMap<String, i16>,
) -> Result<(), Failure> {
    let upgrade_type = match (asked.verb, asked.is_unsafe) {
        (Verb::Upgrade, _) => UPGRADE,
        (_, false) => SAFE_DOWNGRADE,
        (_, true) => UNSAFE_DOWNGRADE,
    };
    let update = |(name, level): (&String, &i16)| FeatureUpdateKey {
        feature: StrBytes::copied(name),
        max_version_level: *level,
        upgrade_type,
        ..Default::default()
    };
    let request = UpdateFeaturesRequest {
        feature_updates: levels.iter().map(update).collect(),
        validate_only: asked.is_trial,
        ..Default::default()
    };
    let response = client.call(&request).await?;
    let mut refusals: BTreeMap<&str, String> = BTreeMap::new();
    let message = |code, message: Option<&StrBytes>| match message {
        Some(message) if !message.is_empty() => message.to_string(),
        _ => sentence(code),
    };
    if !response.error_code.is_none() {
        let why = message(response.error_code, response.error_message.as_ref());
        refusals.extend(levels.keys().map(|name| (name.as_str(), why.clone())));
    }
    // Before version 2 of the API each feature has an error of its own.
    for result in response.results.iter().filter(|result| !result.error_code.is_none()) {
        let why = message(result.error_code, result.error_message.as_ref());
        refusals.insert(result.feature.as_str(), why);
    }
    for (name, level) in levels {
        writeln!(context.out, "{}", outcome(asked, name, *level, refusals.get(name.as_str())))?;
    }
    match refusals.len() {
        0 => Ok(()),
        failed => {
            let all = levels.len();
            Err(Failure::said(format!("{failed} out of {all} operation(s) failed.")))
        }
    }
}

fn outcome(asked: &Change, name: &str, level: i16, refusal: Option<&String>) -> String {
    let (verb, done) = match asked.verb {
        Verb::Upgrade => ("upgrade", format!("upgraded to {level}")),
        Verb::Downgrade => ("downgrade", format!("downgraded to {level}")),
        Verb::Disable => ("disable", "disabled".to_owned()),
    };
    match (refusal, asked.is_trial) {
        (Some(why), _) if asked.verb == Verb::Disable => {
            format!("Could not {verb} {name}. {why}")
        }
        (Some(why), _) => format!("Could not {verb} {name} to {level}. {why}"),
        (None, true) => format!("{name} can be {done}."),
        (None, false) => format!("{name} was {done}."),
    }
}
