//! InitializeShareGroupState (83), v0: begins the state of share partitions anew.
//! Asked by leaders of partitions and coordinators of groups, who are brokers. Not served: nothing.

use ottla_wire::messages::{InitializeShareGroupStateRequest, InitializeShareGroupStateResponse};

use crate::answer::Answer;
use crate::context::Ctx;
use crate::share_groups;

pub(crate) async fn handle(
    ctx: Ctx,
    request: InitializeShareGroupStateRequest,
) -> Answer<InitializeShareGroupStateResponse> {
    ctx.rooms.shares.initialize_state(request, &share_groups::told_to(&ctx)).into()
}
