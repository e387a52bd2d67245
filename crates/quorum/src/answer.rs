//! From a frame to a typed request, and from a typed answer back to a reply.
//!
//! Must hold: a body that is malformed closes the connection as Kafka does.

use std::sync::Arc;

use ottla_net::{BoxFuture, CloseReason, ConnectionInfo, Outcome, Reply, count_errors};
use ottla_wire::frame::encode_response;
use ottla_wire::{ApiKey, Message, Reader, Request};

use crate::context::Ctx;

/// What a handler has come to when it returns: by then it has decided.
pub(crate) enum Answer<T> {
    /// The response is there.
    Done(T),
    /// The response comes when the decision is committed; the next request may start.
    Later(BoxFuture<'static, Result<T, CloseReason>>),
    /// The connection must go: the client would otherwise not learn of a failure.
    Close(CloseReason),
}

impl<T> From<T> for Answer<T> {
    fn from(response: T) -> Self {
        Answer::Done(response)
    }
}

impl<T: Send + 'static> Answer<T> {
    /// Changes the response when it is there.
    pub(crate) fn map(self, change: impl FnOnce(T) -> T + Send + 'static) -> Answer<T> {
        match self {
            Answer::Done(response) => Answer::Done(change(response)),
            Answer::Later(response) => {
                Answer::Later(Box::pin(async move { response.await.map(change) }))
            }
            Answer::Close(reason) => Answer::Close(reason),
        }
    }
}

/// Which bytes a reply is made of besides its body, and where its errors count.
struct Frame {
    connection: Arc<ConnectionInfo>,
    key: ApiKey,
    version: i16,
    correlation_id: i32,
}

impl Frame {
    fn reply<M: Message>(self, response: &M) -> Result<Reply, CloseReason> {
        if let Some(meter) = self.connection.meter(self.key as i16) {
            count_errors(meter, response, self.version);
        }
        encode_response(response, self.key, self.version, self.correlation_id).map_err(|error| {
            let name = self.key.name();
            CloseReason(format!(
                "the answer to {name} v{} cannot be written: {error}",
                self.version
            ))
        })
    }
}

/// Decodes the body, calls the handler, encodes what it says.
pub(crate) fn answered<R>(
    ctx: &Ctx,
    mut body: Reader,
    handle: impl FnOnce(&Ctx, R) -> Answer<R::Response>,
) -> Outcome
where
    R: Request,
    R::Response: Send + 'static,
{
    let frame = Frame {
        connection: Arc::clone(&ctx.connection),
        key: ctx.key,
        version: ctx.version,
        correlation_id: ctx.correlation_id,
    };
    let request = match R::decode(&mut body, ctx.version) {
        // Bytes behind the body are passed over, as Kafka does.
        Ok(request) => request,
        Err(error) => return malformed(ctx, &error.to_string()),
    };
    match handle(ctx, request) {
        Answer::Done(response) => match frame.reply(&response) {
            Ok(reply) => Outcome::Reply(reply),
            Err(reason) => Outcome::Close(reason),
        },
        Answer::Later(response) => {
            Outcome::Wait(Box::pin(async move { frame.reply(&response.await?) }))
        }
        Answer::Close(reason) => Outcome::Close(reason),
    }
}

fn malformed(ctx: &Ctx, why: &str) -> Outcome {
    Outcome::Close(CloseReason(format!("malformed {} v{}: {why}", ctx.key.name(), ctx.version)))
}
