//! How far opening or closing the logs has come, for people who wait for it.
//!
//! Not here: who tells them, and how often.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::LogDirs;

/// How far the logs are opened or closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Headway {
    /// How many logs the start has found.
    pub found: usize,
    /// How many of them were opened.
    pub opened: usize,
    /// How many bytes were read again since they were not known to be whole.
    pub recovered_bytes: u64,
    /// How many logs the stop has to close.
    pub closing: usize,
    /// How many of them are closed.
    pub closed: usize,
}

/// What is counted on the way.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) found: AtomicUsize,
    pub(super) opened: AtomicUsize,
    pub(super) closing: AtomicUsize,
    pub(super) closed: AtomicUsize,
}

impl LogDirs {
    /// How far opening or closing the logs has come.
    pub fn headway(&self) -> Headway {
        let Counts { found, opened, closing, closed } = &self.headway;
        Headway {
            found: found.load(Ordering::Relaxed),
            opened: opened.load(Ordering::Relaxed),
            recovered_bytes: self.directories().map(|directory| directory.recovered_bytes()).sum(),
            closing: closing.load(Ordering::Relaxed),
            closed: closed.load(Ordering::Relaxed),
        }
    }
}
