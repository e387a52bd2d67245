//! Topics that come into being because somebody asks for them: by Metadata, or as the home of a
//! coordinator.
//!
//! Must hold: at most one request for a topic is under way at a time, whoever asks; nobody waits
//! for it, since clients ask again.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use ottla_env::Spawner;
use ottla_net::Channel;
use ottla_records::Codec;
use ottla_settings::Settings;
use ottla_wire::messages::CreateTopicsRequest;
use ottla_wire::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use ottla_wire::{ErrorCode, StrBytes};

use crate::topics;

const CREATE_TOPICS_VERSION: i16 = 7;
/// How long the controller may take.
const TIMEOUT_MS: i32 = 30_000;
/// Names that may be under creation at a time.
const UNDER_WAY_MAX: usize = 10_000;

/// Asks the controller for topics.
pub(crate) struct TopicCreation {
    controller: Channel,
    tasks: Spawner,
    under_way: Arc<Mutex<BTreeSet<String>>>,
}

impl TopicCreation {
    pub(crate) fn new(controller: Channel, tasks: Spawner) -> Self {
        TopicCreation { controller, tasks, under_way: Arc::default() }
    }

    /// Asks for `name`, unless that is under way already.
    pub(crate) fn begin(&self, name: &str, settings: &Settings) {
        self.ask(name, || creatable(name, settings));
    }

    /// The same for a dead-letter queue of share groups.
    pub(crate) fn begin_dead_letters(&self, name: &str) {
        self.ask(name, || dead_letter_queue(name));
    }

    fn ask(&self, name: &str, topic: impl FnOnce() -> CreatableTopic) {
        {
            let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            if under_way.len() >= UNDER_WAY_MAX || !under_way.insert(name.to_owned()) {
                return;
            }
        }
        let request = CreateTopicsRequest {
            topics: vec![topic()],
            timeout_ms: TIMEOUT_MS,
            ..Default::default()
        };
        let (controller, under_way) = (self.controller.clone(), Arc::clone(&self.under_way));
        let name = name.to_owned();
        self.tasks.spawn("topic creation", async move {
            create(&controller, request).await;
            under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
        });
    }
}

async fn create(controller: &Channel, request: CreateTopicsRequest) {
    match controller.send(&request, CREATE_TOPICS_VERSION).await {
        Err(error) => tracing::warn!(%error, "creating a topic failed"),
        Ok(response) => {
            for topic in response.topics {
                let is_known = topic.error_code == ErrorCode::TOPIC_ALREADY_EXISTS;
                if topic.error_code != ErrorCode::NONE && !is_known {
                    let (name, code) = (topic.name, topic.error_code.name());
                    let why = topic.error_message.as_deref().unwrap_or_default();
                    tracing::warn!(%name, code, why, "the controller did not create a topic");
                }
            }
        }
    }
}

fn creatable(name: &str, settings: &Settings) -> CreatableTopic {
    match name {
        topics::CONSUMER_OFFSETS => group_home(settings),
        topics::TRANSACTION_STATE => transaction_home(settings),
        topics::SHARE_GROUP_STATE => share_group_home(settings),
        _ => plain(name, settings),
    }
}

/// A topic of clients; what nobody has set is the controller's to fill in.
fn plain(name: &str, settings: &Settings) -> CreatableTopic {
    let is_set = |key| settings.origin(key).is_some();
    let log = &settings.log;
    let partitions = is_set("num.partitions").then_some(log.num_partitions);
    let replicas = is_set("default.replication.factor").then_some(log.default_replication_factor);
    let replicas = replicas.and_then(|replicas| i16::try_from(replicas).ok());
    CreatableTopic {
        name: StrBytes::copied(name),
        num_partitions: partitions.unwrap_or(-1),
        replication_factor: replicas.unwrap_or(-1),
        ..Default::default()
    }
}

fn group_home(settings: &Settings) -> CreatableTopic {
    let groups = &settings.groups;
    CreatableTopic {
        name: StrBytes::from(topics::CONSUMER_OFFSETS),
        num_partitions: groups.offsets_topic_num_partitions,
        replication_factor: groups.offsets_topic_replication_factor,
        configs: configs([
            ("cleanup.policy", "compact".to_owned()),
            ("compression.type", compression(groups.offsets_topic_compression_codec)),
            ("segment.bytes", groups.offsets_topic_segment_bytes.to_string()),
        ]),
        ..Default::default()
    }
}

fn transaction_home(settings: &Settings) -> CreatableTopic {
    let transactions = &settings.transactions;
    CreatableTopic {
        name: StrBytes::from(topics::TRANSACTION_STATE),
        num_partitions: transactions.state_log_num_partitions,
        replication_factor: transactions.state_log_replication_factor,
        configs: configs([
            ("cleanup.policy", "compact".to_owned()),
            ("compression.type", "uncompressed".to_owned()),
            ("min.insync.replicas", transactions.state_log_min_isr.to_string()),
            ("segment.bytes", transactions.state_log_segment_bytes.to_string()),
            ("unclean.leader.election.enable", "false".to_owned()),
        ]),
        ..Default::default()
    }
}

fn share_group_home(settings: &Settings) -> CreatableTopic {
    let shares = &settings.share_groups;
    let codec = shares.share_coordinator_state_topic_compression_codec;
    CreatableTopic {
        name: StrBytes::from(topics::SHARE_GROUP_STATE),
        num_partitions: shares.share_coordinator_state_topic_num_partitions,
        replication_factor: shares.share_coordinator_state_topic_replication_factor,
        configs: configs([
            ("cleanup.policy", "delete".to_owned()),
            ("compression.type", compression(codec)),
            ("min.insync.replicas", shares.share_coordinator_state_topic_min_isr.to_string()),
            ("retention.ms", "-1".to_owned()),
            ("segment.bytes", shares.share_coordinator_state_topic_segment_bytes.to_string()),
        ]),
        ..Default::default()
    }
}

/// A topic that takes what share groups have given up (ShareGroupDLQStateManager).
fn dead_letter_queue(name: &str) -> CreatableTopic {
    CreatableTopic {
        name: StrBytes::copied(name),
        num_partitions: -1,
        replication_factor: -1,
        configs: configs([
            ("errors.deadletterqueue.group.enable", "true".to_owned()),
            ("message.timestamp.type", "CreateTime".to_owned()),
        ]),
        ..Default::default()
    }
}

/// `compression.type` for a codec's number: without one batches stay as they are written.
fn compression(number: i32) -> String {
    match u8::try_from(number).ok().and_then(Codec::from_id) {
        Some(Codec::None) | None => "producer".to_owned(),
        Some(codec) => codec.name().to_owned(),
    }
}

fn configs<const N: usize>(pairs: [(&'static str, String); N]) -> Vec<CreatableTopicConfig> {
    let configs = pairs.into_iter().map(|(name, value)| CreatableTopicConfig {
        name: StrBytes::from(name),
        value: Some(value.into()),
        ..Default::default()
    });
    configs.collect()
}
