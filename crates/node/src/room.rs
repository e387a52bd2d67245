//! The room on the disks while a node runs: reserves are kept whole, and the node's end is told
//! in time when they are used up.
//!
//! Not here: who may use a reserve (storage). Must hold: a look at the disks waits on no data path.

use std::sync::Arc;
use std::time::Duration;

use ottla_env::{Env, Tasks};
use ottla_storage::LogDirs;
use ottla_wire::Timestamp;
use tokio::sync::watch;

use crate::folders::Folders;

/// What is told of the room on the disks.
pub(crate) struct Room {
    used_up: watch::Receiver<Option<String>>,
}

impl Room {
    /// Looks after all folders from now on.
    pub(crate) fn keep(env: &Env, tasks: &Tasks, folders: &Folders) -> Room {
        let (told, used_up) = watch::channel(None);
        let all: Vec<Arc<LogDirs>> = folders.all().cloned().collect();
        tasks.spawn("room on disks", look_after(env.clone(), all, told));
        Room { used_up }
    }

    /// Ends when a disk has no room left, and says which and what to do.
    pub(crate) async fn used_up(&self) -> String {
        let mut used_up = self.used_up.clone();
        let why = used_up.wait_for(Option::is_some).await.map(|why| why.clone());
        match why {
            Ok(why) => why.unwrap_or_default(),
            // The node is going away for another reason.
            Err(_) => std::future::pending().await,
        }
    }
}

async fn look_after(env: Env, all: Vec<Arc<LogDirs>>, told: watch::Sender<Option<String>>) {
    loop {
        let (looked_at, now) = (all.clone(), Timestamp(env.now_ms()));
        let why = env.blocking(move || {
            looked_at.iter().for_each(|dirs| dirs.keep_room(now));
            looked_at.iter().find_map(|dirs| dirs.out_of_room())
        });
        if let Some(why) = why.await {
            told.send_if_modified(|known| known.is_none() && known.replace(why).is_none());
        }
        env.sleep(LOOK_EACH).await;
    }
}

/// How often the disks are looked at.
const LOOK_EACH: Duration = Duration::from_secs(1);
