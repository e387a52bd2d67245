//! A coordinator in the simulated world, on a log in memory whose commits the test decides.

mod peers;
mod rest;
mod shares;
mod transactional;
mod transactions;
mod turns;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use ottla_env::Env;
use ottla_groups::{NoTopics, Topics};
use ottla_records::control::{control_batch, end_transaction};
use ottla_records::read_batch;
use ottla_records::{BatchBuilder, BatchSettings, ControlRecord, MarkerEpoch, Producer, batches};
use ottla_sim::World;
use ottla_wire::messages::join_group_request::JoinGroupRequestProtocol;
use ottla_wire::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use ottla_wire::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic,
};
use ottla_wire::messages::sync_group_request::SyncGroupRequestAssignment;
use ottla_wire::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, HeartbeatRequest, JoinGroupRequest,
    JoinGroupResponse, ListGroupsRequest, OffsetCommitRequest, OffsetFetchRequest,
    SyncGroupRequest,
};
use ottla_wire::{
    ErrorCode, LeaderEpoch, Message, Offset, PartitionIndex, ProducerEpoch, ProducerId, StrBytes,
    Timestamp, TopicId, Uuid,
};
use tokio::sync::watch;

use crate::{
    Answer, BoxFuture, Caller, CoordinatorSettings, GroupCoordinator as Coordinator, PartitionLog,
    ShardState,
};

/// A log in memory.
struct Memory {
    batches: Mutex<Vec<(Offset, Bytes)>>,
    refuses: Mutex<Option<ErrorCode>>,
    high_watermark: watch::Sender<Offset>,
    /// Appends are committed at once.
    commits: Mutex<bool>,
    forgotten: Mutex<Offset>,
}

impl Memory {
    fn new() -> Arc<Self> {
        Arc::new(Memory {
            batches: Mutex::default(),
            refuses: Mutex::default(),
            high_watermark: watch::channel(Offset(0)).0,
            commits: Mutex::new(true),
            forgotten: Mutex::new(Offset(0)),
        })
    }

    fn put(&self, bytes: &[u8]) -> Offset {
        let base = self.end();
        let mut bytes = bytes.to_vec();
        bytes[..8].copy_from_slice(&base.0.to_be_bytes());
        self.batches.lock().unwrap().push((base, Bytes::from(bytes)));
        if *self.commits.lock().unwrap() {
            self.high_watermark.send_replace(self.end());
        }
        base
    }

    fn commit(&self) {
        self.high_watermark.send_replace(self.end());
    }

    fn records(&self) -> usize {
        usize::try_from(self.end().0).unwrap()
    }
}

impl PartitionLog for Memory {
    fn append(&self, _epoch: LeaderEpoch, batch: Bytes) -> Result<Offset, ErrorCode> {
        match *self.refuses.lock().unwrap() {
            Some(error) => Err(error),
            None if batch.len() > self.batch_bytes_max() => Err(ErrorCode::RECORD_LIST_TOO_LARGE),
            None => Ok(self.put(&batch)),
        }
    }
    fn append_marker(
        &self,
        epoch: LeaderEpoch,
        marker: Bytes,
        _: MarkerEpoch,
    ) -> Result<Offset, ErrorCode> {
        self.append(epoch, marker)
    }
    fn start(&self) -> Offset {
        *self.forgotten.lock().unwrap()
    }
    fn forget(&self, below: Offset) {
        *self.forgotten.lock().unwrap() = below;
    }
    fn end(&self) -> Offset {
        let log = self.batches.lock().unwrap();
        log.last().map_or(Offset(0), |(_, bytes)| {
            batches(bytes).next().expect("one").expect("whole").last_offset().next()
        })
    }
    fn high_watermark(&self) -> watch::Receiver<Offset> {
        self.high_watermark.subscribe()
    }
    fn read(&self, from: Offset, _: usize) -> BoxFuture<'_, Result<Bytes, ErrorCode>> {
        let log = self.batches.lock().unwrap();
        let found = log.iter().rev().find(|(base, _)| *base <= from);
        let bytes = found.map(|(_, bytes)| bytes.clone()).unwrap_or_default();
        Box::pin(std::future::ready(Ok(bytes)))
    }
    fn batch_bytes_max(&self) -> usize {
        2_000
    }
}

#[derive(Clone)]
struct OneTopic;

impl Topics for OneTopic {
    fn id(&self, name: &str) -> Option<TopicId> {
        (name == "t").then_some(TopicId(Uuid::from_u128(1)))
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
    fn each_name(&self, show: &mut dyn FnMut(&str)) {
        show("t");
    }
    fn version(&self) -> Offset {
        Offset(0)
    }
}

/// Who asks.
fn caller() -> Caller {
    Caller { client_id: "c".into(), client_host: "/127.0.0.1".into() }
}

const PARTITION: PartitionIndex = PartitionIndex(0);

/// A coordinator of one partition on this log, loaded as far as it can be.
async fn coordinator(env: &Env, log: &Arc<Memory>) -> Coordinator {
    let coordinator =
        Coordinator::start(env.clone(), CoordinatorSettings::default(), Arc::new(NoTopics));
    coordinator.partitions(Some(1));
    coordinator.lead(PARTITION, LeaderEpoch(0), log.clone());
    env.sleep(Duration::from_millis(100)).await;
    coordinator
}

fn run<F: Future>(test: impl FnOnce(Env, Arc<Memory>) -> F) -> F::Output {
    World::new(7).run(async |world: World| test(world.node(1), Memory::new()).await)
}

fn join(coordinator: &Coordinator, member: &str) -> Answer<JoinGroupResponse> {
    let request = JoinGroupRequest {
        group_id: "g".into(),
        member_id: StrBytes::copied(member),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".into(),
        protocols: vec![JoinGroupRequestProtocol {
            name: "range".into(),
            metadata: Bytes::from_static(b"m"),
            ..JoinGroupRequestProtocol::default()
        }],
        ..JoinGroupRequest::default()
    };
    coordinator.join_group(caller(), 3, OneTopic, request)
}

fn commit_request(offset: i64, partitions: i32) -> OffsetCommitRequest {
    let partitions = (0..partitions).map(|partition| OffsetCommitRequestPartition {
        partition_index: PartitionIndex(partition),
        committed_offset: Offset(offset),
        ..OffsetCommitRequestPartition::default()
    });
    OffsetCommitRequest {
        group_id: "g".into(),
        topics: vec![OffsetCommitRequestTopic {
            name: "t".into(),
            partitions: partitions.collect(),
            ..OffsetCommitRequestTopic::default()
        }],
        ..OffsetCommitRequest::default()
    }
}

async fn committed(coordinator: &Coordinator) -> Result<Offset, ErrorCode> {
    let request = OffsetFetchRequest {
        group_id: "g".into(),
        topics: Some(vec![OffsetFetchRequestTopic {
            name: "t".into(),
            partition_indexes: vec![PartitionIndex(0)],
            ..OffsetFetchRequestTopic::default()
        }]),
        ..OffsetFetchRequest::default()
    };
    let response = coordinator.offset_fetch(caller(), 7, NoTopics, request).await;
    match response.error_code {
        ErrorCode::NONE => Ok(response.topics[0].partitions[0].committed_offset),
        error => Err(error),
    }
}

async fn commit(coordinator: &Coordinator, offset: i64) -> ErrorCode {
    let request = commit_request(offset, 1);
    let response = coordinator.offset_commit(caller(), 9, OneTopic, request).await;
    response.topics[0].partitions[0].error_code
}

/// Two members through a whole rebalance; gives their ids.
async fn settled(coordinator: &Coordinator) -> [StrBytes; 2] {
    let (first, second) = (join(coordinator, ""), join(coordinator, ""));
    let (first, second) = (first.await, second.await);
    assert_eq!((first.error_code, first.members.len()), (ErrorCode::NONE, 2));
    let request = |member: &StrBytes, assignments| SyncGroupRequest {
        group_id: "g".into(),
        generation_id: first.generation_id,
        member_id: member.clone(),
        assignments,
        ..SyncGroupRequest::default()
    };
    let follower = request(&second.member_id, Vec::new());
    let follower = coordinator.sync_group(caller(), 4, OneTopic, follower);
    let leader = request(
        &first.member_id,
        vec![SyncGroupRequestAssignment {
            member_id: second.member_id.clone(),
            assignment: Bytes::from_static(b"all"),
            ..SyncGroupRequestAssignment::default()
        }],
    );
    assert_eq!(coordinator.sync_group(caller(), 4, OneTopic, leader).await.assignment, "");
    assert_eq!(follower.await.assignment, "all");
    [first.member_id, second.member_id]
}

async fn beat(coordinator: &Coordinator, member: &StrBytes) -> ErrorCode {
    let request = HeartbeatRequest {
        group_id: "g".into(),
        generation_id: 1.into(),
        member_id: member.clone(),
        ..HeartbeatRequest::default()
    };
    coordinator.heartbeat(caller(), 4, request).await.error_code
}

#[test]
fn two_members_settle_and_are_there_again_after_a_restart() {
    run(async |env, log| {
        let first = coordinator(&env, &log).await;
        let [leader, follower] = settled(&first).await;
        assert_eq!(commit(&first, 5).await, ErrorCode::UNKNOWN_MEMBER_ID);
        first.stop().await;
        drop(first);

        let second = coordinator(&env, &log).await;
        assert_eq!(beat(&second, &leader).await, ErrorCode::NONE);
        assert_eq!(beat(&second, &follower).await, ErrorCode::NONE);
        env.sleep(Duration::from_secs(11)).await;
        assert_eq!(beat(&second, &leader).await, ErrorCode::UNKNOWN_MEMBER_ID);
    });
}

#[test]
fn offsets_survive_and_stand_as_kafka_writes_them() {
    run(async |env, log| {
        let first = coordinator(&env, &log).await;
        assert_eq!(commit(&first, 5).await, ErrorCode::NONE);
        assert_eq!(committed(&first).await, Ok(Offset(5)));
        let bytes = log.batches.lock().unwrap()[0].1.clone();
        let batch = batches(&bytes).next().unwrap().unwrap();
        assert_eq!((batch.producer_id(), batch.base_sequence()), (ProducerId(-1), 0));
        assert_eq!(batch.attributes(), 0);

        let second = coordinator(&env, &log).await;
        assert_eq!(committed(&second).await, Ok(Offset(5)));
        let names = DeleteGroupsRequest {
            groups_names: vec!["g".into(), "other".into()],
            ..DeleteGroupsRequest::default()
        };
        let deleted = second.delete_groups(caller(), 2, names).await.results;
        let errors: Vec<ErrorCode> = deleted.iter().map(|result| result.error_code).collect();
        assert_eq!(errors, [ErrorCode::NONE, ErrorCode::GROUP_ID_NOT_FOUND]);
        assert_eq!(committed(&second).await, Ok(Offset(-1)));
    });
}

#[test]
fn a_reply_waits_for_the_high_watermark() {
    run(async |env, log| {
        let coordinator = coordinator(&env, &log).await;
        *log.commits.lock().unwrap() = false;
        let request = commit_request(5, 1);
        let Answer::Later(mut waiting) = coordinator.offset_commit(caller(), 9, OneTopic, request)
        else {
            panic!("answered before the commit")
        };
        let early = env.timeout(Duration::from_secs(1), &mut waiting).await;
        assert!(early.is_err());
        log.commit();
        assert_eq!(waiting.await.topics[0].partitions[0].error_code, ErrorCode::NONE);
        assert!(matches!(beat(&coordinator, &"x".into()).await, ErrorCode::UNKNOWN_MEMBER_ID));
    });
}

#[test]
fn an_uncommitted_tail_is_not_served() {
    run(async |env, log| {
        let first = coordinator(&env, &log).await;
        *log.commits.lock().unwrap() = false;
        let request = commit_request(5, 1);
        let waiting = first.offset_commit(caller(), 9, OneTopic, request);
        first.stop().await;
        let refused = waiting.await.topics[0].partitions[0].error_code;
        assert_eq!(refused, ErrorCode::NOT_COORDINATOR);

        let second = coordinator(&env, &log).await;
        assert_eq!(committed(&second).await, Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS));
        assert_eq!(beat(&second, &"x".into()).await, ErrorCode::NONE);
        assert_eq!(second.states(), [(PARTITION, ShardState::Loading)]);
        log.commit();
        env.sleep(Duration::from_millis(100)).await;
        assert_eq!(committed(&second).await, Ok(Offset(5)));
    });
}

#[test]
fn errors_of_the_log_become_errors_of_the_coordinator() {
    run(async |env, log| {
        let coordinator = coordinator(&env, &log).await;
        for (refused, told) in [
            (ErrorCode::NOT_ENOUGH_REPLICAS, ErrorCode::COORDINATOR_NOT_AVAILABLE),
            (ErrorCode::NOT_LEADER_OR_FOLLOWER, ErrorCode::NOT_COORDINATOR),
            (ErrorCode::KAFKA_STORAGE_ERROR, ErrorCode::NOT_COORDINATOR),
            (ErrorCode::RECORD_LIST_TOO_LARGE, ErrorCode::UNKNOWN_SERVER_ERROR),
        ] {
            *log.refuses.lock().unwrap() = Some(refused);
            assert_eq!(commit(&coordinator, 5).await, told);
        }
        // The first record of a group is refused: the member that waits is told.
        assert_eq!(join(&coordinator, "").await.error_code, ErrorCode::UNKNOWN_SERVER_ERROR);
        *log.refuses.lock().unwrap() = None;
        assert_eq!(log.records(), 0);
        assert_eq!(committed(&coordinator).await, Ok(Offset(-1)));
    });
}

#[test]
fn a_long_decision_is_split_into_batches() {
    run(async |env, log| {
        let first = coordinator(&env, &log).await;
        let request = commit_request(5, 100);
        let response = first.offset_commit(caller(), 9, OneTopic, request).await;
        assert!(response.topics[0].partitions.iter().all(|p| p.error_code == ErrorCode::NONE));
        assert_eq!(log.records(), 100);
        assert!(log.batches.lock().unwrap().len() > 1);
    });
}

#[test]
fn a_deleted_topic_takes_its_offsets_along() {
    run(async |env, log| {
        let coordinator = coordinator(&env, &log).await;
        assert_eq!(commit(&coordinator, 5).await, ErrorCode::NONE);
        coordinator.topics_deleted(&[("t".into(), TopicId(Uuid::from_u128(1)))]);
        assert_eq!(committed(&coordinator).await, Ok(Offset(-1)));
    });
}

#[test]
fn who_leads_another_partition_or_none_says_so() {
    run(async |env, log| {
        let coordinator = coordinator(&env, &log).await;
        let parked = join(&coordinator, "");
        coordinator.resign(PARTITION, LeaderEpoch(0));
        assert_eq!(parked.await.error_code, ErrorCode::NOT_COORDINATOR);
        assert_eq!(committed(&coordinator).await, Err(ErrorCode::NOT_COORDINATOR));
        coordinator.partitions(None);
        assert_eq!(committed(&coordinator).await, Err(ErrorCode::NOT_COORDINATOR));
        assert_eq!(coordinator.partition_of("g"), None);
    });
}

#[test]
fn a_later_epoch_replaces_the_shard() {
    run(async |env, log| {
        let coordinator = coordinator(&env, &log).await;
        let parked = join(&coordinator, "");
        coordinator.lead(PARTITION, LeaderEpoch(0), log.clone());
        coordinator.resign(PARTITION, LeaderEpoch(-1));
        coordinator.lead(PARTITION, LeaderEpoch(1), log.clone());
        assert_eq!(parked.await.error_code, ErrorCode::NOT_COORDINATOR);
        env.sleep(Duration::from_millis(100)).await;
        assert_eq!(commit(&coordinator, 5).await, ErrorCode::NONE);
    });
}

#[test]
fn a_record_that_cannot_be_applied_stops_its_shard_only() {
    run(async |env, log| {
        let settings = BatchSettings::default();
        let mut builder = BatchBuilder::new(settings);
        builder.append(Timestamp(0), Some(&[0, 2, 0, 1, b'h']), None, &[]).unwrap();
        builder.append(Timestamp(0), Some(&[0, 2, 0, 1, b'h']), Some(&[0, 99]), &[]).unwrap();
        log.put(&builder.build().unwrap());
        let coordinator = coordinator(&env, &log).await;
        coordinator.partitions(Some(2));
        let other = Memory::new();
        coordinator.lead(PartitionIndex(1), LeaderEpoch(0), other);
        env.sleep(Duration::from_millis(100)).await;
        let states = coordinator.states();
        assert!(matches!(&states[0].1, ShardState::Failed(error) if error.offset == Offset(1)));
        assert!(matches!(states[1].1, ShardState::Active { things: 0, parked: 0 }));
        let list = ListGroupsRequest::default();
        assert_eq!(coordinator.list_groups(caller(), 5, list).await.error_code, ErrorCode::NONE);
    });
}

#[test]
fn a_bit_that_flipped_stops_the_shard() {
    run(async |env, log| {
        let first = coordinator(&env, &log).await;
        commit(&first, 5).await;
        {
            let mut batches = log.batches.lock().unwrap();
            let mut bytes = batches[0].1.to_vec();
            *bytes.last_mut().unwrap() ^= 1;
            batches[0].1 = Bytes::from(bytes);
        }
        let second = coordinator(&env, &log).await;
        assert_eq!(committed(&second).await, Err(ErrorCode::NOT_COORDINATOR));
    });
}

#[test]
fn offsets_of_a_transaction_count_from_its_marker_on() {
    run(async |env, log| {
        let first = coordinator(&env, &log).await;
        commit(&first, 5).await;
        commit(&first, 6).await;
        // The second commit again, as one of a producer's transaction.
        let bytes = log.batches.lock().unwrap().pop().unwrap().1;
        let record = read_batch(&bytes).next().unwrap().unwrap();
        let producer = Producer { id: ProducerId(4), epoch: ProducerEpoch(0), base_sequence: 0 };
        let settings = BatchSettings {
            producer: Some(producer),
            is_transactional: true,
            ..BatchSettings::default()
        };
        let mut builder = BatchBuilder::new(settings);
        let (key, value) = (record.key.unwrap(), record.value.unwrap());
        builder.append(Timestamp(0), Some(&key), Some(&value), &[]).unwrap();
        log.put(&builder.build().unwrap());

        let second = coordinator(&env, &log).await;
        assert_eq!(committed(&second).await, Ok(Offset(5)));
        let stable = OffsetFetchRequest {
            groups: vec![OffsetFetchRequestGroup {
                group_id: "g".into(),
                topics: None,
                ..OffsetFetchRequestGroup::default()
            }],
            require_stable: true,
            ..OffsetFetchRequest::default()
        };
        let response = second.offset_fetch(caller(), 8, OneTopic, stable).await;
        let partition = &response.groups[0].topics[0].partitions[0];
        assert_eq!(partition.error_code, ErrorCode::UNSTABLE_OFFSET_COMMIT);

        let marker = ControlRecord::Commit { coordinator_epoch: 0 };
        log.put(&control_batch(settings, Timestamp(0), &[marker]).unwrap());
        let third = coordinator(&env, &log).await;
        assert_eq!(committed(&third).await, Ok(Offset(6)));
    });
}

#[test]
fn a_jump_of_the_wall_clock_ends_no_session() {
    World::new(7).run(async |world: World| {
        let (env, log) = (world.node(1), Memory::new());
        let coordinator = coordinator(&env, &log).await;
        let [leader, _] = settled(&coordinator).await;
        world.jump_clock(1, 3_600_000);
        env.sleep(Duration::from_secs(5)).await;
        assert_eq!(beat(&coordinator, &leader).await, ErrorCode::NONE);
    });
}

#[test]
fn every_answer_can_be_written_in_every_version() {
    run(async |env, log| {
        let coordinator = coordinator(&env, &log).await;
        let [leader, _] = settled(&coordinator).await;
        for version in 0..=9 {
            let answer = join(&coordinator, "nobody").await;
            assert!(answer.to_bytes(version).is_ok(), "JoinGroup {version}");
        }
        for version in 0..=6 {
            let request = DescribeGroupsRequest {
                groups: vec!["g".into(), "none".into()],
                ..DescribeGroupsRequest::default()
            };
            let answer = coordinator.describe_groups(caller(), version, request).await;
            assert!(answer.to_bytes(version).is_ok(), "DescribeGroups {version}");
        }
        for version in 0..=5 {
            let answer = coordinator.list_groups(caller(), version, ListGroupsRequest::default());
            let answer = answer.await;
            assert_eq!(answer.groups.len(), 1);
            assert!(answer.to_bytes(version).is_ok(), "ListGroups {version}");
        }
        for version in 2..=10 {
            let mut request = commit_request(5, 1);
            request.member_id = leader.clone();
            request.generation_id_or_member_epoch = 1;
            let answer = coordinator.offset_commit(caller(), version, OneTopic, request).await;
            assert_eq!(answer.topics[0].partitions[0].error_code, ErrorCode::NONE);
            assert!(answer.to_bytes(version).is_ok(), "OffsetCommit {version}");
        }
        for version in 1..=10 {
            let group = OffsetFetchRequestGroup {
                group_id: "g".into(),
                topics: None,
                ..OffsetFetchRequestGroup::default()
            };
            let request = OffsetFetchRequest {
                group_id: "g".into(),
                topics: None,
                groups: vec![group],
                ..OffsetFetchRequest::default()
            };
            let answer = coordinator.offset_fetch(caller(), version, OneTopic, request).await;
            let offset = match version {
                8.. => answer.groups[0].topics[0].partitions[0].committed_offset,
                _ => answer.topics[0].partitions[0].committed_offset,
            };
            assert_eq!(offset, Offset(5));
            assert!(answer.to_bytes(version).is_ok(), "OffsetFetch {version}");
        }
    });
}
