//! Producing: what is acknowledged when, and what is refused with which code.

use bytes::Bytes;
use ottla_records::{BatchSettings, Codec, Producer};
use ottla_wire::messages::produce_response::PartitionProduceResponse;
use ottla_wire::messages::{
    InitProducerIdRequest, InitProducerIdResponse, ProduceRequest, ProduceResponse,
};
use ottla_wire::{
    BrokerId, ErrorCode, LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Records,
    StrBytes, Timestamp,
};

use crate::fetch::values;
use crate::support::{Got, House, NOW, batch, batch_with, produce};

/// The answer for the one partition.
pub(crate) fn only(response: ProduceResponse) -> PartitionProduceResponse {
    let [topic] = response.responses.try_into().expect("one topic");
    let [partition] = topic.partition_responses.try_into().expect("one partition");
    partition
}

#[test]
fn every_acks_appends_a_record_and_gives_its_offset() {
    let mut house = House::new();
    house.topic("t", 1, &[]);
    for (acks, offset) in [(-1, 0), (1, 1)] {
        let told = only(house.ask(9, produce("t", acks, batch(&[(Some("k"), "v")]))));
        assert_eq!((told.error_code, told.base_offset), (ErrorCode::NONE, Offset(offset)));
    }
}

fn with_topic(configs: &[(&str, &str)]) -> House {
    let mut house = House::new();
    house.topic("t", 1, configs);
    house
}

fn put(house: &House, records: Bytes) -> PartitionProduceResponse {
    only(house.ask(9, produce("t", -1, records)))
}

fn code(house: &House, records: Bytes) -> ErrorCode {
    put(house, records).error_code
}

fn one() -> Bytes {
    batch(&[(Some("k"), "v")])
}

#[test]
fn acks_zero_is_not_answered() {
    let house = with_topic(&[]);
    assert!(matches!(house.send(9, produce("t", 0, one())), Got::Nothing));
    assert_eq!(values(&house, "t", 0), ["v"]);
}

#[test]
fn a_failed_write_with_acks_zero_closes_the_connection() {
    let house = with_topic(&[]);
    let reason = house.send(9, produce("nope", 0, one())).reason_to_close();
    assert!(reason.contains("UNKNOWN_TOPIC_OR_PARTITION"), "{reason}");
}

#[test]
fn every_version_writes() {
    let house = with_topic(&[]);
    for version in 3..=13 {
        let mut request = produce("t", -1, one());
        if version < 13 {
            request.topic_data[0].topic_id = Default::default();
        } else {
            request.topic_data[0].name = StrBytes::default();
        }
        let told = only(house.ask(version, request));
        assert_eq!(
            (told.error_code, told.base_offset),
            (ErrorCode::NONE, Offset(i64::from(version) - 3))
        );
    }
}

#[test]
fn acks_that_do_not_exist_are_refused_after_what_else_is_wrong() {
    let house = with_topic(&[]);
    let told = only(house.ask(9, produce("t", 5, one())));
    assert_eq!(told.error_code, ErrorCode::INVALID_REQUIRED_ACKS);
    assert_eq!((told.base_offset, told.log_start_offset), (Offset(-1), Offset(-1)));
    assert_eq!(told.log_append_time_ms, Timestamp(-1));
    let told = only(house.ask(9, produce("t", 5, Bytes::new())));
    assert_eq!(told.error_code, ErrorCode::INVALID_RECORD);
    let told = only(house.ask(9, produce("nope", 5, one())));
    assert_eq!(told.error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
}

#[test]
fn unknown_topics_are_told_by_name_and_by_id() {
    let house = with_topic(&[]);
    let told = only(house.ask(12, produce("nope", 1, one())));
    assert_eq!(told.error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    let told = only(house.ask(13, produce("nope", 1, one())));
    assert_eq!(told.error_code, ErrorCode::UNKNOWN_TOPIC_ID);
    let mut request = produce("t", 1, one());
    request.topic_data[0].partition_data[0].index = PartitionIndex(9);
    let told = only(house.ask(13, request));
    assert_eq!(told.error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert!(house.controller.created.lock().unwrap().is_empty(), "produce makes no topics");
}

#[test]
fn only_an_admin_client_writes_to_internal_topics() {
    let mut house = House::new();
    house.offsets_topic();
    let write =
        |house: &House| only(house.ask(9, produce("__consumer_offsets", 1, one()))).error_code;
    assert_eq!(write(&house), ErrorCode::INVALID_TOPIC_EXCEPTION);
    house.client_id = "__admin_client";
    assert_eq!(write(&house), ErrorCode::NONE);
}

#[test]
fn a_transactional_id_means_nothing_to_records_outside_of_a_transaction() {
    let house = with_topic(&[]);
    let transactional_id = Some(StrBytes::from("tx"));
    let told = only(house.ask(9, ProduceRequest { transactional_id, ..produce("t", -1, one()) }));
    assert_eq!(told.error_code, ErrorCode::NONE);
}

fn sequenced(epoch: i16, base_sequence: i32, values: &[&str]) -> Bytes {
    let producer = Producer { id: ProducerId(7), epoch: ProducerEpoch(epoch), base_sequence };
    let settings = BatchSettings { producer: Some(producer), ..Default::default() };
    let records: Vec<_> = values.iter().map(|value| (Some("k"), *value)).collect();
    batch_with(settings, NOW, &records)
}

#[test]
fn a_batch_that_comes_twice_is_acknowledged_twice_and_kept_once() {
    let house = with_topic(&[]);
    for base in [0, 2, 4] {
        assert_eq!(code(&house, sequenced(0, base, &["a", "b"])), ErrorCode::NONE);
    }
    let again = put(&house, sequenced(0, 2, &["a", "b"]));
    assert_eq!((again.error_code, again.base_offset), (ErrorCode::NONE, Offset(2)));
    assert_eq!(values(&house, "t", 0).len(), 6);
}

#[test]
fn sequences_with_a_gap_and_old_epochs_are_refused() {
    let house = with_topic(&[]);
    assert_eq!(code(&house, sequenced(1, 0, &["a"])), ErrorCode::NONE);
    assert_eq!(code(&house, sequenced(1, 2, &["c"])), ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_eq!(code(&house, sequenced(0, 1, &["b"])), ErrorCode::INVALID_PRODUCER_EPOCH);
    assert_eq!(code(&house, sequenced(2, 1, &["b"])), ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_eq!(code(&house, sequenced(2, 0, &["b"])), ErrorCode::NONE);
}

#[test]
fn a_refusal_of_the_log_tells_its_start_and_one_before_it_does_not() {
    let house = with_topic(&[("max.message.bytes", "200")]);
    let refused = put(&house, sequenced(0, -1, &["a"]));
    assert_eq!(
        (refused.error_code, refused.log_start_offset),
        (ErrorCode::INVALID_RECORD, Offset(0))
    );
    let refused = put(&house, batch(&[(None, &"x".repeat(300))]));
    assert_eq!(refused.log_start_offset, Offset(-1));
    let refused = put(&house, [one(), one()].concat().into());
    assert_eq!(
        (refused.error_code, refused.log_start_offset),
        (ErrorCode::INVALID_RECORD, Offset(-1))
    );
}

#[test]
fn sequences_outlive_a_kill() {
    let mut house = with_topic(&[]);
    put(&house, sequenced(0, 0, &["a"]));
    house.kill_and_restart();
    assert_eq!(put(&house, sequenced(0, 0, &["a"])).base_offset, Offset(0));
    assert_eq!(code(&house, sequenced(0, 5, &["x"])), ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_eq!(put(&house, sequenced(0, 1, &["b"])).base_offset, Offset(1));
}

#[test]
fn a_compacted_topic_refuses_the_records_without_keys_by_number() {
    let house = with_topic(&[("cleanup.policy", "compact")]);
    let told = put(&house, batch(&[(Some("k"), "v"), (None, "w")]));
    assert_eq!(told.error_code, ErrorCode::INVALID_RECORD);
    assert_eq!(told.record_errors.len(), 1);
    assert_eq!(told.record_errors[0].batch_index, 1);
    assert!(told.error_message.is_some());
    assert_eq!(values(&house, "t", 0), [""; 0]);
}

#[test]
fn batches_above_max_message_bytes_are_refused_until_the_config_changes() {
    let mut house = with_topic(&[("max.message.bytes", "200")]);
    let large = batch(&[(None, &"x".repeat(300))]);
    assert_eq!(code(&house, large.clone()), ErrorCode::MESSAGE_TOO_LARGE);
    house.configure_topic("t", "max.message.bytes", "2000");
    assert_eq!(code(&house, large), ErrorCode::NONE);
}

#[test]
fn the_brokers_limit_holds_where_the_topic_has_none_and_can_change() {
    let mut house = with_topic(&[]);
    let large = batch(&[(None, &"x".repeat(300))]);
    assert_eq!(code(&house, large.clone()), ErrorCode::NONE);
    house.configure_broker("", "message.max.bytes", "200");
    assert_eq!(code(&house, large.clone()), ErrorCode::MESSAGE_TOO_LARGE);
    house.configure_broker("1", "message.max.bytes", "2000");
    assert_eq!(code(&house, large), ErrorCode::NONE);
}

#[test]
fn log_append_time_is_the_brokers_and_is_told() {
    let house = with_topic(&[("message.timestamp.type", "LogAppendTime")]);
    let now = Timestamp(house.env().now_ms());
    let told = put(&house, batch_with(BatchSettings::default(), Timestamp(77), &[(None, "v")]));
    assert!(told.log_append_time_ms >= now, "{}", told.log_append_time_ms);
    let house = with_topic(&[]);
    assert_eq!(put(&house, one()).log_append_time_ms, Timestamp(-1));
}

#[test]
fn timestamps_too_far_ahead_are_refused() {
    let house = with_topic(&[("message.timestamp.after.max.ms", "1000")]);
    let late = batch_with(BatchSettings::default(), Timestamp(NOW.0 + 3_600_000), &[(None, "v")]);
    assert_eq!(code(&house, late), ErrorCode::INVALID_TIMESTAMP);
}

#[test]
fn damaged_and_doubled_batches_are_refused() {
    let house = with_topic(&[]);
    let mut torn = one().to_vec();
    *torn.last_mut().unwrap() ^= 1;
    assert_eq!(code(&house, Bytes::from(torn)), ErrorCode::CORRUPT_MESSAGE);
    let doubled = [one(), one()].concat();
    assert_eq!(code(&house, Bytes::from(doubled)), ErrorCode::INVALID_RECORD);
    assert_eq!(code(&house, Bytes::new()), ErrorCode::INVALID_RECORD);
    assert_eq!(code(&house, Bytes::from_static(&[b'a'; 70])), ErrorCode::CORRUPT_MESSAGE);
    assert_eq!(values(&house, "t", 0), [""; 0]);
}

#[test]
fn every_codec_is_kept_as_it_came_but_zstd_needs_version_seven() {
    let house = with_topic(&[]);
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let records = || batch_with(BatchSettings::compressed(codec), NOW, &[(None, "v")]);
        assert_eq!(code(&house, records()), ErrorCode::NONE);
        let old = only(house.ask(6, produce_by_name(records()))).error_code;
        let wanted = match codec {
            Codec::Zstd => ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
            _ => ErrorCode::NONE,
        };
        assert_eq!(old, wanted);
    }
}

fn produce_by_name(records: Bytes) -> ProduceRequest {
    let mut request = produce("t", -1, records);
    request.topic_data[0].topic_id = Default::default();
    request
}

#[test]
fn too_few_replicas_in_sync_refuse_writes_to_all_only() {
    let mut house = House::new();
    house.replicated_topic("t", &[1, 2], &[1]);
    assert_eq!(code(&house, one()), ErrorCode::NONE);
    house.configure_topic("t", "min.insync.replicas", "2");
    assert_eq!(code(&house, one()), ErrorCode::NOT_ENOUGH_REPLICAS);
    let told = only(house.ask(9, produce("t", 1, one())));
    assert_eq!((told.error_code, told.base_offset), (ErrorCode::NONE, Offset(1)));
}

#[test]
fn a_write_that_a_replica_in_sync_does_not_fetch_times_out_and_stays() {
    let mut house = House::new();
    house.replicated_topic("t", &[1, 2], &[1, 2]);
    let waiting = house.begin(9, produce("t", -1, one()));
    house.pass_ms(500);
    assert!(!waiting.is_done());
    house.pass_ms(600);
    let told = only(waiting.answer().answer());
    assert_eq!((told.error_code, told.base_offset), (ErrorCode::REQUEST_TIMED_OUT, Offset(-1)));
    assert_eq!(only(house.ask(9, produce("t", 1, one()))).base_offset, Offset(1));
}

#[test]
fn a_write_that_waits_hears_that_its_leader_or_topic_is_gone() {
    let mut house = House::new();
    house.replicated_topic("t", &[1, 2], &[1, 2]);
    let waiting = house.begin(9, produce("t", -1, one()));
    house.led_by("t", 2, 1);
    let told = only(waiting.answer().answer());
    assert_eq!(told.error_code, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    house.replicated_topic("d", &[1, 2], &[1, 2]);
    let waiting = house.begin(9, produce("d", -1, one()));
    house.delete_topic("d");
    let told = only(waiting.answer().answer());
    assert_eq!(told.error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
}

#[test]
fn another_leader_is_named_from_version_ten_on() {
    let mut house = with_topic(&[]);
    house.led_by("t", 2, 4);
    for (version, leader, epoch) in [(9, -1, -1), (10, 2, 4)] {
        let mut request = produce("t", -1, one());
        request.topic_data[0].topic_id = Default::default();
        let told = only(house.ask(version, request));
        assert_eq!(told.error_code, ErrorCode::NOT_LEADER_OR_FOLLOWER);
        let named = (told.current_leader.leader_id, told.current_leader.leader_epoch);
        assert_eq!(named, (BrokerId(leader), LeaderEpoch(epoch)));
    }
}

#[test]
fn several_partitions_answer_each_for_itself() {
    let mut house = House::new();
    house.topic("t", 2, &[]);
    let mut request = produce("t", -1, one());
    let first = request.topic_data[0].partition_data[0].clone();
    for index in [1, 7] {
        let mut data = first.clone();
        data.index = PartitionIndex(index);
        data.records = Some(Records::Bytes(one()));
        request.topic_data[0].partition_data.push(data);
    }
    let told = house.ask(9, request);
    let codes: Vec<_> = told.responses[0]
        .partition_responses
        .iter()
        .map(|partition| (partition.index.0, partition.error_code))
        .collect();
    let missing = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    assert_eq!(codes, [(0, ErrorCode::NONE), (1, ErrorCode::NONE), (7, missing)]);
}

fn init(house: &House, id: i64, epoch: i16) -> InitProducerIdResponse {
    let request = InitProducerIdRequest {
        transactional_id: None,
        transaction_timeout_ms: 1_000,
        producer_id: ProducerId(id),
        producer_epoch: ProducerEpoch(epoch),
        ..Default::default()
    };
    house.ask(4, request)
}

#[test]
fn producer_ids_are_never_given_twice() {
    let mut house = House::new();
    let mut given = Vec::new();
    for _ in 0..5 {
        let told = init(&house, -1, -1);
        assert_eq!((told.error_code, told.producer_epoch), (ErrorCode::NONE, ProducerEpoch(0)));
        given.push(told.producer_id.0);
    }
    house.kill_and_restart();
    given.push(init(&house, -1, -1).producer_id.0);
    given.push(init(&house, 3, 0).producer_id.0);
    assert_eq!(given, [0, 1, 2, 3, 4, 6, 7]);
}

#[test]
fn every_version_gives_a_producer_id() {
    let house = House::new();
    for (version, given) in (0..=5).zip(0..) {
        let request = InitProducerIdRequest {
            transactional_id: None,
            transaction_timeout_ms: 1_000,
            producer_id: ProducerId(-1),
            producer_epoch: ProducerEpoch(-1),
            ..Default::default()
        };
        let told = house.ask(version, request);
        let epoch = told.producer_epoch;
        assert_eq!((told.error_code, epoch), (ErrorCode::NONE, ProducerEpoch(0)), "{version}");
        assert_eq!(told.producer_id, ProducerId(given), "{version}");
    }
}

#[test]
fn producer_ids_need_both_of_id_and_epoch() {
    let house = House::new();
    for (id, epoch) in [(-1, 5), (7, -1)] {
        let told = init(&house, id, epoch);
        assert_eq!(
            (told.error_code, told.producer_id),
            (ErrorCode::INVALID_REQUEST, ProducerId(-1))
        );
    }
    assert!(house.controller.asked.lock().unwrap().is_empty());
}
