//! Writing behind the appends: what was appended goes to the disk steadily, before it is much.
//!
//! A system left to itself collects dirty pages for seconds, and while it then writes gigabytes
//! all that needs the disk waits behind them, appends too: a page that gets its block waits for
//! whoever gives blocks to the same file, and he for a block map from the disk.
//! Whoever writes more than the disk takes waits in `admit` before the append, so that a start
//! after a crash never has more to read. Not here: threads and timers (whoever drives the
//! directories does). Must hold: only a sync moves a recovery point; a log with unsynced bytes is
//! in its directory's list, once; who waits is let in when syncs alone go on.

use std::cmp::Reverse;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ottla_wire::{Offset, Timestamp};
use tokio::sync::Notify;

use crate::directory::Directory;
use crate::error::StorageError;
use crate::log::{Log, lock};

/// What no sync has covered in one directory.
#[derive(Debug)]
pub(crate) struct Unsynced {
    bytes: AtomicU64,
    /// What was let in and is not appended yet.
    admitted: AtomicU64,
    /// What of the bytes a start has found: nobody waits for it.
    found: AtomicU64,
    /// More than this no client's append makes of them.
    bound: AtomicU64,
    waiting: AtomicU64,
    logs: Mutex<Vec<Weak<Log>>>,
    /// More logs than this do not stay unsynced: each keeps its files open until it is synced.
    logs_max: AtomicUsize,
    much: Notify,
    many: Notify,
    /// Told to those who wait when there are fewer.
    fewer: Notify,
}

impl Default for Unsynced {
    fn default() -> Unsynced {
        Unsynced {
            bytes: AtomicU64::new(0),
            admitted: AtomicU64::new(0),
            found: AtomicU64::new(0),
            bound: AtomicU64::new(UNSYNCED_BYTES_BOUND),
            waiting: AtomicU64::new(0),
            logs: Mutex::default(),
            logs_max: AtomicUsize::new(UNSYNCED_LOGS_MAX),
            much: Notify::new(),
            many: Notify::new(),
            fewer: Notify::new(),
        }
    }
}

/// Room for bytes that are about to be appended. It is given back after the append, which counts
/// them by then.
#[derive(Debug)]
pub struct Admitted {
    directory: Arc<Directory>,
    bytes: u64,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let unsynced = &self.directory.unsynced;
        unsynced.admitted.fetch_sub(self.bytes, Ordering::AcqRel);
        unsynced.tell_fewer();
    }
}

/// One who waits, as long as he does.
struct Waiting<'a>(&'a Unsynced);

impl Waiting<'_> {
    fn begin(unsynced: &Unsynced) -> Waiting<'_> {
        unsynced.waiting.fetch_add(1, Ordering::AcqRel);
        // Syncs go on for him even if there is not much yet.
        unsynced.many.notify_one();
        Waiting(unsynced)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
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
        if self.waiting.load(Ordering::Acquire) > 0 {
            self.fewer.notify_waiters();
        }
    }

    /// Lets `bytes` in if they stay below `limit`; and when syncs stop since so few are left.
    fn try_admit(&self, bytes: u64, limit: u64) -> bool {
        let low = self.bound.load(Ordering::Relaxed) / LOW_PART;
        let limit = limit + self.found.load(Ordering::Acquire);
        let admit = |admitted: u64| {
            let there = admitted + self.bytes.load(Ordering::Acquire);
            (there + bytes <= limit || there <= low).then_some(admitted + bytes)
        };
        self.admitted.fetch_update(Ordering::AcqRel, Ordering::Acquire, admit).is_ok()
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
    /// Ends when `bytes` of a client may be appended without there being more unsynced bytes in
    /// the log directory than a start after a crash should have to read: at once, unless the disk
    /// is slower than those who write. Who writes little does not wait for those who write much.
    pub async fn admit(&self, bytes: u64) -> Result<Admitted, StorageError> {
        let directory = &self.home.directory;
        let unsynced = &directory.unsynced;
        let admitted = || Admitted { directory: Arc::clone(directory), bytes };
        let bound = unsynced.bound.load(Ordering::Relaxed);
        let is_little = self.unsynced_bytes() + bytes <= bound / LITTLE_PART;
        let limit = if is_little { bound } else { bound / 4 * 3 };
        if unsynced.try_admit(bytes, limit) {
            return Ok(admitted());
        }
        loop {
            let mut fewer = pin!(unsynced.fewer.notified());
            fewer.as_mut().enable();
            let _waiting = Waiting::begin(unsynced);
            directory.check()?;
            if unsynced.try_admit(bytes, limit) {
                return Ok(admitted());
            }
            fewer.await;
        }
    }

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

    /// Syncs closed segments, what `flush.ms` asks for, the largest logs when there are too many
    /// unsynced bytes, and the oldest when there are too many logs. Answers whether anything was
    /// synced.
    pub(crate) fn sync_due(&self, now: Timestamp) -> Result<bool, StorageError> {
        let mut logs = self.unsynced.logs();
        let mut any = self.sync_crowd(&mut logs)?;
        logs.sort_by_key(|log| Reverse(log.unsynced_bytes()));
        let bound = self.unsynced.bound.load(Ordering::Relaxed);
        let is_low = || self.unsynced_bytes() <= bound / LOW_PART;
        let anybody_waits = self.unsynced.waiting.load(Ordering::Acquire) > 0;
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

    /// Syncs those logs that were written to first, and closes their files, when more wait for a
    /// sync than may: the system lets a process have so many files open and no more.
    fn sync_crowd(&self, logs: &mut Vec<Arc<Log>>) -> Result<bool, StorageError> {
        let max = self.unsynced.logs_max.load(Ordering::Relaxed);
        if logs.len() <= max {
            return Ok(false);
        }
        logs.sort_by_key(|log| Reverse(log.unsynced_since.load(Ordering::Acquire)));
        for log in logs.drain(max / 2..) {
            log.sync()?;
            log.close_idle_files();
        }
        Ok(true)
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
const UNSYNCED_BYTES_BOUND: u64 = 256 << 20;
/// So many logs of a directory may wait for a sync, each with up to three files open.
const UNSYNCED_LOGS_MAX: usize = 1_000;
/// Syncing stops when this part of the bound is left.
const LOW_PART: u64 = 8;
/// A log with less than this part of the bound writes little.
const LITTLE_PART: u64 = 256;

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::Future;
    use std::path::PathBuf;
    use std::pin::pin;
    use std::rc::Rc;
    use std::task::{Context, Waker};
    use std::time::Duration;

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

    #[test]
    fn when_many_logs_wait_for_a_sync_the_oldest_are_synced_and_have_no_open_file() {
        with_log(|directory, log| {
            directory.unsynced.logs_max.store(8, Ordering::Relaxed);
            let directory = Arc::clone(log.directory());
            let logs: Vec<Arc<Log>> = (1..=9).map(|at| open(&directory, at)).collect();
            for (at, log) in (0..).zip(&logs[..8]) {
                append(log, 10);
                log.unsynced_since.store(at, Ordering::Release);
            }
            assert!(!directory.sync_due(NOW).unwrap(), "so many may wait");
            append(&logs[8], 10);
            assert!(directory.sync_due(NOW).unwrap());
            let waits = |log: &Arc<Log>| log.unsynced_bytes() > 0;
            let expected = [false, false, false, false, false, true, true, true, true];
            assert_eq!(logs.iter().map(waits).collect::<Vec<_>>(), expected);
            let is_open = |log: &Arc<Log>| log.active().has_open_file();
            assert_eq!(logs.iter().map(is_open).collect::<Vec<_>>(), expected);
            logs.iter().for_each(|log| append(log, 10));
            assert!(logs.iter().all(waits), "they open again");
        });
    }

    /// With a bound of 2 MiB: three write as fast as they can, one writes a little now and then.
    #[test]
    fn a_slow_disk_holds_up_those_who_write_much_at_the_bound_and_nobody_else() {
        const BOUND: u64 = 2 << 20;
        World::new(3).run(async |world: World| {
            let env = world.node(1);
            env.disk().create_dir_all("/logs".as_ref()).unwrap();
            let path = PathBuf::from("/logs");
            let directory = Directory::new(env.disk().clone(), path, DirectoryId::default());
            directory.unsynced.bound.store(BOUND, Ordering::Relaxed);
            world.disk(1).slow_us(200_000..400_000);
            let (most, waited) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
            let logs: Vec<Arc<Log>> = (0..4).map(|at| open(&directory, at)).collect();
            let writers = logs[..3].iter().map(|log| {
                let (log, directory) = (Arc::clone(log), Arc::clone(&directory));
                let (most, waited) = (Rc::clone(&most), Rc::clone(&waited));
                async move {
                    for _ in 0..60 {
                        let mut admitted = pin!(log.admit(76 << 10));
                        let at_once = is_ready_in_place(&mut admitted).await;
                        let admitted = match at_once {
                            Some(admitted) => admitted,
                            None => {
                                waited.set(waited.get() + 1);
                                admitted.await
                            }
                        };
                        append(&log, 75 << 10);
                        drop(admitted.unwrap());
                        most.set(most.get().max(directory.unsynced_bytes()));
                    }
                }
            });
            let mut writers: Vec<_> = writers.map(Box::pin).collect();
            let syncing = async {
                loop {
                    let _ =
                        env.timeout(Duration::from_millis(250), directory.many_unsynced()).await;
                    let directory = Arc::clone(&directory);
                    env.blocking(move || directory.sync_due(NOW).unwrap()).await;
                }
            };
            let little = async {
                loop {
                    let admitted = is_ready_in_place(&mut pin!(logs[3].admit(1 << 10))).await;
                    assert!(admitted.is_some(), "who writes little waits");
                    append(&logs[3], 500);
                    logs[3].sync().unwrap();
                    env.sleep(Duration::from_millis(10)).await;
                }
            };
            let all = std::future::poll_fn(|cx| {
                writers.retain_mut(|writer| writer.as_mut().poll(cx).is_pending());
                if writers.is_empty() {
                    std::task::Poll::Ready(())
                } else {
                    std::task::Poll::Pending
                }
            });
            tokio::select! {
                biased;
                () = all => {}
                () = syncing => {}
                () = little => {}
            }
            assert!(most.get() <= BOUND && most.get() > BOUND / 2, "{} bytes", most.get());
            assert!(waited.get() > 5, "only {} appends have waited", waited.get());
            assert_eq!(directory.unsynced.admitted.load(Ordering::Relaxed), 0);
        });
    }

    #[test]
    fn who_waits_is_let_in_whatever_he_brings_and_is_told_when_the_directory_fails() {
        with_log(|directory, log| {
            let bound = UNSYNCED_BYTES_BOUND;
            let mut huge = pin!(log.admit(2 * bound));
            let poll = |it: std::pin::Pin<&mut _>| {
                Future::poll(it, &mut Context::from_waker(Waker::noop()))
            };
            directory.unsynced.add(bound / 2);
            assert!(poll(huge.as_mut()).is_pending());
            // Not because nobody would sync the rest: a waiting one makes syncs go on.
            assert!(is_ready(directory.many_unsynced()));
            directory.unsynced.sub(bound / 2 - bound / LOW_PART);
            let admitted = poll(huge.as_mut());
            assert!(matches!(admitted, std::task::Poll::Ready(Ok(_))));
            let mut next = pin!(log.admit(bound));
            assert!(poll(next.as_mut()).is_pending());
            directory.fail("a test");
            assert!(matches!(poll(next.as_mut()), std::task::Poll::Ready(Err(_))));
        });
    }

    #[test]
    fn what_a_start_has_found_holds_nobody_up() {
        with_log(|directory, log| {
            directory.unsynced.add(3 * UNSYNCED_BYTES_BOUND);
            directory.unsynced.note_found(3 * UNSYNCED_BYTES_BOUND);
            assert!(is_ready(log.admit(1 << 20)));
            directory.unsynced.sub(2 * UNSYNCED_BYTES_BOUND);
            assert!(is_ready(log.admit(1 << 20)));
            directory.unsynced.add(UNSYNCED_BYTES_BOUND);
            assert!(!is_ready(log.admit(1 << 20)));
        });
    }

    /// What a future gives at its first poll, with the waker of the task, if it gives anything.
    async fn is_ready_in_place<F: Future>(future: &mut std::pin::Pin<&mut F>) -> Option<F::Output> {
        std::future::poll_fn(|cx| {
            let polled = match future.as_mut().poll(cx) {
                std::task::Poll::Ready(output) => Some(output),
                std::task::Poll::Pending => None,
            };
            std::task::Poll::Ready(polled)
        })
        .await
    }

    fn is_ready<T>(told: impl Future<Output = T>) -> bool {
        pin!(told).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }
}
