//! ListPartitionReassignments (46), v0: which partitions are getting other replicas (KIP-455).
//! Asks for Describe on the cluster. Not served: nothing.

use ottla_controller::list_partition_reassignments;
use ottla_security::{Operation, Resource};
use ottla_wire::ErrorCode;
use ottla_wire::messages::{ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse};

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) fn handle(
    ctx: &Ctx,
    request: ListPartitionReassignmentsRequest,
) -> Answer<ListPartitionReassignmentsResponse> {
    if !ctx.allows(Operation::Describe, Resource::Cluster) {
        let error_code = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
        let error_message = Some(error_code.message().into());
        let refused =
            ListPartitionReassignmentsResponse { error_code, error_message, ..Default::default() };
        return refused.into();
    }
    list_partition_reassignments(&ctx.image(), &request).into()
}
