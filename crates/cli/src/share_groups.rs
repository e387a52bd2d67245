//! `ottla share-groups` (kafka-share-groups.sh): lists, describes, deletes and resets share groups.
//!
//! Not here: lines of descriptions (share_groups/lines.rs), options (share_groups/options.rs).
//! Must hold: what fails at the brokers ends with exit code 0, as scripts know it of Apache Kafka.

mod lines;
mod options;

use std::collections::BTreeMap;
use std::io::Write;

use ottla_client::{Client, ClientError, CoordinatorKind, TopicPartition};
use ottla_wire::messages::alter_share_group_offsets_request as to_alter;
use ottla_wire::messages::delete_share_group_offsets_request::DeleteShareGroupOffsetsRequestTopic;
use ottla_wire::messages::describe_share_group_offsets_request as to_describe;
use ottla_wire::messages::describe_share_group_offsets_response as offsets;
use ottla_wire::messages::share_group_describe_response::DescribedGroup;
use ottla_wire::messages::{
    AlterShareGroupOffsetsRequest, DeleteShareGroupOffsetsRequest,
    DescribeShareGroupOffsetsRequest, ShareGroupDescribeRequest,
};
use ottla_wire::{ApiKey, ErrorCode, Offset, StrBytes};

use crate::client_options::usual;
use crate::context::Context;
use crate::failure::Failure;
use crate::groups::plan::Plan;
use crate::groups::table::{at_least, fixed, open, table};
use crate::groups::{self, Action, Tool, actions, coordinator, partition};
use crate::options::Parsed;

pub(crate) use options::OPTIONS;

/// Does the one action that was asked for.
pub(crate) async fn run(context: &mut Context, parsed: &Parsed) -> Result<(), Failure> {
    let action = options::check(parsed)?;
    TOOL.run(context, parsed, action).await
}

async fn describe(context: &mut Context, parsed: &Parsed, client: &Client) -> Result<(), Failure> {
    let verbose = parsed.has("verbose");
    let mut described = Vec::new();
    for id in groups::wanted(client, KIND, parsed).await? {
        described.push(group(client, &id).await.map_err(|error| TOOL.executing(&error))?);
    }
    for group in described {
        let id = group.group_id.to_string();
        let is_idle = group.members.is_empty();
        if parsed.has("members") {
            if !is_idle {
                write!(context.out, "{}", lines::members(&group, verbose))?;
            }
        } else if parsed.has("state") {
            let of = coordinator(client, &id).await.map_err(|error| TOOL.executing(&error))?;
            write!(context.out, "{}", lines::state(&group, of, verbose))?;
        } else {
            let offsets = positions(client, &id).await.map_err(|error| TOOL.executing(&error))?;
            write!(context.out, "{}", lines::offsets(&id, &offsets, verbose))?;
            continue;
        }
        if is_idle {
            writeln!(context.err, "\nShare group '{id}' has no active members.")?;
        }
    }
    Ok(())
}

async fn delete(context: &mut Context, parsed: &Parsed, client: &Client) -> Result<(), Failure> {
    let known = groups::list(client, KIND, &[]).await.map_err(|error| TOOL.said(&error))?;
    let mut results = Vec::new();
    for id in groups::wanted(client, KIND, parsed).await? {
        let result = TOOL.delete(client, &known, &id, "is not a share group").await?;
        results.push((id, result));
    }
    TOOL.tell_deleted(context, &results, ("", ""))
}

async fn delete_offsets(
    context: &mut Context,
    parsed: &Parsed,
    client: &Client,
) -> Result<(), Failure> {
    let id = parsed.text("group")?.unwrap_or_default();
    let names = parsed.texts("topic");
    let topics = names.iter().map(|name| DeleteShareGroupOffsetsRequestTopic {
        topic_name: StrBytes::copied(name),
        ..Default::default()
    });
    let request = DeleteShareGroupOffsetsRequest {
        group_id: StrBytes::copied(id),
        topics: topics.collect(),
        ..Default::default()
    };
    let response = client.call_coordinator(CoordinatorKind::Group, id, &request).await;
    let response = response.map_err(|error| TOOL.executing(&error))?;
    let said = |code: ErrorCode, message: Option<StrBytes>| match message {
        // Only of a group does the message say more than the code.
        Some(message) if code == ErrorCode::GROUP_ID_NOT_FOUND => message.to_string(),
        _ => usual(code).to_string(),
    };
    let mut rows: Vec<Vec<String>> = match response.error_code {
        ErrorCode::NONE => {
            let topics = response.responses.into_iter().map(|topic| {
                let status = match topic.error_code {
                    ErrorCode::NONE => "Successful".to_string(),
                    code => format!("Error: {}", said(code, topic.error_message)),
                };
                vec![topic.topic_name.to_string(), status]
            });
            topics.collect()
        }
        code => {
            let why = format!("Error: {}", said(code, response.error_message));
            writeln!(context.out, "\n{why}")?;
            names.iter().map(|name| vec![(*name).to_string(), why.clone()]).collect()
        }
    };
    rows.sort();
    Ok(write!(context.out, "\n{}", table(&[at_least("TOPIC", 15), open("STATUS")], &rows))?)
}

async fn reset(context: &mut Context, parsed: &Parsed, client: &Client) -> Result<(), Failure> {
    let id = parsed.text("group")?.unwrap_or_default();
    // A group that is none has no members either.
    if let Ok(group) = group(client, id).await
        && group.group_state.as_str() != "Empty"
    {
        return Err(Failure::usage(format!("Share group '{id}' is not empty.")));
    }
    let partitions: Vec<TopicPartition> = match parsed.has("topic") {
        true => TOOL.existing(client, &parsed.texts("topic")).await?,
        false => match positions(client, id).await {
            Ok(known) => known
                .iter()
                .flat_map(|topic| {
                    let partitions = topic.partitions.iter();
                    partitions.map(|it| partition(&topic.topic_name, it.partition_index.0))
                })
                .collect(),
            Err(_) => Vec::new(),
        },
    };
    let scenario = TOOL.scenario(context, parsed)?;
    let plan = TOOL.plan(context, client, &Plan::new(), partitions, &scenario).await?;
    if parsed.has("execute") && !plan.is_empty() {
        alter(client, id, &plan).await.map_err(|error| TOOL.executing(&error))?;
    }
    let columns =
        [at_least("GROUP", 15), at_least("TOPIC", 15), fixed("PARTITION", 10), open("NEW-OFFSET")];
    let rows = plan.iter().map(|(of, offset)| {
        let (topic, index) = (of.topic.to_string(), of.partition.to_string());
        vec![id.to_string(), topic, index, offset.to_string()]
    });
    Ok(write!(context.out, "\n{}", table(&columns, &rows.collect::<Vec<_>>()))?)
}

async fn alter(client: &Client, id: &str, plan: &Plan) -> Result<(), ClientError> {
    let mut topics: BTreeMap<&StrBytes, Vec<_>> = BTreeMap::new();
    for (of, offset) in plan {
        topics.entry(&of.topic).or_default().push(
            to_alter::AlterShareGroupOffsetsRequestPartition {
                partition_index: of.partition,
                start_offset: Offset(*offset),
                ..Default::default()
            },
        );
    }
    let topics =
        topics.into_iter().map(|(name, partitions)| to_alter::AlterShareGroupOffsetsRequestTopic {
            topic_name: name.clone(),
            partitions,
            ..Default::default()
        });
    let request = AlterShareGroupOffsetsRequest {
        group_id: StrBytes::copied(id),
        topics: topics.collect(),
        ..Default::default()
    };
    let response = client.call_coordinator(CoordinatorKind::Group, id, &request).await?;
    let refused = |what: &str, code, message: Option<&StrBytes>| match code {
        ErrorCode::NONE => Ok(()),
        code => {
            let api = ApiKey::AlterShareGroupOffsets;
            Err(ClientError::refused(api, what, code, message.map(StrBytes::as_str)))
        }
    };
    refused(id, response.error_code, response.error_message.as_ref())?;
    for topic in &response.responses {
        for it in &topic.partitions {
            refused(&topic.topic_name, it.error_code, it.error_message.as_ref())?;
        }
    }
    Ok(())
}

/// Asks a group's coordinator.
async fn group(client: &Client, id: &str) -> Result<DescribedGroup, ClientError> {
    let request =
        ShareGroupDescribeRequest { group_ids: vec![StrBytes::copied(id)], ..Default::default() };
    let response = client.call_coordinator(CoordinatorKind::Group, id, &request).await?;
    let group = response.groups.into_iter().next().unwrap_or_default();
    let message = group.error_message.as_deref();
    match group.error_code {
        ErrorCode::NONE => Ok(group),
        code => Err(ClientError::refused(ApiKey::ShareGroupDescribe, id, code, message)),
    }
}

/// Where a group is in the partitions that it has a state of.
async fn positions(
    client: &Client,
    id: &str,
) -> Result<Vec<offsets::DescribeShareGroupOffsetsResponseTopic>, ClientError> {
    let group = to_describe::DescribeShareGroupOffsetsRequestGroup {
        group_id: StrBytes::copied(id),
        topics: None,
        ..Default::default()
    };
    let request = DescribeShareGroupOffsetsRequest { groups: vec![group], ..Default::default() };
    let response = client.call_coordinator(CoordinatorKind::Group, id, &request).await?;
    let mut group = response.groups.into_iter().next().unwrap_or_default();
    let message = group.error_message.as_deref();
    if !group.error_code.is_none() {
        let api = ApiKey::DescribeShareGroupOffsets;
        return Err(ClientError::refused(api, id, group.error_code, message));
    }
    group.topics.sort_by(|one, other| one.topic_name.cmp(&other.topic_name));
    for topic in &mut group.topics {
        topic.partitions.sort_by_key(|it| it.partition_index);
    }
    Ok(group.topics)
}

const TOOL: Tool = Tool { kind: KIND, code: 0, states: STATES, actions: ACTIONS };
const KIND: &str = "share";
/// What it does.
const ACTIONS: &[Action] = actions! {
    "describe" => describe;
    "delete" => delete;
    "reset-offsets" => reset;
    "delete-offsets" => delete_offsets;
};
/// The states of share groups.
const STATES: &[&str] = &["Dead", "Stable", "Empty"];
