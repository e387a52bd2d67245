//! What every message offers, and how a request knows its answer.
//!
//! Must hold: only versions in `VERSIONS` are read or written, and what was read in a version can
//! be written in it.

use std::fmt::Debug;

use bytes::Bytes;

use crate::json::Json;
use crate::problem::{DecodeError, EncodeError};
use crate::reader::Reader;
use crate::registry::ApiKey;
use crate::schema::VersionRange;
use crate::size::Size;
use crate::value::{Struct, Value};
use crate::walk::{Visitor, Walk};
use crate::writer::Writer;

/// A generated message.
pub trait Message: Struct + Clone + Debug + PartialEq {
    /// Kafka's name for it, such as `ProduceRequest`.
    const NAME: &'static str;
    /// The versions there are.
    const VERSIONS: VersionRange;
    /// The first version with compact lengths and tagged fields.
    const FLEXIBLE_FROM: Option<i16>;

    /// Whether the version has compact lengths and tagged fields.
    fn is_flexible(version: i16) -> bool {
        Self::FLEXIBLE_FROM.is_some_and(|from| version >= from)
    }

    /// Reads one; what is behind it stays in the reader.
    #[inline(never)]
    fn decode(r: &mut Reader, version: i16) -> Result<Self, DecodeError> {
        r.begin(&shape::<Self>(), version)?;
        let message = Self::read(r, version);
        r.checked(message)
    }

    /// Reads one that takes all of the bytes.
    fn decode_all(bytes: Bytes, version: i16) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes);
        let message = Self::decode(&mut r, version)?;
        r.finish()?;
        Ok(message)
    }

    /// Appends it. After a failure the writer holds a part of it and is of no use.
    fn encode(&self, w: &mut Writer, version: i16) -> Result<(), EncodeError> {
        encode(self, &shape::<Self>(), w, version)
    }

    /// The bytes of it alone; fails when it holds records in a file.
    fn to_bytes(&self, version: i16) -> Result<Bytes, EncodeError> {
        to_bytes(self, &shape::<Self>(), version)
    }

    /// Shows the fields of the version to a visitor.
    fn walk(&self, version: i16, visitor: &mut dyn Visitor) {
        self.show(&mut Walk::new(visitor, Some(version)));
    }

    /// How many bytes [`encode`](Self::encode) appends.
    fn size(&self, version: i16) -> usize {
        size(self, Self::is_flexible(version), version)
    }

    /// Kafka's JSON form, with empty records; [`Json::with_sizes`] walks for one with sizes.
    fn to_json(&self, version: i16) -> String {
        to_json(self, version)
    }
}

/// A message that asks for another.
pub trait Request: Message {
    /// The key that a header names it by.
    const API_KEY: ApiKey;
    /// What answers it.
    type Response: Message;
}

/// What the functions below need to know of a message; they are compiled once, not per message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) versions: VersionRange,
    pub(crate) flexible_from: Option<i16>,
}

impl Shape {
    pub(crate) fn is_flexible(&self, version: i16) -> bool {
        self.flexible_from.is_some_and(|from| version >= from)
    }
}

pub(crate) const fn shape<M: Message>() -> Shape {
    Shape { name: M::NAME, versions: M::VERSIONS, flexible_from: M::FLEXIBLE_FROM }
}

fn encode(
    value: &dyn Value,
    shape: &Shape,
    w: &mut Writer,
    version: i16,
) -> Result<(), EncodeError> {
    if !shape.versions.contains(version) {
        let Shape { name: message, versions: known, .. } = *shape;
        return Err(EncodeError::Version { message, version, known });
    }
    w.set_flexible(shape.is_flexible(version));
    value.write(w, version);
    w.checked()
}

pub(crate) fn to_bytes(
    value: &dyn Value,
    shape: &Shape,
    version: i16,
) -> Result<Bytes, EncodeError> {
    let mut w = Writer::new();
    encode(value, shape, &mut w, version)?;
    w.into_bytes()
}

pub(crate) fn size(value: &dyn Value, flexible: bool, version: i16) -> usize {
    let mut size = Size::new(version, flexible);
    value.show(&mut Walk::new(&mut size, Some(version)));
    size.bytes()
}

pub(crate) fn to_json(value: &dyn Value, version: i16) -> String {
    let mut json = Json::new();
    value.show(&mut Walk::new(&mut json, Some(version)));
    json.into_text()
}
