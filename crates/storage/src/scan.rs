//! Walking the batches of a segment's file, headers first.
//!
//! A header costs one read of a chunk, and batches that are larger than a chunk are stepped over.
//! Not here: what the batches mean. Must hold: memory stays at one chunk, or at one batch when
//! its body is asked for and the file holds it.

use std::io;

use crc_fast::{CrcAlgorithm, Digest};
use ottla_env::File;
use ottla_records::batch::{BatchError, BatchHeader, BatchView, HEADER_LEN};
use ottla_wire::Offset;

/// How much is read at a time when headers near one place are looked for.
pub(crate) const CHUNK_SMALL: usize = 4 << 10;
/// How much is read at a time when a file is read from end to end.
pub(crate) const CHUNK_LARGE: usize = 1 << 20;

/// Where the checksummed part of a batch begins.
const ATTRIBUTES: u64 = 21;

/// Why a scan can't go on.
#[derive(Debug)]
pub(crate) enum ScanError {
    Io(io::Error),
    /// The bytes at the scan's position are no batch, or one that the file does not hold whole.
    Torn(String),
    /// The bytes are not in memory, and the caller did not want to wait for the disk.
    Cold,
}

/// A batch with its place in the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed {
    pub(crate) position: u64,
    pub(crate) len: u64,
    header: [u8; HEADER_LEN],
}

impl Placed {
    pub(crate) fn header(&self) -> BatchHeader<'_> {
        let header = BatchHeader::first(&self.header);
        header.ok().flatten().expect("it was a header when it was copied")
    }

    pub(crate) fn end(&self) -> u64 {
        self.position + self.len
    }

    pub(crate) fn last_offset(&self) -> Offset {
        self.header().last_offset()
    }
}

#[derive(Debug)]
pub(crate) struct Scan<'a> {
    file: &'a File,
    position: u64,
    end: u64,
    chunk: usize,
    resident: bool,
    /// Its first `filled` bytes are those of the file at `buffer_at`; the others are of no use.
    buffer: Vec<u8>,
    filled: usize,
    buffer_at: u64,
}

impl<'a> Scan<'a> {
    /// Walks the batches in `[position, end)`.
    pub(crate) fn new(file: &'a File, position: u64, end: u64, chunk: usize) -> Scan<'a> {
        Scan {
            file,
            position,
            end,
            chunk,
            resident: false,
            buffer: Vec::new(),
            filled: 0,
            buffer_at: position,
        }
    }

    /// Reads into the memory that another scan has left.
    pub(crate) fn reusing(mut self, buffer: Vec<u8>) -> Scan<'a> {
        self.buffer = buffer;
        self
    }

    /// The memory, for another scan.
    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    /// Only what is in memory is read; everything else is [`ScanError::Cold`].
    pub(crate) fn resident(mut self, resident: bool) -> Scan<'a> {
        self.resident = resident;
        self
    }

    /// Where the next batch begins.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The next batch's header; `None` exactly at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Placed>, ScanError> {
        if self.position >= self.end {
            return Ok(None);
        }
        let position = self.position;
        let bytes = self.bytes(position, HEADER_LEN as u64)?;
        let torn = |error: BatchError| ScanError::Torn(error.to_string());
        let Some(found) = BatchHeader::first(bytes).map_err(torn)? else {
            return Err(ScanError::Torn("the file ends inside a batch header".to_owned()));
        };
        let len = found.len_bytes() as u64;
        if found.base_offset().0 < 0 || found.last_offset() < found.base_offset() {
            return Err(ScanError::Torn("the batch's offsets are impossible".to_owned()));
        }
        let mut header = [0; HEADER_LEN];
        let own = found.header_bytes();
        header[..own.len()].copy_from_slice(own);
        if len > self.end - position {
            return Err(ScanError::Torn("the file ends inside a batch".to_owned()));
        }
        self.position += len;
        Ok(Some(Placed { position, len, header }))
    }

    /// All bytes of a batch.
    pub(crate) fn body(&mut self, placed: &Placed) -> Result<&[u8], ScanError> {
        let bytes = self.bytes(placed.position, placed.len)?;
        if bytes.len() as u64 == placed.len {
            return Ok(bytes);
        }
        Err(ScanError::Torn("the file ends inside a batch".to_owned()))
    }

    /// Whether the batch has the checksum that it tells, in bounded memory.
    pub(crate) fn verify(&mut self, placed: &Placed) -> Result<(), ScanError> {
        if placed.len <= self.chunk as u64 || placed.header().magic() != 2 {
            let bytes = self.body(placed)?;
            let batch = BatchView::first(bytes).map_err(|e| ScanError::Torn(e.to_string()))?;
            let batch = batch.ok_or_else(|| ScanError::Torn("cut batch".to_owned()))?;
            return batch.verify_crc().map_err(|error| ScanError::Torn(error.to_string()));
        }
        let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
        let mut at = placed.position + ATTRIBUTES;
        while at < placed.end() {
            let part = self.bytes(at, (placed.end() - at).min(self.chunk as u64))?;
            if part.is_empty() {
                return Err(ScanError::Torn("the file ends inside a batch".to_owned()));
            }
            digest.update(part);
            at += part.len() as u64;
        }
        let stored = placed.header().crc();
        let computed = digest.finalize();
        if u64::from(stored) == computed {
            return Ok(());
        }
        let computed = u32::try_from(computed).unwrap_or(u32::MAX);
        Err(ScanError::Torn(BatchError::WrongCrc { stored, computed }.to_string()))
    }

    /// Bytes of the file from `at` on, `len` of them unless the scan's end comes before.
    fn bytes(&mut self, at: u64, len: u64) -> Result<&[u8], ScanError> {
        let len = len.min(self.end.saturating_sub(at));
        let have = self.buffer_at + self.filled as u64;
        if at < self.buffer_at || at + len > have {
            self.fill(at, len)?;
        }
        let from = usize::try_from(at - self.buffer_at).unwrap_or(usize::MAX);
        let until = from.saturating_add(usize::try_from(len).unwrap_or(usize::MAX));
        Ok(self.buffer.get(from..until.min(self.filled)).unwrap_or_default())
    }

    /// Reads from `at` on; what is there already moves to the front.
    fn fill(&mut self, at: u64, len: u64) -> Result<(), ScanError> {
        let want = len.max(self.chunk as u64).min(self.end - at);
        let want = usize::try_from(want).map_err(|_| ScanError::Torn("too large".to_owned()))?;
        let behind = at.checked_sub(self.buffer_at).and_then(|from| usize::try_from(from).ok());
        let had = behind.filter(|from| *from < self.filled).map_or(0..0, |from| from..self.filled);
        let mut filled = had.len().min(want);
        self.buffer.copy_within(had, 0);
        // Should reading fail, nothing is there.
        (self.filled, self.buffer_at) = (0, at);
        if self.buffer.len() < want {
            self.buffer.resize(want, 0);
        }
        while filled < want {
            let rest = &mut self.buffer[filled..want];
            let read = if self.resident {
                match self.file.read_at_resident(rest, at + filled as u64) {
                    Ok(Some(read)) => Ok(read),
                    Ok(None) if filled as u64 >= len => break,
                    Ok(None) => return Err(ScanError::Cold),
                    Err(error) => Err(error),
                }
            } else {
                self.file.read_at(rest, at + filled as u64)
            };
            match read.map_err(ScanError::Io)? {
                0 => break,
                read => filled += read,
            }
        }
        self.filled = filled;
        Ok(())
    }
}
