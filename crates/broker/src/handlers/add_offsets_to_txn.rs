//! AddOffsetsToTxn (25), v0-4: takes the home of a group's offsets into a transaction.
//! v2 PRODUCER_FENCED; v3 flexible; v4 TRANSACTION_ABORTABLE. Not served: nothing.

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
    let Some(home) = ctx.rooms.groups.partition_of(&request.group_id) else {
        return told(ErrorCode::COORDINATOR_NOT_AVAILABLE).into();
    };
    ctx.rooms.transactions.add_offsets(ctx.version, &request, home).map(told).into()
}
