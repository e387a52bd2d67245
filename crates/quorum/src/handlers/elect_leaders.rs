//! ElectLeaders (43), v0-2: gives partitions back to their preferred leaders, or elects uncleanly
//! where nobody leads (KIP-460). v1 kinds of elections and an error for all; v2 flexible.
//! Asks for Alter on the cluster. Not served: timeoutMs.

use ottla_security::{Operation, Resource};
use ottla_wire::ErrorCode;
use ottla_wire::messages::elect_leaders_request::TopicPartitions;
use ottla_wire::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use ottla_wire::messages::{ElectLeadersRequest, ElectLeadersResponse};

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) fn handle(ctx: &Ctx, request: ElectLeadersRequest) -> Answer<ElectLeadersResponse> {
    if !ctx.allows(Operation::Alter, Resource::Cluster) {
        return refused(request).into();
    }
    ctx.decide(|controller, live| controller.elect_leaders(live, &request))
}

/// Version 0 has no other place for an error than each partition.
fn refused(request: ElectLeadersRequest) -> ElectLeadersResponse {
    let error_code = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
    let topic = |asked: TopicPartitions| ReplicaElectionResult {
        topic: asked.topic,
        partition_result: asked
            .partitions
            .into_iter()
            .map(|partition_id| PartitionResult {
                partition_id,
                error_code,
                error_message: Some(error_code.message().into()),
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    };
    let topics = request.topic_partitions.unwrap_or_default();
    let replica_election_results = topics.into_iter().map(topic).collect();
    ElectLeadersResponse { error_code, replica_election_results, ..Default::default() }
}
