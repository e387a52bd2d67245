//! DescribeGroups (15), v0-6: state, protocol and members of groups.
//! v3 what the client may do; v4 static members; v5 flexible; v6 an unknown group is an error, not
//! a dead group. Not served: nothing.

use ottla_wire::StrBytes;
use ottla_wire::messages::describe_groups_response::DescribedGroup;
use ottla_wire::messages::{DescribeGroupsRequest, DescribeGroupsResponse};

use crate::answer::Answer;
use crate::context::Ctx;
use crate::described_groups::{Described, common, describe};

pub(crate) async fn handle(
    ctx: Ctx,
    mut request: DescribeGroupsRequest,
) -> Answer<DescribeGroupsResponse> {
    let ids = std::mem::take(&mut request.groups);
    let described = describe(&ctx, ids, request.include_authorized_operations, |ids| {
        request.groups = ids;
        let groups = &ctx.rooms.groups;
        groups.describe_groups(ctx.caller(), ctx.version, request).map(|told| told.groups)
    });
    described.map(|groups| DescribeGroupsResponse { groups, ..Default::default() }).into()
}

/// What members are told stands in bytes that only they read.
impl Described for DescribedGroup {
    const HIDDEN: &str = "";

    common!();

    fn topics(&self) -> impl Iterator<Item = &StrBytes> {
        std::iter::empty()
    }
}
