//! Random messages as bytes, written from the schema alone.
//!
//! This is a second writer, which shares nothing with the generated one: where both agree on every
//! byte, neither has a field too many, too few or in the wrong place.

use crate::fuzz::Prng;
use crate::registry::MessageInfo;
use crate::schema::{DefaultValue, FieldInfo, StructInfo, Type};
use crate::varint::put_uvarint;

/// A random message in its canonical form: tagged fields only where they are not the default.
pub fn sample(info: &MessageInfo, version: i16, prng: &mut Prng) -> Vec<u8> {
    let mut sample = Sample { out: Vec::new(), version, flexible: info.is_flexible(version), prng };
    sample.structure(info.schema);
    sample.out
}

struct Sample<'a> {
    out: Vec<u8>,
    version: i16,
    flexible: bool,
    prng: &'a mut Prng,
}

impl Sample<'_> {
    fn structure(&mut self, info: &StructInfo) {
        let version = self.version;
        let present = |field: &&FieldInfo| field.versions.contains(version);
        for field in info.fields.iter().filter(present) {
            if field.tag.is_none() {
                self.field(field);
            }
        }
        if self.flexible {
            let mut tagged: Vec<(u32, Option<&FieldInfo>)> = info
                .fields
                .iter()
                .filter(present)
                .filter(|_| !self.prng.one_in(3))
                .filter_map(|field| Some((field.tag?, Some(field))))
                .collect();
            if self.prng.one_in(16) {
                tagged.push((1_000 + self.prng.below(1_000) as u32, None));
            }
            tagged.sort_by_key(|(tag, _)| *tag);
            put_uvarint(&mut self.out, tagged.len() as u32);
            for (tag, field) in tagged {
                self.tagged(tag, field);
            }
        }
    }

    fn tagged(&mut self, tag: u32, field: Option<&FieldInfo>) {
        let before = std::mem::take(&mut self.out);
        match field {
            Some(field) if field.default == DefaultValue::Zero && field.nullable.is_some() => {
                // A tagged null struct is marked by 0, null of all else is 0 in any case.
                self.out.push(0);
            }
            Some(field) => self.value(&field.kind, Some(field)),
            None => self.out = vec![7; self.prng.below(20)],
        }
        let value = std::mem::replace(&mut self.out, before);
        put_uvarint(&mut self.out, tag);
        put_uvarint(&mut self.out, value.len() as u32);
        self.out.extend(value);
    }

    fn field(&mut self, field: &FieldInfo) {
        let nullable = field.nullable.is_some_and(|versions| versions.contains(self.version));
        let flexible = self.flexible;
        self.flexible &= !field.inflexible;
        match nullable && self.prng.one_in(3) {
            true => self.null(&field.kind),
            false => self.marked(field, nullable),
        }
        self.flexible = flexible;
    }

    /// A value; a struct that could be null has a byte in front.
    fn marked(&mut self, field: &FieldInfo, nullable: bool) {
        if nullable && matches!(field.kind, Type::Struct(_)) {
            self.out.push(1);
        }
        self.value(&field.kind, None);
    }

    fn null(&mut self, kind: &Type) {
        match (kind, self.flexible) {
            (Type::Struct(_), _) => self.out.push(0xff),
            (_, true) => self.out.push(0),
            (Type::String, false) => self.out.extend([0xff; 2]),
            (_, false) => self.out.extend([0xff; 4]),
        }
    }

    /// A value; that of a tagged field is never the default.
    fn value(&mut self, kind: &Type, tagged: Option<&FieldInfo>) {
        if let Some(field) = tagged
            && matches!(field.kind, Type::Struct(_))
            && field.nullable.is_some_and(|versions| versions.contains(self.version))
        {
            self.out.push(1);
        }
        let default = tagged.map(|field| field.default);
        match kind {
            Type::Bool => {
                let value = match default {
                    Some(default) => default != DefaultValue::Int(1),
                    None => self.prng.one_in(2),
                };
                self.out.push(u8::from(value));
            }
            Type::Int8 => self.number(1, default),
            Type::Int16 | Type::Uint16 => self.number(2, default),
            Type::Int32 | Type::Uint32 => self.number(4, default),
            Type::Int64 => self.number(8, default),
            Type::Float64 => self.out.extend(1.5f64.to_be_bytes()),
            Type::Uuid => {
                let halves = [self.prng.next_u64(), self.prng.next_u64()];
                self.out.extend(halves.iter().flat_map(|half| half.to_be_bytes()));
            }
            Type::String => {
                let text = ["", "a", "topic", "gr\u{fc}n", "a-longer-text-of-some-thirty-bytes"];
                let first = usize::from(tagged.is_some());
                let text = text[first + self.prng.below(text.len() - first)];
                self.length(text.len(), true);
                self.out.extend(text.as_bytes());
            }
            Type::Bytes | Type::Records => {
                let most = if self.prng.one_in(20) { 2_000 } else { 20 };
                let len = usize::from(tagged.is_some()) + self.prng.below(most);
                self.length(len, false);
                self.out.extend(std::iter::repeat_n(0xab, len));
            }
            Type::Struct(info) => self.structure(info),
            Type::Array(element) => {
                let len = usize::from(tagged.is_some()) + self.prng.below(3);
                self.length(len, false);
                for _ in 0..len {
                    self.value(element, None);
                }
            }
        }
    }

    fn number(&mut self, width: usize, default: Option<DefaultValue>) {
        let random = if self.prng.one_in(4) { 1 } else { self.prng.next_u64() };
        let mut bytes = random.to_be_bytes();
        let default = match default {
            Some(DefaultValue::Int(value)) => Some(value),
            Some(_) => Some(0),
            None => None,
        };
        if default.is_some_and(|value| value.to_be_bytes()[8 - width..] == bytes[8 - width..]) {
            bytes[7] ^= 1;
        }
        self.out.extend(&bytes[8 - width..]);
    }

    fn length(&mut self, len: usize, narrow: bool) {
        match (self.flexible, narrow) {
            (true, _) => put_uvarint(&mut self.out, len as u32 + 1),
            (false, true) => self.out.extend((len as i16).to_be_bytes()),
            (false, false) => self.out.extend((len as i32).to_be_bytes()),
        }
    }
}
