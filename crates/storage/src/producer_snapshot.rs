//! Producer snapshots: the `.snapshot` files that spare a start the reading of the whole log.
//!
//! A snapshot at offset X holds the state of all records below X, the newest batch of each
//! producer only. Must hold: a file with a wrong checksum, length or version is refused whole.

use crc_fast::{CrcAlgorithm, checksum};
use ottla_wire::{Offset, ProducerEpoch, ProducerId, Timestamp};

use crate::producers::{Producer, Producers, Remembered};

const VERSION: i16 = 1;
/// Where the entry count stands; the checksum covers everything from here on.
const COUNT_AT: usize = 6;
const ENTRIES_AT: usize = 10;
const ENTRY_BYTES: usize = 46;

/// The bytes of a snapshot.
pub fn encode(producers: &Producers) -> Vec<u8> {
    let mut out = Vec::with_capacity(ENTRIES_AT + producers.len() * ENTRY_BYTES);
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    let count = u32::try_from(producers.len()).expect("fewer producers than fit into memory");
    out.extend_from_slice(&count.to_be_bytes());
    for (id, producer) in producers.iter() {
        let last = producer.last();
        out.extend_from_slice(&id.0.to_be_bytes());
        out.extend_from_slice(&producer.epoch.0.to_be_bytes());
        out.extend_from_slice(&last.map_or(-1_i32, |last| last.last_sequence).to_be_bytes());
        out.extend_from_slice(&last.map_or(-1_i64, |last| last.last_offset.0).to_be_bytes());
        out.extend_from_slice(&last.map_or(0_i32, |last| last.offset_delta).to_be_bytes());
        out.extend_from_slice(&producer.last_timestamp.0.to_be_bytes());
        out.extend_from_slice(&producer.coordinator_epoch.to_be_bytes());
        let start = producer.transaction_start.map_or(-1_i64, |start| start.0);
        out.extend_from_slice(&start.to_be_bytes());
    }
    let crc = crc32c(&out[COUNT_AT..]);
    out[2..COUNT_AT].copy_from_slice(&crc.to_be_bytes());
    out
}

/// Reads a snapshot, without the producers that `is_expired` tells to be too old.
pub fn decode(bytes: &[u8], now: Timestamp, expire_after_ms: i64) -> Result<Producers, String> {
    let mut producers = Producers::default();
    for (id, producer) in entries(bytes)? {
        if !producers.restore(id, producer) {
            return Err(format!("producer {id} is told twice, or contradicts another"));
        }
    }
    producers.expire(now, expire_after_ms);
    Ok(producers)
}

/// The entries of a snapshot, in the order of the file.
pub fn entries(bytes: &[u8]) -> Result<Vec<(ProducerId, Producer)>, String> {
    let (head, entries) =
        bytes.split_at_checked(ENTRIES_AT).ok_or("shorter than a snapshot's head")?;
    let version = i16::from_be_bytes([head[0], head[1]]);
    if version != VERSION {
        return Err(format!("version {version}, not {VERSION}"));
    }
    let crc = u32::from_be_bytes([head[2], head[3], head[4], head[5]]);
    let found = crc32c(&bytes[COUNT_AT..]);
    if crc != found {
        return Err(format!("checksum {crc:08x}, but the content has {found:08x}"));
    }
    let count = u32::from_be_bytes([head[6], head[7], head[8], head[9]]);
    if u64::from(count) * ENTRY_BYTES as u64 != entries.len() as u64 {
        return Err(format!("{count} entries are told, {} bytes are there", entries.len()));
    }
    entries.chunks_exact(ENTRY_BYTES).map(decode_entry).collect()
}

fn decode_entry(entry: &[u8]) -> Result<(ProducerId, Producer), String> {
    let last_sequence = i32_at(entry, 10);
    let last_offset = i64_at(entry, 14);
    let offset_delta = i32_at(entry, 22);
    if offset_delta < 0 || (last_offset >= 0 && last_sequence < 0) {
        return Err(format!("an entry has sequence {last_sequence} and delta {offset_delta}"));
    }
    let timestamp = Timestamp(i64_at(entry, 26));
    let last = (last_offset >= 0).then_some(Remembered {
        last_sequence,
        last_offset: Offset(last_offset),
        offset_delta,
        timestamp,
    });
    let start = i64_at(entry, 38);
    let epoch = ProducerEpoch(i16::from_be_bytes([entry[8], entry[9]]));
    let producer = Producer::restored(
        epoch,
        last,
        timestamp,
        i32_at(entry, 34),
        (start >= 0).then_some(Offset(start)),
    );
    Ok((ProducerId(i64_at(entry, 0)), producer))
}

fn i32_at(entry: &[u8], at: usize) -> i32 {
    i32::from_be_bytes(entry[at..at + 4].try_into().expect("an entry has 46 bytes"))
}

fn i64_at(entry: &[u8], at: usize) -> i64 {
    i64::from_be_bytes(entry[at..at + 8].try_into().expect("an entry has 46 bytes"))
}

fn crc32c(bytes: &[u8]) -> u32 {
    u32::try_from(checksum(CrcAlgorithm::Crc32Iscsi, bytes)).expect("CRC-32C has 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::producers::{Marker, ProducerBatch};

    fn some() -> Producers {
        let mut producers = Producers::default();
        for (id, transactional) in [(5, false), (9, true)] {
            let batch = ProducerBatch {
                id: ProducerId(id),
                epoch: ProducerEpoch(2),
                base_sequence: 4,
                last_offset_delta: 2,
                max_timestamp: Timestamp(1000),
                transactional,
            };
            producers.append(&batch, Offset(10 * id));
        }
        producers.complete(&Marker {
            id: ProducerId(11),
            epoch: ProducerEpoch(0),
            abort: false,
            coordinator_epoch: 3,
            offset: Offset(99),
            timestamp: Timestamp(1001),
        });
        producers
    }

    #[test]
    fn what_was_written_is_read_back() {
        let bytes = encode(&some());
        assert_eq!(bytes.len(), ENTRIES_AT + 3 * ENTRY_BYTES);
        assert_eq!(decode(&bytes, Timestamp(1000), 10), Ok(some()));
    }

    #[test]
    fn producers_that_were_idle_too_long_are_left_out() {
        let read = decode(&encode(&some()), Timestamp(1010), 10).unwrap();
        assert_eq!(read.iter().map(|(id, _)| id.0).collect::<Vec<_>>(), [9, 11]);
    }

    #[test]
    fn every_changed_bit_and_every_cut_is_noticed() {
        let bytes = encode(&some());
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(decode(&changed, Timestamp(0), 10).is_err(), "bit 0 of byte {at}");
            assert!(decode(&bytes[..at], Timestamp(0), 10).is_err(), "cut at {at}");
        }
    }
}
