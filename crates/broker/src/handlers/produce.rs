//! Produce (0), v3-13: appends batches and acknowledges them.
//! v5 log start offset; v7 zstd; v8 record errors (KIP-467); v9 flexible; v10 the new leader in
//! the answer (KIP-951); v13 topic ids. A disk that does not take the records, or sync them where
//! `flush.messages` asks for it, ends the wait with REQUEST_TIMED_OUT at the request's timeout, but
//! not before it counts as hanging; Kafka waits for ever. acks=0 has no answer: a failure closes
//! the connection, so that the client learns of it. acks=all waits for the high watermark, or ends
//! with REQUEST_TIMED_OUT while the records stay where they are. A batch that begins a
//! transaction in a partition waits for its coordinator: before v12 the partition must have been
//! added, from v12 on it is added by this (KIP-890). Not served: nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use ottla_env::{Env, Instant};
use ottla_net::{CloseReason, Wait};
use ottla_records::BatchHeader;
use ottla_security::{Operation, Resource};
use ottla_storage::{Appended, HANGS_AFTER, StorageError};
use ottla_wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_wire::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse,
    TopicProduceResponse,
};
use ottla_wire::messages::{ProduceRequest, ProduceResponse};
use ottla_wire::{BrokerId, ErrorCode, LeaderEpoch, Offset, Records, StrBytes, TopicId};

use crate::answer::Answer;
use crate::context::Ctx;
use crate::partition::Partition;
use crate::refusal::Refusal;
use crate::transactional::{self, Entries, Support, Written};

/// `acks` that waits for all replicas in sync.
const ACKS_ALL: i16 = -1;
/// An append of so many bytes, which takes a tenth of a millisecond at best, must not hold up
/// those of others.
const LONG_BYTES: usize = 256 << 10;
/// From this version on a refusal says who leads now.
const LEADERS_SINCE: i16 = 10;
/// From this version on topics come by id.
const IDS_SINCE: i16 = 13;

/// One append that an acknowledgement waits for.
struct Pending {
    partition: Arc<Partition>,
    /// One past the last record.
    end: Offset,
    /// `flush.messages` asks for a sync first.
    sync_due: bool,
    /// Where its answer stands: topic, partition.
    at: (usize, usize),
}

impl Pending {
    /// Whether the acknowledgement still has to wait.
    fn is_due(&self, by_all: bool) -> bool {
        self.sync_due || (by_all && self.partition.high_watermark() < self.end)
    }
}

pub(crate) async fn handle(ctx: Ctx, request: ProduceRequest) -> Answer<ProduceResponse> {
    let mut pending = Vec::new();
    let refusal = refusal(&ctx, &request);
    // The next request of the connection waits for this: sequences must stay in order.
    let entries = match &request.transactional_id {
        Some(id) if refusal.is_none() => enter(&ctx, &request, id).await,
        _ => Entries::new(),
    };
    let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let patience = timeout.max(HANGS_AFTER);
    let leave = Leave { refusal, entries, deadline: ctx.rooms.env.monotonic() + patience };
    // Kafka says nothing of a topic without partitions.
    let topics = request.topic_data.iter().filter(|topic| !topic.partition_data.is_empty());
    let mut responses = Vec::new();
    for (at, topic) in topics.enumerate() {
        responses.push(append_topic(&ctx, &request, topic, &leave, at, &mut pending).await);
    }
    let mut response = ProduceResponse { responses, ..Default::default() };
    name_leaders(&ctx, &mut response);
    let acks = request.acks;
    drop(request); // lets the frame go
    if acks == 0 {
        return without_answer(&ctx, &response, pending, patience).await;
    }
    let by_all = acks == ACKS_ALL;
    pending.retain(|append| append.is_due(by_all));
    if pending.is_empty() {
        return response.into();
    }
    Answer::Later(Box::pin(acknowledge(ctx, response, pending, by_all, timeout)))
}

/// What was found out about the request before anything is appended.
struct Leave {
    /// What is wrong with it as a whole.
    refusal: Option<ErrorCode>,
    /// What its transaction may write to.
    entries: Entries,
    /// Until when it may wait for a disk that is slower than its clients, or hangs.
    deadline: Instant,
}

/// Finds out which of the batches that are part of a transaction may be appended.
async fn enter(ctx: &Ctx, request: &ProduceRequest, id: &StrBytes) -> Entries {
    let mut producers: BTreeMap<_, Vec<Arc<Partition>>> = BTreeMap::new();
    for topic in &request.topic_data {
        let Ok(topic_id) = find_topic(ctx, topic) else { continue };
        for data in &topic.partition_data {
            let batch = first(data).filter(BatchHeader::is_transactional);
            if let Some(producer) = batch.and_then(|batch| batch.producer())
                && let Ok(partition) = ctx.rooms.partitions.find(topic_id, data.index)
            {
                producers.entry((producer.id, producer.epoch)).or_default().push(partition);
            }
        }
    }
    let mut entries = Entries::new();
    for (producer, partitions) in producers {
        let written = Written { id, producer, support: Support::of_produce(ctx.version) };
        entries.append(&mut transactional::enter(ctx, &written, &partitions).await);
    }
    entries
}

/// What is wrong with the request as a whole.
fn refusal(ctx: &Ctx, request: &ProduceRequest) -> Option<ErrorCode> {
    // A transaction without its id could never be ended: Kafka takes it for one not allowed.
    let id = request.transactional_id.as_deref();
    let may = id.is_some_and(|id| ctx.allows(Operation::Write, Resource::TransactionalId(id)));
    let mut partitions = request.topic_data.iter().flat_map(|topic| &topic.partition_data);
    let refused = !may && partitions.any(is_transactional);
    refused.then_some(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
}

fn is_transactional(data: &PartitionProduceData) -> bool {
    first(data).is_some_and(|batch| batch.is_transactional())
}

fn first(data: &PartitionProduceData) -> Option<BatchHeader<'_>> {
    match &data.records {
        Some(Records::Bytes(records)) => BatchHeader::first(records).ok().flatten(),
        _ => None,
    }
}

async fn append_topic(
    ctx: &Ctx,
    request: &ProduceRequest,
    topic: &TopicProduceData,
    leave: &Leave,
    topic_at: usize,
    pending: &mut Vec<Pending>,
) -> TopicProduceResponse {
    let (id, name) = (topic.topic_id, topic.name.clone());
    let found = find_topic(ctx, topic);
    let mut partition_responses = Vec::with_capacity(topic.partition_data.len());
    for (partition_at, data) in topic.partition_data.iter().enumerate() {
        let result = match (leave.refusal, &found) {
            (Some(code), _) => Err(Refusal::from(code)),
            (None, Err(code)) => Err(Refusal::from(*code)),
            (None, Ok(id)) => append(ctx, request.acks, *id, data, leave).await,
        };
        partition_responses.push(match result {
            Ok((partition, appended)) => {
                let at = (topic_at, partition_at);
                let response = acknowledged(data, &appended);
                let (end, sync_due) = (appended.last_offset.next(), appended.sync_due);
                pending.push(Pending { partition, end, sync_due, at });
                response
            }
            Err(error) => refused(ctx, found.as_ref().ok(), data, error),
        });
    }
    TopicProduceResponse { name, topic_id: id, partition_responses, ..Default::default() }
}

/// The topic's id, when the client may write to it.
fn find_topic(ctx: &Ctx, topic: &TopicProduceData) -> Result<TopicId, ErrorCode> {
    let partitions = &ctx.rooms.partitions;
    if ctx.version >= IDS_SINCE {
        let name = partitions.topic_name(topic.topic_id).ok_or(ErrorCode::UNKNOWN_TOPIC_ID)?;
        return if ctx.allows(Operation::Write, Resource::Topic(&name)) {
            Ok(topic.topic_id)
        } else {
            Err(ErrorCode::TOPIC_AUTHORIZATION_FAILED)
        };
    }
    if !ctx.allows(Operation::Write, Resource::Topic(&topic.name)) {
        return Err(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    }
    partitions.topic_id(&topic.name).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
}

async fn append(
    ctx: &Ctx,
    acks: i16,
    topic: TopicId,
    data: &PartitionProduceData,
    leave: &Leave,
) -> Result<(Arc<Partition>, Appended), Refusal> {
    let partition = ctx.rooms.partitions.find(topic, data.index)?;
    let records = match &data.records {
        Some(Records::Bytes(records)) => records,
        _ => return Err(ErrorCode::INVALID_RECORD.into()),
    };
    ottla_records::validate::one_batch(records, ctx.version)?;
    let is_internal = crate::topics::is_internal(&partition.topic);
    if is_internal && ctx.client_id.as_deref() != Some("__admin_client") {
        return Err(ErrorCode::INVALID_TOPIC_EXCEPTION.into());
    }
    if !matches!(acks, ACKS_ALL..=1) {
        return Err(ErrorCode::INVALID_REQUIRED_ACKS.into());
    }
    let entering = match leave.entries.get(&(topic, data.index)) {
        None => None,
        Some(Ok(entering)) => Some(entering),
        Some(Err(code)) => {
            let support = Support::of_produce(ctx.version);
            return Err(transactional::refusal_of_produce(support, *code));
        }
    };
    // When the disk is slower than its clients, this one waits, and its next request behind it.
    let (env, log) = (&ctx.rooms.env, partition.log());
    let admitted = log.admit(records.len() as u64);
    let Ok(admitted) = env.timeout(leave.deadline - env.monotonic(), admitted).await else {
        let message = "the disk of this partition's log did not take it in time".to_owned();
        return Err(Refusal { message, ..ErrorCode::REQUEST_TIMED_OUT.into() });
    };
    let append = || partition.append(records, ctx.now(), acks == ACKS_ALL, entering);
    let appended = match records.len() >= LONG_BYTES {
        true => env.long(append),
        false => append(),
    }?;
    drop(admitted);
    Ok((partition, appended))
}

fn acknowledged(data: &PartitionProduceData, appended: &Appended) -> PartitionProduceResponse {
    PartitionProduceResponse {
        index: data.index,
        base_offset: appended.first_offset,
        log_append_time_ms: appended.log_append_time,
        log_start_offset: appended.log_start,
        ..Default::default()
    }
}

fn refused(
    ctx: &Ctx,
    topic: Option<&TopicId>,
    data: &PartitionProduceData,
    refusal: Refusal,
) -> PartitionProduceResponse {
    let current_leader = match (refusal.code, topic) {
        (ErrorCode::NOT_LEADER_OR_FOLLOWER, Some(topic)) if ctx.version >= LEADERS_SINCE => ctx
            .rooms
            .partitions
            .find(*topic, data.index)
            .map(|partition| partition.leader())
            .map(|(leader, leader_epoch)| LeaderIdAndEpoch {
                leader_id: leader.unwrap_or(BrokerId(-1)),
                leader_epoch,
                ..Default::default()
            })
            .unwrap_or_default(),
        _ => LeaderIdAndEpoch::default(),
    };
    let record_errors = refusal.record_errors.into_iter().map(|record| BatchIndexAndErrorMessage {
        batch_index: record.index,
        batch_index_error_message: Some(record.message.into()),
        ..Default::default()
    });
    PartitionProduceResponse {
        index: data.index,
        error_code: refusal.code,
        base_offset: Offset(-1),
        log_start_offset: refusal.log_start,
        record_errors: record_errors.collect(),
        error_message: (!refusal.message.is_empty()).then(|| refusal.message.into()),
        current_leader,
        ..Default::default()
    }
}

/// Tells where the leaders are that refusals name.
fn name_leaders(ctx: &Ctx, response: &mut ProduceResponse) {
    let partitions = response.responses.iter().flat_map(|topic| &topic.partition_responses);
    let leaders = partitions.map(|partition| partition.current_leader.leader_id);
    let leaders: BTreeSet<BrokerId> = leaders.filter(|leader| *leader >= BrokerId(0)).collect();
    response.node_endpoints = ctx.endpoints(&leaders, |broker, endpoint| NodeEndpoint {
        node_id: broker.id,
        host: endpoint.host.clone(),
        port: i32::from(endpoint.port),
        rack: broker.rack.clone(),
        ..Default::default()
    });
}

/// Ends a request that gets no answer; what `flush.messages` wants synced holds the next one up.
async fn without_answer(
    ctx: &Ctx,
    response: &ProduceResponse,
    pending: Vec<Pending>,
    patience: Duration,
) -> Answer<ProduceResponse> {
    let env = &ctx.rooms.env;
    for append in pending.iter().filter(|append| append.sync_due) {
        let why = match env.timeout(patience, append.partition.synced(env, append.end)).await {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the disk did not sync it in time".to_owned(),
        };
        return Answer::Close(CloseReason(format!("a write with acks=0 failed: {why}")));
    }
    let failure = response
        .responses
        .iter()
        .flat_map(|topic| &topic.partition_responses)
        .find(|partition| partition.error_code != ErrorCode::NONE);
    match failure {
        None => Answer::Nothing,
        Some(partition) => Answer::Close(CloseReason(format!(
            "a write with acks=0 to partition {} failed: {}",
            partition.index,
            partition.error_code.name()
        ))),
    }
}

/// Waits until every append is acknowledged by as many as the client wants, or time is up.
async fn acknowledge(
    ctx: Ctx,
    mut response: ProduceResponse,
    mut pending: Vec<Pending>,
    by_all: bool,
    timeout: Duration,
) -> ProduceResponse {
    let env = &ctx.rooms.env;
    let deadline = env.monotonic() + timeout;
    let mut failed = Vec::new();
    // A disk that hangs ends no sync: the client hears that it was not in time.
    let patience = timeout.max(HANGS_AFTER);
    let in_time = env.timeout(patience, sync(env, &mut pending, &mut failed)).await.is_ok();
    failed.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    for (at, why) in failed {
        let (topic, partition) = (&pending[at].partition.topic, pending[at].partition.index);
        tracing::error!(%topic, %partition, error = %why, "sync failed");
        fail(&mut response, pending[at].at, ErrorCode::KAFKA_STORAGE_ERROR);
        drop(pending.swap_remove(at));
    }
    if !in_time {
        for append in pending.extract_if(.., |append| append.sync_due) {
            fail(&mut response, append.at, ErrorCode::REQUEST_TIMED_OUT);
        }
    }
    loop {
        let wait = Wait::new(0);
        for append in &pending {
            append.partition.park(&wait);
        }
        pending.retain(|append| match append.partition.check_leader(LeaderEpoch(-1)) {
            Ok(_) => append.is_due(by_all),
            // Whoever leads now may have cut the records off.
            Err(code) => {
                if append.is_due(by_all) {
                    fail(&mut response, append.at, code);
                }
                false
            }
        });
        if pending.is_empty() {
            return response;
        }
        let left = deadline - env.monotonic();
        if env.timeout(left, wait.done()).await.is_err() {
            break;
        }
    }
    for append in pending {
        fail(&mut response, append.at, ErrorCode::REQUEST_TIMED_OUT);
    }
    response
}

/// Syncs what `flush.messages` asks for, all logs at a time; what was not is still due.
async fn sync(env: &Env, pending: &mut [Pending], failed: &mut Vec<(usize, StorageError)>) {
    let due = pending.iter().enumerate().filter(|(_, append)| append.sync_due);
    let mut syncs: Vec<_> = due
        .map(|(at, append)| {
            let (partition, end) = (Arc::clone(&append.partition), append.end);
            (at, Box::pin(async move { partition.synced(env, end).await }))
        })
        .collect();
    poll_fn(|cx| {
        syncs.retain_mut(|(at, sync)| match sync.as_mut().poll(cx) {
            Poll::Pending => true,
            Poll::Ready(Ok(())) => {
                pending[*at].sync_due = false;
                false
            }
            Poll::Ready(Err(error)) => {
                failed.push((*at, error));
                false
            }
        });
        if syncs.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

fn fail(response: &mut ProduceResponse, (topic, partition): (usize, usize), why: ErrorCode) {
    let late = &mut response.responses[topic].partition_responses[partition];
    late.error_code = why;
    late.base_offset = Offset(-1);
}
