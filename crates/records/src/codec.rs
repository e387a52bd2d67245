//! Compression of a batch's records: the five codecs, how to write them and how to read them as a
//! stream.
//!
//! Framing that is Kafka's own stands in snappy.rs and lz4.rs. Must hold: reading takes memory for
//! the codec's window (32 KiB gzip, one block of at most 4 MiB lz4, at most 128 MiB zstd, a chunk
//! of at most 22 times its compressed length snappy), never for what the data inflates to, and
//! reads what Apache Kafka's Java classes read.

use std::io::{self, BufRead, BufReader, Read, Write};

use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;

use crate::lz4;
use crate::snappy;

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
    Ok(Decompressor(match codec {
        Codec::None => Inflating::None(compressed),
        Codec::Gzip => {
            let members = Members::new(compressed)?;
            Inflating::Gzip(Box::new(BufReader::with_capacity(BUFFER_LEN, members)))
        }
        Codec::Snappy => Inflating::Snappy(snappy::Reader::new(compressed)?),
        Codec::Lz4 => Inflating::Lz4(lz4::Reader::new(compressed)?),
        // No frame at all is an empty stream to Java's reader.
        Codec::Zstd if compressed.is_empty() => Inflating::None(compressed),
        Codec::Zstd => {
            let frames = zstd::Decoder::with_buffer(compressed)?;
            Inflating::Zstd(BufReader::with_capacity(BUFFER_LEN, frames))
        }
    }))
}

/// See [`reader`].
pub struct Decompressor<'a>(Inflating<'a>);

enum Inflating<'a> {
    None(&'a [u8]),
    Gzip(Box<BufReader<Members<'a>>>),
    Snappy(snappy::Reader<'a>),
    Lz4(lz4::Reader<'a>),
    Zstd(BufReader<zstd::Decoder<'a, &'a [u8]>>),
}

impl BufRead for Decompressor<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match &mut self.0 {
            Inflating::None(bytes) => Ok(bytes),
            Inflating::Gzip(reader) => reader.fill_buf(),
            Inflating::Snappy(reader) => reader.fill_buf(),
            Inflating::Lz4(reader) => reader.fill_buf(),
            Inflating::Zstd(reader) => reader.fill_buf(),
        }
    }

    fn consume(&mut self, amount: usize) {
        match &mut self.0 {
            Inflating::None(bytes) => bytes.consume(amount),
            Inflating::Gzip(reader) => reader.consume(amount),
            Inflating::Snappy(reader) => reader.consume(amount),
            Inflating::Lz4(reader) => reader.consume(amount),
            Inflating::Zstd(reader) => reader.consume(amount),
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

/// gzip members, one after another. Java takes what follows a member for another one only if it
/// is long enough and looks like one, and ignores it otherwise; so does this.
struct Members<'a> {
    member: GzDecoder<&'a [u8]>,
}

impl<'a> Members<'a> {
    fn new(bytes: &'a [u8]) -> io::Result<Members<'a>> {
        let member = GzDecoder::new(bytes);
        if member.header().is_none() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not in gzip format"));
        }
        Ok(Members { member })
    }
}

impl Read for Members<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let len = self.member.read(out)?;
            if len > 0 || out.is_empty() {
                return Ok(len);
            }
            let rest: &[u8] = self.member.get_ref();
            if rest.len() < NEXT_MEMBER_LEN_MIN {
                return Ok(0);
            }
            let next = GzDecoder::new(rest);
            if next.header().is_none() {
                return Ok(0);
            }
            self.member = next;
        }
    }
}

/// Writes one codec's form of what is written to it.
pub(crate) struct Compressor<W: Write>(Deflating<W>);

enum Deflating<W: Write> {
    None(W),
    Gzip(Box<GzEncoder<W>>),
    Snappy(Box<snappy::Writer<W>>),
    Lz4(Box<lz4_flex::frame::FrameEncoder<W>>),
    Zstd(zstd::Encoder<'static, W>),
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
            Codec::Zstd => Deflating::Zstd(zstd::Encoder::new(out, level)?),
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

/// The buffer behind codecs that do not show their own.
const BUFFER_LEN: usize = 16 * 1024;
const GZIP_LEVEL_MAX: u32 = 9;
/// Java looks for a further member when more than a member's header and trailer are left.
const NEXT_MEMBER_LEN_MIN: usize = 19;
