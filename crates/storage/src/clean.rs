//! Compaction: of each key the newest record stays, and what of the others a log must not lose.
//!
//! A pass over one log has two phases (pass.rs): the newest offset of each key of the dirty part
//! goes into a map (keys.rs), then the segments from the log's begin on are written anew in groups
//! (group.rs), batch by batch (batch.rs, transactions.rs), into a `.cleaned` file (output.rs) that
//! takes their place in one step (swap.rs). Which log is next is decided in choose.rs. The rules
//! are those of Apache Kafka's `Cleaner`; facts that differ stand where they differ.
//!
//! Not here: when passes run (the node), the checkpoint of what was cleaned (dirs/clean.rs), what
//! a start finds of a pass that a crash ended (../swap.rs). Must hold: nothing at or above the
//! round's end changes; an append or a read never waits for a pass; a batch that can't be read
//! ends the pass, and the log stays as it was.

mod batch;
mod choose;
mod group;
mod keys;
mod output;
mod pass;
mod swap;
mod transactions;

use std::fmt;
use std::path::PathBuf;

use ottla_wire::Offset;

use crate::error::StorageError;

pub(crate) use choose::Dirt;
pub use pass::Pass;
pub(crate) use pass::{Outcome, Room, Stepped};

/// Why a pass did not come to its end.
#[derive(Debug)]
pub(crate) enum CleanError {
    /// The disk or the directory: nothing is wrong with the log as far as one knows.
    Storage(StorageError),
    /// The log was cut, closed or deleted meanwhile.
    Overtaken,
    /// The log can't be compacted as it is.
    Uncleanable(Fault),
}

/// What in a log keeps it from being compacted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) file: PathBuf,
    /// Behind the last batch that was in order.
    pub(crate) offset: Offset,
    pub(crate) what: String,
}

impl From<StorageError> for CleanError {
    fn from(error: StorageError) -> CleanError {
        CleanError::Storage(error)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at offset {}: {}", self.file.display(), self.offset, self.what)
    }
}
