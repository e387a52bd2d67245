//! ConsumerGroupHeartbeat: one heartbeat from its checks to its answer.
//!
//! Kafka tells members the configured interval always; here they are told a shorter one while the
//! group is not stable, so that it settles sooner and members come in turn then. Members of a
//! stable group cannot be reached before their time: what somebody who left had goes to those who
//! are heard of first (target.rs).
//! v0 lets the coordinator make the member id; v1 takes regular expressions (KIP-848). As in Kafka
//! the assignment is told when it changed, to who joins, and to who sent all of its fields. Not
//! here: leaving (leave.rs). Must hold: a refused heartbeat leaves no record.

use std::sync::Arc;

use ottla_wire::messages::consumer_group_heartbeat_request::TopicPartitions as OwnedPartitions;
use ottla_wire::messages::consumer_group_heartbeat_response::{Assignment, TopicPartitions};
use ottla_wire::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use ottla_wire::{ErrorCode, StrBytes, Timestamp, Uuid};

use crate::classic::{Out, Phase};
use crate::consumer::ConsumerDraft;
use crate::consumer::Refusal;
use crate::consumer::membership::{JOINING, LEAVING, LEAVING_FOR_A_WHILE, known_member};
use crate::consumer::mixed::{check_upgrade, upgrade};
use crate::consumer::partitions::Partitions;
use crate::consumer::reconcile::Reconciliation;
use crate::consumer::records::ConsumerEntry;
use crate::consumer::sessions::Rebalance;
use crate::consumer::state::{
    ConsumerGroup, Current, MemberState, MemberValue, Subscription, epoch_entry, session_ms, unsaid,
};
use crate::consumer::subscription::{change_regex, metadata_hash, refresh_regexes, topics_of};
use crate::consumer::target::{
    assignment_age_ms, assignment_wait_ms, preferred_assignor, retarget,
};
use crate::{Ask, Decided, GroupRecord, GroupReply, Groups, Soft, Topics};

impl Groups {
    /// ConsumerGroupHeartbeat, v0 and v1.
    pub fn consumer_heartbeat(
        &self,
        soft: &mut Soft,
        ask: &Ask<'_>,
        topics: &dyn Topics,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> Decided {
        let mut out = Out::new(ask.now, ask.settings);
        let told = check(ask, request).and_then(|()| match request.member_epoch {
            LEAVING | LEAVING_FOR_A_WHILE => self.leave_consumers(soft, topics, request, &mut out),
            _ => self.beat(soft, ask, topics, request, &mut out),
        });
        let response =
            told.unwrap_or_else(|(error_code, message)| ConsumerGroupHeartbeatResponse {
                error_code,
                error_message: Some(StrBytes::from(message)),
                ..ConsumerGroupHeartbeatResponse::default()
            });
        out.reply(ask.ticket, GroupReply::ConsumerHeartbeat(response));
        out.decided(soft)
    }

    fn beat(
        &self,
        soft: &mut Soft,
        ask: &Ask<'_>,
        topics: &dyn Topics,
        request: &ConsumerGroupHeartbeatRequest,
        out: &mut Out<'_>,
    ) -> Result<ConsumerGroupHeartbeatResponse, Refusal> {
        let joins = request.member_epoch == JOINING;
        let (mut draft, upgrades) =
            self.consumers_for(soft, ask, topics, &request.group_id, joins)?;
        has_room(&draft, ask, &request.member_id, request.instance_id.as_deref())?;
        let member = match request.member_id.is_empty() {
            true => StrBytes::from(Uuid(ask.random).to_string()),
            false => StrBytes::copied(&request.member_id),
        };
        let known = known_member(&mut draft, &member, request)?;
        let value = said(&known.value, ask, request);
        let known_wish = known.value.as_ref().and_then(|known| known.server_assignor.as_ref());
        let wishes_other = known_wish != value.server_assignor.as_ref();
        let assignor = wishes_other.then(|| preferred(&draft, ask).to_owned());
        if known.value.as_deref() != Some(&value) {
            draft.push(ConsumerEntry::Member(member.clone(), Some(Arc::new(value.clone()))));
        }
        let before = known.value.as_deref();
        let names_changed = before.map_or(&[][..], |before| &before.subscribed_topic_names)
            != value.subscribed_topic_names.as_slice();
        let regexes = (before.and_then(Subscription::regex), value.regex());
        let regex = change_regex(&mut draft, ask, topics, regexes)?;
        let assignor_changed = assignor.is_some_and(|before| before != preferred(&draft, ask));
        let bump = names_changed || regex.bump || assignor_changed;
        bump_if_changed(&mut draft, soft, ask, topics, bump);
        retarget(&mut draft, soft, ask, topics, &member);
        let changed = names_changed || regex.changed;
        let owned = request.topic_partitions.as_deref();
        let current = reconcile(&mut draft, soft, ask, topics, (&member, &value), owned, changed)?;
        if upgrades {
            soft.upgraded(&draft, out);
        } else if before.is_some_and(|before| before.classic_member_metadata.is_some()) {
            soft.consumers.rebalance(&draft.id, &member, None);
        }
        let times = ask.settings.consumer.times_of(&draft.id);
        soft.consumers.heard(&draft.id, &member, out.after(times.session_timeout_ms));
        if let Some(times) = soft.consumers.group(&draft.id) {
            times.topics_seen = Some(topics.version());
        }
        let heartbeat_interval_ms = interval_ms(&draft, ask, &member);
        let is_told =
            joins || is_full(request) || !current.assigned.same_as(&known.current.assigned);
        out.records.append(&mut draft.records);
        Ok(ConsumerGroupHeartbeatResponse {
            member_id: Some(member),
            member_epoch: current.epoch,
            heartbeat_interval_ms,
            assignment: is_told.then(|| told(&current.assigned)),
            ..ConsumerGroupHeartbeatResponse::default()
        })
    }

    /// The group to decide on; a joining member may make it, or make it out of a classic group.
    /// Answers whether members of that one are in it.
    fn consumers_for(
        &self,
        soft: &mut Soft,
        ask: &Ask<'_>,
        topics: &dyn Topics,
        id: &StrBytes,
        joins: bool,
    ) -> Result<(ConsumerDraft<'_>, bool), Refusal> {
        let Some(group) = self.group(id) else {
            if joins {
                return Ok((ConsumerDraft::new(id, Vec::new()), false));
            }
            let message = format!("Consumer group {id} not found.");
            return Err((ErrorCode::GROUP_ID_NOT_FOUND, message));
        };
        if let Some(consumers) = &group.kinds.consumers {
            return Ok((ConsumerDraft::of(id, consumers), false));
        }
        if !group.is_classic() || !joins {
            let message = format!("Group {id} is not a consumer group.");
            return Err((ErrorCode::GROUP_ID_NOT_FOUND, message));
        }
        let session = soft.sessions.get(id);
        if let Some(session) = session.filter(|session| session.phase() != Phase::Empty) {
            check_upgrade(id, session, ask.settings)?;
            return Ok((upgrade(id, session, topics)?, true));
        }
        soft.remove(id);
        let replaced = group.metadata.is_some();
        let gone = GroupRecord::GroupMetadata { group: StrBytes::copied(id), value: None };
        Ok((ConsumerDraft::new(id, replaced.then_some(gone).into_iter().collect()), false))
    }
}

impl Soft {
    /// A classic group has become one of KIP-848: whoever waits has to join again, and all sessions
    /// begin anew.
    fn upgraded(&mut self, draft: &ConsumerDraft<'_>, out: &mut Out<'_>) {
        if let Some(mut session) = self.remove(&draft.id) {
            session.answer_all(ErrorCode::REBALANCE_IN_PROGRESS, &mut out.replies);
        }
        for (member, value) in draft.group().members().iter() {
            let until = out.now.steady + session_ms(value, out.settings, &draft.id);
            self.consumers.heard(&draft.id, member, until);
        }
    }
}

/// What can be said of a request without looking at the group.
fn check(ask: &Ask<'_>, request: &ConsumerGroupHeartbeatRequest) -> Result<(), Refusal> {
    let epoch = request.member_epoch;
    let is_empty = |text: &Option<StrBytes>| text.as_ref().is_some_and(|text| text.is_empty());
    let needs_id = ask.version >= 1 || epoch > JOINING || epoch == LEAVING;
    let unsubscribed =
        request.subscribed_topic_names.is_none() && request.subscribed_topic_regex.is_none();
    let wrong = if needs_id && request.member_id.is_empty() {
        "MemberId can't be empty."
    } else if request.group_id.trim().is_empty() {
        "GroupId can't be empty."
    } else if is_empty(&request.instance_id) {
        "InstanceId can't be empty."
    } else if is_empty(&request.rack_id) {
        "RackId can't be empty."
    } else if epoch == JOINING && request.rebalance_timeout_ms == -1 {
        "RebalanceTimeoutMs must be provided in first request."
    } else if epoch == JOINING && request.topic_partitions.as_ref().is_none_or(|it| !it.is_empty())
    {
        "TopicPartitions must be empty when (re-)joining."
    } else if epoch == JOINING && unsubscribed {
        "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining."
    } else if epoch == LEAVING_FOR_A_WHILE && request.instance_id.is_none() {
        "InstanceId can't be null."
    } else if epoch < LEAVING_FOR_A_WHILE {
        "MemberEpoch is invalid."
    } else {
        return has_assignor(ask, request);
    };
    Err((ErrorCode::INVALID_REQUEST, wrong.to_owned()))
}

fn has_assignor(ask: &Ask<'_>, request: &ConsumerGroupHeartbeatRequest) -> Result<(), Refusal> {
    let Some(wanted) = request.server_assignor.as_deref() else { return Ok(()) };
    let offered = &ask.settings.consumer.assignors;
    if offered.iter().any(|name| name == wanted) {
        return Ok(());
    }
    let message = format!(
        "ServerAssignor {wanted} is not supported. Supported assignors: {}.",
        offered.join(", ")
    );
    Err((ErrorCode::UNSUPPORTED_ASSIGNOR, message))
}

fn preferred<'a>(draft: &'a ConsumerDraft<'_>, ask: &'a Ask<'_>) -> &'a str {
    preferred_assignor(draft.group(), &ask.settings.consumer)
}

/// Whether the group takes one more member, if this is one more: a static one may replace itself.
pub(crate) fn has_room(
    draft: &ConsumerDraft<'_>,
    ask: &Ask<'_>,
    member: &str,
    instance: Option<&str>,
) -> Result<(), Refusal> {
    let (group, max) = (draft.group(), ask.settings.consumer.size_max);
    if group.members().len() < max
        || group.member(member).is_some()
        || instance.is_some_and(|instance| group.static_member(instance).is_some())
    {
        return Ok(());
    }
    let message = format!("The consumer group has reached its maximum capacity of {max} members.");
    Err((ErrorCode::GROUP_MAX_SIZE_REACHED, message))
}

/// What is known of a member after what it says of itself; what it leaves out stays.
fn said(
    before: &Option<Arc<MemberValue>>,
    ask: &Ask<'_>,
    request: &ConsumerGroupHeartbeatRequest,
) -> MemberValue {
    let mut value = before.as_deref().cloned().unwrap_or_else(unsaid);
    let copied = |text: &StrBytes| StrBytes::copied(text);
    let replace = |place: &mut Option<StrBytes>, said: &Option<StrBytes>| {
        if said.is_some() && place != said {
            *place = said.as_ref().map(copied);
        }
    };
    replace(&mut value.instance_id, &request.instance_id);
    replace(&mut value.rack_id, &request.rack_id);
    replace(&mut value.server_assignor, &request.server_assignor);
    replace(&mut value.subscribed_topic_regex, &request.subscribed_topic_regex);
    if request.rebalance_timeout_ms != -1 {
        value.rebalance_timeout_ms = request.rebalance_timeout_ms;
    }
    if let Some(names) = &request.subscribed_topic_names {
        let mut names: Vec<StrBytes> = names.iter().map(copied).collect();
        names.sort();
        names.dedup();
        value.subscribed_topic_names = names;
    }
    if *value.client_id != *ask.client_id {
        value.client_id = StrBytes::copied(ask.client_id);
    }
    if *value.client_host != *ask.client_host {
        value.client_host = StrBytes::copied(ask.client_host);
    }
    value.classic_member_metadata = None;
    value
}

/// Gives the group its next epoch when its topics are others than those it was assigned by.
pub(crate) fn bump_if_changed(
    draft: &mut ConsumerDraft<'_>,
    soft: &mut Soft,
    ask: &Ask<'_>,
    topics: &dyn Topics,
    mut bump: bool,
) {
    let topics_changed = soft.topics_changed;
    bump |= refresh_regexes(draft, ask, topics, topics_changed);
    let seen = soft.consumers.group(&draft.id).and_then(|times| times.topics_seen);
    let is_fresh = seen.is_some_and(|seen| seen >= topics_changed);
    if !bump && is_fresh {
        return;
    }
    let group = draft.group();
    let hash = metadata_hash(group, topics);
    if bump || hash != group.epochs().metadata_hash() {
        draft.push(epoch_entry(group.epochs().next(), hash));
        soft.rebalances.consumers += 1;
        if draft.group().has_partition_metadata {
            draft.push(ConsumerEntry::PartitionMetadata(None));
        }
    }
}

/// Takes the member one step towards its target.
pub(crate) fn reconcile(
    draft: &mut ConsumerDraft<'_>,
    soft: &mut Soft,
    ask: &Ask<'_>,
    topics: &dyn Topics,
    (member, value): (&StrBytes, &MemberValue),
    owned: Option<&[OwnedPartitions]>,
    subscription_changed: bool,
) -> Result<Arc<Current>, Refusal> {
    let group = draft.group();
    let current = group.current(member);
    let target_epoch = group.epochs().target_epoch();
    if current.is_at(target_epoch) && !subscription_changed {
        return Ok(current);
    }
    let reconciliation = Reconciliation {
        current: &current,
        target_epoch,
        target: &group.target(member),
        subscribed: &topics_of(group, value, topics),
        subscription_changed,
        owned,
        is_held: &|topic, partition| group.is_held(&current, topic, partition),
    };
    let next = reconciliation.next().map_err(|code| {
        let message = "The consumer group member is in an unknown state and has to rejoin.";
        (code, message.to_owned())
    })?;
    if next == *current {
        return Ok(current);
    }
    draft.push(next.entry(member));
    if value.classic_member_metadata.is_some() {
        // It has to come back in time, whatever it is to do then.
        return Ok(Arc::new(next));
    }
    let rebalance = (next.state == MemberState::Unrevoked).then(|| Rebalance {
        until: ask.now.steady + i64::from(value.rebalance_timeout_ms.max(1)),
        epoch: next.epoch,
    });
    soft.consumers.rebalance(&draft.id, member, rebalance);
    Ok(Arc::new(next))
}

/// When the member is to send its next heartbeat: the configured interval, or sooner while the
/// group is not stable. It is not stable
/// - while an assignment is due or waits for its interval: members ask again when it can be made;
/// - while members are on their way to their targets, who ask often, the less often the more
///   members there are and the longer it takes: one may let go of nothing for minutes;
/// - until the interval of the last assignment is over: who joins until then is not assigned
///   before. The first of many members to start has everything at once, and is there again when
///   others can be given some of it.
///
/// Members without a step to go come in turn until then: those that settle together would else all
/// be silent for the same while when one of them leaves.
fn interval_ms(draft: &ConsumerDraft<'_>, ask: &Ask<'_>, member: &StrBytes) -> i32 {
    let configured_ms = ask.settings.consumer.times_of(&draft.id).heartbeat_interval_ms;
    let group = draft.group();
    let capped = |ms: i64| i32::try_from(ms).unwrap_or(i32::MAX);
    let members = i32::try_from(group.members().len()).unwrap_or(i32::MAX);
    let by_load_ms = members / UNSETTLED_HEARTBEATS_PER_MS;
    let wait_ms = capped(assignment_wait_ms(group, &draft.id, ask));
    let next_ms = if group.epochs().is_ahead() {
        by_load_ms.max(wait_ms)
    } else if !group.current(member).is_at(group.epochs().target_epoch()) {
        let age_ms = assignment_age_ms(group, ask).unwrap_or(0);
        by_load_ms.max(capped(age_ms / UNSETTLED_AGE_PER_HEARTBEAT))
    } else if group.is_settled() && wait_ms == 0 {
        configured_ms
    } else if members == 1 {
        wait_ms
    } else {
        until_turn_ms(group, member, ask.now.steady, configured_ms)
    };
    next_ms.max(UNSETTLED_HEARTBEAT_MS_MIN).min(configured_ms)
}

/// The time until a member's turn, when the members of a group share an interval evenly. One that
/// is about to have its turn has it now.
fn until_turn_ms(
    group: &ConsumerGroup,
    member: &StrBytes,
    now: Timestamp,
    interval_ms: i32,
) -> i32 {
    let count = |members: usize| i64::try_from(members).unwrap_or(i64::MAX);
    let before = group.members().keys().take_while(|known| *known < member).count();
    let interval = i64::from(interval_ms.max(1));
    let turn = interval.saturating_mul(count(before)) / count(group.members().len()).max(1);
    let wait_ms = turn.saturating_sub(now.0).rem_euclid(interval);
    let wait_ms = i32::try_from(wait_ms).unwrap_or(interval_ms);
    if wait_ms < UNSETTLED_HEARTBEAT_MS_MIN { interval_ms } else { wait_ms }
}

/// Whether the member tells all of itself, as it does after an error.
fn is_full(request: &ConsumerGroupHeartbeatRequest) -> bool {
    let subscribes =
        request.subscribed_topic_names.is_some() || request.subscribed_topic_regex.is_some();
    request.rebalance_timeout_ms != -1 && subscribes && request.topic_partitions.is_some()
}

fn told(assigned: &Partitions) -> Assignment {
    let topics = assigned.topics().map(|(topic_id, partitions)| TopicPartitions {
        topic_id,
        partitions: partitions.iter().map(|(index, _)| *index).collect(),
        ..TopicPartitions::default()
    });
    Assignment { topic_partitions: topics.collect(), ..Assignment::default() }
}

/// Members of a group that is not stable are not told to ask more often than this.
const UNSETTLED_HEARTBEAT_MS_MIN: i32 = 250;
/// And all of them together not more often than this: a group of 1,000 settles with about 5,000
/// heartbeats in 0.2 s of CPU time, so that they take a tenth of a core while it lasts.
const UNSETTLED_HEARTBEATS_PER_MS: i32 = 2;
/// Nor more often than so many times in as long as the last assignment is old.
const UNSETTLED_AGE_PER_HEARTBEAT: i64 = 4;
