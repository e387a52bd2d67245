//! Opening a log: what a clean stop left is trusted, what a crash left is read again.
//!
//! The order is Apache Kafka's: leftovers of deletions and compactions first, then segments, then
//! recovery above the recovery point, then epochs and producers. Not here: the reading again
//! itself (recover.rs) and the producers' files (reload.rs). Must hold: bytes below the recovery
//! point are only read to learn of producers, and nothing behind a torn batch survives.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use ottla_wire::{Offset, Timestamp, TopicId};

use crate::append::jitter;
use crate::config::LogConfig;
use crate::directory::Directory;
use crate::epochs::{self, Epochs};
use crate::error::StorageError;
use crate::home::Home;
use crate::log::{Loaded, Log, Writer, write_unsynced};
use crate::lost_epochs;
use crate::names::{FileKind, file_name, parse_file};
use crate::partition_metadata;
use crate::producers::Producers;
use crate::recover::{Doubtful, Recovery, recover, scan_tail};
use crate::reload::{self, Reloaded};
use crate::reserve::Share;
use crate::segment::{Growth, Segment};
use crate::swap;

/// What is needed to open a log.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The log directory.
    pub directory: Arc<Directory>,
    /// The partition's own directory, made when it is not there.
    pub path: PathBuf,
    /// `topic-partition`, for messages.
    pub name: String,
    /// Its configs.
    pub config: Arc<LogConfig>,
    /// Whether the log was closed in order.
    pub clean: bool,
    /// The log start of the checkpoint, or 0.
    pub start: Offset,
    /// The recovery point of the checkpoint, or 0.
    pub recovery_point: Offset,
    /// The high watermark of the checkpoint, or 0.
    pub high_watermark: Offset,
    /// The clock.
    pub now: Timestamp,
    /// Where the jitter of segments begins.
    pub random: u64,
}

impl Log {
    /// Opens the log of a directory, after a clean stop or a crash.
    pub fn open(opening: Opening) -> Result<Arc<Log>, StorageError> {
        let directory = Arc::clone(&opening.directory);
        directory.check()?;
        directory.judge(Loader::new(opening).and_then(Loader::load))
    }
}

impl Log {
    /// The log of a partition that has no directory yet: it is made with the first append, so that
    /// a partition that nobody writes to takes nothing on the disk, and a start does not look for
    /// it. Apache Kafka makes the directories that it misses.
    pub(crate) fn unmade(opening: Opening, topic_id: TopicId) -> Result<Arc<Log>, StorageError> {
        opening.directory.check()?;
        let home = Home::unmade(Arc::clone(&opening.directory), opening.path.clone());
        let (start, now) = (opening.start, opening.now);
        let mut random = opening.random;
        let jitter_ms = jitter(&mut random, opening.config.segment_jitter_ms);
        let growth = Growth { jitter_ms, ..Growth::default() };
        Ok(Log::from_loaded(Loaded {
            segments: vec![Arc::new(Segment::new(Arc::clone(&home), start, 0, now))],
            home,
            name: opening.name,
            topic_id: Some(topic_id),
            config: opening.config,
            writer: Writer { growth, random, ..Writer::default() },
            producers: Producers::default(),
            epochs: Epochs::default(),
            end: start,
            start,
            high_watermark: start,
            recovery_point: start,
            unsynced_files: Vec::new(),
            doubtful: Vec::new(),
            names_unsynced: false,
            home_unsynced: false,
            now,
        }))
    }
}

struct Loader {
    opening: Opening,
    home: Arc<Home>,
    is_new: bool,
    segments: Vec<Arc<Segment>>,
    snapshots: Vec<Offset>,
    epochs: Epochs,
    changed_files: Vec<String>,
    doubtful: Vec<Doubtful>,
    /// Whether the epochs of all batches have to be looked up in the log.
    epochs_lost: bool,
}

impl Loader {
    fn new(opening: Opening) -> Result<Loader, StorageError> {
        let home = Home::new(Arc::clone(&opening.directory), opening.path.clone());
        let is_new = !home.disk().exists(&opening.path);
        if is_new {
            home.make(Some(Share::All))?;
        }
        Ok(Loader {
            opening,
            home,
            is_new,
            segments: Vec::new(),
            snapshots: Vec::new(),
            epochs: Epochs::default(),
            changed_files: Vec::new(),
            doubtful: Vec::new(),
            epochs_lost: false,
        })
    }

    fn load(mut self) -> Result<Arc<Log>, StorageError> {
        swap::finish(&self.home)?;
        self.find_segments()?;
        let mut listed = self.segments.len() + self.snapshots.len();
        let topic_id = self.read_topic_id()?;
        self.epochs = self.read_epochs_file()?;
        let before = self.epochs.clone();
        self.drop_stray_snapshots()?;
        let (end, recovered) = self.find_end()?;
        let (end, recovered) = self.start_over_if_cut_off(end, recovered)?;
        if self.segments.is_empty() {
            self.segments.push(self.segment(self.opening.start, 0));
            listed += 1;
        }
        let start = self.opening.start.max(self.segments[0].base);
        let known_from = self.epochs.entries().first().map(|first| first.start.min(end));
        self.epochs.truncate_from_end(end);
        self.epochs.truncate_from_start(start);
        if let Some(until) = known_from.filter(|from| !self.opening.clean && *from > start) {
            self.read_epochs(start, until)?;
        }
        if self.epochs != before {
            write_unsynced(&self.home, epochs::FILE, self.epochs.format().as_bytes(), Share::All)?;
            self.changed_files.push(epochs::FILE.to_owned());
        }
        let reloaded = match recovered {
            Some(reloaded) => reloaded,
            None => self.reload(start, end)?,
        };
        if self.segments.len() + self.snapshots.len() < listed {
            // Segments and snapshots that were dropped must not come back behind new records.
            let path = self.home.path();
            self.home.directory.sync_dir(&path)?;
        }
        self.finish(topic_id, start, end, reloaded)
    }

    fn finish(
        mut self,
        topic_id: Option<TopicId>,
        start: Offset,
        end: Offset,
        reloaded: Reloaded,
    ) -> Result<Arc<Log>, StorageError> {
        let Reloaded { mut producers, snapshot_at, .. } = reloaded;
        let opening = &self.opening;
        let high_watermark = opening.high_watermark.clamp(start, end.max(start));
        producers.replicated_to(high_watermark);
        let recovery_point = match opening.clean {
            true => end,
            false => opening.recovery_point.min(end),
        };
        let mut random = opening.random;
        let jitter_ms = jitter(&mut random, opening.config.segment_jitter_ms);
        let growth = Growth { jitter_ms, ..Growth::default() };
        let mut writer = Writer { growth, random, snapshot_at, ..Writer::default() };
        if !opening.clean && end > start && snapshot_at != Some(end) {
            let name = reload::write_snapshot(&self.home, end, &producers)?;
            self.changed_files.push(name);
            writer.snapshot_at = Some(end);
        }
        if !opening.clean {
            // Nobody knows what of it was synced.
            let small = [partition_metadata::FILE, epochs::FILE].map(str::to_owned);
            self.changed_files.extend(small);
            let snapshots = self.snapshots.iter().map(|at| file_name(*at, FileKind::Snapshot));
            self.changed_files.extend(snapshots);
        }
        Ok(Log::from_loaded(Loaded {
            names_unsynced: !self.changed_files.is_empty() || !opening.clean,
            home_unsynced: self.is_new || !opening.clean,
            home: self.home,
            name: self.opening.name,
            topic_id,
            config: self.opening.config,
            segments: self.segments,
            writer,
            producers,
            epochs: self.epochs,
            end,
            start,
            high_watermark,
            recovery_point,
            unsynced_files: self.changed_files,
            doubtful: self.doubtful,
            now: self.opening.now,
        }))
    }

    fn segment(&self, base: Offset, size: u64) -> Arc<Segment> {
        Arc::new(Segment::new(Arc::clone(&self.home), base, size, self.opening.now))
    }

    /// Lists segments and snapshots; removes indexes that have no segment.
    fn find_segments(&mut self) -> Result<(), StorageError> {
        let path = self.home.path();
        let listed = self.home.disk().list(&path).map_err(StorageError::io("list", &path))?;
        let mut files: BTreeMap<Offset, Vec<FileKind>> = BTreeMap::new();
        for entry in listed.iter().filter(|entry| !entry.is_dir) {
            if let Some((offset, kind)) = parse_file(&entry.name) {
                files.entry(offset).or_default().push(kind);
            }
        }
        for (offset, kinds) in files {
            let has_log = kinds.contains(&FileKind::Log);
            if has_log {
                let size = self.home.len_of(offset, FileKind::Log)?.unwrap_or(0);
                self.segments.push(self.segment(offset, size));
            }
            for kind in kinds {
                match kind {
                    FileKind::Snapshot => self.snapshots.push(offset),
                    FileKind::Log => {}
                    _ if has_log => {}
                    _ => {
                        let name = file_name(offset, kind);
                        tracing::warn!(log = %self.opening.name, name, "index without a segment");
                        self.home.remove(&name)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn read_small(&self, name: &str) -> Result<Option<Vec<u8>>, StorageError> {
        let path = self.home.file(name);
        match self.home.disk().read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StorageError::io("read", &path)(error)),
        }
    }

    /// The id is on the disk before the first record is. A file without one is what a power cut
    /// leaves of an older node's.
    fn read_topic_id(&self) -> Result<Option<TopicId>, StorageError> {
        let path = self.home.file(partition_metadata::FILE);
        let Some(text) = self.read_small(partition_metadata::FILE)? else { return Ok(None) };
        if text.iter().all(|byte| *byte == 0) {
            tracing::warn!(file = %path.display(), "empty file, as a power cut leaves it: ignored");
            return Ok(None);
        }
        partition_metadata::parse(&text)
            .map(Some)
            .map_err(|what| StorageError::corrupt(&path, what))
    }

    /// After a crash the file may be empty though an older one was synced: it is replaced without
    /// a sync, and a power cut may keep the name alone. Then the whole log is read for it.
    fn read_epochs_file(&mut self) -> Result<Epochs, StorageError> {
        let text = self.read_small(epochs::FILE)?;
        match text.as_deref().map(Epochs::parse) {
            Some(Ok(epochs)) if text.is_some_and(|text| !text.is_empty()) => Ok(epochs),
            Some(Err(what)) if self.opening.clean => {
                Err(StorageError::corrupt(&self.home.file(epochs::FILE), what))
            }
            lost => {
                self.epochs_lost = !self.opening.clean;
                if let Some(Err(what)) = lost {
                    tracing::warn!(log = %self.opening.name, what, "epochs are read from the log");
                }
                Ok(Epochs::default())
            }
        }
    }

    /// After a crash a log may begin below where its epochs do: that its start was raised reaches
    /// the disk later than that the epochs below were forgotten. The batches still tell them.
    fn read_epochs(&mut self, start: Offset, until: Offset) -> Result<(), StorageError> {
        let mut epochs = lost_epochs::find(&self.segments, start, until)?;
        for entry in self.epochs.entries() {
            epochs.assign(entry.epoch, entry.start);
        }
        self.epochs = epochs;
        Ok(())
    }

    /// Of the snapshots that belong to no segment's begin only the highest may stay, and that one
    /// only when it is not below the newest segment.
    fn drop_stray_snapshots(&mut self) -> Result<(), StorageError> {
        let newest = self.segments.last().map_or(Offset(0), |segment| segment.base);
        let highest = self.snapshots.last().copied();
        let segments = &self.segments;
        let (keep, drop): (Vec<Offset>, Vec<Offset>) = self.snapshots.iter().partition(|at| {
            segments.iter().any(|segment| segment.base == **at)
                || (Some(**at) == highest && **at >= newest)
        });
        self.snapshots = keep;
        drop.into_iter().try_for_each(|at| self.home.remove(&file_name(at, FileKind::Snapshot)))
    }

    /// Finds the log's end; reads again what can't be trusted, and then knows the producers too.
    fn find_end(&mut self) -> Result<(Offset, Option<Reloaded>), StorageError> {
        let Some(last) = self.segments.last() else { return Ok((self.opening.start, None)) };
        let mut distrust = match self.epochs_lost {
            true => Some(0),
            false => self.first_broken()?,
        };
        let mut end = None;
        if self.opening.clean && distrust.is_none() {
            match scan_tail(last)? {
                Some(found) => end = Some(found),
                None => distrust = Some(self.segments.len() - 1),
            }
        }
        if let Some(end) = end {
            return Ok((end, None));
        }
        let point = match self.opening.clean {
            true => Offset(i64::MAX),
            false => self.opening.recovery_point,
        };
        let floor = self.segments.partition_point(|s| s.base <= point).saturating_sub(1);
        let from = distrust.map_or(floor, |broken| broken.min(floor));
        let point = if from < floor { self.segments[from].base } else { point };
        let recovery = Recovery {
            home: &self.home,
            name: &self.opening.name,
            config: &self.opening.config,
            start: self.opening.start,
            now: self.opening.now,
            recovery_point: match self.opening.clean {
                true => Offset(i64::MAX),
                false => self.opening.recovery_point,
            },
            trusted_below: if distrust == Some(from) { self.segments[from].base } else { point },
        };
        let found =
            recover(&recovery, &mut self.segments, from, &mut self.snapshots, &mut self.epochs)?;
        self.doubtful = found.doubtful;
        Ok((found.end, Some(found.reloaded)))
    }

    /// The first segment that lacks its index, or whose transaction index can't be read.
    fn first_broken(&self) -> Result<Option<usize>, StorageError> {
        for (at, segment) in self.segments.iter().enumerate() {
            if segment.size() == 0 {
                continue;
            }
            if self.home.len_of(segment.base, FileKind::OffsetIndex)?.is_none() {
                tracing::warn!(log = %self.opening.name, base = segment.base.0, "index is missing");
                return Ok(Some(at));
            }
            match segment.aborted.check() {
                Err(StorageError::Corrupt { what, .. }) => {
                    tracing::warn!(log = %self.opening.name, base = segment.base.0, what,
                        "transaction index is read from the log");
                    segment.aborted.reset()?;
                    return Ok(Some(at));
                }
                result => result?,
            }
        }
        Ok(None)
    }

    /// A log that ends below its start has nothing to serve and begins anew there.
    fn start_over_if_cut_off(
        &mut self,
        end: Offset,
        recovered: Option<Reloaded>,
    ) -> Result<(Offset, Option<Reloaded>), StorageError> {
        let start = self.opening.start;
        if end >= start {
            return Ok((end, recovered));
        }
        tracing::warn!(log = %self.opening.name, end = end.0, start = start.0,
            "log ends below its start: it begins anew there");
        for segment in self.segments.drain(..) {
            let names = segment.mark_deleted()?;
            names.iter().try_for_each(|name| self.home.remove(name))?;
        }
        for at in self.snapshots.drain(..) {
            self.home.remove(&file_name(at, FileKind::Snapshot))?;
        }
        self.epochs = Epochs::default();
        Ok((start, Some(Reloaded { producers: Producers::default(), snapshot_at: None })))
    }

    fn reload(&mut self, start: Offset, end: Offset) -> Result<Reloaded, StorageError> {
        let expire_after_ms = self.opening.config.producer_expiration_ms;
        if self.opening.clean && self.snapshots.is_empty() && end > start {
            // Kafka takes the absence of snapshots after a clean stop for the absence of producers.
            let producers = Producers::default();
            let name = reload::write_snapshot(&self.home, end, &producers)?;
            self.changed_files.push(name);
            return Ok(Reloaded { producers, snapshot_at: Some(end) });
        }
        let source = reload::Source {
            home: &self.home,
            segments: &self.segments,
            now: self.opening.now,
            expire_after_ms,
        };
        reload::reload(&source, &mut self.snapshots, start, end)
    }
}
