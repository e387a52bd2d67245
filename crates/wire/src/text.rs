//! UTF-8 text that is a slice of a frame, static or owned, and cheap to clone.
//!
//! Text that outlives its request is copied with [`StrBytes::copied`], or it keeps the whole frame
//! in memory.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use bytes::Bytes;

/// A reference-counted `str`.
#[derive(Clone, Default)]
pub struct StrBytes(Bytes);

impl StrBytes {
    /// A text of its own, which holds no frame.
    pub fn copied(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }

    /// A static text.
    pub const fn from_static(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// Checks that the bytes are UTF-8 and takes them.
    pub fn from_utf8(bytes: Bytes) -> Result<Self, std::str::Utf8Error> {
        std::str::from_utf8(&bytes)?;
        Ok(Self(bytes))
    }

    /// The text.
    #[inline]
    pub fn as_str(&self) -> &str {
        // Checked once more rather than trusted: `unsafe` is not worth it, names are short.
        std::str::from_utf8(&self.0).expect("checked when it was made, and immutable")
    }

    /// The text's bytes.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text's bytes, still counted.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl Deref for StrBytes {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for StrBytes {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for StrBytes {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl From<&'static str> for StrBytes {
    fn from(text: &'static str) -> Self {
        Self::from_static(text)
    }
}

impl From<String> for StrBytes {
    fn from(text: String) -> Self {
        Self(Bytes::from(text))
    }
}

impl From<&StrBytes> for String {
    fn from(text: &StrBytes) -> Self {
        text.as_str().to_owned()
    }
}

impl fmt::Debug for StrBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for StrBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl PartialEq for StrBytes {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for StrBytes {}

impl PartialEq<str> for StrBytes {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for StrBytes {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialOrd for StrBytes {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for StrBytes {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl Hash for StrBytes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use super::*;

    #[test]
    fn maps_are_searched_by_str() {
        let sorted = BTreeMap::from([(StrBytes::from("b"), 1), (StrBytes::copied("a"), 2)]);
        assert_eq!(sorted.get("a"), Some(&2));
        let hashed: HashMap<StrBytes, i32> = sorted.into_iter().collect();
        assert_eq!(hashed.get("b"), Some(&1));
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        assert!(StrBytes::from_utf8(Bytes::from_static(&[0xc3, 0x28])).is_err());
        assert_eq!(StrBytes::from_utf8(Bytes::from_static("é".as_bytes())).unwrap(), "é");
    }
}
