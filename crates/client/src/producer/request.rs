//! One Produce request: built of the batches that leave together, its answer read as verdicts.
//!
//! Must hold: every batch gets a verdict, whatever the answer leaves out.

use std::sync::Arc;

use ottla_wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use ottla_wire::messages::produce_response::PartitionProduceResponse;
use ottla_wire::messages::{ProduceRequest, ProduceResponse};
use ottla_wire::{ApiKey, ErrorCode, Offset, Records, TopicId};

use crate::core::accumulator::Batch;
use crate::core::cluster::Cluster;
use crate::core::in_flight::{Departure, Verdict};
use crate::error::ClientError;
use crate::nodes::Lane;
use crate::producer::{Shared, Ticket, tell};
use crate::settings::Acks;

/// Sends a request and brings the verdicts back to the core.
pub(super) async fn deliver(shared: Arc<Shared>, mut departure: Departure<Ticket>) {
    let to = departure.to;
    let answer = send(&shared, &mut departure).await;
    let cluster = shared.client.cluster();
    let verdicts = match &answer {
        Ok(answer) => {
            follow_hints(&shared, &cluster, answer.as_ref());
            let judge = |batch: &Batch<Ticket>| judge(&cluster, batch, answer.as_ref());
            departure.batches.into_iter().map(|batch| (judge(&batch), batch)).collect::<Vec<_>>()
        }
        Err(error) => {
            let failed = || Verdict::Failed(error.clone());
            departure.batches.into_iter().map(|batch| (failed(), batch)).collect()
        }
    };
    let verdicts = verdicts.into_iter().map(|(verdict, batch)| (batch, verdict)).collect();
    let random = shared.client.env().random_u64();
    let now = shared.client.now();
    let done = shared.state().in_flight.arrived(now, to, random, verdicts);
    done.into_iter().for_each(tell);
    shared.relief.notify_waiters();
    shared.news.notify_one();
}

/// The answer; none where the broker owes none.
async fn send(
    shared: &Shared,
    departure: &mut Departure<Ticket>,
) -> Result<Option<ProduceResponse>, ClientError> {
    let client = &shared.client;
    let connection = client.broker(departure.to, Lane::COMMON).await?;
    let (request, version_max) = build(shared, &mut departure.batches)?;
    if shared.settings.acks == Acks::None {
        connection.submit_unanswered(&request, version_max).await?;
        return Ok(None);
    }
    let submitted = connection.submit(&request, version_max, client.request_timeout()).await?;
    shared.state().in_flight.departed(departure.to);
    shared.news.notify_one();
    submitted.answer().await.map(Some)
}

fn build(
    shared: &Shared,
    batches: &mut [Batch<Ticket>],
) -> Result<(ProduceRequest, i16), ClientError> {
    let cluster = shared.client.cluster();
    let mut topic_data: Vec<TopicProduceData> = Vec::new();
    let (transactional_id, mut version_max) = {
        let state = shared.state();
        let transaction = state.in_flight.transaction.as_ref();
        let adds_first = transaction.is_some_and(|transaction| !transaction.bumps());
        let version_max = if adds_first { LAST_THAT_ADDS_NOTHING } else { i16::MAX };
        (transaction.map(|transaction| transaction.id().clone()), version_max)
    };
    for batch in batches {
        let bytes = batch.bytes().map_err(|error| ClientError::Unsayable {
            api: ApiKey::Produce,
            version: version_max,
            cause: error.to_string(),
        })?;
        let data = PartitionProduceData {
            index: batch.of.partition,
            records: Some(Records::Bytes(bytes)),
            ..PartitionProduceData::default()
        };
        match topic_data.iter_mut().find(|topic| topic.name == batch.of.topic) {
            Some(topic) => topic.partition_data.push(data),
            None => {
                let name = batch.of.topic.clone();
                let topic_id = cluster.topic(&name).map_or(TopicId::ZERO, |topic| topic.id);
                if topic_id == TopicId::ZERO {
                    version_max = version_max.min(LAST_WITH_NAMES);
                }
                let partition_data = vec![data];
                topic_data.push(TopicProduceData {
                    name,
                    topic_id,
                    partition_data,
                    ..TopicProduceData::default()
                });
            }
        }
    }
    let request = ProduceRequest {
        transactional_id,
        acks: shared.settings.acks.code(),
        timeout_ms: i32::try_from(shared.client.request_timeout().as_millis()).unwrap_or(i32::MAX),
        topic_data,
        ..ProduceRequest::default()
    };
    Ok((request, version_max))
}

/// What the answer says of one batch.
fn judge(cluster: &Cluster, batch: &Batch<Ticket>, answer: Option<&ProduceResponse>) -> Verdict {
    let Some(answer) = answer else { return Verdict::Written(Offset(-1), None) };
    let refused = |code, message: Option<&str>| {
        let about = batch.of.to_string();
        Verdict::Failed(ClientError::refused(ApiKey::Produce, about, code, message))
    };
    let id = cluster.topic(&batch.of.topic).map_or(TopicId::ZERO, |topic| topic.id);
    let mut topics = answer.responses.iter();
    let topic = topics.find(|topic| {
        topic.name == batch.of.topic || (topic.topic_id != TopicId::ZERO && topic.topic_id == id)
    });
    let partition = topic.and_then(|topic| {
        topic.partition_responses.iter().find(|one| one.index == batch.of.partition)
    });
    let Some(partition) = partition else {
        // The topic is another one by now, or the broker forgot it.
        return refused(ErrorCode::UNKNOWN_TOPIC_ID, Some("the answer leaves this partition out"));
    };
    match partition.error_code {
        ErrorCode::NONE => {
            let time = Some(partition.log_append_time_ms).filter(|time| time.0 >= 0);
            Verdict::Written(partition.base_offset, time)
        }
        code => refused(code, message(partition).as_deref()),
    }
}

/// The broker's message with what it says of single records.
fn message(partition: &PartitionProduceResponse) -> Option<String> {
    let of_records = partition.record_errors.iter().filter_map(|error| {
        let message = error.batch_index_error_message.as_deref()?;
        Some(format!("record {} of the batch: {message}", error.batch_index))
    });
    let of_batch = partition.error_message.as_deref().map(str::to_owned);
    let all: Vec<String> = of_batch.into_iter().chain(of_records).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// Learns new leaders from the refusals themselves (KIP-951).
fn follow_hints(shared: &Shared, cluster: &Cluster, answer: Option<&ProduceResponse>) {
    for topic in answer.iter().flat_map(|answer| &answer.responses) {
        let name = match topic.name.is_empty() {
            false => Some(&topic.name),
            true => cluster.topic_by_id(topic.topic_id).map(|topic| &topic.name),
        };
        let Some(name) = name else { continue };
        for partition in &topic.partition_responses {
            let hint = &partition.current_leader;
            if partition.error_code.is_error() && hint.leader_id.0 >= 0 {
                let index = partition.index;
                shared.client.follow_leader(name, index, hint.leader_id, hint.leader_epoch);
            }
        }
    }
}

/// The last version in which partitions are to be added to the transaction first (KIP-890).
const LAST_THAT_ADDS_NOTHING: i16 = 11;
/// The last version that names topics by their names (KIP-516).
const LAST_WITH_NAMES: i16 = 12;
