//! What the log directories need from time to time: checkpoints, syncs, retention, removals.
//!
//! Each is a function that the node calls, on a thread that may wait for the disk. Must hold: a
//! checkpoint is only written when it differs, and never tells more than was synced.

use std::path::PathBuf;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ottla_wire::{Offset, PartitionIndex, Timestamp};

use super::{Dir, LogDirs};
use crate::checkpoint::{self, Offsets, format_offsets};
use crate::directory::Directory;
use crate::error::StorageError;
use crate::log::{Log, lock};

impl LogDirs {
    /// Syncs what is due: closed segments, `flush.ms`, and the largest logs of a directory that
    /// has too many unsynced bytes. Answers whether anything was; then the recovery points were
    /// written too.
    pub fn background_sync(&self, now: Timestamp) -> bool {
        self.directories().filter(|directory| self.background_sync_of(directory, now)).count() > 0
    }

    /// As `background_sync`, in one directory. To be called several times a second while it has
    /// unsynced bytes, and whenever `Directory::many_unsynced` says so.
    pub fn background_sync_of(&self, directory: &Directory, now: Timestamp) -> bool {
        let Some(dir) = self.working().find(|dir| ptr::eq(&*dir.directory, directory)) else {
            return false;
        };
        let any = directory.sync_due(now).unwrap_or(false);
        if any {
            // An error has taken the directory offline.
            let _ = self.write_recovery_points_of(dir);
        }
        any
    }

    /// Makes room for other files in a directory that lacks it: syncs logs, those first that were
    /// written to first, and closes their files. Several at a time, since a journaling file system
    /// commits them together: 1,000 small files took 4.6 s one after the other, and 0.2 s on
    /// eight threads.
    pub async fn close_crowd(self: &Arc<Self>, directory: &Arc<Directory>) {
        let files = &directory.files;
        files.close_clean(files.max() / 4, files.max());
        if !files.is_roomy() && directory.failure().is_none() {
            let (logs, next) = (Arc::new(directory.unsynced_logs_by_age()), Arc::default());
            let tasks = self.env.tasks();
            for _ in 0..CLOSERS {
                let (logs, next) = (Arc::clone(&logs), Arc::clone(&next));
                let (env, directory) = (self.env.clone(), Arc::clone(directory));
                tasks.spawn("close files", async move {
                    env.blocking(move || close_some(&directory, &logs, &next)).await;
                });
            }
            tasks.join_all().await;
            let rest = Arc::clone(directory);
            // An error has taken the directory offline.
            let _ = self.env.blocking(move || rest.close_changed_files()).await;
        }
        files.settle();
    }

    /// Closes the files of logs that have nothing to sync, every minute: they open again when
    /// somebody needs them, and an idle partition has none.
    pub fn close_idle_files(&self) {
        for (_, log) in self.logs() {
            log.close_idle_files();
        }
    }

    /// Writes `recovery-point-offset-checkpoint`, every minute.
    pub fn write_recovery_points(&self) {
        for dir in self.working() {
            // An error has taken the directory offline; the others go on.
            let _ = self.write_recovery_points_of(dir);
        }
    }

    /// Writes `log-start-offset-checkpoint`, every minute: logs that start inside a segment.
    pub fn write_log_starts(&self) {
        for dir in self.working() {
            // An error has taken the directory offline; the others go on.
            let _ = self.write_log_starts_of(dir);
        }
    }

    /// Writes `replication-offset-checkpoint`, every five seconds.
    pub fn write_high_watermarks(&self) {
        for dir in self.working() {
            // An error has taken the directory offline; the others go on.
            let _ = self.write_high_watermarks_of(dir);
        }
    }

    /// Drops segments that retention does not keep; answers how many.
    pub fn retain(&self, now: Timestamp) -> usize {
        let logs = self.logs();
        let working = logs.iter().filter(|(_, log)| log.directory().failure().is_none());
        let dropped = working.map(|(_, log)| match log.retain(now) {
            Ok(dropped) => dropped,
            Err(error) => {
                tracing::warn!(log = log.name(), %error, "retention did not run");
                0
            }
        });
        dropped.sum()
    }

    /// Where a disk was full, lets retention make room at once; keeps the reserves whole. To be
    /// called every second.
    pub fn keep_room(&self, now: Timestamp) {
        let wanting = self.working().filter(|dir| dir.directory.take_want_of_room()).count();
        if wanting > 0 {
            self.retain(now);
        }
        self.directories().for_each(|directory| directory.keep_reserve());
    }

    /// Why the node has to stop for want of room on a disk, if it has to.
    pub fn out_of_room(&self) -> Option<String> {
        self.directories().find_map(|directory| directory.out_of_room())
    }

    /// The directories whose disks have no room for records of clients, whether or not one was
    /// refused yet.
    pub fn full(&self) -> Vec<PathBuf> {
        let full = self.directories().filter(|directory| directory.lacks_room());
        full.map(|directory| directory.path().to_owned()).collect()
    }

    /// Whether files or directories wait to be removed.
    pub fn have_removals(&self) -> bool {
        self.directories().any(|directory| directory.has_removals())
    }

    /// Removes files and directories whose delay is over; answers how many.
    pub fn remove_due(&self, now: Timestamp) -> usize {
        let removed = self.working().map(|dir| dir.directory.remove_due(now));
        removed.map(|removed| removed.unwrap_or(0)).sum()
    }

    /// Forgets producers that were idle for too long.
    pub fn expire_producers(&self, now: Timestamp) {
        for (_, log) in self.logs() {
            log.expire_producers(now);
        }
    }

    pub(super) fn write_recovery_points_of(&self, dir: &Dir) -> Result<(), StorageError> {
        let known = lock(&dir.checkpoints).recovery_points.clone();
        let offsets = self.offsets(dir, known, |log| Some(log.recovery_point()));
        let known = &mut lock(&dir.checkpoints).recovery_points;
        update(&dir.directory, checkpoint::RECOVERY_POINTS, known, offsets)
    }

    pub(super) fn write_log_starts_of(&self, dir: &Dir) -> Result<(), StorageError> {
        let known = lock(&dir.checkpoints).log_starts.clone();
        let offsets = self.offsets(dir, known, |log| {
            let start = log.start();
            (start > log.segments()[0].base).then_some(start)
        });
        let known = &mut lock(&dir.checkpoints).log_starts;
        update(&dir.directory, checkpoint::LOG_STARTS, known, offsets)
    }

    pub(super) fn write_high_watermarks_of(&self, dir: &Dir) -> Result<(), StorageError> {
        let known = lock(&dir.checkpoints).high_watermarks.clone();
        let offsets = self.offsets(dir, known, |log| Some(log.high_watermark()));
        let known = &mut lock(&dir.checkpoints).high_watermarks;
        update(&dir.directory, checkpoint::HIGH_WATERMARKS, known, offsets)
    }

    /// The logs of one directory, those that are yet to take another's place too.
    pub(super) fn logs_in(&self, dir: &Dir) -> Vec<Arc<Log>> {
        let logs = self.read_logs();
        let all = logs.by_id.values().chain(logs.futures.values());
        all.filter(|log| Arc::ptr_eq(log.directory(), &dir.directory)).cloned().collect()
    }

    /// What a checkpoint is to tell. Logs that a start has not opened yet keep what is known; logs
    /// without a directory have nothing that is not told by their absence. The lock of the
    /// checkpoints is taken after that of the logs, never before.
    fn offsets(
        &self,
        dir: &Dir,
        known: Offsets,
        offset: impl Fn(&Log) -> Option<Offset>,
    ) -> Offsets {
        let mut offsets = if self.is_loaded() { Offsets::new() } else { known };
        for log in self.logs_in(dir).into_iter().filter(|log| log.is_made()) {
            let Some((topic, partition)) = log.name().rsplit_once('-') else { continue };
            let Ok(partition) = partition.parse() else { continue };
            let key = (topic.to_owned(), PartitionIndex(partition));
            match offset(&log) {
                Some(offset) => drop(offsets.insert(key, offset)),
                None => drop(offsets.remove(&key)),
            }
        }
        offsets
    }
}

/// Syncs logs and closes their files, until there is room or nothing is left to sync.
fn close_some(directory: &Directory, logs: &[Arc<Log>], next: &AtomicUsize) {
    while !directory.files.is_roomy() {
        let Some(log) = logs.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
        if log.sync().is_err() {
            return;
        }
        log.close_idle_files();
    }
}

/// So many logs are synced at a time to close their files.
const CLOSERS: usize = 8;

fn update(
    directory: &Directory,
    file: &str,
    known: &mut Offsets,
    offsets: Offsets,
) -> Result<(), StorageError> {
    if *known == offsets {
        return Ok(());
    }
    write_checkpoint(directory, file, &offsets)?;
    *known = offsets;
    Ok(())
}

pub(super) fn write_checkpoint(
    directory: &Directory,
    file: &str,
    offsets: &Offsets,
) -> Result<(), StorageError> {
    directory.check()?;
    let path = directory.path().join(file);
    let text = format_offsets(offsets);
    directory.judge(directory.with_reserve(|| {
        let written = directory.disk().replace(&path, text.as_bytes());
        written.map_err(StorageError::io("write", &path))
    }))
}
