//! The two checksums of batches: CRC-32C of magic 2, and CRC-32 of the older message sets.
//!
//! crc-fast folds with the vector units: about 30 GB/s for 16 KiB batches, which is why a checksum
//! over the whole batch is affordable on every append.

use crc_fast::CrcAlgorithm::{Crc32Iscsi, Crc32IsoHdlc};

/// CRC-32C, of everything in a batch from its attributes to its end.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    low(crc_fast::checksum(Crc32Iscsi, bytes))
}

/// CRC-32C of two slices as if they were one.
pub(crate) fn crc32c_of(head: &[u8], rest: &[u8]) -> u32 {
    let mut digest = crc_fast::Digest::new(Crc32Iscsi);
    digest.update(head);
    digest.update(rest);
    low(digest.finalize())
}

/// CRC-32 as zlib has it, of magic 0 and 1.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    low(crc_fast::checksum(Crc32IsoHdlc, bytes))
}

/// The CRC-32C of `new` followed by `rest_len` bytes, from the one of `old` followed by the same
/// bytes. The checksum is linear, so the rest need not be read again.
pub(crate) fn crc32c_with_new_head(whole: u32, old: &[u8], new: &[u8], rest_len: usize) -> u32 {
    let difference = crc32c(old) ^ crc32c(new);
    let rest_len = u64::try_from(rest_len).expect("a length in memory fits 64 bits");
    low(crc_fast::checksum_combine(Crc32Iscsi, difference.into(), whole.into(), rest_len))
}

fn low(checksum: u64) -> u32 {
    u32::try_from(checksum).expect("a 32-bit algorithm gives 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_catalogue() {
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn a_new_head_needs_no_second_look_at_the_rest() {
        let rest: Vec<u8> = (0..1000u32).flat_map(u32::to_le_bytes).collect();
        for len in [0, 1, 7, 64, 999, rest.len()] {
            let (old, new) = ([1u8; 40], [9u8; 40]);
            let old_whole = crc32c(&[&old[..], &rest[..len]].concat());
            let new_whole = crc32c(&[&new[..], &rest[..len]].concat());
            assert_eq!(crc32c_with_new_head(old_whole, &old, &new, len), new_whole);
        }
    }
}
