//! Share partitions (KIP-932): which records of a partition a share group has in flight, and the
//! coordinator that keeps what must survive of it in `__share_group_state`.
//!
//! Two halves that know each other by messages only. [`SharePartition`] lives with the leader of
//! the partition: it acquires records for members and takes their acknowledgements (partition.rs,
//! then partition/). [`ShareStates`] lives with the leader of a partition of `__share_group_state`:
//! the state that survives (state.rs), what each request decides (decide.rs), what goes by itself
//! (soft.rs), how written batches of states are laid over each other (batches.rs).
//!
//! Not here: members and their assignments (groups), the log, fetching, clocks, sockets. Must hold:
//! only `replay` changes [`ShareStates`]; no record is acknowledged or archived in a
//! [`SharePartition`] before that is written, and none is acquired by two members.
//!
//! ```
//! use ottla_share::{Acquiring, Fetched, Mode, ReadState, Rules, SharePartition, Span};
//! use ottla_wire::{LeaderEpoch, Offset, Timestamp};
//!
//! let rules = Rules::default();
//! let state = ReadState { state_epoch: 2, start: Offset(0), batches: Vec::new() };
//! let mut partition = SharePartition::load(&state, LeaderEpoch(0));
//! let fetched = Fetched {
//!     from: partition.next_fetch(),
//!     batches: &[Span { first: Offset(0), last: Offset(9) }],
//!     skipped: &[],
//! };
//! let asked =
//!     Acquiring { member: "m".into(), mode: Mode::RecordLimit, records_max: 4, batch_size: 4 };
//! let acquired = partition.acquire(Timestamp(0), &rules, &asked, &fetched);
//! assert_eq!((acquired[0].first, acquired[0].last), (Offset(0), Offset(3)));
//! ```

mod ask;
mod batches;
mod decide;
pub mod fuzz;
mod partition;
mod records;
mod reply;
mod soft;
mod state;
#[cfg(test)]
mod tests;

pub use ask::{Ask, Settings};
pub use batches::StateBatch;
pub use partition::{
    Acknowledgement, Acquired, Acquiring, DeadLetters, Fetched, Mode, ReadState, Reason, Rules,
    SharePartition, Span, Verdict, Write, WriteId,
};
pub use records::{RecordError, ShareRecord};
pub use reply::ShareReply;
pub use soft::Soft;
pub use state::{Key, ShareStates, State, Undo};

/// What a decision of this crate is.
pub type Decided = ottla_machine::Decided<ShareRecord, ShareReply>;
