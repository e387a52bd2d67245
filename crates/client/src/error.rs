//! What can go wrong for a client, said so that its reader knows who, what and what to do.
//! Must hold: only what may succeed when it is tried again is called retriable.

use std::fmt;

use ottla_wire::{ApiKey, ErrorCode, VersionRange};

/// Why a call, a record or a poll failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClientError {
    /// A setting that cannot be: the caller's fault.
    Setting {
        /// Its key.
        key: String,
        /// The value given.
        value: String,
        /// What is allowed.
        allowed: String,
    },
    /// No connection came about; nothing was sent.
    Connect {
        /// Which broker.
        broker: String,
        /// What the system said.
        cause: String,
    },
    /// None of the bootstrap servers answered.
    Bootstrap {
        /// One sentence for each that was tried.
        tried: Vec<String>,
    },
    /// The connection ended before the answer came; the request may have been carried out.
    Disconnected {
        /// Which broker.
        broker: String,
        /// What was asked.
        api: ApiKey,
        /// Why it ended.
        cause: String,
    },
    /// No answer in time; the request may have been carried out.
    TimedOut {
        /// Which broker.
        broker: String,
        /// What was asked.
        api: ApiKey,
        /// How long was waited.
        timeout_ms: u64,
    },
    /// The broker serves no version of the API that is spoken here.
    NoCommonVersion {
        /// Which broker.
        broker: String,
        /// Which API.
        api: ApiKey,
        /// The versions spoken here.
        ours: VersionRange,
        /// The versions that the broker announced.
        theirs: Option<VersionRange>,
    },
    /// The request cannot be said in the version that the broker serves.
    Unsayable {
        /// Which API.
        api: ApiKey,
        /// The version.
        version: i16,
        /// What cannot be said.
        cause: String,
    },
    /// The answer cannot be read: the broker's fault.
    Unreadable {
        /// Which broker.
        broker: String,
        /// Which API.
        api: ApiKey,
        /// What is wrong with it.
        cause: String,
    },
    /// The broker refused.
    Refused {
        /// Which API.
        api: ApiKey,
        /// What about: a topic, a group, a partition.
        about: String,
        /// Its error code.
        code: ErrorCode,
        /// Its message, where it sent one.
        message: Option<String>,
    },
    /// The cluster has no broker of this id that is up.
    UnknownBroker {
        /// Which one.
        id: i32,
    },
    /// What was asked for did not come to be in time.
    Waited {
        /// What was waited for.
        about: String,
        /// How long.
        timeout_ms: u64,
        /// The last thing that stood in the way.
        last: Option<Box<ClientError>>,
    },
    /// The caller asked for what the state does not allow.
    Misuse(String),
    /// The record's transaction is not committed.
    Aborted,
    /// The client has been closed.
    Closed,
}

impl ClientError {
    /// A refusal.
    pub fn refused(
        api: ApiKey,
        about: impl Into<String>,
        code: ErrorCode,
        message: Option<&str>,
    ) -> ClientError {
        let message = message.filter(|message| !message.is_empty()).map(str::to_owned);
        ClientError::Refused { api, about: about.into(), code, message }
    }

    /// The broker's error code, where it is a refusal.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            ClientError::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether trying again may help.
    pub fn is_retriable(&self) -> bool {
        match self {
            ClientError::Connect { .. }
            | ClientError::Bootstrap { .. }
            | ClientError::Disconnected { .. }
            | ClientError::TimedOut { .. }
            | ClientError::UnknownBroker { .. } => true,
            ClientError::Refused { code, .. } => code.is_retriable(),
            _ => false,
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::Setting { key, value, allowed } => {
                write!(f, "invalid value {value} for {key}: {allowed}")
            }
            ClientError::Connect { broker, cause } => {
                write!(f, "cannot connect to {broker}: {cause}")
            }
            ClientError::Bootstrap { tried } => {
                write!(f, "no bootstrap server answers ({}); ", tried.join("; "))?;
                f.write_str("check bootstrap.servers and that the broker is running")
            }
            ClientError::Disconnected { broker, api, cause } => {
                write!(f, "{broker} was lost before it answered {api}: {cause}")
            }
            ClientError::TimedOut { broker, api, timeout_ms } => {
                write!(f, "{broker} did not answer {api} within {timeout_ms} ms")
            }
            ClientError::NoCommonVersion { broker, api, ours, theirs: Some(theirs) } => {
                write!(f, "{broker} serves {api} in versions {theirs}, this client {ours}")
            }
            ClientError::NoCommonVersion { broker, api, .. } => {
                write!(f, "{broker} does not serve {api}")
            }
            ClientError::Unsayable { api, version, cause } => {
                write!(f, "{api} cannot be said in version {version}: {cause}")
            }
            ClientError::Unreadable { broker, api, cause } => {
                write!(f, "the answer of {broker} to {api} cannot be read: {cause}")
            }
            ClientError::Refused { api, about, code, message } => {
                refusal(f, *api, about, *code, message.as_deref())
            }
            ClientError::UnknownBroker { id } => {
                write!(f, "broker {id} is not among the brokers that are up")
            }
            ClientError::Waited { about, timeout_ms, last } => {
                write!(f, "{about} did not come about within {timeout_ms} ms")?;
                last.as_ref().map_or(Ok(()), |last| write!(f, ": {last}"))
            }
            ClientError::Misuse(what) => f.write_str(what),
            ClientError::Aborted => f.write_str("the record's transaction is not committed"),
            ClientError::Closed => f.write_str("the client has been closed"),
        }
    }
}

fn refusal(
    f: &mut fmt::Formatter<'_>,
    api: ApiKey,
    about: &str,
    code: ErrorCode,
    message: Option<&str>,
) -> fmt::Result {
    write!(f, "{api}, {about}: {code:?}: {}", message.unwrap_or(code.message()))?;
    remedy(code).map_or(Ok(()), |remedy| write!(f, "; {remedy}"))
}

/// What to do about a refusal, where that is known.
pub(crate) fn remedy(code: ErrorCode) -> Option<&'static str> {
    Some(match code {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => "create the topic, or check its name",
        ErrorCode::MESSAGE_TOO_LARGE | ErrorCode::RECORD_LIST_TOO_LARGE => {
            "send smaller records, or raise max.message.bytes of the topic"
        }
        ErrorCode::NOT_ENOUGH_REPLICAS | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND => {
            "bring replicas back, or lower min.insync.replicas"
        }
        ErrorCode::INVALID_REPLICATION_FACTOR => "ask for at most as many replicas as brokers",
        ErrorCode::OFFSET_OUT_OF_RANGE => "seek, or set auto.offset.reset",
        ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::ILLEGAL_GENERATION => {
            "the group went on without this member: poll more often or raise max.poll.interval.ms"
        }
        ErrorCode::FENCED_INSTANCE_ID => "give each running member its own group.instance.id",
        ErrorCode::INCONSISTENT_GROUP_PROTOCOL => {
            "give all members of the group a common partition.assignment.strategy"
        }
        ErrorCode::INVALID_SESSION_TIMEOUT => {
            "keep session.timeout.ms between the broker's group.min.session.timeout.ms and \
             group.max.session.timeout.ms"
        }
        ErrorCode::NON_EMPTY_GROUP => "stop its members first",
        ErrorCode::INVALID_RECORD => "a compacted topic takes only records with keys",
        ErrorCode::INVALID_TIMESTAMP => "check the producer's clock",
        ErrorCode::PRODUCER_FENCED | ErrorCode::INVALID_PRODUCER_EPOCH => {
            "another producer has taken over; close this one"
        }
        ErrorCode::TRANSACTION_ABORTABLE => "abort the transaction and begin it anew",
        ErrorCode::INVALID_TRANSACTION_TIMEOUT => {
            "keep transaction.timeout.ms below the broker's transaction.max.timeout.ms"
        }
        _ => return None,
    })
}

impl std::error::Error for ClientError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_about_why_and_what_to_do() {
        let refused =
            ClientError::refused(ApiKey::Produce, "orders-0", ErrorCode::NOT_ENOUGH_REPLICAS, None);
        assert_eq!(
            refused.to_string(),
            "Produce, orders-0: NOT_ENOUGH_REPLICAS: fewer replicas are in sync than \
             min.insync.replicas asks for; bring replicas back, or lower min.insync.replicas"
        );
        assert!(refused.is_retriable());
    }
}
