//! InitProducerId (22), v0-5: gives an idempotent producer its id.
//! v2 flexible; v3 the id and epoch that the producer has; v4 PRODUCER_FENCED; v5 errors of
//! transactions v2 (KIP-890). Version 6 is not final in Kafka and not served.
//! Not served: transactional ids, refused with a final error.

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
    if let Some(id) = &request.transactional_id {
        let code = if ctx.allows(Operation::Write, Resource::TransactionalId(id)) {
            ErrorCode::INVALID_REQUEST
        } else {
            ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        };
        return refused(code).into();
    }
    let has_id = request.producer_id != ProducerId(-1);
    if has_id != (request.producer_epoch != ProducerEpoch(-1)) {
        return refused(ErrorCode::INVALID_REQUEST).into();
    }
    // Without a cluster-wide permission any topic that may be written to is enough (KIP-679).
    let may_write = ctx.allows(Operation::IdempotentWrite, Resource::Cluster)
        || ctx
            .image()
            .topics()
            .iter()
            .any(|topic| ctx.allows(Operation::Write, Resource::Topic(&topic.name)));
    if !may_write {
        return refused(ErrorCode::CLUSTER_AUTHORIZATION_FAILED).into();
    }
    let rooms = &ctx.rooms;
    let epoch = rooms.broker_epoch();
    match rooms.producer_ids.next(&rooms.controller, rooms.broker_id, epoch).await {
        Ok(producer_id) => {
            let producer_epoch = ProducerEpoch(0);
            InitProducerIdResponse { producer_id, producer_epoch, ..Default::default() }.into()
        }
        Err(error_code) => refused(error_code).into(),
    }
}
