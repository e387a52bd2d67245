//! The answers that decisions give: a closed set, one per request, and what the host is told to do.
//!
//! Not here: the answers of batched requests as a whole, which their caller puts together. Must
//! hold: every answer can be turned into an error of its own kind.

use ottla_wire::messages::add_partitions_to_txn_response::AddPartitionsToTxnResult;
use ottla_wire::messages::{EndTxnResponse, InitProducerIdResponse};
use ottla_wire::messages::{describe_transactions_response, list_transactions_response};
use ottla_wire::{ErrorCode, ProducerEpoch, ProducerId, StrBytes};

use crate::marking::Markers;

/// The answer to one request.
#[derive(Clone, Debug, PartialEq)]
pub enum TransactionReply {
    /// To InitProducerId.
    Init(InitProducerIdResponse),
    /// To AddPartitionsToTxn, for one of its transactions.
    AddPartitions(AddPartitionsToTxnResult),
    /// To AddOffsetsToTxn.
    AddOffsets(ErrorCode),
    /// To EndTxn.
    End(EndTxnResponse),
    /// To DescribeTransactions, for one of its ids.
    Describe(describe_transactions_response::TransactionState),
    /// To ListTransactions, for the ids of one coordinator partition.
    List(Vec<list_transactions_response::TransactionState>),
    /// No answer yet: the request is to be asked again with a fresh producer id.
    NeedsProducerId,
    /// For the host: these markers are to be written, and what became of them is to be told.
    Write(Markers),
    /// For the host: a transaction has timed out, and its abort needs a fresh producer id.
    AbortNeedsProducerId {
        /// The transactional id.
        id: StrBytes,
    },
}

impl TransactionReply {
    /// The same answer after its records could not be written. What the host was to do is not to
    /// be done then.
    #[must_use]
    pub fn failed(self, error: ErrorCode) -> Self {
        match self {
            TransactionReply::Init(_) => TransactionReply::Init(init_refused(error)),
            TransactionReply::AddPartitions(mut result) => {
                for topic in &mut result.topic_results {
                    for partition in &mut topic.results_by_partition {
                        partition.partition_error_code = error;
                    }
                }
                TransactionReply::AddPartitions(result)
            }
            TransactionReply::AddOffsets(_) => TransactionReply::AddOffsets(error),
            TransactionReply::End(_) => TransactionReply::End(end_refused(error)),
            TransactionReply::Describe(state) => {
                TransactionReply::Describe(describe_transactions_response::TransactionState {
                    error_code: error,
                    transactional_id: state.transactional_id,
                    ..Default::default()
                })
            }
            TransactionReply::List(_) => TransactionReply::List(Vec::new()),
            host @ (TransactionReply::NeedsProducerId
            | TransactionReply::Write(_)
            | TransactionReply::AbortNeedsProducerId { .. }) => host,
        }
    }
}

/// The answer of an InitProducerId that gives nothing.
pub(crate) fn init_refused(error_code: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse {
        error_code,
        producer_id: ProducerId(-1),
        producer_epoch: ProducerEpoch(-1),
        ..Default::default()
    }
}

/// The answer of an EndTxn that ends nothing.
pub(crate) fn end_refused(error_code: ErrorCode) -> EndTxnResponse {
    EndTxnResponse {
        error_code,
        producer_id: ProducerId(-1),
        producer_epoch: ProducerEpoch(-1),
        ..Default::default()
    }
}
