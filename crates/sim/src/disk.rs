//! A node's disk: what it holds, what of it would survive a power cut, and how it fails.
//!
//! The rules of one file's bytes are in file.rs, those of the names in tree.rs.
//! Must hold: each call is counted, noted in the trace and refused to a life that is over; what
//! was synced always survives.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use ottla_env::sim_api::{SimDisk, SimFile, SimWorld};
use ottla_env::{DirEntry, Meta, Open};

use crate::file::{Content, SharedFile, Space};
use crate::node::Life;
use crate::prng::Prng;
use crate::tree::{Name, Tree, components};

/// A disk, which outlives the lives of its node.
pub(crate) struct DiskState {
    state: Mutex<State>,
}

pub(crate) struct State {
    pub(crate) tree: Tree,
    pub(crate) space: Arc<Space>,
    /// How many calls were made.
    pub(crate) calls: u64,
    /// How many of them were syncs of a file, a folder or a tree.
    pub(crate) syncs: u64,
    /// From which call on everything fails.
    pub(crate) fails_from: Option<u64>,
    broken: Vec<Rule>,
    /// Below which paths files are not synced although it is said that they are.
    lies_below: Vec<Vec<String>>,
    /// How long a slow disk takes, in microseconds; none when it is fast.
    pub(crate) slow_us: Option<Range<u64>>,
    /// How long what runs on the pool of blocking calls takes in addition; none when nothing hangs.
    pub(crate) hangs_for: Option<Duration>,
    /// How many files a life of the node may have open; no limit when there is none.
    pub(crate) open_files_max: Option<u64>,
    /// How many the current life has open.
    open_files: u64,
    locks: BTreeSet<Vec<String>>,
    /// Forgets the locks of earlier lives.
    life: u64,
}

/// A part of the disk that fails.
struct Rule {
    below: Vec<String>,
    what: Broken,
    fault: Fault,
}

/// What fails below a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Broken {
    /// Reading bytes of files.
    Reads,
    /// Writing bytes, cutting files and changing names.
    Writes,
    /// Syncing; what was written since the last good sync is then lost at a power cut, even if
    /// a later sync succeeds.
    Syncs,
    /// Everything.
    All,
}

/// With which error something fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The device does not answer: EIO.
    Device,
    /// The process has no right to it: EACCES. Opening for writing fails where writing does.
    Denied,
    /// The file system was mounted read-only, or made itself so: EROFS, as above.
    ReadOnly,
    /// There is no room: ENOSPC, whatever the disk's capacity says.
    Full,
    /// The system has no memory for it: ENOMEM.
    Memory,
}

impl Fault {
    fn error(self) -> io::Error {
        io::Error::from_raw_os_error(match self {
            Fault::Device => EIO,
            Fault::Denied => EACCES,
            Fault::ReadOnly => EROFS,
            Fault::Full => ENOSPC,
            Fault::Memory => ENOMEM,
        })
    }
}

impl DiskState {
    pub(crate) fn new() -> DiskState {
        let state = State {
            tree: Tree::new(),
            space: Arc::new(Space::new(CAPACITY_BYTES)),
            calls: 0,
            syncs: 0,
            fails_from: None,
            broken: Vec::new(),
            lies_below: Vec::new(),
            slow_us: None,
            hangs_for: None,
            open_files_max: None,
            open_files: 0,
            locks: BTreeSet::new(),
            life: 0,
        };
        DiskState { state: Mutex::new(state) }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The power is cut: what was not synced is kept, lost, torn or reordered.
    pub(crate) fn crash(&self, prng: &mut Prng) {
        self.state().tree.crash(prng);
    }
}

impl Default for DiskState {
    fn default() -> DiskState {
        DiskState::new()
    }
}

/// What a call does, for the trace and for what is broken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    Look,
    /// Opening a file that may be written.
    OpenToWrite,
    Read,
    Write,
    Sync,
}

/// The disk as one life of the node sees it.
#[derive(Clone)]
pub(crate) struct DiskView {
    life: Arc<Life>,
    disk: Arc<DiskState>,
}

impl DiskView {
    pub(crate) fn new(life: Life, disk: Arc<DiskState>) -> DiskView {
        DiskView { life: Arc::new(life), disk }
    }

    /// Counts and notes a call, and fails it where it has to fail.
    fn call(
        &self,
        act: Act,
        what: &str,
        path: &[String],
        len: usize,
    ) -> io::Result<MutexGuard<'_, State>> {
        if !self.life.alive() {
            return Err(io::Error::other("this node is down"));
        }
        let node = self.life.node;
        self.life.shared.core().note(format_args!("disk {node} {what} {path:?} {len}"));
        let mut state = self.disk.state();
        if state.life != self.life.life {
            state.life = self.life.life;
            state.locks.clear();
            state.open_files = 0;
        }
        state.calls += 1;
        state.syncs += u64::from(act == Act::Sync);
        if state.fails_from.is_some_and(|from| state.calls > from) {
            return Err(Fault::Device.error());
        }
        let breaks = |rule: &&Rule| match rule.what {
            Broken::Reads => act == Act::Read,
            Broken::Writes if matches!(rule.fault, Fault::Denied | Fault::ReadOnly) => {
                matches!(act, Act::Write | Act::OpenToWrite)
            }
            Broken::Writes => act == Act::Write,
            Broken::Syncs => act == Act::Sync,
            Broken::All => true,
        };
        let mut rules = state.broken.iter().filter(|rule| path.starts_with(&rule.below));
        if let Some(rule) = rules.find(breaks) {
            return Err(rule.fault.error());
        }
        if let Some(range) = state.slow_us.clone().filter(|_| act == Act::Write) {
            drop(state);
            self.life.stall_sometimes(&range);
            return Ok(self.disk.state());
        }
        Ok(state)
    }

    fn now_ms(&self) -> i64 {
        self.life.now_ms()
    }
}

impl SimDisk for DiskView {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let path = components(path)?;
        self.call(Act::Write, "mkdir", &path, 0)?.tree.create_dir_all(&path)
    }

    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn SimFile>> {
        let path = components(path)?;
        let act = if how == Open::Read { Act::Look } else { Act::OpenToWrite };
        let mut state = self.call(act, "open", &path, 0)?;
        if state.open_files_max.is_some_and(|max| state.open_files >= max) {
            return Err(io::Error::from_raw_os_error(EMFILE));
        }
        let file = match state.tree.find(&path) {
            Ok(_) if how == Open::CreateNew => return Err(io::ErrorKind::AlreadyExists.into()),
            Ok(Name::File(file)) => file,
            Ok(Name::Dir(_)) => return Err(io::ErrorKind::IsADirectory.into()),
            Err(error) if matches!(how, Open::Read | Open::ReadWrite) => return Err(error),
            Err(_) => {
                let content = Content::new(state.space.clone(), self.now_ms());
                let file = SharedFile::new(content);
                state.tree.insert(&path, Name::File(file.clone()))?;
                file
            }
        };
        let writable = how != Open::Read;
        if writable && file.content().read_only {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        state.open_files += 1;
        drop(state);
        Ok(Arc::new(OpenFile { view: self.clone(), path, file, writable }))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let path = components(path)?;
        self.call(Act::Look, "list", &path, 0)?.tree.list(&path)
    }

    fn metadata(&self, path: &Path) -> io::Result<Meta> {
        let path = components(path)?;
        Ok(match self.call(Act::Look, "stat", &path, 0)?.tree.find(&path)? {
            Name::Dir(_) => Meta { len: 0, modified_ms: 0, is_dir: true },
            Name::File(file) => {
                let content = file.content();
                Meta { len: content.len(), modified_ms: content.modified_ms, is_dir: false }
            }
        })
    }

    fn set_modified_ms(&self, path: &Path, modified_ms: i64) -> io::Result<()> {
        let path = components(path)?;
        if let Name::File(file) = self.call(Act::Write, "touch", &path, 0)?.tree.find(&path)? {
            file.content().modified_ms = modified_ms;
        }
        Ok(())
    }

    fn set_read_only(&self, path: &Path) -> io::Result<()> {
        let path = components(path)?;
        if let Name::File(file) = self.call(Act::Write, "chmod", &path, 0)?.tree.find(&path)? {
            file.content().read_only = true;
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (components(from)?, components(to)?);
        drop(self.call(Act::Write, "rename to", &to, 0)?);
        self.call(Act::Write, "rename", &from, 0)?.tree.rename(&from, &to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let path = components(path)?;
        let mut state = self.call(Act::Write, "remove", &path, 0)?;
        match state.tree.find(&path)? {
            Name::File(_) => state.tree.remove(&path),
            Name::Dir(_) => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let path = components(path)?;
        self.call(Act::Write, "remove all", &path, 0)?.tree.remove_dir_all(&path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let path = components(path)?;
        self.call(Act::Sync, "sync dir", &path, 0)?.tree.sync_dir(&path)
    }

    fn sync_tree(&self, path: &Path) -> io::Result<()> {
        let path = components(path)?;
        self.call(Act::Sync, "sync tree", &path, 0)?.tree.sync_all(&path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        drop(self.open(path, Open::Create)?);
        let path = components(path)?;
        let mut state = self.call(Act::Look, "lock", &path, 0)?;
        if !state.locks.insert(path.clone()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(Locked { view: self.clone(), path }))
    }

    fn open_files_max(&self) -> Option<u64> {
        self.disk.state().open_files_max
    }

    fn space(&self, path: &Path) -> io::Result<ottla_env::Space> {
        let path = components(path)?;
        let mut state = self.call(Act::Look, "space", &path, 0)?;
        if state.space.free() < state.space.capacity() / 16 {
            state.tree.commit();
        }
        let (total_bytes, usable_bytes) = (state.space.capacity(), state.space.free());
        Ok(ottla_env::Space { total_bytes, usable_bytes })
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        let mut state = self.view.disk.state();
        if state.life == self.view.life.life {
            state.open_files -= 1;
        }
    }
}

struct Locked {
    view: DiskView,
    path: Vec<String>,
}

impl Drop for Locked {
    fn drop(&mut self) {
        let mut state = self.view.disk.state();
        if state.life == self.view.life.life {
            state.locks.remove(&self.path);
        }
    }
}

struct OpenFile {
    view: DiskView,
    /// As it was when the file was opened: what is broken is found by it.
    path: Vec<String>,
    file: SharedFile,
    writable: bool,
}

impl OpenFile {
    /// Changes the file, once more when there is no room: a journal that is written then gives
    /// back what removed files had.
    fn write<T>(
        &self,
        what: &str,
        len: usize,
        mut change: impl FnMut(&mut Content) -> io::Result<T>,
    ) -> io::Result<T> {
        let changed = change(&mut *self.writing(what, len)?);
        match changed {
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                self.view.disk.state().tree.commit();
                change(&mut self.file.content())
            }
            changed => changed,
        }
    }

    fn writing(&self, what: &str, len: usize) -> io::Result<MutexGuard<'_, Content>> {
        if !self.writable {
            return Err(io::Error::from_raw_os_error(EBADF));
        }
        drop(self.view.call(Act::Write, what, &self.path, len)?);
        let mut content = self.file.content();
        content.modified_ms = self.view.now_ms();
        Ok(content)
    }
}

impl SimFile for OpenFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        drop(self.view.call(Act::Read, "read", &self.path, buf.len())?);
        Ok(self.file.content().read_at(buf, position))
    }

    fn read_at_resident(&self, buf: &mut [u8], position: u64) -> io::Result<Option<usize>> {
        if self.view.life.shared.core().prng.once_in(8) {
            return Ok(None);
        }
        self.read_at(buf, position).map(Some)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize> {
        self.write("write", bytes.len(), |content| content.write_at(bytes, position))
    }

    fn len(&self) -> io::Result<u64> {
        drop(self.view.call(Act::Look, "len", &self.path, 0)?);
        Ok(self.file.content().len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.write("cut", 0, |content| content.set_len(len))
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.write("allocate", 0, |content| content.allocate(len))
    }

    fn sync(&self) -> io::Result<()> {
        let called = self.view.call(Act::Sync, "sync", &self.path, 0).map(drop);
        if !self.view.life.alive() {
            return called;
        }
        let is_lie = self.view.disk.state().lies_below.iter().any(|it| self.path.starts_with(it));
        let mut content = self.file.content();
        match &called {
            Ok(()) if is_lie => {}
            Ok(()) => content.sync(),
            Err(_) => content.sync_failed(),
        }
        called
    }
}

/// What tests see and do to the disk of a node, whether the node is up or down.
#[derive(Clone)]
pub struct Platter {
    disk: Arc<DiskState>,
}

impl Platter {
    pub(crate) fn new(disk: Arc<DiskState>) -> Platter {
        Platter { disk }
    }

    /// How many syncs of a file, a folder or a tree there were.
    pub fn syncs(&self) -> u64 {
        self.disk.state().syncs
    }

    /// How many calls there were.
    pub fn calls(&self) -> u64 {
        self.disk.state().calls
    }

    /// Lets `calls` more calls pass; all after them fail with EIO, until [`Platter::repair`].
    pub fn fail_after(&self, calls: u64) {
        let mut state = self.disk.state();
        state.fails_from = Some(state.calls + calls);
    }

    /// Makes calls below a path fail with EIO, until [`Platter::repair`].
    pub fn break_below(&self, path: impl AsRef<Path>, what: Broken) {
        self.fail_below(path, what, Fault::Device);
    }

    /// Makes calls below a path fail with an error, until [`Platter::repair`].
    pub fn fail_below(&self, path: impl AsRef<Path>, what: Broken, fault: Fault) {
        let below = components(path.as_ref()).expect("a test's path is valid");
        self.disk.state().broken.push(Rule { below, what, fault });
    }

    /// Makes the disk slow, until [`Platter::repair`]: what runs on the pool of blocking calls
    /// takes longer by a time in this range, in microseconds, and so does one in sixteen writes,
    /// which stalls the whole node as a page cache does that must write back first.
    pub fn slow_us(&self, range: Range<u64>) {
        self.disk.state().slow_us = Some(range);
    }

    /// Makes the disk say that files below a path are synced without syncing them, until
    /// [`Platter::repair`]: as drives with a cache do, and programs that forget to ask.
    pub fn lie_below(&self, path: impl AsRef<Path>) {
        let below = components(path.as_ref()).expect("a test's path is valid");
        self.disk.state().lies_below.push(below);
    }

    /// Lets all that runs on the pool of blocking calls hang for so long, until
    /// [`Platter::repair`]: what hangs by then comes back when its time is over. Nothing else
    /// waits, as with a page cache in front of a disk that does not answer.
    pub fn hang_for(&self, time: Duration) {
        self.disk.state().hangs_for = Some(time);
    }

    /// Lets each life of the node have at most `max` files open; opening more fails with EMFILE.
    pub fn open_files_max(&self, max: u64) {
        self.disk.state().open_files_max = Some(max);
    }

    /// How many files the current life of the node has open.
    pub fn open_files(&self) -> u64 {
        self.disk.state().open_files
    }

    /// Ends what `fail_after`, `break_below`, `fail_below`, `lie_below`, `slow_us` and
    /// `hang_for` began.
    pub fn repair(&self) {
        let mut state = self.disk.state();
        state.fails_from = None;
        state.broken.clear();
        state.lies_below.clear();
        state.slow_us = None;
        state.hangs_for = None;
    }

    /// How many bytes fit on the disk; what does not fit is refused with ENOSPC.
    pub fn set_capacity(&self, bytes: u64) {
        self.disk.state().space.set_capacity(bytes);
    }

    /// How many bytes are taken, in whole pages.
    pub fn used(&self) -> u64 {
        self.disk.state().space.used()
    }

    /// Flips all bits of a stored byte, as a failing medium does.
    ///
    /// # Errors
    /// There is no such file, or it has no such byte.
    pub fn rot(&self, path: impl AsRef<Path>, position: u64) -> io::Result<()> {
        let path = components(path.as_ref())?;
        match self.disk.state().tree.find(&path)? {
            Name::File(file) => file.content().rot(position),
            Name::Dir(_) => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    /// The files below a path with their lengths, sorted, as a life of the node would see them.
    pub fn files(&self, path: impl AsRef<Path>) -> Vec<(PathBuf, u64)> {
        let path = components(path.as_ref()).unwrap_or_default();
        self.disk.state().tree.files(&path)
    }
}

/// The numbers that Linux and macOS share.
const EIO: i32 = 5;
const EBADF: i32 = 9;
const ENOMEM: i32 = 12;
const EACCES: i32 = 13;
const EMFILE: i32 = 24;
const EROFS: i32 = 30;
pub(crate) const ENOSPC: i32 = 28;

/// More than any simulation writes.
const CAPACITY_BYTES: u64 = 1 << 40;
