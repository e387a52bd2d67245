//! ListConfigResources (74), v0-1: the resources that have, or may have, configs.
//! v0 client metrics only; v1 any of topics, brokers, broker loggers, client metrics and groups;
//! none named stands for all of them. Not served: nothing.

use std::collections::BTreeSet;

use ottla_metadata::{Image, ResourceType};
use ottla_security::{Operation, Resource};
use ottla_wire::messages::list_config_resources_response::ConfigResource;
use ottla_wire::messages::{ListConfigResourcesRequest, ListConfigResourcesResponse};
use ottla_wire::{ErrorCode, StrBytes};

use crate::answer::Answer;
use crate::context::Ctx;

const ALL: [ResourceType; 5] = [
    ResourceType::TOPIC,
    ResourceType::BROKER,
    ResourceType::BROKER_LOGGER,
    ResourceType::CLIENT_METRICS,
    ResourceType::GROUP,
];

pub(crate) async fn handle(
    ctx: Ctx,
    request: ListConfigResourcesRequest,
) -> Answer<ListConfigResourcesResponse> {
    let refused =
        |error_code| ListConfigResourcesResponse { error_code, ..Default::default() }.into();
    if !ctx.allows(Operation::DescribeConfigs, Resource::Cluster) {
        return refused(ErrorCode::CLUSTER_AUTHORIZATION_FAILED);
    }
    let kinds: BTreeSet<ResourceType> = match (ctx.version, request.resource_types.as_slice()) {
        (0, _) => [ResourceType::CLIENT_METRICS].into(),
        (_, []) => ALL.into(),
        (_, named) => named.iter().map(|kind| ResourceType(*kind)).collect(),
    };
    if kinds.iter().any(|kind| !ALL.contains(kind)) {
        return refused(ErrorCode::UNSUPPORTED_VERSION);
    }
    let image = ctx.image();
    let config_resources = kinds.into_iter().flat_map(|kind| {
        names(&ctx, &image, kind).into_iter().map(move |resource_name| ConfigResource {
            resource_name,
            resource_type: kind.0,
            ..Default::default()
        })
    });
    let config_resources = config_resources.collect();
    ListConfigResourcesResponse { config_resources, ..Default::default() }.into()
}

fn names(ctx: &Ctx, image: &Image, kind: ResourceType) -> Vec<StrBytes> {
    match kind {
        ResourceType::TOPIC => {
            let topics = image.topics().names().map(|(name, _)| name.clone());
            topics
                .filter(|name| ctx.allows(Operation::DescribeConfigs, Resource::Topic(name)))
                .collect()
        }
        ResourceType::BROKER | ResourceType::BROKER_LOGGER => {
            image.brokers().map(|broker| broker.id.to_string().into()).collect()
        }
        _ => {
            let configured = image.all_configs().iter().filter(|(of, _)| of.kind == kind);
            configured.map(|(of, _)| StrBytes::copied(&of.name)).collect()
        }
    }
}
