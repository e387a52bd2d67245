//! This binary once more, as a process of its own that no terminal holds.
//!
//! Not here: with which words; how it tells that it serves (notice.rs). Must hold: an interrupt at
//! the terminal does not reach it.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use ottla_cli::Background;

use crate::notice::{self, Notice};

/// Starts it with these words; both outputs are added to the file.
pub(crate) fn start(log: &Path, words: &[String]) -> io::Result<Background> {
    let output = OpenOptions::new().create(true).append(true).open(log)?;
    let errors = output.try_clone()?;
    let notice = Notice::listen()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(words).stdin(Stdio::null()).stdout(output).stderr(errors);
    command.env(notice::SOCKET, notice.address());
    let child = spawn(&mut command)?;
    Ok(Background { pid: child.id(), serves: Box::new(move || notice.serves(child)) })
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
