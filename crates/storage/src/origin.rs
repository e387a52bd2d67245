//! Who appends to a log, which decides what is checked and assigned.
//!
//! Not here: the checks themselves (append.rs, producers.rs).

use ottla_records::MarkerEpoch;
use ottla_wire::{LeaderEpoch, Timestamp};

/// Who appends, and what the log does for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A producer, through the leader: one batch, checked in full, offsets assigned.
    Leader {
        /// The leader's epoch.
        epoch: LeaderEpoch,
        /// The clock.
        now: Timestamp,
    },
    /// A coordinator of this broker, which leads the partition: control batches are allowed.
    Coordinator {
        /// The leader's epoch.
        epoch: LeaderEpoch,
        /// The clock.
        now: Timestamp,
    },
    /// A coordinator's end of a transaction, whose epoch is to be such.
    Marker {
        /// The leader's epoch.
        epoch: LeaderEpoch,
        /// The clock.
        now: Timestamp,
        /// Which epochs it may have.
        of: MarkerEpoch,
    },
    /// Batches that have their offsets and epochs: a follower's, or the metadata log's.
    Replica {
        /// The clock.
        now: Timestamp,
    },
}

impl Origin {
    pub(crate) fn now(self) -> Timestamp {
        match self {
            Origin::Leader { now, .. } | Origin::Coordinator { now, .. } => now,
            Origin::Marker { now, .. } | Origin::Replica { now } => now,
        }
    }

    pub(crate) fn is_coordinator(self) -> bool {
        matches!(self, Origin::Coordinator { .. } | Origin::Marker { .. })
    }

    pub(crate) fn marker_epoch(self) -> MarkerEpoch {
        match self {
            Origin::Marker { of, .. } => of,
            _ => MarkerEpoch::AtLeast,
        }
    }
}
