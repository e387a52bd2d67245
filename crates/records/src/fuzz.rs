//! Hostile bytes for batches, codecs and control records: this crate's targets, one row each.
//!
//! A target panics when a promise is broken. Must hold: no input panics otherwise, and what the
//! validator takes, readers can read.

use std::io::{BufRead, Read};
use std::ops::ControlFlow;

use bytes::Bytes;
use ottla_wire::fuzz::{Prng, Target};
use ottla_wire::messages::leader_change_message::LeaderChangeMessage;
use ottla_wire::messages::snapshot_header_record::SnapshotHeaderRecord;
use ottla_wire::messages::voters_record::{Voter, VotersRecord};
use ottla_wire::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};

use crate::batch::{BatchView, HEADER_LEN, Producer, TimestampType, batches};
use crate::builder::{BatchBuilder, BatchSettings};
use crate::codec::{self, Codec, Scratch};
use crate::control::ControlRecord;
use crate::crc;
use crate::filter::{self, FilterError, Kept, Look, Seen};
use crate::record::{Record, read_batch};
use crate::validate::{Compression, Origin, Rules, Valid, one_batch, validate};

/// All targets.
pub const TARGETS: &[Target] = &[
    target("records_batches", iterate, batches_of_every_kind),
    target("records_produce", |bytes| drop(one_batch(bytes, 13)), batches_of_every_kind),
    target("records_validate", validate_sealed, batches_of_every_kind),
    target("records_filter", filter_sealed, batches_of_every_kind),
    target("records_inflate", inflate, compressed),
    target("records_control", control, control_values),
];

/// Memory is bounded by windows and not by lengths, so it is not counted against them.
const fn target(
    name: &'static str,
    run: fn(&[u8]),
    seeds: fn(&mut Prng) -> Vec<Vec<u8>>,
) -> Target {
    Target { name, run, seeds, allocation_max: 0 }
}

fn batches_of_every_kind(prng: &mut Prng) -> Vec<Vec<u8>> {
    let producer = Producer { id: ProducerId(9), epoch: ProducerEpoch(0), base_sequence: 5 };
    let kinds = Codec::ALL.map(BatchSettings::compressed).into_iter().flat_map(|settings| {
        let idempotent = BatchSettings { producer: Some(producer), ..settings };
        let transactional = BatchSettings { is_transactional: true, ..idempotent };
        let control = BatchSettings { is_control: true, ..transactional };
        [settings, idempotent, transactional, control]
    });
    kinds.map(|settings| batch(settings, prng)).collect()
}

fn batch(settings: BatchSettings, prng: &mut Prng) -> Vec<u8> {
    let mut builder = BatchBuilder::new(settings);
    for n in 0..=prng.below(40) {
        let timestamp = Timestamp(NOW + i64::try_from(prng.below(90_000)).expect("it is small"));
        let value = vec![b'v'; prng.below(60)];
        let headers = [("header".into(), Some(Bytes::from_static(b"value"))), ("".into(), None)];
        let headers = &headers[..prng.below(3)];
        let key = (n % 3 > 0).then_some(&b"key"[..]);
        builder.append(timestamp, key, Some(&value), headers).expect("it is small");
    }
    builder.build().expect("it is small").into()
}

fn compressed(prng: &mut Prng) -> Vec<Vec<u8>> {
    let batches = batches_of_every_kind(prng).into_iter();
    batches.map(|batch| batch.get(HEADER_LEN..).unwrap_or_default().to_vec()).collect()
}

fn control_values(_: &mut Prng) -> Vec<Vec<u8>> {
    let controls = [
        ControlRecord::Commit { coordinator_epoch: 7 },
        ControlRecord::LeaderChange(LeaderChangeMessage::default()),
        ControlRecord::SnapshotHeader(SnapshotHeaderRecord::default()),
        ControlRecord::KRaftVoters(VotersRecord {
            voters: vec![Voter::default(); 2],
            ..Default::default()
        }),
    ];
    controls.iter().map(|control| control.value().expect("a default is valid").into()).collect()
}

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
        now: Timestamp(NOW),
        compression,
        max_message_bytes: 1 << 20,
        segment_bytes: 1 << 30,
    }
}

/// Leaves every third record out, with a delete horizon and without: what is left is a batch that
/// tells the same offsets.
fn filter_sealed(bytes: &[u8]) {
    let mut batch = bytes.to_vec();
    if batch.len() < HEADER_LEN {
        return;
    }
    let len = i32::try_from(batch.len() - crate::batch::PREFIX_LEN).expect("fuzz inputs are small");
    batch[crate::batch::LENGTH..crate::batch::LEADER_EPOCH].copy_from_slice(&len.to_be_bytes());
    batch[crate::batch::MAGIC] = 2;
    let view = BatchView::first(&batch).expect("a batch").expect("a whole batch");
    let mut thirds = Thirds::default();
    if filter::look(&view, &mut Scratch::default(), &mut thirds).is_err() {
        return;
    }
    for horizon in [None, Some(Timestamp(NOW))] {
        let len_max = batch.len() * 2 + 1024;
        let written =
            filter::rewrite(&view, &thirds.kept, horizon, len_max, &mut Scratch::default());
        let written = match written {
            Ok(written) => Bytes::from(written),
            Err(FilterError::Outgrown) => continue,
            Err(FilterError::Read(error)) => panic!("what was looked at can be read: {error}"),
        };
        assert!(written.len() <= len_max);
        let left = BatchView::first(&written).expect("a batch").expect("a whole batch");
        assert_eq!((left.bytes().len(), left.verify_crc()), (written.len(), Ok(())));
        assert_eq!(
            (left.base_offset(), left.last_offset()),
            (view.base_offset(), view.last_offset())
        );
        let offsets = read_batch(&written).map(|record| record.expect("it was written").offset);
        assert_eq!(offsets.collect::<Vec<_>>(), thirds.stay);
    }
    let empty = filter::empty(&view).expect("it is of magic 2");
    let empty = BatchView::first(&empty).expect("a batch").expect("a whole batch");
    assert_eq!((empty.last_offset(), empty.verify_crc()), (view.last_offset(), Ok(())));
}

/// Keeps two records of three.
#[derive(Default)]
struct Thirds {
    kept: Kept,
    stay: Vec<Offset>,
    seen: usize,
}

impl Look for Thirds {
    fn key(&mut self, _: &[u8]) {}

    fn record(&mut self, seen: Seen) -> ControlFlow<()> {
        let stays = !self.seen.is_multiple_of(3);
        self.seen += 1;
        if stays {
            self.stay.push(seen.offset);
        }
        match self.kept.push(stays) && self.seen < RECORDS_MAX {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
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

const NOW: i64 = 1_900_000_000_000;
const RECORDS_MAX: usize = 100_000;
const INFLATED_MAX: u64 = 4 << 20;
