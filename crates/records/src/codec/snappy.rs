//! Snappy as Kafka has it: xerial's framing of blocks, or one raw block without any framing.
//!
//! A stream is the magic, two int32 of versions that no reader minds, then `int32 length | block`
//! until it ends; streams may follow one another. What does not begin with the magic is one raw
//! block, as several clients write it. Must hold: a block's claimed length is believed only as far
//! as a block of its size can inflate.

use std::io::{self, Write};

use snap::raw::{Decoder, Encoder};

use super::{damaged, room};

/// Inflates block by block.
pub(super) struct Blocks<'a> {
    rest: &'a [u8],
    raw: bool,
}

impl<'a> Blocks<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> io::Result<Blocks<'a>> {
        if bytes.is_empty() {
            return Err(damaged("snappy data is empty"));
        }
        let framed = bytes.split_at_checked(HEADER_LEN).filter(|(h, _)| h.starts_with(&MAGIC));
        match framed {
            Some((_, rest)) => Ok(Blocks { rest, raw: false }),
            None => Ok(Blocks { rest: bytes, raw: true }),
        }
    }

    /// Inflates the next block that holds anything into `out`; 0 is the end.
    pub(super) fn next(&mut self, out: &mut Vec<u8>) -> io::Result<usize> {
        loop {
            let Some(block) = self.next_block()? else { return Ok(0) };
            let len = snap::raw::decompress_len(block).map_err(damage)?;
            if len > block.len().saturating_mul(INFLATION_MAX) {
                return Err(damaged("snappy block claims more than it can hold"));
            }
            let len = Decoder::new().decompress(block, room(out, len)).map_err(damage)?;
            if len > 0 {
                return Ok(len);
            }
        }
    }

    fn next_block(&mut self) -> io::Result<Option<&'a [u8]>> {
        if self.raw {
            let block = std::mem::take(&mut self.rest);
            return Ok((!block.is_empty()).then_some(block));
        }
        loop {
            let Some((len, rest)) = self.rest.split_first_chunk::<4>() else { return Ok(None) };
            if MAGIC.starts_with(len) {
                let Some(rest) = self.rest.get(HEADER_LEN..) else {
                    return Err(damaged("snappy stream header is cut"));
                };
                self.rest = rest;
                continue;
            }
            let len = usize::try_from(i32::from_be_bytes(*len)).ok();
            let Some((block, rest)) = len.and_then(|len| rest.split_at_checked(len)) else {
                return Err(damaged("snappy block is longer than the data"));
            };
            self.rest = rest;
            return Ok(Some(block));
        }
    }
}

/// Writes xerial's framing, in blocks of 32 KiB.
pub(super) struct Writer<W: Write> {
    out: W,
    encoder: Encoder,
    block: Vec<u8>,
    compressed: Vec<u8>,
    begun: bool,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(out: W) -> Writer<W> {
        let block = Vec::with_capacity(BLOCK_LEN);
        let compressed = vec![0; snap::raw::max_compress_len(BLOCK_LEN)];
        Writer { out, encoder: Encoder::new(), block, compressed, begun: false }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = bytes.len().min(BLOCK_LEN - self.block.len());
        self.block.extend_from_slice(&bytes[..len]);
        if self.block.len() == BLOCK_LEN {
            self.end_block()?;
        }
        Ok(len)
    }

    pub(super) fn finish(mut self) -> io::Result<W> {
        self.end_block()?;
        Ok(self.out)
    }

    fn end_block(&mut self) -> io::Result<()> {
        if !self.begun {
            self.begun = true;
            self.out.write_all(&MAGIC)?;
            self.out.write_all(&VERSION.to_be_bytes())?;
            self.out.write_all(&VERSION.to_be_bytes())?;
        }
        if self.block.is_empty() {
            return Ok(());
        }
        let len = self.encoder.compress(&self.block, &mut self.compressed).map_err(damage)?;
        self.block.clear();
        let prefix = u32::try_from(len).expect("a block of 32 KiB stays far below 4 GiB");
        self.out.write_all(&prefix.to_be_bytes())?;
        self.out.write_all(&self.compressed[..len])
    }
}

fn damage(error: snap::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

const MAGIC: [u8; 8] = *b"\x82SNAPPY\0";
const VERSION: i32 = 1;
const HEADER_LEN: usize = 16;
const BLOCK_LEN: usize = 32 * 1024;
/// A copy of three bytes makes at most 64, and nothing in the format makes more of less.
const INFLATION_MAX: usize = 22;

#[cfg(test)]
mod tests {
    use std::io::Read;

    use crate::codec::{Codec, compress, reader};

    fn read(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut out = Vec::new();
        reader(Codec::Snappy, bytes)?.read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn a_raw_block_is_read_without_framing() {
        let text = b"raw raw raw raw raw raw".repeat(100);
        let raw = snap::raw::Encoder::new().compress_vec(&text).unwrap();
        assert_eq!(read(&raw).unwrap(), text);
    }

    #[test]
    fn blocks_are_of_32_kib_behind_the_magic() {
        let text: Vec<u8> = (0..40_000u32).flat_map(u32::to_be_bytes).collect();
        let framed = compress(Codec::Snappy, 0, &text).unwrap();
        assert_eq!(framed[..16], *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01");
        let len = usize::from(framed[18]) << 8 | usize::from(framed[19]);
        assert_eq!(snap::raw::decompress_len(&framed[20..20 + len]).unwrap(), 32 * 1024);
        assert_eq!(read(&framed).unwrap(), text);
    }

    #[test]
    fn streams_may_follow_one_another() {
        let both = [b"one ", b"two "].map(|part| compress(Codec::Snappy, 0, part).unwrap());
        assert_eq!(read(&both.concat()).unwrap(), b"one two ");
    }

    #[test]
    fn a_claimed_length_beyond_the_possible_costs_nothing() {
        let claim = [0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0];
        assert!(read(&claim).is_err());
    }
}
