//! SyncGroup, Heartbeat and LeaveGroup of classic members of a KIP-848 group.
//!
//! A member is told to join again when it is to take a step: it is behind the targets, has to let
//! go, or can have what it has been waiting for. LeaveGroup removes members of either protocol, as
//! administrators need it. Must hold: an assignment is what its member has by the group's records.

use std::sync::Arc;

use bytes::Bytes;
use ottla_wire::messages::consumer_group_member_metadata_value::ClassicMemberMetadata;
use ottla_wire::messages::leave_group_request::MemberIdentity;
use ottla_wire::messages::{HeartbeatRequest, SyncGroupRequest, SyncGroupResponse};
use ottla_wire::{ErrorCode, Generation, StrBytes};

use super::embedded;
use crate::classic::{CONSUMERS, Out};
use crate::consumer::ConsumerDraft;
use crate::consumer::leave::fence;
use crate::consumer::membership::fenced_or;
use crate::consumer::sessions::Rebalance;
use crate::consumer::state::{ConsumerGroup, Current, MemberState, MemberValue, session_ms};
use crate::{Ask, Groups, Soft, Topics};

impl Groups {
    /// What a member was given by its JoinGroup.
    pub(crate) fn sync_consumers(
        soft: &mut Soft,
        ask: &Ask<'_>,
        topics: &dyn Topics,
        request: &SyncGroupRequest,
        group: &ConsumerGroup,
    ) -> Result<SyncGroupResponse, ErrorCode> {
        let (member, instance) = (&request.member_id, request.group_instance_id.as_deref());
        let (value, classic) = classic_member(group, member, instance)?;
        let current = group.current(member);
        in_generation(&current, request.generation_id)?;
        let offered = classic.supported_protocols.first();
        let offered = offered.ok_or(ErrorCode::UNKNOWN_SERVER_ERROR)?;
        let differs = |asked: &Option<StrBytes>, own: &str| {
            asked.as_ref().is_some_and(|asked| asked.as_bytes() != own.as_bytes())
        };
        if differs(&request.protocol_type, CONSUMERS)
            || differs(&request.protocol_name, &offered.name)
        {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        if is_behind(group, &current) && current.state != MemberState::Unrevoked {
            await_join(soft, ask, &request.group_id, member, (value, &current));
            return Err(ErrorCode::REBALANCE_IN_PROGRESS);
        }
        let assignment = embedded::assigned(&current.assigned, topics, &offered.metadata);
        let assignment: Bytes = assignment.ok_or(ErrorCode::UNKNOWN_SERVER_ERROR)?;
        extend(soft, ask, &request.group_id, member, value);
        soft.consumers.rebalance(&request.group_id, member, None);
        Ok(SyncGroupResponse {
            protocol_type: request.protocol_type.as_deref().map(StrBytes::copied),
            protocol_name: request.protocol_name.as_deref().map(StrBytes::copied),
            assignment,
            ..SyncGroupResponse::default()
        })
    }

    /// A sign of life, which is answered by whether the member has to join again.
    pub(crate) fn beat_consumers(
        soft: &mut Soft,
        ask: &Ask<'_>,
        request: &HeartbeatRequest,
        group: &ConsumerGroup,
    ) -> Result<(), ErrorCode> {
        let (member, instance) = (&request.member_id, request.group_instance_id.as_deref());
        let (value, _) = classic_member(group, member, instance)?;
        let current = group.current(member);
        in_generation(&current, request.generation_id)?;
        extend(soft, ask, &request.group_id, member, value);
        let may_go_on = match current.state {
            MemberState::Unrevoked => true,
            MemberState::Unreleased => !waits_for_others(group, member, &current),
            MemberState::Stable | MemberState::Unknown(_) => false,
        };
        if is_behind(group, &current) || may_go_on {
            await_join(soft, ask, &request.group_id, member, (value, &current));
            return Err(ErrorCode::REBALANCE_IN_PROGRESS);
        }
        Ok(())
    }

    /// Members leave, all of them in one decision; each is told whether it was one.
    pub(crate) fn leave_consumers_by_name(
        soft: &mut Soft,
        topics: &dyn Topics,
        leaving: &[MemberIdentity],
        (id, group): (&StrBytes, &ConsumerGroup),
        out: &mut Out<'_>,
    ) -> Vec<Result<(), ErrorCode>> {
        let named: Vec<_> = leaving.iter().map(|identity| member_of(group, identity)).collect();
        let mut members: Vec<StrBytes> = named.iter().flatten().cloned().collect();
        members.sort();
        members.dedup();
        if !members.is_empty() {
            fence(&mut ConsumerDraft::of(id, group), &members, soft, topics, out);
        }
        named.into_iter().map(|member| member.map(|_| ())).collect()
    }
}

/// Whom an identity names. An administrator names a static member without its id.
fn member_of(group: &ConsumerGroup, identity: &MemberIdentity) -> Result<StrBytes, ErrorCode> {
    let id = &identity.member_id;
    let known = match &identity.group_instance_id {
        None => group.member(id).is_some().then(|| StrBytes::copied(id)),
        Some(instance) => {
            if !id.is_empty() {
                fenced_or(group, id, instance).map_err(|(code, _)| code)?;
            }
            group.static_member(instance).map(|(member, _)| member.clone())
        }
    };
    known.ok_or(ErrorCode::UNKNOWN_MEMBER_ID)
}

/// A member that speaks the classic protocol.
fn classic_member<'a>(
    group: &'a ConsumerGroup,
    member: &str,
    instance: Option<&str>,
) -> Result<(&'a Arc<MemberValue>, &'a ClassicMemberMetadata), ErrorCode> {
    if let Some(instance) = instance {
        fenced_or(group, member, instance).map_err(|(code, _)| code)?;
    }
    let value = group.member(member).ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
    let classic = value.classic_member_metadata.as_ref().ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
    Ok((value, classic))
}

fn in_generation(current: &Current, generation: Generation) -> Result<(), ErrorCode> {
    if current.epoch.0 == generation.0 { Ok(()) } else { Err(ErrorCode::ILLEGAL_GENERATION) }
}

fn is_behind(group: &ConsumerGroup, current: &Current) -> bool {
    current.epoch < group.epochs().target_epoch()
}

/// Whether something that the member shall have is still with somebody else.
fn waits_for_others(group: &ConsumerGroup, member: &str, current: &Current) -> bool {
    let target = group.target(member);
    target.iter().any(|(topic, partition, _)| {
        !current.assigned.contains(topic, partition) && group.is_held(current, topic, partition)
    })
}

fn extend(soft: &mut Soft, ask: &Ask<'_>, id: &StrBytes, member: &StrBytes, value: &MemberValue) {
    let until = ask.now.steady + session_ms(value, ask.settings, id);
    soft.consumers.heard(id, member, until);
}

/// The member has to join again within its rebalance timeout, which runs since it was first told.
fn await_join(
    soft: &mut Soft,
    ask: &Ask<'_>,
    id: &StrBytes,
    member: &StrBytes,
    (value, current): (&MemberValue, &Current),
) {
    if !soft.consumers.has_rebalance(id, member) {
        let until = ask.now.steady + i64::from(value.rebalance_timeout_ms.max(1));
        let rebalance = Rebalance { until, epoch: current.epoch };
        soft.consumers.rebalance(id, member, Some(rebalance));
    }
}
