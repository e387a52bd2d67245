//! Opening the logs of the log directories at a start.
//!
//! Partitions can be opened one by one and in parallel; one that is open serves while others are
//! still read. Must hold: a directory that only waits for its removal, or was set aside, is never
//! opened, and a name that means nothing stops the start instead of being guessed at.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use ottla_wire::{PartitionIndex, Timestamp};

use super::LogDirs;
use crate::config::LogConfig;
use crate::error::StorageError;
use crate::load::Opening;
use crate::log::{Log, lock};
use crate::names::{DirKind, METADATA_DIR, parse_dir};

/// The directory of tiered storage's cache, which is no partition.
const REMOTE_CACHE: &str = "remote-log-index-cache";

/// A partition's directory that waits to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which log directory it lies in.
    at: usize,
    path: PathBuf,
    /// The topic's name.
    pub topic: String,
    /// The partition.
    pub partition: PartitionIndex,
}

/// The configs of a topic.
pub type ConfigOf = dyn Fn(&str) -> Arc<LogConfig> + Send + Sync;

/// What to do with a log as soon as it can serve.
pub type Opened = dyn Fn(&Arc<Log>) + Send + Sync;

impl LogDirs {
    /// Lists the partitions; what waits for removal is removed after `delete_delay_ms`.
    pub fn find(&self, now: Timestamp, delete_delay_ms: i64) -> Result<Vec<Found>, StorageError> {
        let mut found = Vec::new();
        for (at, dir) in self.dirs.iter().enumerate() {
            let directory = &dir.directory;
            if directory.failure().is_some() {
                continue;
            }
            let listed = directory.disk().list(directory.path());
            let listed = listed.map_err(StorageError::io("list", directory.path()));
            let Ok(listed) = directory.judge(listed) else { continue };
            for entry in listed.into_iter().filter(|entry| entry.is_dir) {
                if entry.name == METADATA_DIR || entry.name == REMOTE_CACHE {
                    continue;
                }
                let path = directory.path().join(&entry.name);
                let Some(name) = parse_dir(&entry.name) else {
                    return Err(StorageError::Refused(format!(
                        "{} is not the directory of a partition: move it away, Apache Kafka would \
                         not start with it either",
                        path.display()
                    )));
                };
                match name.kind {
                    DirKind::Live => {
                        found.push(Found {
                            at,
                            path,
                            topic: name.topic,
                            partition: name.partition,
                        });
                    }
                    DirKind::Delete => directory.remove_later(path, now + delete_delay_ms),
                    DirKind::Future | DirKind::Stray => {
                        tracing::warn!(dir = %path.display(), "set aside and not opened");
                    }
                }
            }
        }
        Ok(found)
    }

    /// Opens one partition. An error of the disk takes its directory offline and is no error here.
    pub fn load(
        &self,
        found: &Found,
        config: Arc<LogConfig>,
        now: Timestamp,
    ) -> Result<Option<Arc<Log>>, StorageError> {
        let dir = &self.dirs[found.at];
        let key = (found.topic.clone(), found.partition);
        let opening = {
            let checkpoints = lock(&dir.checkpoints);
            let offset = |offsets: &crate::checkpoint::Offsets| {
                offsets.get(&key).copied().unwrap_or_default()
            };
            Opening {
                directory: Arc::clone(&dir.directory),
                path: found.path.clone(),
                name: crate::names::dir_name(&found.topic, found.partition),
                config,
                clean: dir.clean.is_some(),
                start: offset(&checkpoints.log_starts),
                recovery_point: offset(&checkpoints.recovery_points),
                high_watermark: offset(&checkpoints.high_watermarks),
                now,
                random: self.env.random_u64(),
            }
        };
        match Log::open(opening) {
            Ok(log) => self.insert(key, log).map(Some),
            Err(StorageError::Io { .. } | StorageError::Offline { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Tells that every partition of `find` was opened, so that a clean stop may be told later.
    pub fn loaded(&self) {
        for dir in self.working() {
            lock(&dir.checkpoints).loaded = true;
        }
    }

    /// Opens all partitions, `threads` at a time, and calls `opened` for each. Waits for the disk.
    pub async fn load_all(
        self: &Arc<Self>,
        threads: usize,
        delete_delay_ms: i64,
        config: Arc<ConfigOf>,
        opened: Arc<Opened>,
    ) -> Result<(), StorageError> {
        let now = Timestamp(self.env.now_ms());
        let found = Arc::new(self.find(now, delete_delay_ms)?);
        let next = Arc::new(AtomicUsize::new(0));
        let failed: Arc<Mutex<Option<StorageError>>> = Arc::default();
        let tasks = self.env.tasks();
        for _ in 0..threads.clamp(1, found.len().max(1)) {
            let (dirs, found, next) = (Arc::clone(self), Arc::clone(&found), Arc::clone(&next));
            let (config, opened, failed) =
                (Arc::clone(&config), Arc::clone(&opened), Arc::clone(&failed));
            tasks.spawn("load logs", async move {
                let env = dirs.env.clone();
                env.blocking(move || {
                    while let Some(found) = found.get(next.fetch_add(1, Ordering::Relaxed)) {
                        match dirs.load(found, config(&found.topic), now) {
                            Ok(Some(log)) => opened(&log),
                            Ok(None) => {}
                            Err(error) => {
                                lock(&failed).get_or_insert(error);
                                return;
                            }
                        }
                    }
                })
                .await;
            });
        }
        tasks.join_all().await;
        if let Some(error) = lock(&failed).take() {
            return Err(error);
        }
        self.loaded();
        Ok(())
    }

    fn insert(
        &self,
        (topic, partition): (String, PartitionIndex),
        log: Arc<Log>,
    ) -> Result<Arc<Log>, StorageError> {
        let mut logs = self.write_logs();
        let other = match log.topic_id() {
            Some(id) => logs.by_id.insert((id, partition), Arc::clone(&log)),
            None => logs.by_name.insert((topic, partition), Arc::clone(&log)),
        };
        match other {
            None => Ok(log),
            Some(other) => Err(StorageError::Refused(format!(
                "{} is in {} and in {}: move the older one away",
                log.name(),
                other.directory().path().display(),
                log.directory().path().display()
            ))),
        }
    }
}
