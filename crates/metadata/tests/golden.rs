//! Records that Apache Kafka wrote: they decode, encode to the same bytes, and replay.
//!
//! Each file in `golden/` says what wrote it; its lines are the offset and value of each data
//! record of the log.

#![allow(clippy::unwrap_used, reason = "a test says why it fails by its line")]

use ottla_metadata::{Image, LeaderRecoveryState, MetadataRecord, MetadataVersion, ResourceType};
use ottla_wire::{BrokerId, Bytes, Offset, PartitionIndex, ProducerId};

fn lines(text: &str) -> Vec<(Offset, Bytes)> {
    let line = |line: &str| {
        let (offset, hex) = line.split_once(' ').unwrap();
        let digits: Vec<u32> = hex.chars().map(|digit| digit.to_digit(16).unwrap()).collect();
        let byte = |pair: &[u32]| u8::try_from(pair[0] * 16 + pair[1]).unwrap();
        (Offset(offset.parse().unwrap()), digits.chunks(2).map(byte).collect())
    };
    text.lines().filter(|text| !text.starts_with('#')).map(line).collect()
}

/// Replays a log, checking each record's bytes on the way.
fn replayed(text: &str) -> Image {
    let mut image = Image::default();
    for (offset, bytes) in lines(text) {
        let record = MetadataRecord::decode(bytes.clone()).unwrap();
        let level = match image.features().is_empty() {
            true => MetadataVersion::DEFAULT,
            false => image.features().metadata_version(),
        };
        assert_eq!(record.encode(level), bytes, "{offset}: {record:?}");
        image.apply(offset, &record);
    }
    assert_eq!(from_snapshot(&image), image, "its records give the same image");
    image
}

fn from_snapshot(image: &Image) -> Image {
    let mut copy = Image::default();
    for (at, record) in (0..).zip(image.records()) {
        let bytes = record.encode(image.features().metadata_version());
        copy.apply(Offset(at), &MetadataRecord::decode(bytes).unwrap());
    }
    copy
}

#[test]
fn a_bootstrap_checkpoint_replays() {
    let image = replayed(include_str!("golden/bootstrap.txt"));
    assert_eq!(image.features().metadata_version().to_string(), "4.3-IV0");
    assert_eq!(image.security().credentials.len(), 3);
}

#[test]
fn the_log_of_a_node_that_was_stopped_replays() {
    let image = replayed(include_str!("golden/started.txt"));
    assert_eq!(image.provenance().offset, Offset(139));
    assert_eq!(image.transaction_begun_at(), None);
    assert_eq!(image.features().level("transaction.version"), 2);
    let broker = image.broker(BrokerId(1)).unwrap();
    assert!(broker.fenced && broker.in_controlled_shutdown);
    assert_eq!(broker.endpoint("PLAINTEXT").unwrap().port, 19_292);
    assert_eq!(broker.cordoned, Some(Vec::new()));
    assert!(image.controller(BrokerId(1)).is_some());
    let topic = image.topic_by_name("sample-rolled").unwrap();
    assert_eq!(topic.partitions.len(), 2);
    let partition = topic.partitions.get(&PartitionIndex(0)).unwrap();
    assert_eq!(
        (partition.leader, partition.leader_epoch.0, partition.partition_epoch.0),
        (None, 1, 1)
    );
    assert_eq!((&partition.isr[..], &partition.elr[..]), (&[][..], &[BrokerId(1)][..]));
    assert_eq!(partition.last_known_elr, [BrokerId(1)]);
    assert_eq!(image.configs(ResourceType::TOPIC, "sample-none")["retention.ms"], "-1");
    assert_eq!(image.configs(ResourceType::BROKER, "")["min.insync.replicas"], "1");
    assert_eq!(image.next_producer_id(), ProducerId(1000));
}

#[test]
fn the_log_of_an_administered_cluster_replays() {
    let image = replayed(include_str!("golden/administered.txt"));
    assert!(image.broker(BrokerId(2)).is_none(), "it was unregistered");
    let topic = image.topic_by_name("r1").unwrap();
    let partition = topic.partitions.get(&PartitionIndex(2)).unwrap();
    assert_eq!(partition.leader_recovery_state, LeaderRecoveryState::Recovering);
    assert_eq!(partition.replicas, [BrokerId(2)]);
    assert_eq!(image.topics().colliding("c1"), None);
    assert_eq!(image.features().level("share.version"), 1);
    assert_eq!(image.next_producer_id(), ProducerId(2000));
}

#[test]
fn a_log_cut_within_its_first_transaction_says_nothing_yet() {
    let lines = lines(include_str!("golden/started.txt"));
    let mut image = Image::default();
    for (offset, bytes) in lines.into_iter().take_while(|(offset, _)| *offset < Offset(14)) {
        image.apply(offset, &MetadataRecord::decode(bytes).unwrap());
    }
    assert!(image.features().is_empty());
    assert_eq!(image.transaction_begun_at(), Some(Offset(3)));
    assert!(image.records().is_empty());
}

#[test]
fn damaged_records_never_panic() {
    for (_, bytes) in lines(include_str!("golden/administered.txt")) {
        for at in 0..bytes.len() {
            let _ = MetadataRecord::decode(bytes.slice(..at));
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = bytes.to_vec();
                damaged[at] ^= flip;
                if let Ok(record) = MetadataRecord::decode(damaged.into()) {
                    Image::default().apply(Offset(0), &record);
                }
            }
        }
    }
}
