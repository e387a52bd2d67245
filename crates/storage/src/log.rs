//! A partition's log: its segments, its producers, its epochs, and how far it reaches.
//!
//! Appending is in append.rs, reading in read.rs, syncing in flush.rs, cutting in truncate.rs,
//! opening in load.rs. Not here: leadership and who may see what; the high watermark is only
//! remembered for whoever decides it. Must hold: readers never take the writer's lock; the list
//! of segments is never empty, ascends, and is replaced as a whole.
//!
//! Locks are taken in the order in which the fields stand, and never across an await.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use ottla_env::Open;
use ottla_wire::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp, TopicId};
use tokio::sync::Notify;

use crate::config::LogConfig;
use crate::directory::Directory;
use crate::epochs::{self, EpochEnd, EpochEntry, Epochs};
use crate::error::StorageError;
use crate::home::Home;
use crate::names::{METADATA_DIR, is_internal};
use crate::partition_metadata;
use crate::producers::{Producer, Producers, Standing};
use crate::recover::Doubtful;
use crate::reserve::Share;
use crate::segment::{Growth, Segment};
use crate::tail::Tail;
use crate::writeback::Place;

/// No transaction holds the last stable offset back.
pub(crate) const STABLE: i64 = i64::MAX;

/// A partition's log.
#[derive(Debug)]
pub struct Log {
    pub(crate) me: Weak<Log>,
    pub(crate) home: Arc<Home>,
    /// `topic-partition`, for messages.
    pub(crate) name: String,
    /// Whether the log goes on when the disk is full.
    pub(crate) may_use_reserve: bool,
    config: RwLock<Arc<LogConfig>>,
    /// Held while the cleaner works on the log for a moment, and by whoever cuts, drops, renames
    /// or closes what it works on.
    pub(crate) cleaning: Mutex<()>,
    /// Held while something is synced; one at a time.
    pub(crate) syncing: Mutex<()>,
    /// Whether one of those who wait for a sync is making it.
    pub(crate) commits: AtomicBool,
    /// Told when such a sync has ended.
    pub(crate) synced: Notify,
    pub(crate) writer: Mutex<Writer>,
    pub(crate) producers: Mutex<Producers>,
    epochs: Mutex<Epochs>,
    topic_id: RwLock<Option<TopicId>>,
    segments: RwLock<Arc<Vec<Arc<Segment>>>>,
    pub(crate) tail: Mutex<Tail>,
    /// Small files that were written but not synced.
    pub(crate) unsynced_files: Mutex<Vec<String>>,
    /// What a crash has left above the recovery point and no sync has covered since.
    pub(crate) doubtful: Mutex<Vec<Doubtful>>,
    pub(crate) names_unsynced: AtomicBool,
    /// Whether the name of the partition's own directory is not on the disk for sure.
    pub(crate) home_unsynced: AtomicBool,
    pub(crate) unsynced: AtomicU64,
    /// Whether the directory's list of such logs has this one.
    pub(crate) is_listed: AtomicBool,
    /// How far the active segment was written behind the appends.
    pub(crate) behind: Mutex<Place>,
    /// When the oldest unsynced byte was appended; without meaning when none is.
    pub(crate) unsynced_since: AtomicI64,
    pub(crate) end: AtomicI64,
    pub(crate) start: AtomicI64,
    pub(crate) high_watermark: AtomicI64,
    pub(crate) recovery_point: AtomicI64,
    pub(crate) first_unstable: AtomicI64,
    /// The partition was deleted or moved away: nothing of it needs to last.
    pub(crate) is_gone: AtomicBool,
}

/// What only who appends may touch.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    pub(crate) growth: Growth,
    /// Whether the active segment's index files were made.
    pub(crate) prepared: bool,
    /// For the jitter of segments.
    pub(crate) random: u64,
    /// The offset of the newest producer snapshot, and the bytes appended since.
    pub(crate) snapshot_at: Option<Offset>,
    pub(crate) since_snapshot: u64,
    /// No more appends: the log was closed or its partition deleted.
    pub(crate) closed: bool,
}

/// What `load.rs` found, from which a log is made.
pub(crate) struct Loaded {
    pub(crate) home: Arc<Home>,
    pub(crate) name: String,
    pub(crate) topic_id: Option<TopicId>,
    pub(crate) config: Arc<LogConfig>,
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) writer: Writer,
    pub(crate) producers: Producers,
    pub(crate) epochs: Epochs,
    pub(crate) end: Offset,
    pub(crate) start: Offset,
    pub(crate) high_watermark: Offset,
    pub(crate) recovery_point: Offset,
    pub(crate) unsynced_files: Vec<String>,
    pub(crate) doubtful: Vec<Doubtful>,
    pub(crate) names_unsynced: bool,
    pub(crate) home_unsynced: bool,
    pub(crate) now: Timestamp,
}

impl Drop for Log {
    fn drop(&mut self) {
        // Nobody syncs them any more, and nobody should wait for it.
        self.home.directory.unsynced.sub(*self.unsynced.get_mut());
    }
}

impl Log {
    pub(crate) fn from_loaded(loaded: Loaded) -> Arc<Log> {
        let active = loaded.segments.last().expect("a log has a segment");
        let tail = Tail::new(Arc::clone(active), loaded.end);
        let first_unstable = loaded.producers.first_unstable().map_or(STABLE, |first| first.0);
        let clamped = loaded.high_watermark.clamp(loaded.start, loaded.end.max(loaded.start));
        let log = Arc::new_cyclic(|me| Log {
            me: Weak::clone(me),
            home: loaded.home,
            may_use_reserve: is_internal(&loaded.name),
            name: loaded.name,
            config: RwLock::new(loaded.config),
            cleaning: Mutex::new(()),
            syncing: Mutex::new(()),
            commits: AtomicBool::new(false),
            synced: Notify::new(),
            writer: Mutex::new(loaded.writer),
            producers: Mutex::new(loaded.producers),
            epochs: Mutex::new(loaded.epochs),
            topic_id: RwLock::new(loaded.topic_id),
            segments: RwLock::new(Arc::new(loaded.segments)),
            tail: Mutex::new(tail),
            unsynced_files: Mutex::new(loaded.unsynced_files),
            doubtful: Mutex::new(loaded.doubtful),
            names_unsynced: AtomicBool::new(loaded.names_unsynced || loaded.home_unsynced),
            home_unsynced: AtomicBool::new(loaded.home_unsynced),
            unsynced: AtomicU64::new(0),
            is_listed: AtomicBool::new(false),
            behind: Mutex::default(),
            unsynced_since: AtomicI64::new(0),
            end: AtomicI64::new(loaded.end.0),
            start: AtomicI64::new(loaded.start.0),
            high_watermark: AtomicI64::new(clamped.0),
            recovery_point: AtomicI64::new(loaded.recovery_point.0),
            first_unstable: AtomicI64::new(first_unstable),
            is_gone: AtomicBool::new(false),
        });
        if loaded.recovery_point < loaded.end {
            // What a crash left above the recovery point is synced like new appends.
            let above = |segment: &&Arc<Segment>| segment.base >= loaded.recovery_point;
            let segments = log.segments();
            let bytes = segments.iter().filter(above).map(|segment| segment.size()).sum::<u64>();
            log.home.directory.unsynced.note_found(bytes);
            log.note_unsynced(bytes.max(1), loaded.now);
        }
        log
    }

    /// `topic-partition`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The topic's id, when the log was told one.
    pub fn topic_id(&self) -> Option<TopicId> {
        *self.topic_id.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The log directory that it lies in.
    pub fn directory(&self) -> &Arc<Directory> {
        &self.home.directory
    }

    /// The offset behind the last record.
    pub fn end(&self) -> Offset {
        Offset(self.end.load(Ordering::Acquire))
    }

    /// The first offset that is served.
    pub fn start(&self) -> Offset {
        Offset(self.start.load(Ordering::Acquire))
    }

    /// Everything below is on the disk for sure.
    pub fn recovery_point(&self) -> Offset {
        Offset(self.recovery_point.load(Ordering::Acquire))
    }

    /// The offset below which consumers may read, as it was last set.
    pub fn high_watermark(&self) -> Offset {
        Offset(self.high_watermark.load(Ordering::Acquire))
    }

    /// The offset below which no transaction is open, and not above the high watermark.
    pub fn last_stable_offset(&self) -> Offset {
        let unstable = Offset(self.first_unstable.load(Ordering::Acquire));
        self.high_watermark().min(unstable)
    }

    /// Sets the high watermark, kept inside the log; answers what it became.
    pub fn set_high_watermark(&self, offset: Offset) -> Offset {
        let offset = offset.clamp(self.start(), self.end().max(self.start()));
        self.high_watermark.store(offset.0, Ordering::Release);
        if self.first_unstable.load(Ordering::Acquire) != STABLE {
            let mut producers = lock(&self.producers);
            producers.replicated_to(offset);
            self.note_unstable(&producers);
        }
        offset
    }

    /// The configs as they are at the moment.
    pub fn config(&self) -> Arc<LogConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the configs.
    pub fn configure(&self, config: Arc<LogConfig>) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// Tells the log which topic it belongs to; refuses one that differs from what is on disk.
    pub fn assign_topic_id(&self, id: TopicId) -> Result<(), StorageError> {
        let _pin = self.home.pin();
        let _writer = lock(&self.writer);
        let mut known = self.topic_id.write().unwrap_or_else(PoisonError::into_inner);
        match *known {
            Some(known) if known == id => Ok(()),
            Some(known) => Err(StorageError::Refused(format!(
                "{} belongs to topic id {known}, not {id}: move its directory away to go on",
                self.home.path().display()
            ))),
            None => {
                let share = if self.may_use_reserve { Share::All } else { Share::Half };
                self.write_topic_id(id, Some(share))?;
                *known = Some(id);
                Ok(())
            }
        }
    }

    /// The file's bytes are synced at once, so that no power cut leaves records of a topic that
    /// nobody knows: its name comes before those of the segments. The metadata log's is always the
    /// same.
    fn write_topic_id(&self, id: TopicId, share: Option<Share>) -> Result<(), StorageError> {
        let text = partition_metadata::format(id);
        let lasts = self.name != METADATA_DIR;
        write_file(&self.home, partition_metadata::FILE, text.as_bytes(), share, lasts)?;
        match lasts {
            true => self.names_unsynced.store(true, Ordering::Release),
            false => self.note_unsynced_file(partition_metadata::FILE.to_owned()),
        }
        Ok(())
    }

    /// Makes the partition's directory if there is none yet, with the files that tell the topic
    /// and the leaders' epochs. An empty log has one epoch at most, the one that the metadata
    /// names, so that nothing is lost when a start finds no directory.
    pub(crate) fn make_home(&self, writer: &Writer) -> Result<(), StorageError> {
        if self.home.is_made() {
            return Ok(());
        }
        if writer.closed {
            return Err(StorageError::Refused(format!("the log of {} is closed", self.name)));
        }
        let made = self.try_make_home();
        self.home.directory.judge(made)
    }

    fn try_make_home(&self) -> Result<(), StorageError> {
        // It is made for records: those of clients take nothing of the reserve.
        let share = self.may_use_reserve.then_some(Share::All);
        self.home.make(share)?;
        self.home_unsynced.store(true, Ordering::Release);
        self.names_unsynced.store(true, Ordering::Release);
        let epochs = lock(&self.epochs);
        if let Some(id) = self.topic_id() {
            self.write_topic_id(id, share)?;
        }
        if epochs.latest().is_some() {
            self.replace_file(epochs::FILE, epochs.format().as_bytes(), share)?;
        }
        self.home.note_made();
        Ok(())
    }

    /// Whether the partition's directory is on the disk.
    pub fn is_made(&self) -> bool {
        self.home.is_made()
    }

    /// How many bytes of batches the log holds.
    pub fn size(&self) -> u64 {
        self.segments().iter().map(|segment| segment.size()).sum()
    }

    /// In how many segments they lie.
    pub fn segment_count(&self) -> usize {
        self.segments().len()
    }

    /// The newest leader epoch that wrote to the log or was assigned.
    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        lock(&self.epochs).latest()
    }

    /// The epoch history, oldest first.
    pub fn epoch_entries(&self) -> Vec<EpochEntry> {
        lock(&self.epochs).entries().to_vec()
    }

    /// The epoch in which `offset` was written.
    pub fn epoch_of(&self, offset: Offset) -> Option<LeaderEpoch> {
        lock(&self.epochs).epoch_of(offset)
    }

    /// The highest epoch not above `epoch`, and the offset where it ended.
    pub fn end_offset_for_epoch(&self, epoch: LeaderEpoch) -> EpochEnd {
        lock(&self.epochs).end_offset_for(epoch, self.end())
    }

    /// Notes that this replica leads with `epoch` from the log's end on.
    pub fn assign_epoch(&self, epoch: LeaderEpoch) -> Result<(), StorageError> {
        let _pin = self.home.pin();
        let _writer = lock(&self.writer);
        self.home.directory.check()?;
        self.change_epochs(|epochs| epochs.assign(epoch, self.end()))
    }

    /// The producers as they are, for DescribeProducers.
    pub fn producers(&self) -> Vec<(ProducerId, Producer)> {
        lock(&self.producers).iter().map(|(id, producer)| (id, producer.clone())).collect()
    }

    /// Where a producer stands as far as this log knows.
    pub fn standing(&self, id: ProducerId, epoch: ProducerEpoch) -> Standing {
        lock(&self.producers).standing(id, epoch)
    }

    /// Forgets producers that were idle for longer than the config allows.
    pub fn expire_producers(&self, now: Timestamp) {
        let after_ms = self.config().producer_expiration_ms;
        lock(&self.producers).expire(now, after_ms);
    }

    /// Closes the files of a log that has nothing to sync; they open again when they are needed.
    pub fn close_idle_files(&self) {
        if self.unsynced.load(Ordering::Acquire) == 0 {
            for segment in self.segments().iter() {
                segment.close_idle();
            }
        }
    }

    /// Whether the partition was deleted, or moved to another directory.
    pub(crate) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Acquire)
    }

    pub(crate) fn segments(&self) -> Arc<Vec<Arc<Segment>>> {
        Arc::clone(&self.segments.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn replace_segments(&self, segments: Vec<Arc<Segment>>) {
        assert!(!segments.is_empty(), "a log has a segment");
        *self.segments.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(segments);
    }

    pub(crate) fn active(&self) -> Arc<Segment> {
        let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(segments.last().expect("a log has a segment"))
    }

    pub(crate) fn note_unstable(&self, producers: &Producers) {
        let first = producers.first_unstable().map_or(STABLE, |first| first.0);
        self.first_unstable.store(first, Ordering::Release);
    }

    /// Changes the epochs and, if that made a difference, their file.
    pub(crate) fn change_epochs(
        &self,
        change: impl FnOnce(&mut Epochs) -> bool,
    ) -> Result<(), StorageError> {
        let mut epochs = lock(&self.epochs);
        if change(&mut epochs) && self.home.is_made() {
            self.replace_file(epochs::FILE, epochs.format().as_bytes(), Share::All)?;
        }
        Ok(())
    }

    pub(crate) fn has_epoch(&self, epoch: LeaderEpoch) -> bool {
        lock(&self.epochs).latest().is_some_and(|latest| latest >= epoch)
    }

    /// Writes a small file beside the segments; the next sync of the log makes it last.
    fn replace_file(
        &self,
        name: &str,
        bytes: &[u8],
        share: impl Into<Option<Share>>,
    ) -> Result<(), StorageError> {
        write_unsynced(&self.home, name, bytes, share)?;
        self.note_unsynced_file(name.to_owned());
        Ok(())
    }

    pub(crate) fn note_unsynced_file(&self, name: String) {
        let mut files = lock(&self.unsynced_files);
        if !files.contains(&name) {
            files.push(name);
        }
        drop(files);
        self.names_unsynced.store(true, Ordering::Release);
    }
}

/// Replaces a file in one step, without syncing it.
pub(crate) fn write_unsynced(
    home: &Home,
    name: &str,
    bytes: &[u8],
    share: impl Into<Option<Share>>,
) -> Result<(), StorageError> {
    write_file(home, name, bytes, share, false)
}

/// Replaces a file in one step; `lasts` asks for a sync of its bytes before.
fn write_file(
    home: &Home,
    name: &str,
    bytes: &[u8],
    share: impl Into<Option<Share>>,
    lasts: bool,
) -> Result<(), StorageError> {
    let share = share.into();
    let (path, temporary) = (home.file(name), home.file(&format!("{name}.tmp")));
    let disk = home.disk();
    home.directory.with_share(share, || {
        disk.write(&temporary, bytes).map_err(StorageError::io("write", &path))?;
        if lasts {
            let synced = disk.open(&temporary, Open::ReadWrite).and_then(|file| file.sync());
            synced.map_err(StorageError::io("sync", &path))?;
        }
        disk.rename(&temporary, &path).map_err(StorageError::io("write", &path))
    })
}

/// Takes a lock; a thread that died with it left nothing half done that readers could see.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
