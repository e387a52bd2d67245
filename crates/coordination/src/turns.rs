//! Whose turn it is in a shard: one decision at a time, in the order in which they came, and no
//! thread that waits.
//!
//! The live state is *owned* by whoever decides. Who comes while it rests takes it, decides on the
//! own stack and puts it back: two short locks, no task, no allocation. Who comes meanwhile leaves
//! its work in the line and hears of it later; the decider who finds a line when it puts the state
//! back hands both to a task, which gives way after [`TURNS_MAX`] decisions. Nobody else's work
//! runs on the stack of a request: its caller may hold locks that the work would take. Work that
//! is long, as the machine can tell, is always done by that task, where it may block.
//!
//! Not here: what is done in a turn (shard.rs). Must hold: the lock is held for no decision, for
//! no answer and for no drop of a state.

use std::collections::VecDeque;
use std::sync::{Arc, MutexGuard, PoisonError};

use ottla_wire::ErrorCode;
use tokio::sync::oneshot;

use crate::coordinator::Shared;
use crate::hosted::Hosted;
use crate::load::LoadError;
use crate::shard::{Live, Shard};

// Why nobody is forgotten. All of this is decided under the lock of the phase:
//
// | phase    | work comes        | the decider is done               | close     |
// |----------|-------------------|-----------------------------------|-----------|
// | Resting  | -> Deciding, runs | -                                 | -> Closed |
// | Deciding | stands in line    | no line: -> Resting               | -> Closed |
// |          |                   | a line: its first is taken        |           |
// | Closed   | is refused        | the state is dropped              | -         |
//
// So a line exists only while somebody has the state, and whoever has it looks at the line under
// the same lock in which it lets go: work that came before is seen, work that comes after finds
// the state at rest. Whoever loses the state instead (a panic, a task that is ended) closes the
// shard. Work that is dropped without its turn answers that the coordinator has moved.

/// What a shard is in.
pub(crate) enum Phase<M: Hosted> {
    Loading,
    /// It serves, and nobody has the state.
    Resting(Box<Live<M>>),
    /// It serves, and somebody has the state.
    Deciding(Line<M>),
    /// A record could not be applied: this shard serves nothing until its leadership moves.
    Failed(LoadError),
    Closed,
}

/// The work that came while somebody had the state.
pub(crate) struct Line<M: Hosted> {
    waiting: VecDeque<Box<dyn Waiting<M>>>,
    /// How much there was in the state when it was taken.
    pub(crate) things: usize,
    pub(crate) parked: usize,
}

/// Something to be done with a shard's state when it is its turn.
pub(crate) trait Work<M: Hosted>: Send + 'static {
    /// What is told to whoever brought it.
    type Answer: Send + 'static;

    /// About how many of the machine's things it will look at, as far as that can be told.
    fn cost(&self, machine: &M) -> usize;

    /// Does it, or hears why it will not be.
    fn take_turn(self, turn: Result<Turn<'_, M>, ErrorCode>) -> Self::Answer;
}

/// A request or an event as work: what it asks, what that costs, and what is done.
pub(crate) struct Asked<R, C, D> {
    request: R,
    cost: C,
    done: D,
}

impl<R, C, D> Asked<R, C, D> {
    pub(crate) fn new<M: Hosted, A>(request: R, cost: C, done: D) -> Self
    where
        C: Fn(&M, &R) -> usize,
        D: FnOnce(R, Result<Turn<'_, M>, ErrorCode>) -> A,
    {
        Asked { request, cost, done }
    }
}

impl<M, R, C, D, A> Work<M> for Asked<R, C, D>
where
    M: Hosted,
    R: Send + 'static,
    C: Fn(&M, &R) -> usize + Send + 'static,
    D: FnOnce(R, Result<Turn<'_, M>, ErrorCode>) -> A + Send + 'static,
    A: Send + 'static,
{
    type Answer = A;

    fn cost(&self, machine: &M) -> usize {
        (self.cost)(machine, &self.request)
    }

    fn take_turn(self, turn: Result<Turn<'_, M>, ErrorCode>) -> A {
        (self.done)(self.request, turn)
    }
}

/// The state, for as long as one piece of work takes.
pub(crate) struct Turn<'a, M: Hosted> {
    pub(crate) shard: &'a Arc<Shard<M>>,
    pub(crate) shared: &'a Arc<Shared<M>>,
    pub(crate) live: &'a mut Live<M>,
}

/// What became of work that was brought.
pub(crate) enum Brought<A> {
    /// It is done, or refused.
    Done(A),
    /// It waits for its turn.
    InLine(oneshot::Receiver<A>),
}

/// Who brings work.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum By {
    /// A client: there is a place in the line, or its request is refused.
    Request,
    /// The shard, or its host: so much of it as there are timers, watermarks and things done
    /// outside, each of which comes once at a time.
    Itself,
}

impl<M: Hosted> Shard<M> {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Phase<M>> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings work: does it at once if the state is at rest and it is not long.
    pub(crate) fn bring<W: Work<M>>(
        self: &Arc<Self>,
        shared: &Arc<Shared<M>>,
        by: By,
        work: W,
    ) -> Brought<W::Answer> {
        let mut phase = self.lock();
        match std::mem::replace(&mut *phase, Phase::Closed) {
            Phase::Resting(live) => {
                *phase = Phase::Deciding(Line::behind(&live));
                drop(phase);
                self.begin(shared, live, work)
            }
            Phase::Deciding(line) if by == By::Request && line.waiting.len() >= LINE_MAX => {
                *phase = Phase::Deciding(line);
                drop(phase);
                // Clients come again a little later, without looking for another coordinator.
                Brought::Done(work.take_turn(Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS)))
            }
            Phase::Deciding(mut line) => {
                let (place, answer) = Place::of(work);
                line.waiting.push_back(place);
                *phase = Phase::Deciding(line);
                Brought::InLine(answer)
            }
            other => {
                let error = match other {
                    Phase::Loading => ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
                    _ => ErrorCode::NOT_COORDINATOR,
                };
                *phase = other;
                drop(phase);
                Brought::Done(work.take_turn(Err(error)))
            }
        }
    }

    fn begin<W: Work<M>>(
        self: &Arc<Self>,
        shared: &Arc<Shared<M>>,
        mut live: Box<Live<M>>,
        work: W,
    ) -> Brought<W::Answer> {
        let mut lost = Lost(Some(self));
        if work.cost(live.machine()) > COST_INLINE_MAX {
            lost.0 = None;
            let (place, answer) = Place::of(work);
            self.hand_over(shared, live, Some(place));
            return Brought::InLine(answer);
        }
        let answer = work.take_turn(Ok(Turn { shard: self, shared, live: &mut live }));
        lost.0 = None;
        let mut phase = self.lock();
        match std::mem::replace(&mut *phase, Phase::Closed) {
            Phase::Deciding(line) if line.waiting.is_empty() => *phase = Phase::Resting(live),
            Phase::Deciding(line) => {
                *phase = Phase::Deciding(line);
                drop(phase);
                self.hand_over(shared, live, None);
            }
            other => {
                *phase = other;
                drop(phase);
                drop(live);
            }
        }
        Brought::Done(answer)
    }

    fn hand_over(
        self: &Arc<Self>,
        shared: &Arc<Shared<M>>,
        live: Box<Live<M>>,
        first: Option<Box<dyn Waiting<M>>>,
    ) {
        let turns = Turns { shard: self.clone(), shared: shared.clone(), live: Some(live) };
        shared.spawner.spawn("coordinator turns", turns.take_all(first));
    }

    /// Begins to serve, with this as the first thing that is done; others are in line behind it.
    /// False when the shard was closed meanwhile.
    pub(crate) async fn open<W: Work<M>>(
        self: &Arc<Self>,
        shared: &Arc<Shared<M>>,
        live: Box<Live<M>>,
        first: W,
    ) -> Option<W::Answer> {
        {
            let mut phase = self.lock();
            if !matches!(*phase, Phase::Loading) {
                return None;
            }
            *phase = Phase::Deciding(Line::behind(&live));
        }
        let (place, answer) = Place::of(first);
        let turns = Turns { shard: self.clone(), shared: shared.clone(), live: Some(live) };
        turns.take_all(Some(place)).await;
        answer.await.ok()
    }

    /// Serves no more: everyone in line, and everyone who waits in the state, is answered.
    pub(crate) fn close_phase(&self) -> Option<Box<Live<M>>> {
        let former = std::mem::replace(&mut *self.lock(), Phase::Closed);
        match former {
            Phase::Resting(live) => Some(live),
            // The line is answered here, the state goes with whoever has it.
            _ => None,
        }
    }
}

/// Closes the shard, if it is not disarmed before: its state was lost in a panic.
struct Lost<'a, M: Hosted>(Option<&'a Shard<M>>);

impl<M: Hosted> Drop for Lost<'_, M> {
    fn drop(&mut self) {
        if let Some(shard) = self.0 {
            drop(shard.close_phase());
        }
    }
}

/// The state in the hands of a task.
struct Turns<M: Hosted> {
    shard: Arc<Shard<M>>,
    shared: Arc<Shared<M>>,
    live: Option<Box<Live<M>>>,
}

impl<M: Hosted> Turns<M> {
    /// Takes one after the other until nobody is in line.
    async fn take_all(mut self, first: Option<Box<dyn Waiting<M>>>) {
        let mut next = first;
        let mut taken = 0;
        while let Some(work) = next.take().or_else(|| self.next()) {
            self = self.take(work).await;
            taken += 1;
            if taken % TURNS_MAX == 0 {
                self.shared.env.yield_now().await;
            }
        }
    }

    /// The first in line; without one the state is put back.
    fn next(&mut self) -> Option<Box<dyn Waiting<M>>> {
        let live = self.live.take()?;
        let mut phase = self.shard.lock();
        let (after, next) = match std::mem::replace(&mut *phase, Phase::Closed) {
            Phase::Deciding(mut line) => match line.waiting.pop_front() {
                None => (Phase::Resting(live), None),
                Some(first) => {
                    (line.things, line.parked) = (live.things(), live.parked());
                    self.live = Some(live);
                    (Phase::Deciding(line), Some(first))
                }
            },
            other => {
                // Closed: the state is dropped below, without the lock.
                *phase = other;
                drop(phase);
                drop(live);
                return None;
            }
        };
        *phase = after;
        next
    }

    async fn take(mut self, work: Box<dyn Waiting<M>>) -> Self {
        let is_long =
            self.live.as_ref().is_some_and(|live| work.cost(live.machine()) > COST_INLINE_MAX);
        if !is_long {
            self.run(work);
            return self;
        }
        // The permit goes with the work, which runs to its end even when this task is ended.
        let permit = self.shared.long.clone().acquire_owned().await;
        let env = self.shared.env.clone();
        env.blocking(move || {
            let _permit = permit;
            self.run(work);
            self
        })
        .await
    }

    fn run(&mut self, mut work: Box<dyn Waiting<M>>) {
        if let Some(live) = &mut self.live {
            work.take_turn(Ok(Turn { shard: &self.shard, shared: &self.shared, live }));
        }
    }
}

impl<M: Hosted> Drop for Turns<M> {
    fn drop(&mut self) {
        if self.live.is_some() {
            drop(self.shard.close_phase());
        }
    }
}

impl<M: Hosted> Line<M> {
    fn behind(live: &Live<M>) -> Self {
        Line { waiting: VecDeque::new(), things: live.things(), parked: live.parked() }
    }
}

/// Work in line.
trait Waiting<M: Hosted>: Send {
    fn cost(&self, machine: &M) -> usize;
    fn take_turn(&mut self, turn: Result<Turn<'_, M>, ErrorCode>);
}

/// Work with where its answer goes; none once it had its turn.
struct Place<M: Hosted, W: Work<M>>(Option<(W, oneshot::Sender<W::Answer>)>);

impl<M: Hosted, W: Work<M>> Place<M, W> {
    fn of(work: W) -> (Box<dyn Waiting<M>>, oneshot::Receiver<W::Answer>) {
        let (sender, receiver) = oneshot::channel();
        (Box::new(Place(Some((work, sender)))), receiver)
    }
}

impl<M: Hosted, W: Work<M>> Waiting<M> for Place<M, W> {
    fn cost(&self, machine: &M) -> usize {
        self.0.as_ref().map_or(0, |(work, _)| work.cost(machine))
    }

    fn take_turn(&mut self, turn: Result<Turn<'_, M>, ErrorCode>) {
        if let Some((work, answer)) = self.0.take() {
            // Whoever brought it may have gone.
            let _ = answer.send(work.take_turn(turn));
        }
    }
}

impl<M: Hosted, W: Work<M>> Drop for Place<M, W> {
    fn drop(&mut self) {
        self.take_turn(Err(ErrorCode::NOT_COORDINATOR));
    }
}

/// So many requests stand in line at most: several for each member of the largest groups.
pub(crate) const LINE_MAX: usize = 10_000;

/// A task takes so many turns before it lets others run.
pub(crate) const TURNS_MAX: usize = 16;

/// What costs more (things looked at, about a microsecond each) is not done on a worker of the
/// runtime.
pub(crate) const COST_INLINE_MAX: usize = 2_000;
