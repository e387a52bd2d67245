//! ReadShareGroupStateSummary (87), v0-1: tells where share partitions stand.
//! v1 the count of deliveries that are done.
//! Asked by leaders of partitions and coordinators of groups. Not served: nothing.

use ottla_security::{Operation, Resource};
use ottla_wire::messages::read_share_group_state_summary_response::{
    PartitionResult, ReadStateSummaryResult,
};
use ottla_wire::messages::{ReadShareGroupStateSummaryRequest, ReadShareGroupStateSummaryResponse};
use ottla_wire::{ErrorCode, StrBytes};

use crate::answer::Answer;
use crate::context::{Ctx, has_partition};

pub(crate) async fn handle(
    ctx: Ctx,
    request: ReadShareGroupStateSummaryRequest,
) -> Answer<ReadShareGroupStateSummaryResponse> {
    if !ctx.allows(Operation::ClusterAction, Resource::Cluster) {
        return refused(&request).into();
    }
    let image = ctx.image();
    let exists = |topic, partition| has_partition(&image, topic, partition);
    ctx.rooms.shares.summarize_state(&request, &exists).into()
}

fn refused(request: &ReadShareGroupStateSummaryRequest) -> ReadShareGroupStateSummaryResponse {
    let code = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
    let results = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| PartitionResult {
            partition: asked.partition,
            error_code: code,
            error_message: Some(StrBytes::from(code.message())),
            ..Default::default()
        });
        let (topic_id, partitions) = (topic.topic_id, partitions.collect());
        ReadStateSummaryResult { topic_id, partitions, ..Default::default() }
    });
    ReadShareGroupStateSummaryResponse { results: results.collect(), ..Default::default() }
}
