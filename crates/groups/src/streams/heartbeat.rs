//! StreamsGroupHeartbeat (88), v0: a member of a streams group from joining to leaving.
//!
//! Epoch 0 joins, -1 leaves, any other is the member's. The order of the checks is that of Kafka
//! 4.3 (GroupMetadataManager). The tasks are told to who joins and when they are others than
//! before. Not served, as in Kafka 4.3: static members, regular expressions for source topics,
//! warm-up tasks and the offsets of tasks, another topology for a group that has one. Not here: the
//! creation of topics, which is the caller's. Must hold: a refused heartbeat leaves no record.

use std::sync::Arc;

use ottla_wire::messages::streams_group_heartbeat_request::TaskIds as SentTasks;
use ottla_wire::messages::streams_group_heartbeat_response::{Status, TaskIds};
use ottla_wire::messages::{StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse};
use ottla_wire::{ErrorCode, MemberEpoch, StrBytes};

use super::endpoints::endpoints;
use super::membership::{self, JOINING, LEAVING};
use super::reconcile::{Reconciliation, Taken};
use super::records::StreamsEntry;
use super::settings::StreamsRules;
use super::state::{Current, Ground, MemberState, MemberValue, NOT_VALIDATED};
use super::target::{configs, is_too_soon, retarget};
use super::tasks::{TaskId, Tasks, lists_of, tasks_of};
use super::topology::{Configured, configure, required};
use super::{Refusal, StreamsDraft};
use crate::consumer::{Rebalance, hash_of};
use crate::{Ask, Decided, GroupRecord, GroupReply, Groups, Soft, Topics};

/// The answer to a heartbeat, and what is to be done for the member.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamsAnswer {
    /// The answer.
    pub response: StreamsGroupHeartbeatResponse,
    /// The internal topics that are missing: whoever asked is to have them created, by its own
    /// rights.
    pub create: Vec<InternalTopic>,
}

/// A topic between two parts of an application, or behind a store of it.
#[derive(Clone, Debug, PartialEq)]
pub struct InternalTopic {
    /// The topic's name.
    pub name: StrBytes,
    /// How many partitions it shall have.
    pub partitions: i32,
    /// How many replicas; -1 for the broker's default.
    pub replication_factor: i16,
    /// Its configs by name, sorted.
    pub configs: Vec<(StrBytes, StrBytes)>,
}

/// Records and the answer.
pub(super) type Answered = (Vec<GroupRecord>, StreamsAnswer);

impl Groups {
    /// StreamsGroupHeartbeat, v0.
    pub fn streams_heartbeat(
        &self,
        soft: &mut Soft,
        ask: &Ask<'_>,
        topics: &dyn Topics,
        request: &StreamsGroupHeartbeatRequest,
    ) -> Decided {
        let decided = membership::check(request).and_then(|()| match request.member_epoch {
            LEAVING => self.streams_leave(soft, request),
            _ => self.streams_stay(soft, ask, topics, request),
        });
        let (records, answer) = decided.unwrap_or_else(|(error_code, message)| {
            let response = StreamsGroupHeartbeatResponse {
                error_code,
                error_message: (!message.is_empty()).then(|| StrBytes::from(message)),
                ..StreamsGroupHeartbeatResponse::default()
            };
            (Vec::new(), StreamsAnswer { response, create: Vec::new() })
        });
        let reply = GroupReply::StreamsHeartbeat(Box::new(answer));
        Decided { records, replies: vec![(ask.ticket, reply)], wake: soft.wake() }
    }

    fn streams_stay(
        &self,
        soft: &mut Soft,
        ask: &Ask<'_>,
        topics: &dyn Topics,
        request: &StreamsGroupHeartbeatRequest,
    ) -> Result<Answered, Refusal> {
        let joins = request.member_epoch == JOINING;
        let mut draft = self.streams_for(soft, &request.group_id, joins)?;
        let rules = ask.settings.streams.rules_of(&draft.id);
        membership::has_room(draft.group(), ask, joins)?;
        let id = StrBytes::copied(&request.member_id);
        let known = membership::known(&draft, &id, request)?;
        let was_empty = draft.group().members().is_empty();
        let value = Arc::new(membership::said(known.value.as_deref(), ask, request));
        let mut bump = known.value.as_ref() != Some(&value);
        if bump {
            draft.push(StreamsEntry::Member(id.clone(), Some(value.clone())));
        }
        let mut status = Vec::new();
        let is_new_topology = draft.group().topology().is_none();
        membership::take_topology(&mut draft, request, &value, &mut status)?;
        let (configured, hash) = look_up(soft, topics, &draft, is_new_topology)?;
        bump |= hash != draft.group().epochs().metadata_hash();
        let ground = ground(&configured, &rules, request)?;
        if bump || ground != **draft.group().ground() {
            let entry = ground.entry(draft.group().epochs().next(), hash);
            draft.push(entry);
            soft.rebalances.streams += 1;
        }
        if was_empty && rules.initial_rebalance_delay_ms > 0 {
            let until = ask.now.steady + i64::from(rules.initial_rebalance_delay_ms);
            soft.streams.delay(&draft.id, until);
        }
        assign_if_due(&mut draft, soft, ask, &rules, &configured, &mut status);
        let current = reconcile(&mut draft, soft, ask, request, (&id, &value))?;
        let until = ask.now.steady + i64::from(rules.session_timeout_ms.max(1));
        soft.streams.times.heard(&draft.id, &id, until);
        if request.shutdown_application {
            soft.streams.known_mut(&draft.id).stopped_by = Some(id.clone());
        }
        let mut response = StreamsGroupHeartbeatResponse {
            member_id: id.clone(),
            member_epoch: current.epoch,
            heartbeat_interval_ms: rules.heartbeat_interval_ms,
            ..StreamsGroupHeartbeatResponse::default()
        };
        let changed = current.assigned != known.current.assigned;
        if joins || changed {
            tell_tasks(&mut response, &current.assigned);
        }
        let is_served = (joins || changed) && value.user_endpoint.is_some();
        self.tell_endpoints(soft, is_served, topics, (&draft, &configured), request, &mut response);
        let mut create = Vec::new();
        if let Some(problem) = &configured.problem {
            create = configured.missing.clone();
            status.push(told(problem.status, problem.detail.clone()));
        }
        if let Some(member) = soft.streams.known(&draft.id).and_then(|it| it.stopped_by.as_ref()) {
            status.push(told(SHUTDOWN_APPLICATION, stopped(member)));
        }
        response.status = Some(status);
        Ok((draft.records, StreamsAnswer { response, create }))
    }

    /// Tells which partitions members serve, if the member does not know that already.
    fn tell_endpoints(
        &self,
        soft: &mut Soft,
        is_served: bool,
        topics: &dyn Topics,
        (draft, configured): (&StreamsDraft<'_>, &Configured),
        request: &StreamsGroupHeartbeatRequest,
        response: &mut StreamsGroupHeartbeatResponse,
    ) {
        let known = soft.streams.known_mut(&draft.id);
        let epoch = known.endpoint_epoch.saturating_add(i32::from(is_served));
        if epoch != request.endpoint_information_epoch {
            let told = endpoints(draft.group(), configured, topics, &response.member_id);
            response.partitions_by_user_endpoint = Some(told);
        }
        // As in Kafka the first answer of a group does not count.
        if self.streams_group(&draft.id).is_some() {
            known.endpoint_epoch = epoch;
            response.endpoint_information_epoch = epoch;
        }
    }
}

/// What the cluster has of the group's topology, and the hash of it. It is looked up again when
/// topics have changed since, or nothing is known of it.
fn look_up(
    soft: &mut Soft,
    topics: &dyn Topics,
    draft: &StreamsDraft<'_>,
    is_new: bool,
) -> Result<(Arc<Configured>, i64), Refusal> {
    let Some(topology) = draft.group().topology().cloned() else {
        return Err((ErrorCode::UNKNOWN_SERVER_ERROR, String::new()));
    };
    let hash = draft.group().epochs().metadata_hash();
    let seen = soft.streams.known(&draft.id).and_then(|known| known.topics_seen);
    let is_fresh = seen.is_some_and(|seen| seen >= soft.topics_changed);
    let configured = soft.streams.configured(&draft.id, &topology).cloned();
    if let Some(configured) = configured.as_ref().filter(|_| is_fresh && !is_new) {
        return Ok((configured.clone(), hash));
    }
    let now = hash_of(&required(&topology), topics);
    let configured = match configured.filter(|_| now == hash && !is_new) {
        Some(configured) => configured,
        None => Arc::new(configure(&topology, topics)?),
    };
    soft.streams.configure(&draft.id, configured.clone());
    soft.streams.known_mut(&draft.id).topics_seen = Some(topics.version());
    Ok((configured, now))
}

/// What the next epoch is for: a topology whose topics are all there, and the configs in force.
fn ground(
    configured: &Configured,
    rules: &StreamsRules,
    request: &StreamsGroupHeartbeatRequest,
) -> Result<Ground, Refusal> {
    let mut validated_topology_epoch = NOT_VALIDATED;
    if configured.is_ready() {
        validated_topology_epoch = configured.topology.epoch;
        for tasks in [&request.active_tasks, &request.standby_tasks, &request.warmup_tasks] {
            are_tasks(configured, tasks.as_deref().unwrap_or_default())?;
        }
    }
    Ok(Ground { validated_topology_epoch, configs: configs(rules) })
}

/// Whether there are such tasks.
fn are_tasks(configured: &Configured, tasks: &[SentTasks]) -> Result<(), Refusal> {
    let refused = |message| Err((ErrorCode::INVALID_REQUEST, message));
    let subtopologies = configured.subtopologies.iter().flatten();
    let counts: std::collections::BTreeMap<_, _> =
        subtopologies.map(|(id, subtopology)| (id, subtopology.tasks)).collect();
    for sent in tasks {
        let id = &sent.subtopology_id;
        let Some(count) = counts.get(id) else {
            return refused(format!("Subtopology {id} does not exist in the topology."));
        };
        if let Some(wrong) = sent.partitions.iter().find(|it| !(0..*count).contains(&it.0)) {
            return refused(format!(
                "Task {wrong} for subtopology {id} is invalid. Number of tasks for this \
                 subtopology: {count}"
            ));
        }
    }
    Ok(())
}

fn assign_if_due(
    draft: &mut StreamsDraft<'_>,
    soft: &Soft,
    ask: &Ask<'_>,
    rules: &StreamsRules,
    configured: &Configured,
    status: &mut Vec<Status>,
) {
    if soft.streams.is_delayed(&draft.id) {
        let why = "Assignment delayed due to the configured initial rebalance delay.";
        status.push(told(ASSIGNMENT_DELAYED, why.to_owned()));
    } else if draft.group().epochs().is_ahead() {
        if is_too_soon(draft.group(), rules, ask.now.wall) {
            let why = "Assignment delayed due to the configured assignment interval.";
            status.push(told(ASSIGNMENT_DELAYED, why.to_owned()));
        } else {
            retarget(draft, configured, ask.now.wall);
        }
    }
}

/// Takes the member one step towards its target.
fn reconcile(
    draft: &mut StreamsDraft<'_>,
    soft: &mut Soft,
    ask: &Ask<'_>,
    request: &StreamsGroupHeartbeatRequest,
    (member, value): (&StrBytes, &MemberValue),
) -> Result<Arc<Current>, Refusal> {
    let group = draft.group();
    let current = group.current(member);
    let target_epoch = group.epochs().target_epoch();
    if current.is_at(target_epoch) {
        return Ok(current);
    }
    let owned = owned(request);
    let reconciliation = Reconciliation {
        current: &current,
        target_epoch,
        target: &group.target(member),
        owned: owned.as_ref(),
        taken: &Taken::of(group, &value.process_id),
    };
    let next = reconciliation.next().map_err(|code| {
        let message = "The streams group member is in a unknown state. The member must abandon \
                       all its tasks and rejoin.";
        (code, message.to_owned())
    })?;
    if next == *current {
        return Ok(current);
    }
    draft.push(next.entry(member));
    let rebalance = (next.state == MemberState::Unrevoked).then(|| Rebalance {
        until: ask.now.steady + i64::from(value.rebalance_timeout_ms.max(1)),
        epoch: next.epoch,
    });
    soft.streams.times.rebalance(&draft.id, member, rebalance);
    Ok(Arc::new(next))
}

/// The tasks that a member says it has; none when it does not say.
pub(super) fn owned(request: &StreamsGroupHeartbeatRequest) -> Option<Tasks> {
    let tasks = |lists: &[SentTasks]| -> Vec<TaskId> {
        tasks_of(lists.iter().map(|it| (&it.subtopology_id, &*it.partitions))).collect()
    };
    let active = tasks(request.active_tasks.as_ref()?).into_iter();
    Some(Tasks {
        active: active.map(|task| (task, MemberEpoch(0))).collect(),
        standby: tasks(request.standby_tasks.as_ref()?).into_iter().collect(),
        warmup: tasks(request.warmup_tasks.as_ref()?).into_iter().collect(),
    })
}

fn tell_tasks(response: &mut StreamsGroupHeartbeatResponse, tasks: &Tasks) {
    let list =
        |subtopology_id, partitions| TaskIds { subtopology_id, partitions, ..TaskIds::default() };
    response.active_tasks = Some(lists_of(tasks.active.keys(), list));
    response.standby_tasks = Some(lists_of(&tasks.standby, list));
    response.warmup_tasks = Some(lists_of(&tasks.warmup, list));
}

pub(super) fn told(status_code: i8, detail: String) -> Status {
    Status { status_code, status_detail: StrBytes::from(detail), ..Status::default() }
}

fn stopped(member: &str) -> String {
    format!(
        "Streams group member {member} encountered a fatal error and requested a shutdown for the \
         entire application."
    )
}

const SHUTDOWN_APPLICATION: i8 = 4;
const ASSIGNMENT_DELAYED: i8 = 5;
