//! Words of a command line as argparse reads them, for the tools of Apache Kafka that use it:
//! options, short or long, with their value behind a space or an equals sign, and subcommands.
//!
//! Not here: what the words mean. The other tools' grammar is in options.rs.

use crate::failure::Failure;

/// A word as it was written.
pub(crate) struct Word {
    /// The option's name, or the word itself.
    pub(crate) name: String,
    /// The value behind an equals sign.
    value: Option<String>,
}

/// The words that are left.
pub(crate) struct Words<'a> {
    words: &'a [String],
    /// What is printed above an error; none for tools that only say where help is.
    usage: Option<&'static str>,
    /// Apache Kafka's name of the tool.
    program: &'static str,
}

impl<'a> Words<'a> {
    pub(crate) fn new(words: &'a [String], program: &'static str, usage: &'static str) -> Self {
        Words { words, usage: Some(usage), program }
    }

    /// Words of a tool that tells errors without its usage.
    pub(crate) fn terse(words: &'a [String], program: &'static str) -> Self {
        Words { words, usage: None, program }
    }

    /// The words that are left.
    pub(crate) fn rest(&self) -> &'a [String] {
        self.words
    }

    /// The next word; an option, where it begins with a dash.
    pub(crate) fn next(&mut self) -> Option<Word> {
        let (word, rest) = self.words.split_first()?;
        self.words = rest;
        Some(match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => {
                Word { name: name.to_owned(), value: Some(value.to_owned()) }
            }
            _ => Word { name: word.clone(), value: None },
        })
    }

    /// The value of an option.
    pub(crate) fn value(&mut self, option: Word) -> Result<String, Failure> {
        if let Some(value) = option.value {
            return Ok(value);
        }
        let Some((value, rest)) = self.words.split_first() else {
            return Err(self.wrong(&format!("argument {}: expected one argument", option.name)));
        };
        self.words = rest;
        Ok(value.clone())
    }

    /// The error for a word that has no meaning.
    pub(crate) fn unrecognized(&self, word: &Word) -> Failure {
        self.wrong(&format!("unrecognized arguments: '{}'", word.name))
    }

    /// The error for words that do not go together.
    pub(crate) fn wrong(&self, what: &str) -> Failure {
        Failure::said(match self.usage {
            Some(usage) => format!("{usage}{}: error: {what}", self.program),
            None => format!("Command line error: {what}. Type --help for help."),
        })
    }

    /// The error for an option that must be there.
    pub(crate) fn missing(&self, name: &str) -> Failure {
        self.wrong(&format!("argument {name} is required"))
    }
}

/// Where a tool is to connect to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Servers {
    pub(crate) brokers: Option<String>,
    pub(crate) controllers: Option<String>,
    /// A file of properties for the client.
    pub(crate) config: Option<String>,
}

impl Servers {
    /// Takes an option that says where to connect to; answers whether it was one.
    pub(crate) fn take(
        &mut self,
        word: Word,
        words: &mut Words<'_>,
    ) -> Result<Option<Word>, Failure> {
        match word.name.as_str() {
            "--bootstrap-server" | "-b" => self.brokers = Some(words.value(word)?),
            "--bootstrap-controller" | "-C" => self.controllers = Some(words.value(word)?),
            "--command-config" | "--config" | "-c" => self.config = Some(words.value(word)?),
            _ => return Ok(Some(word)),
        }
        Ok(None)
    }

    /// An error unless there is exactly one kind of servers.
    pub(crate) fn check(&self, words: &Words<'_>) -> Result<(), Failure> {
        match (&self.brokers, &self.controllers) {
            (Some(_), None) | (None, Some(_)) => Ok(()),
            (None, None) => Err(words.wrong(
                "one of the arguments --bootstrap-server --bootstrap-controller is required",
            )),
            (Some(_), Some(_)) => Err(words.wrong(
                "argument --bootstrap-controller: not allowed with argument --bootstrap-server",
            )),
        }
    }
}
