//! CreateTopics (19), v2-7: makes topics. v4 defaults for partitions and replicas (KIP-464);
//! v5 flexible, configs in the answer; v7 topic ids.
//! Asks for Create on the cluster, else on each topic; configs are told to who may describe them.
//! Not served: timeoutMs; the answer comes when the topics are committed.

use ottla_security::{Operation, Resource};
use ottla_wire::messages::create_topics_response::CreatableTopicResult;
use ottla_wire::messages::{CreateTopicsRequest, CreateTopicsResponse};
use ottla_wire::{ErrorCode, StrBytes};

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) fn handle(ctx: &Ctx, mut request: CreateTopicsRequest) -> Answer<CreateTopicsResponse> {
    let may_create_all = ctx.allows(Operation::Create, Resource::Cluster);
    let may_create =
        |name: &StrBytes| may_create_all || ctx.allows(Operation::Create, Resource::Topic(name));
    let (topics, refused) = request.topics.into_iter().partition(|topic| may_create(&topic.name));
    request.topics = topics;
    let refused: Vec<StrBytes> = refused.into_iter().map(|topic| topic.name).collect();
    let describes = |name: &str| ctx.allows(Operation::DescribeConfigs, Resource::Topic(name));
    let hidden: Vec<StrBytes> = request
        .topics
        .iter()
        .map(|topic| topic.name.clone())
        .filter(|name| !describes(name))
        .collect();
    let answer = ctx.decide(|controller, live| controller.create_topics(live, &request));
    answer.map(move |mut response| {
        for topic in response.topics.iter_mut().filter(|topic| hidden.contains(&topic.name)) {
            topic.configs = None;
            topic.num_partitions = -1;
            topic.replication_factor = -1;
            if topic.error_code == ErrorCode::NONE {
                topic.topic_config_error_code = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
            }
        }
        response.topics.extend(refused.into_iter().map(refusal));
        response
    })
}

fn refusal(name: StrBytes) -> CreatableTopicResult {
    CreatableTopicResult {
        name,
        error_code: ErrorCode::TOPIC_AUTHORIZATION_FAILED,
        error_message: Some(StrBytes::from_static("Authorization failed.")),
        ..Default::default()
    }
}
