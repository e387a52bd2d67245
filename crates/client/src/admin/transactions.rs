//! Transactional ids, for administrators: a producer that does not end what it has begun.
//!
//! Not here: producers of transactions (producer/transactions.rs).

use ottla_wire::messages::InitProducerIdRequest;
use ottla_wire::{ProducerEpoch, ProducerId, StrBytes};

use crate::admin::Admin;
use crate::client::CoordinatorKind;
use crate::coordinated::Seat;
use crate::error::ClientError;
use crate::nodes::Lane;

impl Admin {
    /// Takes a transactional id over: what its producer has open is aborted, and that one can do
    /// nothing any more. Gives the id and epoch that the next producer goes on from.
    ///
    /// # Errors
    /// What its coordinator says.
    pub async fn fence_producer(
        &self,
        id: &str,
    ) -> Result<(ProducerId, ProducerEpoch), ClientError> {
        let client = &self.client;
        let timeout_ms = client.settings().request_timeout_ms;
        let request = InitProducerIdRequest {
            transactional_id: Some(StrBytes::copied(id)),
            transaction_timeout_ms: i32::try_from(timeout_ms).unwrap_or(i32::MAX),
            producer_id: ProducerId(-1),
            producer_epoch: ProducerEpoch(-1),
            ..InitProducerIdRequest::default()
        };
        let seat = Seat {
            kind: CoordinatorKind::Transaction,
            key: id,
            lane: Lane::COMMON,
            timeout: client.request_timeout(),
            version_max: INIT_WITHOUT_PREPARED,
        };
        let told = client.until_agreed(&seat, &request, |response| response.error_code).await?;
        Ok((told.producer_id, told.producer_epoch))
    }
}

/// The last version of InitProducerId without prepared transactions (KIP-939).
pub(crate) const INIT_WITHOUT_PREPARED: i16 = 5;
