//! The broker as a service: finds the row of a request and starts it.
//!
//! What Kafka gives to a request that it does not serve is an ended connection, with one
//! exception: ApiVersions above our newest version is answered in version 0 with error 35.

use std::sync::Arc;

use bytes::Bytes;
use ottla_net::{BoxFuture, CloseReason, ConnectionInfo, Outcome, Service};
use ottla_wire::frame::request_header_version;
use ottla_wire::messages::RequestHeader;
use ottla_wire::{ApiKey, Message, Reader};

use crate::answer::Frame;
use crate::api::{self, Api};
use crate::context::{Ctx, Rooms};
use crate::handlers::api_versions;

/// Answers clients.
pub(crate) struct BrokerService(pub(crate) Arc<Rooms>);

impl Service for BrokerService {
    fn start<'a>(
        &'a self,
        connection: &'a Arc<ConnectionInfo>,
        frame: Bytes,
    ) -> BoxFuture<'a, Outcome> {
        match self.open(connection, frame) {
            Ok((api, ctx, frame)) => (api.start)(ctx, frame),
            Err(outcome) => Box::pin(std::future::ready(outcome)),
        }
    }

    fn closed(&self, connection: &Arc<ConnectionInfo>) {
        let shares = &self.0.share_partitions;
        let ended = shares.sessions.disconnected(connection.id);
        shares.traffic.evicted.add(ended.len() as u64);
        shares.ended(&self.0, &ended);
    }
}

impl BrokerService {
    /// Reads the header and finds the row.
    fn open(
        &self,
        connection: &Arc<ConnectionInfo>,
        frame: Bytes,
    ) -> Result<(&'static Api, Ctx, Frame), Outcome> {
        let close = |why: String| Outcome::Close(CloseReason(why));
        let Some([key_high, key_low, version_high, version_low]) = frame.first_chunk() else {
            return Err(close(format!("a request of {} bytes", frame.len())));
        };
        let key = i16::from_be_bytes([*key_high, *key_low]);
        let version = i16::from_be_bytes([*version_high, *version_low]);
        let Some(api) = ApiKey::from_i16(key).and_then(api::api) else {
            return Err(close(format!("api key {key} is not served")));
        };
        let last = api.last(self.0.serves_drafts);
        if !(*api.versions.start()..=last).contains(&version) {
            if api.key == ApiKey::ApiVersions {
                return Err(api_versions::unsupported(connection, &frame));
            }
            return Err(close(format!("{} v{version} is not served", api.key.name())));
        }
        let mut body = Reader::new(frame.clone());
        let header = RequestHeader::decode(&mut body, request_header_version(api.key, version))
            .map_err(|error| close(format!("malformed header of {}: {error}", api.key.name())))?;
        let ctx = Ctx {
            rooms: Arc::clone(&self.0),
            connection: Arc::clone(connection),
            key: api.key,
            version,
            correlation_id: header.correlation_id,
            client_id: header.client_id,
        };
        Ok((api, ctx, Frame { whole: frame, body }))
    }
}
