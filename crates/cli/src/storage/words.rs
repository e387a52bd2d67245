//! The command line of `ottla storage`: a word and its options, as argparse reads them.
//!
//! Not here: the grammar (words.rs of the crate), what the words mean together (storage.rs).

use crate::failure::Failure;
use crate::words::Words;

/// What the words ask for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The text to print.
    Help(String),
    RandomUuid,
    Info {
        config: String,
    },
    Format(FormatWords),
}

/// The options of `format`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct FormatWords {
    pub(crate) config: String,
    pub(crate) cluster_id: String,
    pub(crate) ignore_formatted: bool,
    pub(crate) release_version: Option<String>,
    pub(crate) features: Vec<(String, i16)>,
    pub(crate) standalone: bool,
    pub(crate) no_initial_controllers: bool,
    pub(crate) initial_controllers: Option<String>,
    /// As they were written.
    pub(crate) credentials: Vec<String>,
}

const PROGRAM: &str = "kafka-storage";
const USAGE: &str = "usage: kafka-storage [-h] {info,format,random-uuid} ...\n";
const USAGE_INFO: &str = "usage: kafka-storage info [-h] --config CONFIG\n";
const USAGE_RANDOM_UUID: &str = "usage: kafka-storage random-uuid [-h]\n";
const USAGE_FORMAT: &str = "\
usage: kafka-storage format [-h] --config CONFIG --cluster-id CLUSTER_ID
                     [--add-scram ADD_SCRAM] [--ignore-formatted]
                     [--release-version RELEASE_VERSION]
                     [--feature FEATURE] [--standalone |
                     --no-initial-controllers |
                     --initial-controllers INITIAL_CONTROLLERS]
";
const HELP: &str = "
Formats the folders of a node, and tells what is in them.

  info                   what is in the folders of this node
  format                 format the folders of this node
  random-uuid            print a random id, for a cluster
";
const HELP_CONFIG: &str = "
  -h, --help             print this
  --config, -c CONFIG    the node's server.properties
";
const HELP_FORMAT: &str = "\
  --cluster-id, -t CLUSTER_ID
                         the cluster that the node belongs to
  --add-scram, -S ADD_SCRAM
                         a user with a password for SCRAM, as
                         SCRAM-SHA-256=[name=alice,password=secret]; may repeat
  --ignore-formatted, -g
                         format the folders that are not formatted yet, leave the others
  --release-version, -r RELEASE_VERSION
                         the release whose features the cluster begins with, 3.3-IV3 or later;
                         4.3-IV0 unless told
  --feature, -f FEATURE  a feature that begins at another level, as feature=level; may repeat
  --standalone, -s       this node is the only voter of a quorum that keeps its voters in its log
  --no-initial-controllers, -N
                         the quorum is there already, or is formatted elsewhere
  --initial-controllers, -I INITIAL_CONTROLLERS
                         the voters of a new quorum, as id@host:port:directory, comma separated
";

/// Reads the words.
pub(crate) fn parse(words: &[String]) -> Result<Asked, Failure> {
    let at_start = Words::new(words, PROGRAM, USAGE);
    let Some((word, rest)) = words.split_first() else {
        return Err(at_start.wrong("too few arguments"));
    };
    match word.as_str() {
        "-h" | "--help" => Ok(Asked::Help(format!("{USAGE}{HELP}"))),
        "random-uuid" => random_uuid(rest),
        "info" => info(rest),
        "format" => format(rest),
        other => {
            let choices = "(choose from 'info', 'format', 'random-uuid')";
            Err(at_start.wrong(&format!("invalid choice: '{other}' {choices}")))
        }
    }
}

fn random_uuid(words: &[String]) -> Result<Asked, Failure> {
    let mut words = Words::new(words, PROGRAM, USAGE_RANDOM_UUID);
    match words.next() {
        None => Ok(Asked::RandomUuid),
        Some(word) if matches!(word.name.as_str(), "-h" | "--help") => {
            Ok(Asked::Help(USAGE_RANDOM_UUID.to_owned()))
        }
        Some(other) => Err(words.unrecognized(&other)),
    }
}

fn info(words: &[String]) -> Result<Asked, Failure> {
    let mut config = None;
    let mut words = Words::new(words, PROGRAM, USAGE_INFO);
    while let Some(option) = words.next() {
        match option.name.as_str() {
            "-h" | "--help" => return Ok(Asked::Help(format!("{USAGE_INFO}{HELP_CONFIG}"))),
            "-c" | "--config" => config = Some(words.value(option)?),
            _ => return Err(words.unrecognized(&option)),
        }
    }
    Ok(Asked::Info { config: config.ok_or_else(|| words.missing("--config/-c"))? })
}

fn format(words: &[String]) -> Result<Asked, Failure> {
    let (mut asked, mut config, mut cluster_id) = (FormatWords::default(), None, None);
    let mut words = Words::new(words, PROGRAM, USAGE_FORMAT);
    while let Some(option) = words.next() {
        match option.name.as_str() {
            "-h" | "--help" => {
                return Ok(Asked::Help(format!("{USAGE_FORMAT}{HELP_CONFIG}{HELP_FORMAT}")));
            }
            "-c" | "--config" => config = Some(words.value(option)?),
            "-t" | "--cluster-id" => cluster_id = Some(words.value(option)?),
            "-g" | "--ignore-formatted" => asked.ignore_formatted = true,
            "-r" | "--release-version" => asked.release_version = Some(words.value(option)?),
            "-f" | "--feature" => asked.features.push(feature(&words.value(option)?)?),
            "-s" | "--standalone" => asked.standalone = true,
            "-N" | "--no-initial-controllers" => asked.no_initial_controllers = true,
            "-I" | "--initial-controllers" => {
                asked.initial_controllers = Some(words.value(option)?);
            }
            "-S" | "--add-scram" => asked.credentials.push(words.value(option)?),
            _ => return Err(words.unrecognized(&option)),
        }
    }
    asked.config = config.ok_or_else(|| words.missing("--config/-c"))?;
    asked.cluster_id = cluster_id.ok_or_else(|| words.missing("--cluster-id/-t"))?;
    let ways = [
        (asked.standalone, "--standalone/-s"),
        (asked.no_initial_controllers, "--no-initial-controllers/-N"),
        (asked.initial_controllers.is_some(), "--initial-controllers/-I"),
    ];
    let given: Vec<&str> = ways.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
    if let [first, second, ..] = given[..] {
        let what = format!("argument {second}: not allowed with argument {first}");
        return Err(words.wrong(&what));
    }
    Ok(Asked::Format(asked))
}

/// `feature=level`.
fn feature(text: &str) -> Result<(String, i16), Failure> {
    let Some((name, level)) = text.split_once('=') else {
        return Err(Failure::said(format!(
            "Can't parse feature=level string {text}: equals sign not found."
        )));
    };
    let level = level.trim().parse().map_err(|_| {
        Failure::said(format!("Can't parse feature=level string {text}: {level} is no level."))
    })?;
    Ok((name.trim().to_owned(), level))
}
