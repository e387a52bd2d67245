//! What it costs to judge and to read a batch: `cargo run --release -p ottla-records --example
//! speed`. Not a test: numbers depend on the machine and on who else is at work on it.
#![allow(clippy::disallowed_methods, reason = "a stopwatch needs the real clock")]

use std::hint::black_box;
use std::time::Instant;

use ottla_records::validate::{Compression, Origin};
use ottla_records::{
    BatchBuilder, BatchSettings, Codec, Rules, Scratch, TimestampType, read_batch, validate_with,
};
use ottla_wire::Timestamp;

fn main() {
    println!("codec   records  bytes each  batch bytes  validate ns/record  read ns/record");
    for codec in Codec::ALL {
        for (count, len) in [(160, 100), (10_000, 100), (16, 1_000)] {
            measure(codec, count, len);
        }
    }
}

fn measure(codec: Codec, count: i64, len: usize) {
    let mut builder = BatchBuilder::new(BatchSettings::compressed(codec));
    for n in 0..count {
        let value = value(n, len);
        builder.append(Timestamp(n), Some(b"key"), Some(&value), &[]).expect("it fits");
    }
    let rounds = (20_000_000 / builder.uncompressed_len()).max(5);
    let batch = builder.build().expect("it fits");
    let mut scratch = Scratch::default();
    let validate = time(rounds, || {
        let valid = validate_with(&batch, &RULES, &mut scratch).expect("it is valid");
        black_box(valid.count);
    });
    let read = time(rounds, || {
        read_batch(&batch).for_each(|record| drop(black_box(record)));
    });
    let each = |nanos: f64| nanos / f64::from(u32::try_from(count).expect("a small count"));
    println!(
        "{:6} {count:8} {len:11} {:12} {:19.1} {:15.1}",
        codec.name(),
        batch.len(),
        each(validate),
        each(read)
    );
}

/// Text that compresses about as JSON does.
fn value(n: i64, len: usize) -> Vec<u8> {
    let parts =
        (0..).map(|k| format!("{{\"id\":{},\"n\":{}}},", n * 7_919 % 1_000, (n + k) * 31 % 977));
    parts.flat_map(String::into_bytes).take(len).collect()
}

/// Nanoseconds of a round.
fn time(rounds: usize, mut round: impl FnMut()) -> f64 {
    let start = Instant::now();
    (0..rounds).for_each(|_| round());
    let rounds = f64::from(u32::try_from(rounds).expect("few rounds"));
    start.elapsed().as_secs_f64() * 1e9 / rounds
}

const RULES: Rules<'static> = Rules {
    origin: Origin::Client,
    partition: "topic-0",
    compacted: false,
    timestamp_type: TimestampType::CreateTime,
    before_max_ms: i64::MAX,
    after_max_ms: i64::MAX,
    now: Timestamp(1_000_000),
    compression: Compression::Producer,
    max_message_bytes: 1 << 30,
    segment_bytes: 1 << 30,
};
