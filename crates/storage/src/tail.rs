//! The end of a log as readers see it: how far it reaches, and where its last batches stand.
//!
//! Readers and the high watermark are nearly always near the end; for them a place is found here
//! without an index or a read. Must hold: `end` and `size` belong together.

use std::collections::VecDeque;
use std::sync::Arc;

use ottla_wire::Offset;

use crate::segment::Segment;

/// So many batches are remembered.
const RECENT: usize = 64;

#[derive(Debug)]
pub(crate) struct Tail {
    active: Arc<Segment>,
    end: Offset,
    /// The active segment's length when the log reached `end`.
    size: u64,
    /// The first offsets and positions of the last batches, all in the active segment.
    recent: VecDeque<(Offset, u64)>,
}

/// A place between batches, or the log's end.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) segment: Arc<Segment>,
    pub(crate) position: u64,
}

impl Tail {
    pub(crate) fn new(active: Arc<Segment>, end: Offset) -> Tail {
        let size = active.size();
        Tail { active, end, size, recent: VecDeque::new() }
    }

    /// Notes a batch that was written at `position`.
    pub(crate) fn batch(&mut self, first: Offset, position: u64) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((first, position));
    }

    /// Shows readers what was noted.
    pub(crate) fn advance(&mut self, end: Offset, size: u64) {
        self.end = end;
        self.size = size;
    }

    /// A new segment is active from here on.
    pub(crate) fn rolled(&mut self, active: Arc<Segment>) {
        self.size = active.size();
        self.active = active;
        self.recent.clear();
    }

    /// Where the batch that holds `offset` begins, or the log ends, if that is remembered.
    pub(crate) fn find(&self, offset: Offset) -> Option<Place> {
        let at = |position| Place { segment: Arc::clone(&self.active), position };
        if offset >= self.end {
            return (offset == self.end).then(|| at(self.size));
        }
        let after = self.recent.partition_point(|(first, _)| *first <= offset);
        self.recent.get(after.checked_sub(1)?).map(|(_, position)| at(*position))
    }

    /// The log's end with the active segment and its length there.
    pub(crate) fn end(&self) -> (Offset, Place) {
        (self.end, Place { segment: Arc::clone(&self.active), position: self.size })
    }
}
