//! StreamsGroupHeartbeat and StreamsGroupDescribe (KIP-1071).
//!
//! Not here: the rules, which are those of groups::streams.

use std::collections::BTreeSet;

use ottla_groups::{GroupReply, Groups, StreamsAnswer, Topics};
use ottla_wire::StrBytes;
use ottla_wire::messages::streams_group_describe_response::DescribedGroup;
use ottla_wire::messages::{
    StreamsGroupDescribeRequest, StreamsGroupDescribeResponse, StreamsGroupHeartbeatRequest,
    StreamsGroupHeartbeatResponse,
};

use crate::Answer;
use crate::coordinator::{Caller, Coordinator};
use crate::requests::Shape;

const HEARTBEAT: Shape<StreamsGroupHeartbeatRequest, StreamsAnswer> = Shape {
    take: |reply| match reply {
        GroupReply::StreamsHeartbeat(answer) => Some(*answer),
        _ => None,
    },
    refused: |_, error_code| StreamsAnswer {
        response: StreamsGroupHeartbeatResponse { error_code, ..Default::default() },
        create: Vec::new(),
    },
};

const DESCRIBE: Shape<StrBytes, DescribedGroup> = Shape {
    take: |reply| match reply {
        GroupReply::StreamsDescribe(group) => Some(group),
        _ => None,
    },
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
        // A name that comes twice is answered once.
        let mut seen = BTreeSet::new();
        let asked = request.group_ids.iter().filter(|group| seen.insert(*group));
        let described = asked.map(|group| {
            self.ask(group, caller, version, group, &DESCRIBE, |groups, soft, ask| {
                groups.streams_describe(soft, ask, group)
            })
        });
        Answer::all(described.collect())
            .map(|groups| StreamsGroupDescribeResponse { groups, ..Default::default() })
    }
}
