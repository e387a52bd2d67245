//! DeleteGroups (42), v0-3: deletes empty groups with everything they have committed.
//! v2 flexible; v3 an error has a message. What a share group has in flight goes first.
//! Not served: nothing.

use ottla_coordination::Answer as Coordinated;
use ottla_security::{Operation, Resource};
use ottla_wire::messages::delete_groups_response::DeletableGroupResult;
use ottla_wire::messages::{DeleteGroupsRequest, DeleteGroupsResponse};
use ottla_wire::{ErrorCode, StrBytes};

use crate::answer::Answer;
use crate::context::Ctx;
use crate::share_groups;

pub(crate) async fn handle(
    ctx: Ctx,
    mut request: DeleteGroupsRequest,
) -> Answer<DeleteGroupsResponse> {
    let asked = std::mem::take(&mut request.groups_names);
    let may = |group: &StrBytes| ctx.allows(Operation::Delete, Resource::Group(group));
    let (allowed, refused): (Vec<_>, Vec<_>) = asked.into_iter().partition(may);
    request.groups_names = allowed;
    if ctx.rooms.serves_share_groups() {
        return Answer::Later(Box::pin(async move {
            for group in &request.groups_names {
                forget_states(&ctx, group).await;
            }
            delete(&ctx, request, refused).await
        }));
    }
    delete(&ctx, request, refused).into()
}

/// Has the states of a share group's partitions deleted, when nobody is in it.
async fn forget_states(ctx: &Ctx, group: &StrBytes) {
    let known = ctx.rooms.groups.share_places(ctx.caller(), group, true).await;
    if let Ok(places) = known
        && !places.is_empty()
    {
        share_groups::delete(ctx, group, &places).await;
    }
}

fn delete(
    ctx: &Ctx,
    request: DeleteGroupsRequest,
    refused: Vec<StrBytes>,
) -> Coordinated<DeleteGroupsResponse> {
    let deleted = ctx.rooms.groups.delete_groups(ctx.caller(), ctx.version, request);
    deleted.map(move |mut response| {
        response.results.extend(refused.into_iter().map(|group_id| DeletableGroupResult {
            group_id,
            error_code: ErrorCode::GROUP_AUTHORIZATION_FAILED,
            ..Default::default()
        }));
        response
    })
}
