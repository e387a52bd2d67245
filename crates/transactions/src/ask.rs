//! What every request brings along: the time, the limits, a producer id in reserve, a ticket.
//!
//! Not here: the requests themselves, which are the generated messages.

use ottla_machine::{Now, Ticket};
use ottla_wire::ProducerId;

/// One request's surroundings.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The time.
    pub now: Now,
    /// The limits in force.
    pub settings: &'a Settings,
    /// The version in which the request came, which decides some behaviours.
    pub version: i16,
    /// A producer id that nobody has had, if the host has one at hand. A decision that lacks it
    /// says [`NeedsProducerId`](crate::TransactionReply::NeedsProducerId).
    pub fresh: Option<ProducerId>,
    /// Names the request in the replies.
    pub ticket: Ticket,
}

/// The configs of the transaction coordinator that its decisions need.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `transaction.max.timeout.ms`
    pub timeout_ms_max: i32,
    /// `transaction.abort.timed.out.transaction.cleanup.interval.ms`
    pub abort_interval_ms: i64,
    /// `transaction.remove.expired.transaction.cleanup.interval.ms`
    pub expiry_interval_ms: i64,
    /// `transactional.id.expiration.ms`
    pub expiration_ms: i64,
    /// `transaction.two.phase.commit.enable`
    pub two_phase_commit: bool,
    /// The finalised level of the feature `transaction.version`.
    pub transaction_version: i16,
}

impl Settings {
    /// The version of the values in the log: TransactionVersion.transactionLogValueVersion.
    pub(crate) fn value_version(&self) -> i16 {
        i16::from(self.transaction_version > 0)
    }
}

impl Default for Settings {
    /// Kafka's defaults.
    fn default() -> Self {
        Settings {
            timeout_ms_max: 15 * 60 * 1_000,
            abort_interval_ms: 10_000,
            expiry_interval_ms: 60 * 60 * 1_000,
            expiration_ms: 7 * 24 * 60 * 60 * 1_000,
            two_phase_commit: false,
            transaction_version: 2,
        }
    }
}
