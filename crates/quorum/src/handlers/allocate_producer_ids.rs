//! AllocateProducerIds (67), v0: gives a broker the next block of producer ids.
//! Asks for ClusterAction on the cluster. Not served: nothing.

use ottla_wire::ErrorCode;
use ottla_wire::messages::{AllocateProducerIdsRequest, AllocateProducerIdsResponse};

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) fn handle(
    ctx: &Ctx,
    request: AllocateProducerIdsRequest,
) -> Answer<AllocateProducerIdsResponse> {
    if !ctx.is_node() {
        let error_code = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
        return AllocateProducerIdsResponse { error_code, ..Default::default() }.into();
    }
    ctx.decide(|controller, live| controller.allocate_producer_ids(live, &request))
}
