//! `ottla consumer-groups` (kafka-consumer-groups.sh): lists, describes, deletes and resets groups.
//!
//! Not here: descriptions (consumer_groups/describe.rs), resets (consumer_groups/reset.rs).
//! Must hold: what fails at the brokers ends with exit code 0, as scripts know it of Apache Kafka.

mod describe;
mod group;
mod options;
mod reset;

use std::io::Write;

use ottla_client::{Client, ClientError, TopicPartition};
use ottla_wire::{ApiKey, ErrorCode, StrBytes};

use crate::client_options::exception;
use crate::context::Context;
use crate::failure::Failure;
use crate::groups::table::{at_least, fixed, open, table};
use crate::groups::{Action, Tool, actions, filter};
use crate::options::Parsed;

pub(crate) use options::OPTIONS;

/// Does the one action that was asked for.
pub(crate) async fn run(context: &mut Context, parsed: &Parsed) -> Result<(), Failure> {
    if parsed.has("reset-offsets") && !parsed.has("dry-run") && !parsed.has("execute") {
        writeln!(
            context.err,
            "WARN: No action will be performed as the --execute option is missing. In version 5.0, \
             this command will require either --dry-run or --execute to be specified. You should \
             add the --dry-run option explicitly if you are scripting this command and want to \
             keep the current default behavior without prompting."
        )?;
    }
    let action = options::check(parsed)?;
    if let Some(expression) = parsed.text("validate-regex")? {
        return validate(context, expression);
    }
    // Apache Kafka says "state list" and "types list".
    let states = TOOL.states_wanted(parsed)?;
    let types = filter(parsed.texts("type").first().copied(), TYPES, ("types", "types"))?;
    let client = TOOL.connect(context, parsed).await?;
    match action {
        "list" => list(context, parsed, &client, &states, &types).await?,
        action => TOOL.act(context, parsed, &client, action).await?,
    }
    client.close().await;
    Ok(())
}

async fn list(
    context: &mut Context,
    parsed: &Parsed,
    client: &Client,
    states: &[&str],
    types: &[&str],
) -> Result<(), Failure> {
    let groups = group::list(client, states, types).await.map_err(|error| said(&error))?;
    let (has_type, has_state) = (parsed.has("type"), parsed.has("state"));
    if !has_type && !has_state {
        for group in groups {
            writeln!(context.out, "{}", group.id)?;
        }
        return Ok(());
    }
    let longest = groups.iter().map(|group| group.id.chars().count()).max().unwrap_or(0);
    let mut columns = vec![fixed("GROUP", longest.max(15) + 10)];
    if has_type {
        columns.push(fixed("TYPE", 20));
    }
    if has_state {
        columns.push(fixed("STATE", 20));
    }
    let rows = groups.into_iter().map(|group| {
        let mut cells = vec![group.id];
        if has_type {
            cells.push(group.kind);
        }
        if has_state {
            cells.push(group.state);
        }
        cells
    });
    Ok(write!(context.out, "{}", table(&columns, &rows.collect::<Vec<_>>()))?)
}

async fn delete(context: &mut Context, parsed: &Parsed, client: &Client) -> Result<(), Failure> {
    let ids = group::wanted(client, parsed).await?;
    let names: Vec<StrBytes> = ids.iter().map(|id| StrBytes::copied(id)).collect();
    let results = client.admin().delete_groups(&names).await.map_err(executing)?;
    let results = results
        .into_iter()
        .map(|(id, result)| (id.to_string(), result.map_err(|error| exception(&error))));
    TOOL.tell_deleted(context, &results.collect::<Vec<_>>(), ("", ""))
}

async fn delete_offsets(
    context: &mut Context,
    parsed: &Parsed,
    client: &Client,
) -> Result<(), Failure> {
    let id = parsed.text("group")?.unwrap_or_default();
    let (partitions, unknown) = TOOL.partitions(client, &parsed.texts("topic")).await?;
    let results = client.admin().delete_group_offsets(id, &partitions).await;
    let mut rows: Vec<(TopicPartition, String)> = Vec::new();
    let unknown: Vec<Vec<String>> = unknown
        .into_iter()
        .map(|topic| {
            let code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
            let error = ClientError::refused(ApiKey::OffsetDelete, topic.as_str(), code, None);
            vec![topic, "-".to_string(), format!("Error: {}", exception(&error))]
        })
        .collect();
    let status = |error: Option<&ClientError>| match error {
        None => "Successful".to_string(),
        Some(error) => format!("Error: {}", exception(error)),
    };
    match results {
        Ok(results) => {
            let failed = results.iter().any(|(_, result)| result.is_err());
            match failed {
                true => writeln!(
                    context.out,
                    "\nError: Encountered some partition-level error, see the follow-up details."
                )?,
                false => {
                    writeln!(
                        context.out,
                        "Request succeeded for deleting offsets from group {id}."
                    )?;
                }
            }
            let results = results.into_iter();
            rows.extend(results.map(|(of, result)| (of, status(result.err().as_ref()))));
        }
        Err(error) => {
            let message = exception(&error);
            let message = message.split_once(": ").map_or(message.as_str(), |(_, rest)| rest);
            writeln!(context.out, "\nError: {message}")?;
            rows.extend(partitions.into_iter().map(|of| (of, status(Some(&error)))));
        }
    }
    rows.sort();
    let columns = [at_least("TOPIC", 15), fixed("PARTITION", 10), open("STATUS")];
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|(of, status)| {
            vec![of.topic.to_string(), of.partition.to_string(), format!("{status:15}")]
        })
        .chain(unknown)
        .collect();
    let lines = table(&columns, &rows);
    // The head of the last column is padded like its cells.
    Ok(write!(context.out, "\n{}", lines.replacen("STATUS\n", "STATUS         \n", 1))?)
}

fn validate(context: &mut Context, expression: &str) -> Result<(), Failure> {
    match regex::Regex::new(expression) {
        Ok(_) => writeln!(context.out, "The regular expression `{expression}` is valid.")?,
        Err(error) => {
            let reason = error.to_string();
            let reason = reason.lines().last().unwrap_or_default();
            let reason = reason.trim_start_matches("error: ");
            writeln!(context.out, "The regular expression `{expression}` is invalid: {reason}.")?;
        }
    }
    Ok(())
}

/// An error of the cluster, as the tool prints it: on stdout, with exit code 0.
fn executing(error: ClientError) -> Failure {
    TOOL.executing(&error)
}

fn said(what: &dyn std::fmt::Display) -> Failure {
    TOOL.said(what)
}

const TOOL: Tool = Tool { kind: "consumer", code: 0, states: STATES, actions: ACTIONS };
/// What it does, but for looking at an expression.
const ACTIONS: &[Action] = actions! {
    "describe" => describe::run;
    "delete" => delete;
    "reset-offsets" => reset::run;
    "delete-offsets" => delete_offsets;
};
/// The states of consumer groups.
const STATES: &[&str] = &[
    "Assigning",
    "Reconciling",
    "Empty",
    "PreparingRebalance",
    "Dead",
    "Stable",
    "CompletingRebalance",
];
/// The types of consumer groups.
const TYPES: &[&str] = &["Consumer", "Classic"];
