//! ControllerRegistration (70), v0: a controller tells what it supports (KIP-919).
//! Asks for ClusterAction on the cluster. Not served: nothing.

use ottla_wire::ErrorCode;
use ottla_wire::messages::{ControllerRegistrationRequest, ControllerRegistrationResponse};

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) fn handle(
    ctx: &Ctx,
    request: ControllerRegistrationRequest,
) -> Answer<ControllerRegistrationResponse> {
    if !ctx.is_node() {
        let error_code = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
        return ControllerRegistrationResponse { error_code, ..Default::default() }.into();
    }
    ctx.decide(|controller, live| controller.register_controller(live, &request))
}
