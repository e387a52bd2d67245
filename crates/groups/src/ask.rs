//! What every request brings along: the time, who asks, the limits, a ticket for the answer.
//!
//! Not here: the requests themselves, which are the generated messages.

use std::sync::Arc;

use ottla_machine::{Now, Ticket};
use ottla_wire::{Offset, PartitionIndex, StrBytes, TopicId};

use crate::consumer::ConsumerSettings;
use crate::share::ShareSettings;
use crate::streams::StreamsSettings;

/// One request's surroundings.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The time.
    pub now: Now,
    /// The limits in force.
    pub settings: &'a Settings,
    /// The version in which the request came, which decides some behaviours.
    pub version: i16,
    /// The client id of the request's header; empty when it has none.
    pub client_id: &'a str,
    /// The client's address as Kafka spells it, such as `/127.0.0.1`.
    pub client_host: &'a str,
    /// Fresh random bytes, from which a member id is made.
    pub random: [u8; 16],
    /// Names the request in the replies.
    pub ticket: Ticket,
}

/// The configs of the group coordinator that its decisions need.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `group.min.session.timeout.ms`
    pub session_timeout_ms_min: i32,
    /// `group.max.session.timeout.ms`
    pub session_timeout_ms_max: i32,
    /// `group.max.size`
    pub group_size_max: usize,
    /// `group.initial.rebalance.delay.ms`
    pub initial_rebalance_delay_ms: i32,
    /// `offset.metadata.max.bytes`
    pub offset_metadata_bytes_max: usize,
    /// `offsets.retention.minutes`, in milliseconds.
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`
    pub offsets_retention_check_interval_ms: i64,
    /// What KIP-848 groups go by.
    pub consumer: Arc<ConsumerSettings>,
    /// What share groups go by.
    pub share: Arc<ShareSettings>,
    /// What streams groups go by.
    pub streams: Arc<StreamsSettings>,
}

impl Default for Settings {
    /// Kafka's defaults.
    fn default() -> Self {
        Settings {
            session_timeout_ms_min: 6_000,
            session_timeout_ms_max: 1_800_000,
            group_size_max: 2_147_483_647,
            initial_rebalance_delay_ms: 3_000,
            offset_metadata_bytes_max: 4_096,
            offsets_retention_ms: 7 * 24 * 60 * 60 * 1_000,
            offsets_retention_check_interval_ms: 10 * 60 * 1_000,
            consumer: Arc::new(ConsumerSettings::default()),
            share: Arc::new(ShareSettings::default()),
            streams: Arc::new(StreamsSettings::default()),
        }
    }
}

/// The topics of the cluster, as far as groups ask for them: a view of the metadata image.
pub trait Topics {
    /// The id of the topic with this name.
    fn id(&self, name: &str) -> Option<TopicId>;
    /// The name of the topic with this id.
    fn name(&self, id: TopicId) -> Option<StrBytes>;
    /// Whether the topic with this name has this partition.
    fn has_partition(&self, name: &str, partition: PartitionIndex) -> bool;
    /// How many partitions the topic with this id has; 0 when there is none.
    fn partition_count(&self, id: TopicId) -> i32;
    /// The racks of a partition's replicas, sorted, for each replica whose rack is known.
    fn racks(&self, id: TopicId, partition: PartitionIndex) -> Vec<StrBytes>;
    /// Shows the name of every topic that whoever asks may describe.
    fn each_name(&self, show: &mut dyn FnMut(&str));
    /// Where the metadata log stands in this view.
    fn version(&self) -> Offset;
}

/// A cluster without any topic.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTopics;

impl Topics for NoTopics {
    fn id(&self, _: &str) -> Option<TopicId> {
        None
    }
    fn name(&self, _: TopicId) -> Option<StrBytes> {
        None
    }
    fn has_partition(&self, _: &str, _: PartitionIndex) -> bool {
        false
    }
    fn partition_count(&self, _: TopicId) -> i32 {
        0
    }
    fn racks(&self, _: TopicId, _: PartitionIndex) -> Vec<StrBytes> {
        Vec::new()
    }
    fn each_name(&self, _: &mut dyn FnMut(&str)) {}
    fn version(&self) -> Offset {
        Offset(0)
    }
}
