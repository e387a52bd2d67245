//! Transactions through the broker: found, begun, written, ended, and told about.

use ottla_records::{BatchSettings, Producer};
use ottla_wire::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use ottla_wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use ottla_wire::messages::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use ottla_wire::messages::*;
use ottla_wire::{
    ErrorCode, Offset, PartitionIndex, ProducerEpoch, ProducerId, StrBytes, Timestamp,
};

use crate::fetch::fetch;
use crate::support::{House, ME, NOW, batch_with, feature, produce};

pub(crate) const ID: &str = "payments";

/// A house with a topic to write to, the home of transactions, and `transaction.version` 2.
pub(crate) fn house() -> House {
    house_with(&[])
}

pub(crate) fn house_with(configs: &[&str]) -> House {
    let mut house = House::with(configs);
    house.replay(vec![feature("transaction.version", 2)]);
    house.topic("t", 2, &[]);
    house.transactions_topic();
    house.offsets_topic();
    house
}

pub(crate) type Who = (ProducerId, ProducerEpoch);

fn init_with(house: &House, timeout_ms: i32) -> Result<Who, ErrorCode> {
    let told = house.ask(
        5,
        InitProducerIdRequest {
            transactional_id: Some(ID.into()),
            transaction_timeout_ms: timeout_ms,
            producer_id: ProducerId(-1),
            producer_epoch: ProducerEpoch(-1),
            ..Default::default()
        },
    );
    match told.error_code {
        ErrorCode::NONE => Ok((told.producer_id, told.producer_epoch)),
        error => Err(error),
    }
}

pub(crate) fn init(house: &House) -> Who {
    init_with(house, 60_000).expect("a producer")
}

pub(crate) fn add(house: &House, who: Who, topic: &str, partitions: &[i32]) -> Vec<ErrorCode> {
    let topic = AddPartitionsToTxnTopic {
        name: topic.to_owned().into(),
        partitions: partitions.iter().copied().map(PartitionIndex).collect(),
        ..Default::default()
    };
    let told = house.ask(
        3,
        AddPartitionsToTxnRequest {
            v3_and_below_transactional_id: ID.into(),
            v3_and_below_producer_id: who.0,
            v3_and_below_producer_epoch: who.1,
            v3_and_below_topics: vec![topic],
            ..Default::default()
        },
    );
    let topics = told.results_by_topic_v3_and_below.iter();
    topics.flat_map(|t| &t.results_by_partition).map(|p| p.partition_error_code).collect()
}

/// Writes to partition 0 of `t` within the transaction, as a client that adds partitions.
pub(crate) fn write(house: &House, who: Who, sequence: i32, value: &str) -> ErrorCode {
    write_as(house, 11, who, sequence, value)
}

/// Writes to partition 0 of `t` within the transaction.
pub(crate) fn write_as(
    house: &House,
    version: i16,
    who: Who,
    sequence: i32,
    value: &str,
) -> ErrorCode {
    let producer = Producer { id: who.0, epoch: who.1, base_sequence: sequence };
    let settings =
        BatchSettings { producer: Some(producer), is_transactional: true, ..Default::default() };
    let records = batch_with(settings, NOW, &[(None, value)]);
    let request = ProduceRequest { transactional_id: Some(ID.into()), ..produce("t", -1, records) };
    house.ask(version, request).responses[0].partition_responses[0].error_code
}

pub(crate) fn end(
    house: &House,
    version: i16,
    who: Who,
    committed: bool,
) -> Result<Who, ErrorCode> {
    let told = house.ask(
        version,
        EndTxnRequest {
            transactional_id: ID.into(),
            producer_id: who.0,
            producer_epoch: who.1,
            committed,
            ..Default::default()
        },
    );
    match told.error_code {
        ErrorCode::NONE if version < 5 => Ok(who),
        ErrorCode::NONE => Ok((told.producer_id, told.producer_epoch)),
        error => Err(error),
    }
}

/// The end of partition 0 of `t` for readers of committed data.
pub(crate) fn stable_end(house: &House) -> i64 {
    let partition = ListOffsetsPartition { timestamp: Timestamp(-1), ..Default::default() };
    let topic =
        ListOffsetsTopic { name: "t".into(), partitions: vec![partition], ..Default::default() };
    let request = ListOffsetsRequest {
        replica_id: (-1).into(),
        isolation_level: 1,
        topics: vec![topic],
        ..Default::default()
    };
    house.ask(7, request).topics[0].partitions[0].offset.0
}

pub(crate) fn state(house: &House) -> String {
    let request =
        DescribeTransactionsRequest { transactional_ids: vec![ID.into()], ..Default::default() };
    let told = house.ask(0, request);
    let state = &told.transaction_states[0];
    match state.error_code {
        ErrorCode::NONE => state.transaction_state.to_string(),
        error => error.name().to_owned(),
    }
}

fn mark(house: &House, who: Who, topic: &str, coordinator_epoch: i32) -> ErrorCode {
    mark_in(house, 1, who, topic, coordinator_epoch)
}

/// Writes a marker of a transaction of this version.
fn mark_in(
    house: &House,
    transaction_version: i8,
    who: Who,
    topic: &str,
    coordinator_epoch: i32,
) -> ErrorCode {
    let topic = WritableTxnMarkerTopic {
        name: topic.to_owned().into(),
        partition_indexes: vec![PartitionIndex(0)],
        ..Default::default()
    };
    let marker = WritableTxnMarker {
        producer_id: who.0,
        producer_epoch: who.1,
        transaction_result: false,
        topics: vec![topic],
        coordinator_epoch,
        transaction_version,
        ..Default::default()
    };
    let told = house.ask(2, WriteTxnMarkersRequest { markers: vec![marker], ..Default::default() });
    told.markers[0].topics[0].partitions[0].error_code
}

#[test]
fn finding_the_coordinator_makes_its_topic_once() {
    let mut house = House::with(&["transaction.state.log.min.isr=1"]);
    let find = |house: &House| {
        let coordinator_keys = vec![ID.into()];
        let request =
            FindCoordinatorRequest { key_type: 1, coordinator_keys, ..Default::default() };
        let told = house.ask(4, request);
        (told.coordinators[0].error_code, told.coordinators[0].node_id)
    };
    assert_eq!(find(&house).0, ErrorCode::COORDINATOR_NOT_AVAILABLE);
    house.pass_ms(50);
    let made = house.controller.requests.lock().unwrap()[0].topics[0].clone();
    assert_eq!((&*made.name, made.num_partitions), ("__transaction_state", 50));
    let min_isr = made.configs.iter().find(|config| config.name == "min.insync.replicas");
    assert_eq!(min_isr.and_then(|config| config.value.as_deref()), Some("1"));
    house.transactions_topic();
    assert_eq!(find(&house), (ErrorCode::NONE, ME));
}

#[test]
fn the_home_of_transactions_is_asked_for_with_its_own_configs() {
    let house = House::with(&[
        "transaction.state.log.num.partitions=7",
        "transaction.state.log.replication.factor=2",
        "transaction.state.log.segment.bytes=1048576",
    ]);
    let coordinator_keys = vec![ID.into()];
    house.ask(4, FindCoordinatorRequest { key_type: 1, coordinator_keys, ..Default::default() });
    house.pass_ms(50);
    let made = house.controller.requests.lock().unwrap()[0].topics[0].clone();
    assert_eq!((made.num_partitions, made.replication_factor), (7, 2));
    let configs: Vec<_> = made
        .configs
        .iter()
        .map(|config| (&*config.name, config.value.as_deref().unwrap()))
        .collect();
    let wanted = [
        ("cleanup.policy", "compact"),
        ("compression.type", "uncompressed"),
        ("min.insync.replicas", "2"),
        ("segment.bytes", "1048576"),
        ("unclean.leader.election.enable", "false"),
    ];
    assert_eq!(configs, wanted);
}

#[test]
fn timeouts_and_ends_of_ids_are_as_configured() {
    let house = house_with(&[
        "transaction.max.timeout.ms=5000",
        "transaction.abort.timed.out.transaction.cleanup.interval.ms=1000",
        "transactional.id.expiration.ms=20000",
        "transaction.remove.expired.transaction.cleanup.interval.ms=2000",
    ]);
    assert_eq!(init_with(&house, 5_001), Err(ErrorCode::INVALID_TRANSACTION_TIMEOUT));
    let who = init_with(&house, 5_000).expect("a producer");
    add(&house, who, "t", &[0]);
    house.pass_ms(4_000);
    assert_eq!(state(&house), "Ongoing");
    house.pass_ms(3_000);
    assert_eq!(state(&house), "CompleteAbort");
    house.pass_ms(17_000);
    assert_eq!(state(&house), "CompleteAbort");
    house.pass_ms(6_000);
    assert_eq!(state(&house), "TRANSACTIONAL_ID_NOT_FOUND");
    assert_ne!(init_with(&house, 5_000).expect("another producer").0, who.0);
}

#[test]
fn a_log_is_loaded_whatever_is_read_at_a_time() {
    let mut house = house_with(&["transaction.state.log.load.buffer.size=1"]);
    let mut who = init(&house);
    for round in 0..5 {
        add(&house, who, "t", &[0, 1]);
        who = end(&house, 5, who, round % 2 == 0).expect("an end");
    }
    house.kill_and_restart();
    assert_eq!(state(&house), "CompleteCommit");
    assert_eq!(add(&house, who, "t", &[0]), [ErrorCode::NONE]);
}

#[test]
fn readers_of_committed_data_see_a_transaction_when_it_is_committed() {
    let house = house();
    let who = init(&house);
    assert_eq!(add(&house, who, "t", &[0, 1]), [ErrorCode::NONE; 2]);
    assert_eq!(write(&house, who, 0, "a"), ErrorCode::NONE);
    assert_eq!(write(&house, who, 1, "b"), ErrorCode::NONE);
    assert_eq!((stable_end(&house), &*state(&house)), (0, "Ongoing"));
    assert_eq!(end(&house, 4, who, true), Ok(who));
    assert_eq!((stable_end(&house), &*state(&house)), (3, "CompleteCommit"));
    // The next one goes on where this one ended.
    assert_eq!(add(&house, who, "t", &[0]), [ErrorCode::NONE]);
    assert_eq!(write(&house, who, 2, "c"), ErrorCode::NONE);
    assert_eq!(stable_end(&house), 3);
    assert_eq!(end(&house, 4, who, false), Ok(who));
    assert_eq!((stable_end(&house), &*state(&house)), (5, "CompleteAbort"));
}

#[test]
fn each_end_bumps_the_epoch_of_clients_that_know_of_it() {
    let house = house();
    let first = init(&house);
    add(&house, first, "t", &[0]);
    assert_eq!(write(&house, first, 0, "a"), ErrorCode::NONE);
    let second = end(&house, 5, first, true).expect("an end");
    assert_eq!(second, (first.0, ProducerEpoch(1)));
    assert_eq!(write(&house, first, 1, "late"), ErrorCode::INVALID_PRODUCER_EPOCH);
    assert_eq!(add(&house, first, "t", &[0]), [ErrorCode::PRODUCER_FENCED]);
    assert_eq!(add(&house, second, "t", &[0]), [ErrorCode::NONE]);
    assert_eq!(write(&house, second, 0, "b"), ErrorCode::NONE);
    assert_eq!(end(&house, 5, second, true), Ok((first.0, ProducerEpoch(2))));
}

#[test]
fn another_producer_of_the_id_ends_the_transaction_of_the_one_before() {
    let house = house();
    let first = init(&house);
    add(&house, first, "t", &[0]);
    assert_eq!(write(&house, first, 0, "a"), ErrorCode::NONE);
    assert_eq!(init_with(&house, 60_000), Err(ErrorCode::CONCURRENT_TRANSACTIONS));
    let second = init(&house);
    assert_eq!(second, (first.0, ProducerEpoch(2)));
    assert_eq!((stable_end(&house), &*state(&house)), (2, "Empty"));
    assert_eq!(end(&house, 4, first, true), Err(ErrorCode::PRODUCER_FENCED));
    assert_eq!(write(&house, first, 1, "late"), ErrorCode::INVALID_PRODUCER_EPOCH);
}

#[test]
fn a_transaction_that_takes_too_long_is_aborted() {
    let house = house();
    let who = init_with(&house, 5_000).expect("a producer");
    add(&house, who, "t", &[0]);
    assert_eq!(write(&house, who, 0, "a"), ErrorCode::NONE);
    house.pass_ms(9_000);
    assert_eq!((stable_end(&house), &*state(&house)), (0, "Ongoing"));
    house.pass_ms(2_000);
    assert_eq!((stable_end(&house), &*state(&house)), (2, "CompleteAbort"));
}

#[test]
fn a_transaction_that_something_else_decides_waits_for_it_where_that_is_allowed() {
    let init = |house: &House| {
        let transactional_id = Some(ID.into());
        let (producer_id, producer_epoch) = (ProducerId(-1), ProducerEpoch(-1));
        let request = InitProducerIdRequest {
            transactional_id,
            producer_id,
            producer_epoch,
            enable2_pc: true,
            ..Default::default()
        };
        house.send(6, request)
    };
    let reason = init(&house()).reason_to_close();
    assert_eq!(reason, "InitProducerId v6 is not served", "it is not final");
    let drafts = "unstable.api.versions.enable=true";
    let told = init(&house_with(&[drafts])).answer();
    assert_eq!(told.error_code, ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);

    let mut house = house_with(&[drafts, "transaction.two.phase.commit.enable=true"]);
    let told = init(&house).answer();
    assert_eq!(told.error_code, ErrorCode::NONE);
    let who = (told.producer_id, told.producer_epoch);
    add(&house, who, "t", &[0]);
    assert_eq!(write(&house, who, 0, "a"), ErrorCode::NONE);
    // More than transaction.max.timeout.ms.
    house.pass_ms(1_000_000);
    house.kill_and_restart();
    house.pass_ms(20_000);
    assert_eq!((stable_end(&house), &*state(&house)), (0, "Ongoing"), "nobody has decided");
    let next = end(&house, 5, who, true).expect("it is decided");
    house.pass_ms(500);
    assert_eq!((stable_end(&house), &*state(&house)), (2, "CompleteCommit"));
    assert_eq!(add(&house, next, "t", &[1]), [ErrorCode::NONE], "the next one is like it");

    house.deny_everything();
    let denied = init(&house).answer().error_code;
    assert_eq!(denied, ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
}

#[test]
fn what_was_decided_is_carried_out_after_a_kill() {
    for committed in [true, false] {
        let mut house = house();
        let who = init(&house);
        add(&house, who, "t", &[0]);
        assert_eq!(write(&house, who, 0, "a"), ErrorCode::NONE);
        // Nobody takes the marker.
        house.led_by("t", 2, 1);
        let next = end(&house, 5, who, committed).expect("an end");
        house.pass_ms(500);
        let prepared = if committed { "PrepareCommit" } else { "PrepareAbort" };
        assert_eq!(state(&house), prepared);
        assert_eq!(add(&house, next, "t", &[1]), [ErrorCode::CONCURRENT_TRANSACTIONS]);
        house.kill_and_restart();
        house.pass_ms(500);
        assert_eq!(state(&house), prepared);
        house.led_by("t", ME.0, 2);
        house.pass_ms(500);
        let complete = if committed { "CompleteCommit" } else { "CompleteAbort" };
        assert_eq!((stable_end(&house), &*state(&house)), (2, complete));
        assert_eq!(add(&house, next, "t", &[1]), [ErrorCode::NONE]);
    }
}

#[test]
fn with_every_write_synced_a_decision_survives_a_power_cut() {
    for wait_ms in [0, 1, 5, 50] {
        let mut house = house_with(&["log.flush.interval.messages=1"]);
        let who = init(&house);
        assert_eq!(add(&house, who, "t", &[0]), [ErrorCode::NONE]);
        assert_eq!(write(&house, who, 0, "a"), ErrorCode::NONE);
        let next = end(&house, 5, who, true).expect("an end");
        house.pass_ms(wait_ms);
        house.crash_and_restart();
        house.pass_ms(500);
        assert_eq!(state(&house), "CompleteCommit", "after {wait_ms} ms");
        assert!(stable_end(&house) >= 2, "after {wait_ms} ms");
        assert_eq!(add(&house, next, "t", &[0]), [ErrorCode::NONE]);
        assert_eq!(write(&house, next, 0, "b"), ErrorCode::NONE);
    }
}

#[test]
fn an_open_transaction_survives_a_kill_and_times_out() {
    let mut house = house();
    let who = init(&house);
    add(&house, who, "t", &[0]);
    assert_eq!(write(&house, who, 0, "a"), ErrorCode::NONE);
    house.kill_and_restart();
    assert_eq!((stable_end(&house), &*state(&house)), (0, "Ongoing"));
    assert_eq!(write(&house, who, 1, "b"), ErrorCode::NONE);
    house.pass_ms(75_000);
    assert_eq!((stable_end(&house), &*state(&house)), (3, "CompleteAbort"));
}

#[test]
fn a_partition_that_is_deleted_is_not_waited_for() {
    let mut house = house();
    house.topic("u", 1, &[]);
    let who = init(&house);
    add(&house, who, "u", &[0]);
    add(&house, who, "t", &[0]);
    house.delete_topic("u");
    end(&house, 5, who, true).expect("an end");
    assert_eq!(state(&house), "CompleteCommit");
}

#[test]
fn one_partition_that_cannot_be_added_keeps_the_others_out() {
    let house = house();
    let who = init(&house);
    let missing = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let not_tried = ErrorCode::OPERATION_NOT_ATTEMPTED;
    assert_eq!(add(&house, who, "t", &[0, 7]), [not_tried, missing]);
    assert_eq!(state(&house), "Empty");
    let stranger = (ProducerId(99), ProducerEpoch(0));
    assert_eq!(add(&house, stranger, "t", &[0]), [ErrorCode::INVALID_PRODUCER_ID_MAPPING]);
}

#[test]
fn the_home_of_a_group_takes_part() {
    let house = house();
    let who = init(&house);
    let request = AddOffsetsToTxnRequest {
        transactional_id: ID.into(),
        producer_id: who.0,
        producer_epoch: who.1,
        group_id: "g".into(),
        ..Default::default()
    };
    assert_eq!(house.ask(4, request).error_code, ErrorCode::NONE);
    let request =
        DescribeTransactionsRequest { transactional_ids: vec![ID.into()], ..Default::default() };
    let told = house.ask(0, request);
    assert_eq!(&*told.transaction_states[0].topics[0].topic, "__consumer_offsets");
    end(&house, 4, who, true).expect("an end");
    assert_eq!(state(&house), "CompleteCommit");
}

#[test]
fn the_home_of_a_group_may_be_made_later() {
    let mut house = House::new();
    house.topic("t", 1, &[]);
    house.transactions_topic();
    let who = init(&house);
    let request = AddOffsetsToTxnRequest {
        transactional_id: ID.into(),
        producer_id: who.0,
        producer_epoch: who.1,
        group_id: "g".into(),
        ..Default::default()
    };
    assert_eq!(house.ask(4, request).error_code, ErrorCode::NONE);
    end(&house, 4, who, true).expect("an end");
    assert_eq!(state(&house), "CompleteCommit");
}

#[test]
fn an_administrator_ends_a_transaction_that_hangs() {
    let house = house_with(&["transaction.partition.verification.enable=false"]);
    let who = (ProducerId(77), ProducerEpoch(3));
    assert_eq!(write(&house, who, 0, "hangs"), ErrorCode::NONE);
    assert_eq!(stable_end(&house), 0);
    assert_eq!(mark(&house, who, "t", 5), ErrorCode::NONE);
    assert_eq!(stable_end(&house), 2);
    assert_eq!(mark(&house, who, "t", 4), ErrorCode::TRANSACTION_COORDINATOR_FENCED);
    let older = (who.0, ProducerEpoch(2));
    assert_eq!(mark(&house, older, "t", 5), ErrorCode::INVALID_PRODUCER_EPOCH);
    assert_eq!(mark(&house, who, "none", 5), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
}

#[test]
fn a_marker_of_a_bumping_transaction_is_above_the_epoch_of_what_it_ends() {
    let house = house_with(&["transaction.partition.verification.enable=false"]);
    let who = (ProducerId(77), ProducerEpoch(3));
    let next = (who.0, ProducerEpoch(4));
    assert_eq!(write(&house, who, 0, "first"), ErrorCode::NONE);
    assert_eq!(mark_in(&house, 2, who, "t", 5), ErrorCode::INVALID_PRODUCER_EPOCH);
    assert_eq!(stable_end(&house), 0);
    assert_eq!(mark_in(&house, 2, next, "t", 5), ErrorCode::NONE);
    assert_eq!(stable_end(&house), 2);
    // Once more, as when the answer was lost.
    assert_eq!(mark_in(&house, 2, next, "t", 5), ErrorCode::NONE);
    assert_eq!(write(&house, next, 0, "second"), ErrorCode::NONE);
    assert_eq!(mark_in(&house, 2, next, "t", 5), ErrorCode::INVALID_PRODUCER_EPOCH);
    assert_eq!(stable_end(&house), 3);
    assert_eq!(mark_in(&house, 1, next, "t", 5), ErrorCode::NONE);
    assert_eq!(stable_end(&house), 5);
}

#[test]
fn a_marker_of_nobody_or_of_no_coordinator_is_refused_before_it_is_written() {
    let house = house_with(&["transaction.partition.verification.enable=false"]);
    for (id, epoch) in [(-1, -1), (77, -1), (-1, 0)] {
        let nobody = (ProducerId(id), ProducerEpoch(epoch));
        assert_eq!(mark(&house, nobody, "t", 0), ErrorCode::INVALID_REQUEST);
    }
    let who = (ProducerId(77), ProducerEpoch(0));
    assert_eq!(mark(&house, who, "t", -5), ErrorCode::TRANSACTION_COORDINATOR_FENCED);
    assert_eq!(stable_end(&house), 0);
    assert_eq!(mark(&house, who, "t", -1), ErrorCode::NONE);
    assert_eq!(stable_end(&house), 1);
}

#[test]
fn aborted_transactions_are_told_in_the_order_in_which_they_began() {
    let house = house_with(&["transaction.partition.verification.enable=false"]);
    let [long, short] = [901, 902].map(|id| (ProducerId(id), ProducerEpoch(0)));
    let written = [write(&house, long, 0, "a"), write(&house, short, 0, "b")];
    let ended = [mark(&house, short, "t", 0), mark(&house, long, "t", 0)];
    assert_eq!([written, ended], [[ErrorCode::NONE; 2]; 2]);
    let request = FetchRequest { isolation_level: 1, ..fetch("t", 0) };
    let told = house.ask(12, request).responses[0].partitions[0].aborted_transactions.clone();
    let told = told.unwrap_or_default().into_iter().map(|one| (one.producer_id, one.first_offset));
    assert_eq!(told.collect::<Vec<_>>(), [(long.0, Offset(0)), (short.0, Offset(1))]);
}

#[test]
fn transactions_are_listed() {
    let house = house();
    let who = init(&house);
    add(&house, who, "t", &[0]);
    let list = |states: &[&str], pattern: Option<&str>| {
        let request = ListTransactionsRequest {
            state_filters: states.iter().map(|state| StrBytes::copied(state)).collect(),
            transactional_id_pattern: pattern.map(StrBytes::copied),
            duration_filter: -1,
            ..Default::default()
        };
        let told = house.ask(2, request);
        let ids: Vec<_> =
            told.transaction_states.iter().map(|s| s.transactional_id.to_string()).collect();
        let unknown: Vec<_> = told.unknown_state_filters.iter().map(ToString::to_string).collect();
        (told.error_code, ids, unknown)
    };
    let all = vec![ID.to_owned()];
    assert_eq!(list(&[], None), (ErrorCode::NONE, all.clone(), vec![]));
    assert_eq!(list(&["Ongoing", "Odd"], None), (ErrorCode::NONE, all, vec!["Odd".to_owned()]));
    assert_eq!(list(&["Empty"], None), (ErrorCode::NONE, vec![], vec![]));
    assert_eq!(list(&[], Some("nothing")), (ErrorCode::NONE, vec![], vec![]));
    assert_eq!(list(&[], Some("(")), (ErrorCode::INVALID_REGULAR_EXPRESSION, vec![], vec![]));
}

#[test]
fn while_there_is_no_home_nobody_is_the_coordinator() {
    let house = House::new();
    assert_eq!(init_with(&house, 60_000), Err(ErrorCode::NOT_COORDINATOR));
    assert_eq!(state(&house), "NOT_COORDINATOR");
}
