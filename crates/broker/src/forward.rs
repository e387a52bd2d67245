//! Requests of clients that the controller decides: passed on in an Envelope, byte for byte, with
//! the client's principal and address (KIP-590).
//!
//! Must hold: the answer goes to the client as the controller wrote it, so both need the same
//! versions; what ApiVersions announces for these APIs is what the controller reads.

use std::net::IpAddr;

use bytes::{BufMut, Bytes, BytesMut};
use ottla_net::{BoxFuture, CloseReason, ConnectionInfo, Outcome};
use ottla_wire::messages::{DefaultPrincipalData, EnvelopeRequest};
use ottla_wire::{ErrorCode, Message, Part};

use crate::answer::Frame;
use crate::context::Ctx;

const ENVELOPE_VERSION: i16 = 0;
const PRINCIPAL_VERSION: i16 = 0;

/// Passes on a whole frame. The answer comes later: the controller appends to another log, so
/// the client's next request need not wait for it.
pub(crate) fn start(ctx: Ctx, frame: Frame) -> BoxFuture<'static, Outcome> {
    Box::pin(async move {
        Outcome::Wait(Box::pin(async move {
            let refused = |why: String| {
                CloseReason(format!("forwarding {} v{}: {why}", ctx.key.name(), ctx.version))
            };
            let envelope = envelope(&ctx.connection, frame.whole).map_err(refused)?;
            let response = ctx
                .rooms
                .controller
                .send(&envelope, ENVELOPE_VERSION)
                .await
                .map_err(|error| refused(error.to_string()))?;
            match (response.error_code, response.response_data) {
                (ErrorCode::NONE, Some(data)) => Ok(sized(data)),
                (code, _) => Err(refused(code.name().to_owned())),
            }
        }))
    })
}

fn envelope(connection: &ConnectionInfo, frame: Bytes) -> Result<EnvelopeRequest, String> {
    let principal = DefaultPrincipalData {
        r#type: connection.principal.kind.clone().into(),
        name: connection.principal.name.clone().into(),
        ..Default::default()
    };
    let body = principal.to_bytes(PRINCIPAL_VERSION).map_err(|error| error.to_string())?;
    let mut request_principal = BytesMut::with_capacity(2 + body.len());
    request_principal.put_i16(PRINCIPAL_VERSION);
    request_principal.put(body);
    let client_host_address = match connection.peer.ip() {
        IpAddr::V4(address) => Bytes::copy_from_slice(&address.octets()),
        IpAddr::V6(address) => Bytes::copy_from_slice(&address.octets()),
    };
    Ok(EnvelopeRequest {
        request_data: frame,
        request_principal: Some(request_principal.freeze()),
        client_host_address,
        ..Default::default()
    })
}

/// Puts the size in front, which an embedded answer does not have.
fn sized(data: Bytes) -> Vec<Part> {
    let size = i32::try_from(data.len()).unwrap_or(i32::MAX).to_be_bytes();
    vec![Part::Bytes(Bytes::copy_from_slice(&size)), Part::Bytes(data)]
}
