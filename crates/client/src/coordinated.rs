//! Calls to the coordinator of a group or a transactional id, wherever it moves.
//!
//! Must hold: a request is repeated only where the answer says that the broker is not the
//! coordinator or is not ready, or where it was never sent.

use std::time::Duration;

use ottla_wire::{ApiKey, ErrorCode, Request};

use crate::client::{Client, CoordinatorKind};
use crate::error::ClientError;
use crate::nodes::Lane;

/// Whose coordinator is asked, and how.
pub(crate) struct Seat<'a> {
    pub(crate) kind: CoordinatorKind,
    /// The group or the transactional id.
    pub(crate) key: &'a str,
    pub(crate) lane: Lane,
    /// How long an answer may take.
    pub(crate) timeout: Duration,
    /// The highest version to speak.
    pub(crate) version_max: i16,
}

impl Client {
    /// Asks a group's coordinator, and again while the answer's code says that the broker is not
    /// it or is not ready.
    pub(crate) async fn on_coordinator<R: Request>(
        &self,
        group: &str,
        request: &R,
        code: impl Fn(&R::Response) -> ErrorCode,
    ) -> Result<R::Response, ClientError> {
        let timeout = self.request_timeout();
        let mut attempts = self.attempts(format!("{} of group {group}", R::API_KEY));
        loop {
            match self.once_on_coordinator(Lane::COMMON, timeout, group, request, &code).await {
                Err(error) if has_moved(&error) => attempts.again(error).await?,
                result => return result,
            }
        }
    }

    /// Asks a group's coordinator once. When it has moved, is not ready or cannot be reached,
    /// the next call looks for it again.
    pub(crate) async fn once_on_coordinator<R: Request>(
        &self,
        lane: Lane,
        timeout: Duration,
        group: &str,
        request: &R,
        code: impl Fn(&R::Response) -> ErrorCode,
    ) -> Result<R::Response, ClientError> {
        let (kind, version_max) = (CoordinatorKind::Group, names_until(R::API_KEY));
        self.once_at(&Seat { kind, key: group, lane, timeout, version_max }, request, code).await
    }

    /// Asks a coordinator until it agrees, as long as a call may take. For what may be repeated.
    pub(crate) async fn until_agreed<R: Request>(
        &self,
        seat: &Seat<'_>,
        request: &R,
        code: impl Fn(&R::Response) -> ErrorCode,
    ) -> Result<R::Response, ClientError> {
        let mut attempts = self.attempts(format!("{} of {}", R::API_KEY, seat.key));
        loop {
            let told = self.once_at(seat, request, &code).await;
            let told = told.and_then(|response| match code(&response) {
                ErrorCode::NONE => Ok(response),
                code => Err(ClientError::refused(R::API_KEY, seat.key, code, None)),
            });
            match told {
                Ok(response) => return Ok(response),
                Err(error) => attempts.again(error).await?,
            }
        }
    }

    /// Asks a coordinator once, in the same way.
    pub(crate) async fn once_at<R: Request>(
        &self,
        seat: &Seat<'_>,
        request: &R,
        code: impl Fn(&R::Response) -> ErrorCode,
    ) -> Result<R::Response, ClientError> {
        let id = self.coordinator(seat.kind, seat.key).await?;
        let result = match self.broker(id, seat.lane).await {
            Ok(connection) => connection.call(request, seat.version_max, seat.timeout).await,
            Err(error) => Err(error),
        };
        let result = result.and_then(|response| match code(&response) {
            moved @ (ErrorCode::NOT_COORDINATOR
            | ErrorCode::COORDINATOR_NOT_AVAILABLE
            | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS) => {
                Err(ClientError::refused(R::API_KEY, seat.key, moved, None))
            }
            _ => Ok(response),
        });
        if result.is_err() {
            self.forget_coordinator(seat.kind, seat.key);
        }
        result
    }
}

/// Whether the request has certainly done nothing yet.
fn has_moved(error: &ClientError) -> bool {
    match error {
        ClientError::Refused { .. } => error.is_retriable(),
        ClientError::Connect { .. } | ClientError::UnknownBroker { .. } => true,
        _ => false,
    }
}

/// The last version in which an API of offsets knows topics by name and not by id (KIP-848).
fn names_until(api: ApiKey) -> i16 {
    match api {
        ApiKey::OffsetCommit | ApiKey::OffsetFetch => 9,
        _ => i16::MAX,
    }
}
