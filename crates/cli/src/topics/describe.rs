//! The lines of `topics --describe`, and what is asked for them.
//!
//! Must hold: a broker that does not serve DescribeTopicPartitions or ListPartitionReassignments
//! is described as far as it tells: ELR `N/A`, no reassignment.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use ottla_client::{Client, ClientError};
use ottla_wire::messages::describe_configs_request::DescribeConfigsResource;
use ottla_wire::messages::describe_topic_partitions_request::TopicRequest;
use ottla_wire::messages::{
    DescribeConfigsRequest, DescribeTopicPartitionsRequest, ListPartitionReassignmentsRequest,
};
use ottla_wire::{BrokerId, ErrorCode, PartitionIndex, StrBytes, TopicId};

use crate::client_options::refused;
use crate::context::Context;
use crate::failure::Failure;
use crate::options::Parsed;
use crate::partition_filter::topic_expression;

/// What there is to say about a topic.
#[derive(Debug, Default)]
struct Topic {
    name: String,
    id: TopicId,
    /// Name and value of what is no default, in the broker's order.
    configs: Vec<(String, String)>,
    min_in_sync: Option<usize>,
    partitions: Vec<Partition>,
}

/// What there is to say about a partition.
#[derive(Debug, Default)]
struct Partition {
    index: PartitionIndex,
    leader: Option<BrokerId>,
    replicas: Vec<BrokerId>,
    isr: Vec<BrokerId>,
    adding: Vec<BrokerId>,
    removing: Vec<BrokerId>,
    eligible: Option<Vec<BrokerId>>,
    last_known_eligible: Option<Vec<BrokerId>>,
}

/// Which lines are asked for.
#[derive(Debug, Default)]
struct Filter {
    overrides: bool,
    under_replicated: bool,
    unavailable: bool,
    under_min_isr: bool,
    at_min_isr: bool,
}

/// Asks and prints.
pub(super) async fn run(
    context: &mut Context,
    parsed: &Parsed,
    client: &Client,
    expression: Option<&str>,
) -> Result<(), Failure> {
    let names = wanted(parsed, client, expression).await?;
    if names.is_empty() {
        return Ok(());
    }
    let limit =
        parsed.number("partition-size-limit-per-response")?.unwrap_or(PARTITIONS_PER_ANSWER);
    let mut topics = partitions(client, &names, limit).await?;
    add_configs(client, &mut topics).await?;
    add_reassignments(client, &mut topics).await?;
    let filter = Filter {
        overrides: parsed.has("topics-with-overrides"),
        under_replicated: parsed.has("under-replicated-partitions"),
        unavailable: parsed.has("unavailable-partitions"),
        under_min_isr: parsed.has("under-min-isr-partitions"),
        at_min_isr: parsed.has("at-min-isr-partitions"),
    };
    let live: BTreeSet<BrokerId> = client.cluster().brokers.keys().copied().collect();
    for topic in topics.values() {
        write!(context.out, "{}", lines(topic, &filter, &live))?;
    }
    Ok(())
}

async fn wanted(
    parsed: &Parsed,
    client: &Client,
    expression: Option<&str>,
) -> Result<Vec<StrBytes>, Failure> {
    let Some(text) = parsed.text("topic-id")? else {
        return match parsed.has("exclude-internal") {
            true => super::names(client, expression, true).await,
            false => super::existing(parsed, client, expression).await,
        };
    };
    let id = text
        .parse()
        .map(TopicId)
        .map_err(|error| Failure::said(format!("{text} is no topic id: {error}")))?;
    if id == TopicId::default() {
        return super::existing(parsed, client, expression).await;
    }
    let expression = expression.map(topic_expression).transpose()?;
    let cluster = client.refresh_all().await?;
    let found = cluster
        .topic_by_id(id)
        .filter(|topic| expression.as_ref().is_none_or(|fits| fits.is_match(&topic.name)));
    match found {
        Some(topic) => Ok(vec![topic.name.clone()]),
        None if parsed.has("if-exists") => Ok(Vec::new()),
        None => Err(Failure::said(format!("TopicId '{text}' does not exist as expected"))),
    }
}

/// The partitions of these topics, page by page; by Metadata where the broker knows no other way.
async fn partitions(
    client: &Client,
    names: &[StrBytes],
    limit: i32,
) -> Result<BTreeMap<StrBytes, Topic>, Failure> {
    let mut topics: BTreeMap<StrBytes, Topic> = BTreeMap::new();
    let name = |name: &StrBytes| TopicRequest { name: name.clone(), ..Default::default() };
    let mut request = DescribeTopicPartitionsRequest {
        topics: names.iter().map(name).collect(),
        response_partition_limit: limit,
        ..Default::default()
    };
    loop {
        let response = match client.call(&request).await {
            Err(ClientError::NoCommonVersion { .. }) => return Ok(from_metadata(client, names)),
            response => response?,
        };
        for answer in response.topics {
            let name = answer.name.unwrap_or_default();
            if answer.error_code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION {
                continue; // Deleted since it was listed.
            }
            refused(answer.error_code, None)?;
            let topic = topics.entry(name.clone()).or_default();
            (topic.name, topic.id) = (name.to_string(), answer.topic_id);
            topic.partitions.extend(answer.partitions.into_iter().map(|partition| Partition {
                index: partition.partition_index,
                leader: Some(partition.leader_id).filter(|leader| leader.0 >= 0),
                replicas: partition.replica_nodes,
                isr: partition.isr_nodes,
                eligible: Some(partition.eligible_leader_replicas.unwrap_or_default()),
                last_known_eligible: Some(partition.last_known_elr.unwrap_or_default()),
                ..Default::default()
            }));
        }
        let Some(next) = response.next_cursor else { return Ok(topics) };
        request.topics.retain(|topic| topic.name >= next.topic_name);
        request.cursor = Some(ottla_wire::messages::describe_topic_partitions_request::Cursor {
            topic_name: next.topic_name,
            partition_index: next.partition_index,
            ..Default::default()
        });
    }
}

fn from_metadata(client: &Client, names: &[StrBytes]) -> BTreeMap<StrBytes, Topic> {
    let cluster = client.cluster();
    let known = names.iter().filter_map(|name| cluster.topic(name));
    let topics = known.map(|topic| {
        let partitions = topic.partitions.values().map(|partition| Partition {
            index: partition.index,
            leader: partition.leader,
            replicas: partition.replicas.clone(),
            isr: partition.isr.clone(),
            ..Default::default()
        });
        let (name, id) = (topic.name.to_string(), topic.id);
        let topic_lines =
            Topic { name, id, partitions: partitions.collect(), ..Default::default() };
        (topic.name.clone(), topic_lines)
    });
    topics.collect()
}

async fn add_configs(
    client: &Client,
    topics: &mut BTreeMap<StrBytes, Topic>,
) -> Result<(), Failure> {
    let resource = |name: &StrBytes| DescribeConfigsResource {
        resource_type: TOPIC_RESOURCE,
        resource_name: name.clone(),
        ..Default::default()
    };
    let request = DescribeConfigsRequest {
        resources: topics.keys().map(resource).collect(),
        ..Default::default()
    };
    for result in client.call(&request).await?.results {
        refused(result.error_code, result.error_message.as_ref())?;
        let Some(topic) = topics.get_mut(&result.resource_name) else { continue };
        for config in result.configs {
            let value = config.value.map(|value| value.to_string()).unwrap_or_default();
            if config.name.as_str() == "min.insync.replicas" {
                topic.min_in_sync = value.parse().ok();
            }
            if config.config_source != DEFAULT_SOURCE {
                topic.configs.push((config.name.to_string(), value));
            }
        }
    }
    Ok(())
}

async fn add_reassignments(
    client: &Client,
    topics: &mut BTreeMap<StrBytes, Topic>,
) -> Result<(), Failure> {
    let request = ListPartitionReassignmentsRequest {
        timeout_ms: super::REQUEST_TIMEOUT_MS,
        topics: None,
        ..Default::default()
    };
    let response = match client.call_controller(&request).await {
        Err(ClientError::NoCommonVersion { .. }) => return Ok(()),
        response => response?,
    };
    // Whoever may not see them sees the rest, as with Apache Kafka's tool.
    for moving in response.topics {
        let Some(topic) = topics.get_mut(&moving.name) else { continue };
        for change in moving.partitions {
            let at =
                topic.partitions.iter_mut().find(|known| known.index == change.partition_index);
            if let Some(partition) = at {
                partition.adding = change.adding_replicas;
                partition.removing = change.removing_replicas;
            }
        }
    }
    Ok(())
}

/// The lines of one topic, as far as the filter wants them.
fn lines(topic: &Topic, filter: &Filter, live: &BTreeSet<BrokerId>) -> String {
    let by_partition =
        filter.under_replicated || filter.unavailable || filter.under_min_isr || filter.at_min_isr;
    let mut text = String::new();
    if !by_partition && (!filter.overrides || !topic.configs.is_empty()) {
        let configs: Vec<String> =
            topic.configs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let factor = topic.partitions.first().map_or(0, |partition| partition.replicas.len());
        text.push_str(&format!(
            "Topic: {}\tTopicId: {}\tPartitionCount: {}\tReplicationFactor: {factor}\t\
             Configs: {}\n",
            topic.name,
            topic.id,
            topic.partitions.len(),
            configs.join(",")
        ));
    }
    if !filter.overrides {
        for partition in &topic.partitions {
            if !by_partition || is_wanted(topic, partition, filter, live) {
                text.push_str(&line(&topic.name, partition));
            }
        }
    }
    text
}

fn is_wanted(
    topic: &Topic,
    partition: &Partition,
    filter: &Filter,
    live: &BTreeSet<BrokerId>,
) -> bool {
    let replicas = partition.replicas.len() - partition.adding.len().min(partition.replicas.len());
    let in_sync = partition.isr.len();
    let has_leader = partition.leader.is_some();
    let min = topic.min_in_sync.unwrap_or(1);
    filter.under_replicated && in_sync < replicas
        || filter.unavailable && partition.leader.is_none_or(|leader| !live.contains(&leader))
        || filter.under_min_isr && (!has_leader || in_sync < min)
        || filter.at_min_isr && has_leader && in_sync == min
}

fn line(topic: &str, partition: &Partition) -> String {
    let ids = |ids: &[BrokerId]| ids.iter().map(|id| id.to_string()).collect::<Vec<_>>().join(",");
    let leader = partition.leader.map_or("none".to_string(), |leader| leader.to_string());
    let mut text = format!(
        "\tTopic: {topic}\tPartition: {}\tLeader: {leader}\tReplicas: {}\tIsr: {}",
        partition.index,
        ids(&partition.replicas),
        ids(&partition.isr)
    );
    if !partition.adding.is_empty() || !partition.removing.is_empty() {
        text.push_str(&format!(
            "\tAdding Replicas: {}\tRemoving Replicas: {}",
            ids(&partition.adding),
            ids(&partition.removing)
        ));
    }
    let known = |known: &Option<Vec<BrokerId>>| match known {
        Some(known) => ids(known),
        None => "N/A".to_string(),
    };
    text.push_str(&format!(
        "\tElr: {}\tLastKnownElr: {}\n",
        known(&partition.eligible),
        known(&partition.last_known_eligible)
    ));
    text
}

/// The most partitions in an answer, unless an option says otherwise.
const PARTITIONS_PER_ANSWER: i32 = 2_000;
/// A topic, as DescribeConfigs counts resources.
const TOPIC_RESOURCE: i8 = 2;
/// The source of a value that nobody has set.
const DEFAULT_SOURCE: i8 = 5;

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn said(filter: Filter) -> String {
        let [one, two, three] = [1, 2, 3].map(BrokerId);
        let topic = Topic {
            name: "orders".into(),
            id: TopicId::default(),
            configs: vec![("cleanup.policy".into(), "compact".into())],
            min_in_sync: Some(2),
            partitions: vec![
                Partition {
                    leader: Some(one),
                    replicas: vec![one, two],
                    isr: vec![one, two],
                    eligible: Some(vec![]),
                    last_known_eligible: Some(vec![three]),
                    ..Default::default()
                },
                Partition {
                    index: PartitionIndex(1),
                    replicas: vec![one, two, three],
                    isr: vec![one],
                    adding: vec![three],
                    removing: vec![two],
                    ..Default::default()
                },
            ],
        };
        let lines = lines(&topic, &filter, &BTreeSet::from([one, two]));
        lines.trim_start().replace('\t', "\n  ")
    }

    #[test]
    fn a_topic_stands_above_its_partitions() {
        expect![[r#"
            Topic: orders
              TopicId: AAAAAAAAAAAAAAAAAAAAAA
              PartitionCount: 2
              ReplicationFactor: 2
              Configs: cleanup.policy=compact

              Topic: orders
              Partition: 0
              Leader: 1
              Replicas: 1,2
              Isr: 1,2
              Elr: 
              LastKnownElr: 3

              Topic: orders
              Partition: 1
              Leader: none
              Replicas: 1,2,3
              Isr: 1
              Adding Replicas: 3
              Removing Replicas: 2
              Elr: N/A
              LastKnownElr: N/A
        "#]]
        .assert_eq(&said(Filter::default()));
    }

    #[test]
    fn filters_of_partitions_leave_the_topic_out() {
        let second = said(Filter { under_replicated: true, ..Default::default() });
        expect![[r#"
            Topic: orders
              Partition: 1
              Leader: none
              Replicas: 1,2,3
              Isr: 1
              Adding Replicas: 3
              Removing Replicas: 2
              Elr: N/A
              LastKnownElr: N/A
        "#]]
        .assert_eq(&second);
        assert_eq!(second, said(Filter { unavailable: true, ..Default::default() }));
        assert_eq!(second, said(Filter { under_min_isr: true, ..Default::default() }));
        let first = said(Filter { at_min_isr: true, ..Default::default() });
        assert!(first.contains("Partition: 0") && !first.contains("Partition: 1"), "{first}");
    }

    #[test]
    fn the_filter_of_topics_leaves_partitions_out() {
        expect![[r#"
            Topic: orders
              TopicId: AAAAAAAAAAAAAAAAAAAAAA
              PartitionCount: 2
              ReplicationFactor: 2
              Configs: cleanup.policy=compact
        "#]]
        .assert_eq(&said(Filter { overrides: true, ..Default::default() }));
    }
}
