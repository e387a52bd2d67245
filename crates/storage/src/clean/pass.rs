//! One pass over one log, in steps that each read a few megabytes: between them the caller may
//! wait, as the throttle asks, or let go of the pass.
//!
//! Must hold: what makes a record go is on the disk; a step that finds the log cut, closed or
//! deleted ends the pass; a pass that does not come to its end leaves the log as it was but for the
//! groups that were replaced.

use std::collections::VecDeque;
use std::sync::Arc;

use ottla_records::BatchView;
use ottla_records::filter;
use ottla_wire::{Offset, Timestamp};

use super::batch::{LastWritten, Mapping, Rules, Tools, clean, end_of};
use super::group::{Extent, Limits, group};
use super::keys::Keys;
use super::output::{self, Output};
use super::transactions::Transactions;
use super::{CleanError, Dirt, Fault};
use crate::config::LogConfig;
use crate::error::StorageError;
use crate::log::{Log, lock};
use crate::names::FileKind;
use crate::scan::{Placed, Scan, ScanError};
use crate::segment::Segment;

/// A step ends when it has read so much.
const STEP_BYTES: u64 = 4 << 20;
/// Files are read in parts of this size at least.
const READ_BYTES_MIN: u64 = 4 << 10;

/// A pass of the cleaner over one log. Held by whoever runs it; gone, the log may be chosen again.
pub struct Pass {
    log: Arc<Log>,
    dirt: Dirt,
    now: Timestamp,
    config: Arc<LogConfig>,
    read_bytes: usize,
    keys: Keys,
    /// The last offset that the map of keys knows.
    mapped_to: Offset,
    phase: Phase,
    tools: Tools,
    outcome: Outcome,
}

/// The memory that a pass may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) key_bytes: u64,
    pub(crate) load_factor: f64,
    pub(crate) read_bytes: u64,
}

/// What a pass came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Everything below was cleaned.
    pub(crate) end: Offset,
    pub(crate) bytes_before: u64,
    pub(crate) bytes_after: u64,
    /// How much of the room for keys was taken, in percent.
    pub(crate) key_percent: u64,
}

/// What a step did.
pub(crate) enum Stepped {
    /// There is more to do; so many bytes were read and written.
    More(u64),
    Done(Outcome),
}

enum Phase {
    Map(MapPhase),
    Copy(Box<CopyPhase>),
}

struct MapPhase {
    segments: VecDeque<Arc<Segment>>,
    /// Where reading goes on in the first of them, if it was begun.
    place: Option<Place>,
    transactions: Transactions,
}

struct CopyPhase {
    groups: VecDeque<Vec<Arc<Segment>>>,
    current: Option<Group>,
    transactions: Transactions,
}

/// A place between two batches of a segment.
#[derive(Clone, Copy)]
struct Place {
    position: u64,
    /// Behind the last offset before it.
    offset: Offset,
}

/// Segments that become one.
struct Group {
    segments: Vec<Arc<Segment>>,
    at: usize,
    /// Where reading goes on in the segment at hand.
    place: Place,
    output: Output,
    last_written: LastWritten,
}

impl Pass {
    pub(crate) fn new(
        log: Arc<Log>,
        dirt: Dirt,
        room: Room,
        secret: [u64; 2],
        now: Timestamp,
    ) -> Result<Pass, StorageError> {
        let segments = log.segments();
        let from = segments.partition_point(|segment| segment.base <= dirt.first_dirty);
        let until = segments.partition_point(|segment| segment.base < dirt.round_end);
        let dirty = segments.get(from.saturating_sub(1)..until).unwrap_or_default();
        let mut transactions = Transactions::default();
        transactions.expect(log.aborted_to_clean(dirt.first_dirty, dirt.round_end)?);
        let span = u64::try_from(dirt.round_end - dirt.first_dirty).unwrap_or(0);
        let phase = MapPhase { segments: dirty.to_vec().into(), place: None, transactions };
        Ok(Pass {
            config: log.config(),
            read_bytes: usize::try_from(room.read_bytes.max(READ_BYTES_MIN)).unwrap_or(usize::MAX),
            keys: Keys::new(room.key_bytes, room.load_factor, span, secret),
            mapped_to: Offset(-1),
            phase: Phase::Map(phase),
            tools: Tools::default(),
            outcome: Outcome::default(),
            log,
            dirt,
            now,
        })
    }

    /// The log.
    pub(crate) fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// Does a part of the work.
    pub(crate) fn step(&mut self) -> Result<Stepped, CleanError> {
        let log = Arc::clone(&self.log);
        if log.recovery_point() < self.dirt.round_end {
            // A record must not go for the sake of one that a power cut may take back.
            log.sync()?;
        }
        let _pin = log.home.pin();
        let _cleaning = lock(&log.cleaning);
        log.home.directory.check()?;
        let stepped = match &self.phase {
            Phase::Map(phase) => {
                let segments: Vec<_> = phase.segments.iter().cloned().collect();
                log.holds(&segments).then_some(()).ok_or(CleanError::Overtaken)?;
                self.map()
            }
            Phase::Copy(phase) => {
                let current = phase.current.as_ref().map(|group| &group.segments[..]);
                log.holds(current.unwrap_or_default())
                    .then_some(())
                    .ok_or(CleanError::Overtaken)?;
                self.copy()
            }
        };
        if stepped.is_err() {
            self.give_up();
        }
        stepped
    }

    /// Removes what was written and did not take its place.
    pub(crate) fn give_up(&mut self) {
        if let Phase::Copy(phase) = &mut self.phase
            && let Some(group) = phase.current.take()
            && let Err(error) = group.output.discard()
        {
            tracing::debug!(log = self.log.name(), %error, "compacted output was left behind");
        }
    }

    /// Reads a part of the dirty segments into the map of keys.
    fn map(&mut self) -> Result<Stepped, CleanError> {
        let Phase::Map(phase) = &mut self.phase else { return Ok(Stepped::More(0)) };
        let Some(segment) = phase.segments.front().map(Arc::clone) else {
            return self.begin_copy();
        };
        let Place { position: from, offset: mut good } = match phase.place {
            Some(place) => place,
            None => {
                let position = segment.offsets.lookup(self.dirt.first_dirty)?.position;
                Place { position, offset: segment.base }
            }
        };
        let file = segment.file()?;
        let scan = Scan::new(&file, from, segment.size(), self.read_bytes);
        let mut scan = scan.reusing(std::mem::take(&mut self.tools.buffer));
        let mut mapping = Mapping {
            keys: &mut self.keys,
            from: self.dirt.first_dirty,
            mapped_to: &mut self.mapped_to,
            full: false,
        };
        while scan.position() - from < STEP_BYTES {
            let at = scan.position();
            let fault = |what: String| fault(&self.log, &segment, good, at, &what);
            let Some(placed) = next(&mut scan, &self.log, &segment, good)? else { break };
            let body =
                scan.body(&placed).map_err(|error| torn(&self.log, &segment, good, error))?;
            let batch = view(body).map_err(fault)?;
            if batch.is_control() {
                phase.transactions.control(&batch, end_of(&batch));
            } else if !phase.transactions.data(&batch) {
                let looked = filter::look(&batch, &mut self.tools.scratch, &mut mapping);
                looked.map_err(|error| fault(error.to_string()))?;
                if mapping.full {
                    return self.begin_copy();
                }
            }
            if batch.last_offset() >= self.dirt.first_dirty {
                *mapping.mapped_to = batch.last_offset();
            }
            good = batch.last_offset().next();
        }
        let position = scan.position();
        self.tools.buffer = scan.into_buffer();
        phase.place = Some(Place { position, offset: good });
        if position >= segment.size() {
            phase.segments.pop_front();
            phase.place = None;
            let next = phase.segments.front().map_or(self.dirt.round_end, |next| next.base);
            self.mapped_to = next + -1;
            segment.close_idle();
        }
        Ok(Stepped::More(position - from))
    }

    /// The map is as it will be: from the log's begin on everything is written anew.
    fn begin_copy(&mut self) -> Result<Stepped, CleanError> {
        let segments = self.log.segments();
        let until = segments.partition_point(|segment| segment.base <= self.mapped_to);
        let segments = &segments[..until.min(segments.len() - 1)];
        let extents = segments.iter().map(|segment| {
            Ok(Extent {
                base: segment.base,
                bytes: segment.size(),
                offset_index_bytes: segment.offsets.file().bytes()?,
                time_index_bytes: segment.times.file().bytes()?,
            })
        });
        let extents = extents.collect::<Result<Vec<_>, StorageError>>()?;
        let limits = Limits {
            bytes: self.config.segment_bytes.into(),
            index_bytes: self.config.segment_index_bytes.into(),
            round_end: self.dirt.round_end,
        };
        let groups = group(&extents, limits).into_iter().map(|run| segments[run].to_vec());
        self.outcome.end = self.mapped_to.next();
        self.outcome.key_percent = self.keys.percent();
        self.outcome.bytes_before = extents.iter().map(|extent| extent.bytes).sum();
        let phase = CopyPhase {
            groups: groups.collect(),
            current: None,
            transactions: Transactions::default(),
        };
        self.phase = Phase::Copy(Box::new(phase));
        Ok(Stepped::More(0))
    }

    /// Writes a part of a group anew.
    fn copy(&mut self) -> Result<Stepped, CleanError> {
        let Phase::Copy(phase) = &mut self.phase else { return Ok(Stepped::More(0)) };
        let Some(current) = &mut phase.current else {
            let Some(segments) = phase.groups.pop_front() else {
                return Ok(Stepped::Done(self.outcome));
            };
            phase.current = Some(Group::begin(&self.log, segments, &self.config)?);
            return Ok(Stepped::More(0));
        };
        let Some(segment) = current.segments.get(current.at).map(Arc::clone) else {
            return self.finish_group();
        };
        if current.place.position == 0 {
            let behind = next_base(&self.log, segment.base);
            phase.transactions.expect(self.log.aborted_to_clean(segment.base, behind)?);
        }
        let Place { position: from, offset: mut good } = current.place;
        let before = current.output.size();
        let rules = Rules {
            last_written: &current.last_written,
            mapped_to: self.mapped_to,
            round_end: self.dirt.round_end,
            now: self.now,
            delete_retention_ms: self.config.delete_retention_ms,
        };
        let file = segment.file()?;
        let scan = Scan::new(&file, from, segment.size(), self.read_bytes);
        let mut scan = scan.reusing(std::mem::take(&mut self.tools.buffer));
        while scan.position() - from < STEP_BYTES {
            let at = scan.position();
            let Some(placed) = next(&mut scan, &self.log, &segment, good)? else { break };
            let body =
                scan.body(&placed).map_err(|error| torn(&self.log, &segment, good, error))?;
            let fault = |what: String| fault(&self.log, &segment, good, at, &what);
            let batch = view(body).map_err(fault)?;
            let is_over = match batch.is_control() {
                true => {
                    let (is_over, aborted) = phase.transactions.control(&batch, end_of(&batch));
                    aborted.iter().for_each(|entry| current.output.aborted(entry));
                    is_over
                }
                false => phase.transactions.data(&batch),
            };
            let left = clean(&batch, is_over, &rules, &mut self.keys, &mut self.tools);
            if let Some(left) = left.map_err(|error| fault(error.to_string()))? {
                current.output.batch(&left)?;
            }
            good = batch.last_offset().next();
        }
        let position = scan.position();
        self.tools.buffer = scan.into_buffer();
        current.place = Place { position, offset: good };
        let moved = position - from + (current.output.size() - before);
        if position >= segment.size() {
            current.at += 1;
            let next = current.segments.get(current.at);
            current.place = Place::begin(next.unwrap_or(&segment));
        }
        Ok(Stepped::More(moved))
    }

    fn finish_group(&mut self) -> Result<Stepped, CleanError> {
        let Phase::Copy(phase) = &mut self.phase else { return Ok(Stepped::More(0)) };
        let Some(group) = phase.current.take() else { return Ok(Stepped::More(0)) };
        let base = group.segments.first().map_or(Offset(0), |segment| segment.base);
        let modified = match group.segments.last() {
            Some(last) => last.modified()?,
            None => self.now,
        };
        let replaced = group.output.finish(modified).map_err(CleanError::Storage);
        let replaced = replaced.and_then(|finished| {
            self.log.replace_cleaned(&group.segments, finished, self.now).map(|()| finished.size)
        });
        match replaced {
            Ok(size) => {
                self.outcome.bytes_after += size;
                Ok(Stepped::More(0))
            }
            Err(error) => {
                if self.log.home.directory.check().is_ok() {
                    output::remove(&self.log.home, base)?;
                }
                Err(error)
            }
        }
    }
}

impl Place {
    const ZERO: Place = Place { position: 0, offset: Offset(0) };

    fn begin(segment: &Segment) -> Place {
        Place { position: 0, offset: segment.base }
    }
}

impl Group {
    fn begin(
        log: &Log,
        segments: Vec<Arc<Segment>>,
        config: &LogConfig,
    ) -> Result<Group, CleanError> {
        let base = segments.first().map_or(Offset(0), |segment| segment.base);
        if !log.holds(&segments) {
            return Err(CleanError::Overtaken);
        }
        Ok(Group {
            output: Output::create(&log.home, base, config)?,
            last_written: LastWritten::of(&lock(&log.producers)),
            place: segments.first().map_or(Place::ZERO, |first| Place::begin(first)),
            segments,
            at: 0,
        })
    }
}

/// Where the segment behind the one at `base` begins.
fn next_base(log: &Log, base: Offset) -> Offset {
    let segments = log.segments();
    let behind = segments.partition_point(|segment| segment.base <= base);
    segments.get(behind).map_or_else(|| log.end(), |next| next.base)
}

/// The next batch, whole, in its place and with its checksum right; `None` at the segment's end.
fn next(
    scan: &mut Scan<'_>,
    log: &Log,
    segment: &Segment,
    good: Offset,
) -> Result<Option<Placed>, CleanError> {
    let at = scan.position();
    let torn = |error| torn(log, segment, good, error);
    let Some(placed) = scan.next().map_err(torn)? else { return Ok(None) };
    // It will be looked at whole, so the checksum must not read it part by part before that.
    scan.body(&placed).map_err(torn)?;
    scan.verify(&placed).map_err(torn)?;
    if placed.header().base_offset() < good || placed.last_offset() >= next_base(log, segment.base)
    {
        let (first, last) = (placed.header().base_offset(), placed.last_offset());
        let what = format!("a batch of the offsets {first} to {last} is out of its place");
        return Err(fault(log, segment, good, at, &what));
    }
    if placed.header().magic() != 2 {
        let what = format!("a batch of magic {} is not compacted", placed.header().magic());
        return Err(fault(log, segment, good, at, &what));
    }
    Ok(Some(placed))
}

fn view(body: &[u8]) -> Result<BatchView<'_>, String> {
    let batch = BatchView::first(body).map_err(|error| error.to_string())?;
    batch.ok_or_else(|| "the batch is cut".to_owned())
}

fn torn(log: &Log, segment: &Segment, good: Offset, error: ScanError) -> CleanError {
    match error {
        ScanError::Torn(what) => fault(log, segment, good, segment.size(), &what),
        error => CleanError::Storage(segment.scan_error(error).warm()),
    }
}

fn fault(log: &Log, segment: &Segment, good: Offset, position: u64, what: &str) -> CleanError {
    CleanError::Uncleanable(Fault {
        file: log.home.of(segment.base, FileKind::Log),
        offset: good,
        what: format!("{what} (position {position})"),
    })
}
