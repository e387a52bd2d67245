//! SyncGroup and Heartbeat: the second step of a rebalance, and the sign of life between them.
//!
//! SyncGroup v5 must name the protocol, as it is the group's. Must hold: members only ever get the
//! assignment that the leader of their generation gave.

use std::collections::BTreeMap;

use bytes::Bytes;
use ottla_wire::messages::{
    HeartbeatRequest, HeartbeatResponse, SyncGroupRequest, SyncGroupResponse,
};
use ottla_wire::{ErrorCode, Generation, StrBytes};

use crate::classic::member::Waits;
use crate::classic::{Out, Phase, Session};
use crate::{Ask, Decided, GroupReply, Groups, Soft, Topics};

impl Groups {
    /// SyncGroup, v0 to v5. A follower's answer comes with the leader's request.
    pub fn sync(
        &self,
        soft: &mut Soft,
        ask: &Ask<'_>,
        topics: &dyn Topics,
        request: &SyncGroupRequest,
    ) -> Decided {
        let mut out = Out::new(ask.now, ask.settings);
        let result = if request.group_id.is_empty() {
            Err(ErrorCode::INVALID_GROUP_ID)
        } else if ask.version >= 5
            && (request.protocol_type.is_none() || request.protocol_name.is_none())
        {
            Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL)
        } else {
            match (soft.sessions.get_mut(&request.group_id), self.consumers(&request.group_id)) {
                (Some(session), _) => session.sync(ask, request, &mut out),
                (None, Some(group)) => Groups::sync_consumers(soft, ask, topics, request, group)
                    .map(|response| out.reply(ask.ticket, GroupReply::Sync(response))),
                (None, None) => Err(ErrorCode::UNKNOWN_MEMBER_ID),
            }
        };
        if let Err(error_code) = result {
            let response = SyncGroupResponse { error_code, ..SyncGroupResponse::default() };
            out.reply(ask.ticket, GroupReply::Sync(response));
        }
        soft.settle(&request.group_id);
        out.decided(soft)
    }

    /// Heartbeat, v0 to v4.
    ///
    /// Costs one look-up, and no change of the filed deadline: that one only turns out to be too
    /// early when it comes.
    pub fn heartbeat(&self, soft: &mut Soft, ask: &Ask<'_>, request: &HeartbeatRequest) -> Decided {
        let result = if request.group_id.is_empty() {
            Err(ErrorCode::INVALID_GROUP_ID)
        } else {
            match soft.sessions.get_mut(&request.group_id) {
                Some(session) => session.heartbeat(ask, request),
                None => match self.consumers(&request.group_id) {
                    Some(group) => Groups::beat_consumers(soft, ask, request, group),
                    None => Err(ErrorCode::UNKNOWN_MEMBER_ID),
                },
            }
        };
        let error_code = result.err().unwrap_or(ErrorCode::NONE);
        let response = HeartbeatResponse { error_code, ..HeartbeatResponse::default() };
        soft.answer(ask.ticket, GroupReply::Heartbeat(response))
    }
}

impl Session {
    fn heartbeat(&mut self, ask: &Ask<'_>, request: &HeartbeatRequest) -> Result<(), ErrorCode> {
        self.validate(&request.member_id, request.group_instance_id.as_ref())?;
        self.same_generation(request.generation_id)?;
        match self.phase {
            Phase::Empty => Err(ErrorCode::UNKNOWN_MEMBER_ID),
            Phase::Preparing { .. } => {
                self.extend(&request.member_id, ask.now);
                Err(ErrorCode::REBALANCE_IN_PROGRESS)
            }
            Phase::Completing | Phase::Stable => {
                self.extend(&request.member_id, ask.now);
                Ok(())
            }
        }
    }

    pub(crate) fn same_generation(&self, generation: Generation) -> Result<(), ErrorCode> {
        if generation == self.generation { Ok(()) } else { Err(ErrorCode::ILLEGAL_GENERATION) }
    }

    fn sync(
        &mut self,
        ask: &Ask<'_>,
        request: &SyncGroupRequest,
        out: &mut Out<'_>,
    ) -> Result<(), ErrorCode> {
        self.validate(&request.member_id, request.group_instance_id.as_ref())?;
        self.same_generation(request.generation_id)?;
        let differs = |asked: &Option<StrBytes>, own: &Option<StrBytes>| {
            asked.is_some() && own.is_some() && asked != own
        };
        if differs(&request.protocol_type, &self.protocol_type)
            || differs(&request.protocol_name, &self.protocol)
        {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        match self.phase {
            Phase::Empty => Err(ErrorCode::UNKNOWN_MEMBER_ID),
            Phase::Preparing { .. } => Err(ErrorCode::REBALANCE_IN_PROGRESS),
            Phase::Completing => {
                self.park_sync(ask, request, out);
                if self.is_leader(&request.member_id) {
                    self.assign(request, out);
                }
                Ok(())
            }
            Phase::Stable => {
                self.park_sync(ask, request, out);
                self.answer_synced(out);
                Ok(())
            }
        }
    }

    fn park_sync(&mut self, ask: &Ask<'_>, request: &SyncGroupRequest, out: &mut Out<'_>) {
        if let Some(member) = self.members.get_mut(&request.member_id) {
            out.replies.extend(member.answer(ErrorCode::REBALANCE_IN_PROGRESS));
            member.waits = Waits::Sync(ask.ticket);
            member.synced = true;
        }
        if self.members.values().all(|member| member.synced) {
            self.sync_until = None;
        }
    }

    /// The leader has assigned: the generation is settled, written down, and everyone told.
    fn assign(&mut self, request: &SyncGroupRequest, out: &mut Out<'_>) {
        let given: BTreeMap<&str, &Bytes> = request
            .assignments
            .iter()
            .map(|given| (given.member_id.as_str(), &given.assignment))
            .collect();
        for member in self.members.values_mut() {
            let assignment = given.get(member.id.as_str());
            // A member that the leader left out gets nothing.
            member.assignment =
                assignment.map(|given| Bytes::copy_from_slice(given)).unwrap_or_default();
        }
        out.records.push(self.record());
        self.enter(Phase::Stable, out.now);
        self.answer_synced(out);
    }

    fn answer_synced(&mut self, out: &mut Out<'_>) {
        for member in self.members.values_mut() {
            let Waits::Sync(ticket) = member.waits else { continue };
            member.waits = Waits::Nothing;
            member.extend(out.now);
            let response = SyncGroupResponse {
                protocol_type: self.protocol_type.clone(),
                protocol_name: self.protocol.clone(),
                assignment: member.assignment.clone(),
                ..SyncGroupResponse::default()
            };
            out.replies.push((ticket, GroupReply::Sync(response)));
        }
    }
}
