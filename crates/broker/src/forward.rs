//! Requests of clients that the controller decides: passed on in an Envelope, byte for byte, with
//! the client's principal and address (KIP-590).
//!
//! Kafka answers a change as soon as the controller has committed it, which may be before this
//! broker knows of it; here the answer waits for that, so that a client reads back what it wrote.
//! Must hold: the answer goes to the client as the controller wrote it, so both need the same
//! versions; what ApiVersions announces for these APIs is what the controller reads.

use std::net::IpAddr;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use ottla_net::{BoxFuture, ChannelError, CloseReason, ConnectionInfo, Outcome, count_errors};
use ottla_wire::frame::{decode_response_header, encode_request};
use ottla_wire::messages::describe_quorum_request::{PartitionData, TopicData};
use ottla_wire::messages::{DefaultPrincipalData, DescribeQuorumRequest, EnvelopeRequest};
use ottla_wire::{ErrorCode, Message, Offset, Part, Reader, Request, StrBytes};

use crate::answer::Frame;
use crate::context::{Ctx, Rooms};

const ENVELOPE_VERSION: i16 = 0;
/// What stands in front of a frame, and not in an Envelope.
const SIZE: usize = 4;
const PRINCIPAL_VERSION: i16 = 0;
const DESCRIBE_QUORUM_VERSION: i16 = 0;
/// The topic that the metadata log is; it has one partition.
const METADATA_TOPIC: &str = "__cluster_metadata";
/// How long an answer waits for this broker to know what the controller has committed. Clients
/// wait for their answers longer than that.
const KNOWN_WITHIN: Duration = Duration::from_secs(5);

/// Passes on what changes the metadata. The client's next request starts when the controller has
/// answered and this broker knows of it.
pub(crate) fn change<R: Request + 'static>(ctx: Ctx, frame: Frame) -> BoxFuture<'static, Outcome> {
    Box::pin(async move {
        let outcome = passed_on::<R>(&ctx, &frame).await;
        if matches!(outcome, Outcome::Reply(_)) {
            let known = known(&ctx.rooms);
            // Whatever keeps this broker from catching up, the change is made.
            let _ = ctx.rooms.env.timeout(KNOWN_WITHIN, known).await;
        }
        outcome
    })
}

/// Passes on what only reads.
pub(crate) fn question<R: Request + 'static>(
    ctx: Ctx,
    frame: Frame,
) -> BoxFuture<'static, Outcome> {
    Box::pin(async move { passed_on::<R>(&ctx, &frame).await })
}

async fn passed_on<R: Request>(ctx: &Ctx, frame: &Frame) -> Outcome {
    match forward(ctx, frame).await {
        Ok(answer) => {
            count::<R>(ctx, answer.clone());
            Outcome::Reply(sized(answer))
        }
        Err(why) => {
            let (name, version) = (ctx.key.name(), ctx.version);
            Outcome::Close(CloseReason(format!("forwarding {name} v{version}: {why}")))
        }
    }
}

/// Counts the errors in an answer that is passed on as it is.
fn count<R: Request>(ctx: &Ctx, answer: Bytes) {
    let Some(meter) = ctx.connection.meter(ctx.key as i16) else { return };
    let mut reader = Reader::new(answer);
    let header = decode_response_header(&mut reader, ctx.key, ctx.version);
    let answer = header.and_then(|_| R::Response::decode(&mut reader, ctx.version));
    match answer {
        Ok(answer) => count_errors(meter, &answer, ctx.version),
        Err(error) => tracing::debug!(%error, "an answer of the controller cannot be read"),
    }
}

/// Asks the controller for something as if the client of `ctx` had, and waits until this broker
/// knows of it.
///
/// # Errors
/// Why there is no answer; what the answer refuses is in it.
pub(crate) async fn on_behalf<R: Request>(
    ctx: &Ctx,
    request: &R,
    version: i16,
) -> Result<R::Response, String> {
    let client = ctx.client_id.clone();
    let mut frame = encode_request(request, version, ctx.correlation_id, client)
        .map_err(|error| error.to_string())?;
    frame.advance(SIZE);
    let mut reader = Reader::new(pass(ctx, frame).await?);
    let answer = decode_response_header(&mut reader, R::API_KEY, version)
        .and_then(|_| R::Response::decode(&mut reader, version))
        .map_err(|error| error.to_string())?;
    // Whatever keeps this broker from catching up, it is done.
    let _ = ctx.rooms.env.timeout(KNOWN_WITHIN, known(&ctx.rooms)).await;
    Ok(answer)
}

async fn forward(ctx: &Ctx, frame: &Frame) -> Result<Bytes, String> {
    pass(ctx, frame.whole.clone()).await
}

async fn pass(ctx: &Ctx, frame: Bytes) -> Result<Bytes, String> {
    let envelope = envelope(&ctx.connection, frame)?;
    let response = ctx.rooms.controller.send(&envelope, ENVELOPE_VERSION).await;
    let response = response.map_err(|error| error.to_string())?;
    match (response.error_code, response.response_data) {
        (ErrorCode::NONE, Some(data)) => Ok(data),
        (code, _) => Err(code.name().to_owned()),
    }
}

/// Waits until this broker has applied all that the controller has committed by now.
async fn known(rooms: &Rooms) {
    let committed = match committed(rooms).await {
        Ok(Some(end)) => end,
        Ok(None) => return,
        Err(error) => {
            tracing::debug!(%error, "the controller did not tell how far it is");
            return;
        }
    };
    let mut image = rooms.image.clone();
    // It only fails when the node is going away.
    let _ = image.wait_for(|image| image.provenance().offset.next() >= committed).await;
}

/// The end of the metadata log's committed part, as the controller tells it.
async fn committed(rooms: &Rooms) -> Result<Option<Offset>, ChannelError> {
    let topic = TopicData {
        topic_name: StrBytes::from_static(METADATA_TOPIC),
        partitions: vec![PartitionData::default()],
        ..Default::default()
    };
    let request = DescribeQuorumRequest { topics: vec![topic], ..Default::default() };
    let response = rooms.controller.send(&request, DESCRIBE_QUORUM_VERSION).await?;
    let partition = response.topics.first().and_then(|topic| topic.partitions.first());
    let known = partition.filter(|partition| partition.error_code == ErrorCode::NONE);
    Ok(known.map(|partition| partition.high_watermark))
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
