//! AddPartitionsToTxn (24), v0-5: takes partitions into a transaction.
//! v0-3 one transaction, of a client, which may write to its id and topics; v2 PRODUCER_FENCED;
//! v3 flexible; v4 several, of partition leaders, and verification (KIP-890); v5
//! TRANSACTION_ABORTABLE.
//! A partition that is refused or unknown keeps all others of its transaction out.
//! Not served: nothing.

use std::collections::BTreeMap;

use ottla_coordination::Answer as Coordinated;
use ottla_security::{Operation, Resource};
use ottla_transactions::{TopicPartition, add_partitions_result};
use ottla_wire::ErrorCode;
use ottla_wire::messages::add_partitions_to_txn_request::AddPartitionsToTxnTransaction;
use ottla_wire::messages::add_partitions_to_txn_response::AddPartitionsToTxnResult;
use ottla_wire::messages::{AddPartitionsToTxnRequest, AddPartitionsToTxnResponse};

use crate::answer::Answer;
use crate::context::Ctx;

/// From this version on brokers ask.
const BROKERS_SINCE: i16 = 4;

pub(crate) async fn handle(
    ctx: Ctx,
    request: AddPartitionsToTxnRequest,
) -> Answer<AddPartitionsToTxnResponse> {
    if ctx.version < BROKERS_SINCE {
        let one = AddPartitionsToTxnTransaction {
            transactional_id: request.v3_and_below_transactional_id,
            producer_id: request.v3_and_below_producer_id,
            producer_epoch: request.v3_and_below_producer_epoch,
            topics: request.v3_and_below_topics,
            ..Default::default()
        };
        let added = add(&ctx, one);
        let told = added.map(|result| AddPartitionsToTxnResponse {
            results_by_topic_v3_and_below: result.topic_results,
            ..Default::default()
        });
        return told.into();
    }
    if !ctx.allows(Operation::ClusterAction, Resource::Cluster) {
        let error_code = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
        return AddPartitionsToTxnResponse { error_code, ..Default::default() }.into();
    }
    let added = request.transactions.into_iter().map(|transaction| add(&ctx, transaction));
    let told = Coordinated::all(added.collect()).map(|results_by_transaction| {
        AddPartitionsToTxnResponse { results_by_transaction, ..Default::default() }
    });
    told.into()
}

fn add(ctx: &Ctx, asked: AddPartitionsToTxnTransaction) -> Coordinated<AddPartitionsToTxnResult> {
    let is_client = ctx.version < BROKERS_SINCE;
    let id = &asked.transactional_id;
    if is_client && !ctx.allows(Operation::Write, Resource::TransactionalId(id)) {
        let code = ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
        return Coordinated::Now(add_partitions_result(&asked, |_| code));
    }
    let refused = refused(ctx, &asked, is_client);
    if refused.is_empty() {
        return ctx.rooms.transactions.add_partitions(ctx.version, asked);
    }
    Coordinated::Now(add_partitions_result(&asked, |partition| {
        refused.get(partition).copied().unwrap_or(ErrorCode::OPERATION_NOT_ATTEMPTED)
    }))
}

/// The partitions that cannot be added, with the reason.
fn refused(
    ctx: &Ctx,
    asked: &AddPartitionsToTxnTransaction,
    is_client: bool,
) -> BTreeMap<TopicPartition, ErrorCode> {
    let image = ctx.image();
    let mut refused = BTreeMap::new();
    for topic in &asked.topics {
        let may = !is_client || ctx.allows(Operation::Write, Resource::Topic(&topic.name));
        let known = image.topic_by_name(&topic.name);
        for partition in &topic.partitions {
            let exists = known.is_some_and(|topic| topic.partitions.get(partition).is_some());
            let code = match may {
                false => ErrorCode::TOPIC_AUTHORIZATION_FAILED,
                true if !exists => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                true => continue,
            };
            let partition = TopicPartition { topic: topic.name.clone(), partition: *partition };
            refused.insert(partition, code);
        }
    }
    refused
}
