//! The files and folders that the words of a command name, and what is told when the system
//! refuses one.
//!
//! Not here: what stands in them; the log directories of a node, which storage opens. Must hold:
//! a refusal is one line with the path, the cause and the remedy.

use std::fmt::Display;
use std::io::{Error, ErrorKind};
use std::path::Path;

use ottla_env::Env;

use crate::failure::Failure;

/// The bytes of a file that the user named; `what` says what it was to be.
pub(crate) fn read(env: &Env, what: &str, path: &str) -> Result<Vec<u8>, Failure> {
    env.disk().read(Path::new(path)).map_err(|error| refused("read", what, path, &error))
}

/// That something could not be done with what the user named.
pub(crate) fn refused(verb: &str, what: &str, path: impl Display, error: &Error) -> Failure {
    Failure::said(format!("cannot {verb} {what} {path}: {}", explained(error)))
}

/// What the system said, and what to do about it where that is known.
pub(crate) fn explained(error: &Error) -> String {
    let remedy = match error.kind() {
        ErrorKind::NotFound => "; check the path",
        ErrorKind::IsADirectory => "; name a file in that folder",
        ErrorKind::NotADirectory => "; a part of the path is a file, name a folder there",
        ErrorKind::AlreadyExists => "; a file stands there, name a folder or remove it",
        ErrorKind::PermissionDenied => "; give this user the right to it, or name another",
        ErrorKind::ReadOnlyFilesystem => "; mount it writable, or name another",
        ErrorKind::StorageFull => "; make room on the disk",
        ErrorKind::InvalidInput => "; this is no path",
        _ => "",
    };
    format!("{error}{remedy}")
}
