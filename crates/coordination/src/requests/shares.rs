//! The requests to the share coordinator (83 to 87), each for many share partitions.
//!
//! Every share partition is asked for at its own shard; the answers are put together by topic. Not
//! here: the rules, which are those of share; what the cluster has, and who may ask.

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_share::{Ask, Decided, Key, ShareReply, ShareStates, Soft};
use ottla_wire::messages::{
    DeleteShareGroupStateRequest, DeleteShareGroupStateResponse, InitializeShareGroupStateRequest,
    InitializeShareGroupStateResponse, ReadShareGroupStateRequest, ReadShareGroupStateResponse,
    ReadShareGroupStateSummaryRequest, ReadShareGroupStateSummaryResponse,
    WriteShareGroupStateRequest, WriteShareGroupStateResponse,
    delete_share_group_state_request as delete_asked, delete_share_group_state_response as deleted,
    initialize_share_group_state_request as initialize_asked,
    initialize_share_group_state_response as initialized,
    read_share_group_state_request as read_asked, read_share_group_state_response as read,
    read_share_group_state_summary_request as sum_up_asked,
    read_share_group_state_summary_response as summed_up,
    write_share_group_state_request as write_asked, write_share_group_state_response as written,
};
use ottla_wire::{ErrorCode, PartitionIndex, StrBytes, TopicId};

use crate::Answer;
use crate::coordinator::{Coordinator, Shared};
use crate::requests::{Shape, ask_shard, little, only};
use crate::shard::Seat;

/// Whether the cluster has a partition, or why whoever asks is not told.
type Exists<'a> = &'a dyn Fn(TopicId, PartitionIndex) -> Result<bool, ErrorCode>;
type OfShares<R, T> = Shape<R, T, ShareReply>;

/// One request a row: its name, its messages, what one topic and one share partition are answered
/// with, the reply that holds the latter, and the decision.
macro_rules! requests {
    ($(
        $(#[$doc:meta])*
        $name:ident($request:ident, $asked:ident) -> $response:ident {
            $module:ident::$topic:ident, $reply:ident => $decide:ident
        }
    )*) => {
        impl Coordinator<ShareStates> {
            $(
                $(#[$doc])*
                pub fn $name(&self, request: $request, exists: Exists<'_>) -> Answer<$response> {
                    let shape: OfShares<$asked::PartitionData, _> = Shape {
                        take: only!(ShareReply::$reply),
                        refused: |asked, error_code| $module::PartitionResult {
                            partition: asked.partition,
                            error_code,
                            error_message: Some(StrBytes::from(error_code.message())),
                            ..Default::default()
                        },
                    };
                    // Of no group there is nothing to tell, and what is named twice is asked
                    // twice, but answered once (ShareCoordinatorService).
                    let group = request.group_id;
                    let topics = request.topics.into_iter().filter(|_| !group.is_empty());
                    let mut told: BTreeMap<TopicId, BTreeMap<PartitionIndex, _>> = BTreeMap::new();
                    let asked = topics.flat_map(|topic| {
                        topic.partitions.into_iter().map(move |asked| (topic.topic_id, asked))
                    });
                    for (topic_id, asked) in asked {
                        let partition = asked.partition;
                        let (place, decide) = ((&group, topic_id, partition), ShareStates::$decide);
                        let answer = ask(&self.shared, place, exists, asked, &shape, decide);
                        told.entry(topic_id).or_default().insert(partition, answer);
                    }
                    let topics = told.into_iter().map(|(topic_id, results)| {
                        Answer::all(results.into_values().collect()).map(move |partitions| {
                            $module::$topic { topic_id, partitions, ..Default::default() }
                        })
                    });
                    Answer::all(topics.collect())
                        .map(|results| $response { results, ..Default::default() })
                }
            )*
        }
    };
}

requests! {
    /// InitializeShareGroupState, v0.
    initialize_state(InitializeShareGroupStateRequest, initialize_asked)
    -> InitializeShareGroupStateResponse {
        initialized::InitializeStateResult, Initialize => initialize
    }
    /// ReadShareGroupState, v0.
    read_state(ReadShareGroupStateRequest, read_asked) -> ReadShareGroupStateResponse {
        read::ReadStateResult, Read => read
    }
    /// WriteShareGroupState, v0 and v1.
    write_state(WriteShareGroupStateRequest, write_asked) -> WriteShareGroupStateResponse {
        written::WriteStateResult, Write => write
    }
    /// DeleteShareGroupState, v0.
    delete_state(DeleteShareGroupStateRequest, delete_asked) -> DeleteShareGroupStateResponse {
        deleted::DeleteStateResult, Delete => delete
    }
    /// ReadShareGroupStateSummary, v0 and v1.
    summarize_state(ReadShareGroupStateSummaryRequest, sum_up_asked)
    -> ReadShareGroupStateSummaryResponse {
        summed_up::ReadStateSummaryResult, Summary => summary
    }
}

/// By which a share partition finds its coordinator: `group:topic id:partition`.
pub fn share_key(group: &str, topic: TopicId, partition: PartitionIndex) -> String {
    format!("{group}:{topic}:{partition}")
}

/// Asks the coordinator of one share partition.
fn ask<R: Send + 'static, T: Send + 'static>(
    shared: &Arc<Shared<ShareStates>>,
    (group, topic, partition): (&StrBytes, TopicId, PartitionIndex),
    exists: Exists<'_>,
    asked: R,
    shape: &OfShares<R, T>,
    decide: fn(&ShareStates, &mut Soft, &Ask<'_>, &Key, &R) -> Decided,
) -> Answer<T> {
    let known = exists(topic, partition);
    let found = known
        .and_then(|exists| Ok((exists, shared.shard_of(&share_key(group, topic, partition))?)));
    let (exists, shard) = match found {
        Ok(found) => found,
        Err(error) => return Answer::Now((shape.refused)(&asked, error)),
    };
    let key = Key::copied(group, topic, partition);
    let decide = move |shares: &ShareStates, soft: &mut Soft, seat: &Seat<'_, _>, asked: &R| {
        let (now, settings, ticket) = (seat.now, seat.limits, seat.ticket);
        decide(shares, soft, &Ask { now, settings, exists, ticket }, &key, asked)
    };
    ask_shard(shared, Ok(shard), None, asked, shape, (little, decide))
}
