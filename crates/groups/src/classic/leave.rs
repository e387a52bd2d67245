//! LeaveGroup: members that go, by themselves or removed by an administrator.
//!
//! v0 to v2 name one member; v3 several, static ones also by instance id alone (KIP-345).

use ottla_wire::ErrorCode;
use ottla_wire::messages::leave_group_request::MemberIdentity;
use ottla_wire::messages::leave_group_response::MemberResponse;
use ottla_wire::messages::{LeaveGroupRequest, LeaveGroupResponse};

use crate::classic::{Out, Session};
use crate::{Ask, Decided, GroupReply, Groups, Soft, Topics};

impl Groups {
    /// LeaveGroup, v0 to v5.
    pub fn leave(
        &self,
        soft: &mut Soft,
        ask: &Ask<'_>,
        topics: &dyn Topics,
        request: &LeaveGroupRequest,
    ) -> Decided {
        let mut out = Out::new(ask.now, ask.settings);
        let response = self.leave_or_refuse(soft, ask, topics, request, &mut out);
        out.reply(ask.ticket, GroupReply::Leave(response));
        soft.settle(&request.group_id);
        out.decided(soft)
    }

    fn leave_or_refuse(
        &self,
        soft: &mut Soft,
        ask: &Ask<'_>,
        topics: &dyn Topics,
        request: &LeaveGroupRequest,
        out: &mut Out<'_>,
    ) -> LeaveGroupResponse {
        let refused =
            |error_code| LeaveGroupResponse { error_code, ..LeaveGroupResponse::default() };
        if request.group_id.is_empty() {
            return refused(ErrorCode::INVALID_GROUP_ID);
        }
        let one;
        let leaving = if ask.version < 3 {
            one = [MemberIdentity {
                member_id: request.member_id.clone(),
                ..MemberIdentity::default()
            }];
            &one[..]
        } else {
            &request.members[..]
        };
        let id = &request.group_id;
        let members = match (soft.sessions.get_mut(id), self.consumers(id)) {
            (Some(session), _) => session.leave(leaving, out),
            (None, Some(group)) => {
                let at = (id, group);
                let left_by_name = Groups::leave_consumers_by_name(soft, topics, leaving, at, out);
                let results = leaving.iter().zip(left_by_name);
                results.map(|(one, it)| left(one, it.err().unwrap_or(ErrorCode::NONE))).collect()
            }
            (None, None) => {
                leaving.iter().map(|one| left(one, ErrorCode::UNKNOWN_MEMBER_ID)).collect()
            }
        };
        if ask.version < 3 {
            let error = members.first().map_or(ErrorCode::NONE, |member| member.error_code);
            return refused(error);
        }
        LeaveGroupResponse { members, ..LeaveGroupResponse::default() }
    }
}

impl Session {
    fn leave(&mut self, leaving: &[MemberIdentity], out: &mut Out<'_>) -> Vec<MemberResponse> {
        let answers: Vec<MemberResponse> = leaving
            .iter()
            .map(|identity| {
                let result = self.leave_one(identity, out);
                left(identity, result.err().unwrap_or(ErrorCode::NONE))
            })
            .collect();
        if answers.iter().any(|answer| answer.error_code == ErrorCode::NONE) {
            self.rebalance_after_leave(out);
        }
        answers
    }

    fn leave_one(&mut self, identity: &MemberIdentity, out: &mut Out<'_>) -> Result<(), ErrorCode> {
        let instance = identity.group_instance_id.as_ref();
        let id = if identity.member_id.is_empty() {
            // An administrator names the static member only.
            let known = instance.and_then(|instance| self.statics.get(instance));
            known.cloned().ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?
        } else {
            if !self.pending.contains_key(&identity.member_id) {
                self.validate(&identity.member_id, instance)?;
            }
            identity.member_id.clone()
        };
        self.remove(&id, out);
        Ok(())
    }

    /// A pending member that leaves an empty group begins no rebalance.
    fn rebalance_after_leave(&mut self, out: &mut Out<'_>) {
        if self.phase != crate::classic::Phase::Empty {
            self.rebalance(out);
        }
    }
}

fn left(identity: &MemberIdentity, error_code: ErrorCode) -> MemberResponse {
    MemberResponse {
        member_id: identity.member_id.clone(),
        group_instance_id: identity.group_instance_id.clone(),
        error_code,
        ..MemberResponse::default()
    }
}
