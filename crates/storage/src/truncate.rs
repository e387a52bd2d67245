//! Cutting a log: at its end when a leader says so, at its start when records are deleted.
//!
//! Not here: which offset to cut at. Must hold: after a cut at the end, producers, epochs,
//! recovery point and high watermark are those of a log that never had more.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ottla_wire::{ErrorCode, Offset, Timestamp};

use crate::error::{AppendError, StorageError};
use crate::log::{Log, Writer, lock};
use crate::names::{FileKind, file_name, parse_file};
use crate::recover::scan_tail;
use crate::reload::{self, Source};
use crate::segment::{FindError, Growth, Segment, mark_deleted};
use crate::tail::Tail;

impl Log {
    /// Drops everything at `offset` and above; answers whether there was anything. A log whose
    /// recovery point is checkpointed is cut by `LogDirs::truncate`.
    pub fn truncate(&self, offset: Offset, now: Timestamp) -> Result<bool, StorageError> {
        let _pin = self.home.pin();
        let _cleaning = lock(&self.cleaning);
        let _one = lock(&self.syncing);
        let mut writer = lock(&self.writer);
        self.home.directory.check()?;
        if offset >= self.end() {
            return Ok(false);
        }
        let cut = match offset < self.segments()[0].base {
            true => self.start_over(&mut writer, offset, now),
            false => self.cut(&mut writer, offset, now),
        };
        if let Err(error) = &cut {
            // Half of the log may be cut: only a restart can tell what is there.
            self.home.directory.fail(&error.to_string());
        }
        cut.map(|()| true)
    }

    /// Drops everything and begins anew at `offset`. A log whose recovery point is checkpointed is
    /// cut by `LogDirs::truncate_fully`.
    pub fn truncate_fully(&self, offset: Offset, now: Timestamp) -> Result<(), StorageError> {
        let _pin = self.home.pin();
        let _cleaning = lock(&self.cleaning);
        let _one = lock(&self.syncing);
        let mut writer = lock(&self.writer);
        self.home.directory.check()?;
        self.make_home(&writer)?;
        let cut = self.start_over(&mut writer, offset, now);
        if let Err(error) = &cut {
            self.home.directory.fail(&error.to_string());
        }
        cut
    }

    /// Moves the log's start; only records below the high watermark may go. `-1` is the high
    /// watermark itself. The segments below go with the next retention.
    pub fn delete_records(&self, offset: Offset) -> Result<Offset, AppendError> {
        let high_watermark = self.high_watermark();
        let offset = if offset == Offset(-1) { high_watermark } else { offset };
        if offset < Offset(0) || offset > high_watermark {
            return Err(AppendError::new(
                ErrorCode::OFFSET_OUT_OF_RANGE,
                format!(
                    "records of {} can be deleted up to {high_watermark}, not {offset}",
                    self.name
                ),
            ));
        }
        Ok(self.advance_start(offset)?)
    }

    /// Moves the log's start forward; answers what it is.
    pub fn advance_start(&self, offset: Offset) -> Result<Offset, StorageError> {
        let before = Offset(self.start.fetch_max(offset.0, Ordering::AcqRel));
        if offset > before {
            let _pin = self.home.pin();
            let changed = self.change_epochs(|epochs| epochs.truncate_from_start(offset));
            self.home.directory.judge(changed)?;
        }
        Ok(before.max(offset))
    }

    pub(crate) fn lower_recovery_point(&self, to: Offset) {
        let _one = lock(&self.syncing);
        self.recovery_point.fetch_min(to.0, Ordering::AcqRel);
    }

    fn cut(&self, writer: &mut Writer, offset: Offset, now: Timestamp) -> Result<(), StorageError> {
        let all = self.segments();
        let keep = all.partition_point(|segment| segment.base <= offset).max(1);
        let (kept, dropped) = all.split_at(keep);
        let active = &kept[keep - 1];
        let place = active.find(offset, active.size(), false).map_err(FindError::warm)?;
        // Readers see the shorter log before the files are cut.
        let size = place.map_or(active.size(), |placed| placed.position);
        self.replace_segments(kept.to_vec());
        active.set_size(size);
        *lock(&self.tail) = Tail::new(Arc::clone(active), offset);
        self.end.store(offset.0, Ordering::Release);
        self.drop_segments(dropped, now)?;
        active.truncate(offset, size)?;
        let none = crate::time_index::TimeEntry { timestamp: Timestamp(-1), offset: active.base };
        active.set_newest(active.times.last()?.unwrap_or(none));
        if scan_tail(active)?.is_none() {
            let what = "log does not end with a whole batch after it was cut";
            return Err(StorageError::corrupt(&self.home.path(), what));
        }
        // Bytes that were cut must not come back under what is appended now.
        active.sync()?;
        active.sync_indexes()?;
        self.forget_above(writer, offset)?;
        self.sync_cut()
    }

    fn start_over(
        &self,
        writer: &mut Writer,
        offset: Offset,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let all = self.segments();
        let segment = Arc::new(Segment::new(Arc::clone(&self.home), offset, 0, now));
        self.drop_segments(&all, now)?;
        self.replace_segments(vec![Arc::clone(&segment)]);
        *lock(&self.tail) = Tail::new(segment, offset);
        self.end.store(offset.0, Ordering::Release);
        self.start.store(offset.0, Ordering::Release);
        self.forget_above(writer, offset)?;
        self.sync_cut()
    }

    /// Segments and snapshots that were dropped must not come back behind what is appended now.
    fn sync_cut(&self) -> Result<(), StorageError> {
        let path = self.home.path();
        self.home.directory.sync_dir(&path)
    }

    /// Brings everything that was derived from the batches down to `end`.
    fn forget_above(&self, writer: &mut Writer, end: Offset) -> Result<(), StorageError> {
        self.recovery_point.fetch_min(end.0, Ordering::AcqRel);
        self.high_watermark.fetch_min(end.0, Ordering::AcqRel);
        self.change_epochs(|epochs| epochs.truncate_from_end(end))?;
        let mut snapshots = self.snapshots()?;
        let segments = self.segments();
        let source = Source {
            home: &self.home,
            segments: &segments,
            now: Timestamp(i64::MIN),
            expire_after_ms: i64::MAX,
        };
        let reloaded = reload::reload(&source, &mut snapshots, self.start(), end)?;
        let mut producers = lock(&self.producers);
        *producers = reloaded.producers;
        producers.replicated_to(self.high_watermark());
        self.note_unstable(&producers);
        *writer = Writer {
            growth: Growth { jitter_ms: writer.growth.jitter_ms, ..Growth::default() },
            random: writer.random,
            snapshot_at: reloaded.snapshot_at,
            ..Writer::default()
        };
        self.names_unsynced.store(true, Ordering::Release);
        Ok(())
    }

    /// The offsets of the producer snapshots on the disk.
    pub(crate) fn snapshots(&self) -> Result<Vec<Offset>, StorageError> {
        let path = self.home.path();
        let listed = self.home.disk().list(&path).map_err(StorageError::io("list", &path))?;
        let files = listed.iter().filter_map(|entry| parse_file(&entry.name));
        let mut snapshots: Vec<Offset> =
            files.filter(|(_, kind)| *kind == FileKind::Snapshot).map(|(at, _)| at).collect();
        snapshots.sort_unstable();
        Ok(snapshots)
    }

    /// Renames the files of segments and their snapshots; they are removed after the delay.
    pub(crate) fn drop_segments(
        &self,
        dropped: &[Arc<Segment>],
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let due = now + self.config().file_delete_delay_ms;
        for segment in dropped {
            let mut names = segment.mark_deleted()?;
            names.extend(mark_deleted(&self.home, &file_name(segment.base, FileKind::Snapshot))?);
            for name in names {
                self.home.directory.remove_later(self.home.file(&name), due);
            }
        }
        self.names_unsynced.store(true, Ordering::Release);
        Ok(())
    }
}
