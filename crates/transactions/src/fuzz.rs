//! Hostile bytes for records and patterns: this crate's targets, one row each.
//!
//! A target panics when a promise is broken. Must hold: what can be read is written and read again
//! as the same, any record can be lived with and taken back.

use bytes::Bytes;
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

/// A record out of the length of its key, its key and its value.
fn record(input: &[u8]) -> Option<TransactionRecord> {
    let (&split, rest) = input.split_first()?;
    let (key, value) = rest.split_at(usize::from(split).min(rest.len()));
    let value = (!value.is_empty()).then(|| Bytes::copy_from_slice(value));
    TransactionRecord::decode(Bytes::copy_from_slice(key), value).ok()
}

fn records(_: &mut Prng) -> Vec<Vec<u8>> {
    let inputs = golden().into_iter().map(|(_, key, value)| {
        let mut input = vec![u8::try_from(key.len()).unwrap_or(u8::MAX)];
        input.extend(key);
        input.extend(value);
        input
    });
    inputs.collect()
}

fn patterns(_: &mut Prng) -> Vec<Vec<u8>> {
    [r"payments-\d+", "(a|b)*c", "[[:alpha:]]{1,9}"].map(|text| text.as_bytes().to_vec()).to_vec()
}

/// Name, key and value of the records that Kafka wrote.
pub(crate) fn golden() -> Vec<(&'static str, Vec<u8>, Vec<u8>)> {
    let text = include_str!("../tests/golden/transaction_state.txt");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let records = lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?, unhex(words.next()?), unhex(words.next()?)))
    });
    records.collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks_exact(2);
    let bytes = digits.map_while(|two| {
        let two = std::str::from_utf8(two).ok()?;
        u8::from_str_radix(two, 16).ok()
    });
    bytes.collect()
}
