//! BrokerRegistration (62), v0-4: a broker joins the cluster (KIP-631).
//! Asks for ClusterAction on the cluster. Not served: nothing.

use ottla_wire::ErrorCode;
use ottla_wire::messages::{BrokerRegistrationRequest, BrokerRegistrationResponse};

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) fn handle(
    ctx: &Ctx,
    request: BrokerRegistrationRequest,
) -> Answer<BrokerRegistrationResponse> {
    if !ctx.is_node() {
        let error_code = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
        return BrokerRegistrationResponse { error_code, ..Default::default() }.into();
    }
    ctx.decide(|controller, live| controller.register_broker(live, &request))
}
