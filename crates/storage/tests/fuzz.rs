//! Hostile bytes for every file of a log directory: nothing panics, what can be read is written
//! and read again as the same, and a log opens or says why it does not.
//!
//! `cargo test` runs the same cases each time, `cargo xtask fuzz` those of other seeds, by
//! OTTLA_FUZZ_SEED.

#![allow(clippy::unwrap_used, reason = "a test says why it fails by its line")]

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use ottla_env::{Disk, Env};
use ottla_records::{BatchBuilder, BatchSettings, Producer};
use ottla_sim::World;
use ottla_storage::checkpoint::{format_offsets, parse_offsets};
use ottla_storage::epochs::Epochs;
use ottla_storage::repair::{Repairing, repair};
use ottla_storage::verify::{Finding, Gravity};
use ottla_storage::{
    Cleaning, Directory, DirsOpening, Log, LogConfig, LogDirs, MetaProperties, Opening, Origin,
    Progress, StorageError, clean_shutdown, partition_metadata, producer_snapshot,
    transaction_index,
};
use ottla_wire::fuzz::{Cases, Prng, Target};
use ottla_wire::{
    BrokerEpoch, BrokerId, DirectoryId, LeaderEpoch, Offset, PartitionIndex, ProducerEpoch,
    ProducerId, Timestamp, TopicId, Uuid,
};

/// Cases of one run, about two seconds' worth.
const CASES: usize = 6_000;
const NOW: Timestamp = Timestamp(1_800_000_000_000);
const BASE: &str = "00000000000000000000";

const TARGETS: &[Target] = &[
    target("storage_checkpoint", checkpoint, |_| vec![b"0\n2\na 0 5\nb-c 10 7\n".to_vec()]),
    target("storage_epochs", epochs, |_| vec![b"0\n3\n0 0\n3 100\n5 200\n".to_vec()]),
    target("storage_meta_properties", meta_properties, meta_seeds),
    target("storage_clean_shutdown", clean, |_| {
        vec![clean_shutdown::format(BrokerEpoch(17)).into()]
    }),
    target("storage_partition_metadata", topic_id, |_| {
        vec![partition_metadata::format(TopicId(Uuid([7; 16]))).into()]
    }),
    target("storage_snapshot", snapshot, |_| vec![file("00000000000000000040.snapshot")]),
    target("storage_snapshot_sealed", snapshot_sealed, |_| {
        vec![file("00000000000000000040.snapshot")]
    }),
    target("storage_txnindex", aborted, |_| vec![file("00000000000000000000.txnindex")]),
    target("storage_open_log", |bytes| open_with("log", bytes), |_| vec![named("log")]),
    target("storage_open_index", |bytes| open_with("index", bytes), |_| vec![named("index")]),
    target(
        "storage_open_timeindex",
        |bytes| open_with("timeindex", bytes),
        |_| vec![named("timeindex")],
    ),
    target(
        "storage_open_txnindex",
        |bytes| open_with("txnindex", bytes),
        |_| vec![named("txnindex")],
    ),
    target("storage_repair_log", |bytes| mend("log", bytes), |_| vec![named("log")]),
    target("storage_repair_index", |bytes| mend("index", bytes), |_| vec![named("index")]),
    target(
        "storage_repair_timeindex",
        |bytes| mend("timeindex", bytes),
        |_| vec![named("timeindex")],
    ),
    target("storage_repair_txnindex", |bytes| mend("txnindex", bytes), |_| vec![named("txnindex")]),
    target("storage_clean", |bytes| compact(bytes, false), |_| vec![named("log")]),
    target("storage_clean_sealed", |bytes| compact(bytes, true), |_| vec![named("log")]),
];

const fn target(
    name: &'static str,
    run: fn(&[u8]),
    seeds: fn(&mut Prng) -> Vec<Vec<u8>>,
) -> Target {
    Target { name, run, seeds, allocation_max: 0 }
}

#[test]
fn no_bytes_of_a_log_directory_break_a_promise() {
    let seed = std::env::var("OTTLA_FUZZ_SEED").ok().and_then(|seed| seed.parse().ok());
    for case in Cases::new(TARGETS, seed.unwrap_or(1)).take(CASES) {
        case.run();
    }
}

fn checkpoint(bytes: &[u8]) {
    if let Ok(offsets) = parse_offsets(bytes) {
        assert_eq!(parse_offsets(format_offsets(&offsets).as_bytes()), Ok(offsets));
    }
}

fn epochs(bytes: &[u8]) {
    if let Ok(epochs) = Epochs::parse(bytes) {
        let entries = epochs.entries();
        let ascends = |pair: &[ottla_storage::EpochEntry]| {
            pair[0].epoch < pair[1].epoch && pair[0].start < pair[1].start
        };
        assert!(entries.windows(2).all(ascends));
        assert_eq!(Epochs::parse(epochs.format().as_bytes()), Ok(epochs));
    }
}

fn meta_properties(bytes: &[u8]) {
    if let Ok(meta) = MetaProperties::parse(bytes)
        && meta.cluster_id.is_some()
        && meta.node_id.is_some()
    {
        assert_eq!(MetaProperties::parse(meta.format().as_bytes()), Ok(meta));
    }
}

fn meta_seeds(_: &mut Prng) -> Vec<Vec<u8>> {
    let text = "#\n#Sat Nov 21 09:54:08 UTC 2026\nnode.id=1\nversion=1\n\
                directory.id=Ana4Dv2kTjWzp2ttFiplOQ\ncluster.id=4L6g3nShT-eMCtK--X86sw\n";
    vec![text.into(), b"broker.id:7\nversion 0\ncluster.id=a\\\n  b\\u0041\n".to_vec()]
}

fn clean(bytes: &[u8]) {
    let epoch = clean_shutdown::parse(bytes);
    assert_eq!(clean_shutdown::parse(clean_shutdown::format(epoch).as_bytes()), epoch);
}

fn topic_id(bytes: &[u8]) {
    if let Ok(id) = partition_metadata::parse(bytes) {
        assert_eq!(partition_metadata::parse(partition_metadata::format(id).as_bytes()), Ok(id));
    }
}

fn snapshot(bytes: &[u8]) {
    if let Ok(producers) = producer_snapshot::decode(bytes, NOW, i64::MAX) {
        let again = producer_snapshot::encode(&producers);
        assert_eq!(producer_snapshot::decode(&again, NOW, i64::MAX), Ok(producers));
    }
}

/// With the right checksum and count, so that the entries are reached; then the log goes on.
fn snapshot_sealed(bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    let Some(entries) = bytes.len().checked_sub(10) else { return };
    bytes.truncate(10 + entries / 46 * 46);
    bytes[..2].copy_from_slice(&[0, 1]);
    let count = u32::try_from(entries / 46).unwrap();
    bytes[6..10].copy_from_slice(&count.to_be_bytes());
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &bytes[6..]);
    bytes[2..6].copy_from_slice(&u32::try_from(crc).unwrap().to_be_bytes());
    snapshot(&bytes);
    open_files(&[("00000000000000000040.snapshot", &bytes)], true);
}

fn aborted(bytes: &[u8]) {
    if let Ok(entries) = transaction_index::decode(bytes, Offset(0)) {
        assert!(entries.is_sorted_by_key(|entry| entry.last_offset));
    }
}

/// Opens a log, after a clean stop and after a crash, with one of its files replaced.
fn open_with(extension: &str, bytes: &[u8]) {
    let name = format!("{BASE}.{extension}");
    open_files(&[(&name, bytes)], true);
    open_files(&[(&name, bytes)], false);
}

fn open_files(replaced: &[(&str, &[u8])], clean: bool) {
    let world = World::new(1);
    world.run(async |world: World| {
        let disk = world.node(1).disk().clone();
        for (name, bytes) in written() {
            disk.create_dir_all(Path::new("/logs/orders-0")).unwrap();
            disk.write(&path(name), bytes).unwrap();
        }
        for (name, bytes) in replaced {
            disk.write(&path(name), bytes).unwrap();
        }
        match open(&disk, clean) {
            Ok(log) => read_all(&log),
            Err(StorageError::Corrupt { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    });
}

/// Verifies and repairs a log directory in which one file was replaced: no record goes without
/// leave, and what was mended is in order afterwards.
fn mend(extension: &str, bytes: &[u8]) {
    let world = World::new(1);
    world.run(async |world: World| {
        let disk = world.node(1).disk().clone();
        disk.create_dir_all(&path("")).unwrap();
        meta().write(&disk, Path::new("/logs")).unwrap();
        for (name, bytes) in written() {
            disk.write(&path(name), bytes).unwrap();
        }
        let replaced = path(&format!("{BASE}.{extension}"));
        disk.write(&replaced, bytes).unwrap();
        let how = |truncate_torn_tail| Repairing {
            dry_run: false,
            truncate_torn_tail,
            aside: "/cut".into(),
            topic_ids: [("orders".to_owned(), TopicId(Uuid([1; 16])))].into(),
        };
        let left = repair(&disk, Path::new("/logs"), &how(false), &mut |_| ()).unwrap().left;
        if extension == "log" {
            assert_eq!(disk.read(&replaced).unwrap(), bytes, "nobody gave leave to cut it");
        } else {
            let derived = |finding: &&Finding| finding.gravity == Gravity::Derived;
            assert_eq!(left.findings.iter().find(derived), None);
        }
        repair(&disk, Path::new("/logs"), &how(true), &mut |_| ()).unwrap();
    });
}

/// Looks at everything that a log can tell; a file may be wrong, but nothing may panic.
fn read_all(log: &Log) {
    for at in log.start().0..log.end().0.min(log.start().0 + 60) {
        let Ok(slice) = log.read(Offset(at), 1 << 16, log.end(), true) else { continue };
        let _ = log.aborted_in(Offset(at), &slice);
    }
    let _ = (log.offset_for_time(NOW), log.offset_for_time(Timestamp(0)));
    let _ = (log.offset_of_max_timestamp(), log.end_offset_for_epoch(LeaderEpoch(0)));
    let batch = batch(77, 0, NOW);
    let _ = log.append(&batch, Origin::Leader { epoch: LeaderEpoch(1), now: NOW });
    log.set_high_watermark(log.end());
    let _ = (log.retain(NOW), log.sync(), log.close());
}

fn compact(bytes: &[u8], sealed: bool) {
    // Any end will do, as long as it keeps its promises.
    let _ = clean_segment(bytes, sealed);
}

/// Compacts a log whose first segment has these bytes. Whatever is wrong in it keeps it from being
/// compacted, and then it stays as it is; else what is left is in order.
fn clean_segment(bytes: &[u8], sealed: bool) -> Option<Progress> {
    let mut bytes = bytes.to_vec();
    if sealed {
        seal(&mut bytes);
    }
    World::new(1).run(async |world: World| {
        let env = world.node(1);
        let disk = env.disk();
        disk.create_dir_all(&path("")).unwrap();
        meta().write(disk, Path::new("/logs")).unwrap();
        disk.write(Path::new("/logs/.kafka_cleanshutdown"), b"{\"version\":0}").unwrap();
        let id = partition_metadata::format(TopicId(Uuid([1; 16])));
        disk.write(&path("partition.metadata"), id.as_bytes()).unwrap();
        let first = path(&format!("{BASE}.log"));
        disk.write(&first, &bytes).unwrap();
        for name in [format!("{BASE}.index"), "00000000000000000040.index".to_owned()] {
            disk.write(&path(&name), b"").unwrap();
        }
        let mut active = batch(5, 100, NOW).to_vec();
        active[..8].copy_from_slice(&40_i64.to_be_bytes());
        disk.write(&path("00000000000000000040.log"), &active).unwrap();
        let dirs = clean_dirs(&env);
        let log = dirs.get(TopicId(Uuid([1; 16])), PartitionIndex(0))?;
        log.set_high_watermark(log.end());
        let cleaning =
            Cleaning { key_bytes: 1 << 12, load_factor: 0.9, io_bytes: 1 << 14, cleaners: 1 };
        let mut pass = dirs.next_to_clean(&cleaning, NOW)?;
        let progress = loop {
            match dirs.clean(&mut pass) {
                Progress::More { .. } => {}
                progress => break progress,
            }
        };
        let left = disk.read(&first).unwrap();
        if progress == Progress::Ended {
            assert_eq!(left, bytes, "what can't be compacted stays as it is");
            assert_eq!(dirs.cleaning_status().uncleanable.len(), 1);
            assert!(log.directory().failure().is_none());
        } else {
            let mut next = Offset(0);
            for batch in ottla_records::batches(&left) {
                let batch = batch.unwrap();
                assert!(batch.verify_crc().is_ok() && batch.base_offset() >= next);
                next = batch.last_offset().next();
            }
            assert!(next <= Offset(40) && left.len() <= bytes.len() * 2 + (1 << 12));
        }
        read_all(&log);
        Some(progress)
    })
}

#[test]
fn the_segment_that_is_mutated_can_be_compacted_as_it_is() {
    assert_eq!(clean_segment(&named("log"), false), Some(Progress::Done));
}

fn meta() -> MetaProperties {
    MetaProperties {
        cluster_id: Some("4L6g3nShT-eMCtK--X86sw".to_owned()),
        node_id: Some(BrokerId(1)),
        directory_id: Some(DirectoryId(Uuid([7; 16]))),
    }
}

fn clean_dirs(env: &Env) -> LogDirs {
    let opening = DirsOpening {
        paths: vec!["/logs".into()],
        metadata_path: "/logs".into(),
        node_id: BrokerId(1),
        connections_max: usize::MAX,
    };
    let dirs = LogDirs::open(env, &opening).unwrap();
    let config = Arc::new(LogConfig {
        index_interval_bytes: 100,
        segment_index_bytes: 1 << 12,
        cleanup_compact: true,
        min_cleanable_dirty_ratio: 0.0,
        producer_expiration_ms: i64::MAX,
        ..LogConfig::default()
    });
    for found in dirs.find(NOW, 0).unwrap() {
        // Bytes that make no log are another target's.
        let _ = dirs.load(&found, Arc::clone(&config), NOW);
    }
    let topic = TopicId(Uuid([1; 16]));
    let _ = dirs.create(topic, "orders", PartitionIndex(0), None, config, NOW);
    dirs
}

/// Gives each batch the checksum of its bytes, so that the rules behind it are reached.
fn seal(bytes: &mut [u8]) {
    let mut at = 0;
    while let Some(len) = ottla_records::batch::batch_len(&bytes[at..]).ok().flatten() {
        let Some(batch) = bytes.get_mut(at..at + len) else { return };
        if batch.len() > 21 && batch[16] == 2 {
            let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &batch[21..]);
            batch[17..21].copy_from_slice(&u32::try_from(crc).unwrap().to_be_bytes());
        }
        at += len;
    }
}

fn path(name: &str) -> PathBuf {
    Path::new("/logs/orders-0").join(name)
}

fn open(disk: &Disk, clean: bool) -> Result<Arc<Log>, StorageError> {
    let directory = Directory::new(disk.clone(), "/logs".into(), DirectoryId::default());
    let config = LogConfig {
        index_interval_bytes: 100,
        segment_index_bytes: 1 << 12,
        ..LogConfig::default()
    };
    Log::open(Opening {
        path: directory.path().join("orders-0"),
        directory,
        name: "orders-0".to_owned(),
        config: Arc::new(config),
        clean,
        start: Offset(0),
        recovery_point: Offset(20),
        high_watermark: Offset(30),
        now: NOW,
        random: 1,
    })
}

fn batch(id: i64, base_sequence: i32, time: Timestamp) -> Bytes {
    let mut builder = BatchBuilder::new(BatchSettings {
        producer: Some(Producer { id: ProducerId(id), epoch: ProducerEpoch(0), base_sequence }),
        is_transactional: id == 9,
        ..BatchSettings::default()
    });
    builder.append(time, Some(b"key"), Some(b"value"), &[]).unwrap();
    builder.append(time, None, Some(b"value"), &[]).unwrap();
    builder.build().unwrap()
}

fn abort() -> Bytes {
    let producer = Producer { id: ProducerId(9), epoch: ProducerEpoch(0), base_sequence: -1 };
    let mut builder = BatchBuilder::new(BatchSettings {
        producer: Some(producer),
        is_transactional: true,
        is_control: true,
        ..BatchSettings::default()
    });
    builder.append(NOW, Some(&[0; 4]), Some(&[0; 6]), &[]).unwrap();
    builder.build().unwrap()
}

/// The files of a log with two producers and aborted transactions, closed in order.
fn written() -> &'static [(String, Vec<u8>)] {
    static WRITTEN: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
    WRITTEN.get_or_init(write)
}

fn write() -> Vec<(String, Vec<u8>)> {
    let world = World::new(1);
    world.run(async |world: World| {
        let disk = world.node(1).disk().clone();
        let log = open(&disk, true).unwrap();
        let now = |n: i32| NOW + i64::from(n);
        for n in 0..8 {
            let lead = Origin::Leader { epoch: LeaderEpoch(n / 3), now: now(n) };
            let coordinate = Origin::Coordinator { epoch: LeaderEpoch(n / 3), now: now(n) };
            log.append(&batch(5, n * 2, now(n)), lead).unwrap();
            log.append(&batch(9, n * 2, now(n)), lead).unwrap();
            log.append(&abort(), coordinate).unwrap();
        }
        log.close().unwrap();
        let names = disk.list(&path("")).unwrap();
        names.into_iter().map(|e| (e.name.clone(), disk.read(&path(&e.name)).unwrap())).collect()
    })
}

fn file(name: &str) -> Vec<u8> {
    let mut files = written().iter();
    files.find(|(found, _)| found == name).map(|(_, bytes)| bytes.clone()).unwrap()
}

fn named(extension: &str) -> Vec<u8> {
    file(&format!("{BASE}.{extension}"))
}
