//! Hostile bytes for records: this crate's targets, one row each.
//!
//! A target panics when a promise is broken. Must hold: what can be read is written and read again
//! as the same, any record can be lived with and taken back, and a share partition can be led from
//! whatever is written down of it.

use bytes::Bytes;
use ottla_machine::golden::{GoldenRecord, golden_records, key_and_value, record_inputs};
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

fn record(input: &[u8]) -> Option<ShareRecord> {
    let (key, value) = key_and_value(input)?;
    ShareRecord::decode(Bytes::copy_from_slice(key), value.map(Bytes::copy_from_slice)).ok()
}

fn records(_: &mut Prng) -> Vec<Vec<u8>> {
    record_inputs(golden())
}

/// The records that Apache Kafka wrote.
pub(crate) fn golden() -> Vec<GoldenRecord> {
    golden_records(include_str!("../tests/golden/share_group_state.txt"))
}
