//! Making a log's records last: syncs, and closing in order.
//!
//! Not here: when (whoever drives the log directories). Must hold:
//! the recovery point moves only over what a sync has covered, names too; a sync that failed takes
//! the directory offline and is never tried again; what a crash has left is written again before
//! the first sync that covers it.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ottla_env::{Env, Open};
use ottla_wire::{Offset, Timestamp};

use crate::error::StorageError;
use crate::log::{Log, Writer, lock};
use crate::recover::Doubtful;
use crate::scan::CHUNK_LARGE;

/// The right to make the sync that others wait for. It ends with the sync, or before it when the
/// caller was dropped: then one of those who wait takes over.
struct Leader(Arc<Log>);

impl Drop for Leader {
    fn drop(&mut self) {
        self.0.commits.store(false, Ordering::Release);
        self.0.synced.notify_waiters();
    }
}

/// After so many bytes without one, a sync leaves a producer snapshot, so that a start after a
/// crash reads little.
const SNAPSHOT_EVERY_BYTES: u64 = 64 << 20;

impl Log {
    /// Syncs everything appended so far; answers the recovery point. Waits for the disk.
    pub fn sync(&self) -> Result<Offset, StorageError> {
        let _pin = self.home.pin();
        let _one = lock(&self.syncing);
        if self.is_gone() {
            return Ok(self.recovery_point());
        }
        self.home.directory.check()?;
        let bytes = self.unsynced.swap(0, Ordering::AcqRel);
        let end = self.end();
        let synced = self.sync_to(end);
        // Not before: until then they count for those who wait for the disk.
        self.home.directory.unsynced.sub(bytes);
        self.home.directory.note_flush();
        match &synced {
            // Nothing was lost by it: what was not synced yet is for the next time.
            Err(error) if error.is_lack() => self.unsync(bytes),
            Err(error) => self.home.directory.fail(&error.to_string()),
            Ok(()) => {}
        }
        synced.map(|()| end)
    }

    /// Returns once everything below `offset` is synced. Callers share syncs: one of them makes a
    /// sync, and those who come meanwhile wait for it without a thread and share the next one.
    /// The syncs of several logs run beside one another, which lets a journaling file system
    /// commit them together: 12 files took 3.1 ms in parallel, 5.4 ms by one syncfs and 36 ms one
    /// after the other.
    pub async fn synced(&self, env: &Env, offset: Offset) -> Result<(), StorageError> {
        loop {
            let finished = self.synced.notified();
            let mut finished = pin!(finished);
            finished.as_mut().enable();
            if self.recovery_point() >= offset {
                return Ok(());
            }
            self.home.directory.check()?;
            let log = self.upgraded()?;
            if !self.commits.swap(true, Ordering::AcqRel) {
                let (directory, leader) = (Arc::clone(log.directory()), Leader(log));
                let underway = directory.sync_begins(env.monotonic());
                return env
                    .blocking(move || {
                        let synced = leader.0.sync().map(drop);
                        drop(underway);
                        synced
                    })
                    .await;
            }
            finished.await;
        }
    }

    /// Takes back that a sync has covered so many bytes.
    fn unsync(&self, bytes: u64) {
        if bytes > 0 {
            self.note_unsynced(bytes, Timestamp(self.unsynced_since.load(Ordering::Acquire)));
        }
    }

    fn upgraded(&self) -> Result<Arc<Log>, StorageError> {
        let closed = || StorageError::Refused(format!("the log of {} is closed", self.name));
        self.me.upgrade().ok_or_else(closed)
    }

    /// Whether `flush.ms` has passed over something unsynced.
    pub fn is_sync_due(&self, now: Timestamp) -> bool {
        self.unsynced.load(Ordering::Acquire) > 0
            && now.0.saturating_sub(self.unsynced_since.load(Ordering::Acquire))
                >= self.config().flush_ms
    }

    /// How many bytes no sync has covered.
    pub fn unsynced_bytes(&self) -> u64 {
        self.unsynced.load(Ordering::Acquire)
    }

    /// Whether closed segments wait to be synced.
    pub fn has_unsynced_segments(&self) -> bool {
        self.recovery_point() < self.active().base
    }

    fn sync_to(&self, end: Offset) -> Result<(), StorageError> {
        let from = self.recovery_point();
        self.write_doubtful()?;
        let segments = self.segments();
        if from < end {
            for (at, segment) in segments.iter().enumerate() {
                match segments.get(at + 1) {
                    Some(next) if next.base <= from => {}
                    Some(_) => {
                        segment.sync()?;
                        segment.sync_indexes()?;
                    }
                    None => segment.sync()?,
                }
            }
        }
        if self.names_unsynced.swap(false, Ordering::AcqRel)
            && let Err(error) = self.sync_names()
        {
            self.names_unsynced.store(true, Ordering::Release);
            return Err(error);
        }
        let mut writer = lock(&self.writer);
        match segments.last() {
            // It was closed meanwhile, and what closing wrote must be synced before it is trusted.
            Some(last) if !Arc::ptr_eq(last, &self.active()) => last.sync_indexes()?,
            _ => {}
        }
        self.recovery_point.fetch_max(end.0, Ordering::AcqRel);
        self.snapshot_if_due(&mut writer)
    }

    /// Writes over itself what a crash has left above the recovery point. After a sync that failed
    /// the system counts pages as clean that never reached the disk; they are read back as if
    /// nothing had happened, and no later sync writes them unless they are written again. A start
    /// does not wait for it: nothing says that these bytes are on the disk before this was done.
    fn write_doubtful(&self) -> Result<(), StorageError> {
        let mut doubtful = lock(&self.doubtful);
        while let Some(part) = doubtful.pop() {
            // What was dropped or compacted since is not of this log any more.
            let is_here = self.segments().iter().any(|known| Arc::ptr_eq(known, &part.segment));
            if is_here && let Err(error) = self.write_over(&part) {
                doubtful.push(part);
                return Err(error);
            }
        }
        *doubtful = Vec::new();
        Ok(())
    }

    fn write_over(&self, part: &Doubtful) -> Result<(), StorageError> {
        let segment = &part.segment;
        let (file, mut at, mut bytes) = (segment.change()?, part.from, Vec::new());
        // It may have been cut since; nobody cuts while something is synced.
        let until = part.until.min(segment.size());
        while at < until {
            let len = usize::try_from(until - at).unwrap_or(usize::MAX).min(CHUNK_LARGE);
            bytes.resize(len, 0);
            file.read_exact_at(&mut bytes, at).map_err(segment.io("read"))?;
            self.home.directory.with_reserve(|| {
                file.write_all_at(&bytes, at).map_err(segment.io("write again"))
            })?;
            at += len as u64;
        }
        Ok(())
    }

    fn sync_names(&self) -> Result<(), StorageError> {
        let disk = self.home.disk();
        let directory = &self.home.directory;
        loop {
            // Not in the loop's head, which would keep the lock.
            let name = lock(&self.unsynced_files).pop();
            let Some(name) = name else { break };
            let path = self.home.file(&name);
            let opened = directory.with_share(None, || {
                disk.open(&path, Open::ReadWrite).map_err(StorageError::io("open", &path))
            });
            match opened {
                Ok(file) => file.sync().map_err(StorageError::io("sync", &path))?,
                // It was replaced or dropped since it was noted.
                Err(error) if error.is_not_found() => {}
                Err(error) => {
                    lock(&self.unsynced_files).push(name);
                    return Err(error);
                }
            }
        }
        directory.sync_dir(&self.home.path())?;
        if self.home_unsynced.swap(false, Ordering::AcqRel)
            && let Err(error) = directory.sync_dir(directory.path())
        {
            self.home_unsynced.store(true, Ordering::Release);
            return Err(error);
        }
        Ok(())
    }

    fn snapshot_if_due(&self, writer: &mut Writer) -> Result<(), StorageError> {
        if writer.since_snapshot < SNAPSHOT_EVERY_BYTES || lock(&self.producers).is_empty() {
            return Ok(());
        }
        let older = writer.snapshot_at;
        match self.take_snapshot(writer, self.end()) {
            // It only spares a start some reading.
            Err(error) if error.passes() => return Ok(()),
            taken => taken?,
        }
        match older {
            Some(older) => self.drop_stray_snapshot(older),
            None => Ok(()),
        }
    }

    /// Ends appends, and leaves the files as Apache Kafka leaves them when it stops in order. What
    /// that wrote is made to last by `sync_closed`, or by a sync of the whole directory.
    pub fn close(&self) -> Result<(), StorageError> {
        let _pin = self.home.pin();
        let _cleaning = lock(&self.cleaning);
        let _one = lock(&self.syncing);
        let mut writer = lock(&self.writer);
        if writer.closed {
            return Ok(());
        }
        writer.closed = true;
        let closed = self.write_doubtful().and_then(|()| self.close_files(&mut writer));
        drop(writer);
        self.home.directory.judge(closed)
    }

    fn close_files(&self, writer: &mut Writer) -> Result<(), StorageError> {
        let (active, end) = (self.active(), self.end());
        if end > writer.snapshot_at.unwrap_or(Offset(0)) {
            let older = writer.snapshot_at;
            self.take_snapshot(writer, end)?;
            if let Some(older) = older {
                self.drop_stray_snapshot(older)?;
            }
        }
        // Without an append since it was opened or rolled, the files are as they have to be.
        if writer.prepared {
            active.finish()?;
            let file = active.change()?;
            if file.len().map_err(active.io("read the length of"))? > active.size() {
                file.set_len(active.size()).map_err(active.io("cut"))?;
            }
        }
        Ok(())
    }

    /// Ends appends to a log whose files will be removed.
    pub(crate) fn abandon(&self) {
        let _cleaning = lock(&self.cleaning);
        lock(&self.writer).closed = true;
        self.is_gone.store(true, Ordering::Release);
        let bytes = self.unsynced.swap(0, Ordering::AcqRel);
        self.home.directory.unsynced.sub(bytes);
    }

    /// Takes back `abandon`: the log serves after all.
    pub(crate) fn keep(&self, now: Timestamp) {
        self.is_gone.store(false, Ordering::Release);
        lock(&self.writer).closed = false;
        self.note_unsynced(1, now);
    }

    /// Whether `sync_closed` would find anything to do: a start after a crash makes indexes anew
    /// or cuts them below a recovery point that is already the end, and no sync comes by there.
    pub(crate) fn needs_sync(&self) -> bool {
        self.recovery_point() < self.end()
            || self.names_unsynced.load(Ordering::Acquire)
            || self.active().has_unsynced_indexes()
    }

    /// Syncs a log that was closed, its active indexes too.
    pub(crate) fn sync_closed(&self) -> Result<(), StorageError> {
        self.sync()?;
        self.home.directory.judge(self.active().sync_indexes())
    }

    /// Notes that the whole directory was synced after the log was closed.
    pub(crate) fn assume_synced(&self) {
        let _one = lock(&self.syncing);
        let bytes = self.unsynced.swap(0, Ordering::AcqRel);
        self.home.directory.unsynced.sub(bytes);
        self.recovery_point.fetch_max(self.end().0, Ordering::AcqRel);
    }

    /// Removes a snapshot that belongs to no segment's begin, after a newer one was taken.
    fn drop_stray_snapshot(&self, at: Offset) -> Result<(), StorageError> {
        if self.segments().iter().any(|segment| segment.base == at) || at == self.end() {
            return Ok(());
        }
        self.home.remove(&crate::names::file_name(at, crate::names::FileKind::Snapshot))
    }
}
