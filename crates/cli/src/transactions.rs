//! `ottla transactions` (kafka-transactions.sh): shows transactions and their producers, finds
//! those that no coordinator will end, and ends them.
//!
//! The grammar is that of Apache Kafka's tool (argparse): the servers, a word, its options. Tables
//! are its own too: cells as wide as their column, each with a tab behind it.

mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use ottla_client::{Client, ClientError, ClientSettings, CoordinatorKind, TopicPartition, apply};
use ottla_wire::messages::describe_producers_request::TopicRequest;
use ottla_wire::messages::describe_producers_response::ProducerState;
use ottla_wire::messages::describe_transactions_response::TransactionState;
use ottla_wire::messages::list_transactions_response::TransactionState as Listed;
use ottla_wire::messages::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use ottla_wire::messages::{
    DescribeProducersRequest, DescribeTransactionsRequest, ListTransactionsRequest,
    WriteTxnMarkersRequest,
};
use ottla_wire::{
    ApiKey, BrokerId, ErrorCode, Offset, PartitionIndex, ProducerEpoch, ProducerId, StrBytes,
};

use crate::client_options;
use crate::context::Context;
use crate::failure::Failure;
use words::Words;

/// Does what the words say.
pub(crate) async fn run(context: &mut Context, words: &[String]) -> Result<(), Failure> {
    let words = Words::parse(words)?;
    if let Some(text) = &words.text {
        return Ok(write!(context.out, "{text}")?);
    }
    let mut settings = ClientSettings::new(words.servers.as_deref().unwrap_or_default());
    settings.client_id = "adminclient".to_owned();
    if let Some(path) = &words.config {
        let properties = client_options::file(context, path)?;
        let servers = settings.bootstrap_servers.clone();
        apply(&properties, &mut [&mut settings])?;
        settings.bootstrap_servers = servers;
    }
    let client = Client::connect(context.env.clone(), settings).await?;
    let text = match words.command.map(|command| command.name) {
        Some("list") => list(&client, &words).await?,
        Some("describe") => describe(&client, &words).await?,
        Some("describe-producers") => describe_producers(&client, &words).await?,
        Some("abort") => abort(&client, &words).await?,
        Some("find-hanging") => find_hanging(&client, &words).await?,
        _ => force_terminate(&client, &words).await?,
    };
    client.close().await;
    Ok(write!(context.out, "{text}")?)
}

async fn list(client: &Client, words: &Words) -> Result<String, Failure> {
    let request = ListTransactionsRequest {
        duration_filter: words.number("--duration-filter").unwrap_or(-1),
        transactional_id_pattern: words.text("--transactional-id-pattern").map(StrBytes::copied),
        ..ListTransactionsRequest::default()
    };
    let listed = list_all(client, &request).await;
    let listed = listed.map_err(|error| failed("list transactions", &error))?;
    let rows = listed.into_iter().map(|(coordinator, state)| {
        vec![
            state.transactional_id.to_string(),
            coordinator.to_string(),
            state.producer_id.0.to_string(),
            state.transaction_state.to_string(),
        ]
    });
    let heads = ["TransactionalId", "Coordinator", "ProducerId", "TransactionState"];
    Ok(table(&heads, &rows.collect::<Vec<_>>()))
}

/// What each broker coordinates.
async fn list_all(
    client: &Client,
    request: &ListTransactionsRequest,
) -> Result<Vec<(BrokerId, Listed)>, ClientError> {
    let mut listed = Vec::new();
    for broker in client.cluster().brokers.keys() {
        let told = client.call_broker(*broker, request).await?;
        check(ApiKey::ListTransactions, &format!("broker {broker}"), told.error_code)?;
        listed.extend(told.transaction_states.into_iter().map(|state| (*broker, state)));
    }
    Ok(listed)
}

async fn describe(client: &Client, words: &Words) -> Result<String, Failure> {
    let id = words.text("--transactional-id").unwrap_or_default();
    let about = format!("describe transaction state of transactional-id `{id}`");
    let (coordinator, state) =
        describe_one(client, id).await.map_err(|error| match error.code() {
            Some(ErrorCode::TRANSACTIONAL_ID_NOT_FOUND) => Failure::said(format!(
                "Failed to {about}: DescribeTransactions request for transactionalId `{id}` \
                 failed because the ID could not be found"
            )),
            _ => failed(&about, &error),
        })?;
    let started = Some(state.transaction_start_time_ms.0).filter(|time| *time >= 0);
    let now = client.env().now_ms();
    let none = || "None".to_owned();
    let heads = [
        "CoordinatorId",
        "TransactionalId",
        "ProducerId",
        "ProducerEpoch",
        "TransactionState",
        "TransactionTimeoutMs",
        "CurrentTransactionStartTimeMs",
        "TransactionDurationMs",
        "TopicPartitions",
    ];
    let row = vec![
        coordinator.to_string(),
        id.to_owned(),
        state.producer_id.0.to_string(),
        state.producer_epoch.0.to_string(),
        state.transaction_state.to_string(),
        state.transaction_timeout_ms.to_string(),
        started.map_or_else(none, |time| time.to_string()),
        started.map_or_else(none, |time| (now - time).to_string()),
        partitions_of(&state).map(|of| of.to_string()).collect::<Vec<_>>().join(","),
    ];
    Ok(table(&heads, &[row]))
}

fn partitions_of(state: &TransactionState) -> impl Iterator<Item = TopicPartition> {
    state.topics.iter().flat_map(|topic| {
        let of = |partition| TopicPartition { topic: topic.topic.clone(), partition };
        topic.partitions.iter().copied().map(of)
    })
}

async fn describe_one(
    client: &Client,
    id: &str,
) -> Result<(BrokerId, TransactionState), ClientError> {
    let coordinator = client.coordinator(CoordinatorKind::Transaction, id).await?;
    let transactional_ids = vec![StrBytes::copied(id)];
    let request = DescribeTransactionsRequest { transactional_ids, ..Default::default() };
    let told = client.call_broker(coordinator, &request).await?;
    let state = told.transaction_states.into_iter().next().unwrap_or_default();
    check(ApiKey::DescribeTransactions, id, state.error_code)?;
    Ok((coordinator, state))
}

/// The partition that `--topic` and `--partition` name.
fn partition(words: &Words) -> TopicPartition {
    let topic = StrBytes::copied(words.text("--topic").unwrap_or_default());
    TopicPartition { topic, partition: PartitionIndex(words.number("--partition").unwrap_or(0)) }
}

async fn describe_producers(client: &Client, words: &Words) -> Result<String, Failure> {
    let of = partition(words);
    let broker: Option<i32> = words.number("--broker-id");
    let asked = producers(client, &of, broker.map(BrokerId)).await.map_err(|error| {
        let at = broker.map_or("leader".to_owned(), |id| format!("broker {id}"));
        failed(&format!("describe producers for partition {of} on {at}"), &error)
    })?;
    let rows = asked.into_iter().map(|producer| {
        let start = Some(producer.current_txn_start_offset.0).filter(|offset| *offset >= 0);
        vec![
            producer.producer_id.0.to_string(),
            producer.producer_epoch.to_string(),
            producer.coordinator_epoch.to_string(),
            producer.last_sequence.to_string(),
            producer.last_timestamp.0.to_string(),
            start.map_or("None".to_owned(), |offset| offset.to_string()),
        ]
    });
    let heads = [
        "ProducerId",
        "ProducerEpoch",
        "LatestCoordinatorEpoch",
        "LastSequence",
        "LastTimestamp",
        "CurrentTransactionStartOffset",
    ];
    Ok(table(&heads, &rows.collect::<Vec<_>>()))
}

/// The producers of a partition, as a broker or its leader knows them.
async fn producers(
    client: &Client,
    of: &TopicPartition,
    at: Option<BrokerId>,
) -> Result<Vec<ProducerState>, ClientError> {
    let partition_indexes = vec![of.partition];
    let topic = TopicRequest { name: of.topic.clone(), partition_indexes, ..Default::default() };
    let request = DescribeProducersRequest { topics: vec![topic], ..Default::default() };
    let told = match at {
        Some(broker) => client.call_broker(broker, &request).await?,
        None => client.call_leader(&of.topic, of.partition, &request).await?,
    };
    let partitions = told.topics.into_iter().flat_map(|topic| topic.partitions);
    let told = partitions.into_iter().next().unwrap_or_default();
    check(ApiKey::DescribeProducers, &of.to_string(), told.error_code)?;
    Ok(told.active_producers)
}

async fn abort(client: &Client, words: &Words) -> Result<String, Failure> {
    let of = partition(words);
    let (id, epoch, coordinator_epoch) = match words.number("--start-offset").map(Offset) {
        Some(start) => {
            let about = format!("describe producers for partition {of} on leader");
            let known = producers(client, &of, None).await;
            let known = known.map_err(|error| failed(&about, &error))?;
            let open = known.into_iter().find(|it| it.current_txn_start_offset == start);
            let open = open.ok_or_else(|| {
                Failure::said(format!(
                    "Could not find any open transactions starting at offset {start} on \
                     partition {of}"
                ))
            })?;
            let epoch = i16::try_from(open.producer_epoch).unwrap_or(-1);
            (open.producer_id, ProducerEpoch(epoch), open.coordinator_epoch.max(0))
        }
        None => by_producer(words)?,
    };
    let topic = WritableTxnMarkerTopic {
        name: of.topic.clone(),
        partition_indexes: vec![of.partition],
        ..Default::default()
    };
    let marker = WritableTxnMarker {
        producer_id: id,
        producer_epoch: epoch,
        transaction_result: false,
        topics: vec![topic],
        coordinator_epoch,
        ..Default::default()
    };
    let request = WriteTxnMarkersRequest { markers: vec![marker], ..Default::default() };
    let told = client.call_leader(&of.topic, of.partition, &request).await;
    let told = told.and_then(|told| {
        let topics = told.markers.into_iter().flat_map(|marker| marker.topics);
        let mut partitions = topics.flat_map(|topic| topic.partitions);
        let code = partitions.next().map_or(ErrorCode::NONE, |partition| partition.error_code);
        check(ApiKey::WriteTxnMarkers, &of.to_string(), code)
    });
    let about = format!("abort transaction of producer {} in partition {of}", id.0);
    told.map(|()| String::new()).map_err(|error| failed(&about, &error))
}

/// Whose transaction is to be aborted, where all of that is told.
fn by_producer(words: &Words) -> Result<(ProducerId, ProducerEpoch, i32), Failure> {
    let id = words.number("--producer-id").map(ProducerId).ok_or_else(|| {
        Failure::said(
            "The transaction to abort must be identified either with --start-offset (for brokers \
             on 3.0 or above) or with --producer-id, --producer-epoch, and --coordinator-epoch \
             (for older brokers)",
        )
    })?;
    let missing = |name: &str| Failure::said(format!("Missing required argument {name}"));
    let epoch = words.number("--producer-epoch").map(ProducerEpoch);
    let epoch = epoch.ok_or_else(|| missing("--producer-epoch"))?;
    let coordinator_epoch: Option<i32> = words.number("--coordinator-epoch");
    let coordinator_epoch = coordinator_epoch.ok_or_else(|| missing("--coordinator-epoch"))?;
    Ok((id, epoch, coordinator_epoch.max(0)))
}

/// What is open in a partition for longer than any transaction may be.
struct Candidate {
    of: TopicPartition,
    producer: ProducerState,
}

async fn find_hanging(client: &Client, words: &Words) -> Result<String, Failure> {
    if !words.has("--broker-id") && !words.has("--topic") {
        return Err(Failure::said(
            "The `find-hanging` command requires either --topic or --broker-id to limit the scope \
             of the search",
        ));
    }
    let now = client.env().now_ms();
    let candidates = candidates(client, words, now).await?;
    let known = coordinated(client, &candidates).await;
    let known = known.map_err(|error| failed("describe transactions", &error))?;
    let hanging = candidates.iter().filter(|candidate| {
        let within = known.get(&candidate.producer.producer_id);
        !within.is_some_and(|within| within.contains(&candidate.of))
    });
    let rows = hanging.map(|Candidate { of, producer }| {
        vec![
            of.topic.to_string(),
            of.partition.to_string(),
            producer.producer_id.0.to_string(),
            producer.producer_epoch.to_string(),
            producer.coordinator_epoch.to_string(),
            producer.current_txn_start_offset.to_string(),
            producer.last_timestamp.0.to_string(),
            ((now - producer.last_timestamp.0) / MINUTE_MS).to_string(),
        ]
    });
    let heads = [
        "Topic",
        "Partition",
        "ProducerId",
        "ProducerEpoch",
        "CoordinatorEpoch",
        "StartOffset",
        "LastTimestamp",
        "Duration(min)",
    ];
    Ok(table(&heads, &rows.collect::<Vec<_>>()))
}

/// What is open for too long where the words say to look.
async fn candidates(client: &Client, words: &Words, now: i64) -> Result<Vec<Candidate>, Failure> {
    let (broker, topic) = (words.number("--broker-id").map(BrokerId), words.text("--topic"));
    let wanted: Option<i32> = words.number("--partition");
    let minutes: i64 = words.number("--max-transaction-timeout").unwrap_or(TIMEOUT_MINUTES);
    let cluster = client.refresh_all().await?;
    if let Some(topic) = topic.filter(|topic| cluster.topic(topic).is_none()) {
        let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        let error = ClientError::refused(ApiKey::Metadata, topic, unknown, None);
        return Err(failed("describe 1 topics", &error));
    }
    let mut candidates = Vec::new();
    for (name, known) in &cluster.topics {
        if topic.is_some_and(|topic| topic != &**name) {
            continue;
        }
        for (index, known) in &known.partitions {
            let is_there = broker.is_none_or(|broker| known.replicas.contains(&broker));
            if !is_there || wanted.is_some_and(|wanted| wanted != index.0) {
                continue;
            }
            let of = TopicPartition { topic: name.clone(), partition: *index };
            let about = format!("describe producers for partition {of}");
            let known = producers(client, &of, broker).await;
            let known = known.map_err(|error| failed(&about, &error))?;
            let old = known.into_iter().filter(|producer| {
                let is_open = producer.current_txn_start_offset.0 >= 0;
                is_open && now - producer.last_timestamp.0 > minutes.saturating_mul(MINUTE_MS)
            });
            candidates.extend(old.map(|producer| Candidate { of: of.clone(), producer }));
        }
    }
    Ok(candidates)
}

/// The partitions that coordinators know to be within the transactions of these producers.
async fn coordinated(
    client: &Client,
    candidates: &[Candidate],
) -> Result<BTreeMap<ProducerId, BTreeSet<TopicPartition>>, ClientError> {
    let ids: BTreeSet<ProducerId> = candidates.iter().map(|it| it.producer.producer_id).collect();
    let mut known = BTreeMap::new();
    if ids.is_empty() {
        return Ok(known);
    }
    let producer_id_filters = ids.into_iter().collect();
    let request = ListTransactionsRequest { producer_id_filters, ..Default::default() };
    for (_, listed) in list_all(client, &request).await? {
        match describe_one(client, &listed.transactional_id).await {
            Ok((_, state)) => {
                known.insert(state.producer_id, partitions_of(&state).collect());
            }
            Err(error) if error.code() == Some(ErrorCode::TRANSACTIONAL_ID_NOT_FOUND) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(known)
}

/// Takes the id over, which aborts what its producer has open and keeps that one from going on.
async fn force_terminate(client: &Client, words: &Words) -> Result<String, Failure> {
    let id = words.text("--transactionalId").unwrap_or_default();
    let about = format!("force terminate transactionalId `{id}`");
    let fenced = client.admin().fence_producer(id).await;
    fenced.map(|_| String::new()).map_err(|error| failed(&about, &error))
}

fn check(api: ApiKey, about: &str, code: ErrorCode) -> Result<(), ClientError> {
    match code {
        ErrorCode::NONE => Ok(()),
        code => Err(ClientError::refused(api, about, code, None)),
    }
}

fn failed(what: &str, error: &ClientError) -> Failure {
    Failure::said(format!("Failed to {what}: {error}"))
}

/// Cells as wide as the widest of their column, each with a tab behind it.
fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = (0..heads.len())
        .map(|at| {
            let cells = rows.iter().filter_map(|row| row.get(at));
            cells.map(|cell| cell.chars().count()).fold(heads[at].len(), usize::max)
        })
        .collect();
    let line = |cells: &[&str]| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}\t"));
        format!("{}\n", padded.collect::<String>())
    };
    let rows = rows.iter().map(|row| line(&row.iter().map(String::as_str).collect::<Vec<_>>()));
    format!("{}{}", line(heads), rows.collect::<String>())
}

/// The longest that a transaction may take where brokers have Kafka's default.
const TIMEOUT_MINUTES: i64 = 15;
const MINUTE_MS: i64 = 60_000;
