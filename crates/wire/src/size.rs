//! The bytes that a message takes in a version, by the walk, without writing it.
//! Must hold: it is what the writer appends, for every message and version.

use crate::records::Records;
use crate::schema::{FieldInfo, StructInfo, Type};
use crate::tags::UnknownTags;
use crate::uuid::Uuid;
use crate::varint::uvarint_len;
use crate::walk::Visitor;

/// Adds up bytes.
#[derive(Default)]
pub(crate) struct Size {
    flexible: bool,
    bytes: usize,
    field: Option<&'static FieldInfo>,
    /// Per open struct, how many tagged fields it has.
    tags: Vec<usize>,
    /// Where the open tagged fields began.
    tagged: Vec<usize>,
    version: i16,
}

impl Size {
    pub(crate) fn new(version: i16, flexible: bool) -> Self {
        Self { flexible, version, ..Self::default() }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    fn length(&mut self, len: usize, narrow: bool) {
        let field = self.field.take();
        self.bytes += match (self.flexible && !field.is_some_and(|field| field.inflexible), narrow)
        {
            (true, _) => uvarint_len(u32::try_from(len + 1).unwrap_or(u32::MAX)),
            (false, true) => 2,
            (false, false) => 4,
        };
    }
}

impl Visitor for Size {
    fn field(&mut self, field: &'static FieldInfo, tagged: bool) {
        self.field = Some(field);
        if tagged {
            if let Some(count) = self.tags.last_mut() {
                *count += 1;
            }
            self.bytes += uvarint_len(field.tag.unwrap_or_default());
            self.tagged.push(self.bytes);
        }
    }

    fn end_field(&mut self, _: &'static FieldInfo, tagged: bool) {
        self.field = None;
        if tagged && let Some(start) = self.tagged.pop() {
            let size = self.bytes - start;
            self.bytes += uvarint_len(u32::try_from(size).unwrap_or(u32::MAX));
        }
    }

    fn null(&mut self) {
        match self.field.map(|field| field.kind) {
            Some(Type::Struct(_)) => self.bytes += 1,
            Some(Type::String) => {
                // Null and the empty text have lengths of the same size, but for compact ones.
                self.length(0, true);
            }
            _ => self.length(0, false),
        }
    }

    fn bool(&mut self, _: bool) {
        self.bytes += 1;
    }

    fn int(&mut self, _: i64, bytes: usize) {
        self.bytes += bytes;
    }

    fn float(&mut self, _: f64) {
        self.bytes += 8;
    }

    fn uuid(&mut self, _: Uuid) {
        self.bytes += 16;
    }

    fn text(&mut self, value: &str) {
        self.length(value.len(), true);
        self.bytes += value.len();
    }

    fn bytes(&mut self, value: &[u8]) {
        self.length(value.len(), false);
        self.bytes += value.len();
    }

    fn records(&mut self, value: &Records) {
        self.length(value.len(), false);
        self.bytes += value.len();
    }

    fn begin_array(&mut self, len: usize) {
        self.length(len, false);
    }

    fn end_array(&mut self) {}

    fn begin_struct(&mut self, _: &'static StructInfo) {
        // A struct that may be null has a byte in front that says that it is not.
        let nullable = self.field.take().is_some_and(|field| {
            matches!(field.kind, Type::Struct(_))
                && field.nullable.is_some_and(|versions| versions.contains(self.version))
        });
        self.bytes += usize::from(nullable);
        self.tags.push(0);
    }

    fn end_struct(&mut self, _: &'static StructInfo, unknown: Option<&UnknownTags>) {
        let known = self.tags.pop().unwrap_or_default();
        if !self.flexible {
            return;
        }
        let unknown = unknown.map_or(&[][..], UnknownTags::as_slice);
        self.bytes += uvarint_len(u32::try_from(known + unknown.len()).unwrap_or(u32::MAX));
        for (tag, bytes) in unknown {
            let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            self.bytes += uvarint_len(*tag) + uvarint_len(len) + bytes.len();
        }
    }
}
