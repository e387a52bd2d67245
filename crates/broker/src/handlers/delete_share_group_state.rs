//! DeleteShareGroupState (86), v0: forgets share partitions.
//! Asked by leaders of partitions and coordinators of groups. Not served: nothing.

use ottla_security::{Operation, Resource};
use ottla_wire::messages::delete_share_group_state_response::{DeleteStateResult, PartitionResult};
use ottla_wire::messages::{DeleteShareGroupStateRequest, DeleteShareGroupStateResponse};
use ottla_wire::{ErrorCode, StrBytes};

use crate::answer::Answer;
use crate::context::{Ctx, has_partition};

pub(crate) async fn handle(
    ctx: Ctx,
    request: DeleteShareGroupStateRequest,
) -> Answer<DeleteShareGroupStateResponse> {
    if !ctx.allows(Operation::ClusterAction, Resource::Cluster) {
        return refused(&request).into();
    }
    let image = ctx.image();
    let exists = |topic, partition| has_partition(&image, topic, partition);
    ctx.rooms.shares.delete_state(&request, &exists).into()
}

fn refused(request: &DeleteShareGroupStateRequest) -> DeleteShareGroupStateResponse {
    let code = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
    let results = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| PartitionResult {
            partition: asked.partition,
            error_code: code,
            error_message: Some(StrBytes::from(code.message())),
            ..Default::default()
        });
        let (topic_id, partitions) = (topic.topic_id, partitions.collect());
        DeleteStateResult { topic_id, partitions, ..Default::default() }
    });
    DeleteShareGroupStateResponse { results: results.collect(), ..Default::default() }
}
