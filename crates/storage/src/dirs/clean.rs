//! Compaction over all log directories: which log is next, how far each was cleaned, and which
//! can't be.
//!
//! Whoever runs passes asks for one, takes its steps and forgets it; several may run side by side.
//! Must hold: a log is in one pass at a time; `cleaner-offset-checkpoint` moves forward only after
//! what it tells has taken its place, and back before a log is cut below it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use ottla_env::Instant;
use ottla_wire::{DirectoryId, Offset, PartitionIndex, Timestamp};

use super::upkeep::write_checkpoint;
use super::{Dir, LogDirs};
use crate::checkpoint;
use crate::clean::{CleanError, Dirt, Fault, Outcome, Pass, Room, Stepped};
use crate::error::StorageError;
use crate::log::{Log, lock};

/// A log by its directory's id and its own name.
type Key = (DirectoryId, String);

/// Who is in a pass, and who can't be.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Since when each is.
    busy: Mutex<BTreeMap<Key, Instant>>,
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    uncleanable: BTreeMap<Key, Fault>,
    dirtiest: f64,
    overdue_ms: i64,
    chosen_at: Option<Instant>,
    passes: u64,
    bytes_before: u64,
    bytes_after: u64,
    /// The last passes, one for each cleaner that there may be.
    last: VecDeque<LastPass>,
    cleaners: usize,
}

/// What a pass came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LastPass {
    outcome: Outcome,
    seconds: u64,
}

/// What the configs `log.cleaner.*` grant one cleaner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cleaning {
    /// `log.cleaner.dedupe.buffer.size`, shared by the cleaners.
    pub key_bytes: u64,
    /// `log.cleaner.io.buffer.load.factor`
    pub load_factor: f64,
    /// `log.cleaner.io.buffer.size`, shared by the cleaners.
    pub io_bytes: u64,
    /// `log.cleaner.threads`
    pub cleaners: u64,
}

impl Cleaning {
    fn room(&self) -> Room {
        let cleaners = self.cleaners.max(1);
        Room {
            // Half of the buffer is for reading, as in Kafka; what is written has its own bound.
            read_bytes: self.io_bytes / cleaners / 2,
            key_bytes: (self.key_bytes / cleaners).min(i32::MAX.unsigned_abs().into()),
            load_factor: self.load_factor,
        }
    }
}

/// What a step of a pass came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more to do; so many bytes were read and written, which the throttle counts.
    More {
        /// Read and written.
        bytes: u64,
    },
    /// The log is compacted.
    Done,
    /// The pass ended early; why was told where it matters.
    Ended,
}

/// A log that is not compacted any more, until a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uncleanable {
    /// Its directory.
    pub directory: DirectoryId,
    /// `topic-partition`
    pub log: String,
    /// The file, the offset and what is wrong there.
    pub reason: String,
    /// The bytes that a pass would be about.
    pub dirty_bytes: u64,
}

/// What compaction has come to, for those who watch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CleaningStatus {
    /// The logs that can't be compacted.
    pub uncleanable: Vec<Uncleanable>,
    /// How dirty the dirtiest log was at the last choice, from 0 to 1.
    pub dirtiest: f64,
    /// How many passes came to their end.
    pub passes: u64,
    /// How many bytes their segments had before.
    pub bytes_before: u64,
    /// How many bytes are left of them.
    pub bytes_after: u64,
    /// By how much the log chosen last was overdue by `max.compaction.lag.ms`.
    pub overdue_ms: i64,
    /// How long ago a log was looked for last; `None` before the first time.
    pub idle_ms: Option<u64>,
    /// Bytes that the last passes have left of each hundred, one pass for each cleaner.
    pub recopied_percent: u64,
    /// The longest of the last passes.
    pub seconds_max: u64,
    /// How much of the room for keys the fullest of the last passes has taken.
    pub key_percent_max: u64,
}

impl LogDirs {
    /// The next log to compact, the dirtiest of those that are due; `None` when none is. Whoever
    /// takes it ends it with [`LogDirs::end_cleaning`], if [`LogDirs::clean`] has not. Waits for
    /// the disk.
    pub fn next_to_clean(&self, cleaning: &Cleaning, now: Timestamp) -> Option<Pass> {
        let mut busy = lock(&self.cleaning.busy);
        let mut best: Option<(Arc<Log>, Dirt)> = None;
        let (mut dirtiest, mut overdue_ms) = (0.0_f64, 0);
        for (_, log) in self.logs() {
            let config = log.config();
            let usable = config.cleanup_compact && log.directory().failure().is_none();
            if !usable {
                continue;
            }
            let key = key(&log);
            if busy.contains_key(&key) || self.is_uncleanable(&key) {
                continue;
            }
            let Some(dirt) = self.dirt_of(&log, now) else { continue };
            dirtiest = dirtiest.max(dirt.ratio());
            overdue_ms = overdue_ms.max(dirt.overdue_ms);
            let dirtier = best.as_ref().is_none_or(|(_, known)| dirt.ratio() > known.ratio());
            if dirtier && dirt.is_due(config.min_cleanable_dirty_ratio) {
                best = Some((log, dirt));
            }
        }
        let begun_at = self.env.monotonic();
        {
            let mut told = lock(&self.cleaning.told);
            (told.dirtiest, told.overdue_ms) = (dirtiest, overdue_ms);
            told.chosen_at = Some(begun_at);
            told.cleaners = usize::try_from(cleaning.cleaners).unwrap_or(1).max(1);
        }
        let (log, dirt) = best?;
        let secret = [self.env.random_u64(), self.env.random_u64()];
        match Pass::new(Arc::clone(&log), dirt, cleaning.room(), secret, now) {
            Ok(pass) => {
                busy.insert(key(&log), begun_at);
                Some(pass)
            }
            Err(error) => {
                self.told(&log, error.into());
                None
            }
        }
    }

    /// Takes a step of a pass, and ends it when it was the last. Waits for the disk.
    pub fn clean(&self, pass: &mut Pass) -> Progress {
        let log = Arc::clone(pass.log());
        let progress = match pass.step() {
            Ok(Stepped::More(bytes)) => return Progress::More { bytes },
            Ok(Stepped::Done(outcome)) => match self.done(&log, outcome) {
                Ok(()) => Progress::Done,
                Err(error) => {
                    self.told(&log, error.into());
                    Progress::Ended
                }
            },
            Err(error) => {
                self.told(&log, error);
                Progress::Ended
            }
        };
        lock(&self.cleaning.busy).remove(&key(&log));
        progress
    }

    /// Ends a pass before its end: what it has not finished is given up.
    pub fn end_cleaning(&self, mut pass: Pass) {
        pass.give_up();
        lock(&self.cleaning.busy).remove(&key(pass.log()));
    }

    /// What compaction has come to.
    pub fn cleaning_status(&self) -> CleaningStatus {
        let now = self.env.monotonic();
        let told = lock(&self.cleaning.told);
        let uncleanable = told.uncleanable.iter().map(|((directory, log), fault)| Uncleanable {
            directory: *directory,
            log: log.clone(),
            reason: fault.to_string(),
            dirty_bytes: 0,
        });
        let sum = |of: fn(&Outcome) -> u64| told.last.iter().map(|it| of(&it.outcome)).sum::<u64>();
        let (before, after) = (sum(|it| it.bytes_before), sum(|it| it.bytes_after));
        let since = |at: Instant| u64::try_from((now - at).as_millis()).unwrap_or(u64::MAX);
        let key_percent_max = told.last.iter().map(|it| it.outcome.key_percent).max();
        let mut status = CleaningStatus {
            uncleanable: uncleanable.collect(),
            dirtiest: told.dirtiest,
            passes: told.passes,
            bytes_before: told.bytes_before,
            bytes_after: told.bytes_after,
            overdue_ms: told.overdue_ms,
            idle_ms: told.chosen_at.map(since),
            recopied_percent: (100 * after) / before.max(1),
            seconds_max: told.last.iter().map(|it| it.seconds).max().unwrap_or(0),
            key_percent_max: key_percent_max.unwrap_or(0),
        };
        drop(told);
        self.count_uncleanable(&mut status.uncleanable);
        status
    }

    fn count_uncleanable(&self, uncleanable: &mut [Uncleanable]) {
        if uncleanable.is_empty() {
            return;
        }
        for (_, log) in self.logs() {
            let is_it = |it: &&mut Uncleanable| {
                it.log == log.name() && it.directory == log.directory().id()
            };
            let Some(it) = uncleanable.iter_mut().find(is_it) else { continue };
            let Some((dir, key)) = self.checkpoint_of(&log) else { continue };
            let cleaned = lock(&dir.checkpoints).cleaned.get(&key).copied();
            it.dirty_bytes = log.dirty_bytes(cleaned);
        }
    }

    /// Lowers the checkpoint of a log that is about to be cut: what will stand there is dirty.
    pub(super) fn lower_cleaned(&self, log: &Log, to: Offset) -> Result<(), StorageError> {
        let Some((dir, key)) = self.checkpoint_of(log) else { return Ok(()) };
        let known = &mut lock(&dir.checkpoints).cleaned;
        match known.get_mut(&key) {
            Some(cleaned) if *cleaned > to => {
                *cleaned = to;
                write_checkpoint(&dir.directory, checkpoint::CLEANER_OFFSETS, known)
            }
            _ => Ok(()),
        }
    }

    /// Notes of a copy what is known of its original.
    pub(super) fn carry_cleaned(&self, from: &Log, to: &Log) -> Result<(), StorageError> {
        let Some((dir, key)) = self.checkpoint_of(from) else { return Ok(()) };
        let Some(cleaned) = lock(&dir.checkpoints).cleaned.get(&key).copied() else {
            return Ok(());
        };
        let Some((dir, key)) = self.checkpoint_of(to) else { return Ok(()) };
        let known = &mut lock(&dir.checkpoints).cleaned;
        known.insert(key, cleaned);
        write_checkpoint(&dir.directory, checkpoint::CLEANER_OFFSETS, known)
    }

    /// Forgets a log that is gone.
    pub(super) fn forget_cleaned(&self, log: &Log) -> Result<(), StorageError> {
        lock(&self.cleaning.told).uncleanable.remove(&key(log));
        let Some((dir, key)) = self.checkpoint_of(log) else { return Ok(()) };
        let known = &mut lock(&dir.checkpoints).cleaned;
        match known.remove(&key) {
            Some(_) => write_checkpoint(&dir.directory, checkpoint::CLEANER_OFFSETS, known),
            None => Ok(()),
        }
    }

    fn is_uncleanable(&self, key: &Key) -> bool {
        lock(&self.cleaning.told).uncleanable.contains_key(key)
    }

    fn dirt_of(&self, log: &Log, now: Timestamp) -> Option<Dirt> {
        let (dir, key) = self.checkpoint_of(log)?;
        let cleaned = lock(&dir.checkpoints).cleaned.get(&key).copied();
        let dirt = log.directory().judge(log.dirt(cleaned, now));
        let dirt = dirt.map_err(CleanError::from).map_err(|error| self.told(log, error)).ok()?;
        if dirt.misled && cleaned.is_some() {
            // It costs a longer pass at most. With `delete` in the policy it is the rule.
            tracing::debug!(log = log.name(), ?cleaned, "the log has not what was cleaned of it");
        }
        Some(dirt)
    }

    fn done(&self, log: &Log, outcome: Outcome) -> Result<(), StorageError> {
        tracing::info!(
            log = log.name(),
            end = outcome.end.0,
            bytes_before = outcome.bytes_before,
            bytes_after = outcome.bytes_after,
            "log is compacted"
        );
        let begun_at = lock(&self.cleaning.busy).get(&key(log)).copied();
        let mut told = lock(&self.cleaning.told);
        told.passes += 1;
        told.bytes_before += outcome.bytes_before;
        told.bytes_after += outcome.bytes_after;
        let taken = begun_at.map_or(0, |at| (self.env.monotonic() - at).as_secs());
        told.last.push_front(LastPass { outcome, seconds: taken });
        let cleaners = told.cleaners;
        told.last.truncate(cleaners);
        drop(told);
        let Some((dir, key)) = self.checkpoint_of(log) else { return Ok(()) };
        // It may have been cut or deleted meanwhile: what it has not can't have been cleaned.
        let _cleaning = lock(&log.cleaning);
        if lock(&log.writer).closed {
            return Ok(());
        }
        let known = &mut lock(&dir.checkpoints).cleaned;
        known.insert(key, outcome.end.min(log.end()));
        write_checkpoint(&dir.directory, checkpoint::CLEANER_OFFSETS, known)
    }

    /// Says why a pass ended early, and marks a log that can't be compacted.
    fn told(&self, log: &Log, error: CleanError) {
        let fault = match error {
            CleanError::Overtaken => return,
            CleanError::Storage(StorageError::Corrupt { path, what }) => {
                Fault { file: path, offset: log.start(), what }
            }
            CleanError::Storage(error) => {
                // A failure of the disk is told by the directory that goes offline over it.
                let judged = log.directory().judge::<()>(Err(error));
                if let Err(error) = judged
                    && log.directory().failure().is_none()
                {
                    tracing::warn!(log = log.name(), %error, "compaction is tried again later");
                }
                return;
            }
            CleanError::Uncleanable(fault) => fault,
        };
        tracing::error!(
            log = log.name(),
            file = %fault.file.display(),
            offset = fault.offset.0,
            reason = fault.what,
            "log is not compacted any more: it keeps growing until the file is repaired, or its \
             records are deleted, and the node is started again"
        );
        lock(&self.cleaning.told).uncleanable.insert(key(log), fault);
    }

    fn checkpoint_of(&self, log: &Log) -> Option<(&Dir, (String, PartitionIndex))> {
        let (topic, partition) = log.name().rsplit_once('-')?;
        let key = (topic.to_owned(), PartitionIndex(partition.parse().ok()?));
        Some((self.dir_of(log)?, key))
    }
}

fn key(log: &Log) -> Key {
    (log.directory().id(), log.name().to_owned())
}
