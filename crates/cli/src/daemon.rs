//! `ottla start -daemon`: the same node as a process of its own, with its log in a file.
//!
//! Not here: making a process and hearing of it, which is the binary's. Must hold: the command
//! succeeds when the node serves and not before, and tells why it does not where that is so.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ottla_env::Disk;

use crate::context::{Background, Context};
use crate::failure::Failure;
use crate::file;

/// The file that the node's output is added to.
const LOG_FILE: &str = "ottla.log";

/// Starts a node with these words in the background, its log in a folder, says how to find it
/// again, and waits until it serves. Who asks to stop waits no longer; the node goes on.
pub(crate) async fn start(
    context: &mut Context,
    folder: &Path,
    words: &[String],
) -> Result<(), Failure> {
    let log = std::path::absolute(folder.join(LOG_FILE))
        .unwrap_or_else(|_| PathBuf::from(folder).join(LOG_FILE));
    let failed = |error: io::Error| {
        let told = file::explained(&error);
        Failure::said(format!("cannot start in the background, log {}: {told}", log.display()))
    };
    let processes = context.processes.ok_or_else(|| failed(io::ErrorKind::Unsupported.into()))?;
    let disk = context.env.disk().clone();
    if let Some(folder) = log.parent() {
        disk.create_dir_all(folder).map_err(failed)?;
    }
    let mut line = vec!["start".to_owned()];
    line.extend_from_slice(words);
    let before = disk.metadata(&log).map_or(0, |meta| meta.len);
    let Background { pid, serves } = (processes.start)(&log, &line).map_err(failed)?;
    writeln!(context.out, "ottla starts in the background: pid {pid}, log {}", log.display())?;
    context.out.flush()?;
    let serves = tokio::select! {
        biased;
        () = context.stopped() => {
            writeln!(context.out, "it goes on with that; stop it with: kill {pid}")?;
            return Ok(());
        }
        serves = context.env.blocking(serves) => serves.map_err(failed)?,
    };
    if !serves {
        return Err(Failure::said(last_word(&disk, &log, before)));
    }
    writeln!(context.out, "it serves; stop it with: kill {pid}")?;
    Ok(())
}

/// Why a node ended: the last line that it wrote, which says so where it could tell.
fn last_word(disk: &Disk, log: &Path, before: u64) -> String {
    let bytes = disk.read(log).unwrap_or_default();
    let own = bytes.get(usize::try_from(before).unwrap_or(usize::MAX)..).unwrap_or_default();
    let text = String::from_utf8_lossy(own);
    match text.lines().rev().find(|line| !line.trim().is_empty()) {
        Some(line) => line.to_owned(),
        None => {
            let log = log.display();
            format!("ottla ended without a word in {log}: start it without -daemon to see why")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Processes;

    /// What is told of a start in a folder whose log has a line already.
    fn told(start: fn(&Path, &[String]) -> io::Result<Background>) -> (String, String) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let env = ottla_env::Env::real(runtime.handle().clone());
        env.disk().write(&folder.path().join(LOG_FILE), b"an older end\n").unwrap();
        let (mut context, output) = Context::captured(env);
        context.processes = Some(Processes { start, ready: || {}, stop: |_| Ok(None) });
        let words = ["--override=a=1".to_owned()];
        let started = runtime.block_on(super::start(&mut context, folder.path(), &words));
        let failure = started.err().map_or_else(String::new, |failure| failure.to_string());
        let log = folder.path().join(LOG_FILE).display().to_string();
        (output.stdout().replace(&log, "LOG"), failure.replace(&log, "LOG"))
    }

    fn background(serves: bool) -> io::Result<Background> {
        Ok(Background { pid: 77, serves: Box::new(move || Ok(serves)) })
    }

    #[test]
    fn a_node_that_serves_is_told_with_its_process_and_its_log() {
        let (out, failure) = told(|_, _| background(true));
        let expect = "ottla starts in the background: pid 77, log LOG\n\
                      it serves; stop it with: kill 77\n";
        assert_eq!((out.as_str(), failure.as_str()), (expect, ""));
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "what another process writes")]
    fn a_node_that_did_not_start_is_told_in_its_own_words() {
        let (_, failure) = told(|log, words| {
            let told = format!("an older end\nINFO it opens\n{}: port in use\n", words.join(" "));
            std::fs::write(log, told)?;
            background(false)
        });
        assert_eq!(failure, "start --override=a=1: port in use");
        let (_, failure) = told(|_, _| background(false));
        assert!(failure.starts_with("ottla ended without a word in LOG"), "{failure}");
    }

    #[test]
    fn a_process_that_cannot_be_made_is_told() {
        let (_, failure) = told(|_, _| Err(io::Error::other("no more processes")));
        assert_eq!(failure, "cannot start in the background, log LOG: no more processes");
    }
}
