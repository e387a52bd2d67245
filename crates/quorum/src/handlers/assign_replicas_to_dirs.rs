//! AssignReplicasToDirs (73), v0: a broker tells where replicas lie (KIP-858).
//! Asks for ClusterAction on the cluster. Not served: nothing.

use ottla_wire::ErrorCode;
use ottla_wire::messages::{AssignReplicasToDirsRequest, AssignReplicasToDirsResponse};

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) fn handle(
    ctx: &Ctx,
    request: AssignReplicasToDirsRequest,
) -> Answer<AssignReplicasToDirsResponse> {
    if !ctx.is_node() {
        let error_code = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
        return AssignReplicasToDirsResponse { error_code, ..Default::default() }.into();
    }
    ctx.decide(|controller, live| controller.assign_replicas_to_dirs(live, &request))
}
