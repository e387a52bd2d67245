//! Writing batches: records go in one by one, the bytes of a batch come out.
//!
//! Kafka's own forms throughout: base timestamp and offset of the first record, attributes of
//! records 0, lengths as zig-zag varints. Not here: patching batches that exist (validate.rs).
//! Must hold: what is built passes [`validate`](crate::validate::validate) if its settings do.

use std::fmt;

use bytes::Bytes;
use ottla_wire::varint::{put_varint, put_varlong, varint_len, varlong_len};
use ottla_wire::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};

use crate::batch::{self, HEADER_LEN, NO_TIMESTAMP, PREFIX_LEN, Producer, TimestampType};
use crate::codec::{Codec, compress};
use crate::crc;
use crate::record::Header;

/// What is known of a batch before its records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchSettings {
    /// How to compress it.
    pub codec: Codec,
    /// The codec's level.
    pub level: i32,
    /// The offset of the first record: 0 from a producer.
    pub base_offset: Offset,
    /// The epoch under which it is appended; -1 from a producer.
    pub leader_epoch: LeaderEpoch,
    /// The idempotent producer, if there is one.
    pub producer: Option<Producer>,
    /// Whose clock the timestamps come from.
    pub timestamp_type: TimestampType,
    /// Whether the batch is part of a transaction.
    pub is_transactional: bool,
    /// Whether it holds control records.
    pub is_control: bool,
}

impl Default for BatchSettings {
    fn default() -> Self {
        BatchSettings {
            codec: Codec::None,
            level: 0,
            base_offset: Offset(0),
            leader_epoch: LeaderEpoch(-1),
            producer: None,
            timestamp_type: TimestampType::CreateTime,
            is_transactional: false,
            is_control: false,
        }
    }
}

impl BatchSettings {
    /// The settings of a plain batch under `codec` at its default level.
    pub fn compressed(codec: Codec) -> BatchSettings {
        BatchSettings { codec, level: codec.default_level(), ..Default::default() }
    }
}

/// A batch in the making.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    settings: BatchSettings,
    /// The header's room, then the records.
    bytes: Vec<u8>,
    count: i32,
    base_timestamp: Timestamp,
    max_timestamp: Timestamp,
}

/// Why a record does not fit, or a batch cannot be written.
#[derive(Debug)]
pub enum BuildError {
    /// The batch would be longer than its length field can say.
    TooLarge,
    /// The codec refuses; only a level out of its range makes it.
    Codec(std::io::Error),
}

impl BatchBuilder {
    /// A batch without records.
    pub fn new(settings: BatchSettings) -> BatchBuilder {
        BatchBuilder {
            settings,
            bytes: vec![0; HEADER_LEN],
            count: 0,
            base_timestamp: NO_TIMESTAMP,
            max_timestamp: NO_TIMESTAMP,
        }
    }

    /// Adds a record and gives its offset. A record that does not fit leaves the batch as it was.
    pub fn append(
        &mut self,
        timestamp: Timestamp,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header],
    ) -> Result<Offset, BuildError> {
        let delta = match self.count {
            0 => 0,
            _ => timestamp.0.wrapping_sub(self.base_timestamp.0),
        };
        let (body_len, fits) = self.fits(delta, key, value, headers);
        if !fits {
            return Err(BuildError::TooLarge);
        }
        put_varint(&mut self.bytes, length(body_len));
        self.bytes.push(0);
        put_varlong(&mut self.bytes, delta);
        put_varint(&mut self.bytes, self.count);
        put_nullable(&mut self.bytes, key);
        put_nullable(&mut self.bytes, value);
        put_varint(&mut self.bytes, length(headers.len()));
        for (key, value) in headers {
            put_nullable(&mut self.bytes, Some(key.as_bytes()));
            put_nullable(&mut self.bytes, value.as_deref());
        }
        if self.count == 0 {
            self.base_timestamp = timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(timestamp);
        let offset = self.settings.base_offset + i64::from(self.count);
        self.count += 1;
        Ok(offset)
    }

    /// How many records it holds.
    pub fn count(&self) -> i32 {
        self.count
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The length of the batch if it were not compressed.
    pub fn uncompressed_len(&self) -> usize {
        self.bytes.len()
    }

    /// Sets the producer late, as idempotent producers do when they send.
    pub fn set_producer(&mut self, producer: Option<Producer>) {
        self.settings.producer = producer;
    }

    /// The bytes of the batch; none when no record went in.
    pub fn build(mut self) -> Result<Bytes, BuildError> {
        if self.count == 0 {
            return Ok(Bytes::new());
        }
        if self.settings.codec != Codec::None {
            let records = &self.bytes[HEADER_LEN..];
            let compressed = compress(self.settings.codec, self.settings.level, records);
            self.bytes.truncate(HEADER_LEN);
            self.bytes.extend_from_slice(&compressed.map_err(BuildError::Codec)?);
        }
        self.write_header()?;
        let crc = crc::crc32c(&self.bytes[batch::ATTRIBUTES..]);
        put(&mut self.bytes, batch::CRC, crc.to_be_bytes());
        Ok(self.bytes.into())
    }

    fn write_header(&mut self) -> Result<(), BuildError> {
        let len = i32::try_from(self.bytes.len() - PREFIX_LEN);
        let len = len.map_err(|_| BuildError::TooLarge)?;
        let settings = self.settings;
        let none = Producer { id: ProducerId(-1), epoch: ProducerEpoch(-1), base_sequence: -1 };
        let producer = settings.producer.unwrap_or(none);
        let bytes = &mut self.bytes;
        put(bytes, batch::BASE_OFFSET, settings.base_offset.0.to_be_bytes());
        put(bytes, batch::LENGTH, len.to_be_bytes());
        put(bytes, batch::LEADER_EPOCH, settings.leader_epoch.0.to_be_bytes());
        put(bytes, batch::MAGIC, [2]);
        put(bytes, batch::ATTRIBUTES, settings.attributes().to_be_bytes());
        put(bytes, batch::LAST_OFFSET_DELTA, (self.count - 1).to_be_bytes());
        put(bytes, batch::BASE_TIMESTAMP, self.base_timestamp.0.to_be_bytes());
        put(bytes, batch::MAX_TIMESTAMP, self.max_timestamp.0.to_be_bytes());
        put(bytes, batch::PRODUCER_ID, producer.id.0.to_be_bytes());
        put(bytes, batch::PRODUCER_EPOCH, producer.epoch.0.to_be_bytes());
        put(bytes, batch::BASE_SEQUENCE, producer.base_sequence.to_be_bytes());
        put(bytes, batch::COUNT, self.count.to_be_bytes());
        Ok(())
    }

    /// The length of a record's body, and whether the batch has room for it.
    fn fits(
        &self,
        timestamp_delta: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header],
    ) -> (usize, bool) {
        let nullable = |bytes: Option<&[u8]>| LENGTH_LEN_MAX + bytes.map_or(0, <[u8]>::len);
        let mut most = HEAD_LEN_MAX + nullable(key) + nullable(value);
        for (key, value) in headers {
            most = most.saturating_add(nullable(Some(key.as_bytes())));
            most = most.saturating_add(nullable(value.as_deref()));
        }
        let whole = most.saturating_add(self.bytes.len());
        if self.count == i32::MAX || i32::try_from(whole).is_err() {
            return (0, false);
        }
        let nullable =
            |bytes: Option<&[u8]>| bytes.map_or(1, |b| varint_len(length(b.len())) + b.len());
        let headers_len: usize = headers
            .iter()
            .map(|(key, value)| nullable(Some(key.as_bytes())) + nullable(value.as_deref()))
            .sum();
        let head = 1 + varlong_len(timestamp_delta) + varint_len(self.count);
        let count = varint_len(length(headers.len()));
        (head + nullable(key) + nullable(value) + count + headers_len, true)
    }
}

impl BatchSettings {
    fn attributes(&self) -> i16 {
        let mut attributes = i16::from(self.codec.id());
        if self.timestamp_type == TimestampType::LogAppendTime {
            attributes |= batch::LOG_APPEND_TIME_BIT;
        }
        if self.is_transactional {
            attributes |= batch::TRANSACTIONAL_BIT;
        }
        if self.is_control {
            attributes |= batch::CONTROL_BIT;
        }
        attributes
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::TooLarge => f.write_str(
                "batch would be longer than 2147483647 bytes; put fewer records into it",
            ),
            BuildError::Codec(error) => {
                write!(f, "batch cannot be compressed: {error}; choose a level that its codec has")
            }
        }
    }
}

impl std::error::Error for BuildError {}

fn put<const N: usize>(bytes: &mut [u8], at: usize, field: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&field);
}

fn put_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => put_varint(out, -1),
        Some(bytes) => {
            put_varint(out, length(bytes.len()));
            out.extend_from_slice(bytes);
        }
    }
}

fn length(len: usize) -> i32 {
    i32::try_from(len).expect("the whole batch was found to fit an int32")
}

/// The most that a record's length, attributes, deltas and header count take.
const HEAD_LEN_MAX: usize = 5 + 1 + 10 + 5 + 5;
/// The most that a length takes.
const LENGTH_LEN_MAX: usize = 5;
