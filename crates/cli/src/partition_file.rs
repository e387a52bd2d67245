//! Files in JSON that name partitions, as several of Apache Kafka's tools read them:
//! `{"partitions": [{"topic": "t", "partition": 0, "offset": 5}], "version": 1}`.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::context::Context;
use crate::failure::Failure;

/// A partition that a file names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    /// Of a file that says how far records go.
    pub(crate) offset: Option<i64>,
}

/// The partitions of a file, in its order.
pub(crate) fn read(context: &Context, path: &str) -> Result<Vec<Named>, Failure> {
    let bytes = context.env.disk().read(Path::new(path));
    let bytes = bytes.map_err(|_| Failure::said(format!("Unable to read file {path}")))?;
    parse(&bytes)
}

/// The partitions that stand there more than once, as Apache Kafka's tools list them; none when
/// each stands there once.
pub(crate) fn named_twice(named: &[Named]) -> Option<String> {
    let mut seen = BTreeSet::new();
    let again = named.iter().filter(|one| !seen.insert((&one.topic, one.partition)));
    let names: BTreeSet<_> = again.map(|one| format!("{}-{}", one.topic, one.partition)).collect();
    (!names.is_empty()).then(|| format!("[{}]", Vec::from_iter(names).join(", ")))
}

fn parse(bytes: &[u8]) -> Result<Vec<Named>, Failure> {
    let json: Value = serde_json::from_slice(bytes)
        .map_err(|_| Failure::said("The input string is not a valid JSON"))?;
    let version = json.get("version").and_then(Value::as_i64).unwrap_or(1);
    if version != 1 {
        return Err(Failure::said(format!("Not supported version field value {version}")));
    }
    let Some(list) = json.get("partitions").and_then(Value::as_array) else {
        return Err(Failure::said("Missing partitions field"));
    };
    list.iter().map(|entry| named(entry).map_err(Failure::said)).collect()
}

fn named(entry: &Value) -> Result<Named, String> {
    let missing =
        |key: &str| format!("partitions need a topic and a partition: no {key} in {entry}");
    let topic = entry.get("topic").and_then(Value::as_str).ok_or_else(|| missing("topic"))?;
    let partition = entry.get("partition").and_then(Value::as_i64);
    let partition = partition.and_then(|number| i32::try_from(number).ok());
    Ok(Named {
        topic: topic.to_owned(),
        partition: partition.ok_or_else(|| missing("partition"))?,
        offset: entry.get("offset").and_then(Value::as_i64),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let said = match parse(text.as_bytes()) {
            Ok(named) => {
                let named = named.iter();
                let named = named.map(|one| format!("{}-{}", one.topic, one.partition));
                named.collect::<Vec<_>>().join(" ")
            }
            Err(failure) => failure.to_string(),
        };
        assert_eq!(said, expect, "{text}");
    }

    #[test]
    fn partitions_that_stand_there_twice_are_named_once() {
        let entry = |topic: &str| Named { topic: topic.to_owned(), partition: 0, offset: None };
        let twice = |topics: &[&str]| {
            named_twice(&topics.iter().map(|topic| entry(topic)).collect::<Vec<_>>())
        };
        assert_eq!(twice(&["t", "u"]), None);
        assert_eq!(twice(&["t", "u", "t", "t", "u"]).as_deref(), Some("[t-0, u-0]"));
    }

    #[test]
    fn partitions_are_named_by_topic_and_number() {
        check(
            r#"{"partitions": [{"topic": "a", "partition": 1}, {"topic": "b", "partition": 0}]}"#,
            "a-1 b-0",
        );
        check(r#"{"partitions": [], "version": 1}"#, "");
        check("nonsense", "The input string is not a valid JSON");
        check(r#"{"partitions": [], "version": 2}"#, "Not supported version field value 2");
        check("{}", "Missing partitions field");
        check(
            r#"{"partitions": [{"topic": "a"}]}"#,
            r#"partitions need a topic and a partition: no partition in {"topic":"a"}"#,
        );
    }
}
