//! AlterPartition (56), v2-3: a leader changes in-sync replicas (KIP-497, v3 KIP-841).
//! Asks for ClusterAction on the cluster. Not served: nothing.

use ottla_wire::ErrorCode;
use ottla_wire::messages::{AlterPartitionRequest, AlterPartitionResponse};

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) fn handle(ctx: &Ctx, request: AlterPartitionRequest) -> Answer<AlterPartitionResponse> {
    if !ctx.is_node() {
        let error_code = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
        return AlterPartitionResponse { error_code, ..Default::default() }.into();
    }
    ctx.decide(|controller, live| controller.alter_partition(live, &request))
}
