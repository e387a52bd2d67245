//! Committed offsets: writing them and reading them.
//!
//! Must hold: one commit at a time, in the order in which they were asked for, so that none takes
//! back what a later one has said; what is committed under a generation is refused once the group
//! has gone on, by the coordinator or here, and the coordinator's refusal makes the member join
//! again.

use std::sync::Arc;

use ottla_wire::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use ottla_wire::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use ottla_wire::messages::{OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest};
use ottla_wire::{ApiKey, ErrorCode, Generation, LeaderEpoch, MemberEpoch, Offset, StrBytes};
use tokio::sync::SemaphorePermit;

use crate::consumer::{CommittedOffset, Shared, group};
use crate::core::cluster::TopicPartition;
use crate::core::membership::Membership;
use crate::error::ClientError;
use crate::settings::IsolationLevel;

/// Commits positions by itself; a failure is only logged, as the next one commits more.
pub(super) async fn automatic(shared: Arc<Shared>) {
    if shared.is_in_charge()
        && let Err(error) = commit_done(&shared).await
    {
        tracing::warn!(%error, "positions are not committed");
    }
    shared.state().is_committing = false;
}

/// Commits what the caller is through with, since it has polled again.
pub(super) async fn commit_done(shared: &Shared) -> Result<(), ClientError> {
    let turn = turn(shared).await?;
    let through = shared.state().through.clone();
    commit_at(shared, &turn, through).await
}

/// Commits everything that poll has given.
pub(super) async fn commit_positions(shared: &Shared) -> Result<(), ClientError> {
    let turn = turn(shared).await?;
    let positions = shared.state().positions.offsets();
    commit_at(shared, &turn, positions).await
}

/// Commits these offsets.
pub(super) async fn commit_offsets(
    shared: &Shared,
    offsets: &[CommittedOffset],
) -> Result<(), ClientError> {
    let turn = turn(shared).await?;
    commit(shared, &turn, offsets).await
}

/// The right to commit: whoever has it is the only one.
type Turn<'a> = SemaphorePermit<'a>;

/// Waits until all commits are answered that were asked for before.
async fn turn(shared: &Shared) -> Result<Turn<'_>, ClientError> {
    shared.commits.acquire().await.map_err(|_| ClientError::Closed)
}

async fn commit_at(
    shared: &Shared,
    turn: &Turn<'_>,
    positions: Vec<(TopicPartition, Offset, LeaderEpoch)>,
) -> Result<(), ClientError> {
    let offsets = positions.into_iter().map(|(of, offset, leader_epoch)| CommittedOffset {
        of,
        offset,
        leader_epoch,
        metadata: String::new(),
    });
    commit(shared, turn, &offsets.collect::<Vec<_>>()).await
}

async fn commit(
    shared: &Shared,
    _turn: &Turn<'_>,
    offsets: &[CommittedOffset],
) -> Result<(), ClientError> {
    let group = shared.group()?;
    if offsets.is_empty() {
        return Ok(());
    }
    let place = place(shared, group)?;
    let request = request(group, offsets, &place);
    let generation = place.generation;
    let mut attempts = shared.client.attempts(format!("a commit of group {group}"));
    loop {
        let timeout = shared.client.request_timeout();
        let lane = shared.group_lane;
        let answer =
            shared.client.once_on_coordinator(lane, timeout, group, &request, first_error).await;
        let failed = match answer {
            Ok(response) => match refusal(&response) {
                None => return Ok(()),
                Some((about, code)) => {
                    group::told(shared, ApiKey::OffsetCommit, generation, code);
                    ClientError::refused(ApiKey::OffsetCommit, about, code, None)
                }
            },
            Err(error) => error,
        };
        attempts.again(failed).await?;
        if self::place(shared, group)? != place {
            // In its new place the member may have lost the partitions to others.
            return Err(rebalanced(group));
        }
    }
}

/// Who commits, as the coordinator knows it.
#[derive(Clone, PartialEq, Eq)]
struct Place {
    member_id: StrBytes,
    instance_id: Option<StrBytes>,
    generation: Generation,
}

/// The place from which a commit may be made now; that of nobody without a subscription.
fn place(shared: &Shared, group: &str) -> Result<Place, ClientError> {
    let state = shared.state();
    match &state.membership {
        Some(member) if !member.is_assigned() => Err(rebalanced(group)),
        member => Ok(Place {
            member_id: member.as_ref().map(|it| it.member_id().clone()).unwrap_or_default(),
            instance_id: member.as_ref().and_then(|it| it.instance_id().cloned()),
            generation: member.as_ref().map_or(Generation(-1), Membership::generation),
        }),
    }
}

fn rebalanced(group: &str) -> ClientError {
    let code = ErrorCode::REBALANCE_IN_PROGRESS;
    ClientError::refused(ApiKey::OffsetCommit, group, code, None)
}

fn request(group: &str, offsets: &[CommittedOffset], place: &Place) -> OffsetCommitRequest {
    let mut topics: Vec<OffsetCommitRequestTopic> = Vec::new();
    for one in offsets {
        let partition = OffsetCommitRequestPartition {
            partition_index: one.of.partition,
            committed_offset: one.offset,
            committed_leader_epoch: one.leader_epoch,
            committed_metadata: Some(StrBytes::copied(&one.metadata)),
            ..OffsetCommitRequestPartition::default()
        };
        match topics.iter_mut().find(|topic| topic.name == one.of.topic) {
            Some(topic) => topic.partitions.push(partition),
            None => topics.push(OffsetCommitRequestTopic {
                name: one.of.topic.clone(),
                partitions: vec![partition],
                ..OffsetCommitRequestTopic::default()
            }),
        }
    }
    OffsetCommitRequest {
        group_id: StrBytes::copied(group),
        generation_id_or_member_epoch: place.generation.0,
        member_id: place.member_id.clone(),
        group_instance_id: place.instance_id.clone(),
        topics,
        ..OffsetCommitRequest::default()
    }
}

fn refusal(response: &OffsetCommitResponse) -> Option<(String, ErrorCode)> {
    let topics = response.topics.iter();
    let mut refused = topics.flat_map(|topic| {
        let refused = topic.partitions.iter().filter(|one| one.error_code.is_error());
        refused.map(|one| (format!("{}-{}", topic.name, one.partition_index), one.error_code))
    });
    refused.next()
}

fn first_error(response: &OffsetCommitResponse) -> ErrorCode {
    refusal(response).map_or(ErrorCode::NONE, |(_, code)| code)
}

pub(super) async fn committed(
    shared: &Shared,
    partitions: &[TopicPartition],
) -> Result<Vec<CommittedOffset>, ClientError> {
    let group = shared.group()?;
    let mut topics: Vec<OffsetFetchRequestTopics> = Vec::new();
    for of in partitions {
        match topics.iter_mut().find(|topic| topic.name == of.topic) {
            Some(topic) => topic.partition_indexes.push(of.partition),
            None => topics.push(OffsetFetchRequestTopics {
                name: of.topic.clone(),
                partition_indexes: vec![of.partition],
                ..OffsetFetchRequestTopics::default()
            }),
        }
    }
    let asked = OffsetFetchRequestGroup {
        group_id: StrBytes::copied(group),
        member_epoch: MemberEpoch(-1),
        topics: Some(topics),
        ..OffsetFetchRequestGroup::default()
    };
    let request = OffsetFetchRequest {
        groups: vec![asked],
        require_stable: shared.settings.isolation_level == IsolationLevel::ReadCommitted,
        ..OffsetFetchRequest::default()
    };
    let mut attempts = shared.client.attempts(format!("the offsets of group {group}"));
    'again: loop {
        let response = shared
            .client
            .on_coordinator(group, &request, |response| {
                response.groups.first().map_or(ErrorCode::NONE, |group| group.error_code)
            })
            .await?;
        let mut found = Vec::new();
        for answer in response.groups {
            let refused =
                |about: &str, code| ClientError::refused(ApiKey::OffsetFetch, about, code, None);
            if answer.error_code.is_error() {
                attempts.again(refused(group, answer.error_code)).await?;
                continue 'again;
            }
            for topic in answer.topics {
                for one in topic.partitions {
                    let name = StrBytes::copied(&topic.name);
                    let of = TopicPartition { topic: name, partition: one.partition_index };
                    if one.error_code.is_error() {
                        attempts.again(refused(&of.to_string(), one.error_code)).await?;
                        continue 'again;
                    }
                    if one.committed_offset >= Offset(0) {
                        found.push(CommittedOffset {
                            of,
                            offset: one.committed_offset,
                            leader_epoch: one.committed_leader_epoch,
                            metadata: one.metadata.as_deref().unwrap_or_default().to_owned(),
                        });
                    }
                }
            }
        }
        return Ok(found);
    }
}
