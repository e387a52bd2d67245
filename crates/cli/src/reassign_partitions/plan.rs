//! The files of this tool: a plan says which replicas partitions shall have and in which log
//! directories, a list says which topics are meant.
//!
//! Not here: whether the cluster can do it. Must hold: keys stand in Apache Kafka's order, for
//! scripts that read lines and not JSON.

use std::collections::{BTreeMap, BTreeSet};

use ottla_client::TopicPartition;
use ottla_wire::BrokerId;
use serde_json::Value;

use super::joined;
use super::replicas::Replica;
use crate::failure::Failure;

/// Where replicas are, or shall be.
pub(super) type Placed = BTreeMap<TopicPartition, Vec<BrokerId>>;
/// The log directories of replicas; those without one may be in any.
pub(super) type Directories = BTreeMap<Replica, String>;

/// What a file wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// The partitions, each with all its replicas.
    pub(super) partitions: Placed,
    /// The replicas that shall be in one directory.
    pub(super) directories: Directories,
    /// Partitions that stand in the file more than once.
    twice: BTreeSet<TopicPartition>,
}

/// The word for a directory that does not matter.
const ANY: &str = "any";

/// Reads a plan, as `--verify` and `--cancel` do: as lenient as Apache Kafka's tool.
pub(super) fn parse(text: &str) -> Result<Plan, Failure> {
    // In its own words, Apache Kafka's tool tells where the text broke off.
    let json: Value =
        serde_json::from_str(text).map_err(|error| Failure::said(error.to_string()))?;
    let mut plan = Plan::default();
    check_version(&json)?;
    let Some(list) = json.get("partitions") else { return Ok(plan) };
    for entry in array(list)? {
        let topic = field(entry, "topic")?;
        let topic = topic.as_str().ok_or_else(|| expected("`String` value", topic))?;
        let partition = TopicPartition::new(topic, int(field(entry, "partition")?)?);
        let brokers = array(field(entry, "replicas")?)?;
        let brokers = brokers.iter().map(|id| int(id).map(BrokerId));
        let brokers = brokers.collect::<Result<Vec<_>, _>>()?;
        let directories = match entry.get("log_dirs") {
            Some(list) => strings(list)?,
            None => vec![ANY.to_owned(); brokers.len()],
        };
        let (replicas, dirs) = (brokers.len(), directories.len());
        if replicas != dirs {
            return Err(Failure::said(format!(
                "Size of replicas list [{}] is different from size of log dirs list [{}] for \
                 partition {partition}",
                brokers.iter().map(BrokerId::to_string).collect::<Vec<_>>().join(", "),
                directories.join(", ")
            )));
        }
        for (broker, directory) in brokers.iter().zip(directories) {
            if directory != ANY {
                let replica = Replica { partition: partition.clone(), broker: *broker };
                plan.directories.insert(replica, directory);
            }
        }
        if plan.partitions.insert(partition.clone(), brokers).is_some() {
            plan.twice.insert(partition);
        }
    }
    Ok(plan)
}

impl Plan {
    /// Refuses what cannot be executed whatever the cluster is.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.partitions.is_empty() {
            return Err(Failure::said("Partition reassignment list cannot be empty"));
        }
        if self.partitions.values().any(Vec::is_empty) {
            return Err(Failure::said("Partition replica list cannot be empty"));
        }
        if !self.twice.is_empty() {
            let names = joined(&self.twice);
            return Err(Failure::said(format!(
                "Partition reassignment contains duplicate topic partitions: {names}"
            )));
        }
        let doubled: Vec<String> = self
            .partitions
            .iter()
            .filter_map(|(partition, brokers)| {
                let twice = repeated(brokers);
                let twice = twice.iter().map(BrokerId::to_string).collect::<Vec<_>>().join(",");
                (!twice.is_empty())
                    .then(|| format!("{partition} contains multiple entries for {twice}"))
            })
            .collect();
        if !doubled.is_empty() {
            let doubled = doubled.join(". ");
            return Err(Failure::said(format!(
                "Partition replica lists may not contain duplicate entries: {doubled}"
            )));
        }
        Ok(())
    }
}

/// Reads a list of topics.
pub(super) fn parse_topics(text: &str) -> Result<Vec<String>, Failure> {
    let json: Value = serde_json::from_str(text)
        .map_err(|_| Failure::said("The input string is not a valid JSON"))?;
    check_version(&json)?;
    let Some(list) = json.get("topics") else { return Ok(Vec::new()) };
    let names = array(list)?.iter().map(|entry| {
        let name = field(entry, "topic")?;
        name.as_str().map(String::from).ok_or_else(|| expected("`String` value", name))
    });
    names.collect()
}

/// What stands in a list more than once, in order.
pub(super) fn repeated<T: Ord + Clone>(list: &[T]) -> BTreeSet<T> {
    let mut seen = BTreeSet::new();
    list.iter().filter(|item| !seen.insert((*item).clone())).cloned().collect()
}

/// One line of JSON that [`parse`] reads back.
pub(super) fn line(placed: &Placed, directories: &Directories) -> String {
    let partitions = placed.iter().map(|(partition, brokers)| {
        let dirs = brokers.iter().map(|broker| {
            let replica = Replica { partition: partition.clone(), broker: *broker };
            Value::from(directories.get(&replica).map_or(ANY, String::as_str))
        });
        format!(
            "{{\"topic\":{},\"partition\":{},\"replicas\":[{}],\"log_dirs\":[{}]}}",
            Value::from(partition.topic.as_str()),
            partition.partition,
            joined(brokers),
            joined(dirs)
        )
    });
    format!("{{\"version\":1,\"partitions\":[{}]}}", joined(partitions))
}

fn check_version(json: &Value) -> Result<(), Failure> {
    match json.get("version").map(int).transpose()? {
        None | Some(1) => Ok(()),
        Some(version) => Err(Failure::said(format!("Not supported version field value {version}"))),
    }
}

fn field<'a>(entry: &'a Value, name: &str) -> Result<&'a Value, Failure> {
    entry.get(name).ok_or_else(|| Failure::said(format!("No such field exists: `{name}`")))
}

fn int(value: &Value) -> Result<i32, Failure> {
    let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
    number.ok_or_else(|| expected("`Integer` value", value))
}

fn array(value: &Value) -> Result<&Vec<Value>, Failure> {
    value.as_array().ok_or_else(|| expected("JSON array", value))
}

fn strings(value: &Value) -> Result<Vec<String>, Failure> {
    let texts = array(value)?.iter();
    texts
        .map(|text| text.as_str().map(String::from).ok_or_else(|| expected("`String` value", text)))
        .collect()
}

fn expected(what: &str, value: &Value) -> Failure {
    Failure::said(format!("Expected {what}, received {value}"))
}
