//! Who a heartbeat comes from and what it says: the checks of a request, the member, its topology.
//!
//! Not here: what it is given (heartbeat.rs). Must hold: a group keeps the topology that it was
//! first told until it is deleted.

use std::sync::Arc;

use ottla_wire::messages::streams_group_heartbeat_request as sent;
use ottla_wire::messages::streams_group_heartbeat_response::Status;
use ottla_wire::messages::streams_group_member_metadata_value::{Endpoint, KeyValue};
use ottla_wire::messages::streams_group_topology_value::{
    CopartitionGroup, Subtopology, TopicConfig, TopicInfo,
};
use ottla_wire::messages::{StreamsGroupHeartbeatRequest, StreamsGroupTopologyValue};
use ottla_wire::{ErrorCode, MemberEpoch, StrBytes};

use super::heartbeat::{owned, told};
use super::records::StreamsEntry;
use super::state::{Current, MemberValue, StreamsGroup};
use super::{Refusal, StreamsDraft};
use crate::classic::Phase;
use crate::{Ask, GroupRecord, Groups, Soft};

/// A joining member.
pub(super) const JOINING: MemberEpoch = MemberEpoch(0);
/// A member that leaves for good.
pub(super) const LEAVING: MemberEpoch = MemberEpoch(-1);
/// A static member that leaves to come back.
const LEAVING_FOR_A_WHILE: MemberEpoch = MemberEpoch(-2);

/// What is known of the member before its heartbeat.
pub(super) struct Known {
    /// None for a new member.
    pub(super) value: Option<Arc<MemberValue>>,
    pub(super) current: Arc<Current>,
}

impl Groups {
    /// The group to decide on; a joining member may make it, in place of a classic group that
    /// nobody is in.
    pub(super) fn streams_for(
        &self,
        soft: &mut Soft,
        id: &StrBytes,
        joins: bool,
    ) -> Result<StreamsDraft<'_>, Refusal> {
        let Some(group) = self.group(id) else {
            if joins {
                return Ok(StreamsDraft::new(id, Vec::new()));
            }
            let message = format!("Streams group {id} not found.");
            return Err((ErrorCode::GROUP_ID_NOT_FOUND, message));
        };
        if let Some(streams) = &group.kinds.streams {
            return Ok(StreamsDraft::of(id, streams));
        }
        let session = soft.sessions.get(id);
        let is_empty =
            session.is_none_or(|session| session.phase() == Phase::Empty && !session.has_pending());
        if !group.is_classic() || !joins || !is_empty {
            let message = format!("Group {id} is not a streams group.");
            return Err((ErrorCode::GROUP_ID_NOT_FOUND, message));
        }
        soft.remove(id);
        let replaced = group.metadata.is_some();
        let gone = GroupRecord::GroupMetadata { group: StrBytes::copied(id), value: None };
        Ok(StreamsDraft::new(id, replaced.then_some(gone).into_iter().collect()))
    }
}

/// What can be said of a request without looking at the group.
pub(super) fn check(request: &StreamsGroupHeartbeatRequest) -> Result<(), Refusal> {
    is_served(request)?;
    let epoch = request.member_epoch;
    let is_blank = |text: &str| text.trim().is_empty();
    let has_some =
        |tasks: &Option<Vec<sent::TaskIds>>| tasks.as_ref().is_none_or(|it| !it.is_empty());
    let lists = [&request.active_tasks, &request.standby_tasks, &request.warmup_tasks];
    let wrong = if is_blank(&request.member_id) {
        "MemberId can't be empty."
    } else if is_blank(&request.group_id) {
        "GroupId can't be empty."
    } else if request.rack_id.as_deref().is_some_and(is_blank) {
        "RackId can't be empty."
    } else if epoch == JOINING && request.rebalance_timeout_ms == -1 {
        "RebalanceTimeoutMs must be provided in first request."
    } else if epoch == JOINING && has_some(&request.active_tasks) {
        "ActiveTasks must be empty when (re-)joining."
    } else if epoch == JOINING && has_some(&request.standby_tasks) {
        "StandbyTasks must be empty when (re-)joining."
    } else if epoch == JOINING && has_some(&request.warmup_tasks) {
        "WarmupTasks must be empty when (re-)joining."
    } else if epoch == JOINING && request.topology.is_none() {
        "Topology must be non-null when (re-)joining."
    } else if epoch == JOINING {
        let topology = request.topology.as_ref();
        return topology.map_or(Ok(()), |topology| {
            is_of_a_size(topology).and_then(|()| has_valid_changelogs(topology))
        });
    } else if epoch == LEAVING_FOR_A_WHILE {
        "InstanceId can't be null."
    } else if epoch < LEAVING_FOR_A_WHILE {
        let message = format!("MemberEpoch is {epoch}, but must be greater than or equal to -2.");
        return Err((ErrorCode::INVALID_REQUEST, message));
    } else if lists.iter().any(|list| list.is_some()) && lists.iter().any(|list| list.is_none()) {
        "If one task-type is non-null, all must be non-null."
    } else if request.topology.is_some() {
        "Topology can only be provided when (re-)joining."
    } else {
        return Ok(());
    };
    Err((ErrorCode::INVALID_REQUEST, wrong.to_owned()))
}

/// Whether the request is without what Kafka 4.3 has fields for, but does not serve.
fn is_served(request: &StreamsGroupHeartbeatRequest) -> Result<(), Refusal> {
    let subtopologies = request.topology.iter().flat_map(|topology| &topology.subtopologies);
    let wrong = if request.instance_id.is_some() {
        "Static membership is not yet supported."
    } else if request.task_offsets.is_some() {
        "TaskOffsets are not supported yet."
    } else if request.task_end_offsets.is_some() {
        "TaskEndOffsets are not supported yet."
    } else if request.warmup_tasks.as_ref().is_some_and(|tasks| !tasks.is_empty()) {
        "WarmupTasks are not supported yet."
    } else if subtopologies.into_iter().any(|it| !it.source_topic_regex.is_empty()) {
        "Regular expressions for source topics are not supported yet."
    } else {
        return Ok(());
    };
    Err((ErrorCode::INVALID_REQUEST, wrong.to_owned()))
}

/// A topology that names more is refused before it is looked at: how the parts feed one another is
/// found in time that is quadratic in them, and Kafka's record has no room for many more.
const NAMES_MAX: usize = 5_000;

/// Whether the topology has no more parts and topics than are looked at.
fn is_of_a_size(topology: &sent::Topology) -> Result<(), Refusal> {
    let named = topology.subtopologies.iter().map(|it| {
        let topics = it.source_topics.len() + it.repartition_sink_topics.len();
        let internal = it.repartition_source_topics.len() + it.state_changelog_topics.len();
        1 + topics + internal + it.copartition_groups.len()
    });
    let named: usize = named.sum();
    if named <= NAMES_MAX {
        return Ok(());
    }
    let message =
        format!("The topology has {named} parts and topics; at most {NAMES_MAX} are taken.");
    Err((ErrorCode::STREAMS_INVALID_TOPOLOGY, message))
}

/// A changelog has as many partitions as there are tasks, which the application does not know.
fn has_valid_changelogs(topology: &sent::Topology) -> Result<(), Refusal> {
    let changelogs = topology.subtopologies.iter().flat_map(|it| &it.state_changelog_topics);
    match changelogs.into_iter().find(|topic| topic.partitions != 0) {
        None => Ok(()),
        Some(topic) => {
            let message = format!(
                "Changelog topic {} must have an undefined partition count, but it is set to {}.",
                topic.name, topic.partitions
            );
            Err((ErrorCode::STREAMS_INVALID_TOPOLOGY, message))
        }
    }
}

/// Whether the group takes one more member. As in Kafka who joins again counts as one.
pub(super) fn has_room(group: &StreamsGroup, ask: &Ask<'_>, joins: bool) -> Result<(), Refusal> {
    let max = ask.settings.streams.size_max;
    if !joins || group.members().len() < max {
        return Ok(());
    }
    let message = format!("The streams group has reached its maximum capacity of {max} members.");
    Err((ErrorCode::GROUP_MAX_SIZE_REACHED, message))
}

/// Finds the member, who is new if it joins.
pub(super) fn known(
    draft: &StreamsDraft<'_>,
    member: &StrBytes,
    request: &StreamsGroupHeartbeatRequest,
) -> Result<Known, Refusal> {
    let group = draft.group();
    let value = group.member(member).cloned();
    let current = group.current(member);
    if request.member_epoch != JOINING {
        if value.is_none() {
            return Err(unknown(&draft.id, member));
        }
        in_epoch(&current, request)?;
    }
    Ok(Known { value, current })
}

/// The refusal of someone who is no member.
pub(super) fn unknown(group: &str, member: &str) -> Refusal {
    let message = format!("Member {member} is not a member of group {group}.");
    (ErrorCode::UNKNOWN_MEMBER_ID, message)
}

/// Whether the member is in the epoch that it says. The one before is good as well while it has no
/// more than it was given: the answer that told it of its new epoch may have been lost.
fn in_epoch(current: &Current, request: &StreamsGroupHeartbeatRequest) -> Result<(), Refusal> {
    let epoch = request.member_epoch;
    let refused = |than: &str| {
        let message = format!(
            "The streams group member has a {than} member epoch ({epoch}) than the one known by \
             the group coordinator ({}). The member must abandon all its partitions and rejoin.",
            current.epoch
        );
        Err((ErrorCode::FENCED_MEMBER_EPOCH, message))
    };
    if epoch > current.epoch {
        return refused("greater");
    }
    let has_no_more = || owned(request).is_some_and(|owned| current.assigned.contains_all(&owned));
    if epoch < current.epoch && !(epoch == current.previous_epoch && has_no_more()) {
        return refused("smaller");
    }
    Ok(())
}

/// What is known of a member after what it says of itself; what it leaves out stays.
pub(super) fn said(
    before: Option<&MemberValue>,
    ask: &Ask<'_>,
    request: &StreamsGroupHeartbeatRequest,
) -> MemberValue {
    let mut value = before.cloned().unwrap_or_else(|| MemberValue {
        instance_id: None,
        rack_id: None,
        rebalance_timeout_ms: -1,
        topology_epoch: -1,
        user_endpoint: None,
        ..MemberValue::default()
    });
    if let Some(rack) = request.rack_id.as_deref() {
        value.rack_id = Some(StrBytes::copied(rack));
    }
    if request.rebalance_timeout_ms != -1 {
        value.rebalance_timeout_ms = request.rebalance_timeout_ms;
    }
    if let Some(topology) = &request.topology {
        value.topology_epoch = topology.epoch;
    }
    if let Some(process) = request.process_id.as_deref() {
        value.process_id = StrBytes::copied(process);
    }
    if let Some(endpoint) = &request.user_endpoint {
        value.user_endpoint = Some(Endpoint {
            host: StrBytes::copied(&endpoint.host),
            port: endpoint.port,
            ..Endpoint::default()
        });
    }
    if let Some(tags) = &request.client_tags {
        let tags =
            tags.iter().map(|tag| (StrBytes::copied(&tag.key), StrBytes::copied(&tag.value)));
        let tags: std::collections::BTreeMap<_, _> = tags.collect();
        let tags = tags.into_iter();
        value.client_tags =
            tags.map(|(key, value)| KeyValue { key, value, ..KeyValue::default() }).collect();
    }
    value.client_id = StrBytes::copied(ask.client_id);
    value.client_host = StrBytes::copied(ask.client_host);
    value
}

/// The group takes the topology of the first member that comes; who has an older one is told so.
pub(super) fn take_topology(
    draft: &mut StreamsDraft<'_>,
    request: &StreamsGroupHeartbeatRequest,
    value: &MemberValue,
    status: &mut Vec<Status>,
) -> Result<(), Refusal> {
    let sent = request.topology.as_ref().map(recorded);
    let Some(known) = draft.group().topology() else {
        if let Some(sent) = sent {
            draft.push(StreamsEntry::Topology(Some(Arc::new(sent))));
        }
        return Ok(());
    };
    let epoch = known.epoch;
    if sent.is_some_and(|sent| sent.epoch >= epoch && !are_same(&sent, known)) {
        let message = "Topology updates are not supported yet.";
        return Err((ErrorCode::INVALID_REQUEST, message.to_owned()));
    }
    if value.topology_epoch < epoch {
        let detail = format!(
            "The member's topology epoch {} is behind the group's topology epoch {epoch}.",
            value.topology_epoch
        );
        status.push(told(STALE_TOPOLOGY, detail));
    }
    Ok(())
}

/// Whether two topologies are the same, in whatever order their parts come.
fn are_same(one: &StreamsGroupTopologyValue, other: &StreamsGroupTopologyValue) -> bool {
    let sorted = |topology: &StreamsGroupTopologyValue| {
        let mut subtopologies = topology.subtopologies.clone();
        subtopologies.sort_by(|a, b| a.subtopology_id.cmp(&b.subtopology_id));
        subtopologies
    };
    one.epoch == other.epoch && sorted(one) == sorted(other)
}

/// A topology as it is written down.
pub(super) fn recorded(topology: &sent::Topology) -> StreamsGroupTopologyValue {
    let copied = |names: &[StrBytes]| names.iter().map(|name| StrBytes::copied(name)).collect();
    let subtopologies = topology.subtopologies.iter().map(|it| Subtopology {
        subtopology_id: StrBytes::copied(&it.subtopology_id),
        source_topics: copied(&it.source_topics),
        source_topic_regex: copied(&it.source_topic_regex),
        state_changelog_topics: it.state_changelog_topics.iter().map(recorded_topic).collect(),
        repartition_sink_topics: copied(&it.repartition_sink_topics),
        repartition_source_topics: it
            .repartition_source_topics
            .iter()
            .map(recorded_topic)
            .collect(),
        copartition_groups: it
            .copartition_groups
            .iter()
            .map(|group| CopartitionGroup {
                source_topics: group.source_topics.clone(),
                source_topic_regex: group.source_topic_regex.clone(),
                repartition_source_topics: group.repartition_source_topics.clone(),
                ..CopartitionGroup::default()
            })
            .collect(),
        ..Subtopology::default()
    });
    StreamsGroupTopologyValue {
        epoch: topology.epoch,
        subtopologies: subtopologies.collect(),
        ..StreamsGroupTopologyValue::default()
    }
}

fn recorded_topic(topic: &sent::TopicInfo) -> TopicInfo {
    let configs = topic.topic_configs.iter().map(|config| TopicConfig {
        key: StrBytes::copied(&config.key),
        value: StrBytes::copied(&config.value),
        ..TopicConfig::default()
    });
    TopicInfo {
        name: StrBytes::copied(&topic.name),
        partitions: topic.partitions,
        replication_factor: topic.replication_factor,
        topic_configs: configs.collect(),
        ..TopicInfo::default()
    }
}

const STALE_TOPOLOGY: i8 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topology_without_bound_is_refused_before_it_is_looked_at() {
        let of = |topics: usize| {
            let source_topics = vec![StrBytes::from("t"); topics];
            let part = sent::Subtopology { source_topics, ..Default::default() };
            sent::Topology { subtopologies: vec![part], ..Default::default() }
        };
        assert_eq!(is_of_a_size(&of(NAMES_MAX - 1)), Ok(()));
        let (code, why) = is_of_a_size(&of(NAMES_MAX)).unwrap_err();
        assert_eq!(code, ErrorCode::STREAMS_INVALID_TOPOLOGY);
        assert_eq!(why, "The topology has 5001 parts and topics; at most 5000 are taken.");
    }
}
