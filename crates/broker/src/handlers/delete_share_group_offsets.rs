//! DeleteShareGroupOffsets (92), v0: forgets where a share group stands in topics, while nobody is
//! in it. A topic of which the group has no state is deleted already. Not served: nothing.

use std::collections::BTreeMap;

use ottla_security::{Operation, Resource};
use ottla_wire::messages::delete_share_group_offsets_response::DeleteShareGroupOffsetsResponseTopic;
use ottla_wire::messages::{DeleteShareGroupOffsetsRequest, DeleteShareGroupOffsetsResponse};
use ottla_wire::{ErrorCode, StrBytes, TopicId};

use crate::answer::Answer;
use crate::context::Ctx;
use crate::share_groups;

pub(crate) async fn handle(
    ctx: Ctx,
    request: DeleteShareGroupOffsetsRequest,
) -> Answer<DeleteShareGroupOffsetsResponse> {
    Answer::Later(Box::pin(async move {
        match delete(&ctx, &request).await {
            Ok(responses) => DeleteShareGroupOffsetsResponse { responses, ..Default::default() },
            Err((error_code, message)) => DeleteShareGroupOffsetsResponse {
                error_code,
                error_message: Some(message.into()),
                ..Default::default()
            },
        }
    }))
}

async fn delete(
    ctx: &Ctx,
    request: &DeleteShareGroupOffsetsRequest,
) -> Result<Vec<DeleteShareGroupOffsetsResponseTopic>, (ErrorCode, String)> {
    let group = &request.group_id;
    if !ctx.allows(Operation::Delete, Resource::Group(group)) {
        let code = ErrorCode::GROUP_AUTHORIZATION_FAILED;
        return Err((code, code.message().to_owned()));
    }
    let known = ctx.rooms.groups.share_places(ctx.caller(), group, true).await?;
    let image = ctx.image();
    let named: Vec<(&StrBytes, Result<TopicId, ErrorCode>)> = request
        .topics
        .iter()
        .map(|topic| {
            let name = &topic.topic_name;
            let id = image.topics().id(name).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
            let may = ctx.allows(Operation::Read, Resource::Topic(name));
            (name, if may { id } else { Err(ErrorCode::TOPIC_AUTHORIZATION_FAILED) })
        })
        .collect();
    let asked = named.iter().filter_map(|(_, id)| id.ok());
    let places: BTreeMap<_, _> =
        asked.filter_map(|id| Some((id, known.get(&id)?.clone()))).collect();
    let codes = share_groups::delete(ctx, group, &places).await;
    let gone = codes.iter().filter(|(_, code)| **code == ErrorCode::NONE);
    let gone: Vec<TopicId> = gone.map(|(id, _)| *id).collect();
    let noted = ctx.rooms.groups.share_forgotten(ctx.caller(), group, gone).await;
    if noted != ErrorCode::NONE {
        return Err((noted, noted.message().to_owned()));
    }
    let told = named.into_iter().map(|(name, id)| {
        let code = match id {
            Ok(id) => codes.get(&id).copied().unwrap_or(ErrorCode::NONE),
            Err(code) => code,
        };
        DeleteShareGroupOffsetsResponseTopic {
            topic_name: name.clone(),
            topic_id: id.unwrap_or_default(),
            error_code: code,
            error_message: (code != ErrorCode::NONE).then(|| StrBytes::from(code.message())),
            ..Default::default()
        }
    });
    Ok(told.collect())
}
