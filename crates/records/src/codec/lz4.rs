//! LZ4 frames as Kafka's Java classes read and write them.
//!
//! Read: independent blocks only, header and block checksums verified, content size skipped,
//! content checksum ignored, one frame, whatever follows it ignored. Written: blocks of 64 KiB
//! without checksums. A reader that took more would store batches that Java consumers cannot read;
//! that is why the frame is read here and not by lz4_flex, whose blocks these are.

use std::io::{self, Write};

use lz4_flex::block::{DecompressError, decompress_into};
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
use twox_hash::XxHash32;

use super::{damaged, room};

/// Inflates one frame, block by block.
pub(super) struct Blocks<'a> {
    rest: &'a [u8],
    block_len_max: usize,
    block_checksums: bool,
    ended: bool,
}

impl<'a> Blocks<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> io::Result<Blocks<'a>> {
        let Some((&[m0, m1, m2, m3, flags, sizes], _)) = bytes.split_first_chunk::<6>() else {
            return Err(damaged("lz4 frame ends within its header"));
        };
        if [m0, m1, m2, m3] != MAGIC {
            return Err(damaged("not an lz4 frame"));
        }
        if flags >> 6 != 1 || flags & FLAG_RESERVED != 0 || flags & FLAG_INDEPENDENT == 0 {
            return Err(damaged("lz4 frame needs version 1 and independent blocks"));
        }
        let block_len_max = match sizes {
            0x40 => 64 << 10,
            0x50 => 256 << 10,
            0x60 => 1 << 20,
            0x70 => 4 << 20,
            _ => return Err(damaged("lz4 frame has an unknown block size")),
        };
        let header_end = if flags & FLAG_CONTENT_SIZE == 0 { 6 } else { 14 };
        let Some((&checksum, rest)) = bytes.get(header_end..).and_then(<[u8]>::split_first) else {
            return Err(damaged("lz4 frame ends within its header"));
        };
        let hash = XxHash32::oneshot(0, &bytes[MAGIC.len()..header_end]);
        if hash.to_le_bytes()[1] != checksum {
            return Err(damaged("lz4 frame header has a wrong checksum"));
        }
        let block_checksums = flags & FLAG_BLOCK_CHECKSUM != 0;
        Ok(Blocks { rest, block_len_max, block_checksums, ended: false })
    }

    /// Inflates the next block that holds anything into `out`; 0 is the end.
    pub(super) fn next(&mut self, out: &mut Vec<u8>) -> io::Result<usize> {
        while !self.ended {
            let word = self.word()?;
            let len = usize::try_from(word & !BLOCK_STORED).expect("31 bits fit");
            if len == 0 {
                self.ended = true;
                break;
            }
            let block = self.block(len)?;
            let len_max = self.block_len_max.min(len.saturating_mul(INFLATION_MAX));
            let len = match word & BLOCK_STORED {
                0 => inflate(block, out, len_max)?,
                _ => {
                    room(out, len).copy_from_slice(block);
                    len
                }
            };
            if len > 0 {
                return Ok(len);
            }
        }
        Ok(0)
    }

    fn block(&mut self, len: usize) -> io::Result<&'a [u8]> {
        if len > self.block_len_max {
            return Err(damaged("lz4 block is longer than its frame allows"));
        }
        let Some((block, rest)) = self.rest.split_at_checked(len) else {
            return Err(damaged("lz4 frame ends within a block"));
        };
        self.rest = rest;
        if self.block_checksums && self.word()? != XxHash32::oneshot(0, block) {
            return Err(damaged("lz4 block has a wrong checksum"));
        }
        Ok(block)
    }

    fn word(&mut self) -> io::Result<u32> {
        let Some((word, rest)) = self.rest.split_first_chunk::<4>() else {
            return Err(damaged("lz4 frame ends without its end mark"));
        };
        self.rest = rest;
        Ok(u32::from_le_bytes(*word))
    }
}

/// Inflates one block, which does not tell its length. Room as for most blocks comes first: with
/// frames of 4 MiB blocks around batches of 16 KiB, to clear as much as a block could need took
/// twelve times as long as to inflate it.
fn inflate(block: &[u8], out: &mut Vec<u8>, len_max: usize) -> io::Result<usize> {
    let usual = block.len().saturating_mul(INFLATION_USUAL).max(out.len()).min(len_max);
    let inflated = match decompress_into(block, room(out, usual)) {
        Err(DecompressError::OutputTooSmall { .. }) if usual < len_max => {
            decompress_into(block, room(out, len_max))
        }
        inflated => inflated,
    };
    inflated.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Writes the frame that Kafka's producers write.
pub(super) fn writer<W: Write>(out: W) -> FrameEncoder<W> {
    let frame = FrameInfo::new().block_size(BlockSize::Max64KB).block_mode(BlockMode::Independent);
    FrameEncoder::with_frame_info(frame, out)
}

const MAGIC: [u8; 4] = 0x184D_2204_u32.to_le_bytes();
const FLAG_RESERVED: u8 = 0b11;
const FLAG_CONTENT_SIZE: u8 = 1 << 3;
const FLAG_BLOCK_CHECKSUM: u8 = 1 << 4;
const FLAG_INDEPENDENT: u8 = 1 << 5;
const BLOCK_STORED: u32 = 1 << 31;
/// What most data does not exceed.
const INFLATION_USUAL: usize = 8;
/// A length byte of a match stands for at most 255 bytes.
const INFLATION_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_that_inflate_more_than_most_come_whole() {
        for len in [100, 200_000, 3_000_000] {
            let frame = FrameInfo::new().block_size(BlockSize::Max4MB);
            let frame = frame.block_mode(BlockMode::Independent);
            let mut writer = FrameEncoder::with_frame_info(frame, Vec::new());
            writer.write_all(&vec![7; len]).unwrap();
            let compressed = writer.finish().unwrap();
            let (mut out, mut inflated) = (Vec::new(), 0);
            let mut blocks = Blocks::new(&compressed).unwrap();
            loop {
                match blocks.next(&mut out).unwrap() {
                    0 => break,
                    part => inflated += out[..part].iter().filter(|byte| **byte == 7).count(),
                }
            }
            assert_eq!(inflated, len);
        }
    }
}
