//! CreatePartitions (37), v0-3: adds partitions to topics.
//! Asks for Alter on each topic.
//! Not served: timeoutMs; the answer comes when the partitions are committed.

use ottla_security::{Operation, Resource};
use ottla_wire::ErrorCode;
use ottla_wire::messages::create_partitions_request::CreatePartitionsTopic;
use ottla_wire::messages::create_partitions_response::CreatePartitionsTopicResult;
use ottla_wire::messages::{CreatePartitionsRequest, CreatePartitionsResponse};

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) fn handle(
    ctx: &Ctx,
    mut request: CreatePartitionsRequest,
) -> Answer<CreatePartitionsResponse> {
    let may_alter =
        |topic: &CreatePartitionsTopic| ctx.allows(Operation::Alter, Resource::Topic(&topic.name));
    let (topics, refused): (Vec<_>, Vec<_>) = request.topics.into_iter().partition(may_alter);
    request.topics = topics;
    let refused = refused.into_iter().map(|topic| CreatePartitionsTopicResult {
        name: topic.name,
        error_code: ErrorCode::TOPIC_AUTHORIZATION_FAILED,
        ..Default::default()
    });
    let refused: Vec<_> = refused.collect();
    let answer = ctx.decide(|controller, live| controller.create_partitions(live, &request));
    answer.map(|mut response| {
        response.results.extend(refused);
        response
    })
}
