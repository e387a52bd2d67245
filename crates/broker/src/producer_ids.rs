//! Producer ids for idempotent producers, handed out from blocks that the controller allocates.
//!
//! Must hold: no id is given twice, also not after a crash: the controller writes down a block
//! before this broker may use it.

use ottla_net::{Channel, ChannelError};
use ottla_wire::messages::AllocateProducerIdsRequest;
use ottla_wire::{BrokerEpoch, BrokerId, ErrorCode, ProducerId};
use tokio::sync::Mutex;

const ALLOCATE_VERSION: i16 = 0;

/// The block in use.
#[derive(Debug, Default)]
struct Block {
    next: i64,
    end: i64,
}

/// The ids that this broker may still give out.
#[derive(Debug, Default)]
pub(crate) struct ProducerIds {
    // Held while the controller is asked, so that one request brings a block for all who wait.
    block: Mutex<Block>,
}

impl ProducerIds {
    /// An id that nobody has had.
    ///
    /// # Errors
    /// `COORDINATOR_LOAD_IN_PROGRESS` when the controller could not be asked or refused, which
    /// makes clients try again: what is wrong between broker and controller is none of theirs.
    pub(crate) async fn next(
        &self,
        controller: &Channel,
        broker: BrokerId,
        epoch: BrokerEpoch,
    ) -> Result<ProducerId, ErrorCode> {
        let mut block = self.block.lock().await;
        if block.next == block.end {
            *block = allocate(controller, broker, epoch).await?;
        }
        let id = block.next;
        block.next += 1;
        Ok(ProducerId(id))
    }
}

async fn allocate(
    controller: &Channel,
    broker_id: BrokerId,
    broker_epoch: BrokerEpoch,
) -> Result<Block, ErrorCode> {
    let request = AllocateProducerIdsRequest { broker_id, broker_epoch, ..Default::default() };
    let response =
        controller.send(&request, ALLOCATE_VERSION).await.map_err(|error: ChannelError| {
            tracing::warn!(%error, "allocating producer ids failed");
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
        })?;
    if response.error_code != ErrorCode::NONE {
        let code = response.error_code.name();
        tracing::warn!(code, "the controller allocates no producer ids");
        return Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    }
    let next = response.producer_id_start.0;
    let end = next.checked_add(i64::from(response.producer_id_len));
    match end {
        Some(end) if end > next => Ok(Block { next, end }),
        _ => Err(ErrorCode::UNKNOWN_SERVER_ERROR),
    }
}
