//! What can go wrong below a log, said so that the reader knows whose fault it is.
//!
//! An I/O error on a directory is the disk's; `Corrupt` is a file that can't be used as it is;
//! `Refused` is a caller or an operator asking for what would lose or mix up data.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use ottla_records::validate::RecordError;
use ottla_wire::ErrorCode;

/// Why an operation on logs or log directories failed.
#[derive(Debug)]
pub enum StorageError {
    /// The disk refused: the directory is offline from here on, unless it was only full.
    Io {
        /// What was tried, as a verb with its object.
        what: &'static str,
        /// The file or directory it was tried on.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The directory failed earlier; nothing in it is tried again before a restart.
    Offline {
        /// The log directory.
        path: PathBuf,
        /// The first failure.
        reason: String,
    },
    /// A file's content can't be what was written.
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// What was asked would mix up or lose data; the text names the way out.
    Refused(String),
}

impl StorageError {
    /// Wraps an I/O error: `map_err(StorageError::io("sync", path))`.
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StorageError {
        move |source| StorageError::Io { what, path: path.to_owned(), source }
    }

    /// As above, for those who keep other files in a log directory.
    pub fn of_io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StorageError {
        StorageError::io(what, path)
    }

    pub(crate) fn corrupt(path: &Path, what: impl Into<String>) -> StorageError {
        StorageError::Corrupt { path: path.to_owned(), what: what.into() }
    }

    /// Whether a read failed because the disk does, and not because of what the node did or has.
    pub(crate) fn is_fault_of_disk(&self) -> bool {
        match self {
            StorageError::Io { source, .. } => {
                source.raw_os_error().is_some_and(|code| !FAULTS_OF_OTHERS.contains(&code))
            }
            _ => false,
        }
    }

    /// Whether the process may open no more files, or has no memory: that says nothing of the disk.
    pub fn is_lack(&self) -> bool {
        match self {
            StorageError::Io { source, .. } => {
                source.raw_os_error().is_some_and(|code| LACKS.contains(&code))
            }
            _ => false,
        }
    }

    /// Whether the process or the system has too many files open.
    pub(crate) fn is_lack_of_files(&self) -> bool {
        match self {
            StorageError::Io { source, .. } => {
                source.raw_os_error().is_some_and(|code| LACKS[1..].contains(&code))
            }
            _ => false,
        }
    }

    /// Whether it is over as soon as others give something back: the disk goes on.
    pub(crate) fn passes(&self) -> bool {
        self.is_full() || self.is_lack()
    }

    pub(crate) fn is_not_found(&self) -> bool {
        match self {
            StorageError::Io { source, .. } => source.kind() == io::ErrorKind::NotFound,
            _ => false,
        }
    }

    /// Whether the disk had no room, which passes when something is deleted.
    pub fn is_full(&self) -> bool {
        match self {
            StorageError::Io { source, .. } => source.kind() == io::ErrorKind::StorageFull,
            _ => false,
        }
    }
}

/// ENOENT, EINTR, EAGAIN, ENOMEM, ENFILE and EMFILE.
const FAULTS_OF_OTHERS: [i32; 6] = [2, 4, 11, 12, 23, 24];

/// ENOMEM, ENFILE and EMFILE.
const LACKS: [i32; 3] = [12, 23, 24];

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StorageError::Io { what, path, source } => {
                write!(f, "can't {what} {}: {source}{}", path.display(), remedy(source))
            }
            StorageError::Offline { path, reason } => {
                write!(f, "log directory {} is offline: {reason}", path.display())
            }
            StorageError::Corrupt { path, what } => write!(f, "{}: {what}", path.display()),
            StorageError::Refused(what) => f.write_str(what),
        }
    }
}

/// What to do about an error of the system, where that is known.
fn remedy(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => "; give the node's user the right to write there",
        io::ErrorKind::ReadOnlyFilesystem => "; mount it writable",
        io::ErrorKind::StorageFull => "; make room on the disk",
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => "; log.dirs name folders",
        io::ErrorKind::IsADirectory => "; a folder stands where a file belongs, move it aside",
        io::ErrorKind::NotFound => "; it is not there and cannot be made, check log.dirs",
        _ => "",
    }
}

impl std::error::Error for StorageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StorageError::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Why records were not appended, in the words that a produce response takes.
#[derive(Debug)]
pub struct AppendError {
    /// Kafka's code in Kafka's situation.
    pub error: ErrorCode,
    /// What a person needs to know.
    pub message: String,
    /// The records of the batch that are at fault, when single ones are.
    pub record_errors: Vec<RecordError>,
}

impl AppendError {
    pub(crate) fn new(error: ErrorCode, message: impl Into<String>) -> AppendError {
        AppendError { error, message: message.into(), record_errors: Vec::new() }
    }
}

impl From<StorageError> for AppendError {
    fn from(error: StorageError) -> AppendError {
        AppendError::new(ErrorCode::KAFKA_STORAGE_ERROR, error.to_string())
    }
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for AppendError {}
