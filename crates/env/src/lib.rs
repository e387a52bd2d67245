//! The world as a node sees it: clock, timers, randomness, network, disk and tasks.
//!
//! Everything that a node does to the outside goes through an [`Env`], and an `Env` is one of
//! two worlds: the real one (tokio, the operating system) or a simulated one behind the traits
//! of [`sim_api`]. The types here are concrete, so the broker is compiled once and pays one
//! predictable branch. Nothing here knows a word of Kafka's.
//! Must hold: no other crate calls the clock, the disk, the network or the runtime by itself,
//! and nothing here is static: two nodes of one process share no state through this crate.
//!
//! Start reading at [`Env`], then [`Tasks`], [`Net`] and [`Disk`].
//!
//! ```
//! use std::time::Duration;
//! use ottla_env::Env;
//!
//! let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
//! let env = Env::real(runtime.handle().clone());
//! runtime.block_on(async move {
//!     let tasks = env.tasks();
//!     let (sender, answer) = tokio::sync::oneshot::channel();
//!     let world = env.clone();
//!     tasks.spawn("answer", async move {
//!         world.sleep(Duration::from_millis(1)).await;
//!         let _ = sender.send(42);
//!     });
//!     let answer = env.timeout(Duration::from_secs(60), answer).await;
//!     assert_eq!(answer, Ok(Ok(42)));
//!     tasks.shutdown().await; // no task is left behind
//! });
//! ```

mod disk;
mod net;
mod process;
mod real;
pub mod sim_api;
mod tasks;
mod time;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use real::Real;
use sim_api::SimWorld;

pub use disk::{DirEntry, Disk, File, FileLock, Meta, OnFault, Open, Space};
pub use net::{Listener, Net, ReadHalf, SocketOptions, Stream, WriteHalf};
pub use process::Process;
pub use tasks::{Spawner, Task, TaskFailure, Tasks};
pub use time::{Elapsed, Instant, Sleep};

/// One node's way to the world. Cheap to clone; every clone is the same world.
#[derive(Clone)]
pub struct Env {
    inner: Arc<Inner>,
}

struct Inner {
    world: World,
    net: Net,
    disk: Disk,
}

/// The two worlds; the only place that is matched on for clock, randomness and tasks.
#[derive(Clone)]
pub(crate) enum World {
    Real(Arc<Real>),
    Sim(Arc<dyn SimWorld>),
}

impl Env {
    /// The operating system's world, with tasks and timers on `runtime`.
    ///
    /// The runtime must have its timers and I/O enabled. Futures of this crate that wait for
    /// the network or a timer must be polled on it, as all tasks of [`Env::tasks`] are.
    pub fn real(runtime: tokio::runtime::Handle) -> Env {
        let world = World::Real(Arc::new(Real::new(runtime)));
        Env { inner: Arc::new(Inner { world, net: Net::real(), disk: Disk::real() }) }
    }

    /// A simulated world; only a simulator makes one.
    pub fn simulated(world: Arc<dyn SimWorld>) -> Env {
        let net = Net::simulated(world.clone());
        let disk = Disk::simulated(world.disk());
        Env { inner: Arc::new(Inner { world: World::Sim(world), net, disk }) }
    }

    /// The wall clock in milliseconds since 1970. It may jump, backwards too.
    pub fn now_ms(&self) -> i64 {
        match &self.inner.world {
            World::Real(real) => real.now_ms(),
            World::Sim(sim) => sim.now_ms(),
        }
    }

    /// The clock that never goes back; its zero is the start of this world.
    pub fn monotonic(&self) -> Instant {
        match &self.inner.world {
            World::Real(real) => real.monotonic(),
            World::Sim(sim) => sim.monotonic(),
        }
    }

    /// Ends after `duration`.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        self.sleep_until(self.monotonic() + duration)
    }

    /// Ends when the monotonic clock reaches `at`; at once when it has.
    pub fn sleep_until(&self, at: Instant) -> Sleep {
        match &self.inner.world {
            World::Real(real) => real.sleep_until(at),
            World::Sim(sim) => Sleep::simulated(sim.timer(at), at),
        }
    }

    /// Waits for `future` for at most `duration`, then drops it.
    ///
    /// # Errors
    /// [`Elapsed`] when the time was over first; a future that is ready wins.
    pub async fn timeout<F: Future>(
        &self,
        duration: Duration,
        future: F,
    ) -> Result<F::Output, Elapsed> {
        let sleep = self.sleep(duration);
        tokio::select! {
            biased;
            output = future => Ok(output),
            () = sleep => Err(Elapsed),
        }
    }

    /// Eight random bytes as a number, good enough for secrets.
    pub fn random_u64(&self) -> u64 {
        u64::from_le_bytes(self.random_bytes())
    }

    /// `N` random bytes, good enough for secrets.
    pub fn random_bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        match &self.inner.world {
            World::Real(_) => real::random_fill(&mut bytes),
            World::Sim(sim) => sim.random_fill(&mut bytes),
        }
        bytes
    }

    /// A new, empty scope of tasks; dropping it ends them all.
    pub fn tasks(&self) -> Tasks {
        Tasks::new(self.inner.world.clone())
    }

    /// Runs `work` where it may block (at most [`BLOCKING_CALLS_MAX`] at a time) and returns
    /// its result; a panic of `work` goes on in the caller.
    ///
    /// Once begun, `work` runs to its end even when the caller is dropped. In a simulated world
    /// it runs inline, between two pauses that the seed draws.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        match &self.inner.world {
            World::Real(real) => real.blocking(work).await,
            World::Sim(sim) => {
                self.sleep(sim.blocking_pause()).await;
                let result = work();
                self.sleep(sim.blocking_pause()).await;
                result
            }
        }
    }

    /// Runs `work` here, although it takes long for something that a task does between two waits,
    /// such as a megabyte written: another thread meanwhile does what this one would do for other
    /// tasks (for at most [`LONG_WORKS_MAX`] works at a time). Costs the waking of a thread.
    ///
    /// Otherwise the others may have to wait for it, although there are threads that do nothing:
    /// as long as few tasks are ready, only one thread looks at the sockets, between two tasks.
    pub fn long<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.inner.world {
            World::Real(real) => real.long(work),
            World::Sim(_) => work(),
        }
    }

    /// Lets every other ready task run before this one goes on.
    pub async fn yield_now(&self) {
        tokio::task::yield_now().await;
    }

    /// The name of this machine, as the system has it.
    pub fn host_name(&self) -> String {
        match &self.inner.world {
            World::Real(_) => real::host_name(),
            World::Sim(sim) => sim.host_name(),
        }
    }

    /// What the process of this node takes of the machine; none in a simulated world.
    pub fn process(&self) -> Option<Process> {
        match &self.inner.world {
            World::Real(_) => Some(real::system::process()),
            World::Sim(_) => None,
        }
    }

    /// The network of this node.
    pub fn net(&self) -> &Net {
        &self.inner.net
    }

    /// The disk of this node.
    pub fn disk(&self) -> &Disk {
        &self.inner.disk
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.inner.world {
            World::Real(_) => "Env(real)",
            World::Sim(_) => "Env(simulated)",
        })
    }
}

/// How many calls of [`Env::blocking`] run at the same time; the others wait.
pub const BLOCKING_CALLS_MAX: usize = 32;

/// For how many calls of [`Env::long`] at a time another thread steps in.
pub const LONG_WORKS_MAX: usize = 8;
