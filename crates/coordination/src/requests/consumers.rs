//! ConsumerGroupHeartbeat and ConsumerGroupDescribe.
//!
//! Not here: the rules, which are those of groups::consumer; whether KIP-848 is served, which the
//! caller knows.

use std::collections::BTreeSet;

use ottla_groups::{GroupReply, Groups, Topics};
use ottla_wire::messages::consumer_group_describe_response::DescribedGroup;
use ottla_wire::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
};
use ottla_wire::{Offset, StrBytes};

use crate::Answer;
use crate::coordinator::{Caller, Coordinator};
use crate::requests::Shape;

const HEARTBEAT: Shape<ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse> = Shape {
    take: |reply| match reply {
        GroupReply::ConsumerHeartbeat(response) => Some(response),
        _ => None,
    },
    refused: |_, error_code| ConsumerGroupHeartbeatResponse {
        error_code,
        ..ConsumerGroupHeartbeatResponse::default()
    },
};

const DESCRIBE: Shape<StrBytes, DescribedGroup> = Shape {
    take: |reply| match reply {
        GroupReply::ConsumerDescribe(group) => Some(group),
        _ => None,
    },
    refused: |group, error_code| DescribedGroup {
        group_id: group.clone(),
        error_code,
        ..DescribedGroup::default()
    },
};

impl Coordinator<Groups> {
    /// ConsumerGroupHeartbeat, v0 and v1.
    pub fn consumer_heartbeat(
        &self,
        caller: Caller<'_>,
        version: i16,
        topics: &dyn Topics,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> Answer<ConsumerGroupHeartbeatResponse> {
        let group = &request.group_id;
        self.ask(group, caller, version, request, &HEARTBEAT, |groups, soft, ask| {
            groups.consumer_heartbeat(soft, ask, topics, request)
        })
    }

    /// ConsumerGroupDescribe, v0 and v1.
    pub fn consumer_describe(
        &self,
        caller: Caller<'_>,
        version: i16,
        topics: &dyn Topics,
        request: &ConsumerGroupDescribeRequest,
    ) -> Answer<ConsumerGroupDescribeResponse> {
        // A name that comes twice is answered once.
        let mut seen = BTreeSet::new();
        let asked = request.group_ids.iter().filter(|group| seen.insert(*group));
        let described = asked.map(|group| {
            self.ask(group, caller, version, group, &DESCRIBE, |groups, soft, ask| {
                groups.consumer_describe(soft, ask, topics, group)
            })
        });
        Answer::all(described.collect()).map(|groups| ConsumerGroupDescribeResponse {
            groups,
            ..ConsumerGroupDescribeResponse::default()
        })
    }

    /// Topics, their partitions or the racks of brokers are others since `at` in the metadata log.
    pub fn topics_changed(&self, at: Offset) {
        for shard in self.shared.shards() {
            shard.tell(&self.shared, |groups, soft, _, _| groups.topics_changed(soft, at));
        }
    }
}
