//! Where one partition's files are: the partition's directory, which may be renamed or yet unmade.
//!
//! Not here: the log directory around it (directory.rs), which files are open (open_files.rs).
//! Must hold: a rename never comes between the making of a path and its use.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use ottla_env::Disk;
use ottla_wire::Offset;

use crate::directory::Directory;
use crate::error::StorageError;
use crate::names::{FileKind, file_name};
use crate::reserve::Share;

/// Where one partition's files are; renaming the partition's directory changes it for all.
///
/// A file is opened, looked at or removed under `path`, so that a rename never comes between the
/// making of a path and its use. What names several files takes `pin`, before any lock of the log.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) directory: Arc<Directory>,
    /// Whether the partition's directory is on the disk; it comes with the first append.
    made: AtomicBool,
    pinned: RwLock<()>,
    path: RwLock<PathBuf>,
}

impl Home {
    /// A directory that is there, or will be before anything else happens.
    pub(crate) fn new(directory: Arc<Directory>, path: PathBuf) -> Arc<Home> {
        Home::with(directory, path, true)
    }

    /// A directory that is yet to be made.
    pub(crate) fn unmade(directory: Arc<Directory>, path: PathBuf) -> Arc<Home> {
        Home::with(directory, path, false)
    }

    fn with(directory: Arc<Directory>, path: PathBuf, made: bool) -> Arc<Home> {
        let (made, path) = (AtomicBool::new(made), RwLock::new(path));
        Arc::new(Home { directory, made, pinned: RwLock::new(()), path })
    }

    pub(crate) fn is_made(&self) -> bool {
        self.made.load(Ordering::Acquire)
    }

    /// Notes that the directory is there, with what every partition's directory holds.
    pub(crate) fn note_made(&self) {
        self.made.store(true, Ordering::Release);
    }

    /// Makes the directory if it is not there.
    pub(crate) fn make(&self, share: Option<Share>) -> Result<(), StorageError> {
        let path = self.path();
        self.directory.with_share(share, || {
            let made = self.disk().create_dir_all(&path);
            made.map_err(StorageError::io("create", &path))
        })
    }

    /// Keeps the partition's directory under its name until the answer is dropped. Taken once per
    /// operation, before the log's own locks.
    pub(crate) fn pin(&self) -> RwLockReadGuard<'_, ()> {
        self.pinned.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn disk(&self) -> &Disk {
        self.directory.disk()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.path.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Renames the partition's directory.
    pub(crate) fn rename(&self, to: PathBuf) -> Result<(), StorageError> {
        let _nobody_pins = self.pinned.write().unwrap_or_else(PoisonError::into_inner);
        let mut path = self.path.write().unwrap_or_else(PoisonError::into_inner);
        let from = path.as_path();
        if self.is_made() {
            self.directory.with_reserve(|| {
                self.disk().rename(from, &to).map_err(StorageError::io("rename", from))
            })?;
        }
        *path = to;
        Ok(())
    }

    pub(crate) fn on<T>(
        &self,
        name: &str,
        what: &'static str,
        call: impl FnOnce(&Path) -> io::Result<T>,
    ) -> Result<T, StorageError> {
        let home = self.path.read().unwrap_or_else(PoisonError::into_inner);
        let path = home.join(name);
        call(&path).map_err(StorageError::io(what, &path))
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.read().unwrap_or_else(PoisonError::into_inner).join(name)
    }

    pub(crate) fn of(&self, base: Offset, kind: FileKind) -> PathBuf {
        self.file(&file_name(base, kind))
    }

    /// The length of a file, or `None` when it is not there.
    pub(crate) fn len_of(&self, base: Offset, kind: FileKind) -> Result<Option<u64>, StorageError> {
        self.on(&file_name(base, kind), "read the length of", |path| {
            match self.disk().metadata(path) {
                Ok(meta) => Ok(Some(meta.len)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    /// Removes a file if it is there.
    pub(crate) fn remove(&self, name: &str) -> Result<(), StorageError> {
        self.on(name, "remove", |path| match self.disk().remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        })
    }
}
