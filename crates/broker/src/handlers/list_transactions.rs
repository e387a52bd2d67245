//! ListTransactions (66), v0-2: the transactional ids that this broker coordinates.
//! v0 by state and producer; v1 by duration; v2 by a pattern of ids (KIP-1152). Ids that the client
//! may not see are left out. Not served: nothing.

use ottla_security::{Operation, Resource};
use ottla_wire::messages::{ListTransactionsRequest, ListTransactionsResponse};

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) async fn handle(
    ctx: Ctx,
    request: ListTransactionsRequest,
) -> Answer<ListTransactionsResponse> {
    let caller = ctx.clone();
    let listed = ctx.rooms.transactions.list_transactions(ctx.version, &request);
    let told = listed.map(move |mut response| {
        response.transaction_states.retain(|state| {
            let id = Resource::TransactionalId(&state.transactional_id);
            caller.allows(Operation::Describe, id)
        });
        response
    });
    told.into()
}
