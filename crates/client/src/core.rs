//! The client's decisions, pure: no sockets, no clock, no chance. Time comes in as `now`.
//!
//! Start at [`cluster`] (who leads what), then accumulator.rs, in_flight.rs and transaction.rs
//! (producing), membership.rs and fetch_sessions.rs (consuming). The shells around it obey what it
//! says.

pub mod accumulator;
pub mod assignors;
pub mod backoff;
pub mod cluster;
pub mod fetch_sessions;
pub mod fetched;
pub mod in_flight;
pub mod membership;
pub mod partitioner;
pub mod positions;
pub mod transaction;
pub mod versions;
