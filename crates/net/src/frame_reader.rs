//! Cuts a byte stream into frames: `int32 size | payload`.
//!
//! Reads a frame as it arrives: memory follows what has come in, never what a peer claims, but
//! for a peer that has already sent frames as large. An idle connection holds no buffer.
//! Cost per frame: one allocation, no copy beyond the first [`CHUNK`] bytes; a large one goes into
//! a buffer that an earlier one has left (buffers.rs).

use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::buffers::{Buffers, Lent};

/// What is read ahead at most: many small requests come in one read.
const CHUNK: usize = 16 * 1024;

/// The size prefix.
const PREFIX: usize = 4;

/// Why no further frame can be read.
#[derive(Debug)]
pub(crate) enum FrameError {
    /// The size prefix is negative or above the limit.
    Size {
        size: i32,
        max: usize,
    },
    /// The stream ended inside a frame.
    Torn {
        have: usize,
        want: usize,
    },
    Io(io::Error),
}

impl std::fmt::Display for FrameError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            FrameError::Size { size, max } => {
                write!(
                    f,
                    "frame of {size} bytes where at most {max} are allowed; {}",
                    remedy(*size)
                )
            }
            FrameError::Torn { have, want } => {
                write!(f, "the peer closed after {have} of {want} bytes of a frame")
            }
            FrameError::Io(error) => write!(f, "reading failed: {error}"),
        }
    }
}

/// What to do about a size that is refused: mostly it is no size at all.
fn remedy(size: i32) -> &'static str {
    match size.to_be_bytes() {
        [0x16, 3, ..] => "these are bytes of TLS: let the client use security.protocol=PLAINTEXT",
        bytes if bytes.is_ascii() && bytes[0] >= b'A' => {
            "these are bytes of text, such as HTTP: only clients of Kafka can talk to this port"
        }
        [0..0x80, ..] => "if it is a real request, raise socket.request.max.bytes",
        _ => "this is no client of Kafka",
    }
}

/// The unread bytes of one connection.
pub(crate) struct FrameReader {
    buffer: BytesMut,
    /// The frame that is being read, when it is a large one. Nothing is read ahead of it then.
    large: Option<Large>,
    buffers: Buffers,
    max: usize,
    /// The largest frame that came in whole: as much may be reserved at once again.
    proven: usize,
}

/// A large frame without its prefix, as far as it has come.
struct Large {
    size: usize,
    bytes: Lent,
}

impl FrameReader {
    pub(crate) fn new(max: usize, buffers: Buffers) -> Self {
        FrameReader { buffer: BytesMut::new(), large: None, buffers, max, proven: CHUNK }
    }

    /// A whole frame, when one is there already.
    pub(crate) fn buffered(&mut self) -> Result<Option<Bytes>, FrameError> {
        if let Some(large) = self.large.take_if(|large| large.missing() == 0) {
            self.prove(large.size);
            return Ok(Some(Bytes::from_owner(large.bytes)));
        }
        let Some(size) = self.claimed()? else { return Ok(None) };
        if self.buffer.len() < PREFIX + size {
            return Ok(None);
        }
        self.prove(size);
        self.buffer.advance(PREFIX);
        let frame = self.buffer.split_to(size).freeze();
        Ok(Some(frame))
    }

    /// Reads what is there. `Ready(Ok(true))` when bytes came, `Ready(Ok(false))` at the end of
    /// the stream between two frames.
    pub(crate) fn poll_fill<R: AsyncRead + Unpin>(
        &mut self,
        stream: &mut R,
        cx: &mut Context<'_>,
    ) -> Poll<Result<bool, FrameError>> {
        let claimed = match self.claimed() {
            Ok(claimed) => claimed,
            Err(error) => return Poll::Ready(Err(error)),
        };
        if let Some(size) = claimed {
            self.begin_large(size);
        }
        let read = match &mut self.large {
            Some(large) => large.poll_read(self.proven, stream, cx),
            None => self.poll_read(claimed, stream, cx),
        };
        let filled = match read {
            Poll::Pending => {
                if self.buffer.is_empty() {
                    self.buffer = BytesMut::new();
                }
                return Poll::Pending;
            }
            Poll::Ready(Err(error)) => return Poll::Ready(Err(FrameError::Io(error))),
            Poll::Ready(Ok(filled)) => filled,
        };
        if filled > 0 {
            return Poll::Ready(Ok(true));
        }
        let large = self.large.as_ref().map_or(0, |large| PREFIX + large.bytes.len());
        let have = self.buffer.len() + large;
        if have == 0 {
            return Poll::Ready(Ok(false));
        }
        let want = PREFIX + claimed.unwrap_or(0);
        Poll::Ready(Err(FrameError::Torn { have, want }))
    }

    /// The size that the next frame claims to have.
    fn claimed(&self) -> Result<Option<usize>, FrameError> {
        if let Some(large) = &self.large {
            return Ok(Some(large.size));
        }
        let Some(prefix) = self.buffer.first_chunk::<PREFIX>() else { return Ok(None) };
        let size = i32::from_be_bytes(*prefix);
        match usize::try_from(size) {
            Ok(bytes) if bytes <= self.max => Ok(Some(bytes)),
            _ => Err(FrameError::Size { size, max: self.max }),
        }
    }

    /// The size of a frame that has begun to come in and does not fit into the first read.
    pub(crate) fn large(&self) -> Option<usize> {
        self.claimed().ok().flatten().filter(|size| *size > CHUNK)
    }

    fn prove(&mut self, size: usize) {
        self.proven = self.proven.max(size.min(self.max));
    }

    /// Gives a frame a buffer of its own if more than a small read is missing.
    fn begin_large(&mut self, size: usize) {
        let missing = (PREFIX + size).saturating_sub(self.buffer.len());
        if self.large.is_some() || missing <= CHUNK {
            return;
        }
        let mut bytes = self.buffers.lend(size);
        bytes.extend_from_slice(&self.buffer[PREFIX..]);
        self.buffer = BytesMut::new();
        self.large = Some(Large { size, bytes });
    }

    /// Reads into the common buffer: a small frame together with what follows it.
    fn poll_read<R: AsyncRead + Unpin>(
        &mut self,
        claimed: Option<usize>,
        stream: &mut R,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let wanted = claimed.map_or(0, |size| PREFIX + size);
        let missing = wanted.saturating_sub(self.buffer.len());
        self.buffer.reserve(CHUNK);
        let room = if missing == 0 || self.buffer.len() < CHUNK { CHUNK } else { missing };
        poll_read(&mut self.buffer, room, stream, cx)
    }
}

impl Large {
    fn missing(&self) -> usize {
        self.size.saturating_sub(self.bytes.len())
    }

    fn poll_read<R: AsyncRead + Unpin>(
        &mut self,
        proven: usize,
        stream: &mut R,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let missing = self.missing();
        let mut room = self.bytes.capacity() - self.bytes.len();
        if room == 0 || self.bytes.capacity() < self.size.min(proven) {
            let believable = (self.bytes.len() * 2).max(proven);
            room = missing.min(believable);
            self.bytes.reserve(room);
        }
        poll_read(&mut *self.bytes, room.min(missing), stream, cx)
    }
}

/// Reads at most `room` bytes, for which there is room.
fn poll_read<R: AsyncRead + Unpin>(
    into: &mut impl BufMut,
    room: usize,
    stream: &mut R,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut into = into.limit(room);
    // Reading holds no state between polls, so the future may be made anew each time.
    let read = pin!(stream.read_buf(&mut into));
    read.poll(cx)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::pin::Pin;
    use tokio::io::ReadBuf;

    /// A stream that gives the chunks it was made of, then ends.
    struct Chunks(VecDeque<Vec<u8>>);

    impl AsyncRead for Chunks {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            into: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if let Some(mut chunk) = self.0.pop_front() {
                let fits = chunk.len().min(into.remaining());
                into.put_slice(&chunk[..fits]);
                if fits < chunk.len() {
                    self.0.push_front(chunk.split_off(fits));
                }
            }
            Poll::Ready(Ok(()))
        }
    }

    fn frame(payload: &[u8]) -> Vec<u8> {
        let mut bytes = i32::try_from(payload.len()).expect("small").to_be_bytes().to_vec();
        bytes.extend(payload);
        bytes
    }

    fn read(chunks: impl IntoIterator<Item = Vec<u8>>, max: usize) -> (Vec<Vec<u8>>, String) {
        let mut stream = Chunks(chunks.into_iter().collect());
        let mut reader = FrameReader::new(max, Buffers::default());
        let mut frames = Vec::new();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        loop {
            match reader.buffered() {
                Ok(Some(frame)) => {
                    frames.push(frame.to_vec());
                    continue;
                }
                Ok(None) => {}
                Err(error) => return (frames, error.to_string()),
            }
            match reader.poll_fill(&mut stream, &mut cx) {
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false)) => return (frames, "end".to_owned()),
                Poll::Ready(Err(error)) => return (frames, error.to_string()),
                Poll::Pending => unreachable!("chunks are always ready"),
            }
        }
    }

    #[test]
    fn frames_come_out_whole_however_they_are_cut() {
        let payloads: Vec<Vec<u8>> =
            [0, 1, 5, CHUNK - 4, CHUNK, CHUNK + 1, 300_000].map(|n| vec![7; n]).into();
        let bytes: Vec<u8> = payloads.iter().flat_map(|payload| frame(payload)).collect();
        for step in [1, 3, 4, 5, 1000, CHUNK, bytes.len()] {
            let (frames, end) = read(bytes.chunks(step).map(<[u8]>::to_vec), 1 << 20);
            assert_eq!((frames.len(), end.as_str()), (payloads.len(), "end"), "step {step}");
            assert!(frames == payloads, "step {step}");
        }
    }

    #[test]
    fn a_size_out_of_range_is_refused_before_anything_is_read() {
        let http = i32::from_be_bytes(*b"GET ");
        let tls = i32::from_be_bytes([0x16, 3, 1, 2]);
        for (size, remedy) in [
            (-1, "no client of Kafka"),
            (i32::MIN, "no client of Kafka"),
            (1001, "raise socket.request.max.bytes"),
            (http, "such as HTTP"),
            (tls, "security.protocol=PLAINTEXT"),
        ] {
            let (frames, end) = read([size.to_be_bytes().to_vec()], 1000);
            assert!(frames.is_empty());
            let cause = format!("frame of {size} bytes where at most 1000 are allowed; ");
            assert!(end.starts_with(&cause) && end.contains(remedy), "{end}");
        }
    }

    #[test]
    fn a_stream_that_ends_inside_a_frame_is_torn() {
        assert_eq!(read([vec![0, 0]], 10).1, "the peer closed after 2 of 4 bytes of a frame");
        assert_eq!(
            read([vec![0, 0, 0, 9, 1]], 10).1,
            "the peer closed after 5 of 13 bytes of a frame"
        );
    }

    #[test]
    fn a_claimed_size_takes_no_memory() {
        let claim = (100i32 << 20).to_be_bytes().to_vec();
        let mut stream = Chunks([claim, vec![0; 10]].into());
        let mut reader = FrameReader::new(100 << 20, Buffers::default());
        let mut cx = Context::from_waker(std::task::Waker::noop());
        for _ in 0..2 {
            assert!(reader.poll_fill(&mut stream, &mut cx).is_ready());
            assert!(reader.buffered().expect("in range").is_none());
        }
        let large = reader.large.map_or(0, |large| large.bytes.capacity());
        let taken = reader.buffer.capacity() + large;
        assert!(taken <= 4 * CHUNK, "{taken}");
    }
}
