//! Trying again: with backoff, until a deadline. Not here: how long a wait is (core/backoff.rs).
//! Must hold: never after what trying cannot mend.

use std::time::Duration;

use ottla_env::{Env, Instant};

use crate::core::backoff::Backoff;
use crate::error::ClientError;
use crate::settings::ClientSettings;

/// The attempts of one call.
pub(crate) struct Attempts {
    env: Env,
    backoff: Backoff,
    deadline: Instant,
    timeout_ms: u64,
    failures: u32,
    about: String,
}

impl Attempts {
    /// Attempts at something, for at most so long.
    pub(crate) fn new(
        env: &Env,
        settings: &ClientSettings,
        about: impl Into<String>,
        timeout_ms: u64,
    ) -> Attempts {
        Attempts {
            env: env.clone(),
            backoff: Backoff {
                initial_ms: settings.retry_backoff_ms,
                max_ms: settings.retry_backoff_max_ms,
            },
            deadline: env.monotonic() + Duration::from_millis(timeout_ms),
            timeout_ms,
            failures: 0,
            about: about.into(),
        }
    }

    /// Waits until the next attempt is due; fails when there is none.
    pub(crate) async fn again(&mut self, failure: ClientError) -> Result<(), ClientError> {
        if !failure.is_retriable() {
            return Err(failure);
        }
        self.failures = self.failures.saturating_add(1);
        let at = self.env.monotonic() + self.backoff.after(self.failures, self.env.random_u64());
        if at >= self.deadline {
            return Err(ClientError::Waited {
                about: self.about.clone(),
                timeout_ms: self.timeout_ms,
                last: Some(Box::new(failure)),
            });
        }
        tracing::debug!(%failure, failures = self.failures, "trying again");
        self.env.sleep_until(at).await;
        Ok(())
    }
}
