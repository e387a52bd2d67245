//! The data plane: the table of APIs, their handlers, the partitions.
//!
//! Start at `api.rs`, the table: a request finds its row in `service.rs`, its handler in
//! `handlers/`, and what the handler reaches in `context.rs`. `partition.rs` is one partition with
//! its log, its life in replication and those who wait for it; `applier.rs` makes partitions what
//! the metadata says.
//!
//! Not here: sockets (net), bytes on the disk (storage), decisions of groups (groups) and of the
//! cluster (controller: reached in Kafka's messages only, see `forward.rs`).
//!
//! ```
//! use ottla_broker::{APIS, api};
//! use ottla_wire::ApiKey;
//!
//! let produce = api(ApiKey::Produce).expect("served");
//! assert_eq!((produce.announced, *produce.versions.start()), (0, 3));
//! assert!(APIS.iter().all(|api| api.key != ApiKey::InitProducerId || *api.versions.end() == 5));
//! ```

mod answer;
mod api;
mod applier;
mod assignments;
mod broker;
mod cleaner;
mod configs;
mod context;
mod coordinated;
mod dead_letters;
mod described_groups;
mod fetch_sessions;
mod forward;
pub mod fuzz;
mod gauges;
mod handlers;
mod internal_topics;
mod moves;
mod partition;
mod partitions;
mod producer_ids;
mod refusal;
mod service;
mod share_acknowledgements;
mod share_groups;
mod share_partitions;
mod share_sessions;
mod telemetry;
mod topic_creation;
pub mod topics;
mod transaction_markers;
mod transactional;
mod upkeep;
mod verification;

pub use api::{APIS, Api, ResourceKind, api};
pub use broker::{Broker, BrokerParts};
