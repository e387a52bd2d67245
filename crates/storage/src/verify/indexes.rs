//! The indexes beside a segment, against its batches; and as they should be.
//!
//! Must hold: what is made here is what an append with the default interval leaves.

use std::path::Path;

use ottla_wire::{Offset, Timestamp};

use super::partition::Walk;
use super::segment::Read;
use super::{Gravity, Remedy, Verifier};
use crate::config::LogConfig;
use crate::names::{FileKind, file_name};
use crate::offset_index::{self, OffsetEntry, offset_entries};
use crate::time_index::{self, TimeEntry, time_entries};
use crate::transaction_index::{self, AbortedTransaction};

impl Verifier<'_> {
    pub(super) fn indexes(
        &mut self,
        dir: &Path,
        base: Offset,
        kinds: &[FileKind],
        read: &Read,
        walk: &Walk,
    ) {
        let is_needed = |kind| match kind {
            FileKind::OffsetIndex | FileKind::TimeIndex => !read.seen.is_empty() && walk.is_closed,
            FileKind::TransactionIndex => !expected(read, walk).is_empty(),
            FileKind::Log | FileKind::Snapshot => false,
        };
        // Of a segment that is torn nobody knows what its files should hold behind that place.
        let is_torn = walk.torn.is_some_and(|torn| torn.base == base);
        for kind in FileKind::ALL {
            let path = dir.join(file_name(base, kind));
            let has_file = kinds.contains(&kind);
            let found = self.found.findings.len();
            match kind {
                _ if !has_file => {
                    if is_needed(kind) {
                        self.tell(&path, Gravity::Derived, "is missing".to_owned());
                    }
                }
                FileKind::OffsetIndex => self.offsets(&path, base, read, is_torn),
                FileKind::TimeIndex => {
                    self.times(&path, base, read, is_torn);
                    if walk.is_closed && !is_torn && self.found.findings.len() == found {
                        self.closing_time(&path, base, read);
                    }
                }
                FileKind::TransactionIndex => self.aborted(&path, base, read, walk),
                FileKind::Log | FileKind::Snapshot => (),
            }
            let is_known = kind != FileKind::TransactionIndex || walk.torn.is_none();
            if self.found.findings.len() > found && is_known && !is_torn {
                self.remedy(right(kind, base, read));
            }
        }
    }

    fn offsets(&mut self, path: &Path, base: Offset, read: &Read, is_torn: bool) {
        let (seen, Some(bytes)) = (&read.seen, self.read(path)) else { return };
        let size = offset_index::ENTRY_BYTES;
        let mut before = base + -1;
        let mut count = 0;
        for (at, entry) in offset_entries(&bytes, base).enumerate() {
            if is_zero(&bytes[at * size..(at + 1) * size]) {
                break;
            }
            if is_torn && entry.position >= read.end {
                return;
            }
            count = at + 1;
            let batch = seen.binary_search_by_key(&entry.position, |batch| batch.position);
            let is_right = batch.is_ok_and(|at| seen[at].last == entry.offset);
            if is_right && entry.offset > before {
                before = entry.offset;
                continue;
            }
            let (offset, position) = (entry.offset, entry.position);
            let what = match batch {
                Err(_) => format!("offset {offset} is at byte {position}, where no batch begins"),
                Ok(at) if !is_right => format!(
                    "offset {offset} is at byte {position}, where a batch ends with {}",
                    seen[at].last
                ),
                Ok(_) => format!("offset {offset} follows {before}"),
            };
            return self.tell_at(path, (at * size) as u64, Gravity::Derived, what);
        }
        self.rest(path, &bytes, count * size, size);
    }

    fn times(&mut self, path: &Path, base: Offset, read: &Read, is_torn: bool) {
        let (seen, Some(bytes)) = (&read.seen, self.read(path)) else { return };
        let size = time_index::ENTRY_BYTES;
        let mut before = Timestamp(-1);
        let mut count = 0;
        for (at, entry) in time_entries(&bytes, base).enumerate() {
            if is_zero(&bytes[at * size..(at + 1) * size]) {
                break;
            }
            if is_torn && seen.last().is_none_or(|last| entry.offset > last.last) {
                return;
            }
            count = at + 1;
            let (time, offset) = (entry.timestamp, entry.offset);
            let holder = seen.get(seen.partition_point(|batch| batch.last < offset));
            // A closed segment without any timestamp has one entry that says so.
            let is_told = time.0 < 0 || holder.is_some_and(|it| it.newest == time);
            let is_newest = time.0 < 0 || holder.is_some_and(|it| it.newest_so_far == time);
            let what = match (is_told, is_newest) {
                (false, _) => format!("time {time} is at offset {offset}, where it is not"),
                (true, false) => format!("time {time} is not the newest up to offset {offset}"),
                (true, true) if time < before => format!("time {time} follows {before}"),
                (true, true) => {
                    before = time;
                    continue;
                }
            };
            return self.tell_at(path, (at * size) as u64, Gravity::Derived, what);
        }
        self.rest(path, &bytes, count * size, size);
    }

    /// A closed segment's last entry tells its newest time, from which a search knows whether to
    /// look into the segment at all.
    fn closing_time(&mut self, path: &Path, base: Offset, read: &Read) {
        let Some(bytes) = self.read(path) else { return };
        let newest = read.seen.last().map_or(Timestamp(-1), |last| last.newest_so_far);
        let told = time_entries(&bytes, base).last().map_or(Timestamp(-1), |last| last.timestamp);
        if newest.0 >= 0 && told != newest {
            let what = format!("ends with time {told}, the newest of the segment is {newest}");
            self.tell(path, Gravity::Derived, what);
        }
    }

    /// Behind the entries of a file there are zeros or nothing.
    fn rest(&mut self, path: &Path, bytes: &[u8], entries: usize, size: usize) {
        let whole = bytes.len() / size * size;
        let rest = bytes.get(entries..whole).unwrap_or_default();
        if let Some(at) = rest.iter().position(|byte| *byte != 0) {
            let what = "an entry follows where the entries end".to_owned();
            self.tell_at(path, (entries + at / size * size) as u64, Gravity::Derived, what);
        } else if whole != bytes.len() {
            let what = format!("{} bytes are no whole entries of {size}", bytes.len());
            self.tell_at(path, whole as u64, Gravity::Derived, what);
        }
    }

    fn aborted(&mut self, path: &Path, base: Offset, read: &Read, walk: &Walk) {
        let Some(bytes) = self.read(path) else { return };
        let entries = match transaction_index::decode(&bytes, base) {
            Ok(entries) => entries,
            Err(what) => return self.tell(path, Gravity::Derived, what),
        };
        if walk.torn.is_some() {
            return;
        }
        let end = read.seen.last().map_or(base, |batch| batch.last + 1);
        if let Some(entry) = entries.iter().find(|entry| entry.last_offset >= end) {
            let last = entry.last_offset;
            let what = format!("a transaction ends at {last}, the segment before {end}");
            return self.tell(path, Gravity::Derived, what);
        }
        let has_marker = |entry: &&AbortedTransaction| {
            let marker = read.aborts.binary_search_by_key(&entry.last_offset, |(at, _)| *at);
            marker.is_ok_and(|at| read.aborts[at].1 == entry.producer_id)
        };
        if let Some(entry) = entries.iter().find(|entry| !has_marker(entry)) {
            let (id, last) = (entry.producer_id, entry.last_offset);
            let what = format!("no marker at offset {last} takes back what producer {id} wrote");
            return self.tell(path, Gravity::Derived, what);
        }
        if is_complete(walk) && entries != expected(read, walk) {
            let what = "does not tell the transactions that the batches tell".to_owned();
            self.tell(path, Gravity::Derived, what);
        }
    }
}

/// Whether the batches tell everything of transactions: none was removed.
fn is_complete(walk: &Walk) -> bool {
    walk.begin.0 == 0 && !walk.has_holes && walk.torn.is_none()
}

/// The transactions that the index must have.
fn expected<'a>(read: &'a Read, walk: &Walk) -> &'a [AbortedTransaction] {
    if is_complete(walk) { &read.aborted } else { &[] }
}

/// What a file should hold.
fn right(kind: FileKind, base: Offset, read: &Read) -> Remedy {
    let (offsets, times) = match kind {
        FileKind::OffsetIndex | FileKind::TimeIndex => indexes_of(base, read),
        _ if read.aborted.is_empty() => return Remedy::Remove,
        _ => {
            let entries = read.aborted.iter().flat_map(transaction_index::encode);
            return Remedy::Replace(entries.collect());
        }
    };
    Remedy::Replace(if kind == FileKind::OffsetIndex { offsets } else { times })
}

/// The offset and the time index of a closed segment.
fn indexes_of(base: Offset, read: &Read) -> (Vec<u8>, Vec<u8>) {
    let interval = u64::from(LogConfig::default().index_interval_bytes);
    let (mut offsets, mut times) = (Vec::new(), Vec::new());
    let mut newest = TimeEntry { timestamp: Timestamp(-1), offset: base };
    let mut last_time = Timestamp(-1);
    let mut push_time = |newest: TimeEntry| {
        if newest.timestamp > last_time {
            times.extend(time_index::encode(newest, base).into_iter().flatten());
            last_time = newest.timestamp;
        }
    };
    let mut unindexed = 0;
    for (at, batch) in read.seen.iter().enumerate() {
        if batch.newest > newest.timestamp {
            newest = TimeEntry { timestamp: batch.newest, offset: batch.last };
        }
        if unindexed > interval {
            unindexed = 0;
            let entry = OffsetEntry { offset: batch.last, position: batch.position };
            offsets.extend(offset_index::encode(entry, base).into_iter().flatten());
            push_time(newest);
        }
        unindexed += read.seen.get(at + 1).map_or(read.end, |next| next.position) - batch.position;
    }
    push_time(newest);
    (offsets, times)
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}
