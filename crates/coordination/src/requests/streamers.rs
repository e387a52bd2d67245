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
    refused: |id, error_code| DescribedGroup {
        group_id: id.clone(),
        error_code,
        ..DescribedGroup::default()
    },
};

impl Coordinator<Groups> {
    /// StreamsGroupHeartbeat, v0-1; with the topics that are to be created for who asked.
    pub fn streams_heartbeat(
        &self,
        caller: Caller<'_>,
        version: i16,
        topics: &dyn Topics,
        request: &StreamsGroupHeartbeatRequest,
    ) -> Answer<StreamsAnswer> {
        let group = &request.group_id;
        self.ask(group, caller, version, request, &HEARTBEAT, |groups, soft, ask| {
            groups.streams_heartbeat(soft, ask, topics, request)
        })
    }

    /// StreamsGroupDescribe, v0-1.
    pub fn streams_describe(
        &self,
        caller: Caller<'_>,
        version: i16,
        request: &StreamsGroupDescribeRequest,
    ) -> Answer<StreamsGroupDescribeResponse> {
        let ids = &request.group_ids;
        let described = self.ask_each(ids, caller, version, &DESCRIBE, |groups, soft, ask, id| {
            groups.streams_describe(soft, ask, id)
        });
        described.map(|groups| StreamsGroupDescribeResponse { groups, ..Default::default() })
    }
}
