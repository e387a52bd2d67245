//! The table of messages as data: what a walk, a dump or a fuzzer needs to know of a field without
//! its type. The generated code holds one [`StructInfo`] per struct.

use std::fmt;

/// Versions from the first to the last, both in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VersionRange {
    /// The first version.
    pub min: i16,
    /// The last version.
    pub max: i16,
}

impl VersionRange {
    /// The versions from `min` to `max`.
    pub const fn new(min: i16, max: i16) -> Self {
        Self { min, max }
    }

    /// Whether the version is one of them.
    pub const fn contains(self, version: i16) -> bool {
        self.min <= version && version <= self.max
    }

    /// All of them in order.
    pub fn iter(self) -> std::ops::RangeInclusive<i16> {
        self.min..=self.max
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.min, self.max)
    }
}

/// What a field is on the wire.
#[derive(Clone, Copy, Debug)]
pub enum Type {
    /// One byte, 0 or 1.
    Bool,
    /// One byte.
    Int8,
    /// Two bytes.
    Int16,
    /// Two bytes without sign.
    Uint16,
    /// Four bytes.
    Int32,
    /// Four bytes without sign.
    Uint32,
    /// Eight bytes.
    Int64,
    /// IEEE 754 in eight bytes.
    Float64,
    /// Sixteen bytes.
    Uuid,
    /// Text.
    String,
    /// Bytes with a length.
    Bytes,
    /// Record batches with a length.
    Records,
    /// A struct.
    Struct(&'static StructInfo),
    /// Elements with a count.
    Array(&'static Type),
}

/// The value of a field that nobody has set.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum DefaultValue {
    /// Zero, false, empty; of a struct, all its fields' defaults.
    Zero,
    /// Null.
    Null,
    /// This number (1 for true).
    Int(i64),
}

/// One field of a struct.
#[derive(Clone, Copy, Debug)]
pub struct FieldInfo {
    /// The name in Kafka's JSON form.
    pub name: &'static str,
    /// What it is.
    pub kind: Type,
    /// The versions that have it.
    pub versions: VersionRange,
    /// The versions in which it may be null.
    pub nullable: Option<VersionRange>,
    /// The tag, where it is a tagged field.
    pub tag: Option<u32>,
    /// What it is when not set.
    pub default: DefaultValue,
    /// Whether versions that lack it drop it silently.
    pub ignorable: bool,
    /// Whether it keeps the old string form in flexible versions.
    pub inflexible: bool,
}

impl FieldInfo {
    /// A plain field.
    pub(crate) const fn new(name: &'static str, kind: Type, min: i16, max: i16) -> Self {
        Self {
            name,
            kind,
            versions: VersionRange::new(min, max),
            nullable: None,
            tag: None,
            default: DefaultValue::Zero,
            ignorable: false,
            inflexible: false,
        }
    }

    pub(crate) const fn null(mut self, min: i16, max: i16) -> Self {
        self.nullable = Some(VersionRange::new(min, max));
        self
    }

    pub(crate) const fn default(mut self, default: DefaultValue) -> Self {
        self.default = default;
        self
    }

    pub(crate) const fn tag(mut self, tag: u32) -> Self {
        self.tag = Some(tag);
        self
    }

    pub(crate) const fn ignorable(mut self) -> Self {
        self.ignorable = true;
        self
    }

    pub(crate) const fn inflexible(mut self) -> Self {
        self.inflexible = true;
        self
    }
}

/// One struct: a message or what it is made of.
#[derive(Debug)]
pub struct StructInfo {
    /// The struct's name.
    pub name: &'static str,
    /// Its fields, the tagged ones in their places.
    pub fields: &'static [FieldInfo],
    /// Whether any version has tagged fields.
    pub flexible: bool,
}
