//! A short run of the fuzz targets over mutated batches of Apache Kafka; the long one is the
//! harness's.

#![allow(clippy::unwrap_used, reason = "a test fails by unwrapping")]

use ottla_records::batches;
use ottla_records::fuzz::TARGETS;

#[test]
fn mutated_batches_break_no_promise() {
    let seeds = seeds();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..30_000 {
        let mut bytes = seeds[below(&mut random, seeds.len())].to_vec();
        for _ in 0..=below(&mut random, 4) {
            mutate(&mut bytes, &mut random);
        }
        let (_name, target) = TARGETS[round % TARGETS.len()];
        target(&bytes);
    }
}

/// Each batch, and the records of each batch without their header.
fn seeds() -> Vec<&'static [u8]> {
    let logs = [
        &include_bytes!("golden/sample-none.log")[..],
        include_bytes!("golden/sample-gzip.log"),
        include_bytes!("golden/sample-snappy.log"),
        include_bytes!("golden/sample-lz4.log"),
        include_bytes!("golden/sample-zstd.log"),
        include_bytes!("golden/sample-txn.log"),
        include_bytes!("golden/cluster-metadata.log"),
        include_bytes!("golden/cluster-metadata.checkpoint"),
    ];
    let all = logs.into_iter().flat_map(|log| batches(log).map(Result::unwrap));
    all.flat_map(|batch| [batch.bytes(), batch.records()]).collect()
}

fn mutate(bytes: &mut Vec<u8>, random: &mut u64) {
    if bytes.is_empty() {
        return bytes.push(1);
    }
    let at = below(random, bytes.len());
    match below(random, 7) {
        0 => bytes[at] ^= 1 << below(random, 8),
        1 => bytes[at] = 0,
        2 => bytes[at] = 0xff,
        3 => bytes[at] = u8::try_from(below(random, 256)).unwrap(),
        4 => bytes.truncate(at),
        5 => bytes.insert(at, 0x80),
        _ => {
            let end = bytes.len().min(at + below(random, 40));
            let copy = bytes[at..end].to_vec();
            bytes.splice(at..at, copy);
        }
    }
}

fn below(random: &mut u64, bound: usize) -> usize {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    usize::try_from(*random >> 33).unwrap() % bound
}
