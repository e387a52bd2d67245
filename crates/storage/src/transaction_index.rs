//! `.txnindex`: the aborted transactions that end in a segment.
//!
//! Written at once, since aborts are few; a segment without one has no file. Must hold: entries
//! ascend by last offset, and a file that breaks that is told to be corrupt, so that the segment
//! is read again; who reads the entries waits for nobody who writes, cuts or syncs the file.

use std::sync::{Arc, Mutex, MutexGuard};

use ottla_wire::{Offset, ProducerId};

use crate::error::StorageError;
use crate::home::Home;
use crate::log::lock;
use crate::names::{FileKind, file_name};
use crate::open_files::{Change, LazyFile};

const ENTRY_BYTES: usize = 34;
const VERSION: i16 = 0;

/// A transaction that was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose it was.
    pub producer_id: ProducerId,
    /// The offset of its first record.
    pub first_offset: Offset,
    /// The offset of its marker.
    pub last_offset: Offset,
    /// The last stable offset after the marker.
    pub last_stable_offset: Offset,
}

#[derive(Debug)]
pub(crate) struct TransactionIndex {
    home: Arc<Home>,
    base: Offset,
    file: LazyFile,
    /// Held by whoever syncs the file. The locks are taken in the order in which they stand.
    syncing: Mutex<()>,
    /// Held by whoever writes or cuts the file.
    changing: Mutex<()>,
    /// Held for a moment only, since readers need it.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// `None` until the file was read.
    entries: Option<Vec<AbortedTransaction>>,
    /// The entries stay in memory: the file's name may stand for another one by now.
    pinned: bool,
}

impl TransactionIndex {
    pub(crate) fn new(home: Arc<Home>, base: Offset) -> TransactionIndex {
        TransactionIndex {
            home,
            base,
            file: LazyFile::default(),
            syncing: Mutex::default(),
            changing: Mutex::default(),
            state: Mutex::default(),
        }
    }

    /// Reads the file, if there is one, and tells what is wrong with it.
    pub(crate) fn check(&self) -> Result<(), StorageError> {
        self.read(&mut self.state()).map(drop)
    }

    pub(crate) fn push(&self, entry: AbortedTransaction) -> Result<(), StorageError> {
        let _changing = lock(&self.changing);
        let position = self.read(&mut self.state())?.len() * ENTRY_BYTES;
        let path = self.home.of(self.base, FileKind::TransactionIndex);
        let file = self.change()?;
        self.home.directory.with_reserve(|| {
            let written = file.write_all_at(&encode(&entry), position as u64);
            written.map_err(StorageError::io("write to", &path))
        })?;
        drop(file);
        self.read(&mut self.state())?.push(entry);
        Ok(())
    }

    /// Adds what a reader of `[from, until)` must know; answers whether later segments have
    /// nothing to add.
    pub(crate) fn collect(
        &self,
        from: Offset,
        until: Offset,
        found: &mut Vec<AbortedTransaction>,
    ) -> Result<bool, StorageError> {
        let mut state = self.state();
        for entry in self.read(&mut state)?.iter() {
            if entry.last_offset >= from && entry.first_offset < until {
                found.push(*entry);
            }
            if entry.last_stable_offset >= until {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Drops the transactions that end at `offset` or above.
    pub(crate) fn truncate_to(&self, offset: Offset) -> Result<(), StorageError> {
        let _changing = lock(&self.changing);
        let mut state = self.state();
        let entries = self.read(&mut state)?;
        let keep = entries.partition_point(|entry| entry.last_offset < offset);
        if keep == entries.len() {
            return Ok(());
        }
        entries.truncate(keep);
        drop(state);
        let path = self.home.of(self.base, FileKind::TransactionIndex);
        self.change()?
            .set_len((keep * ENTRY_BYTES) as u64)
            .map_err(StorageError::io("set the length of", &path))
    }

    /// Forgets everything, also a file that can't be read.
    pub(crate) fn reset(&self) -> Result<(), StorageError> {
        let _one = lock(&self.syncing);
        let _changing = lock(&self.changing);
        let mut state = self.state();
        self.file.forget();
        self.home.remove(&file_name(self.base, FileKind::TransactionIndex))?;
        *state = State { entries: Some(Vec::new()), ..State::default() };
        Ok(())
    }

    /// Notes that another process wrote the file and nobody knows whether it was synced; answers
    /// whether this one changed it.
    pub(crate) fn distrust(&self) -> Result<bool, StorageError> {
        let changed = self.file.is_unsynced();
        if !self.read(&mut self.state())?.is_empty() {
            self.change()?;
        }
        Ok(changed)
    }

    pub(crate) fn sync(&self) -> Result<(), StorageError> {
        let _one = lock(&self.syncing);
        let path = || self.home.of(self.base, FileKind::TransactionIndex);
        self.file.sync().map_err(|error| StorageError::io("sync", &path())(error))
    }

    /// Whether a sync would find anything to do.
    pub(crate) fn is_unsynced(&self) -> bool {
        self.file.is_unsynced()
    }

    pub(crate) fn close_idle(&self) {
        let mut state = self.state();
        if !self.file.is_unsynced() && !state.pinned {
            self.file.close();
            state.entries = None;
        }
    }

    /// Keeps what the file holds in memory, before its name goes to another one.
    pub(crate) fn pin(&self) -> Result<(), StorageError> {
        let mut state = self.state();
        let has_file = !self.read(&mut state)?.is_empty();
        if has_file {
            self.file.pin(&self.home, self.base, FileKind::TransactionIndex)?;
        }
        state.pinned = true;
        Ok(())
    }

    fn change(&self) -> Result<Change<'_>, StorageError> {
        self.file.change(&self.home, self.base, FileKind::TransactionIndex)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn read<'a>(
        &self,
        state: &'a mut State,
    ) -> Result<&'a mut Vec<AbortedTransaction>, StorageError> {
        if state.entries.is_none() {
            let path = self.home.of(self.base, FileKind::TransactionIndex);
            let bytes = match self.home.len_of(self.base, FileKind::TransactionIndex)? {
                None => Vec::new(),
                Some(_) => self.home.disk().read(&path).map_err(StorageError::io("read", &path))?,
            };
            let entries = decode(&bytes, self.base);
            state.entries = Some(entries.map_err(|what| StorageError::corrupt(&path, what))?);
        }
        Ok(state.entries.get_or_insert_default())
    }
}

/// Reads the entries of a `.txnindex` file.
pub fn decode(bytes: &[u8], base: Offset) -> Result<Vec<AbortedTransaction>, String> {
    if !bytes.len().is_multiple_of(ENTRY_BYTES) {
        return Err(format!("{} bytes are not whole entries", bytes.len()));
    }
    let mut entries: Vec<AbortedTransaction> = Vec::with_capacity(bytes.len() / ENTRY_BYTES);
    for entry in bytes.chunks_exact(ENTRY_BYTES) {
        let version = i16::from_be_bytes([entry[0], entry[1]]);
        if version != VERSION {
            return Err(format!("an entry has version {version}, not {VERSION}"));
        }
        let field = |at: usize| {
            i64::from_be_bytes(entry[at..at + 8].try_into().expect("an entry has 34 bytes"))
        };
        let entry = AbortedTransaction {
            producer_id: ProducerId(field(2)),
            first_offset: Offset(field(10)),
            last_offset: Offset(field(18)),
            last_stable_offset: Offset(field(26)),
        };
        let ascends = entries.last().is_none_or(|last| last.last_offset < entry.last_offset);
        if entry.last_offset < base || !ascends {
            return Err(format!("last offset {} is out of order", entry.last_offset));
        }
        entries.push(entry);
    }
    Ok(entries)
}

pub(crate) fn encode(entry: &AbortedTransaction) -> [u8; ENTRY_BYTES] {
    let mut bytes = [0; ENTRY_BYTES];
    bytes[..2].copy_from_slice(&VERSION.to_be_bytes());
    let fields = [
        entry.producer_id.0,
        entry.first_offset.0,
        entry.last_offset.0,
        entry.last_stable_offset.0,
    ];
    for (slot, field) in bytes[2..].chunks_exact_mut(8).zip(fields) {
        slot.copy_from_slice(&field.to_be_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aborted(first: i64, last: i64) -> AbortedTransaction {
        AbortedTransaction {
            producer_id: ProducerId(9),
            first_offset: Offset(first),
            last_offset: Offset(last),
            last_stable_offset: Offset(last + 1),
        }
    }

    #[test]
    fn what_was_written_is_read_back() {
        let entries = [aborted(3, 7), aborted(5, 9)];
        let bytes: Vec<u8> = entries.iter().flat_map(encode).collect();
        assert_eq!(decode(&bytes, Offset(0)), Ok(entries.to_vec()));
        assert_eq!(decode(&[], Offset(0)), Ok(Vec::new()));
    }

    #[test]
    fn a_cut_entry_a_wrong_version_and_a_wrong_order_are_told() {
        let mut bytes: Vec<u8> = [aborted(5, 9), aborted(3, 7)].iter().flat_map(encode).collect();
        assert!(decode(&bytes, Offset(0)).is_err());
        assert!(decode(&bytes[..33], Offset(0)).is_err());
        assert!(decode(&bytes[..34], Offset(10)).is_err());
        bytes[1] = 1;
        assert!(decode(&bytes[..34], Offset(0)).is_err());
    }
}
