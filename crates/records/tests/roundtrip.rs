//! What is built is found valid and read as it was, whatever the codec.

#![allow(clippy::unwrap_used, reason = "a test fails by unwrapping")]

use bytes::Bytes;
use ottla_records::record::Header;
use ottla_records::validate::{Compression, Origin};
use ottla_records::{
    BatchBuilder, BatchSettings, Codec, Record, Rules, TimestampType, read_batch, validate,
};
use ottla_wire::{LeaderEpoch, Offset, Timestamp};

#[test]
fn records_survive_build_validate_and_read_under_every_codec() {
    let mut random = Random(7);
    for round in 0..40 {
        let records = random.records(1 << (round % 9));
        for codec in Codec::ALL {
            let batch = built(&records, codec);
            let stored = stored(&batch, Compression::Producer, TimestampType::CreateTime);
            assert_eq!(read(&stored), records, "{codec:?}, {} records", records.len());
        }
    }
}

#[test]
fn records_survive_every_change_of_codec() {
    let records = Random(21).records(300);
    for (codec, target) in Codec::ALL.iter().flat_map(|a| Codec::ALL.map(|b| (*a, b))) {
        let compression = Compression::To { codec: target, level: target.default_level() };
        let batch = built(&records, codec);
        let stored = stored(&batch, compression, TimestampType::CreateTime);
        assert_eq!(read(&stored), records, "{codec:?} to {target:?}");
    }
}

#[test]
fn log_append_time_is_every_records_timestamp() {
    let mut records = Random(5).records(30);
    let batch = built(&records, Codec::Zstd);
    let stored = stored(&batch, Compression::Producer, TimestampType::LogAppendTime);
    records.iter_mut().for_each(|record| record.timestamp = Timestamp(NOW));
    assert_eq!(read(&stored), records);
}

fn built(records: &[Record], codec: Codec) -> Bytes {
    let mut builder = BatchBuilder::new(BatchSettings::compressed(codec));
    for Record { timestamp, key, value, headers, .. } in records {
        builder.append(*timestamp, key.as_deref(), value.as_deref(), headers).unwrap();
    }
    builder.build().unwrap()
}

fn stored(batch: &Bytes, compression: Compression, timestamp_type: TimestampType) -> Bytes {
    let rules = Rules {
        origin: Origin::Client,
        partition: "topic-0",
        compacted: false,
        timestamp_type,
        before_max_ms: i64::MAX,
        after_max_ms: i64::MAX,
        now: Timestamp(NOW),
        compression,
        max_message_bytes: usize::MAX,
        segment_bytes: usize::MAX,
    };
    let mut valid = validate(batch, &rules).unwrap();
    valid.assign(FIRST, LeaderEpoch(0));
    [&valid.header, valid.records(batch)].concat().into()
}

fn read(stored: &Bytes) -> Vec<Record> {
    read_batch(stored).collect::<Result<_, _>>().unwrap()
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) % bound
    }

    fn records(&mut self, count: usize) -> Vec<Record> {
        let offsets = FIRST.0..;
        offsets.take(count).map(|offset| self.record(offset)).collect()
    }

    fn record(&mut self, offset: i64) -> Record {
        let count = self.below(4);
        Record {
            offset: Offset(offset),
            timestamp: Timestamp(NOW - i64::try_from(self.below(1 << 33)).unwrap()),
            key: self.bytes(40),
            value: self.bytes(2_000),
            headers: (0..count).map(|_| self.header()).collect(),
        }
    }

    fn header(&mut self) -> Header {
        let name = format!("header {}", self.below(1_000));
        (name.into(), self.bytes(30))
    }

    /// Every tenth is none; some compress and some do not.
    fn bytes(&mut self, len_max: u64) -> Option<Bytes> {
        if self.below(10) == 0 {
            return None;
        }
        let (len, spread) = (self.below(len_max), 1 + self.below(255));
        Some((0..len).map(|_| u8::try_from(self.below(spread)).unwrap()).collect())
    }
}

const NOW: i64 = 1_900_000_000_000;
const FIRST: Offset = Offset(5_000_000_000);
