//! How a command fails: the lines to print, where they go, and the exit code.
//!
//! First lines and codes are those that scripts written for Apache Kafka's tools look at; what to
//! do about it follows on stderr.

use std::fmt;

/// Why a command ended without doing what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    message: String,
    place: Place,
    code: u8,
}

/// Where the message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On stdout.
    Stdout,
    /// On stderr.
    Stderr,
    /// Nowhere: whoever read the output has gone, as `head` does.
    Nowhere,
    /// On stderr, followed by the table of options.
    Usage,
    /// On stderr, followed by the name of the command that lists the options.
    Grammar,
}

impl Failure {
    /// A wrong use of options.
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), place: Place::Usage, code: 1 }
    }

    /// A command line that is no list of options.
    pub(crate) fn plain(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), place: Place::Grammar, code: 1 }
    }

    /// A line on stderr.
    pub fn said(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), place: Place::Stderr, code: 1 }
    }

    /// An exit code without a word.
    pub(crate) fn silent() -> Failure {
        Failure { message: String::new(), place: Place::Nowhere, code: 1 }
    }

    /// The same with another exit code.
    pub(crate) fn with_code(mut self, code: u8) -> Failure {
        self.code = code;
        self
    }

    /// The same message after `lead` on stdout; a wrong use of options stays what it is.
    pub(crate) fn after(self, lead: &str) -> Failure {
        match self.place {
            Place::Usage | Place::Grammar | Place::Nowhere => self,
            _ => {
                Failure { message: format!("{lead}{}", self.message), place: Place::Stdout, ..self }
            }
        }
    }

    /// Where it is printed.
    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// What the process ends with.
    pub fn code(&self) -> u8 {
        self.code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Failure::silent();
        }
        Failure::said(format!("cannot write the output: {error}"))
    }
}
