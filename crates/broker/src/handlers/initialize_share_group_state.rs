//! InitializeShareGroupState (83), v0: begins the state of share partitions anew.
//! Asked by leaders of partitions and coordinators of groups. Not served: nothing.

use ottla_security::{Operation, Resource};
use ottla_wire::messages::initialize_share_group_state_response::{
    InitializeStateResult, PartitionResult,
};
use ottla_wire::messages::{InitializeShareGroupStateRequest, InitializeShareGroupStateResponse};
use ottla_wire::{ErrorCode, StrBytes};

use crate::answer::Answer;
use crate::context::{Ctx, has_partition};

pub(crate) async fn handle(
    ctx: Ctx,
    request: InitializeShareGroupStateRequest,
) -> Answer<InitializeShareGroupStateResponse> {
    if !ctx.allows(Operation::ClusterAction, Resource::Cluster) {
        return refused(&request).into();
    }
    let image = ctx.image();
    let exists = |topic, partition| has_partition(&image, topic, partition);
    ctx.rooms.shares.initialize_state(&request, &exists).into()
}

fn refused(request: &InitializeShareGroupStateRequest) -> InitializeShareGroupStateResponse {
    let code = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
    let results = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| PartitionResult {
            partition: asked.partition,
            error_code: code,
            error_message: Some(StrBytes::from(code.message())),
            ..Default::default()
        });
        let (topic_id, partitions) = (topic.topic_id, partitions.collect());
        InitializeStateResult { topic_id, partitions, ..Default::default() }
    });
    InitializeShareGroupStateResponse { results: results.collect(), ..Default::default() }
}
