//! `.index`: from an offset to a place in the segment's file that is not behind it.
//!
//! An entry is the last offset of a batch, relative to the segment's base, and the position of
//! the batch's first byte, both ascending. Must hold: the answer's position is one where a batch
//! begins, and no batch before it holds the offset asked for.

use std::sync::Arc;

use ottla_wire::Offset;

use crate::entries::EntryFile;
use crate::error::StorageError;
use crate::home::Home;
use crate::names::FileKind;

pub(crate) const ENTRY_BYTES: usize = 8;

/// A batch that has an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetEntry {
    /// The last offset of the batch.
    pub offset: Offset,
    /// Where the batch begins in the segment's file.
    pub position: u64,
}

/// The entries of an index file of the segment at `base`. Zeros at its end, which a crash or a
/// writer leaves, and a part of an entry are none.
pub fn offset_entries(bytes: &[u8], base: Offset) -> impl Iterator<Item = OffsetEntry> {
    let (entries, _) = bytes.as_chunks();
    let entries = entries.iter().map(move |entry| decode(entry, base)).enumerate();
    entries.take_while(move |(at, entry)| *at == 0 || entry.offset != base).map(|(_, entry)| entry)
}

#[derive(Debug)]
pub(crate) struct OffsetIndex {
    base: Offset,
    entries: EntryFile<ENTRY_BYTES>,
}

impl OffsetIndex {
    pub(crate) fn new(home: Arc<Home>, base: Offset) -> OffsetIndex {
        OffsetIndex { base, entries: EntryFile::new(home, base, FileKind::OffsetIndex) }
    }

    /// The entry that a search for `offset` starts from; the segment's begin when there is none.
    pub(crate) fn lookup(&self, offset: Offset) -> Result<OffsetEntry, StorageError> {
        let after = self.entries.count_while(|entry| self.decode(entry).offset <= offset)?;
        let found = match after.checked_sub(1) {
            Some(at) => self.entries.get(at)?,
            None => None,
        };
        Ok(found.map_or(OffsetEntry { offset: self.base, position: 0 }, |e| self.decode(&e)))
    }

    /// An offset that is above every batch that begins before `position`, if an entry tells one.
    pub(crate) fn offset_at(&self, position: u64) -> Result<Option<Offset>, StorageError> {
        let at = self.entries.count_while(|entry| self.decode(entry).position < position)?;
        Ok(self.entries.get(at)?.map(|entry| self.decode(&entry).offset))
    }

    /// The entry at a place among them.
    pub(crate) fn get(&self, at: u32) -> Result<Option<OffsetEntry>, StorageError> {
        Ok(self.entries.get(at)?.map(|entry| self.decode(&entry)))
    }

    /// Adds an entry; the caller keeps them ascending.
    pub(crate) fn push(&self, entry: OffsetEntry) -> Result<(), StorageError> {
        match encode(entry, self.base) {
            Some(bytes) => self.entries.push(bytes),
            None => Err(self.impossible(entry)),
        }
    }

    pub(crate) fn last(&self) -> Result<Option<OffsetEntry>, StorageError> {
        Ok(self.entries.last()?.map(|entry| self.decode(&entry)))
    }

    /// Whether no further entry fits into a file of `bytes`.
    pub(crate) fn is_full(&self, bytes: u64) -> Result<bool, StorageError> {
        Ok(u64::from(self.entries.len()?) >= bytes / ENTRY_BYTES as u64)
    }

    /// Drops the entries at `offset` and above.
    pub(crate) fn truncate_to(&self, offset: Offset) -> Result<(), StorageError> {
        let keep = self.entries.count_while(|entry| self.decode(entry).offset < offset)?;
        self.entries.truncate(keep)
    }

    /// Keeps the first entries as long as they ascend and lie inside; answers how many.
    pub(crate) fn keep_ascending(&self, end: Offset, size: u64) -> Result<u32, StorageError> {
        let mut last = OffsetEntry { offset: self.base + -1, position: 0 };
        self.entries.keep_while(|entry| {
            let entry = self.decode(entry);
            let ascends = entry.offset > last.offset && entry.position > last.position;
            last = entry;
            ascends && entry.offset < end && entry.position < size
        })
    }

    pub(crate) fn file(&self) -> &EntryFile<ENTRY_BYTES> {
        &self.entries
    }

    fn decode(&self, entry: &[u8; ENTRY_BYTES]) -> OffsetEntry {
        decode(entry, self.base)
    }

    fn impossible(&self, entry: OffsetEntry) -> StorageError {
        StorageError::Refused(format!(
            "offset {} at {} does not fit the index of segment {}",
            entry.offset, entry.position, self.base
        ))
    }
}

/// The bytes of an entry; `None` when it is too far from the segment's begin.
pub(crate) fn encode(entry: OffsetEntry, base: Offset) -> Option<[u8; ENTRY_BYTES]> {
    let relative = relative(entry.offset, base)?;
    let position = u32::try_from(entry.position).ok()?;
    let mut bytes = [0; ENTRY_BYTES];
    bytes[..4].copy_from_slice(&relative.to_be_bytes());
    bytes[4..].copy_from_slice(&position.to_be_bytes());
    Some(bytes)
}

/// An offset as index entries hold it: less the base, and in 31 bits.
fn decode(entry: &[u8; ENTRY_BYTES], base: Offset) -> OffsetEntry {
    let [a, b, c, d, e, f, g, h] = *entry;
    let relative = u32::from_be_bytes([a, b, c, d]);
    let position = u32::from_be_bytes([e, f, g, h]);
    OffsetEntry { offset: base + i64::from(relative), position: u64::from(position) }
}

pub(crate) fn relative(offset: Offset, base: Offset) -> Option<u32> {
    let distance = offset.0.checked_sub(base.0)?;
    i32::try_from(distance).ok().and_then(|distance| u32::try_from(distance).ok())
}
