//! Indexes: their entries, and whether the log beside them agrees.
//!
//! What is found wrong is collected, and told when all files are through. Must hold: an index
//! never decides how much is read; its log does.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use ottla_records::{BatchView, read_batch};
use ottla_storage::{OffsetEntry, offset_entries, time_entries};
use ottla_wire::{Bytes, Offset};

use super::Source;
use super::batches::Batches;
use crate::failure::Failure;

const OFFSET_ENTRY_BYTES: usize = 8;
const TIME_ENTRY_BYTES: usize = 12;

/// What is done with an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// What a start does.
    Sanity,
    /// Each entry against the log.
    Entries {
        /// And each is printed.
        printed: bool,
    },
}

/// What can be wrong, in the order in which Apache Kafka's tool tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Mismatch,
    Timestamp,
    Order,
    NotFound,
    Gap,
}

/// What is wrong, by kind and file: pairs of numbers, whose meaning is that of the kind.
#[derive(Default)]
pub(super) struct Doubts(BTreeMap<(Kind, String), Vec<(i64, i64)>>);

impl Doubts {
    /// The offset `next` follows `last` in a log.
    pub(super) fn gap(&mut self, path: &str, last: i64, next: i64) {
        self.note(Kind::Gap, path, (last, next));
    }

    fn note(&mut self, kind: Kind, path: &str, pair: (i64, i64)) {
        let whole = std::path::absolute(path);
        let path = whole.map_or_else(|_| path.into(), |it| it.display().to_string());
        self.0.entry((kind, path)).or_default().push(pair);
    }

    /// Prints all as Apache Kafka's tool does: mismatches from the last one on.
    pub(super) fn print(self, out: &mut dyn Write) -> Result<(), Failure> {
        for ((kind, file), mut pairs) in self.0 {
            let (title, first, second) = kind.words();
            writeln!(out, "{title}{file}")?;
            if kind == Kind::Mismatch {
                pairs.reverse();
            }
            for (one, other) in pairs {
                writeln!(out, "{first}{one}{second}{other}")?;
            }
        }
        Ok(())
    }
}

impl Kind {
    /// What stands before the file, and before each number of a pair.
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Kind::Mismatch => ("Mismatches in :", "  Index offset: ", ", log offset: "),
            Kind::Timestamp => {
                ("Found timestamp mismatch in :", "  Index timestamp: ", ", log timestamp: ")
            }
            Kind::Order => (
                "Found out of order timestamp in :",
                "  Index timestamp: ",
                ", Previously indexed timestamp: ",
            ),
            Kind::NotFound => (
                "The following indexed offsets are not found in :",
                "Indexed offset: ",
                ", found log offset: ",
            ),
            Kind::Gap => ("Non-consecutive offsets in ", "  ", " is followed by "),
        }
    }
}

/// Prints and checks an offset index.
pub(super) fn print_offsets(
    source: &Source<'_>,
    check: Check,
    doubts: &mut Doubts,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let (bytes, base) = (source.bytes()?, source.offset()?);
    if bytes.len() < OFFSET_ENTRY_BYTES {
        return Ok(writeln!(out, "{} is empty.", source.path)?);
    }
    let Check::Entries { printed } = check else {
        return print_sanity(source, &bytes, OFFSET_ENTRY_BYTES, out);
    };
    let path = beside(source, "log");
    let log = Source { disk: source.disk, path: &path, stem: source.stem };
    let mut batches = Batches::open(&log, None)?;
    for entry in offset_entries(&bytes, base) {
        batches.seek(entry.position);
        let at = |what: &dyn std::fmt::Display| {
            let position = entry.position;
            source.wrong(format!(
                "the entry of offset {} points at byte {position}, where {what}; without the \
                 index the next start makes it anew",
                entry.offset
            ))
        };
        let batch = batches.next_batch().map_err(|error| at(&error))?;
        let batch = batch.ok_or_else(|| at(&"the log has no whole batch"))?;
        let found = last_offset(&batch).ok_or_else(|| at(&"no batch begins"))?;
        if found != entry.offset {
            doubts.note(Kind::Mismatch, source.path, (entry.offset.0, found.0));
        }
        if printed {
            writeln!(out, "offset: {} position: {}", entry.offset, entry.position)?;
        }
    }
    Ok(())
}

/// Prints and checks a time index.
pub(super) fn print_times(
    source: &Source<'_>,
    check: Check,
    doubts: &mut Doubts,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let (bytes, base) = (source.bytes()?, source.offset()?);
    let Check::Entries { printed } = check else {
        return print_sanity(source, &bytes, TIME_ENTRY_BYTES, out);
    };
    let path = beside(source, "log");
    let log = Source { disk: source.disk, path: &path, stem: source.stem };
    let mut batches = Batches::open(&log, None)?;
    // Without an offset index each search reads from the begin, which is slow and right.
    let index = source.disk.read(Path::new(&beside(source, "index"))).unwrap_or_default();
    let index: Vec<OffsetEntry> = offset_entries(&index, base).collect();
    let mut before = -1;
    for entry in time_entries(&bytes, base) {
        let after = index.partition_point(|offset| offset.offset <= entry.offset);
        batches.seek(after.checked_sub(1).map_or(0, |at| index[at].position));
        match find(&mut batches, entry.offset)? {
            Some(batch) if last_offset(&batch) == Some(entry.offset) => {
                let newest = newest(&batch).map_err(|what| source.wrong(what))?;
                if newest != entry.timestamp.0 {
                    doubts.note(Kind::Timestamp, source.path, (entry.timestamp.0, newest));
                }
                if before >= entry.timestamp.0 {
                    doubts.note(Kind::Order, source.path, (entry.timestamp.0, before));
                }
            }
            found => {
                let found = found.as_ref().and_then(last_offset).map_or(-1, |found| found.0);
                doubts.note(Kind::NotFound, source.path, (entry.offset.0, found));
            }
        }
        before = entry.timestamp.0;
        if printed {
            writeln!(out, "timestamp: {} offset: {}", entry.timestamp, entry.offset)?;
        }
    }
    Ok(())
}

/// Whether a start would take the index as it is.
fn print_sanity(
    source: &Source<'_>,
    bytes: &[u8],
    entry_bytes: usize,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    if !bytes.len().is_multiple_of(entry_bytes) {
        return Err(source.wrong(format!(
            "{} bytes are no whole entries of {entry_bytes}; without the index the next start \
             makes it anew",
            bytes.len()
        )));
    }
    Ok(writeln!(out, "{} passed sanity check.", source.path)?)
}

/// The path of the segment's file with another suffix.
fn beside(source: &Source<'_>, suffix: &str) -> String {
    let stem = source.path.rsplit_once('.').map_or(source.path, |(stem, _)| stem);
    format!("{stem}.{suffix}")
}

/// The first batch that ends at `offset` or behind it.
fn find(batches: &mut Batches<'_>, offset: Offset) -> Result<Option<Bytes>, Failure> {
    while let Some(batch) = batches.next_batch()? {
        if last_offset(&batch).is_none_or(|last| last >= offset) {
            return Ok(Some(batch));
        }
    }
    Ok(None)
}

fn last_offset(batch: &Bytes) -> Option<Offset> {
    BatchView::first(batch).ok().flatten().map(|batch| batch.last_offset())
}

/// The highest timestamp of the batch's records.
fn newest(batch: &Bytes) -> Result<i64, String> {
    let mut newest = -1;
    for record in read_batch(batch) {
        newest = newest.max(record.map_err(|error| error.to_string())?.timestamp.0);
    }
    Ok(newest)
}
