//! Requests of clients that the controller decides: passed on in an Envelope, byte for byte, with
//! the client's principal and address (KIP-590).
//!
//! Must hold: the answer goes to the client as the controller wrote it, so both need the same
//! versions; what ApiVersions announces for these APIs is what the controller reads.

use std::net::IpAddr;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use ottla_net::{BoxFuture, CloseReason, ConnectionInfo, Outcome};
use ottla_wire::frame::decode_response_header;
use ottla_wire::messages::{
    CreateTopicsRequest, CreateTopicsResponse, DefaultPrincipalData, EnvelopeRequest,
};
use ottla_wire::{ApiKey, ErrorCode, Message, Part, Reader, StrBytes};

use crate::answer::Frame;
use crate::context::Ctx;

const ENVELOPE_VERSION: i16 = 0;
const PRINCIPAL_VERSION: i16 = 0;
/// How long an answer waits for this broker to know what the controller has committed.
const KNOWN_WITHIN: Duration = Duration::from_secs(1);

/// Passes on a whole frame. The client's next request starts when the controller has answered and
/// this broker knows of it: who has made a topic may write to it at once.
pub(crate) fn start(ctx: Ctx, frame: Frame) -> BoxFuture<'static, Outcome> {
    Box::pin(async move {
        let answer = match forward(&ctx, &frame).await {
            Ok(answer) => answer,
            Err(why) => {
                let (name, version) = (ctx.key.name(), ctx.version);
                return Outcome::Close(CloseReason(format!("forwarding {name} v{version}: {why}")));
            }
        };
        if let Some(names) = created(&ctx, frame, answer.clone()) {
            let mut image = ctx.rooms.image.clone();
            let known = image
                .wait_for(|image| names.iter().all(|name| image.topic_by_name(name).is_some()));
            // A topic that was deleted again at once never shows up.
            let _ = ctx.rooms.env.timeout(KNOWN_WITHIN, known).await;
        }
        Outcome::Reply(sized(answer))
    })
}

async fn forward(ctx: &Ctx, frame: &Frame) -> Result<Bytes, String> {
    let envelope = envelope(&ctx.connection, frame.whole.clone())?;
    let response = ctx.rooms.controller.send(&envelope, ENVELOPE_VERSION).await;
    let response = response.map_err(|error| error.to_string())?;
    match (response.error_code, response.response_data) {
        (ErrorCode::NONE, Some(data)) => Ok(data),
        (code, _) => Err(code.name().to_owned()),
    }
}

/// The topics that the controller has made for this request.
fn created(ctx: &Ctx, mut frame: Frame, answer: Bytes) -> Option<Vec<StrBytes>> {
    if ctx.key != ApiKey::CreateTopics {
        return None;
    }
    let request = CreateTopicsRequest::decode(&mut frame.body, ctx.version).ok()?;
    if request.validate_only {
        return None;
    }
    let mut reader = Reader::new(answer);
    decode_response_header(&mut reader, ctx.key, ctx.version).ok()?;
    let response = CreateTopicsResponse::decode(&mut reader, ctx.version).ok()?;
    let made = response.topics.into_iter().filter(|topic| topic.error_code == ErrorCode::NONE);
    Some(made.map(|topic| topic.name).collect())
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
