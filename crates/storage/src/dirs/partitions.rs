//! Partitions in log directories: finding, making, removing and setting them aside.
//!
//! Partitions are known by topic id; only their directory carries the name. Must hold: a new
//! partition never inherits an offset from the checkpoints of one that had its name.

use std::sync::{Arc, PoisonError, RwLockReadGuard, RwLockWriteGuard};

use ottla_wire::{DirectoryId, Offset, PartitionIndex, Timestamp, TopicId};

use super::upkeep::write_checkpoint;
use super::{Dir, LogDirs, Logs};
use crate::checkpoint;
use crate::config::LogConfig;
use crate::error::StorageError;
use crate::load::Opening;
use crate::log::{Log, lock};
use crate::names::{DirKind, dir_name, dir_name_with};

impl LogDirs {
    /// The log of a partition.
    pub fn get(&self, topic: TopicId, partition: PartitionIndex) -> Option<Arc<Log>> {
        self.read_logs().by_id.get(&(topic, partition)).cloned()
    }

    /// All logs whose topic is known, by topic id and partition.
    pub fn logs(&self) -> Vec<((TopicId, PartitionIndex), Arc<Log>)> {
        let logs = self.read_logs();
        logs.by_id.iter().map(|(key, log)| (*key, Arc::clone(log))).collect()
    }

    /// The logs whose directory does not tell a topic id.
    pub fn nameless(&self) -> Vec<Arc<Log>> {
        self.read_logs().by_name.values().cloned().collect()
    }

    /// The log of a partition, made where it is not there: in the directory `place`, or in the one
    /// with the fewest partitions.
    pub fn create(
        &self,
        topic: TopicId,
        name: &str,
        partition: PartitionIndex,
        place: Option<DirectoryId>,
        config: Arc<LogConfig>,
        now: Timestamp,
    ) -> Result<Arc<Log>, StorageError> {
        let mut logs = self.write_logs();
        if let Some(log) = logs.by_id.get(&(topic, partition)) {
            return Ok(Arc::clone(log));
        }
        let key = (name.to_owned(), partition);
        if let Some(log) = logs.by_name.remove(&key) {
            log.assign_topic_id(topic)?;
            log.configure(config);
            logs.by_id.insert((topic, partition), Arc::clone(&log));
            return Ok(log);
        }
        let dir = self.place(&logs, place)?;
        let path = dir.directory.path().join(dir_name(name, partition));
        if dir.directory.disk().exists(&path) {
            return Err(StorageError::Refused(format!(
                "{} belongs to another topic: it must be removed or set aside first",
                path.display()
            )));
        }
        self.forget(dir, &key)?;
        let log = Log::open(Opening {
            directory: Arc::clone(&dir.directory),
            path,
            name: dir_name(name, partition),
            config,
            clean: true,
            start: Offset(0),
            recovery_point: Offset(0),
            high_watermark: Offset(0),
            now,
            random: self.env.random_u64(),
        })?;
        dir.directory.judge(log.assign_topic_id(topic))?;
        logs.by_id.insert((topic, partition), Arc::clone(&log));
        Ok(log)
    }

    /// Removes a partition: its directory is renamed now and its files go after
    /// `file.delete.delay.ms`, by `remove_due`. Answers whether it was there.
    pub fn delete(
        &self,
        topic: TopicId,
        partition: PartitionIndex,
        now: Timestamp,
    ) -> Result<bool, StorageError> {
        let Some(log) = self.write_logs().by_id.remove(&(topic, partition)) else {
            return Ok(false);
        };
        let due = now + log.config().file_delete_delay_ms;
        self.set_aside(&log, DirKind::Delete)?;
        log.directory().remove_later(log.home.path(), due);
        Ok(true)
    }

    /// Sets a partition aside that the metadata does not know; its directory is kept.
    pub fn stray(&self, log: &Arc<Log>) -> Result<(), StorageError> {
        let mut logs = self.write_logs();
        logs.by_id.retain(|_, known| !Arc::ptr_eq(known, log));
        logs.by_name.retain(|_, known| !Arc::ptr_eq(known, log));
        drop(logs);
        tracing::warn!(log = log.name(), "partition is not in the metadata: set aside as -stray");
        self.set_aside(log, DirKind::Stray)
    }

    /// Cuts a log. Its recovery point is lowered on the disk before, so that a start after a crash
    /// in the middle reads what is left again, and holds nothing new for synced.
    pub fn truncate(&self, log: &Log, to: Offset, now: Timestamp) -> Result<bool, StorageError> {
        self.lower_recovery_point(log, to)?;
        log.truncate(to, now)
    }

    /// Empties a log, as `truncate` cuts it.
    pub fn truncate_fully(
        &self,
        log: &Log,
        to: Offset,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        self.lower_recovery_point(log, Offset(0))?;
        log.truncate_fully(to, now)
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
        let unique: String =
            self.env.random_bytes::<16>().iter().map(|byte| format!("{byte:02x}")).collect();
        let from = log.home.path();
        let to = directory.path().join(dir_name_with(topic, partition, kind, &unique));
        directory.judge(directory.with_reserve(|| {
            directory.disk().rename(&from, &to).map_err(StorageError::io("rename", &from))
        }))?;
        log.home.moved(to);
        Ok(())
    }

    fn place(&self, logs: &Logs, place: Option<DirectoryId>) -> Result<&Dir, StorageError> {
        if let Some(id) = place {
            let dir = self.dirs.iter().find(|dir| dir.directory.id() == id);
            let dir = dir.ok_or_else(|| {
                StorageError::Refused(format!("no log directory of this node has the id {id}"))
            })?;
            return dir.directory.check().map(|()| dir);
        }
        let mut working: Vec<(usize, &Dir)> = self.working().map(|dir| (0, dir)).collect();
        if working.len() > 1 {
            for log in logs.by_id.values().chain(logs.by_name.values()) {
                let count = working
                    .iter_mut()
                    .find(|(_, dir)| Arc::ptr_eq(&dir.directory, log.directory()));
                if let Some((count, _)) = count {
                    *count += 1;
                }
            }
        }
        let fewest = working.into_iter().min_by_key(|(count, _)| *count);
        fewest
            .map(|(_, dir)| dir)
            .ok_or_else(|| StorageError::Refused("every log directory is offline".to_owned()))
    }

    /// Rewrites the checkpoints when they still know a partition of this name.
    fn forget(&self, dir: &Dir, key: &(String, PartitionIndex)) -> Result<(), StorageError> {
        let known = &mut *lock(&dir.checkpoints);
        for (file, offsets) in [
            (checkpoint::RECOVERY_POINTS, &mut known.recovery_points),
            (checkpoint::LOG_STARTS, &mut known.log_starts),
            (checkpoint::HIGH_WATERMARKS, &mut known.high_watermarks),
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
        self.logs.write().unwrap_or_else(PoisonError::into_inner)
    }
}
