//! Share groups (KIP-932): members of one group, all of whom may be given the same partitions.
//!
//! heartbeat.rs takes a heartbeat from its checks to its answer, by way of assign.rs (when members
//! get others) and simple.rs (who shall have what); leave.rs ends memberships; initialize.rs knows
//! which partitions have a state at the share coordinator, since only those are assigned; admin.rs
//! describes groups and looks after their offsets. state.rs is what survives, records.rs its bytes.
//! A member takes over its target at once: nothing has to be let go first, since nothing is
//! anybody's alone.
//!
//! Not here: what is in flight of a partition, and its state (share). Must hold: nothing waits in
//! here, every request is answered by the decision that it leads to.

mod admin;
mod assign;
mod heartbeat;
mod initialize;
mod leave;
mod records;
mod settings;
mod simple;
mod state;
#[cfg(test)]
mod tests;

use crate::kinds::Draft;

pub use initialize::{Initialize, Places};
pub use records::ShareEntry;
pub use settings::{ShareSettings, ShareTimes};
pub(crate) use state::ShareGroup;

pub(crate) use crate::kinds::Refusal;

/// A share group on which a decision is being taken.
pub(crate) type ShareDraft<'a> = Draft<'a, ShareGroup>;
