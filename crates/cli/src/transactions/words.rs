//! The command line of `ottla transactions`, as argparse reads it: options, a word, its options.
//!
//! Not here: what is done (transactions.rs). Must hold: a usage stands here as Apache Kafka's tool
//! prints it.

use crate::failure::Failure;

/// What the words ask for, and of whom.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) servers: Option<String>,
    /// A file of properties for the client.
    pub(crate) config: Option<String>,
    /// The word that says what to do; none after `--help` and `--version`.
    pub(crate) command: Option<&'static Command>,
    /// Its options by name, with their values.
    options: Vec<(&'static str, String)>,
    /// What to print instead.
    pub(crate) text: Option<String>,
}

/// A word with its options.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) name: &'static str,
    usage: &'static str,
    help: &'static str,
    options: &'static [Opt],
}

/// An option, which has a value.
#[derive(Debug, PartialEq, Eq)]
struct Opt {
    name: &'static str,
    required: bool,
    /// The kind of number that its value is.
    number: Option<&'static str>,
}

const fn text(name: &'static str) -> Opt {
    Opt { name, required: false, number: None }
}

const fn number(name: &'static str, kind: &'static str) -> Opt {
    Opt { name, required: false, number: Some(kind) }
}

impl Opt {
    const fn required(self) -> Opt {
        Opt { required: true, ..self }
    }
}

const TOPIC: &str = "--topic";
const PARTITION: &str = "--partition";
const BROKER_ID: &str = "--broker-id";

/// What the tool can do.
static COMMANDS: &[Command] = &[
    Command {
        name: "list",
        usage: "usage: kafka-transactions.sh --bootstrap-server host:port list [-h]
                             [--duration-filter DURATION_FILTER]
                             [--transactional-id-pattern TRANSACTIONAL_ID_PATTERN]
",
        help: "list transactions",
        options: &[number("--duration-filter", "Long"), text("--transactional-id-pattern")],
    },
    Command {
        name: "describe",
        usage: "usage: kafka-transactions.sh --bootstrap-server host:port describe [-h]
                             --transactional-id TRANSACTIONAL_ID
",
        help: "describe the state of a transactional id",
        options: &[text("--transactional-id").required()],
    },
    Command {
        name: "describe-producers",
        usage: "usage: kafka-transactions.sh --bootstrap-server host:port
                             describe-producers [-h]
                             [--broker-id BROKER_ID] --topic TOPIC
                             --partition PARTITION
",
        help: "describe the producers that write to a partition",
        options: &[
            number(BROKER_ID, "Integer"),
            text(TOPIC).required(),
            number(PARTITION, "Integer").required(),
        ],
    },
    Command {
        name: "abort",
        usage: "usage: kafka-transactions.sh --bootstrap-server host:port abort [-h]
                             --topic TOPIC --partition PARTITION
                             [--start-offset START_OFFSET]
                             [--producer-id PRODUCER_ID]
                             [--producer-epoch PRODUCER_EPOCH]
                             [--coordinator-epoch COORDINATOR_EPOCH]
",
        help: "abort a hanging transaction in one partition",
        options: &[
            text(TOPIC).required(),
            number(PARTITION, "Integer").required(),
            number("--start-offset", "Long"),
            number("--producer-id", "Long"),
            number("--producer-epoch", "Short"),
            number("--coordinator-epoch", "Integer"),
        ],
    },
    Command {
        name: "find-hanging",
        usage: "usage: kafka-transactions.sh --bootstrap-server host:port find-hanging
                             [-h] [--broker-id BROKER_ID]
                             [--max-transaction-timeout MAX_TRANSACTION_TIMEOUT]
                             [--topic TOPIC] [--partition PARTITION]
",
        help: "find transactions that no coordinator will end",
        options: &[
            number(BROKER_ID, "Integer"),
            number("--max-transaction-timeout", "Integer"),
            text(TOPIC),
            number(PARTITION, "Integer"),
        ],
    },
    Command {
        name: "forceTerminateTransaction",
        usage: "usage: kafka-transactions.sh --bootstrap-server host:port
                             forceTerminateTransaction [-h]
                             --transactionalId TRANSACTIONALID
",
        help: "abort what a transactional id has open, and fence its producer",
        options: &[text("--transactionalId").required()],
    },
];

const USAGE: &str = "usage: kafka-transactions.sh [-h] [-v] [--command-config FILE]
                             --bootstrap-server host:port COMMAND ...
";
const HELP: &str = "
Shows transactions and the state of their producers, finds those that hang, and ends them.

  -h, --help             print this; behind a command, its usage
  -v, --version          print the release of Apache Kafka whose protocol is spoken
  --command-config FILE  a file of properties for the client
  --bootstrap-server host:port
                         the brokers to begin with, separated by commas

";

impl Words {
    /// Reads the words.
    pub(crate) fn parse(words: &[String]) -> Result<Words, Failure> {
        let mut read = Words::default();
        let mut rest = Rest { words, usage: USAGE };
        while let Some((name, value)) = rest.next() {
            match name.as_str() {
                "-h" | "--help" => return Ok(Words { text: Some(help()), ..read }),
                "-v" | "--version" => {
                    let version = format!("{}\n", crate::KAFKA_VERSION);
                    return Ok(Words { text: Some(version), ..read });
                }
                "--command-config" => read.config = Some(rest.value(&name, value)?),
                "--bootstrap-server" => read.servers = Some(rest.value(&name, value)?),
                option if option.starts_with('-') => return Err(rest.unrecognized(option)),
                word => {
                    let known = COMMANDS.iter().find(|command| command.name == word);
                    let command = known.ok_or_else(|| rest.wrong(&no_choice(word)))?;
                    if read.servers.is_none() && !rest.words.iter().any(|word| is_help(word)) {
                        return Err(rest.wrong("argument --bootstrap-server is required"));
                    }
                    read.command = Some(command);
                    return read.options_of(command, rest.words);
                }
            }
        }
        Err(rest.wrong("too few arguments"))
    }

    fn options_of(mut self, command: &'static Command, words: &[String]) -> Result<Words, Failure> {
        let mut rest = Rest { words, usage: command.usage };
        while let Some((name, value)) = rest.next() {
            if is_help(&name) {
                return Ok(Words { text: Some(command.usage.to_owned()), ..self });
            }
            let known = command.options.iter().find(|option| option.name == name);
            let option = known.ok_or_else(|| rest.unrecognized(&name))?;
            let value = rest.value(&name, value)?;
            if let Some(kind) = option.number.filter(|kind| !is_number(kind, &value)) {
                return Err(rest.wrong(&format!(
                    "argument {name}: could not convert '{value}' to {kind} (For input string: \
                     \"{value}\")"
                )));
            }
            self.options.push((option.name, value));
        }
        let missing = command.options.iter().find(|it| it.required && !self.has(it.name));
        match missing {
            Some(option) => Err(rest.wrong(&format!("argument {} is required", option.name))),
            None => Ok(self),
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.text(name).is_some()
    }

    /// The value of an option, the last one that was given.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let found = self.options.iter().rev().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The value of an option that is a number.
    pub(crate) fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.text(name).and_then(|value| value.parse().ok())
    }
}

fn is_help(word: &str) -> bool {
    word == "-h" || word == "--help"
}

fn is_number(kind: &str, value: &str) -> bool {
    match kind {
        "Short" => value.parse::<i16>().is_ok(),
        "Integer" => value.parse::<i32>().is_ok(),
        _ => value.parse::<i64>().is_ok(),
    }
}

fn help() -> String {
    let commands =
        COMMANDS.iter().map(|command| format!("  {:26}{}\n", command.name, command.help));
    format!("{USAGE}{HELP}{}", commands.collect::<String>())
}

fn no_choice(word: &str) -> String {
    let names: Vec<String> = COMMANDS.iter().map(|command| format!("'{}'", command.name)).collect();
    format!("invalid choice: '{word}' (choose from {})", names.join(", "))
}

/// The words that are left.
struct Rest<'a> {
    words: &'a [String],
    usage: &'static str,
}

impl Rest<'_> {
    /// The next word, and a value behind an equals sign.
    fn next(&mut self) -> Option<(String, Option<String>)> {
        let (word, rest) = self.words.split_first()?;
        self.words = rest;
        Some(match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => {
                (name.to_owned(), Some(value.to_owned()))
            }
            _ => (word.clone(), None),
        })
    }

    fn value(&mut self, name: &str, value: Option<String>) -> Result<String, Failure> {
        if let Some(value) = value {
            return Ok(value);
        }
        let Some((value, rest)) = self.words.split_first() else {
            return Err(self.wrong(&format!("argument {name}: expected one argument")));
        };
        self.words = rest;
        Ok(value.clone())
    }

    fn unrecognized(&self, word: &str) -> Failure {
        self.wrong(&format!("unrecognized arguments: '{word}'"))
    }

    fn wrong(&self, what: &str) -> Failure {
        Failure::said(format!("{}kafka-transactions.sh: error: {what}", self.usage))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of a line, or the last line of what is said.
    fn check(line: &str, expected: &str) {
        let words: Vec<String> = line.split_whitespace().map(String::from).collect();
        let told = match Words::parse(&words) {
            Ok(Words { text: Some(text), .. }) => {
                text.lines().next().unwrap_or_default().to_owned()
            }
            Ok(words) => {
                let name = words.command.map_or("", |command| command.name);
                format!("{:?} {name} {:?}", words.servers.unwrap_or_default(), words.options)
            }
            Err(failure) => failure.to_string().lines().last().unwrap_or_default().to_owned(),
        };
        assert_eq!(told, expected, "{line}");
    }

    #[test]
    fn a_command_has_its_own_options_behind_it() {
        check(
            "--bootstrap-server a:1 describe --transactional-id=x",
            r#""a:1" describe [("--transactional-id", "x")]"#,
        );
        check("--bootstrap-server a:1 list", r#""a:1" list []"#);
        check(
            "abort --help",
            "usage: kafka-transactions.sh --bootstrap-server host:port abort [-h]",
        );
        check("--version", crate::KAFKA_VERSION);
    }

    #[test]
    fn what_is_wrong_is_said_as_argparse_says_it() {
        let error = "kafka-transactions.sh: error: ";
        check("", &format!("{error}too few arguments"));
        check("list", &format!("{error}argument --bootstrap-server is required"));
        check(
            "bogus",
            &format!(
                "{error}invalid choice: 'bogus' (choose from 'list', 'describe', \
                 'describe-producers', 'abort', 'find-hanging', 'forceTerminateTransaction')"
            ),
        );
        let at = "--bootstrap-server a:1";
        check(
            &format!("{at} describe"),
            &format!("{error}argument --transactional-id is required"),
        );
        check(
            &format!("{at} list --duration-filter x"),
            &format!(
                "{error}argument --duration-filter: could not convert 'x' to Long (For input \
                 string: \"x\")"
            ),
        );
        check(
            &format!("{at} list --topic t"),
            &format!("{error}unrecognized arguments: '--topic'"),
        );
        check(
            &format!("{at} abort --topic"),
            &format!("{error}argument --topic: expected one argument"),
        );
    }

    /// The options of Apache Kafka's tool, as its parser has them.
    #[test]
    fn commands_have_the_options_of_apache_kafkas_tool() {
        let ours = COMMANDS.iter().flat_map(|command| {
            let named = |option: &Opt| format!("{} {}", command.name, option.name);
            command.options.iter().map(named).collect::<Vec<_>>()
        });
        let mut ours: Vec<String> = ours.collect();
        ours.sort();
        let theirs = [
            "abort --coordinator-epoch",
            "abort --partition",
            "abort --producer-epoch",
            "abort --producer-id",
            "abort --start-offset",
            "abort --topic",
            "describe --transactional-id",
            "describe-producers --broker-id",
            "describe-producers --partition",
            "describe-producers --topic",
            "find-hanging --broker-id",
            "find-hanging --max-transaction-timeout",
            "find-hanging --partition",
            "find-hanging --topic",
            "forceTerminateTransaction --transactionalId",
            "list --duration-filter",
            "list --transactional-id-pattern",
        ];
        assert_eq!(ours, theirs);
    }
}
