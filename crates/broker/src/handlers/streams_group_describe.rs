//! StreamsGroupDescribe (89), v0-1: state, epochs, topology, members and tasks of streams groups
//! (KIP-1071). A group with a topic that the client may not describe is not told of. Not served:
//! descriptions of topologies (v1, KIP-1331): no plugin keeps them.

use ottla_security::{Operation, Resource};
use ottla_wire::messages::streams_group_describe_response::DescribedGroup;
use ottla_wire::messages::{StreamsGroupDescribeRequest, StreamsGroupDescribeResponse};
use ottla_wire::{ErrorCode, StrBytes};

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) async fn handle(
    ctx: Ctx,
    mut request: StreamsGroupDescribeRequest,
) -> Answer<StreamsGroupDescribeResponse> {
    let asked = std::mem::take(&mut request.group_ids);
    if !ctx.serves_streams_groups() {
        let groups = asked.into_iter().map(|group| refused(group, ErrorCode::UNSUPPORTED_VERSION));
        return StreamsGroupDescribeResponse { groups: groups.collect(), ..Default::default() }
            .into();
    }
    let may = |group: &StrBytes| ctx.allows(Operation::Describe, Resource::Group(group));
    let (allowed, forbidden): (Vec<_>, Vec<_>) = asked.into_iter().partition(may);
    request.group_ids = allowed;
    let wants_operations = request.include_authorized_operations;
    let caller = ctx.clone();
    let described = ctx.rooms.groups.streams_describe(ctx.caller(), ctx.version, &request);
    let told = described.map(move |mut response| {
        for group in &mut response.groups {
            if !shows_only_allowed(&caller, group) {
                let group_id = std::mem::take(&mut group.group_id);
                *group = refused(group_id, ErrorCode::TOPIC_AUTHORIZATION_FAILED);
                group.error_message = Some(StrBytes::from(HIDDEN));
            } else if wants_operations && group.error_code == ErrorCode::NONE {
                let on = Resource::Group(&group.group_id);
                group.authorized_operations = caller.allowed_operations(on);
            }
        }
        let code = ErrorCode::GROUP_AUTHORIZATION_FAILED;
        response.groups.extend(forbidden.into_iter().map(|group| refused(group, code)));
        response
    });
    told.into()
}

fn refused(group_id: StrBytes, error_code: ErrorCode) -> DescribedGroup {
    DescribedGroup { error_code, group_id, ..Default::default() }
}

fn shows_only_allowed(ctx: &Ctx, group: &DescribedGroup) -> bool {
    let parts = group.topology.iter().flat_map(|topology| topology.subtopologies.iter().flatten());
    let mut names = parts.flat_map(|part| {
        let sources = part.source_topics.iter().chain(&part.repartition_sink_topics);
        let internal = part.repartition_source_topics.iter().chain(&part.state_changelog_topics);
        sources.chain(internal.map(|topic| &topic.name))
    });
    names.all(|name| ctx.allows(Operation::Describe, Resource::Topic(name)))
}

const HIDDEN: &str =
    "The described group uses topics that the client is not authorized to describe.";
