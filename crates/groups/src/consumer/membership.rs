//! Who a heartbeat comes from: a new member, a known one, or a static one that comes back.
//!
//! A static member that left for a while (epoch -2) is replaced by whoever joins with its instance
//! id, and hands over what it had; so is one of the classic protocol, which cannot say so.
//! Not here: what the member says of itself (heartbeat.rs).

use std::sync::Arc;

use ottla_wire::messages::ConsumerGroupHeartbeatRequest;
use ottla_wire::messages::consumer_group_heartbeat_request::TopicPartitions;
use ottla_wire::{ErrorCode, MemberEpoch, StrBytes};

use crate::consumer::ConsumerDraft;
use crate::consumer::Refusal;
use crate::consumer::records::ConsumerEntry;
use crate::consumer::state::{ConsumerGroup, Current, MemberValue, target_entry};

/// A joining member.
pub(crate) const JOINING: MemberEpoch = MemberEpoch(0);
/// A member that leaves for good.
pub(crate) const LEAVING: MemberEpoch = MemberEpoch(-1);
/// A static member that leaves to come back.
pub(crate) const LEAVING_FOR_A_WHILE: MemberEpoch = MemberEpoch(-2);

/// What is known of the member before its heartbeat.
pub(crate) struct Known {
    /// None for a new member.
    pub(crate) value: Option<Arc<MemberValue>>,
    pub(crate) current: Arc<Current>,
}

/// Finds the member, or makes place for a joining one.
pub(crate) fn known_member(
    draft: &mut ConsumerDraft<'_>,
    member: &StrBytes,
    request: &ConsumerGroupHeartbeatRequest,
) -> Result<Known, Refusal> {
    let joins = request.member_epoch == JOINING;
    if let Some(instance) = &request.instance_id {
        if joins {
            replace_static(draft, member, instance)?;
        } else {
            fenced_or(draft.group(), member, instance)?;
        }
    }
    let group = draft.group();
    let value = group.member(member).cloned();
    if value.is_none() && !joins {
        return Err(unknown_member(draft, member));
    }
    let current = group.current(member);
    if !joins {
        in_epoch(&current, request.member_epoch, request.topic_partitions.as_deref())?;
    }
    Ok(Known { value, current })
}

/// The refusal of someone who is no member.
pub(crate) fn unknown_member(draft: &ConsumerDraft<'_>, member: &str) -> Refusal {
    let message = format!("Member {member} is not a member of group {}.", draft.id);
    (ErrorCode::UNKNOWN_MEMBER_ID, message)
}

/// Whether `member` is who last joined as this static member.
pub(crate) fn fenced_or(
    group: &ConsumerGroup,
    member: &str,
    instance: &str,
) -> Result<(), Refusal> {
    match group.static_member(instance) {
        None => Err((ErrorCode::UNKNOWN_MEMBER_ID, format!("Instance id {instance} is unknown."))),
        Some((known, _)) if known.as_bytes() != member.as_bytes() => {
            let message = format!(
                "Static member {member} with instance id {instance} was fenced by member {known}."
            );
            Err((ErrorCode::FENCED_INSTANCE_ID, message))
        }
        Some(_) => Ok(()),
    }
}

/// A static member joins: it takes the place of the one that left for a while.
fn replace_static(
    draft: &mut ConsumerDraft<'_>,
    member: &StrBytes,
    instance: &str,
) -> Result<(), Refusal> {
    let group = draft.group();
    let Some((former, value)) = group.static_member(instance) else { return Ok(()) };
    let (former, speaks_classic) = (former.clone(), value.classic_member_metadata.is_some());
    if !speaks_classic && group.current(&former).epoch != LEAVING_FOR_A_WHILE {
        let message = format!(
            "Static member {member} with instance id {instance} cannot join the group because the \
             instance id is owned by {former} member."
        );
        return Err((ErrorCode::UNRELEASED_INSTANCE_ID, message));
    }
    hand_over(draft, &former, member);
    Ok(())
}

/// What a member was, shall have and has is another's.
pub(crate) fn hand_over(draft: &mut ConsumerDraft<'_>, former: &StrBytes, member: &StrBytes) {
    let group = draft.group();
    let Some(value) = group.member(former).cloned() else { return };
    let target = group.target(former);
    let current = group.current(former);
    let taken_over =
        Current { epoch: JOINING, previous_epoch: MemberEpoch(0), ..current.as_ref().clone() };
    remove(draft, former);
    draft.push(ConsumerEntry::Member(member.clone(), Some(value)));
    draft.push(target_entry(member, &target));
    draft.push(taken_over.entry(member));
}

/// Removes what is written down of a member.
pub(crate) fn remove(draft: &mut ConsumerDraft<'_>, member: &StrBytes) {
    draft.push(ConsumerEntry::Current(member.clone(), None));
    draft.push(ConsumerEntry::Target(member.clone(), None));
    draft.push(ConsumerEntry::Member(member.clone(), None));
}

/// Whether the member is in the epoch that it says. The one before is good as well while it has no
/// more than it was given: the answer that told it of its new epoch may have been lost.
fn in_epoch(
    current: &Current,
    epoch: MemberEpoch,
    owned: Option<&[TopicPartitions]>,
) -> Result<(), Refusal> {
    let refused = |than: &str| {
        let message = format!(
            "The consumer group member has a {than} member epoch ({epoch}) than the one known by \
             the group coordinator ({}). The member must abandon all its partitions and rejoin.",
            current.epoch
        );
        Err((ErrorCode::FENCED_MEMBER_EPOCH, message))
    };
    if epoch > current.epoch {
        return refused("greater");
    }
    let has_no_more = || {
        owned.is_some_and(|owned| {
            owned.iter().all(|topic| {
                let mut partitions = topic.partitions.iter();
                partitions.all(|index| current.assigned.contains(topic.topic_id, *index))
            })
        })
    };
    if epoch < current.epoch && !(epoch == current.previous_epoch && has_no_more()) {
        return refused("smaller");
    }
    Ok(())
}
