//! DeleteShareGroupState (86), v0: forgets share partitions.
//! Asked by leaders of partitions and coordinators of groups, who are brokers. Not served: nothing.

use ottla_wire::messages::{DeleteShareGroupStateRequest, DeleteShareGroupStateResponse};

use crate::answer::Answer;
use crate::context::Ctx;
use crate::share_groups;

pub(crate) async fn handle(
    ctx: Ctx,
    request: DeleteShareGroupStateRequest,
) -> Answer<DeleteShareGroupStateResponse> {
    ctx.rooms.shares.delete_state(request, &share_groups::told_to(&ctx)).into()
}
