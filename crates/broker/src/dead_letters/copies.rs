//! Keys and values of records that were given up, read from the log that they are in.
//!
//! Only as much is held as makes a few batches of the queue. Must hold: what the log does not hold
//! any more, or cannot be read, is told as nothing, so that the rest of the letter is written.

use std::collections::BTreeMap;

use bytes::Bytes;
use ottla_records::{batches, read_batch};
use ottla_storage::{Log, bytes_of};
use ottla_wire::{ErrorCode, Offset};

use super::letters::Letter;
use crate::context::Rooms;
use crate::partition::{Isolation, Partition};

/// As much is read of the log at once (ShareGroupDLQStateManager), and held of what it inflates to.
const BYTES_MAX: usize = 1_048_576;

type Copied = (Option<Bytes>, Option<Bytes>);

/// Keys and values of the records of a range.
pub(super) struct Copies {
    /// The range; nothing is known of what is not in it.
    first: Offset,
    last: Offset,
    of: BTreeMap<Offset, Copied>,
}

impl Copies {
    /// Nothing is known.
    pub(super) fn none() -> Copies {
        Copies { first: Offset(0), last: Offset(-1), of: BTreeMap::new() }
    }

    /// Whether the log was asked for this record.
    pub(super) fn know(&self, offset: Offset) -> bool {
        self.first <= offset && offset <= self.last
    }

    /// Key and value of a record.
    pub(super) fn of(&self, offset: Offset) -> (Option<&Bytes>, Option<&Bytes>) {
        let of = self.of.get(&offset);
        of.map_or((None, None), |(key, value)| (key.as_ref(), value.as_ref()))
    }

    /// Reads the first of these records, and what follows as far as it is at hand.
    pub(super) async fn read(rooms: &Rooms, source: &Partition, letters: &[Letter]) -> Copies {
        let (Some(first), Some(last)) = (letters.first(), letters.last()) else {
            return Copies::none();
        };
        let (first, last) = (first.offset, last.offset);
        let (log, until) = (source.log(), source.readable_end(Isolation::ReadUncommitted));
        let read = move || read(&log, first, last, until);
        match rooms.env.blocking(read).await {
            Ok(copies) => copies,
            Err(error) => {
                let (topic, partition) = (&source.topic, &source.index);
                let (offset, error) = (first.0, error.name());
                let what = "dead letters come without keys and values";
                tracing::warn!(%topic, %partition, offset, error, "{what}");
                Copies { first, last, of: BTreeMap::new() }
            }
        }
    }

    #[cfg(test)]
    pub(super) fn made<const N: usize>(of: [(Offset, Option<Bytes>, Option<Bytes>); N]) -> Copies {
        let of = of.into_iter().map(|(offset, key, value)| (offset, (key, value)));
        Copies { first: Offset(0), last: Offset(i64::MAX), of: of.collect() }
    }
}

fn read(log: &Log, first: Offset, last: Offset, until: Offset) -> Result<Copies, ErrorCode> {
    let mut copies = Copies { first, last, of: BTreeMap::new() };
    let start = log.start();
    if first < start {
        // The log has lost them.
        copies.last = last.min(Offset(start.0 - 1));
        return Ok(copies);
    }
    if first >= until {
        return Ok(copies);
    }
    let slice = log.read(first, BYTES_MAX, until, true).map_err(|error| error.code())?;
    let bytes = bytes_of(&slice.records).map_err(|_| ErrorCode::KAFKA_STORAGE_ERROR)?;
    let mut held = 0;
    for batch in batches(&bytes) {
        let batch = batch.map_err(|_| ErrorCode::CORRUPT_MESSAGE)?;
        copies.last = batch.last_offset().min(last).max(first);
        if batch.is_control() {
            continue;
        }
        for record in read_batch(&bytes.slice_ref(batch.bytes())) {
            let record = record.map_err(|_| ErrorCode::CORRUPT_MESSAGE)?;
            if record.offset < first {
                continue;
            }
            if record.offset > last {
                break;
            }
            held += record.key.as_ref().map_or(0, Bytes::len);
            held += record.value.as_ref().map_or(0, Bytes::len);
            // Inflated buffers are large, and a record's slice would keep one whole.
            let own = |bytes: Option<Bytes>| bytes.map(|bytes| Bytes::copy_from_slice(&bytes));
            copies.of.insert(record.offset, (own(record.key), own(record.value)));
            if held >= BYTES_MAX {
                copies.last = record.offset;
                return Ok(copies);
            }
        }
    }
    Ok(copies)
}
