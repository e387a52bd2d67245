//! Replicas on their way from one log directory to another, while they serve (KIP-113, KIP-858).
//!
//! A task per move copies batch by batch, at the pace of
//! `replica.alter.log.dirs.io.max.bytes.per.second` for all together, with as many at a time as
//! `num.replica.alter.log.dirs.threads` says. When nothing is missing the controller is told where
//! the replica will be; when it has taken that over the copy takes the original's place. Must hold:
//! in this order, so that a start after a crash finds the replica where the metadata says; appends
//! are kept out only for the last step.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ottla_env::{Env, Instant, Spawner};
use ottla_metadata::Image;
use ottla_settings::Settings;
use ottla_storage::{Copied, Log, StorageError};
use ottla_wire::{DirectoryId, PartitionIndex, Timestamp, TopicId};
use tokio::sync::Semaphore;

use crate::context::Rooms;
use crate::partition::Partition;

/// How much is copied in one go; what others read and write comes in between.
const ROUND_BYTES: usize = 1 << 20;
/// How soon a move is tried again whose disk was full, and the rate is looked at again.
const AGAIN: Duration = Duration::from_secs(1);
/// How soon is looked for new records while the controller makes up its mind.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What all moves share.
pub(crate) struct Moves {
    tasks: Spawner,
    turns: Semaphore,
    /// What was copied faster than allowed, in bytes, and when that was so.
    owed: Mutex<Option<(Instant, u64)>>,
}

impl Moves {
    pub(crate) fn new(settings: &Settings, tasks: Spawner) -> Moves {
        let dirs = settings.log_dirs().len();
        let threads = settings.replication.num_replica_alter_log_dirs_threads;
        let at_a_time = threads.and_then(|threads| usize::try_from(threads).ok()).unwrap_or(dirs);
        Moves { tasks, turns: Semaphore::new(at_a_time.max(1)), owed: Mutex::default() }
    }

    /// Notes what was copied, and answers for how long nothing more should be: `None` at once.
    fn owes(&self, env: &Env, bytes: usize, rate: i64) -> Option<Duration> {
        let rate = u64::try_from(rate).unwrap_or(0).max(1);
        let mut owed = self.owed.lock().unwrap_or_else(PoisonError::into_inner);
        let now = env.monotonic();
        let (since, before) = owed.unwrap_or((now, 0));
        let millis = u64::try_from((now - since).as_millis()).unwrap_or(u64::MAX);
        let paid = rate.saturating_mul(millis) / 1_000;
        let left = before.saturating_sub(paid) + bytes as u64;
        *owed = Some((now, left));
        let wait = Duration::from_millis(left.saturating_mul(1_000) / rate);
        (left > 0 && !wait.is_zero()).then_some(wait)
    }
}

/// Goes on with all moves that a restart has interrupted.
pub(crate) fn go_on_with_all(rooms: &Arc<Rooms>) {
    for ((topic, index), _) in rooms.dirs.futures() {
        go_on(rooms, topic, index);
    }
}

/// Goes on with the move of a partition, of which the copy was made.
pub(crate) fn go_on(rooms: &Arc<Rooms>, topic: TopicId, index: PartitionIndex) {
    let Some(partition) = rooms.partitions.held(topic, index) else { return };
    let Some(future) = rooms.dirs.future(topic, index) else { return };
    let one = Move { rooms: Arc::clone(rooms), partition, future };
    rooms.moves.tasks.spawn("move of a replica", one.run());
}

/// One replica on its way.
struct Move {
    rooms: Arc<Rooms>,
    partition: Arc<Partition>,
    /// The copy; when it is another one by now, this move was ended.
    future: Arc<Log>,
}

/// Why a move goes no farther.
enum Ended {
    /// The copy was removed, or its directory has failed.
    Cancelled,
    /// The disk of the original has failed.
    Offline,
}

impl Move {
    async fn run(self) {
        let topic = Arc::clone(&self.partition.topic);
        let (index, to) = (self.partition.index, self.future.directory().path().to_owned());
        let _turn = self.rooms.moves.turns.acquire().await;
        tracing::info!(%topic, partition = index.0, to = %to.display(), "moving a replica");
        let mut is_told = self.is_assigned(self.future.directory().id());
        let ended = self.carry(&mut is_told).await;
        let how = match ended {
            Ok(()) => "the replica was moved",
            Err(Ended::Cancelled) => "the move was ended",
            Err(Ended::Offline) => "the move was given up: the replica's directory is offline",
        };
        tracing::info!(%topic, partition = index.0, to = %to.display(), "{how}");
        let current = self.partition.log();
        if is_told && matches!(ended, Err(Ended::Cancelled)) && !self.is_deleted() {
            self.rooms.assignments.tell(self.key(), current.directory().id());
        }
    }

    async fn carry(&self, is_told: &mut bool) -> Result<(), Ended> {
        loop {
            if self.copy().await?.missing > 0 {
                continue;
            }
            if !*is_told {
                // A disk that takes no sync is found out before anybody counts on it.
                if !self.prepare().await? {
                    continue;
                }
                *is_told = true;
                self.tell().await?;
                continue;
            }
            if self.take_over().await? {
                return Ok(());
            }
        }
    }

    /// Makes what was copied so far last; false when it has to be tried again.
    async fn prepare(&self) -> Result<bool, Ended> {
        let ((topic, index), dirs) = (self.key(), Arc::clone(&self.rooms.dirs));
        match self.rooms.env.blocking(move || dirs.prepare_move(topic, index)).await {
            Ok(()) => Ok(true),
            Err(error) => self.failed(&error).await.map(|()| false),
        }
    }

    /// Copies some more, at the pace that is allowed.
    async fn copy(&self) -> Result<Copied, Ended> {
        let rooms = &self.rooms;
        if !self.is_current() {
            return Err(Ended::Cancelled);
        }
        let ((topic, index), dirs) = (self.key(), Arc::clone(&rooms.dirs));
        let now = Timestamp(rooms.env.now_ms());
        let copied = rooms.env.blocking(move || dirs.copy(topic, index, ROUND_BYTES, now)).await;
        match copied {
            Ok(Some(copied)) => {
                self.pay(copied.bytes).await;
                Ok(copied)
            }
            Ok(None) => Err(Ended::Cancelled),
            Err(error) => {
                self.failed(&error).await?;
                Ok(Copied { bytes: 0, missing: 1 })
            }
        }
    }

    /// Waits so long that all moves together keep to the rate. The rate may change meanwhile, and
    /// the move may end.
    async fn pay(&self, bytes: usize) {
        let (rooms, mut bytes) = (&self.rooms, bytes);
        loop {
            let rate = rooms.configs.now().throttles.alter_log_dirs_rate;
            let Some(wait) = rooms.moves.owes(&rooms.env, bytes, rate) else { return };
            rooms.env.sleep(wait.min(AGAIN)).await;
            bytes = 0;
            if !self.is_current() {
                return;
            }
        }
    }

    /// Tells the controller where the replica will be, and keeps up with appends until it has
    /// taken that over.
    async fn tell(&self) -> Result<(), Ended> {
        let told = self.rooms.assignments.told(self.key(), self.future.directory().id());
        tokio::pin!(told);
        loop {
            tokio::select! {
                biased;
                was_taken = &mut told => match was_taken {
                    true => return Ok(()),
                    false => return Err(Ended::Cancelled),
                },
                () = self.rooms.env.sleep(LOOK_AGAIN) => {}
            }
            self.copy().await?;
        }
    }

    /// Lets the copy take the original's place; false when it is shorter again.
    async fn take_over(&self) -> Result<bool, Ended> {
        if !self.is_current() {
            return Err(Ended::Cancelled);
        }
        let ((topic, index), dirs) = (self.key(), Arc::clone(&self.rooms.dirs));
        let (partition, now) = (Arc::clone(&self.partition), Timestamp(self.rooms.env.now_ms()));
        let taken = self.rooms.env.blocking(move || {
            // Most of what must last is made to while appends go on.
            dirs.prepare_move(topic, index)?;
            partition.replace_log(|| {
                dirs.copy(topic, index, ROUND_BYTES, now)?;
                dirs.finish_move(topic, index, now)
            })
        });
        match taken.await {
            Ok(taken) => Ok(taken),
            Err(error) => {
                self.failed(&error).await?;
                Ok(false)
            }
        }
    }

    /// Gives up when one of the two disks has failed for good; otherwise waits a little.
    async fn failed(&self, error: &StorageError) -> Result<(), Ended> {
        let (topic, index) = (&self.partition.topic, self.partition.index.0);
        tracing::warn!(%topic, partition = index, %error, "moving a replica failed");
        self.rooms.dirs.forget_lost_moves();
        match self.partition.is_offline() {
            true => Err(Ended::Offline),
            false if self.is_current() => {
                self.rooms.env.sleep(AGAIN).await;
                Ok(())
            }
            false => Err(Ended::Cancelled),
        }
    }

    fn key(&self) -> (TopicId, PartitionIndex) {
        (self.partition.topic_id, self.partition.index)
    }

    fn is_current(&self) -> bool {
        let (topic, index) = self.key();
        let future = self.rooms.dirs.future(topic, index);
        future.is_some_and(|future| Arc::ptr_eq(&future, &self.future))
    }

    fn is_deleted(&self) -> bool {
        let (topic, index) = self.key();
        self.rooms.partitions.held(topic, index).is_none()
    }

    fn is_assigned(&self, directory: DirectoryId) -> bool {
        assigned(&self.rooms, &self.rooms.image.borrow(), self.key()) == Some(directory)
    }
}

/// Where the metadata has a replica of this broker.
pub(crate) fn assigned(
    rooms: &Rooms,
    image: &Image,
    (topic, index): (TopicId, PartitionIndex),
) -> Option<DirectoryId> {
    let topic = image.topic(topic)?;
    topic.partitions.get(&index)?.directory(rooms.broker_id)
}
