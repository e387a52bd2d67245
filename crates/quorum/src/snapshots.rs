//! The snapshots beside the metadata log: which there are, how one is written, which go.
//!
//! A snapshot is written as `.part`, synced, made read-only and renamed. Not here: what it says
//! (checkpoint.rs). Must hold: the newest one is never removed; what has its final name is whole.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use ottla_env::{Disk, File, Open};
use ottla_storage::StorageError;
use ottla_wire::{LeaderEpoch, Offset, Timestamp};

use crate::checkpoint::Checkpoint;
use crate::error::QuorumError;

/// Which records a snapshot contains: all below `end`, the last of them written in `epoch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotId {
    /// One past the last contained offset.
    pub end: Offset,
    /// The epoch of the last contained record.
    pub epoch: LeaderEpoch,
}

impl SnapshotId {
    /// The snapshot that formatting leaves: it tells the voters and contains no record.
    pub const FORMATTED: SnapshotId = SnapshotId { end: Offset(0), epoch: LeaderEpoch(0) };

    /// The file's name.
    pub fn file_name(self) -> String {
        format!("{:020}-{:010}{CHECKPOINT}", self.end.0, self.epoch.0)
    }

    /// The snapshot that a file of this name is; none for other files.
    pub fn of_file(name: &str) -> Option<SnapshotId> {
        let (end, epoch) = name.strip_suffix(CHECKPOINT)?.split_once('-')?;
        if end.len() != END_DIGITS || epoch.len() != EPOCH_DIGITS {
            return None;
        }
        Some(SnapshotId { end: Offset(end.parse().ok()?), epoch: LeaderEpoch(epoch.parse().ok()?) })
    }
}

/// The folder that holds the snapshots, which is that of the metadata log.
#[derive(Clone, Debug)]
pub(crate) struct Snapshots {
    pub(crate) disk: Disk,
    pub(crate) folder: PathBuf,
}

impl Snapshots {
    /// All snapshots, oldest first.
    pub(crate) fn list(&self) -> Result<Vec<SnapshotId>, QuorumError> {
        let listed = self.disk.list(&self.folder).map_err(self.io("list"))?;
        Ok(listed.iter().filter_map(|entry| SnapshotId::of_file(&entry.name)).collect())
    }

    /// Removes what a crash left half written or half removed.
    pub(crate) fn clean(&self) -> Result<(), QuorumError> {
        let listed = self.disk.list(&self.folder).map_err(self.io("list"))?;
        for entry in &listed {
            if LEFTOVERS.iter().any(|suffix| entry.name.ends_with(suffix)) {
                let removed = self.disk.remove_file(&self.folder.join(&entry.name));
                removed.map_err(self.io("remove"))?;
            }
        }
        Ok(())
    }

    /// Reads one.
    pub(crate) fn read(&self, id: SnapshotId) -> Result<Checkpoint, QuorumError> {
        let path = self.path(id);
        let bytes = self.disk.read(&path).map_err(self.io("read"))?;
        Checkpoint::decode(&Bytes::from(bytes))
            .map_err(|error| QuorumError::Damaged { path, what: error.to_string() })
    }

    /// Writes one and makes it last.
    pub(crate) fn write(
        &self,
        id: SnapshotId,
        checkpoint: &Checkpoint,
        now: Timestamp,
    ) -> Result<u64, QuorumError> {
        let path = self.path(id);
        let part = with_suffix(&path, PART);
        let file = self.disk.open(&part, Open::Create).map_err(self.io("create"))?;
        file.set_len(0).map_err(self.io("write"))?;
        let filled = self.fill(&file, id, checkpoint, now);
        if filled.is_err() {
            // On a full disk others need what it took.
            self.disk.remove_file(&part).map_err(self.io("remove"))?;
        }
        let len = filled?;
        file.sync().map_err(self.io("sync"))?;
        self.disk.set_read_only(&part).map_err(self.io("freeze"))?;
        self.disk.rename(&part, &path).map_err(self.io("rename"))?;
        self.disk.sync_dir(&self.folder).map_err(self.io("sync"))?;
        Ok(len)
    }

    fn fill(
        &self,
        file: &File,
        id: SnapshotId,
        checkpoint: &Checkpoint,
        now: Timestamp,
    ) -> Result<u64, QuorumError> {
        let mut position = 0;
        checkpoint.encode(id.epoch, now, |batch| {
            file.write_all_at(batch, position).map_err(self.io("write"))?;
            position += batch.len() as u64;
            Ok::<(), QuorumError>(())
        })?;
        Ok(position)
    }

    /// How many bytes one takes.
    pub(crate) fn size(&self, id: SnapshotId) -> Result<u64, QuorumError> {
        let meta = self.disk.metadata(&self.path(id)).map_err(self.io("read the length of"))?;
        Ok(meta.len)
    }

    /// Removes one; nobody reads snapshots while the node runs.
    pub(crate) fn remove(&self, id: SnapshotId) -> Result<(), QuorumError> {
        self.disk.remove_file(&self.path(id)).map_err(self.io("remove"))
    }

    fn path(&self, id: SnapshotId) -> PathBuf {
        self.folder.join(id.file_name())
    }

    fn io(&self, what: &'static str) -> impl Fn(io::Error) -> QuorumError {
        let path = self.folder.clone();
        move |source| StorageError::Io { what, path: path.clone(), source }.into()
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

const CHECKPOINT: &str = ".checkpoint";
const PART: &str = ".part";
const LEFTOVERS: &[&str] = &[".checkpoint.part", ".checkpoint.deleted"];
const END_DIGITS: usize = 20;
const EPOCH_DIGITS: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_kafka() {
        let id = SnapshotId { end: Offset(1234), epoch: LeaderEpoch(5) };
        assert_eq!(id.file_name(), "00000000000000001234-0000000005.checkpoint");
        assert_eq!(SnapshotId::of_file(&id.file_name()), Some(id));
        for other in ["bootstrap.checkpoint", "00000000000000001234-0000000005.checkpoint.part"] {
            assert_eq!(SnapshotId::of_file(other), None, "{other}");
        }
    }
}
