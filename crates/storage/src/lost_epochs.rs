//! The leader epochs of a part of the log that the file of epochs says nothing of.
//!
//! Epochs never go down in a log, so that where one ends is found by halving: first among the
//! segments, then among the entries of one's offset index. A part of many GiB costs a few reads for
//! each epoch in it. Must hold: the answer is what reading every batch would give.

use std::sync::Arc;

use ottla_wire::{LeaderEpoch, Offset};

use crate::epochs::Epochs;
use crate::error::StorageError;
use crate::scan::{CHUNK_SMALL, Scan};
use crate::segment::{FindError, Segment};

/// Where an epoch begins: in which segment, and at which offset there.
struct Begin {
    at: usize,
    offset: Offset,
}

/// The epochs of the batches that lie in `[start, until)`.
pub(crate) fn find(
    segments: &[Arc<Segment>],
    start: Offset,
    until: Offset,
) -> Result<Epochs, StorageError> {
    let mut epochs = Epochs::default();
    let at = segments.partition_point(|segment| segment.base <= start).saturating_sub(1);
    let mut next = Some(Begin { at, offset: start });
    while let Some(from) = next {
        let Some((at, epoch, base)) = first_batch(segments, &from)? else { break };
        if base >= until {
            break;
        }
        epochs.assign(epoch, base.max(start));
        next = end_of(segments, at, epoch)?;
    }
    Ok(epochs)
}

/// The first batch that ends at the offset or above: its segment, its epoch, its base offset.
fn first_batch(
    segments: &[Arc<Segment>],
    from: &Begin,
) -> Result<Option<(usize, LeaderEpoch, Offset)>, StorageError> {
    for (at, segment) in segments.iter().enumerate().skip(from.at) {
        let offset = from.offset.max(segment.base);
        let found = segment.find(offset, segment.size(), false).map_err(FindError::warm)?;
        segment.close_idle();
        if let Some(placed) = found {
            let header = placed.header();
            return Ok(Some((at, header.leader_epoch(), header.base_offset())));
        }
    }
    Ok(None)
}

/// Where a later epoch than `epoch` begins, which has a batch in the segment at `first`.
fn end_of(
    segments: &[Arc<Segment>],
    first: usize,
    epoch: LeaderEpoch,
) -> Result<Option<Begin>, StorageError> {
    // The last segment that begins with the epoch or an earlier one; that holds for the first.
    let (mut low, mut high) = (first, segments.len());
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        let is_later = epoch_at(&segments[middle], 0)?.is_none_or(|found| found > epoch);
        match is_later {
            true => high = middle,
            false => low = middle,
        }
    }
    let begin = end_in(&segments[low], epoch)?.map(|offset| Begin { at: low, offset });
    let next = || segments.get(high).map(|next| Begin { at: high, offset: next.base });
    Ok(begin.or_else(next))
}

/// The base offset of the segment's first batch with a later epoch, if there is one.
fn end_in(segment: &Segment, epoch: LeaderEpoch) -> Result<Option<Offset>, StorageError> {
    let (mut low, mut high) = (0, segment.offsets.file().len()?);
    let mut position = 0;
    while low < high {
        let middle = low + (high - low) / 2;
        let entry = segment.offsets.get(middle)?.filter(|entry| entry.position < segment.size());
        let found = match &entry {
            Some(entry) => epoch_at(segment, entry.position)?,
            None => None,
        };
        match (entry, found) {
            (Some(entry), Some(found)) if found <= epoch => {
                (low, position) = (middle + 1, entry.position);
            }
            _ => high = middle,
        }
    }
    let file = segment.file()?;
    let mut scan = Scan::new(&file, position, segment.size(), CHUNK_SMALL);
    let error = |error| segment.scan_error(error).warm();
    let mut later = None;
    while let Some(placed) = scan.next().map_err(error)? {
        let header = placed.header();
        if header.leader_epoch() > epoch {
            later = Some(header.base_offset());
            break;
        }
    }
    drop(file);
    segment.close_idle();
    Ok(later)
}

/// The epoch of the batch that begins at `position`, if there is one.
fn epoch_at(segment: &Segment, position: u64) -> Result<Option<LeaderEpoch>, StorageError> {
    let file = segment.file()?;
    let mut scan = Scan::new(&file, position, segment.size(), CHUNK_SMALL);
    let placed = scan.next().map_err(|error| segment.scan_error(error).warm())?;
    Ok(placed.map(|placed| placed.header().leader_epoch()))
}
