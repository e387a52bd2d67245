//! A group as its coordinator describes it, whichever protocol its members speak.
//!
//! Not here: lines about it (describe.rs).

use ottla_client::{Client, ClientError, CoordinatorKind};
use ottla_wire::messages::consumer_group_describe_response as modern;
use ottla_wire::messages::describe_groups_response as classic;
use ottla_wire::messages::{ConsumerGroupDescribeRequest, ConsumerProtocolAssignment};
use ottla_wire::{BrokerId, Bytes, ErrorCode, Message, Reader, StrBytes};

use crate::failure::Failure;
use crate::groups::{coordinator, list_all};

/// Partitions by topic, in order.
pub(super) type Assignment = Vec<(String, Vec<i32>)>;

/// A group.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) id: String,
    pub(super) state: String,
    /// The assignor; empty where there is none.
    pub(super) assignor: String,
    pub(super) coordinator: Option<(String, u16, BrokerId)>,
    pub(super) epoch: Option<i32>,
    pub(super) target_epoch: Option<i32>,
    pub(super) members: Vec<Member>,
}

/// A member of it.
#[derive(Debug, Default)]
pub(super) struct Member {
    pub(super) id: String,
    pub(super) instance_id: Option<String>,
    pub(super) client_id: String,
    pub(super) host: String,
    pub(super) assignment: Assignment,
    pub(super) epoch: Option<i32>,
    pub(super) target: Assignment,
    /// Whether it speaks the newer protocol, in a group that does.
    pub(super) is_upgraded: Option<bool>,
}

/// Asks a group's coordinator; by the newer API first, as it refuses what it does not know.
pub(super) async fn describe(client: &Client, id: &str) -> Result<Group, ClientError> {
    let request = ConsumerGroupDescribeRequest {
        group_ids: vec![StrBytes::copied(id)],
        ..Default::default()
    };
    // Looking for the coordinator is repeated until it is ready.
    let answer = match client.call_coordinator(CoordinatorKind::Group, id, &request).await {
        Ok(response) => response.groups.into_iter().next(),
        Err(ClientError::NoCommonVersion { .. }) => None,
        Err(error) => return Err(error),
    };
    let mut group = match answer.filter(|group| group.error_code.is_none()) {
        Some(group) => of_modern(group),
        None => {
            let described = client.admin().describe_groups(&[StrBytes::copied(id)]).await?;
            let Some((_, described)) = described.into_iter().next() else {
                return Err(ClientError::Misuse(format!("Group {id} not found.")));
            };
            of_classic(described?)
        }
    };
    group.coordinator = coordinator(client, id).await?;
    Ok(group)
}

fn of_modern(group: modern::DescribedGroup) -> Group {
    let members = group.members.into_iter().map(|member| Member {
        id: member.member_id.to_string(),
        instance_id: member.instance_id.map(|id| id.to_string()),
        client_id: member.client_id.to_string(),
        host: member.client_host.to_string(),
        assignment: of_partitions(&member.assignment),
        epoch: Some(member.member_epoch.0),
        target: of_partitions(&member.target_assignment),
        is_upgraded: (member.member_type >= 0).then_some(member.member_type == 1),
    });
    Group {
        id: group.group_id.to_string(),
        state: group.group_state.to_string(),
        assignor: group.assignor_name.to_string(),
        coordinator: None,
        epoch: Some(group.group_epoch.0),
        target_epoch: Some(group.assignment_epoch.0),
        members: members.collect(),
    }
}

fn of_partitions(assignment: &modern::Assignment) -> Assignment {
    let topics = assignment.topic_partitions.iter().map(|topic| {
        let mut partitions: Vec<i32> = topic.partitions.iter().map(|index| index.0).collect();
        partitions.sort_unstable();
        (topic.topic_name.to_string(), partitions)
    });
    let mut topics: Assignment = topics.collect();
    topics.sort();
    topics
}

fn of_classic(group: classic::DescribedGroup) -> Group {
    let members = group.members.into_iter().map(|member| Member {
        id: member.member_id.to_string(),
        instance_id: member.group_instance_id.map(|id| id.to_string()),
        client_id: member.client_id.to_string(),
        host: member.client_host.to_string(),
        assignment: of_bytes(&member.member_assignment),
        ..Default::default()
    });
    Group {
        id: group.group_id.to_string(),
        state: group.group_state.to_string(),
        assignor: group.protocol_data.to_string(),
        members: members.collect(),
        ..Default::default()
    }
}

/// What a classic member was assigned, in the format of consumers; other groups have their own,
/// which is not read.
fn of_bytes(bytes: &Bytes) -> Assignment {
    let mut reader = Reader::new(bytes.clone());
    let Ok(version) = reader.i16() else { return Vec::new() };
    let versions = ConsumerProtocolAssignment::VERSIONS;
    let version = version.clamp(versions.min, versions.max);
    let Ok(assignment) = ConsumerProtocolAssignment::decode(&mut reader, version) else {
        return Vec::new();
    };
    let topics = assignment.assigned_partitions.into_iter().map(|topic| {
        let mut partitions: Vec<i32> = topic.partitions.iter().map(|index| index.0).collect();
        partitions.sort_unstable();
        (topic.topic.to_string(), partitions)
    });
    let mut topics: Assignment = topics.collect();
    topics.sort();
    topics
}

/// Whether the coordinator knows no such group.
pub(super) fn is_unknown(error: &ClientError) -> bool {
    error.code() == Some(ErrorCode::GROUP_ID_NOT_FOUND)
}

/// The groups that are meant: those named, or all there are.
pub(super) async fn wanted(
    client: &Client,
    parsed: &crate::options::Parsed,
) -> Result<Vec<String>, Failure> {
    if !parsed.has("all-groups") {
        let mut named: Vec<String> = parsed.texts("group").into_iter().map(String::from).collect();
        named.dedup();
        return Ok(named);
    }
    let groups = list(client, &[], &[]).await?;
    Ok(groups.into_iter().map(|group| group.id).collect())
}

/// A group in a list.
pub(super) struct Listed {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) state: String,
}

/// The consumer groups of all brokers, sorted; with filters, those in these states, of these types.
pub(super) async fn list(
    client: &Client,
    states: &[&str],
    types: &[&str],
) -> Result<Vec<Listed>, Failure> {
    let groups = list_all(client, states, types).await?.into_iter().filter(is_of_consumers);
    let groups = groups.map(|group| Listed {
        id: group.group_id.to_string(),
        kind: kind(&group.group_type),
        state: group.group_state.to_string(),
    });
    Ok(groups.collect())
}

/// Groups of consumers: those that say so, and those that only keep offsets.
fn is_of_consumers(group: &ottla_wire::messages::list_groups_response::ListedGroup) -> bool {
    let kind = group.group_type.as_str();
    let is_classic = kind.is_empty() || kind.eq_ignore_ascii_case("classic");
    let protocol = group.protocol_type.as_str();
    kind.eq_ignore_ascii_case("consumer") || is_classic && ["", "consumer"].contains(&protocol)
}

fn kind(name: &str) -> String {
    let mut letters = name.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters.flat_map(char::to_lowercase)).collect(),
        None => "Classic".to_string(),
    }
}
