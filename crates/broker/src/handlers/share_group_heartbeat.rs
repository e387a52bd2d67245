//! ShareGroupHeartbeat (76), v1: membership in a share group, from joining to leaving (KIP-932).
//! An answer that follows from newly subscribed partitions waits until their states are begun at
//! the share coordinator; they are assigned with the next one. Not served: nothing.

use ottla_coordination::Answer as Coordinated;
use ottla_security::{Operation, Resource};
use ottla_wire::messages::{ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse};
use ottla_wire::{ErrorCode, StrBytes};

use crate::answer::Answer;
use crate::context::Ctx;
use crate::share_groups;

pub(crate) async fn handle(
    ctx: Ctx,
    request: ShareGroupHeartbeatRequest,
) -> Answer<ShareGroupHeartbeatResponse> {
    if !ctx.rooms.serves_share_groups() {
        return refused(ErrorCode::UNSUPPORTED_VERSION).into();
    }
    if !ctx.allows(Operation::Read, Resource::Group(&request.group_id)) {
        return refused(ErrorCode::GROUP_AUTHORIZATION_FAILED).into();
    }
    let names = request.subscribed_topic_names.iter().flatten();
    if names.into_iter().any(|name| !ctx.allows(Operation::Describe, Resource::Topic(name))) {
        return refused(ErrorCode::TOPIC_AUTHORIZATION_FAILED).into();
    }
    let topics = ctx.topics();
    let heard = ctx.rooms.groups.share_heartbeat(ctx.caller(), ctx.version, topics, request);
    match heard {
        Coordinated::Now((response, None)) => response.into(),
        heard => Answer::Later(Box::pin(async move {
            let (response, initialize) = heard.await;
            let Some(initialize) = initialize else { return response };
            match share_groups::initialize(&ctx, &initialize).await {
                Ok(()) => response,
                Err(error) => refused(error),
            }
        })),
    }
}

fn refused(error_code: ErrorCode) -> ShareGroupHeartbeatResponse {
    ShareGroupHeartbeatResponse {
        error_code,
        error_message: Some(StrBytes::from(error_code.message())),
        ..Default::default()
    }
}
