//! Who may alter the configs of which resource, for the two APIs that do.
//! Not here: which values are allowed (controller).

use ottla_metadata::ResourceType;
use ottla_security::{Operation, Resource};
use ottla_wire::ErrorCode;

use crate::context::Ctx;

/// Whether the client may alter the configs of this resource. What is of no known kind is left
/// to the controller, which refuses it.
pub(crate) fn may_alter(ctx: &Ctx, kind: i8, name: &str) -> bool {
    let on = match ResourceType(kind) {
        ResourceType::TOPIC => Resource::Topic(name),
        ResourceType::GROUP => Resource::Group(name),
        _ => Resource::Cluster,
    };
    ctx.allows(Operation::AlterConfigs, on)
}

/// What Kafka answers to who may not.
pub(crate) fn refused(kind: i8) -> ErrorCode {
    match ResourceType(kind) {
        ResourceType::TOPIC => ErrorCode::TOPIC_AUTHORIZATION_FAILED,
        ResourceType::GROUP => ErrorCode::GROUP_AUTHORIZATION_FAILED,
        _ => ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
    }
}
