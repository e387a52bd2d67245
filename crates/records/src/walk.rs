//! Walking the records of a batch without making anything of them.
//!
//! One walk serves plain slices and decompressed streams: records that lie whole in the buffer are
//! read from it, the one that crosses its end byte by byte. Cost per record: seven numbers of
//! mostly one byte and no allocation. Not here: what is allowed (validate.rs). Must hold: a
//! record is exactly as long as its length says.

use std::io::{self, BufRead};

/// What there is to know about a record before its key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Head {
    /// Its timestamp, counted from the batch's base timestamp.
    pub(crate) timestamp_delta: i64,
    /// Its offset, counted from the batch's base offset.
    pub(crate) offset_delta: i32,
}

/// Why records cannot be walked.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The bytes are not a record.
    Malformed(&'static str),
    /// The bytes end before the record does.
    Ended,
    /// The codec cannot go on.
    Inflating(io::Error),
}

/// Walks `count` records and nothing behind them, calling `visit` with index, head and whether the
/// record has a key.
pub(crate) fn walk<R: BufRead>(
    reader: &mut R,
    count: i32,
    visit: impl FnMut(i32, Head, bool),
) -> Result<(), Broken> {
    walk_each(reader, count, &mut Heads(visit))
}

/// What is done with each record of a walk.
pub(crate) trait Each {
    /// Reads a record to its end; `false` ends the walk there, whatever follows.
    fn record<S: Source>(&mut self, index: i32, record: &mut S) -> Result<bool, Broken>;
}

struct Heads<F>(F);

impl<F: FnMut(i32, Head, bool)> Each for Heads<F> {
    #[inline]
    fn record<S: Source>(&mut self, index: i32, record: &mut S) -> Result<bool, Broken> {
        let head = read_head(record)?;
        let has_key = skip_body(record)?;
        if record.left() != 0 {
            return Err(Broken::Malformed(NOT_AS_LONG));
        }
        (self.0)(index, head, has_key);
        Ok(true)
    }
}

/// Walks `count` records and nothing behind them.
pub(crate) fn walk_each<R: BufRead, E: Each>(
    reader: &mut R,
    count: i32,
    each: &mut E,
) -> Result<(), Broken> {
    let mut index = 0;
    while index < count {
        let mut buffer = reader.fill_buf().map_err(Broken::Inflating)?;
        let before = buffer.len();
        while index < count {
            let Some((mut record, rest)) = split_whole(buffer)? else { break };
            if !each.record(index, &mut record)? {
                return Ok(());
            }
            if !record.is_empty() {
                return Err(Broken::Malformed(NOT_AS_LONG));
            }
            buffer = rest;
            index += 1;
        }
        let used = before - buffer.len();
        reader.consume(used);
        if index < count && used == 0 {
            let mut record = Limited::next_record(reader)?;
            if !each.record(index, &mut record)? {
                return Ok(());
            }
            if record.left != 0 {
                return Err(Broken::Malformed(NOT_AS_LONG));
            }
            index += 1;
        }
    }
    match reader.fill_buf().map_err(Broken::Inflating)?.is_empty() {
        true => Ok(()),
        false => Err(Broken::Malformed("records remain behind the declared count")),
    }
}

/// A record's body, and what follows it.
type Split<'a> = (&'a [u8], &'a [u8]);

/// The body of the first record in `buffer` and what follows it, if all of it is there.
fn split_whole(buffer: &[u8]) -> Result<Option<Split<'_>>, Broken> {
    let mut rest = buffer;
    let len = match varint(&mut rest) {
        Ok(len) => record_len(len)?,
        Err(Broken::Ended) => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(rest.split_at_checked(len))
}

/// Where a walk takes its bytes from.
pub(crate) trait Source {
    fn byte(&mut self) -> Result<u8, Broken>;
    fn skip(&mut self, len: usize) -> Result<(), Broken>;
    /// Hands the next `len` bytes over, part by part.
    fn feed(
        &mut self,
        len: usize,
        take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), Broken>;
    /// How many bytes are left.
    fn left(&self) -> usize;
}

impl Source for &[u8] {
    #[inline]
    fn byte(&mut self) -> Result<u8, Broken> {
        let (first, rest) = self.split_first().ok_or(Broken::Ended)?;
        *self = rest;
        Ok(*first)
    }

    #[inline]
    fn skip(&mut self, len: usize) -> Result<(), Broken> {
        *self = self.get(len..).ok_or(Broken::Ended)?;
        Ok(())
    }

    #[inline]
    fn feed(
        &mut self,
        len: usize,
        take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), Broken> {
        let (fed, rest) = self.split_at_checked(len).ok_or(Broken::Ended)?;
        *self = rest;
        take(fed).map_err(Broken::Inflating)
    }

    #[inline]
    fn left(&self) -> usize {
        self.len()
    }
}

/// One record of a stream.
pub(crate) struct Limited<'a, R> {
    reader: &'a mut R,
    pub(crate) left: usize,
}

impl<'a, R: BufRead> Limited<'a, R> {
    /// The next record of the stream: its length is read, its body is not.
    pub(crate) fn next_record(reader: &'a mut R) -> Result<Limited<'a, R>, Broken> {
        let mut source = Limited { reader, left: usize::MAX };
        let left = record_len(varint(&mut source)?)?;
        Ok(Limited { reader: source.reader, left })
    }

    /// Hands the rest of the record over, buffer by buffer.
    pub(crate) fn rest(
        &mut self,
        mut take: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), Broken> {
        while self.left > 0 {
            let buffer = self.reader.fill_buf().map_err(Broken::Inflating)?;
            let len = buffer.len().min(self.left);
            if len == 0 {
                return Err(Broken::Ended);
            }
            take(&buffer[..len]).map_err(Broken::Inflating)?;
            self.reader.consume(len);
            self.left -= len;
        }
        Ok(())
    }
}

impl<R: BufRead> Source for Limited<'_, R> {
    fn byte(&mut self) -> Result<u8, Broken> {
        if self.left == 0 {
            return Err(Broken::Malformed(NOT_AS_LONG));
        }
        let first = self.reader.fill_buf().map_err(Broken::Inflating)?.first().copied();
        let first = first.ok_or(Broken::Ended)?;
        self.reader.consume(1);
        self.left -= 1;
        Ok(first)
    }

    fn skip(&mut self, len: usize) -> Result<(), Broken> {
        self.feed(len, &mut |_| Ok(()))
    }

    fn feed(
        &mut self,
        len: usize,
        take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), Broken> {
        if len > self.left {
            return Err(Broken::Malformed(NOT_AS_LONG));
        }
        let behind = self.left - len;
        self.left = len;
        self.rest(take)?;
        self.left = behind;
        Ok(())
    }

    fn left(&self) -> usize {
        self.left
    }
}

/// Reads what stands before the key.
#[inline]
pub(crate) fn read_head<S: Source>(source: &mut S) -> Result<Head, Broken> {
    let _attributes = source.byte()?;
    let timestamp_delta = varlong(source)?;
    let offset_delta = varint(source)?;
    Ok(Head { timestamp_delta, offset_delta })
}

/// Skips key, value and headers; whether there was a key.
#[inline]
fn skip_body<S: Source>(source: &mut S) -> Result<bool, Broken> {
    let key = varint(source)?;
    skip_nullable(source, key)?;
    skip_value(source)?;
    Ok(key >= 0)
}

/// Skips value and headers; whether there was a value.
#[inline]
pub(crate) fn skip_value<S: Source>(source: &mut S) -> Result<bool, Broken> {
    let value = varint(source)?;
    skip_nullable(source, value)?;
    let headers = varint(source)?;
    if headers < 0 {
        return Err(Broken::Malformed("negative number of record headers"));
    }
    for _ in 0..headers {
        let key = varint(source)?;
        let key = usize::try_from(key);
        source.skip(key.map_err(|_| Broken::Malformed("negative header key length"))?)?;
        let value = varint(source)?;
        skip_nullable(source, value)?;
    }
    Ok(value >= 0)
}

/// A length below zero stands for null.
#[inline]
fn skip_nullable<S: Source>(source: &mut S, len: i32) -> Result<(), Broken> {
    match usize::try_from(len) {
        Ok(len) => source.skip(len),
        Err(_) => Ok(()),
    }
}

fn record_len(len: i32) -> Result<usize, Broken> {
    usize::try_from(len).map_err(|_| Broken::Malformed("negative record length"))
}

/// A zig-zag number of at most five bytes; most take one.
#[inline]
pub(crate) fn varint<S: Source>(source: &mut S) -> Result<i32, Broken> {
    let first = source.byte()?;
    if first < 0x80 {
        return Ok(i32::from(first >> 1) ^ -i32::from(first & 1));
    }
    let value = continued(source, first, VARINT_LEN_MAX)?;
    // Bits beyond the 32 of the last byte fall away, as they do in Java.
    let value = u32::try_from(value & u64::from(u32::MAX)).expect("32 bits are left");
    Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
}

/// A zig-zag number of at most ten bytes.
#[inline]
pub(crate) fn varlong<S: Source>(source: &mut S) -> Result<i64, Broken> {
    let first = source.byte()?;
    if first < 0x80 {
        return Ok(i64::from(first >> 1) ^ -i64::from(first & 1));
    }
    let value = continued(source, first, VARLONG_LEN_MAX)?;
    Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
}

/// The bytes of a number after its first.
fn continued<S: Source>(source: &mut S, first: u8, len_max: u32) -> Result<u64, Broken> {
    let mut value = u64::from(first & 0x7f);
    for place in 1..len_max {
        let byte = source.byte()?;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Broken::Malformed("number is longer than its type allows"))
}

const VARINT_LEN_MAX: u32 = 5;
const VARLONG_LEN_MAX: u32 = 10;
const NOT_AS_LONG: &str = "record is not as long as its length says";
