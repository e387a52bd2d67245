//! ApiVersions (18), v0-5: what this broker serves, derived from the table in `api.rs`.
//! v1 throttle time; v3 flexible, client software, features; v4 features whose minimum is 0
//! (KIP-1022); v5 which cluster and node the client means to talk to (KIP-1242): another one than
//! this answers REBOOTSTRAP_REQUIRED. A version above 5 is answered in version 0 with error 35 and
//! the range of this API alone, by which clients find a version that works.
//! Not served: nothing.

use bytes::Bytes;
use ottla_metadata::{FEATURES, Feature, Image, KRAFT_VERSION, KRAFT_VERSION_MAX};
use ottla_net::{ClientSoftware, CloseReason, ConnectionInfo, Outcome, count_errors};
use ottla_wire::frame::encode_response;
use ottla_wire::messages::api_versions_response::{
    ApiVersion, FinalizedFeatureKey, SupportedFeatureKey,
};
use ottla_wire::messages::{ApiVersionsRequest, ApiVersionsResponse};
use ottla_wire::{ApiKey, BrokerId, ErrorCode, StrBytes};

use crate::answer::Answer;
use crate::api::APIS;
use crate::context::Ctx;

/// From this version on clients say who they are.
const SOFTWARE_SINCE: i16 = 3;
/// Before this version clients take a feature whose lowest level is 0 for malformed.
const LEVEL_ZERO_SINCE: i16 = 4;
/// `node_id` of a client that does not mind which node it talks to.
const ANY_NODE: BrokerId = BrokerId(-1);

pub(crate) async fn handle(ctx: Ctx, request: ApiVersionsRequest) -> Answer<ApiVersionsResponse> {
    let software =
        (request.client_software_name.as_ref(), request.client_software_version.as_ref());
    if ctx.version >= SOFTWARE_SINCE {
        if !is_software(software.0) || !is_software(software.1) {
            let error_code = ErrorCode::INVALID_REQUEST;
            return ApiVersionsResponse { error_code, ..Default::default() }.into();
        }
        let (name, version) = (software.0.to_owned(), software.1.to_owned());
        ctx.connection.set_software(ClientSoftware { name, version });
    }
    if is_for_another(&ctx, &request) {
        let error_code = ErrorCode::REBOOTSTRAP_REQUIRED;
        return ApiVersionsResponse { error_code, ..Default::default() }.into();
    }
    let image = ctx.image();
    ApiVersionsResponse {
        api_keys: api_keys(ctx.rooms.telemetry.is_some(), ctx.rooms.serves_drafts),
        supported_features: supported(ctx.version),
        finalized_features: finalized(&image, ctx.rooms.kraft_version),
        finalized_features_epoch: image.provenance().offset.0,
        ..Default::default()
    }
    .into()
}

/// Whether the client means a cluster or a node that this is not.
fn is_for_another(ctx: &Ctx, request: &ApiVersionsRequest) -> bool {
    let cluster = request.cluster_id.as_deref();
    cluster.is_some_and(|id| id != ctx.rooms.cluster_id)
        || !(request.node_id == ANY_NODE || request.node_id == ctx.rooms.broker_id)
}

/// The features that this broker can serve.
fn supported(version: i16) -> Vec<SupportedFeatureKey> {
    let served = FEATURES.iter().filter(|feature| feature.level_served > 0);
    let served = served.map(|feature| (feature.name, feature.level_min, feature.level_served));
    let mut served: Vec<_> = served.chain([(KRAFT_VERSION, 0, KRAFT_VERSION_MAX)]).collect();
    served.sort_unstable();
    served
        .into_iter()
        .filter(|(_, level_min, _)| *level_min > 0 || version >= LEVEL_ZERO_SINCE)
        .map(|(name, min_version, max_version)| SupportedFeatureKey {
            name: StrBytes::from(name),
            min_version,
            max_version,
            ..Default::default()
        })
        .collect()
}

/// The levels of the cluster; Kafka tells each as a range of one. A client that hears of a level
/// counts on it: of a feature that is served in part it hears as far as it is served.
fn finalized(image: &Image, kraft_version: i16) -> Vec<FinalizedFeatureKey> {
    let served = |name: &str| Feature::by_name(name).map_or(0, |feature| feature.level_served);
    let levels = image.features().iter();
    let kraft = Some((KRAFT_VERSION, kraft_version)).filter(|(_, level)| *level > 0);
    levels
        .chain(kraft)
        .map(|(name, level)| {
            let told = if served(name) > 0 { level.min(served(name)) } else { level };
            FinalizedFeatureKey {
                name: StrBytes::copied(name),
                max_version_level: told,
                min_version_level: told,
                ..Default::default()
            }
        })
        .collect()
}

/// The answer to a version that is above what we know.
pub(crate) fn unsupported(connection: &ConnectionInfo, frame: &Bytes) -> Outcome {
    let Some(correlation_id) = frame.get(4..8).and_then(|bytes| bytes.try_into().ok()) else {
        return Outcome::Close(CloseReason("ApiVersions without a correlation id".to_owned()));
    };
    let response = ApiVersionsResponse {
        error_code: ErrorCode::UNSUPPORTED_VERSION,
        api_keys: api_keys(false, false)
            .into_iter()
            .filter(|api| api.api_key == ApiKey::ApiVersions as i16)
            .collect(),
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

/// What has a row; what takes metrics of clients only where something is there to take them.
fn api_keys(has_receiver: bool, with_drafts: bool) -> Vec<ApiVersion> {
    let of_telemetry = [ApiKey::GetTelemetrySubscriptions, ApiKey::PushTelemetry];
    APIS.iter()
        .filter(|api| has_receiver || !of_telemetry.contains(&api.key))
        .map(|api| ApiVersion {
            api_key: api.key as i16,
            min_version: api.announced,
            max_version: api.last(with_drafts),
            ..Default::default()
        })
        .collect()
}

/// Kafka's rule for names and versions of client software: letters, digits, and inside of them
/// dashes and dots.
fn is_software(text: &str) -> bool {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let is_edge = |c: char| c.is_ascii_alphanumeric();
    text.chars().all(is_inner) && text.starts_with(is_edge) && text.ends_with(is_edge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_names_follow_kafkas_rule() {
        for good in ["a", "apache-kafka-java", "4.3.1", "1"] {
            assert!(is_software(good), "{good}");
        }
        for bad in ["", "-a", "a-", "a b", "a_b", ".", "ä"] {
            assert!(!is_software(bad), "{bad}");
        }
    }
}
