//! A file of entries of one length: what the offset and the time index have in common.
//!
//! New entries stay in memory and are written in groups. While its segment is active the file is
//! longer than its entries, filled with zeros that take no space; a closed one ends with its last
//! entry. Not here: what an entry means. Must hold: entry `n` is found at `n * N` of the file, or
//! is still in memory; who looks something up waits for nobody who writes, cuts or syncs the file.

use std::sync::{Arc, Mutex, MutexGuard};

use ottla_env::File;
use ottla_wire::Offset;

use crate::error::StorageError;
use crate::home::Home;
use crate::log::lock;
use crate::names::FileKind;
use crate::open_files::{Change, LazyFile};

/// So many entries are written at a time.
const GROUP: usize = 512;
/// A search reads what is left at once when it is not more than this.
const BLOCK: u32 = 512;

#[derive(Debug)]
pub(crate) struct EntryFile<const N: usize> {
    home: Arc<Home>,
    base: Offset,
    kind: FileKind,
    file: LazyFile,
    /// Held by whoever syncs the file. The locks are taken in the order in which they stand.
    syncing: Mutex<()>,
    /// Held by whoever writes or cuts the file.
    changing: Mutex<()>,
    /// Held for a moment only, since readers need it.
    state: Mutex<State<N>>,
}

/// The right to change the file.
type Changing<'a> = MutexGuard<'a, ()>;

#[derive(Debug)]
struct State<const N: usize> {
    /// The entries in the file; `None` until the file was looked at.
    written: Option<u32>,
    pending: Vec<[u8; N]>,
    /// Whether the file is longer than its entries.
    preallocated: bool,
    last: Option<[u8; N]>,
}

impl<const N: usize> EntryFile<N> {
    pub(crate) fn new(home: Arc<Home>, base: Offset, kind: FileKind) -> EntryFile<N> {
        let state = State { written: None, pending: Vec::new(), preallocated: false, last: None };
        let (syncing, changing, state) = (Mutex::default(), Mutex::default(), Mutex::new(state));
        EntryFile { home, base, kind, file: LazyFile::default(), syncing, changing, state }
    }

    pub(crate) fn len(&self) -> Result<u32, StorageError> {
        let mut state = self.state();
        Ok(self.look(&mut state)? + pending_len(&state))
    }

    /// How many bytes the entries take.
    pub(crate) fn bytes(&self) -> Result<u64, StorageError> {
        Ok(u64::from(self.len()?) * N as u64)
    }

    pub(crate) fn last(&self) -> Result<Option<[u8; N]>, StorageError> {
        let mut state = self.state();
        self.look(&mut state)?;
        Ok(state.last)
    }

    pub(crate) fn get(&self, at: u32) -> Result<Option<[u8; N]>, StorageError> {
        let mut state = self.state();
        let written = self.look(&mut state)?;
        if at >= written {
            return Ok(state.pending.get((at - written) as usize).copied());
        }
        drop(state);
        self.read(at, 1).map(|entries| entries.first().copied())
    }

    /// The number of entries in front for which `is_before` holds.
    pub(crate) fn count_while(
        &self,
        is_before: impl Fn(&[u8; N]) -> bool,
    ) -> Result<u32, StorageError> {
        let mut state = self.state();
        let written = self.look(&mut state)?;
        let pending = state.pending.partition_point(|entry| is_before(entry));
        if pending > 0 || written == 0 {
            return Ok(written + u32::try_from(pending).unwrap_or(u32::MAX));
        }
        drop(state);
        self.search(written, is_before)
    }

    /// Adds an entry, and writes a group of them when enough came together.
    pub(crate) fn push(&self, entry: [u8; N]) -> Result<(), StorageError> {
        let mut state = self.state();
        self.look(&mut state)?;
        state.pending.push(entry);
        state.last = Some(entry);
        let is_group = state.pending.len() >= GROUP;
        drop(state);
        if is_group {
            match self.write(&self.changing()) {
                // The entries wait in memory until there is room again.
                Err(error) if error.passes() => {}
                result => return result,
            }
        }
        Ok(())
    }

    /// Writes what is still in memory.
    pub(crate) fn write_pending(&self) -> Result<(), StorageError> {
        self.write_for_sure(&self.changing())
    }

    /// Makes the file longer than its entries, as an active segment's is.
    pub(crate) fn preallocate(&self, bytes: u64) -> Result<(), StorageError> {
        let _changing = self.changing();
        let mut state = self.state();
        if state.preallocated {
            return Ok(());
        }
        self.look(&mut state)?;
        drop(state);
        let len = bytes - bytes % N as u64;
        // Zeros that a power cut takes are not missed: that is no change that a sync must cover.
        self.open()?.set_len(len).map_err(self.io("set the length of"))?;
        self.state().preallocated = true;
        Ok(())
    }

    /// Ends the file with its last entry; makes an empty one when there is none.
    pub(crate) fn trim(&self) -> Result<(), StorageError> {
        let changing = self.changing();
        self.write_for_sure(&changing)?;
        let written = self.look(&mut self.state())?;
        let len = u64::from(written) * N as u64;
        let is_longer = self.open()?.len().map_err(self.io("read the length of"))? != len;
        if is_longer {
            self.change()?.set_len(len).map_err(self.io("set the length of"))?;
        }
        self.state().preallocated = false;
        Ok(())
    }

    /// Keeps only the first `count` entries.
    pub(crate) fn truncate(&self, count: u32) -> Result<(), StorageError> {
        let _changing = self.changing();
        let mut state = self.state();
        let written = self.look(&mut state)?;
        let is_cut = count < written;
        if is_cut {
            state.pending.clear();
            state.written = Some(count);
            state.preallocated = false;
        } else {
            state.pending.truncate((count - written) as usize);
        }
        state.last = match state.pending.last() {
            Some(last) => Some(*last),
            None => match state.written.unwrap_or(0).checked_sub(1) {
                Some(at) => self.read(at, 1)?.first().copied(),
                None => None,
            },
        };
        drop(state);
        // Readers look no farther by now.
        if !is_cut {
            return Ok(());
        }
        let len = u64::from(count) * N as u64;
        self.change()?.set_len(len).map_err(self.io("set the length of"))
    }

    /// Keeps the entries in front for which `is_good` holds; answers how many those are.
    pub(crate) fn keep_while(
        &self,
        mut is_good: impl FnMut(&[u8; N]) -> bool,
    ) -> Result<u32, StorageError> {
        self.write_pending()?;
        let len = self.len()?;
        let mut good = 0;
        while good < len {
            let block = self.read(good, BLOCK.min(len - good))?;
            let kept = block.iter().take_while(|entry| is_good(entry)).count();
            good += u32::try_from(kept).unwrap_or(0);
            if kept < block.len() || block.is_empty() {
                self.truncate(good)?;
                break;
            }
        }
        Ok(good)
    }

    /// Notes that another process wrote the file and nobody knows whether it was synced.
    pub(crate) fn distrust(&self) -> Result<(), StorageError> {
        self.change().map(drop)
    }

    /// Makes what was written last.
    pub(crate) fn sync(&self) -> Result<(), StorageError> {
        let _one = lock(&self.syncing);
        if !self.file.is_unsynced() {
            return Ok(());
        }
        self.write_pending()?;
        self.file.sync().map_err(self.io("sync"))
    }

    /// Whether a sync would find anything to do.
    pub(crate) fn is_unsynced(&self) -> bool {
        self.file.is_unsynced() || !self.state().pending.is_empty()
    }

    /// Keeps the file open for good, before its name goes to another one.
    pub(crate) fn pin(&self) -> Result<(), StorageError> {
        let mut state = self.state();
        self.look(&mut state)?;
        self.file.pin(&self.home, self.base, self.kind)
    }

    /// Closes the file when nothing waits to be synced.
    pub(crate) fn close_idle(&self) {
        self.file.close();
    }

    fn state(&self) -> MutexGuard<'_, State<N>> {
        lock(&self.state)
    }

    fn changing(&self) -> Changing<'_> {
        lock(&self.changing)
    }

    fn open(&self) -> Result<Arc<File>, StorageError> {
        self.file.open(&self.home, self.base, self.kind)
    }

    fn change(&self) -> Result<Change<'_>, StorageError> {
        self.file.change(&self.home, self.base, self.kind)
    }

    fn io(&self, what: &'static str) -> impl FnOnce(std::io::Error) -> StorageError {
        move |error| StorageError::io(what, &self.home.of(self.base, self.kind))(error)
    }

    /// Counts the entries of the file at the first look at it.
    fn look(&self, state: &mut State<N>) -> Result<u32, StorageError> {
        if let Some(written) = state.written {
            return Ok(written);
        }
        let len = self.home.len_of(self.base, self.kind)?.unwrap_or(0);
        let slots = u32::try_from(len / N as u64).unwrap_or(u32::MAX);
        let mut written = slots;
        if slots > 0 && self.is_zero(slots - 1)? {
            written = self.search(slots, |entry| entry.iter().any(|byte| *byte != 0))?;
            state.preallocated = true;
        }
        state.last = match written.checked_sub(1) {
            Some(at) => self.read(at, 1)?.first().copied(),
            None => None,
        };
        state.written = Some(written);
        Ok(written)
    }

    fn is_zero(&self, at: u32) -> Result<bool, StorageError> {
        Ok(self.read(at, 1)?.iter().flatten().all(|byte| *byte == 0))
    }

    /// Writes what cannot wait in memory any longer, on a full disk too.
    fn write_for_sure(&self, changing: &Changing<'_>) -> Result<(), StorageError> {
        self.home.directory.with_reserve(|| self.write(changing))
    }

    fn write(&self, _changing: &Changing<'_>) -> Result<(), StorageError> {
        let (written, pending) = {
            let mut state = self.state();
            (self.look(&mut state)?, state.pending.clone())
        };
        if pending.is_empty() {
            return Ok(());
        }
        let position = u64::from(written) * N as u64;
        let file = self.change()?;
        file.write_all_at(pending.as_flattened(), position).map_err(self.io("write to"))?;
        let mut state = self.state();
        state.written = Some(written + u32::try_from(pending.len()).unwrap_or(u32::MAX));
        // Some may have come meanwhile.
        state.pending = state.pending.split_off(pending.len());
        Ok(())
    }

    /// As `count_while` over the first `len` entries of the file.
    fn search(&self, len: u32, is_before: impl Fn(&[u8; N]) -> bool) -> Result<u32, StorageError> {
        let (mut low, mut high) = (0, len);
        while high - low > BLOCK {
            let middle = low + (high - low) / 2;
            match self.read(middle, 1)?.first() {
                Some(entry) if is_before(entry) => low = middle + 1,
                _ => high = middle,
            }
        }
        let block = self.read(low, high - low)?;
        Ok(low + u32::try_from(block.partition_point(|entry| is_before(entry))).unwrap_or(0))
    }

    /// Entries of the file; fewer when it ends earlier.
    fn read(&self, at: u32, count: u32) -> Result<Vec<[u8; N]>, StorageError> {
        let file = self.open()?;
        let mut entries = vec![[0; N]; count as usize];
        let mut filled = 0;
        let start = u64::from(at) * N as u64;
        let bytes = entries.as_flattened_mut();
        while filled < bytes.len() {
            let read = file.read_at(&mut bytes[filled..], start + filled as u64);
            match read.map_err(self.io("read"))? {
                0 => break,
                read => filled += read,
            }
        }
        entries.truncate(filled / N);
        Ok(entries)
    }
}

fn pending_len<const N: usize>(state: &State<N>) -> u32 {
    u32::try_from(state.pending.len()).unwrap_or(u32::MAX)
}
