//! PushTelemetry (72), v0: metrics of a client, in the form of OTLP (KIP-714). Announced where
//! `metric.reporters` names the built-in receiver, which takes what can be read as metrics, and
//! counts it; needs no permission. Not served: what is in the metrics is not kept.

use ottla_net::CloseReason;
use ottla_wire::ErrorCode;
use ottla_wire::messages::{PushTelemetryRequest, PushTelemetryResponse};

use crate::answer::Answer;
use crate::context::Ctx;
use crate::telemetry::Push;

pub(crate) async fn handle(
    ctx: Ctx,
    request: PushTelemetryRequest,
) -> Answer<PushTelemetryResponse> {
    let Some(telemetry) = &ctx.rooms.telemetry else {
        return Answer::Close(CloseReason("no receiver of telemetry is configured".to_owned()));
    };
    let bytes_max = ctx.rooms.configs.now().metrics.telemetry_max_bytes;
    let push = Push {
        client: request.client_instance_id,
        subscription: request.subscription_id,
        is_ending: request.terminating,
        codec: request.compression_type,
        payload: &request.metrics,
        bytes_max: usize::try_from(bytes_max).unwrap_or(0),
    };
    let client_id = ctx.client_id.as_deref().unwrap_or_default();
    let taken = telemetry.push(&push, &ctx.connection, client_id, ctx.now());
    let error_code = taken.err().unwrap_or(ErrorCode::NONE);
    PushTelemetryResponse { error_code, ..Default::default() }.into()
}
