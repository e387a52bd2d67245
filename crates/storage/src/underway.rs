//! Syncs that are under way, so that a disk that hangs is noticed.
//!
//! A disk that fails says so; one that hangs says nothing, and neither does Apache Kafka. Not
//! here: what becomes of those who wait for it, whose requests end at their timeouts. Must hold:
//! nothing here waits for the disk.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ottla_env::Instant;

use crate::directory::Directory;
use crate::dirs::LogDirs;
use crate::log::lock;

/// The syncs of one directory that have not come back.
#[derive(Debug, Default)]
pub(crate) struct Syncs {
    begun: Mutex<(u64, BTreeMap<u64, Instant>)>,
    is_told: AtomicBool,
    /// How many syncs had ended when it was last looked.
    ended: AtomicU64,
}

/// A sync, until it is dropped.
#[derive(Debug)]
pub struct Underway {
    directory: Arc<Directory>,
    id: u64,
}

impl Drop for Underway {
    fn drop(&mut self) {
        lock(&self.directory.syncs.begun).1.remove(&self.id);
    }
}

impl Directory {
    /// Notes that a sync begins, for as long as the answer is kept.
    pub fn sync_begins(self: &Arc<Self>, now: Instant) -> Underway {
        let mut begun = lock(&self.syncs.begun);
        let id = begun.0;
        begun.0 += 1;
        begun.1.insert(id, now);
        Underway { directory: Arc::clone(self), id }
    }

    /// For how long the disk has not come back from a sync, when that is so long that it hangs.
    pub fn hangs_for(&self, now: Instant) -> Option<Duration> {
        let oldest = lock(&self.syncs.begun).1.values().next().copied()?;
        Some(now - oldest).filter(|time| *time >= HANGS_AFTER)
    }

    /// Says once that the disk hangs, and once that it came back. To be called every second.
    pub fn tell_hang(&self, now: Instant) {
        let ended = self.flushes();
        if self.syncs.ended.swap(ended, Ordering::Relaxed) != ended {
            // What is under way may be the syncs of many logs: a disk that ends one answers.
            lock(&self.syncs.begun).1.values_mut().for_each(|begun| *begun = now);
        }
        let time = self.hangs_for(now);
        if self.syncs.is_told.swap(time.is_some(), Ordering::Relaxed) == time.is_some() {
            return;
        }
        let dir = self.path().display();
        match time {
            Some(time) => tracing::error!(
                %dir,
                seconds = time.as_secs(),
                "the disk of this log directory hangs: it does not come back from a sync; \
                 appends that wait for it end at the timeouts of their requests"
            ),
            None => tracing::info!(%dir, "the disk of this log directory came back"),
        }
    }
}

impl LogDirs {
    /// The directories whose disks hang, and for how long they have.
    pub fn hung(&self, now: Instant) -> Vec<(PathBuf, Duration)> {
        let hung = |directory: &Arc<Directory>| {
            Some((directory.path().to_owned(), directory.hangs_for(now)?))
        };
        self.directories().filter_map(hung).collect()
    }
}

/// A sync takes milliseconds, on a disk that many use seconds; one that takes so long is told.
/// Apache Kafka has no such bound.
pub const HANGS_AFTER: Duration = Duration::from_secs(10);
