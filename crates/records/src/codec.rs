//! Compression of a batch's records: the five codecs, how to write them and how to read them as a
//! stream.
//!
//! How each is framed stands in a file of its own below. Must hold: reading takes memory for
//! the codec's window (32 KiB gzip, one block of at most 4 MiB lz4, at most 128 MiB zstd, a chunk
//! of at most 22 times its compressed length snappy), never for what the data inflates to, and
//! reads what Apache Kafka's Java classes read.

mod gzip;
mod lz4;
mod snappy;
mod zstd;

use std::io::{self, BufRead, Read, Write};

use flate2::write::GzEncoder;

/// How the records of a batch are compressed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Codec {
    /// Not at all.
    #[default]
    None,
    /// gzip members, one after another.
    Gzip,
    /// Snappy blocks in xerial's framing, or one raw block.
    Snappy,
    /// An LZ4 frame of independent blocks.
    Lz4,
    /// Zstandard frames, one after another.
    Zstd,
}

impl Codec {
    /// All codecs, by id.
    pub const ALL: [Codec; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The codec of the three low bits of a batch's attributes.
    pub fn from_id(id: u8) -> Option<Codec> {
        Self::ALL.get(usize::from(id)).copied()
    }

    /// The codec's number in a batch's attributes.
    pub fn id(self) -> u8 {
        match self {
            Codec::None => 0,
            Codec::Gzip => 1,
            Codec::Snappy => 2,
            Codec::Lz4 => 3,
            Codec::Zstd => 4,
        }
    }

    /// The codec that configurations call `name`; `uncompressed` and `none` are the same.
    pub fn from_name(name: &str) -> Option<Codec> {
        match name {
            "uncompressed" => Some(Codec::None),
            _ => Self::ALL.into_iter().find(|codec| codec.name() == name),
        }
    }

    /// The codec's name in configurations and tools.
    pub fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }

    /// The level that Kafka takes when none is configured; 0 where there are no levels.
    pub fn default_level(self) -> i32 {
        match self {
            Codec::None | Codec::Snappy => 0,
            Codec::Gzip => -1,
            Codec::Lz4 => 9,
            Codec::Zstd => 3,
        }
    }
}

/// `bytes` compressed. `level` is the codec's own ([`Codec::default_level`]); LZ4 has one only.
pub fn compress(codec: Codec, level: i32, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut writer = Compressor::new(codec, level, Vec::with_capacity(bytes.len() / 2))?;
    writer.write_all(bytes)?;
    writer.finish()
}

/// What `compressed` inflates to, as a stream. It ends where the data ends as its codec has it;
/// data that is cut before is an error.
pub fn reader(codec: Codec, compressed: &[u8]) -> io::Result<Decompressor<'_>> {
    reader_with(codec, compressed, &mut Scratch::default())
}

/// [`reader`] with what an earlier one gave back.
pub fn reader_with<'a>(
    codec: Codec,
    compressed: &'a [u8],
    scratch: &mut Scratch,
) -> io::Result<Decompressor<'a>> {
    let source = match codec {
        Codec::None => Inflating::None(compressed),
        Codec::Gzip => Inflating::Gzip(Box::new(gzip::Members::new(compressed)?)),
        Codec::Snappy => Inflating::Snappy(snappy::Blocks::new(compressed)?),
        Codec::Lz4 => Inflating::Lz4(lz4::Blocks::new(compressed)?),
        Codec::Zstd => Inflating::Zstd(zstd::Frames::new(compressed, scratch.zstd.take())?),
    };
    let inflated = std::mem::take(&mut scratch.inflated);
    Ok(Decompressor { source, inflated, at: 0, end: 0 })
}

/// What a reader leaves to the next one: to make a Zstandard context anew costs as much as to
/// inflate a batch of 16 KiB (15 us each).
///
/// Keep few: one holds up to 4 MiB of buffer and 4 MiB of context, of which what no batch has
/// touched is not resident.
#[derive(Default)]
pub struct Scratch {
    inflated: Vec<u8>,
    zstd: Option<zstd::Context>,
}

/// See [`reader`].
pub struct Decompressor<'a> {
    source: Inflating<'a>,
    /// The last block that was inflated, of which `at..end` is unread.
    inflated: Vec<u8>,
    at: usize,
    end: usize,
}

enum Inflating<'a> {
    None(&'a [u8]),
    Gzip(Box<gzip::Members<'a>>),
    Snappy(snappy::Blocks<'a>),
    Lz4(lz4::Blocks<'a>),
    Zstd(zstd::Frames<'a>),
}

impl Decompressor<'_> {
    /// Leaves buffers and contexts to the next reader, unless hostile data made them large.
    pub fn give_back(self, scratch: &mut Scratch) {
        if self.inflated.len() <= KEPT_BUFFER_LEN_MAX {
            scratch.inflated = self.inflated;
        }
        if let Inflating::Zstd(frames) = self.source {
            scratch.zstd =
                frames.into_context().filter(|context| context.sizeof() <= KEPT_CONTEXT_LEN_MAX);
        }
    }
}

impl BufRead for Decompressor<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.end {
            (self.at, self.end) = (0, 0);
            self.end = match &mut self.source {
                Inflating::None(bytes) => return Ok(bytes),
                Inflating::Gzip(members) => members.next(&mut self.inflated)?,
                Inflating::Snappy(blocks) => blocks.next(&mut self.inflated)?,
                Inflating::Lz4(blocks) => blocks.next(&mut self.inflated)?,
                Inflating::Zstd(frames) => frames.next(&mut self.inflated)?,
            };
        }
        Ok(&self.inflated[self.at..self.end])
    }

    fn consume(&mut self, amount: usize) {
        match &mut self.source {
            Inflating::None(bytes) => bytes.consume(amount),
            _ => self.at = self.end.min(self.at + amount),
        }
    }
}

impl Read for Decompressor<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut available = self.fill_buf()?;
        let len = available.read(out)?;
        self.consume(len);
        Ok(len)
    }
}

/// Makes `buffer` at least `len` long and gives its first `len` bytes.
pub(crate) fn room(buffer: &mut Vec<u8>, len: usize) -> &mut [u8] {
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
    &mut buffer[..len]
}

/// Data that its codec would not have written.
pub(crate) fn damaged(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// Writes one codec's form of what is written to it.
pub(crate) struct Compressor<W: Write>(Deflating<W>);

enum Deflating<W: Write> {
    None(W),
    Gzip(Box<GzEncoder<W>>),
    Snappy(Box<snappy::Writer<W>>),
    Lz4(Box<lz4_flex::frame::FrameEncoder<W>>),
    Zstd(::zstd::Encoder<'static, W>),
}

impl<W: Write> Compressor<W> {
    pub(crate) fn new(codec: Codec, level: i32, out: W) -> io::Result<Compressor<W>> {
        Ok(Compressor(match codec {
            Codec::None => Deflating::None(out),
            Codec::Gzip => {
                let level = u32::try_from(level).ok().filter(|level| *level <= GZIP_LEVEL_MAX);
                let level = level.map_or_else(flate2::Compression::default, |level| {
                    flate2::Compression::new(level)
                });
                Deflating::Gzip(Box::new(GzEncoder::new(out, level)))
            }
            Codec::Snappy => Deflating::Snappy(Box::new(snappy::Writer::new(out))),
            Codec::Lz4 => Deflating::Lz4(Box::new(lz4::writer(out))),
            Codec::Zstd => Deflating::Zstd(::zstd::Encoder::new(out, level)?),
        }))
    }

    /// Ends the stream and gives back what it was written to.
    pub(crate) fn finish(self) -> io::Result<W> {
        match self.0 {
            Deflating::None(out) => Ok(out),
            Deflating::Gzip(encoder) => encoder.finish(),
            Deflating::Snappy(writer) => writer.finish(),
            Deflating::Lz4(encoder) => encoder.finish().map_err(io::Error::from),
            Deflating::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Deflating::None(out) => out.write(bytes),
            Deflating::Gzip(encoder) => encoder.write(bytes),
            Deflating::Snappy(writer) => writer.write(bytes),
            Deflating::Lz4(encoder) => encoder.write(bytes),
            Deflating::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// So much a codec without blocks inflates at a time.
pub(crate) const STEP_LEN: usize = 16 * 1024;
/// Larger buffers are not kept for later.
const KEPT_BUFFER_LEN_MAX: usize = 4 * 1024 * 1024;
/// Larger contexts are not kept: a producer at Zstandard's default level asks for a window of
/// 2 MiB, whatever the batch.
const KEPT_CONTEXT_LEN_MAX: usize = 4 * 1024 * 1024;
const GZIP_LEVEL_MAX: u32 = 9;
