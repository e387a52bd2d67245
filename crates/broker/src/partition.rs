//! One partition of which this broker holds a replica: its log, its life, and who waits for it.
//!
//! Must hold: the log grows only here, so that replication hears of every append and every wait
//! of every advance. Reads take neither the log's lock nor, but for one look, the state's.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use crate::refusal::Refusal;
use crate::verification::{Entering, Verifications};
use bytes::Bytes;
use ottla_env::{Env, Spawner};
use ottla_metrics::TopicTraffic;
use ottla_net::{Parking, Wait};
use ottla_records::{BatchHeader, MarkerEpoch};
use ottla_replication::{Leadership, NotLeader, Partition as Replica};
use ottla_storage::Standing;
use ottla_storage::error::AppendError;
use ottla_storage::{Appended, Log, Origin, StorageError};
use ottla_wire::{
    BrokerId, ErrorCode, LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Timestamp,
    TopicId,
};
use tokio::sync::watch;

/// How far an asker may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// Up to the high watermark.
    ReadUncommitted,
    /// Up to the last stable offset.
    ReadCommitted,
    /// Up to the end of the log: replicas.
    Replica,
}

/// The replica's life, and what of its log readers have not seen.
struct Replicated {
    life: Replica,
    /// Bytes that were appended since the high watermark moved.
    hidden_bytes: usize,
}

/// One partition, as its topic's id and number name it.
pub(crate) struct Partition {
    pub(crate) topic_id: TopicId,
    pub(crate) topic: Arc<str>,
    pub(crate) index: PartitionIndex,
    /// Another one once the replica was moved to another log directory.
    log: RwLock<Arc<Log>>,
    /// Held by whoever changes the log, so that a move can take over a log that does not change.
    changing: RwLock<()>,
    traffic: Arc<TopicTraffic>,
    replica: Mutex<Replicated>,
    /// Producers that are about to begin a transaction here; held while one begins or ends.
    verifications: Mutex<Verifications>,
    parking: Parking,
    /// The topic was deleted.
    removed: AtomicBool,
    /// A task is syncing.
    syncing: AtomicBool,
    /// The high watermark for those who follow it; made when the first of them comes.
    followed: OnceLock<watch::Sender<Offset>>,
}

impl Partition {
    pub(crate) fn new(
        me: BrokerId,
        topic_id: TopicId,
        topic: Arc<str>,
        index: PartitionIndex,
        log: Arc<Log>,
        traffic: Arc<TopicTraffic>,
    ) -> Self {
        let life = Replica::new(me, log.high_watermark());
        let replica = Mutex::new(Replicated { life, hidden_bytes: 0 });
        let (parking, followed) = (Parking::default(), OnceLock::new());
        let (removed, syncing) = (AtomicBool::new(false), AtomicBool::new(false));
        let (log, changing) = (RwLock::new(log), RwLock::new(()));
        Partition {
            topic_id,
            topic,
            index,
            log,
            changing,
            traffic,
            replica,
            verifications: Mutex::default(),
            parking,
            removed,
            syncing,
            followed,
        }
    }

    /// The log as it is now; a move may put another one in its place, with the same records.
    pub(crate) fn log(&self) -> Arc<Log> {
        Arc::clone(&self.log.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the log's directory has failed.
    pub(crate) fn is_offline(&self) -> bool {
        let log = self.log.read().unwrap_or_else(PoisonError::into_inner);
        log.directory().failure().is_some()
    }

    /// Puts the log in place that `take_over` gives, while nobody changes the one that is there.
    /// Answers whether it gave one.
    ///
    /// # Errors
    /// Those of `take_over`.
    pub(crate) fn replace_log(
        &self,
        take_over: impl FnOnce() -> Result<Option<Arc<Log>>, StorageError>,
    ) -> Result<bool, StorageError> {
        let _nobody_changes = self.changing.write().unwrap_or_else(PoisonError::into_inner);
        let Some(log) = take_over()? else { return Ok(false) };
        *self.log.write().unwrap_or_else(PoisonError::into_inner) = log;
        Ok(true)
    }

    fn changing(&self) -> RwLockReadGuard<'_, ()> {
        self.changing.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// What counts its topic's records.
    pub(crate) fn traffic(&self) -> &TopicTraffic {
        &self.traffic
    }

    /// Takes over what the metadata says.
    ///
    /// # Errors
    /// The start of a new epoch cannot be written down.
    pub(crate) fn assign(&self, to: &Leadership) -> Result<(), StorageError> {
        let _changing = self.changing();
        let mut replica = self.replica();
        if replica.life.assign(to, self.replicated_end()) {
            self.log().assign_epoch(to.leader_epoch)?;
        }
        self.publish(replica.life.high_watermark());
        drop(replica);
        self.parking.disturb();
        Ok(())
    }

    /// The leader's epoch, for an asker who believes in `epoch` (-1: in any).
    pub(crate) fn check_leader(&self, epoch: LeaderEpoch) -> Result<LeaderEpoch, ErrorCode> {
        if self.removed.load(Ordering::Acquire) {
            return Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        }
        if self.is_offline() {
            return Err(ErrorCode::KAFKA_STORAGE_ERROR);
        }
        self.replica().life.check_leader(epoch).map_err(code)
    }

    /// The leader's epoch and id for answers that send a client elsewhere.
    pub(crate) fn leader(&self) -> (Option<BrokerId>, LeaderEpoch) {
        let replica = self.replica();
        (replica.life.leader(), replica.life.leader_epoch())
    }

    /// Whether the leader knows how far the log is committed.
    pub(crate) fn knows_commits(&self) -> bool {
        self.replica().life.knows_commits()
    }

    /// A producer is about to write within a transaction.
    pub(crate) fn begin_entering(
        &self,
        producer: (ProducerId, ProducerEpoch),
        counts_from_zero: bool,
    ) -> Entering {
        let mut verifications = self.verifications();
        let is_open = self.log().standing(producer.0, producer.1) == Standing::Open;
        let guard = (!is_open).then(|| verifications.begin(producer.0));
        Entering { producer, guard, counts_from_zero }
    }

    /// Whether a batch of a transaction may be appended: the transaction is open here, or its
    /// coordinator knows of it.
    ///
    /// # Errors
    /// What the producer hears.
    pub(crate) fn check_entering(&self, entering: &Entering) -> Result<(), ErrorCode> {
        self.check_entry(&self.verifications(), entering)
    }

    fn check_entry(&self, known: &Verifications, entering: &Entering) -> Result<(), ErrorCode> {
        let (id, epoch) = entering.producer;
        let may = self.log().standing(id, epoch) == Standing::Open
            || entering.guard.as_ref().is_some_and(|guard| known.holds(id, guard));
        if may { Ok(()) } else { Err(ErrorCode::INVALID_TXN_STATE) }
    }

    fn verifications(&self) -> MutexGuard<'_, Verifications> {
        self.verifications.lock().expect("no code panics while it holds this lock")
    }

    /// Appends as the leader. `to_all` asks for enough replicas in sync first; `entering` is what
    /// the coordinator has to consent to.
    pub(crate) fn append(
        &self,
        records: &Bytes,
        now: Timestamp,
        to_all: bool,
        entering: Option<&Entering>,
    ) -> Result<Appended, Refusal> {
        self.traffic.asked();
        let appended = self.append_led(records, now, to_all, entering);
        if appended.as_ref().is_err_and(Refusal::is_unexpected) {
            self.traffic.refused();
        }
        appended
    }

    fn append_led(
        &self,
        records: &Bytes,
        now: Timestamp,
        to_all: bool,
        entering: Option<&Entering>,
    ) -> Result<Appended, Refusal> {
        let epoch = self.leading_epoch(to_all)?;
        let changing = self.changing();
        let log = self.log();
        // No end of the transaction may come between the look and the append.
        let held = match entering {
            None => None,
            Some(entering) => {
                let held = self.verifications();
                let may = self.check_entry(&held, entering);
                let may = may.and_then(|()| check_first(&log, records, entering));
                may.map_err(|code| Refusal { log_start: log.start(), ..code.into() })?;
                Some(held)
            }
        };
        let appended = log.append(records, Origin::Leader { epoch, now });
        let appended = appended.map_err(|error| Refusal::of_log(error, log.start()))?;
        drop(held);
        drop(changing);
        self.advance(if appended.duplicate { 0 } else { self.count(records, &appended) });
        Ok(appended)
    }

    /// Counts what was appended; gives its bytes.
    fn count(&self, records: &Bytes, appended: &Appended) -> usize {
        let count = appended.last_offset.next() - appended.first_offset;
        self.traffic.appended(records.len() as u64, u64::try_from(count).unwrap_or(0));
        records.len()
    }

    /// Appends what a coordinator of this broker has decided.
    pub(crate) fn append_decided(
        &self,
        records: &Bytes,
        decided_in: LeaderEpoch,
        now: Timestamp,
    ) -> Result<Appended, Refusal> {
        let epoch = self.leading_epoch(true)?;
        if epoch != decided_in {
            return Err(ErrorCode::NOT_LEADER_OR_FOLLOWER.into());
        }
        self.append_coordinated(records, Origin::Coordinator { epoch, now })
    }

    /// Appends the end of a transaction, whose epoch is to be such; under the epoch that the
    /// partition was led in when that was decided, where it matters.
    pub(crate) fn append_marker(
        &self,
        marker: &Bytes,
        of: MarkerEpoch,
        decided_in: Option<LeaderEpoch>,
        now: Timestamp,
    ) -> Result<Appended, Refusal> {
        let epoch = self.leading_epoch(true)?;
        if decided_in.is_some_and(|decided_in| decided_in != epoch) {
            return Err(ErrorCode::NOT_LEADER_OR_FOLLOWER.into());
        }
        self.append_coordinated(marker, Origin::Marker { epoch, now, of })
    }

    fn append_coordinated(&self, records: &Bytes, origin: Origin) -> Result<Appended, Refusal> {
        let changing = self.changing();
        let first = BatchHeader::first(records).ok().flatten();
        let mut ends = first.filter(BatchHeader::is_control).map(|end| (self.verifications(), end));
        let appended = self.log().append(records, origin)?;
        if let Some((verifications, end)) = &mut ends {
            verifications.end(end.producer_id());
        }
        drop(ends);
        drop(changing);
        self.advance(self.count(records, &appended));
        Ok(appended)
    }

    /// Moves the log's start, and answers what it is.
    ///
    /// # Errors
    /// The offset is not one to delete up to, or the disk's.
    pub(crate) fn delete_records(&self, offset: Offset) -> Result<Offset, AppendError> {
        let _changing = self.changing();
        self.log().delete_records(offset)
    }

    fn leading_epoch(&self, to_all: bool) -> Result<LeaderEpoch, Refusal> {
        let replica = self.replica();
        let epoch = replica.life.check_leader(LeaderEpoch(-1)).map_err(code)?;
        if to_all && !replica.life.has_enough_in_sync() {
            return Err(ErrorCode::NOT_ENOUGH_REPLICAS.into());
        }
        Ok(epoch)
    }

    /// Ends when everything below `end` is on the disk, and counts it as replicated here.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) async fn synced(&self, env: &Env, end: Offset) -> Result<(), StorageError> {
        let log = self.log();
        log.synced(env, end).await?;
        self.advance(0);
        Ok(())
    }

    /// Whether readers wait for a sync that nobody who appends may have asked for.
    pub(crate) fn hides_unsynced(&self) -> bool {
        self.replicated_end() < self.log().end()
    }

    /// Syncs what was appended so far in a task, of which there is one at a time: what comes
    /// meanwhile is in its next round.
    pub(crate) fn sync_soon(self: &Arc<Self>, env: &Env, tasks: &Spawner) {
        if self.syncing.swap(true, Ordering::AcqRel) {
            return;
        }
        let (partition, env) = (Arc::clone(self), env.clone());
        tasks.spawn("sync of a partition", async move {
            loop {
                let end = partition.log().end();
                if let Err(error) = partition.synced(&env, end).await {
                    let (topic, index) = (&partition.topic, partition.index);
                    tracing::error!(%topic, partition = %index, %error, "sync failed");
                    partition.syncing.store(false, Ordering::Release);
                    return;
                }
                partition.syncing.store(false, Ordering::Release);
                let is_done = partition.log().end() == end;
                if is_done || partition.syncing.swap(true, Ordering::AcqRel) {
                    return;
                }
            }
        });
    }

    /// Tells replication how far the log reaches, with `bytes` more in it, and who waits of those
    /// that can be read now.
    fn advance(&self, bytes: usize) {
        let mut replica = self.replica();
        replica.hidden_bytes += bytes;
        let Some(high_watermark) = replica.life.local_end(self.replicated_end()) else { return };
        self.publish(high_watermark);
        let shown = std::mem::take(&mut replica.hidden_bytes);
        drop(replica);
        self.parking.progress(i64::try_from(shown).unwrap_or(i64::MAX));
    }

    /// How far this replica counts: with `flush.messages=1` nothing that a power cut could take
    /// back is ever shown to a reader.
    fn replicated_end(&self) -> Offset {
        let log = self.log();
        if log.config().flush_messages == 1 { log.recovery_point() } else { log.end() }
    }

    /// The high watermark as it moves.
    pub(crate) fn watch_high_watermark(&self) -> watch::Receiver<Offset> {
        let followed = self.followed.get_or_init(|| watch::channel(self.high_watermark()).0);
        let receiver = followed.subscribe();
        // It may have moved between the look and the subscription.
        followed.send_if_modified(|known| {
            let now = self.high_watermark();
            std::mem::replace(known, now) != now
        });
        receiver
    }

    fn publish(&self, high_watermark: Offset) {
        self.log().set_high_watermark(high_watermark);
        if let Some(followed) = self.followed.get() {
            followed.send_replace(high_watermark);
        }
    }

    pub(crate) fn high_watermark(&self) -> Offset {
        self.log().high_watermark()
    }

    /// Where a reader must stop.
    pub(crate) fn readable_end(&self, isolation: Isolation) -> Offset {
        match isolation {
            Isolation::Replica => self.log().end(),
            Isolation::ReadUncommitted => self.log().high_watermark(),
            Isolation::ReadCommitted => self.log().last_stable_offset(),
        }
    }

    /// Lets `wait` hear of everything that becomes readable here.
    pub(crate) fn park(&self, wait: &Arc<Wait>) {
        self.parking.park(wait);
    }

    /// Refuses everyone, and wakes who waits: the topic was deleted.
    pub(crate) fn remove(&self) {
        self.removed.store(true, Ordering::Release);
        self.parking.disturb();
    }

    fn replica(&self) -> MutexGuard<'_, Replicated> {
        self.replica.lock().expect("no code panics while it holds this lock")
    }
}

/// A producer of transactions v2 counts anew in each epoch: what is missing in front is lost.
fn check_first(log: &Log, records: &[u8], entering: &Entering) -> Result<(), ErrorCode> {
    let (id, epoch) = entering.producer;
    if !entering.counts_from_zero || log.standing(id, epoch) != Standing::Unknown {
        return Ok(());
    }
    let batch = BatchHeader::first(records).ok().flatten().and_then(|batch| batch.producer());
    match batch {
        Some(batch) if batch.base_sequence != 0 => Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER),
        _ => Ok(()),
    }
}

fn code(error: NotLeader) -> ErrorCode {
    match error {
        NotLeader::Elsewhere => ErrorCode::NOT_LEADER_OR_FOLLOWER,
        NotLeader::Fenced => ErrorCode::FENCED_LEADER_EPOCH,
        NotLeader::UnknownEpoch => ErrorCode::UNKNOWN_LEADER_EPOCH,
    }
}
