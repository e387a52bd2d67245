//! DescribeQuorum (55), v0-2: who votes, who leads, how far everyone is (KIP-595).
//! v1 times of the last fetch; v2 directories, nodes and messages. Whoever asks for anything but
//! the one partition of the metadata log, once, is told that there is no such partition.
//! Asks for Describe on the cluster. Not served: observers, which a sole voter does not have.

use ottla_raft::Voter;
use ottla_security::{Operation, Resource};
use ottla_wire::messages::describe_quorum_response::{
    Listener, Node, PartitionData, ReplicaState, TopicData,
};
use ottla_wire::messages::{DescribeQuorumRequest, DescribeQuorumResponse};
use ottla_wire::{BrokerId, DirectoryId, ErrorCode, Offset, PartitionIndex, StrBytes, Timestamp};

use crate::answer::Answer;
use crate::context::Ctx;

/// The topic that the metadata log is.
const TOPIC: &str = "__cluster_metadata";
/// From this version on an answer says how voters are reached, and where their logs are.
const NODES_SINCE: i16 = 2;

pub(crate) fn handle(ctx: &Ctx, request: DescribeQuorumRequest) -> Answer<DescribeQuorumResponse> {
    if !ctx.allows(Operation::Describe, Resource::Cluster) {
        let error_code = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
        return DescribeQuorumResponse { error_code, ..Default::default() }.into();
    }
    if is_the_metadata_log(&request) {
        let topic_name = StrBytes::from_static(TOPIC);
        let topic =
            TopicData { topic_name, partitions: vec![described(ctx)], ..Default::default() };
        let nodes = if ctx.version >= NODES_SINCE { vec![node(ctx)] } else { Vec::new() };
        return DescribeQuorumResponse { topics: vec![topic], nodes, ..Default::default() }.into();
    }
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| unknown(asked.partition_index));
        TopicData {
            topic_name: topic.topic_name.clone(),
            partitions: partitions.collect(),
            ..Default::default()
        }
    });
    DescribeQuorumResponse { topics: topics.collect(), ..Default::default() }.into()
}

fn is_the_metadata_log(request: &DescribeQuorumRequest) -> bool {
    let [topic] = request.topics.as_slice() else { return false };
    let [partition] = topic.partitions.as_slice() else { return false };
    *topic.topic_name == *TOPIC && partition.partition_index == PartitionIndex(0)
}

fn described(ctx: &Ctx) -> PartitionData {
    let live = ctx.shared.live();
    let raft = live.raft();
    let now = ctx.shared.now().wall;
    let has_directories = ctx.version >= NODES_SINCE;
    let voter = |voter: Voter| ReplicaState {
        replica_directory_id: if has_directories {
            voter.directory
        } else {
            DirectoryId::default()
        },
        ..replica(voter.id, ctx.shared.log.end(), now)
    };
    PartitionData {
        leader_id: ctx.shared.opening.node_id,
        leader_epoch: raft.epoch(),
        high_watermark: raft.high_watermark(),
        current_voters: raft.voters().iter().map(voter).collect(),
        ..Default::default()
    }
}

/// The leader's own state; as Kafka has it, it fetched and was caught up just now.
fn replica(replica_id: BrokerId, end: Offset, now: Timestamp) -> ReplicaState {
    ReplicaState {
        replica_id,
        log_end_offset: end,
        last_fetch_timestamp: now,
        last_caught_up_timestamp: now,
        ..Default::default()
    }
}

fn unknown(partition_index: PartitionIndex) -> PartitionData {
    let error_code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let error_message = Some(StrBytes::from_static(error_code.message()));
    PartitionData { partition_index, error_code, error_message, ..Default::default() }
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
