//! AlterConfigs (33), v0-2: replaces all configs of resources.
//! Asks for AlterConfigs on each topic or group, on the cluster for brokers and client metrics.
//! Not served: nothing.

use ottla_wire::messages::alter_configs_response::AlterConfigsResourceResponse;
use ottla_wire::messages::{AlterConfigsRequest, AlterConfigsResponse};

use crate::answer::Answer;
use crate::config_resources::{may_alter, refused};
use crate::context::Ctx;

pub(crate) fn handle(ctx: &Ctx, mut request: AlterConfigsRequest) -> Answer<AlterConfigsResponse> {
    let (resources, others): (Vec<_>, Vec<_>) = request
        .resources
        .into_iter()
        .partition(|resource| may_alter(ctx, resource.resource_type, &resource.resource_name));
    request.resources = resources;
    let others = others.into_iter().map(|resource| AlterConfigsResourceResponse {
        error_code: refused(resource.resource_type),
        error_message: Some(refused(resource.resource_type).message().into()),
        resource_type: resource.resource_type,
        resource_name: resource.resource_name,
        ..Default::default()
    });
    let others: Vec<_> = others.collect();
    let answer = ctx.decide(|controller, live| controller.alter_configs(live, &request));
    answer.map(|mut response| {
        response.responses.extend(others);
        response
    })
}
