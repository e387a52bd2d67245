//! ConsumerGroupHeartbeat (68), v0-1: membership in a KIP-848 group, from joining to leaving.
//! v1 regular expressions, member ids made by the client. A regular expression stands for topics
//! that the client may describe. Not served: nothing.

use ottla_security::{Operation, Resource};
use ottla_wire::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use ottla_wire::{ErrorCode, StrBytes};

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) async fn handle(
    ctx: Ctx,
    request: ConsumerGroupHeartbeatRequest,
) -> Answer<ConsumerGroupHeartbeatResponse> {
    let refused = |error_code: ErrorCode| ConsumerGroupHeartbeatResponse {
        error_code,
        error_message: Some(StrBytes::from(error_code.message())),
        ..Default::default()
    };
    if !ctx.serves_consumer_groups() {
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
    ctx.rooms.groups.consumer_heartbeat(ctx.caller(), ctx.version, topics, request).into()
}
