//! Bugs that the node does not have: what each would leave behind is done to its folder, so that
//! the judge of histories has something to find.
//!
//! Must hold: what a bug changes is sealed with a good checksum, as a program would write it that
//! believes in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use ottla_env::{Disk, Open};
use ottla_records::{BatchView, batches, read_batch};
use ottla_sim::Platter;

/// A bug of the coordinators.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bug {
    /// Markers are written, and ends answered, before the decision is durable.
    DecisionsUnsynced,
    /// Groups hear of their offsets before these are durable.
    OffsetsUnsynced,
    /// A reload passes over transactions that are prepared: it holds them for complete.
    PreparedForgotten,
    /// An abort that fences a producer, and the bump of its epoch, is lost at a restart.
    BumpForgotten,
    /// A reload takes the offsets of aborted transactions for committed ones.
    AbortedOffsetsCount,
}

/// Has the disk forget what the bug does not sync.
pub(crate) fn lie(disk: &Platter, bug: Bug) {
    let topic = match bug {
        Bug::DecisionsUnsynced => TRANSACTIONS,
        Bug::OffsetsUnsynced => OFFSETS,
        _ => return,
    };
    (0..4).for_each(|partition| disk.lie_below(format!("/data/{topic}-{partition}")));
}

/// Does to the folder of a node that has ended what the bug does to the next one that reads it.
pub(crate) fn apply(disk: &Disk, bug: Bug) {
    match bug {
        Bug::DecisionsUnsynced | Bug::OffsetsUnsynced => {}
        Bug::PreparedForgotten => change_last_steps(disk, |step| match step[STATUS] {
            PREPARE_COMMIT => step[STATUS] = COMPLETE_COMMIT,
            PREPARE_ABORT => step[STATUS] = COMPLETE_ABORT,
            _ => {}
        }),
        Bug::BumpForgotten => change_last_steps(disk, |step| {
            if step[STATUS] == COMPLETE_ABORT {
                step[STATUS] = ONGOING;
                let epoch = i16::from_be_bytes([step[EPOCH], step[EPOCH + 1]]);
                step[EPOCH..EPOCH + 2].copy_from_slice(&(epoch - 1).to_be_bytes());
            }
        }),
        Bug::AbortedOffsetsCount => {
            for log in logs(disk, OFFSETS) {
                rewrite(disk, &log, |batch, bytes| {
                    let key = of_control(batch)?;
                    (bytes[key + 3] == ABORT).then(|| bytes[key + 3] = COMMIT)
                });
            }
        }
    }
}

/// Changes the value of the last record of each transactional id.
fn change_last_steps(disk: &Disk, change: impl Fn(&mut [u8])) {
    for log in logs(disk, TRANSACTIONS) {
        let mut last: BTreeMap<Bytes, i64> = BTreeMap::new();
        rewrite(disk, &log, |batch, _| {
            for record in read_batch(batch).map_while(Result::ok) {
                last.extend(record.key.map(|key| (key, record.offset.0)));
            }
            None
        });
        rewrite(disk, &log, |batch, bytes| {
            let mut changed = None;
            for record in read_batch(batch).map_while(Result::ok) {
                let is_last =
                    record.key.is_some_and(|key| last.get(&key) == Some(&record.offset.0));
                if let Some(value) = record.value.filter(|_| is_last) {
                    let at = value.as_ptr().addr() - batch.as_ptr().addr();
                    change(&mut bytes[at..at + value.len()]);
                    changed = Some(());
                }
            }
            changed
        });
    }
}

/// Where the key of a marker stands in its batch.
fn of_control(batch: &Bytes) -> Option<usize> {
    let is_control = BatchView::first(batch).ok()??.is_control();
    let key = read_batch(batch).next()?.ok()?.key.filter(|_| is_control)?;
    Some(key.as_ptr().addr() - batch.as_ptr().addr())
}

fn logs(disk: &Disk, topic: &str) -> Vec<PathBuf> {
    let data = Path::new("/data");
    let dirs = disk.list(data).unwrap_or_default().into_iter();
    let dirs = dirs.filter(|dir| dir.name.starts_with(topic)).map(|dir| data.join(dir.name));
    let files = |dir: PathBuf| {
        let files = disk.list(&dir).unwrap_or_default().into_iter();
        files.filter(|file| file.name.ends_with(".log")).map(move |file| dir.join(file.name))
    };
    dirs.flat_map(files).collect()
}

/// Writes back each batch of a file that `change` has changed.
fn rewrite(disk: &Disk, path: &Path, mut change: impl FnMut(&Bytes, &mut [u8]) -> Option<()>) {
    let whole = Bytes::from(disk.read(path).expect("the file is there"));
    let file = disk.open(path, Open::ReadWrite).expect("the file may be written");
    let mut at = 0;
    for batch in batches(&whole).map_while(Result::ok) {
        let batch = whole.slice_ref(batch.bytes());
        let mut bytes = batch.to_vec();
        if change(&batch, &mut bytes).is_some() {
            let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &bytes[21..]);
            let crc = u32::try_from(crc).expect("it has 32 bits");
            bytes[17..21].copy_from_slice(&crc.to_be_bytes());
            file.write_all_at(&bytes, at).expect("the disk takes it");
        }
        at += batch.len() as u64;
    }
    file.sync().expect("the disk takes it");
}

const TRANSACTIONS: &str = "__transaction_state";
const OFFSETS: &str = "__consumer_offsets";
/// Places in a value of `__transaction_state`: version, producer id, epoch, timeout, status.
const EPOCH: usize = 10;
const STATUS: usize = 16;
const ONGOING: u8 = 1;
const PREPARE_COMMIT: u8 = 2;
const PREPARE_ABORT: u8 = 3;
const COMPLETE_COMMIT: u8 = 4;
const COMPLETE_ABORT: u8 = 5;
/// Types of control records.
const ABORT: u8 = 0;
const COMMIT: u8 = 1;
