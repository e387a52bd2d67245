//! One process as a value: roles, start, stop.
//!
//! [`Node::start`] opens the folders, the quorum and the broker, and serves; [`Node::stop`] undoes
//! it so that the next start is a clean one; dropping a node is a crash. Many fit in one process:
//! nothing is global. Read `node.rs` for the order, `lifecycle.rs` for the broker's talk with the
//! controller, `format.rs` for what stands in a folder before the first start,
//! `outlook.rs` for what a node shows of itself over HTTP.
//!
//! Not here: reading files and variables into settings, signals, exit codes: the program does.
//!
//! ```no_run
//! use ottla_env::Env;
//! use ottla_node::{Node, Opening};
//! use ottla_settings::{Input, Settings};
//!
//! # async fn example(runtime: tokio::runtime::Handle) -> Result<(), Box<dyn std::error::Error>> {
//! let settings = Settings::load(Input::default()).map_err(|wrong| wrong[0].clone())?.settings;
//! let node = Node::start(&Env::real(runtime), Opening { settings, cluster_id: None }).await?;
//! println!("clients reach it at {:?}", node.addresses());
//! node.stop().await;
//! # Ok(())
//! # }
//! ```

mod error;
mod failures;
mod folders;
pub mod format;
mod lifecycle;
mod listeners;
mod node;
mod outlook;
mod patience;
mod recovery;
mod room;

pub use error::StartError;
pub use listeners::Address;
pub use node::{Node, Opening};
