//! TxnOffsetCommit (28), v0-6: offsets of a group that count when a transaction is committed.
//! v2 leader epochs; v3 flexible, member and generation (KIP-447); v4 TRANSACTION_ABORTABLE; v5
//! takes the group's home into the transaction by itself (KIP-890); v6 topic ids (KIP-1319).
//! Before v5 the home must have been added (AddOffsetsToTxn). Not served: nothing.

use ottla_security::{Operation, Resource};
use ottla_wire::ErrorCode;
use ottla_wire::messages::txn_offset_commit_request::TxnOffsetCommitRequestTopic;
use ottla_wire::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use ottla_wire::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};

use crate::answer::Answer;
use crate::context::Ctx;
use crate::topics;
use crate::transactional::{self, Support, Written};

pub(crate) async fn handle(
    ctx: Ctx,
    mut request: TxnOffsetCommitRequest,
) -> Answer<TxnOffsetCommitResponse> {
    let asked = std::mem::take(&mut request.topics);
    let whole = |code| {
        let topics = asked.iter().cloned().map(|topic| refusal(topic, code)).collect();
        Answer::from(TxnOffsetCommitResponse { topics, ..Default::default() })
    };
    if !ctx.allows(Operation::Write, Resource::TransactionalId(&request.transactional_id)) {
        return whole(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    }
    if !ctx.allows(Operation::Read, Resource::Group(&request.group_id)) {
        return whole(ErrorCode::GROUP_AUTHORIZATION_FAILED);
    }
    let may = |topic: &TxnOffsetCommitRequestTopic| {
        let known = ctx.rooms.partitions.topic_name(topic.topic_id);
        let name = known.as_deref().unwrap_or(&topic.name);
        ctx.allows(Operation::Read, Resource::Topic(name))
    };
    let (allowed, refused): (Vec<_>, Vec<_>) = asked.into_iter().partition(may);
    request.topics = allowed;
    commit(ctx, request, refused).await
}

async fn commit(
    ctx: Ctx,
    request: TxnOffsetCommitRequest,
    refused: Vec<TxnOffsetCommitRequestTopic>,
) -> Answer<TxnOffsetCommitResponse> {
    let groups = &ctx.rooms.groups;
    // Who has no home here hears it from the coordinator.
    let home = groups.partition_of(&request.group_id);
    let home = home.filter(|_| !request.group_id.is_empty() && !request.topics.is_empty());
    let home =
        home.and_then(|home| ctx.rooms.partitions.find_named(topics::CONSUMER_OFFSETS, home).ok());
    let entering = match &home {
        None => None,
        Some(home) => {
            let written = Written {
                id: &request.transactional_id,
                producer: (request.producer_id, request.producer_epoch),
                support: Support::of_offset_commit(ctx.version),
            };
            let entered = transactional::enter(&ctx, &written, std::slice::from_ref(home)).await;
            entered.into_values().next()
        }
    };
    let check = move || match (&home, &entering) {
        (_, Some(Err(code))) => Err(in_words_of_groups(*code)),
        (Some(home), Some(Ok(entering))) => home.check_entering(entering),
        _ => Ok(()),
    };
    let topics = ctx.topics();
    let committed = groups.txn_offset_commit(ctx.caller(), ctx.version, topics, request, check);
    let told = committed.map(move |mut response| {
        let code = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
        response.topics.extend(refused.into_iter().map(|topic| refusal(topic, code)));
        response
    });
    told.into()
}

/// A coordinator of transactions that cannot be reached is, to older clients, one of groups that
/// loads: they try again without looking for it anew (GroupCoordinatorService).
fn in_words_of_groups(code: ErrorCode) -> ErrorCode {
    match code {
        ErrorCode::NETWORK_EXCEPTION => ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
        code => code,
    }
}

fn refusal(
    topic: TxnOffsetCommitRequestTopic,
    error_code: ErrorCode,
) -> TxnOffsetCommitResponseTopic {
    let partitions = topic.partitions.into_iter().map(|partition| {
        let partition_index = partition.partition_index;
        TxnOffsetCommitResponsePartition { partition_index, error_code, ..Default::default() }
    });
    TxnOffsetCommitResponseTopic {
        name: topic.name,
        topic_id: topic.topic_id,
        partitions: partitions.collect(),
        ..Default::default()
    }
}
