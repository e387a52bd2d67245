//! DescribeConfigs (32), v1-4: what the controller knows of configs, for clients that reach no
//! broker (KIP-919). Of nodes it describes itself. Asks for DescribeConfigs on each topic or group,
//! on the cluster for nodes and client metrics. Not served: nothing.

use ottla_controller::ConfigsOf;
use ottla_metadata::ResourceType;
use ottla_wire::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use tracing::level_filters::LevelFilter;

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) fn handle(
    ctx: &Ctx,
    request: DescribeConfigsRequest,
) -> Answer<DescribeConfigsResponse> {
    let opening = &ctx.shared.opening;
    let image = ctx.image();
    let for_all = image.configs(ResourceType::BROKER, "");
    let for_this = image.configs(ResourceType::BROKER, &opening.node_id.to_string());
    let (settings, _) = opening.settings.changed(for_all, for_this);
    let configs = ConfigsOf {
        image: &image,
        settings: &settings,
        me: opening.node_id,
        log_level: &LevelFilter::current().to_string().to_uppercase(),
        allows: &|operation, on| ctx.allows(operation, on),
    };
    configs.answer(&request).into()
}
