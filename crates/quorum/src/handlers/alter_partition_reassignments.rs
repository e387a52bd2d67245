//! AlterPartitionReassignments (45), v0-1: other replicas for partitions, or an end to what is
//! under way (KIP-455). v1 whether there may be more or fewer of them. Asks for Alter on the
//! cluster. Not served: timeoutMs.

use ottla_security::{Operation, Resource};
use ottla_wire::ErrorCode;
use ottla_wire::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
};

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) fn handle(
    ctx: &Ctx,
    request: AlterPartitionReassignmentsRequest,
) -> Answer<AlterPartitionReassignmentsResponse> {
    if !ctx.allows(Operation::Alter, Resource::Cluster) {
        let error_code = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
        let error_message = Some(error_code.message().into());
        let refused =
            AlterPartitionReassignmentsResponse { error_code, error_message, ..Default::default() };
        return refused.into();
    }
    ctx.decide(|controller, live| controller.alter_partition_reassignments(live, &request))
}
