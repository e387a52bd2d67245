//! The bytes of one file: as they are read, and as a power cut would leave them.
//!
//! Not here: names. A write lands in the live image and waits as a change until the file is
//! synced; a power cut keeps, loses, tears (at sectors) or reorders the waiting changes.
//! Must hold: a change that was synced is never undone, only overwritten by later ones.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::disk::ENOSPC;
use crate::prng::Prng;

/// A file's content under its lock; a name and the handles share it.
#[derive(Clone)]
pub(crate) struct SharedFile {
    content: Arc<Mutex<Content>>,
}

impl SharedFile {
    pub(crate) fn new(content: Content) -> SharedFile {
        SharedFile { content: Arc::new(Mutex::new(content)) }
    }

    pub(crate) fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn is(&self, other: &SharedFile) -> bool {
        Arc::ptr_eq(&self.content, &other.content)
    }
}

/// How many bytes of a disk are taken.
pub(crate) struct Space {
    capacity: AtomicU64,
    used: AtomicU64,
}

impl Space {
    pub(crate) fn new(capacity: u64) -> Space {
        Space { capacity: AtomicU64::new(capacity), used: AtomicU64::new(0) }
    }

    pub(crate) fn capacity(&self) -> u64 {
        self.capacity.load(Ordering::Relaxed)
    }

    pub(crate) fn set_capacity(&self, bytes: u64) {
        self.capacity.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub(crate) fn free(&self) -> u64 {
        self.capacity.load(Ordering::Relaxed).saturating_sub(self.used())
    }

    fn take_page(&self) -> bool {
        let fits = self.free() >= PAGE_BYTES;
        if fits {
            self.used.fetch_add(PAGE_BYTES, Ordering::Relaxed);
        }
        fits
    }

    fn give_pages(&self, pages: usize) {
        self.used.fetch_sub(pages as u64 * PAGE_BYTES, Ordering::Relaxed);
    }
}

pub(crate) struct Content {
    live: Vec<u8>,
    /// What a power cut leaves at least.
    lasting: Vec<u8>,
    /// What happened since the last sync, in order.
    waiting: Vec<Change>,
    /// The pages that take space; a file lengthened with zeros takes none for them.
    pages: BTreeSet<u64>,
    space: Arc<Space>,
    pub(crate) modified_ms: i64,
    pub(crate) read_only: bool,
}

enum Change {
    Write { position: usize, bytes: Vec<u8> },
    SetLen(usize),
}

impl Content {
    pub(crate) fn new(space: Arc<Space>, modified_ms: i64) -> Content {
        Content {
            live: Vec::new(),
            lasting: Vec::new(),
            waiting: Vec::new(),
            pages: BTreeSet::new(),
            space,
            modified_ms,
            read_only: false,
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.live.len() as u64
    }

    pub(crate) fn read_at(&self, buf: &mut [u8], position: u64) -> usize {
        let start = usize::try_from(position).unwrap_or(usize::MAX).min(self.live.len());
        let len = buf.len().min(self.live.len() - start);
        buf[..len].copy_from_slice(&self.live[start..start + len]);
        len
    }

    /// Writes what fits on the disk.
    pub(crate) fn write_at(&mut self, bytes: &[u8], position: u64) -> io::Result<usize> {
        let position = in_memory(position)?;
        let mut len = 0;
        while len < bytes.len() {
            let page = (position + len) as u64 / PAGE_BYTES;
            if !self.pages.contains(&page) {
                if !self.space.take_page() {
                    break;
                }
                self.pages.insert(page);
            }
            let page_end = in_memory((page + 1) * PAGE_BYTES)?;
            len = (page_end - position).min(bytes.len());
        }
        if len == 0 && !bytes.is_empty() {
            return Err(io::Error::from_raw_os_error(ENOSPC));
        }
        let change = Change::Write { position, bytes: bytes[..len].to_vec() };
        change.apply(&mut self.live);
        self.waiting.push(change);
        Ok(len)
    }

    pub(crate) fn set_len(&mut self, len: u64) -> io::Result<()> {
        let change = Change::SetLen(in_memory(len)?);
        change.apply(&mut self.live);
        self.waiting.push(change);
        self.trim();
        Ok(())
    }

    pub(crate) fn allocate(&mut self, len: u64) -> io::Result<()> {
        for page in 0..len.div_ceil(PAGE_BYTES) {
            if !self.pages.contains(&page) {
                if !self.space.take_page() {
                    return Err(io::Error::from_raw_os_error(ENOSPC));
                }
                self.pages.insert(page);
            }
        }
        if len > self.len() { self.set_len(len) } else { Ok(()) }
    }

    pub(crate) fn sync(&mut self) {
        for change in self.waiting.drain(..) {
            change.apply(&mut self.lasting);
        }
    }

    /// As systems do it, the pages count as clean after the error: no later sync writes them.
    pub(crate) fn sync_failed(&mut self) {
        self.waiting.clear();
    }

    pub(crate) fn rot(&mut self, position: u64) -> io::Result<()> {
        let position = in_memory(position)?;
        for image in [&mut self.live, &mut self.lasting] {
            if let Some(byte) = image.get_mut(position) {
                *byte = !*byte;
            }
        }
        if position < self.live.len() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// The power is cut.
    pub(crate) fn crash(&mut self, prng: &mut Prng) {
        let waiting = std::mem::take(&mut self.waiting);
        let kept = match prng.below(4) {
            0 => waiting.len(),
            1 => 0,
            _ => prng.index(waiting.len() + 1),
        };
        let reordered = prng.once_in(3);
        for (index, change) in waiting.iter().enumerate() {
            if reordered {
                change.tear(&mut self.lasting, |_| prng.once_in(2));
            } else if index < kept {
                change.apply(&mut self.lasting);
            } else if index == kept {
                let sectors = prng.index(change.sectors() + 1);
                change.tear(&mut self.lasting, |sector| sector < sectors);
            }
        }
        self.live.clone_from(&self.lasting);
        self.trim();
        for (page, bytes) in (0..).zip(self.live.chunks(ZEROS.len())) {
            // What is there takes its space even on a full disk; a hole takes none.
            if *bytes != ZEROS[..bytes.len()] && self.pages.insert(page) {
                self.space.used.fetch_add(PAGE_BYTES, Ordering::Relaxed);
            }
        }
    }

    /// Gives back the space after the file's end.
    fn trim(&mut self) {
        let after = self.pages.split_off(&self.len().div_ceil(PAGE_BYTES));
        self.space.give_pages(after.len());
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        self.space.give_pages(self.pages.len());
    }
}

impl Change {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Change::Write { position, bytes } => {
                let end = position + bytes.len();
                if image.len() < end {
                    image.resize(end, 0);
                }
                image[*position..end].copy_from_slice(bytes);
            }
            Change::SetLen(len) => image.resize(*len, 0),
        }
    }

    /// How many parts of this reach the medium one by one.
    fn sectors(&self) -> usize {
        match self {
            Change::Write { position, bytes } => {
                (position + bytes.len()).div_ceil(SECTOR_BYTES) - position / SECTOR_BYTES
            }
            Change::SetLen(_) => 1,
        }
    }

    /// Applies the sectors that `keeps` says.
    fn tear(&self, image: &mut Vec<u8>, mut keeps: impl FnMut(usize) -> bool) {
        let Change::Write { position, bytes } = self else {
            if keeps(0) {
                self.apply(image);
            }
            return;
        };
        let mut start = 0;
        for sector in 0..self.sectors() {
            let next = (position / SECTOR_BYTES + sector + 1) * SECTOR_BYTES - position;
            let end = next.min(bytes.len());
            if keeps(sector) {
                let bytes = bytes[start..end].to_vec();
                Change::Write { position: position + start, bytes }.apply(image);
            }
            start = end;
        }
    }
}

fn in_memory(position: u64) -> io::Result<usize> {
    match usize::try_from(position) {
        Ok(position) if position <= FILE_BYTES_MAX => Ok(position),
        _ => Err(io::ErrorKind::FileTooLarge.into()),
    }
}

/// What a medium writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// What space is given out in.
const PAGE_BYTES: u64 = 4096;

/// A page of a hole.
const ZEROS: [u8; PAGE_BYTES as usize] = [0; PAGE_BYTES as usize];

/// The images are in memory.
const FILE_BYTES_MAX: usize = 1 << 32;
