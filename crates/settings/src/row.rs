//! A row: everything that is said once about a config, and the macro that makes rows and typed
//! fields of one text.
//!
//! Not here: the rows (table/), what a value is (value.rs), what is allowed (valid.rs).
//! Must hold: a block has one field per row, in the order of its rows.

use crate::error::ConfigError;
use crate::valid::Valid;
use crate::value::{Field, Kind, Value};

/// How much a config matters, as Kafka's documentation sorts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    /// Most clusters set it.
    High,
    /// Some clusters set it.
    Medium,
    /// Few clusters set it.
    Low,
}

pub(crate) const HIGH: Importance = Importance::High;
pub(crate) const MEDIUM: Importance = Importance::Medium;
pub(crate) const LOW: Importance = Importance::Low;

/// When a broker's config may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// At a restart.
    ReadOnly,
    /// At any time, for one broker.
    PerBroker,
    /// At any time, for one broker or for all.
    ClusterWide,
}

/// A broker config that another config falls back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// Its name.
    pub name: &'static str,
    /// How many of the asking config's unit one of its units is: hours are 3,600,000 ms.
    pub factor: i64,
}

/// What a row says about change: when, whether it is shown, where its value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    update: Update,
    internal: bool,
    fallbacks: &'static [Fallback],
}

const fn change(update: Update, fallbacks: &'static [Fallback]) -> Change {
    Change { update, internal: false, fallbacks }
}

pub(crate) const READ_ONLY: Change = change(Update::ReadOnly, &[]);
pub(crate) const PER_BROKER: Change = change(Update::PerBroker, &[]);
pub(crate) const CLUSTER_WIDE: Change = change(Update::ClusterWide, &[]);
/// A topic's or group's config without a broker config behind it.
pub(crate) const OWN: Change = change(Update::ClusterWide, &[]);

/// A config that falls back to these broker configs, the first that has a value.
pub(crate) const fn from(fallbacks: &'static [Fallback]) -> Change {
    change(Update::ClusterWide, fallbacks)
}

/// A broker config with the same unit.
pub(crate) const fn to(name: &'static str) -> Fallback {
    Fallback { name, factor: 1 }
}

/// A broker config in minutes behind one in milliseconds.
pub(crate) const fn minutes(name: &'static str) -> Fallback {
    Fallback { name, factor: 60_000 }
}

/// A broker config in hours behind one in milliseconds.
pub(crate) const fn hours(name: &'static str) -> Fallback {
    Fallback { name, factor: 3_600_000 }
}

/// A config that Kafka knows and does not show.
pub(crate) const fn internal(change: Change) -> Change {
    Change { internal: true, ..change }
}

/// What a config is when nobody gives it a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unset {
    /// It must be given.
    Required,
    /// It has no value.
    Null,
    /// It has this value, written as in a file.
    Text(&'static str),
}

/// One config of Apache Kafka.
#[derive(Debug)]
pub struct Row {
    /// Its name in files and requests.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// What it is when nobody gives it a value.
    pub unset: Unset,
    /// Which values are allowed beyond what the type allows.
    pub valid: Valid,
    /// How much it matters.
    pub importance: Importance,
    doc: &'static str,
    change: Change,
}

impl Row {
    #[allow(clippy::too_many_arguments, reason = "called by the macro alone, one per column")]
    pub(crate) const fn new(
        name: &'static str,
        kind: Kind,
        unset: Unset,
        valid: Valid,
        importance: Importance,
        change: Change,
        doc: &'static str,
    ) -> Row {
        Row { name, kind, unset, valid, importance, doc, change }
    }

    /// What it does, in a sentence.
    pub fn doc(&self) -> &'static str {
        self.doc.trim()
    }

    /// When it may change; meaningful for rows of the broker.
    pub fn update(&self) -> Update {
        self.change.update
    }

    /// Whether Kafka keeps it out of its answers.
    pub fn is_internal(&self) -> bool {
        self.change.internal
    }

    /// Whether its value must not be shown.
    pub fn is_sensitive(&self) -> bool {
        self.kind == Kind::Password
    }

    /// The broker configs that it falls back to, in their order.
    pub fn fallbacks(&self) -> &'static [Fallback] {
        self.change.fallbacks
    }

    /// The default as text, `None` where there is none.
    pub fn default_text(&self) -> Option<&'static str> {
        match self.unset {
            Unset::Text(text) => Some(text),
            Unset::Null | Unset::Required => None,
        }
    }

    /// Reads a value written as in a file or a request.
    pub fn parse(&self, text: &str) -> Result<Value, ConfigError> {
        let value = Value::parse(self.kind, text).map(|value| self.valid.tidied(value));
        value.filter(|value| self.valid.allows(value)).ok_or_else(|| ConfigError::Invalid {
            key: self.name.to_string(),
            value: if self.is_sensitive() { "[hidden]".to_string() } else { text.to_string() },
            allowed: self.allowed(),
        })
    }

    /// What a value must be, as the end of a sentence.
    pub fn allowed(&self) -> String {
        self.valid.described(self.kind)
    }
}

/// Fills typed blocks from texts, and keeps what was wrong with them.
pub(crate) struct Reader<'a> {
    text: &'a dyn Fn(&Row) -> Option<String>,
    pub(crate) errors: Vec<ConfigError>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a dyn Fn(&Row) -> Option<String>) -> Reader<'a> {
        Reader { text, errors: Vec::new() }
    }

    /// The value of a row's field; a wrong text is noted and the default taken.
    pub(crate) fn field<T: Field>(&mut self, row: Option<&'static Row>) -> T {
        let row = row.expect("a block has a row for each of its fields");
        let given = match (self.text)(row).map(|text| row.parse(&text)) {
            Some(Err(wrong)) => {
                self.errors.push(wrong);
                None
            }
            Some(Ok(value)) => Some(value),
            None => None,
        };
        if given.is_none() && row.unset == Unset::Required {
            let (key, allowed) = (row.name.to_string(), row.allowed());
            self.errors.push(ConfigError::Missing { key, allowed });
        }
        let default = || row.default_text().and_then(|text| Value::parse(row.kind, text));
        T::of(given.or_else(default))
    }
}

/// A typed block of configs: its rows, and itself read from texts.
pub(crate) trait Block: Sized {
    /// One row per field, in their order.
    const ROWS: &'static [Row];

    /// Reads each field.
    fn read(reader: &mut Reader<'_>) -> Self;
}

/// Makes a block of rows: `"name" => field: Type = default, allowed, importance, change;` with
/// its documentation above. The default is a literal, `null` or `required`.
macro_rules! config {
    (
        $(#[doc = $about:literal])+
        pub struct $block:ident {
            $(
                $(#[doc = $doc:literal])+
                $name:literal => $field:ident: $kind:ty = $unset:tt,
                $valid:expr, $importance:ident, $change:expr;
            )*
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq)]
        pub struct $block {
            $(
                $(#[doc = $doc])+
                pub $field: $kind,
            )*
        }

        impl $crate::row::Block for $block {
            const ROWS: &'static [$crate::row::Row] = &[
                $(
                    $crate::row::Row::new(
                        $name,
                        <$kind as $crate::value::Field>::KIND,
                        $crate::row::config!(@unset $unset),
                        $valid,
                        $importance,
                        $change,
                        concat!($($doc),+),
                    ),
                )*
            ];

            fn read(reader: &mut $crate::row::Reader<'_>) -> Self {
                let mut rows = <Self as $crate::row::Block>::ROWS.iter();
                $block { $($field: reader.field(rows.next())),* }
            }
        }
    };
    (@unset null) => { $crate::row::Unset::Null };
    (@unset required) => { $crate::row::Unset::Required };
    (@unset $text:literal) => { $crate::row::Unset::Text($text) };
}
pub(crate) use config;
