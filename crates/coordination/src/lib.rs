//! Hosts the machines of coordinators on the partitions of internal topics that a broker leads.
//!
//! Start reading at [`Coordinator`]: which shards there are (coordinator.rs), what one does
//! (shard.rs), whose turn it is (turns.rs), how it begins (load.rs). requests/ has a function per
//! request of a client, from the generated request to the generated response. [`Hosted`] is what a
//! machine must offer, [`PartitionLog`] what the broker's partition must, [`Peers`] who takes the
//! markers of transactions (markers.rs).
//!
//! Not here: what is decided (groups, share, transactions), authorization, topics (both the
//! caller's).
//! Must hold: when a function returns its [`Answer`], the decision is taken and appended, or stands
//! in line behind those that came before to the same partition; no thread waits for a decision; a
//! reply leaves when all that its decision saw is committed; a partition whose log cannot be
//! applied stops alone.
//!
//! Not served: `offsets.commit.timeout.ms`. A reply waits for its commit, or until
//! leadership moves.
//!
//! ```
//! use std::sync::Arc;
//!
//! use ottla_coordination::{Caller, CoordinatorSettings, GroupCoordinator};
//! use ottla_groups::NoTopics;
//! use ottla_wire::ErrorCode;
//! use ottla_wire::messages::HeartbeatRequest;
//!
//! let world = ottla_sim::World::new(1);
//! let response = world.run(async |world: ottla_sim::World| {
//!     let settings = CoordinatorSettings::default();
//!     let coordinator = GroupCoordinator::start(world.node(1), settings, Arc::new(NoTopics));
//!     let caller = Caller { client_id: "reader".into(), client_host: "/127.0.0.1".into() };
//!     let request = HeartbeatRequest { group_id: "payments".into(), ..Default::default() };
//!     coordinator.heartbeat(caller, 4, request).await
//! });
//! assert_eq!(response.error_code, ErrorCode::NOT_COORDINATOR); // no such topic yet
//! ```

mod answer;
mod clock;
mod coordinator;
mod hosted;
mod load;
mod log;
mod markers;
mod place;
mod requests;
mod shard;
#[cfg(test)]
mod tests;
mod turns;

pub use answer::Answer;
pub use coordinator::{Caller, Coordinator, CoordinatorSettings, StateCounts};
pub use hosted::{
    ClusterTopics, DecidedOf, Home, Hosted, MarkerResults, TransactionEvent, TransactionWorld,
};
pub use load::LoadError;
pub use log::{BoxFuture, PartitionLog};
pub use markers::{Leader, Peers, deliver};
pub use place::partition_of;
pub use requests::share_key;
pub use shard::ShardState;

/// The coordinator of groups.
pub type GroupCoordinator = Coordinator<ottla_groups::Groups>;
/// The coordinator of what share groups have in flight.
pub type ShareCoordinator = Coordinator<ottla_share::ShareStates>;
/// The coordinator of transactions.
pub type TransactionCoordinator = Coordinator<ottla_transactions::Transactions>;
