//! Listeners, connections, frames, and the one place where replies wait.
//!
//! A [`Server`] accepts connections on its listeners; each connection is one task that reads
//! frames, starts them one after another on a [`Service`], and writes the replies in the order of
//! the requests. What a request means is the service's business: nothing here knows an API.
//! [`Channel`] is the other side for a service in the same process.
//!
//! Read `connection.rs` first, then `frame_reader.rs` and `server.rs`.
//!
//! ```
//! use ottla_net::{Limits, MAX_FRAME_BEFORE_AUTHENTICATION};
//! assert!(Limits::default().frame_bytes_max > MAX_FRAME_BEFORE_AUTHENTICATION);
//! ```

mod budget;
mod buffers;
mod channel;
mod connection;
mod errors;
mod frame_reader;
mod limits;
mod parked;
mod server;
mod service;
mod timed;

pub use channel::{Channel, ChannelError};
pub use errors::count_errors;
pub use limits::{Limits, MAX_FRAME_BEFORE_AUTHENTICATION};
pub use parked::{Parking, Wait};
pub use server::{BoundListener, Server};
pub use service::{
    BoxFuture, ClientSoftware, CloseReason, ConnectionInfo, Outcome, Reply, Service,
};
