//! The command line of `ottla features`: where to connect to, a word, and its options.
//!
//! Not here: the grammar (words.rs of the crate), what is asked of the cluster (features.rs).

use crate::failure::Failure;
use crate::words::{Servers, Words};

/// What the words ask for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The text to print.
    Help(String),
    Describe {
        node_id: Option<i32>,
    },
    /// Levels that are to be finalised.
    Change(Change),
    /// What comes with a release.
    VersionMapping {
        release: Option<String>,
    },
    /// What levels need, as they were written.
    Dependencies(Vec<String>),
}

/// What an update is called, and what it may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Upgrade,
    Downgrade,
    Disable,
}

/// The options of an update.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) verb: Verb,
    pub(crate) metadata: Option<String>,
    pub(crate) release: Option<String>,
    /// As they were written: `feature=level`, or the name alone to disable it.
    pub(crate) features: Vec<String>,
    pub(crate) is_unsafe: bool,
    pub(crate) is_trial: bool,
}

const PROGRAM: &str = "kafka-features";
const HELP: &str = "\
usage: kafka-features [-h] [--command-config COMMAND_CONFIG]
                      [--bootstrap-server BOOTSTRAP_SERVER |
                      --bootstrap-controller BOOTSTRAP_CONTROLLER]
                      {describe,upgrade,downgrade,disable,version-mapping,feature-dependencies} ...

Tells and changes the feature levels of a cluster.

  describe               the levels that are supported, and those that are finalised
  upgrade                raise levels
  downgrade              lower levels
  disable                take levels to 0
  version-mapping        the levels that come with a release
  feature-dependencies   what a level needs

  --bootstrap-server BOOTSTRAP_SERVER
                         the brokers to begin with, as host:port, comma separated
  --bootstrap-controller BOOTSTRAP_CONTROLLER
                         the controllers to begin with, instead of brokers
  --command-config COMMAND_CONFIG
                         a file of properties for the client
";
const HELP_DESCRIBE: &str = "\
usage: kafka-features describe [-h] [--node-id NODE_ID]

  --node-id NODE_ID      the node to ask; any unless told
";
const HELP_CHANGE: &str = "\
  --metadata METADATA    deprecated: the level of metadata.version, as 4.3-IV0
  --release-version RELEASE_VERSION
                         the release whose levels all features are to have
  --feature FEATURE      a feature and its level, as feature=level; may repeat
  --unsafe               even if metadata gets lost (downgrade)
  --dry-run              say what would happen, and change nothing
";
const HELP_DISABLE: &str = "\
usage: kafka-features disable [-h] [--feature FEATURE] [--unsafe] [--dry-run]

  --feature FEATURE      the feature; may repeat
  --unsafe               even if metadata gets lost
  --dry-run              say what would happen, and change nothing
";
const HELP_MAPPING: &str = "\
usage: kafka-features version-mapping [-h] [--release-version RELEASE_VERSION]

  --release-version RELEASE_VERSION
                         the release, 3.3-IV3 or later; 4.3-IV0 unless told
";
const HELP_DEPENDENCIES: &str = "\
usage: kafka-features feature-dependencies [-h] --feature FEATURE

  --feature FEATURE      a feature and its level, as feature=level; may repeat
";
const CHOICES: &str = "(choose from 'describe', 'upgrade', 'downgrade', 'disable', \
                       'version-mapping', 'feature-dependencies')";

/// Reads the words.
pub(crate) fn parse(words: &[String]) -> Result<(Servers, Asked), Failure> {
    let mut servers = Servers::default();
    let mut words = Words::terse(words, PROGRAM);
    while let Some(word) = words.next() {
        let Some(word) = servers.take(word, &mut words)? else { continue };
        let asked = match word.name.as_str() {
            "-h" | "--help" => Asked::Help(HELP.to_owned()),
            "describe" => describe(&mut words)?,
            "upgrade" => change(&mut words, Verb::Upgrade)?,
            "downgrade" => change(&mut words, Verb::Downgrade)?,
            "disable" => change(&mut words, Verb::Disable)?,
            "version-mapping" => version_mapping(&mut words)?,
            "feature-dependencies" => dependencies(&mut words)?,
            option if option.starts_with('-') => return Err(words.unrecognized(&word)),
            other => return Err(words.wrong(&format!("invalid choice: '{other}' {CHOICES}"))),
        };
        return Ok((servers, asked));
    }
    Err(words.wrong("too few arguments"))
}

fn describe(words: &mut Words<'_>) -> Result<Asked, Failure> {
    let mut node_id = None;
    while let Some(word) = words.next() {
        match word.name.as_str() {
            "-h" | "--help" => return Ok(Asked::Help(HELP_DESCRIBE.to_owned())),
            "--node-id" => {
                let text = words.value(word)?;
                let wrong = || words.wrong(&format!("argument --node-id: '{text}' is no number"));
                node_id = Some(text.parse().map_err(|_| wrong())?);
            }
            _ => return Err(words.unrecognized(&word)),
        }
    }
    Ok(Asked::Describe { node_id })
}

fn change(words: &mut Words<'_>, verb: Verb) -> Result<Asked, Failure> {
    let mut change = Change {
        verb,
        metadata: None,
        release: None,
        features: Vec::new(),
        is_unsafe: false,
        is_trial: false,
    };
    while let Some(word) = words.next() {
        match (word.name.as_str(), verb) {
            ("-h" | "--help", Verb::Disable) => return Ok(Asked::Help(HELP_DISABLE.to_owned())),
            ("-h" | "--help", _) => {
                let name = verb.name();
                let usage = format!("usage: kafka-features {name} [-h] [options]\n\n{HELP_CHANGE}");
                return Ok(Asked::Help(usage));
            }
            ("--metadata", Verb::Upgrade | Verb::Downgrade) => {
                change.metadata = Some(words.value(word)?);
            }
            ("--release-version", Verb::Upgrade | Verb::Downgrade) => {
                change.release = Some(words.value(word)?);
            }
            ("--feature", _) => change.features.push(words.value(word)?),
            ("--unsafe", Verb::Downgrade | Verb::Disable) => change.is_unsafe = true,
            ("--dry-run", _) => change.is_trial = true,
            _ => return Err(words.unrecognized(&word)),
        }
    }
    Ok(Asked::Change(change))
}

impl Verb {
    /// The word of the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Verb::Upgrade => "upgrade",
            Verb::Downgrade => "downgrade",
            Verb::Disable => "disable",
        }
    }
}

fn version_mapping(words: &mut Words<'_>) -> Result<Asked, Failure> {
    let mut release = None;
    while let Some(word) = words.next() {
        match word.name.as_str() {
            "-h" | "--help" => return Ok(Asked::Help(HELP_MAPPING.to_owned())),
            "--release-version" => release = Some(words.value(word)?),
            _ => return Err(words.unrecognized(&word)),
        }
    }
    Ok(Asked::VersionMapping { release })
}

fn dependencies(words: &mut Words<'_>) -> Result<Asked, Failure> {
    let mut features = Vec::new();
    while let Some(word) = words.next() {
        match word.name.as_str() {
            "-h" | "--help" => return Ok(Asked::Help(HELP_DEPENDENCIES.to_owned())),
            "--feature" => features.push(words.value(word)?),
            _ => return Err(words.unrecognized(&word)),
        }
    }
    match features.is_empty() {
        true => Err(words.missing("--feature")),
        false => Ok(Asked::Dependencies(features)),
    }
}
