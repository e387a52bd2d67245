//! The configs of KIP-848 groups that decisions go by.
//!
//! Made by who knows the configs of brokers and groups; kept within the bounds of the broker there.

use std::collections::BTreeMap;

/// The configs of KIP-848 groups.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsumerSettings {
    /// What holds for a group without configs of its own.
    pub times: ConsumerTimes,
    /// What holds for groups with configs of their own, by group id.
    pub of_groups: BTreeMap<String, ConsumerTimes>,
    /// `group.consumer.max.size`
    pub size_max: usize,
    /// `group.consumer.assignors`: the first is that of members without a wish.
    pub assignors: Vec<String>,
    /// `group.consumer.regex.refresh.interval.ms`
    pub regex_refresh_interval_ms: i64,
    /// `group.consumer.migration.policy`
    pub migration: MigrationPolicy,
}

/// Which way a group may change between the classic protocol and KIP-848 while members are in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MigrationPolicy {
    /// Both ways.
    #[default]
    Bidirectional,
    /// To KIP-848 only.
    Upgrade,
    /// To the classic protocol only.
    Downgrade,
    /// Neither way, and no classic member joins a KIP-848 group that has members.
    Disabled,
}

/// The times of one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerTimes {
    /// `consumer.session.timeout.ms`
    pub session_timeout_ms: i32,
    /// `consumer.heartbeat.interval.ms`
    pub heartbeat_interval_ms: i32,
    /// `consumer.assignment.interval.ms`
    pub assignment_interval_ms: i32,
}

impl Default for ConsumerSettings {
    /// Kafka's defaults.
    fn default() -> Self {
        ConsumerSettings {
            times: ConsumerTimes {
                session_timeout_ms: 45_000,
                heartbeat_interval_ms: 5_000,
                assignment_interval_ms: 1_000,
            },
            of_groups: BTreeMap::new(),
            size_max: 2_147_483_647,
            assignors: vec!["uniform".to_owned(), "range".to_owned()],
            regex_refresh_interval_ms: 10 * 60 * 1_000,
            migration: MigrationPolicy::Bidirectional,
        }
    }
}

impl ConsumerSettings {
    /// The times that hold for a group.
    pub(crate) fn times_of(&self, group: &str) -> ConsumerTimes {
        self.of_groups.get(group).copied().unwrap_or(self.times)
    }

    /// The assignor of members without a wish.
    pub(crate) fn assignor(&self) -> &str {
        self.assignors.first().map_or("uniform", String::as_str)
    }
}
