//! DescribeQuorum (55), v0-2: who votes, who leads, how far everyone is (KIP-595).
//! v1 times of the last fetch; v2 directories, nodes and messages.
//! Asks for Describe on the cluster. Not served: observers, which a sole voter does not have.

use ottla_raft::Voter;
use ottla_security::{Operation, Resource};
use ottla_wire::messages::describe_quorum_response::{
    Listener, Node, PartitionData, ReplicaState, TopicData,
};
use ottla_wire::messages::{DescribeQuorumRequest, DescribeQuorumResponse};
use ottla_wire::{ErrorCode, Offset, PartitionIndex, StrBytes, Timestamp};

use crate::answer::Answer;
use crate::context::Ctx;

/// The topic that the metadata log is.
const TOPIC: &str = "__cluster_metadata";

pub(crate) fn handle(ctx: &Ctx, request: DescribeQuorumRequest) -> Answer<DescribeQuorumResponse> {
    if !ctx.allows(Operation::Describe, Resource::Cluster) {
        let error_code = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
        return DescribeQuorumResponse { error_code, ..Default::default() }.into();
    }
    let topics: Vec<TopicData> = request
        .topics
        .iter()
        .map(|topic| TopicData {
            topic_name: topic.topic_name.clone(),
            partitions: topic
                .partitions
                .iter()
                .map(|partition| {
                    let index = partition.partition_index;
                    match &*topic.topic_name == TOPIC && index == PartitionIndex(0) {
                        true => described(ctx),
                        false => unknown(index),
                    }
                })
                .collect(),
            ..Default::default()
        })
        .collect();
    DescribeQuorumResponse { topics, nodes: vec![node(ctx)], ..Default::default() }.into()
}

fn described(ctx: &Ctx) -> PartitionData {
    let live = ctx.shared.live();
    let raft = live.raft();
    let now = ctx.shared.now().wall;
    let voter = |voter: Voter| replica(voter, ctx.shared.log.end(), now);
    PartitionData {
        leader_id: ctx.shared.opening.node_id,
        leader_epoch: raft.epoch(),
        high_watermark: raft.high_watermark(),
        current_voters: raft.voters().iter().map(voter).collect(),
        ..Default::default()
    }
}

/// The leader's own state; as Kafka has it, it fetched and was caught up just now.
fn replica(voter: Voter, end: Offset, now: Timestamp) -> ReplicaState {
    ReplicaState {
        replica_id: voter.id,
        replica_directory_id: voter.directory,
        log_end_offset: end,
        last_fetch_timestamp: now,
        last_caught_up_timestamp: now,
        ..Default::default()
    }
}

fn unknown(partition_index: PartitionIndex) -> PartitionData {
    let error_code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    PartitionData { partition_index, error_code, ..Default::default() }
}

fn node(ctx: &Ctx) -> Node {
    let opening = &ctx.shared.opening;
    let listeners = opening.endpoints.iter().map(|endpoint| Listener {
        name: StrBytes::copied(&endpoint.listener),
        host: StrBytes::copied(&endpoint.host),
        port: endpoint.port,
        ..Default::default()
    });
    Node { node_id: opening.node_id, listeners: listeners.collect(), ..Default::default() }
}
