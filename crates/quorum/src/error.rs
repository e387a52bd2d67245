//! What keeps a node from its metadata log, said so that the reader knows what to do.
//! Not here: what is answered to clients (controller).

use std::fmt;
use std::path::PathBuf;

use ottla_raft::{InvalidQuorumState, Refused};
use ottla_storage::StorageError;

/// Why the quorum did not start, or why it ended.
#[derive(Debug)]
pub enum QuorumError {
    /// The disk, or a file that storage cannot use.
    Storage(StorageError),
    /// The node cannot be a voter as it is configured or formatted.
    Refused(Refused),
    /// `quorum-state` cannot be read.
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: InvalidQuorumState,
    },
    /// A batch or record of the log or of a snapshot is not what Kafka writes.
    Damaged {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong there.
        what: String,
    },
    /// The log begins after what every snapshot tells.
    Gap {
        /// The folder.
        path: PathBuf,
        /// Where the log begins.
        start: i64,
    },
    /// The records that begin the epoch could not be written.
    Records(String),
}

impl QuorumError {
    /// Whether the disk had no room.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, QuorumError::Storage(error) if error.is_full())
    }
}

impl fmt::Display for QuorumError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QuorumError::Storage(error) => error.fmt(f),
            QuorumError::Refused(error) => error.fmt(f),
            QuorumError::State { path, error } => {
                write!(f, "{}: {error}; restore the file, or remove it", path.display())
            }
            QuorumError::Damaged { path, what } => {
                write!(f, "{}: {what}; restore the folder from a copy", path.display())
            }
            QuorumError::Gap { path, start } => write!(
                f,
                "{}: the log begins at offset {start} and no snapshot reaches that far; restore \
                 the missing .checkpoint file",
                path.display()
            ),
            QuorumError::Records(what) => write!(f, "the metadata log cannot go on: {what}"),
        }
    }
}

impl std::error::Error for QuorumError {}

impl From<StorageError> for QuorumError {
    fn from(error: StorageError) -> Self {
        QuorumError::Storage(error)
    }
}

impl From<Refused> for QuorumError {
    fn from(error: Refused) -> Self {
        QuorumError::Refused(error)
    }
}
