//! ShareGroupHeartbeat (76), v1: a member of a share group from joining to leaving.
//!
//! Epoch 0 joins, -1 leaves, any other is the member's. The order of the checks is that of Kafka
//! 4.3 (GroupMetadataManager). A member that has heard nothing of its last answer may say its
//! previous epoch. What is to be initialized goes along with the answer, which the caller holds
//! back until that is done.

use std::sync::Arc;

use ottla_wire::messages::share_group_heartbeat_response::{Assignment, TopicPartitions};
use ottla_wire::messages::{ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse};
use ottla_wire::{ErrorCode, MemberEpoch, StrBytes};

use super::Refusal;
use super::ShareDraft;
use super::assign::{is_pending, retarget};
use super::initialize::{Initialize, missing};
use super::records::ShareEntry;
use super::state::{Assigned, Current, MemberValue, current_entry, epoch_entry};
use crate::consumer::hash_of;
use crate::{Ask, Decided, GroupRecord, GroupReply, Groups, Soft, Topics};

const JOINING: MemberEpoch = MemberEpoch(0);
const LEAVING: MemberEpoch = MemberEpoch(-1);

impl Groups {
    /// ShareGroupHeartbeat, v1.
    pub fn share_heartbeat(
        &self,
        soft: &mut Soft,
        ask: &Ask<'_>,
        topics: &dyn Topics,
        request: &ShareGroupHeartbeatRequest,
    ) -> Decided {
        let decided = check(request).and_then(|()| match request.member_epoch {
            LEAVING => self.share_leave(soft, topics, request),
            _ => self.share_stay(soft, ask, topics, request),
        });
        let (records, response, initialize) = decided.unwrap_or_else(|(error_code, message)| {
            let response = ShareGroupHeartbeatResponse {
                error_code,
                error_message: Some(StrBytes::from(message)),
                ..ShareGroupHeartbeatResponse::default()
            };
            (Vec::new(), response, None)
        });
        let reply = GroupReply::ShareHeartbeat(Box::new((response, initialize)));
        Decided { records, replies: vec![(ask.ticket, reply)], wake: soft.wake() }
    }

    fn share_stay(
        &self,
        soft: &mut Soft,
        ask: &Ask<'_>,
        topics: &dyn Topics,
        request: &ShareGroupHeartbeatRequest,
    ) -> Result<Answered, Refusal> {
        let joins = request.member_epoch == JOINING;
        let mut draft = self.shares_for(&request.group_id, joins)?;
        let id = StrBytes::copied(&request.member_id);
        has_room(&draft, ask, &id)?;
        let before = draft.group().member(&id).cloned();
        check_member(&draft, before.is_some(), request)?;
        let value = said(before.as_ref(), ask, request);
        let mut bump = false;
        if before.as_deref() != Some(&value) {
            let names = before.as_ref().map(|before| &before.subscribed_topic_names);
            bump = names != Some(&value.subscribed_topic_names);
            draft.push(ShareEntry::Member(id.clone(), Some(Arc::new(value))));
        }
        bump_if_changed(&mut draft, soft, topics, bump);
        retarget(&mut draft, ask, topics);
        let current = reconcile(&mut draft, &id);
        let times = ask.settings.share.times_of(&draft.id);
        let until = ask.now.steady + i64::from(times.session_timeout_ms);
        soft.sharers.heard(&draft.id, &id, until);
        if let Some(group) = soft.sharers.group(&draft.id) {
            group.topics_seen = Some(topics.version());
        }
        let had = self.share_group(&draft.id).map(|group| group.current(&id));
        let has_changed = had.is_none_or(|had| had.assigned != current.assigned);
        let is_told = joins || request.subscribed_topic_names.is_some() || has_changed;
        let initialize = missing(&mut draft, soft, ask, topics);
        let response = ShareGroupHeartbeatResponse {
            member_id: Some(id),
            member_epoch: current.epoch,
            heartbeat_interval_ms: times.heartbeat_interval_ms,
            assignment: is_told.then(|| told(&current.assigned)),
            ..ShareGroupHeartbeatResponse::default()
        };
        Ok((draft.records, response, initialize))
    }

    /// The share group of an id. One is begun for who joins, never in place of another kind.
    fn shares_for(&self, id: &str, joins: bool) -> Result<ShareDraft<'_>, Refusal> {
        let Some(group) = self.group(id) else {
            if joins {
                return Ok(ShareDraft::new(id, Vec::new()));
            }
            let message = format!("Share group {id} not found.");
            return Err((ErrorCode::GROUP_ID_NOT_FOUND, message));
        };
        let Some(shares) = &group.kinds.shares else {
            let message = format!("Group {id} is not a share group.");
            return Err((ErrorCode::GROUP_ID_NOT_FOUND, message));
        };
        Ok(ShareDraft::of(id, shares))
    }
}

/// Records, the answer, and what the answer waits for.
pub(super) type Answered = (Vec<GroupRecord>, ShareGroupHeartbeatResponse, Option<Initialize>);

/// What can be said of a request without looking at the group.
fn check(request: &ShareGroupHeartbeatRequest) -> Result<(), Refusal> {
    let names = request.subscribed_topic_names.as_deref();
    let wrong = if request.member_id.is_empty() {
        "MemberId can't be empty."
    } else if request.group_id.trim().is_empty() {
        "GroupId can't be empty."
    } else if request.rack_id.as_deref().is_some_and(str::is_empty) {
        "RackId can't be empty."
    } else if request.member_epoch == JOINING && names.is_none_or(<[StrBytes]>::is_empty) {
        "SubscribedTopicNames must be set in first request."
    } else if request.member_epoch < LEAVING {
        "MemberEpoch is invalid."
    } else {
        return Ok(());
    };
    Err((ErrorCode::INVALID_REQUEST, wrong.to_owned()))
}

fn has_room(draft: &ShareDraft<'_>, ask: &Ask<'_>, member: &str) -> Result<(), Refusal> {
    let (group, max) = (draft.group(), ask.settings.share.size_max);
    if group.members().len() < max || group.member(member).is_some() {
        return Ok(());
    }
    let message = format!("The share group has reached its maximum capacity of {max} members.");
    Err((ErrorCode::GROUP_MAX_SIZE_REACHED, message))
}

/// Whether the member may speak in this epoch.
fn check_member(
    draft: &ShareDraft<'_>,
    is_known: bool,
    request: &ShareGroupHeartbeatRequest,
) -> Result<(), Refusal> {
    let (id, epoch) = (&request.member_id, request.member_epoch);
    if epoch == JOINING {
        return Ok(());
    }
    if !is_known {
        let message = format!("Member {id} is not a member of group {}.", draft.id);
        return Err((ErrorCode::UNKNOWN_MEMBER_ID, message));
    }
    let current = draft.group().current(id);
    let is_last = epoch == current.epoch || epoch == current.previous_epoch;
    if epoch > current.epoch || !is_last {
        let message = format!(
            "The share group member has another epoch ({epoch}) than the one known by the group \
             coordinator ({}); the member must abandon all its partitions and rejoin.",
            current.epoch
        );
        return Err((ErrorCode::FENCED_MEMBER_EPOCH, message));
    }
    Ok(())
}

/// What is known of a member after what it says of itself; what it leaves out stays.
fn said(
    before: Option<&Arc<MemberValue>>,
    ask: &Ask<'_>,
    request: &ShareGroupHeartbeatRequest,
) -> MemberValue {
    let mut value = before.map(|before| (**before).clone()).unwrap_or_default();
    // The default of the record's schema is an empty rack; a member that names none has none.
    value.rack_id = before.and_then(|before| before.rack_id.clone());
    if let Some(rack) = request.rack_id.as_deref() {
        value.rack_id = Some(StrBytes::copied(rack));
    }
    if let Some(names) = &request.subscribed_topic_names {
        let mut names: Vec<StrBytes> = names.iter().map(|name| StrBytes::copied(name)).collect();
        names.sort();
        names.dedup();
        value.subscribed_topic_names = names;
    }
    value.client_id = StrBytes::copied(ask.client_id);
    value.client_host = StrBytes::copied(ask.client_host);
    value
}

/// Gives the group its next epoch when its topics are others than those it was assigned by, or
/// partitions have been initialized since.
fn bump_if_changed(
    draft: &mut ShareDraft<'_>,
    soft: &mut Soft,
    topics: &dyn Topics,
    mut bump: bool,
) {
    let group = draft.group();
    let is_assigned = !group.epochs().is_ahead();
    bump |= is_assigned && !group.members().is_empty() && is_pending(group, topics);
    let seen = soft.sharers.group(&draft.id).and_then(|times| times.topics_seen);
    if !bump && seen.is_some_and(|seen| seen >= soft.topics_changed) {
        return;
    }
    let hash = hash_of(&group.names(), topics);
    if bump || hash != group.epochs().metadata_hash() {
        draft.push(epoch_entry(draft.group().epochs().next(), hash));
        soft.rebalances.shares += 1;
    }
}

/// The member has what its target says, as of the target's epoch.
fn reconcile(draft: &mut ShareDraft<'_>, member: &StrBytes) -> Arc<Current> {
    let group = draft.group();
    let current = group.current(member);
    let epoch = group.epochs().target_epoch();
    if current.epoch == epoch {
        return current;
    }
    let assigned = (*group.target(member)).clone();
    let next = Current { epoch, previous_epoch: current.epoch, assigned };
    draft.push(current_entry(member, &next));
    Arc::new(next)
}

fn told(assigned: &Assigned) -> Assignment {
    let topics = assigned.iter().map(|(topic_id, partitions)| TopicPartitions {
        topic_id: *topic_id,
        partitions: partitions.iter().copied().collect(),
        ..TopicPartitions::default()
    });
    Assignment { topic_partitions: topics.collect(), ..Assignment::default() }
}
