//! Streams groups (KIP-1071): members of one Kafka Streams application, who are given its tasks.
//!
//! heartbeat.rs takes a heartbeat from its checks (membership.rs) to its answer, by way of
//! topology.rs (which topics must be there), target.rs and sticky.rs (who shall have which tasks)
//! and reconcile.rs (the member's next step). leave.rs ends memberships, endpoints.rs tells who
//! serves what, describe.rs tells of groups, offsets.rs says who may commit. state.rs is what
//! survives, records.rs its bytes, soft.rs what need not survive.
//!
//! Not here: the making of internal topics, which the caller does with what an answer brings along.
//! Must hold: nothing waits in here, every request is answered by the decision that it leads to.

mod copartition;
mod describe;
mod endpoints;
pub(crate) mod fuzz;
mod heartbeat;
mod java_order;
mod leave;
mod membership;
mod offsets;
mod reconcile;
mod records;
mod settings;
mod soft;
mod state;
mod sticky;
mod target;
mod tasks;
#[cfg(test)]
mod tests;
mod topology;

use crate::kinds::Draft;

pub use heartbeat::{InternalTopic, StreamsAnswer};
pub(crate) use offsets::OlderEpoch;
pub use records::StreamsEntry;
pub use settings::{StreamsRules, StreamsSettings};
pub(crate) use soft::SoftStreams;
pub(crate) use state::StreamsGroup;

pub(crate) use crate::kinds::Refusal;

/// A streams group on which a decision is being taken.
pub(crate) type StreamsDraft<'a> = Draft<'a, StreamsGroup>;
