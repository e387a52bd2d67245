//! EndTxn (26), v0-5: commits or aborts a transaction.
//! v2 PRODUCER_FENCED; v3 flexible; v4 TRANSACTION_ABORTABLE; v5 bumps the producer's epoch and
//! tells it (KIP-890). Not served: nothing.

use ottla_security::{Operation, Resource};
use ottla_wire::messages::{EndTxnRequest, EndTxnResponse};
use ottla_wire::{ErrorCode, ProducerEpoch, ProducerId};

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) async fn handle(ctx: Ctx, request: EndTxnRequest) -> Answer<EndTxnResponse> {
    if !ctx.allows(Operation::Write, Resource::TransactionalId(&request.transactional_id)) {
        return EndTxnResponse {
            error_code: ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            producer_id: ProducerId(-1),
            producer_epoch: ProducerEpoch(-1),
            ..Default::default()
        }
        .into();
    }
    ctx.rooms.transactions.end_transaction(ctx.version, request).into()
}
