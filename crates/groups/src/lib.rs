//! Groups and committed offsets of one partition of `__consumer_offsets`: every decision of the
//! group coordinator, as functions of (state, soft state, now, request).
//!
//! Start reading at [`Groups`], the state that survives (state.rs), then [`Soft`], what does not
//! (soft.rs), then classic/ for the life of a classic group, consumer/ for that of a KIP-848 group,
//! share/ and streams/ for those of KIP-932 and KIP-1071; what these three have in common is
//! kinds.rs, where a fourth would be a row. commit.rs answers commits and fetches
//! of offsets, transactional.rs commits within a transaction, admin.rs describes, lists and
//! deletes, cleanup.rs expires, cost.rs tells a host which decisions are long.
//!
//! Not here: the log, the partition of a group id's hash, clocks, timers, randomness, sockets.
//! Time comes in as `now`, randomness as bytes, timers go out as `wake`. Must hold: only `replay`
//! changes [`Groups`], and dropping any part of [`Soft`] is no worse than a change of the
//! coordinator.
//!
//! Records of unknown types are kept and counted ([`Groups::unserved`]).
//!
//! ```
//! use ottla_groups::{Ask, Groups, Now, Settings, Soft};
//! use ottla_machine::{Machine, Ticket};
//! use ottla_wire::messages::HeartbeatRequest;
//! use ottla_wire::{Offset, Timestamp};
//!
//! let (mut groups, mut soft) = (Groups::default(), Soft::default());
//! let settings = Settings::default();
//! let ask = Ask {
//!     now: Now { steady: Timestamp(0), wall: Timestamp(1_900_000_000_000) },
//!     settings: &settings,
//!     version: 4,
//!     client_id: "reader",
//!     client_host: "/127.0.0.1",
//!     random: [0; 16],
//!     ticket: Ticket(1),
//! };
//! let request = HeartbeatRequest { group_id: "payments".into(), ..Default::default() };
//! let decided = groups.heartbeat(&mut soft, &ask, &request);
//! for (at, record) in (0..).zip(&decided.records) {
//!     groups.replay(Offset(at), record); // once it is appended
//! }
//! assert_eq!(decided.replies.len(), 1); // UNKNOWN_MEMBER_ID
//! ```

mod admin;
mod ask;
mod classic;
mod cleanup;
mod commit;
mod consumer;
mod cost;
mod epochs;
pub mod fuzz;
mod kinds;
mod offsets;
mod records;
mod reply;
#[cfg(test)]
mod script;
mod share;
mod shared_map;
mod soft;
mod state;
mod streams;
#[cfg(test)]
mod tests;
mod transactional;

pub use ask::{Ask, NoTopics, Settings, Topics};
pub use consumer::{
    ConsumerEntry, ConsumerSettings, ConsumerTimes, MigrationPolicy, assignor_names,
};
pub use kinds::{KindRecord, RecordOf};
pub use offsets::CommittedOffset;
pub use ottla_machine::Now;
pub use records::{GroupRecord, OffsetCommit, RecordError};
pub use reply::GroupReply;
pub use share::{Initialize, Places, ShareEntry, ShareSettings, ShareTimes};
pub use soft::{Rebalances, Soft};
pub use state::{Groups, Undo};
pub use streams::{InternalTopic, StreamsAnswer, StreamsEntry, StreamsRules, StreamsSettings};

/// What a decision of this crate is.
pub type Decided = ottla_machine::Decided<GroupRecord, GroupReply>;
