//! WriteShareGroupState (85), v0-1: keeps what changes of a share partition.
//! v1 the count of deliveries that are done.
//! Asked by leaders of partitions and coordinators of groups. Not served: nothing.

use ottla_security::{Operation, Resource};
use ottla_wire::messages::write_share_group_state_response::{PartitionResult, WriteStateResult};
use ottla_wire::messages::{WriteShareGroupStateRequest, WriteShareGroupStateResponse};
use ottla_wire::{ErrorCode, StrBytes};

use crate::answer::Answer;
use crate::context::{Ctx, has_partition};

pub(crate) async fn handle(
    ctx: Ctx,
    request: WriteShareGroupStateRequest,
) -> Answer<WriteShareGroupStateResponse> {
    if !ctx.allows(Operation::ClusterAction, Resource::Cluster) {
        return refused(&request).into();
    }
    let image = ctx.image();
    let exists = |topic, partition| has_partition(&image, topic, partition);
    ctx.rooms.shares.write_state(&request, &exists).into()
}

fn refused(request: &WriteShareGroupStateRequest) -> WriteShareGroupStateResponse {
    let code = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
    let results = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| PartitionResult {
            partition: asked.partition,
            error_code: code,
            error_message: Some(StrBytes::from(code.message())),
            ..Default::default()
        });
        let (topic_id, partitions) = (topic.topic_id, partitions.collect());
        WriteStateResult { topic_id, partitions, ..Default::default() }
    });
    WriteShareGroupStateResponse { results: results.collect(), ..Default::default() }
}
