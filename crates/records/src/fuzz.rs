//! What the mutation harness throws bytes at: name and function, one row each.
//!
//! A target panics when a promise is broken. Must hold: no input panics otherwise, and what the
//! validator takes, readers can read.

use std::io::{BufRead, Read};

use bytes::Bytes;
use ottla_wire::{LeaderEpoch, Offset, Timestamp};

use crate::batch::{BatchView, HEADER_LEN, TimestampType, batches};
use crate::codec::{self, Codec};
use crate::control::ControlRecord;
use crate::crc;
use crate::record::{Record, read_batch};
use crate::validate::{Compression, Origin, Rules, Valid, one_batch, validate};

/// A name and what to call with any bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("records_batches", iterate),
    ("records_produce", |bytes| {
        let _ = one_batch(bytes, 13);
    }),
    ("records_validate", validate_sealed),
    ("records_inflate", inflate),
    ("records_control", control),
];

/// Looks at everything that batches show, and reads their records.
fn iterate(bytes: &[u8]) {
    let shared = Bytes::copy_from_slice(bytes);
    for batch in batches(&shared).map_while(Result::ok) {
        let _ = format!("{batch:?} {:?} {:?}", batch.last_sequence(), batch.delete_horizon());
        let _ = (batch.last_offset(), batch.leader_epoch(), batch.verify_crc());
        let batch = shared.slice_ref(batch.bytes());
        read_batch(&batch).take(RECORDS_MAX).for_each(drop);
    }
}

/// Gives the bytes a right length and checksum, so that the rules behind them are reached.
fn validate_sealed(bytes: &[u8]) {
    let mut batch = bytes.to_vec();
    if batch.len() < HEADER_LEN {
        return;
    }
    let len = i32::try_from(batch.len() - crate::batch::PREFIX_LEN).expect("fuzz inputs are small");
    batch[..8].fill(0);
    batch[crate::batch::LENGTH..crate::batch::LEADER_EPOCH].copy_from_slice(&len.to_be_bytes());
    batch[crate::batch::MAGIC] = 2;
    let crc = crc::crc32c(&batch[crate::batch::ATTRIBUTES..]);
    batch[crate::batch::CRC..crate::batch::ATTRIBUTES].copy_from_slice(&crc.to_be_bytes());
    for compression in [
        Compression::Producer,
        Compression::To { codec: Codec::None, level: 0 },
        Compression::To { codec: Codec::Lz4, level: 9 },
    ] {
        for timestamp_type in [TimestampType::CreateTime, TimestampType::LogAppendTime] {
            let rules = rules(compression, timestamp_type);
            if let Ok(valid) = validate(&batch, &rules) {
                check_readable(&batch, valid);
            }
        }
    }
}

fn check_readable(batch: &[u8], mut valid: Valid) {
    valid.assign(Offset(1_000), LeaderEpoch(3));
    let stored = Bytes::from([&valid.header, valid.records(batch)].concat());
    let view = BatchView::first(&stored).expect("a batch").expect("a whole batch");
    assert_eq!(view.bytes().len(), valid.len);
    assert_eq!(view.verify_crc(), Ok(()));
    assert_eq!(view.last_offset(), Offset(1_000 + i64::from(valid.last_offset_delta)));
    let mut count = 0;
    for record in read_batch(&stored) {
        record.expect("what was found valid can be read");
        count += 1;
    }
    assert_eq!(count, valid.count);
}

fn rules(compression: Compression, timestamp_type: TimestampType) -> Rules<'static> {
    Rules {
        origin: Origin::Client,
        partition: "topic-0",
        compacted: false,
        timestamp_type,
        before_max_ms: i64::MAX,
        after_max_ms: i64::MAX,
        now: Timestamp(1_900_000_000_000),
        compression,
        max_message_bytes: 1 << 20,
        segment_bytes: 1 << 30,
    }
}

/// Inflates the bytes by each codec, in small and in whole reads.
fn inflate(bytes: &[u8]) {
    for codec in Codec::ALL {
        let mut sizes = [0; 2];
        if let Ok(reader) = codec::reader(codec, bytes) {
            let mut out = Vec::new();
            let _ = reader.take(INFLATED_MAX).read_to_end(&mut out);
            sizes[0] = out.len();
        }
        if let Ok(mut reader) = codec::reader(codec, bytes) {
            let max = usize::try_from(INFLATED_MAX).expect("it is small");
            while let Ok(buffer) = reader.fill_buf()
                && !buffer.is_empty()
                && sizes[1] < max
            {
                let len = buffer.len().min(7).min(max - sizes[1]);
                sizes[1] += len;
                reader.consume(len);
            }
        }
        assert_eq!(sizes[0], sizes[1], "{codec:?} inflates to the same however it is read");
    }
}

/// Takes the bytes for the value of a control record of each type.
fn control(bytes: &[u8]) {
    for kind in 0..8 {
        let record = Record {
            offset: Offset(0),
            timestamp: Timestamp(0),
            key: Some(Bytes::copy_from_slice(&[0, 0, 0, kind])),
            value: Some(Bytes::copy_from_slice(bytes)),
            headers: Vec::new(),
        };
        if let Ok(control) = ControlRecord::decode(&record) {
            let _ = control.value();
        }
    }
}

const RECORDS_MAX: usize = 100_000;
const INFLATED_MAX: u64 = 4 << 20;
