//! Who uses the node: a producer of numbered records, a reader that commits, the auditor.
//!
//! Each lives through whatever befalls the node; only the producer's own settings give a record
//! up. Must hold: all that they are told is written into the ledger.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use ottla_client::{
    Client, ClientError, ClientSettings, Delivery, Producer, ProducerRecord, ProducerSettings,
    TopicPartition,
};
use ottla_env::Env;
use ottla_records::batch::batches;
use ottla_records::record::read_batch;
use ottla_wire::messages::FetchRequest;
use ottla_wire::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use ottla_wire::messages::fetch_request::{FetchPartition, FetchTopic};
use ottla_wire::{ErrorCode, Offset, PartitionIndex, StrBytes, TopicId};
use tokio::sync::mpsc;

use crate::ledger::{Ledger, Numbered};
use crate::server::BOOTSTRAP;

/// The topic of the world.
pub(crate) const TOPIC: &str = "numbers";
/// The group of the reader.
const GROUP: &str = "readers";

/// Connects, again and again.
pub(crate) async fn connect(env: &Env) -> Client {
    loop {
        match Client::connect(env.clone(), ClientSettings::new(BOOTSTRAP)).await {
            Ok(client) => return client,
            Err(_) => env.sleep(RETRY).await,
        }
    }
}

/// Creates the topic, again and again, until it is there.
pub(crate) async fn create_topic(env: &Env, partitions: i32, configs: &[(&str, &str)]) {
    let client = connect(env).await;
    let configs = configs.iter().map(|(name, value)| CreatableTopicConfig {
        name: StrBytes::copied(name),
        value: Some(StrBytes::copied(value)),
        ..Default::default()
    });
    let topic = CreatableTopic {
        name: StrBytes::from(TOPIC),
        num_partitions: partitions,
        replication_factor: 1,
        configs: configs.collect(),
        ..Default::default()
    };
    loop {
        let created = client.admin().create_topics(vec![topic.clone()], false).await;
        match created.as_ref().map(|results| results.first().map(|(_, result)| result)) {
            Ok(Some(Ok(_))) => break,
            Ok(Some(Err(error))) if code(error) == Some(ErrorCode::TOPIC_ALREADY_EXISTS) => break,
            _ => env.sleep(RETRY).await,
        }
    }
    client.close().await;
}

/// What a producer does.
#[derive(Clone, Debug)]
pub(crate) struct Producing {
    pub(crate) producer: u32,
    pub(crate) records: u32,
    pub(crate) partitions: i32,
    pub(crate) pause_ms_max: u64,
    /// Whether each record has a key, of its own, so that compaction keeps all of them.
    pub(crate) keyed: bool,
    pub(crate) settings: ProducerSettings,
}

/// Produces numbered records to all partitions in turn; ends when the fate of each is known.
pub(crate) async fn produce(env: Env, ledger: Ledger, producing: Producing) {
    let client = connect(&env).await;
    let producer = Producer::new(&client, producing.settings);
    let (deliveries, mut awaited) = mpsc::channel(AWAITED_MAX);
    let tasks = env.tasks();
    let known = ledger.clone();
    tasks.spawn("deliveries", async move {
        while let Some((record, delivery)) = awaited.recv().await {
            let delivery: Delivery = delivery;
            match delivery.await {
                Ok(written) => known.acknowledge(&written.of, written.offset.0, record),
                Err(error) => known.uncertain(&error),
            }
        }
    });
    let mut partitions = (0..producing.partitions).cycle();
    for number in 0..producing.records {
        let record = Numbered { producer: producing.producer, number };
        let sent = producer.send(ProducerRecord {
            topic: StrBytes::from(TOPIC),
            partition: partitions.next().map(PartitionIndex),
            key: producing.keyed.then(|| Bytes::from(record.to_text())),
            value: Some(Bytes::from(record.to_text())),
            ..ProducerRecord::default()
        });
        match sent.await {
            Ok(delivery) => drop(deliveries.send((record, delivery)).await),
            Err(error) => ledger.uncertain(&error),
        }
        if env.random_u64().is_multiple_of(4) {
            let pause = env.random_u64() % (producing.pause_ms_max + 1);
            env.sleep(Duration::from_millis(pause)).await;
        }
    }
    producer.close().await;
    drop(deliveries);
    tasks.join_all().await;
    client.close().await;
}

/// Reads all partitions for ever, commits now and then, and looks whether commits stand.
pub(crate) async fn read(env: Env, ledger: Ledger, partitions: i32) {
    let client = connect(&env).await;
    let reader = Reader { client: &client, ledger: &ledger };
    let mut positions: BTreeMap<TopicPartition, i64> = BTreeMap::new();
    loop {
        for partition in 0..partitions {
            let of = TopicPartition::new(TOPIC, partition);
            let position = positions.entry(of.clone()).or_default();
            match reader.fetch(&of, *position).await {
                Ok(fetched) => *position = fetched.next,
                Err(_) => env.sleep(RETRY).await,
            }
        }
        match env.random_u64() % 8 {
            0 => reader.commit(&positions).await,
            1 => drop(reader.look_up(partitions).await),
            // It begins anew, as a member does that has just joined.
            2 => positions.clear(),
            _ => {}
        }
    }
}

/// Reads everything that there is and compares it with what was promised.
pub(crate) async fn audit(env: &Env, ledger: &Ledger, partitions: i32) {
    let client = connect(env).await;
    let reader = Reader { client: &client, ledger };
    for partition in 0..partitions {
        let of = TopicPartition::new(TOPIC, partition);
        let mut records = BTreeMap::new();
        let mut position = 0;
        loop {
            match reader.fetch(&of, position).await {
                Ok(fetched) => {
                    records.extend(fetched.records);
                    position = fetched.next;
                    if position >= fetched.high_watermark {
                        break;
                    }
                }
                Err(_) => env.sleep(RETRY).await,
            }
        }
        ledger.audit(&of, &records);
    }
    while !reader.look_up(partitions).await {
        env.sleep(RETRY).await;
    }
    client.close().await;
}

struct Reader<'a> {
    client: &'a Client,
    ledger: &'a Ledger,
}

struct Fetched {
    records: Vec<(i64, Numbered)>,
    /// The offset after the last record.
    next: i64,
    high_watermark: i64,
}

impl Reader<'_> {
    /// What follows at a position.
    async fn fetch(&self, of: &TopicPartition, position: i64) -> Result<Fetched, ClientError> {
        let (cluster, _) =
            self.client.refresh_topics(std::slice::from_ref(&of.topic), false).await?;
        let id = cluster.topics.get(&of.topic).map_or(TopicId::default(), |topic| topic.id);
        let request = fetch_request(of, id, position);
        let response = self.client.call_leader(&of.topic, of.partition, &request).await?;
        let mut partitions = response.responses.into_iter().flat_map(|topic| topic.partitions);
        let Some(told) = partitions.next() else {
            return Err(ClientError::Closed);
        };
        if told.error_code == ErrorCode::OFFSET_OUT_OF_RANGE {
            self.ledger.out_of_range(of, position);
        }
        if told.error_code != ErrorCode::NONE {
            return Err(ClientError::Closed);
        }
        let bytes = told.records.and_then(|records| records.as_bytes().cloned());
        let mut fetched =
            Fetched { records: Vec::new(), next: position, high_watermark: told.high_watermark.0 };
        for (offset, record) in records(&bytes.unwrap_or_default()) {
            if offset >= position {
                self.ledger.show(of, offset, fetched.next, record);
                fetched.next = offset + 1;
                fetched.records.push((offset, record));
            }
        }
        Ok(fetched)
    }

    async fn commit(&self, positions: &BTreeMap<TopicPartition, i64>) {
        let offsets: Vec<_> =
            positions.iter().map(|(of, position)| (of.clone(), Offset(*position))).collect();
        for (of, offset) in &offsets {
            self.ledger.committing(of, offset.0);
        }
        let Ok(results) = self.client.admin().alter_group_offsets(GROUP, &offsets).await else {
            return;
        };
        for (of, result) in results {
            if let (Ok(()), Some(position)) = (result, positions.get(&of)) {
                self.ledger.committed(&of, *position);
            }
        }
    }

    /// Compares the group's offsets with what was committed; gives whether they were told.
    async fn look_up(&self, partitions: i32) -> bool {
        let Ok(found) = self.client.admin().group_offsets(GROUP).await else { return false };
        let mut offsets = BTreeMap::new();
        for (of, result) in found {
            let Ok(found) = result else { return false };
            offsets.insert(of, found.committed_offset.0);
        }
        for partition in 0..partitions {
            let of = TopicPartition::new(TOPIC, partition);
            self.ledger.found(&of, offsets.get(&of).copied());
        }
        true
    }
}

fn fetch_request(of: &TopicPartition, id: TopicId, position: i64) -> FetchRequest {
    let partition = FetchPartition {
        partition: of.partition,
        fetch_offset: Offset(position),
        partition_max_bytes: 4096,
        ..FetchPartition::default()
    };
    FetchRequest {
        max_wait_ms: 100,
        min_bytes: 1,
        max_bytes: 1 << 20,
        topics: vec![FetchTopic {
            topic: of.topic.clone(),
            topic_id: id,
            partitions: vec![partition],
            ..Default::default()
        }],
        ..FetchRequest::default()
    }
}

/// The numbered records in what a fetch gave, as far as their batches are whole.
fn records(bytes: &Bytes) -> Vec<(i64, Numbered)> {
    let mut found = Vec::new();
    for batch in batches(bytes) {
        let batch = batch.expect("the node gives valid batches");
        batch.verify_crc().expect("the node gives batches as they were written");
        for record in read_batch(&bytes.slice_ref(batch.bytes())) {
            let record = record.expect("the node gives valid records");
            let value = record.value.expect("every record has a value");
            let numbered = Numbered::parse(&value).expect("every value is a number");
            found.push((record.offset.0, numbered));
        }
    }
    found
}

fn code(error: &ClientError) -> Option<ErrorCode> {
    match error {
        ClientError::Refused { code, .. } => Some(*code),
        _ => None,
    }
}

/// How many records a producer sends ahead of what it was told.
const AWAITED_MAX: usize = 100;
/// How soon a client tries again what failed.
const RETRY: Duration = Duration::from_millis(100);
