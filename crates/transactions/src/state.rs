//! The state of one coordinator partition that survives: what replaying its log gives.
//!
//! Not here: how far markers are written, which epoch a producer had before (soft.rs). Must hold:
//! a step that Kafka's coordinator would not take is never decided, so replay checks nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use ottla_machine::Machine;
use ottla_wire::{Offset, PartitionIndex, ProducerEpoch, ProducerId, StrBytes, Timestamp};

use crate::records::TransactionRecord;

/// No producer id.
pub(crate) const NO_ID: ProducerId = ProducerId(-1);
/// No timestamp.
pub(crate) const NO_TIME: Timestamp = Timestamp(-1);
/// The level of `transaction.version` from which on each end bumps the epoch (KIP-890).
pub(crate) const BUMPING: i16 = 2;
/// The last epoch that a client sees.
pub(crate) const EPOCH_LAST: ProducerEpoch = ProducerEpoch(i16::MAX - 1);

/// Where a transactional id stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It has a producer and no transaction yet.
    Empty,
    /// Partitions are in a transaction.
    Ongoing,
    /// It will be committed: markers are being written.
    PrepareCommit,
    /// It will be aborted: markers are being written.
    PrepareAbort,
    /// The last transaction was committed.
    CompleteCommit,
    /// The last transaction was aborted.
    CompleteAbort,
    /// It is being removed. In no log.
    Dead,
    /// An abort of an older producer's transaction is being decided. In no log.
    PrepareEpochFence,
}

/// Kafka's byte and name of each state.
const STATES: &[(State, i8, &str)] = &[
    (State::Empty, 0, "Empty"),
    (State::Ongoing, 1, "Ongoing"),
    (State::PrepareCommit, 2, "PrepareCommit"),
    (State::PrepareAbort, 3, "PrepareAbort"),
    (State::CompleteCommit, 4, "CompleteCommit"),
    (State::CompleteAbort, 5, "CompleteAbort"),
    (State::Dead, 6, "Dead"),
    (State::PrepareEpochFence, 7, "PrepareEpochFence"),
];

impl State {
    /// The byte in the log.
    pub fn to_byte(self) -> i8 {
        STATES.iter().find(|(state, ..)| *state == self).map_or(-1, |(_, byte, _)| *byte)
    }

    /// The state of a byte in the log.
    pub fn from_byte(byte: i8) -> Option<State> {
        STATES.iter().find(|(_, known, _)| *known == byte).map(|(state, ..)| *state)
    }

    /// The state that an administrator names.
    pub fn from_name(name: &str) -> Option<State> {
        STATES.iter().find(|(.., known)| *known == name).map(|(state, ..)| *state)
    }

    /// Kafka's name for it.
    pub fn name(self) -> &'static str {
        STATES.iter().find(|(state, ..)| *state == self).map_or("", |(.., name)| name)
    }

    /// Whether the end is decided and being carried out.
    pub fn is_prepared(self) -> bool {
        matches!(self, State::PrepareCommit | State::PrepareAbort)
    }

    /// Whether nothing is under way.
    pub(crate) fn is_at_rest(self) -> bool {
        matches!(self, State::Empty | State::CompleteCommit | State::CompleteAbort)
    }
}

/// A partition by its topic's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic.
    pub topic: StrBytes,
    /// Its partition.
    pub partition: PartitionIndex,
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// A transactional id's producer and its present or last transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Where it stands.
    pub state: State,
    /// The producer.
    pub producer_id: ProducerId,
    /// The producer's epoch.
    pub producer_epoch: ProducerEpoch,
    /// The producer id before the last step, or -1.
    pub previous_producer_id: ProducerId,
    /// The producer id that the next transaction gets because the epochs are used up, or -1.
    pub next_producer_id: ProducerId,
    /// How long a transaction may take. `i32::MAX` for those that something else decides.
    pub timeout_ms: i32,
    /// What is in the transaction.
    pub partitions: BTreeSet<TopicPartition>,
    /// When it began, or -1.
    pub started_at: Timestamp,
    /// When the last step was taken.
    pub updated_at: Timestamp,
    /// The level of `transaction.version` that its client goes by.
    pub client_version: i16,
}

impl Transaction {
    /// Whether the epoch cannot be bumped for a client any more.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.producer_epoch >= EPOCH_LAST
    }

    /// The epoch after this one; the very last stays itself.
    pub(crate) fn next_epoch(&self) -> ProducerEpoch {
        ProducerEpoch(self.producer_epoch.0.saturating_add(1))
    }

    /// The start of the next step: the same, but for the id that it comes from.
    pub(crate) fn step(&self, state: State, at: Timestamp) -> Transaction {
        Transaction {
            state,
            previous_producer_id: self.producer_id,
            updated_at: at,
            ..self.clone()
        }
    }

    /// The same after all markers are written.
    pub(crate) fn completed(&self, at: Timestamp) -> Transaction {
        let state = match self.state {
            State::PrepareCommit => State::CompleteCommit,
            _ => State::CompleteAbort,
        };
        let mut completed = self.step(state, at);
        if self.client_version >= BUMPING && self.next_producer_id != NO_ID {
            completed.producer_id = self.next_producer_id;
            completed.producer_epoch = ProducerEpoch(0);
        }
        completed.next_producer_id = NO_ID;
        completed.partitions = BTreeSet::new();
        completed
    }
}

/// The transactional ids of one coordinator partition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transactions {
    ids: BTreeMap<StrBytes, Arc<Transaction>>,
    /// Those with a transaction that may time out.
    ongoing: BTreeSet<StrBytes>,
    /// How many records there were of a type that this release does not know.
    unknown: u64,
}

/// Takes one replayed record back.
#[derive(Debug)]
pub struct Undo(Option<(StrBytes, Option<Arc<Transaction>>)>);

impl Transactions {
    /// How many transactional ids there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// What is known of one.
    pub fn get(&self, id: &str) -> Option<&Arc<Transaction>> {
        self.ids.get(id)
    }

    /// All of them by id.
    pub fn iter(&self) -> impl Iterator<Item = (&StrBytes, &Arc<Transaction>)> {
        self.ids.iter()
    }

    /// Those from an id on.
    pub(crate) fn from(
        &self,
        id: Option<&StrBytes>,
    ) -> impl Iterator<Item = (&StrBytes, &Arc<Transaction>)> {
        use std::ops::Bound;
        let from = id.map_or(Bound::Unbounded, |id| Bound::Included(id.clone()));
        self.ids.range((from, Bound::Unbounded))
    }

    /// The ids of transactions that are under way.
    pub(crate) fn ongoing(&self) -> &BTreeSet<StrBytes> {
        &self.ongoing
    }

    /// How many records of unknown types were met.
    pub fn unknown(&self) -> u64 {
        self.unknown
    }

    fn set(&mut self, id: &StrBytes, to: Option<Arc<Transaction>>) -> Option<Arc<Transaction>> {
        if to.as_ref().is_some_and(|transaction| transaction.state == State::Ongoing) {
            if !self.ongoing.contains(id) {
                self.ongoing.insert(StrBytes::copied(id));
            }
        } else {
            self.ongoing.remove(id);
        }
        match to {
            None => self.ids.remove(id),
            Some(to) => match self.ids.get_mut(id) {
                Some(known) => Some(std::mem::replace(known, to)),
                None => self.ids.insert(StrBytes::copied(id), to),
            },
        }
    }
}

impl Machine for Transactions {
    type Record = TransactionRecord;
    type Undo = Undo;

    fn replay(&mut self, _at: Offset, record: &TransactionRecord) -> Undo {
        match record {
            TransactionRecord::Transaction { id, value, .. } => {
                Undo(Some((id.clone(), self.set(id, value.clone()))))
            }
            TransactionRecord::Unknown { .. } => {
                self.unknown += 1;
                Undo(None)
            }
        }
    }

    fn undo(&mut self, undo: Undo) {
        match undo.0 {
            Some((id, before)) => {
                self.set(&id, before);
            }
            None => self.unknown -= 1,
        }
    }
}
