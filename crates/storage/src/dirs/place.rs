//! In which directory a new replica goes.
//!
//! Where AlterReplicaLogDirs said first, then where the metadata says, else where the fewest
//! replicas are. Must hold: while a directory is offline, a replica that may lie in it is not made
//! anew elsewhere; a cordoned directory gets only what is sent there by name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ottla_wire::{DirectoryId, PartitionIndex};

use super::{Dir, LogDirs, Logs};
use crate::directory::Directory;
use crate::error::StorageError;
use crate::log::lock;
use crate::meta_properties::is_reserved;

impl LogDirs {
    /// Keeps new replicas out of these directories (`cordoned.log.dirs`), and only out of these.
    /// Answers whether they were others before.
    pub fn cordon(&self, paths: BTreeSet<PathBuf>) -> bool {
        let mut places = lock(&self.places);
        let before = std::mem::replace(&mut places.cordoned, paths);
        before != places.cordoned
    }

    /// Remembers where a replica is to be made once it is known.
    pub fn prefer(&self, topic: &str, partition: PartitionIndex, directory: &Path) {
        let key = (topic.to_owned(), partition);
        lock(&self.places).preferred.insert(key, directory.to_owned());
    }

    /// Forgets what `prefer` remembered.
    pub fn prefer_nothing(&self, topic: &str, partition: PartitionIndex) {
        lock(&self.places).preferred.remove(&(topic.to_owned(), partition));
    }

    /// The directories to try for a new replica, in this order; never none.
    pub(super) fn places(
        &self,
        logs: &mut Logs,
        key: &(String, PartitionIndex),
        told: Option<DirectoryId>,
    ) -> Result<Vec<&Dir>, StorageError> {
        let preferred = lock(&self.places).preferred.get(key).cloned();
        if let Some(dir) = preferred.and_then(|path| self.dir_at(&path)) {
            return dir.directory.check().map(|()| vec![dir]);
        }
        let told = told.filter(|id| *id != DirectoryId::UNASSIGNED);
        if let Some(id) = told {
            let known = self.dirs.iter().find(|dir| dir.directory.id() == id && !is_reserved(id));
            if let Some(dir) = known {
                return dir.directory.check().map(|()| vec![dir]);
            }
            if let Some(offline) = self.dirs.iter().find(|dir| dir.directory.failure().is_some()) {
                tracing::warn!(partition = ?key, directory = %id,
                    "the replica may lie in a directory that is offline: it is not made anew");
                offline.directory.check()?;
            }
        }
        self.fewest_first(logs)
    }

    fn fewest_first(&self, logs: &mut Logs) -> Result<Vec<&Dir>, StorageError> {
        let mut working: Vec<(usize, &Dir)> = self.working().map(|dir| (0, dir)).collect();
        if working.is_empty() {
            return Err(StorageError::Refused("every log directory is offline".to_owned()));
        }
        if let [(_, only)] = working[..] {
            return Ok(vec![only]);
        }
        let cordoned = lock(&self.places).cordoned.clone();
        working.retain(|(_, dir)| !cordoned.contains(dir.directory.path()));
        if working.is_empty() {
            return Err(StorageError::Refused(
                "every log directory is cordoned or offline: take one out of cordoned.log.dirs"
                    .to_owned(),
            ));
        }
        for (count, dir) in &mut working {
            *count = logs.count(&dir.directory);
        }
        working.sort_by_key(|(count, _)| *count);
        Ok(working.into_iter().map(|(_, dir)| dir).collect())
    }

    pub(super) fn dir_at(&self, path: &Path) -> Option<&Dir> {
        self.dirs.iter().find(|dir| dir.directory.path() == path)
    }

    /// The directory that a log lies in.
    pub(super) fn dir_of(&self, log: &crate::log::Log) -> Option<&Dir> {
        self.dirs.iter().find(|dir| Arc::ptr_eq(&dir.directory, log.directory()))
    }
}

impl Logs {
    /// How many logs are in a directory.
    fn count(&mut self, directory: &Arc<Directory>) -> usize {
        let is_it = |known: &Arc<Directory>| Arc::ptr_eq(known, directory);
        let counts = self.counts.get_or_insert_default();
        if let Some((_, count)) = counts.iter().find(|(known, _)| is_it(known)) {
            return *count;
        }
        let all = self.by_id.values().chain(self.futures.values());
        let count = all.filter(|log| is_it(log.directory())).count();
        counts.push((Arc::clone(directory), count));
        count
    }

    /// Counts a replica that was made.
    pub(super) fn count_one(&mut self, directory: &Arc<Directory>) {
        let counts = self.counts.iter_mut().flatten();
        let known = counts.into_iter().find(|(known, _)| Arc::ptr_eq(known, directory));
        if let Some((_, count)) = known {
            *count += 1;
        }
    }
}
