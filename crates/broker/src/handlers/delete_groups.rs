//! DeleteGroups (42), v0-3: deletes empty groups with everything they have committed.
//! v2 flexible; v3 an error has a message. Not served: nothing.

use ottla_security::{Operation, Resource};
use ottla_wire::messages::delete_groups_response::DeletableGroupResult;
use ottla_wire::messages::{DeleteGroupsRequest, DeleteGroupsResponse};
use ottla_wire::{ErrorCode, StrBytes};

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) async fn handle(
    ctx: Ctx,
    mut request: DeleteGroupsRequest,
) -> Answer<DeleteGroupsResponse> {
    let asked = std::mem::take(&mut request.groups_names);
    let may = |group: &StrBytes| ctx.allows(Operation::Delete, Resource::Group(group));
    let (allowed, refused): (Vec<_>, Vec<_>) = asked.into_iter().partition(may);
    request.groups_names = allowed;
    let deleted = ctx.rooms.groups.delete_groups(ctx.caller(), ctx.version, &request);
    let told = deleted.map(move |mut response| {
        response.results.extend(refused.into_iter().map(|group_id| DeletableGroupResult {
            group_id,
            error_code: ErrorCode::GROUP_AUTHORIZATION_FAILED,
            ..Default::default()
        }));
        response
    });
    told.into()
}
