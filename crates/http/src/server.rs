//! Accepts connections, and answers one request on each.
//!
//! The clock is env's alone: hyper is given no timer, and an exchange ends by env's timeout.
//! Not here: what is on a page.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use ottla_env::{Env, Listener, Spawner, Stream, Tasks};
use tokio::sync::Semaphore;

use crate::io::{Io, Whole};
use crate::{CONNECTIONS_MAX, EXCHANGE_MAX, HEAD_BYTES_MAX, HEADERS_MAX, Page, Pages};

/// How long accepting pauses when the process has no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A server of pages. Dropping it ends every connection.
pub struct Server {
    tasks: Tasks,
}

/// What every task of a server has in hand.
struct Hall {
    env: Env,
    connections: Spawner,
    places: Arc<Semaphore>,
    pages: Arc<dyn Pages>,
}

impl Server {
    /// Shows `pages` on `listeners` until it is stopped or dropped.
    pub fn start(env: &Env, listeners: Vec<Listener>, pages: Arc<dyn Pages>) -> Server {
        let tasks = env.tasks();
        let hall = Arc::new(Hall {
            env: env.clone(),
            connections: tasks.spawner(),
            places: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            pages,
        });
        for listener in listeners {
            tasks.spawn("http listener", Arc::clone(&hall).accept(listener));
        }
        Server { tasks }
    }

    /// Ends the listeners and every connection, and waits until they are gone.
    pub async fn stop(self) {
        self.tasks.shutdown().await;
    }
}

impl Hall {
    async fn accept(self: Arc<Self>, listener: Listener) {
        loop {
            let place = Arc::clone(&self.places).acquire_owned().await;
            let place = place.expect("the semaphore is never closed");
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let hall = Arc::clone(&self);
                    self.connections.spawn("http connection", async move {
                        hall.exchange(stream, &peer.to_string()).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "accepting an HTTP connection failed");
                    self.env.sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn exchange(&self, stream: Stream, peer: &str) {
        let service = service_fn(async |request: Request<Incoming>| {
            Ok::<_, Infallible>(self.answer(&request).await)
        });
        let connection = http1::Builder::new()
            .keep_alive(false)
            .auto_date_header(false)
            .max_buf_size(HEAD_BYTES_MAX)
            .max_headers(HEADERS_MAX)
            .serve_connection(Io(stream), service);
        match self.env.timeout(EXCHANGE_MAX, connection).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(peer, %error, "an HTTP exchange failed"),
            Err(_) => tracing::debug!(peer, "an HTTP exchange took too long"),
        }
    }

    async fn answer(&self, request: &Request<Incoming>) -> Response<Whole> {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
        let page = self.pages.page(request.uri().path(), accept.unwrap_or_default()).await;
        match page {
            None => refusal(StatusCode::NOT_FOUND),
            Some(_) if !is_read => {
                let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED);
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
                response
            }
            Some(page) => response(page),
        }
    }
}

fn refusal(status: StatusCode) -> Response<Whole> {
    let reason = status.canonical_reason().unwrap_or_default();
    response(Page { status: status.as_u16(), ..Page::text(format!("{reason}\n")) })
}

fn response(page: Page) -> Response<Whole> {
    let Page { status, content_type, body } = page;
    let mut response = Response::new(Whole::from(body));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
