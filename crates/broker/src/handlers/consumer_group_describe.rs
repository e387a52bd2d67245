//! ConsumerGroupDescribe (69), v0-1: state, epochs, members and assignments of KIP-848 groups.
//! v1 tells which protocol a member speaks. A group with a topic that the client may not describe
//! is not told of. Not served: nothing.

use ottla_wire::messages::consumer_group_describe_response::DescribedGroup;
use ottla_wire::messages::{ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse};
use ottla_wire::{ErrorCode, StrBytes};

use crate::answer::Answer;
use crate::context::Ctx;
use crate::described_groups::{Described, common, describe, refused};

pub(crate) async fn handle(
    ctx: Ctx,
    mut request: ConsumerGroupDescribeRequest,
) -> Answer<ConsumerGroupDescribeResponse> {
    let ids = std::mem::take(&mut request.group_ids);
    let response = |groups: Vec<DescribedGroup>| ConsumerGroupDescribeResponse {
        groups,
        ..Default::default()
    };
    if !ctx.serves_consumer_groups() {
        return response(refused(ids, ErrorCode::UNSUPPORTED_VERSION)).into();
    }
    let described = describe(&ctx, ids, request.include_authorized_operations, |ids| {
        request.group_ids = ids;
        let topics = ctx.topics();
        let groups = &ctx.rooms.groups;
        groups
            .consumer_describe(ctx.caller(), ctx.version, topics, request)
            .map(|response| response.groups)
    });
    described.map(response).into()
}

impl Described for DescribedGroup {
    const HIDDEN: &str =
        "The group has described topic(s) that the client is not authorized to describe.";

    common!();

    fn topics(&self) -> impl Iterator<Item = &StrBytes> {
        let assigned = self.members.iter().flat_map(|member| {
            let (has, shall) = (&member.assignment, &member.target_assignment);
            has.topic_partitions.iter().chain(&shall.topic_partitions)
        });
        let subscribed = self.members.iter().flat_map(|member| &member.subscribed_topic_names);
        assigned.map(|topic| &topic.topic_name).chain(subscribed)
    }
}
