//! `ottla streams-groups` (kafka-streams-groups.sh): lists, describes, deletes and resets streams
//! groups.
//!
//! Not here: lines of descriptions (streams_groups/lines.rs), options (streams_groups/options.rs),
//! topics that topologies need (streams_groups/internal.rs).
//! Must hold: what fails at the brokers ends with exit code 1, as scripts know it of Apache Kafka.

mod internal;
mod lines;
mod options;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use ottla_client::{Client, ClientError, CoordinatorKind, TopicPartition, admin};
use ottla_wire::messages::StreamsGroupDescribeRequest;
use ottla_wire::messages::streams_group_describe_response::{DescribedGroup, Subtopology};
use ottla_wire::{ApiKey, ErrorCode, StrBytes};

use crate::client_options::{exception, usual};
use crate::context::Context;
use crate::failure::Failure;
use crate::groups::plan::{Plan, Scenario, csv};
use crate::groups::table::{at_least, fixed, table};
use crate::groups::{self, Action, Tool, actions, coordinator, partition};
use crate::options::Parsed;

use lines::Row;
pub(crate) use options::OPTIONS;

/// Does the one action that was asked for.
pub(crate) async fn run(context: &mut Context, parsed: &Parsed) -> Result<(), Failure> {
    let action = options::check(parsed)?;
    TOOL.run(context, parsed, action).await
}

async fn describe(context: &mut Context, parsed: &Parsed, client: &Client) -> Result<(), Failure> {
    let verbose = parsed.has("verbose");
    for id in groups::wanted(client, KIND, parsed).await? {
        let group = group(client, &id).await.map_err(|error| TOOL.executing(&error))?;
        if parsed.has("members") {
            if !group.members.is_empty() {
                write!(context.out, "{}", lines::members(&group, verbose))?;
            }
        } else if parsed.has("state") {
            if group.group_state.as_str() == "Empty" {
                let why = format!("Streams group '{id}' has no active members.");
                writeln!(context.out, "\nError: {why}")?;
            }
            let of = coordinator(client, &id).await.map_err(|error| TOOL.executing(&error))?;
            write!(context.out, "{}", lines::state(&group, of, verbose))?;
        } else if !group.members.is_empty() {
            let rows = positions(client, &group).await?;
            write!(context.out, "{}", lines::offsets(&id, &rows, verbose))?;
        }
    }
    Ok(())
}

/// Where the group is in the partitions that its active tasks read.
async fn positions(client: &Client, group: &DescribedGroup) -> Result<Vec<Row>, Failure> {
    let mut read = BTreeSet::new();
    for tasks in group.members.iter().flat_map(|member| &member.assignment.active_tasks) {
        let parts = subtopologies(group).filter(|it| it.subtopology_id == tasks.subtopology_id);
        for topic in parts.flat_map(sources) {
            read.extend(tasks.partitions.iter().map(|index| partition(topic, index.0)));
        }
    }
    let read: Vec<TopicPartition> = read.into_iter().collect();
    let first = TOOL.ask(client, &read, admin::EARLIEST).await?;
    let ends = TOOL.ask(client, &read, admin::LATEST).await?;
    let committed = client.admin().group_offsets(&group.group_id).await;
    let mut offsets = BTreeMap::new();
    for (of, found) in committed.map_err(|error| TOOL.executing(&error))? {
        offsets.insert(of, found.map_err(|error| TOOL.executing(&error))?);
    }
    let rows = read.into_iter().map(|of| {
        let found = offsets.get(&of).filter(|found| found.committed_offset.0 >= 0);
        let current = found.map(|found| found.committed_offset.0);
        let epoch = found.map(|found| found.committed_leader_epoch.0);
        let end = ends.get(&of).copied().unwrap_or_default();
        let begun = current.or_else(|| first.get(&of).copied()).unwrap_or_default();
        Row { current, leader_epoch: epoch.filter(|epoch| *epoch >= 0), end, lag: end - begun, of }
    });
    Ok(rows.collect())
}

async fn delete(context: &mut Context, parsed: &Parsed, client: &Client) -> Result<(), Failure> {
    let known = groups::list(client, KIND, &[]).await.map_err(|error| TOOL.said(&error))?;
    let mut results = Vec::new();
    let mut topics = BTreeMap::new();
    for id in groups::wanted(client, KIND, parsed).await? {
        let is_idle = known.iter().any(|group| group.id == id && group.state == "Empty");
        if is_idle
            && parsed.has("delete-all-internal-topics")
            && let Ok(group) = group(client, &id).await
        {
            topics.insert(id.clone(), internal::topics(&group));
        }
        let unknown = "does not exist or is not a streams group";
        let result = TOOL.delete(client, &known, &id, unknown).await?;
        results.push((id, result));
    }
    TOOL.tell_deleted(context, &results, ("''", "."))?;
    topics.retain(|id, _| results.iter().any(|(of, result)| of == id && result.is_ok()));
    internal::delete_of_groups(context, client, &topics).await
}

async fn delete_offsets(
    context: &mut Context,
    parsed: &Parsed,
    client: &Client,
) -> Result<(), Failure> {
    let id = parsed.text("group")?.unwrap_or_default();
    let (partitions, unknown) = match parsed.has("all-input-topics") {
        true => {
            let inputs = inputs_of(client, &described(client, id).await?).await?;
            let committed = TOOL.committed(client, id).await?;
            (inputs.into_iter().filter(|of| committed.contains_key(of)).collect(), Vec::new())
        }
        false => TOOL.partitions(client, &parsed.texts("input-topic")).await?,
    };
    let results = client.admin().delete_group_offsets(id, &partitions).await;
    let said = |error: &ClientError| format!("Error: {}", exception(error));
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut row = |of: TopicPartition, status: String| {
        rows.push(vec![of.topic.to_string(), of.partition.to_string(), status]);
    };
    match results {
        Ok(results) => {
            match results.iter().any(|(_, result)| result.is_err()) {
                true => writeln!(
                    context.out,
                    "\nError: Encountered some partition-level error, see the follow-up details."
                )?,
                false => writeln!(
                    context.out,
                    "Request succeeded for deleting offsets from group {id}."
                )?,
            }
            for (of, result) in results {
                row(of, result.map_or_else(|error| said(&error), |()| "Successful".to_string()));
            }
        }
        Err(error) => {
            let code = error.code().unwrap_or(ErrorCode::UNKNOWN_SERVER_ERROR);
            writeln!(context.out, "\nError: {}", usual(code))?;
            for of in partitions {
                let plain = ClientError::refused(ApiKey::OffsetDelete, id, code, None);
                row(of, said(&plain));
            }
        }
    }
    rows.sort();
    rows.extend(unknown.into_iter().map(|topic| {
        let code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        let error = ClientError::refused(ApiKey::OffsetDelete, topic.as_str(), code, None);
        vec![topic, "-".to_string(), said(&error)]
    }));
    let columns = [at_least("TOPIC", 15), fixed("PARTITION", 10), fixed("STATUS", 15)];
    Ok(write!(context.out, "\n{}", table(&columns, &rows))?)
}

async fn reset(context: &mut Context, parsed: &Parsed, client: &Client) -> Result<(), Failure> {
    let ids = groups::wanted(client, KIND, parsed).await?;
    let several = ids.len() > 1;
    let mut plans = Vec::new();
    for id in ids {
        let named = match parsed.has("input-topic") && !parsed.has("all-input-topics") {
            true => TOOL.existing(client, &parsed.texts("input-topic")).await?,
            false => Vec::new(),
        };
        let described = described(client, &id).await?;
        let state = described.group_state.as_str();
        if !["Empty", "Dead"].contains(&state) {
            writeln!(
                context.out,
                "\nError: Assignments can only be reset if the group '{id}' is inactive, but the \
                 current state is {state}."
            )?;
            continue;
        }
        let committed = TOOL.committed(client, &id).await?;
        let scenario = options::scenario(context, parsed)?;
        let plan = match &scenario {
            Scenario::File(text) => {
                TOOL.clamp(context, client, TOOL.read_csv(text, &id, several)?).await?
            }
            scenario => {
                let partitions = match parsed.has("all-input-topics") {
                    true => inputs_of(client, &described).await?,
                    false => named,
                };
                TOOL.plan(context, client, &committed, partitions, scenario).await?
            }
        };
        if parsed.has("execute") {
            TOOL.set(context, client, &id, &plan).await?;
            internal::delete_for_reset(context, parsed, client, &described).await?;
        }
        plans.push((id, plan));
    }
    let text = match parsed.has("export") {
        true => csv(&plans, several),
        false => planned(&plans),
    };
    Ok(write!(context.out, "{text}")?)
}

fn planned(plans: &[(String, Plan)]) -> String {
    let columns =
        [fixed("GROUP", 30), fixed("TOPIC", 30), fixed("PARTITION", 10), fixed("NEW-OFFSET", 15)];
    let rows = plans.iter().flat_map(|(id, plan)| {
        plan.iter().map(|(of, offset)| {
            vec![id.clone(), of.topic.to_string(), of.partition.to_string(), offset.to_string()]
        })
    });
    format!("\n{}", table(&columns, &rows.collect::<Vec<_>>()))
}

/// The partitions of the source topics that a group's topology names.
async fn inputs_of(
    client: &Client,
    group: &DescribedGroup,
) -> Result<Vec<TopicPartition>, Failure> {
    let names: BTreeSet<&str> =
        subtopologies(group).flat_map(|it| &it.source_topics).map(StrBytes::as_str).collect();
    let names: Vec<&str> = names.into_iter().collect();
    TOOL.existing(client, &names).await
}

/// The group, for what cannot go on without it.
async fn described(client: &Client, id: &str) -> Result<DescribedGroup, Failure> {
    group(client, id).await.map_err(|error| {
        let why = format!("java.util.concurrent.ExecutionException: {}", exception(&error));
        TOOL.said(&why)
    })
}

/// Asks a group's coordinator.
async fn group(client: &Client, id: &str) -> Result<DescribedGroup, ClientError> {
    let request =
        StreamsGroupDescribeRequest { group_ids: vec![StrBytes::copied(id)], ..Default::default() };
    let response = client.call_coordinator(CoordinatorKind::Group, id, &request).await?;
    let group = response.groups.into_iter().next().unwrap_or_default();
    let message = group.error_message.as_deref();
    match group.error_code {
        ErrorCode::NONE => Ok(group),
        code => Err(ClientError::refused(ApiKey::StreamsGroupDescribe, id, code, message)),
    }
}

fn subtopologies(group: &DescribedGroup) -> impl Iterator<Item = &Subtopology> {
    group.topology.iter().flat_map(|topology| topology.subtopologies.iter().flatten())
}

/// What a subtopology reads.
fn sources(part: &Subtopology) -> impl Iterator<Item = &StrBytes> {
    part.source_topics.iter().chain(part.repartition_source_topics.iter().map(|it| &it.name))
}

const TOOL: Tool = Tool { kind: KIND, code: 1, states: STATES, actions: ACTIONS };
const KIND: &str = "streams";
/// What it does.
const ACTIONS: &[Action] = actions! {
    "describe" => describe;
    "delete" => delete;
    "reset-offsets" => reset;
    "delete-offsets" => delete_offsets;
};
/// The states of streams groups.
const STATES: &[&str] = &["Assigning", "Dead", "Reconciling", "NotReady", "Stable", "Empty"];
