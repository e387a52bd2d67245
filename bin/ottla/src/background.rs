//! This binary once more, as a process of its own that no terminal holds.
//!
//! Not here: with which words. Must hold: an interrupt at the terminal does not reach it.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Starts it with these words; both outputs are added to the file. Answers its process id.
pub(crate) fn start(log: &Path, words: &[String]) -> io::Result<u32> {
    let output = OpenOptions::new().create(true).append(true).open(log)?;
    let errors = output.try_clone()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(words).stdin(Stdio::null()).stdout(output).stderr(errors);
    Ok(spawn(&mut command)?.id())
}

/// In a process group of its own, which no signal of the terminal is meant for.
#[cfg(unix)]
fn spawn(command: &mut Command) -> io::Result<Child> {
    use std::os::unix::process::CommandExt;
    command.process_group(0).spawn()
}

#[cfg(not(unix))]
fn spawn(command: &mut Command) -> io::Result<Child> {
    command.spawn()
}
