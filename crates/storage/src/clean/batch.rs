//! One batch in a pass: which of its records stay, and what of the batch itself.
//!
//! A record stays when it is behind the map, or when it is the newest of its key and not a
//! tombstone whose time has passed. A batch that lost all its records stays as an empty one when
//! it is the last of an active producer or the last of the round. The first pass that keeps a
//! tombstone, or a marker whose transaction has nothing left, writes into the batch from when on
//! it may go (KIP-534). Must hold: what a batch says of offsets and sequences never changes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

use bytes::Bytes;
use ottla_records::filter::{self, FilterError, Kept, Look, Seen};
use ottla_records::record::ReadError;
use ottla_records::{BatchHeader, BatchView, Scratch};
use ottla_wire::{Offset, ProducerEpoch, ProducerId, Timestamp};

use super::keys::Keys;
use super::transactions::End;
use crate::markers;
use crate::producers::Producers;

/// What a batch may grow by when it is written anew: the deltas of timestamps become longer, and
/// another implementation of the codec may do worse. One that would outgrow that stays whole.
const GROWTH_FACTOR: usize = 2;
const GROWTH_BYTES: usize = 1 << 10;

/// The last thing that each active producer wrote, which must not be forgotten: the offset of its
/// last data, or where it has none its epoch.
#[derive(Debug, Default)]
pub(crate) struct LastWritten(BTreeMap<ProducerId, (Option<Offset>, ProducerEpoch)>);

impl LastWritten {
    pub(crate) fn of(producers: &Producers) -> LastWritten {
        let last = producers.iter().map(|(id, producer)| {
            (id, (producer.last().map(|last| last.last_offset), producer.epoch))
        });
        LastWritten(last.collect())
    }

    fn is_in(&self, batch: &BatchHeader<'_>) -> bool {
        let Some(producer) = batch.producer() else { return false };
        match self.0.get(&producer.id) {
            None => false,
            Some((Some(offset), _)) => batch.last_offset() == *offset,
            Some((None, epoch)) => batch.is_control() && producer.epoch == *epoch,
        }
    }
}

/// What decides over a batch, the same for all batches of a group.
pub(crate) struct Rules<'a> {
    pub(crate) last_written: &'a LastWritten,
    /// The last offset that the map of keys knows.
    pub(crate) mapped_to: Offset,
    pub(crate) round_end: Offset,
    pub(crate) now: Timestamp,
    pub(crate) delete_retention_ms: i64,
}

/// What a pass uses again for each batch.
#[derive(Default)]
pub(crate) struct Tools {
    pub(crate) scratch: Scratch,
    /// What batches are read into.
    pub(crate) buffer: Vec<u8>,
    kept: Kept,
}

/// What ends with a control batch.
pub(crate) fn end_of(batch: &BatchView<'_>) -> End {
    if batch.count() == 0 {
        return End::Nothing;
    }
    let bytes = Bytes::copy_from_slice(batch.bytes());
    match markers::read(&bytes, batch.last_offset()) {
        Some(marker) if marker.abort => End::Abort,
        Some(_) => End::Commit,
        None => End::Other,
    }
}

/// The keys of a batch go into the map, as far as there is room.
pub(crate) struct Mapping<'a> {
    pub(crate) keys: &'a mut Keys,
    /// Older records were cleaned and are not looked at.
    pub(crate) from: Offset,
    /// The last offset that the map knows.
    pub(crate) mapped_to: &'a mut Offset,
    pub(crate) full: bool,
}

impl Look for Mapping<'_> {
    fn key(&mut self, part: &[u8]) {
        self.keys.feed(part);
    }

    fn record(&mut self, seen: Seen) -> ControlFlow<()> {
        let key = self.keys.take_hash();
        if !seen.has_key || seen.offset < self.from {
            return ControlFlow::Continue(());
        }
        if self.keys.is_full() {
            self.full = true;
            return ControlFlow::Break(());
        }
        self.keys.put(key, seen.offset);
        *self.mapped_to = seen.offset;
        ControlFlow::Continue(())
    }
}

/// What is left of a batch; `None` when nothing is. `is_over` says that its transaction was
/// aborted, or that it is a marker without data.
pub(crate) fn clean<'a>(
    batch: &BatchView<'a>,
    is_over: bool,
    rules: &Rules<'_>,
    keys: &mut Keys,
    tools: &mut Tools,
) -> Result<Option<Cow<'a, [u8]>>, ReadError> {
    let horizon = batch.delete_horizon();
    let horizon_passed = horizon.is_some_and(|horizon| horizon <= rules.now);
    let records_go = is_over && (!batch.is_control() || horizon_passed);
    let stays_empty =
        rules.last_written.is_in(batch) || batch.last_offset().next() == rules.round_end;
    let empty = || match stays_empty {
        true => filter::empty(batch).map(Cow::Owned),
        false => None,
    };
    if records_go {
        return Ok(empty());
    }
    tools.kept.clear();
    let mut choice = Choice {
        keys,
        kept: &mut tools.kept,
        mapped_to: rules.mapped_to,
        is_control: batch.is_control(),
        tombstones_go: horizon_passed,
        has_tombstone: false,
        countless: false,
    };
    filter::look(batch, &mut tools.scratch, &mut choice)?;
    let (has_tombstone, countless) = (choice.has_tombstone, choice.countless);
    if countless {
        return Ok(Some(Cow::Borrowed(batch.bytes())));
    }
    if tools.kept.count() == 0 {
        return Ok(empty());
    }
    let waits = has_tombstone || (is_over && batch.is_control());
    let horizon = (waits && horizon.is_none())
        .then(|| Timestamp(rules.now.0.saturating_add(rules.delete_retention_ms)));
    if tools.kept.is_all() && horizon.is_none() {
        return Ok(Some(Cow::Borrowed(batch.bytes())));
    }
    let len_max = (batch.bytes().len()).saturating_mul(GROWTH_FACTOR).saturating_add(GROWTH_BYTES);
    match filter::rewrite(batch, &tools.kept, horizon, len_max, &mut tools.scratch) {
        Ok(written) => Ok(Some(Cow::Owned(written))),
        Err(FilterError::Outgrown) => Ok(Some(Cow::Borrowed(batch.bytes()))),
        Err(FilterError::Read(error)) => Err(error),
    }
}

struct Choice<'a> {
    keys: &'a mut Keys,
    kept: &'a mut Kept,
    mapped_to: Offset,
    is_control: bool,
    tombstones_go: bool,
    has_tombstone: bool,
    countless: bool,
}

impl Choice<'_> {
    fn stays(&mut self, seen: Seen) -> bool {
        let key = self.keys.take_hash();
        if self.is_control || seen.offset > self.mapped_to {
            return true;
        }
        // Records without a key can't be in a compacted log but from the time before it was one.
        let newest = self.keys.newest(key).is_none_or(|newest| seen.offset >= newest);
        seen.has_key && newest && (seen.has_value || !self.tombstones_go)
    }
}

impl Look for Choice<'_> {
    fn key(&mut self, part: &[u8]) {
        self.keys.feed(part);
    }

    fn record(&mut self, seen: Seen) -> ControlFlow<()> {
        let stays = self.stays(seen);
        self.has_tombstone |= stays && !seen.has_value;
        match self.kept.push(stays) {
            true => ControlFlow::Continue(()),
            false => {
                self.countless = true;
                ControlFlow::Break(())
            }
        }
    }
}
