//! The texts of a node's configs, layer upon layer, each with where it came from.
//!
//! An override wins over a variable, that over the file, that over the default; a change at run
//! time wins over all of them. Not here: what the texts mean.

use std::collections::BTreeMap;
use std::fmt;

use crate::builtin::{BUILT_IN, SAYS_WHO_IT_IS};
use crate::error::ConfigError;
use crate::row::Row;
use crate::{environment, properties, table, unserved};

/// Who gave a value to a config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `--override`.
    Override,
    /// A variable of the environment.
    Environment(String),
    /// A line of the file, counted from 1.
    File(usize),
    /// The configuration of a node that was given none.
    BuiltIn,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Override => f.write_str("--override"),
            Origin::Environment(variable) => f.write_str(variable),
            Origin::File(line) => write!(f, "line {line} of the file"),
            Origin::BuiltIn => f.write_str("built in"),
        }
    }
}

/// What a node is started with. The caller reads files and environment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Input<'a> {
    /// The bytes of `server.properties`.
    pub file: Option<&'a [u8]>,
    /// The variables of the environment; those that are no configs are passed over.
    pub environment: &'a [(String, String)],
    /// Each `key=value` after `--override`.
    pub overrides: &'a [String],
}

/// A config that was given and means nothing here, or asks for what is not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Who gave it.
    pub origin: Origin,
    /// What is wrong with it, and what may have been meant.
    pub reason: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.reason, self.origin)
    }
}

/// A text and who gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) text: String,
    pub(crate) origin: Origin,
}

/// Every text that a node's configs have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Texts {
    /// From file, environment and overrides.
    pub(crate) given: BTreeMap<String, Given>,
    /// Changed at run time, for all brokers.
    pub(crate) for_all: BTreeMap<String, String>,
    /// Changed at run time, for this broker.
    pub(crate) for_this: BTreeMap<String, String>,
}

impl Texts {
    /// Lays the layers of `input` over each other.
    pub(crate) fn of(input: Input<'_>) -> Result<Texts, ConfigError> {
        let mut upper: Vec<(String, Given)> = Vec::new();
        for (variable, value) in input.environment {
            if let Some((key, text)) = environment::config(variable, value)? {
                let origin = Origin::Environment(variable.clone());
                upper.push((key, Given { text, origin }));
            }
        }
        for option in input.overrides {
            let (key, text) = option.split_once('=').ok_or_else(|| ConfigError::Syntax {
                place: format!("--override {option}"),
                reason: "it must be key=value".to_string(),
            })?;
            let text = text.to_string();
            upper.push((key.trim().to_string(), Given { text, origin: Origin::Override }));
        }
        let mut texts = Texts::default();
        texts.given.extend(lower(input.file, &upper)?);
        texts.given.extend(upper);
        texts.join_ids();
        Ok(texts)
    }

    /// What the config is, by whoever wins, but for its default.
    pub(crate) fn find(&self, key: &str) -> Option<&str> {
        let changed = self.for_this.get(key).or_else(|| self.for_all.get(key));
        changed.or_else(|| self.given.get(key).map(|given| &given.text)).map(String::as_str)
    }

    /// The text of a row, or that of its listener where one is named.
    pub(crate) fn of_row(&self, row: &Row, listener: Option<&str>) -> Option<String> {
        let own = listener.and_then(|listener| self.find(&table::prefixed(listener, row.name)));
        own.or_else(|| self.find(row.name)).map(str::to_string)
    }

    /// What to warn about.
    pub(crate) fn warnings(&self) -> Vec<Warning> {
        let told = self.given.iter().filter_map(|(key, given)| {
            let reason = table::stranger(key).or_else(|| unserved::warning(key, &given.text))?;
            Some(Warning { origin: given.origin.clone(), reason })
        });
        told.collect()
    }

    /// `node.id` and `broker.id` are two names for one number.
    fn join_ids(&mut self) {
        for (from, to) in [("broker.id", "node.id"), ("node.id", "broker.id")] {
            if let (Some(id), None) = (self.given.get(from).cloned(), self.given.get(to)) {
                self.given.insert(to.to_string(), id);
            }
        }
    }
}

/// The file, or what stands in for it where nobody says who the node is.
fn lower(
    file: Option<&[u8]>,
    upper: &[(String, Given)],
) -> Result<Vec<(String, Given)>, ConfigError> {
    if let Some(bytes) = file {
        let lines = properties::parse(&properties::decode(bytes))?;
        let given = |line: properties::Property| {
            (line.key, Given { text: line.value, origin: Origin::File(line.line) })
        };
        return Ok(lines.into_iter().map(given).collect());
    }
    if upper.iter().any(|(key, _)| SAYS_WHO_IT_IS.contains(&key.as_str())) {
        return Ok(Vec::new());
    }
    let given = |(key, text): &(&str, &str)| {
        (key.to_string(), Given { text: text.to_string(), origin: Origin::BuiltIn })
    };
    Ok(BUILT_IN.iter().map(given).collect())
}
