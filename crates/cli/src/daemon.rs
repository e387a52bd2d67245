//! `ottla start -daemon`: the same node as a process of its own, with its log in a file.
//!
//! Not here: making a process, which is the binary's. Must hold: a configuration that is wrong
//! is told at once, not in the file.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::failure::Failure;

/// The file that the node's output is added to.
const LOG_FILE: &str = "ottla.log";

/// Starts a node with these words in the background, its log in a folder, and says how to find
/// it again.
pub(crate) fn start(context: &mut Context, folder: &Path, words: &[String]) -> Result<(), Failure> {
    let log = std::path::absolute(folder.join(LOG_FILE))
        .unwrap_or_else(|_| PathBuf::from(folder).join(LOG_FILE));
    let failed = |error: io::Error| {
        Failure::said(format!("cannot start in the background, log {}: {error}", log.display()))
    };
    let processes = context.processes.ok_or_else(|| failed(io::ErrorKind::Unsupported.into()))?;
    if let Some(folder) = log.parent() {
        context.env.disk().create_dir_all(folder).map_err(failed)?;
    }
    let mut line = vec!["start".to_owned()];
    line.extend_from_slice(words);
    let pid = (processes.start)(&log, &line).map_err(failed)?;
    writeln!(context.out, "ottla starts in the background: pid {pid}, log {}", log.display())?;
    writeln!(context.out, "stop it with: kill {pid}")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Processes;

    fn refuse(_: &Path, words: &[String]) -> io::Result<u32> {
        Err(io::Error::other(words.join(" ")))
    }

    #[test]
    fn the_process_gets_the_words_and_a_log_and_is_told() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let env = ottla_env::Env::real(runtime.handle().clone());
        let (mut context, output) = Context::captured(env);
        let words = ["--override=a=1".to_owned()];
        let stop = |_: &Path| Ok(None);
        context.processes = Some(Processes { start: |_, _| Ok(77), stop });
        start(&mut context, folder.path(), &words).unwrap();
        let told = output.stdout();
        assert!(told.contains("pid 77, log ") && told.contains("/ottla.log\n"), "{told}");
        assert!(told.ends_with("stop it with: kill 77\n"), "{told}");
        context.processes = Some(Processes { start: refuse, stop });
        let told = start(&mut context, folder.path(), &words).unwrap_err().to_string();
        assert!(told.ends_with("start --override=a=1"), "{told}");
    }
}
