//! `ottla stop`: asks the node to stop that runs in the folders of a configuration.
//!
//! Not here: who that is, which the binary asks the system. Kafka's script ends every node of the
//! machine. Must hold: this ends the one node that holds the named folder, and no other.

use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::context::Context;
use crate::failure::Failure;
use crate::file;
use crate::start;

const USAGE: &str = "\
usage: ottla stop [server.properties] [--override key=value]...
Asks the node to stop that runs in the folders of this configuration; without a file, in
./ottla-data. Give what it was started with.";

/// The file that a node keeps locked in each of its folders.
const LOCK: &str = ".lock";

/// Stops it, or says that there is none.
pub(crate) async fn run(context: &mut Context, words: &[String]) -> Result<(), Failure> {
    if words.iter().any(|word| word == "--help") {
        writeln!(context.out, "{USAGE}")?;
        return Ok(());
    }
    let arguments = start::parse(words)?;
    let settings = start::load(context, &arguments).await?;
    let folder = settings.log_dirs().first().copied().unwrap_or_default().to_owned();
    let pid = stop(context, Path::new(&folder))?;
    writeln!(context.out, "the node in {folder} was asked to stop: pid {pid}")?;
    Ok(())
}

fn stop(context: &Context, folder: &Path) -> Result<u32, Failure> {
    let lock = folder.join(LOCK);
    let none = || {
        let folder = folder.display();
        Failure::said(format!("no node runs in {folder}: give what it was started with"))
    };
    let disk = context.env.disk();
    if !disk.exists(&lock) {
        return Err(none());
    }
    match disk.lock(&lock) {
        Ok(_) => return Err(none()),
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        Err(error) => return Err(file::refused("lock", "the file", lock.display(), &error)),
    }
    let unseen = || {
        let lock = lock.display();
        Failure::said(format!("{lock} is held by a process that cannot be seen from here: end it"))
    };
    let processes = context.processes.ok_or_else(unseen)?;
    let stopped = (processes.stop)(&lock)
        .map_err(|error| file::refused("stop", "the node in", folder.display(), &error))?;
    stopped.ok_or_else(unseen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Processes;

    #[test]
    fn only_who_holds_the_lock_is_asked_to_stop() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let env = ottla_env::Env::real(runtime.handle().clone());
        let (mut context, _) = Context::captured(env);
        context.processes = Some(Processes {
            start: |_, _| Err(ErrorKind::Unsupported.into()),
            ready: || {},
            stop: |_| Ok(Some(77)),
        });
        let told = || stop(&context, folder.path()).map_err(|error| error.to_string());
        assert!(told().unwrap_err().starts_with("no node runs in "));
        let lock = context.env.disk().lock(&folder.path().join(LOCK)).unwrap();
        assert_eq!(told(), Ok(77));
        drop(lock);
        assert!(told().unwrap_err().starts_with("no node runs in "));
    }
}
