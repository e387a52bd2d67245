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
