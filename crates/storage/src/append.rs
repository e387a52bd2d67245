//! Appending: check, assign, write, note, show.
//!
//! The batch is checked before the lock is taken; under it the producer's sequence is looked at,
//! offset and epoch are patched into a copy of the header, and header and records leave in one
//! write. Must hold: nothing is allocated per record; a write that failed leaves no byte that a
//! reader or a restart could see; what readers see is complete.

use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use ottla_records::batch::{BatchHeader, batches};
use ottla_records::codec::Codec;
use ottla_records::validate::{
    Invalid, Origin as Validated, Rules, Valid, validate, validate_with,
};
use ottla_wire::{ErrorCode, LeaderEpoch, Offset, Timestamp};

use crate::config::LogConfig;
use crate::error::{AppendError, StorageError};
use crate::log::{Log, Writer, lock};
use crate::markers;
use crate::names::FileKind;
use crate::origin::Origin;
use crate::producer_snapshot;
use crate::producers::{Fenced, Marker, ProducerBatch};
use crate::segment::{Growth, Segment};

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The offset of the first record.
    pub first_offset: Offset,
    /// The offset of the last record.
    pub last_offset: Offset,
    /// The leader's time on topics of LogAppendTime, else -1.
    pub log_append_time: Timestamp,
    /// The log's start.
    pub log_start: Offset,
    /// The batch was there already; nothing was written.
    pub duplicate: bool,
    /// `flush.messages` asks for a sync before this is acknowledged.
    pub sync_due: bool,
}

/// What the log needs to know of a batch besides its header.
struct Noted<'a> {
    header: BatchHeader<'a>,
    position: u64,
    marker: Option<Marker>,
}

impl Log {
    /// Appends batches. Synchronous: a few microseconds when the disk takes the bytes.
    pub fn append(&self, records: &Bytes, origin: Origin) -> Result<Appended, AppendError> {
        let appended = self.append_checked(records, origin);
        if let Err(error) = &appended {
            self.home.directory.tell_refusal(origin.now(), error);
        }
        appended
    }

    fn append_checked(&self, records: &Bytes, origin: Origin) -> Result<Appended, AppendError> {
        self.home.directory.check()?;
        if !self.goes_on_when_full(origin) {
            self.home.directory.check_room()?;
        }
        let config = self.config();
        let (validated, epoch, now) = match origin {
            Origin::Replica { now } => return self.append_replica(records, now, &config),
            Origin::Leader { epoch, now } => (Validated::Client, epoch, now),
            Origin::Coordinator { epoch, now } | Origin::Marker { epoch, now, .. } => {
                (Validated::Coordinator, epoch, now)
            }
        };
        let rules = Rules {
            origin: validated,
            partition: &self.name,
            compacted: config.cleanup_compact,
            timestamp_type: config.timestamp_type,
            before_max_ms: config.timestamp_before_max_ms,
            after_max_ms: config.timestamp_after_max_ms,
            now,
            compression: config.compression,
            max_message_bytes: config.max_message_bytes as usize,
            segment_bytes: config.segment_bytes as usize,
        };
        let valid = self.validated(records, &rules).map_err(|invalid| AppendError {
            error: invalid.error,
            message: invalid.message,
            record_errors: invalid.record_errors,
        })?;
        self.append_valid(records, valid, (origin, epoch), &rules, &config)
    }

    /// Whether this append may use what is kept back: those of Kafka's own topics, and markers,
    /// which end transactions and come from a coordinator.
    fn goes_on_when_full(&self, origin: Origin) -> bool {
        self.may_use_reserve || origin.is_coordinator()
    }

    /// Checks a batch; a compressed one with the buffers and contexts that an earlier one used.
    fn validated(&self, records: &[u8], rules: &Rules<'_>) -> Result<Valid, Invalid> {
        let codec = BatchHeader::first(records).ok().flatten().map(|batch| batch.codec());
        if matches!(codec, None | Some(Ok(Codec::None))) {
            return validate(records, rules);
        }
        let scratches = self.home.directory.scratches();
        let mut scratch = scratches.take();
        let valid = validate_with(records, rules, &mut scratch);
        scratches.give_back(scratch);
        valid
    }

    fn append_valid(
        &self,
        records: &Bytes,
        mut valid: Valid,
        (origin, epoch): (Origin, LeaderEpoch),
        rules: &Rules<'_>,
        config: &LogConfig,
    ) -> Result<Appended, AppendError> {
        let now = rules.now;
        let mut writer = self.writer()?;
        let first = self.end();
        let last = first + i64::from(valid.last_offset_delta);
        valid.assign(first, epoch);
        let marker = match valid.is_control {
            true => markers::of(&valid, records, last),
            false => None,
        };
        if let Some(known) = self.check_producer(&valid, marker.as_ref(), origin)? {
            return Ok(self.appended(known, config));
        }
        let rest = valid.records(records);
        let len = valid.header.len() + rest.len();
        self.roll_if_due(&mut writer, config, Arriving::of(&valid, first, len, now))?;
        let goes_on = self.may_use_reserve || valid.is_control;
        let position = self.write(&mut writer, config, &[&valid.header, rest], goes_on)?;
        let header = BatchHeader::first(&valid.header).ok().flatten();
        let header = header.expect("a valid batch has a header");
        let noted = Noted { header, position, marker };
        self.show(&mut writer, config, &[noted], position + len as u64, now)?;
        let known = Known { first, last, log_append_time: valid.log_append_time, new: true };
        Ok(self.appended(known, config))
    }

    fn append_replica(
        &self,
        records: &Bytes,
        now: Timestamp,
        config: &LogConfig,
    ) -> Result<Appended, AppendError> {
        let mut writer = self.writer()?;
        let mut noted = Vec::new();
        let (mut next, mut len) = (self.end(), 0);
        for batch in batches(records) {
            let corrupt = |error: &dyn ToString| {
                AppendError::new(ErrorCode::CORRUPT_MESSAGE, error.to_string())
            };
            let batch = batch.map_err(|error| corrupt(&error))?;
            batch.verify_crc().map_err(|error| corrupt(&error))?;
            if batch.base_offset() < next || batch.last_offset() < batch.base_offset() {
                return Err(AppendError::new(
                    ErrorCode::UNKNOWN_SERVER_ERROR,
                    format!(
                        "batch at offset {} does not follow {} in {}",
                        batch.base_offset(),
                        next,
                        self.name
                    ),
                ));
            }
            next = batch.last_offset().next();
            let marker = match batch.is_control() {
                true => markers::read(&records.slice_ref(batch.bytes()), batch.last_offset()),
                false => None,
            };
            noted.push(Noted { header: *batch, position: len as u64, marker });
            len += batch.bytes().len();
        }
        let Some(first) = noted.first().map(|batch| batch.header.base_offset()) else {
            let nothing =
                Known { first: next, last: next + -1, log_append_time: Timestamp(-1), new: true };
            return Ok(self.appended(nothing, config));
        };
        let newest = noted.iter().map(|batch| batch.header.max_timestamp()).max();
        let arriving = Arriving {
            first,
            last: next + -1,
            len: len as u64,
            max_timestamp: newest.unwrap_or(Timestamp(-1)),
            now,
        };
        self.roll_if_due(&mut writer, config, arriving)?;
        let goes_on = self.may_use_reserve;
        let position = self.write(&mut writer, config, &[&records[..len]], goes_on)?;
        for batch in &mut noted {
            batch.position += position;
        }
        self.show(&mut writer, config, &noted, position + len as u64, now)?;
        let last = next + -1;
        let known = Known { first, last, log_append_time: Timestamp(-1), new: true };
        Ok(self.appended(known, config))
    }

    fn writer(&self) -> Result<std::sync::MutexGuard<'_, Writer>, AppendError> {
        let writer = lock(&self.writer);
        if writer.closed {
            let message = format!("the log of {} is closed", self.name);
            return Err(AppendError::new(ErrorCode::NOT_LEADER_OR_FOLLOWER, message));
        }
        Ok(writer)
    }

    fn check_producer(
        &self,
        valid: &Valid,
        marker: Option<&Marker>,
        origin: Origin,
    ) -> Result<Option<Known>, AppendError> {
        let refused = |fenced: Fenced| {
            AppendError::new(fenced.error, format!("{} in {}", fenced.message, self.name))
        };
        if let Some(marker) = marker {
            lock(&self.producers).check_marker(marker, origin.marker_epoch()).map_err(refused)?;
            return Ok(None);
        }
        let Some(producer) = valid.producer.filter(|_| !valid.is_control) else { return Ok(None) };
        let batch = ProducerBatch {
            id: producer.id,
            epoch: producer.epoch,
            base_sequence: producer.base_sequence,
            last_offset_delta: valid.last_offset_delta,
            max_timestamp: valid.max_timestamp,
            transactional: valid.is_transactional,
        };
        let producers = lock(&self.producers);
        let known = match origin.is_coordinator() {
            true => producers.check_coordinated(&batch).map(|()| None),
            false => producers.check(&batch),
        };
        let known = known.map_err(refused)?;
        Ok(known.map(|known| Known {
            first: known.first_offset(),
            last: known.last_offset,
            log_append_time: known.timestamp,
            new: false,
        }))
    }

    fn appended(&self, known: Known, config: &LogConfig) -> Appended {
        let unsynced = known.last.next() - self.recovery_point();
        Appended {
            first_offset: known.first,
            last_offset: known.last,
            log_append_time: known.log_append_time,
            log_start: self.start(),
            duplicate: !known.new,
            sync_due: unsynced >= config.flush_messages,
        }
    }

    /// Writes at the active segment's end; answers where that was.
    fn write(
        &self,
        writer: &mut Writer,
        config: &LogConfig,
        parts: &[&[u8]],
        goes_on_when_full: bool,
    ) -> Result<u64, StorageError> {
        let active = self.active();
        if !writer.prepared {
            let prepared = self.prepare(writer, &active, config);
            self.home.directory.judge(prepared)?;
        }
        let position = active.size();
        let slices = [IoSlice::new(parts[0]), IoSlice::new(parts.get(1).copied().unwrap_or(&[]))];
        let file = self.home.directory.judge(active.change())?;
        let write = || {
            let written = file.write_all_vectored_at(&slices[..parts.len().min(2)], position);
            written.map_err(active.io("append to"))
        };
        let written = match goes_on_when_full {
            true => self.home.directory.with_reserve(write),
            false => write(),
        };
        if let Err(error) = written {
            let cut = file.set_len(position).map_err(active.io("cut back"));
            if error.passes() {
                // Otherwise the first error is the one to tell.
                self.home.directory.judge(cut)?;
            }
            return self.home.directory.judge(Err(error));
        }
        Ok(position)
    }

    /// Makes the files that an active segment has, at its first append since it was opened.
    fn prepare(
        &self,
        writer: &mut Writer,
        active: &Segment,
        config: &LogConfig,
    ) -> Result<(), StorageError> {
        active.preallocate(config)?;
        if config.preallocate {
            let file = active.change()?;
            if file.len().map_err(active.io("read the length of"))?
                < u64::from(config.segment_bytes)
            {
                file.set_len(u64::from(config.segment_bytes)).map_err(active.io("lengthen"))?;
            }
        }
        self.names_unsynced.store(true, Ordering::Release);
        writer.prepared = true;
        Ok(())
    }

    /// Notes batches that are in the file, and lets readers see them.
    fn show(
        &self,
        writer: &mut Writer,
        config: &LogConfig,
        noted: &[Noted<'_>],
        size: u64,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let active = self.active();
        let before = active.size();
        active.set_size(size);
        for batch in noted {
            if let Err(error) = self.note(writer, config, &active, batch) {
                // The bytes are in the file but not in the books: nothing may follow them.
                self.home.directory.fail(&error.to_string());
                return Err(error);
            }
        }
        let Some(last) = noted.last() else { return Ok(()) };
        let end = last.header.last_offset().next();
        let mut tail = lock(&self.tail);
        for batch in noted {
            tail.batch(batch.header.base_offset(), batch.position);
        }
        tail.advance(end, size);
        self.end.store(end.0, Ordering::Release);
        drop(tail);
        writer.since_snapshot += size - before;
        self.note_unsynced(size - before, now);
        Ok(())
    }

    pub(crate) fn note_unsynced(&self, bytes: u64, now: Timestamp) {
        self.home.directory.unsynced.add(bytes);
        if self.unsynced.fetch_add(bytes, Ordering::SeqCst) == 0 {
            self.unsynced_since.store(now.0, Ordering::Release);
            self.list_unsynced();
        }
    }

    fn note(
        &self,
        writer: &mut Writer,
        config: &LogConfig,
        active: &Segment,
        batch: &Noted<'_>,
    ) -> Result<(), StorageError> {
        let header = batch.header;
        active.note(&mut writer.growth, header, batch.position, config.index_interval_bytes)?;
        if header.leader_epoch().0 >= 0 && !self.has_epoch(header.leader_epoch()) {
            self.change_epochs(|epochs| {
                epochs.assign(header.leader_epoch(), header.base_offset())
            })?;
        }
        let mut producers = lock(&self.producers);
        if let Some(marker) = &batch.marker {
            let aborted = markers::complete(&mut producers, marker);
            self.note_unstable(&producers);
            drop(producers);
            if let Some(aborted) = aborted {
                active.aborted.push(aborted)?;
                // The first one makes the file.
                self.names_unsynced.store(true, Ordering::Release);
            }
        } else if let Some(data) = markers::producer_batch(&header) {
            producers.append(&data, header.base_offset());
            if data.transactional {
                self.note_unstable(&producers);
            }
        }
        Ok(())
    }

    fn roll_if_due(
        &self,
        writer: &mut Writer,
        config: &LogConfig,
        arriving: Arriving,
    ) -> Result<(), StorageError> {
        self.make_home(writer)?;
        let active = self.active();
        if active.size() == 0 {
            // An empty segment takes everything, unless it begins too far below.
            let fits = arriving.last - active.base <= i64::from(i32::MAX);
            return if fits { Ok(()) } else { self.roll_at(writer, arriving.first, arriving.now) };
        }
        let due = self.home.directory.judge(is_roll_due(writer, config, &active, &arriving))?;
        if due { self.roll_at(writer, arriving.first, arriving.now) } else { Ok(()) }
    }

    /// Closes the active segment and opens one that begins at `base`.
    pub(crate) fn roll_at(
        &self,
        writer: &mut Writer,
        base: Offset,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let rolled = self.try_roll(writer, base, now);
        self.home.directory.judge(rolled)
    }

    fn try_roll(
        &self,
        writer: &mut Writer,
        base: Offset,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let active = self.active();
        writer.prepared = false;
        if active.size() > 0 {
            active.finish()?;
            if self.config().preallocate {
                active.change()?.set_len(active.size()).map_err(active.io("cut"))?;
            }
            self.take_snapshot(writer, base)?;
            if self.recovery_point() >= base {
                // A start would trust these indexes, and no later sync looks at them.
                active.sync_indexes()?;
            }
        }
        let mut segments = self.segments().as_ref().clone();
        if active.size() == 0 {
            // Nothing was ever in it: the new one takes its place.
            segments.pop();
            active.mark_deleted()?.iter().try_for_each(|name| self.home.remove(name))?;
        }
        let segment = Arc::new(Segment::new(Arc::clone(&self.home), base, 0, now));
        let file = segment.change()?;
        if file.len().map_err(segment.io("read the length of"))? > 0 {
            file.set_len(0).map_err(segment.io("empty"))?;
        }
        drop(file);
        segment.offsets.file().truncate(0)?;
        segment.times.file().truncate(0)?;
        segments.push(Arc::clone(&segment));
        self.replace_segments(segments);
        lock(&self.tail).rolled(segment);
        self.names_unsynced.store(true, Ordering::Release);
        let jitter_ms = jitter(&mut writer.random, self.config().segment_jitter_ms);
        writer.growth = Growth { jitter_ms, ..Growth::default() };
        Ok(())
    }

    /// Writes what is known of producers at `offset`, which is the log's end.
    pub(crate) fn take_snapshot(
        &self,
        writer: &mut Writer,
        offset: Offset,
    ) -> Result<(), StorageError> {
        if writer.snapshot_at == Some(offset) {
            return Ok(());
        }
        let bytes = producer_snapshot::encode(&lock(&self.producers));
        let name = crate::names::file_name(offset, FileKind::Snapshot);
        let path = self.home.file(&name);
        self.home.directory.with_reserve(|| {
            self.home.disk().write(&path, &bytes).map_err(StorageError::io("write", &path))
        })?;
        self.note_unsynced_file(name);
        writer.snapshot_at = Some(offset);
        writer.since_snapshot = 0;
        Ok(())
    }
}

/// Offsets and time that a reply tells, for a batch that is new or was known.
#[derive(Clone, Copy)]
struct Known {
    first: Offset,
    last: Offset,
    log_append_time: Timestamp,
    new: bool,
}

/// What arrives, as far as rolling needs to know.
#[derive(Clone, Copy)]
struct Arriving {
    first: Offset,
    last: Offset,
    len: u64,
    max_timestamp: Timestamp,
    now: Timestamp,
}

impl Arriving {
    fn of(valid: &Valid, first: Offset, len: usize, now: Timestamp) -> Arriving {
        Arriving {
            first,
            last: first + i64::from(valid.last_offset_delta),
            len: len as u64,
            max_timestamp: valid.max_timestamp,
            now,
        }
    }
}

/// Size, age, a full index, or offsets too far from the base ask for a new segment.
fn is_roll_due(
    writer: &mut Writer,
    config: &LogConfig,
    active: &Segment,
    arriving: &Arriving,
) -> Result<bool, StorageError> {
    if active.size() + arriving.len > u64::from(config.segment_bytes)
        || arriving.last - active.base > i64::from(i32::MAX)
    {
        return Ok(true);
    }
    let first = match writer.growth.first_timestamp {
        Some(first) => first,
        None => {
            let found = active.find(active.base, active.size(), false);
            let found = found.map_err(crate::segment::FindError::warm)?;
            let first = found.map_or(Timestamp(-1), |found| found.header().max_timestamp());
            *writer.growth.first_timestamp.insert(first)
        }
    };
    let age = match first.0 >= 0 {
        true => arriving.max_timestamp - first,
        false => arriving.now - active.created,
    };
    if age > config.roll_ms().saturating_sub(writer.growth.jitter_ms) {
        return Ok(true);
    }
    let bytes = u64::from(config.segment_index_bytes);
    Ok(active.offsets.is_full(bytes)? || active.times.is_full(bytes)?)
}

/// A number below `max_ms`, from a small generator that needs no better quality.
pub(crate) fn jitter(random: &mut u64, max_ms: i64) -> i64 {
    *random =
        random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    match u64::try_from(max_ms) {
        Ok(max @ 1..) => i64::try_from((*random >> 16) % max).unwrap_or(0),
        _ => 0,
    }
}
