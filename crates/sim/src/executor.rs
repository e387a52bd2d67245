//! Tasks, timers and the virtual clock: one thread, ready tasks polled in an order drawn from
//! the seed, time that moves only when nothing is ready.
//!
//! Not here: what timers deliver (net.rs) and whose tasks they are (node.rs).
//! Must hold: no future is polled or dropped and no waker called while the core is locked, since
//! they may come back in; a world in which nothing is ready and no timer set has come to its end,
//! and says so.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};

use ottla_env::TaskFailure;
use ottla_env::sim_api::BoxFuture;

use crate::net::{Event, Network};
use crate::node::Node;
use crate::prng::Prng;
use crate::trace::Trace;

/// What all handles of one world share.
pub(crate) struct Shared {
    core: Mutex<Core>,
    woken: Arc<Woken>,
}

/// The tasks that were woken and not yet seen by the executor. A lock of its own, below all
/// others, because wakers are called from anywhere.
#[derive(Default)]
struct Woken {
    ids: Mutex<Vec<u64>>,
}

/// Everything that happens in the world happens to this.
pub(crate) struct Core {
    pub(crate) seed: u64,
    pub(crate) prng: Prng,
    pub(crate) trace: Trace,
    /// Nanoseconds since the world began.
    pub(crate) now: u64,
    pub(crate) nodes: BTreeMap<u32, Node>,
    pub(crate) net: Network,
    pub(crate) failures: Vec<(u32, TaskFailure)>,
    pub(crate) failures_allowed: bool,
    pub(crate) steps: u64,
    pub(crate) steps_max: u64,
    ready: Vec<u64>,
    tasks: BTreeMap<u64, Slot>,
    timers: BTreeMap<TimerKey, Due>,
    /// Numbers tasks and timers.
    next: u64,
}

/// When a timer is due, and its number, so that equal times keep their order.
pub(crate) type TimerKey = (u64, u64);

/// What a timer does when its time has come.
pub(crate) enum Due {
    Wake(Waker),
    Deliver(Event),
}

struct Slot {
    node: u32,
    name: &'static str,
    /// None while it is being polled.
    future: Option<BoxFuture<()>>,
    waker: Waker,
    flag: Arc<TaskWaker>,
    aborted: bool,
}

struct TaskWaker {
    id: u64,
    queued: AtomicBool,
    woken: Arc<Woken>,
}

impl TaskWaker {
    fn new(id: u64, woken: &Arc<Woken>) -> Arc<TaskWaker> {
        Arc::new(TaskWaker { id, queued: AtomicBool::new(false), woken: woken.clone() })
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            self.woken.ids.lock().expect("pushing does not panic").push(self.id);
        }
    }
}

impl Core {
    pub(crate) fn note(&mut self, event: std::fmt::Arguments<'_>) {
        self.trace.note(self.now, event);
    }

    /// Sets a timer; it stays until it is due or cancelled.
    pub(crate) fn set_timer(&mut self, at: u64, due: Due) -> TimerKey {
        let key = (at, self.number());
        self.timers.insert(key, due);
        key
    }

    pub(crate) fn cancel_timer(&mut self, key: TimerKey) {
        self.timers.remove(&key);
    }

    /// Replaces the waker of a timer that is still set.
    pub(crate) fn rewake_timer(&mut self, key: TimerKey, waker: &Waker) {
        if let Some(Due::Wake(old)) = self.timers.get_mut(&key) {
            old.clone_from(waker);
        }
    }

    /// Takes all tasks of a node out; the caller drops them when the core is unlocked.
    #[must_use]
    pub(crate) fn take_tasks(&mut self, node: u32) -> Vec<BoxFuture<()>> {
        let gone = self.tasks.extract_if(.., |_, slot| slot.node == node);
        gone.filter_map(|(_, slot)| slot.future).collect()
    }

    pub(crate) fn tasks_of(&self, node: u32) -> Vec<&'static str> {
        self.tasks.values().filter(|slot| slot.node == node).map(|slot| slot.name).collect()
    }

    /// Makes ready what one poll or event has woken. In the order of their numbers: a
    /// `tokio::sync::watch` wakes those who wait for it in an order that no seed decides.
    fn see_woken(&mut self, woken: &mut Vec<u64>) {
        woken.sort_unstable();
        self.ready.append(woken);
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Moves time to the next timers and takes them, or says that there are none.
    fn advance(&mut self, deadline: u64, what: &str) -> Vec<Due> {
        let seed = self.seed;
        let Some((&(at, _), _)) = self.timers.first_key_value() else {
            panic!("the world stands still, {what} waits for nothing that will come (seed {seed})");
        };
        assert!(at <= deadline, "{what} was not done in time (seed {seed})");
        self.now = self.now.max(at);
        let mut due = Vec::new();
        while let Some(first) = self.timers.first_entry()
            && first.key().0 <= at
        {
            due.push(first.remove());
        }
        self.note(format_args!("time: {} timers", due.len()));
        due
    }
}

impl Shared {
    pub(crate) fn new(seed: u64) -> Arc<Shared> {
        let core = Core {
            seed,
            prng: Prng::new(seed),
            trace: Trace::new(),
            now: 0,
            nodes: BTreeMap::new(),
            net: Network::new(),
            failures: Vec::new(),
            failures_allowed: false,
            steps: 0,
            steps_max: STEPS_MAX,
            ready: Vec::new(),
            tasks: BTreeMap::new(),
            timers: BTreeMap::new(),
            next: ROOT,
        };
        Arc::new(Shared { core: Mutex::new(core), woken: Arc::default() })
    }

    pub(crate) fn core(&self) -> MutexGuard<'_, Core> {
        // A test that fails by a panic still drops its world.
        self.core.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Starts a task of a node that is up.
    pub(crate) fn spawn(&self, node: u32, name: &'static str, future: BoxFuture<()>) -> u64 {
        let mut core = self.core();
        let id = core.number();
        core.note(format_args!("spawn {id} {name} on {node}"));
        let flag = TaskWaker::new(id, &self.woken);
        let waker = Waker::from(flag.clone());
        let slot = Slot { node, name, future: Some(future), waker, flag, aborted: false };
        let waker = slot.waker.clone();
        core.tasks.insert(id, slot);
        drop(core);
        waker.wake();
        id
    }

    /// The task's future is dropped at its next turn, as an executor of threads would do it.
    pub(crate) fn abort(&self, task: u64) {
        let mut core = self.core();
        let waker = core.tasks.get_mut(&task).map(|slot| {
            slot.aborted = true;
            slot.waker.clone()
        });
        drop(core);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Ends every task and forgets every timer.
    pub(crate) fn end(&self) {
        loop {
            let mut core = self.core();
            let tasks = std::mem::take(&mut core.tasks);
            let timers = std::mem::take(&mut core.timers);
            let nodes = std::mem::take(&mut core.nodes);
            drop(core);
            if tasks.is_empty() && timers.is_empty() && nodes.is_empty() {
                return;
            }
        }
    }

    /// Runs the world until `root` is done or the clock would pass `deadline`.
    pub(crate) fn run<T>(&self, root: impl Future<Output = T>, deadline: u64, what: &str) -> T {
        let mut root = pin!(root);
        let flag = TaskWaker::new(ROOT, &self.woken);
        let waker = Waker::from(flag.clone());
        waker.wake_by_ref();
        loop {
            let mut core = self.core();
            core.see_woken(&mut self.woken.ids.lock().expect("pushing does not panic"));
            if core.ready.is_empty() {
                let due = core.advance(deadline, what);
                drop(core);
                due.into_iter().for_each(|due| self.fire(due));
                continue;
            }
            let (seed, ready) = (core.seed, core.ready.len());
            core.steps += 1;
            let steps = core.steps;
            assert!(steps <= core.steps_max, "{what} took over {steps} steps (seed {seed})");
            let pick = core.prng.index(ready);
            let id = core.ready.swap_remove(pick);
            if id != ROOT {
                self.step(core, id);
                continue;
            }
            core.note(format_args!("poll test"));
            drop(core);
            flag.queued.store(false, Ordering::Relaxed);
            if let Poll::Ready(output) = root.as_mut().poll(&mut Context::from_waker(&waker)) {
                return output;
            }
        }
    }

    fn fire(&self, due: Due) {
        match due {
            Due::Wake(waker) => waker.wake(),
            Due::Deliver(event) => {
                let woken = self.core().deliver(event);
                woken.into_iter().for_each(Waker::wake);
            }
        }
    }

    /// Polls one task, or drops it when it was aborted.
    fn step(&self, mut core: MutexGuard<'_, Core>, id: u64) {
        let now = core.now;
        let Some(slot) = core.tasks.get_mut(&id) else { return };
        let (node, name) = (slot.node, slot.name);
        let waker = slot.waker.clone();
        if let Some(until) = core.nodes.get(&node).map(|node| node.stalled_until)
            && until > now
        {
            core.set_timer(until, Due::Wake(waker));
            core.tasks[&id].flag.queued.store(false, Ordering::Relaxed);
            return;
        }
        let slot = core.tasks.get_mut(&id).expect("it was there above");
        slot.flag.queued.store(false, Ordering::Relaxed);
        if slot.aborted {
            let gone = core.tasks.remove(&id);
            core.note(format_args!("drop {id} {name} on {node}"));
            drop(core);
            drop(gone);
            return;
        }
        let Some(mut future) = slot.future.take() else { return };
        core.note(format_args!("poll {id} {name} on {node}"));
        drop(core);
        let ended = Pin::new(&mut future).poll(&mut Context::from_waker(&waker)).is_ready();
        let mut core = self.core();
        let mut gone = None;
        if ended {
            gone = core.tasks.remove(&id);
        } else if let Some(slot) = core.tasks.get_mut(&id) {
            slot.future = Some(future);
            return;
        }
        // Ended, or taken away while it was polled.
        drop(core);
        drop(gone);
        drop(future);
    }
}

/// The number of the future that a test runs.
const ROOT: u64 = 0;

/// How many polls a world makes before it counts as one that never ends.
const STEPS_MAX: u64 = 20_000_000;
