//! StreamsGroupHeartbeat and StreamsGroupDescribe (KIP-1071).
//!
//! Not here: the rules, which are those of groups::streams.

use ottla_groups::{GroupReply, Groups, StreamsAnswer, Topics};
use ottla_wire::StrBytes;
use ottla_wire::messages::streams_group_describe_response::DescribedGroup;
use ottla_wire::messages::{
    StreamsGroupDescribeRequest, StreamsGroupDescribeResponse, StreamsGroupHeartbeatRequest,
    StreamsGroupHeartbeatResponse,
};

use crate::Answer;
use crate::coordinator::{Caller, Coordinator};
use crate::requests::{Shape, only};

const HEARTBEAT: Shape<StreamsGroupHeartbeatRequest, StreamsAnswer> = Shape {
    take: only!(GroupReply::StreamsHeartbeat(answer) => *answer),
    refused: |_, error_code| StreamsAnswer {
        response: StreamsGroupHeartbeatResponse { error_code, ..Default::default() },
        create: Vec::new(),
    },
};

const DESCRIBE: Shape<StrBytes, DescribedGroup> = Shape {
    take: only!(GroupReply::StreamsDescribe),
    refused: |group, error_code| DescribedGroup {
        group_id: group.clone(),
        error_code,
        ..DescribedGroup::default()
    },
};

impl Coordinator<Groups> {
    /// StreamsGroupHeartbeat, v0-1; with the topics that are to be created for who asked.
    pub fn streams_heartbeat(
        &self,
        caller: Caller,
        version: i16,
        topics: impl Topics + Send + 'static,
        request: StreamsGroupHeartbeatRequest,
    ) -> Answer<StreamsAnswer> {
        let (shard, by) = (self.shared.shard_of(&request.group_id), (caller, version));
        let cost = Groups::cost_of_streams_heartbeat;
        self.ask_at(shard, by, request, &HEARTBEAT, cost, move |groups, soft, ask, request| {
            groups.streams_heartbeat(soft, ask, &topics, request)
        })
    }

    /// StreamsGroupDescribe, v0-1.
    pub fn streams_describe(
        &self,
        caller: Caller,
        version: i16,
        request: StreamsGroupDescribeRequest,
    ) -> Answer<StreamsGroupDescribeResponse> {
        let (ids, by) = (request.group_ids, (caller, version));
        let described = self.ask_each(ids, by, &DESCRIBE, |groups, soft, ask, id| {
            groups.streams_describe(soft, ask, id)
        });
        described.map(|groups| StreamsGroupDescribeResponse { groups, ..Default::default() })
    }
}
