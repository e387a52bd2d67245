//! `bootstrap.checkpoint`: the records with which the log of a new cluster begins.
//!
//! Not here: which records those are (metadata). Only the first controller of an empty log reads
//! it; a folder without one begins as if it had been formatted without wishes.

use std::io;
use std::path::Path;

use bytes::Bytes;
use ottla_env::Disk;
use ottla_metadata::{Bootstrap, MetadataRecord, bootstrap_records};
use ottla_storage::StorageError;
use ottla_wire::{LeaderEpoch, Timestamp};

use crate::checkpoint::Checkpoint;
use crate::error::QuorumError;
use crate::voters::{InitialVoter, KRAFT_VERSIONS, version_record, voters_record};

/// The file's name in a log directory.
pub const BOOTSTRAP: &str = "bootstrap.checkpoint";

/// The bytes of a `bootstrap.checkpoint` with these records.
///
/// # Errors
/// A record does not fit into a batch.
pub fn bootstrap_file(
    records: Vec<MetadataRecord>,
    now: Timestamp,
) -> Result<Vec<u8>, QuorumError> {
    encoded(&Checkpoint { records, ..Checkpoint::default() }, now)
}

/// The bytes of the snapshot that tells a new quorum its voters; its name is that of
/// [`crate::SnapshotId::FORMATTED`].
///
/// # Errors
/// A record does not fit into a batch.
pub fn voters_file(voters: &[InitialVoter], now: Timestamp) -> Result<Vec<u8>, QuorumError> {
    let quorum = vec![version_record(KRAFT_VERSIONS.1), voters_record(voters)];
    encoded(&Checkpoint { last_timestamp: now, quorum, records: Vec::new() }, now)
}

fn encoded(checkpoint: &Checkpoint, now: Timestamp) -> Result<Vec<u8>, QuorumError> {
    let mut bytes = Vec::new();
    checkpoint.encode(LeaderEpoch(0), now, |batch| {
        bytes.extend_from_slice(batch);
        Ok::<(), QuorumError>(())
    })?;
    Ok(bytes)
}

pub(crate) fn read(disk: &Disk, directory: &Path) -> Result<Vec<MetadataRecord>, QuorumError> {
    let path = directory.join(BOOTSTRAP);
    match disk.read(&path) {
        Ok(bytes) => Checkpoint::decode(&Bytes::from(bytes))
            .map(|checkpoint| checkpoint.records)
            .map_err(|error| QuorumError::Damaged { path, what: error.to_string() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let records = bootstrap_records(&Bootstrap::default());
            records.map_err(|error| QuorumError::Records(error.to_string()))
        }
        Err(source) => Err(StorageError::Io { what: "read", path, source }.into()),
    }
}
