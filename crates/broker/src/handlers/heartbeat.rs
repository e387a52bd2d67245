//! Heartbeat (12), v0-4: keeps a member alive and tells it of a rebalance.
//! v3 static members (KIP-345); v4 flexible.
//! Not served: nothing.

use ottla_security::{Operation, Resource};
use ottla_wire::ErrorCode;
use ottla_wire::messages::{HeartbeatRequest, HeartbeatResponse};

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) async fn handle(ctx: Ctx, request: HeartbeatRequest) -> Answer<HeartbeatResponse> {
    if !ctx.allows(Operation::Read, Resource::Group(&request.group_id)) {
        return HeartbeatResponse {
            error_code: ErrorCode::GROUP_AUTHORIZATION_FAILED,
            ..Default::default()
        }
        .into();
    }
    ctx.rooms.groups.heartbeat(ctx.caller(), ctx.version, request).into()
}
