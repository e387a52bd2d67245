//! Hostile bytes for records and patterns: this crate's targets, one row each.
//!
//! A target panics when a promise is broken. Must hold: what can be read is written and read again
//! as the same, any record can be lived with and taken back.

use bytes::Bytes;
use ottla_machine::golden::{GoldenRecord, golden_records, key_and_value, record_inputs};
use ottla_machine::{Machine, Now};
use ottla_wire::fuzz::{Prng, Target};
use ottla_wire::messages::ListTransactionsRequest;
use ottla_wire::{Offset, ProducerId, StrBytes, Timestamp};

use crate::{Filter, Settings, Soft, TransactionRecord, Transactions};

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "transactions_record", run: reread, seeds: records, allocation_max: 0 },
    Target { name: "transactions_replay", run: replay, seeds: records, allocation_max: 0 },
    Target { name: "transactions_pattern", run: pattern, seeds: patterns, allocation_max: 0 },
];

fn reread(input: &[u8]) {
    let Some(record) = record(input) else { return };
    let (key, value) = record.encode();
    let again = TransactionRecord::decode(key.clone(), value.clone()).expect("it was written");
    // An empty id has no partitions, and unknown tags are not kept: a first reading may lose.
    assert_eq!(again.encode(), (key, value), "{record:?}");
}

/// Whatever a log says of an id, its coordinator starts and its time passes.
fn replay(input: &[u8]) {
    let Some(record) = record(input) else { return };
    let mut transactions = Transactions::default();
    let undo = transactions.replay(Offset(0), &record);
    let (mut soft, settings) = (Soft::default(), Settings::default());
    let mut now = Now { steady: Timestamp(0), wall: Timestamp(1_900_000_000_000) };
    transactions.loaded(&mut soft, now, &settings);
    for _ in 0..3 {
        let Some(at) = soft.wake() else { break };
        now.steady = at;
        transactions.tick(&mut soft, now, &settings);
    }
    if let TransactionRecord::Transaction { id, .. } = &record {
        let fresh = Some(ProducerId(1));
        transactions.abort_timed_out(&mut soft, now, &settings, id, fresh);
    }
    transactions.undo(undo);
    assert_eq!(transactions, Transactions::default());
}

fn pattern(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let request = ListTransactionsRequest {
        transactional_id_pattern: Some(StrBytes::copied(text)),
        ..Default::default()
    };
    drop(Filter::of(&request));
}

fn record(input: &[u8]) -> Option<TransactionRecord> {
    let (key, value) = key_and_value(input)?;
    TransactionRecord::decode(Bytes::copy_from_slice(key), value.map(Bytes::copy_from_slice)).ok()
}

fn records(_: &mut Prng) -> Vec<Vec<u8>> {
    record_inputs(golden())
}

fn patterns(_: &mut Prng) -> Vec<Vec<u8>> {
    [r"payments-\d+", "(a|b)*c", "[[:alpha:]]{1,9}"].map(|text| text.as_bytes().to_vec()).to_vec()
}

/// The records that Apache Kafka wrote.
pub(crate) fn golden() -> Vec<GoldenRecord> {
    golden_records(include_str!("../tests/golden/transaction_state.txt"))
}
