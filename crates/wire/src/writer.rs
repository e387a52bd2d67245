//! Writes a message's fields into one buffer, with records let in between as parts of their own.
//!
//! Like the reader, the writer remembers the first failure and goes on;
//! [`Message::encode`](crate::Message::encode) returns it at the end.

use bytes::Bytes;

use crate::problem::EncodeError;
use crate::records::{FileSlice, Records};
use crate::schema::{DefaultValue, FieldInfo, Type};
use crate::tags::UnknownTags;
use crate::value::{Nullable, Value};
use crate::varint;

/// Records of fewer bytes are copied into the buffer: a part of its own would cost more.
const PART_MIN: usize = 1024;

/// A piece of what is sent, in order.
#[derive(Clone, PartialEq, Debug)]
pub enum Part {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A range of a file.
    File(FileSlice),
}

impl Part {
    /// How many bytes it sends.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::File(slice) => slice.len as usize,
        }
    }

    /// Whether it sends none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A buffer that grows.
#[derive(Debug, Default)]
pub struct Writer {
    buffer: Vec<u8>,
    /// Records that stand in front of this byte of the buffer.
    records: Vec<(usize, Records)>,
    records_len: usize,
    flexible: bool,
    error: Option<EncodeError>,
}

impl Writer {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty one with room for this many bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { buffer: Vec::with_capacity(capacity), ..Self::default() }
    }

    /// How many bytes have been written, records included.
    pub fn len(&self) -> usize {
        self.buffer.len() + self.records_len
    }

    /// Whether nothing has been written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What has been written, in pieces.
    pub fn into_parts(self) -> Vec<Part> {
        let buffer = Bytes::from(self.buffer);
        let mut parts = Vec::with_capacity(2 * self.records.len() + 1);
        let mut from = 0;
        for (at, records) in self.records {
            if at > from {
                parts.push(Part::Bytes(buffer.slice(from..at)));
            }
            from = at;
            parts.push(match records {
                Records::Bytes(bytes) => Part::Bytes(bytes),
                Records::File(slice) => Part::File(slice),
            });
        }
        if from < buffer.len() {
            parts.push(Part::Bytes(buffer.slice(from..)));
        }
        parts
    }

    /// What has been written, in one piece; fails when some of it is in a file.
    pub fn into_bytes(self) -> Result<Bytes, EncodeError> {
        if self.records.is_empty() {
            return Ok(Bytes::from(self.buffer));
        }
        let mut whole = Vec::with_capacity(self.len());
        for part in self.into_parts() {
            match part {
                Part::Bytes(bytes) => whole.extend_from_slice(&bytes),
                Part::File(_) => return Err(EncodeError::InFile),
            }
        }
        Ok(Bytes::from(whole))
    }

    /// Appends bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Overwrites four bytes that have been written at the very start.
    pub(crate) fn set_first_i32(&mut self, value: i32) {
        if let Some(first) = self.buffer.first_chunk_mut() {
            *first = value.to_be_bytes();
        }
    }

    /// From here on, whether lengths are compact and structs end with tagged fields.
    pub(crate) fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    /// Remembers the first failure.
    #[cold]
    pub(crate) fn fail(&mut self, error: EncodeError) {
        self.error.get_or_insert(error);
    }

    pub(crate) fn checked(&mut self) -> Result<(), EncodeError> {
        self.error.take().map_or(Ok(()), Err)
    }

    #[inline]
    pub(crate) fn put<T: Value>(&mut self, value: &T, version: i16) {
        value.write(self, version);
    }

    /// A field that is nullable in other versions than this one.
    pub(crate) fn put_not_null<T: Value>(&mut self, value: &Option<T>, version: i16) {
        match value {
            Some(value) => value.write(self, version),
            None => self.fail(EncodeError::Null { version }),
        }
    }

    /// A field that this version lacks and that may not be dropped.
    pub(crate) fn absent(&mut self, field: &FieldInfo, value: &dyn Value, version: i16) {
        if !value.is_default(field.default) {
            self.fail(EncodeError::FieldAbsent { field: field.name, version });
        }
    }

    /// A length in its compact or old form, of which the old one has `narrow` two bytes.
    #[inline(never)]
    pub(crate) fn length(&mut self, length: Option<usize>, narrow: bool) {
        let max = if narrow { i16::MAX as usize } else { i32::MAX as usize };
        let length = match length {
            Some(length) if length > max => {
                self.fail(match narrow {
                    true => EncodeError::StringTooLong(length),
                    false => EncodeError::TooLong(length),
                });
                0
            }
            Some(length) => length as i64,
            None => -1,
        };
        if self.flexible {
            varint::put_uvarint(&mut self.buffer, (length + 1) as u32);
        } else if narrow {
            self.raw(&(length as i16).to_be_bytes());
        } else {
            self.raw(&(length as i32).to_be_bytes());
        }
    }

    pub(crate) fn text(&mut self, text: Option<&str>) {
        self.length(text.map(str::len), true);
        self.raw(text.unwrap_or_default().as_bytes());
    }

    /// Text whose length keeps its old form in flexible versions.
    pub(crate) fn old_text<T: AsRef<str>>(&mut self, text: &Option<T>) {
        let flexible = std::mem::replace(&mut self.flexible, false);
        self.text(text.as_ref().map(AsRef::as_ref));
        self.flexible = flexible;
    }

    pub(crate) fn records(&mut self, records: &Records) {
        self.length(Some(records.len()), false);
        match records {
            Records::Bytes(bytes) if bytes.len() < PART_MIN => self.raw(bytes),
            other => {
                self.records_len += other.len();
                self.records.push((self.buffer.len(), other.clone()));
            }
        }
    }

    /// The tagged fields of a struct that knows none.
    #[inline]
    pub(crate) fn unknown_tags(&mut self, unknown: &UnknownTags) {
        if self.flexible {
            match unknown.is_empty() {
                true => self.buffer.push(0),
                false => self.tagged(unknown, &[], 0),
            }
        } else if !unknown.is_empty() {
            self.tags_without_room(unknown);
        }
    }

    #[cold]
    fn tags_without_room(&mut self, unknown: &UnknownTags) {
        if let Some((tag, _)) = unknown.as_slice().first() {
            self.fail(EncodeError::TagOrder(*tag));
        }
    }

    /// The tagged fields of a struct, known and unknown, in the order of their tags. Those with
    /// their default are left out.
    pub(crate) fn tagged(
        &mut self,
        unknown: &UnknownTags,
        known: &[(&FieldInfo, &dyn Value)],
        version: i16,
    ) {
        let unset = known.iter().all(|(field, value)| value.is_default(field.default));
        if unset && unknown.is_empty() {
            // Nearly always.
            if self.flexible {
                self.buffer.push(0);
            }
            return;
        }
        if !self.flexible {
            for (field, value) in known {
                if !field.ignorable {
                    self.absent(field, *value, version);
                }
            }
            if !unknown.is_empty() {
                self.tags_without_room(unknown);
            }
            return;
        }
        let count = known.iter().filter(|(field, value)| self.tag_is_due(field, *value, version));
        let count = count.count() + unknown.as_slice().len();
        varint::put_uvarint(&mut self.buffer, u32::try_from(count).unwrap_or(u32::MAX));
        let mut next_min = 0;
        let mut unknown = unknown.as_slice().iter().peekable();
        for (field, value) in known {
            let tag = field.tag.expect("the generator puts only tagged fields here");
            while let Some((tag, bytes)) = unknown.next_if(|other| other.0 < tag) {
                self.unknown_tag(*tag, bytes, &mut next_min);
            }
            if self.tag_is_due(field, *value, version) {
                next_min = tag + 1;
                self.one_tagged(tag, field, *value, version);
            } else if !field.versions.contains(version) && !field.ignorable {
                self.absent(field, *value, version);
            }
        }
        for (tag, bytes) in unknown {
            self.unknown_tag(*tag, bytes, &mut next_min);
        }
    }

    fn tag_is_due(&self, field: &FieldInfo, value: &dyn Value, version: i16) -> bool {
        field.versions.contains(version) && !value.is_default(field.default)
    }

    fn unknown_tag(&mut self, tag: u32, bytes: &Bytes, next_min: &mut u32) {
        if tag < *next_min {
            self.fail(EncodeError::TagOrder(tag));
        }
        *next_min = tag.saturating_add(1);
        varint::put_uvarint(&mut self.buffer, tag);
        varint::put_uvarint(&mut self.buffer, u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.raw(bytes);
    }

    /// Writes the field behind its tag, then its size in between. Records are never tagged.
    fn one_tagged(&mut self, tag: u32, field: &FieldInfo, value: &dyn Value, version: i16) {
        varint::put_uvarint(&mut self.buffer, tag);
        let start = self.buffer.len();
        match field.kind {
            // Marked otherwise than one in its place, as Kafka does.
            Type::Struct(_) if value.is_default(DefaultValue::Null) => self.raw(&[0]),
            _ => value.write(self, version),
        }
        let end = self.buffer.len();
        varint::put_uvarint(&mut self.buffer, u32::try_from(end - start).unwrap_or(u32::MAX));
        let size_len = self.buffer.len() - end;
        self.buffer[start..].rotate_right(size_len);
    }

    /// A nullable field, in a version where it may be null.
    pub(crate) fn nullable<T: Nullable>(&mut self, value: Option<&T>, version: i16) {
        match value {
            Some(value) => value.write_some(self, version),
            None => T::write_null(self),
        }
    }
}

macro_rules! primitives {
    ($($(#[$doc:meta])* $name:ident: $type:ty;)*) => {
        /// Single numbers, for what is not a generated message.
        impl Writer {$(
            $(#[$doc])*
            pub fn $name(&mut self, value: $type) {
                self.raw(&value.to_be_bytes());
            }
        )*}
    };
}

primitives! {
    /// One byte.
    i8: i8;
    /// Two bytes.
    i16: i16;
    /// Four bytes.
    i32: i32;
    /// Four bytes without sign.
    u32: u32;
    /// Eight bytes.
    i64: i64;
}

impl Writer {
    /// An unsigned variable-length number.
    pub fn uvarint(&mut self, value: u32) {
        varint::put_uvarint(&mut self.buffer, value);
    }

    /// Text with a length of two bytes, -1 for null.
    pub fn nullable_string(&mut self, text: Option<&str>) {
        self.old_text(&text);
    }
}

/// Whether a field is unset, as the writer and the walk see it.
pub(crate) fn is_zero(default: DefaultValue, zero: bool) -> bool {
    default == DefaultValue::Zero && zero
}
