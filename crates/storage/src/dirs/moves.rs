//! Moving a replica from one directory to another while it serves (AlterReplicaLogDirs, KIP-113).
//!
//! A second replica, in a directory named `-future`, copies the first batch by batch; once it is
//! as long it takes the first one's name and place. Not here: when, how fast, and who is told.
//! Must hold: the copy is on the disk, with its offsets in the checkpoints of its directory,
//! before the original loses its name; at no instant do two directories bear a replica's name,
//! since no start could tell which of them to believe.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ottla_records::batch::BatchHeader;
use ottla_wire::{DirectoryId, LeaderEpoch, Offset, PartitionIndex, Timestamp, TopicId};

use super::LogDirs;
use crate::directory::Directory;
use crate::error::StorageError;
use crate::load::Opening;
use crate::log::Log;
use crate::names::{DirKind, dir_name, dir_name_with};
use crate::origin::Origin;
use crate::read::ReadError;

/// What one round of copying has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// How many bytes were copied.
    pub bytes: usize,
    /// How many offsets are still missing.
    pub missing: i64,
}

impl LogDirs {
    /// The directory that `log.dirs` names so, letter by letter; a slash at its end is none of it.
    pub fn directory_named(&self, path: &str) -> Option<&Arc<Directory>> {
        let name = |directory: &Arc<Directory>| directory.path().to_string_lossy().into_owned();
        self.directories().find(|directory| name(directory).trim_end_matches('/') == path)
    }

    /// The replica that is to take the place of one that serves.
    pub fn future(&self, topic: TopicId, partition: PartitionIndex) -> Option<Arc<Log>> {
        self.read_logs().futures.get(&(topic, partition)).cloned()
    }

    /// All replicas that are to take another's place.
    pub fn futures(&self) -> Vec<((TopicId, PartitionIndex), Arc<Log>)> {
        let logs = self.read_logs();
        logs.futures.iter().map(|(key, log)| (*key, Arc::clone(log))).collect()
    }

    /// Makes the replica that is to take the place of one that serves, in the directory at `to`.
    /// Answers false when there is one already, or the replica is there.
    pub fn begin_move(
        &self,
        topic: TopicId,
        partition: PartitionIndex,
        to: &Path,
        now: Timestamp,
    ) -> Result<bool, StorageError> {
        let mut logs = self.write_logs();
        let Some(current) = logs.by_id.get(&(topic, partition)).cloned() else { return Ok(false) };
        let dir = self.dir_at(to).ok_or_else(|| not_one_of_ours(to))?;
        let is_there = Arc::ptr_eq(&dir.directory, current.directory());
        if is_there || logs.futures.contains_key(&(topic, partition)) {
            return Ok(false);
        }
        if let Some(offline) = self.dirs.iter().find(|dir| dir.directory.failure().is_some()) {
            // A second replica of the same partition may already lie there.
            offline.directory.check()?;
        }
        let name = topic_of(&current);
        self.forget(dir, &(name.clone(), partition))?;
        let unique = self.unique();
        let path =
            dir.directory.path().join(dir_name_with(&name, partition, DirKind::Future, &unique));
        let future = Log::open(Opening {
            directory: Arc::clone(&dir.directory),
            path,
            name: dir_name(&name, partition),
            config: current.config(),
            clean: true,
            start: first_base(&current)?,
            recovery_point: Offset(0),
            high_watermark: Offset(0),
            now,
            random: self.env.random_u64(),
        })?;
        dir.directory.judge(future.assign_topic_id(topic))?;
        logs.futures.insert((topic, partition), future);
        Ok(true)
    }

    /// Ends a move: the copy is removed as a deleted partition is. Answers whether there was one.
    pub fn cancel_move(
        &self,
        topic: TopicId,
        partition: PartitionIndex,
        now: Timestamp,
    ) -> Result<bool, StorageError> {
        let Some(future) = self.write_logs().futures.remove(&(topic, partition)) else {
            return Ok(false);
        };
        self.remove_later(&future, now).map(|()| true)
    }

    /// Forgets the copies that lie in directories that went offline; their files stay.
    pub fn forget_lost_moves(&self) {
        let is_lost = |log: &Arc<Log>| log.directory().failure().is_some();
        self.write_logs().futures.retain(|_, future| !is_lost(future));
    }

    /// Copies at most `bytes_max` bytes, but one batch at least, from the replica that serves to
    /// the one that is to take its place; `None` when either is gone. Waits for the disk.
    pub fn copy(
        &self,
        topic: TopicId,
        partition: PartitionIndex,
        bytes_max: usize,
        now: Timestamp,
    ) -> Result<Option<Copied>, StorageError> {
        let Some((current, future)) = self.pair(topic, partition) else { return Ok(None) };
        current.directory().check()?;
        future.directory().check()?;
        self.align(&current, &future, now)?;
        let until = current.end();
        let mut bytes = 0;
        if future.end() < until {
            let read = current.read_bytes(future.end(), bytes_max, until, true);
            let records = match read {
                Ok(records) => records,
                // Retention was faster; the next round begins where the log now does.
                Err(ReadError::OutOfRange) => return Ok(Some(Copied { bytes: 0, missing: 1 })),
                Err(ReadError::Storage(error)) => return Err(error),
                Err(ReadError::Cold) => return Ok(Some(Copied { bytes: 0, missing: 1 })),
            };
            bytes = records.len();
            if future.directory().has_many_unsynced() {
                future.sync()?;
            }
            let appended = future.append(&records, Origin::Replica { now });
            appended.map_err(|error| StorageError::Refused(error.to_string()))?;
        }
        future.set_high_watermark(current.high_watermark());
        if future.start() < current.start() {
            future.advance_start(current.start().min(future.end()))?;
        }
        Ok(Some(Copied { bytes, missing: (current.end() - future.end()).max(0) }))
    }

    /// Makes what was copied so far last, so that `finish_move` has little to do.
    pub fn prepare_move(
        &self,
        topic: TopicId,
        partition: PartitionIndex,
    ) -> Result<(), StorageError> {
        let Some(future) = self.future(topic, partition) else { return Ok(()) };
        future.sync()?;
        let Some(dir) = self.dir_of(&future) else { return Ok(()) };
        self.write_recovery_points_of(dir)?;
        self.write_log_starts_of(dir)?;
        self.write_high_watermarks_of(dir)
    }

    /// Lets the copy take the original's place, and answers it; `None` when either is gone or the
    /// copy is shorter. The caller keeps appends away meanwhile. Waits for the disk.
    pub fn finish_move(
        &self,
        topic: TopicId,
        partition: PartitionIndex,
        now: Timestamp,
    ) -> Result<Option<Arc<Log>>, StorageError> {
        let Some((current, future)) = self.pair(topic, partition) else { return Ok(None) };
        if future.end() != current.end() {
            return Ok(None);
        }
        future.set_high_watermark(current.high_watermark());
        if let Some(epoch) = epoch_ahead(&current, &future) {
            future.assign_epoch(epoch)?;
        }
        self.prepare_move(topic, partition)?;
        let mut logs = self.write_logs();
        let is_same =
            logs.futures.get(&(topic, partition)).is_some_and(|f| Arc::ptr_eq(f, &future))
                && logs.by_id.get(&(topic, partition)).is_some_and(|c| Arc::ptr_eq(c, &current));
        if !is_same {
            return Ok(None);
        }
        future.configure(current.config());
        self.carry_cleaned(&current, &future)?;
        let before = current.home.path();
        self.remove_later(&current, now)?;
        let source = current.directory();
        let synced = source.disk().sync_dir(source.path());
        source.judge(synced.map_err(StorageError::io("sync", source.path())))?;
        if let Err(error) = give_name(&future, partition) {
            // The copy's disk failed at the last step: the original serves on.
            source.keep(&current.home.path());
            source.judge(current.home.rename(before))?;
            current.keep(now);
            logs.futures.remove(&(topic, partition));
            return Err(error);
        }
        logs.futures.remove(&(topic, partition));
        logs.by_id.insert((topic, partition), Arc::clone(&future));
        drop(logs);
        if let Some(dir) = self.dir_of(&current) {
            let _ = self.forget(dir, &(topic_of(&current), partition));
        }
        Ok(Some(future))
    }

    /// Gives the copy the partition's name where the original is gone: a crash came between the
    /// two renames of `finish_move`, or somebody removed the original. Answers whether it did.
    pub fn adopt(&self, topic: TopicId, partition: PartitionIndex) -> Result<bool, StorageError> {
        let mut logs = self.write_logs();
        if logs.by_id.contains_key(&(topic, partition)) {
            return Ok(false);
        }
        let Some(future) = logs.futures.get(&(topic, partition)).cloned() else {
            return Ok(false);
        };
        give_name(&future, partition)?;
        tracing::warn!(log = future.name(), dir = %future.directory().path().display(),
            "a move that a crash cut off is finished");
        logs.futures.remove(&(topic, partition));
        logs.by_id.insert((topic, partition), future);
        Ok(true)
    }

    /// Cuts copies that are longer than their originals, which lost their unsynced end in a crash.
    pub fn align_moves(&self, now: Timestamp) -> Result<(), StorageError> {
        for ((topic, partition), _) in self.futures() {
            if let Some((current, future)) = self.pair(topic, partition) {
                self.align(&current, &future, now)?;
            }
        }
        Ok(())
    }

    fn align(&self, current: &Log, future: &Log, now: Timestamp) -> Result<(), StorageError> {
        if future.end() < current.start() {
            self.truncate_fully(future, first_base(current)?, now)?;
        } else if future.end() > current.end() {
            self.truncate(future, current.end(), now)?;
        }
        Ok(())
    }

    fn pair(&self, topic: TopicId, partition: PartitionIndex) -> Option<(Arc<Log>, Arc<Log>)> {
        let logs = self.read_logs();
        let current = logs.by_id.get(&(topic, partition))?;
        let future = logs.futures.get(&(topic, partition))?;
        Some((Arc::clone(current), Arc::clone(future)))
    }

    /// The id of the directory that a partition's replica is in, or is moving to.
    pub fn directory_of(
        &self,
        topic: TopicId,
        partition: PartitionIndex,
    ) -> (Option<DirectoryId>, Option<DirectoryId>) {
        let logs = self.read_logs();
        let id = |log: &Arc<Log>| log.directory().id();
        let key = (topic, partition);
        (logs.by_id.get(&key).map(id), logs.futures.get(&key).map(id))
    }
}

/// An epoch that the original was assigned and that has no batch yet, so that no copy told it.
fn epoch_ahead(current: &Log, future: &Log) -> Option<LeaderEpoch> {
    let latest = current.latest_epoch()?;
    future.latest_epoch().is_none_or(|known| known < latest).then_some(latest)
}

/// Renames a copy to what the original is called.
fn give_name(future: &Log, partition: PartitionIndex) -> Result<(), StorageError> {
    let directory = future.directory();
    let to: PathBuf = directory.path().join(dir_name(&topic_of(future), partition));
    directory.judge(future.home.rename(to))?;
    let synced = directory.disk().sync_dir(directory.path());
    directory.judge(synced.map_err(StorageError::io("sync", directory.path())))
}

/// Where the first batch begins that a reader of the log could get; batches are copied whole.
fn first_base(log: &Log) -> Result<Offset, StorageError> {
    let start = log.start();
    let first = match log.read_bytes(start, 1, log.end(), true) {
        Ok(first) => first,
        Err(ReadError::Storage(error)) => return Err(error),
        Err(_) => return Ok(start),
    };
    let header = BatchHeader::first(&first).ok().flatten();
    Ok(header.map_or(start, |header| header.base_offset().min(start)))
}

fn topic_of(log: &Log) -> String {
    log.name().rsplit_once('-').map_or_else(String::new, |(topic, _)| topic.to_owned())
}

fn not_one_of_ours(path: &Path) -> StorageError {
    StorageError::Refused(format!("{} is none of log.dirs", path.display()))
}
