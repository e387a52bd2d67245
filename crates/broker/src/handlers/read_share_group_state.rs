//! ReadShareGroupState (84), v0: tells what a share partition had in flight.
//! A leader that reads fences those before it.
//! Asked by leaders of partitions and coordinators of groups, who are brokers. Not served: nothing.

use ottla_wire::messages::{ReadShareGroupStateRequest, ReadShareGroupStateResponse};

use crate::answer::Answer;
use crate::context::Ctx;
use crate::share_groups;

pub(crate) async fn handle(
    ctx: Ctx,
    request: ReadShareGroupStateRequest,
) -> Answer<ReadShareGroupStateResponse> {
    ctx.rooms.shares.read_state(request, &share_groups::told_to(&ctx)).into()
}
