//! DescribeConfigs (32), v1-4: configs of topics, brokers, groups and client metrics, with their
//! sources. v1 synonyms; v3 documentation and types; v4 flexible. A broker's configs are answered
//! by that broker; an empty broker name asks for what was changed for all of them. Secrets have
//! no value. Of loggers (KIP-412) there is the root one with the level that the node logs at.
//! Not served: nothing.

use ottla_controller::ConfigsOf;
use ottla_wire::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use tracing::level_filters::LevelFilter;

use crate::answer::Answer;
use crate::context::Ctx;

pub(crate) async fn handle(
    ctx: Ctx,
    request: DescribeConfigsRequest,
) -> Answer<DescribeConfigsResponse> {
    let configs = ConfigsOf {
        image: &ctx.image(),
        settings: &ctx.rooms.configs.now(),
        me: ctx.rooms.broker_id,
        log_level: &LevelFilter::current().to_string().to_uppercase(),
        allows: &|operation, on| ctx.allows(operation, on),
    };
    configs.answer(&request).into()
}
