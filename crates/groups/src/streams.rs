//! Streams groups (KIP-1071): members of one Kafka Streams application, who are given its tasks.
//!
//! heartbeat.rs takes a heartbeat from its checks to its answer. state.rs is what survives,
//! records.rs its bytes, tasks.rs what tasks are; offsets.rs says who may commit, describe.rs tells
//! of groups.
//!
//! Not here: the making of internal topics, which the caller does with what an answer brings along.
//! Must hold: nothing waits in here, every request is answered by the decision that it leads to.

mod describe;
#[expect(dead_code, reason = "used by heartbeats")]
mod draft;
mod heartbeat;
mod offsets;
mod records;
#[expect(dead_code, reason = "used by heartbeats")]
mod settings;
#[expect(dead_code, reason = "used by heartbeats")]
mod state;
#[expect(dead_code, reason = "used by heartbeats")]
mod tasks;

use ottla_wire::ErrorCode;

pub(crate) use describe::forget_group;
pub(crate) use draft::StreamsDraft;
pub use heartbeat::{InternalTopic, StreamsAnswer};
pub(crate) use offsets::OlderEpoch;
pub use records::{StreamsEntry, StreamsRecord};
pub use settings::{StreamsRules, StreamsSettings};
pub(crate) use state::{StreamsGroup, StreamsUndo};

/// Why a request is not served, by a code and in words.
pub(crate) type Refusal = (ErrorCode, String);
