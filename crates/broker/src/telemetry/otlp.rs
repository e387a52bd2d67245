//! Whether bytes are metrics in the form of OTLP: a `MetricsData` of OpenTelemetry, as protobuf.
//!
//! They are walked as they come and nothing is kept of them. What is taken and what is refused is
//! the same as by protobuf's own readers: what a message does not know is passed over, text must
//! be UTF-8, nothing may be longer than what it is in. Not here: what the metrics say. Must hold:
//! memory and depth are bounded, whatever the bytes.

use std::io::{BufRead, Error, ErrorKind, Result};

/// Messages within messages, as deep as protobuf's readers go.
const DEPTH_MAX: usize = 100;
/// The bytes of a number of 64 bits.
const VARINT_BYTES_MAX: usize = 10;
/// The bytes of a character of UTF-8.
const CHARACTER_BYTES_MAX: usize = 4;

/// What a field of bytes holds.
#[derive(Clone, Copy)]
enum Holds {
    Message(&'static Fields),
    Text,
    /// Numbers of eight bytes.
    Eights,
    /// Numbers of as many bytes as they need.
    Varints,
}

/// The fields of bytes that a message knows, by number.
struct Fields(&'static [(u32, Holds)]);

use Holds::{Eights, Message, Text, Varints};

static METRICS_DATA: Fields = Fields(&[(1, Message(&RESOURCE_METRICS))]);
static RESOURCE_METRICS: Fields =
    Fields(&[(1, Message(&RESOURCE)), (2, Message(&SCOPE_METRICS)), (3, Text)]);
static RESOURCE: Fields = Fields(&[(1, Message(&KEY_VALUE))]);
static SCOPE_METRICS: Fields = Fields(&[(1, Message(&SCOPE)), (2, Message(&METRIC)), (3, Text)]);
static SCOPE: Fields = Fields(&[(1, Text), (2, Text), (3, Message(&KEY_VALUE))]);
static METRIC: Fields = Fields(&[
    (1, Text),
    (2, Text),
    (3, Text),
    (5, Message(&GAUGE_OR_SUM)),
    (7, Message(&GAUGE_OR_SUM)),
    (9, Message(&HISTOGRAM)),
    (10, Message(&EXPONENTIAL_HISTOGRAM)),
    (11, Message(&SUMMARY)),
    (12, Message(&KEY_VALUE)),
]);
static GAUGE_OR_SUM: Fields = Fields(&[(1, Message(&NUMBER_POINT))]);
static HISTOGRAM: Fields = Fields(&[(1, Message(&HISTOGRAM_POINT))]);
static EXPONENTIAL_HISTOGRAM: Fields = Fields(&[(1, Message(&EXPONENTIAL_POINT))]);
static SUMMARY: Fields = Fields(&[(1, Message(&SUMMARY_POINT))]);
static NUMBER_POINT: Fields = Fields(&[(5, Message(&EXEMPLAR)), (7, Message(&KEY_VALUE))]);
static HISTOGRAM_POINT: Fields =
    Fields(&[(6, Eights), (7, Eights), (8, Message(&EXEMPLAR)), (9, Message(&KEY_VALUE))]);
static EXPONENTIAL_POINT: Fields = Fields(&[
    (1, Message(&KEY_VALUE)),
    (8, Message(&BUCKETS)),
    (9, Message(&BUCKETS)),
    (11, Message(&EXEMPLAR)),
]);
static BUCKETS: Fields = Fields(&[(2, Varints)]);
static SUMMARY_POINT: Fields = Fields(&[(6, Message(&QUANTILE)), (7, Message(&KEY_VALUE))]);
static QUANTILE: Fields = Fields(&[]);
static EXEMPLAR: Fields = Fields(&[(7, Message(&KEY_VALUE))]);
static KEY_VALUE: Fields = Fields(&[(1, Text), (2, Message(&ANY_VALUE))]);
static ANY_VALUE: Fields = Fields(&[(1, Text), (5, Message(&ARRAY)), (6, Message(&KEY_VALUES))]);
static ARRAY: Fields = Fields(&[(1, Message(&ANY_VALUE))]);
static KEY_VALUES: Fields = Fields(&[(1, Message(&KEY_VALUE))]);

/// A message, or a group within one, that is not at its end yet.
struct Open {
    /// None within a group, which no message knows.
    fields: Option<&'static Fields>,
    /// Where it ends, or the message that it is in.
    end: u64,
    /// The number of a group, which ends with a tag of that number.
    group: Option<u32>,
}

/// Reads to the end; how many bytes that were.
///
/// # Errors
/// The reader's, and `InvalidData` for what is no `MetricsData`.
pub(crate) fn walk(bytes: impl BufRead) -> Result<u64> {
    let mut walk = Walk { bytes, at: 0, end: u64::MAX };
    let mut open = vec![Open { fields: Some(&METRICS_DATA), end: u64::MAX, group: None }];
    while let Some(top) = open.last() {
        walk.end = top.end;
        if top.group.is_none() && walk.at == top.end {
            open.pop();
            continue;
        }
        if open.len() == 1 && walk.is_over()? {
            return Ok(walk.at);
        }
        let (number, kind) = walk.tag()?;
        match kind {
            0 => drop(walk.varint()?),
            1 => walk.skip(8)?,
            2 => {
                let length = walk.length()?;
                let end = walk.at + length;
                let known = top.fields.and_then(|fields| fields.of(number));
                match known {
                    Some(Message(inner)) => {
                        open.push(Open { fields: Some(inner), end, group: None });
                    }
                    Some(Text) => walk.text(length)?,
                    Some(Eights) if !length.is_multiple_of(8) => return Err(wrong()),
                    Some(Varints) => walk.varints(end)?,
                    Some(Eights) | None => walk.skip(length)?,
                }
            }
            3 => open.push(Open { fields: None, end: top.end, group: Some(number) }),
            4 if top.group == Some(number) => drop(open.pop()),
            5 => walk.skip(4)?,
            _ => return Err(wrong()),
        }
        if open.len() > DEPTH_MAX + 1 {
            return Err(wrong());
        }
    }
    Err(wrong())
}

impl Fields {
    fn of(&self, number: u32) -> Option<Holds> {
        self.0.iter().find(|(it, _)| *it == number).map(|(_, holds)| *holds)
    }
}

struct Walk<R> {
    bytes: R,
    at: u64,
    /// Nothing may be read that goes beyond it.
    end: u64,
}

impl<R: BufRead> Walk<R> {
    fn is_over(&mut self) -> Result<bool> {
        Ok(self.bytes.fill_buf()?.is_empty())
    }

    fn byte(&mut self) -> Result<u8> {
        let byte = *self.bytes.fill_buf()?.first().ok_or_else(wrong)?;
        self.take(1)?;
        Ok(byte)
    }

    /// Goes on by so many bytes of what is buffered.
    fn take(&mut self, count: usize) -> Result<()> {
        self.at += u64::try_from(count).map_err(|_| wrong())?;
        if self.at > self.end {
            return Err(wrong());
        }
        self.bytes.consume(count);
        Ok(())
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0;
        for at in 0..VARINT_BYTES_MAX {
            let byte = self.byte()?;
            // Bits above the 64th are lost, as in protobuf.
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(wrong())
    }

    /// The number of a field and the kind of its value. Of both the lower 32 bits count.
    fn tag(&mut self) -> Result<(u32, u8)> {
        let tag = self.varint()? & u64::from(u32::MAX);
        let number = u32::try_from(tag >> 3).map_err(|_| wrong())?;
        let kind = u8::try_from(tag & 7).map_err(|_| wrong())?;
        if number == 0 { Err(wrong()) } else { Ok((number, kind)) }
    }

    /// A length that fits into what it is in.
    fn length(&mut self) -> Result<u64> {
        let length = self.varint()? & u64::from(u32::MAX);
        let is_negative = i32::try_from(length).is_err();
        if is_negative || length > self.end - self.at { Err(wrong()) } else { Ok(length) }
    }

    fn skip(&mut self, count: u64) -> Result<()> {
        let mut left = count;
        while left > 0 {
            let buffered = self.bytes.fill_buf()?.len();
            let next = buffered.min(usize::try_from(left).unwrap_or(usize::MAX));
            if next == 0 {
                return Err(wrong());
            }
            self.take(next)?;
            left -= u64::try_from(next).map_err(|_| wrong())?;
        }
        Ok(())
    }

    fn varints(&mut self, end: u64) -> Result<()> {
        self.end = end;
        while self.at < end {
            self.varint()?;
        }
        Ok(())
    }

    fn text(&mut self, length: u64) -> Result<()> {
        // The begin of a character whose rest is still to come.
        let mut begun = [0; CHARACTER_BYTES_MAX];
        let mut count = 0;
        for _ in 0..length {
            let byte = self.byte()?;
            if count == 0 && byte.is_ascii() {
                continue;
            }
            *begun.get_mut(count).ok_or_else(wrong)? = byte;
            count += 1;
            match std::str::from_utf8(&begun[..count]) {
                Ok(_) => count = 0,
                Err(error) if error.error_len().is_some() => return Err(wrong()),
                Err(_) => {}
            }
        }
        if count == 0 { Ok(()) } else { Err(wrong()) }
    }
}

fn wrong() -> Error {
    Error::from(ErrorKind::InvalidData)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is in hex, `[` and `]` around what a length stands before; whether it is taken.
    fn check(text: &str, expect: bool) {
        let bytes = assembled(&mut text.split_whitespace());
        assert_eq!(walk(&*bytes).is_ok(), expect, "{text}");
        // In pieces of a byte it is the same.
        let piecemeal = std::io::BufReader::with_capacity(1, &*bytes);
        assert_eq!(walk(piecemeal).is_ok(), expect, "{text}, byte by byte");
    }

    fn assembled<'a>(words: &mut impl Iterator<Item = &'a str>) -> Vec<u8> {
        let mut bytes = Vec::new();
        while let Some(word) = words.next() {
            match word {
                "]" => break,
                "[" => {
                    let inner = assembled(words);
                    assert!(inner.len() < 128, "longer than one byte says");
                    bytes.push(u8::try_from(inner.len()).unwrap());
                    bytes.extend(inner);
                }
                hex => bytes.push(u8::from_str_radix(hex, 16).unwrap()),
            }
        }
        bytes
    }

    #[test]
    fn metrics_of_every_kind_are_taken() {
        check("", true);
        check("0a [ 12 [ 12 [ 0a [ 6d ] 2a [ 0a [ 31 05 00 00 00 00 00 00 00 ] ] ] ] ]", true);
        let of_metric = |text: &str| format!("0a [ 12 [ 12 [ {text} ] ] ]");
        check(&of_metric("3a [ 0a [ 3a [ 0a [ 6b ] 12 [ 0a [ 76 ] ] ] ] 10 02 18 01 ]"), true);
        check(&of_metric("4a [ 0a [ 32 [ 01 02 03 04 05 06 07 08 ] ] ]"), true);
        check(&of_metric("4a [ 0a [ 32 [ 01 02 03 04 05 06 07 ] ] ]"), false);
        check(&of_metric("52 [ 0a [ 42 [ 12 [ 80 01 00 ] ] ] ]"), true);
        check(&of_metric("52 [ 0a [ 42 [ 12 [ 80 ] ] ] ]"), false);
        check(&of_metric("5a [ 0a [ 32 [ 09 00 00 00 00 00 00 00 00 ] ] ]"), true);
    }

    #[test]
    fn what_a_message_does_not_know_is_passed_over() {
        check("78 01", true);
        check("fa 01 [ ff ff ]", true);
        check("fb 01 08 01 fc 01", true);
        check("fb 01 fc 02", false);
        check("fb 01", false);
        // A known number with a value of another kind is as unknown.
        check("08 05", true);
    }

    /// Written by `conform/golden/Metrics.java`, whose head has the command.
    const CAPTURED: &str = include_str!("otlp.tsv");

    #[test]
    fn what_the_classes_within_kafkas_clients_take_is_taken_and_nothing_else() {
        for line in CAPTURED.lines() {
            let (verdict, hex) = line.split_once('\t').expect("two columns");
            let digits = hex.as_bytes().chunks(2);
            let bytes: Vec<u8> = digits
                .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
                .collect();
            assert_eq!(walk(&*bytes).is_ok(), verdict == "taken", "{line}");
        }
    }

    #[test]
    fn what_is_no_metrics_is_refused() {
        let text: Vec<u8> = b"these are no metrics".to_vec();
        assert!(walk(&*text).is_err());
        check("0a", false);
        check("0a 05 ff", false);
        check("0a [ 12 05 ] 00 00", false);
        check("00", false);
        check("07", false);
        check("0c", false);
        check("0a ff ff ff ff 0f", false);
        check("08 ff ff ff ff ff ff ff ff ff ff 01", false);
        check("0a [ 1a [ ff ] ]", false);
        check("0a [ 1a [ c3 a9 ] ]", true);
        check("0a [ 1a [ c3 ] ]", false);
        check("0a [ 1a [ ed a0 80 ] ]", false);
        check("0a [ 1a [ f0 9f 98 80 ] ]", true);
    }

    #[test]
    fn nothing_is_deeper_than_protobuf_reads() {
        let nested = |depth: usize| "fb 01 ".repeat(depth) + &"fc 01 ".repeat(depth);
        check(&nested(100), true);
        check(&nested(101), false);
    }
}
