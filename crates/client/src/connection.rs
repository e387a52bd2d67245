//! A connection to a broker: typed requests in the highest version that both know.
//!
//! Opening one connects and negotiates versions (KIP-511). Not here: which broker (nodes.rs),
//! frames (line.rs). Must hold: requests leave in the order in which they were submitted.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use ottla_env::{Env, Spawner};
use ottla_wire::messages::{ApiVersionsRequest, ApiVersionsResponse};
use ottla_wire::registry::api_info;
use ottla_wire::{ApiKey, ErrorCode, Message, Reader, Request, StrBytes, VersionRange, frame};
use tokio::sync::{mpsc, oneshot};

use crate::core::versions::Versions;
use crate::error::ClientError;
use crate::line::{Line, LineEnd, Sent};
use crate::settings::ClientSettings;

/// An open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    label: Arc<str>,
    client_id: Option<StrBytes>,
    versions: Versions,
    next_id: AtomicI32,
    requests: mpsc::Sender<Sent>,
}

/// A request that has been submitted; its answer is still due.
#[derive(Debug)]
pub(crate) struct Submitted<R: Request> {
    label: Arc<str>,
    version: i16,
    timeout: Duration,
    answer: oneshot::Receiver<Result<Bytes, LineEnd>>,
    request: std::marker::PhantomData<fn() -> R>,
}

impl Connection {
    /// Connects and learns what the broker serves.
    pub(crate) async fn open(
        env: &Env,
        spawner: &Spawner,
        settings: &ClientSettings,
        label: Arc<str>,
        (host, port): (&str, u16),
    ) -> Result<Connection, ClientError> {
        let setup = Duration::from_millis(settings.connection_setup_timeout_ms);
        let connected = env.timeout(setup, env.net().connect(host, port)).await;
        let connected = connected.map_err(|_| format!("nothing answered within {setup:?}"));
        let stream = connected
            .and_then(|connected| connected.map_err(|error| error.to_string()))
            .map_err(|cause| ClientError::Connect { broker: label.to_string(), cause })?;
        let (requests, receiver) = mpsc::channel(REQUESTS_WAITING_MAX);
        let idle_max = Duration::from_millis(settings.connections_max_idle_ms);
        spawner.spawn("connection", Line::new(env.clone(), stream, receiver, idle_max).run());
        let client_id = Some(&settings.client_id).filter(|id| !id.is_empty());
        let mut connection = Connection {
            label,
            client_id: client_id.map(|id| StrBytes::copied(id)),
            versions: Versions::default(),
            next_id: AtomicI32::new(0),
            requests,
        };
        let timeout = Duration::from_millis(settings.request_timeout_ms);
        connection.versions = connection.negotiate(timeout).await?;
        Ok(connection)
    }

    /// What the broker serves.
    pub(crate) fn versions(&self) -> &Versions {
        &self.versions
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.requests.is_closed()
    }

    /// Asks and waits for the answer.
    pub(crate) async fn call<R: Request>(
        &self,
        request: &R,
        version_max: i16,
        timeout: Duration,
    ) -> Result<R::Response, ClientError> {
        self.submit(request, version_max, timeout).await?.answer().await
    }

    /// Puts the request on its way. Requests leave in the order in which these calls return.
    pub(crate) async fn submit<R: Request>(
        &self,
        request: &R,
        version_max: i16,
        timeout: Duration,
    ) -> Result<Submitted<R>, ClientError> {
        let version = self.version::<R>(version_max)?;
        let (sender, answer) = oneshot::channel();
        self.send(request, version, timeout, Some(sender)).await?;
        let label = self.label.clone();
        Ok(Submitted { label, version, timeout, answer, request: std::marker::PhantomData })
    }

    /// Puts a request on its way that the broker will not answer.
    pub(crate) async fn submit_unanswered<R: Request>(
        &self,
        request: &R,
        version_max: i16,
    ) -> Result<(), ClientError> {
        let version = self.version::<R>(version_max)?;
        self.send(request, version, Duration::MAX, None).await
    }

    fn version<R: Request>(&self, version_max: i16) -> Result<i16, ClientError> {
        let known = api_info(R::API_KEY).stable_versions();
        let ours = VersionRange { min: known.min, max: known.max.min(version_max) };
        self.versions.pick(R::API_KEY, ours).ok_or_else(|| ClientError::NoCommonVersion {
            broker: self.label.to_string(),
            api: R::API_KEY,
            ours,
            theirs: self.versions.of(R::API_KEY),
        })
    }

    async fn send<R: Request>(
        &self,
        request: &R,
        version: i16,
        timeout: Duration,
        answer: Option<oneshot::Sender<Result<Bytes, LineEnd>>>,
    ) -> Result<(), ClientError> {
        let correlation_id = self.next_id.fetch_add(1, Ordering::Relaxed) & i32::MAX;
        let frame = frame::encode_request(request, version, correlation_id, self.client_id.clone());
        let frame = frame.map_err(|error| ClientError::Unsayable {
            api: R::API_KEY,
            version,
            cause: error.to_string(),
        })?;
        let sent = Sent { correlation_id, frame, timeout, answer };
        self.requests.send(sent).await.map_err(|_| ClientError::Connect {
            broker: self.label.to_string(),
            cause: "the connection has just ended".to_owned(),
        })
    }

    /// Asks in the newest version; a broker that does not know it answers in version 0.
    async fn negotiate(&self, timeout: Duration) -> Result<Versions, ClientError> {
        let newest = api_info(ApiKey::ApiVersions).stable_versions().max;
        let mut response = self.api_versions(newest, timeout).await?;
        if response.error_code == ErrorCode::UNSUPPORTED_VERSION {
            let theirs = Versions::from_response(&response).of(ApiKey::ApiVersions);
            let version = theirs.map_or(0, |theirs| theirs.max.clamp(0, newest));
            response = self.api_versions(version, timeout).await?;
        }
        match response.error_code {
            ErrorCode::NONE => Ok(Versions::from_response(&response)),
            code => Err(ClientError::refused(ApiKey::ApiVersions, &*self.label, code, None)),
        }
    }

    async fn api_versions(
        &self,
        version: i16,
        timeout: Duration,
    ) -> Result<ApiVersionsResponse, ClientError> {
        let request = ApiVersionsRequest {
            client_software_name: "ottla".into(),
            client_software_version: env!("CARGO_PKG_VERSION").into(),
            ..ApiVersionsRequest::default()
        };
        let (sender, answer) = oneshot::channel();
        self.send(&request, version, timeout, Some(sender)).await?;
        let frame = received(&self.label, ApiKey::ApiVersions, timeout, answer).await?;
        // Behind the correlation id; a refusal of the version is in version 0, whatever was asked.
        let code = frame.get(4..6).and_then(|code| code.first_chunk::<2>());
        let refused = code.is_some_and(|code| {
            ErrorCode(i16::from_be_bytes(*code)) == ErrorCode::UNSUPPORTED_VERSION
        });
        let version = if refused { 0 } else { version };
        read::<ApiVersionsRequest>(&self.label, version, frame)
    }
}

impl<R: Request> Submitted<R> {
    /// Waits for the answer.
    pub(crate) async fn answer(self) -> Result<R::Response, ClientError> {
        let frame = received(&self.label, R::API_KEY, self.timeout, self.answer).await?;
        read::<R>(&self.label, self.version, frame)
    }
}

async fn received(
    label: &str,
    api: ApiKey,
    timeout: Duration,
    answer: oneshot::Receiver<Result<Bytes, LineEnd>>,
) -> Result<Bytes, ClientError> {
    let broker = || label.to_owned();
    let cause = match answer.await {
        Ok(Ok(frame)) => return Ok(frame),
        Ok(Err(LineEnd::TimedOut)) => {
            let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
            return Err(ClientError::TimedOut { broker: broker(), api, timeout_ms });
        }
        Ok(Err(LineEnd::Lost(cause))) => cause,
        Err(_) => "the client was closed".to_owned(),
    };
    Err(ClientError::Disconnected { broker: broker(), api, cause })
}

fn read<R: Request>(label: &str, version: i16, frame: Bytes) -> Result<R::Response, ClientError> {
    let mut reader = Reader::new(frame);
    frame::decode_response_header(&mut reader, R::API_KEY, version)
        .and_then(|_| R::Response::decode(&mut reader, version))
        .map_err(|error| ClientError::Unreadable {
            broker: label.to_owned(),
            api: R::API_KEY,
            cause: format!("version {version}, {error}"),
        })
}

/// Requests that wait for the connection's task; more wait with their callers.
const REQUESTS_WAITING_MAX: usize = 16;
