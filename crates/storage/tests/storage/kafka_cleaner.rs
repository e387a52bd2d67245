//! What is left of random logs, record by record as Apache Kafka's own cleaner leaves it.
//!
//! The logs were written by Kafka 4.3.1, with every codec, transactions of both ends, tombstones
//! and headers without a value; `conform/cleaning` says how. Each is cleaned in up to four passes
//! whose reach the high watermark sets, some with a map of keys that is too small, some with a
//! least lag, a log start that is raised in between, a limit of bytes, or large keys. After each
//! pass everything is compared: segments, batches with their attributes, producers and horizons,
//! records, aborted transactions, and for logs without compression checksums and indexes too.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use ottla_env::Disk;
use ottla_records::{BatchView, Codec, TimestampType, batches, read_batch};
use ottla_sim::World;
use ottla_storage::{
    Cleaning, LogConfig, LogDirs, Progress, partition_metadata, transaction_index,
};
use ottla_wire::{Offset, PartitionIndex, Timestamp};

use crate::support::{NOW, format, inflate, start, topic, unpack_below};

const LOGS: &[u8] = include_bytes!("../fixtures/kafka-4.3.1-dirty.tar.gz");
const CLEANED: &[u8] = include_bytes!("../fixtures/kafka-4.3.1-cleaned.txt.gz");

#[test]
fn a_log_is_cleaned_to_what_apache_kafka_leaves_of_it() {
    let (logs, text) = (inflate(LOGS), String::from_utf8(inflate(CLEANED)).unwrap());
    let histories: Vec<&str> = text.split("history ").skip(1).collect();
    assert!(histories.len() >= 48);
    let mut passes = 0;
    for history in histories {
        let world = World::new(1);
        passes += world.run(async |world: World| replay(&world, &logs, history));
    }
    assert!(passes > 80, "only {passes} passes did anything");
}

/// The number behind `name=` in a line.
fn field(line: &str, name: &str) -> i64 {
    let found = line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("no {name} in '{line}'")).parse().unwrap()
}

fn replay(world: &World, logs: &[u8], history: &str) -> usize {
    let (head, rest) = history.split_once('\n').unwrap();
    let number: i32 = head.split(' ').next().unwrap().parse().unwrap();
    let env = world.node(1);
    format(env.disk(), "/logs", 7);
    let name = format!("history-{number}");
    let folder = Path::new("/logs").join(&name);
    env.disk().create_dir_all(&folder).unwrap();
    unpack_below(logs, &format!("logs/{name}/"), env.disk(), &folder);
    let id = partition_metadata::format(topic(1));
    env.disk().write(&folder.join("partition.metadata"), id.as_bytes()).unwrap();
    let retention_bytes = field(head, "bytes");
    let config = LogConfig {
        segment_bytes: u32::try_from(field(head, "segment")).unwrap(),
        segment_index_bytes: 8192,
        index_interval_bytes: 200,
        cleanup_compact: true,
        cleanup_delete: retention_bytes >= 0,
        retention_bytes,
        retention_ms: -1,
        min_compaction_lag_ms: field(head, "lag"),
        min_cleanable_dirty_ratio: 0.0,
        delete_retention_ms: field(head, "retention"),
        producer_expiration_ms: i64::MAX,
        ..LogConfig::default()
    };
    let dirs = start(&env, &["/logs"], &config);
    let partition = PartitionIndex(number);
    let log = dirs.create(topic(1), "history", partition, None, Arc::new(config), NOW).unwrap();
    let cleaning = Cleaning {
        key_bytes: u64::try_from(field(head, "slots")).unwrap() * 24,
        load_factor: 0.9,
        io_bytes: 1 << 16,
        cleaners: 1,
    };
    let mut passes = 0;
    for pass in rest.split("pass ").skip(1) {
        let (line, expected) = pass.split_once('\n').unwrap();
        let (result, expected) = expected.split_once('\n').unwrap();
        log.set_high_watermark(Offset(field(line, "hw")));
        let now = Timestamp(field(line, "now"));
        if retention_bytes < 0 {
            log.delete_records(Offset(field(line, "start"))).unwrap();
        }
        log.retain(now).unwrap();
        assert_eq!(log.start(), Offset(field(line, "start")), "history {number}, pass {line}");
        let cleaned = run(&dirs, &cleaning, now);
        assert_eq!(cleaned, result != "idle", "history {number}, pass {line}: {result}");
        if let Some(end) = result.strip_prefix("cleaned ") {
            passes += 1;
            let told = env.disk().read(Path::new("/logs/cleaner-offset-checkpoint")).unwrap();
            let told = String::from_utf8(told).unwrap();
            assert_eq!(told, format!("0\n1\nhistory {number} {end}\n"), "{line}");
        }
        compare(&format!("history {number}, pass {line}"), &dump(env.disk(), &folder), expected);
    }
    passes
}

/// Runs one pass, if one is due.
fn run(dirs: &LogDirs, cleaning: &Cleaning, now: Timestamp) -> bool {
    let Some(mut pass) = dirs.next_to_clean(cleaning, now) else { return false };
    loop {
        match dirs.clean(&mut pass) {
            Progress::More { .. } => {}
            progress => {
                assert_eq!(progress, Progress::Done, "{:?}", dirs.cleaning_status());
                return true;
            }
        }
    }
}

fn compare(what: &str, found: &str, expected: &str) {
    let difference = found.lines().zip(expected.lines()).position(|(a, b)| a != b);
    let common = found.lines().count().min(expected.lines().count());
    let at = difference.unwrap_or(common);
    if difference.is_some() || found.lines().count() != expected.lines().count() {
        let around = |text: &str| {
            text.lines().skip(at.saturating_sub(3)).take(6).collect::<Vec<_>>().join("\n")
        };
        panic!("{what}, line {at}\nfound:\n{}\nKafka:\n{}", around(found), around(expected));
    }
}

/// The folder in the words of the Java program.
fn dump(disk: &Disk, folder: &Path) -> String {
    let mut text = String::new();
    let names: Vec<String> =
        disk.list(folder).unwrap().into_iter().map(|entry| entry.name).collect();
    let bases: Vec<&str> = names.iter().filter_map(|name| name.strip_suffix(".log")).collect();
    let plain = bases.iter().all(|base| {
        let bytes = disk.read(&folder.join(format!("{base}.log"))).unwrap();
        batches(&bytes).all(|batch| batch.unwrap().codec() == Ok(Codec::None))
    });
    let numbered = folder.to_string_lossy().rsplit_once('-').unwrap().1.parse::<u32>().unwrap();
    assert!(plain || numbered % 3 != 0);
    for (at, base) in bases.iter().enumerate() {
        let read = |kind: &str| disk.read(&folder.join(format!("{base}.{kind}")));
        let base = Offset(base.parse().unwrap());
        writeln!(text, "segment {base}").unwrap();
        let bytes = Bytes::from(read("log").unwrap());
        for batch in batches(&bytes) {
            let batch = batch.unwrap();
            batch.verify_crc().unwrap();
            dump_batch(&mut text, &batch);
            for record in read_batch(&bytes.slice_ref(batch.bytes())) {
                dump_record(&mut text, &record.unwrap());
            }
        }
        for entry in transaction_index::decode(&read("txnindex").unwrap_or_default(), base).unwrap()
        {
            writeln!(
                text,
                "aborted {} {}..{} stable={}",
                entry.producer_id.0,
                entry.first_offset,
                entry.last_offset,
                entry.last_stable_offset
            )
            .unwrap();
        }
        if numbered % 3 == 0 && at + 1 < bases.len() {
            dump_indexes(&mut text, base, &read("index").unwrap(), &read("timeindex").unwrap());
        }
    }
    text
}

fn dump_batch(text: &mut String, batch: &BatchView<'_>) {
    let codec = batch.codec().unwrap();
    let crc = match codec {
        Codec::None => format!(" crc={}", batch.crc()),
        _ => String::new(),
    };
    let kind = match batch.timestamp_type() {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    };
    writeln!(
        text,
        "batch {}..{} epoch={} codec={} type={kind}{}{} horizon={} max={} producer={}/{}/{} \
         count={}{crc}",
        batch.base_offset(),
        batch.last_offset(),
        batch.leader_epoch().0,
        codec.name(),
        if batch.is_transactional() { " transactional" } else { "" },
        if batch.is_control() { " control" } else { "" },
        batch.delete_horizon().map_or(-1, |horizon| horizon.0),
        batch.max_timestamp().0,
        batch.producer_id().0,
        batch.producer_epoch().0,
        batch.base_sequence(),
        batch.count(),
    )
    .unwrap();
}

fn dump_record(text: &mut String, record: &ottla_records::Record) {
    let headers = record.headers.iter();
    let headers: Vec<String> =
        headers.map(|(key, value)| format!("{}={}", &**key, hex(value.as_ref()))).collect();
    let (key, value) = (hex(record.key.as_ref()), hex(record.value.as_ref()));
    let headers = headers.join(",");
    writeln!(text, "record {} {} {key} {value} [{headers}]", record.offset, record.timestamp.0)
        .unwrap();
}

fn dump_indexes(text: &mut String, base: Offset, offsets: &[u8], times: &[u8]) {
    let number = |bytes: &[u8]| i64::from(u32::from_be_bytes(bytes.try_into().unwrap()));
    for entry in offsets.chunks_exact(8) {
        let offset = base + number(&entry[..4]);
        writeln!(text, "index {offset} {}", number(&entry[4..])).unwrap();
    }
    for entry in times.chunks_exact(12) {
        let time = i64::from_be_bytes(entry[..8].try_into().unwrap());
        writeln!(text, "time {time} {}", base + number(&entry[8..])).unwrap();
    }
}

fn hex(bytes: Option<&Bytes>) -> String {
    bytes.map_or("null".to_owned(), |bytes| {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("'{digits}'")
    })
}
