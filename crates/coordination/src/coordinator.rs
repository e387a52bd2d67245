//! The group coordinator of one broker: its shards, and who of them answers for which group.
//!
//! Told from outside which partitions it leads ([`Coordinator::lead`]), how many there are, and
//! which topics are gone. Not here: requests (requests/). Must hold: a shard belongs to one leader
//! epoch, and a later epoch replaces it whole.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ottla_env::{Env, Spawner, Tasks};
use ottla_groups::Now;
use ottla_records::Codec;
use ottla_wire::{ErrorCode, LeaderEpoch, PartitionIndex, StrBytes, TopicId};

use crate::clock::{Clock, Timers};
use crate::log::PartitionLog;
use crate::place;
use crate::shard::{Shard, ShardState};

/// The coordinator of groups. Dropping it ends its tasks.
#[derive(Debug)]
pub struct Coordinator {
    pub(crate) shared: Arc<Shared>,
    tasks: Tasks,
}

/// What a coordinator goes by.
#[derive(Clone, Debug, PartialEq)]
pub struct CoordinatorSettings {
    /// The limits of groups and offsets.
    pub groups: ottla_groups::Settings,
    /// `offsets.topic.compression.codec`
    pub codec: Codec,
    /// `offsets.load.buffer.size`
    pub load_bytes_max: usize,
}

impl Default for CoordinatorSettings {
    /// Kafka's defaults.
    fn default() -> Self {
        CoordinatorSettings {
            groups: ottla_groups::Settings::default(),
            codec: Codec::None,
            load_bytes_max: 5 * 1_024 * 1_024,
        }
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The client id of the request's header; empty when it has none.
    pub client_id: &'a str,
    /// The client's address as Kafka spells it, such as `/127.0.0.1`.
    pub client_host: &'a str,
}

pub(crate) struct Shared {
    pub(crate) env: Env,
    pub(crate) timers: Timers,
    pub(crate) spawner: Spawner,
    clock: Clock,
    settings: RwLock<Arc<CoordinatorSettings>>,
    directory: RwLock<Directory>,
}

#[derive(Default)]
struct Directory {
    /// How many partitions the topic has; none while there is no topic.
    partitions: Option<i32>,
    shards: BTreeMap<PartitionIndex, Arc<Shard>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Coordinator {
    /// A coordinator that leads nothing yet.
    pub fn start(env: Env, settings: CoordinatorSettings) -> Coordinator {
        let tasks = env.tasks();
        let shared = Arc::new(Shared {
            clock: Clock::new(&env),
            timers: Timers::default(),
            spawner: tasks.spawner(),
            settings: RwLock::new(Arc::new(settings)),
            directory: RwLock::default(),
            env,
        });
        tasks.spawn("group timers", keep_time(shared.clone()));
        Coordinator { shared, tasks }
    }

    /// Ends all tasks; everyone who waits hears that the coordinator has moved.
    pub async fn stop(&self) {
        self.tasks.shutdown().await;
        let shards = std::mem::take(&mut self.shared.write().shards);
        for shard in shards.values() {
            shard.close(&self.shared);
        }
    }

    /// Other limits are in force.
    pub fn configure(&self, settings: CoordinatorSettings) {
        *self.shared.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }

    /// The topic `__consumer_offsets` has this many partitions, or does not exist.
    pub fn partitions(&self, count: Option<i32>) {
        self.shared.write().partitions = count;
    }

    /// This broker leads a partition in `epoch`: loads it and then serves its groups.
    pub fn lead(&self, partition: PartitionIndex, epoch: LeaderEpoch, log: Arc<dyn PartitionLog>) {
        let shard = Arc::new(Shard::new(partition, epoch, log));
        {
            let mut directory = self.shared.write();
            if directory.shards.get(&partition).is_some_and(|former| former.epoch >= epoch) {
                return;
            }
            if let Some(former) = directory.shards.insert(partition, shard.clone()) {
                former.close(&self.shared);
            }
        }
        self.tasks.spawn("group load", shard.load(self.shared.clone()));
    }

    /// This broker leads a partition no longer, as of `epoch`.
    pub fn resign(&self, partition: PartitionIndex, epoch: LeaderEpoch) {
        let mut directory = self.shared.write();
        if directory.shards.get(&partition).is_some_and(|shard| shard.epoch <= epoch)
            && let Some(shard) = directory.shards.remove(&partition)
        {
            shard.close(&self.shared);
        }
    }

    /// Topics are deleted: what was committed for them goes.
    pub fn topics_deleted(&self, deleted: &[(StrBytes, TopicId)]) {
        for shard in self.shared.shards() {
            shard.tell(&self.shared, |groups, soft, _| groups.topics_deleted(soft, deleted));
        }
    }

    /// The partition whose leader is the group's coordinator; none while there is no topic.
    pub fn partition_of(&self, group: &str) -> Option<PartitionIndex> {
        place::partition_of(group, self.shared.read().partitions?)
    }

    /// What each shard is doing.
    pub fn states(&self) -> Vec<(PartitionIndex, ShardState)> {
        let shards = self.shared.shards().into_iter();
        shards.filter_map(|shard| Some((shard.partition, shard.state()?))).collect()
    }
}

impl Shared {
    pub(crate) fn now(&self) -> Now {
        self.clock.now(&self.env)
    }

    pub(crate) fn settings(&self) -> Arc<CoordinatorSettings> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Directory> {
        self.directory.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Directory> {
        self.directory.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn shards(&self) -> Vec<Arc<Shard>> {
        self.read().shards.values().cloned().collect()
    }

    /// The shard that answers for a group.
    pub(crate) fn shard_of(&self, group: &str) -> Result<Arc<Shard>, ErrorCode> {
        let directory = self.read();
        let partition = directory.partitions.and_then(|count| place::partition_of(group, count));
        let partition = partition.ok_or(ErrorCode::COORDINATOR_NOT_AVAILABLE)?;
        directory.shards.get(&partition).cloned().ok_or(ErrorCode::NOT_COORDINATOR)
    }
}

/// The one task that wakes shards.
async fn keep_time(shared: Arc<Shared>) {
    loop {
        let Some((at, partition)) = shared.timers.first() else {
            shared.timers.changed().await;
            continue;
        };
        let wait_ms = at - shared.now().steady;
        if wait_ms > 0 {
            let wait = Duration::from_millis(wait_ms.unsigned_abs());
            let sleep = shared.env.sleep(wait);
            tokio::select! {
                biased;
                () = shared.timers.changed() => {}
                () = sleep => {}
            }
            continue;
        }
        let shard = shared.read().shards.get(&partition).cloned();
        match shard {
            Some(shard) if shard.is_filed(at) => shard.tick(&shared),
            _ => shared.timers.file(partition, Some(at), None),
        }
        shared.env.yield_now().await;
    }
}
