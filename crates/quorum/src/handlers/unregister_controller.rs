//! UnregisterController (94), v0: takes a controller out of the cluster for good.
//! Asks for Alter on the cluster. Not served: nothing.

use ottla_security::{Operation, Resource};
use ottla_wire::ErrorCode;
use ottla_wire::messages::{UnregisterControllerRequest, UnregisterControllerResponse};

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) fn handle(
    ctx: &Ctx,
    request: UnregisterControllerRequest,
) -> Answer<UnregisterControllerResponse> {
    if !ctx.allows(Operation::Alter, Resource::Cluster) {
        let error_code = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
        return UnregisterControllerResponse { error_code, ..Default::default() }.into();
    }
    ctx.decide(|controller, live| controller.unregister_controller(live, &request))
}
