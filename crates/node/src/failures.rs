//! What becomes of a node when a folder fails: it goes on with the others, as long as it can.
//!
//! Not here: what the broker does with the partitions of that folder. Must hold: the controller
//! hears of a failure at once, and a node that cannot tell it, or that has lost what it cannot do
//! without, stops and says which folder and why.

use std::sync::Arc;
use std::time::Duration;

use ottla_env::{Env, Instant};
use ottla_storage::{Directory, LogDirs, OnFailure};
use ottla_wire::DirectoryId;
use tokio::sync::watch;

use crate::folders::Folders;

/// Watches the folders of a node.
pub(crate) struct Failures {
    logs: Arc<LogDirs>,
    metadata: Arc<Directory>,
    /// Raised whenever a folder goes offline.
    noticed: watch::Receiver<u64>,
    /// How many failed folders the controller knows of.
    told: watch::Sender<usize>,
    /// `log.dir.failure.timeout.ms`
    tell_within: Duration,
}

impl Failures {
    pub(crate) fn watch(folders: &Folders, metadata: Arc<Directory>, within: Duration) -> Self {
        let (notice, noticed) = watch::channel(0);
        let on_failure: Arc<OnFailure> = Arc::new(move || notice.send_modify(|count| *count += 1));
        folders.watch(&on_failure);
        let logs = Arc::clone(&folders.logs);
        Failures { logs, metadata, noticed, told: watch::channel(0).0, tell_within: within }
    }

    /// Changes whenever a folder goes offline.
    pub(crate) fn notices(&self) -> watch::Receiver<u64> {
        self.noticed.clone()
    }

    /// The folders that went offline since the node registered them.
    pub(crate) fn offline(&self) -> Vec<DirectoryId> {
        let states = self.logs.states().into_iter();
        let offline = states.filter(|state| state.failure.is_some());
        offline.map(|state| state.id).filter(|id| *id != DirectoryId::default()).collect()
    }

    /// Notes that the controller has heard of so many.
    pub(crate) fn told(&self, offline: usize) {
        self.told.send_replace(offline);
    }

    /// Ends when the node cannot go on, and says why.
    pub(crate) async fn fatal(&self, env: &Env) -> String {
        let mut noticed = self.noticed.clone();
        let mut told = self.told.subscribe();
        let mut untold_since: Option<Instant> = None;
        loop {
            if let Some(why) = self.why_fatal() {
                return why;
            }
            let is_untold = self.offline().len() > *told.borrow_and_update();
            let since = is_untold.then(|| untold_since.unwrap_or_else(|| env.monotonic()));
            untold_since = since;
            let give_up = async {
                match since {
                    Some(since) => env.sleep_until(since + self.tell_within).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                Ok(()) = noticed.changed() => {}
                Ok(()) = told.changed() => {}
                () = give_up => return self.why_untold(),
            }
        }
    }

    fn why_fatal(&self) -> Option<String> {
        if let Some(reason) = self.metadata.failure() {
            return Some(format!(
                "log directory {} holds the metadata log and has failed: {reason}; repair the \
                 disk and start again",
                self.metadata.path().display()
            ));
        }
        self.logs.are_all_offline().then(|| {
            let states = self.logs.states().into_iter();
            let each = states
                .filter_map(|state| Some(format!("{}: {}", state.path.display(), state.failure?)));
            let each: Vec<String> = each.collect();
            format!(
                "every log directory has failed: {}; repair them and start again",
                each.join(", ")
            )
        })
    }

    fn why_untold(&self) -> String {
        format!(
            "the controller was not told within {} ms (log.dir.failure.timeout.ms) that a log \
             directory has failed, so others may still be sent here for its partitions",
            self.tell_within.as_millis()
        )
    }
}
