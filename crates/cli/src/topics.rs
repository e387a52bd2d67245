//! `ottla topics` (kafka-topics.sh): lists, describes, creates, alters and deletes topics.
//!
//! Not here: the lines of `--describe` (topics/describe.rs).

mod describe;
mod options;

use std::io::Write;

use ottla_client::Client;
use ottla_wire::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsTopic,
};
use ottla_wire::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use ottla_wire::messages::delete_topics_request::DeleteTopicState;
use ottla_wire::messages::{CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest};
use ottla_wire::{BrokerId, ErrorCode, PartitionIndex, StrBytes};

use crate::client_options::{self, refused};
use crate::context::Context;
use crate::failure::Failure;
use crate::options::Parsed;
use crate::partition_filter::topic_expression;

pub(crate) use options::OPTIONS;

/// Does the one action that was asked for.
pub(crate) async fn run(context: &mut Context, parsed: &Parsed) -> Result<(), Failure> {
    let action = options::check(parsed)?;
    if parsed.has("delete-config") {
        writeln!(
            context.err,
            "delete-config option is no longer supported and deprecated since version 4.0. The \
             config will be fully removed in future releases."
        )?;
    }
    let lead = |failure: Failure| failure.after("Error while executing topic command : ");
    act(context, parsed, action).await.map_err(lead)
}

async fn act(context: &mut Context, parsed: &Parsed, action: &str) -> Result<(), Failure> {
    // What is wrong with the command line is said before a cluster is asked.
    let new_topic = if action == "create" { Some(new_topic(parsed)?) } else { None };
    let topic = parsed.text("topic")?.map(str::to_string);
    let client = client_options::admin(context, parsed).await?;
    match (action, new_topic) {
        ("create", Some(topic)) => create(context, parsed, &client, topic).await?,
        ("list", _) => {
            let exclude_internal = parsed.has("exclude-internal");
            let names = names(&client, topic.as_deref(), exclude_internal).await?;
            // Without any topic, the one line is empty.
            writeln!(context.out, "{}", names.join("\n"))?;
        }
        ("describe", _) => describe::run(context, parsed, &client, topic.as_deref()).await?,
        (action, _) => {
            let names = existing(parsed, &client, topic.as_deref()).await?;
            match action {
                "alter" => alter(parsed, &client, names).await?,
                _ => delete(&client, names).await?,
            }
        }
    }
    client.close().await;
    Ok(())
}

/// The names of topics that fit the expression.
async fn names(
    client: &Client,
    expression: Option<&str>,
    exclude_internal: bool,
) -> Result<Vec<StrBytes>, Failure> {
    let expression = expression.map(topic_expression).transpose()?;
    let cluster = client.refresh_all().await?;
    let fits = |name: &str| expression.as_ref().is_none_or(|fits| fits.is_match(name));
    Ok(cluster
        .topics
        .values()
        .filter(|topic| fits(&topic.name) && !(exclude_internal && topic.is_internal))
        .map(|topic| topic.name.clone())
        .collect())
}

/// The same, an error when there are none, but with `--if-exists`.
async fn existing(
    parsed: &Parsed,
    client: &Client,
    expression: Option<&str>,
) -> Result<Vec<StrBytes>, Failure> {
    let names = names(client, expression, parsed.has("exclude-internal")).await?;
    match expression {
        Some(topic) if names.is_empty() && !parsed.has("if-exists") => {
            Err(Failure::said(format!("Topic '{topic}' does not exist as expected")))
        }
        _ => Ok(names),
    }
}

/// The topic that `--create` describes.
fn new_topic(parsed: &Parsed) -> Result<CreatableTopic, Failure> {
    let name = parsed.text("topic")?.unwrap_or_default();
    let mut topic = CreatableTopic {
        name: StrBytes::copied(name),
        num_partitions: -1,
        replication_factor: -1,
        ..Default::default()
    };
    for config in parsed.texts("config") {
        let Some((name, value)) = config.split_once('=') else {
            return Err(Failure::said(
                "requirement failed: Invalid topic config: all configs to be added must be in the \
                 format \"key=val\".",
            ));
        };
        let value = Some(StrBytes::copied(value.trim()));
        let name = StrBytes::copied(name.trim());
        topic.configs.push(CreatableTopicConfig { name, value, ..Default::default() });
    }
    if let Some(assignment) = parsed.text("replica-assignment")? {
        for (index, broker_ids) in assignments(assignment)?.into_iter().enumerate() {
            let partition_index = PartitionIndex(i32::try_from(index).unwrap_or(i32::MAX));
            let assignment =
                CreatableReplicaAssignment { partition_index, broker_ids, ..Default::default() };
            topic.assignments.push(assignment);
        }
        return Ok(topic);
    }
    if let Some(partitions) = parsed.number("partitions")? {
        if partitions < 1 {
            return Err(Failure::said("The partitions must be greater than 0"));
        }
        topic.num_partitions = partitions;
    }
    if let Some(factor) = parsed.number::<i32>("replication-factor")? {
        let factor = i16::try_from(factor).ok().filter(|factor| *factor > 0);
        topic.replication_factor = factor.ok_or_else(|| {
            Failure::said("The replication factor must be between 1 and 32767 inclusive")
        })?;
    }
    Ok(topic)
}

/// Reads `1:2,2:3`: the brokers of each partition.
fn assignments(text: &str) -> Result<Vec<Vec<BrokerId>>, Failure> {
    let mut partitions: Vec<Vec<BrokerId>> = Vec::new();
    for partition in text.split(',') {
        let mut brokers = Vec::new();
        for broker in partition.split(':') {
            let id = broker
                .trim()
                .parse()
                .map(BrokerId)
                .map_err(|_| Failure::said(format!("For input string: \"{broker}\"")))?;
            if brokers.contains(&id) {
                return Err(Failure::said(format!(
                    "Partition replica lists may not contain duplicate entries: {id}"
                )));
            }
            brokers.push(id);
        }
        if partitions.first().is_some_and(|first| first.len() != brokers.len()) {
            let at = partitions.len();
            return Err(Failure::said(format!(
                "Partition {at} has different replication factor: {brokers:?}"
            )));
        }
        partitions.push(brokers);
    }
    Ok(partitions)
}

async fn create(
    context: &mut Context,
    parsed: &Parsed,
    client: &Client,
    topic: CreatableTopic,
) -> Result<(), Failure> {
    let name = topic.name.clone();
    if name.contains(['.', '_']) {
        writeln!(
            context.out,
            "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore \
             ('_') could collide. To avoid issues it is best to use either, but not both."
        )?;
    }
    let request = CreateTopicsRequest {
        topics: vec![topic],
        timeout_ms: REQUEST_TIMEOUT_MS,
        ..Default::default()
    };
    let response = client.call_controller(&request).await?;
    for result in response.topics {
        let exists = result.error_code == ErrorCode::TOPIC_ALREADY_EXISTS;
        if exists && parsed.has("if-not-exists") {
            return Ok(());
        }
        refused(result.error_code, result.error_message.as_ref())?;
    }
    Ok(writeln!(context.out, "Created topic {name}.")?)
}

async fn alter(parsed: &Parsed, client: &Client, names: Vec<StrBytes>) -> Result<(), Failure> {
    let assignment = parsed.text("replica-assignment")?.map(assignments).transpose()?;
    let count = parsed.number("partitions")?.unwrap_or_default();
    let cluster = client.cluster();
    let topics = names.into_iter().map(|name| {
        let there = cluster.topic(&name).map_or(0, |topic| topic.partitions.len());
        let brokers = |broker_ids| CreatePartitionsAssignment { broker_ids, ..Default::default() };
        let new = |all: &Vec<Vec<BrokerId>>| all.iter().skip(there).cloned().map(brokers).collect();
        let assignments = assignment.as_ref().map(new);
        CreatePartitionsTopic { name, count, assignments, ..Default::default() }
    });
    let request = CreatePartitionsRequest {
        topics: topics.collect(),
        timeout_ms: REQUEST_TIMEOUT_MS,
        ..Default::default()
    };
    if request.topics.is_empty() {
        return Ok(());
    }
    let results = client.call_controller(&request).await?.results;
    results.iter().try_for_each(|result| refused(result.error_code, result.error_message.as_ref()))
}

async fn delete(client: &Client, names: Vec<StrBytes>) -> Result<(), Failure> {
    let topics = names
        .iter()
        .map(|name| DeleteTopicState { name: Some(name.clone()), ..Default::default() });
    let request = DeleteTopicsRequest {
        topics: topics.collect(),
        timeout_ms: REQUEST_TIMEOUT_MS,
        ..Default::default()
    };
    if request.topics.is_empty() {
        return Ok(());
    }
    let results = client.call_controller(&request).await?.responses;
    results.iter().try_for_each(|result| refused(result.error_code, result.error_message.as_ref()))
}

/// How long the controller may take.
const REQUEST_TIMEOUT_MS: i32 = 30_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_are_brokers_by_partition() {
        let [one, two, three] = [1, 2, 3].map(BrokerId);
        assert_eq!(assignments("1:2,2:3").unwrap(), [[one, two], [two, three]]);
        let refusal = |text| assignments(text).unwrap_err().to_string();
        assert_eq!(refusal("1:1"), "Partition replica lists may not contain duplicate entries: 1");
        assert!(refusal("1:2,3").starts_with("Partition 1 has different replication factor"));
        assert_eq!(refusal("x"), "For input string: \"x\"");
    }
}
