//! `ottla storage`: formats a node's folders and tells what is in them, as kafka-storage does.
//!
//! The grammar is that of Apache Kafka's tool (argparse, not jopt): a word, then options. Reads
//! `server.properties` alone, no variables. Not served: version-mapping and feature-dependencies.
//! Not here: what formatting writes (node).

mod scram;
mod words;

use std::io::Write;
use std::path::PathBuf;

use ottla_env::Env;
use ottla_metadata::{
    Bootstrap, FEATURES, KRAFT_VERSION, METADATA_VERSION, MetadataRecord, MetadataVersion,
    bootstrap_records,
};
use ottla_node::format::{self, Format, InitialVoter, Voter, VoterEndpoint, Voters};
use ottla_settings::{Input, Settings};
use ottla_storage::MetaProperties;
use ottla_storage::meta_properties;
use ottla_wire::{BrokerId, DirectoryId};

use crate::context::Context;
use crate::failure::Failure;
use words::{Asked, FormatWords};

/// Runs one of the words.
pub(crate) async fn run(context: &mut Context, words: &[String]) -> Result<(), Failure> {
    match words::parse(words)? {
        Asked::Help(text) => Ok(write!(context.out, "{text}")?),
        Asked::RandomUuid => Ok(writeln!(context.out, "{}", format::random_id(&context.env))?),
        Asked::Info { config } => {
            let settings = settings(&context.env, &config)?;
            info(context, &settings)
        }
        Asked::Format(asked) => {
            let settings = settings(&context.env, &asked.config)?;
            run_format(context, &settings, &asked)
        }
    }
}

/// The settings of a file, without variables and overrides.
fn settings(env: &Env, config: &str) -> Result<Settings, Failure> {
    let file = crate::file::read(env, "the configuration", config)?;
    let loaded = Settings::load(Input { file: Some(&file), ..Input::default() });
    let told = |wrong: Vec<ottla_settings::ConfigError>| {
        let lines: Vec<String> = wrong.iter().map(|error| format!("{config}: {error}")).collect();
        Failure::said(lines.join("\n"))
    };
    Ok(loaded.map_err(told)?.settings)
}

/// What was found in the folders.
fn info(context: &mut Context, settings: &Settings) -> Result<(), Failure> {
    let (mut found, mut problems, mut metadata) = (Vec::new(), Vec::new(), None);
    let disk = context.env.disk();
    for dir in format::all_dirs(settings) {
        let shown = dir.display();
        match disk.metadata(&dir) {
            Err(_) => problems.push(format!("{shown} does not exist")),
            Ok(meta) if !meta.is_dir => problems.push(format!("{shown} is not a directory")),
            Ok(_) => {
                found.push(shown.to_string());
                match MetaProperties::read(disk, &dir) {
                    Ok(None) => problems.push(format!("{shown} is not formatted.")),
                    Ok(Some(meta)) => _ = metadata.get_or_insert(meta),
                    Err(error) => problems.push(error.to_string()),
                }
            }
        }
    }
    if !found.is_empty() {
        let title = listed(["Found log directory:", "Found log directories:"], &found);
        writeln!(context.out, "{title}")?;
    }
    if let Some(metadata) = metadata {
        writeln!(context.out, "Found metadata: {{{}}}\n", pairs(&metadata))?;
    }
    if problems.is_empty() {
        return Ok(());
    }
    let told = listed(["Found problem:", "Found problems:"], &problems);
    Err(Failure::said(told).after(""))
}

/// A title for one line or many, and the lines.
fn listed(titles: [&str; 2], lines: &[String]) -> String {
    let title = if lines.len() == 1 { titles[0] } else { titles[1] };
    let lines: Vec<String> = lines.iter().map(|line| format!("  {line}\n")).collect();
    format!("{title}\n{}", lines.concat())
}

fn pairs(meta: &MetaProperties) -> String {
    let pairs = [
        meta.cluster_id.as_ref().map(|id| format!("cluster.id={id}")),
        meta.directory_id.map(|id| format!("directory.id={id}")),
        meta.node_id.map(|id| format!("node.id={id}")),
        Some("version=1".to_owned()),
    ];
    pairs.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn run_format(
    context: &mut Context,
    settings: &Settings,
    asked: &FormatWords,
) -> Result<(), Failure> {
    let voters = voters(&context.env, settings, asked)?;
    let bootstrap = bootstrap(&context.env, asked, &voters)?;
    let version = level_of(&bootstrap);
    let (done, dirs) = sorted_out(&context.env, settings, asked)?;
    if let Some(done) = done.first().filter(|_| !asked.ignore_formatted) {
        return Err(Failure::said(format!(
            "Log directory {} is already formatted. Use --ignore-formatted to ignore this \
             directory and format the others.",
            done.display()
        )));
    }
    if dirs.is_empty() {
        return Ok(writeln!(context.out, "All of the log directories are already formatted.")?);
    }
    writeln!(context.out, "{}", shown(&bootstrap, version))?;
    let metadata_dir = PathBuf::from(settings.metadata_log_dir());
    let (metadata, data): (Vec<_>, Vec<_>) = dirs.iter().partition(|dir| **dir == metadata_dir);
    for dir in &data {
        let dir = dir.display();
        writeln!(context.out, "Formatting data directory {dir} with {version}.")?;
    }
    for dir in &metadata {
        let dir = dir.display();
        writeln!(context.out, "Formatting {voters} directory {dir} with {version}.")?;
    }
    let format = Format {
        cluster_id: asked.cluster_id.clone(),
        node_id: BrokerId(settings.node.node_id),
        metadata_dir,
        dirs,
        bootstrap,
        voters,
    };
    format.run(&context.env).map_err(|error| Failure::said(error.to_string()))
}

/// The folders that are formatted, and those that are not.
fn sorted_out(
    env: &Env,
    settings: &Settings,
    asked: &FormatWords,
) -> Result<(Vec<PathBuf>, Vec<PathBuf>), Failure> {
    let (mut done, mut open) = (Vec::new(), Vec::new());
    for dir in format::all_dirs(settings) {
        let meta = MetaProperties::read(env.disk(), &dir);
        let Some(meta) = meta.map_err(|error| Failure::said(error.to_string()))? else {
            open.push(dir);
            continue;
        };
        let path = dir.join(meta_properties::FILE);
        let differs = |what: &str, expected: &str, read: &str| {
            let path = path.display();
            let what = format!("Invalid {what} in: {path}. Expected {expected}, but read {read}");
            Err(Failure::said(what))
        };
        if let Some(id) = meta.cluster_id.filter(|id| *id != asked.cluster_id) {
            return differs("cluster.id", &asked.cluster_id, &id);
        }
        let own = settings.node.node_id;
        if let Some(id) = meta.node_id.filter(|id| id.0 != own) {
            return differs("node.id", &own.to_string(), &id.to_string());
        }
        done.push(dir);
    }
    Ok((done, open))
}

/// Who votes, after the storage tool's rules of what goes with what.
fn voters(env: &Env, settings: &Settings, asked: &FormatWords) -> Result<Voters, Failure> {
    let is_fixed = !settings.listeners.voters.is_empty();
    let is_dynamic = asked.standalone || asked.initial_controllers.is_some();
    if is_fixed && is_dynamic {
        return Err(Failure::said(
            "You cannot specify controller.quorum.voters and format the node with \
             --initial-controllers or --standalone. If you want to use dynamic quorum, please \
             remove controller.quorum.voters and specify controller.quorum.bootstrap.servers \
             instead.",
        ));
    }
    if asked.standalone && !settings.is_controller() {
        return Err(Failure::said("You can only use --standalone on a controller."));
    }
    if settings.is_controller() && !is_fixed && !is_dynamic && !asked.no_initial_controllers {
        return Err(Failure::said(
            "Because controller.quorum.voters is not set on this controller, you must specify \
             one of the following: --standalone, --initial-controllers, or \
             --no-initial-controllers.",
        ));
    }
    if let Some(list) = &asked.initial_controllers {
        let listener = settings.listeners.to_controller.0.clone();
        let voters: Result<_, _> = list.split(',').map(|text| voter(text, &listener)).collect();
        return Ok(Voters::Listed(voters?));
    }
    Ok(match asked.standalone {
        true => Voters::Standalone(format::controller_endpoints(env, settings)),
        false => Voters::Elsewhere,
    })
}

/// `id@host:port:directory`.
fn voter(text: &str, listener: &str) -> Result<InitialVoter, Failure> {
    let wrong = || {
        Failure::said(format!(
            "{text} in --initial-controllers is not id@host:port:directory, such as \
             1@localhost:9093:JEXY6aqzQY-32P5TStzaFg"
        ))
    };
    let (id, rest) = text.trim().split_once('@').ok_or_else(wrong)?;
    let (rest, directory) = rest.rsplit_once(':').ok_or_else(wrong)?;
    let (host, port) = rest.rsplit_once(':').ok_or_else(wrong)?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    Ok(InitialVoter {
        key: Voter {
            id: BrokerId(id.parse().map_err(|_| wrong())?),
            directory: DirectoryId(directory.parse().map_err(|_| wrong())?),
        },
        endpoints: vec![VoterEndpoint {
            listener: listener.to_owned(),
            host: host.to_owned(),
            port: port.parse().map_err(|_| wrong())?,
        }],
    })
}

/// The records that the cluster begins with.
fn bootstrap(
    env: &Env,
    asked: &FormatWords,
    voters: &Voters,
) -> Result<Vec<MetadataRecord>, Failure> {
    let mut bootstrap = Bootstrap::default();
    if let Some(text) = &asked.release_version {
        let known = MetadataVersion::from_text(text);
        bootstrap.version = Some(known.ok_or_else(|| unknown_version(text))?.level());
    }
    for (name, level) in &asked.features {
        match name.as_str() {
            METADATA_VERSION => bootstrap.version = Some(*level),
            KRAFT_VERSION if *level == 0 && *voters != Voters::Elsewhere => {
                return Err(Failure::said(
                    "Cannot set kraft.version to 0 if controller.quorum.voters is empty and one \
                     of the flags --standalone, --initial-controllers, or \
                     --no-initial-controllers is used. For dynamic controllers support, try \
                     removing the --feature flag for kraft.version.",
                ));
            }
            // It stands in control records, and follows from how the voters are told.
            KRAFT_VERSION => {}
            name if FEATURES.iter().all(|feature| feature.name != name) => {
                return Err(unknown_feature(name));
            }
            name => _ = bootstrap.features.insert(name.to_owned(), *level),
        }
    }
    bootstrap.credentials = scram::credentials(env, &asked.credentials)?;
    let version = bootstrap.version.unwrap_or(MetadataVersion::DEFAULT.level());
    if !bootstrap.credentials.is_empty() && version < MetadataVersion::SCRAM.level() {
        return Err(Failure::said(format!(
            "SCRAM is only supported in {METADATA_VERSION} {} or later.",
            MetadataVersion::SCRAM
        )));
    }
    bootstrap_records(&bootstrap).map_err(|problem| Failure::said(problem.to_string()))
}

/// The refusal of a release that nobody knows.
pub(crate) fn unknown_version(text: &str) -> Failure {
    let all: Vec<String> = MetadataVersion::all().map(|version| version.to_string()).collect();
    let all = all.join(", ");
    let name = METADATA_VERSION;
    Failure::said(format!("Unknown {name} '{text}'. Supported {name} are: {all}"))
}

fn unknown_feature(name: &str) -> Failure {
    let others = FEATURES.iter().map(|feature| feature.name);
    let mut all: Vec<&str> = others.filter(|name| *name != METADATA_VERSION).collect();
    all.push(KRAFT_VERSION);
    all.sort_unstable();
    let all = all.join(", ");
    Failure::said(format!("Unsupported feature: {name}. Supported features are: {all}"))
}

/// `metadata.version` as the messages name it.
fn level_of(bootstrap: &[MetadataRecord]) -> Version {
    let found = bootstrap.iter().find_map(|record| match record {
        MetadataRecord::FeatureLevel(level) if level.name == METADATA_VERSION => {
            MetadataVersion::from_level(level.feature_level)
        }
        _ => None,
    });
    Version(found.unwrap_or(MetadataVersion::MINIMUM))
}

#[derive(Clone, Copy)]
struct Version(MetadataVersion);

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{METADATA_VERSION} {}", self.0)
    }
}

/// The records in the form in which the storage tool shows them.
fn shown(bootstrap: &[MetadataRecord], version: Version) -> String {
    let record = |record: &MetadataRecord| match record {
        MetadataRecord::FeatureLevel(level) => format!(
            "ApiMessageAndVersion(FeatureLevelRecord(name='{}', featureLevel={}) at version 0)",
            level.name, level.feature_level
        ),
        // Kafka prints salt and keys as well, which nobody else is to know.
        MetadataRecord::UserScramCredential(user) => format!(
            "ApiMessageAndVersion(UserScramCredentialRecord(name='{}', mechanism={}, \
             iterations={}) at version 0)",
            user.name, user.mechanism, user.iterations
        ),
        other => other.name().to_owned(),
    };
    let records: Vec<String> = bootstrap.iter().map(record).collect();
    format!(
        "Bootstrap metadata: BootstrapMetadata(records=[{}], metadataVersionLevel={}, \
         source=format command)",
        records.join(", "),
        version.0.level()
    )
}

#[cfg(test)]
mod tests;
