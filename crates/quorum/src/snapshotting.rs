//! When snapshots of the metadata log are taken, and when the log before them goes.
//!
//! A snapshot is due after so many bytes of records or so much time. Then what retention does not
//! keep is dropped: the oldest snapshot, and the log up to the next one.
//! Must hold: the newest snapshot stays, and the log reaches back to some snapshot that is there.

use std::sync::Arc;

use ottla_records::ControlRecord;
use ottla_storage::Log;
use ottla_wire::Timestamp;

use crate::checkpoint::Checkpoint;
use crate::error::QuorumError;
use crate::live::View;
use crate::log::MetadataLog;
use crate::quorum::Shared;
use crate::snapshots::{SnapshotId, Snapshots};
use crate::voters::{VoterHistory, version_record};

/// Takes snapshots while the quorum runs.
pub(crate) struct Snapshotter {
    snapshots: Snapshots,
    log: Arc<Log>,
    newest: Option<SnapshotId>,
    /// `kraft.version` and the voters, as each snapshot repeats them.
    quorum: Vec<ControlRecord>,
    /// Bytes that were behind the newest snapshot when the node started.
    bytes_before: u64,
    /// Of the bytes appended since the start, those that the newest snapshot contains.
    bytes_covered: u64,
    taken_at: Option<Timestamp>,
}

/// What retention goes by.
#[derive(Clone, Copy)]
struct Keep {
    bytes: i64,
    ms: i64,
    now: Timestamp,
}

impl Snapshotter {
    pub(crate) fn new(opened: &MetadataLog) -> Snapshotter {
        Snapshotter {
            snapshots: opened.snapshots.clone(),
            log: Arc::clone(&opened.log),
            newest: opened.snapshot,
            quorum: quorum_records(&opened.voters),
            bytes_before: opened.bytes_since_snapshot,
            bytes_covered: 0,
            taken_at: None,
        }
    }

    /// Looks after each commit.
    pub(crate) async fn run(mut self, shared: Arc<Shared>) {
        loop {
            shared.committed.notified().await;
            let Some((view, appended)) = self.due(&shared) else { continue };
            let last_timestamp = shared.live().appended_so_far().1;
            let epoch = shared.live().epoch();
            let id = SnapshotId { end: view.end, epoch };
            let now = shared.now();
            let (snapshots, quorum) = (self.snapshots.clone(), self.quorum.clone());
            let written = shared.env.blocking(move || {
                let records = view.image.records();
                snapshots.write(id, &Checkpoint { last_timestamp, quorum, records }, now.wall)
            });
            match written.await {
                Ok(bytes) => tracing::info!(end = id.end.0, bytes, "took a metadata snapshot"),
                // The log has everything; the next commit tries again.
                Err(error) => {
                    tracing::warn!(%error, "no metadata snapshot was taken");
                    continue;
                }
            }
            (self.newest, self.taken_at) = (Some(id), Some(now.steady));
            (self.bytes_before, self.bytes_covered) = (0, appended);
            self.drop_old(&shared).await;
        }
    }

    /// The committed image and the bytes appended so far, when a snapshot of it is due.
    fn due(&mut self, shared: &Shared) -> Option<(View, u64)> {
        let live = shared.live();
        let view = live.committed().clone();
        let (appended, _) = live.appended_so_far();
        drop(live);
        let now = shared.now().steady;
        let taken_at = *self.taken_at.get_or_insert(now);
        let settings = shared.settings();
        let bytes = self.bytes_before + appended.saturating_sub(self.bytes_covered);
        let interval = settings.metadata_log_max_snapshot_interval_ms;
        let bytes_max = settings.metadata_log_max_record_bytes_between_snapshots;
        let is_due = i64::try_from(bytes).unwrap_or(i64::MAX) >= bytes_max
            || (interval > 0 && now - taken_at >= interval);
        let is_new = self.newest.is_none_or(|id| view.end > id.end);
        let is_whole = view.image.transaction_begun_at().is_none();
        (is_due && is_new && is_whole).then_some((view, appended))
    }

    async fn drop_old(&self, shared: &Shared) {
        let settings = shared.settings();
        let keep = Keep {
            bytes: settings.metadata_max_retention_bytes,
            ms: settings.metadata_max_retention_ms,
            now: shared.now().wall,
        };
        let (snapshots, log) = (self.snapshots.clone(), Arc::clone(&self.log));
        let dropped = shared.env.blocking(move || drop_old(&snapshots, &log, keep)).await;
        if let Err(error) = dropped {
            tracing::warn!(%error, "old metadata snapshots were not dropped");
        }
    }
}

/// Drops snapshots and the log before the oldest one that stays.
fn drop_old(snapshots: &Snapshots, log: &Log, keep: Keep) -> Result<(), QuorumError> {
    // A folder of its own has nobody else who removes what was dropped a while ago.
    log.directory().remove_due(keep.now)?;
    let mut all = snapshots.list()?;
    while let [oldest, next, ..] = all[..] {
        let mut size = log.size();
        for id in &all {
            size += snapshots.size(*id)?;
        }
        let too_much = u64::try_from(keep.bytes).is_ok_and(|limit| size > limit);
        let too_old = || -> Result<bool, QuorumError> {
            let written = snapshots.read(oldest)?.last_timestamp;
            Ok(keep.ms >= 0 && keep.now - written > keep.ms)
        };
        if !too_much && !too_old()? {
            break;
        }
        snapshots.remove(oldest)?;
        log.advance_start(next.end)?;
        log.retain(keep.now)?;
        all.remove(0);
    }
    Ok(())
}

fn quorum_records(voters: &VoterHistory) -> Vec<ControlRecord> {
    match &voters.voters {
        Some(record) if voters.kraft_version > 0 => {
            vec![version_record(voters.kraft_version), ControlRecord::KRaftVoters(record.clone())]
        }
        _ => Vec::new(),
    }
}
