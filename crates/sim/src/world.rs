//! The world as a test holds it: nodes that start, die and come back, and what befalls them.
//!
//! Not here: how any of it works. Must hold: every word here is noted in the trace or has its
//! effect through something that is.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use ottla_env::sim_api::SimTimer;
use ottla_env::{Env, Instant, TaskFailure};

use crate::disk::Platter;
use crate::executor::Shared;
use crate::node::{Life, Node, Timer};
use crate::sockets;

/// A world from a seed. Clones are the same world; it ends with the last of them.
///
/// Nodes are numbers; a node comes into being when it is first named. It has the host name
/// `node-<number>`, an address ([`World::address`]), its own disk and clock. Connections within
/// a node use `localhost`.
#[derive(Clone)]
pub struct World {
    owner: Arc<Owner>,
}

/// Ends the world: tasks hold the world that holds them.
struct Owner {
    shared: Arc<Shared>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.end();
    }
}

impl World {
    /// A world in which nothing has happened.
    pub fn new(seed: u64) -> World {
        World { owner: Arc::new(Owner { shared: Shared::new(seed) }) }
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.owner.shared
    }

    /// What everything in this world follows from.
    pub fn seed(&self) -> u64 {
        self.shared().core().seed
    }

    /// Runs the world until the future that `test` makes is done.
    ///
    /// # Panics
    /// Naming the seed: when nothing can happen any more, when it takes too many polls, and at
    /// the end when a task of a node has panicked and that was not allowed.
    pub fn run<F: Future>(&self, test: impl FnOnce(World) -> F) -> F::Output {
        self.run_to(u64::MAX, test(self.clone()))
    }

    /// Runs the world until `future` is done, for at most `within` of its time.
    ///
    /// # Panics
    /// As [`World::run`], and when the time is over.
    pub fn run_until<F: Future>(&self, within: Duration, future: F) -> F::Output {
        let now = Instant(self.shared().core().now);
        self.run_to((now + within).0, future)
    }

    fn run_to<F: Future>(&self, deadline: u64, future: F) -> F::Output {
        let mut named = NamesSeed { seed: self.seed(), failed: true };
        let output = self.shared().run(future, deadline, "the test");
        let core = self.shared().core();
        let failure = core.failures.first().filter(|_| !core.failures_allowed).cloned();
        drop(core);
        if let Some((node, failure)) = failure {
            panic!("on node {node}, {failure}");
        }
        named.failed = false;
        output
    }

    /// The world of a node's present life, or of its last one, in which everything fails.
    pub fn node(&self, node: u32) -> Env {
        let mut core = self.shared().core();
        let found = core.nodes.entry(node).or_insert_with(Node::new);
        let (life, began) = (found.life, found.began);
        core.note(format_args!("node {node} life {life}"));
        drop(core);
        Env::simulated(Arc::new(Life { shared: self.shared().clone(), node, life, began }))
    }

    /// Gives a node that was killed or crashed its next life, without a process in it.
    pub fn boot(&self, node: u32) -> Env {
        let now = self.now().0;
        self.with(node, |found| {
            if !found.alive {
                found.alive = true;
                found.powered = true;
                found.life += 1;
                found.began = now;
            }
        });
        self.node(node)
    }

    /// Starts a process on a node, which is booted if need be: the future that `process` makes
    /// of its world. A process that runs there already is ended by [`World::restart`] first.
    pub fn start<F>(&self, node: u32, process: impl FnOnce(Env) -> F) -> Env
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let env = self.boot(node);
        let tasks = env.tasks();
        tasks.spawn("process", process(env.clone()));
        let old = self.with(node, |found| found.process.replace(tasks));
        drop(old);
        env
    }

    /// Ends the node's process if there is one and starts another on what it left on disk.
    pub fn restart<F>(&self, node: u32, process: impl FnOnce(Env) -> F) -> Env
    where
        F: Future<Output = ()> + Send + 'static,
    {
        if self.is_up(node) {
            self.kill(node);
        }
        self.start(node, process)
    }

    /// Whether the node has a life in which tasks can run.
    pub fn is_up(&self, node: u32) -> bool {
        self.shared().core().nodes.get(&node).is_some_and(|node| node.alive)
    }

    /// Ends a node as kill -9 does: its tasks are dropped, its sockets closed by the system,
    /// its disk stays as it is.
    pub fn kill(&self, node: u32) {
        self.end_life(node, false);
    }

    /// Cuts a node's power: its tasks are dropped, its sockets fall silent, and its disk keeps
    /// what was synced and some of the rest.
    pub fn crash(&self, node: u32) {
        self.end_life(node, true);
    }

    fn end_life(&self, node: u32, power_cut: bool) {
        let mut core = self.shared().core();
        core.note(format_args!("{} {node}", if power_cut { "crash" } else { "kill" }));
        let Some(found) = core.nodes.get_mut(&node) else { return };
        found.alive = false;
        found.powered = !power_cut;
        found.stalled_until = 0;
        let (disk, process) = (found.disk.clone(), found.process.take());
        let woken = core.drop_sockets(node, power_cut);
        let tasks = core.take_tasks(node);
        if power_cut {
            disk.crash(&mut core.prng);
        }
        drop(core);
        drop((tasks, process));
        woken.into_iter().for_each(std::task::Waker::wake);
    }

    /// Lets nothing pass between the two groups; what is sent waits for [`World::heal`].
    pub fn partition(&self, some: &[u32], others: &[u32]) {
        for one in some {
            for other in others {
                self.block(*one, *other);
                self.block(*other, *one);
            }
        }
    }

    /// Lets nothing pass from one node to another; the other direction stays open.
    pub fn block(&self, from: u32, to: u32) {
        let mut core = self.shared().core();
        core.note(format_args!("block {from} {to}"));
        core.net.block(from, to);
    }

    /// Opens every way; what was held back arrives in a while.
    pub fn heal(&self) {
        let mut core = self.shared().core();
        core.note(format_args!("heal"));
        core.heal();
    }

    /// Resets every connection between two nodes.
    pub fn reset_connections(&self, one: u32, other: u32) {
        let mut core = self.shared().core();
        core.note(format_args!("reset {one} {other}"));
        let woken = core.reset_between(one, other);
        drop(core);
        woken.into_iter().for_each(std::task::Waker::wake);
    }

    /// How long a packet takes between nodes, in microseconds; 100 to 2,000 at first.
    pub fn latency_us(&self, range: Range<u64>) {
        self.shared().core().net.latency_us = range;
    }

    /// Moves a node's wall clock; its monotonic clock does not notice.
    pub fn jump_clock(&self, node: u32, by_ms: i64) {
        self.shared().core().note(format_args!("jump {node} {by_ms}"));
        self.with(node, |found| {
            found.clock_offset_ms = found.clock_offset_ms.saturating_add(by_ms);
        });
    }

    /// Runs no task of a node for a while, as when the machine is paused.
    pub fn stall(&self, node: u32, duration: Duration) {
        let until = (self.now() + duration).0;
        self.shared().core().note(format_args!("stall {node} {until}"));
        self.with(node, |found| found.stalled_until = until);
    }

    /// A node's disk from outside: its faults and counters.
    pub fn disk(&self, node: u32) -> Platter {
        Platter::new(self.with(node, |found| found.disk.clone()))
    }

    fn with<T>(&self, node: u32, act: impl FnOnce(&mut Node) -> T) -> T {
        act(self.shared().core().nodes.entry(node).or_insert_with(Node::new))
    }

    /// The address of a node.
    pub fn address(&self, node: u32) -> IpAddr {
        sockets::address(node)
    }

    /// The time since the world began.
    pub fn now(&self) -> Instant {
        Instant(self.shared().core().now)
    }

    /// Waits in the world's time, apart from every node.
    pub async fn sleep(&self, duration: Duration) {
        let mut timer = Timer::new(self.shared().clone(), (self.now() + duration).0);
        std::future::poll_fn(|cx| timer.poll(cx)).await;
    }

    /// A number below `bound` from the seed, for what a test does by chance.
    pub fn random_below(&self, bound: u64) -> u64 {
        self.shared().core().prng.below(bound)
    }

    /// The panics of tasks so far, by node.
    pub fn failures(&self) -> Vec<(u32, TaskFailure)> {
        self.shared().core().failures.clone()
    }

    /// Lets tasks panic without failing the run, for tests of broken invariants.
    pub fn allow_failures(&self) {
        self.shared().core().failures_allowed = true;
    }

    /// The names of the tasks that a node has, in the order in which they were started.
    pub fn tasks(&self, node: u32) -> Vec<&'static str> {
        self.shared().core().tasks_of(node)
    }

    /// How many polls the world makes before it counts as one that never ends.
    pub fn limit_steps(&self, steps_max: u64) {
        self.shared().core().steps_max = steps_max;
    }

    /// How many polls there were.
    pub fn steps(&self) -> u64 {
        self.shared().core().steps
    }

    /// The hash of all that has happened: equal for equal seeds and programs.
    pub fn trace_hash(&self) -> u64 {
        self.shared().core().trace.hash()
    }

    /// Keeps the lines of the trace from here on.
    pub fn keep_trace(&self) {
        self.shared().core().trace.keep_lines();
    }

    /// The kept lines: the time in nanoseconds and what happened.
    pub fn trace(&self) -> Vec<String> {
        self.shared().core().trace.lines().to_vec()
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "World(seed {}, at {:?})", self.seed(), self.now())
    }
}

/// Says the seed when a test fails inside the world.
struct NamesSeed {
    seed: u64,
    failed: bool,
}

impl Drop for NamesSeed {
    fn drop(&mut self) {
        if self.failed {
            eprintln!("the world had seed {0}: cargo xtask sim --seed {0}", self.seed);
        }
    }
}
