//! ShareGroupDescribe (77), v1: state, epochs, members and assignments of share groups.
//! A group with a topic that the client may not describe is not told of. Not served: nothing.

use ottla_wire::messages::share_group_describe_response::DescribedGroup;
use ottla_wire::messages::{ShareGroupDescribeRequest, ShareGroupDescribeResponse};
use ottla_wire::{ErrorCode, StrBytes};

use crate::answer::Answer;
use crate::context::Ctx;
use crate::described_groups::{Described, common, describe, refused};

pub(crate) async fn handle(
    ctx: Ctx,
    mut request: ShareGroupDescribeRequest,
) -> Answer<ShareGroupDescribeResponse> {
    let ids = std::mem::take(&mut request.group_ids);
    let response =
        |groups: Vec<DescribedGroup>| ShareGroupDescribeResponse { groups, ..Default::default() };
    if !ctx.rooms.serves_share_groups() {
        return response(refused(ids, ErrorCode::UNSUPPORTED_VERSION)).into();
    }
    let described = describe(&ctx, ids, request.include_authorized_operations, |ids| {
        request.group_ids = ids;
        let topics = ctx.topics();
        let groups = &ctx.rooms.groups;
        groups
            .share_describe(ctx.caller(), ctx.version, topics, request)
            .map(|response| response.groups)
    });
    described.map(response).into()
}

impl Described for DescribedGroup {
    const HIDDEN: &str =
        "The group has described topic(s) that the client is not authorized to describe.";

    common!();

    fn topics(&self) -> impl Iterator<Item = &StrBytes> {
        self.members.iter().flat_map(|member| {
            let assigned = member.assignment.topic_partitions.iter().map(|topic| &topic.topic_name);
            assigned.chain(&member.subscribed_topic_names)
        })
    }
}
