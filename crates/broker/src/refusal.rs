//! Why a request, or one partition of it, is refused: Kafka's code, and words for a person.
//!
//! Not here: the choice of the code, which is made where the rule stands.

use ottla_records::Invalid;
use ottla_records::validate::RecordError;
use ottla_storage::{AppendError, StorageError};
use ottla_wire::ErrorCode;

/// A code in Kafka's situation, and what there is to say about it.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) code: ErrorCode,
    /// Empty when the code says it all.
    pub(crate) message: String,
    /// The records that are at fault, when single ones are.
    pub(crate) record_errors: Vec<RecordError>,
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Refusal { code, message: String::new(), record_errors: Vec::new() }
    }
}

impl From<AppendError> for Refusal {
    fn from(error: AppendError) -> Self {
        let AppendError { error: code, message, record_errors } = error;
        Refusal { code, message, record_errors }
    }
}

impl From<Invalid> for Refusal {
    fn from(invalid: Invalid) -> Self {
        let Invalid { error: code, message, record_errors } = invalid;
        Refusal { code, message, record_errors }
    }
}

impl From<StorageError> for Refusal {
    fn from(error: StorageError) -> Self {
        AppendError::from(error).into()
    }
}
