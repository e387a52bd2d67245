//! What a log does to a client's batch before it keeps it: the checks, and the patched header.
//!
//! The records are walked in place, compressed ones as a stream; nothing is decoded into structs
//! and nothing is allocated per record. The answer is a copy of the header as it must be written
//! and, only where Kafka re-encodes (reencode.rs), new records. Errors are Kafka's in Kafka's
//! situations; the golden verdicts in tests/ come from Kafka's own log. Not here: sequences of
//! producers and offsets (storage). Must hold: a refused batch leaves no trace.

use bytes::Bytes;
use ottla_wire::ErrorCode;
use ottla_wire::{LeaderEpoch, Offset, Timestamp};

use crate::batch::{
    self, BatchError, BatchView, HEADER_LEN, NO_TIMESTAMP, Producer, TimestampType, batches,
};
use crate::codec::{Codec, Scratch};
use crate::crc;
use crate::reencode::{self, Reencoded};
use crate::walk::Broken;

mod records;

pub(crate) use records::Findings;
use records::check_records;

/// What a topic asks of a batch.
#[derive(Clone, Debug)]
pub struct Rules<'a> {
    /// Who appends.
    pub origin: Origin,
    /// `topic-partition`, for messages.
    pub partition: &'a str,
    /// Whether `cleanup.policy` has `compact`: every record needs a key.
    pub compacted: bool,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`.
    pub before_max_ms: i64,
    /// `message.timestamp.after.max.ms`.
    pub after_max_ms: i64,
    /// The leader's clock.
    pub now: Timestamp,
    /// `compression.type`.
    pub compression: Compression,
    /// `max.message.bytes`.
    pub max_message_bytes: usize,
    /// `segment.bytes`.
    pub segment_bytes: usize,
}

/// Who appends a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// A producer.
    Client,
    /// A coordinator of this broker, which may write control batches and any offsets.
    Coordinator,
}

/// A topic's `compression.type`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Compression {
    /// Batches stay as the producer compressed them.
    Producer,
    /// Batches that are compressed otherwise are compressed again.
    To {
        /// The codec to have.
        codec: Codec,
        /// Its level.
        level: i32,
    },
}

/// A batch that may be appended.
#[derive(Clone, Debug)]
pub struct Valid {
    /// The header to write; [`Valid::assign`] sets what the log knows.
    pub header: [u8; HEADER_LEN],
    /// The records to write instead of the batch's own, where it had to be re-encoded.
    pub reencoded: Option<Bytes>,
    /// The length of the batch to write.
    pub len: usize,
    /// How many records it holds.
    pub count: i32,
    /// The distance from its first to its last offset.
    pub last_offset_delta: i32,
    /// The highest timestamp of its records, -1 when they have none.
    pub max_timestamp: Timestamp,
    /// The distance from the first offset to the first record with that timestamp.
    pub offset_delta_of_max_timestamp: i32,
    /// The producer, if the batch is idempotent.
    pub producer: Option<Producer>,
    /// Whether it is part of a transaction.
    pub is_transactional: bool,
    /// Whether it is a control batch.
    pub is_control: bool,
    /// What a Produce response gives as the time of append; -1 on topics of CreateTime.
    pub log_append_time: Timestamp,
}

/// A batch that is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invalid {
    /// Kafka's code.
    pub error: ErrorCode,
    /// The cause, in words.
    pub message: String,
    /// Which records were at fault; at most [`RECORD_ERRORS_MAX`].
    pub record_errors: Vec<RecordError>,
}

/// What is wrong with one record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordError {
    /// The record's place in its batch.
    pub index: i32,
    /// The cause, in words.
    pub message: String,
}

/// Checks the batch at the beginning of `records` and says what to write for it.
///
/// Bytes behind the batch are not looked at. One pass for the checksum, one for the records; a
/// second checksum only where timestamp type or maximum change.
pub fn validate(records: &[u8], rules: &Rules<'_>) -> Result<Valid, Invalid> {
    validate_with(records, rules, &mut Scratch::default())
}

/// [`fn@validate`] with buffers of an earlier call, which compressed batches need.
pub fn validate_with(
    records: &[u8],
    rules: &Rules<'_>,
    scratch: &mut Scratch,
) -> Result<Valid, Invalid> {
    let batch = first_batch(records)?;
    check_envelope(&batch, rules)?;
    let source = batch
        .codec()
        .map_err(|id| Invalid::unexpected(&format!("unknown compression type id {id}")))?;
    check_header(&batch, rules)?;
    let findings = check_records(&batch, source, rules, scratch)?;
    let target = match rules.compression {
        Compression::Producer => (source, source.default_level()),
        Compression::To { codec, level } => (codec, level),
    };
    let compressed = source != Codec::None || target.0 != Codec::None;
    if compressed && (source != target.0 || !findings.in_order) {
        let reencoded = reencode::reencode(&batch, source, target, &findings, rules)?;
        check_segment(HEADER_LEN + reencoded.records.len(), rules)?;
        return Ok(valid_reencoded(&batch, reencoded, &findings, rules));
    }
    check_segment(batch.bytes().len(), rules)?;
    Ok(valid_in_place(&batch, &findings, rules))
}

/// The one batch of a partition in a Produce request of `version`, as clients may send it.
///
/// A partial batch behind it is left out; what is left out is never appended.
pub fn one_batch(records: &[u8], version: i16) -> Result<BatchView<'_>, Invalid> {
    let mut all = batches(records);
    let Some(first) = all.next() else {
        return Err(Invalid::record(format!(
            "produce requests with version {version} must have at least one record batch per \
             partition"
        )));
    };
    let first = first.map_err(Invalid::corrupt)?;
    if first.magic() != 2 {
        return Err(Invalid::record(format!(
            "produce requests with version {version} may only hold record batches with magic 2"
        )));
    }
    if version < ZSTD_SINCE_PRODUCE && first.codec() == Ok(Codec::Zstd) {
        return Err(Invalid::new(
            ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
            format!("produce requests with version {version} may not use zstd"),
        ));
    }
    match all.next() {
        None => Ok(first),
        Some(Err(error)) => Err(Invalid::corrupt(error)),
        Some(Ok(_)) => Err(Invalid::record(format!(
            "produce requests with version {version} must have exactly one record batch per \
             partition"
        ))),
    }
}

impl Valid {
    /// Sets what only the log knows. Neither is under the checksum, so this costs two stores.
    pub fn assign(&mut self, base_offset: Offset, leader_epoch: LeaderEpoch) {
        put(&mut self.header, batch::BASE_OFFSET, base_offset.0.to_be_bytes());
        put(&mut self.header, batch::LEADER_EPOCH, leader_epoch.0.to_be_bytes());
    }

    /// What to write behind the header: re-encoded records, or those of the `batch` as it came.
    pub fn records<'a>(&'a self, batch: &'a [u8]) -> &'a [u8] {
        match &self.reencoded {
            Some(records) => records,
            None => batch.get(HEADER_LEN..self.len).unwrap_or_default(),
        }
    }

    /// The sequence number of the last record; after 2147483647 comes 0.
    pub fn last_sequence(&self) -> i32 {
        match self.producer {
            Some(Producer { base_sequence, .. }) if base_sequence >= 0 => {
                base_sequence.wrapping_add(self.last_offset_delta) & i32::MAX
            }
            _ => NO_SEQUENCE,
        }
    }
}

fn first_batch(records: &[u8]) -> Result<BatchView<'_>, Invalid> {
    let batch = BatchView::first(records).map_err(Invalid::corrupt)?;
    let batch = batch.ok_or_else(|| {
        let len = records.len();
        Invalid::new(ErrorCode::CORRUPT_MESSAGE, format!("{len} bytes hold no whole batch"))
    })?;
    match batch.magic() {
        2 => Ok(batch),
        magic => Err(Invalid::record(format!("magic {magic} cannot be appended, only 2"))),
    }
}

/// What can be said before the checksum holds, and the checksum.
fn check_envelope(batch: &BatchView<'_>, rules: &Rules<'_>) -> Result<(), Invalid> {
    let base = batch.base_offset();
    if rules.origin == Origin::Client && base != Offset(0) {
        return Err(Invalid::record(format!(
            "base offset of the batch for {} must be 0, but it is {base}",
            rules.partition
        )));
    }
    check_size(batch.bytes().len(), rules)?;
    batch.verify_crc().map_err(Invalid::corrupt)
}

fn check_size(len: usize, rules: &Rules<'_>) -> Result<(), Invalid> {
    if len <= rules.max_message_bytes {
        return Ok(());
    }
    Err(too_large(len, "", rules))
}

/// A batch of `about` `len` bytes is more than `max.message.bytes` allows.
pub(crate) fn too_large(len: usize, about: &str, rules: &Rules<'_>) -> Invalid {
    let message = format!(
        "record batch of {about}{len} bytes for {} exceeds max.message.bytes of {}",
        rules.partition, rules.max_message_bytes
    );
    Invalid::new(ErrorCode::MESSAGE_TOO_LARGE, message)
}

fn check_segment(len: usize, rules: &Rules<'_>) -> Result<(), Invalid> {
    if len <= rules.segment_bytes {
        return Ok(());
    }
    Err(Invalid::new(
        ErrorCode::RECORD_LIST_TOO_LARGE,
        format!(
            "record batch of {len} bytes for {} exceeds segment.bytes of {}",
            rules.partition, rules.segment_bytes
        ),
    ))
}

/// What a client may not have in a header.
fn check_header(batch: &BatchView<'_>, rules: &Rules<'_>) -> Result<(), Invalid> {
    if rules.origin == Origin::Coordinator {
        return Ok(());
    }
    let (count, delta) = (batch.count(), batch.last_offset_delta());
    if delta < 0 {
        return Err(Invalid::record(format!(
            "batch for {} ends {delta} offsets behind its begin",
            rules.partition
        )));
    }
    if count <= 0 {
        return Err(Invalid::record(format!(
            "batch for {} counts {count} records",
            rules.partition
        )));
    }
    if delta != count - 1 {
        return Err(Invalid::record(format!(
            "batch for {} spans offsets 0 to {delta}, but counts {count} records",
            rules.partition
        )));
    }
    if batch.is_control() {
        return Err(Invalid::record("clients are not allowed to write control records".into()));
    }
    match batch.producer() {
        Some(Producer { id, base_sequence, .. }) if base_sequence < 0 => Err(Invalid::record(
            format!("sequence number {base_sequence} in a batch with producer id {id}"),
        )),
        _ => Ok(()),
    }
}

/// The batch as it is, with timestamp type and maximum set; the checksum follows if they changed.
fn valid_in_place(batch: &BatchView<'_>, findings: &Findings, rules: &Rules<'_>) -> Valid {
    let mut header = *batch.header_bytes().first_chunk().expect("magic 2 has a header of 61 bytes");
    let times = Times::of(findings, rules);
    if batch.timestamp_type() != rules.timestamp_type || batch.max_timestamp() != times.max {
        let bit = match rules.timestamp_type {
            TimestampType::CreateTime => 0,
            TimestampType::LogAppendTime => batch::LOG_APPEND_TIME_BIT,
        };
        let kept = batch::KNOWN_BITS & !batch::LOG_APPEND_TIME_BIT;
        put(&mut header, batch::ATTRIBUTES, (batch.attributes() & kept | bit).to_be_bytes());
        put(&mut header, batch::MAX_TIMESTAMP, times.max.0.to_be_bytes());
        let changed = crc::crc32c_of(&header[batch::ATTRIBUTES..], batch.records());
        put(&mut header, batch::CRC, changed.to_be_bytes());
    }
    Valid {
        header,
        reencoded: None,
        len: batch.bytes().len(),
        count: batch.count(),
        last_offset_delta: batch.last_offset_delta(),
        max_timestamp: times.max,
        offset_delta_of_max_timestamp: times.offset_delta_of_max,
        producer: batch.producer(),
        is_transactional: batch.is_transactional(),
        is_control: batch.is_control(),
        log_append_time: times.log_append_time,
    }
}

fn valid_reencoded(
    batch: &BatchView<'_>,
    reencoded: Reencoded,
    findings: &Findings,
    rules: &Rules<'_>,
) -> Valid {
    let times = Times::of(findings, rules);
    Valid {
        header: reencoded.header,
        len: HEADER_LEN + reencoded.records.len(),
        reencoded: Some(reencoded.records),
        count: batch.count(),
        last_offset_delta: batch.count() - 1,
        max_timestamp: times.max,
        offset_delta_of_max_timestamp: times.offset_delta_of_max,
        producer: batch.producer(),
        is_transactional: batch.is_transactional(),
        is_control: batch.is_control(),
        log_append_time: times.log_append_time,
    }
}

/// The times of a batch under a topic's timestamp type.
pub(crate) struct Times {
    pub(crate) max: Timestamp,
    offset_delta_of_max: i32,
    log_append_time: Timestamp,
}

impl Times {
    pub(crate) fn of(findings: &Findings, rules: &Rules<'_>) -> Times {
        match rules.timestamp_type {
            TimestampType::CreateTime => Times {
                max: findings.max_timestamp,
                offset_delta_of_max: findings.offset_delta_of_max_timestamp,
                log_append_time: NO_TIMESTAMP,
            },
            TimestampType::LogAppendTime => {
                Times { max: rules.now, offset_delta_of_max: 0, log_append_time: rules.now }
            }
        }
    }
}

impl Invalid {
    pub(crate) fn new(error: ErrorCode, message: String) -> Invalid {
        Invalid { error, message, record_errors: Vec::new() }
    }

    /// What Kafka answers when it stumbles over a batch instead of refusing it.
    pub(crate) fn unexpected(message: &str) -> Invalid {
        Invalid::new(ErrorCode::UNKNOWN_SERVER_ERROR, message.to_owned())
    }

    fn record(message: String) -> Invalid {
        Invalid::new(ErrorCode::INVALID_RECORD, message)
    }

    fn corrupt(error: BatchError) -> Invalid {
        Invalid::new(ErrorCode::CORRUPT_MESSAGE, error.to_string())
    }

    /// Records that cannot be walked are invalid; data that does not inflate is, in Kafka, an
    /// unexpected error.
    pub(crate) fn broken(broken: &Broken, codec: Codec) -> Invalid {
        match broken {
            Broken::Malformed(why) => Invalid::record((*why).into()),
            Broken::Ended => Invalid::record("records end before the declared count".into()),
            Broken::Inflating(error) => {
                let codec = codec.name();
                Invalid::unexpected(&format!("records cannot be read as {codec}: {error}"))
            }
        }
    }
}

pub(crate) fn put<const N: usize>(header: &mut [u8; HEADER_LEN], at: usize, bytes: [u8; N]) {
    header[at..at + N].copy_from_slice(&bytes);
}

/// So many records of one batch are named in an answer; the others are only counted.
pub const RECORD_ERRORS_MAX: usize = 1_000;
const NO_SEQUENCE: i32 = -1;
const ZSTD_SINCE_PRODUCE: i16 = 7;
