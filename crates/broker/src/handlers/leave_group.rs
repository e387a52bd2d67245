//! LeaveGroup (13), v0-5: takes members out of their group.
//! v3 several members, by static id too (KIP-345); v4 flexible; v5 reason.
//! Not served: nothing.

use ottla_security::{Operation, Resource};
use ottla_wire::ErrorCode;
use ottla_wire::messages::{LeaveGroupRequest, LeaveGroupResponse};

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) async fn handle(ctx: Ctx, request: LeaveGroupRequest) -> Answer<LeaveGroupResponse> {
    if !ctx.allows(Operation::Read, Resource::Group(&request.group_id)) {
        return LeaveGroupResponse {
            error_code: ErrorCode::GROUP_AUTHORIZATION_FAILED,
            ..Default::default()
        }
        .into();
    }
    ctx.rooms.groups.leave_group(ctx.caller(), ctx.version, ctx.topics(), request).into()
}
