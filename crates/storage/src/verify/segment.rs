//! A segment: its batches, and its indexes against them.
//!
//! Must hold: the first wrong byte of a file is told, and nothing behind it is believed.

use std::path::Path;

use bytes::Bytes;
use ottla_env::Open;
use ottla_records::read_batch;
use ottla_wire::{Offset, Timestamp};

use super::partition::Walk;
use super::{Gravity, Verifier};
use crate::names::{FileKind, file_name};
use crate::offset_index::{self, offset_entries};
use crate::scan::{CHUNK_LARGE, Placed, Scan, ScanError};
use crate::time_index::{self, time_entries};
use crate::transaction_index;

/// A batch that was read.
struct Seen {
    position: u64,
    last: Offset,
    newest: Timestamp,
}

impl Verifier<'_> {
    pub(super) fn segment(
        &mut self,
        dir: &Path,
        base: Offset,
        kinds: &[FileKind],
        walk: &mut Walk,
    ) {
        let path = |kind| dir.join(file_name(base, kind));
        if !kinds.contains(&FileKind::Log) {
            for kind in kinds {
                let what = "has no log beside it; the next start removes it".to_owned();
                self.tell(&path(*kind), Gravity::Derived, what);
            }
            return;
        }
        let log = path(FileKind::Log);
        if base < walk.end {
            let what = format!("begins at {base}, the segment before it ends at {}", walk.end);
            self.tell_at(&log, 0, Gravity::Records, what);
        }
        walk.end = walk.end.max(base);
        let seen = self.batches(&log, base, walk);
        for kind in kinds {
            match kind {
                FileKind::OffsetIndex => self.offsets(&path(*kind), base, &seen),
                FileKind::TimeIndex => self.times(&path(*kind), base, &seen),
                FileKind::TransactionIndex => self.aborted(&path(*kind), base, &seen),
                FileKind::Log | FileKind::Snapshot => (),
            }
        }
    }

    /// Reads the batches as far as they are whole.
    fn batches(&mut self, path: &Path, base: Offset, walk: &mut Walk) -> Vec<Seen> {
        let mut seen = Vec::new();
        let opened = self.disk.open(path, Open::Read).and_then(|file| Ok((file.len()?, file)));
        let (len, file) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                self.tell(path, Gravity::Records, format!("cannot be read: {error}"));
                walk.is_torn = true;
                return seen;
            }
        };
        self.found.bytes += len;
        let mut scan = Scan::new(&file, 0, len, CHUNK_LARGE);
        loop {
            let position = scan.position();
            let placed = match scan.next() {
                Ok(None) => return seen,
                Ok(Some(placed)) => placed,
                Err(error) => {
                    self.torn(path, position, len, &error, walk);
                    return seen;
                }
            };
            let checked = scan.verify(&placed).and_then(|()| self.records(&mut scan, &placed));
            if let Err(error) = checked {
                self.torn(path, position, len, &error, walk);
                return seen;
            }
            self.order(path, base, &placed, walk);
            let header = placed.header();
            seen.push(Seen {
                position,
                last: header.last_offset(),
                newest: header.max_timestamp(),
            });
        }
    }

    /// The records of a batch: as many as it says, with offsets that rise within it.
    fn records(&mut self, scan: &mut Scan<'_>, placed: &Placed) -> Result<(), ScanError> {
        self.found.batches += 1;
        let (base, last, count) = match placed.header() {
            // Old messages are their own records.
            header if header.magic() < 2 => return Ok(()),
            header => (header.base_offset(), header.last_offset(), header.count()),
        };
        let bytes = Bytes::copy_from_slice(scan.body(placed)?);
        let (mut found, mut before) = (0_i64, base + -1);
        for record in read_batch(&bytes) {
            let record = record.map_err(|error| ScanError::Torn(error.to_string()))?;
            if record.offset <= before || record.offset > last {
                return Err(ScanError::Torn(format!(
                    "record {} of the batch {base} to {last} is out of order",
                    record.offset
                )));
            }
            (found, before) = (found + 1, record.offset);
        }
        if found != i64::from(count) {
            return Err(ScanError::Torn(format!("{count} records are told, {found} are there")));
        }
        self.found.records += found.unsigned_abs();
        Ok(())
    }

    /// Offsets and epochs against the batches before.
    fn order(&mut self, path: &Path, base: Offset, placed: &Placed, walk: &mut Walk) {
        let header = placed.header();
        let first = match header.magic() {
            2 => header.base_offset(),
            _ => header.last_offset(),
        };
        if first < walk.end.max(base) {
            let what = format!("a batch at offset {first} follows offset {}", walk.end + -1);
            self.tell_at(path, placed.position, Gravity::Records, what);
        }
        if header.magic() == 2 {
            if header.leader_epoch() < walk.epoch {
                let (epoch, before) = (header.leader_epoch(), walk.epoch);
                let what = format!("a batch of epoch {epoch} follows one of epoch {before}");
                self.tell_at(path, placed.position, Gravity::Records, what);
            }
            walk.epoch = header.leader_epoch();
        }
        walk.end = walk.end.max(header.last_offset() + 1);
    }

    fn torn(&mut self, path: &Path, at: u64, len: u64, error: &ScanError, walk: &mut Walk) {
        let why = match error {
            ScanError::Io(error) => format!("cannot be read: {error}"),
            ScanError::Torn(what) => what.clone(),
            ScanError::Cold => "is not in memory".to_owned(),
        };
        let what = format!(
            "no whole batch: {why}; the {} bytes from here on were not looked at, and recovery \
             after an unclean stop cuts them off",
            len - at
        );
        self.tell_at(path, at, Gravity::Records, what);
        walk.is_torn = true;
    }

    fn offsets(&mut self, path: &Path, base: Offset, seen: &[Seen]) {
        let Some(bytes) = self.read(path) else { return };
        let size = offset_index::ENTRY_BYTES;
        if !bytes.len().is_multiple_of(size) {
            return self.uneven(path, bytes.len(), size);
        }
        let mut before = -1;
        for (at, entry) in offset_entries(&bytes, base).enumerate() {
            let batch = seen.binary_search_by_key(&entry.position, |batch| batch.position);
            let is_right = batch.is_ok_and(|at| seen[at].last == entry.offset);
            if !is_right || entry.offset.0 <= before {
                let (offset, position) = (entry.offset, entry.position);
                let what = match batch {
                    Err(_) => {
                        format!("offset {offset} is at byte {position}, where no batch begins")
                    }
                    Ok(at) if !is_right => format!(
                        "offset {offset} is at byte {position}, where a batch ends with {}",
                        seen[at].last
                    ),
                    Ok(_) => format!("offset {offset} follows {before}"),
                };
                return self.tell_at(path, (at * size) as u64, Gravity::Derived, what);
            }
            before = entry.offset.0;
        }
    }

    fn times(&mut self, path: &Path, base: Offset, seen: &[Seen]) {
        let Some(bytes) = self.read(path) else { return };
        let size = time_index::ENTRY_BYTES;
        if !bytes.len().is_multiple_of(size) {
            return self.uneven(path, bytes.len(), size);
        }
        let mut before = -1;
        for (at, entry) in time_entries(&bytes, base).enumerate() {
            let (time, offset) = (entry.timestamp, entry.offset);
            // A closed segment without any timestamp has one entry that says so.
            let holder = seen.partition_point(|batch| batch.last < offset);
            let is_told = time.0 < 0 || seen.get(holder).is_some_and(|it| it.newest >= time);
            if !is_told || time.0 < before {
                let what = match is_told {
                    false => format!("time {time} is at offset {offset}, where nothing is as new"),
                    true => format!("time {time} follows {before}"),
                };
                return self.tell_at(path, (at * size) as u64, Gravity::Derived, what);
            }
            before = time.0;
        }
    }

    fn aborted(&mut self, path: &Path, base: Offset, seen: &[Seen]) {
        let Some(bytes) = self.read(path) else { return };
        let entries = match transaction_index::decode(&bytes, base) {
            Ok(entries) => entries,
            Err(what) => return self.tell(path, Gravity::Derived, what),
        };
        let end = seen.last().map_or(base, |batch| batch.last + 1);
        if let Some(entry) = entries.iter().find(|entry| entry.last_offset >= end) {
            let last = entry.last_offset;
            let what = format!("a transaction ends at {last}, the segment before {end}");
            self.tell(path, Gravity::Derived, what);
        }
    }

    fn uneven(&mut self, path: &Path, len: usize, entry_bytes: usize) {
        let at = len / entry_bytes * entry_bytes;
        let what = format!("{len} bytes are no whole entries of {entry_bytes}");
        self.tell_at(path, at as u64, Gravity::Derived, what);
    }
}
