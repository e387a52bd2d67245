//! The consumer: takes part in a group or reads what it is told to, and gives records by `poll`.
//!
//! A thin shell over [`crate::core`]: membership, positions and fetch sessions decide. `poll`
//! starts what is due (a rejoin, fetches, commits) as tasks and waits for what they bring; a task
//! of its own sends heartbeats. Not served: the consumer protocol of KIP-848, patterns of topics,
//! reading from followers. Must hold: records are given only of partitions that are this
//! consumer's at that moment, and commits never run ahead of what poll has given.

mod commit;
mod fetch;
mod group;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use ottla_env::{Instant, Tasks};
use ottla_records::{Record, TimestampType};
use ottla_wire::{BrokerId, Generation, LeaderEpoch, Offset, StrBytes, Timestamp};
use tokio::sync::{Notify, Semaphore};

use crate::admin::{EARLIEST, LATEST};
use crate::client::Client;
use crate::core::cluster::TopicPartition;
use crate::core::fetch_sessions::FetchSession;
use crate::core::fetched::Fetched;
use crate::core::membership::{Identity, Membership};
use crate::core::positions::{Position, Positions};
use crate::error::ClientError;
use crate::nodes::Lane;
use crate::settings::{ConsumerSettings, OffsetReset};

/// A record that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsumerRecord {
    /// Where it is from.
    pub of: TopicPartition,
    /// The record: offset, timestamp, key, value, headers.
    pub record: Record,
    /// Whose clock its timestamp is from.
    pub timestamp_type: TimestampType,
    /// The epoch of the leader that wrote it.
    pub leader_epoch: LeaderEpoch,
    /// How often it was delivered to members of a share group, this time too; no other consumer
    /// knows that.
    pub delivery_count: Option<i16>,
}

/// An offset to commit, or one that was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommittedOffset {
    /// Of which partition.
    pub of: TopicPartition,
    /// The offset of the next record to read.
    pub offset: Offset,
    /// The leader epoch of the record before it, -1 if unknown.
    pub leader_epoch: LeaderEpoch,
    /// Whatever the committer wants to keep with it.
    pub metadata: String,
}

/// What a consumer is in its group, as transactions and people need to know it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsumerGroupMetadata {
    /// The group.
    pub group_id: String,
    /// The generation in which it was given its partitions, -1 while it has none.
    pub generation: Generation,
    /// Its id in the group; empty before it has joined.
    pub member_id: String,
    /// The id that it keeps over restarts, if any.
    pub group_instance_id: Option<String>,
}

/// A consumer. Dropping it ends its tasks without leaving the group; see [`Consumer::close`].
pub struct Consumer {
    shared: Arc<Shared>,
    tasks: Tasks,
}

pub(crate) struct Shared {
    client: Client,
    settings: ConsumerSettings,
    /// The connections for the group, and those for fetches.
    group_lane: Lane,
    fetch_lane: Lane,
    state: Mutex<State>,
    /// Whose turn it is to commit.
    commits: Semaphore,
    /// Something has changed that poll may wait for.
    news: Notify,
}

pub(crate) struct State {
    /// The topics that the group decides about; none when partitions are assigned by hand.
    topics: Option<Vec<StrBytes>>,
    positions: Positions,
    /// Where the caller stood when it last came to poll: it is through with everything before.
    through: Vec<(TopicPartition, Offset, LeaderEpoch)>,
    membership: Option<Membership>,
    /// The counts of partitions that this member, as leader, has assigned by.
    assigned_by: Option<BTreeMap<StrBytes, i32>>,
    sessions: BTreeMap<BrokerId, FetchSession>,
    fetching: BTreeSet<BrokerId>,
    fetched: VecDeque<Buffered>,
    is_rejoining: bool,
    is_resolving: bool,
    is_learning: bool,
    is_committing: bool,
    /// What the next poll has to tell.
    failure: Option<ClientError>,
    polled: Timestamp,
    commit_due: Timestamp,
    /// When topics that were not there are to be looked for again.
    missing_due: Timestamp,
}

/// What a fetch has brought, and the position that it continues.
struct Buffered {
    of: TopicPartition,
    at: Position,
    fetched: Fetched,
}

impl Consumer {
    /// A consumer over a client, which may serve others too.
    pub fn new(client: &Client, settings: ConsumerSettings) -> Consumer {
        let now = client.now();
        let state = State {
            topics: None,
            positions: Positions::default(),
            through: Vec::new(),
            membership: None,
            assigned_by: None,
            sessions: BTreeMap::new(),
            fetching: BTreeSet::new(),
            fetched: VecDeque::new(),
            is_rejoining: false,
            is_resolving: false,
            is_learning: false,
            is_committing: false,
            failure: None,
            polled: now,
            commit_due: now,
            missing_due: now,
        };
        let shared = Arc::new(Shared {
            client: client.clone(),
            settings,
            group_lane: client.nodes().new_lane(),
            fetch_lane: client.nodes().new_lane(),
            state: Mutex::new(state),
            commits: Semaphore::new(1),
            news: Notify::new(),
        });
        let tasks = client.env().tasks();
        if shared.settings.group_id.is_some() {
            tasks.spawn("heartbeats", group::heartbeats(shared.clone()));
        }
        Consumer { shared, tasks }
    }

    /// Reads these topics together with the other members of the group.
    ///
    /// # Errors
    /// Without group.id.
    pub fn subscribe(&self, topics: &[&str]) -> Result<(), ClientError> {
        let shared = &self.shared;
        let group_id = shared.group()?;
        let mut topics: Vec<StrBytes> = topics.iter().map(|name| StrBytes::copied(name)).collect();
        topics.sort();
        topics.dedup();
        let mut state = shared.state();
        state.topics = Some(topics);
        let membership = state.membership.get_or_insert_with(|| {
            let settings = &shared.settings;
            Membership::new(Identity {
                group_id: StrBytes::copied(group_id),
                instance_id: settings.group_instance_id.as_deref().map(StrBytes::copied),
                session_timeout_ms: settings.session_timeout_ms,
                rebalance_timeout_ms: settings.max_poll_interval_ms,
                assignors: settings.assignors.clone(),
            })
        });
        membership.must_join = true;
        drop(state);
        shared.news.notify_waiters();
        Ok(())
    }

    /// Reads these partitions, whatever a group does.
    ///
    /// # Errors
    /// While subscribed to topics.
    pub fn assign(&self, partitions: &[TopicPartition]) -> Result<(), ClientError> {
        let mut state = self.shared.state();
        if state.topics.is_some() {
            let what = "a consumer that subscribes cannot be assigned to; unsubscribe first";
            return Err(ClientError::Misuse(what.to_owned()));
        }
        state.assign(&partitions.iter().cloned().collect());
        drop(state);
        self.shared.news.notify_waiters();
        Ok(())
    }

    /// Leaves the group and reads nothing.
    pub async fn unsubscribe(&self) {
        group::leave(&self.shared, "the consumer unsubscribed from all topics").await;
        let mut state = self.shared.state();
        state.topics = None;
        state.membership = None;
        state.assign(&BTreeSet::new());
    }

    /// The next records, as soon as there are some; none when the time is over first.
    ///
    /// # Errors
    /// What cannot mend by itself, once; the consumer can be polled on.
    pub async fn poll(&self, timeout: Duration) -> Result<Vec<ConsumerRecord>, ClientError> {
        let shared = &self.shared;
        let env = shared.client.env();
        let deadline = env.monotonic() + timeout;
        self.start_commit();
        loop {
            let mut news = pin!(shared.news.notified());
            news.as_mut().enable();
            self.start_what_is_due();
            let (records, wake) = {
                let mut state = shared.state();
                if let Some(failure) = state.failure.take() {
                    return Err(failure);
                }
                let records = state.take(shared.settings.poll_records_max);
                (records, state.wake(shared.client.now()))
            };
            match records {
                Ok(records) if records.is_empty() => {}
                Ok(records) => {
                    // The next fetches run while the caller is at work.
                    self.start_what_is_due();
                    return Ok(records);
                }
                Err(failure) => return Err(failure),
            }
            if env.monotonic() >= deadline {
                return Ok(Vec::new());
            }
            let wake = wake.map_or(deadline, |wake| instant(wake).min(deadline));
            // What is due already waits for news; it must not spin.
            let wake = wake.max(env.monotonic() + POLL_STEP_MIN);
            tokio::select! {
                biased;
                () = news => {}
                () = env.sleep_until(wake) => {}
            }
        }
    }

    /// Goes on at this offset.
    ///
    /// # Errors
    /// When the partition is not this consumer's.
    pub fn seek(&self, of: &TopicPartition, offset: Offset) -> Result<(), ClientError> {
        self.seek_to(of, Position::At(offset, LeaderEpoch(-1)))
    }

    /// Goes on at the first record of this time or later; [`crate::admin::EARLIEST`] and
    /// [`crate::admin::LATEST`] are the ends of the log.
    ///
    /// # Errors
    /// When the partition is not this consumer's.
    pub fn seek_to_time(&self, of: &TopicPartition, time: Timestamp) -> Result<(), ClientError> {
        self.seek_to(of, Position::Sought(time))
    }

    fn seek_to(&self, of: &TopicPartition, position: Position) -> Result<(), ClientError> {
        self.place(of, |place| {
            place.position = position;
            place.not_before = None;
        })
    }

    /// Gives no records of a partition until [`Consumer::resume`].
    ///
    /// # Errors
    /// When the partition is not this consumer's.
    pub fn pause(&self, of: &TopicPartition) -> Result<(), ClientError> {
        self.place(of, |place| place.is_paused = true)
    }

    /// Ends a pause.
    ///
    /// # Errors
    /// When the partition is not this consumer's.
    pub fn resume(&self, of: &TopicPartition) -> Result<(), ClientError> {
        self.place(of, |place| place.is_paused = false)
    }

    /// The partitions that are this consumer's at the moment.
    pub fn assignment(&self) -> BTreeSet<TopicPartition> {
        self.shared.state().positions.partitions()
    }

    /// What this consumer is in its group; none while it does not subscribe.
    pub fn group_metadata(&self) -> Option<ConsumerGroupMetadata> {
        let state = self.shared.state();
        let member = state.membership.as_ref()?;
        Some(ConsumerGroupMetadata {
            group_id: self.shared.settings.group_id.clone()?,
            generation: member.assigned_in(),
            member_id: member.member_id().to_string(),
            group_instance_id: member.instance_id().map(ToString::to_string),
        })
    }

    /// The offset of the next record that poll will give of a partition, once that is known.
    pub fn position(&self, of: &TopicPartition) -> Option<Offset> {
        match self.shared.state().positions.place(of)?.position {
            Position::At(offset, _) => Some(offset),
            _ => None,
        }
    }

    /// Commits the positions: all that poll has given counts as done.
    ///
    /// # Errors
    /// Without group.id, or what the coordinator says.
    pub async fn commit(&self) -> Result<(), ClientError> {
        commit::commit_positions(&self.shared).await
    }

    /// Commits these offsets.
    ///
    /// # Errors
    /// Without group.id, or what the coordinator says.
    pub async fn commit_offsets(&self, offsets: &[CommittedOffset]) -> Result<(), ClientError> {
        commit::commit_offsets(&self.shared, offsets).await
    }

    /// The offsets that the group has committed of these partitions, where it has.
    ///
    /// # Errors
    /// Without group.id, or what the coordinator says.
    pub async fn committed(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<CommittedOffset>, ClientError> {
        commit::committed(&self.shared, partitions).await
    }

    /// Commits if that is done by itself, leaves the group and ends the consumer's tasks. The
    /// client stays open.
    ///
    /// # Errors
    /// That of the last commit; the consumer is closed nevertheless.
    pub async fn close(self) -> Result<(), ClientError> {
        let shared = &self.shared;
        let committed = match shared.settings.enable_auto_commit && shared.is_in_charge() {
            true => commit::commit_positions(shared).await,
            false => Ok(()),
        };
        group::leave(shared, "the consumer is being closed").await;
        self.tasks.shutdown().await;
        committed
    }

    fn place(
        &self,
        of: &TopicPartition,
        change: impl FnOnce(&mut crate::core::positions::Place),
    ) -> Result<(), ClientError> {
        let mut state = self.shared.state();
        let place = state
            .positions
            .place_mut(of)
            .ok_or_else(|| ClientError::Misuse(format!("{of} is not assigned to this consumer")))?;
        change(place);
        state.fetched.retain(|buffered| buffered.of != *of);
        drop(state);
        self.shared.news.notify_waiters();
        Ok(())
    }

    fn start_commit(&self) {
        let shared = &self.shared;
        let now = shared.client.now();
        let mut state = shared.state();
        state.through = state.positions.offsets();
        let is_due = now >= state.commit_due && !state.is_committing && !state.is_rejoining;
        let is_automatic = shared.settings.enable_auto_commit && shared.settings.group_id.is_some();
        if is_automatic && is_due && !state.through.is_empty() {
            let interval = shared.settings.auto_commit_interval_ms;
            state.commit_due = now + i64::try_from(interval).unwrap_or(i64::MAX);
            state.is_committing = true;
            self.tasks.spawn("commit", commit::automatic(shared.clone()));
        }
    }

    fn start_what_is_due(&self) {
        let shared = &self.shared;
        let now = shared.client.now();
        let mut state = shared.state();
        state.polled = now;
        let must_join = state.membership.as_ref().is_some_and(|member| member.must_join);
        if must_join && !state.is_rejoining {
            state.is_rejoining = true;
            self.tasks.spawn("rejoin", group::rejoin(shared.clone()));
        }
        if !state.is_resolving && !state.positions.unresolved(now).is_empty() {
            state.is_resolving = true;
            self.tasks.spawn("positions", fetch::resolve(shared.clone()));
        }
        let cluster = shared.client.cluster();
        let (departures, leaderless) = fetch::departures(&mut state, &cluster, shared, now);
        for departure in departures {
            self.tasks.spawn("fetch", fetch::fetch(shared.clone(), departure));
        }
        let settings = shared.client.settings();
        let max_age = i64::try_from(settings.metadata_max_age_ms).unwrap_or(i64::MAX);
        let reads = state.topics.is_some() || !state.positions.partitions().is_empty();
        let is_stale = reads && cluster.is_stale(now, max_age);
        let looks = state.misses_topics() && now >= state.missing_due;
        if (leaderless || is_stale || looks) && !state.is_learning {
            state.is_learning = true;
            let pause = i64::try_from(settings.retry_backoff_max_ms).unwrap_or(i64::MAX);
            state.missing_due = now + pause;
            self.tasks.spawn("leaders", fetch::learn(shared.clone()));
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let nodes = self.shared.client.nodes();
        nodes.drop_lane(self.shared.group_lane);
        nodes.drop_lane(self.shared.fetch_lane);
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Consumer({:?}, {:?})", self.shared.client, self.shared.settings.group_id)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }

    fn group(&self) -> Result<&str, ClientError> {
        self.settings.group_id.as_deref().ok_or_else(|| {
            ClientError::Misuse("groups and commits need group.id, which is not set".to_owned())
        })
    }

    /// Whether its commits would be taken: it has a place in the group, or needs none.
    fn is_in_charge(&self) -> bool {
        let state = self.state();
        let is_in = state.membership.as_ref().is_none_or(Membership::is_assigned);
        self.settings.group_id.is_some() && is_in && !state.positions.offsets().is_empty()
    }

    /// Where to begin without a committed offset.
    fn reset(&self, of: &TopicPartition, why: &str) -> Result<Position, ClientError> {
        match self.settings.offset_reset {
            OffsetReset::Earliest => Ok(Position::Sought(EARLIEST)),
            OffsetReset::Latest => Ok(Position::Sought(LATEST)),
            OffsetReset::None => Err(ClientError::Misuse(format!(
                "{of}: {why}, and auto.offset.reset is none; seek, or set it"
            ))),
        }
    }
}

impl State {
    /// Takes these partitions and no others.
    fn assign(&mut self, partitions: &BTreeSet<TopicPartition>) {
        self.positions.assign(partitions);
        self.fetched.retain(|buffered| partitions.contains(&buffered.of));
        self.through.retain(|(of, ..)| partitions.contains(of));
    }

    /// Gives up what a new place in the group may not bring back: with an eager assignor
    /// everything, otherwise only when the old place is lost and others may have it all by now.
    fn give_up(&mut self) {
        let keeps = |member: &Membership| member.is_in() && member.is_cooperative();
        if !self.membership.as_ref().is_some_and(keeps) {
            self.assign(&BTreeSet::new());
        }
    }

    /// Whether this member, as leader, has assigned while topics were not there.
    fn misses_topics(&self) -> bool {
        self.assigned_by.iter().flatten().any(|(_, count)| *count == 0)
    }

    /// When something falls due by itself.
    fn wake(&self, now: Timestamp) -> Option<Timestamp> {
        let missing = self.misses_topics().then_some(self.missing_due).filter(|at| *at > now);
        self.positions.wake(now).into_iter().chain(missing).min()
    }

    /// Takes records of the partitions that are read, and moves their positions behind them.
    fn take(&mut self, max: usize) -> Result<Vec<ConsumerRecord>, ClientError> {
        let mut taken = Vec::new();
        let may_read =
            |member: &Membership| member.is_in() && (member.is_cooperative() || !self.is_rejoining);
        if !self.membership.as_ref().is_none_or(may_read) {
            return Ok(taken);
        }
        while taken.len() < max {
            let Some(mut buffered) = self.fetched.pop_front() else { break };
            let place = self.positions.place(&buffered.of);
            if place.is_none_or(|place| place.is_paused || place.position != buffered.at) {
                continue;
            }
            let read = match buffered.fetched.take(max - taken.len()) {
                Ok(read) => read,
                Err(cause) if taken.is_empty() => {
                    let of = &buffered.of;
                    return Err(ClientError::Misuse(format!(
                        "{of} holds a batch that cannot be read, {cause}; seek past it"
                    )));
                }
                Err(_) => break,
            };
            let epoch = read.last().map_or(LeaderEpoch(-1), |read| read.leader_epoch);
            let next = Position::At(buffered.fetched.next(), epoch);
            self.positions.advance(&buffered.of, buffered.at, next);
            taken.extend(read.into_iter().map(|read| ConsumerRecord {
                of: buffered.of.clone(),
                record: read.record,
                timestamp_type: read.timestamp_type,
                leader_epoch: read.leader_epoch,
                delivery_count: None,
            }));
            if !buffered.fetched.is_done() {
                buffered.at = next;
                self.fetched.push_front(buffered);
            }
        }
        Ok(taken)
    }
}

/// The instant of a core's time.
fn instant(at: Timestamp) -> Instant {
    let millis = u64::try_from(at.0.saturating_add(1)).unwrap_or(0);
    Instant(0) + Duration::from_millis(millis)
}

/// The shortest wait of poll between two looks at what is due.
const POLL_STEP_MIN: Duration = Duration::from_millis(1);
