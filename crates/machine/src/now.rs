//! The time as decisions are told it: on two clocks, since deadlines must not follow a clock that
//! is set. Not here: who reads the clocks.

use ottla_wire::Timestamp;

/// The time of a decision, on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For deadlines: goes on evenly and never back. Its zero is the caller's matter.
    pub steady: Timestamp,
    /// For what is written down, and for what was: milliseconds since 1970. It may jump, and no
    /// session ends by that.
    pub wall: Timestamp,
}
