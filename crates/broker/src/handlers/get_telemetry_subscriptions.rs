//! GetTelemetrySubscriptions (71), v0: which of its metrics a client is to push, and how often
//! (KIP-714). Announced where `metric.reporters` names the built-in receiver; needs no permission.
//! Not served: nothing.

use ottla_net::CloseReason;
use ottla_wire::messages::{GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse};
use ottla_wire::{ErrorCode, Uuid};

use crate::answer::Answer;
use crate::context::Ctx;

/// The codecs that a push may have, the best first: zstd, lz4, gzip, snappy.
const CODECS: [i8; 4] = [4, 3, 1, 2];

pub(crate) async fn handle(
    ctx: Ctx,
    request: GetTelemetrySubscriptionsRequest,
) -> Answer<GetTelemetrySubscriptionsResponse> {
    let Some(telemetry) = &ctx.rooms.telemetry else {
        return Answer::Close(CloseReason("no receiver of telemetry is configured".to_owned()));
    };
    let client = match request.client_instance_id {
        none if none == Uuid::from_u128(0) => drawn(&ctx),
        known => known,
    };
    let client_id = ctx.client_id.as_deref().unwrap_or_default();
    match telemetry.subscribe(client, &ctx.connection, client_id, ctx.now()) {
        Ok(asked) => GetTelemetrySubscriptionsResponse {
            client_instance_id: client,
            subscription_id: asked.id,
            accepted_compression_types: CODECS.to_vec(),
            push_interval_ms: asked.interval_ms,
            telemetry_max_bytes: ctx.rooms.configs.now().metrics.telemetry_max_bytes,
            delta_temporality: true,
            requested_metrics: asked.metrics.into_iter().map(Into::into).collect(),
            ..Default::default()
        },
        Err(error_code) => refused(error_code),
    }
    .into()
}

/// An id that no client has had; 0 and 1 have a meaning of their own.
fn drawn(ctx: &Ctx) -> Uuid {
    let (high, low) = (ctx.rooms.env.random_u64(), ctx.rooms.env.random_u64());
    Uuid::from_u128((u128::from(high) << 64 | u128::from(low)).max(2))
}

fn refused(error_code: ErrorCode) -> GetTelemetrySubscriptionsResponse {
    GetTelemetrySubscriptionsResponse { error_code, ..Default::default() }
}
