//! InitProducerId, AddPartitionsToTxn, AddOffsetsToTxn, EndTxn, DescribeTransactions and
//! ListTransactions.
//!
//! A request that takes a fresh producer id waits for one; everything else is answered at once, but
//! for a log whose commits take time. Not here: the rules, which are those of transactions.

use ottla_transactions::{
    Ask, Decided, Filter, Soft, TransactionReply, Transactions, add_partitions_result,
    check_init_producer_id,
};
use ottla_wire::messages::add_partitions_to_txn_request::AddPartitionsToTxnTransaction;
use ottla_wire::messages::add_partitions_to_txn_response::AddPartitionsToTxnResult;
use ottla_wire::messages::{
    AddOffsetsToTxnRequest, EndTxnRequest, EndTxnResponse, InitProducerIdRequest,
    InitProducerIdResponse, ListTransactionsRequest, ListTransactionsResponse,
};
use ottla_wire::messages::{describe_transactions_response, list_transactions_response};
use ottla_wire::{ErrorCode, PartitionIndex, ProducerEpoch, ProducerId, StrBytes};
use std::sync::Arc;

use crate::Answer;
use crate::coordinator::{Coordinator, Shared};
use crate::requests::{Found, Shape, ask_shard, little, only};
use crate::shard::Seat;

type OfTransactions<R, T> = Shape<R, T, TransactionReply>;

/// An answer, or that it takes a fresh producer id.
enum Asked<T> {
    Answered(T),
    NeedsProducerId,
}

const INIT: OfTransactions<InitProducerIdRequest, Asked<InitProducerIdResponse>> = Shape {
    take: |reply| match reply {
        TransactionReply::Init(response) => Some(Asked::Answered(response)),
        TransactionReply::NeedsProducerId => Some(Asked::NeedsProducerId),
        _ => None,
    },
    refused: |_, error| Asked::Answered(init_refused(error)),
};

const END: OfTransactions<EndTxnRequest, Asked<EndTxnResponse>> = Shape {
    take: |reply| match reply {
        TransactionReply::End(response) => Some(Asked::Answered(response)),
        TransactionReply::NeedsProducerId => Some(Asked::NeedsProducerId),
        _ => None,
    },
    refused: |_, error| Asked::Answered(end_refused(error)),
};

const ADD: OfTransactions<AddPartitionsToTxnTransaction, AddPartitionsToTxnResult> = Shape {
    take: only!(TransactionReply::AddPartitions),
    refused: |request, error| add_partitions_result(request, |_| error),
};

const ADD_OFFSETS: OfTransactions<AddOffsetsToTxnRequest, ErrorCode> =
    Shape { take: only!(TransactionReply::AddOffsets), refused: |_, error| error };

const DESCRIBE: OfTransactions<StrBytes, describe_transactions_response::TransactionState> =
    Shape {
        take: only!(TransactionReply::Describe),
        refused: |id, error_code| describe_transactions_response::TransactionState {
            error_code,
            transactional_id: id.clone(),
            ..Default::default()
        },
    };

/// The transactional ids of one shard, or why it cannot tell.
type Listed = Result<Vec<list_transactions_response::TransactionState>, ErrorCode>;

const LIST: OfTransactions<Arc<Filter>, Listed> = Shape {
    take: only!(TransactionReply::List(states) => Ok(states)),
    refused: |_, error| Err(error),
};

impl Coordinator<Transactions> {
    /// InitProducerId with a transactional id, v0 to v6.
    pub fn init_producer_id(
        &self,
        version: i16,
        request: InitProducerIdRequest,
    ) -> Answer<InitProducerIdResponse> {
        if let Err(error) = check_init_producer_id(&self.shared.settings().limits, &request) {
            return Answer::Now(init_refused(error));
        }
        let id = request.transactional_id.clone().unwrap_or_default();
        let decide = Transactions::init_producer_id;
        with_producer_id(&self.shared, id, version, request, &INIT, decide, init_refused)
    }

    /// EndTxn, v0 to v5.
    pub fn end_transaction(&self, version: i16, request: EndTxnRequest) -> Answer<EndTxnResponse> {
        let id = request.transactional_id.clone();
        let decide = Transactions::end;
        with_producer_id(&self.shared, id, version, request, &END, decide, end_refused)
    }

    /// AddPartitionsToTxn, one transaction of v0 to v5; that of v0 to v3 in the form of later ones.
    pub fn add_partitions(
        &self,
        version: i16,
        request: AddPartitionsToTxnTransaction,
    ) -> Answer<AddPartitionsToTxnResult> {
        let shard = shard_of(&self.shared, &request.transactional_id);
        let decide = Transactions::add_partitions;
        ask(&self.shared, shard, (version, None), request, &ADD, decide)
    }

    /// AddOffsetsToTxn, v0 to v4: `home` is the partition of `__consumer_offsets` that keeps the
    /// group. Gives the error code.
    pub fn add_offsets(
        &self,
        version: i16,
        request: AddOffsetsToTxnRequest,
        home: PartitionIndex,
    ) -> Answer<ErrorCode> {
        let shard = shard_of(&self.shared, &request.transactional_id);
        let decide = move |transactions: &Transactions,
                           soft: &mut Soft,
                           ask: &Ask<'_>,
                           request: &AddOffsetsToTxnRequest| {
            transactions.add_offsets(soft, ask, request, home)
        };
        ask(&self.shared, shard, (version, None), request, &ADD_OFFSETS, decide)
    }

    /// DescribeTransactions, one id of v0.
    pub fn describe_transaction(
        &self,
        id: &StrBytes,
    ) -> Answer<describe_transactions_response::TransactionState> {
        let shard = shard_of(&self.shared, id);
        let describe = |transactions: &Transactions, _: &mut Soft, ask: &Ask<'_>, id: &StrBytes| {
            transactions.describe(ask, id)
        };
        ask(&self.shared, shard, (0, None), id.clone(), &DESCRIBE, describe)
    }

    /// ListTransactions, v0 to v2: the transactional ids that this broker coordinates.
    pub fn list_transactions(
        &self,
        version: i16,
        request: &ListTransactionsRequest,
    ) -> Answer<ListTransactionsResponse> {
        let refused = |error_code| ListTransactionsResponse { error_code, ..Default::default() };
        let filter = match Filter::of(request) {
            Ok(filter) => filter,
            Err(error) => return Answer::Now(refused(error)),
        };
        let unknown_state_filters = filter.unknown_states.clone();
        let filter = Arc::new(filter);
        let listed = self.shared.shards().into_iter().map(|shard| {
            let list =
                |transactions: &Transactions, _: &mut Soft, ask: &Ask<'_>, filter: &Arc<Filter>| {
                    transactions.list(ask, filter)
                };
            let cost = |transactions: &Transactions, _: &_| transactions.len();
            let (by, filter) = ((version, None), filter.clone());
            ask_at(&self.shared, Ok(shard), by, filter, &LIST, (cost, list))
        });
        Answer::all(listed.collect()).map(move |shards| {
            let mut response =
                ListTransactionsResponse { unknown_state_filters, ..Default::default() };
            for listed in shards {
                match listed {
                    Ok(states) => response.transaction_states.extend(states),
                    // Its ids are another broker's to list.
                    Err(ErrorCode::NOT_COORDINATOR) => {}
                    Err(error) => return refused(error),
                }
            }
            response
        })
    }
}

/// Asks, and asks once more with a fresh producer id when the decision takes one.
fn with_producer_id<R: Clone + Send + Sync + 'static, T: Send + 'static>(
    shared: &Arc<Shared<Transactions>>,
    id: StrBytes,
    version: i16,
    request: R,
    shape: &'static OfTransactions<R, Asked<T>>,
    decide: fn(&Transactions, &mut Soft, &Ask<'_>, &R) -> Decided,
    refused: fn(ErrorCode) -> T,
) -> Answer<T> {
    let shard = shard_of(shared, &id);
    let first = ask(shared, shard, (version, None), request.clone(), shape, decide);
    if let Answer::Now(Asked::Answered(response)) = first {
        return Answer::Now(response);
    }
    let shared = shared.clone();
    Answer::later(async move {
        if let Asked::Answered(response) = first.await {
            return response;
        }
        let fresh = match shared.world.producer_id().await {
            Ok(fresh) => Some(fresh),
            Err(error) => return refused(error),
        };
        let shard = shard_of(&shared, &id);
        match ask(&shared, shard, (version, fresh), request, shape, decide).await {
            Asked::Answered(response) => response,
            Asked::NeedsProducerId => refused(ErrorCode::UNKNOWN_SERVER_ERROR),
        }
    })
}

/// The shard that answers for a transactional id.
fn shard_of(shared: &Shared<Transactions>, id: &str) -> Found<Transactions> {
    // Whoever is its coordinator: there is no such id.
    if id.is_empty() {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    shared.shard_of(id)
}

/// Asks the coordinator of one transactional id.
fn ask<R: Send + 'static, T: Send + 'static>(
    shared: &Arc<Shared<Transactions>>,
    shard: Found<Transactions>,
    by: (i16, Option<ProducerId>),
    request: R,
    shape: &OfTransactions<R, T>,
    decide: impl FnOnce(&Transactions, &mut Soft, &Ask<'_>, &R) -> Decided + Send + 'static,
) -> Answer<T> {
    ask_at(shared, shard, by, request, shape, (little, decide))
}

fn ask_at<R, T, C, D>(
    shared: &Arc<Shared<Transactions>>,
    shard: Found<Transactions>,
    (version, fresh): (i16, Option<ProducerId>),
    request: R,
    shape: &OfTransactions<R, T>,
    (cost, decide): (C, D),
) -> Answer<T>
where
    R: Send + 'static,
    T: Send + 'static,
    C: Fn(&Transactions, &R) -> usize + Send + 'static,
    D: FnOnce(&Transactions, &mut Soft, &Ask<'_>, &R) -> Decided + Send + 'static,
{
    let decide = move |it: &Transactions, soft: &mut Soft, seat: &Seat<'_, _>, request: &R| {
        let (now, settings, ticket) = (seat.now, seat.limits, seat.ticket);
        decide(it, soft, &Ask { now, settings, version, fresh, ticket }, request)
    };
    ask_shard(shared, shard, None, request, shape, (cost, decide))
}

fn init_refused(error_code: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse {
        error_code,
        producer_id: ProducerId(-1),
        producer_epoch: ProducerEpoch(-1),
        ..Default::default()
    }
}

fn end_refused(error_code: ErrorCode) -> EndTxnResponse {
    EndTxnResponse {
        error_code,
        producer_id: ProducerId(-1),
        producer_epoch: ProducerEpoch(-1),
        ..Default::default()
    }
}
