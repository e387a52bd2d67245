//! What the tests of this crate share: a folder of Apache Kafka's on a simulated disk, and batches.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use flate2::read::GzDecoder;
use ottla_env::{Disk, Env};
use ottla_records::{BatchBuilder, BatchSettings, Producer};
use ottla_storage::checkpoint::{self, Offsets};
use ottla_storage::{
    Directory, DirsOpening, Log, LogConfig, LogDirs, MetaProperties, Opening, Origin,
};
use ottla_wire::{
    BrokerId, DirectoryId, LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId,
    Timestamp, TopicId, Uuid,
};

/// Shortly after the fixture was written (its records have later timestamps).
pub(crate) const NOW: Timestamp = Timestamp(1795254862000);

const FOLDER: &[u8] = include_bytes!("../fixtures/kafka-4.3.1.tar.gz");
const RECORDS: &[u8] = include_bytes!("../fixtures/kafka-4.3.1-records.tsv.gz");

/// Unpacks the folder that Apache Kafka 4.3.1 wrote.
pub(crate) fn unpack(disk: &Disk, into: &Path) {
    unpack_below(&inflate(FOLDER), "", disk, into);
}

/// Unpacks what a tar file has below a folder.
pub(crate) fn unpack_below(tar: &[u8], below: &str, disk: &Disk, into: &Path) {
    for entry in tar::Archive::new(tar).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_str().unwrap().to_owned();
        let Some(name) = name.trim_start_matches("./").strip_prefix(below) else { continue };
        let path = into.join(name);
        if entry.header().entry_type().is_dir() {
            disk.create_dir_all(&path).unwrap();
        } else {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            disk.write(&path, &bytes).unwrap();
        }
    }
}

/// What must be read from it: isolation, topic, partition, offset, timestamp, epoch, key, value,
/// headers.
pub(crate) fn told() -> Vec<Vec<String>> {
    let text = String::from_utf8(inflate(RECORDS)).unwrap();
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .skip(1)
        .map(|line| line.split('\t').map(str::to_owned).collect())
        .collect()
}

/// What a gzip file holds.
pub(crate) fn inflate(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut out).unwrap();
    out
}

/// A log directory.
pub(crate) fn directory(disk: &Disk, path: &str) -> Arc<Directory> {
    Directory::new(disk.clone(), PathBuf::from(path), DirectoryId::default())
}

/// How to open a partition's directory that was left in order, or not.
pub(crate) fn opening(directory: &Arc<Directory>, name: &str, clean: bool) -> Opening {
    let offset = |file: &str| {
        let path = directory.path().join(file);
        let offsets = match directory.disk().read(&path) {
            Ok(text) => checkpoint::parse_offsets(&text).unwrap(),
            Err(_) => Offsets::new(),
        };
        let (topic, partition) = name.rsplit_once('-').unwrap();
        let key = (topic.to_owned(), PartitionIndex(partition.parse().unwrap()));
        offsets.get(&key).copied().unwrap_or(Offset(0))
    };
    Opening {
        directory: Arc::clone(directory),
        path: directory.path().join(name),
        name: name.to_owned(),
        config: Arc::new(LogConfig::default()),
        clean,
        start: offset(checkpoint::LOG_STARTS),
        recovery_point: offset(checkpoint::RECOVERY_POINTS),
        high_watermark: offset(checkpoint::HIGH_WATERMARKS),
        now: NOW,
        random: 0,
    }
}

/// A batch of records with these values.
pub(crate) fn batch(producer: Option<Producer>, transactional: bool, values: &[&str]) -> Bytes {
    batch_at(producer, transactional, NOW, values)
}

/// A batch with a time of its own.
pub(crate) fn batch_at(
    producer: Option<Producer>,
    is_transactional: bool,
    time: Timestamp,
    values: &[&str],
) -> Bytes {
    let settings = BatchSettings { producer, is_transactional, ..BatchSettings::default() };
    let mut builder = BatchBuilder::new(settings);
    for value in values {
        builder.append(time, None, Some(value.as_bytes()), &[]).unwrap();
    }
    builder.build().unwrap()
}

/// The end of a transaction.
pub(crate) fn marker(id: i64, epoch: i16, abort: bool) -> Bytes {
    let settings = BatchSettings {
        producer: Some(producer(id, epoch, -1)),
        is_transactional: true,
        is_control: true,
        ..BatchSettings::default()
    };
    let mut builder = BatchBuilder::new(settings);
    let key = [0, 0, 0, u8::from(!abort)];
    builder.append(NOW, Some(&key), Some(&[0, 0, 0, 0, 0, 1]), &[]).unwrap();
    builder.build().unwrap()
}

/// An idempotent producer at some place in its sequence.
pub(crate) fn producer(id: i64, epoch: i16, base_sequence: i32) -> Producer {
    Producer { id: ProducerId(id), epoch: ProducerEpoch(epoch), base_sequence }
}

/// Appends as the leader does.
pub(crate) fn lead() -> Origin {
    Origin::Leader { epoch: LeaderEpoch(0), now: NOW }
}

/// Appends as a coordinator does.
pub(crate) fn coordinate() -> Origin {
    Origin::Coordinator { epoch: LeaderEpoch(0), now: NOW }
}

/// The values and offsets of all records from the log's start on.
pub(crate) fn contents(log: &Log) -> Vec<(i64, String)> {
    let mut found = Vec::new();
    let mut from = log.start();
    while from < log.end() {
        let bytes = log.read_bytes(from, 1 << 20, log.end(), true).unwrap();
        let mut next = from;
        for batch in ottla_records::batches(&bytes) {
            let batch = batch.unwrap();
            next = batch.last_offset().next();
            if batch.is_control() {
                continue;
            }
            for record in ottla_records::read_batch(&bytes.slice_ref(batch.bytes())) {
                let record = record.unwrap();
                let value = record.value.unwrap_or_default();
                if record.offset >= from {
                    found.push((record.offset.0, String::from_utf8_lossy(&value).into_owned()));
                }
            }
        }
        assert!(next > from, "a read at {from} gave nothing");
        from = next;
    }
    found
}

/// Formats a log directory.
pub(crate) fn format(disk: &Disk, path: &str, id: u8) {
    let meta = MetaProperties {
        cluster_id: Some("4L6g3nShT-eMCtK--X86sw".to_owned()),
        node_id: Some(BrokerId(1)),
        directory_id: Some(DirectoryId(Uuid([id; 16]))),
    };
    disk.create_dir_all(Path::new(path)).unwrap();
    meta.write(disk, Path::new(path)).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
}

/// How to open formatted directories.
pub(crate) fn dirs_opening(paths: &[&str]) -> DirsOpening {
    DirsOpening {
        paths: paths.iter().map(PathBuf::from).collect(),
        metadata_path: PathBuf::from(paths[0]),
        node_id: BrokerId(1),
        connections_max: usize::MAX,
    }
}

/// Opens log directories with all logs in them, one after the other.
pub(crate) fn start(env: &Env, paths: &[&str], config: &LogConfig) -> LogDirs {
    let dirs = LogDirs::open(env, &dirs_opening(paths)).unwrap();
    for found in dirs.find(NOW, 60_000).unwrap() {
        dirs.load(&found, Arc::new(config.clone()), NOW).unwrap();
    }
    dirs.loaded();
    dirs
}

/// A topic's id.
pub(crate) fn topic(id: u8) -> TopicId {
    TopicId(Uuid([id; 16]))
}
