//! Transactions as a pass meets them: which data was taken back, and which markers are the last
//! trace of theirs.
//!
//! Must hold: a marker is only given up when no batch of its transaction was met in the pass, and
//! the index of aborted transactions keeps an entry as long as there was one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use ottla_records::BatchHeader;
use ottla_wire::{Offset, ProducerId};

use crate::transaction_index::AbortedTransaction;

#[derive(Debug, Default)]
pub(crate) struct Transactions {
    /// Aborted ones that begin behind the batches that were met, the nearest on top.
    ahead: BinaryHeap<Reverse<Ahead>>,
    /// Aborted ones whose marker was not met.
    aborted: BTreeMap<ProducerId, Met>,
    /// Producers with data of a transaction that is not aborted, whose marker was not met.
    committed: BTreeSet<ProducerId>,
}

#[derive(Debug)]
struct Met {
    entry: AbortedTransaction,
    has_data: bool,
}

/// An aborted transaction, ordered by where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ahead {
    first_offset: Offset,
    producer_id: ProducerId,
    last_offset: Offset,
    last_stable_offset: Offset,
}

/// What a control batch ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Commit,
    Abort,
    /// Its record is gone already.
    Nothing,
    /// It is no marker.
    Other,
}

impl Transactions {
    /// Tells of aborted transactions that overlap what comes; one may be told twice.
    pub(crate) fn expect(&mut self, aborted: impl IntoIterator<Item = AbortedTransaction>) {
        self.ahead.extend(aborted.into_iter().map(|entry| {
            Reverse(Ahead {
                first_offset: entry.first_offset,
                producer_id: entry.producer_id,
                last_offset: entry.last_offset,
                last_stable_offset: entry.last_stable_offset,
            })
        }));
    }

    /// Meets a batch of data; answers whether its transaction was aborted.
    pub(crate) fn data(&mut self, batch: &BatchHeader<'_>) -> bool {
        self.advance(batch.last_offset());
        if !batch.is_transactional() {
            return false;
        }
        match self.aborted.get_mut(&batch.producer_id()) {
            Some(met) => {
                met.has_data = true;
                true
            }
            None => {
                self.committed.insert(batch.producer_id());
                false
            }
        }
    }

    /// Meets a control batch; answers whether it may be given up, and what the transaction index
    /// must go on telling.
    pub(crate) fn control(
        &mut self,
        batch: &BatchHeader<'_>,
        end: End,
    ) -> (bool, Option<AbortedTransaction>) {
        self.advance(batch.last_offset());
        match end {
            End::Nothing => (true, None),
            End::Other => (false, None),
            End::Commit => (!self.committed.remove(&batch.producer_id()), None),
            End::Abort => match self.aborted.remove(&batch.producer_id()) {
                Some(met) if met.has_data => (false, Some(met.entry)),
                _ => (true, None),
            },
        }
    }

    /// Takes up the aborted transactions that begin at or before `offset`.
    fn advance(&mut self, offset: Offset) {
        while let Some(Reverse(next)) = self.ahead.peek().copied()
            && next.first_offset <= offset
        {
            self.ahead.pop();
            let entry = AbortedTransaction {
                producer_id: next.producer_id,
                first_offset: next.first_offset,
                last_offset: next.last_offset,
                last_stable_offset: next.last_stable_offset,
            };
            self.aborted.entry(next.producer_id).or_insert(Met { entry, has_data: false });
        }
    }
}
