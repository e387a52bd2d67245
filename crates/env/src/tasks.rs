//! Scopes of tasks: everything that a part of a node started ends with it.
//!
//! Not here: the executors. Must hold: when a scope is dropped or shut down, none of its tasks
//! runs on and none can be added; a panic inside a task ends that task only and is kept as the
//! scope's failure, so that the owner can end its node.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use tokio::sync::Notify;

use crate::World;
use crate::sim_api::{BoxFuture, SimTask};

/// A scope of tasks. Dropping it ends them all; see also [`Tasks::shutdown`].
pub struct Tasks {
    scope: Arc<Scope>,
}

impl Tasks {
    pub(crate) fn new(world: World) -> Tasks {
        let state = State { open: true, next: 0, running: BTreeMap::new(), failure: None };
        Tasks { scope: Arc::new(Scope { world, state: Mutex::new(state), changed: Notify::new() }) }
    }

    /// Starts `future` as a task of this scope. After `abort_all` or `shutdown` it is dropped
    /// instead.
    pub fn spawn(
        &self,
        name: &'static str,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> Task {
        self.scope.spawn(name, Box::pin(future))
    }

    /// A handle that starts tasks in this scope while it is open, for tasks that start others.
    pub fn spawner(&self) -> Spawner {
        Spawner { scope: self.scope.clone() }
    }

    /// Closes the scope and ends all its tasks, each at its next await.
    pub fn abort_all(&self) {
        self.scope.close();
    }

    /// Closes the scope, ends all its tasks and waits until they are gone. Not to be called
    /// from one of them.
    pub async fn shutdown(&self) {
        self.scope.close();
        self.join_all().await;
    }

    /// Waits until no task is running, without ending any.
    pub async fn join_all(&self) {
        self.scope.until(|state| state.running.is_empty()).await;
    }

    /// Waits for the first panic of a task of this scope and says what it was.
    pub async fn failed(&self) -> TaskFailure {
        self.scope.until(|state| state.failure.is_some()).await;
        self.failure().expect("a failure is never taken back")
    }

    /// The first panic of a task of this scope, if there was one.
    pub fn failure(&self) -> Option<TaskFailure> {
        self.scope.state().failure.clone()
    }

    /// How many tasks are running.
    pub fn running(&self) -> usize {
        self.scope.state().running.len()
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.scope.close();
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tasks({} running)", self.running())
    }
}

/// Starts tasks in a scope that someone else owns.
#[derive(Clone)]
pub struct Spawner {
    scope: Arc<Scope>,
}

impl Spawner {
    /// As [`Tasks::spawn`]; the future is dropped when the scope is closed.
    pub fn spawn(
        &self,
        name: &'static str,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> Task {
        self.scope.spawn(name, Box::pin(future))
    }
}

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spawner")
    }
}

/// One task of a scope. Dropping this lets the task run on.
pub struct Task {
    scope: Arc<Scope>,
    id: u64,
}

impl Task {
    /// Ends the task at its next await.
    pub fn abort(&self) {
        let running = self.scope.state().running.get_mut(&self.id).and_then(Option::take);
        if let Some(running) = running {
            running.abort();
        }
    }

    /// Whether the task has ended, for whatever reason.
    pub fn is_finished(&self) -> bool {
        !self.scope.state().running.contains_key(&self.id)
    }

    /// Waits until the task has ended, for whatever reason.
    pub async fn join(&self) {
        self.scope.until(|state| !state.running.contains_key(&self.id)).await;
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Task({})", self.id)
    }
}

/// The panic that ended a task.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TaskFailure {
    /// The name that the task was started with.
    pub task: &'static str,
    /// What the panic said.
    pub message: String,
}

impl fmt::Display for TaskFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {} failed: {}", self.task, self.message)
    }
}

impl std::error::Error for TaskFailure {}

struct Scope {
    world: World,
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    open: bool,
    next: u64,
    /// The tasks that have not ended; None until the executor has answered, and once aborted.
    running: BTreeMap<u64, Option<Abort>>,
    failure: Option<TaskFailure>,
}

enum Abort {
    Real(tokio::task::AbortHandle),
    Sim(Box<dyn SimTask>),
}

impl Abort {
    fn abort(&self) {
        match self {
            Abort::Real(task) => task.abort(),
            Abort::Sim(task) => task.abort(),
        }
    }
}

impl Scope {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of the scope's lock panics")
    }

    fn spawn(self: &Arc<Self>, name: &'static str, future: BoxFuture<()>) -> Task {
        let mut state = self.state();
        let id = state.next;
        state.next += 1;
        let task = Task { scope: self.clone(), id };
        if !state.open {
            return task;
        }
        state.running.insert(id, None);
        drop(state);
        let guard = Guard { scope: self.clone(), id };
        let running = Running { name, future: Some(future), guard };
        let abort = match &self.world {
            World::Real(real) => Abort::Real(real.spawn(running)),
            World::Sim(sim) => Abort::Sim(sim.spawn(name, Box::pin(running))),
        };
        let mut state = self.state();
        let open = state.open;
        match state.running.get_mut(&id) {
            // Closed between the two locks: the closing saw no handle to abort.
            Some(_) if !open => {
                drop(state);
                abort.abort();
            }
            Some(slot) => *slot = Some(abort),
            None => {}
        }
        task
    }

    /// Closes the scope and aborts what runs, outside the lock that the ending tasks take.
    fn close(&self) {
        let mut state = self.state();
        state.open = false;
        let aborts: Vec<Abort> = state.running.values_mut().filter_map(Option::take).collect();
        drop(state);
        for abort in aborts {
            abort.abort();
        }
    }

    async fn until(&self, done: impl Fn(&State) -> bool) {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if done(&self.state()) {
                return;
            }
            changed.await;
        }
    }
}

/// A task's future with its place in the scope. The fields drop in this order: the place is
/// given back only after everything that the future held.
struct Running {
    name: &'static str,
    future: Option<BoxFuture<()>>,
    guard: Guard,
}

impl Future for Running {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let Some(future) = &mut this.future else { return Poll::Ready(()) };
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(())) => {}
            Err(panic) => this.guard.fail(this.name, panic),
        }
        let future = this.future.take();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(future))) {
            this.guard.fail(this.name, panic);
        }
        Poll::Ready(())
    }
}

struct Guard {
    scope: Arc<Scope>,
    id: u64,
}

impl Guard {
    fn fail(&self, task: &'static str, panic: Box<dyn Any + Send>) {
        let message = match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(panic) => match panic.downcast::<&'static str>() {
                Ok(text) => (*text).to_owned(),
                Err(_) => "a panic without a message".to_owned(),
            },
        };
        let failure = TaskFailure { task, message };
        if let World::Sim(sim) = &self.scope.world {
            sim.task_failed(&failure);
        }
        self.scope.state().failure.get_or_insert(failure);
        self.scope.changed.notify_waiters();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let ended = self.scope.state().running.remove(&self.id);
        self.scope.changed.notify_waiters();
        drop(ended);
    }
}
