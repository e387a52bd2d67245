//! The command line of `ottla storage`: a word and its options, as argparse reads them.
//!
//! Options are short or long, with their value behind a space or an equals sign. Not here: what
//! they mean together (storage.rs).

use crate::failure::Failure;

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
}

const USAGE: &str = "usage: kafka-storage [-h] {info,format,random-uuid} ...\n";
const USAGE_INFO: &str = "usage: kafka-storage info [-h] --config CONFIG\n";
const USAGE_RANDOM_UUID: &str = "usage: kafka-storage random-uuid [-h]\n";
const USAGE_FORMAT: &str = "\
usage: kafka-storage format [-h] --config CONFIG --cluster-id CLUSTER_ID
                     [--ignore-formatted] [--release-version RELEASE_VERSION]
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
    let Some((word, rest)) = words.split_first() else {
        return Err(wrong(USAGE, "too few arguments"));
    };
    match word.as_str() {
        "-h" | "--help" => Ok(Asked::Help(format!("{USAGE}{HELP}"))),
        "random-uuid" => random_uuid(rest),
        "info" => info(rest),
        "format" => format(rest),
        other => Err(wrong(
            USAGE,
            &format!("invalid choice: '{other}' (choose from 'info', 'format', 'random-uuid')"),
        )),
    }
}

fn random_uuid(words: &[String]) -> Result<Asked, Failure> {
    match words.first().map(String::as_str) {
        None => Ok(Asked::RandomUuid),
        Some("-h" | "--help") => Ok(Asked::Help(USAGE_RANDOM_UUID.to_owned())),
        Some(other) => Err(unrecognized(USAGE_RANDOM_UUID, other)),
    }
}

fn info(words: &[String]) -> Result<Asked, Failure> {
    let mut config = None;
    let mut words = Words { words, usage: USAGE_INFO };
    while let Some(option) = words.next()? {
        match option.name.as_str() {
            "-h" | "--help" => return Ok(Asked::Help(format!("{USAGE_INFO}{HELP_CONFIG}"))),
            "-c" | "--config" => config = Some(words.value(option)?),
            _ => return Err(unrecognized(USAGE_INFO, &option.name)),
        }
    }
    let missing = || wrong(USAGE_INFO, "argument --config/-c is required");
    Ok(Asked::Info { config: config.ok_or_else(missing)? })
}

fn format(words: &[String]) -> Result<Asked, Failure> {
    let (mut asked, mut config, mut cluster_id) = (FormatWords::default(), None, None);
    let mut words = Words { words, usage: USAGE_FORMAT };
    while let Some(option) = words.next()? {
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
            "-S" | "--add-scram" => {
                return Err(Failure::said(
                    "--add-scram is not served yet: format without it, logins come later",
                ));
            }
            _ => return Err(unrecognized(USAGE_FORMAT, &option.name)),
        }
    }
    let missing = |name: &str| wrong(USAGE_FORMAT, &format!("argument {name} is required"));
    asked.config = config.ok_or_else(|| missing("--config/-c"))?;
    asked.cluster_id = cluster_id.ok_or_else(|| missing("--cluster-id/-t"))?;
    let ways = [
        (asked.standalone, "--standalone/-s"),
        (asked.no_initial_controllers, "--no-initial-controllers/-N"),
        (asked.initial_controllers.is_some(), "--initial-controllers/-I"),
    ];
    let given: Vec<&str> = ways.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
    if let [first, second, ..] = given[..] {
        let what = format!("argument {second}: not allowed with argument {first}");
        return Err(wrong(USAGE_FORMAT, &what));
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

/// An option as it was written.
struct Written {
    name: String,
    /// The value behind an equals sign.
    value: Option<String>,
}

/// The words that are left.
struct Words<'a> {
    words: &'a [String],
    usage: &'static str,
}

impl Words<'_> {
    fn next(&mut self) -> Result<Option<Written>, Failure> {
        let Some((word, rest)) = self.words.split_first() else { return Ok(None) };
        self.words = rest;
        if !word.starts_with('-') {
            return Err(unrecognized(self.usage, word));
        }
        Ok(Some(match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => {
                Written { name: name.to_owned(), value: Some(value.to_owned()) }
            }
            _ => Written { name: word.clone(), value: None },
        }))
    }

    fn value(&mut self, option: Written) -> Result<String, Failure> {
        if let Some(value) = option.value {
            return Ok(value);
        }
        let Some((value, rest)) = self.words.split_first() else {
            let what = format!("argument {}: expected one argument", option.name);
            return Err(wrong(self.usage, &what));
        };
        self.words = rest;
        Ok(value.clone())
    }
}

fn unrecognized(usage: &str, word: &str) -> Failure {
    wrong(usage, &format!("unrecognized arguments: '{word}'"))
}

fn wrong(usage: &str, what: &str) -> Failure {
    Failure::said(format!("{usage}kafka-storage: error: {what}"))
}
