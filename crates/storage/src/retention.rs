//! Retention: which segments are too old, too many, or below the log's start.
//!
//! Whole segments go, from the oldest on, and only below the high watermark. Not here: compaction,
//! and when this runs. Must hold: a log without `delete` in its policy loses nothing but what lies
//! below its start.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ottla_wire::{Offset, Timestamp};

use crate::error::StorageError;
use crate::log::{Log, lock};
use crate::segment::Segment;

impl Log {
    /// Drops what retention no longer keeps; answers how many segments went. Their files are
    /// removed later, by `Directory::remove_due`.
    pub fn retain(&self, now: Timestamp) -> Result<usize, StorageError> {
        let _pin = self.home.pin();
        self.home.directory.check()?;
        if self.is_gone() {
            return Ok(0);
        }
        let dropped = self.try_retain(now);
        self.home.directory.judge(dropped)
    }

    fn try_retain(&self, now: Timestamp) -> Result<usize, StorageError> {
        let config = self.config();
        let start = self.start();
        let mut dropped = self.drop_while(now, |_, next| Ok(next.is_some_and(|n| n <= start)))?;
        if !config.cleanup_delete {
            return Ok(dropped);
        }
        if let Ok(limit) = u64::try_from(config.retention_bytes) {
            let mut excess = self.size().saturating_sub(limit);
            dropped += self.drop_while(now, |segment, _| {
                let size = segment.size();
                let goes = excess >= size;
                excess = excess.saturating_sub(size);
                Ok(goes)
            })?;
        }
        if config.retention_ms >= 0 {
            dropped += self.drop_while(now, |segment, _| {
                Ok(now - segment.largest_timestamp()? > config.retention_ms)
            })?;
        }
        Ok(dropped)
    }

    /// Drops segments from the oldest on while `goes` says so, given the segment and the base of
    /// the next one.
    fn drop_while(
        &self,
        now: Timestamp,
        mut goes: impl FnMut(&Segment, Option<Offset>) -> Result<bool, StorageError>,
    ) -> Result<usize, StorageError> {
        let high_watermark = self.high_watermark();
        let segments = self.segments();
        let mut count = 0;
        for (at, segment) in segments.iter().enumerate() {
            let next = segments.get(at + 1).map(|next| next.base);
            let is_empty = next.is_none() && segment.size() == 0;
            let end = next.unwrap_or_else(|| self.end());
            if is_empty || high_watermark < end || !goes(segment, next)? {
                break;
            }
            count += 1;
        }
        if count > 0 { self.drop_oldest(&segments[..count], now) } else { Ok(0) }
    }

    fn drop_oldest(&self, oldest: &[Arc<Segment>], now: Timestamp) -> Result<usize, StorageError> {
        let _cleaning = lock(&self.cleaning);
        let mut writer = lock(&self.writer);
        let last_goes = |all: &[Arc<Segment>]| {
            let (Some(active), Some(last)) = (all.last(), oldest.last()) else { return false };
            Arc::ptr_eq(active, last)
        };
        if last_goes(&self.segments()) {
            let end = self.end();
            if end > self.high_watermark() {
                return Ok(0);
            }
            self.roll_at(&mut writer, end, now)?;
        }
        let all = self.segments();
        let (gone, kept): (Vec<_>, Vec<_>) = all
            .iter()
            .cloned()
            .partition(|segment| oldest.iter().any(|old| Arc::ptr_eq(old, segment)));
        let Some(first) = kept.first().map(|segment| segment.base) else { return Ok(0) };
        self.replace_segments(kept);
        drop(writer);
        self.start.fetch_max(first.0, Ordering::AcqRel);
        self.change_epochs(|epochs| epochs.truncate_from_start(self.start()))?;
        self.drop_segments(&gone, now)?;
        Ok(gone.len())
    }
}
