//! What a pass writes for a group of segments: one file of batches with its indexes, all named
//! `.cleaned` until they take the place of the group.
//!
//! The batches leave in large writes; the indexes stay in memory, where they are bounded by
//! `segment.index.bytes`, and are written at the end. Must hold: when `finish` is over, files and
//! names are on the disk for sure.

use std::path::PathBuf;
use std::sync::Arc;

use ottla_env::{File, Open};
use ottla_records::BatchHeader;
use ottla_wire::{Offset, Timestamp};

use super::{CleanError, Fault};
use crate::config::LogConfig;
use crate::error::StorageError;
use crate::home::Home;
use crate::names::{CLEANED, FileKind, file_name};
use crate::offset_index::{self, OffsetEntry};
use crate::time_index::{self, TimeEntry};
use crate::transaction_index::{self, AbortedTransaction};

/// So much is written at a time.
const WRITE_BYTES: usize = 1 << 20;
/// So much may wait to be synced, lest one large sync at the end hold up those of others.
const UNSYNCED_BYTES_MAX: u64 = 32 << 20;
/// The longest file that positions of 31 bits reach into.
const FILE_BYTES_MAX: u64 = i32::MAX.unsigned_abs() as u64;

#[derive(Debug)]
pub(crate) struct Output {
    home: Arc<Home>,
    base: Offset,
    path: PathBuf,
    file: File,
    /// What is not in the file, and how much is.
    buffer: Vec<u8>,
    written: u64,
    synced: u64,
    unindexed: u64,
    index_interval_bytes: u64,
    index_bytes_max: usize,
    newest: TimeEntry,
    last_time: Timestamp,
    offsets: Vec<u8>,
    times: Vec<u8>,
    aborted: Vec<u8>,
}

/// What was written, and waits to take its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finished {
    pub(crate) base: Offset,
    pub(crate) size: u64,
    pub(crate) newest: TimeEntry,
}

impl Output {
    /// Begins the file of a segment from `base` on; what an earlier pass left of it is removed.
    pub(crate) fn create(
        home: &Arc<Home>,
        base: Offset,
        config: &LogConfig,
    ) -> Result<Output, StorageError> {
        remove(home, base)?;
        let path = home.file(&cleaned_name(base, FileKind::Log));
        let file =
            home.disk().open(&path, Open::Create).map_err(StorageError::io("create", &path))?;
        Ok(Output {
            home: Arc::clone(home),
            base,
            path,
            file,
            buffer: Vec::new(),
            written: 0,
            synced: 0,
            unindexed: 0,
            index_interval_bytes: config.index_interval_bytes.into(),
            index_bytes_max: usize::try_from(config.segment_index_bytes).unwrap_or(usize::MAX),
            newest: TimeEntry { timestamp: Timestamp(-1), offset: base },
            last_time: Timestamp(-1),
            offsets: Vec::new(),
            times: Vec::new(),
            aborted: Vec::new(),
        })
    }

    /// Adds a batch, and indexes it when its turn has come, as an append does.
    pub(crate) fn batch(&mut self, bytes: &[u8]) -> Result<(), CleanError> {
        let header = BatchHeader::first(bytes).ok().flatten();
        let header = header.expect("whoever wrote the batch gave it a header");
        let (last, position) = (header.last_offset(), self.size());
        let too_far = last - self.base > i64::from(i32::MAX);
        if too_far || position + bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(CleanError::Uncleanable(Fault {
                file: self.path.clone(),
                offset: header.base_offset(),
                what: "what is left does not fit one segment".to_owned(),
            }));
        }
        if header.max_timestamp() > self.newest.timestamp {
            self.newest = TimeEntry { timestamp: header.max_timestamp(), offset: last };
        }
        if self.unindexed > self.index_interval_bytes {
            self.unindexed = 0;
            self.index(OffsetEntry { offset: last, position });
        }
        self.unindexed += bytes.len() as u64;
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= WRITE_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Adds a transaction that was taken back and of which something is left.
    pub(crate) fn aborted(&mut self, entry: &AbortedTransaction) {
        self.aborted.extend_from_slice(&transaction_index::encode(entry));
    }

    /// How long the file is with what waits to be written.
    pub(crate) fn size(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Writes the rest, and makes all of it last. The file gets the time of the newest source.
    pub(crate) fn finish(mut self, modified: Timestamp) -> Result<Finished, StorageError> {
        self.flush()?;
        self.index_time();
        self.file.sync().map_err(StorageError::io("sync", &self.path))?;
        self.write(FileKind::OffsetIndex, &self.offsets)?;
        self.write(FileKind::TimeIndex, &self.times)?;
        if !self.aborted.is_empty() {
            self.write(FileKind::TransactionIndex, &self.aborted)?;
        }
        let disk = self.home.disk();
        disk.set_modified_ms(&self.path, modified.0)
            .map_err(StorageError::io("set the time of", &self.path))?;
        let path = self.home.path();
        disk.sync_dir(&path).map_err(StorageError::io("sync", &path))?;
        Ok(Finished { base: self.base, size: self.written, newest: self.newest })
    }

    /// Gives up what was written.
    pub(crate) fn discard(self) -> Result<(), StorageError> {
        remove(&self.home, self.base)
    }

    fn flush(&mut self) -> Result<(), StorageError> {
        self.file
            .write_all_at(&self.buffer, self.written)
            .map_err(StorageError::io("write to", &self.path))?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        if self.written - self.synced > UNSYNCED_BYTES_MAX {
            self.file.sync().map_err(StorageError::io("sync", &self.path))?;
            self.synced = self.written;
        }
        Ok(())
    }

    /// An index that is full is left as it is: places behind are found from its last entry on.
    fn index(&mut self, entry: OffsetEntry) {
        if self.offsets.len() + offset_index::ENTRY_BYTES > self.index_bytes_max {
            return;
        }
        if let Some(entry) = offset_index::encode(entry, self.base) {
            self.offsets.extend_from_slice(&entry);
        }
        // The last slot is that of the closing entry.
        if self.times.len() + 2 * time_index::ENTRY_BYTES <= self.index_bytes_max {
            self.index_time();
        }
    }

    fn index_time(&mut self) {
        if self.newest.timestamp <= self.last_time {
            return;
        }
        if let Some(entry) = time_index::encode(self.newest, self.base) {
            self.times.extend_from_slice(&entry);
            self.last_time = self.newest.timestamp;
        }
    }

    fn write(&self, kind: FileKind, bytes: &[u8]) -> Result<(), StorageError> {
        let path = self.home.file(&cleaned_name(self.base, kind));
        let disk = self.home.disk();
        let file = disk.open(&path, Open::Create).map_err(StorageError::io("create", &path))?;
        let written = file.set_len(0).and_then(|()| file.write_all_at(bytes, 0));
        written.and_then(|()| file.sync()).map_err(StorageError::io("write", &path))
    }
}

/// The kinds of files that a pass writes. The batches get their final name first: indexes that
/// still wait for theirs are no reason to take the segment for one that is to be replaced.
pub(crate) const KINDS: [FileKind; 4] =
    [FileKind::Log, FileKind::OffsetIndex, FileKind::TimeIndex, FileKind::TransactionIndex];

pub(crate) fn cleaned_name(base: Offset, kind: FileKind) -> String {
    format!("{}{CLEANED}", file_name(base, kind))
}

/// Removes what a pass left of a segment.
pub(crate) fn remove(home: &Home, base: Offset) -> Result<(), StorageError> {
    KINDS.into_iter().try_for_each(|kind| home.remove(&cleaned_name(base, kind)))
}
