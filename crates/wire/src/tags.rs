//! Tagged fields that this version of the protocol does not know: kept, and written again.
//! Must hold: tags ascend and none is a known one, or the message cannot be written.

use std::fmt;

use bytes::Bytes;

/// Unknown tagged fields in the order of their tags. One pointer, and nothing behind it when there
/// are none, which is nearly always.
#[derive(Clone, PartialEq, Default)]
#[expect(clippy::box_collection, reason = "one pointer in every struct, not three")]
pub struct UnknownTags(Option<Box<Vec<(u32, Bytes)>>>);

impl UnknownTags {
    /// The tags with their bytes.
    pub fn as_slice(&self) -> &[(u32, Bytes)] {
        self.0.as_ref().map_or(&[], |tags| tags)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Adds a field; its tag must be above all that are there.
    pub fn push(&mut self, tag: u32, bytes: Bytes) {
        self.0.get_or_insert_default().push((tag, bytes));
    }
}

impl fmt::Debug for UnknownTags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.as_slice().iter().map(|(tag, bytes)| (tag, bytes))).finish()
    }
}
