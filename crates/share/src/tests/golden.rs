//! Records in bytes, as Apache Kafka 4.4.0 wrote them.
//!
//! tests/golden/share_group_state.txt has keys and values of `__share_group_state`.

use bytes::Bytes;
use ottla_machine::Machine;
use ottla_machine::golden::GoldenRecord;
use ottla_wire::Offset;

use crate::fuzz::golden;
use crate::{ShareRecord, ShareStates};

fn records() -> Vec<(&'static str, ShareRecord)> {
    let read = |(name, key, value): GoldenRecord| {
        let (key, value) = (Bytes::from(key), value.map(Bytes::from));
        let record = ShareRecord::decode(key.clone(), value.clone());
        let record = record.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(record.encode(), (key, value), "{name}");
        (name, record)
    };
    golden().into_iter().map(read).collect()
}

/// What is written down of a group's partitions when the record of this name was replayed.
fn told(until: &str, group: &str) -> String {
    let mut states = ShareStates::default();
    for (at, (name, record)) in (0..).zip(records()) {
        states.replay(Offset(at), &record);
        if name == until {
            break;
        }
    }
    let of_group = states.iter().filter(|(key, _)| &*key.group == group);
    let told = of_group.map(|(key, state)| {
        let batches = state.batches.iter();
        let batches = batches
            .map(|it| format!(" {}-{}:{}/{}", it.first, it.last, it.state, it.count))
            .collect::<String>();
        let (epochs, done) =
            ((state.snapshot_epoch, state.state_epoch), state.delivery_complete_count);
        format!("{} of {epochs:?}: start {}, {done} done{batches}", key.partition, state.start)
    });
    told.collect::<Vec<_>>().join(", ")
}

#[test]
fn what_kafka_wrote_is_read_and_written_back_in_the_same_bytes() {
    assert_eq!(records().len(), 16);
}

#[test]
fn what_kafka_wrote_of_dead_letters_is_understood() {
    let first = "0 of (0, 2): start 0, 2 done 0-0:3/1 1-1:2/1 2-2:0/1 3-4:3/1 5-5:2/1";
    assert_eq!(told("first-verdicts", "g-head"), first);
    let last = "0 of (0, 2): start 2, 4 done 2-2:4/5 3-4:4/1 5-5:2/1";
    assert_eq!(told("archived", "g-head"), last);
}

#[test]
fn what_kafka_wrote_of_altered_and_deleted_offsets_is_understood() {
    let begun = "0 of (0, 2): start -1, -1 done, 1 of (0, 2): start -1, -1 done";
    assert_eq!(told("one-begun", "eg"), begun);
    let altered = "0 of (2, 6): start 0, 0 done, 1 of (0, 2): start -1, -1 done";
    assert_eq!(told("altered-again", "eg"), altered);
    assert_eq!(told("one-deleted", "eg"), "");
}
