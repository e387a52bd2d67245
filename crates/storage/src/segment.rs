//! One segment of a log: a file of batches and the indexes that find places in it.
//!
//! Not here: which segments there are (log.rs) and when one is closed (append.rs). Must hold: the
//! first batch has no index entry; afterwards one gets an entry when more than the interval was
//! appended since the last one, whether it is appended or recovered.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use ottla_env::File;
use ottla_records::batch::BatchHeader;
use ottla_wire::{Offset, Timestamp};

use crate::config::LogConfig;
use crate::error::StorageError;
use crate::home::Home;
use crate::names::{DELETED, FileKind, file_name};
use crate::offset_index::{OffsetEntry, OffsetIndex};
use crate::open_files::{Change, LazyFile};
use crate::scan::{CHUNK_SMALL, Placed, Scan, ScanError};
use crate::time_index::{TimeEntry, TimeIndex};
use crate::transaction_index::TransactionIndex;

/// The timestamp of a segment in which none was seen yet.
const UNKNOWN: i64 = i64::MIN;

#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) base: Offset,
    home: Arc<Home>,
    file: LazyFile,
    size: AtomicU64,
    /// The highest timestamp, as far as it was looked up.
    max_timestamp: AtomicI64,
    offset_of_max: AtomicI64,
    pub(crate) created: Timestamp,
    pub(crate) offsets: OffsetIndex,
    pub(crate) times: TimeIndex,
    pub(crate) aborted: TransactionIndex,
}

/// What only the writer of the active segment keeps.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Growth {
    /// Bytes since the last index entry.
    pub(crate) unindexed: u64,
    /// The highest timestamp of the first batch; `None` until it was looked at.
    pub(crate) first_timestamp: Option<Timestamp>,
    /// What `segment.jitter.ms` made of this segment.
    pub(crate) jitter_ms: i64,
}

impl Segment {
    pub(crate) fn new(home: Arc<Home>, base: Offset, size: u64, created: Timestamp) -> Segment {
        Segment {
            base,
            file: LazyFile::default(),
            size: AtomicU64::new(size),
            max_timestamp: AtomicI64::new(UNKNOWN),
            offset_of_max: AtomicI64::new(base.0),
            created,
            offsets: OffsetIndex::new(Arc::clone(&home), base),
            times: TimeIndex::new(Arc::clone(&home), base),
            aborted: TransactionIndex::new(Arc::clone(&home), base),
            home,
        }
    }

    /// The length of the file's part that holds batches.
    pub(crate) fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    pub(crate) fn set_size(&self, size: u64) {
        self.size.store(size, Ordering::Release);
    }

    pub(crate) fn file(&self) -> Result<Arc<File>, StorageError> {
        self.file.open(&self.home, self.base, FileKind::Log)
    }

    /// The file for who writes to it or cuts it.
    pub(crate) fn change(&self) -> Result<Change<'_>, StorageError> {
        self.file.change(&self.home, self.base, FileKind::Log)
    }

    /// Whether an append finds its file open.
    pub(crate) fn is_open(&self) -> bool {
        self.file.is_open()
    }

    pub(crate) fn io(&self, what: &'static str) -> impl FnOnce(std::io::Error) -> StorageError {
        move |error| StorageError::io(what, &self.home.of(self.base, FileKind::Log))(error)
    }

    /// Makes the index files as an active segment has them.
    pub(crate) fn preallocate(&self, config: &LogConfig) -> Result<(), StorageError> {
        let bytes = u64::from(config.segment_index_bytes);
        self.offsets.file().preallocate(bytes)?;
        self.times.file().preallocate(bytes)
    }

    /// Notes a batch that is in the file at `position`, and indexes it when its turn has come.
    pub(crate) fn note(
        &self,
        growth: &mut Growth,
        batch: BatchHeader<'_>,
        position: u64,
        interval: u32,
    ) -> Result<(), StorageError> {
        let last = batch.last_offset();
        let timestamp = batch.max_timestamp();
        if timestamp.0 > self.max_timestamp.load(Ordering::Relaxed) {
            self.offset_of_max.store(last.0, Ordering::Relaxed);
            self.max_timestamp.store(timestamp.0, Ordering::Release);
        }
        growth.first_timestamp.get_or_insert(timestamp);
        if growth.unindexed > u64::from(interval) {
            growth.unindexed = 0;
            self.offsets.push(OffsetEntry { offset: last, position })?;
            self.times.push(self.newest_seen())?;
        }
        growth.unindexed += batch.len_bytes() as u64;
        Ok(())
    }

    /// The highest timestamp of the segment, which the time index knows if nobody else does.
    pub(crate) fn newest(&self) -> Result<TimeEntry, StorageError> {
        if self.max_timestamp.load(Ordering::Acquire) == UNKNOWN {
            let none = TimeEntry { timestamp: Timestamp(-1), offset: self.base };
            self.set_newest(self.times.last()?.unwrap_or(none));
        }
        Ok(self.newest_seen())
    }

    pub(crate) fn set_newest(&self, newest: TimeEntry) {
        self.offset_of_max.store(newest.offset.0, Ordering::Relaxed);
        self.max_timestamp.store(newest.timestamp.0, Ordering::Release);
    }

    fn newest_seen(&self) -> TimeEntry {
        TimeEntry {
            timestamp: Timestamp(self.max_timestamp.load(Ordering::Acquire)),
            offset: Offset(self.offset_of_max.load(Ordering::Relaxed)),
        }
    }

    /// The newest record's time, or the time of the file's last change when no record has one.
    pub(crate) fn largest_timestamp(&self) -> Result<Timestamp, StorageError> {
        if self.size() == 0 {
            return Ok(self.created);
        }
        let newest = self.newest()?.timestamp;
        if newest.0 >= 0 {
            return Ok(newest);
        }
        self.modified()
    }

    /// Writes the closing time entry and cuts the indexes to what they hold.
    pub(crate) fn finish(&self) -> Result<(), StorageError> {
        let newest = self.newest()?;
        self.times.push(newest)?;
        self.offsets.file().trim()?;
        self.times.file().trim()
    }

    /// The first batch that ends at `offset` or above, looking at the first `size` bytes.
    pub(crate) fn find(
        &self,
        offset: Offset,
        size: u64,
        resident: bool,
    ) -> Result<Option<Placed>, FindError> {
        let from = self.offsets.lookup(offset)?;
        let file = self.file()?;
        let mut scan =
            Scan::new(&file, from.position.min(size), size, CHUNK_SMALL).resident(resident);
        while let Some(placed) = scan.next().map_err(|error| self.scan_error(error))? {
            if placed.last_offset() >= offset {
                return Ok(Some(placed));
            }
        }
        Ok(None)
    }

    pub(crate) fn scan_error(&self, error: ScanError) -> FindError {
        let path = self.home.of(self.base, FileKind::Log);
        match error {
            ScanError::Cold => FindError::Cold,
            ScanError::Io(error) => StorageError::io("read", &path)(error).into(),
            ScanError::Torn(what) => StorageError::corrupt(&path, what).into(),
        }
    }

    /// Cuts the file and its indexes back, so that the segment ends before `offset`.
    pub(crate) fn truncate(&self, offset: Offset, size: u64) -> Result<(), StorageError> {
        self.offsets.truncate_to(offset)?;
        self.times.truncate_to(offset)?;
        self.aborted.truncate_to(offset)?;
        self.set_size(size);
        self.change()?.set_len(size).map_err(self.io("cut"))
    }

    /// Makes the batches last, and what an append writes to no other place.
    pub(crate) fn sync(&self) -> Result<(), StorageError> {
        if self.size() == 0 {
            // Without its file an empty log would be told to end below its snapshot.
            self.file()?;
        }
        self.file.sync().map_err(self.io("sync"))?;
        self.aborted.sync()
    }

    /// Makes the indexes of a closed segment last.
    pub(crate) fn sync_indexes(&self) -> Result<(), StorageError> {
        self.offsets.file().sync()?;
        self.times.file().sync()?;
        self.aborted.sync()
    }

    /// Whether `sync_indexes` would find anything to do.
    pub(crate) fn has_unsynced_indexes(&self) -> bool {
        self.offsets.file().is_unsynced()
            || self.times.file().is_unsynced()
            || self.aborted.is_unsynced()
    }

    /// Keeps the files open for good, before their names go to what replaces the segment: who
    /// reads in it goes on.
    pub(crate) fn pin(&self) -> Result<(), StorageError> {
        self.newest()?;
        self.file.pin(&self.home, self.base, FileKind::Log)?;
        self.offsets.file().pin()?;
        self.times.file().pin()?;
        self.aborted.pin()
    }

    /// When the file was last changed.
    pub(crate) fn modified(&self) -> Result<Timestamp, StorageError> {
        let path = self.home.of(self.base, FileKind::Log);
        let meta = self.home.disk().metadata(&path);
        meta.map(|meta| Timestamp(meta.modified_ms)).map_err(self.io("read the time of"))
    }

    /// Closes files that nobody needs at once.
    pub(crate) fn close_idle(&self) {
        self.file.close();
        self.offsets.file().close_idle();
        self.times.file().close_idle();
        self.aborted.close_idle();
    }

    /// Renames the files to what waits for removal; answers the new names.
    pub(crate) fn mark_deleted(&self) -> Result<Vec<String>, StorageError> {
        let mut renamed = Vec::new();
        let kinds = FileKind::ALL.into_iter().filter(|kind| *kind != FileKind::Snapshot);
        for kind in kinds {
            renamed.extend(mark_deleted(&self.home, &file_name(self.base, kind))?);
        }
        Ok(renamed)
    }
}

/// Renames a file to what waits for removal, if it is there.
pub(crate) fn mark_deleted(home: &Home, name: &str) -> Result<Option<String>, StorageError> {
    let (from, deleted) = (home.file(name), format!("{name}{DELETED}"));
    home.directory.with_reserve(|| match home.disk().rename(&from, &home.file(&deleted)) {
        Ok(()) => Ok(Some(deleted.clone())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StorageError::io("rename", &from)(error)),
    })
}

/// Why a place was not found.
#[derive(Debug)]
pub(crate) enum FindError {
    Storage(StorageError),
    /// It would have to be read from the disk.
    Cold,
}

impl From<StorageError> for FindError {
    fn from(error: StorageError) -> FindError {
        FindError::Storage(error)
    }
}

impl FindError {
    /// For scans that wait for the disk.
    pub(crate) fn warm(self) -> StorageError {
        match self {
            FindError::Storage(error) => error,
            FindError::Cold => StorageError::Refused("a waiting read did not wait".to_owned()),
        }
    }
}
