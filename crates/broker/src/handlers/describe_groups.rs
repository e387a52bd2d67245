//! DescribeGroups (15), v0-6: state, protocol and members of groups.
//! v3 what the client may do; v4 static members; v5 flexible; v6 an unknown group is an error, not
//! a dead group. Not served: nothing.

use ottla_security::{Operation, Resource};
use ottla_wire::messages::describe_groups_response::DescribedGroup;
use ottla_wire::messages::{DescribeGroupsRequest, DescribeGroupsResponse};
use ottla_wire::{ErrorCode, StrBytes};

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) async fn handle(
    ctx: Ctx,
    mut request: DescribeGroupsRequest,
) -> Answer<DescribeGroupsResponse> {
    let asked = std::mem::take(&mut request.groups);
    let may = |group: &StrBytes| ctx.allows(Operation::Describe, Resource::Group(group));
    let (allowed, refused): (Vec<_>, Vec<_>) = asked.into_iter().partition(may);
    request.groups = allowed;
    let wants_operations = request.include_authorized_operations;
    let caller = ctx.clone();
    let described = ctx.rooms.groups.describe_groups(ctx.caller(), ctx.version, &request);
    let told = described.map(move |mut response| {
        for group in &mut response.groups {
            if wants_operations && group.error_code == ErrorCode::NONE {
                let on = Resource::Group(&group.group_id);
                group.authorized_operations = caller.allowed_operations(on);
            }
        }
        response.groups.extend(refused.into_iter().map(|group_id| DescribedGroup {
            error_code: ErrorCode::GROUP_AUTHORIZATION_FAILED,
            group_id,
            ..Default::default()
        }));
        response
    });
    told.into()
}
