//! Fetching: what is read, how much of it, when the answer leaves, and what a session leaves out.

use bytes::Bytes;
use ottla_records::{BatchSettings, Producer, batches, read_batch};
use ottla_wire::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use ottla_wire::messages::fetch_response::PartitionData;
use ottla_wire::messages::{
    DeleteRecordsRequest, FetchRequest, FetchResponse, delete_records_request,
};
use ottla_wire::{
    BrokerId, ErrorCode, LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Records,
    StrBytes,
};

use crate::produce::only as produced;
use crate::support::{House, NOW, batch, batch_with, id_of, produce};

/// A request for partition 0 of a topic, by name, that waits for nothing.
pub(crate) fn fetch(topic: &str, offset: i64) -> FetchRequest {
    fetch_all(topic, &[(0, offset)])
}

fn fetch_all(topic: &str, partitions: &[(i32, i64)]) -> FetchRequest {
    let partitions = partitions.iter().map(|(index, offset)| FetchPartition {
        partition: PartitionIndex(*index),
        fetch_offset: Offset(*offset),
        partition_max_bytes: 1 << 20,
        ..Default::default()
    });
    FetchRequest {
        min_bytes: 1,
        max_bytes: 1 << 20,
        session_epoch: -1,
        topics: vec![FetchTopic {
            topic: topic.to_owned().into(),
            partitions: partitions.collect(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn by_id(mut request: FetchRequest) -> FetchRequest {
    for topic in &mut request.topics {
        topic.topic_id = id_of(&std::mem::take(&mut topic.topic));
    }
    request
}

/// The answer for the one partition.
pub(crate) fn only(response: FetchResponse) -> PartitionData {
    assert_eq!(response.error_code, ErrorCode::NONE);
    let [topic] = response.responses.try_into().expect("one topic");
    let [partition] = topic.partitions.try_into().expect("one partition");
    partition
}

fn bytes(data: &PartitionData) -> Bytes {
    match data.records.clone() {
        Some(Records::Bytes(bytes)) => bytes,
        Some(Records::File(_)) => panic!("a decoded response is in memory"),
        None => Bytes::new(),
    }
}

/// The values of the records that were answered, from an offset on.
fn values_in(data: &PartitionData, from: i64) -> Vec<String> {
    let all = bytes(data);
    let mut found = Vec::new();
    for batch in batches(&all).map_while(Result::ok) {
        for record in read_batch(&all.slice_ref(batch.bytes())) {
            let record = record.unwrap();
            if record.offset >= Offset(from) {
                let value = record.value.unwrap_or_default();
                found.push(String::from_utf8_lossy(&value).into_owned());
            }
        }
    }
    found
}

/// The values in partition 0 of a topic, from an offset to the end.
pub(crate) fn values(house: &House, topic: &str, from: i64) -> Vec<String> {
    let data = only(house.ask(12, fetch(topic, from)));
    assert_eq!(data.error_code, ErrorCode::NONE);
    values_in(&data, from)
}

fn put(house: &House, topic: &str, partition: i32, value: &str) {
    let mut request = produce(topic, 1, batch(&[(Some("k"), value)]));
    request.topic_data[0].partition_data[0].index = PartitionIndex(partition);
    assert_eq!(produced(house.ask(9, request)).error_code, ErrorCode::NONE);
}

fn with_topic() -> House {
    let mut house = House::new();
    house.topic("t", 3, &[]);
    house
}

#[test]
fn a_record_is_read_back_by_name_and_by_id() {
    let house = with_topic();
    put(&house, "t", 0, "v");
    let data = only(house.ask(12, fetch("t", 0)));
    assert_eq!(values_in(&data, 0), ["v"]);
    assert_eq!((data.high_watermark, data.last_stable_offset), (Offset(1), Offset(1)));
    assert_eq!((data.log_start_offset, data.aborted_transactions), (Offset(0), None));
    let told = house.ask(18, by_id(fetch("t", 0)));
    assert_eq!(told.responses[0].topic_id, id_of("t"));
    assert_eq!(values_in(&only(told), 0), ["v"]);
}

#[test]
fn every_version_reads() {
    let house = with_topic();
    put(&house, "t", 0, "v");
    for version in 4..=18 {
        let request = if version < 13 { fetch("t", 0) } else { by_id(fetch("t", 0)) };
        assert_eq!(values_in(&only(house.ask(version, request)), 0), ["v"], "v{version}");
    }
}

#[test]
fn a_read_begins_with_the_batch_that_holds_the_offset() {
    let house = with_topic();
    let records = batch(&[(None, "a"), (None, "b"), (None, "c")]);
    produced(house.ask(9, produce("t", 1, records)));
    let data = only(house.ask(12, fetch("t", 1)));
    assert_eq!(values_in(&data, 0), ["a", "b", "c"]);
}

#[test]
fn unknown_topics_and_partitions_are_told_by_name_and_by_id() {
    let house = with_topic();
    let code = |version, request| only(house.ask(version, request)).error_code;
    assert_eq!(code(12, fetch("nope", 0)), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(code(12, fetch_all("t", &[(9, 0)])), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(code(13, by_id(fetch("nope", 0))), ErrorCode::UNKNOWN_TOPIC_ID);
    let unknown = by_id(fetch_all("t", &[(9, 0)]));
    assert_eq!(code(13, unknown), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
}

#[test]
fn a_broker_without_a_replica_reads_nothing() {
    let house = with_topic();
    put(&house, "t", 0, "a");
    let of = |replica: i32, epoch: i32| {
        let mut request = FetchRequest { replica_id: BrokerId(replica), ..fetch("t", 0) };
        request.topics[0].partitions[0].current_leader_epoch = LeaderEpoch(epoch);
        only(house.ask(12, request)).error_code
    };
    assert_eq!(of(5, -1), ErrorCode::NOT_LEADER_OR_FOLLOWER);
    assert_eq!(of(5, 0), ErrorCode::UNKNOWN_LEADER_EPOCH);
    assert_eq!(of(1, -1), ErrorCode::NONE);
}

#[test]
fn offsets_below_the_start_and_above_the_end_are_out_of_range() {
    let house = with_topic();
    for _ in 0..4 {
        put(&house, "t", 0, "v");
    }
    let partition =
        delete_records_request::DeleteRecordsPartition { offset: Offset(2), ..Default::default() };
    let topics = vec![delete_records_request::DeleteRecordsTopic {
        name: "t".into(),
        partitions: vec![partition],
        ..Default::default()
    }];
    house.ask(2, DeleteRecordsRequest { topics, ..Default::default() });
    for (offset, code) in [
        (1, ErrorCode::OFFSET_OUT_OF_RANGE),
        (-1, ErrorCode::OFFSET_OUT_OF_RANGE),
        (2, ErrorCode::NONE),
        (4, ErrorCode::NONE),
        (5, ErrorCode::OFFSET_OUT_OF_RANGE),
    ] {
        let data = only(house.ask(12, fetch("t", offset)));
        assert_eq!(data.error_code, code, "offset {offset}");
        if code != ErrorCode::NONE {
            assert_eq!((data.high_watermark, data.log_start_offset), (Offset(-1), Offset(-1)));
            assert_eq!(data.aborted_transactions, None);
        }
    }
}

#[test]
fn only_readers_of_committed_data_get_a_list_of_aborted_transactions() {
    let house = with_topic();
    put(&house, "t", 0, "v");
    let ask = |isolation_level| {
        let request = FetchRequest { isolation_level, ..fetch("t", 0) };
        only(house.ask(12, request)).aborted_transactions
    };
    assert_eq!(ask(0), None);
    assert_eq!(ask(1), Some(Vec::new()));
}

#[test]
fn a_transaction_without_an_id_never_gets_into_the_log() {
    let house = with_topic();
    put(&house, "t", 0, "before");
    let producer = Producer { id: ProducerId(9), epoch: ProducerEpoch(0), base_sequence: 0 };
    let settings =
        BatchSettings { producer: Some(producer), is_transactional: true, ..Default::default() };
    let records = batch_with(settings, NOW, &[(None, "open")]);
    // Without its transactional id such a batch is refused.
    let told = produced(house.ask(9, produce("t", 1, records)));
    assert_eq!(told.error_code, ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    let request = FetchRequest { isolation_level: 1, ..fetch("t", 0) };
    assert_eq!(values_in(&only(house.ask(12, request)), 0), ["before"]);
}

#[test]
fn epochs_of_leaders_fence_old_readers_and_early_ones() {
    let mut house = with_topic();
    house.new_leader_epoch("t", 3);
    let ask = |version, epoch| {
        let mut request = fetch("t", 0);
        request.topics[0].partitions[0].current_leader_epoch = LeaderEpoch(epoch);
        let request = if version >= 13 { by_id(request) } else { request };
        house.ask(version, request)
    };
    assert_eq!(only(ask(12, 3)).error_code, ErrorCode::NONE);
    assert_eq!(only(ask(12, 2)).error_code, ErrorCode::FENCED_LEADER_EPOCH);
    assert_eq!(only(ask(12, 4)).error_code, ErrorCode::UNKNOWN_LEADER_EPOCH);
    let told = ask(16, 2);
    assert_eq!(told.node_endpoints[0].node_id, crate::support::ME);
    assert_eq!(told.node_endpoints[0].port, 9092);
    assert_eq!(only(told).current_leader.leader_epoch, LeaderEpoch(3));
    let early = only(ask(16, 4));
    assert_eq!(early.current_leader.leader_id, BrokerId(-1));
}

#[test]
fn a_log_that_parted_is_told_where() {
    let mut house = with_topic();
    put(&house, "t", 0, "v");
    house.new_leader_epoch("t", 3);
    put(&house, "t", 0, "w");
    let ask = |epoch, offset| {
        let mut request = fetch("t", offset);
        request.topics[0].partitions[0].last_fetched_epoch = LeaderEpoch(epoch);
        only(house.ask(12, request))
    };
    assert_eq!(values_in(&ask(0, 1), 1), ["w"]);
    let parted = ask(0, 2);
    assert_eq!(parted.diverging_epoch.epoch, LeaderEpoch(0));
    assert_eq!(parted.diverging_epoch.end_offset, Offset(1));
    assert!(bytes(&parted).is_empty());
    assert_eq!(ask(9, 2).error_code, ErrorCode::OFFSET_OUT_OF_RANGE);
}

#[test]
fn at_least_one_batch_comes_whatever_the_limits() {
    let house = with_topic();
    for partition in 0..2 {
        put(&house, "t", partition, &"x".repeat(500));
    }
    let mut request = fetch_all("t", &[(0, 0), (1, 0)]);
    request.max_bytes = 10;
    for partition in &mut request.topics[0].partitions {
        partition.partition_max_bytes = 10;
    }
    let told = house.ask(12, request.clone());
    let partitions = &told.responses[0].partitions;
    assert_eq!(values_in(&partitions[0], 0).len(), 1);
    assert!(bytes(&partitions[1]).is_empty());
    request.topics[0].partitions[0].fetch_offset = Offset(1);
    let told = house.ask(12, request);
    assert_eq!(values_in(&told.responses[0].partitions[1], 0).len(), 1);
}

#[test]
fn limits_per_partition_and_per_request_cut_at_the_byte() {
    let house = with_topic();
    for _ in 0..5 {
        put(&house, "t", 0, &"x".repeat(100));
        put(&house, "t", 1, &"x".repeat(100));
    }
    let mut request = fetch_all("t", &[(0, 0), (1, 0)]);
    request.topics[0].partitions[0].partition_max_bytes = 400;
    request.max_bytes = 700;
    let told = house.ask(12, request);
    let lengths: Vec<_> =
        told.responses[0].partitions.iter().map(|data| bytes(data).len()).collect();
    assert_eq!(lengths, [400, 300]);
}

#[test]
fn a_long_poll_wakes_when_enough_bytes_have_come() {
    let house = with_topic();
    let mut request = fetch_all("t", &[(0, 0), (1, 0)]);
    (request.min_bytes, request.max_wait_ms) = (250, 60_000);
    let waiting = house.begin(12, request);
    put(&house, "t", 0, &"x".repeat(100));
    house.pass_ms(50);
    assert!(!waiting.is_done());
    put(&house, "t", 1, &"x".repeat(100));
    house.pass_ms(50);
    assert!(waiting.is_done());
    let told = waiting.answer().answer();
    assert!(told.responses[0].partitions.iter().all(|data| bytes(data).len() > 100));
}

#[test]
fn a_long_poll_ends_with_its_time_and_looks_at_the_disk_no_more_than_twice() {
    let house = with_topic();
    put(&house, "t", 0, "v");
    let mut request = fetch("t", 0);
    (request.min_bytes, request.max_wait_ms) = (10_000, 400);
    let calls = || house.world.disk(crate::support::NODE).calls();
    let reads = |work: &dyn Fn()| {
        let before = calls();
        work();
        calls() - before
    };
    let idle = reads(&|| house.pass_ms(420));
    let waiting = house.begin(12, request);
    assert!(!waiting.is_done());
    house.pass_ms(300);
    assert!(!waiting.is_done());
    let polling = reads(&|| {
        for _ in 0..5 {
            put(&house, "t", 1, "elsewhere");
        }
        house.pass_ms(100);
    });
    assert!(waiting.is_done());
    assert_eq!(values_in(&only(waiting.answer().answer()), 0), ["v"]);
    assert!(polling < idle + 40, "{polling} calls, {idle} when idle");
}

#[test]
fn an_error_or_no_wait_answers_at_once() {
    let house = with_topic();
    let mut request = fetch_all("t", &[(0, 0), (9, 0)]);
    request.max_wait_ms = 60_000;
    assert!(house.begin(12, request).is_done());
    assert!(house.begin(12, fetch("t", 0)).is_done());
    let nothing = FetchRequest { max_wait_ms: 60_000, topics: Vec::new(), ..fetch("t", 0) };
    assert!(house.begin(12, nothing).is_done());
}

#[test]
fn the_end_of_a_segment_does_not_make_a_reader_wait() {
    let mut house = House::new();
    house.topic("t", 1, &[("segment.bytes", "1048576")]);
    put(&house, "t", 0, &"x".repeat(900_000));
    put(&house, "t", 0, &"y".repeat(900_000));
    let mut request = fetch("t", 0);
    (request.min_bytes, request.max_bytes, request.max_wait_ms) = (1_000_000, 9_000_000, 60_000);
    request.topics[0].partitions[0].partition_max_bytes = 9_000_000;
    assert!(house.begin(12, request).is_done());
}

#[test]
fn a_deleted_topic_wakes_who_waits_for_it() {
    let mut house = with_topic();
    let request = FetchRequest { max_wait_ms: 60_000, ..fetch("t", 0) };
    let waiting = house.begin(12, request);
    house.delete_topic("t");
    let told = waiting.answer().answer();
    assert_eq!(only(told).error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
}

fn in_session(id: i32, epoch: i32, partitions: &[(i32, i64)]) -> FetchRequest {
    let mut request = fetch_all("t", partitions);
    if partitions.is_empty() {
        request.topics.clear();
    }
    FetchRequest { session_id: id, session_epoch: epoch, ..request }
}

fn told(response: &FetchResponse) -> Vec<i32> {
    let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
    partitions.map(|partition| partition.partition_index.0).collect()
}

#[test]
fn a_session_tells_only_news() {
    let house = with_topic();
    let first = house.ask(12, in_session(0, 0, &[(0, 0), (1, 0), (2, 0)]));
    let id = first.session_id;
    assert_ne!(id, 0);
    assert_eq!(told(&first), [0, 1, 2]);
    let quiet = house.ask(12, in_session(id, 1, &[]));
    assert_eq!((quiet.session_id, told(&quiet)), (id, vec![]));
    put(&house, "t", 1, "v");
    assert_eq!(told(&house.ask(12, in_session(id, 2, &[]))), [1]);
    // The partition is at its new offset: nothing is new there.
    assert_eq!(told(&house.ask(12, in_session(id, 3, &[(1, 1)]))), []);
    let forgotten = ForgottenTopic {
        topic: StrBytes::from("t"),
        partitions: vec![PartitionIndex(1)],
        ..Default::default()
    };
    let mut request = in_session(id, 4, &[]);
    request.forgotten_topics_data.push(forgotten);
    house.ask(12, request);
    put(&house, "t", 1, "w");
    assert_eq!(told(&house.ask(12, in_session(id, 5, &[]))), []);
}

#[test]
fn a_session_that_is_not_where_the_client_thinks_is_refused() {
    let house = with_topic();
    let code = |request: FetchRequest| house.ask(12, request).error_code;
    let id = house.ask(12, in_session(0, 0, &[(0, 0)])).session_id;
    assert_eq!(code(in_session(id, 5, &[])), ErrorCode::INVALID_FETCH_SESSION_EPOCH);
    assert_eq!(code(in_session(id + 1, 1, &[])), ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
    assert_eq!(code(in_session(0, 1, &[])), ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
    let by_ids = house.ask(13, by_id(in_session(id, 1, &[])));
    assert_eq!(by_ids.error_code, ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR);
    let closed = house.ask(12, in_session(id, -1, &[]));
    assert_eq!((closed.error_code, closed.session_id), (ErrorCode::NONE, 0));
    assert_eq!(code(in_session(id, 1, &[])), ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
}
