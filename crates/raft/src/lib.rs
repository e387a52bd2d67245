//! KRaft: who leads the metadata log, in which epoch, and how far it is committed
//! (KIP-595, KIP-853, KIP-996).
//!
//! A pure core: [`Raft::step`] takes the time and an [`Input`] and adds [`Output`]s, which the
//! caller obeys in order before the next step; what is to be persisted stands before everything
//! that relies on it. No clock, no log, no socket, no randomness.
//! Not served: more than one voter; a node that is told of others refuses to start.
//! Read `state.rs` for the states, `step.rs` for what moves between them.
//!
//! ```
//! use ottla_raft::{Input, LogEnd, Output, Raft, Voter, VoterSet};
//! use ottla_wire::{BrokerId, DirectoryId, LeaderEpoch, Offset};
//!
//! let me = Voter { id: BrokerId(1), directory: DirectoryId::default() };
//! let log = LogEnd { end: Offset(0), epoch: LeaderEpoch(0) };
//! let mut raft = Raft::new(me, VoterSet::of([me]), None, log).unwrap();
//! let mut outputs = Vec::new();
//! raft.step(Input::Start, &mut outputs);
//! assert_eq!(outputs.last(), Some(&Output::Lead { epoch: LeaderEpoch(1) }));
//! ```

mod quorum_state;
mod state;
mod step;
mod voters;

pub use quorum_state::{InvalidQuorumState, QuorumState};
pub use state::{LogEnd, Raft, Refused};
pub use step::{Input, Output};
pub use voters::{Voter, VoterSet};
