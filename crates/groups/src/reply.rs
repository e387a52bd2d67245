//! The answers that decisions give: a closed set, one per request.
//!
//! Not here: the answers of batched requests as a whole, which their caller puts together. Must
//! hold: every answer can be turned into an error of its own kind.

use std::collections::BTreeMap;

use ottla_wire::messages::consumer_group_describe_response::DescribedGroup as DescribedConsumers;
use ottla_wire::messages::delete_groups_response::DeletableGroupResult;
use ottla_wire::messages::describe_groups_response::DescribedGroup;
use ottla_wire::messages::list_groups_response::ListedGroup;
use ottla_wire::messages::offset_fetch_response::OffsetFetchResponseGroup;
use ottla_wire::messages::share_group_describe_response::DescribedGroup as DescribedSharers;
use ottla_wire::messages::streams_group_describe_response::DescribedGroup as DescribedStreams;
use ottla_wire::messages::{
    ConsumerGroupHeartbeatResponse, HeartbeatResponse, JoinGroupResponse, LeaveGroupResponse,
    OffsetCommitResponse, OffsetDeleteResponse, ShareGroupHeartbeatResponse,
    StreamsGroupHeartbeatResponse, SyncGroupResponse, TxnOffsetCommitResponse,
};

use ottla_wire::{ErrorCode, PartitionIndex, TopicId};

use crate::share::Initialize;
use crate::streams::StreamsAnswer;

/// The answer to one request.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupReply {
    /// To JoinGroup.
    Join(Box<JoinGroupResponse>),
    /// To SyncGroup.
    Sync(SyncGroupResponse),
    /// To Heartbeat.
    Heartbeat(HeartbeatResponse),
    /// To LeaveGroup.
    Leave(LeaveGroupResponse),
    /// To ConsumerGroupHeartbeat.
    ConsumerHeartbeat(ConsumerGroupHeartbeatResponse),
    /// To ConsumerGroupDescribe, for one of its groups.
    ConsumerDescribe(DescribedConsumers),
    /// To ShareGroupHeartbeat, with what is to be initialized before it is answered.
    ShareHeartbeat(Box<(ShareGroupHeartbeatResponse, Option<Initialize>)>),
    /// To ShareGroupDescribe, for one of its groups.
    ShareDescribe(DescribedSharers),
    /// Which partitions of a share group have a state, or why that is not told.
    SharePlaces(Result<BTreeMap<TopicId, Vec<PartitionIndex>>, (ErrorCode, String)>),
    /// Where partitions of a share group are to begin, or why they are not.
    ShareAltered(Result<Initialize, (ErrorCode, String)>),
    /// What the share coordinator did is written down.
    ShareNoted(ErrorCode),
    /// To StreamsGroupHeartbeat, with the topics to be created for who asked.
    StreamsHeartbeat(Box<StreamsAnswer>),
    /// To StreamsGroupDescribe, for one of its groups.
    StreamsDescribe(DescribedStreams),
    /// To OffsetCommit.
    OffsetCommit(OffsetCommitResponse),
    /// To TxnOffsetCommit.
    TxnOffsetCommit(TxnOffsetCommitResponse),
    /// To the marker of a transaction's end: it is committed, or why not.
    TransactionEnded(ErrorCode),
    /// To OffsetFetch, for one of its groups.
    OffsetFetch(OffsetFetchResponseGroup),
    /// To OffsetDelete.
    OffsetDelete(OffsetDeleteResponse),
    /// To DescribeGroups, for one of its groups.
    Describe(DescribedGroup),
    /// To ListGroups, for the groups of one coordinator partition.
    List(Vec<ListedGroup>),
    /// To DeleteGroups, for one of its groups.
    Delete(DeletableGroupResult),
}

impl GroupReply {
    /// The same answer after its records could not be written. Answers that wrote nothing but had
    /// to wait for what they saw become errors as well.
    #[must_use]
    pub fn failed(self, error: ErrorCode) -> Self {
        match self {
            GroupReply::Join(response) => GroupReply::Join(Box::new(JoinGroupResponse {
                error_code: error,
                member_id: response.member_id,
                protocol_name: None,
                ..JoinGroupResponse::default()
            })),
            GroupReply::Sync(_) => GroupReply::Sync(SyncGroupResponse {
                error_code: error,
                ..SyncGroupResponse::default()
            }),
            GroupReply::Heartbeat(response) => {
                GroupReply::Heartbeat(HeartbeatResponse { error_code: error, ..response })
            }
            GroupReply::Leave(_) => GroupReply::Leave(LeaveGroupResponse {
                error_code: error,
                ..LeaveGroupResponse::default()
            }),
            GroupReply::ConsumerHeartbeat(_) | GroupReply::ConsumerDescribe(_) => {
                self.failed_consumers(error)
            }
            GroupReply::ShareHeartbeat(_)
            | GroupReply::ShareDescribe(_)
            | GroupReply::SharePlaces(_)
            | GroupReply::ShareAltered(_)
            | GroupReply::ShareNoted(_) => self.failed_of_shares(error),
            GroupReply::StreamsHeartbeat(_) | GroupReply::StreamsDescribe(_) => {
                self.failed_streams(error)
            }
            GroupReply::OffsetCommit(mut response) => {
                for topic in &mut response.topics {
                    for partition in &mut topic.partitions {
                        partition.error_code = error;
                    }
                }
                GroupReply::OffsetCommit(response)
            }
            GroupReply::TxnOffsetCommit(mut response) => {
                for topic in &mut response.topics {
                    for partition in &mut topic.partitions {
                        partition.error_code = error;
                    }
                }
                GroupReply::TxnOffsetCommit(response)
            }
            GroupReply::TransactionEnded(_) => GroupReply::TransactionEnded(error),
            GroupReply::OffsetFetch(response) => {
                GroupReply::OffsetFetch(OffsetFetchResponseGroup {
                    group_id: response.group_id,
                    error_code: error,
                    ..OffsetFetchResponseGroup::default()
                })
            }
            GroupReply::OffsetDelete(_) => GroupReply::OffsetDelete(OffsetDeleteResponse {
                error_code: error,
                ..OffsetDeleteResponse::default()
            }),
            GroupReply::Describe(group) => GroupReply::Describe(DescribedGroup {
                error_code: error,
                group_id: group.group_id,
                ..DescribedGroup::default()
            }),
            GroupReply::List(_) => GroupReply::List(Vec::new()),
            GroupReply::Delete(result) => {
                GroupReply::Delete(DeletableGroupResult { error_code: error, ..result })
            }
        }
    }

    fn failed_consumers(self, error_code: ErrorCode) -> Self {
        match self {
            GroupReply::ConsumerDescribe(group) => {
                let group_id = group.group_id;
                let failed =
                    DescribedConsumers { error_code, group_id, ..DescribedConsumers::default() };
                GroupReply::ConsumerDescribe(failed)
            }
            _ => GroupReply::ConsumerHeartbeat(ConsumerGroupHeartbeatResponse {
                error_code,
                ..ConsumerGroupHeartbeatResponse::default()
            }),
        }
    }

    fn failed_streams(self, error_code: ErrorCode) -> Self {
        match self {
            GroupReply::StreamsDescribe(group) => {
                let group_id = group.group_id;
                let failed =
                    DescribedStreams { error_code, group_id, ..DescribedStreams::default() };
                GroupReply::StreamsDescribe(failed)
            }
            _ => {
                let response = StreamsGroupHeartbeatResponse { error_code, ..Default::default() };
                let answer = StreamsAnswer { response, create: Vec::new() };
                GroupReply::StreamsHeartbeat(Box::new(answer))
            }
        }
    }

    /// The same for an answer of share groups.
    fn failed_of_shares(self, error: ErrorCode) -> Self {
        match self {
            GroupReply::ShareHeartbeat(_) => {
                let error_code = error;
                let response = ShareGroupHeartbeatResponse { error_code, ..Default::default() };
                GroupReply::ShareHeartbeat(Box::new((response, None)))
            }
            GroupReply::ShareDescribe(group) => GroupReply::ShareDescribe(DescribedSharers {
                error_code: error,
                group_id: group.group_id,
                ..DescribedSharers::default()
            }),
            GroupReply::SharePlaces(_) => GroupReply::SharePlaces(Err(told(error))),
            GroupReply::ShareAltered(_) => GroupReply::ShareAltered(Err(told(error))),
            GroupReply::ShareNoted(_) => GroupReply::ShareNoted(error),
            other => other,
        }
    }
}

/// A code and its words.
fn told(code: ErrorCode) -> (ErrorCode, String) {
    (code, code.message().to_owned())
}
