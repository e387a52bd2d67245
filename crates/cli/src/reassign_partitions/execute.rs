//! `--execute`: begins what a plan wants. What goes to other log directories of the same broker is
//! asked for again until the broker has the replica.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::time::Duration;

use ottla_client::{Client, TopicPartition};
use ottla_wire::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use ottla_wire::messages::alter_replica_log_dirs_request::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic,
};
use ottla_wire::messages::{AlterPartitionReassignmentsRequest, AlterReplicaLogDirsRequest};
use ottla_wire::{BrokerId, ErrorCode, StrBytes};

use super::plan::{Directories, Placed, Plan};
use super::replicas::{self, Change, Replica};
use super::{joined, plan, plan_of, plural, terse, throttles};
use crate::client_options::refused;
use crate::context::Context;
use crate::failure::Failure;
use crate::options::Parsed;

/// How soon a broker is asked again that does not have a replica yet.
const AGAIN: Duration = Duration::from_millis(100);
/// For how long the controller may take to answer.
const TIMEOUT_MS: i32 = 60_000;

/// Begins the moves of the plan.
pub(super) async fn run(
    context: &mut Context,
    parsed: &Parsed,
    client: &Client,
) -> Result<(), Failure> {
    let plan = plan_of(context, parsed)?;
    plan.check()?;
    let moving = replicas::reassignments(client, None).await?;
    if !parsed.has("additional") && !moving.is_empty() {
        return Err(terse(
            "Cannot execute because there is an existing partition assignment.  Use --additional \
             to override this and create a new partition assignment in addition to the existing \
             one. The --additional flag can also be used to change the throttle by resubmitting \
             the current reassignment.",
        ));
    }
    let known = client.cluster();
    let brokers: BTreeSet<BrokerId> = plan.partitions.values().flatten().copied().collect();
    if let Some(unknown) = brokers.iter().find(|id| !known.brokers.contains_key(id)) {
        return Err(Failure::said(format!("Unknown broker id {unknown}")));
    }
    let current = replicas::of_partitions(client, &plan.partitions).await?;
    let directories = replicas::directories(client, &current).await?;
    writeln!(
        context.out,
        "Current partition replica assignment\n\n{}\n\nSave this to use as the \
         --reassignment-json-file option during rollback",
        plan::line(&current, &directories)
    )?;
    throttle(context, parsed, client, &plan, &moving, &current).await?;
    let is_same_size = parsed.has("disallow-replication-factor-change");
    let failed = reassign(client, &wanted(&plan.partitions), !is_same_size).await?;
    if !failed.is_empty() {
        return Err(terse(format!("Error reassigning partition(s):\n{}", failed.join("\n"))));
    }
    writeln!(
        context.out,
        "Successfully started partition reassignment{} for {}",
        plural(plan.partitions.len()),
        joined(plan.partitions.keys())
    )?;
    move_all(context, parsed, client, plan.directories).await
}

/// Sets the limits that were asked for.
async fn throttle(
    context: &mut Context,
    parsed: &Parsed,
    client: &Client,
    plan: &Plan,
    moving: &BTreeMap<TopicPartition, Change>,
    current: &Placed,
) -> Result<(), Failure> {
    let rate = |name| -> Result<Option<i64>, Failure> {
        Ok(parsed.number(name)?.filter(|rate| *rate >= 0))
    };
    let (between, within) = (rate("throttle")?, rate("replica-alter-log-dirs-throttle")?);
    if between.is_none() && within.is_none() {
        return Ok(());
    }
    writeln!(
        context.out,
        "Warning: You must run --verify periodically, until the reassignment completes, to ensure \
         the throttle is removed."
    )?;
    if let Some(rate) = between {
        let moves = throttles::moves(moving, &plan.partitions, current);
        throttles::between_brokers(client, &moves, rate).await?;
        writeln!(context.out, "The inter-broker throttle limit was set to {rate} B/s")?;
    }
    if let Some(rate) = within {
        let brokers = plan.directories.keys().map(|replica| replica.broker).collect();
        throttles::within_brokers(client, &brokers, rate).await?;
        writeln!(context.out, "The replica-alter-dir throttle limit was set to {rate} B/s")?;
    }
    Ok(())
}

/// What the controller is asked for; no replicas stand for the end of a reassignment.
pub(super) type Wanted = BTreeMap<TopicPartition, Option<Vec<BrokerId>>>;

fn wanted(placed: &Placed) -> Wanted {
    let each = placed.iter();
    each.map(|(partition, brokers)| (partition.clone(), Some(brokers.clone()))).collect()
}

/// Asks the controller; gives a line for each partition that it refuses.
pub(super) async fn reassign(
    client: &Client,
    wanted: &Wanted,
    allow_replication_factor_change: bool,
) -> Result<Vec<String>, Failure> {
    let mut topics: BTreeMap<StrBytes, Vec<ReassignablePartition>> = BTreeMap::new();
    for (partition, replicas) in wanted {
        topics.entry(partition.topic.clone()).or_default().push(ReassignablePartition {
            partition_index: partition.partition,
            replicas: replicas.clone(),
            ..Default::default()
        });
    }
    let topics = topics.into_iter();
    let request = AlterPartitionReassignmentsRequest {
        timeout_ms: TIMEOUT_MS,
        allow_replication_factor_change,
        topics: topics
            .map(|(name, partitions)| ReassignableTopic { name, partitions, ..Default::default() })
            .collect(),
        ..Default::default()
    };
    let response = client.call_controller(&request).await?;
    refused(response.error_code, response.error_message.as_ref())?;
    let answers = response.responses.into_iter().flat_map(|topic| {
        let name = topic.name;
        topic.partitions.into_iter().map(move |one| {
            let partition = TopicPartition { topic: name.clone(), partition: one.partition_index };
            (partition, one.error_code, one.error_message)
        })
    });
    let mut failed: Vec<(TopicPartition, String)> = answers
        .filter(|(_, code, _)| !code.is_none())
        .map(|(partition, code, message)| {
            let why = message.map_or_else(|| code.message().to_owned(), |told| told.to_string());
            (partition, why)
        })
        .collect();
    failed.sort();
    Ok(failed.into_iter().map(|(partition, why)| format!("{partition}: {why}")).collect())
}

/// Sends replicas to directories; waits for brokers that do not have them yet.
pub(super) async fn move_all(
    context: &mut Context,
    parsed: &Parsed,
    client: &Client,
    mut waiting: Directories,
) -> Result<(), Failure> {
    let env = context.env.clone();
    let timeout = parsed.number::<u64>("timeout")?.map(Duration::from_millis).unwrap_or_default();
    let until = env.monotonic() + timeout;
    while !waiting.is_empty() {
        for replica in begun(client, &waiting).await? {
            let Some(directory) = waiting.remove(&replica) else { continue };
            let Replica { partition, broker } = replica;
            // The space at the end is Apache Kafka's.
            writeln!(
                context.out,
                "Successfully started moving log directory to {directory} for replica {partition} \
                 with broker {broker} "
            )?;
        }
        if !waiting.is_empty() && env.monotonic() >= until {
            return Err(terse(format!(
                "Timed out before log directory move{} could be started for: {}",
                plural(waiting.len()),
                joined(waiting.keys())
            )));
        }
        if !waiting.is_empty() {
            env.sleep(AGAIN).await;
        }
    }
    Ok(())
}

/// Asks the brokers; gives the replicas whose moves have begun.
async fn begun(client: &Client, wanted: &Directories) -> Result<Vec<Replica>, Failure> {
    let mut asked: BTreeMap<BrokerId, BTreeMap<&str, Vec<&TopicPartition>>> = BTreeMap::new();
    for (replica, directory) in wanted {
        let dirs = asked.entry(replica.broker).or_default();
        dirs.entry(directory).or_default().push(&replica.partition);
    }
    let mut begun = Vec::new();
    for (broker, dirs) in asked {
        let dirs = dirs.into_iter().map(|(path, partitions)| {
            let topics = replicas::by_topic(partitions.into_iter()).into_iter();
            let topics = topics.map(|(name, partitions)| AlterReplicaLogDirTopic {
                name,
                partitions,
                ..Default::default()
            });
            AlterReplicaLogDir {
                path: StrBytes::copied(path),
                topics: topics.collect(),
                ..Default::default()
            }
        });
        let request = AlterReplicaLogDirsRequest { dirs: dirs.collect(), ..Default::default() };
        for topic in client.call_broker(broker, &request).await?.results {
            for one in topic.partitions {
                let partition = TopicPartition {
                    topic: topic.topic_name.clone(),
                    partition: one.partition_index,
                };
                let replica = Replica { partition, broker };
                match one.error_code {
                    ErrorCode::NONE => begun.push(replica),
                    // A place is kept for a replica that comes.
                    ErrorCode::REPLICA_NOT_AVAILABLE => {}
                    _ => return Err(Failure::said(format!("Failed to alter dir for {replica}"))),
                }
            }
        }
    }
    Ok(begun)
}
