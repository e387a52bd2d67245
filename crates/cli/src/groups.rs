//! What the commands on groups have in common: how they fail, which groups and partitions are
//! meant, tables (groups/table.rs), what offsets become (groups/plan.rs).
//!
//! Not here: options and lines, which are each command's own.
//! Must hold: a refusal is printed under the name that Apache Kafka's exceptions have, which
//! scripts look for.

pub(crate) mod plan;
pub(crate) mod table;

use ottla_client::{Client, ClientError, CoordinatorKind, TopicPartition};
use ottla_wire::{BrokerId, ErrorCode, PartitionIndex, StrBytes};

use crate::client_options::{exception, refused, usual};
use crate::failure::Failure;
use crate::options::Parsed;

/// One of the commands.
pub(crate) struct Tool {
    /// The groups it is for: `consumer`.
    pub(crate) kind: &'static str,
    /// What the process ends with when the cluster refuses something.
    pub(crate) code: u8,
}

impl Tool {
    /// An error of the cluster, as the tool prints it.
    pub(crate) fn executing(&self, error: &ClientError) -> Failure {
        self.said(&exception(error))
    }

    /// Whatever went wrong, as the tool prints it: on stdout.
    pub(crate) fn said(&self, what: &dyn std::fmt::Display) -> Failure {
        let lead = format!("\nError: Executing {} group command failed due to ", self.kind);
        Failure::said(what.to_string()).after(&lead).with_code(self.code)
    }

    /// The partitions that words such as `orders`, or `orders:0,2` mean; and the topics that are
    /// not there.
    pub(crate) async fn partitions(
        &self,
        client: &Client,
        topics: &[&str],
    ) -> Result<(Vec<TopicPartition>, Vec<String>), Failure> {
        let cluster = client.refresh_all().await.map_err(|error| self.executing(&error))?;
        let (mut partitions, mut unknown) = (Vec::new(), Vec::new());
        for text in topics {
            let (name, list) = text.rsplit_once(':').unwrap_or((text, ""));
            let Some(topic) = cluster.topic(name) else {
                unknown.push(name.to_string());
                continue;
            };
            if list.is_empty() {
                partitions.extend(topic.partitions.keys().map(|index| partition(name, index.0)));
                continue;
            }
            for index in list.split(',') {
                let index = index.trim().parse().map_err(|_| {
                    self.said(&format!("Invalid partition '{index}' of topic '{name}'"))
                })?;
                let of = partition(name, index);
                if !topic.partitions.contains_key(&of.partition) {
                    return Err(self.said(&format!("The partitions \"{of}\" do not exist")));
                }
                partitions.push(of);
            }
        }
        Ok((partitions, unknown))
    }

    /// The partitions that the words mean; all topics must be there.
    pub(crate) async fn existing(
        &self,
        client: &Client,
        topics: &[&str],
    ) -> Result<Vec<TopicPartition>, Failure> {
        match self.partitions(client, topics).await? {
            (partitions, unknown) if unknown.is_empty() => Ok(partitions),
            _ => Err(self.said(&usual(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))),
        }
    }
}

/// The words of a filter, spelled as brokers spell them; `list` and `of` are what it is called.
pub(crate) fn filter(
    text: Option<&str>,
    known: &'static [&'static str],
    (list, of): (&str, &str),
) -> Result<Vec<&'static str>, Failure> {
    let Some(text) = text else { return Ok(Vec::new()) };
    text.split(',')
        .map(|word| {
            let found = known.iter().find(|known| known.eq_ignore_ascii_case(word.trim()));
            found.copied().ok_or_else(|| {
                let known = known.join(", ");
                Failure::usage(format!("Invalid {list} list '{text}'. Valid {of} are: {known}"))
            })
        })
        .collect()
}

/// A group in a list.
pub(crate) struct Listed {
    pub(crate) id: String,
    pub(crate) state: String,
}

/// The groups of this type at all brokers, sorted; with a filter, those in these states.
pub(crate) async fn list(
    client: &Client,
    kind: &str,
    states: &[&str],
) -> Result<Vec<Listed>, Failure> {
    let mut listed = Vec::new();
    for id in client.cluster().brokers.keys() {
        let request = ottla_wire::messages::ListGroupsRequest {
            states_filter: states.iter().map(|state| StrBytes::copied(state)).collect(),
            types_filter: vec![StrBytes::copied(kind)],
            ..Default::default()
        };
        let response = client.call_broker(*id, &request).await?;
        refused(response.error_code, None)?;
        let groups = response.groups.into_iter();
        listed.extend(groups.map(|group| Listed {
            id: group.group_id.to_string(),
            state: group.group_state.to_string(),
        }));
    }
    listed.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(listed)
}

/// The groups of this type that are meant: those named, or all there are.
pub(crate) async fn wanted(
    client: &Client,
    kind: &str,
    parsed: &Parsed,
) -> Result<Vec<String>, Failure> {
    if parsed.has("all-groups") {
        let groups = list(client, kind, &[]).await?;
        return Ok(groups.into_iter().map(|group| group.id).collect());
    }
    let mut named: Vec<String> = parsed.texts("group").into_iter().map(String::from).collect();
    named.dedup();
    Ok(named)
}

/// A list of groups, with their states where that was asked for.
pub(crate) fn lines(groups: Vec<Listed>, has_state: bool) -> String {
    if !has_state {
        return groups.into_iter().map(|group| group.id + "\n").collect();
    }
    let rows: Vec<Vec<String>> =
        groups.into_iter().map(|group| vec![group.id, group.state]).collect();
    table::table(&[table::at_least("GROUP", 15), table::open("STATE")], &rows)
}

/// The broker that coordinates a group.
pub(crate) async fn coordinator(
    client: &Client,
    id: &str,
) -> Result<Option<(String, u16, BrokerId)>, ClientError> {
    let coordinator = client.coordinator(CoordinatorKind::Group, id).await?;
    let cluster = client.cluster();
    let broker = cluster.brokers.get(&coordinator);
    Ok(broker.map(|broker| (broker.host.to_string(), broker.port, broker.id)))
}

/// A partition by the name of its topic.
pub(crate) fn partition(topic: &str, index: i32) -> TopicPartition {
    TopicPartition { topic: StrBytes::copied(topic), partition: PartitionIndex(index) }
}

/// A value, or the dash that stands for none.
pub(crate) fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or("-".to_string(), |value| value.to_string())
}
