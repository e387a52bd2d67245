//! StreamsGroupDescribe (89), v0-1: state, epochs, topology, members and tasks of streams groups
//! (KIP-1071). A group with a topic that the client may not describe is not told of. Not served:
//! descriptions of topologies (v1, KIP-1331): no plugin keeps them.

use ottla_wire::messages::streams_group_describe_response::DescribedGroup;
use ottla_wire::messages::{StreamsGroupDescribeRequest, StreamsGroupDescribeResponse};
use ottla_wire::{ErrorCode, StrBytes};

use crate::answer::Answer;
use crate::context::Ctx;
use crate::described_groups::{Described, common, describe, refused};

pub(crate) async fn handle(
    ctx: Ctx,
    mut request: StreamsGroupDescribeRequest,
) -> Answer<StreamsGroupDescribeResponse> {
    let ids = std::mem::take(&mut request.group_ids);
    let response =
        |groups: Vec<DescribedGroup>| StreamsGroupDescribeResponse { groups, ..Default::default() };
    if !ctx.serves_streams_groups() {
        return response(refused(ids, ErrorCode::UNSUPPORTED_VERSION)).into();
    }
    let described = describe(&ctx, ids, request.include_authorized_operations, |ids| {
        request.group_ids = ids;
        let groups = &ctx.rooms.groups;
        groups.streams_describe(ctx.caller(), ctx.version, request).map(|response| response.groups)
    });
    described.map(response).into()
}

impl Described for DescribedGroup {
    const HIDDEN: &str =
        "The described group uses topics that the client is not authorized to describe.";

    common!();

    fn topics(&self) -> impl Iterator<Item = &StrBytes> {
        let parts = self.topology.iter().flat_map(|it| it.subtopologies.iter().flatten());
        parts.flat_map(|part| {
            let sources = part.source_topics.iter().chain(&part.repartition_sink_topics);
            let internal =
                part.repartition_source_topics.iter().chain(&part.state_changelog_topics);
            sources.chain(internal.map(|topic| &topic.name))
        })
    }
}
