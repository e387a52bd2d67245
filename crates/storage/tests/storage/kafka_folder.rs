//! A folder that Apache Kafka 4.3.1 wrote opens with everything that is in it.
//!
//! What is in the fixture, and how it was made: fixtures/README.md.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use ottla_records::{batches, read_batch};
use ottla_sim::World;
use ottla_storage::names::parse_dir;
use ottla_storage::{AbortedTransaction, Directory, Log, MetaProperties};
use ottla_wire::{BrokerId, LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};

use crate::support::{NOW, directory, opening, told, unpack};

const FOLDER: &str = "/kafka";

fn with_folder(test: impl AsyncFnOnce(Arc<Directory>)) {
    let world = World::new(1);
    world.run(async |world: World| {
        let disk = world.node(1).disk().clone();
        unpack(&disk, Path::new(FOLDER));
        test(directory(&disk, FOLDER)).await;
    });
}

fn samples(directory: &Arc<Directory>) -> Vec<String> {
    let names = directory.disk().list(directory.path()).unwrap();
    names.into_iter().filter(|e| e.name.starts_with("sample-")).map(|e| e.name).collect()
}

fn open_all(directory: &Arc<Directory>, clean: bool) -> BTreeMap<String, Arc<Log>> {
    samples(directory)
        .into_iter()
        .map(|name| (name.clone(), Log::open(opening(directory, &name, clean)).unwrap()))
        .collect()
}

/// The lines of the fixture's table that the logs give, for one isolation.
fn read_lines(logs: &BTreeMap<String, Arc<Log>>, committed: bool) -> Vec<Vec<String>> {
    let mut lines = Vec::new();
    for (name, log) in logs {
        let (topic, partition) = name.rsplit_once('-').unwrap();
        let bytes = log.read_bytes(log.start(), 4 << 20, log.end(), true);
        let mut chunks = vec![bytes.unwrap()];
        loop {
            let last = batches(chunks.last().unwrap()).map(Result::unwrap).last().unwrap();
            let next = last.last_offset().next();
            if next >= log.end() {
                break;
            }
            chunks.push(log.read_bytes(next, 4 << 20, log.end(), true).unwrap());
        }
        let aborted = log.aborted(log.start(), log.end()).unwrap();
        for bytes in &chunks {
            lines.extend(lines_of(bytes, topic, partition, log.start(), committed, &aborted));
        }
    }
    lines
}

fn lines_of(
    bytes: &Bytes,
    topic: &str,
    partition: &str,
    start: Offset,
    committed: bool,
    aborted: &[AbortedTransaction],
) -> Vec<Vec<String>> {
    let mut lines = Vec::new();
    for batch in batches(bytes).map(Result::unwrap) {
        let taken_back = batch.is_transactional()
            && aborted.iter().any(|a| {
                a.producer_id == batch.producer_id()
                    && (a.first_offset..=a.last_offset).contains(&batch.base_offset())
            });
        if batch.is_control() || (committed && taken_back) {
            continue;
        }
        for record in read_batch(&bytes.slice_ref(batch.bytes())).map(Result::unwrap) {
            if record.offset < start {
                continue;
            }
            let isolation = if committed { "read_committed" } else { "read_uncommitted" };
            let headers = record
                .headers
                .iter()
                .map(|(name, value)| format!("{name}={};", text(value.as_deref())));
            lines.push(vec![
                isolation.to_owned(),
                topic.to_owned(),
                partition.to_owned(),
                record.offset.to_string(),
                record.timestamp.to_string(),
                batch.leader_epoch().to_string(),
                text(record.key.as_deref()),
                text(record.value.as_deref()),
                headers.collect(),
            ]);
        }
    }
    lines
}

/// Bytes as the table has them: long runs of one character as `c*n`.
fn text(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return "null".to_owned() };
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    match text.chars().next() {
        Some(first) if text.len() > 100 => format!("{first}*{}", text.len()),
        _ => text,
    }
}

fn check_records(logs: &BTreeMap<String, Arc<Log>>) {
    let (committed, all): (Vec<_>, Vec<_>) =
        told().into_iter().partition(|line| line[0] == "read_committed");
    let sorted = |mut lines: Vec<Vec<String>>| {
        lines.sort_by_key(|line| {
            (line[1].clone(), line[2].clone(), line[3].parse::<i64>().unwrap())
        });
        lines
    };
    assert_eq!(sorted(read_lines(logs, false)), sorted(all));
    let transactional: BTreeMap<_, _> = logs
        .iter()
        .filter(|(n, _)| n.starts_with("sample-txn"))
        .map(|(n, l)| (n.clone(), Arc::clone(l)))
        .collect();
    assert_eq!(sorted(read_lines(&transactional, true)), sorted(committed));
}

fn check_producers(logs: &BTreeMap<String, Arc<Log>>) {
    let last = |name: &str| {
        let producers = logs[name].producers();
        assert_eq!(producers.len(), 1, "{name}");
        let (id, producer) = &producers[0];
        let last = producer.last().map(|last| (last.last_sequence, last.last_offset.0));
        (id.0, producer.epoch.0, last)
    };
    assert_eq!(last("sample-none-0"), (0, 0, Some((199, 199))));
    assert_eq!(last("sample-rolled-0"), (5, 0, Some((1999, 1999))));
    let producers = logs["sample-txn-0"].producers();
    assert_eq!(producers[0].0, ProducerId(4));
    assert_eq!(producers[0].1.epoch, ProducerEpoch(6));
    assert_eq!(producers[0].1.last(), None);
    assert_eq!(producers[0].1.transaction_start, None);
}

fn check_rest(logs: &BTreeMap<String, Arc<Log>>) {
    let log = &logs["sample-rolled-1"];
    assert_eq!((log.start(), log.end()), (Offset(1500), Offset(2000)));
    assert_eq!(log.high_watermark(), Offset(2000));
    assert_eq!(log.epoch_entries().len(), 1);
    assert_eq!(log.epoch_of(Offset(1700)), Some(LeaderEpoch(0)));
    let log = &logs["sample-txn-0"];
    assert_eq!(log.last_stable_offset(), Offset(24));
    let aborted = log.aborted(Offset(0), Offset(24)).unwrap();
    let spans: Vec<_> = aborted.iter().map(|a| (a.first_offset.0, a.last_offset.0)).collect();
    assert_eq!(spans, [(4, 7), (12, 15), (20, 23)]);
    assert_eq!(log.aborted(Offset(8), Offset(14)).unwrap().len(), 1);
    let found = logs["sample-rolled-0"].offset_for_time(Timestamp(1_900_000_003_001)).unwrap();
    assert_eq!(found.map(|f| (f.offset, f.timestamp.0)), Some((Offset(1501), 1_900_000_003_002)));
    assert!(logs.values().all(|log| log.topic_id().is_some()));
}

#[test]
fn every_record_of_a_clean_folder_is_there() {
    with_folder(async |directory| {
        let logs = open_all(&directory, true);
        check_records(&logs);
        check_producers(&logs);
        check_rest(&logs);
        assert!(logs["sample-gzip-0"].producers().is_empty());
    });
}

#[test]
fn every_record_is_there_after_a_crash_too() {
    with_folder(async |directory| {
        let logs = open_all(&directory, false);
        check_records(&logs);
        check_producers(&logs);
        check_rest(&logs);
    });
}

/// The files of a partition by name, without the snapshot that every start drops because it lies
/// below the log's start.
fn files(directory: &Arc<Directory>, name: &str) -> BTreeMap<String, Vec<u8>> {
    let path = directory.path().join(name);
    let listed = directory.disk().list(&path).unwrap();
    let below = |file: &str| name == "sample-rolled-1" && file == "00000000000000001440.snapshot";
    listed
        .into_iter()
        .filter(|entry| !below(&entry.name))
        .map(|entry| (entry.name.clone(), directory.disk().read(&path.join(&entry.name)).unwrap()))
        .collect()
}

#[test]
fn indexes_that_are_made_anew_are_those_that_kafka_made() {
    with_folder(async |directory| {
        for name in samples(&directory) {
            let before = files(&directory, &name);
            for file in before.keys().filter(|file| file.ends_with("index")) {
                directory.disk().remove_file(&directory.path().join(&name).join(file)).unwrap();
            }
            let mut opening = opening(&directory, &name, false);
            opening.recovery_point = Offset(0);
            let log = Log::open(opening).unwrap();
            log.close().unwrap();
            let after = files(&directory, &name);
            assert_eq!(before, after, "{name}");
        }
    });
}

#[test]
fn a_crash_behind_the_recovery_point_leaves_the_same_files() {
    with_folder(async |directory| {
        for (name, point) in
            [("sample-rolled-0", 1700), ("sample-txn-0", 10), ("sample-rolled-1", 1000)]
        {
            let before = files(&directory, name);
            let mut opening = opening(&directory, name, false);
            opening.recovery_point = Offset(point);
            Log::open(opening).unwrap().close().unwrap();
            assert_eq!(before, files(&directory, name), "{name}");
        }
    });
}

#[test]
fn opening_and_closing_a_clean_folder_changes_nothing() {
    with_folder(async |directory| {
        for name in samples(&directory) {
            let before = files(&directory, &name);
            Log::open(opening(&directory, &name, true)).unwrap().close().unwrap();
            assert_eq!(before, files(&directory, &name), "{name}");
        }
    });
}

#[test]
fn the_folder_tells_who_it_belongs_to() {
    with_folder(async |directory| {
        let meta = MetaProperties::read(directory.disk(), directory.path()).unwrap().unwrap();
        assert_eq!(meta.cluster_id.as_deref(), Some("4L6g3nShT-eMCtK--X86sw"));
        assert_eq!(meta.node_id, Some(BrokerId(1)));
    });
}

#[test]
fn the_metadata_log_opens_as_after_a_crash() {
    with_folder(async |directory| {
        let mut opening = opening(&directory, "__cluster_metadata-0", false);
        opening.now = NOW;
        let log = Log::open(opening).unwrap();
        assert_eq!((log.start(), log.end()), (Offset(0), Offset(140)));
    });
}

#[test]
fn every_directory_of_the_folder_has_a_name_that_means_something() {
    with_folder(async |directory| {
        let listed = directory.disk().list(directory.path()).unwrap();
        for entry in listed.iter().filter(|entry| entry.is_dir) {
            assert!(parse_dir(&entry.name).is_some(), "{}", entry.name);
        }
    });
}
