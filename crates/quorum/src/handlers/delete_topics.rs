//! DeleteTopics (20), v1-6: removes topics. v5 error messages; v6 by id.
//! Asks for Delete on each topic; who may not even describe one that was named by its id learns
//! nothing of its name.
//! Not served: timeoutMs; the answer comes when the removal is committed.

use ottla_security::{Operation, Resource};
use ottla_wire::messages::delete_topics_request::DeleteTopicState;
use ottla_wire::messages::delete_topics_response::DeletableTopicResult;
use ottla_wire::messages::{DeleteTopicsRequest, DeleteTopicsResponse};
use ottla_wire::{ErrorCode, StrBytes};

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) fn handle(ctx: &Ctx, mut request: DeleteTopicsRequest) -> Answer<DeleteTopicsResponse> {
    let mut refused = Vec::new();
    let names = std::mem::take(&mut request.topic_names);
    let named =
        names.into_iter().map(|name| DeleteTopicState { name: Some(name), ..Default::default() });
    let asked = std::mem::take(&mut request.topics).into_iter().chain(named);
    for topic in asked {
        match refusal(ctx, &topic) {
            Some(refusal) => refused.push(refusal),
            None => request.topics.push(topic),
        }
    }
    ctx.decide(|controller, live| controller.delete_topics(live, &request)).map(|mut response| {
        response.responses.extend(refused);
        response
    })
}

fn refusal(ctx: &Ctx, topic: &DeleteTopicState) -> Option<DeletableTopicResult> {
    let image = ctx.image();
    let known = image.topic(topic.topic_id).map(|topic| topic.name.clone());
    let name = topic.name.clone().or(known)?;
    if ctx.allows(Operation::Delete, Resource::Topic(&name)) {
        return None;
    }
    let may_know = topic.name.is_some() || ctx.allows(Operation::Describe, Resource::Topic(&name));
    Some(DeletableTopicResult {
        name: may_know.then_some(name),
        topic_id: topic.topic_id,
        error_code: ErrorCode::TOPIC_AUTHORIZATION_FAILED,
        error_message: Some(StrBytes::from_static(ErrorCode::TOPIC_AUTHORIZATION_FAILED.message())),
        ..Default::default()
    })
}
