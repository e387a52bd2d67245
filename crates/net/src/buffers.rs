//! Buffers of large frames, which one frame after the other is read into.
//!
//! A block that the allocator takes from the system and gives back costs faults: 32 and more for a
//! frame of 1 MiB from a client that waits for each answer. Not here: how many bytes may be held
//! (budget.rs). Must hold: what is kept while nobody uses it has a limit; a buffer comes back when
//! the last slice of its frame is gone, however the frame ended.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

/// The buffers that nobody uses. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buffers {
    free: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// A buffer until it is dropped.
#[derive(Debug)]
pub(crate) struct Lent {
    bytes: Vec<u8>,
    home: Buffers,
}

impl Buffers {
    /// An empty buffer: one with room for `size` bytes if one is free, else one that has none yet.
    pub(crate) fn lend(&self, size: usize) -> Lent {
        let bytes = match size >= REUSED_BYTES_MIN {
            true => self.take(size).unwrap_or_default(),
            false => Vec::new(),
        };
        Lent { bytes, home: self.clone() }
    }

    /// The one that came back last is the likeliest to be in the processor's caches.
    fn take(&self, size: usize) -> Option<Vec<u8>> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let at = free.iter().rposition(|buffer| buffer.capacity() >= size)?;
        Some(free.remove(at))
    }

    /// Keeps a buffer, and lets those go for it that were not asked for the longest.
    fn give_back(&self, mut buffer: Vec<u8>) {
        let capacity = buffer.capacity();
        if !(REUSED_BYTES_MIN..=KEPT_BYTES_MAX).contains(&capacity) {
            return;
        }
        buffer.clear();
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = capacity + free.iter().map(Vec::capacity).sum::<usize>();
        let mut gone = 0;
        while kept > KEPT_BYTES_MAX {
            kept -= free[gone].capacity();
            gone += 1;
        }
        let gone: Vec<Vec<u8>> = free.drain(..gone).collect();
        free.push(buffer);
        drop(free);
        drop(gone);
    }
}

impl Lent {
    /// Makes room for `more` bytes; the last ones of a frame get a little more, so that the buffer
    /// serves frames of about the same size.
    pub(crate) fn reserve(&mut self, more: usize) {
        let whole = (self.bytes.len() + more).next_multiple_of(GRAIN);
        self.bytes.reserve_exact(whole - self.bytes.len());
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.home.give_back(std::mem::take(&mut self.bytes));
    }
}

impl Deref for Lent {
    type Target = Vec<u8>;
    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Smaller ones are blocks of the allocator, which uses them again itself.
const REUSED_BYTES_MIN: usize = 128 << 10;
/// So many bytes of buffers are kept for the next frames. As many more are in use as connections
/// are in the middle of a large frame.
const KEPT_BYTES_MAX: usize = 4 << 20;
/// Rooms are multiples of this.
const GRAIN: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    /// Lends and drops buffers of so many KiB at a time; gives the KiB of those that are kept.
    fn check(lent: &[&[usize]], expect: &[usize]) {
        let buffers = Buffers::default();
        for together in lent {
            let lend = |kib: &usize| {
                let mut buffer = buffers.lend(kib << 10);
                buffer.reserve(kib << 10);
                buffer.push(7);
                buffer
            };
            drop(together.iter().map(lend).collect::<Vec<_>>());
        }
        let free = buffers.free.lock().unwrap();
        assert!(free.iter().all(Vec::is_empty));
        assert_eq!(free.iter().map(|buffer| buffer.capacity() >> 10).collect::<Vec<_>>(), expect);
    }

    #[test]
    fn a_buffer_serves_again_and_those_of_other_sizes_give_way() {
        check(&[&[1024], &[1024], &[512]], &[1024]);
        check(&[&[512], &[1024], &[1000, 500]], &[1024, 512]);
        check(&[&[1024, 1024]], &[1024, 1024]);
        check(&[&[1024; 6]], &[1024; 4]);
        check(&[&[512; 8], &[3000]], &[512, 512, 3008]);
        check(&[&[4096], &[128]], &[4096]);
    }

    #[test]
    fn small_and_huge_ones_are_not_kept() {
        check(&[&[100], &[4097]], &[]);
    }
}
