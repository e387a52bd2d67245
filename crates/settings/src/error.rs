//! What can be wrong with a configuration: who is at fault and what is allowed instead.
//!
//! Must hold: a secret never stands in an error.

use std::fmt;

/// Something wrong with a config, in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// The value is not one that the config may have.
    Invalid {
        /// The config's name.
        key: String,
        /// The value as it was given.
        value: String,
        /// What it must be, as the end of a sentence.
        allowed: String,
    },
    /// The config must be given and is not.
    Missing {
        /// The config's name.
        key: String,
        /// What it must be, as the end of a sentence.
        allowed: String,
    },
    /// No config has this name.
    Unknown {
        /// The name as it was given.
        key: String,
        /// The known name that is most like it.
        nearest: Option<&'static str>,
    },
    /// The config cannot change while the node runs.
    ReadOnly {
        /// The config's name.
        key: String,
    },
    /// The config can only change for one broker, not for all.
    PerBroker {
        /// The config's name.
        key: String,
    },
    /// Two configs contradict each other.
    Conflict {
        /// The configs' names.
        keys: &'static [&'static str],
        /// What must hold, as a sentence.
        rule: String,
    },
    /// The value asks for what is not served.
    NotServed {
        /// The config's name.
        key: String,
        /// The value as it was given.
        value: String,
        /// Why it is not.
        reason: &'static str,
    },
    /// The text itself cannot be read.
    Syntax {
        /// Where: a line of the file, or the option.
        place: String,
        /// What is wrong there.
        reason: String,
    },
    /// A warning of the same configuration, which may explain the errors.
    Beside(String),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Invalid { key, value, allowed } => {
                write!(f, "Invalid value {value} for configuration {key}: it must be {allowed}")
            }
            ConfigError::Missing { key, allowed } => {
                write!(f, "Missing required configuration {key}: it must be {allowed}")
            }
            ConfigError::Unknown { key, nearest: Some(nearest) } => {
                write!(f, "Unknown configuration {key}: did you mean {nearest}?")
            }
            ConfigError::Unknown { key, nearest: None } => {
                write!(f, "Unknown configuration {key}")
            }
            ConfigError::ReadOnly { key } => {
                write!(f, "Cannot update {key} at run time: change the node's file and restart it")
            }
            ConfigError::PerBroker { key } => {
                write!(f, "Cannot update {key} for all brokers at once: name one broker")
            }
            ConfigError::Conflict { keys, rule } => write!(f, "{}: {rule}", keys.join(", ")),
            ConfigError::NotServed { key, value, reason } => {
                write!(f, "{key}={value} is not served: {reason}")
            }
            ConfigError::Syntax { place, reason } => write!(f, "{place}: {reason}"),
            ConfigError::Beside(warning) => write!(f, "warning: {warning}"),
        }
    }
}

impl std::error::Error for ConfigError {}
