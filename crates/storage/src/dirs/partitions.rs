//! Partitions in log directories: finding, making, removing and setting them aside.
//!
//! Partitions are known by topic id; only their directory carries the name. Must hold: a new
//! partition never inherits an offset from the checkpoints of one that had its name.

use std::sync::{Arc, PoisonError, RwLockReadGuard, RwLockWriteGuard};

use ottla_env::DirEntry;
use ottla_wire::{DirectoryId, Offset, PartitionIndex, Timestamp, TopicId};

use super::upkeep::write_checkpoint;
use super::{Dir, LogDirs, Logs};
use crate::checkpoint;
use crate::config::LogConfig;
use crate::error::StorageError;
use crate::load::Opening;
use crate::log::{Log, lock};
use crate::names::{DirKind, dir_name, dir_name_with, parse_file};
use crate::{epochs, partition_metadata};

impl LogDirs {
    /// The log of a partition.
    pub fn get(&self, topic: TopicId, partition: PartitionIndex) -> Option<Arc<Log>> {
        self.read_logs().by_id.get(&(topic, partition)).cloned()
    }

    /// All logs by topic id and partition.
    pub fn logs(&self) -> Vec<((TopicId, PartitionIndex), Arc<Log>)> {
        let logs = self.read_logs();
        logs.by_id.iter().map(|(key, log)| (*key, Arc::clone(log))).collect()
    }

    /// The log of a partition, made where it is not there: where AlterReplicaLogDirs said, in the
    /// directory `place`, or in the one with the fewest partitions. Its own directory comes with
    /// the first append.
    pub fn create(
        &self,
        topic: TopicId,
        name: &str,
        partition: PartitionIndex,
        place: Option<DirectoryId>,
        config: Arc<LogConfig>,
        now: Timestamp,
    ) -> Result<Arc<Log>, StorageError> {
        let mut logs = self.logs.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(log) = logs.by_id.get(&(topic, partition)) {
            return Ok(Arc::clone(log));
        }
        let key = (name.to_owned(), partition);
        let mut refused = None;
        for dir in self.places(&mut logs, &key, place)? {
            match self.make(dir, topic, &key, &config, now) {
                Ok(log) => {
                    logs.by_id.insert((topic, partition), Arc::clone(&log));
                    logs.count_one(&dir.directory);
                    drop(logs);
                    self.prefer_nothing(name, partition);
                    return Ok(log);
                }
                // The directory is offline now, or full: the next one may not be.
                Err(error @ StorageError::Io { .. }) => refused = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(refused.unwrap_or_else(|| {
            StorageError::Refused("no log directory takes a new partition".to_owned())
        }))
    }

    fn make(
        &self,
        dir: &Dir,
        topic: TopicId,
        key: &(String, PartitionIndex),
        config: &Arc<LogConfig>,
        now: Timestamp,
    ) -> Result<Arc<Log>, StorageError> {
        let name = dir_name(&key.0, key.1);
        let path = dir.directory.path().join(&name);
        if dir.directory.disk().exists(&path) {
            return Err(StorageError::Refused(format!(
                "{} belongs to another topic: it must be removed or set aside first",
                path.display()
            )));
        }
        self.forget(dir, key)?;
        let opening = Opening {
            directory: Arc::clone(&dir.directory),
            path,
            name,
            config: Arc::clone(config),
            clean: true,
            start: Offset(0),
            recovery_point: Offset(0),
            high_watermark: Offset(0),
            now,
            random: self.env.random_u64(),
        };
        Log::unmade(opening, topic)
    }

    /// Removes a partition, and the copy of it that is on its way to another directory: their
    /// directories are renamed now and their files go after `file.delete.delay.ms`, by
    /// `remove_due`. Answers whether it was there.
    pub fn delete(
        &self,
        topic: TopicId,
        partition: PartitionIndex,
        now: Timestamp,
    ) -> Result<bool, StorageError> {
        let cancelled = self.cancel_move(topic, partition, now);
        let Some(log) = self.write_logs().by_id.remove(&(topic, partition)) else {
            return cancelled;
        };
        self.remove_later(&log, now)?;
        cancelled.map(|_| true)
    }

    /// Renames a replica's directory to what waits for removal.
    pub(super) fn remove_later(&self, log: &Log, now: Timestamp) -> Result<(), StorageError> {
        let due = now + log.config().file_delete_delay_ms;
        self.set_aside(log, DirKind::Delete)?;
        self.forget_cleaned(log)?;
        if log.is_made() {
            log.directory().remove_later(log.home.path(), due);
        }
        Ok(())
    }

    /// Sets a partition aside that the metadata does not know; its directory is kept.
    pub fn stray(&self, log: &Arc<Log>) -> Result<(), StorageError> {
        let mut logs = self.write_logs();
        logs.by_id.retain(|_, known| !Arc::ptr_eq(known, log));
        logs.futures.retain(|_, known| !Arc::ptr_eq(known, log));
        drop(logs);
        self.set_aside(log, DirKind::Stray)?;
        self.forget_cleaned(log)?;
        tracing::warn!(log = log.name(), dir = %log.home.path().display(),
            "partition is not in the metadata: it is set aside; remove the directory when nobody \
             misses it");
        Ok(())
    }

    /// Sets a directory aside that does not tell its topic, which may be an older one of the same
    /// name. One in which there is no record, nor anything else that is not a log's, is what a
    /// crash leaves of a partition that was just made, and is removed.
    pub(super) fn set_nameless_aside(&self, log: &Log, now: Timestamp) -> Result<(), StorageError> {
        if log.size() == 0 && holds_an_empty_log_alone(log)? {
            tracing::info!(log = log.name(), dir = %log.home.path().display(),
                "directory has no record and does not tell its topic: it is removed");
            return self.remove_later(log, now);
        }
        self.set_aside(log, DirKind::Stray)?;
        tracing::warn!(log = log.name(), dir = %log.home.path().display(),
            "directory does not tell whose records these are: it is set aside, as by Apache Kafka; \
             remove it when nobody misses it, or let ottla log repair write the topic's id");
        Ok(())
    }

    /// Cuts a log. Its recovery point is lowered on the disk before, so that a start after a crash
    /// in the middle reads what is left again, and holds nothing new for synced.
    pub fn truncate(&self, log: &Log, to: Offset, now: Timestamp) -> Result<bool, StorageError> {
        self.lower_recovery_point(log, to)?;
        self.lower_cleaned(log, to)?;
        let cut = log.truncate(to, now)?;
        // A pass may have ended in between.
        self.lower_cleaned(log, to)?;
        Ok(cut)
    }

    /// Empties a log, as `truncate` cuts it.
    pub fn truncate_fully(
        &self,
        log: &Log,
        to: Offset,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        self.lower_recovery_point(log, Offset(0))?;
        self.lower_cleaned(log, Offset(0))?;
        log.truncate_fully(to, now)?;
        self.lower_cleaned(log, Offset(0))
    }

    fn lower_recovery_point(&self, log: &Log, to: Offset) -> Result<(), StorageError> {
        let holds = |dir: &&Dir| Arc::ptr_eq(&dir.directory, log.directory());
        match self.dirs.iter().find(holds) {
            Some(dir) if to < log.recovery_point() => {
                log.lower_recovery_point(to);
                self.write_recovery_points_of(dir)
            }
            _ => Ok(()),
        }
    }

    fn set_aside(&self, log: &Log, kind: DirKind) -> Result<(), StorageError> {
        let directory = log.directory();
        directory.check()?;
        if kind == DirKind::Stray {
            log.close()?;
        } else {
            log.abandon();
        }
        let Some((topic, partition)) = log.name().rsplit_once('-') else { return Ok(()) };
        let partition = PartitionIndex(partition.parse().unwrap_or(0));
        let name = dir_name_with(topic, partition, kind, &self.unique());
        directory.judge(log.home.rename(directory.path().join(name)))
    }

    /// 32 hex digits that tell apart directories of one partition.
    pub(super) fn unique(&self) -> String {
        self.env.random_bytes::<16>().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Rewrites the checkpoints when they still know a partition of this name.
    pub(super) fn forget(
        &self,
        dir: &Dir,
        key: &(String, PartitionIndex),
    ) -> Result<(), StorageError> {
        let known = &mut *lock(&dir.checkpoints);
        for (file, offsets) in [
            (checkpoint::RECOVERY_POINTS, &mut known.recovery_points),
            (checkpoint::LOG_STARTS, &mut known.log_starts),
            (checkpoint::HIGH_WATERMARKS, &mut known.high_watermarks),
            (checkpoint::CLEANER_OFFSETS, &mut known.cleaned),
        ] {
            if offsets.remove(key).is_some() {
                write_checkpoint(&dir.directory, file, offsets)?;
            }
        }
        Ok(())
    }

    pub(super) fn read_logs(&self) -> RwLockReadGuard<'_, Logs> {
        self.logs.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write_logs(&self) -> RwLockWriteGuard<'_, Logs> {
        let mut logs = self.logs.write().unwrap_or_else(PoisonError::into_inner);
        logs.counts = None;
        logs
    }
}

/// Whether a directory has no file but those of a log. Somebody else's may have a name like a
/// partition's.
fn holds_an_empty_log_alone(log: &Log) -> Result<bool, StorageError> {
    let path = log.home.path();
    let listed = log.home.disk().list(&path).map_err(StorageError::io("list", &path))?;
    let is_of_a_log = |entry: &DirEntry| {
        let is_known = [epochs::FILE, partition_metadata::FILE].contains(&entry.name.as_str());
        !entry.is_dir && (is_known || parse_file(&entry.name).is_some())
    };
    Ok(listed.iter().all(is_of_a_log))
}
