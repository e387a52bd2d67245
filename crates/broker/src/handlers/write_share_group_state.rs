//! WriteShareGroupState (85), v0-1: keeps what changes of a share partition.
//! v1 the count of deliveries that are done.
//! Asked by leaders of partitions and coordinators of groups, who are brokers. Not served: nothing.

use ottla_wire::messages::{WriteShareGroupStateRequest, WriteShareGroupStateResponse};

use crate::answer::Answer;
use crate::context::Ctx;
use crate::share_groups;

pub(crate) async fn handle(
    ctx: Ctx,
    request: WriteShareGroupStateRequest,
) -> Answer<WriteShareGroupStateResponse> {
    ctx.rooms.shares.write_state(request, &share_groups::told_to(&ctx)).into()
}
