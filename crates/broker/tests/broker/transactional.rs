//! What is written in transactions: which batches and offsets get into one, and when they count.

use ottla_wire::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use ottla_wire::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use ottla_wire::messages::*;
use ottla_wire::{ErrorCode, Offset, PartitionIndex, ProducerEpoch, ProducerId};

use crate::support::{House, id_of};
use crate::transactions::{
    ID, Who, add, end, house, house_with, init, stable_end, state, write_as,
};

/// Commits an offset of `t` for the group `g` within the transaction.
fn commit(house: &House, version: i16, who: Who, offset: i64) -> ErrorCode {
    let partition =
        TxnOffsetCommitRequestPartition { committed_offset: Offset(offset), ..Default::default() };
    let topic = TxnOffsetCommitRequestTopic {
        name: if version < 6 { "t".into() } else { Default::default() },
        topic_id: if version < 6 { Default::default() } else { id_of("t") },
        partitions: vec![partition],
        ..Default::default()
    };
    let request = TxnOffsetCommitRequest {
        transactional_id: ID.into(),
        group_id: "g".into(),
        producer_id: who.0,
        producer_epoch: who.1,
        topics: vec![topic],
        ..Default::default()
    };
    house.ask(version, request).topics[0].partitions[0].error_code
}

/// What `g` has committed for `t`, for one who waits for open transactions.
fn committed(house: &House) -> Result<i64, ErrorCode> {
    let topic = OffsetFetchRequestTopics {
        name: "t".into(),
        partition_indexes: vec![PartitionIndex(0)],
        ..Default::default()
    };
    let group = OffsetFetchRequestGroup {
        group_id: "g".into(),
        topics: Some(vec![topic]),
        ..Default::default()
    };
    let request =
        OffsetFetchRequest { groups: vec![group], require_stable: true, ..Default::default() };
    let told = house.ask(8, request);
    let partition = &told.groups[0].topics[0].partitions[0];
    match partition.error_code {
        ErrorCode::NONE => Ok(partition.committed_offset.0),
        error => Err(error),
    }
}

fn add_offsets(house: &House, who: Who) -> ErrorCode {
    let request = AddOffsetsToTxnRequest {
        transactional_id: ID.into(),
        producer_id: who.0,
        producer_epoch: who.1,
        group_id: "g".into(),
        ..Default::default()
    };
    house.ask(3, request).error_code
}

const UNSTABLE: ErrorCode = ErrorCode::UNSTABLE_OFFSET_COMMIT;

#[test]
fn a_batch_that_claims_a_transaction_it_is_not_in_is_refused() {
    let house = house();
    let who = init(&house);
    assert_eq!(write_as(&house, 10, who, 0, "a"), ErrorCode::INVALID_TXN_STATE);
    assert_eq!(write_as(&house, 11, who, 0, "a"), ErrorCode::TRANSACTION_ABORTABLE);
    let stranger = (ProducerId(99), ProducerEpoch(0));
    let unknown = ErrorCode::INVALID_PRODUCER_ID_MAPPING;
    assert_eq!(write_as(&house, 11, stranger, 0, "a"), unknown);
    assert_eq!(write_as(&house, 12, stranger, 0, "a"), unknown);
    let other_epoch = (who.0, ProducerEpoch(7));
    assert_eq!(write_as(&house, 12, other_epoch, 0, "a"), ErrorCode::INVALID_PRODUCER_EPOCH);
    // Nothing of it is in the log, and what was added is let in.
    assert_eq!((stable_end(&house), &*state(&house)), (0, "Empty"));
    assert_eq!(add(&house, who, "t", &[0]), [ErrorCode::NONE]);
    assert_eq!(write_as(&house, 11, who, 0, "a"), ErrorCode::NONE);
    // After its end the same producer is no longer in it.
    end(&house, 4, who, true).expect("an end");
    house.pass_ms(1);
    assert_eq!(write_as(&house, 11, who, 1, "late"), ErrorCode::TRANSACTION_ABORTABLE);
    assert_eq!(stable_end(&house), 2);
}

#[test]
fn what_newer_clients_write_to_is_added_by_that() {
    let house = house();
    let first = init(&house);
    assert_eq!(write_as(&house, 12, first, 0, "a"), ErrorCode::NONE);
    assert_eq!(write_as(&house, 12, first, 1, "b"), ErrorCode::NONE);
    assert_eq!((stable_end(&house), &*state(&house)), (0, "Ongoing"));
    let second = end(&house, 5, first, true).expect("an end");
    assert_eq!(second, (first.0, ProducerEpoch(1)));
    // The next one begins at once, and counts anew.
    assert_eq!(write_as(&house, 12, second, 0, "c"), ErrorCode::NONE);
    assert_eq!((stable_end(&house), &*state(&house)), (3, "Ongoing"));
    assert_eq!(write_as(&house, 12, first, 2, "late"), ErrorCode::INVALID_PRODUCER_EPOCH);
    end(&house, 5, second, false).expect("an end");
    house.pass_ms(1);
    assert_eq!((stable_end(&house), &*state(&house)), (5, "CompleteAbort"));
}

#[test]
fn a_newer_client_begins_with_its_first_batch() {
    let house = house();
    let who = init(&house);
    let missing = ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER;
    assert_eq!(write_as(&house, 12, who, 3, "d"), missing);
    assert_eq!(write_as(&house, 12, who, 0, "a"), ErrorCode::NONE);
}

#[test]
fn without_verification_older_clients_are_believed() {
    let house = house_with(&["transaction.partition.verification.enable=false"]);
    let who = init(&house);
    assert_eq!(write_as(&house, 11, who, 0, "a"), ErrorCode::NONE);
    assert_eq!((stable_end(&house), &*state(&house)), (0, "Empty"));
}

#[test]
fn while_the_coordinator_cannot_tell_older_clients_try_again() {
    let mut house = House::new();
    house.topic("t", 2, &[]);
    let who = (ProducerId(5), ProducerEpoch(0));
    for version in [9, 12] {
        let told = write_as(&house, version, who, 0, "a");
        assert_eq!(told, ErrorCode::NOT_ENOUGH_REPLICAS, "{version}");
    }
}

#[test]
fn offsets_count_with_the_transaction_that_they_are_in() {
    let house = house();
    let who = init(&house);
    assert_eq!(commit(&house, 3, who, 5), ErrorCode::INVALID_TXN_STATE);
    assert_eq!(commit(&house, 4, who, 5), ErrorCode::TRANSACTION_ABORTABLE);
    assert_eq!(committed(&house), Ok(-1));
    assert_eq!(add_offsets(&house, who), ErrorCode::NONE);
    assert_eq!(commit(&house, 3, who, 5), ErrorCode::NONE);
    assert_eq!(committed(&house), Err(UNSTABLE));
    assert_eq!(end(&house, 4, who, true), Ok(who));
    house.pass_ms(1);
    assert_eq!(committed(&house), Ok(5));
    assert_eq!(add_offsets(&house, who), ErrorCode::NONE);
    assert_eq!(commit(&house, 3, who, 9), ErrorCode::NONE);
    assert_eq!(end(&house, 4, who, false), Ok(who));
    house.pass_ms(1);
    assert_eq!(committed(&house), Ok(5));
}

#[test]
fn offsets_of_newer_clients_take_their_home_into_the_transaction() {
    let house = house();
    let mut who = init(&house);
    for (version, offset) in [(5, 5), (6, 6)] {
        assert_eq!(write_as(&house, 12, who, 0, "a"), ErrorCode::NONE);
        assert_eq!(commit(&house, version, who, offset), ErrorCode::NONE);
        assert_eq!((committed(&house), &*state(&house)), (Err(UNSTABLE), "Ongoing"));
        let next = end(&house, 5, who, true).expect("an end");
        house.pass_ms(1);
        assert_eq!(committed(&house), Ok(offset));
        let late = commit(&house, version, who, 99);
        assert_eq!(late, ErrorCode::INVALID_PRODUCER_EPOCH);
        who = next;
    }
    assert_eq!(commit(&house, 5, who, 9), ErrorCode::NONE);
    end(&house, 5, who, false).expect("an end");
    house.pass_ms(1);
    assert_eq!(committed(&house), Ok(6));
}

#[test]
fn offsets_of_open_and_decided_transactions_survive_a_kill() {
    let mut house = house();
    let first = init(&house);
    assert_eq!(commit(&house, 5, first, 5), ErrorCode::NONE);
    house.kill_and_restart();
    house.pass_ms(500);
    assert_eq!(committed(&house), Err(UNSTABLE));
    let second = end(&house, 5, first, true).expect("an end");
    house.pass_ms(500);
    assert_eq!(committed(&house), Ok(5));
    assert_eq!(commit(&house, 5, second, 9), ErrorCode::NONE);
    end(&house, 5, second, false).expect("an end");
    house.kill_and_restart();
    house.pass_ms(500);
    assert_eq!(committed(&house), Ok(5));
}

#[test]
fn a_transaction_that_times_out_takes_its_offsets_with_it() {
    let house = house();
    let who = init(&house);
    assert_eq!(commit(&house, 5, who, 5), ErrorCode::NONE);
    house.pass_ms(75_000);
    assert_eq!((committed(&house), &*state(&house)), (Ok(-1), "CompleteAbort"));
}

#[test]
fn offsets_are_committed_in_every_version() {
    for version in 0..=6 {
        let house = house();
        let who = init(&house);
        assert_eq!(add_offsets(&house, who), ErrorCode::NONE);
        assert_eq!(commit(&house, version, who, 5), ErrorCode::NONE, "{version}");
        end(&house, 4, who, true).expect("an end");
        house.pass_ms(1);
        assert_eq!(committed(&house), Ok(5), "{version}");
    }
}
