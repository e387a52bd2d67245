//! From a frame to a typed request, and from a typed answer back to a reply.
//!
//! Must hold: a body that is malformed closes the connection as Kafka does; a reply never outgrows
//! what its version can say, since the encoder refuses it.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use ottla_net::{BoxFuture, CloseReason, ConnectionInfo, Outcome, Reply, count_errors};
use ottla_wire::frame::encode_response;
use ottla_wire::{ApiKey, Message, Reader, Request};

use crate::context::Ctx;

/// A request as it came in.
pub(crate) struct Frame {
    /// All of it, without its size: header and body.
    pub(crate) whole: Bytes,
    /// The body, where the header has been read.
    pub(crate) body: Reader,
}

/// What a handler has come to when it returns: by then it has appended or decided.
pub(crate) enum Answer<T> {
    /// The response is there.
    Done(T),
    /// The response comes when something else has happened; the next request may start.
    Later(BoxFuture<'static, T>),
    /// No response is due.
    Nothing,
    /// The connection must go: the client would otherwise not learn of a failure.
    Close(CloseReason),
}

impl<T> From<T> for Answer<T> {
    fn from(response: T) -> Self {
        Answer::Done(response)
    }
}

impl<T> From<ottla_coordination::Answer<T>> for Answer<T> {
    fn from(answer: ottla_coordination::Answer<T>) -> Self {
        match answer {
            ottla_coordination::Answer::Now(response) => Answer::Done(response),
            ottla_coordination::Answer::Later(response) => Answer::Later(response),
        }
    }
}

/// Which bytes a reply is made of besides its body, and where its errors count.
struct Envelope {
    connection: Arc<ConnectionInfo>,
    key: ApiKey,
    version: i16,
    correlation_id: i32,
}

impl Envelope {
    fn reply<M: Message>(self, response: &M) -> Result<Reply, CloseReason> {
        self.count_errors(response);
        encode_response(response, self.key, self.version, self.correlation_id).map_err(|error| {
            let name = self.key.name();
            let reason =
                format!("the answer to {name} v{} cannot be written: {error}", self.version);
            tracing::error!("{reason}");
            CloseReason(reason)
        })
    }

    fn count_errors<M: Message>(&self, response: &M) {
        if let Some(meter) = self.connection.meter(self.key as i16) {
            count_errors(meter, response, self.version);
        }
    }
}

/// Decodes the body, calls the handler, encodes what it says.
pub(crate) fn answered<R, H, F>(ctx: Ctx, frame: Frame, handle: H) -> BoxFuture<'static, Outcome>
where
    R: Request + Send + 'static,
    R::Response: Send + 'static,
    H: Fn(Ctx, R) -> F,
    F: Future<Output = Answer<R::Response>> + Send + 'static,
{
    let Frame { whole, mut body } = frame;
    drop(whole);
    let envelope = Envelope {
        connection: Arc::clone(&ctx.connection),
        key: R::API_KEY,
        version: ctx.version,
        correlation_id: ctx.correlation_id,
    };
    let request = match R::decode(&mut body, ctx.version) {
        // Bytes behind the body are passed over, as Kafka does: librdkafka's Metadata has some.
        Ok(request) => request,
        Err(error) => return closed(&ctx, error.to_string()),
    };
    let answer = handle(ctx, request);
    Box::pin(async move {
        match answer.await {
            Answer::Done(response) => match envelope.reply(&response) {
                Ok(reply) => Outcome::Reply(reply),
                Err(reason) => Outcome::Close(reason),
            },
            Answer::Later(response) => {
                Outcome::Wait(Box::pin(async move { envelope.reply(&response.await) }))
            }
            Answer::Nothing => Outcome::Nothing,
            Answer::Close(reason) => Outcome::Close(reason),
        }
    })
}

/// Closes because of what the client sent.
fn closed(ctx: &Ctx, why: String) -> BoxFuture<'static, Outcome> {
    let reason = format!("malformed {} v{}: {why}", ctx.key.name(), ctx.version);
    Box::pin(std::future::ready(Outcome::Close(CloseReason(reason))))
}
