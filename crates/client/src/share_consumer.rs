//! The share consumer (KIP-932): a member of a share group, whose records are locked for it until
//! it says what became of each.
//!
//! `poll` does all the work, one thing after the other: heartbeats that are due, a fetch from each
//! broker in turn with what was said of records so far. Whoever polls more seldom than the group's
//! session lasts is out of the group until the next poll. What is said to which broker is decided
//! in session.rs. Not served: renewed locks, callbacks, acknowledging without a word.
//!
//! Must hold: what was not said to be accepted or rejected is given back when the consumer is
//! closed; records that the log does not hold are said to be gaps.

mod session;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ottla_env::Instant;
use ottla_wire::messages::share_fetch_response::PartitionData;
use ottla_wire::messages::share_group_heartbeat_response::Assignment;
use ottla_wire::messages::{
    ShareAcknowledgeRequest, ShareFetchRequest, ShareFetchResponse, ShareGroupHeartbeatRequest,
    ShareGroupHeartbeatResponse,
};
use ottla_wire::{
    ApiKey, BrokerId, ErrorCode, MemberEpoch, Offset, PartitionIndex, StrBytes, Timestamp, TopicId,
    Uuid,
};

use crate::client::Client;
use crate::consumer::ConsumerRecord;
use crate::core::cluster::TopicPartition;
use crate::core::fetched::Fetched;
use crate::error::ClientError;
use crate::nodes::Lane;
use crate::settings::{AcquireMode, ShareConsumerSettings};

use session::{Said, Session};

/// A partition by its topic's id.
type Place = (TopicId, PartitionIndex);

/// What became of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is done with.
    Accept,
    /// Another member may try.
    Release,
    /// Nobody is to try again.
    Reject,
}

impl Verdict {
    /// Kafka's number of it (AcknowledgeType).
    fn to_number(self) -> i8 {
        match self {
            Verdict::Accept => 1,
            Verdict::Release => 2,
            Verdict::Reject => 3,
        }
    }
}

/// A share consumer. Dropping it leaves the group to find out by itself; see
/// [`ShareConsumer::close`].
pub struct ShareConsumer {
    client: Client,
    settings: ShareConsumerSettings,
    group_lane: Lane,
    fetch_lane: Lane,
    topics: Vec<StrBytes>,
    member_id: StrBytes,
    epoch: MemberEpoch,
    heartbeat_due: Timestamp,
    assigned: BTreeSet<Place>,
    sessions: BTreeMap<BrokerId, Session>,
    said: Said,
}

impl ShareConsumer {
    /// A member of the group that the settings name, which reads these topics.
    ///
    /// # Errors
    /// Without `group.id`.
    pub fn new(
        client: &Client,
        settings: ShareConsumerSettings,
        topics: &[&str],
    ) -> Result<ShareConsumer, ClientError> {
        if settings.group_id.is_none() {
            return Err(ClientError::Misuse("a share consumer needs group.id".to_owned()));
        }
        Ok(ShareConsumer {
            client: client.clone(),
            settings,
            group_lane: client.nodes().new_lane(),
            fetch_lane: client.nodes().new_lane(),
            topics: topics.iter().map(|topic| StrBytes::copied(topic)).collect(),
            member_id: new_id(client),
            epoch: JOINING,
            heartbeat_due: client.now(),
            assigned: BTreeSet::new(),
            sessions: BTreeMap::new(),
            said: Said::default(),
        })
    }

    /// Tells what was said of records so far, and gives the next ones; none when the time is up.
    ///
    /// # Errors
    /// What the group's coordinator or a broker says that will not be otherwise the next time.
    pub async fn poll(&mut self, timeout: Duration) -> Result<Vec<ConsumerRecord>, ClientError> {
        let until = self.client.env().monotonic() + timeout;
        loop {
            if self.client.now() >= self.heartbeat_due {
                self.heartbeat().await?;
            }
            let records = self.fetch_all(until).await?;
            let left = until - self.client.env().monotonic();
            if !records.is_empty() || left.is_zero() {
                return Ok(records);
            }
            if self.sessions.is_empty() {
                self.client.env().sleep(left.min(PAUSE)).await;
            }
        }
    }

    /// Says what became of a record; the next poll tells the broker.
    pub fn acknowledge(&mut self, record: &ConsumerRecord, verdict: Verdict) {
        let cluster = self.client.cluster();
        if let Some(topic) = cluster.topic(&record.of.topic) {
            let place = (topic.id, record.of.partition);
            self.said.say(place, record.record.offset, verdict.to_number());
        }
    }

    /// Tells what was said, gives back what nothing was said of, and leaves the group. The client
    /// stays open.
    ///
    /// # Errors
    /// Those of the last acknowledgements; the consumer is closed nevertheless.
    pub async fn close(mut self) -> Result<(), ClientError> {
        let mut result = Ok(());
        for (broker, session) in std::mem::take(&mut self.sessions) {
            if session.epoch() == 0 {
                continue;
            }
            let request = ShareAcknowledgeRequest {
                group_id: self.settings.group_id.as_deref().map(StrBytes::copied),
                member_id: Some(self.member_id.clone()),
                share_session_epoch: session::FINAL,
                topics: session.last_words(&mut self.said),
                ..Default::default()
            };
            let told = match self.client.broker(broker, self.fetch_lane).await {
                Ok(connection) => {
                    connection.call(&request, i16::MAX, self.client.request_timeout()).await
                }
                Err(error) => Err(error),
            };
            let api = ApiKey::ShareAcknowledge;
            let told = told.and_then(|response| refusal(api, "a session", response.error_code));
            result = result.and(told);
        }
        if self.epoch != JOINING {
            self.epoch = LEAVING;
            // A group that cannot be told finds out when the session is over.
            let _ = self.ask_coordinator().await;
        }
        self.client.nodes().drop_lane(self.group_lane);
        self.client.nodes().drop_lane(self.fetch_lane);
        result
    }

    fn group(&self) -> &str {
        self.settings.group_id.as_deref().unwrap_or_default()
    }

    async fn ask_coordinator(&self) -> Result<ShareGroupHeartbeatResponse, ClientError> {
        let request = ShareGroupHeartbeatRequest {
            group_id: StrBytes::copied(self.group()),
            member_id: self.member_id.clone(),
            member_epoch: self.epoch,
            subscribed_topic_names: (self.epoch == JOINING).then(|| self.topics.clone()),
            ..Default::default()
        };
        let (lane, timeout) = (self.group_lane, self.client.request_timeout());
        let code = |told: &ShareGroupHeartbeatResponse| told.error_code;
        self.client.once_on_coordinator(lane, timeout, self.group(), &request, code).await
    }

    async fn heartbeat(&mut self) -> Result<(), ClientError> {
        let told = match self.ask_coordinator().await {
            Ok(told) => told,
            // Whoever waited in vain for a coordinator waits on: it may be back the next time.
            Err(error) if error.is_retriable() || matches!(error, ClientError::Waited { .. }) => {
                tracing::debug!(%error, "the group was not reached");
                self.heartbeat_due = self.client.now() + PAUSE_MS;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        match told.error_code {
            ErrorCode::NONE => {
                self.epoch = told.member_epoch;
                self.heartbeat_due = self.client.now() + i64::from(told.heartbeat_interval_ms);
                if let Some(assignment) = &told.assignment {
                    self.assigned = places(assignment);
                }
                Ok(())
            }
            ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::FENCED_MEMBER_EPOCH => {
                self.epoch = JOINING;
                self.assigned.clear();
                Ok(())
            }
            code => {
                let message = told.error_message.as_deref();
                let api = ApiKey::ShareGroupHeartbeat;
                Err(ClientError::refused(api, self.group(), code, message))
            }
        }
    }

    /// Fetches from each broker that leads something of what is assigned, until one has records.
    async fn fetch_all(&mut self, until: Instant) -> Result<Vec<ConsumerRecord>, ClientError> {
        let cluster = self.client.cluster();
        let (mut wanted, mut is_missing) = (BTreeMap::<BrokerId, BTreeSet<Place>>::new(), false);
        for (id, index) in &self.assigned {
            let topic = cluster.topic_by_id(*id);
            match topic.and_then(|topic| cluster.leader(&topic.name, *index)) {
                Some((leader, _)) => {
                    wanted.entry(leader).or_default().insert((*id, *index));
                }
                None => is_missing = true,
            }
        }
        if is_missing {
            self.learn().await;
        }
        // One that leads nothing any more is told so once.
        for broker in self.sessions.keys() {
            wanted.entry(*broker).or_default();
        }
        self.sessions.retain(|broker, session| !session.is_idle() || !wanted[broker].is_empty());
        let brokers = u32::try_from(wanted.len()).unwrap_or(u32::MAX).max(1);
        for (broker, places) in wanted {
            let left = until - self.client.env().monotonic();
            let longest = Duration::from_millis(self.settings.fetch_wait_ms_max);
            let records = self.fetch(broker, places, left.min(longest) / brokers).await?;
            if !records.is_empty() {
                return Ok(records);
            }
        }
        Ok(Vec::new())
    }

    /// Learns who leads what is read. While no broker answers nothing is learned: who asks comes
    /// again, and what is final the next heartbeat tells.
    async fn learn(&self) {
        if let Err(error) = self.client.refresh_topics(&self.topics, false).await {
            tracing::debug!(%error, "leaders are not known yet");
            self.client.env().sleep(PAUSE).await;
        }
    }

    async fn fetch(
        &mut self,
        broker: BrokerId,
        places: BTreeSet<Place>,
        wait: Duration,
    ) -> Result<Vec<ConsumerRecord>, ClientError> {
        let session = self.sessions.entry(broker).or_default();
        let (epoch, forgotten) = (session.epoch(), session.forgotten(&places));
        let records_max = i32::try_from(self.settings.poll_records_max).unwrap_or(i32::MAX);
        let request = ShareFetchRequest {
            group_id: self.settings.group_id.as_deref().map(StrBytes::copied),
            member_id: Some(self.member_id.clone()),
            share_session_epoch: epoch,
            max_wait_ms: i32::try_from(wait.as_millis()).unwrap_or(i32::MAX),
            min_bytes: self.settings.fetch_bytes_min,
            max_bytes: self.settings.fetch_bytes_max,
            max_records: records_max,
            batch_size: records_max,
            share_acquire_mode: i8::from(self.settings.acquire_mode == AcquireMode::RecordLimit),
            topics: session.asks(&places, &mut self.said),
            forgotten_topics_data: forgotten,
            ..Default::default()
        };
        let patience = self.client.request_timeout() + wait;
        let told = match self.client.broker(broker, self.fetch_lane).await {
            Ok(connection) => connection.call(&request, i16::MAX, patience).await,
            Err(error) => Err(error),
        };
        match told {
            Ok(told) => self.take(broker, places, &told).await,
            Err(error) if error.is_retriable() => {
                tracing::debug!(%error, "share fetch failed");
                // What was locked in it is free again.
                self.sessions.remove(&broker);
                self.learn().await;
                self.client.env().sleep(PAUSE.min(wait)).await;
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    async fn take(
        &mut self,
        broker: BrokerId,
        places: BTreeSet<Place>,
        told: &ShareFetchResponse,
    ) -> Result<Vec<ConsumerRecord>, ClientError> {
        match told.error_code {
            ErrorCode::NONE => {}
            ErrorCode::SHARE_SESSION_NOT_FOUND
            | ErrorCode::INVALID_SHARE_SESSION_EPOCH
            | ErrorCode::SHARE_SESSION_LIMIT_REACHED => {
                self.sessions.remove(&broker);
                self.client.env().sleep(PAUSE).await;
                return Ok(Vec::new());
            }
            code => refusal(ApiKey::ShareFetch, self.group(), code)?,
        }
        self.sessions.entry(broker).or_default().answered(places);
        let (mut records, mut has_moved) = (Vec::new(), false);
        for topic in &told.responses {
            for data in &topic.partitions {
                let place = (topic.topic_id, data.partition_index);
                let acknowledged = data.acknowledge_error_code;
                if acknowledged.is_error() {
                    // Whose lock ran out: somebody else has it.
                    tracing::debug!(error = acknowledged.name(), "acknowledgements do not count");
                }
                if data.error_code.is_error() {
                    has_moved = true;
                    continue;
                }
                records.extend(self.read(place, data)?);
            }
        }
        if has_moved {
            self.learn().await;
        }
        Ok(records)
    }

    /// The records of a partition that were acquired.
    fn read(
        &mut self,
        place: Place,
        data: &PartitionData,
    ) -> Result<Vec<ConsumerRecord>, ClientError> {
        let cluster = self.client.cluster();
        let name = cluster.topic_by_id(place.0).map(|topic| topic.name.clone());
        let (Some(topic), Some(first)) = (name, data.acquired_records.first()) else {
            return Ok(Vec::new());
        };
        let bytes = data.records.as_bytes().cloned().unwrap_or_default();
        let mut fetched = Fetched::new(bytes, first.first_offset, self.settings.check_crcs, None);
        let of = TopicPartition { topic, partition: place.1 };
        let read = fetched.take(usize::MAX);
        let read = read.map_err(|cause| ClientError::Unreadable {
            broker: of.to_string(),
            api: ApiKey::ShareFetch,
            cause,
        })?;
        let mut by_offset: BTreeMap<Offset, _> =
            read.into_iter().map(|read| (read.record.offset, read)).collect();
        let mut records = Vec::new();
        for range in &data.acquired_records {
            for offset in (range.first_offset.0..=range.last_offset.0).map(Offset) {
                match by_offset.remove(&offset) {
                    Some(read) => records.push(ConsumerRecord {
                        of: of.clone(),
                        record: read.record,
                        timestamp_type: read.timestamp_type,
                        leader_epoch: read.leader_epoch,
                        delivery_count: Some(range.delivery_count),
                    }),
                    None => self.said.say(place, offset, GAP),
                }
            }
        }
        Ok(records)
    }
}

fn refusal(api: ApiKey, what: &str, code: ErrorCode) -> Result<(), ClientError> {
    match code {
        ErrorCode::NONE => Ok(()),
        code => Err(ClientError::refused(api, what, code, None)),
    }
}

fn places(assignment: &Assignment) -> BTreeSet<Place> {
    let topics = assignment.topic_partitions.iter();
    topics.flat_map(|topic| topic.partitions.iter().map(|index| (topic.topic_id, *index))).collect()
}

/// An id that no other member has; as Kafka's, none that a command line takes for an option.
fn new_id(client: &Client) -> StrBytes {
    loop {
        let (high, low) = (client.env().random_u64(), client.env().random_u64());
        let id = Uuid::from_u128(u128::from(high) << 64 | u128::from(low)).to_string();
        if !id.starts_with('-') {
            return StrBytes::from(id);
        }
    }
}

const JOINING: MemberEpoch = MemberEpoch(0);
const LEAVING: MemberEpoch = MemberEpoch(-1);
/// What is said of an offset that has no record.
const GAP: i8 = 0;
/// How long to wait before something is tried again.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MS: i64 = 100;
