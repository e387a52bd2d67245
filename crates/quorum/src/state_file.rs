//! `quorum-state` on the disk.
//!
//! Not here: its content (raft). Must hold: what was persisted survives a power cut.

use std::io;
use std::path::Path;

use ottla_env::Disk;
use ottla_raft::{QuorumState, VoterSet};
use ottla_storage::StorageError;

use crate::error::QuorumError;

/// The file's name beside the metadata log's segments.
const FILE: &str = "quorum-state";

/// What was persisted; none on a fresh folder.
pub(crate) fn read(disk: &Disk, folder: &Path) -> Result<Option<QuorumState>, QuorumError> {
    let path = folder.join(FILE);
    match disk.read(&path) {
        Ok(bytes) => {
            QuorumState::parse(&bytes).map(Some).map_err(|error| QuorumError::State { path, error })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StorageError::Io { what: "read", path, source }.into()),
    }
}

/// Persists `state`.
pub(crate) fn write(
    disk: &Disk,
    folder: &Path,
    state: &QuorumState,
    kraft_version: i16,
    voters: &VoterSet,
) -> Result<(), QuorumError> {
    let path = folder.join(FILE);
    let text = state.format(kraft_version, voters);
    disk.replace(&path, text.as_bytes())
        .map_err(|source| StorageError::Io { what: "write", path, source }.into())
}
