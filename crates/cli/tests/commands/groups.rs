//! The sessions that Apache Kafka's tools for share and streams groups had with Apache Kafka, had
//! again with ours. A line with `@` is something that members did between two commands.
//!
//! Must hold: members do here what they did there; `tests/README.md` tells what.

use ottla_client::{
    Client, ClientSettings, CoordinatorKind, Producer, ProducerRecord, TopicPartition,
};
use ottla_wire::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use ottla_wire::messages::streams_group_heartbeat_request::{
    KeyValue, Subtopology, TaskIds, TopicInfo, Topology,
};
use ottla_wire::messages::{
    OffsetCommitRequest, ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse,
    StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse,
};
use ottla_wire::{
    ErrorCode, LeaderEpoch, MemberEpoch, Offset, PartitionIndex, StrBytes, Timestamp,
};

use super::kafka::{again, steps};
use super::session::{Session, with_session};

const SHARE_SESSION: &str = include_str!("../kafka-share-groups.txt");
const CONSUMER_SESSION: &str = include_str!("../kafka-console-share-consumer.txt");
const STREAMS_SESSION: &str = include_str!("../kafka-streams-groups.txt");
const MEMBER: &str = "AAAAAAAAAAAAAAAAAAAAAQ";
/// When the records were written, as the captures have it: in September 2020.
const WRITTEN: Timestamp = Timestamp(1_600_000_000_000);
/// Tells of the epoch of the last targets: Kafka 4.4 and this node give a group that everybody left
/// new ones, 4.3 does not.
const AFTER_ALL_LEFT: &str = "share-groups --describe --group sg --state --verbose";
/// How often a member asks for what it waits for.
const TRIES_MAX: u32 = 10_000;

/// Five records for each of two partitions.
async fn fill(client: &Client, topic: &'static str) {
    let producer = Producer::new(client, Default::default());
    for at in 0..10 {
        let sent = producer.send(ProducerRecord {
            topic: topic.into(),
            partition: Some(PartitionIndex(at % 2)),
            timestamp: Some(WRITTEN),
            value: Some("v".into()),
            ..ProducerRecord::default()
        });
        sent.await.unwrap().await.unwrap();
    }
}

/// An offset of a group that has never had members.
async fn commit_plain(client: &Client, topic: &'static str) {
    let of = TopicPartition { topic: topic.into(), partition: PartitionIndex(0) };
    let set = client.admin().alter_group_offsets("plain", &[(of, Offset(3))]).await.unwrap();
    assert!(set.iter().all(|(_, result)| result.is_ok()), "{set:?}");
}

async fn share(client: &Client, epoch: i32, topics: Option<&str>) -> ShareGroupHeartbeatResponse {
    let request = ShareGroupHeartbeatRequest {
        group_id: "sg".into(),
        member_id: MEMBER.into(),
        member_epoch: MemberEpoch(epoch),
        subscribed_topic_names: topics.map(|topic| vec![StrBytes::copied(topic)]),
        ..Default::default()
    };
    client.call_coordinator(CoordinatorKind::Group, "sg", &request).await.unwrap()
}

/// A member that is assigned both partitions.
async fn join_share_group(client: &Client) {
    fill(client, "orders").await;
    commit_plain(client, "orders").await;
    let mut heard = share(client, 0, Some("orders")).await;
    for _ in 0..TRIES_MAX {
        if heard.assignment.is_some_and(|it| !it.topic_partitions.is_empty()) {
            return;
        }
        let epoch = heard.member_epoch.0;
        heard = match heard.error_code {
            ErrorCode::NONE => share(client, epoch, None).await,
            _ => share(client, 0, Some("orders")).await,
        };
    }
    panic!("no partitions: {heard:?}");
}

/// Two parts with a topic between them and a store.
fn topology() -> Topology {
    let internal = |name: &'static str, policy: &'static str| TopicInfo {
        name: name.into(),
        replication_factor: -1,
        topic_configs: vec![KeyValue {
            key: "cleanup.policy".into(),
            value: policy.into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let first = Subtopology {
        subtopology_id: "0".into(),
        source_topics: vec!["in".into()],
        repartition_sink_topics: vec!["app-r-repartition".into()],
        ..Default::default()
    };
    let second = Subtopology {
        subtopology_id: "1".into(),
        repartition_source_topics: vec![internal("app-r-repartition", "delete")],
        state_changelog_topics: vec![internal("app-s-changelog", "compact")],
        ..Default::default()
    };
    Topology { epoch: 0, subtopologies: vec![first, second], ..Default::default() }
}

async fn stream(
    client: &Client,
    epoch: i32,
    tell: impl FnOnce(&mut StreamsGroupHeartbeatRequest),
) -> StreamsGroupHeartbeatResponse {
    let mut request = StreamsGroupHeartbeatRequest {
        group_id: "app".into(),
        member_id: MEMBER.into(),
        member_epoch: MemberEpoch(epoch),
        ..Default::default()
    };
    tell(&mut request);
    client.call_coordinator(CoordinatorKind::Group, "app", &request).await.unwrap()
}

/// A member that has all four tasks, and offsets of what it reads.
async fn join_streams_group(client: &Client) {
    fill(client, "in").await;
    commit_plain(client, "in").await;
    let join = |request: &mut StreamsGroupHeartbeatRequest| {
        request.rebalance_timeout_ms = 60_000;
        request.process_id = Some("process".into());
        request.topology = Some(topology());
        let none = || Some(Vec::new());
        (request.active_tasks, request.standby_tasks) = (none(), none());
        request.warmup_tasks = none();
    };
    let mut heard = stream(client, 0, join).await;
    for _ in 0..TRIES_MAX {
        if heard.active_tasks.as_ref().is_some_and(|tasks| !tasks.is_empty()) {
            break;
        }
        let epoch = heard.member_epoch.0;
        heard = match heard.error_code {
            ErrorCode::NONE => stream(client, epoch, |_| ()).await,
            _ => stream(client, 0, join).await,
        };
    }
    let tasks = heard.active_tasks.expect("it is given tasks").into_iter().map(|it| TaskIds {
        subtopology_id: it.subtopology_id,
        partitions: it.partitions,
        ..Default::default()
    });
    let tasks: Vec<TaskIds> = tasks.collect();
    let epoch = heard.member_epoch;
    let has = stream(client, epoch.0, |request| {
        request.active_tasks = Some(tasks);
        (request.standby_tasks, request.warmup_tasks) = (Some(Vec::new()), Some(Vec::new()));
    });
    assert_eq!(has.await.error_code, ErrorCode::NONE);
    let partitions = [(0, 3), (1, 1)].map(|(index, offset)| OffsetCommitRequestPartition {
        partition_index: PartitionIndex(index),
        committed_offset: Offset(offset),
        committed_leader_epoch: LeaderEpoch(0),
        ..Default::default()
    });
    let topic_id = client.cluster().topic("in").expect("it was written to").id;
    let topic = OffsetCommitRequestTopic {
        name: "in".into(),
        topic_id,
        partitions: partitions.to_vec(),
        ..Default::default()
    };
    let request = OffsetCommitRequest {
        group_id: "app".into(),
        member_id: MEMBER.into(),
        generation_id_or_member_epoch: epoch.0,
        topics: vec![topic],
        ..Default::default()
    };
    let done = client.call_coordinator(CoordinatorKind::Group, "app", &request).await.unwrap();
    assert!(done.topics[0].partitions.iter().all(|it| it.error_code.is_none()), "{done:?}");
}

async fn client(session: &Session) -> Client {
    let mut settings = ClientSettings::new(session.address());
    settings.client_id = "diff".into();
    Client::connect(session.env().clone(), settings).await.unwrap()
}

#[test]
fn share_groups_are_shown_and_changed_as_apache_kafkas_tool_does() {
    with_session(async |session| {
        let client = client(session).await;
        let mut has_stopped = false;
        let mut wrong = Vec::new();
        for step in steps(SHARE_SESSION) {
            match step.command {
                AFTER_ALL_LEFT if has_stopped => {}
                "@ sharing" => join_share_group(&client).await,
                "@ stop" => {
                    assert!(share(&client, -1, None).await.error_code.is_none());
                    has_stopped = true;
                }
                _ => wrong.extend(again(session, &step).await),
            }
        }
        assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    });
}

#[test]
fn records_of_share_groups_are_printed_as_apache_kafkas_tool_prints_them() {
    with_session(async |session| {
        let mut wrong = Vec::new();
        for step in steps(CONSUMER_SESSION) {
            wrong.extend(again(session, &step).await);
        }
        assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    });
}

#[test]
fn streams_groups_are_shown_and_changed_as_apache_kafkas_tool_does() {
    with_session(async |session| {
        let client = client(session).await;
        let mut wrong = Vec::new();
        for step in steps(STREAMS_SESSION) {
            match step.command {
                "@ active" => join_streams_group(&client).await,
                "@ leave" => assert!(stream(&client, -1, |_| ()).await.error_code.is_none()),
                _ => wrong.extend(again(session, &step).await),
            }
        }
        assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    });
}
