//! ListGroups (16), v0-5: the groups that this broker coordinates.
//! v3 flexible; v4 by state; v5 by type. Groups that the client may not see are left out.
//! Not served: nothing.

use ottla_security::{Operation, Resource};
use ottla_wire::messages::{ListGroupsRequest, ListGroupsResponse};

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) async fn handle(ctx: Ctx, request: ListGroupsRequest) -> Answer<ListGroupsResponse> {
    let sees_all = ctx.allows(Operation::Describe, Resource::Cluster);
    let caller = ctx.clone();
    let listed = ctx.rooms.groups.list_groups(ctx.caller(), ctx.version, request);
    let told = listed.map(move |mut response| {
        response.groups.retain(|group| {
            sees_all || caller.allows(Operation::Describe, Resource::Group(&group.group_id))
        });
        response
    });
    told.into()
}
