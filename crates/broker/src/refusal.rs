//! Why a request, or one partition of it, is refused: Kafka's code, and words for a person.
//!
//! Not here: the choice of the code, which is made where the rule stands.

use ottla_records::Invalid;
use ottla_records::validate::RecordError;
use ottla_storage::{AppendError, StorageError};
use ottla_wire::{ErrorCode, Offset};

/// A code in Kafka's situation, and what there is to say about it.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) code: ErrorCode,
    /// Empty when the code says it all.
    pub(crate) message: String,
    /// The records that are at fault, when single ones are.
    pub(crate) record_errors: Vec<RecordError>,
    /// The log's start, where the log has looked at the batch and did not like it.
    pub(crate) log_start: Offset,
}

/// What a refusal has for the log's start when the log was not asked.
const NO_START: Offset = Offset(-1);

impl Refusal {
    /// A refusal of the log. Kafka tells its start unless the failure says that the batch, or the
    /// log itself, cannot be looked at (ReplicaManager.appendRecordsToLeader).
    pub(crate) fn of_log(error: AppendError, log_start: Offset) -> Refusal {
        let refusal = Refusal::from(error);
        match refusal.code {
            ErrorCode::CORRUPT_MESSAGE
            | ErrorCode::MESSAGE_TOO_LARGE
            | ErrorCode::RECORD_LIST_TOO_LARGE
            | ErrorCode::KAFKA_STORAGE_ERROR => refusal,
            _ => Refusal { log_start, ..refusal },
        }
    }
}

impl Refusal {
    /// Whether Kafka counts it among failed appends: not what clients run into every day
    /// (ReplicaManager.appendRecordsToLeader).
    pub(crate) fn is_unexpected(&self) -> bool {
        !matches!(
            self.code,
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
                | ErrorCode::NOT_LEADER_OR_FOLLOWER
                | ErrorCode::MESSAGE_TOO_LARGE
                | ErrorCode::RECORD_LIST_TOO_LARGE
                | ErrorCode::CORRUPT_MESSAGE
                | ErrorCode::KAFKA_STORAGE_ERROR
        )
    }
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Refusal { code, message: String::new(), record_errors: Vec::new(), log_start: NO_START }
    }
}

impl From<AppendError> for Refusal {
    fn from(error: AppendError) -> Self {
        let AppendError { error: code, message, record_errors } = error;
        Refusal { code, message, record_errors, log_start: NO_START }
    }
}

impl From<Invalid> for Refusal {
    fn from(invalid: Invalid) -> Self {
        let Invalid { error: code, message, record_errors } = invalid;
        Refusal { code, message, record_errors, log_start: NO_START }
    }
}

impl From<StorageError> for Refusal {
    fn from(error: StorageError) -> Self {
        AppendError::from(error).into()
    }
}
