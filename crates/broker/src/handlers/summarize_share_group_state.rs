//! ReadShareGroupStateSummary (87), v0-1: tells where share partitions stand.
//! v1 the count of deliveries that are done.
//! Asked by leaders of partitions and coordinators of groups, who are brokers. Not served: nothing.

use ottla_wire::messages::{ReadShareGroupStateSummaryRequest, ReadShareGroupStateSummaryResponse};

use crate::answer::Answer;
use crate::context::Ctx;
use crate::share_groups;

pub(crate) async fn handle(
    ctx: Ctx,
    request: ReadShareGroupStateSummaryRequest,
) -> Answer<ReadShareGroupStateSummaryResponse> {
    ctx.rooms.shares.summarize_state(request, &share_groups::told_to(&ctx)).into()
}
