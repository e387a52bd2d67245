//! KIP-848 groups through the broker: joined, assigned, committed, configured and told about.

use ottla_wire::messages::consumer_group_heartbeat_request::TopicPartitions;
use ottla_wire::messages::*;
use ottla_wire::{ErrorCode, MemberEpoch, PartitionIndex, StrBytes};

use crate::groups::{commit, committed};
use crate::support::{House, feature, id_of};

type Heartbeat = ConsumerGroupHeartbeatRequest;

fn with_consumer_groups() -> House {
    let mut house = House::new();
    house.replay(vec![feature("group.version", 1)]);
    house.offsets_topic();
    house.topic("t", 2, &[]);
    house
}

fn joining(member: &str) -> Heartbeat {
    Heartbeat {
        group_id: "g".into(),
        member_id: member.to_owned().into(),
        rebalance_timeout_ms: 60_000,
        subscribed_topic_names: Some(vec!["t".into()]),
        topic_partitions: Some(Vec::new()),
        ..Default::default()
    }
}

fn beat(member: &str, epoch: i32) -> Heartbeat {
    Heartbeat {
        group_id: "g".into(),
        member_id: member.to_owned().into(),
        member_epoch: MemberEpoch(epoch),
        ..Default::default()
    }
}

fn assigned(told: &ConsumerGroupHeartbeatResponse) -> Option<Vec<i32>> {
    let topics = &told.assignment.as_ref()?.topic_partitions;
    let partitions = topics.iter().flat_map(|topic| {
        assert_eq!(topic.topic_id, id_of("t"));
        topic.partitions.iter().map(|index| index.0)
    });
    Some(partitions.collect())
}

#[test]
fn a_member_of_a_consumer_group_joins_commits_and_leaves() {
    let house = with_consumer_groups();
    let told = house.ask(1, joining("m"));
    assert_eq!((told.error_code, told.member_epoch), (ErrorCode::NONE, MemberEpoch(2)));
    assert_eq!(assigned(&told), Some(vec![0, 1]));
    assert!((250..=1_000).contains(&told.heartbeat_interval_ms), "others may come with it");
    house.pass_ms(1_000);
    let told = house.ask(1, beat("m", 2));
    assert_eq!((told.error_code, assigned(&told)), (ErrorCode::NONE, None));
    assert_eq!(told.heartbeat_interval_ms, 5_000);
    // Nobody else may commit while somebody is in the group.
    assert_eq!(commit(&house, "g", "t", 5, ""), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(house.ask(1, beat("m", -1)).member_epoch, MemberEpoch(-1));
    assert_eq!(house.ask(1, beat("m", 2)).error_code, ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(commit(&house, "g", "t", 7, "done"), ErrorCode::NONE);
    assert_eq!(committed(&house, "g", "t").0.0, 7);
}

#[test]
fn the_oldest_clients_are_given_their_member_id() {
    let house = with_consumer_groups();
    assert_eq!(house.ask(1, joining("")).error_code, ErrorCode::INVALID_REQUEST);
    let told = house.ask(0, joining(""));
    let member = told.member_id.expect("a member id");
    assert_eq!(house.ask(0, beat(&member, 2)).error_code, ErrorCode::NONE);
}

#[test]
fn partitions_go_over_to_a_second_member_once_the_first_has_let_them_go() {
    let house = with_consumer_groups();
    house.ask(1, joining("a"));
    house.pass_ms(1_000);
    let told = house.ask(1, joining("b"));
    assert_eq!((told.member_epoch, assigned(&told)), (MemberEpoch(3), Some(vec![])));
    let told = house.ask(1, beat("a", 2));
    assert_eq!((told.member_epoch, assigned(&told)), (MemberEpoch(2), Some(vec![0])));
    let owned = vec![TopicPartitions {
        topic_id: id_of("t"),
        partitions: vec![PartitionIndex(0)],
        ..Default::default()
    }];
    let revoked = Heartbeat { topic_partitions: Some(owned), ..beat("a", 2) };
    assert_eq!(house.ask(1, revoked).member_epoch, MemberEpoch(3));
    assert_eq!(assigned(&house.ask(1, beat("b", 3))), Some(vec![1]));
}

#[test]
fn new_partitions_and_topics_reach_the_group_with_a_heartbeat() {
    let mut house = with_consumer_groups();
    let regex = Heartbeat {
        subscribed_topic_names: None,
        subscribed_topic_regex: Some("[tv].*".into()),
        ..joining("m")
    };
    assert_eq!(assigned(&house.ask(1, regex)), Some(vec![0, 1]));
    house.topic("v", 1, &[]);
    house.pass_ms(11_000);
    let told = house.ask(1, beat("m", 2));
    assert_eq!(told.member_epoch, MemberEpoch(3));
    assert_eq!(told.assignment.expect("it changed").topic_partitions.len(), 2);
}

#[test]
fn a_consumer_group_is_described_and_listed_as_it_is() {
    let house = with_consumer_groups();
    house.ask(1, Heartbeat { rack_id: Some("r".into()), ..joining("m") });
    let group_ids = vec!["g".into(), "nope".into()];
    let request = ConsumerGroupDescribeRequest {
        group_ids,
        include_authorized_operations: true,
        ..Default::default()
    };
    let told = house.ask(1, request);
    let group = told.groups.iter().find(|group| &*group.group_id == "g").unwrap();
    assert_eq!((&*group.group_state, &*group.assignor_name), ("Stable", "uniform"));
    assert_eq!((group.group_epoch, group.assignment_epoch), (MemberEpoch(2), MemberEpoch(2)));
    assert_ne!(group.authorized_operations, i32::MIN);
    let member = &group.members[0];
    assert_eq!((&*member.client_id, &*member.client_host), ("tester", "/127.0.0.1"));
    assert_eq!((member.rack_id.as_deref(), member.member_type), (Some("r"), 1));
    assert_eq!(&*member.assignment.topic_partitions[0].topic_name, "t");
    assert_eq!(member.assignment, member.target_assignment);
    let nope = told.groups.iter().find(|group| &*group.group_id == "nope").unwrap();
    assert_eq!(nope.error_code, ErrorCode::GROUP_ID_NOT_FOUND);
    let types_filter: Vec<StrBytes> = vec!["Consumer".into()];
    let listed = house.ask(5, ListGroupsRequest { types_filter, ..Default::default() });
    assert_eq!((&*listed.groups[0].group_id, &*listed.groups[0].group_state), ("g", "Stable"));
    let groups_names = vec!["g".into()];
    let told = house.ask(2, DeleteGroupsRequest { groups_names, ..Default::default() });
    assert_eq!(told.results[0].error_code, ErrorCode::NON_EMPTY_GROUP);
}

#[test]
fn members_of_consumer_groups_outlive_a_kill_of_the_broker() {
    let mut house = with_consumer_groups();
    house.ask(1, joining("m"));
    house.kill_and_restart();
    assert_eq!(house.ask(1, beat("m", 2)).error_code, ErrorCode::NONE);
    house.pass_ms(46_000);
    assert_eq!(house.ask(1, beat("m", 2)).error_code, ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn configs_of_consumer_groups_hold_for_one_or_for_all() {
    let mut house = House::with(&[
        "group.consumer.heartbeat.interval.ms=6000",
        "group.consumer.session.timeout.ms=50000",
        "group.consumer.max.size=1",
        "group.consumer.assignors=range",
    ]);
    house.replay(vec![feature("group.version", 1)]);
    house.offsets_topic();
    house.topic("t", 2, &[]);
    let refused =
        house.ask(1, Heartbeat { server_assignor: Some("uniform".into()), ..joining("m") });
    assert_eq!(refused.error_code, ErrorCode::UNSUPPORTED_ASSIGNOR);
    assert_eq!(house.ask(1, joining("m")).error_code, ErrorCode::NONE);
    house.pass_ms(1_000);
    assert_eq!(house.ask(1, beat("m", 2)).heartbeat_interval_ms, 6_000);
    assert_eq!(house.ask(1, joining("n")).error_code, ErrorCode::GROUP_MAX_SIZE_REACHED);
    house.pass_ms(49_000);
    assert_eq!(house.ask(1, beat("m", 2)).error_code, ErrorCode::NONE);
    house.configure_group("g", "consumer.heartbeat.interval.ms", "7000");
    house.configure_group("g", "consumer.session.timeout.ms", "45000");
    assert_eq!(house.ask(1, beat("m", 2)).heartbeat_interval_ms, 7_000);
    house.pass_ms(46_000);
    assert_eq!(house.ask(1, beat("m", 2)).error_code, ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn assignments_of_all_groups_wait_for_the_interval_of_the_broker() {
    let mut house = House::with(&["group.consumer.assignment.interval.ms=2000"]);
    house.replay(vec![feature("group.version", 1)]);
    house.offsets_topic();
    house.topic("t", 2, &[]);
    house.ask(1, joining("a"));
    assert_eq!(house.ask(1, joining("b")).member_epoch, MemberEpoch(2));
    house.pass_ms(1_900);
    assert_eq!(house.ask(1, beat("b", 2)).member_epoch, MemberEpoch(2));
    house.pass_ms(200);
    assert_eq!(house.ask(1, beat("b", 2)).member_epoch, MemberEpoch(3));
}

#[test]
fn assignments_wait_for_the_interval_of_their_group() {
    let mut house = with_consumer_groups();
    house.ask(1, joining("a"));
    assert_eq!(house.ask(1, joining("b")).member_epoch, MemberEpoch(2));
    house.configure_group("g", "consumer.assignment.interval.ms", "0");
    assert_eq!(house.ask(1, beat("b", 2)).member_epoch, MemberEpoch(3));
}

#[test]
fn without_the_feature_or_the_protocol_there_are_no_consumer_groups() {
    let mut house = House::new();
    assert_eq!(house.ask(1, joining("m")).error_code, ErrorCode::UNSUPPORTED_VERSION);
    house = House::with(&["group.coordinator.rebalance.protocols=classic"]);
    house.replay(vec![feature("group.version", 1)]);
    assert_eq!(house.ask(1, joining("m")).error_code, ErrorCode::UNSUPPORTED_VERSION);
    let group_ids = vec!["g".into()];
    let told = house.ask(1, ConsumerGroupDescribeRequest { group_ids, ..Default::default() });
    assert_eq!(told.groups[0].error_code, ErrorCode::UNSUPPORTED_VERSION);
}
