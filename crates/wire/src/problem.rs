//! What can be wrong with bytes that came in, and with a message that should go out.
//!
//! A [`DecodeError`] is the sender's fault, an [`EncodeError`] is ours.

use std::fmt;

use crate::schema::VersionRange;

/// Why bytes are not the message they claim to be, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DecodeError {
    /// How many bytes had been read.
    pub at: usize,
    /// What was wrong there.
    pub problem: Problem,
}

/// What was wrong with the bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Problem {
    /// A field needs more bytes than are left.
    Truncated {
        /// What the field needs.
        needed: usize,
        /// What is left.
        left: usize,
    },
    /// A length below -1.
    NegativeLength(i64),
    /// Null where the field may not be null.
    Null,
    /// More array elements than bytes, or than a message may have.
    TooManyElements(usize),
    /// More tagged fields than a struct may have.
    TooManyTags(u32),
    /// A tag that is not above the one before it.
    TagOrder(u32),
    /// A tagged field that takes another number of bytes than it says.
    TagSize(u32),
    /// A variable-length number that does not end or is too large.
    Varint,
    /// Text that is not UTF-8.
    Utf8,
    /// A marker byte of a nullable struct that is neither null nor present.
    Marker(u8),
    /// A version outside of the message's.
    Version {
        /// Which message.
        message: &'static str,
        /// The version asked for.
        version: i16,
        /// The versions there are.
        known: VersionRange,
    },
    /// An API key that no API has.
    ApiKey(i16),
    /// Bytes behind the end of the message.
    Trailing(usize),
    /// A text of more than 32767 bytes.
    StringTooLong(usize),
    /// The message was read and cannot be written again.
    Unwritable(EncodeError),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            Problem::Truncated { needed, left } => write!(f, "{needed} bytes needed, {left} left")?,
            Problem::NegativeLength(length) => write!(f, "length {length}")?,
            Problem::Null => write!(f, "null in a field that may not be null")?,
            Problem::TooManyElements(count) => write!(f, "array of {count} elements")?,
            Problem::TooManyTags(count) => write!(f, "{count} tagged fields")?,
            Problem::TagOrder(tag) => write!(f, "tag {tag} out of order")?,
            Problem::TagSize(tag) => write!(f, "tag {tag} does not fill its size")?,
            Problem::Varint => write!(f, "variable-length number too long")?,
            Problem::Utf8 => write!(f, "text is not UTF-8")?,
            Problem::Marker(byte) => write!(f, "marker {byte} before a nullable struct")?,
            Problem::Version { message, version, known } => {
                write!(f, "{message} has versions {known}, not {version}")?;
            }
            Problem::ApiKey(key) => write!(f, "unknown API key {key}")?,
            Problem::Trailing(count) => write!(f, "{count} bytes behind the message")?,
            Problem::StringTooLong(len) => write!(f, "text of {len} bytes")?,
            Problem::Unwritable(error) => write!(f, "cannot be written again: {error}")?,
        }
        write!(f, " (at byte {})", self.at)
    }
}

impl std::error::Error for DecodeError {}

/// Why a message cannot be written in a version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EncodeError {
    /// A field is set that the version does not have, and it may not be dropped.
    FieldAbsent {
        /// The field's name.
        field: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// A field is null that may not be null in the version.
    Null {
        /// The version asked for.
        version: i16,
    },
    /// A text of more than 32767 bytes.
    StringTooLong(usize),
    /// More bytes or elements than a length can say.
    TooLong(usize),
    /// An unknown tagged field whose tag is not above the one before it, or is a known one.
    TagOrder(u32),
    /// A version outside of the message's.
    Version {
        /// Which message.
        message: &'static str,
        /// The version asked for.
        version: i16,
        /// The versions there are.
        known: VersionRange,
    },
    /// The message holds a range of a file, and contiguous bytes were asked for.
    InFile,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FieldAbsent { field, version } => {
                write!(f, "{field} is set, but version {version} has no such field")
            }
            Self::Null { version } => {
                write!(f, "null in a field that is not nullable in version {version}")
            }
            Self::StringTooLong(len) => write!(f, "text of {len} bytes"),
            Self::TooLong(len) => write!(f, "length {len} does not fit"),
            Self::TagOrder(tag) => write!(f, "unknown tag {tag} out of order"),
            Self::Version { message, version, known } => {
                write!(f, "{message} has versions {known}, not {version}")
            }
            Self::InFile => write!(f, "records in a file cannot be copied into a buffer"),
        }
    }
}

impl std::error::Error for EncodeError {}
