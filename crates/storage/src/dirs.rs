//! The log directories of a node: a list from the start, each with its id, state and own failure.
//!
//! Here they are locked, checked and told apart; dirs/load.rs opens the logs in them,
//! dirs/headway.rs tells how far that is, dirs/partitions.rs makes and removes partitions where
//! dirs/place.rs says, dirs/moves.rs moves them from one directory to another, dirs/upkeep.rs
//! syncs and writes checkpoints, dirs/clean.rs compacts, dirs/stop.rs closes them in order. Not
//! here: which partitions a node should have. Must hold: one failed directory takes down its own
//! partitions only, and nothing runs by itself: every periodic duty is a function that the node
//! calls.

mod clean;
mod headway;
mod load;
mod moves;
mod partitions;
mod place;
mod stop;
mod upkeep;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, Mutex, RwLock};

use ottla_env::{Env, FileLock, Open};
use ottla_wire::{BrokerEpoch, BrokerId, DirectoryId, PartitionIndex, TopicId};

use crate::checkpoint::{self, Offsets};
use crate::clean_shutdown;
use crate::directory::{Directory, OnFailure};
use crate::error::StorageError;
use crate::log::{Log, lock};
use crate::meta_properties::{self, MetaProperties, WAY_OUT, directory_id, is_reserved};

pub use clean::{Cleaning, CleaningStatus, Progress, Uncleanable};
pub use headway::Headway;
pub(crate) use load::REMOTE_CACHE;
pub use load::{ConfigOf, Found, Known, Loading, Opened};
pub use moves::Copied;

/// The name of the file that is locked while a directory is in use.
pub(crate) const LOCK: &str = ".lock";

/// A node's log directories with the logs in them.
#[derive(Debug)]
pub struct LogDirs {
    env: Env,
    cluster_id: String,
    dirs: Vec<Dir>,
    logs: RwLock<Logs>,
    places: Mutex<Places>,
    cleaning: clean::State,
    headway: headway::Counts,
    progress: OpeningProgress,
}

/// How far a start has come with opening the logs.
#[derive(Debug, Default)]
struct OpeningProgress {
    /// Every log was opened, and what moves had left is settled.
    is_done: AtomicBool,
    /// Whoever opens logs is to cease.
    is_stopped: AtomicBool,
    state: Mutex<Opening>,
    /// Told when nobody opens logs any more.
    is_idle: Condvar,
}

#[derive(Debug, Default)]
struct Opening {
    /// How many are at it.
    at_it: usize,
    /// Replicas of which there is a copy on its way to another directory.
    moving: BTreeSet<(String, PartitionIndex)>,
    /// All that have a directory, once the log directories were listed and until all is opened:
    /// others have nothing to open.
    found: Option<BTreeSet<(String, PartitionIndex)>>,
    /// What was opened since somebody asked.
    opened: Vec<(TopicId, PartitionIndex)>,
}

/// Where new replicas go and where not, as operators said.
#[derive(Debug, Default)]
struct Places {
    /// `cordoned.log.dirs`: no new replica is put there by itself.
    cordoned: BTreeSet<PathBuf>,
    /// What AlterReplicaLogDirs said of replicas that are not here yet.
    preferred: BTreeMap<(String, PartitionIndex), PathBuf>,
}

/// One log directory, which may be offline.
#[derive(Debug)]
struct Dir {
    directory: Arc<Directory>,
    /// The epoch in the mark of the last clean stop, `None` when there was no mark.
    clean: Option<BrokerEpoch>,
    checkpoints: Mutex<Checkpoints>,
    /// Given back when the directory is closed.
    lock: Mutex<Option<FileLock>>,
}

/// What the checkpoint files of a directory hold.
#[derive(Debug, Default)]
struct Checkpoints {
    recovery_points: Offsets,
    log_starts: Offsets,
    high_watermarks: Offsets,
    /// Up to where compacted logs were cleaned.
    cleaned: Offsets,
    /// Whether every log of the directory was opened, so that a clean stop may be told.
    loaded: bool,
}

/// The logs by topic id.
#[derive(Debug, Default)]
struct Logs {
    by_id: BTreeMap<(TopicId, PartitionIndex), Arc<Log>>,
    /// Replicas that are to take the place of one in another directory once they are as long.
    futures: BTreeMap<(TopicId, PartitionIndex), Arc<Log>>,
    /// How many are in each directory, until anything but a new replica changes that: counting
    /// for each new one would take a square of their number.
    counts: Option<Vec<(Arc<Directory>, usize)>>,
}

/// How to open a node's log directories.
#[derive(Clone, Debug)]
pub struct DirsOpening {
    /// `log.dirs`, in the order of the configuration.
    pub paths: Vec<PathBuf>,
    /// The directory of the metadata log, which must work; it may be none of the others.
    pub metadata_path: PathBuf,
    /// `node.id`
    pub node_id: BrokerId,
    /// How many sockets clients may have open; those are files too.
    pub connections_max: usize,
}

/// What is known of a directory, for DescribeLogDirs and for people.
#[derive(Clone, Debug)]
pub struct DirState {
    /// Where it is.
    pub path: PathBuf,
    /// Its id; the reserved id 0 when it could not be read.
    pub id: DirectoryId,
    /// Whether `cordoned.log.dirs` keeps new replicas away.
    pub cordoned: bool,
    /// Why it is offline, if it is.
    pub failure: Option<String>,
    /// How often a log in it was synced since the start.
    pub flushes: u64,
}

impl LogDirs {
    /// Locks and checks the directories, and removes the marks of clean stops. No log is opened.
    pub fn open(env: &Env, opening: &DirsOpening) -> Result<LogDirs, StorageError> {
        let mut metas = Vec::new();
        let mut dirs = Vec::new();
        let files_max = files_of_directory(env, opening);
        for (at, path) in opening.paths.iter().enumerate() {
            if opening.paths[..at].contains(path) {
                return Err(StorageError::Refused(format!(
                    "log.dirs names {} twice: name it once",
                    path.display()
                )));
            }
            match open_one(env, path, files_max) {
                Ok((dir, meta)) => {
                    check_meta(path, &meta, &metas, opening.node_id)?;
                    metas.push((path.clone(), meta));
                    dirs.push(dir);
                }
                Err(error @ StorageError::Io { .. }) if *path != opening.metadata_path => {
                    dirs.push(offline(env, path, &error));
                }
                Err(error) => return Err(error),
            }
        }
        let Some(cluster_id) = metas.iter().find_map(|(_, meta)| meta.cluster_id.clone()) else {
            let why = match metas.first() {
                Some((path, _)) => format!(
                    "{} names no cluster: {WAY_OUT}",
                    path.join(crate::meta_properties::FILE).display()
                ),
                None => "every log directory is offline".to_owned(),
            };
            return Err(StorageError::Refused(why));
        };
        let (logs, places) = (RwLock::default(), Mutex::default());
        let (progress, cleaning) = (OpeningProgress::default(), clean::State::default());
        let headway = headway::Counts::default();
        Ok(LogDirs {
            env: env.clone(),
            cluster_id,
            dirs,
            logs,
            places,
            cleaning,
            headway,
            progress,
        })
    }

    /// Lets `on_failure` be called whenever a directory goes offline, and now if one is.
    pub fn watch(&self, on_failure: &Arc<OnFailure>) {
        self.directories().for_each(|directory| directory.watch(on_failure));
    }

    /// Whether every directory works.
    pub fn are_all_online(&self) -> bool {
        self.working().count() == self.dirs.len()
    }

    /// Whether no directory works any more.
    pub fn are_all_offline(&self) -> bool {
        self.working().next().is_none()
    }

    /// The cluster that all directories belong to.
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// The directories in the order of the configuration.
    pub fn directories(&self) -> impl Iterator<Item = &Arc<Directory>> {
        self.dirs.iter().map(|dir| &dir.directory)
    }

    /// The state of each directory, in the order of the configuration.
    pub fn states(&self) -> Vec<DirState> {
        let cordoned = lock(&self.places).cordoned.clone();
        let state = |directory: &Arc<Directory>| DirState {
            path: directory.path().to_owned(),
            id: directory.id(),
            cordoned: cordoned.contains(directory.path()),
            failure: directory.failure().map(str::to_owned),
            flushes: directory.flushes(),
        };
        self.directories().map(state).collect()
    }

    /// The broker epoch under which everything was closed in order; -1 when a directory was not,
    /// is offline, or tells another one. BrokerRegistration sends it.
    pub fn previous_broker_epoch(&self) -> BrokerEpoch {
        let mut epochs = self.dirs.iter().map(|dir| match dir.directory.failure() {
            None => dir.clean.unwrap_or(clean_shutdown::NO_EPOCH),
            Some(_) => clean_shutdown::NO_EPOCH,
        });
        let first = epochs.next().unwrap_or(clean_shutdown::NO_EPOCH);
        if epochs.all(|epoch| epoch == first) { first } else { clean_shutdown::NO_EPOCH }
    }

    fn working(&self) -> impl Iterator<Item = &Dir> {
        self.dirs.iter().filter(|dir| dir.directory.failure().is_none())
    }
}

/// How many files the logs of one directory may have open: half of what the process may have, or
/// less where clients may open fewer, is for sockets. Each directory has a share of its own, so
/// that one whose disk hangs holds nobody up but its own.
fn files_of_directory(env: &Env, opening: &DirsOpening) -> Option<usize> {
    let max = usize::try_from(env.disk().open_files_max()?).unwrap_or(usize::MAX);
    let sockets = opening.connections_max.min(max / 2);
    Some((max - sockets).saturating_sub(OTHER_FILES) / opening.paths.len().max(1))
}

/// What a node opens besides sockets and logs: the runtime, checkpoints, locks, folders.
const OTHER_FILES: usize = 64;

fn open_one(
    env: &Env,
    path: &Path,
    files_max: Option<usize>,
) -> Result<(Dir, MetaProperties), StorageError> {
    let disk = env.disk();
    disk.create_dir_all(path).map_err(StorageError::io("create", path))?;
    let lock_path = path.join(LOCK);
    let lock = disk.lock(&lock_path).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => StorageError::Refused(format!(
            "log directory {} is in use by another process: stop it, or use another directory",
            path.display()
        )),
        _ => StorageError::io("lock", &lock_path)(error),
    })?;
    let Some(mut meta) = MetaProperties::read(disk, path)? else {
        return Err(StorageError::Refused(format!(
            "log directory {} is not formatted (no {}): run ottla storage format",
            path.display(),
            meta_properties::FILE
        )));
    };
    if meta.directory_id.is_none() {
        meta.directory_id = Some(directory_id(|| env.random_bytes()));
        meta.write(disk, path)?;
    }
    let clean = take_clean_mark(env, path)?;
    let id = meta.directory_id.unwrap_or_default();
    let checkpoints = Checkpoints {
        recovery_points: read_checkpoint(env, path, checkpoint::RECOVERY_POINTS)?,
        log_starts: read_checkpoint(env, path, checkpoint::LOG_STARTS)?,
        high_watermarks: read_checkpoint(env, path, checkpoint::HIGH_WATERMARKS)?,
        cleaned: read_checkpoint(env, path, checkpoint::CLEANER_OFFSETS)?,
        loaded: false,
    };
    let dir = Dir {
        directory: Directory::bounded(disk.clone(), path.to_owned(), id, files_max),
        clean,
        checkpoints: Mutex::new(checkpoints),
        lock: Mutex::new(Some(lock)),
    };
    Ok((dir, meta))
}

fn offline(env: &Env, path: &Path, error: &StorageError) -> Dir {
    let directory = Directory::new(env.disk().clone(), path.to_owned(), DirectoryId::default());
    directory.fail(&error.to_string());
    Dir { directory, clean: None, checkpoints: Mutex::default(), lock: Mutex::new(None) }
}

/// Removes the mark of a clean stop for good, so that it never vouches for what comes now.
fn take_clean_mark(env: &Env, path: &Path) -> Result<Option<BrokerEpoch>, StorageError> {
    let (disk, mark) = (env.disk(), path.join(clean_shutdown::FILE));
    let text = match disk.read(&mark) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StorageError::io("read", &mark)(error)),
    };
    disk.remove_file(&mark).map_err(StorageError::io("remove", &mark))?;
    disk.sync_dir(path).map_err(StorageError::io("sync", path))?;
    Ok(Some(clean_shutdown::parse(&text)))
}

/// Reads a checkpoint; one that is missing is made, one that can't be read counts as empty, which
/// costs time at most.
fn read_checkpoint(env: &Env, dir: &Path, name: &str) -> Result<Offsets, StorageError> {
    let path = dir.join(name);
    let text = match env.disk().read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            env.disk().open(&path, Open::Create).map_err(StorageError::io("create", &path))?;
            Vec::new()
        }
        Err(error) => return Err(StorageError::io("read", &path)(error)),
    };
    match checkpoint::parse_offsets(&text) {
        Ok(offsets) => Ok(offsets),
        Err(what) => {
            tracing::warn!(file = %path.display(), what, "checkpoint is taken as empty");
            // Apache Kafka takes the directory offline over it. On a full disk it has to wait.
            let empty = checkpoint::format_offsets(&Offsets::new());
            let _ = env.disk().replace(&path, empty.as_bytes());
            Ok(Offsets::new())
        }
    }
}

fn check_meta(
    path: &Path,
    meta: &MetaProperties,
    others: &[(PathBuf, MetaProperties)],
    node_id: BrokerId,
) -> Result<(), StorageError> {
    let refuse = |what: String| {
        Err(StorageError::Refused(format!(
            "{}: {what}",
            path.join(meta_properties::FILE).display()
        )))
    };
    if let Some(found) = meta.node_id.filter(|found| *found != node_id) {
        return refuse(format!(
            "node.id is {found}, but the configuration has {node_id}: correct one of them"
        ));
    }
    let id = meta.directory_id.unwrap_or_default();
    if is_reserved(id) {
        return refuse(format!("directory.id {id} has a meaning of its own: remove the line"));
    }
    for (other_path, other) in others {
        let other_path = other_path.display();
        if other.directory_id == meta.directory_id {
            return refuse(format!("directory.id {id} is also that of {other_path}"));
        }
        if other.cluster_id != meta.cluster_id {
            let name = |meta: &MetaProperties| meta.cluster_id.clone().unwrap_or_default();
            return refuse(format!(
                "cluster.id is {}, but {other_path} has {}: all directories of a node belong to \
                 one cluster",
                name(meta),
                name(other)
            ));
        }
    }
    Ok(())
}
