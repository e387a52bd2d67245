//! Positions and fetches: finding where to begin, asking leaders, taking in what they send.
//!
//! Must hold: one fetch at a time per broker, so that its session stays in step; what comes is
//! kept only if the position that it was asked for is still the position.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ottla_wire::messages::fetch_response::PartitionData;
use ottla_wire::messages::{FetchRequest, FetchResponse};
use ottla_wire::{
    ApiKey, BrokerId, Bytes, ErrorCode, LeaderEpoch, Offset, Records, StrBytes, Timestamp, TopicId,
};

use crate::consumer::{Buffered, Shared, State, commit};
use crate::core::cluster::{Cluster, TopicPartition};
use crate::core::fetch_sessions::{Ask, Wanted};
use crate::core::fetched::Fetched;
use crate::core::in_flight::moves;
use crate::core::positions::{Open, Position};
use crate::error::ClientError;
use crate::settings::IsolationLevel;

/// A fetch to send, and the positions that it is for.
pub(super) struct Departure {
    to: BrokerId,
    ask: Ask,
    positions: BTreeMap<TopicPartition, (Position, Offset)>,
}

/// Decides which brokers to fetch from now; says also whether a leader is missing.
pub(super) fn departures(
    state: &mut State,
    cluster: &Cluster,
    shared: &Shared,
    now: Timestamp,
) -> (Vec<Departure>, bool) {
    let mut leaderless = false;
    let mut wanted: BTreeMap<BrokerId, BTreeMap<TopicPartition, Wanted>> = BTreeMap::new();
    let mut positions: BTreeMap<TopicPartition, (Position, Offset)> = BTreeMap::new();
    for (of, place) in state.positions.iter() {
        let Position::At(offset, _) = place.position else { continue };
        let Some((leader, leader_epoch)) = cluster.leader(&of.topic, of.partition) else {
            leaderless = true;
            continue;
        };
        let is_buffered = state.fetched.iter().any(|buffered| buffered.of == *of);
        let is_busy = state.fetching.contains(&leader);
        if place.is_paused || is_buffered || is_busy || !place.is_due(now) {
            continue;
        }
        let topic_id = cluster.topic(&of.topic).map_or(TopicId::ZERO, |topic| topic.id);
        let bytes_max = shared.settings.partition_bytes_max;
        let one = Wanted { topic_id, offset, leader_epoch, bytes_max };
        wanted.entry(leader).or_default().insert(of.clone(), one);
        positions.insert(of.clone(), (place.position, offset));
    }
    let departures = wanted.into_iter().map(|(to, wanted)| {
        state.fetching.insert(to);
        let positions = wanted.keys().filter_map(|of| positions.remove_entry(of)).collect();
        let ask = state.sessions.entry(to).or_default().ask(wanted);
        Departure { to, ask, positions }
    });
    (departures.collect(), leaderless)
}

/// Sends a fetch and takes in what comes.
pub(super) async fn fetch(shared: Arc<Shared>, departure: Departure) {
    let Departure { to, ask, positions } = departure;
    let answer = send(&shared, to, ask).await;
    let now = shared.client.now();
    let pause = i64::try_from(shared.client.settings().retry_backoff_ms).unwrap_or(0);
    let mut must_learn = false;
    {
        let cluster = shared.client.cluster();
        let mut state = shared.state();
        state.fetching.remove(&to);
        let session = state.sessions.entry(to).or_default();
        match answer {
            Ok(answer) => {
                session.answered(answer.error_code, answer.session_id);
                if answer.error_code.is_error() {
                    hold(&mut state, &positions, now + pause);
                }
                let mut intake = Intake { shared: &shared, positions, until: now + pause };
                for (of, data) in named(&cluster, answer) {
                    must_learn |= intake.take(&mut state, of, data);
                }
            }
            Err(error) => {
                tracing::debug!(%error, "fetch failed");
                session.lost();
                hold(&mut state, &positions, now + pause);
                must_learn = true;
                if !error.is_retriable() {
                    state.failure = Some(error);
                }
            }
        }
        must_learn &= !state.is_learning;
        state.is_learning |= must_learn;
    }
    shared.news.notify_waiters();
    if must_learn {
        learn(shared).await;
    }
}

fn hold(
    state: &mut State,
    positions: &BTreeMap<TopicPartition, (Position, Offset)>,
    until: Timestamp,
) {
    for of in positions.keys() {
        state.positions.hold(of, until);
    }
}

async fn send(shared: &Shared, to: BrokerId, ask: Ask) -> Result<FetchResponse, ClientError> {
    let settings = &shared.settings;
    let version_max = if ask.has_ids { i16::MAX } else { LAST_WITH_NAMES };
    let request = FetchRequest {
        max_wait_ms: settings.fetch_wait_ms_max,
        min_bytes: settings.fetch_bytes_min,
        max_bytes: settings.fetch_bytes_max,
        isolation_level: i8::from(settings.isolation_level == IsolationLevel::ReadCommitted),
        session_id: ask.session_id,
        session_epoch: ask.session_epoch,
        topics: ask.topics,
        forgotten_topics_data: ask.forgotten,
        ..FetchRequest::default()
    };
    let wait_ms = u64::try_from(settings.fetch_wait_ms_max).unwrap_or(0);
    let patience = shared.client.request_timeout() + Duration::from_millis(wait_ms);
    let connection = shared.client.broker(to, shared.fetch_lane).await?;
    connection.call(&request, version_max, patience).await
}

/// The partitions of an answer by their names.
fn named(
    cluster: &Cluster,
    answer: FetchResponse,
) -> impl Iterator<Item = (TopicPartition, PartitionData)> {
    answer.responses.into_iter().flat_map(|topic| {
        let name = match topic.topic.is_empty() {
            false => Some(StrBytes::copied(&topic.topic)),
            true => cluster.topic_by_id(topic.topic_id).map(|topic| topic.name.clone()),
        };
        // A topic that is another one by now has no name here: its partitions are asked anew.
        let partitions = if name.is_some() { topic.partitions } else { Vec::new() };
        partitions.into_iter().map(move |data| {
            let topic = name.clone().unwrap_or_default();
            (TopicPartition { topic, partition: data.partition_index }, data)
        })
    })
}

/// Takes in an answer, partition by partition.
struct Intake<'a> {
    shared: &'a Shared,
    positions: BTreeMap<TopicPartition, (Position, Offset)>,
    until: Timestamp,
}

impl Intake<'_> {
    /// Says whether leaders must be learned.
    fn take(&mut self, state: &mut State, of: TopicPartition, data: PartitionData) -> bool {
        let Some((at, from)) = self.positions.remove(&of) else { return false };
        if state.positions.place(&of).is_none_or(|place| place.position != at) {
            return false;
        }
        match data.error_code {
            ErrorCode::NONE => {
                let bytes = data.records.as_ref().and_then(Records::as_bytes).cloned();
                let bytes = bytes.unwrap_or_else(Bytes::new);
                if !bytes.is_empty() {
                    let fetched = self.fetched(bytes, from, &data);
                    state.fetched.push_back(Buffered { of, at, fetched });
                }
                false
            }
            ErrorCode::OFFSET_OUT_OF_RANGE => {
                let why = format!("offset {from} is not in the log");
                match self.shared.reset(&of, &why) {
                    Ok(reset) => {
                        tracing::warn!(%of, %from, "position is not in the log, resetting it");
                        state.positions.advance(&of, at, reset);
                    }
                    Err(error) => {
                        state.positions.hold(&of, self.until);
                        state.failure = Some(error);
                    }
                }
                false
            }
            code => {
                let error = ClientError::refused(ApiKey::Fetch, of.to_string(), code, None);
                state.positions.hold(&of, self.until);
                let hint = &data.current_leader;
                let (leader, epoch) = (hint.leader_id, hint.leader_epoch);
                let follows = leader.0 >= 0
                    && self.shared.client.follow_leader(&of.topic, of.partition, leader, epoch);
                let moves = moves(&error) && !follows;
                if !error.is_retriable() {
                    state.failure = Some(error);
                }
                moves
            }
        }
    }

    fn fetched(&self, bytes: Bytes, from: Offset, data: &PartitionData) -> Fetched {
        let settings = &self.shared.settings;
        let aborted = (settings.isolation_level == IsolationLevel::ReadCommitted).then(|| {
            let aborted = data.aborted_transactions.iter().flatten();
            aborted.map(|one| (one.first_offset, one.producer_id)).collect()
        });
        Fetched::new(bytes, from, settings.check_crcs, aborted)
    }
}

/// Learns the leaders of all topics that are read, then lets a little time pass. A leader of the
/// group joins again when topics have other counts of partitions than it assigned by.
pub(super) async fn learn(shared: Arc<Shared>) {
    let topics = {
        let state = shared.state();
        let partitions = state.positions.partitions();
        let read = partitions.iter().map(|of| of.topic.clone());
        let mut topics: Vec<StrBytes> =
            read.chain(state.topics.iter().flatten().cloned()).collect();
        topics.sort();
        topics.dedup();
        topics
    };
    let creates = shared.settings.allow_auto_create_topics;
    match shared.client.refresh_topics(&topics, creates).await {
        Ok((cluster, _)) => {
            let mut state = shared.state();
            let changed = state.assigned_by.iter().flatten().any(|(topic, count)| {
                let now = cluster.topic(topic).map(|topic| topic.partitions.len());
                now.is_some_and(|now| i32::try_from(now) != Ok(*count))
            });
            if changed && let Some(member) = &mut state.membership {
                member.must_join = true;
            }
        }
        Err(error) => tracing::debug!(%error, "leaders are not known yet"),
    }
    shared.news.notify_waiters();
    let pause = Duration::from_millis(shared.client.settings().retry_backoff_ms);
    shared.client.env().sleep(pause).await;
    shared.state().is_learning = false;
    shared.news.notify_waiters();
}

/// Finds the offsets of partitions that have none yet.
pub(super) async fn resolve(shared: Arc<Shared>) {
    let open = shared.state().positions.unresolved(shared.client.now());
    let (begun, sought): (Vec<&Open>, Vec<&Open>) =
        open.iter().partition(|open| open.position == Position::Committed);
    let resolved = match begin(&shared, &begun).await {
        Ok(()) => seek(&shared, &sought).await,
        Err(error) => Err(error),
    };
    let mut state = shared.state();
    if let Err(error) = resolved {
        let pause = i64::try_from(shared.client.settings().retry_backoff_max_ms).unwrap_or(0);
        let until = shared.client.now() + pause;
        for open in &open {
            state.positions.hold(&open.of, until);
        }
        state.failure = Some(error);
    }
    state.is_resolving = false;
    drop(state);
    shared.news.notify_waiters();
}

/// Begins where the group has committed, or where the settings say.
async fn begin(shared: &Shared, begun: &[&Open]) -> Result<(), ClientError> {
    let committed = match shared.settings.group_id.is_some() && !begun.is_empty() {
        true => {
            let partitions: Vec<_> = begun.iter().map(|open| open.of.clone()).collect();
            commit::committed(shared, &partitions).await?
        }
        false => Vec::new(),
    };
    for open in begun {
        let position = match committed.iter().find(|committed| committed.of == open.of) {
            Some(found) => Position::At(found.offset, found.leader_epoch),
            None => shared.reset(&open.of, "the group has committed no offset")?,
        };
        shared.state().positions.found(open, position);
    }
    Ok(())
}

/// Asks leaders for the offsets of times and of the log's ends.
async fn seek(shared: &Shared, sought: &[&Open]) -> Result<(), ClientError> {
    if sought.is_empty() {
        return Ok(());
    }
    let read_committed = shared.settings.isolation_level == IsolationLevel::ReadCommitted;
    let admin = shared.client.admin();
    let times = sought.iter().filter_map(|open| match open.position {
        Position::Sought(time) => Some((open.of.clone(), time)),
        _ => None,
    });
    let found = admin.list_offsets(&times.collect::<Vec<_>>(), read_committed).await?;
    for (of, result) in found {
        let offset = result?.offset;
        let Some(open) = sought.iter().find(|open| open.of == of) else { continue };
        let position = match offset < Offset(0) {
            // No record is as late as that: the end it is.
            true => Position::Sought(crate::admin::LATEST),
            false => Position::At(offset, LeaderEpoch(-1)),
        };
        shared.state().positions.found(open, position);
    }
    Ok(())
}

/// The last version that names topics by their names (KIP-516).
const LAST_WITH_NAMES: i16 = 12;
