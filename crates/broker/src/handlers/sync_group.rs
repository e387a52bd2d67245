//! SyncGroup (14), v0-5: brings the leader's assignment and waits for one's own.
//! v3 static members (KIP-345); v4 flexible; v5 protocol type and name.
//! Not served: nothing.

use ottla_security::{Operation, Resource};
use ottla_wire::ErrorCode;
use ottla_wire::messages::{SyncGroupRequest, SyncGroupResponse};

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) async fn handle(ctx: Ctx, request: SyncGroupRequest) -> Answer<SyncGroupResponse> {
    if !ctx.allows(Operation::Read, Resource::Group(&request.group_id)) {
        return SyncGroupResponse {
            error_code: ErrorCode::GROUP_AUTHORIZATION_FAILED,
            ..Default::default()
        }
        .into();
    }
    ctx.rooms.groups.sync_group(ctx.caller(), ctx.version, ctx.topics(), request).into()
}
