//! The files that the logs of one log directory have open, and how many those may be.
//!
//! A file is opened when somebody needs it and closed when others need its place: the one that
//! nobody used for long goes first, as a clock's hand finds it. Not here: who waits before an
//! append that would open more (admit.rs), and which logs are synced so that their files may be
//! closed (writeback.rs). Must hold: a file stays open between a change and the end of the sync
//! that covers it, so that no error of the disk goes unheard; what is counted is every file that
//! is open, also one that only a reply still reads; whoever holds the lock of one file, as he who
//! opens it does while he makes room, only tries those of others, so that no two wait for each
//! other.

use std::fmt;
use std::io;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};

use ottla_env::{File, OnFault, Open};
use ottla_wire::Offset;

use crate::admit::Queue;
use crate::changes::Changes;
use crate::error::StorageError;
use crate::home::Home;
use crate::log::lock;
use crate::names::FileKind;

/// The open files of a log directory.
#[derive(Debug)]
pub(crate) struct OpenFiles {
    max: AtomicUsize,
    open: AtomicUsize,
    /// What those may open who were let in and did not append yet.
    promised: AtomicUsize,
    ring: Mutex<Ring>,
    /// Whether a file had to be opened beyond the bound, or an append waits for room: files are
    /// to be synced, so that they may be closed.
    is_crowded: AtomicBool,
    /// Those who wait until there are fewer.
    pub(crate) queue: Queue,
}

/// Whose turn it is to be closed.
#[derive(Debug, Default)]
struct Ring {
    opened: Vec<Weak<Opened>>,
    hand: usize,
}

impl Ring {
    /// Lets one in that was opened. What was closed, or is gone with its log, is put out when it
    /// has become more than what is open.
    fn enter(&mut self, opened: &Arc<Opened>, open: usize) {
        if self.opened.len() > 2 * open + RING_LEAST {
            let stays = |it: &Weak<Opened>| it.upgrade().is_some_and(|it| !it.leaves_if_closed());
            self.opened.retain(stays);
        }
        self.opened.push(Arc::downgrade(opened));
    }
}

/// Room for the files of an append that is about to come.
#[derive(Debug)]
pub(crate) struct Promise(Arc<OpenFiles>);

impl Drop for Promise {
    fn drop(&mut self) {
        self.0.promised.fetch_sub(FILES_OF_APPEND, Ordering::AcqRel);
        self.0.queue.tell_first();
    }
}

impl OpenFiles {
    /// As many as `max`, or any number.
    pub(crate) fn new(max: Option<usize>) -> Arc<OpenFiles> {
        Arc::new(OpenFiles {
            max: AtomicUsize::new(max.map_or(UNBOUND, |max| max.clamp(MAX_LEAST, UNBOUND))),
            open: AtomicUsize::new(0),
            promised: AtomicUsize::new(0),
            ring: Mutex::default(),
            is_crowded: AtomicBool::new(false),
            queue: Queue::default(),
        })
    }

    /// How many files are open.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    /// How many may be.
    pub(crate) fn max(&self) -> usize {
        self.max.load(Ordering::Relaxed)
    }

    /// Whether files have to be synced, so that others may be opened.
    pub(crate) fn is_crowded(&self) -> bool {
        self.is_crowded.load(Ordering::Acquire)
    }

    /// Whether so many were closed that it is enough for a while.
    pub(crate) fn is_roomy(&self) -> bool {
        self.open() + self.promised.load(Ordering::Acquire) <= self.max() / 2
    }

    /// Room for an append to a log whose files are closed. A part of the bound is left to those
    /// who cannot wait.
    pub(crate) fn promise(self: &Arc<Self>) -> Option<Promise> {
        let limit = self.max() / 8 * 7;
        let fits = |promised: usize| self.open() + promised + FILES_OF_APPEND <= limit;
        let take = |promised: usize| fits(promised).then_some(promised + FILES_OF_APPEND);
        let try_take =
            || self.promised.fetch_update(Ordering::AcqRel, Ordering::Acquire, take).is_ok();
        let taken = try_take() || {
            self.close_clean(4 * FILES_OF_APPEND, LOOKS);
            try_take()
        };
        if !taken {
            self.is_crowded.store(true, Ordering::Release);
        }
        taken.then(|| Promise(Arc::clone(self)))
    }

    /// To be called when files were synced and closed.
    pub(crate) fn settle(&self) {
        if self.open() + self.promised.load(Ordering::Acquire) <= self.max() / 4 * 3 {
            self.is_crowded.store(false, Ordering::Release);
        }
        self.queue.tell_first();
    }

    /// Makes room for a file that is about to be opened. Who cannot wait and finds nothing but
    /// changed files goes beyond seven eighths of the bound, and syncs some himself at the bound.
    fn make_way(&self) -> io::Result<()> {
        let (open, max) = (self.open(), self.max());
        if open < max / 8 * 7 || self.close_clean(2, LOOKS) > 0 {
            return Ok(());
        }
        self.is_crowded.store(true, Ordering::Release);
        if open >= max {
            self.close_changed(SYNCED_AT_ONCE)?;
        }
        Ok(())
    }

    /// Closes files since the system lets the process open no more; answers whether any was.
    pub(crate) fn give_way(&self) -> io::Result<bool> {
        self.is_crowded.store(true, Ordering::Release);
        let some = (self.open() / 2).max(1);
        // Twice around: the first time those are spared that were used since the last.
        let looks = 2 * lock(&self.ring).opened.len();
        Ok(self.close_clean(some, looks) > 0 || self.close_changed(SYNCED_AT_ONCE)? > 0)
    }

    /// Closes up to `wanted` files that have nothing to sync and that nobody uses, looking at no
    /// more than `looks`; answers how many.
    pub(crate) fn close_clean(&self, wanted: usize, looks: usize) -> usize {
        // They are closed when the ring is free again.
        let mut closed = Vec::new();
        let mut ring = lock(&self.ring);
        for _ in 0..looks.min(2 * ring.opened.len()) {
            if closed.len() >= wanted || ring.opened.is_empty() {
                break;
            }
            if ring.hand >= ring.opened.len() {
                ring.hand = 0;
            }
            let at = ring.hand;
            let opened = ring.opened[at].upgrade();
            match opened.as_ref().map_or(Look::Closed, |opened| opened.take_if_idle()) {
                Look::InUse => ring.hand += 1,
                Look::Closed => drop(ring.opened.swap_remove(at)),
                Look::Taken(file) => {
                    ring.opened.swap_remove(at);
                    closed.push(file);
                }
            }
        }
        closed.len()
    }

    /// Syncs up to `wanted` changed files and closes them; answers how many were closed.
    pub(crate) fn close_changed(&self, wanted: usize) -> io::Result<usize> {
        let changed: Vec<Arc<Opened>> = {
            let mut ring = lock(&self.ring);
            let hand = ring.hand.min(ring.opened.len());
            let (before, behind) = ring.opened.split_at(hand);
            let all = behind.iter().chain(before).filter_map(Weak::upgrade);
            let found = all.filter(|opened| opened.may_be_closed_after_a_sync()).take(wanted);
            let found = found.collect();
            ring.hand = hand + wanted;
            found
        };
        let mut closed = 0;
        for opened in changed {
            closed += usize::from(opened.sync_and_close_if_free()?);
        }
        Ok(closed)
    }
}

/// One that is open, for as long as anybody has it.
struct Place {
    files: Arc<OpenFiles>,
    on_fault: Arc<OnFault>,
}

impl Place {
    fn take(files: &Arc<OpenFiles>, on_fault: &Arc<OnFault>) -> Place {
        files.open.fetch_add(1, Ordering::AcqRel);
        Place { files: Arc::clone(files), on_fault: Arc::clone(on_fault) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.files.open.fetch_sub(1, Ordering::AcqRel);
        self.files.queue.tell_first();
    }
}

/// What the clock's hand found.
enum Look {
    InUse,
    Closed,
    Taken(Arc<File>),
}

/// A file that was opened, and may be closed by now.
#[derive(Debug, Default)]
pub(crate) struct Opened(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// It is there as long as a change waits to be synced.
    file: Option<Arc<File>>,
    changes: Changes,
    /// Its name may stand for another file by now: it stays open as long as anyone knows it.
    is_pinned: bool,
    /// Whether somebody asked for it since the hand last came by.
    was_used: bool,
    /// Whether it is in the ring.
    is_listed: bool,
}

impl State {
    fn may_close(&self) -> bool {
        !self.is_pinned && !self.changes.is_unsynced()
    }

    fn close(&mut self) -> bool {
        let closes = self.may_close() && self.file.is_some();
        if closes {
            self.file = None;
        }
        closes
    }

    fn is_in_use(&self) -> bool {
        self.file.as_ref().is_some_and(|file| Arc::strong_count(file) > 1)
    }
}

impl Opened {
    fn take_if_idle(&self) -> Look {
        let Ok(mut state) = self.0.try_lock() else { return Look::InUse };
        if state.file.is_some()
            && (!state.may_close() || state.is_in_use() || std::mem::take(&mut state.was_used))
        {
            return Look::InUse;
        }
        state.is_listed = false;
        state.file.take().map_or(Look::Closed, Look::Taken)
    }

    /// Whether it is closed, and then leaves the ring.
    fn leaves_if_closed(&self) -> bool {
        let Ok(mut state) = self.0.try_lock() else { return false };
        let leaves = state.file.is_none();
        state.is_listed &= !leaves;
        leaves
    }

    fn may_be_closed_after_a_sync(&self) -> bool {
        let Ok(state) = self.0.try_lock() else { return false };
        state.changes.is_unsynced() && !state.is_pinned && !state.is_in_use()
    }

    /// Makes what was changed last.
    fn sync(&self) -> io::Result<()> {
        let (file, made) = {
            let state = lock(&self.0);
            if !state.changes.is_unsynced() {
                return Ok(());
            }
            // What is changed from here on is for the next one.
            (state.file.clone(), state.changes.made())
        };
        file.expect("a changed file is open").sync()?;
        lock(&self.0).changes.synced(made);
        Ok(())
    }

    /// The same, and closes it, unless somebody has its lock: whoever opens a file makes room with
    /// the lock of that one held, and two who wait for each other's would never end.
    fn sync_and_close_if_free(&self) -> io::Result<bool> {
        let (file, made) = {
            let Ok(state) = self.0.try_lock() else { return Ok(false) };
            match &state.file {
                Some(file) if state.changes.is_unsynced() => {
                    (Arc::clone(file), state.changes.made())
                }
                _ => return Ok(false),
            }
        };
        file.sync()?;
        drop(file);
        let Ok(mut state) = self.0.try_lock() else { return Ok(false) };
        state.changes.synced(made);
        Ok(state.close())
    }

    fn close(&self) -> bool {
        lock(&self.0).close()
    }
}

/// A file that is opened when it is first needed and may be closed while nobody needs it.
#[derive(Debug, Default)]
pub(crate) struct LazyFile(OnceLock<Arc<Opened>>);

/// The right to change a file; the change counts as made when this is dropped.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    opened: &'a Opened,
    file: Arc<File>,
}

impl Deref for Change<'_> {
    type Target = File;

    fn deref(&self) -> &File {
        &self.file
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        // A sync that ended before this may have missed it; until here the file is in use, and so
        // stays open.
        lock(&self.opened.0).changes.note();
    }
}

impl LazyFile {
    /// The open file, which stays open with the answer also when it is closed here.
    pub(crate) fn open(
        &self,
        home: &Home,
        base: Offset,
        kind: FileKind,
    ) -> Result<Arc<File>, StorageError> {
        self.open_in(&mut lock(&self.opened().0), home, base, kind)
    }

    /// As `open`, for who changes the file.
    pub(crate) fn change(
        &self,
        home: &Home,
        base: Offset,
        kind: FileKind,
    ) -> Result<Change<'_>, StorageError> {
        let file = self.open(home, base, kind)?;
        Ok(Change { opened: self.opened(), file })
    }

    /// Opens the file for good, before its name goes to another one.
    pub(crate) fn pin(
        &self,
        home: &Home,
        base: Offset,
        kind: FileKind,
    ) -> Result<(), StorageError> {
        let mut state = lock(&self.opened().0);
        self.open_in(&mut state, home, base, kind)?;
        state.is_pinned = true;
        Ok(())
    }

    fn open_in(
        &self,
        state: &mut State,
        home: &Home,
        base: Offset,
        kind: FileKind,
    ) -> Result<Arc<File>, StorageError> {
        state.was_used = true;
        if let Some(file) = &state.file {
            return Ok(Arc::clone(file));
        }
        let directory = &home.directory;
        let files = &directory.files;
        directory.judge_sync(files.make_way())?;
        let name = crate::names::file_name(base, kind);
        let file = directory
            .with_reserve(|| home.on(&name, "open", |path| home.disk().open(path, Open::Create)))?;
        let place = Place::take(files, directory.on_fault());
        let file = file.owned_by(Arc::new(move |error: &io::Error| (place.on_fault)(error)));
        if !std::mem::replace(&mut state.is_listed, true) {
            lock(&files.ring).enter(self.opened(), files.open());
        }
        Ok(Arc::clone(state.file.insert(Arc::new(file))))
    }

    /// Makes what was changed last.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.0.get().map_or(Ok(()), |opened| opened.sync())
    }

    /// Whether a sync would find anything to do.
    pub(crate) fn is_unsynced(&self) -> bool {
        self.0.get().is_some_and(|opened| lock(&opened.0).changes.is_unsynced())
    }

    pub(crate) fn is_open(&self) -> bool {
        self.0.get().is_some_and(|opened| lock(&opened.0).file.is_some())
    }

    /// Closes the file unless something of it waits to be synced.
    pub(crate) fn close(&self) {
        if let Some(opened) = self.0.get() {
            opened.close();
        }
    }

    /// Closes a file that is about to be removed.
    pub(crate) fn forget(&self) {
        if let Some(opened) = self.0.get() {
            let mut state = lock(&opened.0);
            *state = State { is_listed: state.is_listed, ..State::default() };
        }
    }

    fn opened(&self) -> &Arc<Opened> {
        self.0.get_or_init(Arc::default)
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place")
    }
}

/// The log, its two indexes and one that is written beside them.
const FILES_OF_APPEND: usize = 4;
/// So many files are looked at before one more is opened.
const LOOKS: usize = 256;
/// Who cannot wait syncs so many files himself when there is nothing else to close.
const SYNCED_AT_ONCE: usize = 8;
/// The ring is not looked through for so few.
const RING_LEAST: usize = 64;
/// With fewer a log could not be read.
const MAX_LEAST: usize = 32;
/// As good as no bound, without the risk of going beyond a number's end.
const UNBOUND: usize = usize::MAX / 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_closed_or_is_gone_leaves_the_ring() {
        let mut ring = Ring::default();
        let closed = Arc::new(Opened::default());
        for _ in 0..1_000 {
            ring.enter(&Arc::new(Opened::default()), 0);
            ring.enter(&closed, 0);
        }
        assert!(ring.opened.len() <= RING_LEAST + 2);
    }
}
