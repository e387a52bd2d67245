//! What a machine must be to be hosted: its records as bytes, its times, and what it has done for
//! it outside.
//!
//! One implementation per machine: hosted/groups.rs, hosted/shares.rs, hosted/transactions.rs.
//! Must hold: nothing in here waits but the future of an effect.

mod groups;
mod shares;
mod transactions;

use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;
use ottla_machine::{Decided, Machine, Now, Ticket};
use ottla_records::{BatchSettings, Codec, Producer};
use ottla_wire::{ErrorCode, LeaderEpoch, ProducerEpoch, ProducerId, Timestamp};

use crate::log::{BoxFuture, PartitionLog};

pub use groups::ClusterTopics;
pub use transactions::{MarkerResults, TransactionEvent, TransactionWorld};

/// A machine that a [`Coordinator`](crate::Coordinator) hosts on partitions of a topic.
pub trait Hosted: Machine<Record: Send, Undo: Send> + Default + Send + Sized + 'static {
    /// The state beside it that need not survive.
    type Soft: Default + Send;
    /// Its answers, and what it tells its host to do.
    type Reply: Send + 'static;
    /// The configs that its decisions go by.
    type Limits: Clone + Default + Debug + PartialEq + Send + Sync + 'static;
    /// What there is outside to do things with.
    type World: Send + Sync + 'static;
    /// What comes of a thing that was done outside.
    type Event: Send + 'static;

    /// What it keeps, in the plural, for logs.
    const THINGS: &str;

    /// How many of them it keeps.
    fn count(&self) -> usize;

    /// How many records of each type there were that it does not read.
    fn unread(&self) -> Vec<(i16, u64)>;

    /// Reads a record; `producer` is that of its batch, when the batch is part of a transaction.
    ///
    /// # Errors
    /// What is wrong with it.
    fn decode(
        key: Bytes,
        value: Option<Bytes>,
        producer: Option<ProducerId>,
    ) -> Result<Self::Record, String>;

    /// What the end of a producer's transaction is to it.
    fn marker(_producer: ProducerId, _committed: bool) -> Option<Self::Record> {
        None
    }

    /// A record's key and value; none for what is not written as a record.
    fn encode(record: &Self::Record) -> Option<(Bytes, Option<Bytes>)>;

    /// The batches that it writes: as Kafka's coordinators on its runtime do, of no producer, but
    /// with a sequence of 0.
    fn batch(codec: Codec) -> BatchSettings {
        let producer = Producer { id: ProducerId(-1), epoch: ProducerEpoch(-1), base_sequence: 0 };
        BatchSettings { producer: Some(producer), ..BatchSettings::compressed(codec) }
    }

    /// Its partition is loaded.
    fn loaded(&self, soft: &mut Self::Soft, now: Now, limits: &Self::Limits) -> DecidedOf<Self>;

    /// Does what is due.
    fn tick(
        &self,
        soft: &mut Self::Soft,
        now: Now,
        limits: &Self::Limits,
        world: &Self::World,
    ) -> DecidedOf<Self>;

    /// The earliest time at which something is due.
    fn wake(soft: &Self::Soft) -> Option<Timestamp>;

    /// An answer after its records could not be written.
    fn failed(reply: Self::Reply, error: ErrorCode) -> Self::Reply;

    /// These records could not be written: answers to others that were to follow from them.
    fn abandon(
        &self,
        _soft: &mut Self::Soft,
        _now: Now,
        _limits: &Self::Limits,
        _records: &[Self::Record],
        _error: ErrorCode,
    ) -> Vec<(Ticket, Self::Reply)> {
        Vec::new()
    }

    /// Does outside what was said to [`Ticket::HOST`], as the coordinator at `home`.
    ///
    /// The future is polled first in the shard's turn, so that what can be done at once is.
    fn effect(
        _world: &Self::World,
        _home: &Home<'_>,
        _reply: Self::Reply,
    ) -> Option<BoxFuture<'static, Self::Event>> {
        None
    }

    /// What was done outside has come to this.
    fn happened(
        &self,
        _soft: &mut Self::Soft,
        _now: Now,
        _limits: &Self::Limits,
        _event: Self::Event,
    ) -> DecidedOf<Self> {
        DecidedOf::<Self>::default()
    }
}

/// Where a machine lives.
pub struct Home<'a> {
    /// The epoch in which its partition is led.
    pub epoch: LeaderEpoch,
    /// Its partition.
    pub log: &'a Arc<dyn PartitionLog>,
}

/// A decision of a hosted machine.
pub type DecidedOf<M> = Decided<<M as Machine>::Record, <M as Hosted>::Reply>;
