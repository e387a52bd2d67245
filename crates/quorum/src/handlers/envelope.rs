//! Envelope (58), v0: a request that a broker passes on for its client, with who that is (KIP-590).
//!
//! The embedded request runs as the client, with the client's version and correlation id; its
//! answer goes back whole. Asks for ClusterAction on the cluster.
//! Not served: an Envelope within an Envelope, and APIs that are not forwarded.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use ottla_net::{BoxFuture, CloseReason, ConnectionInfo, Outcome, Reply};
use ottla_security::Principal;
use ottla_wire::messages::{DefaultPrincipalData, EnvelopeRequest, EnvelopeResponse};
use ottla_wire::{ErrorCode, Message, Part, Reader};

use crate::answer::Answer;
use crate::context::Ctx;
use crate::service::open;

/// The size in front of a reply, which an embedded one does not have.
const SIZE_LEN: usize = 4;

pub(crate) fn handle(ctx: &Ctx, request: EnvelopeRequest) -> Answer<EnvelopeResponse> {
    if !ctx.is_node() {
        return refused(ErrorCode::CLUSTER_AUTHORIZATION_FAILED).into();
    }
    let client = match client(ctx, &request) {
        Ok(client) => Arc::new(client),
        Err(code) => return refused(code).into(),
    };
    let Ok(opened) = open(&ctx.shared, &client, &request.request_data) else {
        return refused(ErrorCode::UNSUPPORTED_VERSION).into();
    };
    if !opened.api.forwarded {
        return refused(ErrorCode::INVALID_REQUEST).into();
    }
    match (opened.api.start)(&opened.ctx, opened.body) {
        Outcome::Reply(reply) => embedded(reply).into(),
        Outcome::Wait(reply) => Answer::Later(later(reply)),
        Outcome::Close(CloseReason(why)) => {
            tracing::debug!(why, "an embedded request was refused");
            refused(ErrorCode::INVALID_REQUEST).into()
        }
        Outcome::Nothing => refused(ErrorCode::UNKNOWN_SERVER_ERROR).into(),
    }
}

fn later(
    reply: BoxFuture<'static, Result<Reply, CloseReason>>,
) -> BoxFuture<'static, Result<EnvelopeResponse, CloseReason>> {
    Box::pin(async move { reply.await.map(embedded) })
}

/// The client as the broker knows it.
fn client(ctx: &Ctx, request: &EnvelopeRequest) -> Result<ConnectionInfo, ErrorCode> {
    let principal = request.request_principal.clone().and_then(principal);
    let principal = principal.ok_or(ErrorCode::PRINCIPAL_DESERIALIZATION_FAILURE)?;
    let address = address(&request.client_host_address).ok_or(ErrorCode::INVALID_REQUEST)?;
    let (id, listener) = (ctx.connection.id, Arc::clone(&ctx.connection.listener));
    let mut connection = ConnectionInfo::new(id, SocketAddr::new(address, 0), listener);
    connection.principal = principal;
    Ok(connection)
}

fn principal(mut bytes: Bytes) -> Option<Principal> {
    let version = bytes.try_get_i16().ok()?;
    let data = DefaultPrincipalData::decode(&mut Reader::new(bytes), version).ok()?;
    Some(Principal { kind: data.r#type.to_string(), name: data.name.to_string() })
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

fn embedded(reply: Reply) -> EnvelopeResponse {
    let mut data = BytesMut::new();
    for part in reply {
        match part {
            Part::Bytes(bytes) => data.extend_from_slice(&bytes),
            Part::File(_) => return refused(ErrorCode::UNKNOWN_SERVER_ERROR),
        }
    }
    let mut data = data.freeze();
    data.advance(SIZE_LEN.min(data.len()));
    EnvelopeResponse { response_data: Some(data), ..Default::default() }
}

fn refused(error_code: ErrorCode) -> EnvelopeResponse {
    EnvelopeResponse { error_code, ..Default::default() }
}
