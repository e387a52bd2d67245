//! What every message offers, and how a request knows its answer.
//!
//! Must hold: only versions in `VERSIONS` are read or written, and what was read in a version can
//! be written in it.

use std::fmt::Debug;

use bytes::Bytes;

use crate::json::Json;
use crate::problem::{DecodeError, EncodeError, Problem};
use crate::reader::Reader;
use crate::registry::ApiKey;
use crate::schema::VersionRange;
use crate::size::Size;
use crate::value::Struct;
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
    fn decode(r: &mut Reader, version: i16) -> Result<Self, DecodeError> {
        if !Self::VERSIONS.contains(version) {
            let problem = Problem::Version { message: Self::NAME, version, known: Self::VERSIONS };
            return Err(DecodeError { at: r.position(), problem });
        }
        r.set_flexible(Self::is_flexible(version));
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
        if !Self::VERSIONS.contains(version) {
            let (message, known) = (Self::NAME, Self::VERSIONS);
            return Err(EncodeError::Version { message, version, known });
        }
        w.set_flexible(Self::is_flexible(version));
        self.write(w, version);
        w.checked()
    }

    /// The bytes of it alone; fails when it holds records in a file.
    fn to_bytes(&self, version: i16) -> Result<Bytes, EncodeError> {
        let mut w = Writer::new();
        self.encode(&mut w, version)?;
        w.into_bytes()
    }

    /// Shows the fields of the version to a visitor.
    fn walk(&self, version: i16, visitor: &mut dyn Visitor) {
        self.show(&mut Walk::new(visitor, Some(version)));
    }

    /// How many bytes [`encode`](Self::encode) appends.
    fn size(&self, version: i16) -> usize {
        let mut size = Size::new(version, Self::is_flexible(version));
        self.walk(version, &mut size);
        size.bytes()
    }

    /// Kafka's JSON form, with records as their size.
    fn to_json(&self, version: i16) -> String {
        let mut json = Json::new();
        self.walk(version, &mut json);
        json.into_text()
    }
}

/// A message that asks for another.
pub trait Request: Message {
    /// The key that a header names it by.
    const API_KEY: ApiKey;
    /// What answers it.
    type Response: Message;
}
