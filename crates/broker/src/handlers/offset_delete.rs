//! OffsetDelete (47), v0: forgets what a group has committed for topics that it does not read.
//! Not served: nothing.

use ottla_security::{Operation, Resource};
use ottla_wire::ErrorCode;
use ottla_wire::messages::offset_delete_request::OffsetDeleteRequestTopic;
use ottla_wire::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use ottla_wire::messages::{OffsetDeleteRequest, OffsetDeleteResponse};

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) async fn handle(
    ctx: Ctx,
    mut request: OffsetDeleteRequest,
) -> Answer<OffsetDeleteResponse> {
    if !ctx.allows(Operation::Delete, Resource::Group(&request.group_id)) {
        let error_code = ErrorCode::GROUP_AUTHORIZATION_FAILED;
        return OffsetDeleteResponse { error_code, ..Default::default() }.into();
    }
    let asked = std::mem::take(&mut request.topics);
    let may = |topic: &OffsetDeleteRequestTopic| {
        ctx.allows(Operation::Read, Resource::Topic(&topic.name))
    };
    let (allowed, refused): (Vec<_>, Vec<_>) = asked.into_iter().partition(may);
    request.topics = allowed;
    let topics = ctx.topics();
    let deleted = ctx.rooms.groups.offset_delete(ctx.caller(), ctx.version, topics, request);
    let told = deleted.map(move |mut response| {
        response.topics.extend(refused.into_iter().map(refusal));
        response
    });
    told.into()
}

fn refusal(topic: OffsetDeleteRequestTopic) -> OffsetDeleteResponseTopic {
    let partitions = topic.partitions.into_iter().map(|partition| OffsetDeleteResponsePartition {
        partition_index: partition.partition_index,
        error_code: ErrorCode::TOPIC_AUTHORIZATION_FAILED,
    });
    let (name, partitions) = (topic.name, partitions.collect());
    OffsetDeleteResponseTopic { name, partitions }
}
