//! What a batch is: its header, its place in a run of batches, its checksum.
//!
//! Magic 2 has every accessor; magic 0 and 1, which old logs may still hold, can be recognised,
//! sized and checked. Not here: the records inside (record.rs) and what a log refuses
//! (validate.rs). Must hold: a [`BatchHeader`] has all bytes of its magic's header, a [`BatchView`]
//! all bytes of its batch.

use std::fmt;
use std::ops::Deref;

use ottla_wire::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};

use crate::codec::Codec;
use crate::crc;

/// A batch that follows others in a slice, a file, a frame.
///
/// The bytes belong to whoever holds the frame or the file; a view costs two pointers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BatchView<'a> {
    header: BatchHeader<'a>,
    bytes: &'a [u8],
}

/// The header of a batch, without the need to have its records at hand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader<'a>(&'a [u8]);

/// Who wrote an idempotent batch, and where it stands in its writer's sequence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Producer {
    /// The producer's id, never negative.
    pub id: ProducerId,
    /// The epoch under which it wrote.
    pub epoch: ProducerEpoch,
    /// The sequence number of the first record; -1 in transaction markers.
    pub base_sequence: i32,
}

/// Whose clock gave the records their timestamps.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TimestampType {
    /// The producer's.
    #[default]
    CreateTime,
    /// The leader's, when it appended the batch; one timestamp for all of its records.
    LogAppendTime,
}

/// Why bytes are no batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BatchError {
    /// The length in the header is less than a header needs.
    TooSmall {
        /// The length that the header claims.
        len: i32,
    },
    /// A magic that no version of the format has.
    UnknownMagic(u8),
    /// The bytes are not those that the checksum was computed over.
    WrongCrc {
        /// The checksum in the header.
        stored: u32,
        /// The checksum of the bytes.
        computed: u32,
    },
}

/// The batches of a slice, one after another; a partial one at the end is left out.
pub fn batches(bytes: &[u8]) -> Batches<'_> {
    Batches { rest: bytes }
}

/// See [`batches`].
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    rest: &'a [u8],
}

impl<'a> Batches<'a> {
    /// The bytes that no batch was made of so far; after the end, the partial tail.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<BatchView<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        match BatchView::first(self.rest) {
            Ok(Some(batch)) => {
                self.rest = &self.rest[batch.bytes.len()..];
                Some(Ok(batch))
            }
            Ok(None) => None,
            Err(error) => {
                self.rest = &[];
                Some(Err(error))
            }
        }
    }
}

impl<'a> BatchView<'a> {
    /// The batch at the beginning of `bytes`; `None` when its end is not there.
    pub fn first(bytes: &'a [u8]) -> Result<Option<BatchView<'a>>, BatchError> {
        let Some(len) = batch_len(bytes)? else { return Ok(None) };
        let Some(bytes) = bytes.get(..len) else { return Ok(None) };
        let header = BatchHeader::first(bytes)?;
        Ok(header.map(|header| BatchView { header, bytes }))
    }

    /// All bytes of the batch.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The bytes behind the header, compressed if the batch is.
    pub fn records(&self) -> &'a [u8] {
        &self.bytes[self.header.0.len()..]
    }

    /// Whether the bytes are those that the checksum was computed over.
    pub fn verify_crc(&self) -> Result<(), BatchError> {
        let stored = self.crc();
        let computed = match self.magic() {
            2 => crc::crc32c(&self.bytes[ATTRIBUTES..]),
            _ => crc::crc32(&self.bytes[MAGIC..]),
        };
        if stored == computed {
            return Ok(());
        }
        Err(BatchError::WrongCrc { stored, computed })
    }
}

impl<'a> Deref for BatchView<'a> {
    type Target = BatchHeader<'a>;

    fn deref(&self) -> &BatchHeader<'a> {
        &self.header
    }
}

impl<'a> BatchHeader<'a> {
    /// The header at the beginning of `bytes`; `None` when its end is not there.
    pub fn first(bytes: &'a [u8]) -> Result<Option<BatchHeader<'a>>, BatchError> {
        if batch_len(bytes)?.is_none() {
            return Ok(None);
        }
        let len = match bytes[MAGIC] {
            2 => HEADER_LEN,
            1 => LEGACY_HEADER_LEN_V1,
            _ => LEGACY_HEADER_LEN_V0,
        };
        Ok(bytes.get(..len).map(BatchHeader))
    }

    /// The header's own bytes: 61 for magic 2.
    pub fn header_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// The offset of the first record. Old compressed message sets carry their last one here.
    pub fn base_offset(&self) -> Offset {
        Offset(i64::from_be_bytes(self.field(BASE_OFFSET)))
    }

    /// The offset of the last record that the batch had when it was written.
    pub fn last_offset(&self) -> Offset {
        Offset(self.base_offset().0.wrapping_add(self.last_offset_delta().into()))
    }

    /// The length of the whole batch in bytes, with its offset and length fields.
    pub fn len_bytes(&self) -> usize {
        let len = i32::from_be_bytes(self.field(LENGTH));
        usize::try_from(len).expect("a header is made only with a valid length") + PREFIX_LEN
    }

    /// The leader epoch under which the batch was appended; -1 before magic 2.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        LeaderEpoch(self.modern().map_or(-1, |h| i32::from_be_bytes(h.field(LEADER_EPOCH))))
    }

    /// The version of the format: 0, 1 or 2.
    pub fn magic(&self) -> u8 {
        self.0[MAGIC]
    }

    /// The stored checksum.
    pub fn crc(&self) -> u32 {
        let at = if self.magic() == 2 { CRC } else { LEGACY_CRC };
        u32::from_be_bytes(self.field(at))
    }

    /// The attributes as they stand, with the bits that nobody uses.
    pub fn attributes(&self) -> i16 {
        match self.magic() {
            2 => i16::from_be_bytes(self.field(ATTRIBUTES)),
            _ => self.0[LEGACY_ATTRIBUTES].into(),
        }
    }

    /// How the records are compressed; `Err` holds an id that no codec has.
    pub fn codec(&self) -> Result<Codec, u8> {
        let id = u8::try_from(self.attributes() & CODEC_BITS).expect("three bits fit a byte");
        Codec::from_id(id).ok_or(id)
    }

    /// Whose clock gave the timestamps.
    pub fn timestamp_type(&self) -> TimestampType {
        if self.magic() > 0 && self.attributes() & LOG_APPEND_TIME_BIT != 0 {
            return TimestampType::LogAppendTime;
        }
        TimestampType::CreateTime
    }

    /// Whether the batch is part of a transaction.
    pub fn is_transactional(&self) -> bool {
        self.modern().is_some_and(|h| h.attributes() & TRANSACTIONAL_BIT != 0)
    }

    /// Whether its records are for the log and not for consumers.
    pub fn is_control(&self) -> bool {
        self.modern().is_some_and(|h| h.attributes() & CONTROL_BIT != 0)
    }

    /// From when on the cleaner may drop the tombstones and markers in it.
    pub fn delete_horizon(&self) -> Option<Timestamp> {
        let marked = self.modern().is_some_and(|h| h.attributes() & DELETE_HORIZON_BIT != 0);
        marked.then(|| self.base_timestamp())
    }

    /// The distance from the first to the last offset; 0 before magic 2.
    pub fn last_offset_delta(&self) -> i32 {
        self.modern().map_or(0, |h| i32::from_be_bytes(h.field(LAST_OFFSET_DELTA)))
    }

    /// What the records' timestamps are counted from. With a delete horizon it is that horizon.
    pub fn base_timestamp(&self) -> Timestamp {
        match self.magic() {
            2 => Timestamp(i64::from_be_bytes(self.field(BASE_TIMESTAMP))),
            1 => Timestamp(i64::from_be_bytes(self.field(LEGACY_TIMESTAMP))),
            _ => NO_TIMESTAMP,
        }
    }

    /// The highest timestamp of the records; -1 when they have none.
    pub fn max_timestamp(&self) -> Timestamp {
        match self.magic() {
            2 => Timestamp(i64::from_be_bytes(self.field(MAX_TIMESTAMP))),
            _ => self.base_timestamp(),
        }
    }

    /// The producer's id, or -1.
    pub fn producer_id(&self) -> ProducerId {
        ProducerId(self.modern().map_or(-1, |h| i64::from_be_bytes(h.field(PRODUCER_ID))))
    }

    /// The producer's epoch, or -1.
    pub fn producer_epoch(&self) -> ProducerEpoch {
        ProducerEpoch(self.modern().map_or(-1, |h| i16::from_be_bytes(h.field(PRODUCER_EPOCH))))
    }

    /// The first record's sequence number, or -1. Group coordinators write 0 without a producer.
    pub fn base_sequence(&self) -> i32 {
        self.modern().map_or(-1, |h| i32::from_be_bytes(h.field(BASE_SEQUENCE)))
    }

    /// The sequence number of the record at the last offset; after 2147483647 comes 0.
    pub fn last_sequence(&self) -> i32 {
        match self.base_sequence() {
            none if none < 0 => none,
            first => first.wrapping_add(self.last_offset_delta()) & i32::MAX,
        }
    }

    /// The producer, if the batch is idempotent.
    pub fn producer(&self) -> Option<Producer> {
        let (id, epoch) = (self.producer_id(), self.producer_epoch());
        (id.0 >= 0).then(|| Producer { id, epoch, base_sequence: self.base_sequence() })
    }

    /// The number of records, as the header has it; 1 before magic 2, where nobody counts.
    pub fn count(&self) -> i32 {
        self.modern().map_or(1, |h| i32::from_be_bytes(h.field(COUNT)))
    }

    fn modern(&self) -> Option<&Self> {
        (self.magic() == 2).then_some(self)
    }

    fn field<const N: usize>(&self, at: usize) -> [u8; N] {
        self.0[at..at + N].try_into().expect("a header has all of its fields")
    }
}

/// The length of the batch that `prefix` begins, [`SIZED_BY`] bytes being enough to know it.
pub fn batch_len(prefix: &[u8]) -> Result<Option<usize>, BatchError> {
    let Some(prefix) = prefix.first_chunk::<SIZED_BY>() else { return Ok(None) };
    let len: [u8; 4] = prefix[LENGTH..LEADER_EPOCH].try_into().expect("four bytes");
    let (len, magic) = (i32::from_be_bytes(len), prefix[MAGIC]);
    let header_len = match magic {
        2 => HEADER_LEN,
        1 => LEGACY_HEADER_LEN_V1,
        0 => LEGACY_HEADER_LEN_V0,
        unknown => return Err(BatchError::UnknownMagic(unknown)),
    };
    let whole = usize::try_from(len).ok().and_then(|len| len.checked_add(PREFIX_LEN));
    match whole {
        Some(whole) if whole >= header_len => Ok(Some(whole)),
        _ => Err(BatchError::TooSmall { len }),
    }
}

impl fmt::Debug for BatchHeader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("base_offset", &self.base_offset().0)
            .field("last_offset_delta", &self.last_offset_delta())
            .field("count", &self.count())
            .field("len", &self.len_bytes())
            .field("leader_epoch", &self.leader_epoch().0)
            .field("magic", &self.magic())
            .field("codec", &self.codec())
            .field("timestamp_type", &self.timestamp_type())
            .field("max_timestamp", &self.max_timestamp().0)
            .field("producer", &self.producer())
            .field("transactional", &self.is_transactional())
            .field("control", &self.is_control())
            .finish()
    }
}

impl fmt::Debug for BatchView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.header.fmt(f)
    }
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BatchError::TooSmall { len } => {
                write!(f, "batch length {len} is less than a batch header needs")
            }
            BatchError::UnknownMagic(magic) => {
                write!(f, "magic {magic} is no version of the record format (0 to 2)")
            }
            BatchError::WrongCrc { stored, computed } => {
                write!(f, "batch is corrupt (stored crc = {stored}, computed crc = {computed})")
            }
        }
    }
}

impl std::error::Error for BatchError {}

/// The length of a batch's header.
pub const HEADER_LEN: usize = 61;
/// The length of what stands before the bytes that the length field counts.
pub const PREFIX_LEN: usize = 12;
/// So many bytes tell magic and length of a batch.
pub const SIZED_BY: usize = MAGIC + 1;
/// The timestamp of a record that has none.
pub const NO_TIMESTAMP: Timestamp = Timestamp(-1);

const LEGACY_HEADER_LEN_V0: usize = 26;
const LEGACY_HEADER_LEN_V1: usize = 34;

pub(crate) const BASE_OFFSET: usize = 0;
pub(crate) const LENGTH: usize = 8;
pub(crate) const LEADER_EPOCH: usize = 12;
pub(crate) const MAGIC: usize = 16;
pub(crate) const CRC: usize = 17;
pub(crate) const ATTRIBUTES: usize = 21;
pub(crate) const LAST_OFFSET_DELTA: usize = 23;
pub(crate) const BASE_TIMESTAMP: usize = 27;
pub(crate) const MAX_TIMESTAMP: usize = 35;
pub(crate) const PRODUCER_ID: usize = 43;
pub(crate) const PRODUCER_EPOCH: usize = 51;
pub(crate) const BASE_SEQUENCE: usize = 53;
pub(crate) const COUNT: usize = 57;
const LEGACY_CRC: usize = 12;
const LEGACY_ATTRIBUTES: usize = 17;
const LEGACY_TIMESTAMP: usize = 18;

pub(crate) const CODEC_BITS: i16 = 0b111;
pub(crate) const LOG_APPEND_TIME_BIT: i16 = 1 << 3;
pub(crate) const TRANSACTIONAL_BIT: i16 = 1 << 4;
pub(crate) const CONTROL_BIT: i16 = 1 << 5;
pub(crate) const DELETE_HORIZON_BIT: i16 = 1 << 6;
pub(crate) const KNOWN_BITS: i16 = 0b111_1111;
