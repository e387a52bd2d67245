//! The consumer's place in its group: joining, heartbeats, leaving.
//!
//! Must hold: one join at a time; heartbeats pause while it is under way, as the coordinator
//! answers one connection in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ottla_wire::{ApiKey, ErrorCode, StrBytes};

use crate::consumer::{Shared, commit};
use crate::core::assignors::{Assignment, Assignor, Member};
use crate::core::backoff::Backoff;
use crate::core::cluster::TopicPartition;
use crate::core::membership::{Joined, Setback};
use crate::error::ClientError;

/// Joins until there is an assignment, or something that nothing helps against.
pub(super) async fn rejoin(shared: Arc<Shared>) {
    if shared.settings.enable_auto_commit
        && shared.is_in_charge()
        && let Err(error) = commit::commit_done(&shared).await
    {
        tracing::warn!(%error, "positions are not committed before the rebalance");
    }
    let mut failures = 0;
    loop {
        shared.state().give_up();
        let (wait, log) = match join(&shared).await {
            Ok(assigned) => {
                tracing::debug!(partitions = assigned.len(), "joined the group");
                shared.state().assign(&assigned);
                break;
            }
            // The first time at once: the member has just been given its id.
            Err(Setback::JoinAgain) => (failures, None),
            Err(Setback::Elsewhere(error)) => (failures + 1, Some(error)),
            Err(Setback::Final(error)) => {
                shared.state().failure = Some(error);
                break;
            }
        };
        if let Some(error) = log {
            tracing::debug!(%error, "cannot join the group yet");
        }
        failures += 1;
        pause(&shared, wait).await;
    }
    shared.state().is_rejoining = false;
    shared.news.notify_waiters();
}

async fn join(shared: &Shared) -> Result<BTreeSet<TopicPartition>, Setback> {
    let group = shared.group().map_err(Setback::Final)?;
    let gone = || Setback::Final(ClientError::Closed);
    let (topics, request) = {
        let state = shared.state();
        let topics = state.topics.clone().unwrap_or_default();
        let member = state.membership.as_ref().ok_or_else(gone)?;
        let request = member.join_request(&topics, "rebalance or change of subscription");
        (topics, request)
    };
    let rebalance_ms = u64::try_from(shared.settings.max_poll_interval_ms).unwrap_or(0);
    let patience = Duration::from_millis(rebalance_ms.saturating_add(JOIN_GRACE_MS));
    let patience = patience.max(shared.client.request_timeout());
    let joined = shared
        .client
        .once_on_coordinator(shared.group_lane, patience, group, &request, |_| ErrorCode::NONE)
        .await
        .map_err(setback)?;
    let joined = {
        let mut state = shared.state();
        forget_if_moved(shared, group, joined.error_code);
        state.membership.as_mut().ok_or_else(gone)?.joined(&joined)?
    };
    let assignment = match joined {
        Joined::Leader(assignor, members) => assign(shared, assignor, &members).await?,
        Joined::Follower => {
            shared.state().assigned_by = None;
            Assignment::new()
        }
    };
    let request = {
        let state = shared.state();
        state.membership.as_ref().ok_or_else(gone)?.sync_request(&assignment)
    };
    let synced = shared
        .client
        .once_on_coordinator(shared.group_lane, patience, group, &request, |_| ErrorCode::NONE)
        .await
        .map_err(setback)?;
    forget_if_moved(shared, group, synced.error_code);
    let mut state = shared.state();
    let is_outdated = state.topics.as_ref().is_some_and(|now| *now != topics);
    let member = state.membership.as_mut().ok_or_else(gone)?;
    let assigned = member.synced(&synced)?;
    member.must_join |= is_outdated;
    Ok(assigned)
}

/// Assigns as the leader, by what the cluster says of the topics at this moment.
async fn assign(
    shared: &Shared,
    assignor: Assignor,
    members: &[Member],
) -> Result<Assignment, Setback> {
    let topics: BTreeSet<StrBytes> =
        members.iter().flat_map(|member| member.topics.iter().cloned()).collect();
    let topics: Vec<StrBytes> = topics.into_iter().collect();
    let creates = shared.settings.allow_auto_create_topics;
    let (cluster, failed) =
        shared.client.refresh_topics(&topics, creates).await.map_err(setback)?;
    if !failed.is_empty() {
        tracing::warn!(?failed, "topics of the group are not there");
    }
    let counts: BTreeMap<StrBytes, i32> = topics
        .into_iter()
        .map(|name| {
            let count = cluster.topic(&name).map_or(0, |topic| topic.partitions.len());
            (name, i32::try_from(count).unwrap_or(i32::MAX))
        })
        .collect();
    let assignment = assignor.assign(members, &counts);
    shared.state().assigned_by = Some(counts);
    Ok(assignment)
}

fn forget_if_moved(shared: &Shared, group: &str, code: ErrorCode) {
    let moved = [ErrorCode::NOT_COORDINATOR, ErrorCode::COORDINATOR_NOT_AVAILABLE];
    if moved.contains(&code) {
        shared.client.forget_coordinator(crate::client::CoordinatorKind::Group, group);
    }
}

fn setback(error: ClientError) -> Setback {
    match error.is_retriable() || matches!(error, ClientError::Waited { .. }) {
        true => Setback::Elsewhere(error),
        false => Setback::Final(error),
    }
}

async fn pause(shared: &Shared, failures: u32) {
    let settings = shared.client.settings();
    let rule =
        Backoff { initial_ms: settings.retry_backoff_ms, max_ms: settings.retry_backoff_max_ms };
    let env = shared.client.env();
    env.sleep(rule.after(failures, env.random_u64())).await;
}

/// Shows the coordinator that the member is there, as long as the caller polls.
pub(super) async fn heartbeats(shared: Arc<Shared>) {
    let interval = Duration::from_millis(shared.settings.heartbeat_interval_ms);
    let mut failures = 0;
    loop {
        match failures {
            0 => shared.client.env().sleep(interval).await,
            failures => pause(&shared, failures).await,
        }
        if is_overdue(&shared) {
            tracing::warn!("no poll within max.poll.interval.ms, leaving the group");
            leave(&shared, "no poll within max.poll.interval.ms").await;
            continue;
        }
        match heartbeat(&shared).await {
            Ok(()) => failures = 0,
            Err(error) => {
                tracing::debug!(%error, "heartbeat failed");
                failures += 1;
            }
        }
    }
}

fn is_overdue(shared: &Shared) -> bool {
    let state = shared.state();
    let is_in = state.membership.as_ref().is_some_and(|member| member.is_in());
    let silence = shared.client.now() - state.polled;
    is_in && !state.is_rejoining && silence > i64::from(shared.settings.max_poll_interval_ms)
}

async fn heartbeat(shared: &Shared) -> Result<(), ClientError> {
    let (request, generation) = {
        let state = shared.state();
        match &state.membership {
            Some(member) if member.is_in() && !state.is_rejoining => {
                (member.heartbeat_request(), member.generation())
            }
            _ => return Ok(()),
        }
    };
    let group = shared.group()?;
    let timeout = shared.client.request_timeout();
    let response = shared
        .client
        .once_on_coordinator(shared.group_lane, timeout, group, &request, |response| {
            response.error_code
        })
        .await?;
    told(shared, ApiKey::Heartbeat, generation, response.error_code);
    Ok(())
}

/// Takes in what an error code of a heartbeat or commit means for the place in the group.
pub(super) fn told(
    shared: &Shared,
    api: ApiKey,
    generation: ottla_wire::Generation,
    code: ErrorCode,
) {
    let mut state = shared.state();
    if state.is_rejoining {
        return;
    }
    let Some(member) = &mut state.membership else { return };
    match member.told(api, generation, code) {
        Ok(()) | Err(Setback::Elsewhere(_)) => {}
        Err(Setback::JoinAgain) => {
            drop(state);
            shared.news.notify_waiters();
        }
        Err(Setback::Final(error)) => {
            state.failure = Some(error);
            drop(state);
            shared.news.notify_waiters();
        }
    }
}

/// Gives the place in the group to others. Should nobody hear it, the session times out.
pub(super) async fn leave(shared: &Shared, reason: &'static str) {
    let request = {
        let mut state = shared.state();
        let Some(member) = &mut state.membership else { return };
        let request = member.leave_request(reason);
        member.lose();
        request
    };
    let (Some(request), Ok(group)) = (request, shared.group()) else { return };
    let timeout = shared.client.request_timeout();
    let left = shared
        .client
        .once_on_coordinator(shared.group_lane, timeout, group, &request, |response| {
            response.error_code
        })
        .await;
    if let Err(error) = left {
        tracing::debug!(%error, "the coordinator does not know that the member has left");
    }
}

/// How much longer than the rebalance itself its answer may take.
const JOIN_GRACE_MS: u64 = 5_000;
