//! Hostile bytes for records: this crate's targets, one row each.
//!
//! A target panics when a promise is broken. Must hold: what can be read is written and read again
//! as the same, any record can be lived with and taken back, and a share partition can be led from
//! whatever is written down of it.

use bytes::Bytes;
use ottla_machine::{Machine, Now};
use ottla_wire::fuzz::{Prng, Target};
use ottla_wire::{LeaderEpoch, Offset, Timestamp};

use crate::{ReadState, Rules, Settings, SharePartition, ShareRecord, ShareStates, Soft, State};

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "share_record", run: reread, seeds: records, allocation_max: 0 },
    Target { name: "share_replay", run: replay, seeds: records, allocation_max: 0 },
];

fn reread(input: &[u8]) {
    let Some(record) = record(input) else { return };
    let (key, value) = record.encode();
    let again = ShareRecord::decode(key.clone(), value.clone()).expect("it was written");
    // Unknown tags are not kept: a first reading may lose.
    assert_eq!(again.encode(), (key, value), "{record:?}");
}

/// Whatever a log says of a share partition, its coordinator starts and its time passes.
fn replay(input: &[u8]) {
    let Some(record) = record(input) else { return };
    let mut states = ShareStates::default();
    let undo = states.replay(Offset(0), &record);
    let (mut soft, settings) = (Soft::default(), Settings::default());
    let mut now = Now { steady: Timestamp(0), wall: Timestamp(1_900_000_000_000) };
    states.loaded(&mut soft, now, &settings);
    for _ in 0..3 {
        let Some(at) = soft.wake() else { break };
        now.steady = at;
        states.tick(&mut soft, now, &settings);
    }
    states.iter().for_each(|(_, state)| lead(state));
    states.undo(undo);
    assert_eq!(states, ShareStates::default());
}

/// A leader takes the state over, and brings what was given up to its queue.
fn lead(state: &State) {
    let read = ReadState {
        state_epoch: state.state_epoch,
        start: state.start,
        batches: state.batches.clone(),
    };
    let rules = Rules { has_dead_letters: true, ..Rules::default() };
    let mut partition = SharePartition::load(&read, LeaderEpoch(0));
    assert!(partition.in_flight() >= 0 && partition.next_fetch() <= partition.end());
    let dead = partition.unsent(&rules);
    assert_eq!(partition.archive(&dead).is_some(), !dead.is_empty());
    assert!(partition.unsent(&rules).is_empty());
}

/// A record out of the length of its key, its key and its value.
fn record(input: &[u8]) -> Option<ShareRecord> {
    let (&split, rest) = input.split_first()?;
    let (key, value) = rest.split_at(usize::from(split).min(rest.len()));
    let value = (!value.is_empty()).then(|| Bytes::copy_from_slice(value));
    ShareRecord::decode(Bytes::copy_from_slice(key), value).ok()
}

fn records(_: &mut Prng) -> Vec<Vec<u8>> {
    let inputs = golden().into_iter().map(|(_, key, value)| {
        let mut input = vec![u8::try_from(key.len()).unwrap_or(u8::MAX)];
        input.extend(key);
        input.extend(value.unwrap_or_default());
        input
    });
    inputs.collect()
}

/// Name, key and value of a record that Apache Kafka wrote.
pub(crate) type Golden = (&'static str, Vec<u8>, Option<Vec<u8>>);

/// The records that Apache Kafka wrote.
pub(crate) fn golden() -> Vec<Golden> {
    let text = include_str!("../tests/golden/share_group_state.txt");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let records = lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        let (name, key, value) = (words.next()?, words.next()?, words.next()?);
        Some((name, unhex(key), (value != "-").then(|| unhex(value))))
    });
    records.collect()
}

/// The bytes of a text in hex; none for anything else.
fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks_exact(2);
    let bytes = digits.map_while(|two| {
        let two = std::str::from_utf8(two).ok()?;
        u8::from_str_radix(two, 16).ok()
    });
    bytes.collect()
}
