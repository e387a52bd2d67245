//! The records field of a message: bytes of the frame, or a range of a file that the reply keeps
//! open, so that a fetch can leave by sendfile. What is inside is the `records` crate's matter.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

/// A range of an open file.
#[derive(Clone)]
pub struct FileSlice {
    /// The open file; who sends the reply knows its type.
    pub file: Arc<dyn Any + Send + Sync>,
    /// Where the range starts.
    pub position: u64,
    /// How many bytes it has.
    pub len: u32,
}

impl fmt::Debug for FileSlice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileSlice({}+{})", self.position, self.len)
    }
}

impl PartialEq for FileSlice {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.file, &other.file)
            && (self.position, self.len) == (other.position, other.len)
    }
}

/// Record batches that are passed on as they are.
#[derive(Clone, PartialEq, Debug)]
pub enum Records {
    /// In memory.
    Bytes(Bytes),
    /// In a file. Only ever written, never decoded.
    File(FileSlice),
}

impl Records {
    /// How many bytes the batches take.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::File(slice) => slice.len as usize,
        }
    }

    /// No bytes at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, where they are in memory.
    pub fn as_bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::File(_) => None,
        }
    }
}

impl Default for Records {
    fn default() -> Self {
        Self::Bytes(Bytes::new())
    }
}

impl From<Bytes> for Records {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}
