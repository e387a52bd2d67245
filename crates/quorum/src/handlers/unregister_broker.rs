//! UnregisterBroker (64), v0: takes a broker out of the cluster for good.
//! Asks for Alter on the cluster. Not served: nothing.

use ottla_security::{Operation, Resource};
use ottla_wire::ErrorCode;
use ottla_wire::messages::{UnregisterBrokerRequest, UnregisterBrokerResponse};

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) fn handle(
    ctx: &Ctx,
    request: UnregisterBrokerRequest,
) -> Answer<UnregisterBrokerResponse> {
    if !ctx.allows(Operation::Alter, Resource::Cluster) {
        let error_code = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
        return UnregisterBrokerResponse { error_code, ..Default::default() }.into();
    }
    ctx.decide(|controller, live| controller.unregister_broker(live, &request))
}
