//! Message sets of magic 0 and 1, as old logs still hold them, are recognised, sized and checked.

#![allow(clippy::unwrap_used, reason = "a test fails by unwrapping")]

use bytes::Bytes;
use ottla_records::record::ReadError;
use ottla_records::{BatchError, BatchView, batches, read_batch};

/// Three plain records and three in one gzip wrapper of each magic.
const LOG: &[u8] = include_bytes!("golden/legacy.log");

#[test]
fn old_message_sets_are_recognised_and_sized() {
    let seen: Vec<String> = batches(LOG).map(|batch| line(&batch.unwrap())).collect();
    assert_eq!(seen.join("\n"), EXPECTED);
    let last = batches(LOG).last().unwrap().unwrap();
    assert!(LOG.ends_with(last.bytes()), "the last one ends with the log");
}

#[test]
fn a_flipped_bit_in_an_old_message_is_found() {
    let mut log = LOG.to_vec();
    log[30] ^= 1;
    let first = BatchView::first(&log).unwrap().unwrap();
    assert!(matches!(first.verify_crc(), Err(BatchError::WrongCrc { .. })));
}

#[test]
fn old_records_are_refused_by_name() {
    let error = read_batch(&Bytes::from_static(LOG)).next().unwrap().unwrap_err();
    assert!(matches!(error, ReadError::OldMagic(0)));
}

fn line(batch: &BatchView<'_>) -> String {
    batch.verify_crc().unwrap();
    let (magic, offset, len) = (batch.magic(), batch.last_offset(), batch.len_bytes());
    let (codec, time) = (batch.codec().unwrap().name(), batch.max_timestamp());
    format!("magic {magic} up to {offset}, {len} bytes, {codec}, {time}")
}

const EXPECTED: &str = "\
magic 0 up to 10, 38 bytes, none, -1
magic 0 up to 11, 38 bytes, none, -1
magic 0 up to 12, 38 bytes, none, -1
magic 0 up to 15, 104 bytes, gzip, -1
magic 1 up to 16, 46 bytes, none, 1900000000000
magic 1 up to 17, 46 bytes, none, 1900000000001
magic 1 up to 18, 46 bytes, none, 1900000000002
magic 1 up to 21, 124 bytes, gzip, 1900000000002";
