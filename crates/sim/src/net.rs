//! The network between the nodes: which packets arrive, when, and what they do.
//!
//! Not here: the sockets that tasks hold (sockets.rs). It behaves as TCP does: bytes in order,
//! windows that fill, half-close, refused connections, resets; what a partition holds back comes
//! after it is healed. A machine without power answers nothing; one without the process refuses.
//! Must hold: nothing is called from here; wakers are given back to the caller, who has the core
//! unlocked when he calls them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::Waker;

use crate::executor::{Core, Due};

/// Everything on the wires.
pub(crate) struct Network {
    pub(crate) latency_us: std::ops::Range<u64>,
    /// Ways that carry nothing, from and to.
    blocked: BTreeSet<(u32, u32)>,
    /// What waits for a way to be healed.
    held: Vec<Event>,
    pub(crate) pipes: BTreeMap<u64, Pipe>,
    pub(crate) listeners: BTreeMap<u64, Listening>,
    pub(crate) connects: BTreeMap<u64, Connecting>,
    next: u64,
}

/// Something that reaches a node.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// The next segment of a pipe reaches its reader.
    Arrive(u64),
    /// A pipe's reader is not there; its writer learns that.
    Break(u64, io::ErrorKind),
    /// A connection is asked for.
    Syn(u64),
    /// A connection's answer is back.
    SynAck(u64),
    /// Nobody has answered.
    GiveUp(u64),
}

/// One direction of a connection.
pub(crate) struct Pipe {
    pub(crate) from: u32,
    pub(crate) to: u32,
    /// The other direction.
    pub(crate) pair: u64,
    flight: VecDeque<Segment>,
    in_flight: usize,
    last_at: u64,
    pub(crate) arrived: VecDeque<u8>,
    pub(crate) ended: bool,
    pub(crate) reader_error: Option<io::ErrorKind>,
    pub(crate) writer_error: Option<io::ErrorKind>,
    pub(crate) reader: Option<Waker>,
    pub(crate) writer: Option<Waker>,
    pub(crate) finished: bool,
    reader_gone: bool,
    writer_gone: bool,
    /// The reader's machine lost its power with the connection open.
    silent: bool,
}

enum Segment {
    Data(Vec<u8>),
    Fin,
    Reset,
}

/// A listening socket.
pub(crate) struct Listening {
    pub(crate) node: u32,
    pub(crate) address: SocketAddr,
    pub(crate) backlog: VecDeque<Ends>,
    pub(crate) waker: Option<Waker>,
}

/// One side of a connection by the numbers of its pipes.
#[derive(Clone, Copy)]
pub(crate) struct Ends {
    pub(crate) incoming: u64,
    pub(crate) outgoing: u64,
    pub(crate) local: SocketAddr,
    pub(crate) peer: SocketAddr,
}

/// A connection that is being made.
pub(crate) struct Connecting {
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) local: SocketAddr,
    pub(crate) target: SocketAddr,
    pub(crate) result: Option<Result<Ends, io::ErrorKind>>,
    pub(crate) done: bool,
    pub(crate) waker: Option<Waker>,
}

impl Network {
    pub(crate) fn new() -> Network {
        Network {
            latency_us: 100..2_000,
            blocked: BTreeSet::new(),
            held: Vec::new(),
            pipes: BTreeMap::new(),
            listeners: BTreeMap::new(),
            connects: BTreeMap::new(),
            next: 0,
        }
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(crate) fn block(&mut self, from: u32, to: u32) {
        self.blocked.insert((from, to));
    }

    /// The listener that a connection to `target` reaches on `node`, if any.
    fn listener(&mut self, node: u32, target: SocketAddr) -> Option<&mut Listening> {
        let listeners = self.listeners.values_mut();
        let mut fitting = listeners.filter(|l| l.node == node && covers(l.address, target));
        fitting.next()
    }

    /// Whether a new listener would take what another one has.
    pub(crate) fn taken(&self, node: u32, address: SocketAddr) -> bool {
        let mut listeners = self.listeners.values().filter(|l| l.node == node);
        listeners.any(|l| covers(l.address, address) || covers(address, l.address))
    }

    /// Where an event comes from and goes to; None when what it is about is gone.
    fn way(&self, event: Event) -> Option<(u32, u32)> {
        match event {
            Event::Arrive(pipe) => self.pipes.get(&pipe).map(|pipe| (pipe.from, pipe.to)),
            Event::Break(pipe, _) => self.pipes.get(&pipe).map(|pipe| (pipe.to, pipe.from)),
            Event::Syn(id) => self.connects.get(&id).map(|connect| (connect.from, connect.to)),
            Event::SynAck(id) => self.connects.get(&id).map(|connect| (connect.to, connect.from)),
            Event::GiveUp(id) => self.connects.get(&id).map(|connect| (connect.from, connect.from)),
        }
    }

    /// Forgets a connection that no one holds.
    fn collect(&mut self, pipe: u64) {
        let Some(one) = self.pipes.get(&pipe) else { return };
        let pair = one.pair;
        let gone = |pipe: &Pipe| pipe.reader_gone && pipe.writer_gone;
        if gone(one) && self.pipes.get(&pair).is_none_or(gone) {
            self.pipes.remove(&pipe);
            self.pipes.remove(&pair);
        }
    }
}

impl Pipe {
    fn new(from: u32, to: u32, pair: u64) -> Pipe {
        Pipe {
            from,
            to,
            pair,
            flight: VecDeque::new(),
            in_flight: 0,
            last_at: 0,
            arrived: VecDeque::new(),
            ended: false,
            reader_error: None,
            writer_error: None,
            reader: None,
            writer: None,
            finished: false,
            reader_gone: false,
            writer_gone: false,
            silent: false,
        }
    }

    /// How many bytes the writer may still send.
    pub(crate) fn space(&self) -> usize {
        WINDOW_BYTES.saturating_sub(self.in_flight + self.arrived.len())
    }
}

impl Core {
    /// Draws the time that a packet takes.
    pub(crate) fn latency(&mut self, from: u32, to: u32) -> u64 {
        let us = if from == to {
            10 + self.prng.below(40)
        } else {
            self.prng.within(&self.net.latency_us)
        };
        us * 1_000
    }

    /// Sends an event on its way.
    pub(crate) fn send(&mut self, event: Event) {
        if let Some((from, to)) = self.net.way(event) {
            let at = self.now + self.latency(from, to);
            self.set_timer(at, Due::Deliver(event));
        }
    }

    /// Opens all ways; what they held back comes in a while.
    pub(crate) fn heal(&mut self) {
        self.net.blocked.clear();
        for event in std::mem::take(&mut self.net.held) {
            self.send(event);
        }
    }

    /// Puts bytes on the wire.
    pub(crate) fn send_data(&mut self, pipe: u64, bytes: &[u8]) {
        self.send_segment(pipe, Segment::Data(bytes.to_vec()));
    }

    /// Says that no more bytes will come.
    pub(crate) fn finish(&mut self, pipe: u64) {
        if let Some(one) = self.net.pipes.get_mut(&pipe)
            && !one.finished
        {
            one.finished = true;
            self.send_segment(pipe, Segment::Fin);
        }
    }

    fn send_segment(&mut self, id: u64, segment: Segment) {
        let Some(pipe) = self.net.pipes.get(&id) else { return };
        let (from, to, last_at) = (pipe.from, pipe.to, pipe.last_at);
        let at = (self.now + self.latency(from, to)).max(last_at);
        let pipe = self.net.pipes.get_mut(&id).expect("it was there above");
        pipe.last_at = at;
        if let Segment::Data(bytes) = &segment {
            pipe.in_flight += bytes.len();
        }
        pipe.flight.push_back(segment);
        self.set_timer(at, Due::Deliver(Event::Arrive(id)));
    }

    /// What reaches its end; gives back whom to wake.
    #[must_use]
    pub(crate) fn deliver(&mut self, event: Event) -> Vec<Waker> {
        let Some(way) = self.net.way(event) else { return Vec::new() };
        if self.net.blocked.contains(&way) {
            self.note(format_args!("held {event:?}"));
            self.net.held.push(event);
            return Vec::new();
        }
        self.note(format_args!("net {event:?}"));
        match event {
            Event::Arrive(pipe) => self.arrive(pipe),
            Event::Break(pipe, error) => self.break_connection(pipe, error),
            Event::Syn(id) => self.asked(id),
            Event::SynAck(id) => self.answered(id, None),
            Event::GiveUp(id) => self.answered(id, Some(io::ErrorKind::TimedOut)),
        }
    }

    fn arrive(&mut self, id: u64) -> Vec<Waker> {
        let Some(pipe) = self.net.pipes.get_mut(&id) else { return Vec::new() };
        let Some(segment) = pipe.flight.pop_front() else { return Vec::new() };
        let (to, pair, reader_gone, silent) = (pipe.to, pipe.pair, pipe.reader_gone, pipe.silent);
        if let Segment::Data(bytes) = &segment {
            pipe.in_flight -= bytes.len();
        }
        if silent {
            self.unheard(id, to);
            return Vec::new();
        }
        match segment {
            Segment::Data(_) if reader_gone && self.writer_gone(pair) => {
                self.send(Event::Break(id, io::ErrorKind::ConnectionReset));
                Vec::new()
            }
            Segment::Data(bytes) => {
                let pipe = self.net.pipes.get_mut(&id).expect("it was there above");
                pipe.arrived.extend(bytes);
                pipe.reader.take().into_iter().collect()
            }
            Segment::Fin => {
                let pipe = self.net.pipes.get_mut(&id).expect("it was there above");
                pipe.ended = true;
                pipe.reader.take().into_iter().collect()
            }
            Segment::Reset => self.break_connection(pair, io::ErrorKind::ConnectionReset),
        }
    }

    /// A packet for a connection that a power cut ended: a machine that is up again does not
    /// know it and resets, one that is down lets the sender run into its own timeout.
    fn unheard(&mut self, pipe: u64, to: u32) {
        let powered = self.nodes.get(&to).is_some_and(|node| node.powered);
        if powered {
            self.send(Event::Break(pipe, io::ErrorKind::ConnectionReset));
        } else {
            let event = Event::Break(pipe, io::ErrorKind::TimedOut);
            self.set_timer(self.now + SILENCE_NANOS, Due::Deliver(event));
        }
    }

    /// The side that writes `pipe` finds its connection gone, in both directions.
    #[must_use]
    pub(crate) fn break_connection(&mut self, pipe: u64, error: io::ErrorKind) -> Vec<Waker> {
        let mut woken = Vec::new();
        let Some(writing) = self.net.pipes.get_mut(&pipe) else { return woken };
        writing.writer_error.get_or_insert(error);
        woken.extend(writing.writer.take());
        let pair = writing.pair;
        if let Some(reading) = self.net.pipes.get_mut(&pair) {
            reading.reader_error.get_or_insert(error);
            woken.extend(reading.reader.take());
        }
        woken
    }

    fn writer_gone(&self, pipe: u64) -> bool {
        self.net.pipes.get(&pipe).is_none_or(|pipe| pipe.writer_gone)
    }

    fn asked(&mut self, id: u64) -> Vec<Waker> {
        let Some(connect) = self.net.connects.get(&id) else { return Vec::new() };
        let (from, to, local, target) = (connect.from, connect.to, connect.local, connect.target);
        if !self.nodes.get(&to).is_some_and(|node| node.powered) {
            return Vec::new();
        }
        let (there, back) = (self.net.number(), self.net.number());
        let mut woken = Vec::new();
        let result = match self.net.listener(to, target) {
            None => Err(io::ErrorKind::ConnectionRefused),
            Some(listener) if listener.backlog.len() >= BACKLOG_MAX => {
                // As a kernel that drops the packet: it is sent again.
                self.set_timer(self.now + RESEND_NANOS, Due::Deliver(Event::Syn(id)));
                return woken;
            }
            Some(listener) => {
                let ends = Ends { incoming: there, outgoing: back, local: target, peer: local };
                listener.backlog.push_back(ends);
                woken.extend(listener.waker.take());
                Ok(Ends { incoming: back, outgoing: there, local, peer: target })
            }
        };
        if result.is_ok() {
            self.net.pipes.insert(there, Pipe::new(from, to, back));
            self.net.pipes.insert(back, Pipe::new(to, from, there));
        }
        let connect = self.net.connects.get_mut(&id).expect("it was there above");
        connect.result = Some(result);
        self.send(Event::SynAck(id));
        woken
    }

    fn answered(&mut self, id: u64, error: Option<io::ErrorKind>) -> Vec<Waker> {
        let Some(connect) = self.net.connects.get_mut(&id) else { return Vec::new() };
        if connect.done {
            return Vec::new();
        }
        connect.done = true;
        let woken = connect.waker.take();
        let unused = match error {
            Some(error) => connect.result.replace(Err(error)),
            None => None,
        };
        if let Some(Ok(ends)) = unused {
            self.close(ends);
        }
        woken.into_iter().collect()
    }

    /// Closes one side of a connection.
    pub(crate) fn close(&mut self, ends: Ends) {
        self.drop_reader(ends.incoming);
        self.drop_writer(ends.outgoing);
    }

    /// The reading half is dropped. Only with the writing half does the connection close.
    pub(crate) fn drop_reader(&mut self, id: u64) {
        let Some(pipe) = self.net.pipes.get_mut(&id) else { return };
        if std::mem::replace(&mut pipe.reader_gone, true) {
            return;
        }
        let (pair, unread) = (pipe.pair, !pipe.arrived.is_empty());
        pipe.reader = None;
        if unread && self.writer_gone(pair) {
            self.send_segment(pair, Segment::Reset);
        }
        self.net.collect(id);
    }

    /// The writing half is dropped: the end is sent, or a reset when bytes were left unread.
    pub(crate) fn drop_writer(&mut self, id: u64) {
        let Some(pipe) = self.net.pipes.get_mut(&id) else { return };
        if std::mem::replace(&mut pipe.writer_gone, true) {
            return;
        }
        let pair = pipe.pair;
        let finished = std::mem::replace(&mut pipe.finished, true);
        pipe.writer = None;
        let unread = |pipe: &Pipe| pipe.reader_gone && !pipe.arrived.is_empty();
        if self.net.pipes.get(&pair).is_some_and(unread) {
            self.send_segment(id, Segment::Reset);
        } else if !finished {
            self.send_segment(id, Segment::Fin);
        }
        self.net.collect(id);
    }

    /// Ends all sockets of a node: as the kernel does it for a process that is gone, or without
    /// a word when the power is cut. Gives back whom to wake.
    #[must_use]
    pub(crate) fn drop_sockets(&mut self, node: u32, power_cut: bool) -> Vec<Waker> {
        let mut wakers = Vec::new();
        let gone = self.net.listeners.extract_if(.., |_, l| l.node == node);
        let gone: Vec<Listening> = gone.map(|(_, listening)| listening).collect();
        let ids: Vec<u64> = self.net.pipes.keys().copied().collect();
        for id in ids {
            let Some(pipe) = self.net.pipes.get_mut(&id) else { continue };
            let (reads, writes) = (pipe.to == node, pipe.from == node);
            if reads {
                wakers.extend(pipe.reader.take());
                pipe.reader_error.get_or_insert(io::ErrorKind::NotConnected);
                pipe.silent |= power_cut;
            }
            if writes {
                wakers.extend(pipe.writer.take());
                pipe.writer_error.get_or_insert(io::ErrorKind::BrokenPipe);
            }
            if power_cut {
                pipe.reader_gone |= reads;
                pipe.writer_gone |= writes;
                pipe.finished |= writes;
                self.net.collect(id);
            } else {
                if reads {
                    self.drop_reader(id);
                }
                if writes {
                    self.drop_writer(id);
                }
            }
        }
        let connects = self.net.connects.extract_if(.., |_, connect| connect.from == node);
        wakers.extend(connects.filter_map(|(_, connect)| connect.waker));
        wakers.extend(gone.into_iter().filter_map(|listening| listening.waker));
        wakers
    }

    /// Resets every connection between two nodes.
    #[must_use]
    pub(crate) fn reset_between(&mut self, one: u32, other: u32) -> Vec<Waker> {
        let between = |pipe: &Pipe| {
            (pipe.from, pipe.to) == (one, other) || (pipe.from, pipe.to) == (other, one)
        };
        let pipes = self.net.pipes.iter().filter(|(_, pipe)| between(pipe));
        let ids: Vec<u64> = pipes.map(|(id, _)| *id).collect();
        let mut woken = Vec::new();
        for id in ids {
            woken.extend(self.break_connection(id, io::ErrorKind::ConnectionReset));
        }
        woken
    }
}

/// Whether a listener on `listening` answers for `asked`.
fn covers(listening: SocketAddr, asked: SocketAddr) -> bool {
    let any = match (listening.ip(), asked.ip()) {
        (IpAddr::V4(ip), IpAddr::V4(_)) => ip.is_unspecified(),
        (IpAddr::V6(ip), _) => ip.is_unspecified(),
        (IpAddr::V4(_), IpAddr::V6(_)) => false,
    };
    listening.port() == asked.port() && (any || listening.ip() == asked.ip())
}

/// What a connection takes before its writer must wait, in flight and unread.
const WINDOW_BYTES: usize = 256 * 1024;

/// How many connections wait to be accepted.
const BACKLOG_MAX: usize = 128;

/// How long a sender waits for a machine that says nothing.
const SILENCE_NANOS: u64 = 20_000_000_000;

/// After what time a dropped packet is sent again.
const RESEND_NANOS: u64 = 1_000_000_000;
