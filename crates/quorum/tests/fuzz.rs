//! Hostile bytes for snapshots of the metadata and `bootstrap.checkpoint`: nothing panics, and what
//! can be read can be written and read again.
//!
//! `cargo test` runs the same cases each time, `cargo xtask fuzz` those of other seeds, by
//! OTTLA_FUZZ_SEED.

#![allow(clippy::unwrap_used, reason = "a test says why it fails by its line")]

use bytes::Bytes;
use ottla_metadata::MetadataRecord;
use ottla_quorum::{Checkpoint, QuorumError};
use ottla_wire::fuzz::{Cases, Prng, Target};
use ottla_wire::messages::{FeatureLevelRecord, TopicRecord};
use ottla_wire::{LeaderEpoch, Timestamp, TopicId, Uuid};

/// Cases of one run, about a second's worth.
const CASES: usize = 10_000;
const NOW: Timestamp = Timestamp(1_800_000_000_000);

const TARGETS: &[Target] = &[
    Target { name: "quorum_checkpoint", run: checkpoint, seeds, allocation_max: 0 },
    Target { name: "quorum_checkpoint_sealed", run: sealed, seeds, allocation_max: 0 },
];

#[test]
fn no_bytes_of_a_snapshot_break_a_promise() {
    let seed = std::env::var("OTTLA_FUZZ_SEED").ok().and_then(|seed| seed.parse().ok());
    for case in Cases::new(TARGETS, seed.unwrap_or(1)).take(CASES) {
        case.run();
    }
}

fn seeds(_: &mut Prng) -> Vec<Vec<u8>> {
    let level = FeatureLevelRecord {
        name: "metadata.version".into(),
        feature_level: 29,
        ..Default::default()
    };
    let topic = TopicRecord {
        name: "orders".into(),
        topic_id: TopicId(Uuid([7; 16])),
        ..Default::default()
    };
    let some = Checkpoint {
        last_timestamp: NOW,
        records: vec![MetadataRecord::FeatureLevel(level), MetadataRecord::Topic(topic)],
        ..Checkpoint::default()
    };
    [Checkpoint::default(), some].map(|checkpoint| encode(&checkpoint).unwrap()).into()
}

fn encode(checkpoint: &Checkpoint) -> Result<Vec<u8>, QuorumError> {
    let mut bytes = Vec::new();
    checkpoint.encode(LeaderEpoch(3), NOW, |batch| {
        bytes.extend_from_slice(batch);
        Ok::<(), QuorumError>(())
    })?;
    Ok(bytes)
}

#[test]
fn what_is_mutated_can_be_read_as_it_is() {
    for seed in seeds(&mut Prng::new(1)) {
        assert!(Checkpoint::decode(&Bytes::from(seed)).is_ok());
    }
}

fn checkpoint(bytes: &[u8]) {
    let Ok(checkpoint) = Checkpoint::decode(&Bytes::copy_from_slice(bytes)) else { return };
    if let Ok(again) = encode(&checkpoint) {
        let again = Checkpoint::decode(&Bytes::from(again)).unwrap();
        assert_eq!(again.records.len(), checkpoint.records.len());
    }
}

/// With the right checksums, so that the records are reached.
fn sealed(bytes: &[u8]) {
    let (mut bytes, mut at) = (bytes.to_vec(), 0);
    while let Some(len) = ottla_records::batch::batch_len(&bytes[at..]).ok().flatten() {
        let Some(batch) = bytes.get_mut(at..at + len) else { break };
        if batch.len() > 21 && batch[16] == 2 {
            let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &batch[21..]);
            batch[17..21].copy_from_slice(&u32::try_from(crc).unwrap().to_be_bytes());
        }
        at += len;
    }
    checkpoint(&bytes);
}
