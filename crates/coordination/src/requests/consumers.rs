//! ConsumerGroupHeartbeat and ConsumerGroupDescribe.
//!
//! Not here: the rules, which are those of groups::consumer; whether KIP-848 is served, which the
//! caller knows.

use ottla_groups::{GroupReply, Groups, Topics};
use ottla_wire::messages::consumer_group_describe_response::DescribedGroup;
use ottla_wire::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
};
use ottla_wire::{Offset, StrBytes};

use crate::Answer;
use crate::coordinator::{Caller, Coordinator};
use crate::requests::{Shape, only};

const HEARTBEAT: Shape<ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse> = Shape {
    take: only!(GroupReply::ConsumerHeartbeat),
    refused: |_, error_code| ConsumerGroupHeartbeatResponse {
        error_code,
        ..ConsumerGroupHeartbeatResponse::default()
    },
};

const DESCRIBE: Shape<StrBytes, DescribedGroup> = Shape {
    take: only!(GroupReply::ConsumerDescribe),
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
        caller: Caller,
        version: i16,
        topics: impl Topics + Send + 'static,
        request: ConsumerGroupHeartbeatRequest,
    ) -> Answer<ConsumerGroupHeartbeatResponse> {
        let (shard, by) = (self.shared.shard_of(&request.group_id), (caller, version));
        let cost = Groups::cost_of_consumer_heartbeat;
        self.ask_at(shard, by, request, &HEARTBEAT, cost, move |groups, soft, ask, request| {
            groups.consumer_heartbeat(soft, ask, &topics, request)
        })
    }

    /// ConsumerGroupDescribe, v0 and v1.
    pub fn consumer_describe(
        &self,
        caller: Caller,
        version: i16,
        topics: impl Topics + Clone + Send + 'static,
        request: ConsumerGroupDescribeRequest,
    ) -> Answer<ConsumerGroupDescribeResponse> {
        let (ids, by) = (request.group_ids, (caller, version));
        let described = self.ask_each(ids, by, &DESCRIBE, move |groups, soft, ask, id| {
            groups.consumer_describe(soft, ask, &topics, id)
        });
        described.map(|groups| ConsumerGroupDescribeResponse { groups, ..Default::default() })
    }

    /// Topics, their partitions or the racks of brokers are others since `at` in the metadata log.
    pub fn topics_changed(&self, at: Offset) {
        for shard in self.shared.shards() {
            shard.tell(
                &self.shared,
                |_| 0,
                move |groups, soft, _, _, _| groups.topics_changed(soft, at),
            );
        }
    }
}
