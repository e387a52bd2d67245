//! Offsets: found by time and by special values, by epoch, and cut off at the start.

use ottla_records::{BatchSettings, Codec, Producer};
use ottla_wire::messages::*;
use ottla_wire::{
    BrokerId, ErrorCode, LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Timestamp,
};

use crate::fetch::values;
use crate::produce::only;
use crate::support::{House, NOW, batch, batch_with, produce};

/// Offset, timestamp and leader epoch of an answer.
type Found = Result<(i64, i64, i32), ErrorCode>;

fn list(house: &House, version: i16, topic: &str, timestamp: i64) -> Found {
    let told = house.ask(version, request(topic, &[0], timestamp));
    found(&told.topics[0].partitions[0])
}

fn found(told: &list_offsets_response::ListOffsetsPartitionResponse) -> Found {
    match told.error_code {
        ErrorCode::NONE => Ok((told.offset.0, told.timestamp.0, told.leader_epoch.0)),
        code => Err(code),
    }
}

fn request(topic: &str, partitions: &[i32], timestamp: i64) -> ListOffsetsRequest {
    use list_offsets_request::*;
    let partitions = partitions.iter().map(|index| ListOffsetsPartition {
        partition_index: PartitionIndex(*index),
        timestamp: Timestamp(timestamp),
        ..Default::default()
    });
    let (name, partitions) = (topic.to_owned().into(), partitions.collect());
    let topics = vec![ListOffsetsTopic { name, partitions, ..Default::default() }];
    ListOffsetsRequest { replica_id: BrokerId(-1), topics, ..Default::default() }
}

/// A topic with records at +0, +1 | +100 | +50 ms of the beginning, in three batches.
fn timed() -> House {
    let mut house = House::new();
    house.topic("t", 1, &[]);
    let at = |ms, values: &[(Option<&str>, &str)]| {
        let records = batch_with(BatchSettings::default(), Timestamp(NOW.0 + ms), values);
        assert_eq!(only(house.ask(9, produce("t", 1, records))).error_code, ErrorCode::NONE);
    };
    at(0, &[(None, "a"), (None, "b")]);
    at(100, &[(None, "c")]);
    at(50, &[(None, "d")]);
    house
}

#[test]
fn nothing_is_said_of_a_topic_of_which_nothing_is_asked() {
    let house = timed();
    assert_eq!(house.ask(7, request("t", &[], -1)).topics, []);
}

#[test]
fn special_values_find_the_ends_of_a_log() {
    let house = timed();
    assert_eq!(list(&house, 11, "t", -1), Ok((4, -1, 0)));
    assert_eq!(list(&house, 11, "t", -2), Ok((0, -1, 0)));
    assert_eq!(list(&house, 11, "t", -3), Ok((2, NOW.0 + 100, 0)));
    assert_eq!(list(&house, 11, "t", -4), Ok((0, -1, 0)));
    assert_eq!(list(&house, 11, "t", -5), Ok((-1, -1, -1)));
    assert_eq!(list(&house, 11, "t", -6), Ok((-1, -1, -1)));
}

#[test]
fn special_values_are_refused_by_versions_that_lack_them() {
    let house = timed();
    for (value, since) in [(-1, 1), (-2, 1), (-3, 7), (-4, 8), (-5, 9), (-6, 11)] {
        for version in 1..=11 {
            let told = list(&house, version, "t", value);
            if version < since {
                assert_eq!(told, Err(ErrorCode::UNSUPPORTED_VERSION), "{value} in v{version}");
            } else {
                assert!(told.is_ok(), "{value} in v{version}");
            }
        }
    }
    assert_eq!(list(&house, 11, "t", -7), Err(ErrorCode::UNSUPPORTED_VERSION));
    // What is wrong with the question comes before what is wrong with the topic.
    assert_eq!(list(&house, 6, "nope", -3), Err(ErrorCode::UNSUPPORTED_VERSION));
}

#[test]
fn a_time_finds_the_first_record_that_is_not_older() {
    let house = timed();
    let by_time = |ms| list(&house, 11, "t", NOW.0 + ms);
    assert_eq!(by_time(-1_000), Ok((0, NOW.0, 0)));
    assert_eq!(by_time(1), Ok((1, NOW.0 + 1, 0)));
    assert_eq!(by_time(2), Ok((2, NOW.0 + 100, 0)));
    assert_eq!(by_time(101), Ok((-1, -1, -1)));
}

#[test]
fn a_time_is_exact_to_the_record_in_compressed_batches_too() {
    let values = vec![(Some("k"), "some value"); 40];
    for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let mut house = House::new();
        house.topic("t", 1, &[]);
        // The second batch is older than the end of the first.
        for first in [100, 0, 200] {
            let settings = BatchSettings::compressed(codec);
            let records = batch_with(settings, Timestamp(NOW.0 + first), &values);
            assert_eq!(only(house.ask(9, produce("t", 1, records))).error_code, ErrorCode::NONE);
        }
        let by_time =
            |ms| list(&house, 11, "t", NOW.0 + ms).map(|found| (found.0, found.1 - NOW.0));
        assert_eq!(by_time(50), Ok((0, 100)), "{codec:?}");
        assert_eq!(by_time(117), Ok((17, 117)), "{codec:?}");
        assert_eq!(by_time(139), Ok((39, 139)), "{codec:?}");
        assert_eq!(by_time(140), Ok((80, 200)), "{codec:?}");
        assert_eq!(by_time(239), Ok((119, 239)), "{codec:?}");
        assert_eq!(list(&house, 11, "t", NOW.0 + 240), Ok((-1, -1, -1)), "{codec:?}");
        assert_eq!(list(&house, 11, "t", -3), Ok((119, NOW.0 + 239, 0)), "{codec:?}");
    }
}

#[test]
fn an_empty_log_has_ends_but_no_times() {
    let mut house = House::new();
    house.topic("t", 1, &[]);
    assert_eq!(list(&house, 11, "t", -1), Ok((0, -1, 0)));
    assert_eq!(list(&house, 11, "t", -2), Ok((0, -1, 0)));
    for none in [-3, -5, -6, 0] {
        assert_eq!(list(&house, 11, "t", none), Ok((-1, -1, -1)));
    }
}

#[test]
fn who_asks_twice_or_for_nothing_that_is_there_is_told() {
    let house = timed();
    let told = house.ask(11, request("t", &[0, 0], -1));
    let codes = told.topics[0].partitions.iter().map(|partition| partition.error_code);
    assert_eq!(codes.collect::<Vec<_>>(), [ErrorCode::INVALID_REQUEST]);
    let told = house.ask(11, request("t", &[9], -1));
    let missing = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    assert_eq!(found(&told.topics[0].partitions[0]), Err(missing));
    assert_eq!(list(&house, 11, "nope", -1), Err(missing));
}

#[test]
fn a_leader_that_does_not_know_what_is_committed_does_not_say_where_the_end_is() {
    let mut house = House::new();
    house.replicated_topic("t", &[1, 2], &[1, 2]);
    only(house.ask(9, produce("t", 1, batch(&[(None, "v")]))));
    house.kill_and_restart();
    assert_eq!(list(&house, 11, "t", -1), Err(ErrorCode::OFFSET_NOT_AVAILABLE));
    assert_eq!(list(&house, 4, "t", -1), Err(ErrorCode::LEADER_NOT_AVAILABLE));
    assert_eq!(list(&house, 11, "t", -2).map(|found| found.0), Ok(0));
}

fn epoch_end(
    house: &House,
    topic: &str,
    epoch: i32,
    believed: i32,
) -> Result<(i32, i64), ErrorCode> {
    use offset_for_leader_epoch_request::*;
    let asked = OffsetForLeaderPartition {
        current_leader_epoch: LeaderEpoch(believed),
        leader_epoch: LeaderEpoch(epoch),
        ..Default::default()
    };
    let (topic, partitions) = (topic.to_owned().into(), vec![asked]);
    let topics = vec![OffsetForLeaderTopic { topic, partitions, ..Default::default() }];
    let told = house.ask(4, OffsetForLeaderEpochRequest { topics, ..Default::default() });
    let told = &told.topics[0].partitions[0];
    match told.error_code {
        ErrorCode::NONE => Ok((told.leader_epoch.0, told.end_offset.0)),
        code => Err(code),
    }
}

#[test]
fn an_epoch_ends_where_the_next_one_began() {
    let mut house = timed();
    house.new_leader_epoch("t", 5);
    only(house.ask(9, produce("t", 1, batch(&[(None, "e")]))));
    assert_eq!(epoch_end(&house, "t", 0, -1), Ok((0, 4)));
    assert_eq!(epoch_end(&house, "t", 3, -1), Ok((0, 4)));
    assert_eq!(epoch_end(&house, "t", 5, 5), Ok((5, 5)));
    assert_eq!(epoch_end(&house, "t", 6, -1), Ok((-1, -1)));
    assert_eq!(epoch_end(&house, "t", -1, -1), Ok((-1, -1)));
    assert_eq!(epoch_end(&house, "t", 5, 4), Err(ErrorCode::FENCED_LEADER_EPOCH));
    assert_eq!(epoch_end(&house, "t", 5, 6), Err(ErrorCode::UNKNOWN_LEADER_EPOCH));
    assert_eq!(epoch_end(&house, "no", 5, -1), Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    assert_eq!(list(&house, 11, "t", -1), Ok((5, -1, 5)));
    assert_eq!(list(&house, 11, "t", -2), Ok((0, -1, 0)));
}

pub(crate) fn delete(house: &House, topic: &str, offset: i64) -> Result<i64, ErrorCode> {
    use delete_records_request::*;
    let asked = DeleteRecordsPartition { offset: Offset(offset), ..Default::default() };
    let (name, partitions) = (topic.to_owned().into(), vec![asked]);
    let topics = vec![DeleteRecordsTopic { name, partitions, ..Default::default() }];
    let told = house.ask(2, DeleteRecordsRequest { topics, ..Default::default() });
    let told = &told.topics[0].partitions[0];
    match told.error_code {
        ErrorCode::NONE => Ok(told.low_watermark.0),
        code => {
            assert_eq!(told.low_watermark, Offset(-1));
            Err(code)
        }
    }
}

#[test]
fn deleted_records_are_gone_and_stay_gone() {
    let mut house = timed();
    assert_eq!(delete(&house, "t", 1), Ok(1));
    assert_eq!(values(&house, "t", 1), ["b", "c", "d"]);
    assert_eq!(list(&house, 11, "t", -2).map(|found| found.0), Ok(1));
    assert_eq!(delete(&house, "t", 0), Ok(1), "the start never goes back");
    assert_eq!(delete(&house, "t", -1), Ok(4));
    assert_eq!(list(&house, 11, "t", -3), Ok((-1, -1, -1)));
    house.stop_and_restart();
    assert_eq!(list(&house, 11, "t", -2).map(|found| found.0), Ok(4));
}

#[test]
fn records_are_deleted_only_where_they_may_be() {
    let mut house = timed();
    house.topic("compacted", 1, &[("cleanup.policy", "compact")]);
    house.topic("both", 1, &[("cleanup.policy", "compact,delete")]);
    house.offsets_topic();
    assert_eq!(delete(&house, "t", 5), Err(ErrorCode::OFFSET_OUT_OF_RANGE));
    assert_eq!(delete(&house, "t", -2), Err(ErrorCode::OFFSET_OUT_OF_RANGE));
    assert_eq!(delete(&house, "compacted", 0), Err(ErrorCode::POLICY_VIOLATION));
    assert_eq!(delete(&house, "both", 0), Ok(0));
    assert_eq!(delete(&house, "__consumer_offsets", 0), Err(ErrorCode::INVALID_TOPIC_EXCEPTION));
    assert_eq!(delete(&house, "nope", 0), Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
}

#[test]
fn producers_are_described_by_what_they_wrote_last() {
    let mut house = House::new();
    house.topic("t", 1, &[]);
    let producer = Producer { id: ProducerId(7), epoch: ProducerEpoch(2), base_sequence: 0 };
    let settings = BatchSettings { producer: Some(producer), ..Default::default() };
    let records = batch_with(settings, NOW, &[(None, "a"), (None, "b")]);
    only(house.ask(9, produce("t", 1, records)));
    let topics = vec![describe_producers_request::TopicRequest {
        name: "t".into(),
        partition_indexes: vec![PartitionIndex(0), PartitionIndex(9)],
        ..Default::default()
    }];
    let told = house.ask(0, DescribeProducersRequest { topics, ..Default::default() });
    let [here, missing] = told.topics[0].partitions.as_slice() else { panic!("{told:?}") };
    assert_eq!(missing.error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    let [state] = here.active_producers.as_slice() else { panic!("{here:?}") };
    assert_eq!((state.producer_id, state.producer_epoch), (ProducerId(7), 2));
    assert_eq!((state.last_sequence, state.last_timestamp), (1, Timestamp(NOW.0 + 1)));
    assert_eq!((state.coordinator_epoch, state.current_txn_start_offset), (-1, Offset(-1)));
}
