//! AddOffsetsToTxn (25), v0-4: takes the home of a group's offsets into a transaction.
//! v2 PRODUCER_FENCED; v3 flexible; v4 TRANSACTION_ABORTABLE. Not served: nothing.

use ottla_coordination::partition_of;
use ottla_security::{Operation, Resource};
use ottla_wire::ErrorCode;
use ottla_wire::messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) async fn handle(
    ctx: Ctx,
    request: AddOffsetsToTxnRequest,
) -> Answer<AddOffsetsToTxnResponse> {
    let told = |error_code| AddOffsetsToTxnResponse { error_code, ..Default::default() };
    if !ctx.allows(Operation::Write, Resource::TransactionalId(&request.transactional_id)) {
        return told(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED).into();
    }
    if !ctx.allows(Operation::Read, Resource::Group(&request.group_id)) {
        return told(ErrorCode::GROUP_AUTHORIZATION_FAILED).into();
    }
    // The group's topic may not be there yet: only the next request looks for its coordinator.
    let to_be = || {
        let settings = ctx.rooms.configs.now();
        partition_of(&request.group_id, settings.groups.offsets_topic_num_partitions)
    };
    let home = ctx.rooms.groups.partition_of(&request.group_id).or_else(to_be);
    let Some(home) = home else { return told(ErrorCode::COORDINATOR_NOT_AVAILABLE).into() };
    ctx.rooms.transactions.add_offsets(ctx.version, request, home).map(told).into()
}
