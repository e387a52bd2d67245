//! The controller as a service: finds the row of a request and starts it.
//!
//! What Kafka gives to a request that is not served is an ended connection, with one exception:
//! ApiVersions above our newest version is answered in version 0 with error 35.

use std::sync::Arc;

use bytes::Bytes;
use ottla_net::{BoxFuture, CloseReason, ConnectionInfo, Outcome, Service};
use ottla_wire::frame::request_header_version;
use ottla_wire::messages::RequestHeader;
use ottla_wire::{ApiKey, Message, Reader};

use crate::api::{self, Api};
use crate::context::Ctx;
use crate::handlers::api_versions;
use crate::quorum::Shared;

/// Answers brokers, other controllers, and clients that talk to the controller directly.
pub(crate) struct ControllerService(pub(crate) Arc<Shared>);

impl Service for ControllerService {
    fn start<'a>(
        &'a self,
        connection: &'a Arc<ConnectionInfo>,
        frame: Bytes,
    ) -> BoxFuture<'a, Outcome> {
        let outcome = match open(&self.0, connection, &frame) {
            Ok(opened) => (opened.api.start)(&opened.ctx, opened.body),
            Err(refused) => refused.outcome(connection, &frame),
        };
        Box::pin(std::future::ready(outcome))
    }

    fn closed(&self, connection: &Arc<ConnectionInfo>) {
        self.0.connection_closed(connection.id);
    }
}

/// A request whose header was read, and its row.
pub(crate) struct Opened {
    pub(crate) api: &'static Api,
    pub(crate) ctx: Ctx,
    pub(crate) body: Reader,
}

/// Why a request has no row.
pub(crate) enum Unserved {
    /// ApiVersions in a version above what we know.
    NewerApiVersions,
    /// Anything else.
    Other(String),
}

impl Unserved {
    fn outcome(self, connection: &ConnectionInfo, frame: &Bytes) -> Outcome {
        match self {
            Unserved::NewerApiVersions => api_versions::unsupported(connection, frame),
            Unserved::Other(why) => Outcome::Close(CloseReason(why)),
        }
    }
}

/// Reads the header and finds the row.
pub(crate) fn open(
    shared: &Arc<Shared>,
    connection: &Arc<ConnectionInfo>,
    frame: &Bytes,
) -> Result<Opened, Unserved> {
    let Some([key_high, key_low, version_high, version_low]) = frame.first_chunk() else {
        return Err(Unserved::Other(format!("a request of {} bytes", frame.len())));
    };
    let key = i16::from_be_bytes([*key_high, *key_low]);
    let version = i16::from_be_bytes([*version_high, *version_low]);
    let Some(api) = ApiKey::from_i16(key).and_then(api::api) else {
        return Err(Unserved::Other(format!("api key {key} is not served by the controller")));
    };
    let name = api.key.name();
    if !api.versions.contains(&version) {
        return Err(match api.key {
            ApiKey::ApiVersions => Unserved::NewerApiVersions,
            _ => Unserved::Other(format!("{name} v{version} is not served by the controller")),
        });
    }
    let mut body = Reader::new(frame.clone());
    let header = RequestHeader::decode(&mut body, request_header_version(api.key, version))
        .map_err(|error| Unserved::Other(format!("malformed header of {name}: {error}")))?;
    let ctx = Ctx {
        shared: Arc::clone(shared),
        connection: Arc::clone(connection),
        key: api.key,
        version,
        correlation_id: header.correlation_id,
    };
    Ok(Opened { api, ctx, body })
}
