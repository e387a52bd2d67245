//! What a share partition reads of its log: batches, where they are, and which of them nobody is
//! to have.
//!
//! Ends of transactions are nobody's; neither are records of aborted transactions for a group that
//! reads committed records. Must hold: what is told of batches is in the order of the log.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use ottla_records::{BatchView, ControlRecord, batches, read_batch};
use ottla_share::{Acquired, Span};
use ottla_storage::{AbortedTransaction, Log, ReadError, bytes_of};
use ottla_wire::{ErrorCode, Offset, ProducerId};

use crate::partition::Isolation;

/// A piece of a log, in memory.
pub(crate) struct Reading {
    bytes: Bytes,
    /// The batches.
    pub(crate) spans: Vec<Span>,
    /// Those of them whose records nobody is to have.
    pub(crate) skipped: Vec<Span>,
    /// Where each batch begins and ends in the bytes.
    places: Vec<(usize, usize)>,
}

impl Reading {
    /// Reads from an offset on; waits for the disk.
    ///
    /// # Errors
    /// Those of the log.
    pub(crate) fn of(
        log: &Arc<Log>,
        from: Offset,
        max_bytes: usize,
        until: Offset,
        isolation: Isolation,
    ) -> Result<Reading, ErrorCode> {
        let slice = log.read(from, max_bytes, until, true).map_err(|error| error.code())?;
        let bytes = bytes_of(&slice.records).map_err(|_| ErrorCode::KAFKA_STORAGE_ERROR)?;
        let aborted = match isolation {
            Isolation::ReadCommitted if !bytes.is_empty() => {
                let aborted = log.aborted_in(from, &slice).map_err(ReadError::from);
                aborted.map_err(|error| error.code())?
            }
            _ => Vec::new(),
        };
        Reading::sorted(bytes, aborted)
    }

    fn sorted(bytes: Bytes, aborted: Vec<AbortedTransaction>) -> Result<Reading, ErrorCode> {
        let (mut spans, mut skipped, mut places) = (Vec::new(), Vec::new(), Vec::new());
        let mut aborts = Aborts::new(aborted);
        let mut at = 0;
        for batch in batches(&bytes) {
            let batch = batch.map_err(|_| ErrorCode::CORRUPT_MESSAGE)?;
            let span = Span { first: batch.base_offset(), last: batch.last_offset() };
            let end = at + batch.bytes().len();
            if aborts.hides(&batch, &bytes) {
                skipped.push(span);
            }
            spans.push(span);
            places.push((at, end));
            at = end;
        }
        Ok(Reading { bytes, spans, skipped, places })
    }

    /// The batches that hold what was acquired.
    pub(crate) fn holding(&self, acquired: &[Acquired]) -> Bytes {
        let (Some(first), Some(last)) = (acquired.first(), acquired.last()) else {
            return Bytes::new();
        };
        let is_held = |span: &Span| span.last >= first.first && span.first <= last.last;
        let held = || self.spans.iter().zip(&self.places).filter(|(span, _)| is_held(span));
        let begin = held().map(|(_, (begin, _))| *begin).min();
        let end = held().map(|(_, (_, end))| *end).max();
        match (begin, end) {
            (Some(begin), Some(end)) => self.bytes.slice(begin..end),
            _ => Bytes::new(),
        }
    }
}

/// Which producers' transactions are aborted, as the batches go by.
struct Aborts {
    coming: Vec<AbortedTransaction>,
    under_way: BTreeSet<ProducerId>,
}

impl Aborts {
    fn new(mut coming: Vec<AbortedTransaction>) -> Aborts {
        // The next one is taken from the end.
        coming.sort_by_key(|aborted| std::cmp::Reverse(aborted.first_offset));
        Aborts { coming, under_way: BTreeSet::new() }
    }

    /// Whether nobody is to have the records of a batch.
    fn hides(&mut self, batch: &BatchView<'_>, bytes: &Bytes) -> bool {
        while self.coming.last().is_some_and(|next| next.first_offset <= batch.last_offset()) {
            self.under_way.extend(self.coming.pop().map(|aborted| aborted.producer_id));
        }
        let producer = batch.producer_id();
        if batch.is_control() {
            if !self.under_way.is_empty() && is_abort(&bytes.slice_ref(batch.bytes())) {
                self.under_way.remove(&producer);
            }
            return true;
        }
        batch.is_transactional() && self.under_way.contains(&producer)
    }
}

fn is_abort(batch: &Bytes) -> bool {
    let first = read_batch(batch).next().and_then(Result::ok);
    let control = first.and_then(|record| ControlRecord::decode(&record).ok());
    matches!(control, Some(ControlRecord::Abort { .. }))
}
