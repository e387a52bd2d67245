//! What a process takes of its machine, as the system tells it.
//!
//! Not here: how systems are asked (real/linux.rs, real/portable.rs). What a system does not tell
//! is none.

use std::time::Duration;

/// What a process takes of its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// Processor time of all its threads since its start.
    pub cpu_time: Duration,
    /// Bytes of memory in use, its files' pages in the cache not counted.
    pub resident_bytes: Option<u64>,
    /// Open files and sockets.
    pub open_files: Option<u64>,
    /// How many of them it may have.
    pub open_files_max: Option<u64>,
}
