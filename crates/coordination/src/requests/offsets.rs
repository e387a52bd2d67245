//! OffsetCommit, OffsetFetch and OffsetDelete.
//!
//! OffsetFetch v8 and later ask for several groups, whose coordinators may differ; older versions
//! ask for one, in fields of their own. Must hold: an error of one group says nothing of another.

use std::collections::BTreeSet;

use ottla_groups::{GroupReply, Groups, Topics};
use ottla_wire::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use ottla_wire::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use ottla_wire::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic,
};
use ottla_wire::messages::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse,
    OffsetFetchRequest, OffsetFetchResponse,
};
use ottla_wire::{ErrorCode, LeaderEpoch, Offset, StrBytes};

use crate::Answer;
use crate::coordinator::{Caller, Coordinator};
use crate::requests::{Shape, only};

const COMMIT: Shape<OffsetCommitRequest, OffsetCommitResponse> =
    Shape { take: only!(GroupReply::OffsetCommit), refused: commit_refused };

const FETCH: Shape<OffsetFetchRequestGroup, OffsetFetchResponseGroup> = Shape {
    take: only!(GroupReply::OffsetFetch),
    refused: |group, error_code| OffsetFetchResponseGroup {
        group_id: group.group_id.clone(),
        error_code,
        ..OffsetFetchResponseGroup::default()
    },
};

const DELETE: Shape<OffsetDeleteRequest, OffsetDeleteResponse> = Shape {
    take: only!(GroupReply::OffsetDelete),
    refused: |_, error_code| OffsetDeleteResponse { error_code, ..OffsetDeleteResponse::default() },
};

impl Coordinator<Groups> {
    /// OffsetCommit, v2 to v10.
    pub fn offset_commit(
        &self,
        caller: Caller,
        version: i16,
        topics: impl Topics + Send + 'static,
        request: OffsetCommitRequest,
    ) -> Answer<OffsetCommitResponse> {
        let (shard, by) = (self.shared.shard_of(&request.group_id), (caller, version));
        let cost = |_: &Groups, request: &OffsetCommitRequest| {
            request.topics.iter().map(|topic| topic.partitions.len()).sum()
        };
        self.ask_at(shard, by, request, &COMMIT, cost, move |groups, soft, ask, request| {
            groups.offset_commit(soft, ask, &topics, request)
        })
    }

    /// OffsetFetch, v1 to v10. Who asks twice for all offsets of a group is answered once, so that
    /// the answer grows with what is asked or with what there is, not with both.
    pub fn offset_fetch(
        &self,
        caller: Caller,
        version: i16,
        topics: impl Topics + Clone + Send + 'static,
        request: OffsetFetchRequest,
    ) -> Answer<OffsetFetchResponse> {
        let stable = request.require_stable;
        let fetch = |group: OffsetFetchRequestGroup| {
            let (shard, by) = (self.shared.shard_of(&group.group_id), (caller.clone(), version));
            let (topics, cost) = (topics.clone(), cost_of_fetch);
            self.ask_at(shard, by, group, &FETCH, cost, move |groups, soft, ask, group| {
                groups.offset_fetch(soft, ask, &topics, group, stable)
            })
        };
        if version >= 8 {
            let mut whole = BTreeSet::new();
            let groups = request.groups.into_iter();
            let groups = groups
                .filter(|group| group.topics.is_some() || whole.insert(group.group_id.clone()));
            return Answer::all(groups.map(fetch).collect())
                .map(|groups| OffsetFetchResponse { groups, ..OffsetFetchResponse::default() });
        }
        let group = only_group(request);
        let answer = fetch(group.clone());
        answer.map(move |response| flattened(version, &group, response))
    }

    /// OffsetDelete, v0.
    pub fn offset_delete(
        &self,
        caller: Caller,
        version: i16,
        topics: impl Topics + Send + 'static,
        request: OffsetDeleteRequest,
    ) -> Answer<OffsetDeleteResponse> {
        let (shard, by) = (self.shared.shard_of(&request.group_id), (caller, version));
        let cost = |_: &Groups, request: &OffsetDeleteRequest| {
            request.topics.iter().map(|topic| topic.partitions.len()).sum()
        };
        self.ask_at(shard, by, request, &DELETE, cost, move |groups, soft, ask, request| {
            groups.offset_delete(soft, ask, &topics, request)
        })
    }
}

/// What is asked for by name, or all that the group has committed.
fn cost_of_fetch(groups: &Groups, asked: &OffsetFetchRequestGroup) -> usize {
    match &asked.topics {
        Some(topics) => topics.iter().map(|topic| topic.partition_indexes.len()).sum(),
        None => groups.cost_of_offsets(&asked.group_id),
    }
}

fn commit_refused(request: &OffsetCommitRequest, error: ErrorCode) -> OffsetCommitResponse {
    let topics = request.topics.iter().map(|topic| OffsetCommitResponseTopic {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partitions: topic
            .partitions
            .iter()
            .map(|partition| OffsetCommitResponsePartition {
                partition_index: partition.partition_index,
                error_code: error,
                ..OffsetCommitResponsePartition::default()
            })
            .collect(),
        ..OffsetCommitResponseTopic::default()
    });
    OffsetCommitResponse { topics: topics.collect(), ..OffsetCommitResponse::default() }
}

/// The one group of a request before v8, in the form of later ones.
fn only_group(request: OffsetFetchRequest) -> OffsetFetchRequestGroup {
    let topics = request.topics.map(|topics| {
        let topics = topics.into_iter().map(|topic| OffsetFetchRequestTopics {
            name: topic.name,
            partition_indexes: topic.partition_indexes,
            ..OffsetFetchRequestTopics::default()
        });
        topics.collect()
    });
    OffsetFetchRequestGroup {
        group_id: request.group_id,
        topics,
        ..OffsetFetchRequestGroup::default()
    }
}

/// The answer in the form before v8. v1 has no place for an error but in every partition.
fn flattened(
    version: i16,
    asked: &OffsetFetchRequestGroup,
    group: OffsetFetchResponseGroup,
) -> OffsetFetchResponse {
    let error = group.error_code;
    if error != ErrorCode::NONE && version < 2 {
        return in_every_partition(asked, error);
    }
    let topics = group.topics.into_iter().map(|topic| OffsetFetchResponseTopic {
        name: topic.name,
        partitions: topic.partitions.into_iter().map(older).collect(),
        ..OffsetFetchResponseTopic::default()
    });
    OffsetFetchResponse {
        topics: topics.collect(),
        error_code: error,
        ..OffsetFetchResponse::default()
    }
}

fn older(partition: OffsetFetchResponsePartitions) -> OffsetFetchResponsePartition {
    OffsetFetchResponsePartition {
        partition_index: partition.partition_index,
        committed_offset: partition.committed_offset,
        committed_leader_epoch: partition.committed_leader_epoch,
        metadata: partition.metadata,
        error_code: partition.error_code,
        ..OffsetFetchResponsePartition::default()
    }
}

fn in_every_partition(asked: &OffsetFetchRequestGroup, error: ErrorCode) -> OffsetFetchResponse {
    let topics = asked.topics.iter().flatten().map(|topic| OffsetFetchResponseTopic {
        name: topic.name.clone(),
        partitions: topic
            .partition_indexes
            .iter()
            .map(|partition| OffsetFetchResponsePartition {
                partition_index: *partition,
                committed_offset: Offset(-1),
                committed_leader_epoch: LeaderEpoch(-1),
                metadata: Some(StrBytes::default()),
                error_code: error,
                ..OffsetFetchResponsePartition::default()
            })
            .collect(),
        ..OffsetFetchResponseTopic::default()
    });
    OffsetFetchResponse { topics: topics.collect(), ..OffsetFetchResponse::default() }
}
