//! A coordinator of one broker: its shards, and who of them answers for which group or
//! transactional id.
//!
//! Told from outside which partitions it leads ([`Coordinator::lead`]), how many there are, and
//! which topics are gone. Not here: requests (requests/). Must hold: a shard belongs to one leader
//! epoch, and a later epoch replaces it whole.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ottla_env::{Env, Spawner, Tasks};
use ottla_groups::Groups;
use ottla_machine::Now;
use ottla_records::Codec;
use ottla_share::ShareStates;
use ottla_wire::{ErrorCode, LeaderEpoch, PartitionIndex, StrBytes, TopicId};

use crate::clock::{Clock, Timers};
use crate::hosted::Hosted;
use crate::log::PartitionLog;
use crate::place;
use crate::shard::{Shard, ShardState};

/// The coordinator of what `M` keeps. Dropping it ends its tasks.
#[derive(Debug)]
pub struct Coordinator<M: Hosted> {
    pub(crate) shared: Arc<Shared<M>>,
    tasks: Tasks,
}

/// What a coordinator goes by.
#[derive(Clone, Debug, PartialEq)]
pub struct CoordinatorSettings<L> {
    /// What its machine's decisions go by.
    pub limits: L,
    /// `offsets.topic.compression.codec`, `share.coordinator.state.topic.compression.codec`; the
    /// log of transactions is never compressed.
    pub codec: Codec,
    /// `offsets.load.buffer.size`, `transaction.state.log.load.buffer.size`,
    /// `share.coordinator.load.buffer.size`
    pub load_bytes_max: usize,
}

impl<L: Default> Default for CoordinatorSettings<L> {
    /// Kafka's defaults.
    fn default() -> Self {
        CoordinatorSettings {
            limits: L::default(),
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

pub(crate) struct Shared<M: Hosted> {
    pub(crate) env: Env,
    pub(crate) timers: Timers,
    pub(crate) spawner: Spawner,
    pub(crate) world: M::World,
    clock: Clock,
    settings: RwLock<Arc<CoordinatorSettings<M::Limits>>>,
    directory: RwLock<Directory<M>>,
}

struct Directory<M: Hosted> {
    /// How many partitions the topic has; none while there is no topic.
    partitions: Option<i32>,
    shards: BTreeMap<PartitionIndex, Arc<Shard<M>>>,
}

impl<M: Hosted> std::fmt::Debug for Shared<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl<M: Hosted> Coordinator<M> {
    /// A coordinator that leads nothing yet.
    pub fn start(
        env: Env,
        settings: CoordinatorSettings<M::Limits>,
        world: M::World,
    ) -> Coordinator<M> {
        let tasks = env.tasks();
        let shared = Arc::new(Shared {
            clock: Clock::new(&env),
            timers: Timers::default(),
            spawner: tasks.spawner(),
            world,
            settings: RwLock::new(Arc::new(settings)),
            directory: RwLock::new(Directory { partitions: None, shards: BTreeMap::new() }),
            env,
        });
        tasks.spawn("coordinator timers", keep_time(shared.clone()));
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
    pub fn configure(&self, settings: CoordinatorSettings<M::Limits>) {
        *self.shared.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }

    /// The coordinator's topic has this many partitions, or does not exist.
    pub fn partitions(&self, count: Option<i32>) {
        self.shared.write().partitions = count;
    }

    /// This broker leads a partition in `epoch`: loads it and then serves what is in it.
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
        self.tasks.spawn("coordinator load", shard.load(self.shared.clone()));
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

    /// The partition whose leader is the coordinator of `key`; none while there is no topic.
    pub fn partition_of(&self, key: &str) -> Option<PartitionIndex> {
        place::partition_of(key, self.shared.read().partitions?)
    }

    /// What each shard is doing.
    pub fn states(&self) -> Vec<(PartitionIndex, ShardState)> {
        let shards = self.shared.shards().into_iter();
        shards.filter_map(|shard| Some((shard.partition, shard.state()?))).collect()
    }
}

impl Coordinator<Groups> {
    /// How many groups of each kind are in which state, by Kafka's names of both.
    pub fn group_states(&self) -> BTreeMap<(&'static str, &'static str), usize> {
        let mut counts = BTreeMap::new();
        for shard in self.shared.shards() {
            shard.look(|groups, soft| {
                groups.states(soft).for_each(|it| *counts.entry(it).or_default() += 1);
            });
        }
        counts
    }

    /// Topics are deleted: what was committed for them goes.
    pub fn topics_deleted(&self, deleted: &[(StrBytes, TopicId)]) {
        for shard in self.shared.shards() {
            shard.tell(&self.shared, |groups, soft, _, _| groups.topics_deleted(soft, deleted));
        }
    }
}

impl Coordinator<ShareStates> {
    /// Topics are deleted: so is what share groups had in flight of them.
    pub fn topics_deleted(&self, deleted: &[(StrBytes, TopicId)]) {
        let ids: Vec<TopicId> = deleted.iter().map(|(_, id)| *id).collect();
        for shard in self.shared.shards() {
            shard.tell(&self.shared, |shares, soft, _, _| shares.topics_deleted(soft, &ids));
        }
    }
}

impl<M: Hosted> Shared<M> {
    pub(crate) fn now(&self) -> Now {
        self.clock.now(&self.env)
    }

    pub(crate) fn settings(&self) -> Arc<CoordinatorSettings<M::Limits>> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Directory<M>> {
        self.directory.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Directory<M>> {
        self.directory.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn shards(&self) -> Vec<Arc<Shard<M>>> {
        self.read().shards.values().cloned().collect()
    }

    /// The shard of a partition, if this broker leads it.
    pub(crate) fn shard(&self, partition: PartitionIndex) -> Option<Arc<Shard<M>>> {
        self.read().shards.get(&partition).cloned()
    }

    /// The shard that answers for a group or a transactional id.
    pub(crate) fn shard_of(&self, key: &str) -> Result<Arc<Shard<M>>, ErrorCode> {
        let directory = self.read();
        let partition = directory.partitions.and_then(|count| place::partition_of(key, count));
        let partition = partition.ok_or(ErrorCode::COORDINATOR_NOT_AVAILABLE)?;
        directory.shards.get(&partition).cloned().ok_or(ErrorCode::NOT_COORDINATOR)
    }
}

/// The one task that wakes shards.
async fn keep_time<M: Hosted>(shared: Arc<Shared<M>>) {
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
