//! OffsetCommit (8), v2-10: remembers how far a group has read.
//! v2-4 a retention time; v6 leader epochs; v7 static members; v8 flexible; v9 members of KIP-848
//! groups; v10 topic ids. Not served: nothing.

use ottla_security::{Operation, Resource};
use ottla_wire::ErrorCode;
use ottla_wire::messages::offset_commit_request::OffsetCommitRequestTopic;
use ottla_wire::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use ottla_wire::messages::{OffsetCommitRequest, OffsetCommitResponse};

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) async fn handle(
    ctx: Ctx,
    mut request: OffsetCommitRequest,
) -> Answer<OffsetCommitResponse> {
    let asked = std::mem::take(&mut request.topics);
    if !ctx.allows(Operation::Read, Resource::Group(&request.group_id)) {
        let code = ErrorCode::GROUP_AUTHORIZATION_FAILED;
        let topics = asked.into_iter().map(|topic| refusal(topic, code)).collect();
        return OffsetCommitResponse { topics, ..Default::default() }.into();
    }
    let may = |topic: &OffsetCommitRequestTopic| {
        let known = ctx.rooms.partitions.topic_name(topic.topic_id);
        let name = known.as_deref().unwrap_or(&topic.name);
        ctx.allows(Operation::Read, Resource::Topic(name))
    };
    let (allowed, refused): (Vec<_>, Vec<_>) = asked.into_iter().partition(may);
    request.topics = allowed;
    let topics = ctx.topics();
    let committed = ctx.rooms.groups.offset_commit(ctx.caller(), ctx.version, topics, request);
    let told = committed.map(move |mut response| {
        let code = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
        response.topics.extend(refused.into_iter().map(|topic| refusal(topic, code)));
        response
    });
    told.into()
}

fn refusal(topic: OffsetCommitRequestTopic, error_code: ErrorCode) -> OffsetCommitResponseTopic {
    let partitions = topic.partitions.into_iter().map(|partition| OffsetCommitResponsePartition {
        partition_index: partition.partition_index,
        error_code,
        ..Default::default()
    });
    OffsetCommitResponseTopic {
        name: topic.name,
        topic_id: topic.topic_id,
        partitions: partitions.collect(),
        ..Default::default()
    }
}
