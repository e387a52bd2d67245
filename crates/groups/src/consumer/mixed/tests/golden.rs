//! A group that changed its protocol four times in Apache Kafka 4.3.1: at each change our decision
//! gives the records that Kafka wrote.
//!
//! Kafka lists members in the order of a hash map, so that only what is written is compared, and
//! which of them leads a classic group is not.

use std::sync::Arc;

use bytes::Bytes;
use ottla_machine::golden::unhex;
use ottla_machine::{Machine, Now, Ticket};
use ottla_wire::messages::consumer_protocol_subscription::TopicPartition as Owned;
use ottla_wire::messages::join_group_request::JoinGroupRequestProtocol;
use ottla_wire::messages::{
    ConsumerGroupHeartbeatRequest, ConsumerProtocolSubscription, GroupMetadataValue,
    JoinGroupRequest,
};
use ottla_wire::{
    Generation, MemberEpoch, Message, Offset, PartitionIndex, StrBytes, Timestamp, TopicId, Uuid,
    Writer,
};

use crate::consumer::ConsumerEntry;
use crate::kinds::{KindRecord, RecordOf};
use crate::{Ask, Decided, GroupRecord, Groups, Settings, Soft, Topics};

const TOPIC: &str = "EpGUXN9QQCWYxhn-ZLr3Hw";

/// The topic `t` with four partitions.
struct T4(TopicId);

impl Topics for T4 {
    fn id(&self, name: &str) -> Option<TopicId> {
        (name == "t").then_some(self.0)
    }
    fn name(&self, _: TopicId) -> Option<StrBytes> {
        Some(StrBytes::from("t"))
    }
    fn has_partition(&self, name: &str, partition: PartitionIndex) -> bool {
        name == "t" && (0..4).contains(&partition.0)
    }
    fn partition_count(&self, _: TopicId) -> i32 {
        4
    }
    fn racks(&self, _: TopicId, _: PartitionIndex) -> Vec<StrBytes> {
        Vec::new()
    }
    fn each_name(&self, show: &mut dyn FnMut(&str)) {
        show("t");
    }
    fn version(&self) -> Offset {
        Offset(1)
    }
}

fn kafkas() -> Vec<(i64, GroupRecord)> {
    let text = include_str!("../../../../tests/golden/mixed_group.txt");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let records = lines.map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (key, value) = (Bytes::from(unhex(words[1])), words[2]);
        let value = (value != "-").then(|| Bytes::from(unhex(value)));
        let record = GroupRecord::decode(key.clone(), value.clone(), None).expect("Kafka's");
        assert_eq!(record.encode(), Some((key, value)));
        (words[0].parse().expect("a base offset"), record)
    });
    records.collect()
}

/// What is compared of the records of a batch.
fn told(records: &[GroupRecord]) -> Vec<String> {
    let mut told: Vec<String> = records
        .iter()
        .map(|record| match record {
            GroupRecord::GroupMetadata { value: Some(value), .. } => {
                let mut value = GroupMetadataValue::clone(value);
                value.members.sort_by(|one, other| one.member_id.cmp(&other.member_id));
                value.leader = None;
                value.current_state_timestamp = Timestamp(0);
                format!("{value:?}")
            }
            GroupRecord::Kind(KindRecord::Consumer(RecordOf {
                entry: ConsumerEntry::TargetEpoch(Some(value)),
                ..
            })) => format!("target epoch {}", value.assignment_epoch),
            other => format!("{other:?}"),
        })
        .collect();
    told.sort();
    told
}

/// Takes a decision on the group as it stood before a batch of Kafka's, and compares it with that.
fn check(
    batch: i64,
    client: &str,
    id: &str,
    decide: impl Fn(&Groups, &mut Soft, &Ask<'_>, &T4) -> Decided,
) {
    let topics = T4(TopicId(TOPIC.parse().expect("an id")));
    let (mut groups, mut soft) = (Groups::default(), Soft::default());
    let mut settings = Settings::default();
    Arc::make_mut(&mut settings.consumer).times.assignment_interval_ms = 0;
    let mut expected = Vec::new();
    for (at, (base, record)) in (0..).zip(kafkas()) {
        if base < batch {
            groups.replay(Offset(at), &record);
        } else if base == batch {
            expected.push(record);
        }
    }
    let now = Now { steady: Timestamp(0), wall: Timestamp(1_795_296_490_000) };
    groups.loaded(&mut soft, now, &settings);
    let random: Uuid = id.parse().expect("a member id");
    let ask = Ask {
        now,
        settings: &settings,
        version: if client.starts_with("join ") { 9 } else { 1 },
        client_id: client.trim_start_matches("join "),
        client_host: "/127.0.0.1",
        random: random.0,
        ticket: Ticket(1),
    };
    let decided = decide(&groups, &mut soft, &ask, &topics);
    assert_eq!(told(&decided.records), told(&expected), "{:?}", decided.replies);
}

const Y: &str = "Co6y01B8SoWbtJ2rjsEOGg";
const S2: &str = "9m6pZKyoQJqdp6ZD5YNnIw";
const S3: &str = "h176TnpOTFmz9if20y03vQ";

fn heartbeat(member: &str, epoch: i32, instance: Option<&str>) -> ConsumerGroupHeartbeatRequest {
    let joins = epoch == 0;
    ConsumerGroupHeartbeatRequest {
        group_id: "mixb".into(),
        member_id: StrBytes::copied(member),
        member_epoch: MemberEpoch(epoch),
        instance_id: instance.map(StrBytes::copied),
        rebalance_timeout_ms: if joins { 300_000 } else { -1 },
        subscribed_topic_names: joins.then(|| vec!["t".into()]),
        topic_partitions: joins.then(Vec::new),
        ..ConsumerGroupHeartbeatRequest::default()
    }
}

/// JoinGroup of a consumer with the cooperative assignor, which adds four bytes of its own.
fn join(member: &str, instance: Option<&str>, owned: &[i32], generation: i32) -> JoinGroupRequest {
    let owned = Owned {
        topic: "t".into(),
        partitions: owned.iter().copied().map(PartitionIndex).collect(),
    };
    let subscription = ConsumerProtocolSubscription {
        topics: vec!["t".into()],
        user_data: Some(Bytes::copy_from_slice(&generation.to_be_bytes())),
        owned_partitions: (!owned.partitions.is_empty()).then_some(owned).into_iter().collect(),
        generation_id: Generation(generation),
        rack_id: None,
    };
    let mut writer = Writer::new();
    writer.raw(&3_i16.to_be_bytes());
    subscription.encode(&mut writer, 3).expect("every field is in version 3");
    JoinGroupRequest {
        group_id: "mixb".into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 300_000,
        member_id: StrBytes::copied(member),
        group_instance_id: instance.map(StrBytes::copied),
        protocol_type: "consumer".into(),
        protocols: vec![JoinGroupRequestProtocol {
            name: "cooperative-sticky".into(),
            metadata: writer.into_bytes().expect("nothing is in a file"),
            ..JoinGroupRequestProtocol::default()
        }],
        ..JoinGroupRequest::default()
    }
}

#[test]
fn the_first_heartbeat_upgrades_a_group_by_kafkas_records() {
    check(2, "y", Y, |groups, soft, ask, topics| {
        groups.consumer_heartbeat(soft, ask, topics, &heartbeat(Y, 0, None))
    });
}

#[test]
fn a_classic_member_lets_go_and_catches_up_by_kafkas_records() {
    let x = "x-f71ab760-7496-4977-8b0e-86b19ca7ecea";
    check(17, "join x", Y, |groups, soft, ask, topics| {
        groups.join(soft, ask, topics, &join(x, None, &[1, 3], 1))
    });
    check(19, "join x", Y, |groups, soft, ask, topics| {
        groups.join(soft, ask, topics, &join(x, None, &[1], 1))
    });
}

#[test]
fn the_last_new_member_leaves_by_kafkas_records() {
    check(24, "y", Y, |groups, soft, ask, topics| {
        groups.consumer_heartbeat(soft, ask, topics, &heartbeat(Y, -1, None))
    });
}

#[test]
fn a_static_member_crosses_to_the_new_protocol_by_kafkas_records() {
    check(38, "s2", S2, |groups, soft, ask, topics| {
        groups.consumer_heartbeat(soft, ask, topics, &heartbeat(S2, 0, Some("st")))
    });
}

#[test]
fn a_static_member_crosses_to_the_classic_protocol_by_kafkas_records() {
    check(56, "join s3", S3, |groups, soft, ask, topics| {
        groups.join(soft, ask, topics, &join("", Some("st"), &[], -1))
    });
}
