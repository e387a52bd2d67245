//! One connection: frames in, replies out, in one task.
//!
//! Requests start strictly one after another; the next one starts when the former has appended or
//! decided. Only waits overlap (acks, long polls, joins), up to a limit, and replies leave in the
//! order of the requests. Not here: what a request means.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use ottla_env::{Env, File, Instant, ReadHalf, Sleep, Stream, WriteHalf};
use ottla_metrics::{ListenerMeter, Parked};
use ottla_wire::{FileSlice, Part};
use tokio::io::AsyncWriteExt;

use crate::budget::{Budget, Share};
use crate::buffers::Buffers;
use crate::frame_reader::{FrameError, FrameReader};
use crate::limits::Limits;
use crate::service::{BoxFuture, CloseReason, ConnectionInfo, Outcome, Reply, Service};
use crate::timed::Timed;

/// Replies that leave in one write at most; more only makes the slice of the kernel longer.
const PARTS_MAX: usize = 64;

/// What stands before each frame: its size.
const PREFIX: usize = 4;

/// How soon an idle connection is looked at again while a reply is still due.
const IDLE_CHECK: Duration = Duration::from_secs(1);

/// So much room for the times of replies is kept between two writes.
const LEAVING_KEPT: usize = 8;

/// A reply in its place in the order.
struct Slot {
    reply: Due,
    timed: Timed,
}

enum Due {
    Ready(Reply),
    Waiting {
        reply: BoxFuture<'static, Result<Reply, CloseReason>>,
        #[expect(dead_code, reason = "held, not read")]
        parked: Option<Parked>,
    },
}

impl Slot {
    fn is_ready(&self) -> bool {
        matches!(self.reply, Due::Ready(_))
    }
}

/// Why a connection ended before its peer was done with it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The peer sent what nobody serves; whoever runs the node should know.
    Refused(CloseReason),
    /// The peer went away or was idle, as peers do.
    Left(String),
}

impl From<CloseReason> for Ended {
    fn from(reason: CloseReason) -> Self {
        Ended::Refused(reason)
    }
}

impl From<FrameError> for Ended {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Size { .. } => Ended::Refused(CloseReason(error.to_string())),
            FrameError::Torn { .. } | FrameError::Io(_) => Ended::Left(error.to_string()),
        }
    }
}

/// What happened next on a connection.
enum Event {
    Frame(Bytes),
    /// A large frame has begun: its bytes must be had before it is read on.
    Large(usize),
    Flush,
    End,
}

pub(crate) struct Connection<S: ?Sized> {
    env: Env,
    info: Arc<ConnectionInfo>,
    service: Arc<S>,
    limits: Arc<Limits>,
    frames: FrameReader,
    budget: Budget,
    /// What the frame that is being read has of the budget.
    share: Option<Share>,
    reader: ReadHalf,
    writer: WriteHalf,
    slots: VecDeque<Slot>,
    meter: Arc<ListenerMeter>,
    /// The times of the replies that are being written.
    leaving: Vec<Timed>,
    /// When bytes came last: what a whole frame in the buffer was completed by.
    received: Instant,
    /// When something happened last; whatever happens next reads the clock only at its end.
    last_active: Instant,
    idle: Sleep,
}

impl<S: Service + ?Sized> Connection<S> {
    pub(crate) fn new(
        env: Env,
        stream: Stream,
        info: Arc<ConnectionInfo>,
        service: Arc<S>,
        limits: Arc<Limits>,
        (budget, buffers): (Budget, Buffers),
        meter: Arc<ListenerMeter>,
    ) -> Self {
        let (reader, writer) = stream.into_split();
        let frames = FrameReader::new(limits.frame_bytes_max, buffers);
        let last_active = env.monotonic();
        let idle = env.sleep_until(last_active + limits.idle_max);
        let slots = VecDeque::new();
        let share = None;
        Connection {
            env,
            info,
            service,
            limits,
            frames,
            budget,
            share,
            reader,
            writer,
            slots,
            meter,
            leaving: Vec::new(),
            received: last_active,
            last_active,
            idle,
        }
    }

    /// Serves until the peer leaves or one of the two breaks the protocol.
    pub(crate) async fn run(mut self) -> Result<(), Ended> {
        loop {
            match self.next_event().await? {
                Event::Frame(frame) => {
                    self.start(frame).await?;
                    self.share = None;
                }
                Event::Large(bytes) => self.share = Some(self.budget.share(bytes).await),
                Event::Flush => self.flush().await?,
                Event::End => return Ok(()),
            }
        }
    }

    async fn start(&mut self, frame: Bytes) -> Result<(), Ended> {
        self.meter.received((frame.len() + PREFIX) as u64);
        let mut timed = Timed::of(&frame, self.received, self.last_active);
        let outcome = self.service.start(&self.info, frame).await;
        self.last_active = self.env.monotonic();
        timed.decided = self.last_active;
        let reply = match outcome {
            Outcome::Reply(reply) => Due::Ready(reply),
            Outcome::Wait(reply) => {
                let parked = self.info.meter(timed.key).map(|meter| meter.park());
                Due::Waiting { reply, parked }
            }
            Outcome::Nothing => {
                timed.sent(&self.info, timed.decided, timed.decided);
                return Ok(());
            }
            Outcome::Close(reason) => {
                self.flush().await?;
                return Err(reason.into());
            }
        };
        self.slots.push_back(Slot { reply, timed });
        Ok(())
    }

    /// The next thing to do. Requests that are already here start before replies are written, so
    /// that the replies of a pipeline leave together.
    async fn next_event(&mut self) -> Result<Event, Ended> {
        poll_fn(|cx| {
            if self.slots.len() < self.limits.waiting_requests_max
                && let Poll::Ready(event) = self.poll_frame(cx)?
            {
                return Poll::Ready(Ok(event));
            }
            if self.poll_front(cx)? {
                return Poll::Ready(Ok(Event::Flush));
            }
            self.poll_idle(cx)
        })
        .await
    }

    /// Ends a connection on which nothing has happened for too long. The timer is only looked at
    /// when it fires: traffic costs no timer operation.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Ended>> {
        while Pin::new(&mut self.idle).poll(cx).is_ready() {
            let deadline = self.last_active + self.limits.idle_max;
            let now = self.env.monotonic();
            if now >= deadline && self.slots.is_empty() {
                let reason = format!("idle for {:?}", self.limits.idle_max);
                return Poll::Ready(Err(Ended::Left(reason)));
            }
            self.idle.reset(deadline.max(now + IDLE_CHECK));
        }
        Poll::Pending
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Result<Poll<Event>, Ended> {
        loop {
            if let Some(frame) = self.frames.buffered()? {
                return Ok(Poll::Ready(Event::Frame(frame)));
            }
            if let (Some(bytes), None) = (self.frames.large(), &self.share) {
                return Ok(Poll::Ready(Event::Large(bytes)));
            }
            // What is ready goes out before the socket is asked for more.
            if self.slots.front().is_some_and(Slot::is_ready) {
                return Ok(Poll::Pending);
            }
            match self.frames.poll_fill(&mut self.reader, cx) {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(filled) => {
                    if !filled? {
                        return Ok(Poll::Ready(Event::End));
                    }
                    self.received = self.env.monotonic();
                    self.last_active = self.received;
                }
            }
        }
    }

    /// Whether the reply that is next in order may leave.
    fn poll_front(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        let Some(front) = self.slots.front_mut() else { return Ok(false) };
        if let Due::Waiting { reply, .. } = &mut front.reply {
            match reply.as_mut().poll(cx) {
                Poll::Pending => return Ok(false),
                Poll::Ready(reply) => front.reply = Due::Ready(reply?),
            }
        }
        Ok(true)
    }

    /// Writes the replies at the front that are ready.
    async fn flush(&mut self) -> Result<(), Ended> {
        let began = self.env.monotonic();
        let mut parts = Vec::new();
        while self.slots.front().is_some_and(Slot::is_ready) && parts.len() < PARTS_MAX {
            if let Some(Slot { reply: Due::Ready(reply), timed }) = self.slots.pop_front() {
                parts.extend(reply);
                self.leaving.push(timed);
            }
        }
        let bytes: u64 = parts.iter().map(len).sum();
        write_parts(&self.env, &mut self.writer, parts)
            .await
            .map_err(|error| Ended::Left(format!("writing a reply failed: {error}")))?;
        self.meter.sent(bytes);
        self.last_active = self.env.monotonic();
        for timed in self.leaving.drain(..) {
            timed.sent(&self.info, began, self.last_active);
        }
        self.leaving.shrink_to(LEAVING_KEPT);
        Ok(())
    }
}

fn len(part: &Part) -> u64 {
    match part {
        Part::Bytes(bytes) => bytes.len() as u64,
        Part::File(slice) => u64::from(slice.len),
    }
}

/// Writes bytes in as few calls as possible and file ranges without copying them, but for those
/// that are so short that calls and packets of their own cost more than a copy.
async fn write_parts(env: &Env, writer: &mut WriteHalf, parts: Vec<Part>) -> io::Result<()> {
    let mut bytes: VecDeque<Bytes> = VecDeque::new();
    let mut copied = 0;
    for part in parts {
        match part {
            Part::Bytes(part) => bytes.push_back(part),
            Part::File(slice) if slice.len <= COPIED_RANGE_MAX => {
                copied += slice.len;
                if copied > COPIED_AT_ONCE_MAX {
                    write_bytes(writer, &mut bytes).await?;
                    copied = slice.len;
                }
                bytes.push_back(copy_of(env, &slice).await?);
            }
            Part::File(slice) => {
                write_bytes(writer, &mut bytes).await?;
                copied = 0;
                write_file(env, writer, &slice).await?;
            }
        }
    }
    write_bytes(writer, &mut bytes).await
}

/// The bytes of a short range, read where work may wait for the disk if they are not in memory.
async fn copy_of(env: &Env, slice: &FileSlice) -> io::Result<Bytes> {
    let (file, position) = (file_of(slice)?, slice.position);
    let mut buffer = vec![0; usize::try_from(slice.len).unwrap_or(usize::MAX)];
    let read = file.read_at_resident(&mut buffer, position);
    if told(file, read)? != Some(buffer.len()) {
        let reader = file.clone();
        let read = move || reader.read_exact_at(&mut buffer, position).map(|()| buffer);
        buffer = match env.blocking(read).await {
            // It was cut meanwhile, which is no fault of the disk.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(error),
            read => told(file, read)?,
        };
    }
    Ok(buffer.into())
}

fn file_of(slice: &FileSlice) -> io::Result<&File> {
    let file = slice.file.downcast_ref::<File>();
    file.ok_or_else(|| io::Error::other("a file range that is not of a file of env"))
}

async fn write_bytes(writer: &mut WriteHalf, bytes: &mut VecDeque<Bytes>) -> io::Result<()> {
    bytes.retain(|part| !part.is_empty());
    while !bytes.is_empty() {
        let mut written = writer.write_vectored(&slices(bytes)).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        while let Some(front) = bytes.front_mut() {
            let step = written.min(front.len());
            front.advance(step);
            written -= step;
            if !front.is_empty() {
                break;
            }
            bytes.pop_front();
        }
    }
    Ok(())
}

fn slices(bytes: &VecDeque<Bytes>) -> Vec<IoSlice<'_>> {
    bytes.iter().take(PARTS_MAX).map(|part| IoSlice::new(part)).collect()
}

/// Sends a range of a file piece by piece. A piece that is not in memory is read first where work
/// may wait for the disk: sendfile would wait for it on the thread of many connections.
async fn write_file(env: &Env, writer: &mut WriteHalf, slice: &FileSlice) -> io::Result<()> {
    let file = file_of(slice)?;
    let (mut position, end) = (slice.position, slice.position + u64::from(slice.len));
    while position < end {
        let piece = (end - position).min(FILE_PIECE);
        let is_resident = is_resident(file, position, piece);
        if !told(file, is_resident)? {
            load(env, file, position, piece).await?;
        }
        if let Err(error) = writer.send_file(file, position, piece).await {
            // Only the file can say whether it was the disk or the connection.
            if error.raw_os_error() == Some(EIO) {
                load(env, file, position, piece).await?;
            }
            return Err(error);
        }
        position += piece;
    }
    Ok(())
}

/// Reads a piece where work may wait for the disk.
async fn load(env: &Env, file: &File, position: u64, len: u64) -> io::Result<()> {
    let piece = file.clone();
    told(file, env.blocking(move || read_through(&piece, position, len)).await)
}

/// Passes on what came of a read, and tells the file's owner when it failed.
fn told<T>(file: &File, read: io::Result<T>) -> io::Result<T> {
    read.inspect_err(|error| file.tell_fault(error))
}

/// Whether the first and the last byte of a piece are in memory. What is between them was read
/// with them, since the kernel reads ahead, or costs one wait.
fn is_resident(file: &File, position: u64, len: u64) -> io::Result<bool> {
    let first = file.read_at_resident(&mut [0], position)?;
    let last = file.read_at_resident(&mut [0], position + len - 1)?;
    Ok(first.is_some() && last.is_some())
}

/// Reads a piece and forgets it: it is in memory then.
fn read_through(file: &File, position: u64, len: u64) -> io::Result<()> {
    let mut buffer = vec![0; READ_THROUGH_BYTES];
    let (mut at, end) = (position, position + len);
    while at < end {
        match file.read_at(&mut buffer, at)? {
            0 => break,
            read => at += read as u64,
        }
    }
    Ok(())
}

/// How much of a file is sent without a look at whether it is in memory. Two looks cost a
/// microsecond, a piece a hundred.
const FILE_PIECE: u64 = 512 << 10;
const READ_THROUGH_BYTES: usize = 64 << 10;
const EIO: i32 = 5;
/// A range up to this length is copied: beside it the answer's head and end would each take a
/// call and a packet of its own, and the peer would wake up for each.
const COPIED_RANGE_MAX: u32 = 16 << 10;
/// How much is copied before it is written.
const COPIED_AT_ONCE_MAX: u32 = 64 << 10;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ottla_env::Open;
    use ottla_sim::{Broken, World};
    use tokio::io::AsyncReadExt;

    use super::*;

    #[test]
    fn the_owner_of_a_file_hears_that_it_could_not_be_read_and_nothing_of_the_connection() {
        for seed in 0..10 {
            World::new(seed).run(async |world: World| {
                let env = world.node(1);
                let listener = env.net().listen("0.0.0.0:9092".parse().unwrap()).await.unwrap();
                let net = world.node(2).net().clone();
                let (theirs, ours) = tokio::join!(net.connect("node-1", 9092), listener.accept());
                let (_read, mut writer) = ours.unwrap().0.into_split();
                env.disk().write(Path::new("/segment"), &[7; 100_000]).unwrap();
                let file = env.disk().open(Path::new("/segment"), Open::Read).unwrap();
                let (tell, told) = std::sync::mpsc::channel();
                let file = file.owned_by(Arc::new(move |error: &io::Error| {
                    tell.send(error.raw_os_error()).unwrap();
                }));
                let range =
                    |position, len| FileSlice { file: Arc::new(file.clone()), position, len };
                let slice = range(0, 100_000);
                copy_of(&env, &range(99_999, 2)).await.unwrap_err();
                assert!(told.try_recv().is_err(), "a file that was cut is no fault of a disk");
                drop(theirs);
                while write_file(&env, &mut writer, &slice).await.is_ok() {}
                assert!(told.try_recv().is_err(), "a connection that ended is no fault of a disk");
                world.disk(1).break_below("/segment", Broken::Reads);
                write_file(&env, &mut writer, &slice).await.unwrap_err();
                assert_eq!(told.try_recv(), Ok(Some(EIO)));
                copy_of(&env, &range(7, 2)).await.unwrap_err();
                assert_eq!(told.try_recv(), Ok(Some(EIO)));
            });
        }
    }

    /// The simulated disk says now and then that bytes are not in memory.
    #[test]
    fn parts_leave_in_order_whether_files_are_in_memory_or_not() {
        let content: Vec<u8> = (0..1_500_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        for seed in 0..10 {
            World::new(seed).run(async |world: World| {
                let env = world.node(1);
                let listener = env.net().listen("0.0.0.0:9092".parse().unwrap()).await.unwrap();
                let net = world.node(2).net().clone();
                let (theirs, ours) = tokio::join!(net.connect("node-1", 9092), listener.accept());
                let (_read, mut writer) = ours.unwrap().0.into_split();
                env.disk().write(Path::new("/segment"), &content).unwrap();
                let file = env.disk().open(Path::new("/segment"), Open::Read).unwrap();
                let range = |position, len| {
                    Part::File(FileSlice { file: Arc::new(file.clone()), position, len })
                };
                let text = |text: &'static str| Part::Bytes(Bytes::from_static(text.as_bytes()));
                let mut parts = vec![text("a"), range(5, 1_400_000), text(""), text("b")];
                // More short ones than are copied at once.
                parts.extend((0..30).map(|at| range(at, COPIED_RANGE_MAX / 2)));
                parts.push(range(0, 1));
                let send = async move {
                    write_parts(&env, &mut writer, parts).await.unwrap();
                };
                let mut received = Vec::new();
                let mut theirs = theirs.unwrap();
                let receive = theirs.read_to_end(&mut received);
                let (_, read) = tokio::join!(send, receive);
                let short = (0..30).map(|at| &content[at..][..COPIED_RANGE_MAX as usize / 2]);
                let mut expected: Vec<&[u8]> = vec![b"a", &content[5..1_400_005], b"b"];
                expected.extend(short.chain([&content[..1]]));
                let expected = expected.concat();
                assert_eq!(read.unwrap(), expected.len());
                assert!(received == expected);
            });
        }
    }
}
