//! KIP-848 groups: the coordinator says who gets what, and members follow one heartbeat at a
//! time.
//!
//! heartbeat.rs takes a heartbeat from its checks to its answer, by way of membership.rs (who it
//! comes from), subscription.rs (which topics are wanted), target.rs (who shall have what:
//! assign/) and reconcile.rs (the member's next step). leave.rs ends memberships, describe.rs
//! tells of groups, offsets.rs checks who commits. mixed.rs has members of the classic protocol
//! in such a group, and its change from and to that protocol. state.rs is what survives,
//! sessions.rs what need not. Must hold: nothing waits in here, every request is answered by the
//! decision that it leads to.

mod assign;
mod census;
mod describe;
mod heartbeat;
mod leave;
mod membership;
mod mixed;
mod offsets;
mod partitions;
mod reconcile;
mod records;
mod regex;
mod sessions;
mod settings;
mod state;
mod subscription;
mod target;
#[cfg(test)]
mod tests;

use crate::kinds::Draft;

pub(crate) use mixed::subscription as subscription_of;
#[cfg(test)]
pub(crate) use mixed::{assignment, assignment_bytes};
pub(crate) use offsets::{Committer, May};
pub use records::ConsumerEntry;
pub(crate) use regex::TopicRegex;
pub(crate) use sessions::{MemberTimes, Rebalance, TimeUp};
pub use settings::{ConsumerSettings, ConsumerTimes, MigrationPolicy};
pub(crate) use state::ConsumerGroup;
pub(crate) use subscription::hash_of;

pub(crate) use crate::kinds::Refusal;

/// A KIP-848 group on which a decision is being taken.
pub(crate) type ConsumerDraft<'a> = Draft<'a, ConsumerGroup>;

/// The names of all assignors that a broker may offer.
pub fn assignor_names() -> impl Iterator<Item = &'static str> {
    assign::ASSIGNORS.iter().map(|assignor| assignor.name)
}
