//! The options of a command: what a row says, and what a command line said.
//!
//! The grammar is the one that scripts written for Apache Kafka's tools rely on (`--name value`,
//! `--name=value`, `-name value`, repeated options), which is why no
//! general parser stands here. Not here: reading words (parse.rs), laying out `--help` (help.rs).
//! Must hold: a row is the only place that knows an option's name.

pub(crate) mod help;
mod parse;

use std::str::FromStr;

pub(crate) use parse::parse;

use crate::failure::Failure;

/// What follows an option's name. The text says what it stands for; it may be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Argument {
    /// Nothing.
    None,
    /// Any text.
    Text(&'static str),
    /// Text that may be left out.
    Maybe(&'static str),
    /// A number of 32 bits.
    Integer(&'static str),
    /// A number of 64 bits.
    Long(&'static str),
}

/// One option of a command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opt {
    pub(crate) name: &'static str,
    pub(crate) argument: Argument,
    pub(crate) required: bool,
    pub(crate) deprecated: bool,
    /// Other names of the same option, which `--help` does not list.
    pub(crate) aliases: &'static [&'static str],
    pub(crate) default: Option<&'static str>,
    /// What it does, in a sentence or two.
    pub(crate) help: &'static str,
    /// More lines for `--help`, made when asked for.
    pub(crate) more: Option<fn() -> Vec<String>>,
}

const fn opt(name: &'static str, argument: Argument, help: &'static str) -> Opt {
    Opt {
        name,
        argument,
        required: false,
        deprecated: false,
        aliases: &[],
        default: None,
        help,
        more: None,
    }
}

/// An option without an argument.
pub(crate) const fn flag(name: &'static str, help: &'static str) -> Opt {
    opt(name, Argument::None, help)
}

/// An option with a text.
pub(crate) const fn text(name: &'static str, what: &'static str, help: &'static str) -> Opt {
    opt(name, Argument::Text(what), help)
}

/// An option whose text may be left out.
pub(crate) const fn maybe(name: &'static str, what: &'static str, help: &'static str) -> Opt {
    opt(name, Argument::Maybe(what), help)
}

/// An option with a number of 32 bits.
pub(crate) const fn integer(name: &'static str, what: &'static str, help: &'static str) -> Opt {
    opt(name, Argument::Integer(what), help)
}

/// An option with a number of 64 bits.
pub(crate) const fn long(name: &'static str, what: &'static str, help: &'static str) -> Opt {
    opt(name, Argument::Long(what), help)
}

impl Opt {
    /// It must be there.
    pub(crate) const fn required(mut self) -> Opt {
        self.required = true;
        self
    }

    /// It works, and another is to be used.
    pub(crate) const fn deprecated(mut self) -> Opt {
        self.deprecated = true;
        self
    }

    /// What holds when it is not there.
    pub(crate) const fn default(mut self, value: &'static str) -> Opt {
        self.default = Some(value);
        self
    }

    /// It answers to these names too.
    pub(crate) const fn aliases(mut self, names: &'static [&'static str]) -> Opt {
        self.aliases = names;
        self
    }

    /// Lines below the sentence.
    pub(crate) const fn more(mut self, lines: fn() -> Vec<String>) -> Opt {
        self.more = Some(lines);
        self
    }
}

/// `--help` and `--version`, which each command has.
pub(crate) const HELP: Opt = flag("help", "Print what the options are.");
/// See [`HELP`].
pub(crate) const VERSION: Opt = flag("version", "Print the version.");

/// What a command line said.
#[derive(Clone, Debug)]
pub(crate) struct Parsed {
    options: &'static [Opt],
    given: Vec<(&'static str, Option<String>)>,
    /// The words as they came.
    line: String,
}

impl Parsed {
    /// A line for each option that was given under its old name, of pairs of old and new.
    pub(crate) fn deprecated(&self, renamed: &[(&str, &str)]) -> Vec<String> {
        let given = renamed.iter().filter(|(old, _)| self.has(old));
        given
            .map(|(old, new)| {
                format!(
                    "Option --{old} is deprecated and will be removed in a future version. Use \
                     --{new} instead."
                )
            })
            .collect()
    }

    /// Whether the option was given.
    pub(crate) fn has(&self, name: &str) -> bool {
        debug_assert!(self.options.iter().any(|option| option.name == name), "no row for {name}");
        self.given.iter().any(|(given, _)| *given == name)
    }

    /// Its text or its default; an error when it was given twice.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, Failure> {
        let mut values = self.texts(name).into_iter();
        let Some(value) = values.next() else {
            let row = self.options.iter().find(|option| option.name == name);
            return Ok(row.and_then(|row| row.default));
        };
        match values.next() {
            Some(_) => Err(Failure::said(format!(
                "Found multiple arguments for option {name}, but you asked for only one"
            ))),
            None => Ok(Some(value)),
        }
    }

    /// Every text that it was given, in order.
    pub(crate) fn texts(&self, name: &str) -> Vec<&str> {
        self.given
            .iter()
            .filter(|(given, _)| *given == name)
            .filter_map(|(_, value)| value.as_deref())
            .collect()
    }

    /// The words of the command line.
    pub(crate) fn line(&self) -> &str {
        &self.line
    }

    /// Its number or the default's.
    pub(crate) fn number<N: FromStr>(&self, name: &str) -> Result<Option<N>, Failure> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let text = text.strip_prefix('+').filter(|rest| !rest.is_empty()).unwrap_or(text);
        text.parse()
            .map(Some)
            .map_err(|_| Failure::said(format!("Cannot parse argument '{text}' of option {name}")))
    }

    /// An error that names the first of `names` that is missing.
    pub(crate) fn need(&self, names: &[&str]) -> Result<(), Failure> {
        match names.iter().find(|name| !self.has(name)) {
            Some(name) => Err(Failure::usage(format!("Missing required argument \"[{name}]\""))),
            None => Ok(()),
        }
    }

    /// An error when `name` was given together with one of `others`.
    pub(crate) fn alone(&self, name: &str, others: &[&str]) -> Result<(), Failure> {
        match others.iter().find(|other| self.has(name) && self.has(other)) {
            Some(other) => Err(Failure::usage(format!(
                "Option \"[{name}]\" can't be used with option \"[{other}]\""
            ))),
            None => Ok(()),
        }
    }
}
