//! ReadShareGroupState (84), v0: tells what a share partition had in flight.
//! A leader that reads fences those before it.
//! Asked by leaders of partitions and coordinators of groups. Not served: nothing.

use ottla_security::{Operation, Resource};
use ottla_wire::messages::read_share_group_state_response::{PartitionResult, ReadStateResult};
use ottla_wire::messages::{ReadShareGroupStateRequest, ReadShareGroupStateResponse};
use ottla_wire::{ErrorCode, StrBytes};

use crate::answer::Answer;
use crate::context::{Ctx, has_partition};

pub(crate) async fn handle(
    ctx: Ctx,
    request: ReadShareGroupStateRequest,
) -> Answer<ReadShareGroupStateResponse> {
    if !ctx.allows(Operation::ClusterAction, Resource::Cluster) {
        return refused(&request).into();
    }
    let image = ctx.image();
    let exists = |topic, partition| has_partition(&image, topic, partition);
    ctx.rooms.shares.read_state(&request, &exists).into()
}

fn refused(request: &ReadShareGroupStateRequest) -> ReadShareGroupStateResponse {
    let code = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
    let results = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| PartitionResult {
            partition: asked.partition,
            error_code: code,
            error_message: Some(StrBytes::from(code.message())),
            ..Default::default()
        });
        let (topic_id, partitions) = (topic.topic_id, partitions.collect());
        ReadStateResult { topic_id, partitions, ..Default::default() }
    });
    ReadShareGroupStateResponse { results: results.collect(), ..Default::default() }
}
