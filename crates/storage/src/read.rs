//! Reading: from offsets to ranges of files, from times to offsets.
//!
//! Nothing here waits for an append. Near the log's end a range is found without a read; farther
//! back it costs an index lookup and a few headers. Must hold: a range begins where a batch
//! begins, and never reaches a batch at or above the bound that was given.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use ottla_records::record::read_batch;
use ottla_wire::{ErrorCode, FileSlice, LeaderEpoch, Offset, ProducerId, Records, Timestamp};

use crate::error::StorageError;
use crate::log::{Log, lock};
use crate::scan::{CHUNK_LARGE, Placed, Scan};
use crate::segment::{FindError, Segment};
use crate::tail::Place;
use crate::transaction_index::AbortedTransaction;

/// A range of batches.
#[derive(Clone, Debug)]
pub struct Slice {
    /// The batches, as a range of a file that stays open with them.
    pub records: Records,
    /// The base offset of the segment that they are in.
    pub segment: Offset,
    /// Where they begin in that segment's file.
    pub position: u64,
    /// The segment itself, which may have been replaced by a compacted one since.
    within: Option<Arc<Segment>>,
}

/// Why a read gave nothing.
#[derive(Debug)]
pub enum ReadError {
    /// The offset is below the log's start or above its end.
    OutOfRange,
    /// Places would have to be looked up on the disk; only `try_read` says so.
    Cold,
    /// The disk or a file is at fault.
    Storage(StorageError),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::OutOfRange => f.write_str("the log has nothing at this offset"),
            ReadError::Cold => f.write_str("the place would have to be looked up on the disk"),
            ReadError::Storage(error) => error.fmt(f),
        }
    }
}

impl ReadError {
    /// Kafka's code.
    pub fn code(&self) -> ErrorCode {
        match self {
            ReadError::OutOfRange => ErrorCode::OFFSET_OUT_OF_RANGE,
            ReadError::Cold | ReadError::Storage(_) => ErrorCode::KAFKA_STORAGE_ERROR,
        }
    }
}

impl From<FindError> for ReadError {
    fn from(error: FindError) -> ReadError {
        match error {
            FindError::Cold => ReadError::Cold,
            FindError::Storage(error) => ReadError::Storage(error),
        }
    }
}

impl From<StorageError> for ReadError {
    fn from(error: StorageError) -> ReadError {
        ReadError::Storage(error)
    }
}

/// A record that was asked for by its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOffset {
    /// The record's timestamp.
    pub timestamp: Timestamp,
    /// Its offset.
    pub offset: Offset,
    /// The leader epoch of its batch.
    pub leader_epoch: LeaderEpoch,
}

impl Log {
    /// Batches from the one that holds `from`, at most `max_bytes` of them and none at or above
    /// `until`; with `at_least_one` a first batch that is larger comes whole.
    pub fn read(
        &self,
        from: Offset,
        max_bytes: usize,
        until: Offset,
        at_least_one: bool,
    ) -> Result<Slice, ReadError> {
        self.read_range(from, max_bytes, until, at_least_one, false)
    }

    /// As `read`, but answers `Cold` where it would have to wait for the disk to find the place.
    pub fn try_read(
        &self,
        from: Offset,
        max_bytes: usize,
        until: Offset,
        at_least_one: bool,
    ) -> Result<Slice, ReadError> {
        self.read_range(from, max_bytes, until, at_least_one, true)
    }

    fn read_range(
        &self,
        from: Offset,
        max_bytes: usize,
        until: Offset,
        at_least_one: bool,
        resident: bool,
    ) -> Result<Slice, ReadError> {
        self.home.directory.check()?;
        match self.range(from, max_bytes, until, at_least_one, resident) {
            Err(ReadError::Storage(error)) => Ok(self.home.directory.judge_read(Err(error))?),
            found => found,
        }
    }

    fn range(
        &self,
        from: Offset,
        max_bytes: usize,
        until: Offset,
        at_least_one: bool,
        resident: bool,
    ) -> Result<Slice, ReadError> {
        if from < self.start() || from > self.end() {
            return Err(ReadError::OutOfRange);
        }
        let (begin, limit) = {
            let tail = lock(&self.tail);
            (tail.find(from), tail.find(until))
        };
        if from >= until {
            return Ok(empty(begin));
        }
        let begin = match begin {
            Some(place) => place,
            None => match self.place(from, resident)? {
                Some(place) => place,
                None => return Ok(empty(None)),
            },
        };
        let limit = match limit {
            Some(limit) if Arc::ptr_eq(&limit.segment, &begin.segment) => limit.position,
            Some(_) => self.size_below_end(&begin.segment),
            None => self.limit_in(&begin.segment, until, resident)?,
        };
        let available = limit.saturating_sub(begin.position);
        let mut len = available.min(max_bytes as u64);
        if len < available && at_least_one {
            let file = begin.segment.file()?;
            let mut scan = Scan::new(&file, begin.position, limit, HEADER_CHUNK).resident(resident);
            let first = scan.next().map_err(|error| begin.segment.scan_error(error))?;
            len = len.max(first.map_or(0, |first| first.len));
        }
        let Ok(len) = u32::try_from(len) else { return Err(too_long(&begin, len)) };
        if len == 0 {
            return Ok(empty(Some(begin)));
        }
        let file = begin.segment.file()?;
        let records = Records::File(FileSlice { file, position: begin.position, len });
        let Place { segment, position } = begin;
        Ok(Slice { records, segment: segment.base, position, within: Some(segment) })
    }

    /// The bytes of a read, for those who need them in memory.
    pub fn read_bytes(
        &self,
        from: Offset,
        max_bytes: usize,
        until: Offset,
        at_least_one: bool,
    ) -> Result<Bytes, ReadError> {
        let slice = self.read(from, max_bytes, until, at_least_one)?;
        let bytes = bytes_of(&slice.records).map_err(StorageError::io("read", &self.home.path()));
        Ok(self.home.directory.judge_read(bytes)?)
    }

    /// How many bytes a reader at `from` could get below `until`, in the segment it is in.
    pub fn available(&self, from: Offset, until: Offset) -> Result<u64, ReadError> {
        let slice = self.read(from, usize::MAX >> 1, until, false)?;
        Ok(slice.records.len() as u64)
    }

    /// The aborted transactions that a reader of committed data needs to know for a slice.
    pub fn aborted_in(
        &self,
        from: Offset,
        slice: &Slice,
    ) -> Result<Vec<AbortedTransaction>, StorageError> {
        if slice.records.is_empty() {
            return Ok(Vec::new());
        }
        let segments = self.segments();
        let at = segments.partition_point(|segment| segment.base <= slice.segment);
        let behind = slice.position + slice.records.len() as u64;
        let indexed = match &slice.within {
            Some(segment) => segment.offsets.offset_at(behind)?,
            None => None,
        };
        let until = indexed
            .or_else(|| segments.get(at).map(|next| next.base))
            .unwrap_or_else(|| self.end());
        self.aborted(from, until)
    }

    /// The aborted transactions that overlap `[from, until)`, by their last offset.
    pub fn aborted(
        &self,
        from: Offset,
        until: Offset,
    ) -> Result<Vec<AbortedTransaction>, StorageError> {
        self.aborted_above(from, from, until)
    }

    /// The aborted transactions that the cleaner goes by from `from` on. Those that ended below the
    /// log's start are none for Kafka's (LocalLog.collectAbortedTransactions): what is left of them
    /// is no longer served, and goes as other records go.
    pub(crate) fn aborted_to_clean(
        &self,
        from: Offset,
        until: Offset,
    ) -> Result<Vec<AbortedTransaction>, StorageError> {
        self.aborted_above(self.start(), from, until)
    }

    /// The aborted transactions that end at or above `least` and begin below `until`, in the
    /// segments from that of `from` on.
    fn aborted_above(
        &self,
        least: Offset,
        from: Offset,
        until: Offset,
    ) -> Result<Vec<AbortedTransaction>, StorageError> {
        let segments = self.segments();
        let first = segments.partition_point(|segment| segment.base <= from).saturating_sub(1);
        let mut found = Vec::new();
        for segment in &segments[first..] {
            let collected = segment.aborted.collect(least, until, &mut found);
            if self.home.directory.judge_read(collected)? {
                break;
            }
        }
        Ok(found)
    }

    /// The open transactions of producers, by where each began.
    pub fn open_transactions(&self) -> Vec<(ProducerId, Offset)> {
        let producers = lock(&self.producers);
        let open = producers.iter();
        open.filter_map(|(id, producer)| Some((id, producer.transaction_start?))).collect()
    }

    /// The first record whose time is not before `timestamp`.
    pub fn offset_for_time(
        &self,
        timestamp: Timestamp,
    ) -> Result<Option<TimedOffset>, StorageError> {
        self.home.directory.judge_read(self.find_time(timestamp))
    }

    fn find_time(&self, timestamp: Timestamp) -> Result<Option<TimedOffset>, StorageError> {
        let start = self.start();
        for segment in self.segments().iter() {
            if segment.size() == 0 || segment.newest()?.timestamp < timestamp {
                continue;
            }
            let found = self.first_not_before(segment, timestamp, start)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The first record that has the highest timestamp of the log.
    pub fn offset_of_max_timestamp(&self) -> Result<Option<TimedOffset>, StorageError> {
        self.home.directory.judge_read(self.find_max_timestamp())
    }

    fn find_max_timestamp(&self) -> Result<Option<TimedOffset>, StorageError> {
        let mut best: Option<(Arc<Segment>, Timestamp)> = None;
        for segment in self.segments().iter() {
            if segment.size() == 0 {
                continue;
            }
            let newest = segment.newest()?.timestamp;
            if newest.0 >= 0 && best.as_ref().is_none_or(|(_, known)| newest > *known) {
                best = Some((Arc::clone(segment), newest));
            }
        }
        match best {
            Some((segment, newest)) => self.first_not_before(&segment, newest, self.start()),
            None => Ok(None),
        }
    }

    fn first_not_before(
        &self,
        segment: &Arc<Segment>,
        timestamp: Timestamp,
        start: Offset,
    ) -> Result<Option<TimedOffset>, StorageError> {
        let offset = segment.times.lookup(timestamp)?.offset.max(start);
        let position = segment.offsets.lookup(offset)?.position;
        let (file, size) = (segment.file()?, self.size_below_end(segment));
        let error = |error| segment.scan_error(error).warm();
        let mut scan = Scan::new(&file, position, size, CHUNK_LARGE);
        while let Some(placed) = scan.next().map_err(error)? {
            let header = placed.header();
            if header.max_timestamp() < timestamp || header.last_offset() < start {
                continue;
            }
            let body = Bytes::copy_from_slice(scan.body(&placed).map_err(error)?);
            if let Some(found) = first_record(&placed, &body, timestamp, start) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Where the batch that holds `offset` begins.
    fn place(&self, offset: Offset, resident: bool) -> Result<Option<Place>, ReadError> {
        let segments = self.segments();
        let mut at = segments.partition_point(|segment| segment.base <= offset).saturating_sub(1);
        // What is behind the last batch of a segment is at the beginning of the next one.
        while let Some(segment) = segments.get(at) {
            let size = self.size_below_end(segment);
            if let Some(placed) = segment.find(offset, size, resident)? {
                let position = placed.position;
                return Ok(Some(Place { segment: Arc::clone(segment), position }));
            }
            at += 1;
        }
        Ok(None)
    }

    /// Where the part of a segment ends that is below `until`.
    fn limit_in(
        &self,
        segment: &Arc<Segment>,
        until: Offset,
        resident: bool,
    ) -> Result<u64, ReadError> {
        let size = self.size_below_end(segment);
        let segments = self.segments();
        let after = segments.partition_point(|other| other.base <= segment.base);
        if segments.get(after).is_some_and(|next| next.base <= until) {
            return Ok(size);
        }
        Ok(segment.find(until, size, resident)?.map_or(size, |placed| placed.position))
    }

    /// The length of a segment as far as the log's end goes.
    fn size_below_end(&self, segment: &Arc<Segment>) -> u64 {
        let (_, end) = lock(&self.tail).end();
        match Arc::ptr_eq(&end.segment, segment) {
            true => end.position,
            false => segment.size(),
        }
    }
}

/// Reads a range of a file into memory.
pub fn bytes_of(records: &Records) -> std::io::Result<Bytes> {
    match records {
        Records::Bytes(bytes) => Ok(bytes.clone()),
        Records::File(slice) => {
            let file = slice.file.downcast_ref::<ottla_env::File>();
            let file = file.ok_or(std::io::ErrorKind::InvalidInput)?;
            let mut bytes = vec![0; slice.len as usize];
            file.read_exact_at(&mut bytes, slice.position)?;
            Ok(Bytes::from(bytes))
        }
    }
}

/// Enough for one header.
const HEADER_CHUNK: usize = 64;

fn empty(place: Option<Place>) -> Slice {
    let records = Records::default();
    match place {
        Some(Place { segment, position }) => {
            Slice { records, segment: segment.base, position, within: Some(segment) }
        }
        None => Slice { records, segment: Offset(-1), position: 0, within: None },
    }
}

fn too_long(begin: &Place, len: u64) -> ReadError {
    let what = format!("a read of {len} bytes in segment {} is too long", begin.segment.base);
    ReadError::Storage(StorageError::Refused(what))
}

fn first_record(
    placed: &Placed,
    body: &Bytes,
    timestamp: Timestamp,
    start: Offset,
) -> Option<TimedOffset> {
    let leader_epoch = placed.header().leader_epoch();
    if placed.header().magic() < 2 {
        let offset = placed.last_offset();
        return Some(TimedOffset {
            timestamp: placed.header().max_timestamp(),
            offset,
            leader_epoch,
        });
    }
    read_batch(body)
        .map_while(Result::ok)
        .find(|record| record.timestamp >= timestamp && record.offset >= start)
        .map(|record| TimedOffset {
            timestamp: record.timestamp,
            offset: record.offset,
            leader_epoch,
        })
}
