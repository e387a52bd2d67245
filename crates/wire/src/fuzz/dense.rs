//! Messages that take the most memory per byte: what a hostile client would send.
//!
//! All in them is as short as it can be, but for the arrays of one depth, which have very many
//! elements. Written from the schema alone, as samples are.

use std::cmp::Ordering;

use crate::registry::MessageInfo;
use crate::schema::{StructInfo, Type};
use crate::varint::put_uvarint;

/// How many elements the arrays of the chosen depth have.
const ELEMENTS: u32 = 250;

/// The message whose arrays of this depth are long; none where it has no such arrays.
pub(super) fn dense(info: &MessageInfo, version: i16, depth: usize) -> Option<Vec<u8>> {
    let mut dense = Dense {
        out: Vec::new(),
        version,
        flexible: info.is_flexible(version),
        depth,
        found: false,
    };
    dense.structure(info.schema, 0);
    dense.found.then_some(dense.out)
}

struct Dense {
    out: Vec<u8>,
    version: i16,
    flexible: bool,
    depth: usize,
    found: bool,
}

impl Dense {
    fn structure(&mut self, info: &StructInfo, depth: usize) {
        let version = self.version;
        for field in info.fields.iter().filter(|field| field.versions.contains(version)) {
            let nullable = field.nullable.is_some_and(|versions| versions.contains(version));
            match field.kind {
                _ if field.tag.is_some() => {}
                Type::Struct(_) if nullable => self.out.push(0xff),
                _ if field.inflexible => self.out.extend([0, 0]),
                kind => self.value(kind, depth),
            }
        }
        if self.flexible {
            self.out.push(0);
        }
    }

    fn value(&mut self, kind: Type, depth: usize) {
        let width = match kind {
            Type::Bool | Type::Int8 => 1,
            Type::Int16 | Type::Uint16 => 2,
            Type::Int32 | Type::Uint32 => 4,
            Type::Int64 | Type::Float64 => 8,
            Type::Uuid => 16,
            Type::String if !self.flexible => 2,
            Type::Bytes | Type::Records if !self.flexible => 4,
            Type::String | Type::Bytes | Type::Records => {
                self.out.push(1);
                return;
            }
            Type::Struct(info) => return self.structure(info, depth),
            Type::Array(element) => return self.array(*element, depth),
        };
        self.out.resize(self.out.len() + width, 0);
    }

    fn array(&mut self, element: Type, depth: usize) {
        let len = match depth.cmp(&self.depth) {
            Ordering::Less => 1,
            Ordering::Equal => ELEMENTS,
            Ordering::Greater => 0,
        };
        self.found |= depth == self.depth;
        match self.flexible {
            true => put_uvarint(&mut self.out, len + 1),
            false => self.out.extend((len as i32).to_be_bytes()),
        }
        for _ in 0..len {
            self.value(element, depth + 1);
        }
    }
}
