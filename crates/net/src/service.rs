//! What a server asks of whoever answers requests.
//!
//! Not here: what a request means. Must hold: a reply is whole, with its size and header in front.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use ottla_metrics::{ApiMeter, Requests};
use ottla_security::Principal;
use ottla_wire::Part;

/// A future on the heap, as object-safe services need it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A whole reply, size and header included, in the order in which it goes out; no parts when the
/// request gets no reply at all.
pub type Reply = Vec<Part>;

/// Answers requests.
pub trait Service: Send + Sync + 'static {
    /// Begins one request, given as a frame without its size. Returns when the request has
    /// appended or decided, so that the next one of the connection may begin; what is only
    /// waiting goes on in [`Outcome::Wait`].
    fn start<'a>(
        &'a self,
        connection: &'a Arc<ConnectionInfo>,
        frame: Bytes,
    ) -> BoxFuture<'a, Outcome>;

    /// The connection is gone, whatever the reason.
    fn closed(&self, _connection: &Arc<ConnectionInfo>) {}
}

/// How far a request has come.
pub enum Outcome {
    /// Done.
    Reply(Reply),
    /// Appended or decided; the reply comes later. Waits of a connection overlap.
    Wait(BoxFuture<'static, Result<Reply, CloseReason>>),
    /// Done, and nobody expects an answer (Produce with acks=0).
    Nothing,
    /// The connection must be closed without an answer.
    Close(CloseReason),
}

/// Why a connection was closed by us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseReason(pub String);

impl std::fmt::Display for CloseReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name and version that a client gave itself in ApiVersions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientSoftware {
    /// Such as `apache-kafka-java`.
    pub name: String,
    /// Such as `4.3.1`.
    pub version: String,
}

/// What is known of a connection while it lives.
#[derive(Debug)]
pub struct ConnectionInfo {
    /// Unique in its server.
    pub id: u64,
    /// The other end.
    pub peer: SocketAddr,
    /// Its address as Kafka spells it, such as `/127.0.0.1`.
    pub host: Arc<str>,
    /// The name of the listener it came in by.
    pub listener: Arc<str>,
    /// Who it is.
    pub principal: Principal,
    software: Mutex<ClientSoftware>,
    requests: Option<Arc<Requests>>,
}

impl ConnectionInfo {
    /// A connection of an unauthenticated client.
    pub fn new(id: u64, peer: SocketAddr, listener: Arc<str>) -> Self {
        let principal = Principal::anonymous();
        let host = format!("/{}", peer.ip()).into();
        let (software, requests) = (Mutex::default(), None);
        ConnectionInfo { id, peer, host, listener, principal, software, requests }
    }

    /// The same, with its requests counted; those of a channel inside a process are not.
    pub fn metered(self, requests: Arc<Requests>) -> Self {
        ConnectionInfo { requests: Some(requests), ..self }
    }

    /// What counts the requests of an API, if those of this connection are counted.
    pub fn meter(&self, key: i16) -> Option<&Arc<ApiMeter>> {
        self.requests.as_ref()?.of(key)
    }

    /// Remembers what the client said of itself.
    pub fn set_software(&self, software: ClientSoftware) {
        *self.software.lock().expect("no code panics while it holds this lock") = software;
    }

    /// What the client said of itself; empty before it did.
    pub fn software(&self) -> ClientSoftware {
        self.software.lock().expect("no code panics while it holds this lock").clone()
    }
}
