//! OffsetFetch (9), v1-10: how far groups have read.
//! v2 all topics; v5 leader epochs; v6 flexible; v7 stable offsets only; v8 several groups; v9
//! members of KIP-848 groups; v10 topic ids. Topics that the client may not see are left out of
//! an answer to all topics. Not served: nothing.

use ottla_security::{Operation, Resource};
use ottla_wire::messages::offset_fetch_response::OffsetFetchResponseGroup;
use ottla_wire::messages::{OffsetFetchRequest, OffsetFetchResponse};
use ottla_wire::{ErrorCode, TopicId};

use crate::answer::Answer;
use crate::context::Ctx;

/// From this version on a request holds several groups.
const GROUPS_SINCE: i16 = 8;

pub(crate) async fn handle(
    ctx: Ctx,
    mut request: OffsetFetchRequest,
) -> Answer<OffsetFetchResponse> {
    let mut refused = Vec::new();
    let error_code = ErrorCode::GROUP_AUTHORIZATION_FAILED;
    if ctx.version < GROUPS_SINCE {
        if !ctx.allows(Operation::Describe, Resource::Group(&request.group_id)) {
            return OffsetFetchResponse { error_code, ..Default::default() }.into();
        }
    } else {
        let asked = std::mem::take(&mut request.groups);
        for group in asked {
            if ctx.allows(Operation::Describe, Resource::Group(&group.group_id)) {
                request.groups.push(group);
            } else {
                let group_id = group.group_id;
                refused.push(OffsetFetchResponseGroup {
                    group_id,
                    error_code,
                    ..Default::default()
                });
            }
        }
    }
    let topics = ctx.topics();
    let caller = ctx.clone();
    let fetched = ctx.rooms.groups.offset_fetch(ctx.caller(), ctx.version, &topics, &request);
    let told = fetched.map(move |mut response| {
        let may = |name: &str, id: TopicId| {
            let known = caller.rooms.partitions.topic_name(id);
            let name = known.as_deref().unwrap_or(name);
            caller.allows(Operation::Describe, Resource::Topic(name))
        };
        response.topics.retain(|topic| may(&topic.name, TopicId::default()));
        for group in &mut response.groups {
            group.topics.retain(|topic| may(&topic.name, topic.topic_id));
        }
        response.groups.extend(refused);
        response
    });
    told.into()
}
