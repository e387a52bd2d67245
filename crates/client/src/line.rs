//! One connection as a line: frames go out, their answers come back by correlation id.
//!
//! One task per connection. Requests are pipelined: the next is written while answers to earlier
//! ones are still due. Not here: versions, messages. Must hold: every request that asked for an
//! answer gets one or the reason why not; an answer that is overdue ends the line, as nobody can
//! tell what became of the requests behind it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use ottla_env::{Env, Instant, ReadHalf, Sleep, Stream, WriteHalf};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};

/// A request on its way.
pub(crate) struct Sent {
    pub(crate) correlation_id: i32,
    /// The frame with its size in front.
    pub(crate) frame: Bytes,
    pub(crate) timeout: Duration,
    /// Where the answer goes; none when the broker will not send one (acks=0).
    pub(crate) answer: Option<oneshot::Sender<Result<Bytes, LineEnd>>>,
}

/// Why a request on a line has no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum LineEnd {
    /// This request's own time was over.
    TimedOut,
    /// The line ended.
    Lost(String),
}

impl fmt::Display for LineEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LineEnd::TimedOut => f.write_str("an answer was overdue"),
            LineEnd::Lost(cause) => f.write_str(cause),
        }
    }
}

/// The task's side of a line.
pub(crate) struct Line {
    env: Env,
    reader: ReadHalf,
    writer: WriteHalf,
    requests: mpsc::Receiver<Sent>,
    idle_max: Duration,
    incoming: BytesMut,
    outgoing: VecDeque<Bytes>,
    due: BTreeMap<i32, Due>,
    /// When the line became idle, or last was not.
    active: Instant,
}

struct Due {
    deadline: Instant,
    answer: oneshot::Sender<Result<Bytes, LineEnd>>,
}

/// What happened next on a line.
enum Event {
    Read(io::Result<usize>),
    Written(io::Result<usize>),
    Request(Option<Sent>),
    Timer,
}

impl Line {
    pub(crate) fn new(
        env: Env,
        stream: Stream,
        requests: mpsc::Receiver<Sent>,
        idle_max: Duration,
    ) -> Line {
        let (reader, writer) = stream.into_split();
        Line {
            active: env.monotonic(),
            env,
            reader,
            writer,
            requests,
            idle_max,
            incoming: BytesMut::new(),
            outgoing: VecDeque::new(),
            due: BTreeMap::new(),
        }
    }

    /// Serves until the connection ends, nobody holds its other side, or an answer is overdue.
    pub(crate) async fn run(mut self) {
        let mut sleep = self.env.sleep(self.idle_max);
        let end = loop {
            let event = self.next(&mut sleep).await;
            if let Err(end) = self.handle(event) {
                break end;
            }
            self.active = self.env.monotonic();
            sleep.reset(self.deadline());
        };
        tracing::debug!(%end, "connection ended");
        self.requests.close();
        for due in std::mem::take(&mut self.due).into_values() {
            let _ = due.answer.send(Err(lost(&end)));
        }
        while let Some(sent) = self.requests.recv().await {
            if let Some(answer) = sent.answer {
                let _ = answer.send(Err(lost(&end)));
            }
        }
    }

    async fn next(&mut self, sleep: &mut Sleep) -> Event {
        self.incoming.reserve(self.room());
        let Line { reader, writer, incoming, outgoing, requests, .. } = self;
        let has_output = !outgoing.is_empty();
        let takes_more = outgoing.len() < FRAMES_WAITING_MAX;
        let written = async {
            match outgoing.front_mut() {
                Some(front) => writer.write_buf(front).await,
                None => Ok(0),
            }
        };
        tokio::select! {
            biased;
            read = reader.read_buf(incoming) => Event::Read(read),
            written = written, if has_output => Event::Written(written),
            request = requests.recv(), if takes_more => Event::Request(request),
            () = sleep => Event::Timer,
        }
    }

    fn handle(&mut self, event: Event) -> Result<(), LineEnd> {
        match event {
            Event::Read(Ok(0)) => Err(LineEnd::Lost("the broker closed the connection".into())),
            Event::Read(Ok(_)) => self.answers(),
            Event::Written(Ok(_)) => {
                if self.outgoing.front().is_some_and(Bytes::is_empty) {
                    self.outgoing.pop_front();
                }
                Ok(())
            }
            Event::Read(Err(error)) | Event::Written(Err(error)) => {
                Err(LineEnd::Lost(error.to_string()))
            }
            Event::Request(None) => Err(LineEnd::Lost("the client closed it".into())),
            Event::Request(Some(sent)) => {
                self.outgoing.push_back(sent.frame);
                if let Some(answer) = sent.answer {
                    let deadline = self.env.monotonic() + sent.timeout;
                    self.due.insert(sent.correlation_id, Due { deadline, answer });
                }
                Ok(())
            }
            Event::Timer => self.overdue(),
        }
    }

    /// When something must have happened.
    fn deadline(&self) -> Instant {
        let earliest = self.due.values().map(|due| due.deadline).min();
        earliest.unwrap_or(self.active + self.idle_max)
    }

    fn overdue(&mut self) -> Result<(), LineEnd> {
        let now = self.env.monotonic();
        if self.due.is_empty() {
            return Err(LineEnd::Lost("it was idle".into()));
        }
        let late = self.due.iter().filter(|(_, due)| due.deadline <= now).map(|(id, _)| *id);
        let late: Vec<i32> = late.collect();
        for id in &late {
            if let Some(due) = self.due.remove(id) {
                let _ = due.answer.send(Err(LineEnd::TimedOut));
            }
        }
        if late.is_empty() { Ok(()) } else { Err(LineEnd::TimedOut) }
    }

    /// Hands out the answers that are complete.
    fn answers(&mut self) -> Result<(), LineEnd> {
        while let Some(size) = self.claimed()? {
            if self.incoming.len() < PREFIX + size {
                break;
            }
            self.incoming.advance(PREFIX);
            let frame = self.incoming.split_to(size).freeze();
            let id = frame.first_chunk::<4>().map(|id| i32::from_be_bytes(*id));
            let due = id.and_then(|id| self.due.remove(&id));
            let due = due.ok_or_else(|| {
                LineEnd::Lost(format!("it sent an answer that nobody asked for ({id:?})"))
            })?;
            // Whoever asked may have stopped waiting.
            let _ = due.answer.send(Ok(frame));
        }
        Ok(())
    }

    /// The size that the next answer claims to have.
    fn claimed(&self) -> Result<Option<usize>, LineEnd> {
        let Some(prefix) = self.incoming.first_chunk::<PREFIX>() else { return Ok(None) };
        let size = i32::from_be_bytes(*prefix);
        match usize::try_from(size) {
            Ok(size) if size <= ANSWER_BYTES_MAX => Ok(Some(size)),
            _ => Err(LineEnd::Lost(format!(
                "it claims an answer of {size} bytes, at most {ANSWER_BYTES_MAX} are read; \
                 is this the port of a Kafka listener?"
            ))),
        }
    }

    /// How much to read at once: what is missing, but never far beyond what has come.
    fn room(&self) -> usize {
        let claimed = self.claimed().ok().flatten().map_or(0, |size| PREFIX + size);
        let missing = claimed.saturating_sub(self.incoming.len());
        missing.clamp(CHUNK, CHUNK.max(2 * self.incoming.len()))
    }
}

fn lost(end: &LineEnd) -> LineEnd {
    LineEnd::Lost(end.to_string())
}

/// The size in front of each frame.
const PREFIX: usize = 4;
/// What is read ahead at least.
const CHUNK: usize = 64 * 1024;
/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 1 << 30;
/// Frames that wait to be written; more wait with their senders.
const FRAMES_WAITING_MAX: usize = 16;
