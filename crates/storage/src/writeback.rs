//! Writing behind the appends: what was appended goes to the disk steadily, before it is much.
//!
//! A system left to itself collects dirty pages for seconds, and while it then writes gigabytes
//! all that needs the disk waits behind them, appends too: a page that gets its block waits for
//! whoever gives blocks to the same file, and he for a block map from the disk.
//! Not here: who waits meanwhile (admit.rs), threads and timers (whoever drives the directories).
//! Must hold: only a sync moves a recovery point; a log with unsynced bytes is in its directory's
//! list, once.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ottla_wire::{Offset, Timestamp};
use tokio::sync::Notify;

use crate::admit::{LOW_PART, Queue};
use crate::directory::Directory;
use crate::error::StorageError;
use crate::log::{Log, lock};

/// What no sync has covered in one directory.
#[derive(Debug)]
pub(crate) struct Unsynced {
    pub(crate) bytes: AtomicU64,
    /// What was let in and is not appended yet.
    pub(crate) admitted: AtomicU64,
    /// What of the bytes a start has found: nobody waits for it.
    pub(crate) found: AtomicU64,
    /// More than this no client's append makes of them.
    pub(crate) bound: AtomicU64,
    /// Those who wait until there are fewer.
    pub(crate) queue: Queue,
    logs: Mutex<Vec<Weak<Log>>>,
    much: Notify,
    pub(crate) many: Notify,
}

impl Default for Unsynced {
    fn default() -> Unsynced {
        Unsynced {
            bytes: AtomicU64::new(0),
            admitted: AtomicU64::new(0),
            found: AtomicU64::new(0),
            bound: AtomicU64::new(UNSYNCED_BYTES_BOUND),
            queue: Queue::default(),
            logs: Mutex::default(),
            much: Notify::new(),
            many: Notify::new(),
        }
    }
}

/// How far a segment was given to the disk.
#[derive(Debug, Default)]
pub(crate) struct Place {
    base: Offset,
    position: u64,
}

impl Unsynced {
    pub(crate) fn add(&self, bytes: u64) {
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let passes = |step: u64| before / step != (before + bytes) / step;
        if passes(WRITE_EACH) {
            self.much.notify_one();
        }
        if passes(SYNC_EACH) {
            self.many.notify_one();
        }
    }

    pub(crate) fn sub(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        if self.found.load(Ordering::Acquire) > 0 {
            let rest = |found: u64| Some(found.saturating_sub(bytes));
            // It always has a rest.
            let _ = self.found.fetch_update(Ordering::AcqRel, Ordering::Acquire, rest);
        }
        self.tell_fewer();
    }

    /// Counts bytes that a start has found among those above the recovery points.
    pub(crate) fn note_found(&self, bytes: u64) {
        self.found.fetch_add(bytes, Ordering::AcqRel);
    }

    /// Lets those look again who wait.
    pub(crate) fn tell_fewer(&self) {
        self.queue.tell_first();
    }

    /// The logs with unsynced bytes; the others leave the list.
    fn logs(&self) -> Vec<Arc<Log>> {
        let mut found = Vec::new();
        let mut listed = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        listed.retain(|log| {
            let Some(log) = log.upgrade() else { return false };
            let stays = log.unsynced_bytes() > 0 || !log.leaves_list();
            if stays {
                found.push(log);
            }
            stays
        });
        found
    }
}

impl Log {
    /// Enters the directory's list, unless the log is in it.
    pub(crate) fn list_unsynced(&self) {
        if !self.is_listed.swap(true, Ordering::SeqCst) {
            let unsynced = &self.home.directory.unsynced;
            unsynced.logs.lock().unwrap_or_else(PoisonError::into_inner).push(self.me.clone());
        }
    }

    /// Leaves the list, unless an append came in between and took the log for listed.
    fn leaves_list(&self) -> bool {
        self.is_listed.store(false, Ordering::SeqCst);
        let is_clean = self.unsynced.load(Ordering::SeqCst) == 0;
        is_clean || self.is_listed.swap(true, Ordering::SeqCst)
    }

    /// Lets the disk begin with what was appended to the active segment since the last time; a
    /// page that grows would be written twice.
    fn write_behind(&self) -> Result<(), StorageError> {
        let active = self.active();
        let mut place = lock(&self.behind);
        let from = if place.base == active.base { place.position } else { 0 };
        let to = active.size() / GRAIN * GRAIN;
        if to < from + GRAIN {
            // It may have been cut.
            *place = Place { base: active.base, position: from.min(to) };
            return Ok(());
        }
        *place = Place { base: active.base, position: to };
        drop(place);
        active.file()?.start_writeback(from, to - from).map_err(active.io("write behind in"))
    }
}

impl Directory {
    /// How many appended bytes no sync has covered.
    pub fn unsynced_bytes(&self) -> u64 {
        self.unsynced.bytes.load(Ordering::Relaxed)
    }

    /// Whether who can wait for the disk should sync what he writes.
    pub(crate) fn has_many_unsynced(&self) -> bool {
        self.unsynced_bytes() > self.unsynced.bound.load(Ordering::Relaxed) / 2
    }

    /// Whether a sync would find anything to do.
    pub fn has_unsynced(&self) -> bool {
        !self.unsynced.logs().is_empty()
    }

    /// Ends when so much was appended that `write_behind` should be called. For one waiter.
    pub async fn much_unwritten(&self) {
        self.unsynced.much.notified().await;
    }

    /// Ends when so much was appended that a sync may be due. For one waiter.
    pub async fn many_unsynced(&self) {
        self.unsynced.many.notified().await;
    }

    /// Lets the disk begin with what was appended. Waits while the disk takes no more.
    pub fn write_behind(&self) {
        for log in self.unsynced.logs().iter().filter(|log| log.unsynced_bytes() >= GRAIN) {
            if let Err(error) = log.write_behind() {
                // The next sync will tell what it means.
                tracing::debug!(log = log.name(), %error, "writing behind failed");
            }
        }
    }

    /// Syncs closed segments, what `flush.ms` asks for, and the largest logs when there are too
    /// many unsynced bytes. Answers whether anything was synced.
    pub(crate) fn sync_due(&self, now: Timestamp) -> Result<bool, StorageError> {
        let mut logs = self.unsynced.logs();
        let mut any = false;
        logs.sort_by_key(|log| Reverse(log.unsynced_bytes()));
        let bound = self.unsynced.bound.load(Ordering::Relaxed);
        let is_low = || self.unsynced_bytes() <= bound / LOW_PART;
        let anybody_waits = !self.unsynced.queue.is_empty();
        let mut low = match anybody_waits {
            true => is_low(),
            false => self.unsynced_bytes() <= bound / 8 * 3,
        };
        for log in logs {
            if low && !log.has_unsynced_segments() && !log.is_sync_due(now) {
                continue;
            }
            log.sync()?;
            any = true;
            low = low || is_low();
        }
        Ok(any)
    }

    /// Whether logs are to be synced so that their files may be closed.
    pub fn lacks_files(&self) -> bool {
        self.files.is_crowded()
    }

    /// The logs with unsynced bytes, those first that were written to first.
    pub(crate) fn unsynced_logs_by_age(&self) -> Vec<Arc<Log>> {
        let mut logs = self.unsynced.logs();
        logs.sort_by_key(|log| log.unsynced_since.load(Ordering::Acquire));
        logs
    }

    /// Syncs changed files of whichever log until there is room for others, for changes that no
    /// log waits to have synced: those of the indexes of an active segment, or a cut.
    pub(crate) fn close_changed_files(&self) -> Result<(), StorageError> {
        self.check()?;
        while !self.files.is_roomy() {
            if self.judge_sync(self.files.close_changed(CLOSED_AT_ONCE))? == 0 {
                break;
            }
        }
        Ok(())
    }
}

/// After so many bytes the disk is given what was appended.
const WRITE_EACH: u64 = 8 << 20;
/// What is given to the disk at least, and where it ends.
const GRAIN: u64 = 1 << 20;
/// After so many bytes it is looked at whether a sync is due.
const SYNC_EACH: u64 = 32 << 20;
/// So many bytes may lie above the recovery points of a directory. It is synced behind the writers
/// from three eighths of it on, who writes much waits from three quarters on, others at the bound.
pub(crate) const UNSYNCED_BYTES_BOUND: u64 = 256 << 20;
/// So many files are synced before it is looked whether that is enough.
const CLOSED_AT_ONCE: usize = 64;

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::path::PathBuf;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use bytes::Bytes;
    use ottla_records::builder::{BatchBuilder, BatchSettings};
    use ottla_sim::World;
    use ottla_wire::{DirectoryId, LeaderEpoch};

    use super::*;
    use crate::{LogConfig, Opening, Origin};

    const NOW: Timestamp = Timestamp(1_000_000);

    fn with_log(test: impl Fn(&Directory, &Log)) {
        World::new(1).run(async |world: World| {
            let disk = world.node(1).disk().clone();
            disk.create_dir_all("/logs".as_ref()).unwrap();
            let id = DirectoryId::default();
            let directory = Directory::new(disk, PathBuf::from("/logs"), id);
            test(&directory, &open(&directory, 0));
        });
    }

    fn open(directory: &Arc<Directory>, partition: i32) -> Arc<Log> {
        let name = format!("t-{partition}");
        let log = Log::open(Opening {
            path: directory.path().join(&name),
            directory: Arc::clone(directory),
            name,
            config: Arc::new(LogConfig { segment_index_bytes: 1 << 12, ..LogConfig::default() }),
            clean: true,
            start: Offset(0),
            recovery_point: Offset(0),
            high_watermark: Offset(0),
            now: NOW,
            random: 0,
        });
        log.unwrap()
    }

    fn append(log: &Log, bytes: usize) {
        let mut builder = BatchBuilder::new(BatchSettings::default());
        builder.append(NOW, None, Some(&vec![b'x'; bytes]), &[]).unwrap();
        let batch: Bytes = builder.build().unwrap();
        log.append(&batch, Origin::Leader { epoch: LeaderEpoch(0), now: NOW }).unwrap();
    }

    fn listed(directory: &Directory) -> usize {
        directory.unsynced.logs.lock().unwrap().len()
    }

    #[test]
    fn a_log_is_listed_once_however_often_it_is_synced() {
        with_log(|directory, log| {
            for _ in 0..10 {
                append(log, 10);
                log.sync().unwrap();
            }
            append(log, 10);
            assert_eq!(listed(directory), 1);
            assert!(directory.has_unsynced());
            log.sync().unwrap();
            assert!(!directory.has_unsynced());
            assert_eq!((listed(directory), directory.unsynced_bytes()), (0, 0));
            append(log, 10);
            assert_eq!(listed(directory), 1);
        });
    }

    #[test]
    fn what_was_appended_is_given_to_the_disk_once_and_again_after_a_cut() {
        with_log(|directory, log| {
            let given = |expected: u64| {
                directory.write_behind();
                assert_eq!(lock(&log.behind).position, expected);
            };
            append(log, 900 << 10);
            given(0);
            append(log, 900 << 10);
            given(1 << 20);
            append(log, 900 << 10);
            given(2 << 20);
            log.truncate(Offset(1), NOW).unwrap();
            append(log, 10);
            given(0);
        });
    }

    #[test]
    fn it_is_told_when_much_was_appended() {
        with_log(|directory, _| {
            let much = || is_ready(directory.much_unwritten());
            let many = || is_ready(directory.many_unsynced());
            directory.unsynced.add(WRITE_EACH - 1);
            assert!(!much());
            directory.unsynced.add(1);
            assert!(much() && !much() && !many());
            directory.unsynced.add(SYNC_EACH);
            assert!(much() && many() && !many());
        });
    }

    fn is_ready<T>(told: impl Future<Output = T>) -> bool {
        pin!(told).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }
}
