//! Offsets in transactions on a log in memory: their batches, their markers, and who waits.

use ottla_wire::messages::TxnOffsetCommitRequest;
use ottla_wire::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};

use super::*;

const PRODUCER: Producer =
    Producer { id: ProducerId(4), epoch: ProducerEpoch(1), base_sequence: 0 };

fn transact(
    coordinator: &Coordinator,
    offset: i64,
    entering: Result<(), ErrorCode>,
) -> Answer<ErrorCode> {
    let partition = TxnOffsetCommitRequestPartition {
        committed_offset: Offset(offset),
        ..TxnOffsetCommitRequestPartition::default()
    };
    let topic = TxnOffsetCommitRequestTopic {
        name: "t".into(),
        partitions: vec![partition],
        ..TxnOffsetCommitRequestTopic::default()
    };
    let request = TxnOffsetCommitRequest {
        transactional_id: "tx".into(),
        group_id: "g".into(),
        producer_id: PRODUCER.id,
        producer_epoch: PRODUCER.epoch,
        topics: vec![topic],
        ..TxnOffsetCommitRequest::default()
    };
    let committed = coordinator.txn_offset_commit(caller(), 5, OneTopic, request, move || entering);
    committed.map(|response| response.topics[0].partitions[0].error_code)
}

fn end(coordinator: &Coordinator, partition: i32, committed: bool) -> Answer<ErrorCode> {
    let coordinator_epoch = 0;
    let control = match committed {
        true => ControlRecord::Commit { coordinator_epoch },
        false => ControlRecord::Abort { coordinator_epoch },
    };
    let marker = end_transaction(Offset(0), Timestamp(0), PRODUCER, &control).unwrap();
    let of = (PRODUCER.id, MarkerEpoch::AtLeast);
    coordinator.end_transaction_of(PartitionIndex(partition), of, committed, marker)
}

#[test]
fn offsets_are_batches_of_the_producer_and_count_from_the_marker_on() {
    run(async |env, log| {
        let first = coordinator(&env, &log).await;
        assert_eq!(transact(&first, 5, Ok(())).await, ErrorCode::NONE);
        assert_eq!(committed(&first).await, Ok(Offset(-1)));
        {
            let written = log.batches.lock().unwrap();
            let batch = batches(&written[0].1).next().unwrap().unwrap();
            assert!(batch.is_transactional() && !batch.is_control());
            assert_eq!(batch.producer(), Some(PRODUCER));
        }
        assert_eq!(end(&first, 0, true).await, ErrorCode::NONE);
        assert_eq!(committed(&first).await, Ok(Offset(5)));
        assert_eq!(transact(&first, 9, Ok(())).await, ErrorCode::NONE);
        assert_eq!(end(&first, 0, false).await, ErrorCode::NONE);
        assert_eq!(committed(&first).await, Ok(Offset(5)));
        // Who loads the log comes to the same.
        let second = coordinator(&env, &log).await;
        assert_eq!(committed(&second).await, Ok(Offset(5)));
    });
}

#[test]
fn nothing_is_written_for_who_may_not_enter() {
    run(async |env, log| {
        let coordinator = coordinator(&env, &log).await;
        let refused = Err(ErrorCode::TRANSACTION_ABORTABLE);
        assert_eq!(transact(&coordinator, 5, refused).await, ErrorCode::TRANSACTION_ABORTABLE);
        assert_eq!(log.records(), 0);
    });
}

#[test]
fn a_marker_is_answered_when_it_is_committed() {
    run(async |env, log| {
        let coordinator = coordinator(&env, &log).await;
        assert_eq!(transact(&coordinator, 5, Ok(())).await, ErrorCode::NONE);
        *log.commits.lock().unwrap() = false;
        let ended = end(&coordinator, 0, true);
        let Answer::Later(ended) = ended else { panic!("nothing is committed yet") };
        let fetched = committed(&coordinator);
        log.commit();
        assert_eq!((ended.await, fetched.await), (ErrorCode::NONE, Ok(Offset(5))));
    });
}

#[test]
fn a_marker_for_a_partition_that_is_elsewhere_or_loads_is_sent_again() {
    run(async |env, log| {
        let coordinator = coordinator(&env, &log).await;
        assert_eq!(end(&coordinator, 1, true).await, ErrorCode::NOT_LEADER_OR_FOLLOWER);
        coordinator.partitions(Some(2));
        coordinator.lead(PartitionIndex(1), LeaderEpoch(0), log.clone());
        assert_eq!(end(&coordinator, 1, true).await, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    });
}

#[test]
fn what_the_log_says_of_the_producer_is_told() {
    run(async |env, log| {
        let coordinator = coordinator(&env, &log).await;
        let old = ErrorCode::INVALID_PRODUCER_EPOCH;
        *log.refuses.lock().unwrap() = Some(old);
        assert_eq!(transact(&coordinator, 5, Ok(())).await, old);
        let fenced = ErrorCode::TRANSACTION_COORDINATOR_FENCED;
        *log.refuses.lock().unwrap() = Some(fenced);
        assert_eq!(end(&coordinator, 0, true).await, fenced);
    });
}
