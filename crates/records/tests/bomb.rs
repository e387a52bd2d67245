//! A batch that inflates ten-thousandfold is judged as Kafka judges it, in the memory of its
//! codec's window. Alone in its file: it looks at the memory of the whole process.
#![allow(clippy::unwrap_used, reason = "a test fails by unwrapping")]
#![cfg(target_os = "linux")]

use std::io::Write;

use ottla_records::validate::{Compression, Origin};
use ottla_records::{Codec, Rules, TimestampType, validate};
use ottla_wire::{ErrorCode, Timestamp};

#[test]
fn a_bomb_is_walked_and_written_anew_in_bounded_memory() {
    let bombs = [bomb(Codec::Gzip), bomb(Codec::Zstd)];
    let before = peak_memory();
    for bomb in &bombs {
        assert!(bomb.len() < 1 << 20);
        let valid = validate(bomb, &rules(Compression::Producer)).unwrap();
        assert_eq!(valid.count, 1);
        let uncompressed = Compression::To { codec: Codec::None, level: 0 };
        let refused = validate(bomb, &rules(uncompressed)).unwrap_err();
        assert_eq!(refused.error, ErrorCode::MESSAGE_TOO_LARGE);
    }
    let grown = peak_memory() - before;
    assert!(grown < 16 << 20, "memory grew by {grown} bytes for {INFLATED} that were inflated");
}

/// One record of zeros, compressed without ever being whole in memory.
fn bomb(codec: Codec) -> Vec<u8> {
    let mut head = vec![0, 0, 0, 1];
    ottla_wire::varint::put_varint(&mut head, INFLATED);
    let zeros = [0; 1 << 16];
    let write = |out: &mut dyn Write| {
        let mut len = Vec::new();
        let value = usize::try_from(INFLATED).unwrap();
        ottla_wire::varint::put_varint(&mut len, i32::try_from(head.len() + value + 1).unwrap());
        out.write_all(&len).unwrap();
        out.write_all(&head).unwrap();
        (0..value / zeros.len()).for_each(|_| out.write_all(&zeros).unwrap());
        out.write_all(&[0]).unwrap();
    };
    let records = match codec {
        Codec::Gzip => {
            let mut out = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
            write(&mut out);
            out.finish().unwrap()
        }
        _ => {
            let mut out = zstd::Encoder::new(vec![], 3).unwrap();
            write(&mut out);
            out.finish().unwrap()
        }
    };
    sealed(codec, &records)
}

fn sealed(codec: Codec, records: &[u8]) -> Vec<u8> {
    let mut batch = vec![0; 61];
    batch[8..12].copy_from_slice(&u32::try_from(49 + records.len()).unwrap().to_be_bytes());
    batch[16] = 2;
    batch[22] = codec.id();
    batch[43..57].fill(0xff);
    batch[60] = 1;
    batch.extend(records);
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &batch[21..]);
    batch[17..21].copy_from_slice(&u32::try_from(crc).unwrap().to_be_bytes());
    batch
}

fn rules(compression: Compression) -> Rules<'static> {
    Rules {
        origin: Origin::Client,
        partition: "topic-0",
        compacted: false,
        timestamp_type: TimestampType::CreateTime,
        before_max_ms: i64::MAX,
        after_max_ms: i64::MAX,
        now: Timestamp(0),
        compression,
        max_message_bytes: 1 << 20,
        segment_bytes: 1 << 30,
    }
}

/// The most memory that the process has had, in bytes.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

const INFLATED: i32 = 96 << 20;
