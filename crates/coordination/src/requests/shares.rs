//! The requests to the share coordinator (83 to 87), each for many share partitions.
//!
//! Every share partition is asked for at its own shard; the answers are put together by topic, in
//! the order of the request. Not here: the rules, which are those of share; what the cluster has,
//! and who may ask.

use std::sync::Arc;

use ottla_share::{Ask, Decided, Key, ShareReply, ShareStates, Soft};
use ottla_wire::messages::{
    DeleteShareGroupStateRequest, DeleteShareGroupStateResponse, InitializeShareGroupStateRequest,
    InitializeShareGroupStateResponse, ReadShareGroupStateRequest, ReadShareGroupStateResponse,
    ReadShareGroupStateSummaryRequest, ReadShareGroupStateSummaryResponse,
    WriteShareGroupStateRequest, WriteShareGroupStateResponse,
    delete_share_group_state_response as deleted,
    initialize_share_group_state_response as initialized, read_share_group_state_response as read,
    read_share_group_state_summary_response as summed_up,
    write_share_group_state_response as written,
};
use ottla_wire::{ErrorCode, PartitionIndex, StrBytes, TopicId};

use crate::Answer;
use crate::coordinator::{Coordinator, Shared};
use crate::requests::{Shape, ask_shard};

/// Whether the cluster has a partition, or why whoever asks is not told.
type Exists<'a> = &'a dyn Fn(TopicId, PartitionIndex) -> Result<bool, ErrorCode>;
type OfShares<T> = Shape<PartitionIndex, T, ShareReply>;

/// The shape of one request's answers for one share partition.
macro_rules! shape {
    ($variant:ident, $module:ident) => {
        Shape {
            take: |reply| match reply {
                ShareReply::$variant(result) => Some(result),
                _ => None,
            },
            refused: |partition, error_code| $module::PartitionResult {
                partition: *partition,
                error_code,
                error_message: Some(StrBytes::from(error_code.message())),
                ..Default::default()
            },
        }
    };
}

const INITIALIZE: OfShares<initialized::PartitionResult> = shape!(Initialize, initialized);
const READ: OfShares<read::PartitionResult> = shape!(Read, read);
const WRITE: OfShares<written::PartitionResult> = shape!(Write, written);
const DELETE: OfShares<deleted::PartitionResult> = shape!(Delete, deleted);
const SUMMARY: OfShares<summed_up::PartitionResult> = shape!(Summary, summed_up);

impl Coordinator<ShareStates> {
    /// InitializeShareGroupState, v0.
    pub fn initialize_state(
        &self,
        request: &InitializeShareGroupStateRequest,
        exists: Exists<'_>,
    ) -> Answer<InitializeShareGroupStateResponse> {
        let group = &request.group_id;
        let topics = request.topics.iter().map(|topic| {
            let results = topic.partitions.iter().map(|asked| {
                let place = (group, topic.topic_id, asked.partition);
                ask(&self.shared, place, exists, &INITIALIZE, |shares, soft, ask, key| {
                    shares.initialize(soft, ask, key, asked)
                })
            });
            let topic_id = topic.topic_id;
            Answer::all(results.collect()).map(move |partitions| {
                initialized::InitializeStateResult { topic_id, partitions, ..Default::default() }
            })
        });
        Answer::all(topics.collect())
            .map(|results| InitializeShareGroupStateResponse { results, ..Default::default() })
    }

    /// ReadShareGroupState, v0.
    pub fn read_state(
        &self,
        request: &ReadShareGroupStateRequest,
        exists: Exists<'_>,
    ) -> Answer<ReadShareGroupStateResponse> {
        let group = &request.group_id;
        let topics = request.topics.iter().map(|topic| {
            let results = topic.partitions.iter().map(|asked| {
                let place = (group, topic.topic_id, asked.partition);
                ask(&self.shared, place, exists, &READ, |shares, soft, ask, key| {
                    shares.read(soft, ask, key, asked)
                })
            });
            let topic_id = topic.topic_id;
            Answer::all(results.collect()).map(move |partitions| read::ReadStateResult {
                topic_id,
                partitions,
                ..Default::default()
            })
        });
        Answer::all(topics.collect())
            .map(|results| ReadShareGroupStateResponse { results, ..Default::default() })
    }

    /// WriteShareGroupState, v0 and v1.
    pub fn write_state(
        &self,
        request: &WriteShareGroupStateRequest,
        exists: Exists<'_>,
    ) -> Answer<WriteShareGroupStateResponse> {
        let group = &request.group_id;
        let topics = request.topics.iter().map(|topic| {
            let results = topic.partitions.iter().map(|asked| {
                let place = (group, topic.topic_id, asked.partition);
                ask(&self.shared, place, exists, &WRITE, |shares, soft, ask, key| {
                    shares.write(soft, ask, key, asked)
                })
            });
            let topic_id = topic.topic_id;
            Answer::all(results.collect()).map(move |partitions| written::WriteStateResult {
                topic_id,
                partitions,
                ..Default::default()
            })
        });
        Answer::all(topics.collect())
            .map(|results| WriteShareGroupStateResponse { results, ..Default::default() })
    }

    /// DeleteShareGroupState, v0.
    pub fn delete_state(
        &self,
        request: &DeleteShareGroupStateRequest,
        exists: Exists<'_>,
    ) -> Answer<DeleteShareGroupStateResponse> {
        let group = &request.group_id;
        let topics = request.topics.iter().map(|topic| {
            let results = topic.partitions.iter().map(|asked| {
                let place = (group, topic.topic_id, asked.partition);
                ask(&self.shared, place, exists, &DELETE, ShareStates::delete)
            });
            let topic_id = topic.topic_id;
            Answer::all(results.collect()).map(move |partitions| deleted::DeleteStateResult {
                topic_id,
                partitions,
                ..Default::default()
            })
        });
        Answer::all(topics.collect())
            .map(|results| DeleteShareGroupStateResponse { results, ..Default::default() })
    }

    /// ReadShareGroupStateSummary, v0 and v1.
    pub fn summarize_state(
        &self,
        request: &ReadShareGroupStateSummaryRequest,
        exists: Exists<'_>,
    ) -> Answer<ReadShareGroupStateSummaryResponse> {
        let group = &request.group_id;
        let topics = request.topics.iter().map(|topic| {
            let results = topic.partitions.iter().map(|asked| {
                let place = (group, topic.topic_id, asked.partition);
                ask(&self.shared, place, exists, &SUMMARY, |shares, soft, ask, key| {
                    shares.summary(soft, ask, key, asked)
                })
            });
            let topic_id = topic.topic_id;
            Answer::all(results.collect()).map(move |partitions| {
                summed_up::ReadStateSummaryResult { topic_id, partitions, ..Default::default() }
            })
        });
        Answer::all(topics.collect())
            .map(|results| ReadShareGroupStateSummaryResponse { results, ..Default::default() })
    }
}

/// By which a share partition finds its coordinator: `group:topic id:partition`.
pub fn share_key(group: &str, topic: TopicId, partition: PartitionIndex) -> String {
    format!("{group}:{topic}:{partition}")
}

/// Asks the coordinator of one share partition.
fn ask<T: Send + 'static>(
    shared: &Arc<Shared<ShareStates>>,
    (group, topic, partition): (&StrBytes, TopicId, PartitionIndex),
    exists: Exists<'_>,
    shape: &OfShares<T>,
    decide: impl FnOnce(&ShareStates, &mut Soft, &Ask<'_>, &Key) -> Decided,
) -> Answer<T> {
    let known = exists(topic, partition);
    let found = known
        .and_then(|exists| Ok((exists, shared.shard_of(&share_key(group, topic, partition))?)));
    let (exists, shard) = match found {
        Ok(found) => found,
        Err(error) => return Answer::Now((shape.refused)(&partition, error)),
    };
    let key = Key::copied(group, topic, partition);
    ask_shard(shared, &shard, None, &partition, shape, |shares, soft, seat| {
        let (now, settings, ticket) = (seat.now, seat.limits, seat.ticket);
        decide(shares, soft, &Ask { now, settings, exists, ticket }, &key)
    })
}
