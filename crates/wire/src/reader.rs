//! Reads a message's fields out of a frame.
//!
//! The reader remembers the first failure and from then on has nothing left: fields read behind
//! it are defaults, so that generated code needs no branch per field, and [`Message::decode`]
//! returns the failure at the end. What it hands out are slices of the frame; it allocates only
//! for array elements, never more at once than the bytes that are left and what it has read.
//!
//! [`Message::decode`]: crate::Message::decode

use bytes::Bytes;

use crate::message::Shape;
use crate::problem::{DecodeError, Problem};
use crate::tags::UnknownTags;
use crate::text::StrBytes;
use crate::value::{Struct, Value};
use crate::varint;

/// The most elements an array may have, as in Apache Kafka 4.4.
pub const ELEMENTS_MAX: usize = 1_000_000;
/// The most tagged fields a struct may have, as in Apache Kafka 4.4.
pub const TAGS_MAX: u32 = 10_000;

/// A place in a frame.
#[derive(Debug)]
pub struct Reader {
    bytes: Bytes,
    at: usize,
    flexible: bool,
    error: Option<DecodeError>,
}

/// The tagged fields of one struct, while they are read.
#[derive(Debug)]
pub(crate) struct Tags {
    left: u32,
    next_min: u32,
    tag: u32,
    end: usize,
}

impl Reader {
    /// Starts at the first byte.
    pub fn new(bytes: Bytes) -> Self {
        Self { bytes, at: 0, flexible: false, error: None }
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Whether none is left.
    pub fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// How many bytes have been read.
    pub fn position(&self) -> usize {
        self.at
    }

    /// The bytes that are left, without reading them.
    pub fn rest(&self) -> Bytes {
        self.bytes.slice(self.at..)
    }

    /// Takes this many bytes as they are.
    pub fn take(&mut self, len: usize) -> Result<Bytes, DecodeError> {
        let taken = self.slice(len);
        self.checked(taken)
    }

    /// Fails unless everything has been read.
    pub fn finish(&self) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(DecodeError { at: self.at, problem: Problem::Trailing(left) }),
        }
    }

    /// Gets ready for a message of this version.
    pub(crate) fn begin(&mut self, shape: &Shape, version: i16) -> Result<(), DecodeError> {
        let Shape { name: message, versions: known, .. } = *shape;
        if !known.contains(version) {
            let problem = Problem::Version { message, version, known };
            return Err(DecodeError { at: self.at, problem });
        }
        self.flexible = shape.is_flexible(version);
        Ok(())
    }

    pub(crate) fn failed(&self) -> bool {
        self.error.is_some()
    }

    /// Remembers the first failure and leaves nothing to read.
    #[cold]
    pub(crate) fn fail(&mut self, problem: Problem) {
        let at = self.at;
        self.at = self.bytes.len();
        self.error.get_or_insert(DecodeError { at, problem });
    }

    /// Gives out the first failure, if any; the reader stays at its end.
    pub(crate) fn checked<T>(&mut self, value: T) -> Result<T, DecodeError> {
        match &self.error {
            None => Ok(value),
            Some(error) => Err(error.clone()),
        }
    }

    #[inline]
    pub(crate) fn get<T: Value>(&mut self, version: i16) -> T {
        T::read(self, version)
    }

    #[inline]
    pub(crate) fn chunk<const N: usize>(&mut self) -> [u8; N] {
        match self.bytes[self.at..].first_chunk::<N>() {
            Some(chunk) => {
                self.at += N;
                *chunk
            }
            None => {
                self.fail(Problem::Truncated { needed: N, left: self.remaining() });
                [0; N]
            }
        }
    }

    pub(crate) fn slice(&mut self, len: usize) -> Bytes {
        let left = self.remaining();
        if len > left {
            self.fail(Problem::Truncated { needed: len, left });
            return Bytes::new();
        }
        self.at += len;
        self.bytes.slice(self.at - len..self.at)
    }

    pub(crate) fn uvarint_or_zero(&mut self) -> u32 {
        match varint::uvarint(&self.bytes[self.at..]) {
            Some((value, used)) => {
                self.at += used;
                value
            }
            None => {
                self.fail(Problem::Varint);
                0
            }
        }
    }

    /// A length in its compact or old form, of which the old one has `narrow` two bytes.
    #[inline(never)]
    pub(crate) fn length(&mut self, narrow: bool) -> Option<usize> {
        let length = if self.flexible {
            i64::from(self.uvarint_or_zero()) - 1
        } else if narrow {
            i64::from(i16::from_be_bytes(self.chunk()))
        } else {
            i64::from(i32::from_be_bytes(self.chunk()))
        };
        if length < -1 {
            self.fail(Problem::NegativeLength(length));
        }
        usize::try_from(length).ok()
    }

    /// How many elements follow; none is null.
    #[inline(never)]
    pub(crate) fn count(&mut self) -> Option<usize> {
        let count = self.length(false)?;
        if count > ELEMENTS_MAX || count > self.remaining() {
            self.fail(Problem::TooManyElements(count));
            return None;
        }
        Some(count)
    }

    #[inline(never)]
    pub(crate) fn bytes_or_null(&mut self) -> Option<Bytes> {
        let len = self.length(false)?;
        Some(self.slice(len))
    }

    #[inline(never)]
    pub(crate) fn text_or_null(&mut self) -> Option<StrBytes> {
        let len = self.length(true)?;
        self.text(len)
    }

    /// Text whose length keeps its old form in flexible versions.
    pub(crate) fn old_text_or_null(&mut self) -> Option<StrBytes> {
        let flexible = std::mem::replace(&mut self.flexible, false);
        let text = self.text_or_null();
        self.flexible = flexible;
        text
    }

    fn text(&mut self, len: usize) -> Option<StrBytes> {
        let start = self.at;
        if len > i16::MAX as usize {
            self.fail(Problem::StringTooLong(len));
            return None;
        }
        match StrBytes::from_utf8(self.slice(len)) {
            Ok(text) => Some(text),
            Err(_) => {
                self.at = start;
                self.fail(Problem::Utf8);
                None
            }
        }
    }

    /// What null is read as where it is not allowed.
    pub(crate) fn or_null<T: Default>(&mut self, value: Option<T>) -> T {
        value.unwrap_or_else(|| {
            self.fail(Problem::Null);
            T::default()
        })
    }

    /// Starts the tagged fields of a struct; there are none in versions that are not flexible.
    pub(crate) fn tags(&mut self) -> Tags {
        let left = if self.flexible { self.uvarint_or_zero() } else { 0 };
        if left > TAGS_MAX {
            self.fail(Problem::TooManyTags(left));
        }
        Tags { left, next_min: 0, tag: 0, end: self.at }
    }

    /// The next tag; its field, or [`unknown_tag`](Self::unknown_tag), must be read before the
    /// one behind it.
    pub(crate) fn next_tag(&mut self, tags: &mut Tags) -> Option<u32> {
        if self.at != tags.end && !self.failed() {
            self.fail(Problem::TagSize(tags.tag));
        }
        if tags.left == 0 || self.failed() {
            return None;
        }
        let tag = self.uvarint_or_zero();
        if tag < tags.next_min {
            self.fail(Problem::TagOrder(tag));
            return None;
        }
        let size = self.uvarint_or_zero() as usize;
        if size > self.remaining() {
            self.fail(Problem::Truncated { needed: size, left: self.remaining() });
            return None;
        }
        *tags =
            Tags { left: tags.left - 1, next_min: tag.saturating_add(1), tag, end: self.at + size };
        Some(tag)
    }

    /// Keeps a field that this version does not know.
    pub(crate) fn unknown_tag(&mut self, tags: &Tags, unknown: &mut UnknownTags) {
        let bytes = self.slice(tags.end - self.at);
        unknown.push(tags.tag, bytes);
    }

    /// A tagged struct that may be null, which is marked otherwise than one in its place.
    pub(crate) fn tagged_struct<T: Struct>(&mut self, version: i16) -> Option<T> {
        match u8::from_be_bytes(self.chunk()) {
            1 => Some(T::read(self, version)),
            0 => None,
            marker => {
                self.fail(Problem::Marker(marker));
                None
            }
        }
    }

    /// The tagged fields of a struct that knows none.
    #[inline]
    pub(crate) fn unknown_tags(&mut self) -> UnknownTags {
        // Nearly always the one byte that says "none".
        if !self.flexible {
            return UnknownTags::default();
        }
        if self.bytes.get(self.at) == Some(&0) {
            self.at += 1;
            return UnknownTags::default();
        }
        self.some_unknown_tags()
    }

    #[cold]
    fn some_unknown_tags(&mut self) -> UnknownTags {
        let mut unknown = UnknownTags::default();
        let mut tags = self.tags();
        while self.next_tag(&mut tags).is_some() {
            self.unknown_tag(&tags, &mut unknown);
        }
        unknown
    }
}

macro_rules! primitives {
    ($($(#[$doc:meta])* $name:ident: $type:ty;)*) => {
        /// Single numbers and texts, for what is not a generated message. Texts and bytes have
        /// their old, not compact lengths.
        impl Reader {$(
            $(#[$doc])*
            pub fn $name(&mut self) -> Result<$type, DecodeError> {
                let flexible = std::mem::replace(&mut self.flexible, false);
                let value = <$type as Value>::read(self, 0);
                self.flexible = flexible;
                self.checked(value)
            }
        )*}
    };
}

primitives! {
    /// One byte, false when 0.
    bool: bool;
    /// One byte.
    i8: i8;
    /// Two bytes.
    i16: i16;
    /// Two bytes without sign.
    u16: u16;
    /// Four bytes.
    i32: i32;
    /// Four bytes without sign.
    u32: u32;
    /// Eight bytes.
    i64: i64;
    /// IEEE 754 in eight bytes.
    f64: f64;
    /// Sixteen bytes.
    uuid: crate::uuid::Uuid;
    /// Text with a length of two bytes.
    string: StrBytes;
    /// Text with a length of two bytes, -1 for null.
    nullable_string: Option<StrBytes>;
    /// Bytes with a length of four bytes.
    bytes: Bytes;
}

impl Reader {
    /// An unsigned variable-length number.
    pub fn uvarint(&mut self) -> Result<u32, DecodeError> {
        let value = self.uvarint_or_zero();
        self.checked(value)
    }
}
