//! Streams groups: what the broker says of a topology, and what it does for it.

use ottla_wire::messages::streams_group_heartbeat_request::{Subtopology, TopicInfo, Topology};
use ottla_wire::messages::*;
use ottla_wire::{ApiKey, ErrorCode, MemberEpoch, StrBytes};

use crate::support::{House, feature};

fn house(configs: &[&str]) -> House {
    let mut all = vec!["group.streams.initial.rebalance.delay.ms=0"];
    all.extend(configs);
    let mut house = House::with(&all);
    house.replay(vec![feature("streams.version", 1)]);
    house.topic("in", 2, &[]);
    house.offsets_topic();
    house
}

/// A topology that reads these topics, and one with a topic of its own in between.
fn reading(sources: &[&'static str], between: Option<&'static str>) -> Topology {
    let first = Subtopology {
        subtopology_id: "0".into(),
        source_topics: sources.iter().map(|name| StrBytes::from(*name)).collect(),
        repartition_sink_topics: between.map(StrBytes::from).into_iter().collect(),
        ..Default::default()
    };
    let second = between.map(|name| Subtopology {
        subtopology_id: "1".into(),
        repartition_source_topics: vec![TopicInfo {
            name: name.into(),
            replication_factor: -1,
            ..Default::default()
        }],
        ..Default::default()
    });
    let subtopologies = [first].into_iter().chain(second).collect();
    Topology { epoch: 0, subtopologies, ..Default::default() }
}

fn join(
    house: &House,
    group: &'static str,
    member: &'static str,
    topology: Topology,
) -> StreamsGroupHeartbeatResponse {
    let request = StreamsGroupHeartbeatRequest {
        group_id: group.into(),
        member_id: member.into(),
        rebalance_timeout_ms: 60_000,
        process_id: Some("process".into()),
        topology: Some(topology),
        active_tasks: Some(Vec::new()),
        standby_tasks: Some(Vec::new()),
        warmup_tasks: Some(Vec::new()),
        ..Default::default()
    };
    house.ask(0, request)
}

/// What the next heartbeat tells of the group.
fn status(house: &House, epoch: MemberEpoch) -> String {
    let request = StreamsGroupHeartbeatRequest {
        group_id: "g".into(),
        member_id: "m".into(),
        member_epoch: epoch,
        ..Default::default()
    };
    let told = house.ask(0, request).status.unwrap_or_default();
    let told = told.iter().map(|it| format!("{} {}", it.status_code, it.status_detail));
    told.collect::<Vec<_>>().join(", ")
}

#[test]
fn topics_that_no_application_may_have_make_a_topology_invalid() {
    let house = house(&[]);
    let said = |topology| {
        let told = join(&house, "g", "m", topology);
        (told.error_code, told.error_message.unwrap_or_default().to_string())
    };
    let words = "Use of Kafka internal topics __consumer_offsets in a Kafka Streams topology is \
                 prohibited.";
    let expect = (ErrorCode::STREAMS_INVALID_TOPOLOGY, words.to_owned());
    assert_eq!(said(reading(&["in", "__consumer_offsets"], None)), expect);
    let words = "Topic names a b,c/d are not valid topic names.";
    let expect = (ErrorCode::STREAMS_INVALID_TOPOLOGY, words.to_owned());
    assert_eq!(said(reading(&["a b", "in", "c/d"], None)), expect);
    assert_eq!(said(reading(&["in"], None)).0, ErrorCode::NONE);
}

#[test]
fn what_a_topology_needs_is_asked_for_in_the_clients_name_and_a_failure_is_told() {
    let house = house(&[]);
    let asked = || {
        let asked = house.controller.asked.lock().unwrap();
        asked.iter().filter(|key| **key == ApiKey::Envelope).count()
    };
    let told = join(&house, "g", "m", reading(&["in"], Some("g-r-repartition")));
    assert_eq!(told.error_code, ErrorCode::NONE);
    let missing = "3 Internal topics are missing: g-r-repartition";
    let status_of = told.status.unwrap_or_default();
    assert_eq!(format!("3 {}", status_of[0].status_detail), missing);
    house.pass_ms(100);
    assert_eq!(asked(), 1);
    // The stub of a controller passes no CreateTopics on.
    let said = status(&house, told.member_epoch);
    let failed = format!("{missing}; Creation failed: g-r-repartition (");
    assert!(said.starts_with(&failed), "{said}");
    assert_eq!(asked(), 1, "it is not tried again at once");
    house.pass_ms(10_001);
    status(&house, told.member_epoch);
    house.pass_ms(100);
    assert_eq!(asked(), 2);
}

#[test]
fn configs_of_streams_groups_hold_for_one_or_for_all() {
    let mut house =
        house(&["group.streams.heartbeat.interval.ms=6000", "group.streams.max.size=1"]);
    house.configure_group("g", "streams.heartbeat.interval.ms", "7000");
    house.configure_group("g", "streams.session.timeout.ms", "50000");
    let joined = |group, member| {
        let told = join(&house, group, member, reading(&["in"], None));
        (told.error_code, told.heartbeat_interval_ms)
    };
    assert_eq!(joined("g", "m"), (ErrorCode::NONE, 7_000));
    assert_eq!(joined("other", "m"), (ErrorCode::NONE, 6_000));
    assert_eq!(joined("g", "n").0, ErrorCode::GROUP_MAX_SIZE_REACHED);
    let state = || {
        let request =
            StreamsGroupDescribeRequest { group_ids: vec!["g".into()], ..Default::default() };
        house.ask(0, request).groups[0].members.len()
    };
    house.pass_ms(49_000);
    assert_eq!(state(), 1);
    house.pass_ms(2_000);
    assert_eq!(state(), 0, "nobody was heard of for longer than the group allows");
}

/// What is told of a streams group.
fn described(
    house: &House,
    group: &'static str,
) -> streams_group_describe_response::DescribedGroup {
    let request =
        StreamsGroupDescribeRequest { group_ids: vec![group.into()], ..Default::default() };
    house.ask(1, request).groups.remove(0)
}

/// A later heartbeat: the epoch that the member is in after it, and the number of each status.
fn beat(
    house: &House,
    group: &'static str,
    member: &'static str,
    epoch: MemberEpoch,
) -> (i32, Vec<i8>) {
    let request = StreamsGroupHeartbeatRequest {
        group_id: group.into(),
        member_id: member.into(),
        member_epoch: epoch,
        ..Default::default()
    };
    let told = house.ask(0, request);
    let status = told.status.unwrap_or_default();
    (told.member_epoch.0, status.iter().map(|it| it.status_code).collect())
}

const DELAYED: i8 = 5;

#[test]
fn a_streams_member_may_be_silent_for_as_long_as_the_broker_says() {
    let house = house(&["group.streams.session.timeout.ms=46000"]);
    assert_eq!(join(&house, "g", "m", reading(&["in"], None)).error_code, ErrorCode::NONE);
    house.pass_ms(45_900);
    assert_eq!(described(&house, "g").members.len(), 1);
    house.pass_ms(200);
    assert_eq!(described(&house, "g").members.len(), 0);
}

#[test]
fn assignments_of_streams_groups_wait_for_their_interval() {
    let mut house = house(&["group.streams.assignment.interval.ms=2000"]);
    house.configure_group("own", "streams.assignment.interval.ms", "0");
    for (group, waits) in [("g", true), ("own", false)] {
        assert_eq!(join(&house, group, "a", reading(&["in"], None)).member_epoch.0, 2);
        let second = join(&house, group, "b", reading(&["in"], None));
        let status = second.status.unwrap_or_default();
        assert_eq!(status.iter().any(|it| it.status_code == DELAYED), waits, "{group}");
        assert_eq!(second.member_epoch.0, if waits { 2 } else { 3 }, "{group}");
    }
    house.pass_ms(1_900);
    assert_eq!(beat(&house, "g", "b", MemberEpoch(2)), (2, vec![DELAYED]));
    house.pass_ms(200);
    assert_eq!(beat(&house, "g", "b", MemberEpoch(2)), (3, vec![]));
}

#[test]
fn the_first_assignment_of_a_streams_group_waits_as_long_as_configured() {
    let mut house = house(&["group.streams.initial.rebalance.delay.ms=500"]);
    house.configure_group("own", "streams.initial.rebalance.delay.ms", "0");
    let epoch_of = |group| join(&house, group, "m", reading(&["in"], None)).member_epoch.0;
    assert_eq!((epoch_of("g"), epoch_of("own")), (1, 2));
    house.pass_ms(400);
    assert_eq!(beat(&house, "g", "m", MemberEpoch(1)), (1, vec![DELAYED]));
    house.pass_ms(200);
    assert_eq!(beat(&house, "g", "m", MemberEpoch(1)), (2, vec![]));
}

#[test]
fn stateful_tasks_of_streams_groups_have_as_many_copies_as_configured() {
    let mut house = house(&["group.streams.num.standby.replicas=1"]);
    house.configure_group("own", "streams.num.standby.replicas", "0");
    house.topic("counts", 2, &[]);
    let mut topology = reading(&["in"], None);
    topology.subtopologies[0].state_changelog_topics =
        vec![TopicInfo { name: "counts".into(), replication_factor: -1, ..Default::default() }];
    for (group, copies) in [("g", 2), ("own", 0)] {
        for member in ["a", "b"] {
            let request = StreamsGroupHeartbeatRequest {
                group_id: group.into(),
                member_id: member.into(),
                rebalance_timeout_ms: 60_000,
                process_id: Some(member.into()),
                topology: Some(topology.clone()),
                active_tasks: Some(Vec::new()),
                standby_tasks: Some(Vec::new()),
                warmup_tasks: Some(Vec::new()),
                ..Default::default()
            };
            assert_eq!(house.ask(0, request).error_code, ErrorCode::NONE);
            house.pass_ms(1_100);
        }
        let (_, delayed) = beat(&house, group, "b", MemberEpoch(2));
        assert_eq!(delayed, [], "{group}");
        let members = described(&house, group).members;
        let standbys = members.iter().flat_map(|member| &member.target_assignment.standby_tasks);
        assert_eq!(standbys.map(|it| it.partitions.len()).sum::<usize>(), copies, "{group}");
    }
}

#[test]
fn who_describes_groups_without_a_name_hears_so_and_streams_groups_tell_their_assignor() {
    let mut house = house(&[]);
    house.replay(vec![feature("group.version", 1)]);
    join(&house, "g", "m", reading(&["in"], None));
    assert_eq!(described(&house, "g").assignor_name.as_deref(), Some("sticky"));
    assert_eq!(described(&house, "").error_code, ErrorCode::INVALID_GROUP_ID);
    let request = ConsumerGroupDescribeRequest { group_ids: vec!["".into()], ..Default::default() };
    assert_eq!(house.ask(1, request).groups[0].error_code, ErrorCode::INVALID_GROUP_ID);
}

#[test]
fn a_cluster_without_the_feature_has_no_streams_groups() {
    let mut house = house(&[]);
    house.replay(vec![feature("streams.version", 0)]);
    let told = join(&house, "g", "m", reading(&["in"], None));
    assert_eq!(told.error_code, ErrorCode::UNSUPPORTED_VERSION);
    let request = StreamsGroupDescribeRequest { group_ids: vec!["g".into()], ..Default::default() };
    let described = house.ask(0, request);
    assert_eq!(described.groups[0].error_code, ErrorCode::UNSUPPORTED_VERSION);
}
