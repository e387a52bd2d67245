//! Why a node did not start, said so that the reader knows what to do.
//!
//! Not here: why a running node ended (`Node::failed`).

use std::fmt;
use std::io;
use std::path::PathBuf;

use ottla_quorum::QuorumError;
use ottla_storage::StorageError;

/// Why a node did not start.
#[derive(Debug)]
pub enum StartError {
    /// The folders are at fault.
    Storage(StorageError),
    /// The metadata log is at fault.
    Quorum(QuorumError),
    /// A folder is not formatted and may not format itself.
    NotFormatted {
        /// The folder.
        path: PathBuf,
        /// Why the node does not format it by itself.
        why: &'static str,
        /// The command that formats it.
        command: String,
    },
    /// The folder of the metadata log belongs to another cluster than the others.
    Clusters {
        /// The folder of the metadata log.
        path: PathBuf,
        /// Its cluster.
        cluster_id: String,
        /// The cluster of `log.dirs`.
        others: String,
    },
    /// An address cannot be listened on.
    Listen {
        /// The listener as it was configured.
        listener: String,
        /// The config that names it.
        config: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// What the configuration asks for is not served.
    NotServed(String),
    /// The controller refused this broker, or did not answer in time.
    Registration(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Storage(error) => error.fmt(f),
            StartError::Quorum(error) => error.fmt(f),
            StartError::NotFormatted { path, why, command } => {
                write!(f, "{} is not formatted, and {why}; run: {command}", path.display())
            }
            StartError::Clusters { path, cluster_id, others } => write!(
                f,
                "{}: cluster.id is {cluster_id}, but log.dirs has {others}: all directories of a \
                 node belong to one cluster",
                path.display()
            ),
            StartError::Listen { listener, config, source } => match source.kind() {
                io::ErrorKind::AddrInUse => write!(
                    f,
                    "{listener}: another program listens there; stop it, or choose another port \
                     with --override {config}=..."
                ),
                _ => write!(f, "{listener}: {source}; correct {config}"),
            },
            StartError::NotServed(what) => f.write_str(what),
            StartError::Registration(why) => write!(f, "the broker was not registered: {why}"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<StorageError> for StartError {
    fn from(error: StorageError) -> Self {
        StartError::Storage(error)
    }
}

impl From<QuorumError> for StartError {
    fn from(error: QuorumError) -> Self {
        StartError::Quorum(error)
    }
}
