//! Markers to other brokers of a cluster: messages that are lost, late or there twice, leaders that
//! move while metadata lags behind, coordinators that move.
//!
//! Must hold: each partition of a transaction sees its end once, as it was decided, before the next
//! transaction of the producer is open there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use ottla_env::{Env, Tasks};
use ottla_sim::World;
use ottla_transactions::{Markers, TopicPartition};
use ottla_wire::messages::write_txn_markers_request::WritableTxnMarker;
use ottla_wire::messages::write_txn_markers_response::{
    WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
};
use ottla_wire::messages::{EndTxnRequest, WriteTxnMarkersRequest, WriteTxnMarkersResponse};
use ottla_wire::{BrokerId, ErrorCode, LeaderEpoch, PartitionIndex, ProducerEpoch, ProducerId};
use tokio::sync::oneshot;

use super::transactions::{add, commit, init, state};
use super::{Memory, PARTITION};
use crate::{
    BoxFuture, CoordinatorSettings, Leader, MarkerResults, Peers, TransactionCoordinator,
    TransactionWorld, deliver,
};

/// What a partition's leader knows of the producer.
#[derive(Default)]
struct Partition {
    leader: i32,
    /// Who leads it as far as the coordinator's broker knows.
    known: i32,
    epoch: i16,
    /// The epoch of the open transaction.
    open: Option<i16>,
    coordinator_epoch: i32,
    /// The ends of transactions that had something here: epoch, and whether it counts.
    ended: Vec<(i16, bool)>,
    /// How many markers had nothing to end, and how many were refused.
    repeated: u32,
    refused: u32,
}

impl Partition {
    /// Appends a marker by the rules of transaction version 2.
    fn mark(&mut self, marker: &WritableTxnMarker) -> ErrorCode {
        let epoch = marker.producer_epoch.0;
        let is_open = self.open.is_some();
        let refused = match () {
            () if epoch < self.epoch || (epoch == self.epoch && is_open) => {
                ErrorCode::INVALID_PRODUCER_EPOCH
            }
            () if marker.coordinator_epoch < self.coordinator_epoch => {
                ErrorCode::TRANSACTION_COORDINATOR_FENCED
            }
            () => ErrorCode::NONE,
        };
        if refused != ErrorCode::NONE {
            self.refused += 1;
            return refused;
        }
        (self.epoch, self.coordinator_epoch) = (epoch, marker.coordinator_epoch);
        match self.open.take() {
            Some(open) => self.ended.push((open, marker.transaction_result)),
            None => self.repeated += 1,
        }
        ErrorCode::NONE
    }
}

/// Three brokers, and everything between them.
struct Cluster {
    env: Env,
    tasks: Tasks,
    partitions: Mutex<BTreeMap<PartitionIndex, Partition>>,
    /// Nothing is lost or late any more.
    calm: Mutex<bool>,
}

impl Cluster {
    fn partitions(&self) -> MutexGuard<'_, BTreeMap<PartitionIndex, Partition>> {
        self.partitions.lock().expect("no panic")
    }

    fn below(&self, bound: u64) -> u64 {
        self.env.random_u64() % bound
    }

    fn some_broker(&self) -> i32 {
        1 + i32::try_from(self.below(3)).expect("a small number")
    }

    /// So late does a message come, or it never does.
    fn delay(&self) -> Option<Duration> {
        if *self.calm.lock().expect("no panic") {
            return Some(Duration::from_millis(1));
        }
        match self.below(6) {
            0 => None,
            1 => Some(Duration::from_millis(self.below(60_000))),
            _ => Some(Duration::from_millis(self.below(20))),
        }
    }

    /// What the leader of some partitions, which it may no longer be, does with markers.
    fn receive(&self, at: i32, request: &WriteTxnMarkersRequest) -> WriteTxnMarkersResponse {
        let mut partitions = self.partitions();
        let markers = request.markers.iter().map(|marker| {
            let topics = marker.topics.iter().map(|topic| {
                let results = topic.partition_indexes.iter().map(|index| {
                    let partition = partitions.get_mut(index).expect("it is there");
                    let error_code = match partition.leader == at {
                        true => partition.mark(marker),
                        false => ErrorCode::NOT_LEADER_OR_FOLLOWER,
                    };
                    let partition_index = *index;
                    WritableTxnMarkerPartitionResult {
                        partition_index,
                        error_code,
                        ..Default::default()
                    }
                });
                let (name, partitions) = (topic.name.clone(), results.collect());
                WritableTxnMarkerTopicResult { name, partitions, ..Default::default() }
            });
            let (producer_id, topics) = (marker.producer_id, topics.collect());
            WritableTxnMarkerResult { producer_id, topics, ..Default::default() }
        });
        WriteTxnMarkersResponse { markers: markers.collect(), ..Default::default() }
    }

    /// A leader moves, and metadata tells of it later.
    fn move_leader(self: &Arc<Self>, index: PartitionIndex) {
        let to = self.some_broker();
        self.partitions().get_mut(&index).expect("it is there").leader = to;
        let (cluster, lag) = (self.clone(), Duration::from_millis(self.below(3_000)));
        self.tasks.spawn("metadata", async move {
            cluster.env.sleep(lag).await;
            let mut partitions = cluster.partitions();
            let partition = partitions.get_mut(&index).expect("it is there");
            partition.known = partition.leader;
        });
    }

    /// The producer writes to a partition.
    fn write(&self, index: i32, epoch: i16) {
        let mut partitions = self.partitions();
        let partition = partitions.get_mut(&PartitionIndex(index)).expect("it is there");
        assert_eq!(partition.open, None, "partition {index} is open at the next transaction");
        assert!(partition.epoch <= epoch, "partition {index} has epoch {}", partition.epoch);
        (partition.epoch, partition.open) = (epoch, Some(epoch));
    }
}

#[derive(Clone)]
struct Seen(Arc<Cluster>);

impl Peers for Seen {
    fn leader(&self, partition: &TopicPartition) -> Leader {
        Leader::At(BrokerId(self.0.partitions()[&partition.partition].known))
    }

    fn write_markers(
        &self,
        to: BrokerId,
        request: WriteTxnMarkersRequest,
    ) -> BoxFuture<'static, Option<WriteTxnMarkersResponse>> {
        let (answer, answered) = oneshot::channel();
        let mut answer = Some(answer);
        // A request that is sent again by the network comes twice; the first answer counts.
        let times = 1 + u64::from(self.0.below(8) == 0);
        for _ in 0..times {
            let Some(delay) = self.0.delay() else { continue };
            let (cluster, request, answer) = (self.0.clone(), request.clone(), answer.take());
            self.0.tasks.spawn("message", async move {
                cluster.env.sleep(delay).await;
                let response = cluster.receive(to.0, &request);
                if let (Some(back), Some(answer)) = (cluster.delay(), answer) {
                    cluster.env.sleep(back).await;
                    let _ = answer.send(response);
                }
            });
        }
        // Who sent what is lost hears that the connection has ended.
        Box::pin(async move { answered.await.ok() })
    }
}

impl TransactionWorld for Seen {
    fn write_markers(
        &self,
        epoch: LeaderEpoch,
        markers: &Markers,
    ) -> BoxFuture<'static, MarkerResults> {
        deliver(&self.0.env, self, epoch, markers)
    }

    fn producer_id(&self) -> BoxFuture<'static, Result<ProducerId, ErrorCode>> {
        Box::pin(std::future::ready(Ok(ProducerId(7))))
    }
}

/// The coordinator, wherever it is.
struct Coordinated {
    env: Env,
    log: Arc<Memory>,
    world: Arc<Seen>,
    epoch: i32,
    now: TransactionCoordinator,
}

impl Coordinated {
    async fn start(env: &Env, world: &Seen) -> Coordinated {
        let (env, world, log) = (env.clone(), Arc::new(world.clone()), Memory::new());
        let now = Coordinated::lead(&env, &world, &log, 0).await;
        Coordinated { env, log, world, epoch: 0, now }
    }

    async fn lead(
        env: &Env,
        world: &Arc<Seen>,
        log: &Arc<Memory>,
        epoch: i32,
    ) -> TransactionCoordinator {
        let settings = CoordinatorSettings::default();
        let led = TransactionCoordinator::start(env.clone(), settings, world.clone());
        led.partitions(Some(1));
        led.lead(PARTITION, LeaderEpoch(epoch), log.clone());
        env.sleep(Duration::from_millis(50)).await;
        led
    }

    async fn moves(&mut self) {
        self.now.resign(PARTITION, LeaderEpoch(self.epoch));
        self.epoch += 1;
        self.now = Coordinated::lead(&self.env, &self.world, &self.log, self.epoch).await;
    }

    /// Once the last transaction is over.
    async fn at_rest(&self) {
        while state(&self.now).await.starts_with("Prepare") {
            self.env.sleep(Duration::from_millis(100)).await;
        }
    }
}

const PARTITIONS: i32 = 4;
const TRANSACTIONS: u64 = 8;

/// How many markers were there again, and how many were refused.
async fn story(world: World) -> (u32, u32) {
    let env = world.node(1);
    let cluster = Cluster {
        env: env.clone(),
        tasks: env.tasks(),
        partitions: Mutex::default(),
        calm: Mutex::new(false),
    };
    for index in 0..PARTITIONS {
        let leader = cluster.some_broker();
        let partition = Partition { leader, known: leader, ..Partition::default() };
        cluster.partitions().insert(PartitionIndex(index), partition);
    }
    let cluster = Arc::new(cluster);
    let mut coordinated = Coordinated::start(&env, &Seen(cluster.clone())).await;
    let mut who = init(&coordinated.now).await.expect("a producer");
    let mut expected: BTreeMap<i32, Vec<(i16, bool)>> = BTreeMap::new();
    for number in 0..TRANSACTIONS {
        let to: Vec<i32> = (0..PARTITIONS).filter(|_| cluster.below(2) == 0).collect();
        let to = if to.is_empty() { vec![0] } else { to };
        coordinated.at_rest().await;
        assert_eq!(add(&coordinated.now, who, &to).await, ErrorCode::NONE);
        let committed = cluster.below(2) == 0;
        for index in to {
            cluster.write(index, who.1.0);
            expected.entry(index).or_default().push((who.1.0, committed));
        }
        let ending = EndTxnRequest { committed, ..commit(who) };
        let told = coordinated.now.end_transaction(5, ending).await;
        assert_eq!(told.error_code, ErrorCode::NONE);
        who = (told.producer_id, told.producer_epoch);
        for _ in 0..cluster.below(4) {
            env.sleep(Duration::from_millis(cluster.below(500))).await;
            match cluster.below(4) {
                0 => coordinated.moves().await,
                at => cluster.move_leader(PartitionIndex(i32::try_from(at).expect("small"))),
            }
        }
        assert_eq!(who.1, ProducerEpoch(i16::try_from(number + 1).expect("few")));
    }
    *cluster.calm.lock().expect("no panic") = true;
    coordinated.at_rest().await;
    // What is late comes in the meantime.
    env.sleep(Duration::from_secs(120)).await;
    assert!(state(&coordinated.now).await.starts_with("Complete"));
    let partitions = cluster.partitions();
    for (index, partition) in partitions.iter() {
        assert_eq!(partition.open, None, "partition {index} hangs");
        assert_eq!(Some(&partition.ended), expected.get(&index.0).or(Some(&vec![])));
    }
    let counts = partitions.values().map(|partition| (partition.repeated, partition.refused));
    counts.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

#[test]
fn transactions_end_as_decided_however_markers_travel_between_brokers() {
    let (mut repeated, mut refused) = (0, 0);
    for seed in 1..=60 {
        let told = World::new(seed).run(story);
        (repeated, refused) = (repeated + told.0, refused + told.1);
    }
    // The stories had what they are told for.
    assert!(repeated > 0 && refused > 0, "{repeated} markers came again, {refused} were refused");
}
