//! Reading segments again after a crash: every batch is checked, the indexes are made anew, and
//! the log ends before the first batch that is not whole.
//!
//! Where the indexes of the first segment can be shown to hold below the recovery point they are
//! kept, and only what lies above is read. Must hold: the result is what reading the whole
//! segment would give; what a power cut lost between two segments ends the log as a torn batch
//! does, unless the log shows that it was compacted; what is kept above the recovery point is told
//! to be doubtful, since a sync that failed before may have left it in memory alone.

use std::sync::Arc;

use bytes::Bytes;
use ottla_wire::{Offset, Timestamp};

use crate::config::LogConfig;
use crate::epochs::Epochs;
use crate::error::StorageError;
use crate::home::Home;
use crate::markers;
use crate::names::{FileKind, file_name};
use crate::producers::Producers;
use crate::reload::{self, Reloaded};
use crate::scan::{CHUNK_LARGE, CHUNK_SMALL, Placed, Scan, ScanError};
use crate::segment::{FindError, Growth, Segment};
use crate::time_index::TimeEntry;

/// What recovery needs to know of the log.
pub(crate) struct Recovery<'a> {
    pub(crate) home: &'a Arc<Home>,
    pub(crate) name: &'a str,
    pub(crate) config: &'a LogConfig,
    pub(crate) start: Offset,
    pub(crate) now: Timestamp,
    /// Below this offset everything was synced.
    pub(crate) trusted_below: Offset,
    /// No later sync looks at segments that end below.
    pub(crate) recovery_point: Offset,
}

/// What recovery came to.
pub(crate) struct Recovered {
    pub(crate) end: Offset,
    pub(crate) reloaded: Reloaded,
    pub(crate) doubtful: Vec<Doubtful>,
}

/// Bytes of a segment that may be in memory alone without any later sync writing them.
#[derive(Debug)]
pub(crate) struct Doubtful {
    pub(crate) segment: Arc<Segment>,
    pub(crate) from: u64,
    pub(crate) until: u64,
}

/// Where reading begins in a segment.
struct Resume {
    position: u64,
    offset: Offset,
}

/// Recovers the segments from `from` on, and drops those behind a torn one.
pub(crate) fn recover(
    recovery: &Recovery<'_>,
    segments: &mut Vec<Arc<Segment>>,
    from: usize,
    snapshots: &mut Vec<Offset>,
    epochs: &mut Epochs,
) -> Result<Recovered, StorageError> {
    let resume = resume_in(&segments[from], recovery.trusted_below)?;
    let source = reload::Source {
        home: recovery.home,
        segments: &segments[..=from],
        now: recovery.now,
        expire_after_ms: recovery.config.producer_expiration_ms,
    };
    let above: Vec<Offset> = snapshots.extract_if(.., |at| *at > resume.offset).collect();
    let start = recovery.start.max(segments[0].base).min(resume.offset);
    let mut reloaded = reload::reload(&source, snapshots, start, resume.offset)?;
    let mut end = resume.offset;
    let (mut keep, mut compacted) = (segments.len(), recovery.config.cleanup_compact);
    let mut doubtful = Vec::new();
    for (at, segment) in segments.iter().enumerate().skip(from) {
        if at > from && segment.base > end && !compacted {
            tracing::warn!(
                log = recovery.name,
                from = end.0,
                until = segment.base.0,
                "records between two segments are lost"
            );
            keep = at;
            break;
        }
        let begin = if at == from { resume.position } else { 0 };
        let read = read_again(recovery, segment, begin, end, epochs, &mut reloaded.producers)?;
        end = read.end.max(segment.base);
        if read.end > recovery.trusted_below && segment.size() > begin {
            let (segment, until) = (Arc::clone(segment), segment.size());
            doubtful.push(Doubtful { segment, from: begin, until });
        }
        compacted |= read.holes;
        if read.torn {
            keep = at + 1;
            break;
        }
    }
    for segment in segments.drain(keep..) {
        tracing::warn!(log = recovery.name, base = segment.base.0, "segment behind a torn one");
        let names = segment.mark_deleted()?;
        names.iter().try_for_each(|name| recovery.home.remove(name))?;
    }
    let source = reload::Source {
        home: recovery.home,
        segments: &[],
        now: recovery.now,
        expire_after_ms: recovery.config.producer_expiration_ms,
    };
    for at in above {
        // A snapshot above the end tells of records that are gone; one below tells nothing new.
        // None of them was synced for sure.
        let useful =
            at <= end && at > recovery.start && segments.iter().any(|segment| segment.base == at);
        if useful && reload::read_snapshot(&source, at)?.is_some() {
            snapshots.push(at);
            reloaded.snapshot_at = Some(at);
        } else {
            recovery.home.remove(&file_name(at, FileKind::Snapshot))?;
        }
    }
    Ok(Recovered { end, reloaded, doubtful })
}

/// The end of a segment that was closed in order, from its last index entry on; `None` when the
/// file does not end with a whole batch.
pub(crate) fn scan_tail(segment: &Segment) -> Result<Option<Offset>, StorageError> {
    if segment.size() == 0 {
        return Ok(Some(segment.base));
    }
    let last = segment.offsets.last()?;
    let position = last.map_or(0, |entry| entry.position);
    let mut end = segment.base;
    let mut newest = segment.newest()?;
    let file = segment.file()?;
    let mut scan = Scan::new(&file, position, segment.size(), CHUNK_SMALL);
    loop {
        match scan.next() {
            Ok(Some(placed)) => {
                end = placed.last_offset().next();
                newest = newer(newest, &placed);
            }
            Ok(None) => break,
            Err(ScanError::Torn(_) | ScanError::Cold) => return Ok(None),
            Err(error) => return Err(segment.scan_error(error).warm()),
        }
    }
    segment.set_newest(newest);
    segment.close_idle();
    Ok(Some(end))
}

fn newer(newest: TimeEntry, placed: &Placed) -> TimeEntry {
    let timestamp = placed.header().max_timestamp();
    match timestamp > newest.timestamp {
        true => TimeEntry { timestamp, offset: placed.last_offset() },
        false => newest,
    }
}

/// Where reading must begin so that nothing at or above `trusted_below` is believed. The indexes
/// are cut to what holds up to there.
fn resume_in(segment: &Segment, trusted_below: Offset) -> Result<Resume, StorageError> {
    let size = segment.size();
    if trusted_below > segment.base && size > 0 {
        segment.offsets.keep_ascending(trusted_below, size)?;
        segment.times.keep_ascending(trusted_below)?;
        while let Some(entry) = segment.offsets.last()? {
            if let Some(offset) = confirmed(segment, entry.position, entry.offset)? {
                segment.times.truncate_to(entry.offset.next())?;
                segment.aborted.truncate_to(offset)?;
                let none = TimeEntry { timestamp: Timestamp(-1), offset: segment.base };
                segment.set_newest(segment.times.last()?.unwrap_or(none));
                return Ok(Resume { position: entry.position, offset });
            }
            segment.offsets.truncate_to(entry.offset)?;
        }
    }
    segment.offsets.file().truncate(0)?;
    segment.times.file().truncate(0)?;
    segment.aborted.reset()?;
    segment.set_newest(TimeEntry { timestamp: Timestamp(-1), offset: segment.base });
    Ok(Resume { position: 0, offset: segment.base })
}

/// Whether an index entry and the time index before it agree with the log; answers the first
/// offset of the entry's batch.
fn confirmed(
    segment: &Segment,
    position: u64,
    last_offset: Offset,
) -> Result<Option<Offset>, StorageError> {
    let file = segment.file()?;
    let mut scan = Scan::new(&file, position, segment.size(), CHUNK_SMALL);
    let placed = match scan.next() {
        Ok(Some(placed)) => placed,
        Ok(None) | Err(ScanError::Torn(_) | ScanError::Cold) => return Ok(None),
        Err(error) => return Err(segment.scan_error(error).warm()),
    };
    let header = placed.header();
    // The entry of this batch was followed by one that knew a time at least as new.
    let newest = segment.times.lookup(Timestamp(i64::MAX))?.timestamp;
    let agrees = placed.last_offset() == last_offset && newest >= header.max_timestamp();
    Ok(agrees.then(|| header.base_offset()))
}

/// What reading one segment came to.
struct Read {
    end: Offset,
    torn: bool,
    /// Whether offsets are missing between or in batches, as compaction leaves them.
    holes: bool,
}

fn read_again(
    recovery: &Recovery<'_>,
    segment: &Segment,
    position: u64,
    mut end: Offset,
    epochs: &mut Epochs,
    producers: &mut Producers,
) -> Result<Read, StorageError> {
    if position == 0 {
        segment.offsets.file().truncate(0)?;
        segment.times.file().truncate(0)?;
        segment.aborted.reset()?;
        segment.set_newest(TimeEntry { timestamp: Timestamp(-1), offset: segment.base });
    }
    end = end.max(segment.base);
    let size = segment.size();
    let mut growth = Growth::default();
    let (mut torn, mut holes) = (None, false);
    if size > 0 {
        let file = segment.file()?;
        let mut scan = Scan::new(&file, position, size, CHUNK_LARGE);
        loop {
            let at = scan.position();
            match check_next(&mut scan, segment.base, end) {
                Ok(Some(placed)) => {
                    let header = placed.header();
                    holes |= header.base_offset() > end
                        || (header.magic() == 2
                            && header.count() != header.last_offset_delta().wrapping_add(1));
                    note(recovery, segment, &mut growth, &mut scan, &placed, epochs, producers)?;
                    recovery.home.directory.add_recovered(scan.position() - at);
                    end = placed.last_offset().next();
                }
                Ok(None) => break,
                Err(ScanError::Io(error)) => return Err(segment.io("read")(error)),
                Err(ScanError::Torn(what)) => {
                    torn = Some((at, what));
                    break;
                }
                Err(error) => return Err(FindError::warm(segment.scan_error(error))),
            }
        }
    }
    if let Some((at, what)) = &torn {
        tracing::warn!(
            log = recovery.name,
            base = segment.base.0,
            position = at,
            what,
            cut = size - at,
            "log is cut before a torn batch"
        );
        segment.set_size(*at);
        let file = segment.file()?;
        // The recovery point may be above the cut already: nobody else would sync it.
        file.set_len(*at).and_then(|()| file.sync()).map_err(segment.io("cut"))?;
    }
    if size > 0 {
        settle(recovery, segment, torn.is_some() || end <= recovery.recovery_point)?;
    }
    segment.close_idle();
    Ok(Read { end, torn: torn.is_some(), holes })
}

/// Leaves the indexes of a segment that was read again as those of a closed one. `now` asks for
/// what makes them last.
fn settle(recovery: &Recovery<'_>, segment: &Segment, now: bool) -> Result<(), StorageError> {
    segment.finish()?;
    segment.offsets.file().distrust()?;
    segment.times.file().distrust()?;
    if segment.aborted.distrust()? || now {
        // The next recovery may believe these files, and must not find older ones.
        segment.sync_indexes()?;
        let path = recovery.home.path();
        recovery.home.directory.sync_dir(&path)?;
    }
    Ok(())
}

fn check_next(scan: &mut Scan<'_>, base: Offset, end: Offset) -> Result<Option<Placed>, ScanError> {
    let Some(placed) = scan.next()? else { return Ok(None) };
    if placed.last_offset() - base > i64::from(i32::MAX) {
        let last = placed.last_offset();
        return Err(ScanError::Torn(format!("offset {last} is too far from the segment's {base}")));
    }
    if placed.header().base_offset() < end && placed.header().magic() == 2 {
        return Err(ScanError::Torn(format!(
            "offset {} comes after {}",
            placed.header().base_offset(),
            end
        )));
    }
    scan.verify(&placed)?;
    Ok(Some(placed))
}

fn note(
    recovery: &Recovery<'_>,
    segment: &Segment,
    growth: &mut Growth,
    scan: &mut Scan<'_>,
    placed: &Placed,
    epochs: &mut Epochs,
    producers: &mut Producers,
) -> Result<(), StorageError> {
    let header = placed.header();
    segment.note(growth, header, placed.position, recovery.config.index_interval_bytes)?;
    let epoch = header.leader_epoch();
    if epoch.0 >= 0 && epochs.latest().is_none_or(|latest| epoch > latest) {
        epochs.assign(epoch, header.base_offset());
    }
    if header.is_control() {
        let body = scan.body(placed).map_err(|error| segment.scan_error(error).warm())?;
        let marker = markers::read(&Bytes::copy_from_slice(body), placed.last_offset());
        if let Some(marker) = marker
            && let Some(aborted) = markers::complete(producers, &marker)
        {
            segment.aborted.push(aborted)?;
        }
    } else if let Some(batch) = markers::producer_batch(&header) {
        producers.append(&batch, header.base_offset());
    }
    Ok(())
}
