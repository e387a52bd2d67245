//! What a config may be, beyond its type.
//!
//! Each kind of limit accepts what Kafka's accepts, prints as Kafka's prints (`Display`), and
//! says in words what is allowed (`described`), for people who were refused.

use std::fmt;

use crate::listeners;
use crate::value::{Kind, Value};

/// The limit of a config's values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Valid {
    /// Whatever the type allows.
    Any,
    /// Whatever the type allows, and Kafka says so.
    AnyText,
    /// A number that is not smaller.
    AtLeast(i64),
    /// A number from the first to the second.
    Between(i64, i64),
    /// A number from the first to the second, with a fraction.
    BetweenReal(f64, f64),
    /// 1 to 9, or -1.
    GzipLevel,
    /// A text that is not empty.
    NotEmpty,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// One of these texts, in any case.
    OneOfAnyCase(&'static [&'static str]),
    /// A list without empty items, whose duplicates are dropped.
    Distinct {
        /// Whether the list may be empty.
        empty: bool,
    },
    /// A list of some of these texts, whose duplicates are dropped.
    EachOf {
        /// The texts.
        items: &'static [&'static str],
        /// Whether the list may be empty.
        empty: bool,
    },
    /// A list of `id@host:port`.
    QuorumVoters,
    /// A list of `host:port`.
    BootstrapServers,
    /// `host:port`, where the host may be empty.
    HostPort,
    /// `*`, or a list of `partition:broker`.
    ThrottledReplicas,
    /// `latest`, `earliest` or `by_duration:` and an ISO 8601 duration.
    OffsetReset,
}

pub(crate) const fn any() -> Valid {
    Valid::Any
}

pub(crate) const fn any_text() -> Valid {
    Valid::AnyText
}

pub(crate) const fn at_least(least: i64) -> Valid {
    Valid::AtLeast(least)
}

pub(crate) const fn between(least: i64, most: i64) -> Valid {
    Valid::Between(least, most)
}

pub(crate) const fn between_real(least: f64, most: f64) -> Valid {
    Valid::BetweenReal(least, most)
}

pub(crate) const fn gzip_level() -> Valid {
    Valid::GzipLevel
}

pub(crate) const fn not_empty() -> Valid {
    Valid::NotEmpty
}

pub(crate) const fn one_of(items: &'static [&'static str]) -> Valid {
    Valid::OneOf(items)
}

pub(crate) const fn one_of_any_case(items: &'static [&'static str]) -> Valid {
    Valid::OneOfAnyCase(items)
}

pub(crate) const fn distinct() -> Valid {
    Valid::Distinct { empty: true }
}

pub(crate) const fn distinct_not_empty() -> Valid {
    Valid::Distinct { empty: false }
}

pub(crate) const fn each_of(items: &'static [&'static str]) -> Valid {
    Valid::EachOf { items, empty: true }
}

pub(crate) const fn each_of_some(items: &'static [&'static str]) -> Valid {
    Valid::EachOf { items, empty: false }
}

pub(crate) const fn quorum_voters() -> Valid {
    Valid::QuorumVoters
}

pub(crate) const fn bootstrap_servers() -> Valid {
    Valid::BootstrapServers
}

pub(crate) const fn host_port() -> Valid {
    Valid::HostPort
}

pub(crate) const fn throttled_replicas() -> Valid {
    Valid::ThrottledReplicas
}

pub(crate) const fn offset_reset() -> Valid {
    Valid::OffsetReset
}

impl Valid {
    /// The value without what Kafka drops from it: repeated items.
    pub(crate) fn tidied(&self, value: Value) -> Value {
        match (self, value) {
            (Valid::Distinct { .. } | Valid::EachOf { .. }, Value::List(items)) => {
                let mut once: Vec<String> = Vec::with_capacity(items.len());
                for item in items {
                    if !once.contains(&item) {
                        once.push(item);
                    }
                }
                Value::List(once)
            }
            (_, value) => value,
        }
    }

    /// Whether a value of the right type is allowed.
    pub(crate) fn allows(&self, value: &Value) -> bool {
        let number = value.whole();
        match (self, value) {
            (Valid::Any | Valid::AnyText, _) => true,
            (Valid::AtLeast(least), Value::Double(real)) => *real >= real_of(*least),
            (Valid::AtLeast(least), _) => number.is_some_and(|number| number >= *least),
            (Valid::Between(least, most), _) => {
                number.is_some_and(|number| (*least..=*most).contains(&number))
            }
            (Valid::BetweenReal(least, most), Value::Double(real)) => {
                (*least..=*most).contains(real)
            }
            (Valid::GzipLevel, _) => number.is_some_and(|n| n == -1 || (1..=9).contains(&n)),
            (Valid::NotEmpty, Value::Text(text)) => !text.is_empty(),
            (Valid::OneOf(items), Value::Text(text)) => items.contains(&text.as_str()),
            (Valid::OneOfAnyCase(items), Value::Text(text)) => {
                items.iter().any(|item| item.eq_ignore_ascii_case(text))
            }
            (Valid::Distinct { empty }, Value::List(items)) => are_filled(items, *empty),
            (Valid::EachOf { items: all, empty }, Value::List(items)) => {
                are_filled(items, *empty) && items.iter().all(|item| all.contains(&item.as_str()))
            }
            (Valid::QuorumVoters, Value::List(items)) => {
                items.iter().all(|item| listeners::voter(item).is_some())
            }
            (Valid::BootstrapServers, Value::List(items)) => {
                items.iter().all(|item| listeners::server(item).is_some())
            }
            (Valid::HostPort, Value::Text(text)) => listeners::host_and_port(text).is_some(),
            (Valid::ThrottledReplicas, Value::List(items)) => are_throttled_replicas(items),
            (Valid::OffsetReset, Value::Text(text)) => is_offset_reset(text),
            _ => false,
        }
    }

    /// What is allowed, as the end of the sentence "it must be ...".
    pub(crate) fn described(&self, kind: Kind) -> String {
        let noun = match kind {
            Kind::Boolean => "true or false",
            Kind::String => "a text",
            Kind::Int => "a whole number (INT)",
            Kind::Short => "a whole number (SHORT)",
            Kind::Long => "a whole number (LONG)",
            Kind::Double => "a number",
            Kind::List => "a list parted by commas",
            Kind::Class => "the name of a class",
            Kind::Password => "a text",
        };
        match self {
            Valid::Any | Valid::AnyText => noun.to_string(),
            Valid::AtLeast(least) => format!("{noun} of at least {least}"),
            Valid::Between(least, most) => format!("{noun} from {least} to {most}"),
            Valid::BetweenReal(least, most) => format!("{noun} from {least} to {most}"),
            Valid::GzipLevel => format!("{noun} from 1 to 9, or -1"),
            Valid::NotEmpty => format!("{noun} that is not empty"),
            Valid::OneOf(items) => format!("one of {}", items.join(", ")),
            Valid::OneOfAnyCase(items) => format!("one of {}, in any case", items.join(", ")),
            Valid::Distinct { empty: true } => noun.to_string(),
            Valid::Distinct { empty: false } => {
                format!("{noun} with at least one item")
            }
            Valid::EachOf { items, .. } => {
                format!("{noun} of {}", items.join(", "))
            }
            Valid::QuorumVoters => format!("{noun} of id@host:port"),
            Valid::BootstrapServers => format!("{noun} of host:port"),
            Valid::HostPort => "host:port with a port from 0 to 65535".to_owned(),
            Valid::ThrottledReplicas => format!("* or {noun} of partition:broker"),
            Valid::OffsetReset => {
                "latest, earliest, or by_duration: and a span of time such as PT1H".to_string()
            }
        }
    }
}

/// As Kafka prints it in its documentation.
impl fmt::Display for Valid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Valid::Any | Valid::Distinct { .. } => Ok(()),
            Valid::AnyText => f.write_str("non-null string"),
            Valid::AtLeast(least) => write!(f, "[{least},...]"),
            Valid::Between(least, most) => write!(f, "[{least},...,{most}]"),
            Valid::BetweenReal(least, most) => write!(f, "[{least},...,{most}]"),
            Valid::GzipLevel => f.write_str("[1,...,9] or -1"),
            Valid::NotEmpty => f.write_str("non-empty string"),
            Valid::OneOf(items) | Valid::EachOf { items, .. } => {
                write!(f, "[{}]", items.join(", "))
            }
            Valid::OneOfAnyCase(items) => write!(f, "(case insensitive) [{}]", items.join(", ")),
            Valid::QuorumVoters | Valid::BootstrapServers => f.write_str("non-empty list"),
            Valid::HostPort => f.write_str("host:port"),
            Valid::ThrottledReplicas => {
                f.write_str("[partitionId]:[brokerId],[partitionId]:[brokerId],...")
            }
            Valid::OffsetReset => f.write_str("[latest, earliest, by_duration:PnDTnHnMn.nS]"),
        }
    }
}

/// The limits of doubles in the table are small whole numbers.
fn real_of(limit: i64) -> f64 {
    i32::try_from(limit).map_or(f64::INFINITY, f64::from)
}

fn are_filled(items: &[String], empty: bool) -> bool {
    (empty || !items.is_empty()) && items.iter().all(|item| !item.is_empty())
}

fn are_throttled_replicas(items: &[String]) -> bool {
    let is_number = |text: &str| text.parse::<i32>().is_ok_and(|number| number >= 0);
    let is_replica = |item: &String| {
        item.split_once(':').is_some_and(|(part, broker)| is_number(part) && is_number(broker))
    };
    items == ["*"] || items.iter().all(is_replica)
}

fn is_offset_reset(text: &str) -> bool {
    match text.strip_prefix("by_duration:") {
        Some(span) => duration_ms(span).is_some(),
        None => ["latest", "earliest"].contains(&text),
    }
}

/// The milliseconds of an ISO 8601 span of days to seconds that is not negative: `P1DT2H3M4.5S`.
pub fn duration_ms(span: &str) -> Option<i64> {
    let span = span.to_uppercase();
    let rest = span.strip_prefix('P')?;
    let (days, time) = rest.split_once('T').map_or((rest, None), |(days, time)| (days, Some(time)));
    let mut total = units(days, &[('D', 86_400_000)])?;
    if let Some(time) = time {
        let part = units(time, &[('H', 3_600_000), ('M', 60_000), ('S', 1000)])?;
        total = total.checked_add(part).filter(|_| !time.is_empty())?;
    }
    (!rest.is_empty()).then_some(total)
}

/// Adds up `<number><unit>` parts that come in the order of `units`.
fn units(text: &str, units: &[(char, i64)]) -> Option<i64> {
    let mut rest = text;
    let mut total = 0i64;
    for (unit, factor) in units {
        let Some((number, after)) = rest.split_once(*unit) else { continue };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let is_seconds = *unit == 'S';
        let fraction: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
        if number.contains('.') && !is_seconds || number.starts_with('-') {
            return None;
        }
        let whole: i64 = whole.parse().ok()?;
        total = total.checked_add(whole.checked_mul(*factor)?)?.checked_add(fraction)?;
        rest = after;
    }
    rest.is_empty().then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_time_are_read_as_iso_8601() {
        for (text, expect) in [
            ("PT1H", Some(3_600_000)),
            ("P1DT2H3M4.5S", Some(93_784_500)),
            ("P2D", Some(172_800_000)),
            ("PT", None),
            ("P", None),
            ("PT-1S", None),
            ("PT1.5H", None),
            ("1H", None),
            ("PT1S2H", None),
        ] {
            assert_eq!(duration_ms(text), expect, "{text}");
        }
    }
}
