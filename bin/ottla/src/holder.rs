//! The process that holds the lock of a file, asked to end.
//!
//! Not here: which file. Must hold: nobody else gets a signal; the kernel tells who holds the
//! lock, so that no file with a process id can be out of date.

use std::io;
use std::path::Path;

/// Sends SIGTERM to whoever holds a lock of the file; answers the process id, none when this
/// user can see no such process.
#[cfg(target_os = "linux")]
#[expect(clippy::disallowed_methods, reason = "/proc is of this machine, no node's disk")]
pub(crate) fn stop(lock: &Path) -> io::Result<Option<u32>> {
    let lock = lock.canonicalize()?;
    for entry in std::fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if holds(&entry.path(), &lock) {
            terminate(pid)?;
            return Ok(Some(pid));
        }
    }
    Ok(None)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn stop(_: &Path) -> io::Result<Option<u32>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether a process has the file open and holds a lock by that. Processes of others, and those
/// that end meanwhile, hold nothing.
#[cfg(target_os = "linux")]
#[expect(clippy::disallowed_methods, reason = "/proc is of this machine, no node's disk")]
fn holds(process: &Path, lock: &Path) -> bool {
    let Ok(files) = std::fs::read_dir(process.join("fd")) else { return false };
    let is_held = |file: std::fs::DirEntry| {
        let information = process.join("fdinfo").join(file.file_name());
        let is_lock = file.path().read_link().is_ok_and(|target| target == lock);
        let is_locked = |text: String| text.lines().any(|line| line.starts_with("lock:"));
        is_lock && std::fs::read_to_string(information).is_ok_and(is_locked)
    };
    files.flatten().any(is_held)
}

#[cfg(target_os = "linux")]
fn terminate(pid: u32) -> io::Result<()> {
    use rustix::process::{Pid, Signal, kill_process};
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or(io::ErrorKind::NotFound)?;
    Ok(kill_process(pid, Signal::TERM)?)
}
