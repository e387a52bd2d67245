//! A row: everything that is said once about a metric, and the macro that makes rows and their
//! handles of one text.
//!
//! Not here: the rows (table.rs). Must hold: a handle's number is its row's place.

/// How a metric's numbers are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows while the node runs.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How many observations were at most as large as each of some bounds, and their sum.
    Histogram,
}

impl Kind {
    /// The word of the formats.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// One metric.
#[derive(Debug)]
pub struct Row {
    /// The name that a monitoring system knows it by.
    pub name: &'static str,
    /// How its numbers are to be read.
    pub kind: Kind,
    /// The names of its labels, in the order of their values.
    pub labels: &'static [&'static str],
    /// What is counted.
    pub unit: &'static str,
    /// The MBean of Apache Kafka that tells the same, where there is one.
    pub mbean: Option<&'static str>,
    pub(crate) help: &'static str,
}

impl Row {
    /// What it tells, in a sentence.
    pub fn help(&self) -> &'static str {
        self.help.trim()
    }

    /// The name without what a counter's name ends with.
    pub fn family(&self) -> &'static str {
        self.name.strip_suffix(TOTAL).unwrap_or(self.name)
    }
}

/// What a counter's name ends with.
pub(crate) const TOTAL: &str = "_total";

/// Makes handles and rows of a table: the sentence above, then
/// `Handle: Kind "name" [labels], "unit", "MBean" or none;`.
macro_rules! metrics {
    ($(
        $(#[doc = $help:literal])+
        $handle:ident: $kind:ident $name:literal [$($label:ident),*], $unit:literal, $mbean:tt;
    )*) => {
        /// Every metric; each has a row.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Metric {
            $(
                $(#[doc = $help])+
                $handle,
            )*
        }

        impl Metric {
            /// Every metric, in the order of the table.
            pub const ALL: &'static [Metric] = &[$(Metric::$handle),*];

            /// What is said about it.
            pub fn row(self) -> &'static Row {
                &ROWS[self as usize]
            }
        }

        static ROWS: &[Row] = &[
            $(Row {
                name: $name,
                kind: Kind::$kind,
                labels: &[$(stringify!($label)),*],
                unit: $unit,
                mbean: $crate::row::metrics!(@mbean $mbean),
                help: concat!($($help),+),
            },)*
        ];
    };
    (@mbean none) => { None };
    (@mbean $name:literal) => { Some($name) };
}
pub(crate) use metrics;
