//! A segment: its batches in order, each one whole.
//!
//! Not here: the indexes beside it. Must hold: the first wrong byte of a file is told, and nothing
//! behind it is believed.

use std::path::Path;

use bytes::Bytes;
use ottla_env::Open;
use ottla_records::{BatchHeader, read_batch};
use ottla_wire::{Offset, ProducerId, Timestamp};

use super::partition::{Torn, Walk};
use super::{Gravity, Remedy, Verifier};
use crate::markers;
use crate::names::{FileKind, file_name};
use crate::scan::{CHUNK_LARGE, Placed, Scan, ScanError};
use crate::transaction_index::AbortedTransaction;

/// A batch that was read.
pub(super) struct Seen {
    pub(super) position: u64,
    pub(super) last: Offset,
    /// Its newest timestamp, and that of all batches up to it.
    pub(super) newest: Timestamp,
    pub(super) newest_so_far: Timestamp,
}

/// What a segment's batches tell.
#[derive(Default)]
pub(super) struct Read {
    pub(super) seen: Vec<Seen>,
    /// Where the last of them ends in the file.
    pub(super) end: u64,
    /// The transactions that the segment's markers take back, as far as their begin is known.
    pub(super) aborted: Vec<AbortedTransaction>,
    /// Each marker that takes one back, and whose it is.
    pub(super) aborts: Vec<(Offset, ProducerId)>,
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
                self.remedy(Remedy::Remove);
            }
            return;
        }
        let log = path(FileKind::Log);
        if base < walk.end {
            let what = format!("begins at {base}, the segment before it ends at {}", walk.end);
            self.tell_at(&log, 0, Gravity::Records, what);
        }
        walk.end = walk.end.max(base);
        let read = self.batches(&log, base, walk);
        self.indexes(dir, base, kinds, &read, walk);
    }

    /// Reads the batches as far as they are whole.
    fn batches(&mut self, path: &Path, base: Offset, walk: &mut Walk) -> Read {
        let mut read = Read::default();
        let opened = self.disk.open(path, Open::Read).and_then(|file| Ok((file.len()?, file)));
        let (len, file) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                self.tell(path, Gravity::Records, format!("cannot be read: {error}"));
                self.note_torn(walk, base, 0, true);
                return read;
            }
        };
        self.found.bytes += len;
        let mut scan = Scan::new(&file, 0, len, CHUNK_LARGE);
        loop {
            read.end = scan.position();
            let next = scan.next().and_then(|placed| match placed {
                None => Ok(None),
                Some(placed) => {
                    scan.verify(&placed)?;
                    let body = self.records(&mut scan, &placed)?;
                    Ok(Some((placed, body)))
                }
            });
            match next {
                Ok(None) => return read,
                Ok(Some((placed, body))) => {
                    self.order(path, base, &placed, walk);
                    note(&mut read, walk, &placed, &body);
                }
                Err(error) => {
                    self.torn(path, base, read.end, len, &error, walk);
                    return read;
                }
            }
        }
    }

    /// The records of a batch: as many as it says, with offsets that rise within it. Answers the
    /// batch.
    fn records(&mut self, scan: &mut Scan<'_>, placed: &Placed) -> Result<Bytes, ScanError> {
        self.found.batches += 1;
        let bytes = Bytes::copy_from_slice(scan.body(placed)?);
        let (base, last, count) = match placed.header() {
            // Old messages are their own records.
            header if header.magic() < 2 => return Ok(bytes),
            header => (header.base_offset(), header.last_offset(), header.count()),
        };
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
        Ok(bytes)
    }

    /// Offsets and epochs against the batches before, and against the history of epochs.
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
        walk.has_holes |= first > walk.end || has_holes(&header);
        if header.magic() == 2 {
            if header.leader_epoch() < walk.epoch {
                let (epoch, before) = (header.leader_epoch(), walk.epoch);
                let what = format!("a batch of epoch {epoch} follows one of epoch {before}");
                self.tell_at(path, placed.position, Gravity::Records, what);
            }
            walk.epoch = header.leader_epoch();
            note_epoch(&header, walk);
        }
        walk.end = walk.end.max(header.last_offset() + 1);
    }

    fn torn(
        &mut self,
        path: &Path,
        base: Offset,
        at: u64,
        len: u64,
        error: &ScanError,
        walk: &mut Walk,
    ) {
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
        self.note_torn(walk, base, at, !matches!(error, ScanError::Torn(_)));
    }

    /// The last finding is where the log is torn, unless it was torn before.
    fn note_torn(&self, walk: &mut Walk, base: Offset, position: u64, is_unread: bool) {
        let finding = self.found.findings.len().saturating_sub(1);
        walk.torn.get_or_insert(Torn { finding, base, position, is_unread });
    }
}

/// Whether offsets are missing inside a batch.
fn has_holes(header: &BatchHeader<'_>) -> bool {
    header.magic() == 2 && header.count() != header.last_offset_delta().wrapping_add(1)
}

fn note_epoch(header: &BatchHeader<'_>, walk: &mut Walk) {
    let (epoch, first) = (header.leader_epoch(), header.base_offset());
    if epoch.0 < 0 {
        return;
    }
    if walk.epochs.latest().is_none_or(|latest| epoch > latest) {
        walk.epochs.assign(epoch, first);
    }
    // Below its first entry the history was forgotten when the log's start rose.
    let Some(history) = walk.history.as_ref() else { return };
    let served = first.max(walk.start);
    if served <= header.last_offset() && history.epoch_of(served).is_none() {
        walk.untold.get_or_insert(served);
    }
    let known = history.epoch_of(first);
    if known.is_some_and(|known| known != epoch) && walk.contradiction.is_none() {
        let known = known.map_or(-1, |known| known.0);
        walk.contradiction = Some(format!(
            "offset {first} is said to be of epoch {known}, its batch is of epoch {epoch}"
        ));
    }
}

/// What a batch tells of times, producers and transactions.
fn note(read: &mut Read, walk: &mut Walk, placed: &Placed, body: &Bytes) {
    let header = placed.header();
    let (last, newest) = (header.last_offset(), header.max_timestamp());
    let so_far = read.seen.last().map_or(Timestamp(-1), |seen| seen.newest_so_far);
    let newest_so_far = so_far.max(newest);
    read.seen.push(Seen { position: placed.position, last, newest, newest_so_far });
    if header.is_control() {
        let Some(marker) = markers::read(body, last) else { return };
        if marker.abort {
            read.aborts.push((marker.offset, marker.id));
        }
        read.aborted.extend(markers::complete(&mut walk.producers, &marker));
        // What readers may see is nobody's question here.
        walk.producers.replicated_to(last.next());
    } else if let Some(batch) = markers::producer_batch(&header) {
        walk.producers.append(&batch, header.base_offset());
    }
}
