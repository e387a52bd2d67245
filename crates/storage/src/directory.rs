//! One log directory while it is in use: its disk, its id, its failure, its unsynced bytes.
//!
//! Not here: which partitions it holds (dirs.rs). Must hold: after the first failure nothing in
//! the directory is written again before a restart, least of all a sync that failed.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use ottla_env::{Disk, OnFault};
use ottla_wire::{DirectoryId, Timestamp};

use crate::error::StorageError;
use crate::open_files::OpenFiles;
use crate::reserve::{self, Reserve, Room, Share};
use crate::scratches::Scratches;
use crate::underway::Syncs;
use crate::writeback::Unsynced;

/// Who hears at once that a log directory went offline; called under locks, so it only notes it.
pub type OnFailure = dyn Fn() + Send + Sync;

/// A log directory in use, shared by the logs in it.
pub struct Directory {
    disk: Disk,
    path: PathBuf,
    id: DirectoryId,
    failure: OnceLock<String>,
    on_failure: OnceLock<Arc<OnFailure>>,
    is_full: AtomicBool,
    full_told: Seldom,
    /// Whether the process may have had too many files open since that was told.
    is_lacking: AtomicBool,
    lack_told: Seldom,
    /// Whether the disk was full since retention last looked.
    wants_room: AtomicBool,
    /// Whether the disk was full, and has not been seen with room since.
    lacks_room: AtomicBool,
    reserve: Reserve,
    /// Set once it was told that the reserve cannot be made.
    reserve_told: OnceLock<()>,
    pub(crate) unsynced: Unsynced,
    pub(crate) files: Arc<OpenFiles>,
    pub(crate) syncs: Syncs,
    removals: Mutex<Vec<Removal>>,
    recovered_bytes: AtomicU64,
    flushes: AtomicU64,
    scratches: Scratches,
    /// Told when whoever sends a file cannot read it.
    on_fault: Arc<OnFault>,
}

/// When a line was last told that many requests would cause.
#[derive(Debug)]
struct Seldom(AtomicI64);

impl Default for Seldom {
    fn default() -> Seldom {
        Seldom(AtomicI64::new(i64::MIN))
    }
}

impl Seldom {
    /// Whether the line is due, which it then is not for a minute; a clock that went back does
    /// not silence it.
    fn is_due(&self, now: Timestamp) -> bool {
        let due = |told: i64| {
            let silent = told..told.saturating_add(TOLD_EACH_MS);
            (!silent.contains(&now.0)).then_some(now.0)
        };
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, due).is_ok()
    }
}

/// A file or directory that waits to be removed.
#[derive(Debug)]
struct Removal {
    due: Timestamp,
    path: PathBuf,
}

impl Directory {
    /// A directory that works so far.
    pub fn new(disk: Disk, path: PathBuf, id: DirectoryId) -> Arc<Directory> {
        Directory::bounded(disk, path, id, None)
    }

    /// As `new`, for one whose logs may have so many files open, or any number.
    pub fn bounded(
        disk: Disk,
        path: PathBuf,
        id: DirectoryId,
        files_max: Option<usize>,
    ) -> Arc<Directory> {
        let reserve = Reserve::new(disk.clone(), &path);
        let on_fault = |me: &Weak<Directory>| -> Arc<OnFault> {
            let me = Weak::clone(me);
            Arc::new(move |error| {
                let fault = error.raw_os_error().map(io::Error::from_raw_os_error);
                if let (Some(me), Some(fault)) = (me.upgrade(), fault) {
                    let fault = StorageError::io("read what is to be sent from", &me.path)(fault);
                    // Whoever sends has an error of its own.
                    let _ = me.judge_read(Err::<(), _>(fault));
                }
            })
        };
        Arc::new_cyclic(|me| Directory {
            on_fault: on_fault(me),
            disk,
            path,
            id,
            failure: OnceLock::new(),
            on_failure: OnceLock::new(),
            is_full: AtomicBool::new(false),
            full_told: Seldom::default(),
            is_lacking: AtomicBool::new(false),
            lack_told: Seldom::default(),
            wants_room: AtomicBool::new(false),
            lacks_room: AtomicBool::new(false),
            reserve,
            reserve_told: OnceLock::new(),
            unsynced: Unsynced::default(),
            files: OpenFiles::new(files_max),
            syncs: Syncs::default(),
            removals: Mutex::new(Vec::new()),
            recovered_bytes: AtomicU64::new(0),
            flushes: AtomicU64::new(0),
            scratches: Scratches::default(),
        })
    }

    /// The disk it lies on.
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its id.
    pub fn id(&self) -> DirectoryId {
        self.id
    }

    /// Why it is offline, if it is.
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// Takes the directory offline; only the first reason is kept.
    pub fn fail(&self, reason: &str) {
        if self.failure.set(reason.to_owned()).is_ok() {
            tracing::error!(
                dir = %self.path.display(),
                reason,
                "log directory is offline until a restart: its partitions are not served; \
                 repair the disk, or take the directory out of log.dirs"
            );
            self.unsynced.tell_fewer();
            self.files.settle();
            if let Some(on_failure) = self.on_failure.get() {
                on_failure();
            }
        }
    }

    /// Lets `on_failure` be called when the directory goes offline. Only the first counts.
    pub(crate) fn watch(&self, on_failure: &Arc<OnFailure>) {
        // Whoever watches twice hears once.
        let _ = self.on_failure.set(Arc::clone(on_failure));
        if self.failure.get().is_some() {
            on_failure();
        }
    }

    /// An error when the directory is offline.
    pub fn check(&self) -> Result<(), StorageError> {
        match self.failure.get() {
            None => Ok(()),
            Some(reason) => {
                Err(StorageError::Offline { path: self.path.clone(), reason: reason.clone() })
            }
        }
    }

    /// Passes a result on, and takes the directory offline when it is a failure of the disk: a full
    /// disk is none, and neither is a process that may open no more files.
    pub(crate) fn judge<T>(&self, result: Result<T, StorageError>) -> Result<T, StorageError> {
        if let Err(error @ StorageError::Io { .. }) = &result {
            match error.is_full() {
                true => self.note_full(),
                false if error.is_lack() => self.is_lacking.store(true, Ordering::Relaxed),
                false => self.fail(&error.to_string()),
            }
        }
        result
    }

    /// As `judge`, for readers: a fault of the disk takes the directory offline, as in Apache Kafka
    /// (`LocalLog.maybeHandleIOException`). A file that is gone with its log, or that could not be
    /// opened because too many are open, says nothing of the disk.
    pub(crate) fn judge_read<T>(&self, result: Result<T, StorageError>) -> Result<T, StorageError> {
        match &result {
            Err(error) if error.is_fault_of_disk() => self.judge(result),
            _ => result,
        }
    }

    fn note_full(&self) {
        self.is_full.store(true, Ordering::Relaxed);
        self.wants_room.store(true, Ordering::Relaxed);
        self.lacks_room.store(true, Ordering::Relaxed);
    }

    /// Does what has to go on when the disk is full: as often as there is no room for it, a piece
    /// of the reserve is given up. What is tried again must come to the same.
    pub(crate) fn with_reserve<T>(
        &self,
        act: impl FnMut() -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        self.with_share(Share::All, act)
    }

    /// As `with_reserve`, with no more than a share of it, or nothing.
    pub(crate) fn with_share<T>(
        &self,
        share: impl Into<Option<Share>>,
        mut act: impl FnMut() -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let share = share.into();
        let mut tries = 0;
        loop {
            match act() {
                Err(error) if error.is_full() && share.is_some_and(|share| self.give(share)) => {}
                // What becomes free may go to whoever else opens something, a few times.
                Err(error) if error.is_lack_of_files() && tries < TRIES_TO_OPEN => {
                    tries += 1;
                    if !self.judge_sync(self.files.give_way())? {
                        return Err(error);
                    }
                }
                result => return result,
            }
        }
    }

    /// Passes on what came of syncing files of whichever log; the first failure is the last.
    pub(crate) fn judge_sync<T>(&self, synced: io::Result<T>) -> Result<T, StorageError> {
        synced.map_err(|error| {
            let error = StorageError::io("sync a file in", &self.path)(error);
            self.fail(&error.to_string());
            error
        })
    }

    /// Makes the names in a folder last, which takes an open file for a moment.
    pub(crate) fn sync_dir(&self, path: &Path) -> Result<(), StorageError> {
        self.with_share(None, || self.disk.sync_dir(path).map_err(StorageError::io("sync", path)))
    }

    pub(crate) fn on_fault(&self) -> &Arc<OnFault> {
        &self.on_fault
    }

    /// Gives up a piece of the reserve, for those who keep other files in a log directory;
    /// answers whether there was one, so that trying again makes sense.
    pub fn give_room(&self) -> bool {
        self.give(Share::All)
    }

    fn give(&self, share: Share) -> bool {
        self.wants_room.store(true, Ordering::Relaxed);
        self.reserve.give(share)
    }

    /// Whether records of clients must wait until the reserve is whole again.
    pub fn is_full(&self) -> bool {
        self.reserve.is_short()
    }

    /// An error when records of clients must wait.
    pub(crate) fn check_room(&self) -> Result<(), StorageError> {
        if !self.is_full() {
            return Ok(());
        }
        self.note_full();
        let full = io::Error::from(io::ErrorKind::StorageFull);
        Err(StorageError::io("write to", &self.path)(full))
    }

    /// Whether there is no room for what clients write, or was none when last somebody looked.
    pub fn lacks_room(&self) -> bool {
        self.is_full() || self.lacks_room.load(Ordering::Relaxed)
    }

    /// Keeps the reserve whole, as far as there is room, and looks whether there is more. To be
    /// called every second.
    pub fn keep_reserve(&self) {
        if self.failure().is_some() {
            return;
        }
        // A disk that does not tell its room has shown whether it has any when it was written to.
        if let Ok(space) = self.disk.space(&self.path) {
            match reserve::room(&space) {
                Room::None => self.lacks_room.store(true, Ordering::Relaxed),
                Room::Little => (),
                Room::Enough => self.lacks_room.store(false, Ordering::Relaxed),
            }
        }
        if let Err(error) = self.reserve.fill()
            && self.reserve_told.set(()).is_ok()
        {
            let dir = self.path.display();
            tracing::warn!(%dir, %error, "nothing is kept back for a full disk");
        }
    }

    /// Why the node has to stop, when the disk is full and so little of the reserve is left that
    /// it is only enough for stopping in order.
    pub fn out_of_room(&self) -> Option<String> {
        let path = self.path.display();
        let is_out = self.failure().is_none() && self.reserve.is_used_up();
        is_out.then(|| {
            format!(
                "the disk of log directory {path} is full, and what was kept back for deleting \
                 is used up: make room on the disk, then start again; nothing is lost"
            )
        })
    }

    /// Whether the disk was full since the last call, so that retention should not wait.
    pub(crate) fn take_want_of_room(&self) -> bool {
        self.wants_room.swap(false, Ordering::Relaxed)
    }

    /// Says that an append was refused for lack of room, files or memory, if that was why, and not
    /// too often.
    pub(crate) fn tell_refusal(&self, now: Timestamp, reason: &dyn fmt::Display) {
        if self.is_lacking.swap(false, Ordering::Relaxed) && self.lack_told.is_due(now) {
            tracing::error!(
                dir = %self.path.display(),
                %reason,
                "an append was refused, though the disk is well: raise the limit of open files \
                 (ulimit -n, LimitNOFILE), lower max.connections, or give the node more memory"
            );
        }
        if self.is_full.swap(false, Ordering::Relaxed) && self.full_told.is_due(now) {
            tracing::error!(
                dir = %self.path.display(),
                %reason,
                "appends are refused, the disk of this log directory is full: make room, \
                 lower retention.ms or retention.bytes, or delete topics; no restart is needed"
            );
        }
    }

    /// For the appends of compressed batches.
    pub(crate) fn scratches(&self) -> &Scratches {
        &self.scratches
    }

    /// How often a log in the directory was synced.
    pub fn flushes(&self) -> u64 {
        self.flushes.load(Ordering::Relaxed)
    }

    pub(crate) fn note_flush(&self) {
        self.flushes.fetch_add(1, Ordering::Relaxed);
    }

    /// How many bytes starts after a crash have read and checked.
    pub fn recovered_bytes(&self) -> u64 {
        self.recovered_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn add_recovered(&self, bytes: u64) {
        self.recovered_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Lets a file or directory be removed once `due` has come.
    pub(crate) fn remove_later(&self, path: PathBuf, due: Timestamp) {
        let mut removals = self.removals.lock().unwrap_or_else(PoisonError::into_inner);
        removals.push(Removal { due, path });
    }

    /// Takes back what `remove_later` said of a path.
    pub(crate) fn keep(&self, path: &Path) {
        let mut removals = self.removals.lock().unwrap_or_else(PoisonError::into_inner);
        removals.retain(|removal| removal.path != path);
    }

    /// Whether anything waits to be removed.
    pub(crate) fn has_removals(&self) -> bool {
        !self.removals.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Removes what waited long enough; answers how many files and directories that were.
    pub fn remove_due(&self, now: Timestamp) -> Result<usize, StorageError> {
        self.check()?;
        let due: Vec<Removal> = {
            let mut removals = self.removals.lock().unwrap_or_else(PoisonError::into_inner);
            removals.extract_if(.., |removal| removal.due <= now).collect()
        };
        if due.iter().any(|removal| removal.path.parent() == Some(&self.path)) {
            // Otherwise a power cut may give a partition's directory its old name back after half
            // of its files are gone.
            self.judge(self.sync_dir(&self.path))?;
        }
        for removal in &due {
            self.judge(self.remove(&removal.path))?;
        }
        Ok(due.len())
    }

    fn remove(&self, path: &Path) -> Result<(), StorageError> {
        let removed = match self.disk.metadata(path) {
            Ok(meta) if meta.is_dir => self.disk.remove_dir_all(path),
            Ok(_) => self.disk.remove_file(path),
            Err(error) => Err(error),
        };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StorageError::io("remove", path)(error))
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("Directory");
        fields.field("path", &self.path).field("id", &self.id).field("failure", &self.failure);
        fields.finish_non_exhaustive()
    }
}

/// How often one directory says that it is full.
const TOLD_EACH_MS: i64 = 60_000;
/// So often files are closed for one that the system does not let the process open.
const TRIES_TO_OPEN: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_told_once_a_minute_whatever_the_clock_does() {
        let told = Seldom::default();
        let due = |seconds: i64| told.is_due(Timestamp(seconds * 1_000));
        assert_eq!(
            [0, 1, 59, 60, 61, 30, 31].map(due),
            [true, false, false, true, false, true, false]
        );
    }
}
