//! Topics that a topology of Kafka Streams needs and its streams group has not found: created in
//! the name of the member that told of them (KIP-1071).
//!
//! Nobody waits for it: a member hears with its next heartbeats that topics are missing, and from
//! here why they could not be made. Must hold: at most one request for a topic is under way at a
//! time, and what failed is not tried again while its reason is told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ottla_env::Spawner;
use ottla_groups::InternalTopic;
use ottla_wire::messages::CreateTopicsRequest;
use ottla_wire::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use ottla_wire::{ErrorCode, StrBytes, Timestamp};

use crate::context::Ctx;
use crate::forward;

const CREATE_TOPICS_VERSION: i16 = 7;
/// How long the controller may take.
const TIMEOUT_MS: i32 = 30_000;
/// Names that may be under creation at a time.
const UNDER_WAY_MAX: usize = 10_000;
/// Failures that are remembered at a time, as many as in Kafka.
const FAILED_MAX: usize = 1_000;

/// What is being created, and what could not be.
pub(crate) struct InternalTopics {
    tasks: Spawner,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    under_way: BTreeSet<StrBytes>,
    failed: BTreeMap<StrBytes, Failed>,
}

struct Failed {
    why: String,
    /// Until when that is told.
    until: Timestamp,
}

impl InternalTopics {
    pub(crate) fn new(tasks: Spawner) -> Self {
        InternalTopics { tasks, inner: Mutex::default() }
    }

    /// Begins to create what is neither under way nor known to fail, in the name of the client.
    pub(crate) fn create(&self, ctx: &Ctx, topics: &[InternalTopic], told_for_ms: i64) {
        let now = ctx.now();
        let mut inner = self.lock();
        inner.failed.retain(|_, failed| failed.until > now);
        let mut wanted = Vec::new();
        for topic in topics {
            let is_known = inner.failed.contains_key(&topic.name);
            if is_known || inner.under_way.len() >= UNDER_WAY_MAX {
                continue;
            }
            if inner.under_way.insert(topic.name.clone()) {
                wanted.push(creatable(topic));
            }
        }
        drop(inner);
        if wanted.is_empty() {
            return;
        }
        let ctx = ctx.clone();
        self.tasks.spawn("internal topics", async move {
            let names: Vec<StrBytes> = wanted.iter().map(|topic| topic.name.clone()).collect();
            let failed = ask(&ctx, wanted).await;
            let until = Timestamp(ctx.now().0.saturating_add(told_for_ms));
            let mut inner = ctx.rooms.internal_topics.lock();
            for name in names {
                inner.under_way.remove(&name);
            }
            for (name, why) in failed {
                tracing::info!(%name, why, "a topic of a streams group was not created");
                if inner.failed.len() < FAILED_MAX {
                    inner.failed.insert(name, Failed { why, until });
                }
            }
        });
    }

    /// Why these could not be created, as far as it is still told.
    pub(crate) fn failures(
        &self,
        topics: &[InternalTopic],
        now: Timestamp,
    ) -> Vec<(StrBytes, String)> {
        let inner = self.lock();
        let failed = topics.iter().filter_map(|topic| {
            let failed = inner.failed.get(&topic.name).filter(|failed| failed.until > now)?;
            Some((topic.name.clone(), failed.why.clone()))
        });
        failed.collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks the controller; gives what it refused, and why.
async fn ask(ctx: &Ctx, topics: Vec<CreatableTopic>) -> Vec<(StrBytes, String)> {
    let names: Vec<StrBytes> = topics.iter().map(|topic| topic.name.clone()).collect();
    let request = CreateTopicsRequest { topics, timeout_ms: TIMEOUT_MS, ..Default::default() };
    let response = match forward::on_behalf(ctx, &request, CREATE_TOPICS_VERSION).await {
        Ok(response) => response,
        Err(why) => return names.into_iter().map(|name| (name, why.clone())).collect(),
    };
    let refused = response.topics.into_iter().filter(|it| it.error_code != ErrorCode::NONE);
    let refused = refused.map(|topic| {
        let said = topic.error_message.filter(|message| !message.is_empty());
        let why = said.map_or(topic.error_code.message().to_owned(), |said| said.to_string());
        (topic.name, why)
    });
    refused.collect()
}

fn creatable(topic: &InternalTopic) -> CreatableTopic {
    let configs = topic.configs.iter().map(|(name, value)| CreatableTopicConfig {
        name: name.clone(),
        value: Some(value.clone()),
        ..Default::default()
    });
    CreatableTopic {
        name: topic.name.clone(),
        num_partitions: topic.partitions,
        replication_factor: topic.replication_factor,
        configs: configs.collect(),
        ..Default::default()
    }
}
