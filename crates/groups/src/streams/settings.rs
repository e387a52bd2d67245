//! The configs of streams groups that decisions go by.
//!
//! Made by who knows the configs of brokers and groups; kept within the bounds of the broker there.

use std::collections::BTreeMap;

/// The configs of streams groups.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamsSettings {
    /// What holds for a group without configs of its own.
    pub rules: StreamsRules,
    /// What holds for groups with configs of their own, by group id.
    pub of_groups: BTreeMap<String, StreamsRules>,
    /// `group.streams.max.size`
    pub size_max: usize,
}

/// What one group goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamsRules {
    /// `streams.session.timeout.ms`
    pub session_timeout_ms: i32,
    /// `streams.heartbeat.interval.ms`
    pub heartbeat_interval_ms: i32,
    /// `streams.assignment.interval.ms`
    pub assignment_interval_ms: i32,
    /// `streams.initial.rebalance.delay.ms`
    pub initial_rebalance_delay_ms: i32,
    /// `streams.num.standby.replicas`
    pub num_standby_replicas: i32,
}

impl Default for StreamsSettings {
    /// Kafka's defaults.
    fn default() -> Self {
        StreamsSettings {
            rules: StreamsRules {
                session_timeout_ms: 45_000,
                heartbeat_interval_ms: 5_000,
                assignment_interval_ms: 1_000,
                initial_rebalance_delay_ms: 3_000,
                num_standby_replicas: 0,
            },
            of_groups: BTreeMap::new(),
            size_max: 2_147_483_647,
        }
    }
}

impl StreamsSettings {
    /// What holds for a group.
    pub(crate) fn rules_of(&self, group: &str) -> StreamsRules {
        self.of_groups.get(group).copied().unwrap_or(self.rules)
    }
}
