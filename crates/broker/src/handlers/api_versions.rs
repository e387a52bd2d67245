//! ApiVersions (18), v0-5: what this broker serves, derived from the table in `api.rs`.
//! v1 throttle time; v3 flexible, client software, features; v4 features whose minimum is 0
//! (KIP-1022); v5 which cluster and node the client means to talk to (KIP-1242): another one than
//! this answers REBOOTSTRAP_REQUIRED. A version above 5 is answered in version 0 with error 35 and
//! the range of this API alone, by which clients find a version that works.
//! Not served: nothing.

use bytes::Bytes;
use ottla_net::{ClientSoftware, CloseReason, Outcome};
use ottla_wire::frame::encode_response;
use ottla_wire::messages::api_versions_response::ApiVersion;
use ottla_wire::messages::{ApiVersionsRequest, ApiVersionsResponse};
use ottla_wire::{ApiKey, ErrorCode};

use crate::answer::Answer;
use crate::api::APIS;
use crate::context::Ctx;

/// From this version on clients say who they are.
const SOFTWARE_SINCE: i16 = 3;

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
    ApiVersionsResponse { api_keys: api_keys(), ..Default::default() }.into()
}

/// The answer to a version that is above what we know.
pub(crate) fn unsupported(frame: &Bytes) -> Outcome {
    let Some(correlation_id) = frame.get(4..8).and_then(|bytes| bytes.try_into().ok()) else {
        return Outcome::Close(CloseReason("ApiVersions without a correlation id".to_owned()));
    };
    let response = ApiVersionsResponse {
        error_code: ErrorCode::UNSUPPORTED_VERSION,
        api_keys: api_keys()
            .into_iter()
            .filter(|api| api.api_key == ApiKey::ApiVersions as i16)
            .collect(),
        ..Default::default()
    };
    match encode_response(&response, ApiKey::ApiVersions, 0, i32::from_be_bytes(correlation_id)) {
        Ok(reply) => Outcome::Reply(reply),
        Err(error) => Outcome::Close(CloseReason(error.to_string())),
    }
}

fn api_keys() -> Vec<ApiVersion> {
    APIS.iter()
        .map(|api| ApiVersion {
            api_key: api.key as i16,
            min_version: *api.announced.start(),
            max_version: *api.announced.end(),
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
