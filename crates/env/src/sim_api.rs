//! What a simulator implements to be the world behind an `Env`.
//!
//! Not for nodes: they use the concrete types beside this module. All traits are object-safe,
//! sockets are poll-based, and files are synchronous.
//! Must hold: one trait per thing that the real world has, and no domain word in any.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::ReadBuf;

use crate::{DirEntry, Instant, Meta, Open, Space, TaskFailure};

/// A boxed future that may move between threads.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// One node's view of a simulated world.
pub trait SimWorld: Send + Sync + 'static {
    /// The node's wall clock in milliseconds since 1970.
    fn now_ms(&self) -> i64;
    /// The node's monotonic clock.
    fn monotonic(&self) -> Instant;
    /// A timer that ends at `at`.
    fn timer(&self, at: Instant) -> Box<dyn SimTimer>;
    /// Fills `bytes` from the seed.
    fn random_fill(&self, bytes: &mut [u8]);
    /// Starts a task and returns how to end it; drops the future when the node is dead.
    fn spawn(&self, name: &'static str, future: BoxFuture<()>) -> Box<dyn SimTask>;
    /// Tells the simulator that a task of this node has panicked.
    fn task_failed(&self, failure: &TaskFailure);
    /// How long a call of `Env::blocking` waits before and after its work.
    fn blocking_pause(&self) -> Duration;
    /// The node's name, by which others connect to it.
    fn host_name(&self) -> String;
    /// The address of `host`, a name or an address.
    ///
    /// # Errors
    /// No node has that name.
    fn lookup(&self, host: &str) -> io::Result<IpAddr>;
    /// Listens on an address of this node; port 0 takes a free one.
    ///
    /// # Errors
    /// As the operating system: the address is taken or not this node's.
    fn listen(&self, address: SocketAddr) -> io::Result<Box<dyn SimListener>>;
    /// Connects to `host`, a name or an address.
    fn connect(&self, host: &str, port: u16) -> BoxFuture<io::Result<SimStream>>;
    /// The node's disk.
    fn disk(&self) -> Arc<dyn SimDisk>;
}

/// A timer that may be set again.
pub trait SimTimer: Send + Sync {
    /// Ready once its time has come.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()>;
    /// Makes it end at `at` instead.
    fn reset(&mut self, at: Instant);
}

/// A running task.
pub trait SimTask: Send + Sync {
    /// Drops the task's future, at once or as soon as its running poll returns.
    fn abort(&self);
}

/// A listening socket; dropping it closes it.
pub trait SimListener: Send + Sync {
    /// The next connection.
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<SimStream>>;
    /// The address with its real port.
    fn local_addr(&self) -> SocketAddr;
}

/// Both directions of a connection.
pub struct SimStream {
    /// What comes in.
    pub read: Box<dyn SimRead>,
    /// What goes out; dropping it says that no more will come.
    pub write: Box<dyn SimWrite>,
    /// The own address.
    pub local: SocketAddr,
    /// The other side's address.
    pub peer: SocketAddr,
}

/// The reading direction of a connection.
pub trait SimRead: Send + Sync {
    /// As `AsyncRead::poll_read`.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>>;
}

/// The writing direction of a connection.
pub trait SimWrite: Send + Sync {
    /// As `AsyncWrite::poll_write`.
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;
    /// As `AsyncWrite::poll_shutdown`.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// One node's disk; the methods mean what those of [`Disk`](crate::Disk) mean.
#[expect(missing_docs, reason = "each method is documented at the method of Disk that calls it")]
pub trait SimDisk: Send + Sync + 'static {
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn SimFile>>;
    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>>;
    fn metadata(&self, path: &Path) -> io::Result<Meta>;
    fn set_modified_ms(&self, path: &Path, modified_ms: i64) -> io::Result<()>;
    fn set_read_only(&self, path: &Path) -> io::Result<()>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    fn sync_tree(&self, path: &Path) -> io::Result<()>;
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>>;
    fn space(&self, path: &Path) -> io::Result<Space>;
    fn open_files_max(&self) -> Option<u64>;
}

/// An open file; the methods mean what those of [`File`](crate::File) mean.
#[expect(missing_docs, reason = "each method is documented at the method of File that calls it")]
#[expect(clippy::len_without_is_empty, reason = "File answers that from the length")]
pub trait SimFile: Send + Sync + 'static {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize>;
    fn read_at_resident(&self, buf: &mut [u8], position: u64) -> io::Result<Option<usize>>;
    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize>;
    fn len(&self) -> io::Result<u64>;
    fn set_len(&self, len: u64) -> io::Result<()>;
    fn allocate(&self, len: u64) -> io::Result<()>;
    fn sync(&self) -> io::Result<()>;
}
