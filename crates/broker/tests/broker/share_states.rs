//! Nonsense about the states of share partitions, from whoever is taken for a broker: what is
//! refused as by Apache Kafka, and that what is taken hurts nobody.

use ottla_wire::messages::initialize_share_group_state_request::{self as to_begin};
use ottla_wire::messages::write_share_group_state_request::{self as to_write, StateBatch};
use ottla_wire::messages::{
    InitializeShareGroupStateRequest, ReadShareGroupStateRequest, WriteShareGroupStateRequest,
    read_share_group_state_request as to_read,
};
use ottla_wire::{ErrorCode, LeaderEpoch, Offset, PartitionIndex, TopicId, Uuid};

use crate::shares::{fetch, initialize, put, summary};
use crate::support::{House, feature, id_of};

fn house() -> House {
    let mut house = House::with(&[]);
    house.replay(vec![feature("share.version", 1)]);
    house.topic("t", 2, &[]);
    house.topic("__share_group_state", 3, &[("cleanup.policy", "delete")]);
    house
}

/// Partition, leader epoch, state epoch.
type Asked = (i32, i32, i32);

fn write(house: &House, group: &'static str, topic: TopicId, asked: &[Asked]) -> String {
    let partitions = asked.iter().map(|(partition, leader, state)| to_write::PartitionData {
        partition: PartitionIndex(*partition),
        leader_epoch: LeaderEpoch(*leader),
        state_epoch: *state,
        ..Default::default()
    });
    written(house, group, topic, partitions.collect())
}

fn written(
    house: &House,
    group: &'static str,
    topic_id: TopicId,
    partitions: Vec<to_write::PartitionData>,
) -> String {
    let topic = to_write::WriteStateData { topic_id, partitions, ..Default::default() };
    let request = WriteShareGroupStateRequest {
        group_id: group.into(),
        topics: vec![topic],
        ..Default::default()
    };
    let told = house.ask(1, request).results;
    let told = told.iter().flat_map(|topic| &topic.partitions);
    let told = told.map(|it| format!("{} {}", it.partition, it.error_code.name()));
    told.collect::<Vec<_>>().join(", ")
}

fn read(house: &House, partition: i32, leader: i32) -> String {
    let asked = to_read::PartitionData {
        partition: PartitionIndex(partition),
        leader_epoch: LeaderEpoch(leader),
        ..Default::default()
    };
    let topic = to_read::ReadStateData {
        topic_id: id_of("t"),
        partitions: vec![asked],
        ..Default::default()
    };
    let request = ReadShareGroupStateRequest {
        group_id: "g".into(),
        topics: vec![topic],
        ..Default::default()
    };
    let told = house.ask(0, request).results.remove(0).partitions.remove(0);
    match told.error_code {
        ErrorCode::NONE => {
            format!("from {}, {} batches", told.start_offset, told.state_batches.len())
        }
        error => error.name().to_owned(),
    }
}

fn begin(house: &House, state_epoch: i32) -> ErrorCode {
    let partition = to_begin::PartitionData { state_epoch, ..Default::default() };
    let topic = to_begin::InitializeStateData {
        topic_id: id_of("t"),
        partitions: vec![partition],
        ..Default::default()
    };
    let request = InitializeShareGroupStateRequest {
        group_id: "g".into(),
        topics: vec![topic],
        ..Default::default()
    };
    house.ask(0, request).results[0].partitions[0].error_code
}

fn batch(first: i64, last: i64, delivery_state: i8, delivery_count: i16) -> StateBatch {
    let (first_offset, last_offset) = (Offset(first), Offset(last));
    StateBatch { first_offset, last_offset, delivery_state, delivery_count, ..Default::default() }
}

#[test]
fn epochs_partitions_and_topics_that_cannot_be_are_refused() {
    let house = house();
    initialize(&house, 5);
    assert_eq!(begin(&house, -1), ErrorCode::INVALID_REQUEST);
    assert_eq!(begin(&house, 0), ErrorCode::FENCED_STATE_EPOCH);
    assert_eq!(read(&house, 0, 4), "from 5, 0 batches");
    assert_eq!(read(&house, 0, 3), "FENCED_LEADER_EPOCH");
    assert_eq!(read(&house, 0, -1), "INVALID_REQUEST");
    assert_eq!(read(&house, -1, 4), "INVALID_REQUEST");
    assert_eq!(read(&house, 1, 4), "INVALID_REQUEST", "nobody has initialized it");
    let t = id_of("t");
    for (asked, expect) in [
        ((0, 3, 1), "0 FENCED_LEADER_EPOCH"),
        ((0, 4, 0), "0 FENCED_STATE_EPOCH"),
        ((0, -1, 1), "0 INVALID_REQUEST"),
        ((0, 4, -1), "0 INVALID_REQUEST"),
        ((-1, 4, 1), "-1 INVALID_REQUEST"),
        ((9, 4, 1), "9 INVALID_REQUEST"),
        ((0, 4, 1), "0 NONE"),
    ] {
        assert_eq!(write(&house, "g", t, &[asked]), expect, "{asked:?}");
    }
    assert_eq!(write(&house, "g", TopicId(Uuid([9; 16])), &[(0, 0, 1)]), "0 INVALID_REQUEST");
    assert_eq!(summary(&house).0, 5);
}

#[test]
fn of_no_group_nothing_is_told_and_what_is_named_twice_is_answered_once() {
    let house = house();
    initialize(&house, 5);
    let t = id_of("t");
    assert_eq!(write(&house, "", t, &[(0, 0, 1)]), "");
    assert_eq!(write(&house, "g", t, &[]), "");
    let twice = [(0, 0, 1), (1, 0, 1), (0, 0, 0)];
    assert_eq!(write(&house, "g", t, &twice), "0 FENCED_STATE_EPOCH, 1 INVALID_REQUEST");
}

#[test]
fn more_batches_than_a_record_holds_are_refused_and_nothing_of_them_is_kept() {
    let house = house();
    initialize(&house, 5);
    let batches = (0..100_000).map(|at| batch(2 * at, 2 * at, 2, 1));
    let much = to_write::PartitionData {
        state_epoch: 1,
        start_offset: Offset(7),
        state_batches: batches.collect(),
        ..Default::default()
    };
    assert_eq!(written(&house, "g", id_of("t"), vec![much]), "0 UNKNOWN_SERVER_ERROR");
    assert_eq!(summary(&house).0, 5);
    assert_eq!(read(&house, 0, 0), "from 5, 0 batches");
}

#[test]
fn batches_without_sense_hurt_no_member() {
    let house = house();
    initialize(&house, 0);
    put(&house, &["a", "b", "c"]);
    let wild = to_write::PartitionData {
        state_epoch: 1,
        start_offset: Offset(-7),
        delivery_complete_count: -9,
        state_batches: vec![
            batch(9, 5, 2, 1),
            batch(i64::MIN, -1, 2, 1),
            batch(0, 0, 77, -4),
            batch(1, 1, 2, 1),
            batch(0, 1, 4, 0),
            batch(7, i64::MAX, 2, 1),
        ],
        ..Default::default()
    };
    assert_eq!(written(&house, "g", id_of("t"), vec![wild]), "0 NONE");
    assert_eq!(summary(&house), (0, 0), "what a group is done with does not fall");
    assert_eq!(read(&house, 0, 0), "from 0, 2 batches");
    assert_eq!(fetch(&house, "m", 0, &[]), "2-2/1 a b c");
}
