//! Cuts a byte stream into frames: `int32 size | payload`.
//!
//! Reads a frame as it arrives: memory follows what has come in, never what a peer claims, but
//! for a peer that has already sent frames as large. An idle connection holds no buffer.
//! Cost per frame: one allocation, no copy beyond the first [`CHUNK`] bytes.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

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
    max: usize,
    /// The largest frame that came in whole: as much may be reserved at once again.
    proven: usize,
}

impl FrameReader {
    pub(crate) fn new(max: usize) -> Self {
        FrameReader { buffer: BytesMut::new(), max, proven: CHUNK }
    }

    /// A whole frame, when one is there already.
    pub(crate) fn buffered(&mut self) -> Result<Option<Bytes>, FrameError> {
        let Some(size) = self.claimed()? else { return Ok(None) };
        if self.buffer.len() < PREFIX + size {
            return Ok(None);
        }
        self.proven = self.proven.max(size.min(self.max));
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
        let wanted = match self.claimed() {
            Ok(size) => size.map(|size| PREFIX + size),
            Err(error) => return Poll::Ready(Err(error)),
        };
        let room = self.make_room(wanted);
        let filled = match self.poll_read(stream, cx, room) {
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
        if self.buffer.is_empty() {
            return Poll::Ready(Ok(false));
        }
        let want = wanted.unwrap_or(PREFIX);
        Poll::Ready(Err(FrameError::Torn { have: self.buffer.len(), want }))
    }

    /// The size that the next frame claims to have.
    fn claimed(&self) -> Result<Option<usize>, FrameError> {
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

    /// Makes room for the next read and says for how many bytes: a small frame is read together
    /// with what follows it, a large one into a buffer of its own.
    fn make_room(&mut self, wanted: Option<usize>) -> usize {
        let missing = wanted.map_or(0, |wanted| wanted.saturating_sub(self.buffer.len()));
        if missing <= CHUNK {
            self.buffer.reserve(CHUNK);
            return if missing == 0 || self.buffer.len() < CHUNK { CHUNK } else { missing };
        }
        let believable = (self.buffer.len() * 2).max(self.proven + PREFIX);
        let room = missing.min(believable);
        self.buffer.reserve(room);
        room
    }

    fn poll_read<R: AsyncRead + Unpin>(
        &mut self,
        stream: &mut R,
        cx: &mut Context<'_>,
        room: usize,
    ) -> Poll<io::Result<usize>> {
        let mut into = (&mut self.buffer).limit(room);
        // Reading holds no state between polls, so the future may be made anew each time.
        let read = pin!(stream.read_buf(&mut into));
        read.poll(cx)
    }
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
        let mut reader = FrameReader::new(max);
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
        let mut reader = FrameReader::new(100 << 20);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        for _ in 0..2 {
            assert!(reader.poll_fill(&mut stream, &mut cx).is_ready());
            assert!(reader.buffered().expect("in range").is_none());
        }
        assert!(reader.buffer.capacity() < 4 * CHUNK, "{}", reader.buffer.capacity());
    }
}
