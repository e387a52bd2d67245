//! One partition of `__consumer_offsets` and the groups that live on it.
//!
//! Decisions are taken and appended under a short lock on the caller's task; replies leave at once
//! when all that was appended is committed, else when the high watermark passes. Must hold: no
//! await under the lock; a shard that failed or closed answers everyone who waits.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use ottla_groups::{Ask, Decided, GroupRecord, GroupReply, Groups, Now, Soft};
use ottla_machine::{Host, Ticket};
use ottla_records::builder::BuildError;
use ottla_records::{BatchBuilder, BatchSettings, Codec, Producer};
use ottla_wire::{
    ErrorCode, LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Timestamp,
};
use tokio::sync::{oneshot, watch};

use crate::coordinator::{Caller, Shared};
use crate::load::{Load, LoadError};
use crate::log::{PartitionLog, to_client};

/// A shard: what one leader epoch of one partition hosts.
pub(crate) struct Shard {
    pub(crate) partition: PartitionIndex,
    pub(crate) epoch: LeaderEpoch,
    log: Arc<dyn PartitionLog>,
    high_watermark: watch::Receiver<Offset>,
    phase: Mutex<Phase>,
}

enum Phase {
    Loading,
    Active(Box<Live>),
    /// A record could not be applied: this shard serves nothing until its leadership moves.
    Failed(LoadError),
    Closed,
}

struct Live {
    host: Host<Groups, GroupReply>,
    soft: Soft,
    waiting: BTreeMap<Ticket, oneshot::Sender<GroupReply>>,
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
        /// How many groups live on it.
        groups: usize,
        /// How many requests wait in it.
        parked: usize,
    },
    /// It stopped at a record that cannot be applied.
    Failed(LoadError),
}

/// A reply that is there or comes.
pub(crate) enum Reply {
    Now(GroupReply),
    Later(oneshot::Receiver<GroupReply>),
}

impl Shard {
    pub(crate) fn new(
        partition: PartitionIndex,
        epoch: LeaderEpoch,
        log: Arc<dyn PartitionLog>,
    ) -> Self {
        let high_watermark = log.high_watermark();
        Shard { partition, epoch, log, high_watermark, phase: Mutex::new(Phase::Loading) }
    }

    fn lock(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn state(&self) -> Option<ShardState> {
        match &*self.lock() {
            Phase::Loading => Some(ShardState::Loading),
            Phase::Active(live) => Some(ShardState::Active {
                groups: live.host.live().len(),
                parked: live.waiting.len(),
            }),
            Phase::Failed(error) => Some(ShardState::Failed(error.clone())),
            Phase::Closed => None,
        }
    }

    /// Loads the partition and begins to serve.
    pub(crate) async fn load(self: Arc<Self>, shared: Arc<Shared>) {
        let started = shared.env.monotonic();
        let result = self.load_and_open(&shared).await;
        let took = shared.env.monotonic() - started;
        match result {
            Ok(groups) => self.tell_loaded(groups, took),
            Err(error) => {
                tracing::error!(
                    partition = self.partition.0,
                    offset = error.offset.0,
                    reason = error.reason,
                    "groups not loaded, this partition serves none"
                );
                let mut phase = self.lock();
                if matches!(*phase, Phase::Loading) {
                    *phase = Phase::Failed(error);
                }
            }
        }
    }

    /// Most of the partitions hold no group: theirs would be a page of lines at each start.
    fn tell_loaded(&self, groups: usize, took: Duration) {
        let (partition, epoch) = (self.partition.0, self.epoch.0);
        match groups {
            0 => tracing::debug!(partition, epoch, ?took, "no groups to load"),
            _ => tracing::info!(partition, epoch, groups, ?took, "groups loaded"),
        }
    }

    async fn load_and_open(self: &Arc<Self>, shared: &Arc<Shared>) -> Result<usize, LoadError> {
        let mut load = Load::from(self.log.start());
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
        shared: &Arc<Shared>,
        phase: &mut Phase,
        host: Host<Groups, GroupReply>,
    ) -> usize {
        let groups = host.live().len();
        for (kind, count) in host.live().unserved() {
            tracing::warn!(
                partition = self.partition.0,
                kind,
                count,
                "records of groups that are not served were left as they are"
            );
        }
        let mut live = Live {
            host,
            soft: Soft::default(),
            waiting: BTreeMap::new(),
            tickets: 0,
            filed: None,
            committing: false,
        };
        let now = shared.now();
        let settings = shared.settings();
        let decided = live.host.live().loaded(&mut live.soft, now, &settings.groups);
        self.obey(shared, &mut live, now, decided);
        *phase = Phase::Active(Box::new(live));
        groups
    }

    /// Stops serving: everyone who waits hears that the coordinator has moved.
    pub(crate) fn close(&self, shared: &Shared) {
        let former = std::mem::replace(&mut *self.lock(), Phase::Closed);
        if let Phase::Active(live) = former {
            shared.timers.file(self.partition, live.filed, None);
        }
    }

    /// Takes one decision on behalf of a request.
    pub(crate) fn ask(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        caller: Caller<'_>,
        version: i16,
        decide: impl FnOnce(&Groups, &mut Soft, &Ask<'_>) -> Decided,
    ) -> Result<Reply, ErrorCode> {
        let settings = shared.settings();
        let random = shared.env.random_bytes();
        let mut phase = self.lock();
        let live = phase.live()?;
        let now = shared.now();
        live.tickets += 1;
        let ticket = Ticket(live.tickets);
        let ask = Ask {
            now,
            settings: &settings.groups,
            version,
            client_id: caller.client_id,
            client_host: caller.client_host,
            random,
            ticket,
        };
        let decided = decide(live.host.live(), &mut live.soft, &ask);
        let (sender, mut receiver) = oneshot::channel();
        live.waiting.insert(ticket, sender);
        self.obey(shared, live, now, decided);
        Ok(match receiver.try_recv() {
            Ok(reply) => Reply::Now(reply),
            Err(_) => Reply::Later(receiver),
        })
    }

    /// Takes one decision that nobody asked for.
    pub(crate) fn tell(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        decide: impl FnOnce(&Groups, &mut Soft, Now) -> Decided,
    ) {
        let mut phase = self.lock();
        if let Ok(live) = phase.live() {
            let now = shared.now();
            let decided = decide(live.host.live(), &mut live.soft, now);
            self.obey(shared, live, now, decided);
        }
    }

    /// Whether this is the time at which the shard wants to be woken.
    pub(crate) fn is_filed(&self, at: Timestamp) -> bool {
        self.lock().live().is_ok_and(|live| live.filed == Some(at))
    }

    /// Does what the shard's groups have asked to be woken for.
    pub(crate) fn tick(self: &Arc<Self>, shared: &Arc<Shared>) {
        let settings = shared.settings();
        self.tell(shared, |groups, soft, now| groups.tick(soft, now, &settings.groups));
    }

    fn obey(self: &Arc<Self>, shared: &Arc<Shared>, live: &mut Live, now: Now, decided: Decided) {
        let mut wake_min = None;
        if decided.records.is_empty() {
            let end = live.host.end();
            let ready = live.host.appended(end, decided);
            live.answer(ready);
        } else if let Err(refused) = self.write(shared, live, now, decided) {
            tracing::debug!(
                partition = self.partition.0,
                error = refused.name(),
                "append of group records refused"
            );
            // Nobody tries in vain without a pause.
            wake_min = Some(now.steady + RETRY_MS);
        }
        live.commit(*self.high_watermark.borrow());
        if live.host.parked() > 0 && !live.committing {
            live.committing = true;
            shared.spawner.spawn("group commits", self.clone().commit());
        }
        let wake = live.soft.wake().max(wake_min.filter(|_| live.soft.wake().is_some()));
        if live.filed != wake {
            shared.timers.file(self.partition, live.filed, wake);
            live.filed = wake;
        }
    }

    /// Appends a decision's records and replays them; what cannot be written becomes an error for
    /// those who asked, and the groups concerned go on from their last record.
    fn write(
        &self,
        shared: &Shared,
        live: &mut Live,
        now: Now,
        mut decided: Decided,
    ) -> Result<(), ErrorCode> {
        let batches = self.encode(shared, now, &decided.records);
        let result = batches.and_then(|batches| {
            for (count, batch) in batches {
                let base = self.log.append(self.epoch, batch)?;
                let rest = decided.records.split_off(count);
                let records = std::mem::replace(&mut decided.records, rest);
                let is_last = decided.records.is_empty();
                let replies =
                    if is_last { std::mem::take(&mut decided.replies) } else { Vec::new() };
                let ready = live.host.appended(base, Decided { records, replies, wake: None });
                live.answer(ready);
            }
            Ok(())
        });
        let Err(refused) = result else { return Ok(()) };
        let error = to_client(refused);
        let failed =
            decided.replies.into_iter().map(|(ticket, reply)| (ticket, reply.failed(error)));
        live.answer(failed.collect());
        for record in &decided.records {
            if let GroupRecord::GroupMetadata { group, .. } = record {
                let groups = live.host.live();
                let abandoned = groups.abandon(&mut live.soft, now, group, error);
                live.answer(abandoned.replies);
            }
        }
        Err(refused)
    }

    /// The records as batches of the size that the log takes: one, but for long lists of
    /// tombstones.
    fn encode(
        &self,
        shared: &Shared,
        now: Now,
        records: &[GroupRecord],
    ) -> Result<Vec<(usize, Bytes)>, ErrorCode> {
        let bytes_max = self.log.batch_bytes_max();
        let new = || BatchBuilder::new(batch_settings(shared.settings().codec));
        let mut batches = Vec::new();
        let mut builder = new();
        let mut count = 0;
        for record in records {
            let (key, value) = record.encode().ok_or(ErrorCode::UNKNOWN_SERVER_ERROR)?;
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
    async fn commit(self: Arc<Self>) {
        let mut high_watermark = self.high_watermark.clone();
        loop {
            let to = *high_watermark.borrow_and_update();
            {
                let mut phase = self.lock();
                let Ok(live) = phase.live() else { return };
                live.commit(to);
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
}

impl Phase {
    fn live(&mut self) -> Result<&mut Live, ErrorCode> {
        match self {
            Phase::Active(live) => Ok(live),
            Phase::Loading => Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS),
            Phase::Failed(_) | Phase::Closed => Err(ErrorCode::NOT_COORDINATOR),
        }
    }
}

impl Live {
    fn answer(&mut self, replies: Vec<(Ticket, GroupReply)>) {
        for (ticket, reply) in replies {
            if let Some(waiting) = self.waiting.remove(&ticket) {
                // Whoever asked may have gone.
                let _ = waiting.send(reply);
            }
        }
    }

    fn commit(&mut self, to: Offset) {
        let ready = self.host.commit(to);
        self.answer(ready);
    }
}

/// As Kafka's group coordinator writes: no producer, but a sequence of 0.
fn batch_settings(codec: Codec) -> BatchSettings {
    let producer = Producer { id: ProducerId(-1), epoch: ProducerEpoch(-1), base_sequence: 0 };
    BatchSettings { producer: Some(producer), ..BatchSettings::compressed(codec) }
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
