//! DescribeTransactions (65), v0: the states of transactional ids, for administrators.
//! Topics that the client may not see are left out. Not served: nothing.

use ottla_coordination::Answer as Coordinated;
use ottla_security::{Operation, Resource};
use ottla_wire::messages::describe_transactions_response::TransactionState;
use ottla_wire::messages::{DescribeTransactionsRequest, DescribeTransactionsResponse};
use ottla_wire::{ErrorCode, StrBytes};

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) async fn handle(
    ctx: Ctx,
    request: DescribeTransactionsRequest,
) -> Answer<DescribeTransactionsResponse> {
    let described = request.transactional_ids.iter().map(|id| describe(&ctx, id));
    let described = Coordinated::all(described.collect());
    let caller = ctx.clone();
    let told = described.map(move |mut transaction_states| {
        for state in &mut transaction_states {
            let sees = |name: &str| caller.allows(Operation::Describe, Resource::Topic(name));
            state.topics.retain(|topic| sees(&topic.topic));
        }
        DescribeTransactionsResponse { transaction_states, ..Default::default() }
    });
    told.into()
}

fn describe(ctx: &Ctx, id: &StrBytes) -> Coordinated<TransactionState> {
    if ctx.allows(Operation::Describe, Resource::TransactionalId(id)) {
        return ctx.rooms.transactions.describe_transaction(id);
    }
    Coordinated::Now(TransactionState {
        error_code: ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        transactional_id: id.clone(),
        ..Default::default()
    })
}
