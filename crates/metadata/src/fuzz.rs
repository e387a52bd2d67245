//! Hostile bytes for records of the metadata log: this crate's targets, one row each.
//!
//! A target panics when a promise is broken. Must hold: what can be read is written and read again
//! as the same; any record can be lived with and taken back; an image comes back from its records.

use ottla_machine::Machine;
use ottla_wire::fuzz::{Prng, Target};
use ottla_wire::{Bytes, Offset};

use crate::features::MetadataVersion;
use crate::image::Image;
use crate::record::MetadataRecord;

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "metadata_record", run: reread, seeds: records, allocation_max: 0 },
    Target { name: "metadata_replay", run: replay, seeds: logs, allocation_max: 0 },
];

fn reread(input: &[u8]) {
    let Ok(record) = MetadataRecord::decode(Bytes::copy_from_slice(input)) else { return };
    let level = MetadataVersion::LATEST;
    // A tag that an old version does not know may be a field of the one that is written, and then
    // hold anything: what was written once without it comes back for good.
    let Ok(known) = MetadataRecord::decode(record.encode(level)) else { return };
    let settled = known.encode(level);
    let again = MetadataRecord::decode(settled.clone()).expect("it was written from what is known");
    // Numbers may be no numbers, which are not equal to themselves: bytes tell.
    assert_eq!(again.encode(level), settled, "{record:?}");
}

/// Whatever a log holds, it replays, can be taken back, and makes a snapshot.
fn replay(input: &[u8]) {
    let mut image = Image::default();
    let mut undone = Vec::new();
    for (at, record) in (0..).map(Offset).zip(log(input)) {
        undone.push(image.replay(at, &record));
    }
    let mut copy = Image::default();
    let written = image.records();
    for (at, record) in (0..).map(Offset).zip(&written) {
        copy.apply(at, record);
    }
    let level = MetadataVersion::LATEST;
    let told = |records: &[MetadataRecord]| -> Vec<Bytes> {
        records.iter().map(|record| record.encode(level)).collect()
    };
    assert_eq!(told(&copy.records()), told(&written));
    while let Some(before) = undone.pop() {
        image.undo(before);
    }
    assert!(image.records().is_empty());
}

/// Records, each behind its length in one byte.
fn log(input: &[u8]) -> Vec<MetadataRecord> {
    let (mut records, mut rest) = (Vec::new(), input);
    while let Some((&length, more)) = rest.split_first() {
        let (value, behind) = more.split_at(usize::from(length).min(more.len()));
        records.extend(MetadataRecord::decode(Bytes::copy_from_slice(value)).ok());
        rest = behind;
    }
    records
}

const GOLDEN: &str = concat!(
    include_str!("../tests/golden/started.txt"),
    include_str!("../tests/golden/administered.txt"),
);

fn records(_: &mut Prng) -> Vec<Vec<u8>> {
    let lines = GOLDEN.lines().filter(|line| !line.starts_with('#'));
    let hex = lines.filter_map(|line| Some(line.split_once(' ')?.1));
    hex.filter_map(unhex).collect()
}

/// Pieces of logs, as long as an input may be.
fn logs(prng: &mut Prng) -> Vec<Vec<u8>> {
    let records = records(prng);
    let short = records.iter().filter_map(|value| Some((u8::try_from(value.len()).ok()?, value)));
    let framed: Vec<Vec<u8>> =
        short.map(|(length, value)| [&[length], value.as_slice()].concat()).collect();
    framed.chunks(40).map(<[Vec<u8>]>::concat).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let byte = |two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok();
    text.as_bytes().chunks_exact(2).map(byte).collect()
}
