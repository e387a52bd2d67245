//! Groups through the broker: found, joined, synced, committed, and told about.

use bytes::Bytes;
use ottla_wire::messages::*;
use ottla_wire::{ErrorCode, Generation, Offset, PartitionIndex, StrBytes};

use crate::support::{House, ME};

fn commit_request(group: &str, topic: &str, offset: i64, metadata: &str) -> OffsetCommitRequest {
    use offset_commit_request::*;
    OffsetCommitRequest {
        group_id: group.to_owned().into(),
        generation_id_or_member_epoch: -1,
        topics: vec![OffsetCommitRequestTopic {
            name: topic.to_owned().into(),
            partitions: vec![OffsetCommitRequestPartition {
                committed_offset: Offset(offset),
                committed_metadata: Some(metadata.to_owned().into()),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// Commits an offset for partition 0 outside of any membership.
pub(crate) fn commit(
    house: &House,
    group: &str,
    topic: &str,
    offset: i64,
    metadata: &str,
) -> ErrorCode {
    let told = house.ask(9, commit_request(group, topic, offset, metadata));
    told.topics[0].partitions[0].error_code
}

/// What a group has committed for partition 0.
pub(crate) fn committed(house: &House, group: &str, topic: &str) -> (Offset, String) {
    use offset_fetch_request::*;
    let group = OffsetFetchRequestGroup {
        group_id: group.to_owned().into(),
        topics: Some(vec![OffsetFetchRequestTopics {
            name: topic.to_owned().into(),
            partition_indexes: vec![PartitionIndex(0)],
            ..Default::default()
        }]),
        ..Default::default()
    };
    let request = OffsetFetchRequest { groups: vec![group], ..Default::default() };
    let told = house.ask(9, request);
    assert_eq!(told.groups[0].error_code, ErrorCode::NONE);
    let partition = &told.groups[0].topics[0].partitions[0];
    let metadata = partition.metadata.as_deref().unwrap_or_default();
    (partition.committed_offset, metadata.to_owned())
}

fn find(house: &House, version: i16, group: &str) -> FindCoordinatorResponse {
    let key: StrBytes = group.to_owned().into();
    let request = if version < 4 {
        FindCoordinatorRequest { key, ..Default::default() }
    } else {
        FindCoordinatorRequest { coordinator_keys: vec![key], ..Default::default() }
    };
    house.ask(version, request)
}

#[test]
fn finding_a_coordinator_makes_its_topic_once() {
    let mut house = House::new();
    for _ in 0..3 {
        let told = find(&house, 3, "g");
        assert_eq!(told.error_code, ErrorCode::COORDINATOR_NOT_AVAILABLE);
    }
    house.pass_ms(50);
    let made = house.controller.created.lock().unwrap().clone();
    assert!(made.iter().all(|name| name == "__consumer_offsets") && !made.is_empty());
    house.offsets_topic();
    let told = find(&house, 3, "g");
    assert_eq!((told.error_code, told.node_id, told.port), (ErrorCode::NONE, ME, 9092));
    assert_eq!(told.error_message.as_deref(), Some("NONE"));
    let told = find(&house, 6, "g");
    let found = &told.coordinators[0];
    assert_eq!((&*found.key, found.node_id, &*found.host), ("g", ME, "broker.example"));
    assert_eq!(found.error_message.as_deref(), Some(""));
}

#[test]
fn coordinators_of_many_groups_are_found_in_one_answer() {
    let mut house = House::new();
    house.offsets_topic();
    let coordinator_keys: Vec<StrBytes> = vec!["g".into(), "h".into(), "i".into()];
    for version in 4..=6 {
        let coordinator_keys = coordinator_keys.clone();
        let told =
            house.ask(version, FindCoordinatorRequest { coordinator_keys, ..Default::default() });
        let found: Vec<_> = told
            .coordinators
            .iter()
            .map(|found| (&*found.key, found.error_code, found.node_id, found.port))
            .collect();
        let here = |key| (key, ErrorCode::NONE, ME, 9092);
        assert_eq!(found, [here("g"), here("h"), here("i")], "{version}");
    }
}

#[test]
fn the_home_of_groups_is_asked_for_with_its_own_configs() {
    let house = House::with(&[
        "offsets.topic.num.partitions=7",
        "offsets.topic.replication.factor=2",
        "offsets.topic.segment.bytes=2097152",
    ]);
    find(&house, 3, "g");
    house.pass_ms(50);
    let made = house.controller.requests.lock().unwrap();
    let topic = &made[0].topics[0];
    assert_eq!((topic.num_partitions, topic.replication_factor), (7, 2));
    let configs: Vec<_> = topic
        .configs
        .iter()
        .map(|config| (&*config.name, config.value.as_deref().unwrap()))
        .collect();
    let wanted = [
        ("cleanup.policy", "compact"),
        ("compression.type", "producer"),
        ("segment.bytes", "2097152"),
    ];
    assert_eq!(configs, wanted);
}

#[test]
fn coordinators_that_are_not_served_are_refused_for_good() {
    let house = House::new();
    for (version, key_type) in [(3, 9), (6, 2), (6, 9)] {
        let (key, coordinator_keys) = ("x".into(), vec!["x".into()]);
        let request = if version < 4 {
            FindCoordinatorRequest { key, key_type, ..Default::default() }
        } else {
            FindCoordinatorRequest { coordinator_keys, key_type, ..Default::default() }
        };
        let told = house.ask(version, request);
        let code = told.coordinators.first().map_or(told.error_code, |found| found.error_code);
        assert_eq!(code, ErrorCode::INVALID_REQUEST);
        assert!(!code.is_retriable());
    }
    assert!(house.controller.created.lock().unwrap().is_empty());
}

fn join(member_id: &str) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: "g".into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        member_id: member_id.to_owned().into(),
        protocol_type: "consumer".into(),
        protocols: vec![join_group_request::JoinGroupRequestProtocol {
            name: "range".into(),
            metadata: Bytes::from_static(&[0, 0, 0, 0, 0, 1, 0, 1, b't', 0xff, 0xff, 0xff, 0xff]),
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// A member of group `g` that has its assignment.
fn joined(house: &House) -> (StrBytes, Generation) {
    let first = house.ask(9, join(""));
    assert_eq!(first.error_code, ErrorCode::MEMBER_ID_REQUIRED);
    let told = house.ask(9, join(&first.member_id));
    assert_eq!((told.error_code, &told.leader), (ErrorCode::NONE, &first.member_id));
    let (member_id, generation_id) = (first.member_id, told.generation_id);
    let assignment = sync_group_request::SyncGroupRequestAssignment {
        member_id: member_id.clone(),
        assignment: Bytes::from_static(b"mine"),
        ..Default::default()
    };
    let told = house.ask(
        5,
        SyncGroupRequest {
            group_id: "g".into(),
            generation_id,
            member_id: member_id.clone(),
            protocol_type: Some("consumer".into()),
            protocol_name: Some("range".into()),
            assignments: vec![assignment],
            ..Default::default()
        },
    );
    assert_eq!((told.error_code, &*told.assignment), (ErrorCode::NONE, b"mine".as_slice()));
    (member_id, generation_id)
}

fn heartbeat(house: &House, member: &StrBytes, generation_id: Generation) -> ErrorCode {
    let request = HeartbeatRequest {
        group_id: "g".into(),
        generation_id,
        member_id: member.clone(),
        ..Default::default()
    };
    house.ask(4, request).error_code
}

fn with_groups() -> House {
    let mut house = House::new();
    house.offsets_topic();
    house.topic("t", 1, &[]);
    house
}

#[test]
fn a_member_joins_syncs_commits_and_leaves() {
    let house = with_groups();
    let (member, generation) = joined(&house);
    assert_eq!(heartbeat(&house, &member, generation), ErrorCode::NONE);
    let mut request = commit_request("g", "t", 5, "meta");
    request.generation_id_or_member_epoch = generation.0;
    request.member_id = member.clone();
    let told = house.ask(9, request);
    assert_eq!(told.topics[0].partitions[0].error_code, ErrorCode::NONE);
    assert_eq!(committed(&house, "g", "t"), (Offset(5), "meta".to_owned()));
    let groups = vec!["g".into()];
    let told = house.ask(6, DescribeGroupsRequest { groups, ..Default::default() });
    let group = &told.groups[0];
    assert_eq!((&*group.group_state, &*group.protocol_data), ("Stable", "range"));
    assert_eq!(&*group.members[0].client_host, "/127.0.0.1");
    assert_eq!(&*group.members[0].client_id, "tester");
    let members = vec![leave_group_request::MemberIdentity {
        member_id: member.clone(),
        ..Default::default()
    }];
    let leaving = LeaveGroupRequest { group_id: "g".into(), members, ..Default::default() };
    assert_eq!(house.ask(5, leaving).error_code, ErrorCode::NONE);
    assert_eq!(heartbeat(&house, &member, generation), ErrorCode::UNKNOWN_MEMBER_ID);
    let listed = house.ask(5, ListGroupsRequest::default());
    assert_eq!((&*listed.groups[0].group_id, &*listed.groups[0].group_state), ("g", "Empty"));
    let groups_names = vec!["g".into(), "nope".into()];
    let told = house.ask(2, DeleteGroupsRequest { groups_names, ..Default::default() });
    let mut codes: Vec<_> =
        told.results.iter().map(|result| (&*result.group_id, result.error_code)).collect();
    codes.sort();
    assert_eq!(codes, [("g", ErrorCode::NONE), ("nope", ErrorCode::GROUP_ID_NOT_FOUND)]);
    assert_eq!(committed(&house, "g", "t").0, Offset(-1));
}

#[test]
fn sessions_of_classic_members_keep_to_the_configured_limits() {
    let limits = ["group.min.session.timeout.ms=1000", "group.max.session.timeout.ms=2000"];
    let mut house = House::with(&limits);
    house.offsets_topic();
    let joined = |session_timeout_ms| {
        house.ask(9, JoinGroupRequest { session_timeout_ms, ..join("") }).error_code
    };
    assert_eq!([999, 2_001].map(joined), [ErrorCode::INVALID_SESSION_TIMEOUT; 2]);
    assert_eq!([1_000, 2_000].map(joined), [ErrorCode::MEMBER_ID_REQUIRED; 2]);
}

#[test]
fn a_new_group_waits_as_long_and_is_as_large_as_the_broker_is_told() {
    let mut house = House::with(&["group.initial.rebalance.delay.ms=500", "group.max.size=1"]);
    house.offsets_topic();
    let first = house.ask(9, join("")).member_id;
    let waiting = house.begin(9, join(&first));
    house.pass_ms(400);
    assert!(!waiting.is_done());
    house.pass_ms(700);
    assert!(waiting.is_done());
    assert_eq!(house.ask(9, join("")).error_code, ErrorCode::GROUP_MAX_SIZE_REACHED);
}

#[test]
fn what_names_no_partition_is_not_answered_in_a_commit() {
    let house = with_groups();
    let mut request = commit_request("g", "t", 5, "meta");
    request.topics[0].partitions.clear();
    assert_eq!(house.ask(9, request).topics, []);
}

#[test]
fn a_second_member_waits_for_the_first_to_join_again() {
    let house = with_groups();
    let (member, generation) = joined(&house);
    let second = house.ask(9, join("")).member_id;
    let waiting = house.begin(9, join(&second));
    assert!(!waiting.is_done());
    assert_eq!(heartbeat(&house, &member, generation), ErrorCode::REBALANCE_IN_PROGRESS);
    let first = house.begin(9, join(&member));
    house.pass_ms(50);
    let generations = [first.answer().answer(), waiting.answer().answer()];
    assert!(generations.iter().all(|told| told.error_code == ErrorCode::NONE));
    assert!(generations.iter().all(|told| told.generation_id.0 == generation.0 + 1));
}

#[test]
fn members_outlive_a_kill_of_the_broker() {
    let mut house = with_groups();
    let (member, generation) = joined(&house);
    house.kill_and_restart();
    assert_eq!(heartbeat(&house, &member, generation), ErrorCode::NONE);
    house.pass_ms(11_000);
    assert_eq!(heartbeat(&house, &member, generation), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn offsets_of_topics_and_partitions_that_are_not_there_are_refused_or_unknown() {
    let house = with_groups();
    assert_eq!(commit(&house, "g", "nope", 1, ""), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(committed(&house, "g", "nope"), (Offset(-1), String::new()));
    let mut request = commit_request("g", "", 1, "");
    request.topics[0].topic_id = crate::support::id_of("nope");
    let told = house.ask(10, request);
    assert_eq!(told.topics[0].partitions[0].error_code, ErrorCode::UNKNOWN_TOPIC_ID);
    let told = house.ask(5, ListGroupsRequest::default());
    assert!(told.groups.is_empty(), "a commit of nothing makes no group: {told:?}");
    // Kafka looks at the topics before it asks the group's coordinator.
    let mut request = commit_request("g", "nope", 1, "");
    request.generation_id_or_member_epoch = 5;
    let told = house.ask(9, request);
    let code = told.topics[0].partitions[0].error_code;
    assert_eq!(code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    let long = "x".repeat(4_097);
    assert_eq!(commit(&house, "g", "t", 1, &long), ErrorCode::OFFSET_METADATA_TOO_LARGE);
}

#[test]
fn offsets_of_many_groups_are_fetched_in_one_answer() {
    use offset_fetch_request::*;
    let house = with_groups();
    for (group, offset) in [("g", 5), ("h", 7)] {
        let told = house.ask(9, commit_request(group, "t", offset, ""));
        assert_eq!(told.topics[0].partitions[0].error_code, ErrorCode::NONE);
    }
    for version in 8..=9 {
        let group = |group_id: &str| OffsetFetchRequestGroup {
            group_id: group_id.to_owned().into(),
            topics: Some(vec![OffsetFetchRequestTopics {
                name: "t".into(),
                partition_indexes: vec![PartitionIndex(0)],
                ..Default::default()
            }]),
            ..Default::default()
        };
        let groups = vec![group("g"), group("h"), group("nobody")];
        let told = house.ask(version, OffsetFetchRequest { groups, ..Default::default() });
        let offsets: Vec<_> = told
            .groups
            .iter()
            .map(|group| (&*group.group_id, group.topics[0].partitions[0].committed_offset))
            .collect();
        let wanted = [("g", Offset(5)), ("h", Offset(7)), ("nobody", Offset(-1))];
        assert_eq!(offsets, wanted, "{version}");
    }
}

#[test]
fn who_names_a_group_again_and_again_is_answered_once() {
    use offset_fetch_request::*;
    let house = with_groups();
    commit(&house, "g", "t", 3, "");
    let asked =
        |topics| OffsetFetchRequestGroup { group_id: "g".into(), topics, ..Default::default() };
    let groups = vec![asked(None), asked(Some(Vec::new())), asked(None), asked(None)];
    let told = house.ask(9, OffsetFetchRequest { groups, ..Default::default() });
    let counts: Vec<_> = told.groups.iter().map(|group| group.topics.len()).collect();
    assert_eq!(counts, [1, 0]);
    let groups = vec!["g".into(); 1_000];
    let told = house.ask(5, DescribeGroupsRequest { groups, ..Default::default() });
    assert_eq!(told.groups.len(), 1);
}

#[test]
fn deleting_a_topic_forgets_what_was_committed_for_it() {
    let mut house = with_groups();
    house.topic("other", 1, &[]);
    commit(&house, "g", "t", 3, "");
    commit(&house, "g", "other", 4, "");
    house.delete_topic("t");
    assert_eq!(committed(&house, "g", "t").0, Offset(-1));
    assert_eq!(committed(&house, "g", "other").0, Offset(4));
}

#[test]
fn offsets_are_deleted_by_topic() {
    let house = with_groups();
    commit(&house, "g", "t", 3, "");
    let partitions = vec![Default::default()];
    let topics =
        vec![offset_delete_request::OffsetDeleteRequestTopic { name: "t".into(), partitions }];
    let request = OffsetDeleteRequest { group_id: "g".into(), topics };
    let told = house.ask(0, request);
    assert_eq!(told.topics[0].partitions[0].error_code, ErrorCode::NONE);
    assert_eq!(committed(&house, "g", "t").0, Offset(-1));
}

#[test]
fn a_member_that_names_protocols_without_end_is_refused_before_they_are_compared() {
    use join_group_request::JoinGroupRequestProtocol;
    let mut house = House::new();
    house.offsets_topic();
    let protocol = |at: usize| JoinGroupRequestProtocol {
        name: format!("p{at}").into(),
        ..Default::default()
    };
    let protocols = (0..1_001).map(protocol).collect();
    let told = house.ask(5, JoinGroupRequest { protocols, ..join("") });
    assert_eq!(told.error_code, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
}
