//! Every limit of a server, by name.
//!
//! Whoever starts a server fills them in from the configuration; the defaults are Kafka's, or
//! ours where Kafka has no limit.

use std::time::Duration;

/// Largest frame in bytes that a connection may send before it has authenticated.
pub const MAX_FRAME_BEFORE_AUTHENTICATION: usize = 512 * 1024;

/// What one server allows its connections.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest frame in bytes (`socket.request.max.bytes`).
    pub frame_bytes_max: usize,
    /// Bytes of frames in all connections together that may be held at a time
    /// (`queued.max.request.bytes`; Kafka's default is without a limit).
    pub frames_bytes_max: usize,
    /// Connections at a time (`max.connections`).
    pub connections_max: usize,
    /// Requests of one connection that may wait for their replies at a time.
    pub waiting_requests_max: usize,
    /// A connection without traffic for this long is closed (`connections.max.idle.ms`).
    pub idle_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            frame_bytes_max: 100 * 1024 * 1024,
            frames_bytes_max: 1024 * 1024 * 1024,
            connections_max: 1_000_000,
            waiting_requests_max: 64,
            idle_max: Duration::from_secs(600),
        }
    }
}
