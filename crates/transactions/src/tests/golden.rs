//! Records in bytes, as Apache Kafka 4.3.1 wrote them.
//!
//! tests/golden/transaction_state.txt has keys and values from a segment of `__transaction_state`.

use std::sync::Arc;

use bytes::Bytes;
use ottla_machine::Machine;
use ottla_wire::{Offset, ProducerEpoch, ProducerId};

use crate::state::State;
use crate::{RecordError, TransactionRecord, Transactions};

/// None of the records is a tombstone.
fn golden() -> Vec<(&'static str, Vec<u8>, Vec<u8>)> {
    let records = crate::fuzz::golden().into_iter();
    records.map(|(name, key, value)| (name, key, value.expect("no tombstone"))).collect()
}

fn decoded(key: &[u8], value: &[u8]) -> Result<TransactionRecord, RecordError> {
    let value = Bytes::copy_from_slice(value);
    TransactionRecord::decode(Bytes::copy_from_slice(key), Some(value))
}

#[test]
fn what_kafka_wrote_is_read_and_written_back_in_the_same_bytes() {
    for (name, key, value) in golden() {
        let record = decoded(&key, &value).unwrap_or_else(|error| panic!("{name}: {error}"));
        let written = record.encode();
        let TransactionRecord::Transaction { value: Some(transaction), .. } = &record else {
            panic!("{name}")
        };
        let topics = transaction.partitions.iter().map(|partition| &partition.topic);
        if topics.collect::<std::collections::BTreeSet<_>>().len() <= 1 {
            assert_eq!(written, (Bytes::from(key), Some(Bytes::from(value))), "{name}");
        } else {
            // Topics stand in the order of a Java hash map there.
            let again = decoded(&key, written.1.as_deref().unwrap_or_default());
            assert_eq!(again, Ok(record), "{name}");
            assert_eq!(written.1.map(|bytes| bytes.len()), Some(value.len()), "{name}");
        }
    }
}

#[test]
fn a_transaction_of_kafka_is_understood() {
    let mut transactions = Transactions::default();
    for (at, (_, key, value)) in (0..).zip(golden()) {
        transactions.replay(Offset(at), &decoded(&key, &value).expect("Kafka wrote it"));
    }
    assert_eq!(transactions.len(), 1);
    let (id, last) = transactions.iter().next().expect("one");
    assert_eq!((&**id, last.state), ("sample-tx", State::CompleteAbort));
    assert_eq!((last.producer_id, last.producer_epoch), (ProducerId(4), ProducerEpoch(2)));
    assert_eq!((last.timeout_ms, last.client_version), (60_000, 2));
}

#[test]
fn the_older_value_tells_less_and_a_wrong_one_is_an_error() {
    let (_, key, value) = golden().swap_remove(1);
    let Ok(TransactionRecord::Transaction { id, value: Some(transaction), .. }) =
        decoded(&key, &value)
    else {
        panic!()
    };
    let older = TransactionRecord::Transaction { id, value: Some(transaction.clone()), version: 0 };
    let (older_key, older_value) = older.encode();
    assert_eq!(older_key, key);
    let again = TransactionRecord::decode(older_key, older_value);
    let Ok(TransactionRecord::Transaction { value: Some(again), version: 0, .. }) = again else {
        panic!()
    };
    let mut expected = (*transaction).clone();
    expected.previous_producer_id = ProducerId(-1);
    expected.client_version = 0;
    assert_eq!(again, Arc::new(expected));

    let mut wrong = value;
    wrong[16] = 9;
    assert_eq!(decoded(&key, &wrong), Err(RecordError::State(9)));
    wrong[1] = 77;
    assert!(matches!(decoded(&key, &wrong), Err(RecordError::Bytes(_))));
}

#[test]
fn a_tombstone_forgets_and_an_unknown_type_is_passed_over() {
    let mut transactions = Transactions::default();
    let (_, key, value) = golden().swap_remove(0);
    transactions.replay(Offset(0), &decoded(&key, &value).expect("Kafka wrote it"));
    let tombstone = TransactionRecord::decode(Bytes::from(key), None).expect("a key");
    let undo = transactions.replay(Offset(1), &tombstone);
    assert!(transactions.is_empty());
    transactions.undo(undo);
    assert_eq!(transactions.len(), 1);
    let unknown = decoded(&[0, 9, 1, 2], &[1]).expect("kept as it is");
    let undo = transactions.replay(Offset(2), &unknown);
    assert_eq!(transactions.unknown(), 1);
    transactions.undo(undo);
    assert_eq!(transactions.unknown(), 0);
}
