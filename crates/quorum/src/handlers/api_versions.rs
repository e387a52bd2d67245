//! ApiVersions (18), v0-5: what the controller serves, derived from the table in `api.rs`.
//! v1 throttle time; v3 flexible, client software, features; v4 features whose minimum is 0
//! (KIP-1022); v5 which cluster and node the client means to talk to (KIP-1242): another one than
//! this answers REBOOTSTRAP_REQUIRED. A version above 5 is answered in version 0 with error 35 and
//! the range of this API alone. Not served: nothing.

use bytes::Bytes;
use ottla_metadata::KRAFT_VERSION;
use ottla_net::{ClientSoftware, CloseReason, ConnectionInfo, Outcome, count_errors};
use ottla_wire::frame::encode_response;
use ottla_wire::messages::api_versions_response::{
    ApiVersion, FinalizedFeatureKey, SupportedFeatureKey,
};
use ottla_wire::messages::{ApiVersionsRequest, ApiVersionsResponse};
use ottla_wire::{ApiKey, ErrorCode, StrBytes};

use crate::answer::Answer;
use crate::api::APIS;
use crate::context::Ctx;
use crate::features::supported_features;

/// From this version on clients say who they are.
const SOFTWARE_SINCE: i16 = 3;
/// From this version on clients understand features whose lowest level is 0.
const ZERO_FEATURES_SINCE: i16 = 4;
/// From this version on clients say whom they mean.
const TARGET_SINCE: i16 = 5;

pub(crate) fn handle(ctx: &Ctx, request: ApiVersionsRequest) -> Answer<ApiVersionsResponse> {
    let refused = |error_code| ApiVersionsResponse { error_code, ..Default::default() }.into();
    if ctx.version >= SOFTWARE_SINCE {
        let (name, version) = (&request.client_software_name, &request.client_software_version);
        if !is_software(name) || !is_software(version) {
            return refused(ErrorCode::INVALID_REQUEST);
        }
        let (name, version) = (name.to_string(), version.to_string());
        ctx.connection.set_software(ClientSoftware { name, version });
    }
    if ctx.version >= TARGET_SINCE && is_for_another(ctx, &request) {
        return refused(ErrorCode::REBOOTSTRAP_REQUIRED);
    }
    let image = ctx.image();
    let levels = image.features().iter().map(|(name, level)| (name.to_owned(), level));
    let kraft = ctx.shared.live().kraft_version();
    let kraft = (kraft > 0).then(|| (KRAFT_VERSION.to_owned(), kraft));
    let finalized = levels.chain(kraft).map(|(name, level)| FinalizedFeatureKey {
        name: name.into(),
        max_version_level: level,
        min_version_level: level,
        ..Default::default()
    });
    let supported = supported_features().into_iter();
    ApiVersionsResponse {
        api_keys: api_keys(),
        supported_features: supported
            .filter(|(_, level_min, _)| ctx.version >= ZERO_FEATURES_SINCE || *level_min > 0)
            .map(|(name, min_version, max_version)| SupportedFeatureKey {
                name: StrBytes::copied(name),
                min_version,
                max_version,
                ..Default::default()
            })
            .collect(),
        finalized_features_epoch: image.provenance().offset.0,
        finalized_features: finalized.collect(),
        ..Default::default()
    }
    .into()
}

fn is_for_another(ctx: &Ctx, request: &ApiVersionsRequest) -> bool {
    let opening = &ctx.shared.opening;
    let cluster = request.cluster_id.as_ref();
    cluster.is_some_and(|id| *id != *opening.cluster_id)
        || (request.node_id.0 >= 0 && request.node_id != opening.node_id)
}

/// The answer to a version that is above what we know.
pub(crate) fn unsupported(connection: &ConnectionInfo, frame: &Bytes) -> Outcome {
    let Some(correlation_id) = frame.get(4..8).and_then(|bytes| bytes.try_into().ok()) else {
        return Outcome::Close(CloseReason("ApiVersions without a correlation id".to_owned()));
    };
    let own = |api: &ApiVersion| api.api_key == ApiKey::ApiVersions as i16;
    let response = ApiVersionsResponse {
        error_code: ErrorCode::UNSUPPORTED_VERSION,
        api_keys: api_keys().into_iter().filter(own).collect(),
        ..Default::default()
    };
    if let Some(meter) = connection.meter(ApiKey::ApiVersions as i16) {
        count_errors(meter, &response, 0);
    }
    match encode_response(&response, ApiKey::ApiVersions, 0, i32::from_be_bytes(correlation_id)) {
        Ok(reply) => Outcome::Reply(reply),
        Err(error) => Outcome::Close(CloseReason(error.to_string())),
    }
}

fn api_keys() -> Vec<ApiVersion> {
    let row = |api: &crate::api::Api| ApiVersion {
        api_key: api.key as i16,
        min_version: *api.versions.start(),
        max_version: *api.versions.end(),
        ..Default::default()
    };
    APIS.iter().map(row).collect()
}

/// Kafka's rule for names and versions of client software: letters, digits, and inside of them
/// dashes and dots.
fn is_software(text: &str) -> bool {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let is_edge = |c: char| c.is_ascii_alphanumeric();
    text.chars().all(is_inner) && text.starts_with(is_edge) && text.ends_with(is_edge)
}
