//! The markers of a decided end: which are to be written, what became of them, and the record that
//! closes the books when all are.
//!
//! Not here: who leads a partition, how a marker reaches it. Must hold: a partition gets its marker
//! again and again until it answers for good; nothing else ends a transaction.

use std::collections::BTreeSet;

use ottla_machine::{Now, Ticket};
use ottla_wire::{ErrorCode, ProducerEpoch, ProducerId, StrBytes, Timestamp};

use crate::state::{State, TopicPartition, Transaction};
use crate::{Decided, Settings, Soft, TransactionRecord, TransactionReply, Transactions};

/// Markers to be written, one per partition: WriteTxnMarkers of one producer.
#[derive(Clone, Debug, PartialEq)]
pub struct Markers {
    /// The transactional id.
    pub id: StrBytes,
    /// The producer whose transaction ends.
    pub producer_id: ProducerId,
    /// The epoch in the marker.
    pub producer_epoch: ProducerEpoch,
    /// Whether its records count.
    pub committed: bool,
    /// The level of `transaction.version` that its client goes by, which decides what the
    /// partition's leader checks.
    pub transaction_version: i16,
    /// Where they are to be written.
    pub partitions: Vec<TopicPartition>,
}

/// What became of one marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marked {
    /// The partition's leader says so.
    Answered(ErrorCode),
    /// There is no such partition any more.
    Gone,
}

/// Markers under way.
#[derive(Debug)]
pub(crate) struct Marking {
    /// Partitions that have not answered for good.
    remaining: BTreeSet<TopicPartition>,
    /// When to try again what failed.
    retry_at: Option<Timestamp>,
}

/// What an answer means for the transaction.
enum Verdict {
    Settled,
    Again,
    /// Another coordinator has taken over: this one is not to go on.
    Stop,
}

impl Soft {
    /// Begins to have the markers of a decided end written: what to tell the host.
    pub(crate) fn begin_marking(
        &mut self,
        id: &StrBytes,
        prepared: &Transaction,
    ) -> (Ticket, TransactionReply) {
        let id = StrBytes::copied(id);
        let remaining = prepared.partitions.clone();
        let markers = markers(&id, prepared, &remaining);
        self.forget_marking(&id);
        self.marking.insert(id, Marking { remaining, retry_at: None });
        (Ticket::HOST, TransactionReply::Write(markers))
    }

    fn forget_marking(&mut self, id: &StrBytes) -> Option<Marking> {
        let marking = self.marking.remove(id)?;
        if let Some(at) = marking.retry_at {
            self.retries.remove(&(at, id.clone()));
        }
        Some(marking)
    }

    fn retry_marking(&mut self, id: &StrBytes, remaining: BTreeSet<TopicPartition>, now: Now) {
        self.forget_marking(id);
        let at = now.steady + RETRY_MS;
        self.retries.insert((at, id.clone()));
        self.marking.insert(id.clone(), Marking { remaining, retry_at: Some(at) });
    }
}

impl Transactions {
    /// Markers were tried to be written, with these results.
    pub fn marked(
        &self,
        soft: &mut Soft,
        now: Now,
        settings: &Settings,
        markers: &Markers,
        results: &[(TopicPartition, Marked)],
    ) -> Decided {
        let mut decided = Decided::default();
        if let Some(prepared) = self.get(&markers.id).filter(|known| is_end_of(known, markers))
            && let Some(marking) = soft.forget_marking(&markers.id)
        {
            let mut remaining = marking.remaining;
            let mut stop = false;
            for (partition, result) in results {
                match verdict(*result) {
                    Verdict::Settled => {
                        remaining.remove(partition);
                    }
                    Verdict::Again => {}
                    Verdict::Stop => stop = true,
                }
            }
            if remaining.is_empty() {
                decided.records.push(complete(&markers.id, prepared, now, settings));
            } else if !stop {
                soft.retry_marking(&markers.id, remaining, now);
            }
        }
        decided.wake = soft.wake();
        decided
    }

    /// Tries again what is due; answers whether anything was.
    pub(crate) fn retry_due(
        &self,
        soft: &mut Soft,
        now: Now,
        settings: &Settings,
        decided: &mut Decided,
    ) -> bool {
        let Some((at, id)) = soft.retries.first().cloned() else { return false };
        if at > now.steady {
            return false;
        }
        soft.retries.remove(&(at, id.clone()));
        let prepared = self.get(&id).filter(|known| known.state.is_prepared());
        match (prepared, soft.marking.get_mut(&id)) {
            (Some(prepared), Some(marking)) if !marking.remaining.is_empty() => {
                marking.retry_at = None;
                let markers = markers(&id, prepared, &marking.remaining);
                decided.replies.push((Ticket::HOST, TransactionReply::Write(markers)));
            }
            (Some(prepared), Some(_)) => {
                soft.marking.remove(&id);
                decided.records.push(complete(&id, prepared, now, settings));
            }
            _ => {
                soft.marking.remove(&id);
            }
        }
        true
    }

    /// These records could not be written: what they were to bring about is tried again, or never
    /// came about.
    pub fn abandon(&self, soft: &mut Soft, now: Now, records: &[TransactionRecord]) {
        for record in records {
            let TransactionRecord::Transaction { id, .. } = record else { continue };
            if self.get(id).is_some_and(|known| known.state.is_prepared()) {
                let marking = soft.forget_marking(id);
                let remaining = marking.map(|marking| marking.remaining).unwrap_or_default();
                soft.retry_marking(id, remaining, now);
            } else {
                soft.forget_marking(id);
            }
        }
    }
}

fn is_end_of(known: &Transaction, markers: &Markers) -> bool {
    known.state.is_prepared()
        && known.producer_id == markers.producer_id
        && known.producer_epoch == markers.producer_epoch
}

fn complete(
    id: &StrBytes,
    prepared: &Transaction,
    now: Now,
    settings: &Settings,
) -> TransactionRecord {
    TransactionRecord::Transaction {
        id: id.clone(),
        value: Some(prepared.completed(now.wall).into()),
        version: settings.value_version(),
    }
}

fn markers(id: &StrBytes, prepared: &Transaction, to: &BTreeSet<TopicPartition>) -> Markers {
    Markers {
        id: id.clone(),
        producer_id: prepared.producer_id,
        producer_epoch: prepared.producer_epoch,
        committed: prepared.state == State::PrepareCommit,
        transaction_version: prepared.client_version,
        partitions: to.iter().cloned().collect(),
    }
}

/// As TransactionMarkerRequestCompletionHandler judges, but for codes that no leader answers with:
/// those are tried again rather than held for a broken promise.
fn verdict(result: Marked) -> Verdict {
    match result {
        Marked::Gone
        | Marked::Answered(
            ErrorCode::NONE
            | ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT
            | ErrorCode::UNSUPPORTED_VERSION,
        ) => Verdict::Settled,
        Marked::Answered(
            ErrorCode::INVALID_PRODUCER_EPOCH | ErrorCode::TRANSACTION_COORDINATOR_FENCED,
        ) => Verdict::Stop,
        Marked::Answered(_) => Verdict::Again,
    }
}

/// A pause after markers could not be written.
const RETRY_MS: i64 = 100;
