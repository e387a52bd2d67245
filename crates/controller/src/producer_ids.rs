//! AllocateProducerIds (67), v0: a block of producer ids for one broker (KIP-730).
//!
//! Must hold: a block is in the log before it is used, so no id is given out twice.
//! Not served: nothing.

use ottla_wire::messages::{
    AllocateProducerIdsRequest, AllocateProducerIdsResponse, ProducerIdsRecord,
};
use ottla_wire::{ErrorCode, ProducerId};

use crate::{Controller, Decision, Live};

/// Ids per block.
const BLOCK: i32 = 1_000;

impl Controller {
    /// Gives a broker the next block of producer ids.
    pub fn allocate_producer_ids(
        &self,
        live: &mut Live<'_>,
        request: &AllocateProducerIdsRequest,
    ) -> Decision<AllocateProducerIdsResponse> {
        let refused = |error_code| {
            Decision::reply(AllocateProducerIdsResponse { error_code, ..Default::default() })
        };
        let broker = live.image.broker(request.broker_id);
        if broker.is_none_or(|broker| broker.epoch != request.broker_epoch) {
            return refused(ErrorCode::STALE_BROKER_EPOCH);
        }
        let start = live.image.next_producer_id();
        let Some(next) = start.0.checked_add(i64::from(BLOCK)) else {
            return refused(ErrorCode::UNKNOWN_SERVER_ERROR);
        };
        let record = ProducerIdsRecord {
            broker_id: request.broker_id,
            broker_epoch: request.broker_epoch,
            next_producer_id: ProducerId(next),
            ..Default::default()
        };
        let response = AllocateProducerIdsResponse {
            producer_id_start: start,
            producer_id_len: BLOCK,
            ..Default::default()
        };
        Decision::new(vec![record.into()], response)
    }
}
