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
use ottla_groups::{Groups, Rebalances};
use ottla_machine::Now;
use ottla_records::Codec;
use ottla_share::ShareStates;
use ottla_wire::{ErrorCode, LeaderEpoch, PartitionIndex, StrBytes, TopicId};
use tokio::sync::Semaphore;

use crate::answer::Answer;
use crate::clock::{Clock, Timers};
use crate::hosted::Hosted;
use crate::log::PartitionLog;
use crate::place;
use crate::shard::{Shard, ShardState};
use crate::turns::{Asked, Brought, By, Turn};

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
    /// `group.coordinator.background.threads`, `share.coordinator.threads`: so many decisions that
    /// take long are taken at the same time. What it is at the start counts.
    pub long_decisions_max: usize,
}

impl<L: Default> Default for CoordinatorSettings<L> {
    /// Kafka's defaults.
    fn default() -> Self {
        CoordinatorSettings {
            limits: L::default(),
            codec: Codec::None,
            load_bytes_max: 5 * 1_024 * 1_024,
            long_decisions_max: 2,
        }
    }
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The client id of the request's header; empty when it has none.
    pub client_id: StrBytes,
    /// The client's address as Kafka spells it, such as `/127.0.0.1`.
    pub client_host: Arc<str>,
}

pub(crate) struct Shared<M: Hosted> {
    pub(crate) env: Env,
    pub(crate) timers: Timers,
    pub(crate) spawner: Spawner,
    pub(crate) world: M::World,
    /// One permit for each decision that takes long.
    pub(crate) long: Arc<Semaphore>,
    long_max: u32,
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
        let long_max = u32::try_from(settings.long_decisions_max).unwrap_or(u32::MAX).max(1);
        let shared = Arc::new(Shared {
            clock: Clock::new(&env),
            timers: Timers::default(),
            spawner: tasks.spawner(),
            world,
            long: Arc::new(Semaphore::new(usize::try_from(long_max).unwrap_or(1))),
            long_max,
            settings: RwLock::new(Arc::new(settings)),
            directory: RwLock::new(Directory { partitions: None, shards: BTreeMap::new() }),
            env,
        });
        tasks.spawn("coordinator timers", keep_time(shared.clone()));
        Coordinator { shared, tasks }
    }

    /// Ends all tasks; everyone who waits hears that the coordinator has moved. A decision that
    /// takes long is waited for.
    pub async fn stop(&self) {
        self.tasks.shutdown().await;
        let shards = std::mem::take(&mut self.shared.write().shards);
        for shard in shards.values() {
            shard.close(&self.shared);
        }
        let _none_is_left = self.shared.long.acquire_many(self.shared.long_max).await;
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
        let former = {
            let mut directory = self.shared.write();
            if directory.shards.get(&partition).is_some_and(|former| former.epoch >= epoch) {
                return;
            }
            directory.shards.insert(partition, shard.clone())
        };
        // Without the lock: whoever waits is answered, and a state may be large.
        if let Some(former) = former {
            former.close(&self.shared);
        }
        self.tasks.spawn("coordinator load", shard.load(self.shared.clone()));
    }

    /// This broker leads a partition no longer, as of `epoch`.
    pub fn resign(&self, partition: PartitionIndex, epoch: LeaderEpoch) {
        let former = {
            let mut directory = self.shared.write();
            let is_former = |shard: &Arc<Shard<M>>| shard.epoch <= epoch;
            match directory.shards.get(&partition).is_some_and(is_former) {
                true => directory.shards.remove(&partition),
                false => None,
            }
        };
        if let Some(former) = former {
            former.close(&self.shared);
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

/// How many groups there are of each kind and in each state, by Kafka's names of both.
pub type StateCounts = BTreeMap<(&'static str, &'static str), usize>;

impl Coordinator<Groups> {
    /// How many groups of each kind are in which state, by Kafka's names of both, in the shards
    /// that serve; and how often groups were shared out anew since they do.
    pub fn group_states(&self) -> Answer<(StateCounts, Rebalances)> {
        let shards = self.shared.shards();
        let counted = shards.iter().map(|shard| {
            let work = Asked::new(
                (),
                |groups: &Groups, ()| groups.len(),
                |(), turn: Result<Turn<'_, Groups>, ErrorCode>| {
                    let (mut counts, mut rebalances) = Default::default();
                    if let Ok(turn) = turn {
                        turn.look(|groups, soft| {
                            let states: &mut StateCounts = &mut counts;
                            groups.states(soft).for_each(|it| *states.entry(it).or_default() += 1);
                            rebalances = soft.rebalances();
                        });
                    }
                    (counts, rebalances)
                },
            );
            match shard.bring(&self.shared, By::Itself, work) {
                Brought::Done(counts) => Answer::Now(counts),
                Brought::InLine(counts) => {
                    Answer::later(async move { counts.await.unwrap_or_default() })
                }
            }
        });
        Answer::all(counted.collect()).map(|shards| {
            let (mut sum, mut all) = (StateCounts::new(), Rebalances::default());
            for (counts, some) in shards {
                for (state, count) in counts {
                    *sum.entry(state).or_default() += count;
                }
                all.consumers += some.consumers;
                all.shares += some.shares;
                all.streams += some.streams;
            }
            (sum, all)
        })
    }

    /// Topics are deleted: what was committed for them goes.
    pub fn topics_deleted(&self, deleted: &[(StrBytes, TopicId)]) {
        let deleted: Arc<[_]> = deleted.into();
        for shard in self.shared.shards() {
            let deleted = deleted.clone();
            shard.tell(&self.shared, Groups::len, move |groups, soft, now, _, _| {
                groups.topics_deleted(soft, now, &deleted)
            });
        }
    }
}

impl Coordinator<ShareStates> {
    /// Topics are deleted: so is what share groups had in flight of them.
    pub fn topics_deleted(&self, deleted: &[(StrBytes, TopicId)]) {
        let ids: Arc<[TopicId]> = deleted.iter().map(|(_, id)| *id).collect();
        for shard in self.shared.shards() {
            let ids = ids.clone();
            shard.tell(&self.shared, ShareStates::len, move |shares, soft, _, _, _| {
                shares.topics_deleted(soft, &ids)
            });
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
        // Where there is no topic yet nobody is the coordinator; who looks for one has it made.
        let partition = partition.ok_or(ErrorCode::NOT_COORDINATOR)?;
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
        shared.timers.take((at, partition));
        if let Some(shard) = shared.shard(partition) {
            shard.tick(&shared, at);
        }
        shared.env.yield_now().await;
    }
}
