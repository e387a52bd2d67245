//! BrokerHeartbeat (63), v0-2: a broker tells that it lives, and learns whether it may serve.
//! v1 failed log directories (KIP-858); v2 cordoned ones (KIP-1066).
//! Asks for ClusterAction on the cluster. Not served: nothing.

use ottla_wire::ErrorCode;
use ottla_wire::messages::{BrokerHeartbeatRequest, BrokerHeartbeatResponse};

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) fn handle(
    ctx: &Ctx,
    request: BrokerHeartbeatRequest,
) -> Answer<BrokerHeartbeatResponse> {
    if !ctx.is_node() {
        let error_code = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
        return BrokerHeartbeatResponse { error_code, ..Default::default() }.into();
    }
    ctx.shared.broker_came_over(request.broker_id, ctx.connection.id);
    ctx.decide(|controller, live| controller.broker_heartbeat(live, &request))
}
