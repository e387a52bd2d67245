//! InitProducerId (22), v0-6: gives a producer its id and epoch.
//! v2 flexible; v3 the id and epoch that the producer has; v4 PRODUCER_FENCED; v5 errors of
//! transactions v2 (KIP-890); v6 transactions that something else decides (KIP-939), which is not
//! final in Kafka and served where `unstable.api.versions.enable` says so. With a transactional id
//! its coordinator decides. Not served: keeping a prepared transaction, as in Kafka 4.4.

use ottla_security::{Operation, Resource};
use ottla_wire::messages::{InitProducerIdRequest, InitProducerIdResponse};
use ottla_wire::{ErrorCode, ProducerEpoch, ProducerId};

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) async fn handle(
    ctx: Ctx,
    request: InitProducerIdRequest,
) -> Answer<InitProducerIdResponse> {
    let refused = |error_code| InitProducerIdResponse {
        error_code,
        producer_epoch: ProducerEpoch(-1),
        ..Default::default()
    };
    if let Some(id) = &request.transactional_id
        && !may_have_transactions(&ctx, id, request.enable2_pc)
    {
        return refused(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED).into();
    }
    if request.transactional_id.is_none() && !may_write(&ctx) {
        return refused(ErrorCode::CLUSTER_AUTHORIZATION_FAILED).into();
    }
    let has_id = request.producer_id != ProducerId(-1);
    if has_id != (request.producer_epoch != ProducerEpoch(-1)) {
        return refused(ErrorCode::INVALID_REQUEST).into();
    }
    if request.transactional_id.is_some() {
        return ctx.rooms.transactions.init_producer_id(ctx.version, request).into();
    }
    match ctx.rooms.next_producer_id().await {
        Ok(producer_id) => {
            let producer_epoch = ProducerEpoch(0);
            InitProducerIdResponse { producer_id, producer_epoch, ..Default::default() }.into()
        }
        Err(error_code) => refused(error_code).into(),
    }
}

fn may_have_transactions(ctx: &Ctx, id: &str, is_two_phase: bool) -> bool {
    let id = Resource::TransactionalId(id);
    ctx.allows(Operation::Write, id) && (!is_two_phase || ctx.allows(Operation::TwoPhaseCommit, id))
}

/// Without a cluster-wide permission any topic that may be written to is enough (KIP-679).
fn may_write(ctx: &Ctx) -> bool {
    ctx.allows(Operation::IdempotentWrite, Resource::Cluster)
        || ctx
            .image()
            .topics()
            .iter()
            .any(|topic| ctx.allows(Operation::Write, Resource::Topic(&topic.name)))
}
