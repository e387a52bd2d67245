//! Which log is the dirtiest, and up to where it may be cleaned.
//!
//! Never cleaned: the active segment, what lies at or above the last stable offset, and segments
//! with a record younger than `min.compaction.lag.ms`. Not here: who may be chosen at all (a log
//! that is being cleaned, or can't be, is left out by the caller).

use std::sync::Arc;

use ottla_wire::{Offset, Timestamp};

use crate::error::StorageError;
use crate::log::Log;
use crate::scan::{CHUNK_SMALL, Scan};
use crate::segment::Segment;

/// How dirty a log is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Dirt {
    /// Everything below was cleaned.
    pub(crate) first_dirty: Offset,
    /// Nothing at or above may be cleaned: a segment begins here.
    pub(crate) round_end: Offset,
    /// Whether the checkpoint told an offset that the log does not have.
    pub(crate) misled: bool,
    clean_bytes: u64,
    dirty_bytes: u64,
    /// How long a pass is overdue by `max.compaction.lag.ms`; 0 when it is not.
    pub(crate) overdue_ms: i64,
}

impl Dirt {
    /// The part of the log that is dirty, of what may be cleaned.
    pub(crate) fn ratio(&self) -> f64 {
        let whole = self.clean_bytes.saturating_add(self.dirty_bytes);
        if whole == 0 { 0.0 } else { self.dirty_bytes as f64 / whole as f64 }
    }

    /// Whether a pass is due.
    pub(crate) fn is_due(&self, ratio_min: f64) -> bool {
        (self.overdue_ms > 0 && self.dirty_bytes > 0) || self.ratio() > ratio_min
    }
}

impl Log {
    /// How dirty the log is, given up to where it was cleaned.
    pub(crate) fn dirt(
        &self,
        cleaned: Option<Offset>,
        now: Timestamp,
    ) -> Result<Dirt, StorageError> {
        let (start, end, config) = (self.start(), self.end(), self.config());
        let checkpoint = cleaned.unwrap_or(start);
        let misled = checkpoint < start || checkpoint > end;
        let first_dirty = if misled { start } else { checkpoint };
        let segments = self.segments();
        let closed = &segments[..segments.len() - 1];
        let floor = |offset: Offset| {
            segments.partition_point(|segment| segment.base <= offset).saturating_sub(1)
        };
        let dirty = closed.get(floor(first_dirty)..).unwrap_or_default();
        let mut round_end = self.last_stable_offset().min(segments[closed.len()].base);
        if config.min_compaction_lag_ms > 0 {
            let youngest = now.0.saturating_sub(config.min_compaction_lag_ms);
            for segment in dirty {
                if segment.largest_timestamp()?.0 > youngest {
                    round_end = round_end.min(segment.base);
                    break;
                }
            }
        }
        let round_end = segments[floor(round_end)].base;
        let bytes = |segments: &[Arc<Segment>]| segments.iter().map(|s| s.size()).sum::<u64>();
        let behind_clean = segments.partition_point(|segment| segment.base < first_dirty);
        let behind_dirty = segments.partition_point(|segment| segment.base < round_end);
        let from = floor(first_dirty).min(behind_dirty);
        Ok(Dirt {
            first_dirty,
            round_end,
            misled,
            clean_bytes: bytes(&segments[..behind_clean]),
            dirty_bytes: bytes(&segments[from..behind_dirty]),
            overdue_ms: overdue_ms(dirty, config.max_compaction_lag_ms, now)?,
        })
    }

    /// The bytes that a pass would be about, whether it is due or not.
    pub(crate) fn dirty_bytes(&self, cleaned: Option<Offset>) -> u64 {
        let (segments, stable) = (self.segments(), self.last_stable_offset());
        let from = cleaned.filter(|at| (self.start()..=self.end()).contains(at));
        let from = from.unwrap_or_else(|| self.start());
        let first = segments.partition_point(|segment| segment.base <= from).saturating_sub(1);
        let ends = segments.iter().skip(1).map(|next| next.base);
        let closed = segments.iter().zip(ends).skip(first);
        closed.take_while(|(_, end)| *end <= stable).map(|(segment, _)| segment.size()).sum()
    }
}

/// By how much a dirty segment began longer ago than `max.compaction.lag.ms`; 0 when none did.
fn overdue_ms(
    dirty: &[Arc<Segment>],
    lag_ms_max: i64,
    now: Timestamp,
) -> Result<i64, StorageError> {
    let until = now.0.saturating_sub(lag_ms_max.max(0));
    if until <= 0 {
        return Ok(0);
    }
    for segment in dirty.iter().filter(|segment| segment.size() > 0) {
        let file = segment.file()?;
        let mut scan = Scan::new(&file, 0, segment.size(), CHUNK_SMALL);
        let first = scan.next().map_err(|error| segment.scan_error(error).warm())?;
        let first = first.map_or(-1, |first| first.header().max_timestamp().0);
        if first > 0 && first < until {
            return Ok(until - first);
        }
    }
    Ok(0)
}
