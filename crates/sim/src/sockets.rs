//! The sockets that tasks hold: listeners, connections and their halves.
//!
//! Not here: what travels between them (net.rs). Names: `node-<id>` and the node's address from
//! anywhere, `localhost`, 127.0.0.1 and ::1 from the node itself.
//! Must hold: a socket of a life that is over only gives errors.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use ottla_env::sim_api::{BoxFuture, SimListener, SimRead, SimStream, SimWrite};
use tokio::io::ReadBuf;

use crate::executor::{Core, Due, Shared};
use crate::net::{Connecting, Ends, Event, Listening};
use crate::node::Life;

/// The address of a node.
pub(crate) fn address(node: u32) -> IpAddr {
    let [_, high, middle, low] = node.to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(10, high, middle, low))
}

pub(crate) fn listen(life: &Life, asked: SocketAddr) -> io::Result<Box<dyn SimListener>> {
    if !life.alive() {
        return Err(dead());
    }
    let ip = asked.ip();
    if !(ip.is_unspecified() || ip.is_loopback() || ip == address(life.node)) {
        return Err(io::ErrorKind::AddrNotAvailable.into());
    }
    let mut core = life.shared.core();
    let mut local = asked;
    if asked.port() == 0 {
        local.set_port(free_port(&mut core));
        while core.net.taken(life.node, local) {
            local.set_port(free_port(&mut core));
        }
    } else if core.net.taken(life.node, local) {
        return Err(io::ErrorKind::AddrInUse.into());
    }
    core.note(format_args!("listen {local} on {}", life.node));
    let backlog = std::collections::VecDeque::new();
    let id = core.net.number();
    let listening = Listening { node: life.node, address: local, backlog, waker: None };
    core.net.listeners.insert(id, listening);
    Ok(Box::new(Listener { shared: life.shared.clone(), id, local }))
}

/// A port of the range that systems draw from.
fn free_port(core: &mut Core) -> u16 {
    u16::try_from(32_768 + core.prng.below(28_000)).expect("the sum is below 65536")
}

pub(crate) fn connect(life: &Life, host: &str, port: u16) -> BoxFuture<io::Result<SimStream>> {
    let Some((to, ip)) = resolve(life.node, host) else {
        return Box::pin(std::future::ready(Err(nameless(host))));
    };
    if !life.alive() {
        return Box::pin(std::future::ready(Err(dead())));
    }
    let shared = life.shared.clone();
    let from = life.node;
    let target = SocketAddr::new(ip, port);
    let mut core = shared.core();
    let local = if to == from { ip } else { address(from) };
    let local = SocketAddr::new(local, free_port(&mut core));
    let id = core.net.number();
    let connecting = Connecting { from, to, local, target, result: None, done: false, waker: None };
    core.net.connects.insert(id, connecting);
    core.send(Event::Syn(id));
    let give_up = core.now + CONNECT_NANOS;
    core.set_timer(give_up, Due::Deliver(Event::GiveUp(id)));
    core.note(format_args!("connect {id} {local} to {target}"));
    drop(core);
    Box::pin(Connect { shared, id })
}

/// The address that `host` stands for on `node`.
pub(crate) fn lookup(node: u32, host: &str) -> io::Result<IpAddr> {
    resolve(node, host).map(|(_, ip)| ip).ok_or_else(|| nameless(host))
}

fn nameless(host: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("no node is named {host}"))
}

/// The node that a host name means to `node`, and the address there.
fn resolve(node: u32, host: &str) -> Option<(u32, IpAddr)> {
    if host == "localhost" {
        return Some((node, IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }
    if let Some(id) = host.strip_prefix("node-") {
        let id = id.parse().ok()?;
        return Some((id, address(id)));
    }
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match host.parse().ok()? {
        IpAddr::V4(ip) if ip.is_loopback() => Some((node, IpAddr::V4(ip))),
        IpAddr::V6(Ipv6Addr::LOCALHOST) => Some((node, IpAddr::V6(Ipv6Addr::LOCALHOST))),
        IpAddr::V4(ip) if ip.octets()[0] == 10 => {
            let [_, high, middle, low] = ip.octets();
            Some((u32::from_be_bytes([0, high, middle, low]), IpAddr::V4(ip)))
        }
        _ => None,
    }
}

/// What a socket says when its node's life is over.
fn dead() -> io::Error {
    io::Error::other("this node is down")
}

struct Listener {
    shared: Arc<Shared>,
    id: u64,
    local: SocketAddr,
}

impl SimListener for Listener {
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<SimStream>> {
        let mut core = self.shared.core();
        let Some(listening) = core.net.listeners.get_mut(&self.id) else {
            return Poll::Ready(Err(dead()));
        };
        if let Some(ends) = listening.backlog.pop_front() {
            drop(core);
            return Poll::Ready(Ok(stream(&self.shared, ends)));
        }
        listening.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn local_addr(&self) -> SocketAddr {
        self.local
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut core = self.shared.core();
        let Some(listening) = core.net.listeners.remove(&self.id) else { return };
        for ends in &listening.backlog {
            core.close(*ends);
        }
    }
}

struct Connect {
    shared: Arc<Shared>,
    id: u64,
}

impl Future for Connect {
    type Output = io::Result<SimStream>;
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut core = self.shared.core();
        let Some(connect) = core.net.connects.get_mut(&self.id) else {
            return Poll::Ready(Err(dead()));
        };
        if !connect.done {
            connect.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let result = connect.result.take();
        drop(core);
        Poll::Ready(match result {
            Some(Ok(ends)) => Ok(stream(&self.shared, ends)),
            Some(Err(error)) => Err(error.into()),
            None => Err(dead()),
        })
    }
}

impl Drop for Connect {
    fn drop(&mut self) {
        let mut core = self.shared.core();
        let Some(connect) = core.net.connects.remove(&self.id) else { return };
        if let Some(Ok(ends)) = connect.result {
            core.close(ends);
        }
    }
}

fn stream(shared: &Arc<Shared>, ends: Ends) -> SimStream {
    SimStream {
        read: Box::new(Reader { shared: shared.clone(), pipe: ends.incoming }),
        write: Box::new(Writer { shared: shared.clone(), pipe: ends.outgoing }),
        local: ends.local,
        peer: ends.peer,
    }
}

struct Reader {
    shared: Arc<Shared>,
    pipe: u64,
}

impl SimRead for Reader {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut core = self.shared.core();
        let short = core.prng.once_in(4);
        let Some(pipe) = core.net.pipes.get_mut(&self.pipe) else {
            return Poll::Ready(Err(dead()));
        };
        if pipe.arrived.is_empty() {
            return match pipe.reader_error {
                Some(error) => Poll::Ready(Err(error.into())),
                None if pipe.ended => Poll::Ready(Ok(())),
                None => {
                    pipe.reader = Some(cx.waker().clone());
                    Poll::Pending
                }
            };
        }
        let fitting = pipe.arrived.len().min(buf.remaining());
        let len = if short { core.prng.index(fitting).max(1).min(fitting) } else { fitting };
        let pipe = core.net.pipes.get_mut(&self.pipe).expect("it was there above");
        let (front, back) = pipe.arrived.as_slices();
        let first = front.len().min(len);
        buf.put_slice(&front[..first]);
        buf.put_slice(&back[..len - first]);
        pipe.arrived.drain(..len);
        let writer = pipe.writer.take();
        drop(core);
        if let Some(writer) = writer {
            writer.wake();
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.shared.core().drop_reader(self.pipe);
    }
}

struct Writer {
    shared: Arc<Shared>,
    pipe: u64,
}

impl SimWrite for Writer {
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut core = self.shared.core();
        let short = core.prng.once_in(4);
        let Some(pipe) = core.net.pipes.get_mut(&self.pipe) else {
            return Poll::Ready(Err(dead()));
        };
        if let Some(error) = pipe.writer_error {
            return Poll::Ready(Err(error.into()));
        }
        if pipe.finished {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let fitting = pipe.space().min(bytes.len());
        if fitting == 0 {
            pipe.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let len = if short { core.prng.index(fitting).max(1) } else { fitting };
        core.send_data(self.pipe, &bytes[..len]);
        Poll::Ready(Ok(len))
    }

    fn poll_shutdown(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut core = self.shared.core();
        let Some(pipe) = core.net.pipes.get(&self.pipe) else { return Poll::Ready(Err(dead())) };
        if let Some(error) = pipe.writer_error {
            return Poll::Ready(Err(error.into()));
        }
        core.finish(self.pipe);
        Poll::Ready(Ok(()))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.core().drop_writer(self.pipe);
    }
}

/// How long a connection is tried for.
const CONNECT_NANOS: u64 = 127_000_000_000;
