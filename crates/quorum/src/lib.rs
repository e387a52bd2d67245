//! The metadata log of a node: raft's shell, snapshots, and the active controller.
//!
//! A [`Quorum`] owns `__cluster_metadata-0`: it opens and checks the log, replays it into an
//! image of the cluster, wins the election, hosts the controller's decisions, and publishes each
//! image that is committed. [`Quorum::service`] is the controller as brokers and clients see it.
//!
//! Not here: what is decided (`controller`), who leads (`raft`), bytes of segments (`storage`).
//! Must hold: a reply leaves and an image is published only when their records are on the disk;
//! nothing here waits for a data folder. Start reading at quorum.rs, then live.rs.
//!
//! ```
//! use ottla_metadata::{Bootstrap, bootstrap_records};
//! use ottla_quorum::bootstrap_file;
//! use ottla_wire::Timestamp;
//!
//! let records = bootstrap_records(&Bootstrap::default()).expect("levels fit");
//! let file = bootstrap_file(records, Timestamp(0)).expect("records fit");
//! assert!(file.len() > 300); // what `bootstrap.checkpoint` holds
//! ```

mod answer;
pub mod api;
mod batches;
mod bootstrap;
mod checkpoint;
mod config_resources;
mod context;
mod error;
mod features;
mod handlers;
mod live;
mod log;
mod quorum;
mod service;
mod snapshots;
mod snapshotting;
mod state_file;
mod voters;

pub use bootstrap::{BOOTSTRAP, bootstrap_file, voters_file};
pub use checkpoint::{BrokenCheckpoint, Checkpoint};
pub use error::QuorumError;
pub use features::supported_features;
pub use log::FOLDER;
pub use quorum::{Opening, Quorum};
pub use snapshots::SnapshotId;
pub use voters::{InitialVoter, KRAFT_VERSIONS, VoterEndpoint};
