//! What every field type can do: be read, written, walked, and be told from its default.
//!
//! The generated structs implement it, and so does all that they are made of. It stays within
//! this crate's types; other crates meet it only as the bound of [`Message`](crate::Message).

use bytes::Bytes;

use crate::errors::ErrorCode;
use crate::ids::*;
use crate::problem::Problem;
use crate::reader::Reader;
use crate::records::Records;
use crate::schema::{DefaultValue, StructInfo};
use crate::text::StrBytes;
use crate::uuid::Uuid;
use crate::walk::Walk;
use crate::writer::{Writer, is_zero};

/// A field's type.
pub trait Value {
    /// Reads one; a default when the reader has failed.
    fn read(r: &mut Reader, version: i16) -> Self
    where
        Self: Sized;

    /// Writes it.
    fn write(&self, w: &mut Writer, version: i16);

    /// Shows it to a visitor.
    fn show(&self, walk: &mut Walk<'_>);

    /// Whether it is what it would be had nobody set it.
    fn is_default(&self, default: DefaultValue) -> bool;
}

/// A type that can be null on the wire.
pub trait Nullable: Value + Sized {
    /// Reads one or null.
    fn read_nullable(r: &mut Reader, version: i16) -> Option<Self>;

    /// Writes one where null was possible.
    fn write_some(&self, w: &mut Writer, version: i16);

    /// Writes null.
    fn write_null(w: &mut Writer);
}

/// A generated struct.
pub trait Struct: Value + Default {
    /// Its fields.
    const INFO: &'static StructInfo;
}

macro_rules! numbers {
    ($($type:ty)*) => {$(
        impl Value for $type {
            #[inline]
            fn read(r: &mut Reader, _: i16) -> Self {
                Self::from_be_bytes(r.chunk())
            }

            #[inline]
            fn write(&self, w: &mut Writer, _: i16) {
                w.raw(&self.to_be_bytes());
            }

            fn show(&self, walk: &mut Walk<'_>) {
                walk.visitor.int(i64::from(*self), size_of::<Self>());
            }

            fn is_default(&self, default: DefaultValue) -> bool {
                match default {
                    DefaultValue::Int(value) => i64::from(*self) == value,
                    _ => *self == 0,
                }
            }
        }
    )*};
}

numbers! { i8 i16 u16 i32 u32 i64 }

macro_rules! wrappers {
    ($($type:ident)*) => {$(
        impl Value for $type {
            #[inline]
            fn read(r: &mut Reader, version: i16) -> Self {
                Self(Value::read(r, version))
            }

            #[inline]
            fn write(&self, w: &mut Writer, version: i16) {
                self.0.write(w, version);
            }

            fn show(&self, walk: &mut Walk<'_>) {
                self.0.show(walk);
            }

            fn is_default(&self, default: DefaultValue) -> bool {
                self.0.is_default(default)
            }
        }
    )*};
}

wrappers! {
    Offset LeaderEpoch PartitionEpoch BrokerId BrokerEpoch PartitionIndex ProducerId ProducerEpoch
    Generation MemberEpoch Timestamp TopicId DirectoryId ErrorCode
}

impl Value for bool {
    #[inline]
    fn read(r: &mut Reader, _: i16) -> Self {
        r.chunk() != [0]
    }

    #[inline]
    fn write(&self, w: &mut Writer, _: i16) {
        w.raw(&[u8::from(*self)]);
    }

    fn show(&self, walk: &mut Walk<'_>) {
        walk.visitor.bool(*self);
    }

    fn is_default(&self, default: DefaultValue) -> bool {
        *self == (default == DefaultValue::Int(1))
    }
}

impl Value for f64 {
    fn read(r: &mut Reader, _: i16) -> Self {
        Self::from_be_bytes(r.chunk())
    }

    fn write(&self, w: &mut Writer, _: i16) {
        w.raw(&self.to_be_bytes());
    }

    fn show(&self, walk: &mut Walk<'_>) {
        walk.visitor.float(*self);
    }

    fn is_default(&self, default: DefaultValue) -> bool {
        is_zero(default, *self == 0.0)
    }
}

impl Value for Uuid {
    #[inline]
    fn read(r: &mut Reader, _: i16) -> Self {
        Self(r.chunk())
    }

    #[inline]
    fn write(&self, w: &mut Writer, _: i16) {
        w.raw(&self.0);
    }

    fn show(&self, walk: &mut Walk<'_>) {
        walk.visitor.uuid(*self);
    }

    fn is_default(&self, default: DefaultValue) -> bool {
        is_zero(default, *self == Self::ZERO)
    }
}

impl Value for StrBytes {
    fn read(r: &mut Reader, _: i16) -> Self {
        let text = r.text_or_null();
        r.or_null(text)
    }

    fn write(&self, w: &mut Writer, _: i16) {
        w.text(Some(self));
    }

    fn show(&self, walk: &mut Walk<'_>) {
        walk.visitor.text(self);
    }

    fn is_default(&self, default: DefaultValue) -> bool {
        is_zero(default, self.is_empty())
    }
}

impl Nullable for StrBytes {
    fn read_nullable(r: &mut Reader, _: i16) -> Option<Self> {
        r.text_or_null()
    }

    fn write_some(&self, w: &mut Writer, version: i16) {
        self.write(w, version);
    }

    fn write_null(w: &mut Writer) {
        w.text(None);
    }
}

impl Value for Bytes {
    fn read(r: &mut Reader, _: i16) -> Self {
        let bytes = r.bytes_or_null();
        r.or_null(bytes)
    }

    fn write(&self, w: &mut Writer, _: i16) {
        w.length(Some(self.len()), false);
        w.raw(self);
    }

    fn show(&self, walk: &mut Walk<'_>) {
        walk.visitor.bytes(self);
    }

    fn is_default(&self, default: DefaultValue) -> bool {
        is_zero(default, self.is_empty())
    }
}

impl Nullable for Bytes {
    fn read_nullable(r: &mut Reader, _: i16) -> Option<Self> {
        r.bytes_or_null()
    }

    fn write_some(&self, w: &mut Writer, version: i16) {
        self.write(w, version);
    }

    fn write_null(w: &mut Writer) {
        w.length(None, false);
    }
}

impl Value for Records {
    fn read(r: &mut Reader, version: i16) -> Self {
        Self::Bytes(Bytes::read(r, version))
    }

    fn write(&self, w: &mut Writer, _: i16) {
        w.records(self);
    }

    fn show(&self, walk: &mut Walk<'_>) {
        walk.visitor.records(self);
    }

    fn is_default(&self, default: DefaultValue) -> bool {
        is_zero(default, self.is_empty())
    }
}

impl Nullable for Records {
    fn read_nullable(r: &mut Reader, _: i16) -> Option<Self> {
        r.bytes_or_null().map(Self::Bytes)
    }

    fn write_some(&self, w: &mut Writer, _: i16) {
        w.records(self);
    }

    fn write_null(w: &mut Writer) {
        w.length(None, false);
    }
}

impl<T: Value> Value for Vec<T> {
    fn read(r: &mut Reader, version: i16) -> Self {
        let elements = Self::read_nullable(r, version);
        r.or_null(elements)
    }

    #[inline(never)]
    fn write(&self, w: &mut Writer, version: i16) {
        w.length(Some(self.len()), false);
        for element in self {
            element.write(w, version);
        }
    }

    fn show(&self, walk: &mut Walk<'_>) {
        walk.visitor.begin_array(self.len());
        for element in self {
            walk.element(element);
        }
        walk.visitor.end_array();
    }

    fn is_default(&self, default: DefaultValue) -> bool {
        is_zero(default, self.is_empty())
    }
}

impl<T: Value> Nullable for Vec<T> {
    #[inline(never)]
    fn read_nullable(r: &mut Reader, version: i16) -> Option<Self> {
        let count = r.count()?;
        // Room for all of them only where the bytes that are left could fill it.
        let room = r.remaining() / size_of::<T>().max(1) + 1;
        let mut elements = Vec::with_capacity(count.min(room));
        let first = r.position();
        for _ in 0..count {
            let element = T::read(r, version);
            if r.failed() {
                return None;
            }
            if elements.len() == elements.capacity() {
                // No more than the bytes that are left can fill, if they go on as they did.
                let read = (r.position() - first).max(1);
                let fit = r.remaining().saturating_mul(elements.len()) / read + 1;
                let grown = elements.len().max(1).min(count - elements.len());
                elements.reserve_exact(grown.min(fit));
            }
            elements.push(element);
        }
        Some(elements)
    }

    fn write_some(&self, w: &mut Writer, version: i16) {
        self.write(w, version);
    }

    fn write_null(w: &mut Writer) {
        w.length(None, false);
    }
}

impl<T: Struct> Nullable for T {
    fn read_nullable(r: &mut Reader, version: i16) -> Option<Self> {
        match u8::from_be_bytes(r.chunk()) {
            1 => Some(Self::read(r, version)),
            0xff => None,
            _ if r.failed() => None,
            marker => {
                r.fail(Problem::Marker(marker));
                None
            }
        }
    }

    fn write_some(&self, w: &mut Writer, version: i16) {
        w.raw(&[1]);
        self.write(w, version);
    }

    fn write_null(w: &mut Writer) {
        w.raw(&[0xff]);
    }
}

impl<T: Nullable> Value for Option<T> {
    fn read(r: &mut Reader, version: i16) -> Self {
        T::read_nullable(r, version)
    }

    fn write(&self, w: &mut Writer, version: i16) {
        w.nullable(self.as_ref(), version);
    }

    fn show(&self, walk: &mut Walk<'_>) {
        match self {
            Some(value) => value.show(walk),
            None => walk.visitor.null(),
        }
    }

    fn is_default(&self, default: DefaultValue) -> bool {
        match self {
            Some(value) => default != DefaultValue::Null && value.is_default(default),
            None => default == DefaultValue::Null,
        }
    }
}
