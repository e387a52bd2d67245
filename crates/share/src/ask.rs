//! What every request to the share coordinator brings along: the time, the limits, a ticket.
//!
//! Not here: the requests themselves, which are parts of the generated messages.

use ottla_machine::{Now, Ticket};

/// One request's surroundings.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The time.
    pub now: Now,
    /// The limits in force.
    pub settings: &'a Settings,
    /// Whether the cluster has the partition that the request is about.
    pub exists: bool,
    /// Names the request in the replies.
    pub ticket: Ticket,
}

/// The configs of the share coordinator that its decisions need.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `share.coordinator.snapshot.update.records.per.snapshot`
    pub updates_per_snapshot: u32,
    /// `share.coordinator.cold.partition.snapshot.interval.ms`
    pub cold_interval_ms: i64,
    /// `share.coordinator.state.topic.prune.interval.ms`
    pub prune_interval_ms: i64,
}

impl Default for Settings {
    /// Kafka's defaults.
    fn default() -> Self {
        Settings {
            updates_per_snapshot: 500,
            cold_interval_ms: 5 * 60 * 1_000,
            prune_interval_ms: 5 * 60 * 1_000,
        }
    }
}
