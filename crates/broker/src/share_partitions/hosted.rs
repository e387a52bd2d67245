//! One share partition: read from its coordinator, its decisions persisted there before they count,
//! its locks watched.
//!
//! Not here: which records go to whom (share). Must hold: what is to be written is handed to the
//! coordinator in the order in which it was decided; a write that nobody waits for any more is
//! settled all the same; no lock is held across an await.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use ottla_coordination::Answer;
use ottla_env::{Env, Instant};
use ottla_metrics::{Counter, ShareTraffic};
use ottla_net::{Parking, Wait};
use ottla_share::{
    Acknowledgement, Acquired, Acquiring, DeadLetters, Fetched, Key, ReadState, Rules,
    SharePartition, StateBatch, Verdict, Write,
};
use ottla_wire::messages::{
    ReadShareGroupStateRequest, WriteShareGroupStateRequest, WriteShareGroupStateResponse,
    read_share_group_state_request as to_read, write_share_group_state_request as to_write,
};
use ottla_wire::{ErrorCode, LeaderEpoch, Offset, StrBytes, Timestamp};
use tokio::sync::{OnceCell, oneshot};

use super::{Reading, Terms};
use crate::context::Rooms;
use crate::dead_letters;
use crate::partition::{Isolation, Partition};
use crate::share_groups::existing;

/// Nobody has written where the group begins.
const UNSET: Offset = Offset(-1);
/// How often a fetch looks again when others were faster, or nothing of what it read is to be had.
const TRIES_MAX: usize = 16;

/// A share partition of this broker.
pub(crate) struct HostedShare {
    key: Key,
    pub(crate) partition: Arc<Partition>,
    epoch: LeaderEpoch,
    state: OnceCell<Mutex<SharePartition>>,
    /// Its state has moved on elsewhere: it decides nothing any more.
    fenced: AtomicBool,
    /// A task watches its locks.
    watched: AtomicBool,
    /// Those who wait for something to be available again.
    parking: Parking,
    /// Records whose locks ran out.
    timed_out: Counter,
}

/// What stands in a share partition.
pub(crate) struct Counts {
    /// Records that are in flight or not done with.
    pub(crate) in_flight: i64,
    /// Runs of records that stand alike.
    pub(crate) runs: usize,
    /// Records whose locks ran out, so far.
    pub(crate) timed_out: u64,
}

/// What a fetch has got.
pub(crate) struct Got {
    /// The records that were acquired, in whole batches.
    pub(crate) records: Bytes,
    /// Which they are.
    pub(crate) acquired: Vec<Acquired>,
}

impl HostedShare {
    pub(super) fn new(key: Key, partition: Arc<Partition>, epoch: LeaderEpoch) -> Self {
        HostedShare {
            key,
            partition,
            epoch,
            state: OnceCell::new(),
            fenced: AtomicBool::new(false),
            watched: AtomicBool::new(false),
            parking: Parking::default(),
            timed_out: Counter::default(),
        }
    }

    /// What stands here; nothing before the state is there.
    pub(crate) fn counts(&self) -> Option<Counts> {
        let state = self.state().ok()?;
        Some(Counts {
            in_flight: state.in_flight(),
            runs: state.run_count(),
            timed_out: self.timed_out.value(),
        })
    }

    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    /// Whether it decides in this epoch of the leader.
    pub(super) fn is_of(&self, epoch: LeaderEpoch) -> bool {
        self.epoch == epoch && !self.fenced.load(Ordering::Acquire)
    }

    /// Lets `wait` hear when something may be had here.
    pub(crate) fn park(&self, wait: &Arc<Wait>) {
        self.partition.park(wait);
        self.parking.park(wait);
    }

    /// Acquires records for a member, as many as there are for it now.
    ///
    /// # Errors
    /// The coordinator's while the state cannot be read, else the log's.
    pub(crate) async fn fetch(
        self: &Arc<Self>,
        rooms: &Arc<Rooms>,
        terms: &Terms,
        asked: &Acquiring,
        max_bytes: usize,
    ) -> Result<Got, ErrorCode> {
        self.load(rooms, terms).await?;
        for _ in 0..TRIES_MAX {
            self.check()?;
            let from = {
                let state = self.state()?;
                if !state.can_acquire(&terms.rules) {
                    break;
                }
                state.next_fetch()
            };
            let end = self.partition.readable_end(terms.isolation);
            let log = self.partition.log();
            if from < log.start() {
                self.state()?.move_start(log.start());
                continue;
            }
            if from >= end {
                break;
            }
            let isolation = terms.isolation;
            let read = move || Reading::of(&log, from, max_bytes, end, isolation);
            let reading = match rooms.env.blocking(read).await {
                // The log's start has moved on meanwhile.
                Err(ErrorCode::OFFSET_OUT_OF_RANGE) => continue,
                reading => reading?,
            };
            if reading.spans.is_empty() {
                break;
            }
            let fetched = Fetched { from, batches: &reading.spans, skipped: &reading.skipped };
            let acquired = self.state()?.acquire(steady(&rooms.env), &terms.rules, asked, &fetched);
            if !acquired.is_empty() {
                self.watch(rooms);
                return Ok(Got { records: reading.holding(&acquired), acquired });
            }
        }
        Ok(Got { records: Bytes::new(), acquired: Vec::new() })
    }

    /// How many bytes there are to acquire from, at most so many.
    ///
    /// # Errors
    /// Those of [`fetch`](Self::fetch).
    pub(crate) async fn available(
        self: &Arc<Self>,
        rooms: &Arc<Rooms>,
        terms: &Terms,
        max_bytes: usize,
    ) -> Result<usize, ErrorCode> {
        self.load(rooms, terms).await?;
        self.check()?;
        let log = self.partition.log();
        let from = {
            let state = self.state()?;
            if !state.can_acquire(&terms.rules) {
                return Ok(0);
            }
            state.next_fetch().max(log.start())
        };
        let end = self.partition.readable_end(terms.isolation);
        if from >= end {
            return Ok(0);
        }
        let read = move || log.read(from, max_bytes, end, true).map(|slice| slice.records.len());
        rooms.env.blocking(read).await.map_err(|error| error.code())
    }

    /// Takes a member's verdicts, and answers when they are written.
    ///
    /// # Errors
    /// Why they do not count.
    pub(crate) async fn acknowledge(
        self: &Arc<Self>,
        rooms: &Arc<Rooms>,
        rules: &Rules,
        member: &StrBytes,
        said: &[Acknowledgement],
    ) -> Result<(), ErrorCode> {
        self.check()?;
        let written = {
            let mut state = self.state()?;
            let now = steady(&rooms.env);
            let taken = state.acknowledge(now, rules, member, said)?;
            count(&rooms.share_partitions.traffic, said);
            match taken {
                Some(write) => self.begin_write(rooms, &mut state, &write),
                None => return Ok(()),
            }
        };
        written.await.unwrap_or(Err(ErrorCode::NOT_LEADER_OR_FOLLOWER))
    }

    /// Gives up what a member holds.
    pub(super) fn release_member(
        self: &Arc<Self>,
        rooms: &Arc<Rooms>,
        terms: &Terms,
        member: &StrBytes,
    ) {
        let Ok(mut state) = self.state() else { return };
        if let Some(write) = state.release_member(&terms.rules, member) {
            // Whoever ended its session waits for nothing.
            drop(self.begin_write(rooms, &mut state, &write));
        }
    }

    fn check(&self) -> Result<(), ErrorCode> {
        let is_led = self.partition.check_leader(LeaderEpoch(-1))? == self.epoch;
        match is_led && !self.fenced.load(Ordering::Acquire) {
            true => Ok(()),
            false => Err(ErrorCode::NOT_LEADER_OR_FOLLOWER),
        }
    }

    fn state(&self) -> Result<MutexGuard<'_, SharePartition>, ErrorCode> {
        let state = self.state.get().ok_or(ErrorCode::NOT_LEADER_OR_FOLLOWER)?;
        Ok(state.lock().expect("no code panics while it holds this lock"))
    }

    /// Reads what the coordinator knows, once.
    async fn load(self: &Arc<Self>, rooms: &Arc<Rooms>, terms: &Terms) -> Result<(), ErrorCode> {
        let mut unsent = Vec::new();
        let load = async || {
            let begun = rooms.env.monotonic();
            let request = self.to_read();
            let response = rooms.shares.read_state(request, &existing(rooms)).await;
            let topic = response.results.into_iter().next();
            let told = topic.and_then(|topic| topic.partitions.into_iter().next());
            let told = told.ok_or(ErrorCode::UNKNOWN_SERVER_ERROR)?;
            if told.error_code != ErrorCode::NONE {
                return Err(told.error_code);
            }
            let start = match told.start_offset {
                UNSET => self.reset(rooms, &terms.reset).await?,
                start => start,
            };
            let batches = told.state_batches.iter().map(|batch| StateBatch {
                first: batch.first_offset,
                last: batch.last_offset,
                state: batch.delivery_state,
                count: batch.delivery_count,
            });
            let state =
                ReadState { state_epoch: told.state_epoch, start, batches: batches.collect() };
            let loaded = SharePartition::load(&state, self.epoch);
            unsent = loaded.unsent(&terms.rules);
            let traffic = &rooms.share_partitions.traffic;
            traffic.loads.took(rooms.env.monotonic() - begun);
            Ok(Mutex::new(loaded))
        };
        self.state.get_or_try_init(load).await?;
        self.bury(rooms, unsent);
        Ok(())
    }

    /// Where a group begins that has never been anywhere.
    async fn reset(&self, rooms: &Arc<Rooms>, policy: &str) -> Result<Offset, ErrorCode> {
        let end = self.partition.readable_end(Isolation::ReadUncommitted);
        let log = self.partition.log();
        let Some(duration) = policy.strip_prefix("by_duration:") else {
            return Ok(if policy == "earliest" { log.start() } else { end });
        };
        let Some(duration_ms) = ottla_settings::duration_ms(duration) else { return Ok(end) };
        let since = Timestamp(rooms.env.now_ms().saturating_sub(duration_ms));
        let found = rooms.env.blocking(move || log.offset_for_time(since)).await;
        let found = found.map_err(|_| ErrorCode::KAFKA_STORAGE_ERROR)?;
        Ok(found.map_or(end, |found| found.offset.min(end)))
    }

    /// Hands a write to the coordinator. What comes of it is settled whether or not somebody waits.
    fn begin_write(
        self: &Arc<Self>,
        rooms: &Arc<Rooms>,
        state: &mut SharePartition,
        write: &Write,
    ) -> oneshot::Receiver<Result<(), ErrorCode>> {
        let (sender, receiver) = oneshot::channel();
        let begun = rooms.env.monotonic();
        match rooms.shares.write_state(self.to_write(write), &existing(rooms)) {
            Answer::Now(response) => {
                rooms.share_partitions.traffic.writes.took(rooms.env.monotonic() - begun);
                let written = written(&response);
                self.settle(rooms, state, write, written);
                let _ = sender.send(written);
            }
            Answer::Later(response) => {
                let (share, rooms, write) = (Arc::clone(self), Arc::clone(rooms), write.clone());
                let tasks = rooms.share_partitions.tasks.clone();
                tasks.spawn("share state write", async move {
                    let written = written(&response.await);
                    let took = rooms.env.monotonic() - begun;
                    rooms.share_partitions.traffic.writes.took(took);
                    if let Ok(mut state) = share.state() {
                        share.settle(&rooms, &mut state, &write, written);
                    }
                    // Whoever acknowledged may have gone.
                    let _ = sender.send(written);
                });
            }
        }
        receiver
    }

    fn settle(
        self: &Arc<Self>,
        rooms: &Arc<Rooms>,
        state: &mut SharePartition,
        write: &Write,
        written: Result<(), ErrorCode>,
    ) {
        let dead = state.settle(write.id, written.is_ok());
        self.bury(rooms, dead);
        if let Err(error) = written {
            let (group, topic, partition) =
                (&*self.key.group, &self.partition.topic, self.partition.index);
            let error_name = error.name();
            tracing::warn!(group, %topic, %partition, error_name, "share state not written");
            if is_final(error) {
                self.fenced.store(true, Ordering::Release);
            }
        }
        self.parking.disturb();
    }

    /// Brings records to the group's dead-letter queue, and archives them whatever comes of it.
    fn bury(self: &Arc<Self>, rooms: &Arc<Rooms>, dead: Vec<DeadLetters>) {
        if dead.is_empty() {
            return;
        }
        let (share, rooms) = (Arc::clone(self), Arc::clone(rooms));
        let tasks = rooms.share_partitions.tasks.clone();
        tasks.spawn("dead letters", async move {
            let (group, source) = (&*share.key.group, &share.partition);
            if let Err(why) = dead_letters::bring(&rooms, source, group, &dead).await {
                let (topic, partition) = (&source.topic, source.index);
                tracing::warn!(group, %topic, %partition, why, "dead letters were not written");
            }
            if let Ok(mut state) = share.state()
                && let Some(write) = state.archive(&dead)
            {
                drop(share.begin_write(&rooms, &mut state, &write));
            }
        });
    }

    /// Sees to it that locks run out.
    fn watch(self: &Arc<Self>, rooms: &Arc<Rooms>) {
        if self.watched.swap(true, Ordering::AcqRel) {
            return;
        }
        let share = Arc::downgrade(self);
        let rooms = Arc::downgrade(rooms);
        let Some(env) = rooms.upgrade().map(|rooms| rooms.env.clone()) else { return };
        let Some(strong) = rooms.upgrade() else { return };
        strong.share_partitions.tasks.spawn("share locks", async move {
            loop {
                let wait = {
                    let (Some(share), Some(rooms)) = (share.upgrade(), rooms.upgrade()) else {
                        return;
                    };
                    match share.expire(&rooms) {
                        Some(wait) => wait,
                        None => return,
                    }
                };
                env.sleep(wait).await;
            }
        });
    }

    /// Gives up locks that have run out; answers how long it is until the next one does. None when
    /// there is no lock, and nobody watches any more.
    fn expire(self: &Arc<Self>, rooms: &Arc<Rooms>) -> Option<Duration> {
        let terms = rooms.configs.share_terms(&rooms.image.borrow(), &self.key.group);
        let mut state = self.state().ok()?;
        let now = steady(&rooms.env);
        if let Some(write) = state.release_expired(now, &terms.rules) {
            let records: i64 = write.batches.iter().map(|it| it.last.next() - it.first).sum();
            let records = u64::try_from(records).unwrap_or(0);
            self.timed_out.add(records);
            rooms.share_partitions.traffic.timed_out.add(records);
            drop(self.begin_write(rooms, &mut state, &write));
        }
        let Some(deadline) = state.deadline() else {
            self.watched.store(false, Ordering::Release);
            return None;
        };
        // A write that failed gives locks back that are over already: not again at once.
        let wait_ms = u64::try_from(deadline - now).unwrap_or(0).max(EXPIRY_PAUSE_MS);
        Some(Duration::from_millis(wait_ms))
    }

    fn to_read(&self) -> ReadShareGroupStateRequest {
        let partition = to_read::PartitionData {
            partition: self.key.partition,
            leader_epoch: self.epoch,
            ..Default::default()
        };
        let topic = to_read::ReadStateData {
            topic_id: self.key.topic,
            partitions: vec![partition],
            ..Default::default()
        };
        ReadShareGroupStateRequest {
            group_id: self.key.group.clone(),
            topics: vec![topic],
            ..Default::default()
        }
    }

    fn to_write(&self, write: &Write) -> WriteShareGroupStateRequest {
        let batches = write.batches.iter().map(|batch| to_write::StateBatch {
            first_offset: batch.first,
            last_offset: batch.last,
            delivery_state: batch.state,
            delivery_count: batch.count,
            ..Default::default()
        });
        let partition = to_write::PartitionData {
            partition: self.key.partition,
            state_epoch: write.state_epoch,
            leader_epoch: write.leader_epoch,
            start_offset: write.start,
            delivery_complete_count: write.delivery_complete_count,
            state_batches: batches.collect(),
            ..Default::default()
        };
        let topic = to_write::WriteStateData {
            topic_id: self.key.topic,
            partitions: vec![partition],
            ..Default::default()
        };
        WriteShareGroupStateRequest {
            group_id: self.key.group.clone(),
            topics: vec![topic],
            ..Default::default()
        }
    }
}

/// Counts what a member says of records.
fn count(traffic: &ShareTraffic, said: &[Acknowledgement]) {
    for acknowledgement in said {
        let all = acknowledgement.last.next() - acknowledgement.first;
        let each = match acknowledgement.verdicts.len() {
            1 => u64::try_from(all).unwrap_or(0),
            _ => 1,
        };
        for verdict in &acknowledgement.verdicts {
            match verdict {
                Verdict::Gap => {}
                Verdict::Accept => traffic.accepted.add(each),
                Verdict::Release => traffic.released.add(each),
                Verdict::Reject => traffic.rejected.add(each),
                Verdict::Renew => traffic.renewed.add(each),
            }
        }
    }
}

fn written(response: &WriteShareGroupStateResponse) -> Result<(), ErrorCode> {
    let results = response.results.first().and_then(|topic| topic.partitions.first());
    match results.map(|result| result.error_code) {
        Some(ErrorCode::NONE) => Ok(()),
        Some(error) => Err(to_member(error)),
        None => Err(ErrorCode::UNKNOWN_SERVER_ERROR),
    }
}

/// What a member hears of the coordinator's refusal (SharePartition.fetchPersisterError).
fn to_member(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::NOT_COORDINATOR
        | ErrorCode::COORDINATOR_NOT_AVAILABLE
        | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS => ErrorCode::COORDINATOR_NOT_AVAILABLE,
        ErrorCode::FENCED_LEADER_EPOCH | ErrorCode::FENCED_STATE_EPOCH => {
            ErrorCode::NOT_LEADER_OR_FOLLOWER
        }
        error => error,
    }
}

/// Whether the state has moved on without this share partition.
fn is_final(error: ErrorCode) -> bool {
    matches!(
        error,
        ErrorCode::NOT_LEADER_OR_FOLLOWER
            | ErrorCode::INVALID_REQUEST
            | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    )
}

/// The time that locks go by.
fn steady(env: &Env) -> Timestamp {
    let since_start = (env.monotonic() - Instant::ZERO).as_millis();
    Timestamp(i64::try_from(since_start).unwrap_or(i64::MAX))
}

/// Locks that could not be given up are looked at again after so long.
const EXPIRY_PAUSE_MS: u64 = 10;
