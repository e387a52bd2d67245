//! The configs of share groups that decisions about members go by.
//!
//! Not here: those of share partitions (share::Rules).

use std::collections::BTreeMap;

/// The configs of share groups.
#[derive(Clone, Debug, PartialEq)]
pub struct ShareSettings {
    /// What holds for a group without configs of its own.
    pub times: ShareTimes,
    /// What holds for groups with configs of their own, by group id.
    pub of_groups: BTreeMap<String, ShareTimes>,
    /// `group.share.max.size`
    pub size_max: usize,
    /// `group.share.initialize.retry.interval.ms`
    pub initialize_retry_ms: i64,
}

/// The times of one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareTimes {
    /// `share.session.timeout.ms`
    pub session_timeout_ms: i32,
    /// `share.heartbeat.interval.ms`
    pub heartbeat_interval_ms: i32,
    /// `share.assignment.interval.ms`
    pub assignment_interval_ms: i32,
}

impl Default for ShareSettings {
    /// Kafka's defaults.
    fn default() -> Self {
        ShareSettings {
            times: ShareTimes {
                session_timeout_ms: 45_000,
                heartbeat_interval_ms: 5_000,
                assignment_interval_ms: 1_000,
            },
            of_groups: BTreeMap::new(),
            size_max: 200,
            initialize_retry_ms: 30_000,
        }
    }
}

impl ShareSettings {
    /// The times that hold for a group.
    pub(crate) fn times_of(&self, group: &str) -> ShareTimes {
        self.of_groups.get(group).copied().unwrap_or(self.times)
    }
}
