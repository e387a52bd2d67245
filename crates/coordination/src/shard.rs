//! One partition of a coordinator's topic and what lives on it.
//!
//! Decisions are taken and appended in turn, as a rule on the caller's task (turns.rs); replies
//! leave at once when all that was appended is committed, else when the high watermark passes.
//! Must hold: a shard that failed or closed answers everyone who waits; what the machine tells its
//! host to do is done when all that was decided before is committed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use ottla_machine::{Decided, Host, Now, Ticket};
use ottla_records::builder::BuildError;
use ottla_records::{BatchBuilder, BatchSettings, MarkerEpoch, Producer};
use ottla_wire::{ErrorCode, LeaderEpoch, Offset, PartitionIndex, Timestamp};
use tokio::sync::{oneshot, watch};

use crate::coordinator::Shared;
use crate::hosted::{DecidedOf, Home, Hosted};
use crate::load::{Load, LoadError};
use crate::log::{PartitionLog, to_client};
use crate::turns::{Asked, Brought, By, Phase, Turn};

/// A shard: what one leader epoch of one partition hosts.
pub(crate) struct Shard<M: Hosted> {
    pub(crate) partition: PartitionIndex,
    pub(crate) epoch: LeaderEpoch,
    log: Arc<dyn PartitionLog>,
    high_watermark: watch::Receiver<Offset>,
    pub(crate) phase: Mutex<Phase<M>>,
}

/// What a shard that serves keeps.
pub(crate) struct Live<M: Hosted> {
    host: Host<M, M::Reply>,
    soft: M::Soft,
    waiting: BTreeMap<Ticket, oneshot::Sender<M::Reply>>,
    tickets: u64,
    /// The time that is filed with the timers.
    filed: Option<Timestamp>,
    /// A task waits for the high watermark.
    committing: bool,
}

/// What a shard is doing.
#[derive(Clone, Debug, PartialEq)]
pub enum ShardState {
    /// It reads its log.
    Loading,
    /// It serves.
    Active {
        /// How many groups or transactional ids live on it.
        things: usize,
        /// How many requests wait in it.
        parked: usize,
    },
    /// It stopped at a record that cannot be applied.
    Failed(LoadError),
}

/// A reply that is there or comes.
pub(crate) enum Reply<R> {
    Now(R),
    Later(oneshot::Receiver<R>),
}

impl<R> Reply<R> {
    fn of(mut receiver: oneshot::Receiver<R>) -> Reply<R> {
        match receiver.try_recv() {
            Ok(reply) => Reply::Now(reply),
            Err(_) => Reply::Later(receiver),
        }
    }
}

/// What a decision on behalf of a request goes by.
pub(crate) struct Seat<'a, L> {
    pub(crate) now: Now,
    pub(crate) limits: &'a L,
    pub(crate) random: [u8; 16],
    pub(crate) ticket: Ticket,
}

impl<M: Hosted> Shard<M> {
    pub(crate) fn new(
        partition: PartitionIndex,
        epoch: LeaderEpoch,
        log: Arc<dyn PartitionLog>,
    ) -> Self {
        let high_watermark = log.high_watermark();
        Shard { partition, epoch, log, high_watermark, phase: Mutex::new(Phase::Loading) }
    }

    /// What it is doing, without waiting: while somebody decides, how much there was before.
    pub(crate) fn state(&self) -> Option<ShardState> {
        let active = |things, parked| Some(ShardState::Active { things, parked });
        match &*self.lock() {
            Phase::Loading => Some(ShardState::Loading),
            Phase::Resting(live) => active(live.things(), live.parked()),
            Phase::Deciding(line) => active(line.things, line.parked),
            Phase::Failed(error) => Some(ShardState::Failed(error.clone())),
            Phase::Closed => None,
        }
    }

    /// Loads the partition and begins to serve.
    pub(crate) async fn load(self: Arc<Self>, shared: Arc<Shared<M>>) {
        let started = shared.env.monotonic();
        let result = self.load_and_open(&shared).await;
        let took = shared.env.monotonic() - started;
        match result {
            Ok(count) => self.tell_loaded(count, took),
            Err(error) => {
                tracing::error!(
                    partition = self.partition.0,
                    offset = error.offset.0,
                    reason = error.reason,
                    "{} not loaded, this partition serves none",
                    M::THINGS
                );
                let mut phase = self.lock();
                if matches!(*phase, Phase::Loading) {
                    *phase = Phase::Failed(error);
                }
            }
        }
    }

    /// Most of the partitions hold nothing: theirs would be a page of lines at each start.
    fn tell_loaded(&self, count: usize, took: Duration) {
        let (partition, epoch) = (self.partition.0, self.epoch.0);
        match count {
            0 => tracing::debug!(partition, epoch, ?took, "no {} to load", M::THINGS),
            _ => tracing::info!(partition, epoch, count, ?took, "{} loaded", M::THINGS),
        }
    }

    async fn load_and_open(self: &Arc<Self>, shared: &Arc<Shared<M>>) -> Result<usize, LoadError> {
        let mut load = Load::<M>::from(self.log.start());
        let mut high_watermark = self.high_watermark.clone();
        loop {
            let bytes_max = shared.settings().load_bytes_max;
            load.catch_up(&shared.env, self.log.as_ref(), bytes_max).await?;
            // What is above the high watermark may still be lost: nobody may see it yet.
            let position = load.position();
            if high_watermark.wait_for(|committed| *committed >= position).await.is_err() {
                let reason = "the partition is gone".to_owned();
                return Err(LoadError { offset: position, reason });
            }
            if self.log.end() == position {
                return Ok(self.open_with(shared, load.host).await);
            }
        }
    }

    async fn open_with(
        self: &Arc<Self>,
        shared: &Arc<Shared<M>>,
        host: Host<M, M::Reply>,
    ) -> usize {
        for (kind, count) in host.live().unread() {
            tracing::warn!(
                partition = self.partition.0,
                kind,
                count,
                "records of {} that are not served were left as they are",
                M::THINGS
            );
        }
        let live = Box::new(Live {
            host,
            soft: M::Soft::default(),
            waiting: BTreeMap::new(),
            tickets: 0,
            filed: None,
            committing: false,
        });
        let things = live.things();
        let first = Asked::new(
            (),
            |machine: &M, ()| machine.count(),
            |(), turn: Result<Turn<'_, M>, _>| {
                if let Ok(turn) = turn {
                    turn.tell(|machine, soft, now, limits, _| machine.loaded(soft, now, limits));
                }
            },
        );
        let opened = self.open(shared, live, first).await;
        opened.map_or(0, |()| things)
    }

    /// Stops serving: everyone who waits hears that the coordinator has moved.
    pub(crate) fn close(&self, shared: &Shared<M>) {
        if let Some(live) = self.close_phase() {
            shared.timers.file(self.partition, live.filed, None);
        }
    }

    /// Takes one decision that nobody asked for, when it is its turn.
    pub(crate) fn tell(
        self: &Arc<Self>,
        shared: &Arc<Shared<M>>,
        cost: impl Fn(&M) -> usize + Send + 'static,
        decide: impl FnOnce(&M, &mut M::Soft, Now, &M::Limits, &M::World) -> DecidedOf<M>
        + Send
        + 'static,
    ) {
        let work = Asked::new(
            decide,
            move |machine: &M, _: &_| cost(machine),
            |decide, turn: Result<Turn<'_, M>, ErrorCode>| {
                if let Ok(turn) = turn {
                    turn.tell(decide);
                }
            },
        );
        // Nobody waits for it.
        let _ = self.bring(shared, By::Itself, work);
    }

    /// Does what the machine has asked to be woken for at this time, if it still wants to be.
    pub(crate) fn tick(self: &Arc<Self>, shared: &Arc<Shared<M>>, at: Timestamp) {
        let work = Asked::new(
            (),
            |machine: &M, ()| machine.count(),
            move |(), turn: Result<Turn<'_, M>, ErrorCode>| {
                let Ok(turn) = turn else { return };
                if turn.live.filed == Some(at) {
                    turn.live.filed = None;
                    turn.tell(|machine, soft, now, limits, world| {
                        machine.tick(soft, now, limits, world)
                    });
                }
            },
        );
        let _ = self.bring(shared, By::Itself, work);
    }

    fn obey(
        self: &Arc<Self>,
        shared: &Arc<Shared<M>>,
        live: &mut Live<M>,
        now: Now,
        decided: DecidedOf<M>,
    ) {
        self.obey_in(shared, live, now, decided, None);
    }

    fn obey_in(
        self: &Arc<Self>,
        shared: &Arc<Shared<M>>,
        live: &mut Live<M>,
        now: Now,
        decided: DecidedOf<M>,
        producer: Option<Producer>,
    ) {
        let mut wake_min = None;
        if decided.records.is_empty() {
            let end = live.host.end();
            let ready = live.host.appended(end, decided);
            self.answer(shared, live, ready);
        } else if let Err(refused) = self.write(shared, live, now, decided, producer) {
            tracing::debug!(
                partition = self.partition.0,
                error = refused.name(),
                "append of records of {} refused",
                M::THINGS
            );
            // Nobody tries in vain without a pause.
            wake_min = Some(now.steady + RETRY_MS);
        }
        self.follow(shared, live);
        let due = M::wake(&live.soft);
        let wake = due.max(wake_min.filter(|_| due.is_some()));
        if live.filed != wake {
            shared.timers.file(self.partition, live.filed, wake);
            live.filed = wake;
        }
    }

    /// Passes on what is committed, and goes on with that while somebody waits.
    fn follow(self: &Arc<Self>, shared: &Arc<Shared<M>>, live: &mut Live<M>) {
        let committed = *self.high_watermark.borrow();
        self.committed(shared, live, committed);
        if live.host.parked() > 0 && !live.committing {
            live.committing = true;
            shared.spawner.spawn("coordinator commits", self.clone().commit(shared.clone()));
        }
    }

    /// Appends a decision's records and replays them; what cannot be written becomes an error for
    /// those who asked, and what is concerned goes on from its last record.
    fn write(
        self: &Arc<Self>,
        shared: &Arc<Shared<M>>,
        live: &mut Live<M>,
        now: Now,
        mut decided: DecidedOf<M>,
        producer: Option<Producer>,
    ) -> Result<(), ErrorCode> {
        let mut settings = M::batch(shared.settings().codec);
        if producer.is_some() {
            settings = BatchSettings { producer, is_transactional: true, ..settings };
        }
        let batches = self.encode(settings, now, &decided.records);
        let result = batches.and_then(|batches| {
            for (count, batch) in batches {
                let base = self.log.append(self.epoch, batch)?;
                let rest = decided.records.split_off(count);
                let records = std::mem::replace(&mut decided.records, rest);
                let is_last = decided.records.is_empty();
                let replies =
                    if is_last { std::mem::take(&mut decided.replies) } else { Vec::new() };
                let ready = live.host.appended(base, Decided { records, replies, wake: None });
                self.answer(shared, live, ready);
            }
            Ok(())
        });
        let Err(refused) = result else { return Ok(()) };
        let error = to_client(refused);
        let to_clients = decided.replies.into_iter().filter(|(ticket, _)| *ticket != Ticket::HOST);
        let failed = to_clients.map(|(ticket, reply)| (ticket, M::failed(reply, error)));
        self.answer(shared, live, failed.collect());
        let limits = &shared.settings().limits;
        let machine = live.host.live();
        let abandoned = machine.abandon(&mut live.soft, now, limits, &decided.records, error);
        self.answer(shared, live, abandoned);
        Err(refused)
    }

    /// The records as batches of the size that the log takes: one, but for long lists of
    /// tombstones.
    fn encode(
        &self,
        settings: BatchSettings,
        now: Now,
        records: &[M::Record],
    ) -> Result<Vec<(usize, Bytes)>, ErrorCode> {
        let bytes_max = self.log.batch_bytes_max();
        let new = || BatchBuilder::new(settings);
        let mut batches = Vec::new();
        let mut builder = new();
        let mut count = 0;
        for record in records {
            let (key, value) = M::encode(record).ok_or(ErrorCode::UNKNOWN_SERVER_ERROR)?;
            let len = key.len() + value.as_ref().map_or(0, Bytes::len) + RECORD_OVERHEAD;
            if count > 0 && builder.uncompressed_len() + len > bytes_max {
                batches.push((count, built(std::mem::replace(&mut builder, new()))?));
                count = 0;
            }
            builder
                .append(now.wall, Some(&key), value.as_deref(), &[])
                .map_err(|_| ErrorCode::RECORD_LIST_TOO_LARGE)?;
            count += 1;
        }
        batches.push((count, built(builder)?));
        Ok(batches)
    }

    /// Passes replies on as the high watermark moves, for as long as some wait for it.
    async fn commit(self: Arc<Self>, shared: Arc<Shared<M>>) {
        let mut high_watermark = self.high_watermark.clone();
        loop {
            let to = *high_watermark.borrow_and_update();
            let work = Asked::new(
                to,
                |_: &M, _: &Offset| 0,
                |to, turn: Result<Turn<'_, M>, ErrorCode>| turn.is_ok_and(|turn| turn.commit(to)),
            );
            let goes_on = match self.bring(&shared, By::Itself, work) {
                Brought::Done(goes_on) => goes_on,
                Brought::InLine(goes_on) => goes_on.await.unwrap_or(false),
            };
            if !goes_on {
                return;
            }
            if high_watermark.changed().await.is_err() {
                return;
            }
        }
    }

    fn committed(self: &Arc<Self>, shared: &Arc<Shared<M>>, live: &mut Live<M>, to: Offset) {
        let ready = live.host.commit(to);
        self.answer(shared, live, ready);
    }

    /// Passes answers on to who waits for them, and does what is said to the host.
    fn answer(
        self: &Arc<Self>,
        shared: &Arc<Shared<M>>,
        live: &mut Live<M>,
        replies: Vec<(Ticket, M::Reply)>,
    ) {
        for (ticket, reply) in replies {
            if ticket == Ticket::HOST {
                self.act(shared, live, reply);
            } else if let Some(waiting) = live.waiting.remove(&ticket) {
                // Whoever asked may have gone.
                let _ = waiting.send(reply);
            }
        }
    }

    /// Does something outside: at once as far as that goes, and what has to wait in a task.
    ///
    /// What is done at once comes before the answers behind it: a producer that hears of the end of
    /// a transaction whose markers all went to this broker can begin the next one.
    fn act(self: &Arc<Self>, shared: &Arc<Shared<M>>, live: &mut Live<M>, reply: M::Reply) {
        let home = Home { epoch: self.epoch, log: &self.log };
        let Some(mut effect) = M::effect(&shared.world, &home, reply) else { return };
        if let Poll::Ready(event) = effect.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            let (now, settings) = (shared.now(), shared.settings());
            let machine = live.host.live();
            let decided = machine.happened(&mut live.soft, now, &settings.limits, event);
            return self.obey(shared, live, now, decided);
        }
        let (shard, shared) = (self.clone(), shared.clone());
        shared.clone().spawner.spawn("coordinator effect", async move {
            let event = effect.await;
            shard.tell(
                &shared,
                |_| 0,
                |machine, soft, now, limits, _| machine.happened(soft, now, limits, event),
            );
        });
    }
}

impl<M: Hosted> Live<M> {
    /// A ticket for a request, and where its reply comes.
    fn seat(&mut self) -> (Ticket, oneshot::Receiver<M::Reply>) {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let (sender, receiver) = oneshot::channel();
        self.waiting.insert(ticket, sender);
        (ticket, receiver)
    }

    pub(crate) fn machine(&self) -> &M {
        self.host.live()
    }

    /// How many groups or transactional ids live in it.
    pub(crate) fn things(&self) -> usize {
        self.host.live().count()
    }

    /// How many requests wait in it.
    pub(crate) fn parked(&self) -> usize {
        self.waiting.len()
    }
}

impl<M: Hosted> Turn<'_, M> {
    /// Looks at what lives here.
    pub(crate) fn look<A>(self, look: impl FnOnce(&M, &M::Soft) -> A) -> A {
        look(self.live.host.live(), &self.live.soft)
    }

    /// Takes one decision on behalf of a request; its records are part of the open transaction of
    /// `producer`, when there is one.
    pub(crate) fn ask(
        self,
        producer: Option<Producer>,
        decide: impl FnOnce(&M, &mut M::Soft, &Seat<'_, M::Limits>) -> DecidedOf<M>,
    ) -> Reply<M::Reply> {
        let Turn { shard, shared, live } = self;
        let settings = shared.settings();
        let random = shared.env.random_bytes();
        let now = shared.now();
        let (ticket, receiver) = live.seat();
        let seat = Seat { now, limits: &settings.limits, random, ticket };
        let decided = decide(live.host.live(), &mut live.soft, &seat);
        shard.obey_in(shared, live, now, decided, producer);
        Reply::of(receiver)
    }

    /// Takes one decision that nobody asked for.
    pub(crate) fn tell(
        self,
        decide: impl FnOnce(&M, &mut M::Soft, Now, &M::Limits, &M::World) -> DecidedOf<M>,
    ) {
        let Turn { shard, shared, live } = self;
        let (settings, now) = (shared.settings(), shared.now());
        let (limits, world) = (&settings.limits, &shared.world);
        let decided = decide(live.host.live(), &mut live.soft, now, limits, world);
        shard.obey(shared, live, now, decided);
    }

    /// Ends a producer's transaction: appends its marker, which is `record` to the machine.
    /// Answers `reply` when it is committed.
    ///
    /// # Errors
    /// The log's, as it says it.
    pub(crate) fn end_transaction(
        self,
        (marker, of): (Bytes, MarkerEpoch),
        record: M::Record,
        reply: M::Reply,
    ) -> Result<Reply<M::Reply>, ErrorCode> {
        let Turn { shard, shared, live } = self;
        let base = shard.log.append_marker(shard.epoch, marker, of)?;
        let (ticket, receiver) = live.seat();
        let decided = Decided { records: vec![record], replies: vec![(ticket, reply)], wake: None };
        let ready = live.host.appended(base, decided);
        shard.answer(shared, live, ready);
        shard.follow(shared, live);
        Ok(Reply::of(receiver))
    }

    /// Passes on what waits for this high watermark; answers whether something waits for a later.
    fn commit(self, to: Offset) -> bool {
        let Turn { shard, shared, live } = self;
        shard.committed(shared, live, to);
        live.committing = live.host.parked() > 0;
        live.committing
    }
}

fn built(builder: BatchBuilder) -> Result<Bytes, ErrorCode> {
    builder.build().map_err(|error| match error {
        BuildError::TooLarge => ErrorCode::RECORD_LIST_TOO_LARGE,
        BuildError::Codec(_) => ErrorCode::UNKNOWN_SERVER_ERROR,
    })
}

/// A pause after the log has refused an append.
const RETRY_MS: i64 = 1_000;

/// More than what a record has beside key and value.
const RECORD_OVERHEAD: usize = 64;
