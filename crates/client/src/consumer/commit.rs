//! Committed offsets: writing them and reading them.
//!
//! Must hold: what is committed under a generation is refused by the coordinator once the group
//! has gone on, and the refusal makes the member join again.

use std::sync::Arc;

use ottla_wire::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use ottla_wire::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use ottla_wire::messages::{OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest};
use ottla_wire::{ApiKey, ErrorCode, Generation, MemberEpoch, Offset, StrBytes};

use crate::consumer::{CommittedOffset, Shared, group};
use crate::core::cluster::TopicPartition;
use crate::error::ClientError;
use crate::settings::IsolationLevel;

/// Commits positions by itself; a failure is only logged, as the next one commits more.
pub(super) async fn automatic(shared: Arc<Shared>) {
    if shared.is_in_charge()
        && let Err(error) = commit_positions(&shared).await
    {
        tracing::warn!(%error, "positions are not committed");
    }
    shared.state().is_committing = false;
}

pub(super) async fn commit_positions(shared: &Shared) -> Result<(), ClientError> {
    let positions = shared.state().positions.offsets();
    let offsets = positions.into_iter().map(|(of, offset, leader_epoch)| CommittedOffset {
        of,
        offset,
        leader_epoch,
        metadata: String::new(),
    });
    commit(shared, &offsets.collect::<Vec<_>>()).await
}

pub(super) async fn commit(
    shared: &Shared,
    offsets: &[CommittedOffset],
) -> Result<(), ClientError> {
    let group = shared.group()?;
    if offsets.is_empty() {
        return Ok(());
    }
    let mut attempts = shared.client.attempts(format!("a commit of group {group}"));
    loop {
        let (request, generation) = request(shared, group, offsets);
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
    }
}

fn request(
    shared: &Shared,
    group: &str,
    offsets: &[CommittedOffset],
) -> (OffsetCommitRequest, Generation) {
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
    let mut request = OffsetCommitRequest {
        group_id: StrBytes::copied(group),
        topics,
        ..OffsetCommitRequest::default()
    };
    let state = shared.state();
    let generation = state.membership.as_ref().map_or(Generation(-1), |member| {
        request.member_id = member.member_id().clone();
        request.group_instance_id = member.instance_id().cloned();
        member.generation()
    });
    request.generation_id_or_member_epoch = generation.0;
    (request, generation)
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
