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
    fn two_slices_have_the_checksum_of_their_sum() {
        assert_eq!(crc32c_of(b"1234", b"56789"), crc32c(b"123456789"));
    }
}
