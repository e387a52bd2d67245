//! The same requests to Apache Kafka and to this controller make the same records.
//!
//! The golden file is the metadata log of Apache Kafka 4.3.1 (ottla-metadata's tests) after a
//! script of requests, which runs here again. Not compared: the order of partitions within one
//! event (Kafka's is that of a hash), what was drawn (replicas are assigned here as Kafka drew
//! them), and the few records that are named below with their reason.

mod cluster;

use cluster::{Cluster, Names};
use ottla_metadata::MetadataRecord;
use ottla_wire::Bytes;

const LOG: &str = include_str!("../../metadata/tests/golden/administered.txt");

fn kafkas() -> Vec<String> {
    let record = |line: &str| {
        let hex = line.split_once(' ').expect("offset and value").1;
        let digits: Vec<u32> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
        let byte = |pair: &[u32]| u8::try_from(pair[0] * 16 + pair[1]).expect("two digits");
        let bytes: Bytes = digits.chunks(2).map(byte).collect();
        MetadataRecord::decode(bytes).expect("Kafka wrote it")
    };
    let records: Vec<MetadataRecord> =
        LOG.lines().filter(|line| !line.starts_with('#')).map(record).collect();
    Names::default().told(&records)
}

/// Sorts what one event wrote about several partitions.
fn sorted(lines: Vec<String>) -> Vec<String> {
    let mut events: Vec<Vec<String>> = Vec::new();
    for line in lines {
        let same =
            |event: &&mut Vec<String>| line.starts_with("change") && event[0].starts_with("change");
        match events.last_mut().filter(same) {
            Some(event) => event.push(line),
            None => events.push(vec![line]),
        }
    }
    events.iter_mut().for_each(|event| event.sort());
    events.concat()
}

const SCRIPT: &str = "
    activate
    controller 1
    register 1 dirs=a
    heartbeat 1 fence cordoned=
    heartbeat 1 cordoned=
    create c1 cleanup.policy=delete + c2 p=3
    set topic/c1 retention.ms=6
    set broker/1 nope=/x
    unset topic/c1 retention.ms=null
    append topic/c1 cleanup.policy=compact,compact
    unset topic/c1 cleanup.policy=null
    replace broker/ min.insync.replicas=1 log.retention.ms=7000
    replace broker/ min.insync.replicas=1 log.retention.ms=7000
    replace topic/c1 flush.ms=5
    register 2 dirs=b
    register 2 dirs=b rack=r1
    register 2 dirs=b rack=r1
    register 2 dirs=b rack=r1
    create f2 0:1,2 1:1,2
    heartbeat 2 cordoned=
    create r2 0:2,1 1:1,2 2:2,1 3:1,2 + r1 0:1 1:2 2:2 3:1 + a21 0:2,1 1:1,2 + a2 0:2
    producer_ids 2
    producer_ids 2
    isr 2 a21 0 2
    isr 2 a21 0 2,1
    assign 2 b a21 0
    assign 2 lost a21 0
    assign 2 q a21 0
    assign 2 b a21 0
    set topic/a21 min.insync.replicas=2
    heartbeat 2 offline=b
    heartbeat 2 stop
    heartbeat 2
    create co 0:2 1:1 2:1 3:2 + co2 0:2,1
    unregister 2
    register 2 dirs=b incarnation=5
    heartbeat 2
    elapse 5000
    heartbeat 1
    elapse 5000
    heartbeat 2
    unregister 2
    features group.version=1
    features share.version=0 safe
    features share.version=1
    heartbeat 1 stop
    heartbeat 1 stop
";

#[test]
fn the_same_requests_make_the_records_that_kafka_makes() {
    let mut cluster = Cluster::new(1, &[]);
    let told = cluster.script(SCRIPT);
    let ours: Vec<String> =
        told.lines().filter_map(|line| line.strip_prefix("  > ")).map(str::to_owned).collect();
    let (ours, kafkas) = (sorted(ours), sorted(kafkas()));
    let differences = diff(&ours, &kafkas);
    assert_eq!(differences, ALLOWED, "{}", differences.join("\n"));
}

/// What only one side has: `-` Kafka alone, `+` this controller alone.
fn diff(ours: &[String], kafkas: &[String]) -> Vec<String> {
    let (a, b) = (kafkas, ours);
    // The longest common subsequence, by its lengths from every pair of positions on.
    let mut lengths = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            lengths[i][j] = match a[i] == b[j] {
                true => lengths[i + 1][j + 1] + 1,
                false => lengths[i + 1][j].max(lengths[i][j + 1]),
            };
        }
    }
    let (mut i, mut j, mut differences) = (0, 0, Vec::new());
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == b.len() || (i < a.len() && lengths[i + 1][j] >= lengths[i][j + 1]) {
            differences.push(format!("-{}", a[i]));
            i += 1;
        } else {
            differences.push(format!("+{}", b[j]));
            j += 1;
        }
    }
    differences
}

/// What differs, in the order of the log.
const ALLOWED: &[&str] = &[
    // Kafka's brokers refuse what may not change or be; its controller takes whatever it is sent.
    "-config broker/1 log.cleaner.threads=x",
    "-config broker/1 log.dirs=/x",
    "-config broker/ min.insync.replicas=0",
    "-clear-elr ",
    // Lists are tidied before they are kept.
    "-config topic/c1 cleanup.policy=delete, compact , compact",
    "+config topic/c1 cleanup.policy=delete,compact",
    // Kafka fences a broker again each time that it asks to stop.
    "-broker 2 e2 fenced",
];
