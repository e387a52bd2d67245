//! What inflating compressed batches needs and may use again, shared by the logs of a directory.
//!
//! Must hold: a scratch is used by one append at a time; few are kept, however many were in use.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use ottla_records::codec::Scratch;

/// Buffers and contexts that no append is using.
#[derive(Default)]
pub(crate) struct Scratches(Mutex<Vec<Scratch>>);

impl Scratches {
    /// One that was used before, if there is one.
    pub(crate) fn take(&self) -> Scratch {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Keeps one for the next append, unless there are enough.
    pub(crate) fn give_back(&self, scratch: Scratch) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_MAX {
            kept.push(scratch);
        }
    }
}

impl fmt::Debug for Scratches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scratches")
    }
}

/// Appends inflate on the threads of the runtime, of which there are few.
const KEPT_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_kept() {
        let scratches = Scratches::default();
        let taken: Vec<Scratch> = (0..20).map(|_| scratches.take()).collect();
        taken.into_iter().for_each(|scratch| scratches.give_back(scratch));
        assert_eq!(scratches.0.lock().unwrap().len(), KEPT_MAX);
    }
}
