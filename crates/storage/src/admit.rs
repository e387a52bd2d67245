//! Letting appends of clients in: there is room for their bytes and for the files they open.
//!
//! Who writes more than the disk takes waits here, so that a start after a crash never has more to
//! read than the bound; who would open a file while all others wait for a sync waits too. Those
//! who wait are let in as they came, so that a large request is not overtaken for ever. Not here:
//! what makes room (writeback.rs). Must hold: who waits is let in when syncs alone go on, and is
//! told when the directory fails; a disk that hangs holds nobody but him who waits, who may cease
//! to.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use crate::directory::Directory;
use crate::error::StorageError;
use crate::log::{Log, lock};
use crate::open_files::Promise;
use crate::writeback::Unsynced;

/// Room for what is about to be appended. It is given back after the append, which counts by then.
#[derive(Debug)]
pub struct Admitted {
    _bytes: Bytes,
    _files: Option<Promise>,
}

#[derive(Debug)]
struct Bytes {
    directory: Arc<Directory>,
    bytes: u64,
}

impl Drop for Bytes {
    fn drop(&mut self) {
        let unsynced = &self.directory.unsynced;
        unsynced.admitted.fetch_sub(self.bytes, Ordering::AcqRel);
        unsynced.tell_fewer();
    }
}

/// Those who wait for one thing, as they came.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    len: AtomicUsize,
    /// How many of them write little.
    little: AtomicUsize,
}

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    turns: VecDeque<(u64, Arc<Notify>)>,
}

/// A place in a queue, which is left when this is dropped.
struct Turn<'a> {
    queue: &'a Queue,
    id: u64,
    is_little: bool,
    came: Arc<Notify>,
}

impl Queue {
    pub(crate) fn is_empty(&self) -> bool {
        self.len.load(Ordering::Acquire) == 0
    }

    fn enter(&self, is_little: bool) -> Turn<'_> {
        let came = Arc::new(Notify::new());
        let mut waiting = lock(&self.waiting);
        let id = waiting.next;
        waiting.next += 1;
        waiting.turns.push_back((id, Arc::clone(&came)));
        self.len.store(waiting.turns.len(), Ordering::Release);
        self.little.fetch_add(usize::from(is_little), Ordering::AcqRel);
        Turn { queue: self, id, is_little, came }
    }

    /// Lets the first one look again.
    pub(crate) fn tell_first(&self) {
        if !self.is_empty()
            && let Some((_, first)) = lock(&self.waiting).turns.front()
        {
            first.notify_one();
        }
    }
}

impl Turn<'_> {
    fn is_first(&self) -> bool {
        lock(&self.queue.waiting).turns.front().is_some_and(|(id, _)| *id == self.id)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut waiting = lock(&self.queue.waiting);
        waiting.turns.retain(|(id, _)| *id != self.id);
        self.queue.len.store(waiting.turns.len(), Ordering::Release);
        self.queue.little.fetch_sub(usize::from(self.is_little), Ordering::AcqRel);
        drop(waiting);
        self.queue.tell_first();
    }
}

impl Unsynced {
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

    /// Whether one who just came may try before those who wait: who writes little does not wait
    /// for those who write much, until the disk is too slow even for those who write little.
    fn may_pass(&self, is_little: bool) -> bool {
        let queue = &self.queue;
        queue.is_empty() || (is_little && queue.little.load(Ordering::Acquire) == 0)
    }
}

impl Log {
    /// Ends when `bytes` of a client may be appended without there being more unsynced bytes in
    /// the log directory than a start after a crash should have to read, and more open files than
    /// there may be: at once, unless the disk is slower than those who write. On a disk that hangs
    /// it never ends: the caller knows for how long its client waits.
    pub async fn admit(&self, bytes: u64) -> Result<Admitted, StorageError> {
        let bytes = self.admit_bytes(bytes).await?;
        let files = match self.active().is_open() {
            true => None,
            false => Some(self.admit_files().await?),
        };
        Ok(Admitted { _bytes: bytes, _files: files })
    }

    async fn admit_bytes(&self, bytes: u64) -> Result<Bytes, StorageError> {
        let directory = &self.home.directory;
        let unsynced = &directory.unsynced;
        let admitted = || Bytes { directory: Arc::clone(directory), bytes };
        let bound = unsynced.bound.load(Ordering::Relaxed);
        let is_little = self.unsynced_bytes() + bytes <= bound / LITTLE_PART;
        let limit = if is_little { bound } else { bound / 4 * 3 };
        if unsynced.may_pass(is_little) && unsynced.try_admit(bytes, limit) {
            return Ok(admitted());
        }
        let turn = unsynced.queue.enter(is_little);
        // Syncs go on for him even if there is not much yet.
        unsynced.many.notify_one();
        loop {
            directory.check()?;
            if turn.is_first() && unsynced.try_admit(bytes, limit) {
                return Ok(admitted());
            }
            // What was told since the look above is kept for this.
            turn.came.notified().await;
        }
    }

    async fn admit_files(&self) -> Result<Promise, StorageError> {
        let directory = &self.home.directory;
        let files = &directory.files;
        if files.queue.is_empty()
            && let Some(promise) = files.promise()
        {
            return Ok(promise);
        }
        let turn = files.queue.enter(false);
        // Whoever syncs is to close files.
        directory.unsynced.many.notify_one();
        loop {
            directory.check()?;
            if turn.is_first()
                && let Some(promise) = files.promise()
            {
                return Ok(promise);
            }
            turn.came.notified().await;
        }
    }
}

/// Syncing stops when this part of the bound is left.
pub(crate) const LOW_PART: u64 = 8;
/// A log with less than this part of the bound writes little.
const LITTLE_PART: u64 = 256;

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::future::Future;
    use std::path::PathBuf;
    use std::pin::{Pin, pin};
    use std::rc::Rc;
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    use ottla_records::builder::{BatchBuilder, BatchSettings};
    use ottla_sim::World;
    use ottla_wire::{DirectoryId, LeaderEpoch, Offset, Timestamp};

    use super::*;
    use crate::writeback::UNSYNCED_BYTES_BOUND;
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
        let batch = builder.build().unwrap();
        log.append(&batch, Origin::Leader { epoch: LeaderEpoch(0), now: NOW }).unwrap();
    }

    fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        Future::poll(future, &mut Context::from_waker(Waker::noop()))
    }

    fn is_ready<T>(told: impl Future<Output = T>) -> bool {
        poll(pin!(told)).is_ready()
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
                if writers.is_empty() { Poll::Ready(()) } else { Poll::Pending }
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
            directory.unsynced.add(bound / 2);
            assert!(poll(huge.as_mut()).is_pending());
            // Not because nobody would sync the rest: a waiting one makes syncs go on.
            assert!(is_ready(directory.many_unsynced()));
            directory.unsynced.sub(bound / 2 - bound / LOW_PART);
            let admitted = poll(huge.as_mut());
            assert!(matches!(admitted, Poll::Ready(Ok(_))));
            let mut next = pin!(log.admit(bound));
            assert!(poll(next.as_mut()).is_pending());
            directory.fail("a test");
            assert!(matches!(poll(next.as_mut()), Poll::Ready(Err(_))));
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

    /// Who comes in what order while the disk syncs a sixteenth of the bound at a time.
    #[test]
    fn a_large_request_is_let_in_before_the_smaller_ones_that_came_after_it() {
        with_log(|directory, log| {
            let bound = UNSYNCED_BYTES_BOUND;
            let unsynced = &directory.unsynced;
            unsynced.add(bound / 4 * 3);
            let order = RefCell::new(Vec::new());
            let bring = async |bytes: u64, name: &'static str| {
                let admitted = log.admit(bytes).await.unwrap();
                order.borrow_mut().push(name);
                unsynced.add(bytes);
                drop(admitted);
            };
            let (mut large, mut one) = (pin!(bring(bound / 2, "large")), pin!(bring(4 << 20, "1")));
            let mut two = pin!(bring(4 << 20, "2"));
            assert!(poll(large.as_mut()).is_pending());
            let mut is_over = (false, false, false);
            for _ in 0..10 {
                is_over.1 = is_over.1 || poll(one.as_mut()).is_ready();
                is_over.2 = is_over.2 || poll(two.as_mut()).is_ready();
                is_over.0 = is_over.0 || poll(large.as_mut()).is_ready();
                unsynced.sub(bound / 16);
                // Woken one after the other, as the queue tells them.
                is_over.0 = is_over.0 || poll(large.as_mut()).is_ready();
            }
            assert_eq!(is_over, (true, true, true));
            assert_eq!(*order.borrow(), ["large", "1", "2"]);
            assert!(unsynced.queue.is_empty());
        });
    }

    #[test]
    fn who_writes_little_passes_those_who_write_much_until_the_bound_and_then_waits_his_turn() {
        with_log(|directory, log| {
            let bound = UNSYNCED_BYTES_BOUND;
            let unsynced = &directory.unsynced;
            unsynced.add(bound / 4 * 3);
            let mut much = pin!(log.admit(bound / 4));
            assert!(poll(much.as_mut()).is_pending());
            assert!(is_ready(log.admit(1 << 10)));
            unsynced.add(bound / 4);
            let mut little = pin!(log.admit(1 << 10));
            assert!(poll(little.as_mut()).is_pending());
            unsynced.sub(bound / 8);
            assert!(!is_ready(log.admit(1 << 10)), "or those who came first would wait for ever");
            assert!(poll(little.as_mut()).is_pending());
            unsynced.sub(bound / 2);
            assert!(poll(much.as_mut()).is_ready());
            assert!(poll(little.as_mut()).is_ready());
        });
    }

    #[test]
    fn who_ceases_to_wait_leaves_his_turn_to_the_next() {
        with_log(|directory, log| {
            let bound = UNSYNCED_BYTES_BOUND;
            directory.unsynced.add(bound);
            let mut first = Box::pin(log.admit(bound / 2));
            let mut second = pin!(log.admit(bound / 4));
            assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
            directory.unsynced.sub(bound / 2);
            drop(first);
            assert!(poll(second.as_mut()).is_ready());
        });
    }

    /// What a future gives at its first poll, with the waker of the task, if it gives anything.
    async fn is_ready_in_place<F: Future>(future: &mut Pin<&mut F>) -> Option<F::Output> {
        std::future::poll_fn(|cx| {
            let polled = match future.as_mut().poll(cx) {
                Poll::Ready(output) => Some(output),
                Poll::Pending => None,
            };
            Poll::Ready(polled)
        })
        .await
    }
}
