//! What is there again after a kill, and what readers may see before the disk has it.

use std::time::Duration;

use bytes::Bytes;
use ottla_wire::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use ottla_wire::messages::produce_request::PartitionProduceData;
use ottla_wire::messages::produce_response::PartitionProduceResponse;
use ottla_wire::messages::{DeleteRecordsRequest, DescribeLogDirsRequest};
use ottla_wire::{ErrorCode, Offset, PartitionIndex, Records};

use crate::fetch::{fetch, values};
use crate::groups::{commit, committed};
use crate::produce::only;
use crate::support::{House, batch, produce};

fn put(house: &House, acks: i16, value: &str) -> PartitionProduceResponse {
    only(house.ask(9, produce("t", acks, batch(&[(Some("k"), value)]))))
}

#[test]
fn a_killed_broker_finds_records_and_group_offsets_again() {
    let mut house = House::new();
    house.offsets_topic();
    house.topic("t", 1, &[]);
    put(&house, -1, "one");
    put(&house, 1, "two");
    assert_eq!(commit(&house, "g", "t", 2, "half way"), ErrorCode::NONE);
    for _ in 0..2 {
        house.kill_and_restart();
        assert_eq!(values(&house, "t", 0), ["one", "two"]);
        assert_eq!(committed(&house, "g", "t"), (Offset(2), "half way".to_owned()));
    }
    assert_eq!(put(&house, -1, "three").base_offset, Offset(2));
}

#[test]
fn a_broker_that_stopped_in_order_goes_on_where_it_was() {
    let mut house = House::new();
    house.offsets_topic();
    house.topic("t", 1, &[]);
    put(&house, -1, "one");
    assert_eq!(commit(&house, "g", "t", 1, ""), ErrorCode::NONE);
    house.stop_and_restart();
    assert_eq!(values(&house, "t", 0), ["one"]);
    assert_eq!(committed(&house, "g", "t").0, Offset(1));
}

#[test]
fn flush_messages_of_one_syncs_before_each_acknowledgement() {
    let mut house = House::new();
    house.topic("t", 1, &[("flush.messages", "1")]);
    for acks in [1, -1] {
        let before = house.syncs();
        assert_eq!(put(&house, acks, "v").error_code, ErrorCode::NONE);
        assert!(house.syncs() > before, "acks={acks}");
    }
    house.topic("lazy", 1, &[]);
    let write = || only(house.ask(9, produce("lazy", -1, batch(&[(None, "v")]))));
    // The topic's id is synced before the first record.
    write();
    let before = house.syncs();
    write();
    assert_eq!(house.syncs(), before);
}

#[test]
fn the_partitions_of_a_request_are_synced_beside_one_another() {
    let mut house = House::new();
    house.topic("t", 8, &[("flush.messages", "1")]);
    let mut request = produce("t", 1, Bytes::new());
    let first = request.topic_data[0].partition_data.remove(0);
    for index in 0..8 {
        let records = Some(Records::Bytes(batch(&[(None, "v")])));
        let index = PartitionIndex(index);
        let data = PartitionProduceData { index, records, ..first.clone() };
        request.topic_data[0].partition_data.push(data);
    }
    let before = house.syncs();
    let told = house.ask(9, request);
    assert_eq!(told.responses[0].partition_responses.len(), 8);
    assert!(house.syncs() >= before + 8);
    house.crash_and_restart();
    let mut read = fetch("t", 0);
    read.topics[0].partitions[0].partition = PartitionIndex(7);
    assert_eq!(house.ask(12, read).responses[0].partitions[0].high_watermark, Offset(1));
}

#[test]
fn what_was_acknowledged_after_a_sync_outlives_a_power_cut() {
    let mut house = House::new();
    house.topic("t", 1, &[("flush.messages", "1")]);
    let mut kept = Vec::new();
    for round in 0..4 {
        for at in 0..3 {
            let value = format!("{round}.{at}");
            put(&house, if at == 1 { 1 } else { -1 }, &value);
            kept.push(value);
        }
        house.crash_and_restart();
        assert_eq!(values(&house, "t", 0), kept);
    }
}

#[test]
fn readers_never_see_what_a_power_cut_could_take_back() {
    let mut house = House::new();
    house.topic("t", 1, &[("flush.messages", "1")]);
    house.world.disk(crate::support::NODE).break_below("/data", ottla_sim::Broken::Syncs);
    let told = put(&house, -1, "never synced");
    assert_eq!(told.error_code, ErrorCode::KAFKA_STORAGE_ERROR);
    let seen = house.ask(12, fetch("t", 0));
    let partition = &seen.responses[0].partitions[0];
    assert!(partition.error_code != ErrorCode::NONE || partition.high_watermark == Offset(0));
    house.world.disk(crate::support::NODE).repair();
}

#[test]
fn a_disk_that_hangs_ends_no_request_later_than_its_timeout() {
    let mut house = House::new();
    house.topic("t", 1, &[("flush.messages", "1")]);
    assert_eq!(put(&house, -1, "before").error_code, ErrorCode::NONE);
    let disk = house.world.disk(crate::support::NODE);
    disk.hang_for(Duration::from_secs(90));
    for acks in [-1, 1] {
        assert_eq!(put(&house, acks, "hangs").error_code, ErrorCode::REQUEST_TIMED_OUT);
    }
    disk.repair();
    let comes_back = || put(&house, -1, "after").error_code == ErrorCode::NONE;
    assert!((0..5).any(|_| comes_back()));
}

#[test]
fn without_an_acknowledgement_a_sync_still_shows_the_record() {
    let mut house = House::new();
    house.topic("t", 1, &[("flush.messages", "1")]);
    let before = house.syncs();
    assert!(matches!(
        house.send(9, produce("t", 0, batch(&[(Some("k"), "v")]))),
        crate::support::Got::Nothing
    ));
    assert!(house.syncs() > before);
    assert_eq!(values(&house, "t", 0), ["v"]);
}

#[test]
fn groups_commit_where_every_message_is_flushed() {
    let mut house = House::with(&["log.flush.interval.messages=1"]);
    house.offsets_topic();
    house.topic("t", 1, &[]);
    let before = house.syncs();
    assert_eq!(commit(&house, "g", "t", 7, "x"), ErrorCode::NONE);
    assert!(house.syncs() > before);
    house.crash_and_restart();
    assert_eq!(committed(&house, "g", "t"), (Offset(7), "x".to_owned()));
}

#[test]
fn a_long_poll_hears_of_what_a_sync_shows() {
    let mut house = House::new();
    house.topic("t", 1, &[("flush.messages", "1")]);
    let mut request = fetch("t", 0);
    request.max_wait_ms = 60_000;
    let waiting = house.begin(12, request);
    assert!(!waiting.is_done());
    put(&house, 1, "v");
    house.pass_ms(50);
    assert!(waiting.is_done());
}

#[test]
fn a_deleted_topic_is_gone_and_its_name_can_be_taken_again() {
    let mut house = House::new();
    house.topic("t", 1, &[]);
    put(&house, 1, "old");
    house.delete_topic("t");
    assert_eq!(put(&house, 1, "v").error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    house.topic_with_id("t", crate::support::id_of("another"), 1);
    assert_eq!(put(&house, 1, "new").base_offset, Offset(0));
    assert_eq!(values(&house, "t", 0), ["new"]);
}

#[test]
fn groups_begin_anew_when_their_home_was_deleted() {
    let mut house = House::new();
    house.offsets_topic();
    house.topic("t", 1, &[]);
    assert_eq!(commit(&house, "g", "t", 7, ""), ErrorCode::NONE);
    house.delete_topic("__consumer_offsets");
    assert_ne!(commit(&house, "g", "t", 7, ""), ErrorCode::NONE);
    house.topic_with_id("__consumer_offsets", crate::support::id_of("another"), 4);
    assert_eq!(committed(&house, "g", "t").0, Offset(-1));
    assert_eq!(commit(&house, "g", "t", 8, ""), ErrorCode::NONE);
    house.kill_and_restart();
    assert_eq!(committed(&house, "g", "t").0, Offset(8));
}

/// Writers that wait for all and a reader beside them; the power goes at some moment. What the
/// reader saw, and what was acknowledged, is there afterwards under its offset.
fn cut_the_power_of(seed: u64) {
    let mut house = House::seeded(seed, &[]);
    house.topic("t", 1, &[("flush.messages", "1")]);
    let mut seen: Vec<String> = Vec::new();
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        let mut writers = Vec::new();
        for at in 0..house.world.random_below(8) {
            let value = format!("{round}.{at}");
            let records = batch(&[(Some("k"), value.as_str())]);
            writers.push((value, house.spawn(9, produce("t", -1, records))));
        }
        house.pass_us(house.world.random_below(600));
        let read = values(&house, "t", 0);
        assert!(read.starts_with(&seen), "seed {seed}: {read:?} after {seen:?}");
        seen = read;
        for (value, writer) in writers {
            if writer.is_done() {
                let told = only(writer.answer().answer());
                assert_eq!(told.error_code, ErrorCode::NONE, "seed {seed}");
                acknowledged.push((told.base_offset, value));
            }
        }
        house.crash_and_restart();
        let kept = values(&house, "t", 0);
        assert!(kept.starts_with(&seen), "seed {seed}: {kept:?} after {seen:?} was read");
        for (offset, value) in &acknowledged {
            let at = usize::try_from(offset.0).unwrap();
            assert_eq!(kept.get(at), Some(value), "seed {seed}: acknowledged at {offset}");
        }
        seen = kept;
    }
}

#[test]
fn what_was_read_or_acknowledged_is_there_whenever_the_power_goes() {
    for seed in 0..25 {
        cut_the_power_of(seed);
    }
}

#[test]
fn a_directory_that_fails_is_told_as_such() {
    let mut house = House::new();
    house.topic("t", 1, &[]);
    house.world.disk(crate::support::NODE).break_below("/data", ottla_sim::Broken::All);
    assert_eq!(put(&house, 1, "v").error_code, ErrorCode::KAFKA_STORAGE_ERROR);
    house.topic("late", 1, &[]);
    let told = only(house.ask(9, produce("late", 1, batch(&[(None, "v")]))));
    assert_eq!(told.error_code, ErrorCode::KAFKA_STORAGE_ERROR);
    let read = |version| house.ask(version, fetch("t", 0)).responses[0].partitions[0].error_code;
    assert_eq!(read(12), ErrorCode::KAFKA_STORAGE_ERROR);
    assert_eq!(read(5), ErrorCode::NOT_LEADER_OR_FOLLOWER);
    let told = house.ask(4, DescribeLogDirsRequest { topics: None, ..Default::default() });
    assert_eq!(told.results[0].error_code, ErrorCode::KAFKA_STORAGE_ERROR);
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_room_and_loses_nothing() {
    let mut house = House::new();
    house.topic("t", 1, &[]);
    assert_eq!(put(&house, -1, "before").error_code, ErrorCode::NONE);
    let disk = house.world.disk(crate::support::NODE);
    disk.set_capacity(disk.used());
    let large = "x".repeat(100_000);
    assert_eq!(put(&house, -1, &large).error_code, ErrorCode::KAFKA_STORAGE_ERROR);
    assert_eq!(values(&house, "t", 0), ["before"]);
    disk.set_capacity(1 << 30);
    assert_eq!(put(&house, -1, "after").base_offset, Offset(1));
    house.kill_and_restart();
    assert_eq!(values(&house, "t", 0), ["before", "after"]);
}

fn delete_to(house: &House, topic: &str, offset: i64) {
    let partitions = vec![DeleteRecordsPartition {
        partition_index: PartitionIndex(0),
        offset: Offset(offset),
        ..Default::default()
    }];
    let name = topic.to_owned().into();
    let topics = vec![DeleteRecordsTopic { name, partitions, ..Default::default() }];
    house.ask(2, DeleteRecordsRequest { topics, ..Default::default() });
}

#[test]
fn what_is_open_serves_while_the_rest_is_still_read() {
    let mut house = House::new();
    house.topic("t", 1, &[]);
    house.topic("quick", 1, &[]);
    for value in ["one", "two"] {
        put(&house, -1, value);
        only(house.ask(9, produce("quick", -1, batch(&[(None, value)]))));
    }
    delete_to(&house, "t", 1);
    // Long enough for the checkpoints to tell of the log's start.
    house.pass_ms(61_000);
    for _ in 0..2 {
        house.kill_and_open_only("quick");
        assert_eq!(values(&house, "quick", 0)[..2], ["one", "two"]);
        let refused = put(&house, -1, "three").error_code;
        assert_eq!(refused, ErrorCode::NOT_LEADER_OR_FOLLOWER);
        // Checkpoints are written meanwhile, and keep what they tell of the others.
        house.pass_ms(61_000);
    }
    house.open_the_rest("quick");
    assert_eq!(values(&house, "t", 1), ["two"]);
    let below = crate::fetch::only(house.ask(12, fetch("t", 0)));
    assert_eq!(below.error_code, ErrorCode::OFFSET_OUT_OF_RANGE);
    assert_eq!(put(&house, -1, "three").base_offset, Offset(2));
}

#[test]
fn a_topic_deleted_before_its_log_was_opened_leaves_nothing() {
    let mut house = House::new();
    house.topic("t", 1, &[]);
    house.topic("quick", 1, &[]);
    put(&house, -1, "one");
    house.kill_and_open_only("quick");
    house.delete_topic("t");
    house.open_the_rest("quick");
    house.topic_with_id("t", ottla_wire::TopicId(ottla_wire::Uuid([5; 16])), 1);
    let found = house.ask(4, DescribeLogDirsRequest { topics: None, ..Default::default() });
    let topics = &found.results[0].topics;
    let sizes = topics.iter().filter(|topic| topic.name == "t");
    let sizes: Vec<i64> = sizes.map(|topic| topic.partitions[0].partition_size).collect();
    assert_eq!(sizes, [0]);
}
