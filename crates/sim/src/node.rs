//! One node's view of the world: what stands behind its `Env`.
//!
//! Not here: the network's and the disk's rules. Must hold: an `Env` belongs to one life of a
//! node; when that life is over nothing done through it has any effect.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ottla_env::sim_api::{BoxFuture, SimDisk, SimListener, SimStream, SimTask, SimTimer, SimWorld};
use ottla_env::{Instant, TaskFailure, Tasks};

use crate::disk::{DiskState, DiskView};
use crate::executor::{Due, Shared, TimerKey};
use crate::sockets;

/// What the world knows about a node; its disk outlives its lives.
pub(crate) struct Node {
    /// Counts the starts; an `Env` of an earlier life is dead.
    pub(crate) life: u64,
    /// Whether a process may run in this life.
    pub(crate) alive: bool,
    /// Whether the machine has power: its kernel answers, if only to refuse.
    pub(crate) powered: bool,
    /// When this life began, on the world's clock.
    pub(crate) began: u64,
    /// What the wall clock is off by.
    pub(crate) clock_offset_ms: i64,
    /// No task of the node is polled before this time.
    pub(crate) stalled_until: u64,
    pub(crate) disk: Arc<DiskState>,
    /// The future that the node was started with.
    pub(crate) process: Option<Tasks>,
}

impl Node {
    pub(crate) fn new() -> Node {
        Node {
            life: 1,
            alive: true,
            powered: true,
            began: 0,
            clock_offset_ms: 0,
            stalled_until: 0,
            disk: Arc::new(DiskState::new()),
            process: None,
        }
    }
}

/// One life of a node: the other side of `Env`.
pub(crate) struct Life {
    pub(crate) shared: Arc<Shared>,
    pub(crate) node: u32,
    pub(crate) life: u64,
    pub(crate) began: u64,
}

impl Life {
    /// Whether this life goes on.
    pub(crate) fn alive(&self) -> bool {
        let core = self.shared.core();
        core.nodes.get(&self.node).is_some_and(|node| node.alive && node.life == self.life)
    }

    /// Stalls the node once in sixteen times, for a time in the range.
    pub(crate) fn stall_sometimes(&self, range_us: &Range<u64>) {
        let mut core = self.shared.core();
        if !core.prng.once_in(16) {
            return;
        }
        let until = core.now + core.prng.within(range_us) * NANOS_PER_US;
        if let Some(node) = core.nodes.get_mut(&self.node) {
            node.stalled_until = node.stalled_until.max(until);
        }
    }
}

impl SimWorld for Life {
    fn now_ms(&self) -> i64 {
        let core = self.shared.core();
        let offset = core.nodes.get(&self.node).map_or(0, |node| node.clock_offset_ms);
        let ms = i64::try_from(core.now / NANOS_PER_MS).expect("584 years fit");
        (BEGIN_MS + ms).saturating_add(offset)
    }

    fn monotonic(&self) -> Instant {
        Instant(self.shared.core().now.saturating_sub(self.began))
    }

    fn timer(&self, at: Instant) -> Box<dyn SimTimer> {
        let at = self.began.saturating_add(at.0);
        Box::new(Timer { shared: self.shared.clone(), began: self.began, at, set: None })
    }

    fn random_fill(&self, bytes: &mut [u8]) {
        self.shared.core().prng.fill(bytes);
    }

    fn spawn(&self, name: &'static str, future: BoxFuture<()>) -> Box<dyn SimTask> {
        if !self.alive() {
            return Box::new(DeadTask);
        }
        let id = self.shared.spawn(self.node, name, future);
        Box::new(LiveTask { shared: self.shared.clone(), id })
    }

    fn task_failed(&self, failure: &TaskFailure) {
        let mut core = self.shared.core();
        core.note(format_args!("failed {} on {}", failure.task, self.node));
        core.failures.push((self.node, failure.clone()));
    }

    fn blocking_pause(&self) -> Duration {
        let mut core = self.shared.core();
        let disk = core.nodes.get(&self.node).map(|it| it.disk.clone());
        let (slow_us, hangs_for) = disk.map_or((None, None), |disk| {
            let state = disk.state();
            (state.slow_us.clone(), state.hangs_for)
        });
        let slow_us = slow_us.map_or(0, |range| core.prng.within(&range));
        let us = match core.prng.below(64) {
            0 => core.prng.below(20_000),
            1..=32 => 0,
            _ => core.prng.below(500),
        };
        Duration::from_micros(us + slow_us) + hangs_for.unwrap_or_default()
    }

    fn host_name(&self) -> String {
        format!("node-{}", self.node)
    }

    fn lookup(&self, host: &str) -> io::Result<IpAddr> {
        sockets::lookup(self.node, host)
    }

    fn listen(&self, address: SocketAddr) -> io::Result<Box<dyn SimListener>> {
        sockets::listen(self, address)
    }

    fn connect(&self, host: &str, port: u16) -> BoxFuture<io::Result<SimStream>> {
        sockets::connect(self, host, port)
    }

    fn disk(&self) -> Arc<dyn SimDisk> {
        let disk = self.shared.core().nodes.get(&self.node).map(|node| node.disk.clone());
        let life = Life {
            shared: self.shared.clone(),
            node: self.node,
            life: self.life,
            began: self.began,
        };
        Arc::new(DiskView::new(life, disk.unwrap_or_default()))
    }
}

struct LiveTask {
    shared: Arc<Shared>,
    id: u64,
}

impl SimTask for LiveTask {
    fn abort(&self) {
        self.shared.abort(self.id);
    }
}

/// What a dead node gets for its future.
struct DeadTask;

impl SimTask for DeadTask {
    fn abort(&self) {}
}

/// A timer; its times are those of a clock that began at `began`.
pub(crate) struct Timer {
    shared: Arc<Shared>,
    began: u64,
    at: u64,
    set: Option<TimerKey>,
}

impl Timer {
    /// A timer on the world's own clock.
    pub(crate) fn new(shared: Arc<Shared>, at: u64) -> Timer {
        Timer { shared, began: 0, at, set: None }
    }

    fn cancel(&mut self) {
        if let Some(key) = self.set.take() {
            self.shared.core().cancel_timer(key);
        }
    }
}

impl SimTimer for Timer {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut core = self.shared.core();
        if core.now >= self.at {
            drop(core);
            self.cancel();
            return Poll::Ready(());
        }
        match self.set {
            Some(key) => core.rewake_timer(key, cx.waker()),
            // What never comes must not keep a world from being seen to stand still.
            None if self.at == u64::MAX => {}
            None => self.set = Some(core.set_timer(self.at, Due::Wake(cx.waker().clone()))),
        }
        Poll::Pending
    }

    fn reset(&mut self, at: Instant) {
        self.cancel();
        self.at = self.began.saturating_add(at.0);
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.cancel();
    }
}

const NANOS_PER_MS: u64 = 1_000_000;
const NANOS_PER_US: u64 = 1_000;

/// The wall clock when a world begins: 2026-01-01T00:00:00Z.
pub(crate) const BEGIN_MS: i64 = 1_767_225_600_000;
