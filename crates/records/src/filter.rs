//! Leaving records out of a batch, as the log cleaner does: look at each record's key, then write
//! those that stay.
//!
//! Offsets, sequence and last offset of the batch stay what they were, so that a batch from which
//! records are missing still tells its producer's place. Not here: which records stay. Must hold:
//! a batch streams through its codec, and memory is that of the window, one bit per record and
//! the bytes that come out, which have a limit.

use std::io::Write;
use std::ops::ControlFlow;

use ottla_wire::varint::{put_varint, put_varlong};
use ottla_wire::{Offset, Timestamp};

use crate::batch::{self, BatchHeader, BatchView, HEADER_LEN, NO_TIMESTAMP, TimestampType};
use crate::codec::{self, Codec, Compressor, Scratch};
use crate::crc;
use crate::record::ReadError;
use crate::reencode::{Bounded, OUTGROWN};
use crate::walk::{Broken, Each, Source, read_head, skip_value, varint, walk_each};

/// What a look at a record tells besides its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its offset.
    pub offset: Offset,
    /// Whether it has a key, be it an empty one.
    pub has_key: bool,
    /// Whether it has a value; one without is a tombstone.
    pub has_value: bool,
}

/// Who looks at the records of a batch.
pub trait Look {
    /// A part of the next record's key; the parts of one key come in order.
    fn key(&mut self, part: &[u8]);
    /// The record whose key was told; `Break` ends the look.
    fn record(&mut self, seen: Seen) -> ControlFlow<()>;
}

/// Which records of a batch stay, in their order.
#[derive(Debug, Default)]
pub struct Kept {
    bits: Vec<u64>,
    len: usize,
    count: i32,
}

/// Why a batch was not written anew.
#[derive(Debug)]
pub enum FilterError {
    /// It can't be read.
    Read(ReadError),
    /// It would be longer than was allowed.
    Outgrown,
}

/// Looks at the records of a batch of magic 2, whose offsets must ascend within the batch. The
/// checksum is not verified.
pub fn look<L: Look>(
    batch: &BatchView<'_>,
    scratch: &mut Scratch,
    look: &mut L,
) -> Result<(), ReadError> {
    let codec = codec_of(batch)?;
    let mut reader =
        codec::reader_with(codec, batch.records(), scratch).map_err(ReadError::Codec)?;
    let mut looking = Looking {
        look,
        base: batch.base_offset(),
        next_delta: 0,
        last_delta: batch.last_offset_delta(),
    };
    walk_each(&mut reader, batch.count().max(0), &mut looking)?;
    reader.give_back(scratch);
    Ok(())
}

/// The batch with the records of `kept` only, compressed as it was. With a delete horizon the
/// batch carries it from here on; without one it keeps what it has. The records must have been
/// looked at before. `len_max` is the most that may come out.
pub fn rewrite(
    batch: &BatchView<'_>,
    kept: &Kept,
    horizon: Option<Timestamp>,
    len_max: usize,
    scratch: &mut Scratch,
) -> Result<Vec<u8>, FilterError> {
    let codec = codec_of(batch)?;
    let out = Bounded { bytes: vec![0; HEADER_LEN], len_max };
    let writer = Compressor::new(codec, codec.default_level(), out).map_err(ReadError::Codec)?;
    let appended = batch.timestamp_type() == TimestampType::LogAppendTime;
    let horizon = horizon.or_else(|| batch.delete_horizon());
    let mut writing = Writing {
        kept,
        writer,
        old_base_timestamp: batch.base_timestamp().0,
        append_timestamp: appended.then(|| batch.max_timestamp().0),
        base_timestamp: horizon.map(|horizon| horizon.0),
        max_timestamp: NO_TIMESTAMP.0,
        head: Vec::new(),
        len: Vec::new(),
    };
    let mut reader =
        codec::reader_with(codec, batch.records(), scratch).map_err(ReadError::Codec)?;
    walk_each(&mut reader, batch.count().max(0), &mut writing)?;
    reader.give_back(scratch);
    let base_timestamp = writing.base_timestamp.unwrap_or(NO_TIMESTAMP.0);
    let max_timestamp = match appended {
        true => batch.max_timestamp().0,
        false => writing.max_timestamp,
    };
    let mut bytes = writing.writer.finish().map_err(Broken::Inflating)?.bytes;
    let mut attributes = batch.attributes() & batch::KNOWN_BITS;
    if horizon.is_some() {
        attributes |= batch::DELETE_HORIZON_BIT;
    }
    let header = Header { attributes, base_timestamp, max_timestamp, count: kept.count };
    header.write(batch, &mut bytes)?;
    Ok(bytes)
}

/// A batch without records in place of another one: it tells the offsets that were there, and its
/// producer's place. `None` for a batch of an old magic, which can't be empty.
pub fn empty(batch: &BatchHeader<'_>) -> Option<Vec<u8>> {
    if batch.magic() != 2 {
        return None;
    }
    let mut bytes = vec![0; HEADER_LEN];
    let kept = batch::LOG_APPEND_TIME_BIT | batch::TRANSACTIONAL_BIT | batch::CONTROL_BIT;
    let header = Header {
        attributes: batch.attributes() & kept,
        base_timestamp: NO_TIMESTAMP.0,
        max_timestamp: batch.max_timestamp().0,
        count: 0,
    };
    header.write(batch, &mut bytes).ok()?;
    Some(bytes)
}

impl Kept {
    /// Whether the next record stays. `false` when no more can be told: then the batch has more
    /// records than are worth the memory.
    #[must_use]
    pub fn push(&mut self, stays: bool) -> bool {
        if self.len >= RECORDS_MAX {
            return false;
        }
        if self.len.is_multiple_of(64) {
            self.bits.push(0);
        }
        if let Some(word) = self.bits.last_mut() {
            *word |= u64::from(stays) << (self.len % 64);
        }
        self.len += 1;
        self.count += i32::from(stays);
        true
    }

    /// Begins anew, for another batch.
    pub fn clear(&mut self) {
        self.bits.clear();
        (self.len, self.count) = (0, 0);
    }

    /// How many records stay.
    pub fn count(&self) -> i32 {
        self.count
    }

    /// Whether no record goes.
    pub fn is_all(&self) -> bool {
        usize::try_from(self.count) == Ok(self.len)
    }

    fn stays(&self, index: i32) -> bool {
        let Ok(index) = usize::try_from(index) else { return false };
        self.bits.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }
}

struct Looking<'a, L> {
    look: &'a mut L,
    base: Offset,
    next_delta: i32,
    last_delta: i32,
}

impl<L: Look> Each for Looking<'_, L> {
    /// Cost per record: that of a walk, and whatever is done with its key.
    #[inline]
    fn record<S: Source>(&mut self, _: i32, record: &mut S) -> Result<bool, Broken> {
        let head = read_head(record)?;
        if head.offset_delta < self.next_delta || head.offset_delta > self.last_delta {
            return Err(Broken::Malformed("offsets in the batch do not ascend within it"));
        }
        self.next_delta = head.offset_delta.saturating_add(1);
        let key_len = usize::try_from(varint(record)?);
        if let Ok(len) = key_len {
            record.feed(len, &mut |part| {
                self.look.key(part);
                Ok(())
            })?;
        }
        let has_value = skip_value(record)?;
        if record.left() != 0 {
            return Err(Broken::Malformed("record is not as long as its length says"));
        }
        let offset = self.base + i64::from(head.offset_delta);
        let seen = Seen { offset, has_key: key_len.is_ok(), has_value };
        Ok(self.look.record(seen).is_continue())
    }
}

struct Writing<'a> {
    kept: &'a Kept,
    writer: Compressor<Bounded>,
    old_base_timestamp: i64,
    /// The timestamp of every record, where the batch says so.
    append_timestamp: Option<i64>,
    base_timestamp: Option<i64>,
    max_timestamp: i64,
    head: Vec<u8>,
    len: Vec<u8>,
}

impl Each for Writing<'_> {
    fn record<S: Source>(&mut self, index: i32, record: &mut S) -> Result<bool, Broken> {
        if !self.kept.stays(index) {
            record.skip(record.left())?;
            return Ok(true);
        }
        let old = read_head(record)?;
        let timestamp = self.append_timestamp;
        let timestamp =
            timestamp.unwrap_or_else(|| self.old_base_timestamp.wrapping_add(old.timestamp_delta));
        let base_timestamp = *self.base_timestamp.get_or_insert(timestamp);
        self.max_timestamp = self.max_timestamp.max(timestamp);
        self.head.clear();
        self.head.push(0);
        put_varlong(&mut self.head, timestamp.wrapping_sub(base_timestamp));
        put_varint(&mut self.head, old.offset_delta);
        let rest = record.left();
        let len = self.head.len().checked_add(rest).and_then(|len| i32::try_from(len).ok());
        let len = len.ok_or(Broken::Malformed("record is too long to be written anew"))?;
        self.len.clear();
        put_varint(&mut self.len, len);
        self.writer.write_all(&self.len).map_err(Broken::Inflating)?;
        self.writer.write_all(&self.head).map_err(Broken::Inflating)?;
        record.feed(rest, &mut |bytes| self.writer.write_all(bytes))?;
        Ok(true)
    }
}

/// What of a header is not as it was.
struct Header {
    attributes: i16,
    base_timestamp: i64,
    max_timestamp: i64,
    count: i32,
}

impl Header {
    /// Fills the room in front of the records and seals the batch.
    fn write(&self, batch: &BatchHeader<'_>, bytes: &mut [u8]) -> Result<(), FilterError> {
        let len = bytes.len().saturating_sub(batch::PREFIX_LEN);
        let len = i32::try_from(len).map_err(|_| FilterError::Outgrown)?;
        let Some(header) = bytes.first_chunk_mut::<HEADER_LEN>() else {
            return Err(FilterError::Outgrown);
        };
        header.copy_from_slice(batch.header_bytes());
        put(header, batch::LENGTH, len.to_be_bytes());
        put(header, batch::ATTRIBUTES, self.attributes.to_be_bytes());
        put(header, batch::BASE_TIMESTAMP, self.base_timestamp.to_be_bytes());
        put(header, batch::MAX_TIMESTAMP, self.max_timestamp.to_be_bytes());
        put(header, batch::COUNT, self.count.to_be_bytes());
        let crc = crc::crc32c(&bytes[batch::ATTRIBUTES..]);
        bytes[batch::CRC..batch::ATTRIBUTES].copy_from_slice(&crc.to_be_bytes());
        Ok(())
    }
}

fn put<const N: usize>(header: &mut [u8; HEADER_LEN], at: usize, field: [u8; N]) {
    header[at..at + N].copy_from_slice(&field);
}

fn codec_of(batch: &BatchView<'_>) -> Result<Codec, ReadError> {
    if batch.magic() != 2 {
        return Err(ReadError::OldMagic(batch.magic()));
    }
    batch.codec().map_err(ReadError::UnknownCodec)
}

impl From<ReadError> for FilterError {
    fn from(error: ReadError) -> FilterError {
        FilterError::Read(error)
    }
}

impl From<Broken> for FilterError {
    fn from(broken: Broken) -> FilterError {
        match broken {
            Broken::Inflating(error) if error.kind() == OUTGROWN => FilterError::Outgrown,
            broken => FilterError::Read(broken.into()),
        }
    }
}

/// The most records of one batch that are told apart: two megabytes of bits. A batch with more
/// inflates to 117 MB at least, as only hostile ones do.
const RECORDS_MAX: usize = 1 << 24;
