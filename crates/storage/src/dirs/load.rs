//! Opening the logs of the log directories at a start.
//!
//! Partitions can be opened one by one and in parallel; one that is open serves while others are
//! still read. Must hold: a directory that only waits for its removal, or was set aside, is never
//! opened, and a name that means nothing stops the start instead of being guessed at.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ottla_wire::{PartitionIndex, Timestamp, TopicId};

use super::LogDirs;
use crate::config::LogConfig;
use crate::error::StorageError;
use crate::load::Opening;
use crate::log::{Log, lock};
use crate::names::{DirKind, METADATA_DIR, parse_dir};

/// The directory of tiered storage's cache, which is no partition.
pub(crate) const REMOTE_CACHE: &str = "remote-log-index-cache";

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
    /// Whether it is to take the place of a replica in another directory.
    is_future: bool,
}

/// How the logs are opened at a start.
#[derive(Clone)]
pub struct Loading {
    /// `num.recovery.threads.per.data.dir`
    pub threads_per_dir: usize,
    /// `log.segment.delete.delay.ms`, for what waits for removal.
    pub delete_delay_ms: i64,
    /// The configs of each topic.
    pub config: Arc<ConfigOf>,
    /// Which logs the metadata knows; others are set aside.
    pub known: Arc<Known>,
    /// What to do with a log that can serve.
    pub opened: Arc<Opened>,
}

/// Whether the metadata knows a replica here; told the log, and the topic's name.
pub type Known = dyn Fn(&Log, &str, PartitionIndex) -> bool + Send + Sync;

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
                    DirKind::Live | DirKind::Future => {
                        found.push(Found {
                            at,
                            path,
                            topic: name.topic,
                            partition: name.partition,
                            is_future: name.kind == DirKind::Future,
                        });
                    }
                    DirKind::Delete => directory.remove_later(path, now + delete_delay_ms),
                    DirKind::Stray => {
                        tracing::warn!(dir = %path.display(),
                            "a partition that was set aside is not opened; remove the directory \
                             when nobody misses it");
                    }
                }
            }
        }
        Ok(found)
    }

    /// Opens one partition; `None` when it does not serve: an error of the disk takes its directory
    /// offline, and a directory that does not tell its topic is not opened, as in Apache Kafka.
    pub fn load(
        &self,
        found: &Found,
        config: Arc<LogConfig>,
        now: Timestamp,
    ) -> Result<Option<Arc<Log>>, StorageError> {
        match self.open_found(found, config, now)? {
            Some(log) => self.insert(found, log).map(Some),
            None => Ok(None),
        }
    }

    fn open_found(
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
            Ok(log) if log.topic_id().is_none() => {
                // An error has taken the directory offline.
                let _ = self.set_nameless_aside(&log, now);
                Ok(None)
            }
            Ok(log) => Ok(Some(log)),
            Err(StorageError::Io { .. } | StorageError::Offline { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Tells that every partition of `find` was opened and that moves are settled: a clean stop
    /// may be told later.
    pub fn loaded(&self) {
        for dir in self.working() {
            lock(&dir.checkpoints).loaded = true;
        }
        lock(&self.progress.state).found = None;
        self.progress.is_done.store(true, Ordering::Release);
    }

    /// The replicas that were opened since the last call, some of them for a future.
    pub fn take_opened(&self) -> Vec<(TopicId, PartitionIndex)> {
        std::mem::take(&mut lock(&self.progress.state).opened)
    }

    /// Whether `loaded` was told.
    pub fn is_loaded(&self) -> bool {
        self.progress.is_done.load(Ordering::Acquire)
    }

    /// Whether a replica that was here before the start can serve: it was opened, and no copy of
    /// it waits to be compared with it; or it has no directory, so that there is nothing to open.
    pub fn can_serve(&self, topic: TopicId, name: &str, partition: PartitionIndex) -> bool {
        if self.is_loaded() {
            return true;
        }
        let (is_open, key) = (self.get(topic, partition).is_some(), (name.to_owned(), partition));
        let opening = lock(&self.progress.state);
        match is_open {
            true => !opening.moving.contains(&key),
            false => opening.found.as_ref().is_some_and(|found| !found.contains(&key)),
        }
    }

    /// Lets whoever opens logs cease, and waits until they have.
    pub(super) fn stop_loading(&self) {
        self.progress.is_stopped.store(true, Ordering::Release);
        let mut state = lock(&self.progress.state);
        while state.at_it > 0 {
            state = self.progress.is_idle.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Opens all partitions, in each directory with its own threads, sets those aside that the
    /// metadata does not know, and calls `opened` for each of the others. Waits for the disk.
    /// Ends early when the directories are closed; `loaded` is the caller's to tell.
    pub async fn load_all(self: &Arc<Self>, loading: Loading) -> Result<(), StorageError> {
        let now = Timestamp(self.env.now_ms());
        let mut by_dir: BTreeMap<usize, Vec<Found>> = BTreeMap::new();
        let all = self.find(now, loading.delete_delay_ms)?;
        self.headway.found.store(all.len(), Ordering::Relaxed);
        for found in all {
            by_dir.entry(found.at).or_default().push(found);
        }
        self.note_found(by_dir.values().flatten());
        let failed: Arc<Mutex<Option<StorageError>>> = Arc::default();
        let tasks = self.env.tasks();
        for found in by_dir.into_values() {
            let (found, next) = (Arc::new(found), Arc::new(AtomicUsize::new(0)));
            for _ in 0..loading.threads_per_dir.clamp(1, found.len()) {
                let (dirs, found, next) = (Arc::clone(self), Arc::clone(&found), Arc::clone(&next));
                let (loading, failed) = (loading.clone(), Arc::clone(&failed));
                tasks.spawn("load logs", async move {
                    let env = dirs.env.clone();
                    env.blocking(move || {
                        let turn = || next.fetch_add(1, Ordering::Relaxed);
                        let at_it = AtIt::begin(&dirs);
                        while let Some(found) = found.get(turn()).filter(|_| at_it.goes_on()) {
                            let loaded = dirs.load_known(found, &loading, now);
                            dirs.headway.opened.fetch_add(1, Ordering::Relaxed);
                            if let Err(error) = loaded {
                                lock(&failed).get_or_insert(error);
                                return;
                            }
                        }
                    })
                    .await;
                });
            }
        }
        tasks.join_all().await;
        match lock(&failed).take() {
            Some(error) => Err(error),
            None if self.progress.is_stopped.load(Ordering::Acquire) => {
                Err(StorageError::Refused("the log directories were closed".to_owned()))
            }
            None => Ok(()),
        }
    }

    fn note_found<'a>(&self, all: impl Iterator<Item = &'a Found> + Clone) {
        let key = |found: &Found| (found.topic.clone(), found.partition);
        let mut opening = lock(&self.progress.state);
        opening.moving = all.clone().filter(|found| found.is_future).map(key).collect();
        // What is in a directory that is offline was not listed.
        opening.found = self.are_all_online().then(|| all.map(key).collect());
    }

    fn load_known(
        &self,
        found: &Found,
        loading: &Loading,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let Some(log) = self.open_found(found, (loading.config)(&found.topic), now)? else {
            return Ok(());
        };
        if !(loading.known)(&log, &found.topic, found.partition) {
            // An error has taken the directory offline.
            let _ = self.stray(&log);
            return Ok(());
        }
        let log = self.insert(found, log)?;
        if !found.is_future {
            if let Some(topic) = log.topic_id() {
                lock(&self.progress.state).opened.push((topic, found.partition));
            }
            (loading.opened)(&log);
        }
        Ok(())
    }

    fn insert(&self, found: &Found, log: Arc<Log>) -> Result<Arc<Log>, StorageError> {
        let mut logs = self.write_logs();
        let key = (log.topic_id().expect("others were set aside"), found.partition);
        let other = match found.is_future {
            true => logs.futures.insert(key, Arc::clone(&log)),
            false => logs.by_id.insert(key, Arc::clone(&log)),
        };
        match other {
            None => Ok(log),
            Some(other) => Err(StorageError::Refused(format!(
                "{} is in {} and in {}: a disk failed while the partition was moved from one to \
                 the other; move the directory away that failed, or the older one",
                log.name(),
                other.home.path().display(),
                log.home.path().display()
            ))),
        }
    }
}

/// Counts among those who open logs until it is dropped.
struct AtIt<'a>(&'a LogDirs);

impl AtIt<'_> {
    fn begin(dirs: &LogDirs) -> AtIt<'_> {
        lock(&dirs.progress.state).at_it += 1;
        AtIt(dirs)
    }

    fn goes_on(&self) -> bool {
        !self.0.progress.is_stopped.load(Ordering::Acquire)
    }
}

impl Drop for AtIt<'_> {
    fn drop(&mut self) {
        lock(&self.0.progress.state).at_it -= 1;
        self.0.progress.is_idle.notify_all();
    }
}
