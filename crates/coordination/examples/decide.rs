//! What a decision costs its shard, and how long others wait behind a long one:
//! `cargo run --release -p ottla-coordination --example decide`.
//!
//! A coordinator with a log in memory, by real threads. First commits of one offset by one task at
//! a time and by several at once, as commits per second of processor time; then heartbeats to a
//! group of the same shard, and a task that asks nothing, while all groups are listed without a
//! pause: how long the slowest took.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use ottla_coordination::{
    BoxFuture, Caller, CoordinatorSettings, GroupCoordinator, PartitionLog, ShardState,
};
use ottla_env::Env;
use ottla_groups::{NoTopics, Topics};
use ottla_records::{MarkerEpoch, batches};
use ottla_wire::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use ottla_wire::messages::{HeartbeatRequest, ListGroupsRequest, OffsetCommitRequest};
use ottla_wire::{ErrorCode, LeaderEpoch, Offset, PartitionIndex, StrBytes, TopicId, Uuid};
use tokio::sync::watch;

/// Forgets what is appended, and says that it is committed.
struct Nowhere(Mutex<Offset>, watch::Sender<Offset>);

impl PartitionLog for Nowhere {
    fn append(&self, _: LeaderEpoch, batch: Bytes) -> Result<Offset, ErrorCode> {
        let count = batches(&batch).flatten().map(|batch| batch.last_offset().0 + 1).sum::<i64>();
        let mut end = self.0.lock().expect("no holder panics");
        let base = *end;
        *end = base + count;
        self.1.send_replace(*end);
        Ok(base)
    }
    fn append_marker(&self, _: LeaderEpoch, _: Bytes, _: MarkerEpoch) -> Result<Offset, ErrorCode> {
        Err(ErrorCode::UNKNOWN_SERVER_ERROR)
    }
    fn start(&self) -> Offset {
        Offset(0)
    }
    fn end(&self) -> Offset {
        *self.0.lock().expect("no holder panics")
    }
    fn high_watermark(&self) -> watch::Receiver<Offset> {
        self.1.subscribe()
    }
    fn read(&self, _: Offset, _: usize) -> BoxFuture<'_, Result<Bytes, ErrorCode>> {
        Box::pin(std::future::ready(Ok(Bytes::new())))
    }
    fn forget(&self, _: Offset) {}
    fn batch_bytes_max(&self) -> usize {
        1_000_000
    }
}

#[derive(Clone)]
struct OneTopic;

impl Topics for OneTopic {
    fn id(&self, _: &str) -> Option<TopicId> {
        Some(TopicId(Uuid::from_u128(1)))
    }
    fn name(&self, _: TopicId) -> Option<StrBytes> {
        Some(StrBytes::from("t"))
    }
    fn has_partition(&self, _: &str, _: PartitionIndex) -> bool {
        true
    }
    fn partition_count(&self, _: TopicId) -> i32 {
        1
    }
    fn racks(&self, _: TopicId, _: PartitionIndex) -> Vec<StrBytes> {
        Vec::new()
    }
    fn each_name(&self, _: &mut dyn FnMut(&str)) {}
    fn version(&self) -> Offset {
        Offset(0)
    }
}

fn caller() -> Caller {
    Caller { client_id: StrBytes::from("c"), client_host: "/127.0.0.1".into() }
}

async fn commit(groups: &GroupCoordinator, group: usize) {
    let partition =
        OffsetCommitRequestPartition { committed_offset: Offset(1), ..Default::default() };
    let topic = OffsetCommitRequestTopic {
        name: StrBytes::from("t"),
        partitions: vec![partition],
        ..Default::default()
    };
    let request = OffsetCommitRequest {
        group_id: StrBytes::from(format!("g{group}")),
        generation_id_or_member_epoch: -1,
        topics: vec![topic],
        ..Default::default()
    };
    let told = groups.offset_commit(caller(), 8, OneTopic, request).await;
    assert_eq!(told.topics[0].partitions[0].error_code, ErrorCode::NONE);
}

/// Commits of so many tasks at once, in thousands per second of processor time.
async fn commits(env: &Env, groups: &Arc<GroupCoordinator>, tasks_max: usize) -> f64 {
    let before = env.process().expect("a real world").cpu_time;
    let tasks = env.tasks();
    for task in 0..tasks_max {
        let groups = groups.clone();
        tasks.spawn("commits", async move {
            for number in 0..COMMITS / tasks_max {
                commit(&groups, task * 100 + number % 100).await;
                if number % 64 == 0 {
                    tokio::task::yield_now().await;
                }
            }
        });
    }
    tasks.join_all().await;
    let took = env.process().expect("a real world").cpu_time - before;
    COMMITS as f64 / took.as_secs_f64() / 1_000.0
}

/// The longest of many heartbeats and of many yields while all groups are listed.
async fn behind(env: &Env, groups: &Arc<GroupCoordinator>) -> (Duration, Duration) {
    let is_over = Arc::new(AtomicBool::new(false));
    let tasks = env.tasks();
    for _ in 0..4 {
        let (groups, is_over) = (groups.clone(), is_over.clone());
        tasks.spawn("lists", async move {
            while !is_over.load(Ordering::Relaxed) {
                groups.list_groups(caller(), 5, ListGroupsRequest::default()).await;
                tokio::task::yield_now().await;
            }
        });
    }
    let (beat_max, yield_max) = (Arc::new(Mutex::new(Duration::ZERO)), Arc::default());
    let idle: Arc<Mutex<Duration>> = Arc::clone(&yield_max);
    let (world, seen, over) = (env.clone(), is_over.clone(), is_over.clone());
    tasks.spawn("asks nothing", async move {
        while !seen.load(Ordering::Relaxed) {
            let before = world.monotonic();
            world.sleep(Duration::from_millis(1)).await;
            let late = (world.monotonic() - before).saturating_sub(Duration::from_millis(1));
            raise(&idle, late);
        }
    });
    let (world, beats, asked) = (env.clone(), beat_max.clone(), groups.clone());
    tasks.spawn("heartbeats", async move {
        for _ in 0..50 {
            let before = world.monotonic();
            let request = HeartbeatRequest { group_id: StrBytes::from("g1"), ..Default::default() };
            asked.heartbeat(caller(), 4, request).await;
            let took = world.monotonic() - before;
            raise(&beats, took);
            tokio::task::yield_now().await;
        }
        over.store(true, Ordering::Relaxed);
    });
    tasks.join_all().await;
    let read = |max: &Mutex<Duration>| *max.lock().expect("no holder panics");
    (read(&beat_max), read(&yield_max))
}

fn raise(max: &Mutex<Duration>, to: Duration) {
    let mut max = max.lock().expect("no holder panics");
    *max = to.max(*max);
}

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let env = Env::real(runtime.handle().clone());
    runtime.block_on(async {
        let groups = GroupCoordinator::start(
            env.clone(),
            CoordinatorSettings::default(),
            Arc::new(NoTopics),
        );
        let groups = Arc::new(groups);
        groups.partitions(Some(1));
        let log = Nowhere(Mutex::new(Offset(0)), watch::channel(Offset(0)).0);
        groups.lead(PartitionIndex(0), LeaderEpoch(0), Arc::new(log));
        let is_open = || matches!(groups.states()[0].1, ShardState::Active { .. });
        while !is_open() {
            env.yield_now().await;
        }
        commits(&env, &groups, 1).await;
        for tasks in [1, 2, 8] {
            let rate = commits(&env, &groups, tasks).await;
            println!("commits of {tasks} tasks: {rate:.0} thousand per second of processor time");
        }
        for group in 0..GROUPS {
            commit(&groups, group).await;
        }
        let (beat, idle) = behind(&env, &groups).await;
        println!("while {GROUPS} groups are listed: the slowest heartbeat {beat:?}");
        println!("a task that asks nothing was late by {idle:?} at most");
    });
}

const COMMITS: usize = 400_000;
const GROUPS: usize = 100_000;
