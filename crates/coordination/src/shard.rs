//! One partition of a coordinator's topic and what lives on it.
//!
//! Decisions are taken and appended under a short lock on the caller's task; replies leave at once
//! when all that was appended is committed, else when the high watermark passes. Must hold: no
//! await under the lock; a shard that failed or closed answers everyone who waits; what the machine
//! tells its host to do is done when all that was decided before is committed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

/// A shard: what one leader epoch of one partition hosts.
pub(crate) struct Shard<M: Hosted> {
    pub(crate) partition: PartitionIndex,
    pub(crate) epoch: LeaderEpoch,
    log: Arc<dyn PartitionLog>,
    high_watermark: watch::Receiver<Offset>,
    phase: Mutex<Phase<M>>,
}

enum Phase<M: Hosted> {
    Loading,
    Active(Box<Live<M>>),
    /// A record could not be applied: this shard serves nothing until its leadership moves.
    Failed(LoadError),
    Closed,
}

struct Live<M: Hosted> {
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

    fn lock(&self) -> MutexGuard<'_, Phase<M>> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn state(&self) -> Option<ShardState> {
        match &*self.lock() {
            Phase::Loading => Some(ShardState::Loading),
            Phase::Active(live) => Some(ShardState::Active {
                things: live.host.live().count(),
                parked: live.waiting.len(),
            }),
            Phase::Failed(error) => Some(ShardState::Failed(error.clone())),
            Phase::Closed => None,
        }
    }

    /// Looks at what lives on it, when it serves.
    pub(crate) fn look(&self, look: impl FnOnce(&M, &M::Soft)) {
        if let Phase::Active(live) = &*self.lock() {
            look(live.host.live(), &live.soft);
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
            let mut phase = self.lock();
            if !matches!(*phase, Phase::Loading) {
                return Ok(0);
            }
            if self.log.end() == position {
                return Ok(self.open(shared, &mut phase, load.host));
            }
        }
    }

    fn open(
        self: &Arc<Self>,
        shared: &Arc<Shared<M>>,
        phase: &mut Phase<M>,
        host: Host<M, M::Reply>,
    ) -> usize {
        let things = host.live().count();
        for (kind, count) in host.live().unread() {
            tracing::warn!(
                partition = self.partition.0,
                kind,
                count,
                "records of {} that are not served were left as they are",
                M::THINGS
            );
        }
        let mut live = Live {
            host,
            soft: M::Soft::default(),
            waiting: BTreeMap::new(),
            tickets: 0,
            filed: None,
            committing: false,
        };
        let now = shared.now();
        let settings = shared.settings();
        let decided = live.host.live().loaded(&mut live.soft, now, &settings.limits);
        self.obey(shared, &mut live, now, decided);
        *phase = Phase::Active(Box::new(live));
        things
    }

    /// Stops serving: everyone who waits hears that the coordinator has moved.
    pub(crate) fn close(&self, shared: &Shared<M>) {
        let former = std::mem::replace(&mut *self.lock(), Phase::Closed);
        if let Phase::Active(live) = former {
            shared.timers.file(self.partition, live.filed, None);
        }
    }

    /// Takes one decision on behalf of a request; its records are part of the open transaction of
    /// `producer`, when there is one.
    pub(crate) fn ask(
        self: &Arc<Self>,
        shared: &Arc<Shared<M>>,
        producer: Option<Producer>,
        decide: impl FnOnce(&M, &mut M::Soft, &Seat<'_, M::Limits>) -> DecidedOf<M>,
    ) -> Result<Reply<M::Reply>, ErrorCode> {
        let settings = shared.settings();
        let random = shared.env.random_bytes();
        let mut phase = self.lock();
        let live = phase.live()?;
        let now = shared.now();
        live.tickets += 1;
        let ticket = Ticket(live.tickets);
        let seat = Seat { now, limits: &settings.limits, random, ticket };
        let decided = decide(live.host.live(), &mut live.soft, &seat);
        let (sender, receiver) = oneshot::channel();
        live.waiting.insert(ticket, sender);
        self.obey_in(shared, live, now, decided, producer);
        Ok(Reply::of(receiver))
    }

    /// Ends a producer's transaction: appends its marker, which is `record` to the machine.
    /// Answers `reply` when it is committed.
    ///
    /// # Errors
    /// The log's, as it says it.
    pub(crate) fn end_transaction(
        self: &Arc<Self>,
        shared: &Arc<Shared<M>>,
        (marker, of): (Bytes, MarkerEpoch),
        record: M::Record,
        reply: M::Reply,
    ) -> Result<Reply<M::Reply>, ErrorCode> {
        let mut phase = self.lock();
        let live = phase.live()?;
        let base = self.log.append_marker(self.epoch, marker, of)?;
        live.tickets += 1;
        let ticket = Ticket(live.tickets);
        let (sender, receiver) = oneshot::channel();
        live.waiting.insert(ticket, sender);
        let decided = Decided { records: vec![record], replies: vec![(ticket, reply)], wake: None };
        let ready = live.host.appended(base, decided);
        self.answer(shared, live, ready);
        self.follow(shared, live);
        Ok(Reply::of(receiver))
    }

    /// Takes one decision that nobody asked for.
    pub(crate) fn tell(
        self: &Arc<Self>,
        shared: &Arc<Shared<M>>,
        decide: impl FnOnce(&M, &mut M::Soft, Now, &M::Limits) -> DecidedOf<M>,
    ) {
        let settings = shared.settings();
        let mut phase = self.lock();
        if let Ok(live) = phase.live() {
            let now = shared.now();
            let decided = decide(live.host.live(), &mut live.soft, now, &settings.limits);
            self.obey(shared, live, now, decided);
        }
    }

    /// Whether this is the time at which the shard wants to be woken.
    pub(crate) fn is_filed(&self, at: Timestamp) -> bool {
        self.lock().live().is_ok_and(|live| live.filed == Some(at))
    }

    /// Does what the machine has asked to be woken for.
    pub(crate) fn tick(self: &Arc<Self>, shared: &Arc<Shared<M>>) {
        self.tell(shared, |machine, soft, now, limits| {
            machine.tick(soft, now, limits, &shared.world)
        });
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
            {
                let mut phase = self.lock();
                let Ok(live) = phase.live() else { return };
                self.committed(&shared, live, to);
                if live.host.parked() == 0 {
                    live.committing = false;
                    return;
                }
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
            shard.tell(&shared, |machine, soft, now, limits| {
                machine.happened(soft, now, limits, event)
            });
        });
    }
}

impl<M: Hosted> Phase<M> {
    fn live(&mut self) -> Result<&mut Live<M>, ErrorCode> {
        match self {
            Phase::Active(live) => Ok(live),
            Phase::Loading => Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS),
            Phase::Failed(_) | Phase::Closed => Err(ErrorCode::NOT_COORDINATOR),
        }
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
