//! The answers that decisions give: a closed set, one per request, and what the host is told to do.
//!
//! An answer is for one share partition; putting those of a request together is the caller's. Must
//! hold: every answer can be turned into an error of its own kind.

use ottla_wire::messages::{
    delete_share_group_state_response, initialize_share_group_state_response,
    read_share_group_state_response, read_share_group_state_summary_response,
    write_share_group_state_response,
};
use ottla_wire::{ErrorCode, Offset, StrBytes};

/// The answer to one request.
#[derive(Clone, Debug, PartialEq)]
pub enum ShareReply {
    /// To InitializeShareGroupState.
    Initialize(initialize_share_group_state_response::PartitionResult),
    /// To ReadShareGroupState.
    Read(read_share_group_state_response::PartitionResult),
    /// To WriteShareGroupState.
    Write(write_share_group_state_response::PartitionResult),
    /// To DeleteShareGroupState.
    Delete(delete_share_group_state_response::PartitionResult),
    /// To ReadShareGroupStateSummary.
    Summary(read_share_group_state_summary_response::PartitionResult),
    /// For the host: no record below this offset is needed any more.
    Prune(Offset),
}

impl ShareReply {
    /// The same answer after its records could not be written. What the host was to do is not to
    /// be done then.
    #[must_use]
    pub fn failed(self, error_code: ErrorCode) -> Self {
        let error_message = Some(StrBytes::from(error_code.message()));
        match self {
            ShareReply::Initialize(it) => {
                ShareReply::Initialize(initialize_share_group_state_response::PartitionResult {
                    partition: it.partition,
                    error_code,
                    error_message,
                    ..Default::default()
                })
            }
            ShareReply::Read(it) => {
                ShareReply::Read(read_share_group_state_response::PartitionResult {
                    partition: it.partition,
                    error_code,
                    error_message,
                    ..Default::default()
                })
            }
            ShareReply::Write(it) => {
                ShareReply::Write(write_share_group_state_response::PartitionResult {
                    partition: it.partition,
                    error_code,
                    error_message,
                    ..Default::default()
                })
            }
            ShareReply::Delete(it) => {
                ShareReply::Delete(delete_share_group_state_response::PartitionResult {
                    partition: it.partition,
                    error_code,
                    error_message,
                    ..Default::default()
                })
            }
            ShareReply::Summary(it) => {
                ShareReply::Summary(read_share_group_state_summary_response::PartitionResult {
                    partition: it.partition,
                    error_code,
                    error_message,
                    ..Default::default()
                })
            }
            ShareReply::Prune(to) => ShareReply::Prune(to),
        }
    }
}
