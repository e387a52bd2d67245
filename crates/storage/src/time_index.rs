//! `.timeindex`: from a timestamp to an offset before which nothing is newer.
//!
//! An entry is the highest timestamp so far and the last offset of the batch that holds it,
//! relative to the segment's base; both ascend. The last slot of a file is kept for the entry
//! that closes the segment.

use std::sync::Arc;

use ottla_wire::{Offset, Timestamp};

use crate::entries::EntryFile;
use crate::error::StorageError;
use crate::home::Home;
use crate::names::FileKind;
use crate::offset_index::relative;

pub(crate) const ENTRY_BYTES: usize = 12;

/// The highest timestamp of a segment up to some point, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeEntry {
    /// The highest timestamp up to here.
    pub timestamp: Timestamp,
    /// The last offset of the batch that holds it.
    pub offset: Offset,
}

/// The entries of a time index file of the segment at `base`. Zeros at its end, which a crash or
/// a writer leaves, and a part of an entry are none.
pub fn time_entries(bytes: &[u8], base: Offset) -> impl Iterator<Item = TimeEntry> {
    let (entries, _) = bytes.as_chunks();
    let entries = entries.iter().map(move |entry| decode(entry, base)).enumerate();
    entries.take_while(move |(at, entry)| *at == 0 || entry.offset != base).map(|(_, entry)| entry)
}

#[derive(Debug)]
pub(crate) struct TimeIndex {
    base: Offset,
    entries: EntryFile<ENTRY_BYTES>,
}

impl TimeIndex {
    pub(crate) fn new(home: Arc<Home>, base: Offset) -> TimeIndex {
        TimeIndex { base, entries: EntryFile::new(home, base, FileKind::TimeIndex) }
    }

    /// The newest entry that is not newer than `timestamp`; the segment's begin when none is.
    pub(crate) fn lookup(&self, timestamp: Timestamp) -> Result<TimeEntry, StorageError> {
        let after = self.entries.count_while(|entry| self.decode(entry).timestamp <= timestamp)?;
        let found = match after.checked_sub(1) {
            Some(at) => self.entries.get(at)?,
            None => None,
        };
        let begin = TimeEntry { timestamp: Timestamp(-1), offset: self.base };
        Ok(found.map_or(begin, |entry| self.decode(&entry)))
    }

    /// Adds an entry when it is newer than the last one.
    pub(crate) fn push(&self, entry: TimeEntry) -> Result<(), StorageError> {
        if self.last()?.is_some_and(|last| entry.timestamp <= last.timestamp)
            || entry.timestamp.0 < 0
        {
            return Ok(());
        }
        let Some(bytes) = encode(entry, self.base) else {
            return Err(StorageError::Refused(format!(
                "offset {} does not fit the time index of segment {}",
                entry.offset, self.base
            )));
        };
        self.entries.push(bytes)
    }

    pub(crate) fn last(&self) -> Result<Option<TimeEntry>, StorageError> {
        Ok(self.entries.last()?.map(|entry| self.decode(&entry)))
    }

    /// Whether only the slot of the closing entry is left in a file of `bytes`.
    pub(crate) fn is_full(&self, bytes: u64) -> Result<bool, StorageError> {
        Ok(u64::from(self.entries.len()?) + 1 >= bytes / ENTRY_BYTES as u64)
    }

    /// Drops the entries at `offset` and above.
    pub(crate) fn truncate_to(&self, offset: Offset) -> Result<(), StorageError> {
        let keep = self.entries.count_while(|entry| self.decode(entry).offset < offset)?;
        self.entries.truncate(keep)
    }

    /// Keeps the first entries as long as they ascend and stand below `end`.
    pub(crate) fn keep_ascending(&self, end: Offset) -> Result<u32, StorageError> {
        let mut last = TimeEntry { timestamp: Timestamp(-1), offset: self.base + -1 };
        self.entries.keep_while(|entry| {
            let entry = self.decode(entry);
            let ascends = entry.timestamp > last.timestamp && entry.offset > last.offset;
            last = entry;
            ascends && entry.offset < end
        })
    }

    pub(crate) fn file(&self) -> &EntryFile<ENTRY_BYTES> {
        &self.entries
    }

    fn decode(&self, entry: &[u8; ENTRY_BYTES]) -> TimeEntry {
        decode(entry, self.base)
    }
}

fn decode(entry: &[u8; ENTRY_BYTES], base: Offset) -> TimeEntry {
    let (timestamp, relative) = entry.split_at(8);
    let timestamp = i64::from_be_bytes(timestamp.try_into().expect("split at eight"));
    let relative = u32::from_be_bytes(relative.try_into().expect("four of twelve are left"));
    TimeEntry { timestamp: Timestamp(timestamp), offset: base + i64::from(relative) }
}

/// The bytes of an entry; `None` when it is too far from the segment's begin.
pub(crate) fn encode(entry: TimeEntry, base: Offset) -> Option<[u8; ENTRY_BYTES]> {
    let relative = relative(entry.offset, base)?;
    let mut bytes = [0; ENTRY_BYTES];
    bytes[..8].copy_from_slice(&entry.timestamp.0.to_be_bytes());
    bytes[8..].copy_from_slice(&relative.to_be_bytes());
    Some(bytes)
}
