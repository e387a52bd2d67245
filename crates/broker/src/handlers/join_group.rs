//! JoinGroup (11), v0-9: makes the client a member and waits until the group is complete.
//! v1 rebalance timeout; v4 a member is given its id first; v5 static members (KIP-345); v6
//! flexible; v7 protocol type; v8 reason; v9 skip assignment.
//! Not served: nothing.

use ottla_security::{Operation, Resource};
use ottla_wire::messages::{JoinGroupRequest, JoinGroupResponse};
use ottla_wire::{ErrorCode, StrBytes};

use crate::answer::Answer;
use crate::context::Ctx;

/// From this version on an answer without a protocol says so by null.
const NO_PROTOCOL_SINCE: i16 = 7;

pub(crate) async fn handle(ctx: Ctx, request: JoinGroupRequest) -> Answer<JoinGroupResponse> {
    if !ctx.allows(Operation::Read, Resource::Group(&request.group_id)) {
        return JoinGroupResponse {
            error_code: ErrorCode::GROUP_AUTHORIZATION_FAILED,
            protocol_name: (ctx.version < NO_PROTOCOL_SINCE).then(StrBytes::default),
            ..Default::default()
        }
        .into();
    }
    ctx.rooms.groups.join_group(ctx.caller(), ctx.version, ctx.topics(), request).into()
}
