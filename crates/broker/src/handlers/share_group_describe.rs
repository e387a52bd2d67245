//! ShareGroupDescribe (77), v1: state, epochs, members and assignments of share groups.
//! A group with a topic that the client may not describe is not told of. Not served: nothing.

use ottla_security::{Operation, Resource};
use ottla_wire::messages::share_group_describe_response::DescribedGroup;
use ottla_wire::messages::{ShareGroupDescribeRequest, ShareGroupDescribeResponse};
use ottla_wire::{ErrorCode, StrBytes};

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) async fn handle(
    ctx: Ctx,
    mut request: ShareGroupDescribeRequest,
) -> Answer<ShareGroupDescribeResponse> {
    let asked = std::mem::take(&mut request.group_ids);
    if !ctx.rooms.serves_share_groups() {
        let groups = asked.into_iter().map(|group| refused(group, ErrorCode::UNSUPPORTED_VERSION));
        return ShareGroupDescribeResponse { groups: groups.collect(), ..Default::default() }
            .into();
    }
    let may = |group: &StrBytes| ctx.allows(Operation::Describe, Resource::Group(group));
    let (allowed, forbidden): (Vec<_>, Vec<_>) = asked.into_iter().partition(may);
    request.group_ids = allowed;
    let wants_operations = request.include_authorized_operations;
    let (caller, topics) = (ctx.clone(), ctx.topics());
    let described = ctx.rooms.groups.share_describe(ctx.caller(), ctx.version, &topics, &request);
    let told = described.map(move |mut response| {
        for group in &mut response.groups {
            if !shows_only_allowed(&caller, group) {
                let group_id = std::mem::take(&mut group.group_id);
                *group = refused(group_id, ErrorCode::TOPIC_AUTHORIZATION_FAILED);
                group.error_message = Some(StrBytes::from(HIDDEN));
            } else if wants_operations && group.error_code == ErrorCode::NONE {
                let on = Resource::Group(&group.group_id);
                group.authorized_operations = caller.allowed_operations(on);
            }
        }
        let code = ErrorCode::GROUP_AUTHORIZATION_FAILED;
        response.groups.extend(forbidden.into_iter().map(|group| refused(group, code)));
        response
    });
    told.into()
}

fn refused(group_id: StrBytes, error_code: ErrorCode) -> DescribedGroup {
    DescribedGroup { error_code, group_id, ..Default::default() }
}

fn shows_only_allowed(ctx: &Ctx, group: &DescribedGroup) -> bool {
    let members = group.members.iter();
    let mut names = members.flat_map(|member| {
        let assigned = member.assignment.topic_partitions.iter().map(|topic| &topic.topic_name);
        assigned.chain(&member.subscribed_topic_names)
    });
    names.all(|name| ctx.allows(Operation::Describe, Resource::Topic(name)))
}

const HIDDEN: &str =
    "The group has described topic(s) that the client is not authorized to describe.";
