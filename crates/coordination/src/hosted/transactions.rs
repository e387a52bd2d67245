//! Transactions as a hosted machine: `__transaction_state`, and the world in which markers are
//! written and producer ids are found.

use std::sync::Arc;

use bytes::Bytes;
use ottla_machine::{Now, Ticket};
use ottla_records::{BatchSettings, Codec};
use ottla_transactions::{
    Marked, Markers, Settings, Soft, TopicPartition, TransactionRecord, TransactionReply,
    Transactions,
};
use ottla_wire::{ErrorCode, LeaderEpoch, ProducerId, StrBytes, Timestamp};

use crate::hosted::{DecidedOf, Home, Hosted};
use crate::log::BoxFuture;

/// What became of each marker.
pub type MarkerResults = Vec<(TopicPartition, Marked)>;

/// What the coordinator of transactions needs of the broker that it lives in.
///
/// Must hold: neither asks this coordinator in turn before its future has once been pending. A
/// future is polled first under the lock of the shard that has the thing done.
pub trait TransactionWorld: Send + Sync + 'static {
    /// Has markers written by the leaders of their partitions, as the coordinator of `epoch`.
    ///
    /// A partition that is missing in the result has not answered: it is asked again.
    fn write_markers(
        &self,
        epoch: LeaderEpoch,
        markers: &Markers,
    ) -> BoxFuture<'static, MarkerResults>;

    /// A producer id that nobody has had, or what the client hears when there is none.
    fn producer_id(&self) -> BoxFuture<'static, Result<ProducerId, ErrorCode>>;
}

/// What comes of an effect.
#[derive(Debug)]
pub enum TransactionEvent {
    /// Markers were tried.
    Marked(Markers, MarkerResults),
    /// A transaction that has timed out may be aborted with this producer id in reserve.
    MayAbort(StrBytes, ProducerId),
    /// There was no producer id: what has timed out is looked for again later.
    NoProducerId,
}

impl Hosted for Transactions {
    type Soft = Soft;
    type Reply = TransactionReply;
    type Limits = Settings;
    type World = Arc<dyn TransactionWorld>;
    type Event = TransactionEvent;

    const THINGS: &str = "transactional ids";

    fn count(&self) -> usize {
        self.len()
    }

    fn unread(&self) -> Vec<(i16, u64)> {
        let unknown = self.unknown();
        if unknown == 0 { Vec::new() } else { vec![(-1, unknown)] }
    }

    fn decode(
        key: Bytes,
        value: Option<Bytes>,
        _producer: Option<ProducerId>,
    ) -> Result<TransactionRecord, String> {
        TransactionRecord::decode(key, value).map_err(|error| error.to_string())
    }

    fn encode(record: &TransactionRecord) -> Option<(Bytes, Option<Bytes>)> {
        Some(record.encode())
    }

    /// As Kafka's TransactionStateManager writes: never compressed.
    fn batch(_codec: Codec) -> BatchSettings {
        BatchSettings::default()
    }

    fn loaded(&self, soft: &mut Soft, now: Now, limits: &Settings) -> DecidedOf<Self> {
        Transactions::loaded(self, soft, now, limits)
    }

    fn tick(
        &self,
        soft: &mut Soft,
        now: Now,
        limits: &Settings,
        _world: &Self::World,
    ) -> DecidedOf<Self> {
        Transactions::tick(self, soft, now, limits)
    }

    fn wake(soft: &Soft) -> Option<Timestamp> {
        soft.wake()
    }

    fn failed(reply: TransactionReply, error: ErrorCode) -> TransactionReply {
        reply.failed(error)
    }

    fn abandon(
        &self,
        soft: &mut Soft,
        now: Now,
        _limits: &Settings,
        records: &[TransactionRecord],
        _error: ErrorCode,
    ) -> Vec<(Ticket, TransactionReply)> {
        Transactions::abandon(self, soft, now, records);
        Vec::new()
    }

    fn effect(
        world: &Arc<dyn TransactionWorld>,
        home: &Home<'_>,
        reply: TransactionReply,
    ) -> Option<BoxFuture<'static, TransactionEvent>> {
        match reply {
            TransactionReply::Write(markers) => {
                let written = world.write_markers(home.epoch, &markers);
                Some(Box::pin(async move { TransactionEvent::Marked(markers, written.await) }))
            }
            TransactionReply::AbortNeedsProducerId { id } => {
                let found = world.producer_id();
                Some(Box::pin(async move {
                    match found.await {
                        Ok(producer) => TransactionEvent::MayAbort(id, producer),
                        Err(_) => TransactionEvent::NoProducerId,
                    }
                }))
            }
            _ => None,
        }
    }

    fn happened(
        &self,
        soft: &mut Soft,
        now: Now,
        limits: &Settings,
        event: TransactionEvent,
    ) -> DecidedOf<Self> {
        match event {
            TransactionEvent::Marked(markers, results) => {
                self.marked(soft, now, limits, &markers, &results)
            }
            TransactionEvent::MayAbort(id, producer) => {
                self.abort_timed_out(soft, now, limits, &id, Some(producer))
            }
            TransactionEvent::NoProducerId => DecidedOf::<Self>::default(),
        }
    }
}
