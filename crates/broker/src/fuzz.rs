//! Hostile bytes for what clients push as metrics: this crate's target beside whole frames.
//!
//! A target panics when a promise is broken. Must hold: it does not matter in which pieces the
//! bytes come, and what was read is never longer than they are.

use std::io::BufReader;

use ottla_wire::fuzz::{Prng, Target};

use crate::telemetry::otlp::walk;

/// Metrics of clients.
pub const METRICS: Target =
    Target { name: "broker_metrics", run: read, seeds: metrics, allocation_max: 0 };

fn read(input: &[u8]) {
    let whole = walk(input).ok();
    let piecemeal = walk(BufReader::with_capacity(3, input)).ok();
    assert_eq!(whole, piecemeal);
    let length = u64::try_from(input.len()).expect("memory is smaller");
    assert!(whole.is_none_or(|read| read == length));
}

/// A resource with a metric of each kind, as a client pushes them.
fn metrics(_: &mut Prng) -> Vec<Vec<u8>> {
    let attribute = bytes(7, &[bytes(1, b"client"), bytes(2, &bytes(1, b"app"))].concat());
    let number = |value: u8| [0x31, value, 0, 0, 0, 0, 0, 0, 0].to_vec();
    let point = bytes(1, &[number(5), attribute.clone()].concat());
    let histogram = bytes(1, &[bytes(6, &number(1)[1..]), attribute.clone()].concat());
    let exponential = bytes(1, &bytes(8, &bytes(2, &[1, 0x80, 1])));
    let quantile = bytes(1, &[bytes(6, &[0x09, 0, 0, 0, 0, 0, 0, 0, 0]), attribute].concat());
    let kinds = [(5, &point), (7, &point), (9, &histogram), (10, &exponential), (11, &quantile)];
    let metric = |(kind, of): (u8, &Vec<u8>)| {
        let metric = [bytes(1, "größe".as_bytes()), bytes(kind, of)].concat();
        bytes(1, &bytes(2, &bytes(2, &metric)))
    };
    let each: Vec<Vec<u8>> = kinds.into_iter().map(metric).collect();
    let unknown = vec![0x7b, 0x08, 1, 0x7c];
    [each.clone(), vec![each.concat(), unknown]].concat()
}

/// A field that holds these bytes.
fn bytes(number: u8, holds: &[u8]) -> Vec<u8> {
    let length = u8::try_from(holds.len()).expect("samples are short");
    let mut field = vec![number << 3 | 2];
    if length >= 0x80 {
        field.extend([length | 0x80, 1]);
    } else {
        field.push(length);
    }
    field.extend(holds);
    field
}
