//! `__cluster_metadata-0` on the disk, opened and replayed.
//!
//! The whole log is checked at every start as after a crash: it stands in none of the offset
//! checkpoints. Not here: appending (live.rs), elections (raft).
//! Must hold: a log and its newest snapshot together tell everything from the beginning on.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use ottla_env::Env;
use ottla_metadata::{Image, MetadataRecord, Provenance};
use ottla_records::{BatchView, ControlRecord, batches, read_batch};
use ottla_settings::QuorumSettings;
use ottla_storage::{Directory, Log, LogConfig, Opening};
use ottla_wire::{LeaderEpoch, Offset, Timestamp, TopicId, Uuid};

use crate::error::QuorumError;
use crate::snapshots::{SnapshotId, Snapshots};
use crate::voters::VoterHistory;

/// The folder of the metadata log.
pub const FOLDER: &str = "__cluster_metadata-0";
/// The id of the topic that the metadata log is.
pub(crate) const TOPIC_ID: TopicId = TopicId(Uuid::from_u128(1));

/// How much of the log is read at a time; a single batch may be larger.
const READ_BYTES: usize = 1 << 20;

/// The metadata log and what it says.
pub(crate) struct MetadataLog {
    pub(crate) log: Arc<Log>,
    pub(crate) snapshots: Snapshots,
    /// The newest snapshot, that of formatting included.
    pub(crate) snapshot: Option<SnapshotId>,
    pub(crate) image: Image,
    pub(crate) voters: VoterHistory,
    /// The epoch of the last record, of the log or of the snapshot.
    pub(crate) epoch: LeaderEpoch,
    /// When the last record was appended.
    pub(crate) last_timestamp: Timestamp,
    /// Bytes of the log behind the newest snapshot.
    pub(crate) bytes_since_snapshot: u64,
}

impl MetadataLog {
    /// Opens and replays. Waits for the disk.
    pub(crate) fn open(
        env: &Env,
        directory: &Arc<Directory>,
        settings: &QuorumSettings,
    ) -> Result<MetadataLog, QuorumError> {
        let now = Timestamp(env.now_ms());
        let folder = directory.path().join(FOLDER);
        let log = Log::open(opening(env, directory, settings, folder.clone(), now))?;
        if log.topic_id().is_none() {
            log.assign_topic_id(TOPIC_ID)?;
        }
        let snapshots = Snapshots { disk: env.disk().clone(), folder };
        let mut opened = MetadataLog {
            log,
            snapshots,
            snapshot: None,
            image: Image::default(),
            voters: VoterHistory::default(),
            epoch: LeaderEpoch(0),
            last_timestamp: Timestamp(0),
            bytes_since_snapshot: 0,
        };
        opened.load_snapshot(now)?;
        opened.replay()?;
        Ok(opened)
    }

    /// Reads the newest snapshot, and drops a log that ends before it.
    fn load_snapshot(&mut self, now: Timestamp) -> Result<(), QuorumError> {
        self.snapshots.clean()?;
        let newest = self.snapshots.list()?.last().copied();
        let reaches = newest.map_or(Offset(0), |id| id.end);
        if self.log.start() > reaches {
            let (path, start) = (self.snapshots.folder.clone(), self.log.start().0);
            return Err(QuorumError::Gap { path, start });
        }
        let Some(id) = newest else { return Ok(()) };
        if reaches > self.log.end() {
            self.log.truncate_fully(reaches, now)?;
        }
        let checkpoint = self.snapshots.read(id)?;
        for record in &checkpoint.quorum {
            self.voters.learn(record, id > SnapshotId::FORMATTED);
        }
        for (at, record) in (0..).zip(&checkpoint.records) {
            self.image.apply(Offset(at), record);
        }
        self.image.set_provenance(Provenance { offset: id.end + -1, epoch: id.epoch });
        self.epoch = id.epoch;
        self.last_timestamp = checkpoint.last_timestamp;
        self.snapshot = Some(id);
        Ok(())
    }

    /// Replays what is behind the snapshot.
    fn replay(&mut self) -> Result<(), QuorumError> {
        let end = self.log.end();
        let mut from = self.snapshot.map_or(self.log.start(), |id| id.end);
        while from < end {
            let bytes = self
                .log
                .read_bytes(from, READ_BYTES, end, true)
                .map_err(|error| self.damaged(from, &error.to_string()))?;
            let before = from;
            for batch in batches(&bytes) {
                let batch = batch.map_err(|error| self.damaged(from, &error.to_string()))?;
                if batch.last_offset() >= from {
                    self.replay_batch(&bytes, &batch)?;
                    from = batch.last_offset().next();
                }
            }
            if from == before {
                return Err(self.damaged(from, "no whole batch"));
            }
        }
        Ok(())
    }

    fn replay_batch(&mut self, bytes: &Bytes, batch: &BatchView<'_>) -> Result<(), QuorumError> {
        self.epoch = batch.leader_epoch();
        self.last_timestamp = batch.max_timestamp();
        self.bytes_since_snapshot += batch.bytes().len() as u64;
        self.image.set_epoch(batch.leader_epoch());
        for record in read_batch(&bytes.slice_ref(batch.bytes())) {
            let at = batch.base_offset();
            let record = record.map_err(|error| self.damaged(at, &error.to_string()))?;
            let at = record.offset;
            if batch.is_control() {
                let said = ControlRecord::decode(&record);
                let said = said.map_err(|error| self.damaged(at, &error.to_string()))?;
                self.voters.learn(&said, true);
                continue;
            }
            let value = record.value.unwrap_or_default();
            let decoded = MetadataRecord::decode(value);
            let decoded = decoded.map_err(|error| self.damaged(at, &error.to_string()))?;
            self.image.apply(at, &decoded);
        }
        Ok(())
    }

    fn damaged(&self, at: Offset, what: &str) -> QuorumError {
        let what = format!("offset {at} cannot be read: {what}");
        QuorumError::Damaged { path: self.snapshots.folder.clone(), what }
    }
}

fn opening(
    env: &Env,
    directory: &Arc<Directory>,
    settings: &QuorumSettings,
    path: PathBuf,
    now: Timestamp,
) -> Opening {
    let bytes =
        settings.internal_metadata_log_segment_bytes.unwrap_or(settings.metadata_log_segment_bytes);
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    let config = LogConfig {
        file_delete_delay_ms: settings.internal_metadata_delete_delay_millis,
        ..LogConfig::metadata_log(bytes, settings.metadata_log_segment_ms)
    };
    Opening {
        directory: Arc::clone(directory),
        path,
        name: FOLDER.to_owned(),
        config: Arc::new(config),
        clean: false,
        start: Offset(0),
        recovery_point: Offset(0),
        high_watermark: Offset(0),
        now,
        random: env.random_u64(),
    }
}
