//! Reading batches as records.
//!
//! Keys, values and headers are slices of the batch, or of the buffers that it inflates into. Not
//! here: what a log checks (validate.rs). Must hold: a compressed batch is inflated as it is read;
//! memory is that of the records at hand and the codec's window. Not served: magic 0 and 1.

use std::fmt;
use std::io::{self, BufRead};

use bytes::{Buf, Bytes, BytesMut};
use ottla_wire::StrBytes;
use ottla_wire::{Offset, Timestamp};

use crate::batch::{BatchError, BatchView, HEADER_LEN, TimestampType};
use crate::codec::{self, Codec, Decompressor};
use crate::walk::{Broken, Source, read_head, varint};

/// A record's header: a name and its value.
pub type Header = (StrBytes, Option<Bytes>);

/// One record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Its offset in the partition.
    pub offset: Offset,
    /// Its timestamp, -1 when it has none.
    pub timestamp: Timestamp,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value; none is a tombstone on compacted topics.
    pub value: Option<Bytes>,
    /// Its headers, in order.
    pub headers: Vec<Header>,
}

/// Why a batch cannot be read.
#[derive(Debug)]
pub enum ReadError {
    /// It is no batch of magic 2.
    Batch(BatchError),
    /// Its end is missing.
    Partial,
    /// Its magic is 0 or 1.
    OldMagic(u8),
    /// No codec has this id.
    UnknownCodec(u8),
    /// Its records are not what the format says.
    Malformed(&'static str),
    /// Its codec cannot inflate it.
    Codec(io::Error),
}

/// The records of the batch at the beginning of `batch`, in order. The checksum is not verified.
///
/// After an error nothing follows.
pub fn read_batch(batch: &Bytes) -> BatchRecords<'_> {
    BatchRecords::open(batch).unwrap_or_else(|error| BatchRecords {
        failed: Some(error),
        base_offset: 0,
        base_timestamp: 0,
        append_timestamp: None,
        left: 0,
        input: Input::Plain(Bytes::new()),
    })
}

/// See [`read_batch`].
pub struct BatchRecords<'a> {
    failed: Option<ReadError>,
    base_offset: i64,
    base_timestamp: i64,
    append_timestamp: Option<i64>,
    left: i32,
    input: Input<'a>,
}

/// The records that were not read.
enum Input<'a> {
    Plain(Bytes),
    Inflating { reader: Box<Decompressor<'a>>, inflated: BytesMut },
}

impl Iterator for BatchRecords<'_> {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            self.left = 0;
            return Some(Err(error));
        }
        if self.left == 0 {
            return None;
        }
        let record = self.input.next_record().and_then(|record| self.record(record));
        match record {
            Ok(_) => self.left -= 1,
            Err(_) => self.left = 0,
        }
        Some(record)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, usize::try_from(self.left).ok().map(|left| left.saturating_add(1)))
    }
}

impl<'a> BatchRecords<'a> {
    fn open(bytes: &'a Bytes) -> Result<BatchRecords<'a>, ReadError> {
        let batch = BatchView::first(bytes).map_err(ReadError::Batch)?;
        let batch = batch.ok_or(ReadError::Partial)?;
        if batch.magic() != 2 {
            return Err(ReadError::OldMagic(batch.magic()));
        }
        let input = match batch.codec().map_err(ReadError::UnknownCodec)? {
            Codec::None => Input::Plain(bytes.slice(HEADER_LEN..batch.bytes().len())),
            codec => {
                let reader = codec::reader(codec, batch.records()).map_err(ReadError::Codec)?;
                Input::Inflating { reader: Box::new(reader), inflated: BytesMut::new() }
            }
        };
        let appended = batch.timestamp_type() == TimestampType::LogAppendTime;
        Ok(BatchRecords {
            failed: None,
            base_offset: batch.base_offset().0,
            base_timestamp: batch.base_timestamp().0,
            append_timestamp: appended.then(|| batch.max_timestamp().0),
            left: batch.count().max(0),
            input,
        })
    }

    fn record(&self, bytes: Bytes) -> Result<Record, ReadError> {
        let mut rest = &bytes[..];
        let head = read_head(&mut rest)?;
        let key = nullable(&bytes, &mut rest)?;
        let value = nullable(&bytes, &mut rest)?;
        let headers = headers(&bytes, &mut rest)?;
        if !rest.is_empty() {
            return Err(ReadError::Malformed("record is longer than its fields"));
        }
        let timestamp = self
            .append_timestamp
            .unwrap_or_else(|| self.base_timestamp.wrapping_add(head.timestamp_delta));
        let offset = Offset(self.base_offset.wrapping_add(head.offset_delta.into()));
        Ok(Record { offset, timestamp: Timestamp(timestamp), key, value, headers })
    }
}

impl Input<'_> {
    /// The next record without its length.
    fn next_record(&mut self) -> Result<Bytes, ReadError> {
        match self {
            Input::Plain(bytes) => {
                let (head, body) = record_len(bytes)?.ok_or(Broken::Ended)?;
                if bytes.len() - head < body {
                    return Err(Broken::Ended.into());
                }
                bytes.advance(head);
                Ok(bytes.split_to(body))
            }
            Input::Inflating { reader, inflated } => loop {
                if let Some((head, body)) = record_len(inflated)?
                    && inflated.len() - head >= body
                {
                    inflated.advance(head);
                    return Ok(inflated.split_to(body).freeze());
                }
                let more = reader.fill_buf().map_err(ReadError::Codec)?;
                if more.is_empty() {
                    return Err(Broken::Ended.into());
                }
                inflated.extend_from_slice(more);
                let len = more.len();
                reader.consume(len);
            },
        }
    }
}

/// How long the first record's length field and its body are, if the field is all there.
fn record_len(bytes: &[u8]) -> Result<Option<(usize, usize)>, ReadError> {
    let mut rest = bytes;
    let len = match varint(&mut rest) {
        Ok(len) => len,
        Err(Broken::Ended) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let len = usize::try_from(len).map_err(|_| ReadError::Malformed("negative record length"))?;
    Ok(Some((bytes.len() - rest.len(), len)))
}

fn nullable(record: &Bytes, rest: &mut &[u8]) -> Result<Option<Bytes>, ReadError> {
    let Ok(len) = usize::try_from(varint(rest)?) else { return Ok(None) };
    let field = rest.get(..len).ok_or(Broken::Ended)?;
    rest.skip(len)?;
    Ok(Some(record.slice_ref(field)))
}

fn headers(record: &Bytes, rest: &mut &[u8]) -> Result<Vec<Header>, ReadError> {
    let count = usize::try_from(varint(rest)?);
    let count = count.map_err(|_| ReadError::Malformed("negative number of record headers"))?;
    let mut headers = Vec::with_capacity(count.min(rest.len() / HEADER_LEN_MIN));
    for _ in 0..count {
        let key =
            nullable(record, rest)?.ok_or(ReadError::Malformed("record header without key"))?;
        headers.push((text(key), nullable(record, rest)?));
    }
    Ok(headers)
}

/// A header's key; bytes that are not UTF-8 are replaced, as Java does.
fn text(bytes: Bytes) -> StrBytes {
    StrBytes::from_utf8(bytes.clone())
        .unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into_owned().into())
}

impl From<Broken> for ReadError {
    fn from(broken: Broken) -> ReadError {
        match broken {
            Broken::Malformed(why) => ReadError::Malformed(why),
            Broken::Ended => ReadError::Malformed("records end before the declared count"),
            Broken::Inflating(error) => ReadError::Codec(error),
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Batch(error) => error.fmt(f),
            ReadError::Partial => f.write_str("the end of the batch is missing"),
            ReadError::OldMagic(magic) => write!(f, "records of magic {magic} are not read"),
            ReadError::UnknownCodec(id) => write!(f, "unknown compression type id {id}"),
            ReadError::Malformed(why) => f.write_str(why),
            ReadError::Codec(error) => write!(f, "records cannot be inflated: {error}"),
        }
    }
}

impl std::error::Error for ReadError {}

/// A header is at least a key length and a value length.
const HEADER_LEN_MIN: usize = 2;
