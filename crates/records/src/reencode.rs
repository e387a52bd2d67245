//! Records are compressed again when they are appended: a topic's `compression.type` is another
//! codec than the batch's, or the offsets inside a compressed batch are not 0, 1, 2, ... The log
//! cleaner does so in filter.rs.
//!
//! Records stream from the old codec into the new one; keys, values and headers are copied as
//! bytes, only the heads are written anew. Called after the records were found valid. Must hold:
//! the output never grows past `max.message.bytes`, whatever the input inflates to.

use std::io::{self, BufRead, Write};

use bytes::Bytes;
use ottla_wire::ProducerId;
use ottla_wire::varint::{put_varint, put_varlong};

use crate::batch::{self, BatchView, HEADER_LEN, NO_TIMESTAMP, TimestampType};
use crate::codec::{self, Codec, Compressor};
use crate::crc;
use crate::validate::{Findings, Invalid, Rules, Times, put, too_large};
use crate::walk::{Broken, Limited, read_head};

/// A batch that was written anew.
pub(crate) struct Reencoded {
    pub(crate) header: [u8; HEADER_LEN],
    pub(crate) records: Bytes,
}

pub(crate) fn reencode(
    batch: &BatchView<'_>,
    source: Codec,
    (target, level): (Codec, i32),
    findings: &Findings,
    rules: &Rules<'_>,
) -> Result<Reencoded, Invalid> {
    if batch.producer_id() != ProducerId(-1) && batch.producer_epoch().0 < 0 {
        return Err(Invalid::unexpected("batch with a producer id has a negative epoch"));
    }
    let len_max = rules.max_message_bytes.saturating_sub(HEADER_LEN);
    let mut heads = Heads::of(batch);
    let records = copy_records(batch, source, (target, level), len_max, &mut heads);
    let records = records.map_err(|broken| match &broken {
        Broken::Inflating(error) if error.kind() == OUTGROWN => {
            too_large(rules.max_message_bytes, "more than ", rules)
        }
        _ => Invalid::broken(&broken, source),
    })?;
    if heads.negative_timestamp {
        return Err(Invalid::unexpected("record has a negative timestamp"));
    }
    let header = header(batch, target, &heads, &records, findings, rules);
    Ok(Reencoded { header, records: records.into() })
}

fn copy_records(
    batch: &BatchView<'_>,
    source: Codec,
    (target, level): (Codec, i32),
    len_max: usize,
    heads: &mut Heads,
) -> Result<Vec<u8>, Broken> {
    let out = Bounded { bytes: Vec::new(), len_max };
    let mut reader = codec::reader(source, batch.records()).map_err(Broken::Inflating)?;
    let mut writer = Compressor::new(target, level, out).map_err(Broken::Inflating)?;
    for index in 0..batch.count() {
        copy_record(&mut reader, &mut writer, heads, index)?;
    }
    Ok(writer.finish().map_err(Broken::Inflating)?.bytes)
}

/// Cost per record: two varints in, three out, and the copy of its bytes.
fn copy_record<R: BufRead, W: Write>(
    reader: &mut R,
    writer: &mut W,
    heads: &mut Heads,
    index: i32,
) -> Result<(), Broken> {
    let mut record = Limited::next_record(reader)?;
    let old = read_head(&mut record)?;
    let timestamp = heads.append_timestamp;
    let timestamp =
        timestamp.unwrap_or_else(|| heads.old_base_timestamp.wrapping_add(old.timestamp_delta));
    let base_timestamp = *heads.base_timestamp.get_or_insert(timestamp);
    heads.negative_timestamp |= timestamp < NO_TIMESTAMP.0;
    heads.head.clear();
    heads.head.push(0);
    put_varlong(&mut heads.head, timestamp.wrapping_sub(base_timestamp));
    put_varint(&mut heads.head, index);
    let len = heads.head.len().checked_add(record.left).and_then(|len| i32::try_from(len).ok());
    let len = len.ok_or(Broken::Malformed("record is too long to be written anew"))?;
    heads.len.clear();
    put_varint(&mut heads.len, len);
    writer.write_all(&heads.len).map_err(Broken::Inflating)?;
    writer.write_all(&heads.head).map_err(Broken::Inflating)?;
    record.rest(|bytes| writer.write_all(bytes))
}

/// Turns the heads of the old batch into those of the new one.
struct Heads {
    old_base_timestamp: i64,
    /// The timestamp of every record, where the old batch says so.
    append_timestamp: Option<i64>,
    /// The timestamp of the first record, once it is known.
    base_timestamp: Option<i64>,
    /// Whether a timestamp is below the one that stands for none.
    negative_timestamp: bool,
    head: Vec<u8>,
    len: Vec<u8>,
}

impl Heads {
    fn of(batch: &BatchView<'_>) -> Heads {
        let appended = batch.timestamp_type() == TimestampType::LogAppendTime;
        Heads {
            old_base_timestamp: batch.base_timestamp().0,
            append_timestamp: appended.then(|| batch.max_timestamp().0),
            base_timestamp: None,
            negative_timestamp: false,
            head: Vec::new(),
            len: Vec::new(),
        }
    }
}

fn header(
    batch: &BatchView<'_>,
    codec: Codec,
    heads: &Heads,
    records: &[u8],
    findings: &Findings,
    rules: &Rules<'_>,
) -> [u8; HEADER_LEN] {
    let mut header = *batch.header_bytes().first_chunk().expect("magic 2 has a header of 61 bytes");
    let len = HEADER_LEN - batch::PREFIX_LEN + records.len();
    let len = i32::try_from(len).expect("max.message.bytes is an int32");
    let time = match rules.timestamp_type {
        TimestampType::CreateTime => 0,
        TimestampType::LogAppendTime => batch::LOG_APPEND_TIME_BIT,
    };
    let kept = batch.attributes() & (batch::TRANSACTIONAL_BIT | batch::CONTROL_BIT);
    let base_timestamp = heads.base_timestamp.unwrap_or(NO_TIMESTAMP.0);
    put(&mut header, batch::LENGTH, len.to_be_bytes());
    put(&mut header, batch::ATTRIBUTES, (kept | time | i16::from(codec.id())).to_be_bytes());
    put(&mut header, batch::LAST_OFFSET_DELTA, (batch.count() - 1).to_be_bytes());
    put(&mut header, batch::BASE_TIMESTAMP, base_timestamp.to_be_bytes());
    let max = Times::of(findings, rules).max;
    put(&mut header, batch::MAX_TIMESTAMP, max.0.to_be_bytes());
    let crc = crc::crc32c_of(&header[batch::ATTRIBUTES..], records);
    put(&mut header, batch::CRC, crc.to_be_bytes());
    header
}

/// Bytes in memory that refuse to outgrow a length.
pub(crate) struct Bounded {
    pub(crate) bytes: Vec<u8>,
    pub(crate) len_max: usize,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.len_max {
            return Err(OUTGROWN.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) const OUTGROWN: io::ErrorKind = io::ErrorKind::QuotaExceeded;
