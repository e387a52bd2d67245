//! Requests to a service, in the words of the protocol.
//!
//! Broker and controller of one process talk through a [`Channel`] as they would over a socket:
//! whole encoded frames in both directions, so that nothing can be said that Kafka's messages do
//! not say.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use bytes::{Buf, Bytes, BytesMut};
use ottla_wire::frame::{encode_request, response_header_version};
use ottla_wire::messages::ResponseHeader;
use ottla_wire::{Message, Part, Reader, Request, StrBytes};

use crate::service::{ConnectionInfo, Outcome, Reply, Service};

/// The size prefix, which frames inside of a process do not have.
const PREFIX: usize = 4;

/// Why a request got no answer.
#[derive(Debug)]
pub enum ChannelError {
    /// The request cannot be written in this version.
    Encode(String),
    /// The answer cannot be read.
    Decode(String),
    /// The other side closed instead of answering.
    Closed(String),
}

impl std::fmt::Display for ChannelError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ChannelError::Encode(why) => write!(f, "the request cannot be written: {why}"),
            ChannelError::Decode(why) => write!(f, "the answer cannot be read: {why}"),
            ChannelError::Closed(why) => write!(f, "closed without an answer: {why}"),
        }
    }
}

impl std::error::Error for ChannelError {}

/// A way to send requests to one service.
#[derive(Clone)]
pub struct Channel {
    service: Arc<dyn Service>,
    info: Arc<ConnectionInfo>,
    next_correlation_id: Arc<AtomicI32>,
    client_id: StrBytes,
}

impl Channel {
    /// A channel to a service of the same process.
    pub fn pipe(service: Arc<dyn Service>, client_id: &str) -> Channel {
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Channel {
            service,
            info: Arc::new(ConnectionInfo::new(0, nowhere, "pipe".into())),
            next_correlation_id: Arc::new(AtomicI32::new(1)),
            client_id: StrBytes::copied(client_id),
        }
    }

    /// Sends one request in `version` and waits for its answer.
    ///
    /// # Errors
    /// The request does not fit the version, the other side closed, or its answer is not one.
    pub async fn send<R: Request>(
        &self,
        request: &R,
        version: i16,
    ) -> Result<R::Response, ChannelError> {
        let id = self.next_correlation_id.fetch_add(1, Ordering::Relaxed);
        let mut frame = encode_request(request, version, id, Some(self.client_id.clone()))
            .map_err(|error| ChannelError::Encode(error.to_string()))?;
        frame.advance(PREFIX);
        let reply = match self.service.start(&self.info, frame).await {
            Outcome::Reply(reply) => reply,
            Outcome::Wait(wait) => {
                wait.await.map_err(|reason| ChannelError::Closed(reason.to_string()))?
            }
            Outcome::Nothing => return Err(ChannelError::Closed("no answer is due".to_owned())),
            Outcome::Close(reason) => return Err(ChannelError::Closed(reason.to_string())),
        };
        decode::<R>(reply, version).map_err(ChannelError::Decode)
    }
}

fn decode<R: Request>(reply: Reply, version: i16) -> Result<R::Response, String> {
    let mut bytes = joined(reply)?;
    if bytes.len() < PREFIX {
        return Err("shorter than its size prefix".to_owned());
    }
    bytes.advance(PREFIX);
    let mut reader = Reader::new(bytes);
    let header = response_header_version(R::API_KEY, version);
    ResponseHeader::decode(&mut reader, header).map_err(|error| error.to_string())?;
    R::Response::decode(&mut reader, version).map_err(|error| error.to_string())
}

fn joined(reply: Reply) -> Result<Bytes, String> {
    let mut all = BytesMut::new();
    for part in reply {
        match part {
            Part::Bytes(bytes) => all.extend_from_slice(&bytes),
            Part::File(_) => return Err("a file range inside of one process".to_owned()),
        }
    }
    Ok(all.freeze())
}
