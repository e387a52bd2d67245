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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ottla_settings::{Input, Settings};
    use ottla_sim::World;
    use ottla_storage::MetaProperties;
    use ottla_wire::{BrokerId, Uuid};

    use super::*;

    /// When a node ends, one of whose folders failed and whose controller hears of it then.
    async fn end_when_told(
        world: World,
        told_after: Option<Duration>,
    ) -> Option<(Duration, String)> {
        let env = world.node(1);
        for (dir, id) in [("/a", 1), ("/b", 2)] {
            let meta = MetaProperties {
                cluster_id: Some("4L6g3nShT-eMCtK--X86sw".to_owned()),
                node_id: Some(BrokerId(1)),
                directory_id: Some(DirectoryId(Uuid([id; 16]))),
            };
            env.disk().create_dir_all(Path::new(dir)).expect("a disk");
            meta.write(env.disk(), Path::new(dir)).expect("a disk");
        }
        let text = "process.roles=broker,controller\nnode.id=1\nlog.dirs=/a,/b\n\
            listeners=PLAINTEXT://:9092,CONTROLLER://:9093\n\
            controller.listener.names=CONTROLLER\n\
            controller.quorum.bootstrap.servers=localhost:9093\n";
        let input = Input { file: Some(text.as_bytes()), ..Input::default() };
        let settings = Settings::load(input).expect("it is right").settings;
        let folders = Folders::open(&env, &settings).expect("they are formatted");
        let metadata = folders.metadata().expect("it is one of them");
        let within = u64::try_from(settings.log.dir_failure_timeout_ms).expect("it is positive");
        let failures = Failures::watch(&folders, metadata, Duration::from_millis(within));
        let failed = folders.logs.directories().nth(1).expect("there are two");
        failed.fail("the disk is gone");
        let begun = env.monotonic();
        let told = async {
            if let Some(after) = told_after {
                env.sleep(after).await;
                failures.told(1);
            }
            env.sleep(Duration::from_secs(3_600)).await;
        };
        tokio::select! {
            biased;
            why = failures.fatal(&env) => Some((env.monotonic() - begun, why)),
            () = told => None,
        }
    }

    #[test]
    fn a_node_ends_when_its_controller_does_not_hear_of_a_failed_folder_in_time() {
        let end =
            |told| World::new(1).run(async move |world: World| end_when_told(world, told).await);
        let (after, why) = end(None).expect("it ends");
        assert_eq!(after, Duration::from_secs(30));
        assert!(why.contains("within 30000 ms (log.dir.failure.timeout.ms)"), "{why}");
        assert_eq!(end(Some(Duration::from_millis(29_999))), None);
    }
}
