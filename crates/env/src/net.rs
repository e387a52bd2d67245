//! The network: listeners, connections and their halves.
//!
//! Not here: frames, TLS, limits. Must hold: a stream is a stream in both worlds (ordered bytes,
//! half-close, back-pressure), and no address is touched that the caller did not name.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::disk::File;
use crate::real;
use crate::sim_api::{SimListener, SimRead, SimStream, SimWorld, SimWrite};

/// The network of one node.
#[derive(Clone)]
pub struct Net {
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Real,
    Sim(Arc<dyn SimWorld>),
}

impl Net {
    pub(crate) fn real() -> Net {
        Net { kind: Kind::Real }
    }

    pub(crate) fn simulated(world: Arc<dyn SimWorld>) -> Net {
        Net { kind: Kind::Sim(world) }
    }

    /// Listens on `address`; with port 0 the system chooses, see [`Listener::local_addr`].
    ///
    /// # Errors
    /// The operating system's: the address is taken, not this machine's, or not allowed.
    pub async fn listen(&self, address: SocketAddr) -> io::Result<Listener> {
        self.listen_with(address, SocketOptions::default()).await
    }

    /// As `listen`, with options for the listening socket and those it accepts.
    ///
    /// # Errors
    /// As `listen`.
    #[expect(clippy::unused_async, reason = "a world may have to ask its system")]
    pub async fn listen_with(
        &self,
        address: SocketAddr,
        options: SocketOptions,
    ) -> io::Result<Listener> {
        let kind = match &self.kind {
            Kind::Real => ListenerKind::Real(options.bind(address)?),
            Kind::Sim(world) => ListenerKind::Sim(world.listen(address)?),
        };
        Ok(Listener { kind })
    }

    /// The addresses of a host by name or address, in the order in which they are to be tried.
    ///
    /// # Errors
    /// The operating system's; the name has no address.
    pub async fn lookup(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        match &self.kind {
            Kind::Real => Ok(tokio::net::lookup_host((host, port)).await?.collect()),
            Kind::Sim(world) => Ok(vec![SocketAddr::new(world.lookup(host)?, port)]),
        }
    }

    /// Connects to a host by name or address, trying each address that the name has.
    ///
    /// # Errors
    /// The last address's error, or that the name has none.
    pub async fn connect(&self, host: &str, port: u16) -> io::Result<Stream> {
        match &self.kind {
            Kind::Real => {
                // A literal IPv6 address may stand in brackets, as in bootstrap.servers.
                let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
                Stream::real(TcpStream::connect((host, port)).await?)
            }
            Kind::Sim(world) => Ok(Stream::simulated(world.connect(host, port).await?)),
        }
    }
}

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Net")
    }
}

/// What a listening socket asks of its system; the simulated one has no use for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketOptions {
    /// Bytes of the send buffer of each accepted socket (`SO_SNDBUF`); else the system decides.
    pub send_buffer_bytes: Option<u32>,
    /// Bytes of the receive buffer of each accepted socket (`SO_RCVBUF`); else the system decides.
    pub receive_buffer_bytes: Option<u32>,
    /// How many connections may wait to be accepted.
    pub backlog: u32,
}

impl Default for SocketOptions {
    fn default() -> SocketOptions {
        SocketOptions { send_buffer_bytes: None, receive_buffer_bytes: None, backlog: 1024 }
    }
}

impl SocketOptions {
    /// Accepted sockets inherit the buffers, and the window that a peer is told at first depends
    /// on them, so they are set before anything is accepted.
    fn bind(self, address: SocketAddr) -> io::Result<TcpListener> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?;
        if let Some(bytes) = self.send_buffer_bytes {
            socket.set_send_buffer_size(bytes)?;
        }
        if let Some(bytes) = self.receive_buffer_bytes {
            socket.set_recv_buffer_size(bytes)?;
        }
        socket.bind(address)?;
        socket.listen(self.backlog)
    }
}

/// A listening socket; dropping it closes it.
pub struct Listener {
    kind: ListenerKind,
}

enum ListenerKind {
    Real(TcpListener),
    Sim(Box<dyn SimListener>),
}

impl Listener {
    /// The next connection and where it comes from.
    ///
    /// # Errors
    /// The operating system's; most pass by themselves (too many open files), so a caller waits
    /// a little and goes on.
    pub async fn accept(&self) -> io::Result<(Stream, SocketAddr)> {
        match &self.kind {
            ListenerKind::Real(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Stream::real(stream)?, peer))
            }
            ListenerKind::Sim(listener) => {
                let stream = poll_fn(|cx| listener.poll_accept(cx)).await?;
                let peer = stream.peer;
                Ok((Stream::simulated(stream), peer))
            }
        }
    }

    /// The address with its real port.
    ///
    /// # Errors
    /// The operating system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.kind {
            ListenerKind::Real(listener) => listener.local_addr(),
            ListenerKind::Sim(listener) => Ok(listener.local_addr()),
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Listener({:?})", self.local_addr())
    }
}

/// A connection. Dropping it closes both directions.
pub struct Stream {
    kind: StreamKind,
}

enum StreamKind {
    Real(TcpStream),
    Sim(SimStream),
}

impl Stream {
    /// Small answers must not wait for the acknowledgement of earlier ones.
    fn real(stream: TcpStream) -> io::Result<Stream> {
        stream.set_nodelay(true)?;
        Ok(Stream { kind: StreamKind::Real(stream) })
    }

    fn simulated(stream: SimStream) -> Stream {
        Stream { kind: StreamKind::Sim(stream) }
    }

    /// The two directions, to be used by two tasks. Dropping the writing one sends the end.
    pub fn into_split(self) -> (ReadHalf, WriteHalf) {
        match self.kind {
            StreamKind::Real(stream) => {
                let (read, write) = stream.into_split();
                let read = ReadHalf { kind: ReadKind::Real(read) };
                (read, WriteHalf { kind: WriteKind::Real(write) })
            }
            StreamKind::Sim(SimStream { read, write, .. }) => {
                let read = ReadHalf { kind: ReadKind::Sim(read) };
                (read, WriteHalf { kind: WriteKind::Sim(write) })
            }
        }
    }

    /// The other side's address.
    ///
    /// # Errors
    /// The operating system's, when the connection is gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.kind {
            StreamKind::Real(stream) => stream.peer_addr(),
            StreamKind::Sim(stream) => Ok(stream.peer),
        }
    }

    /// The own address.
    ///
    /// # Errors
    /// The operating system's, when the connection is gone.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.kind {
            StreamKind::Real(stream) => stream.local_addr(),
            StreamKind::Sim(stream) => Ok(stream.local),
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stream(peer {:?})", self.peer_addr())
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.kind {
            StreamKind::Real(stream) => Pin::new(stream).poll_read(cx, buf),
            StreamKind::Sim(stream) => stream.read.poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.kind {
            StreamKind::Real(stream) => Pin::new(stream).poll_write(cx, bytes),
            StreamKind::Sim(stream) => stream.write.poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.kind {
            StreamKind::Real(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
            StreamKind::Sim(stream) => write_parts(&mut *stream.write, cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.kind {
            StreamKind::Real(stream) => Pin::new(stream).poll_shutdown(cx),
            StreamKind::Sim(stream) => stream.write.poll_shutdown(cx),
        }
    }
}

/// The reading direction of a connection.
pub struct ReadHalf {
    kind: ReadKind,
}

enum ReadKind {
    Real(OwnedReadHalf),
    Sim(Box<dyn SimRead>),
}

impl AsyncRead for ReadHalf {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.kind {
            ReadKind::Real(stream) => Pin::new(stream).poll_read(cx, buf),
            ReadKind::Sim(stream) => stream.poll_read(cx, buf),
        }
    }
}

impl fmt::Debug for ReadHalf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadHalf")
    }
}

/// The writing direction of a connection; dropping it sends the end.
pub struct WriteHalf {
    kind: WriteKind,
}

enum WriteKind {
    Real(OwnedWriteHalf),
    Sim(Box<dyn SimWrite>),
}

impl WriteHalf {
    /// Sends `len` bytes of `file` from `position` on: by sendfile where the system has it.
    ///
    /// Pages that are not resident are read inside this call; whoever must not block for the
    /// disk reads them first (see [`File::read_at_resident`]).
    ///
    /// # Errors
    /// The connection's; the disk's; `UnexpectedEof` when the file ends earlier, after which
    /// the connection is of no use since part of the bytes went out.
    pub async fn send_file(&mut self, file: &File, position: u64, len: u64) -> io::Result<()> {
        if let (WriteKind::Real(stream), Some(file)) = (&mut self.kind, file.as_real()) {
            return real::send_file(stream, file, position, len).await;
        }
        let mut buffer = vec![0; usize::try_from(len).unwrap_or(usize::MAX).min(COPY_BYTES)];
        let (mut position, end) = (position, position.saturating_add(len));
        while position < end {
            let wanted = usize::try_from(end - position).unwrap_or(usize::MAX).min(buffer.len());
            let read = file.read_at(&mut buffer[..wanted], position)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.write_all(&buffer[..read]).await?;
            position += read as u64;
        }
        Ok(())
    }
}

impl AsyncWrite for WriteHalf {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.kind {
            WriteKind::Real(stream) => Pin::new(stream).poll_write(cx, bytes),
            WriteKind::Sim(stream) => stream.poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.kind {
            WriteKind::Real(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
            WriteKind::Sim(stream) => write_parts(&mut **stream, cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.kind {
            WriteKind::Real(stream) => Pin::new(stream).poll_shutdown(cx),
            WriteKind::Sim(stream) => stream.poll_shutdown(cx),
        }
    }
}

impl fmt::Debug for WriteHalf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WriteHalf")
    }
}

/// Writes part after part until one does not fit; the simulated socket knows single parts only.
fn write_parts(
    stream: &mut dyn SimWrite,
    cx: &mut Context<'_>,
    parts: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    let mut total = 0;
    for part in parts.iter().filter(|part| !part.is_empty()) {
        match stream.poll_write(cx, part) {
            Poll::Ready(Ok(written)) => {
                total += written;
                if written < part.len() {
                    break;
                }
            }
            _ if total > 0 => break,
            other => return other,
        }
    }
    Poll::Ready(Ok(total))
}

/// The buffer of a file that is sent without sendfile.
const COPY_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_sockets_have_the_buffers_that_were_asked_for() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let accepted = async |options| {
                let address = "127.0.0.1:0".parse().unwrap();
                let listener = Net::real().listen_with(address, options).await.unwrap();
                let port = listener.local_addr().unwrap().port();
                let net = Net::real();
                let (ours, theirs) =
                    tokio::join!(net.connect("127.0.0.1", port), listener.accept());
                let (StreamKind::Real(stream), Ok(_)) = (theirs.unwrap().0.kind, ours) else {
                    unreachable!("the network is real");
                };
                let sent = rustix::net::sockopt::socket_send_buffer_size(&stream).unwrap();
                (sent, rustix::net::sockopt::socket_recv_buffer_size(&stream).unwrap())
            };
            let options = SocketOptions {
                send_buffer_bytes: Some(20_480),
                receive_buffer_bytes: Some(10_240),
                ..SocketOptions::default()
            };
            // Linux doubles them for its own needs.
            let (send, receive) = accepted(options).await;
            assert!([20_480, 40_960].contains(&send) && [10_240, 20_480].contains(&receive));
            let (send, receive) = accepted(SocketOptions::default()).await;
            assert!(send > 40_960 && receive > 20_480);
        });
    }
}
