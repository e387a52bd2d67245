//! Writers append to lists, movers carry lists over, readers look on.
//!
//! Some have a vice, so that the judge has something to see. Must hold: all that they do and are
//! told is in the history, so that one may be ended at any instant.

use std::collections::BTreeMap;
use std::time::Duration;

use ottla_client::admin::LATEST;
use ottla_client::{
    Client, ClientError, ClientSettings, CommittedOffset, Consumer, ConsumerSettings,
    IsolationLevel, OffsetReset, Producer, ProducerRecord, ProducerSettings, TopicPartition,
};
use ottla_env::Env;
use ottla_wire::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use ottla_wire::{ErrorCode, LeaderEpoch, PartitionIndex, StrBytes};

use crate::history::{Element, History, List, Outcome};

/// What breaks a promise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Vice {
    /// Writers have no transactions.
    WritesAlone,
    /// The reader sees what is not committed.
    ReadsAll,
    /// Movers commit before they write.
    CommitsAhead,
    /// Movers commit after they have written.
    CommitsBehind,
    /// Movers write what they read from its end on.
    TurnsRound,
    /// A writer goes away within its transaction, whose timeout is long.
    LeavesOpen,
}

/// One of the topics of a workload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Topic {
    /// Each of its partitions is a list that writers append to.
    Lists,
    /// Each list once more, as movers carried it over.
    Moved,
}

impl Topic {
    fn name(self) -> &'static str {
        match self {
            Topic::Lists => "lists",
            Topic::Moved => "moved",
        }
    }
}

/// The elements of each list, by offset.
pub type Contents = BTreeMap<List, Vec<(i64, Element)>>;

/// Who works on which lists, and tells which history of it. Workers work for ever: to end one is to
/// drop what it returned.
#[derive(Clone)]
pub struct Workload {
    /// `host:port` of the node.
    pub bootstrap: String,
    /// How many lists there are; writers without any only end what their last lives left open.
    pub lists: i32,
    /// Who is told of everything.
    pub history: History,
    /// What somebody does wrong.
    pub vice: Option<Vice>,
}

impl Workload {
    /// A client of the node, as soon as it answers.
    pub async fn connect(&self, env: &Env) -> Client {
        loop {
            let settings = ClientSettings::new(&self.bootstrap);
            match Client::connect(env.clone(), settings).await {
                Ok(client) => return client,
                Err(_) => env.sleep(RETRY).await,
            }
        }
    }

    /// Makes a topic, again and again until it is there; `synced` has each append synced before its
    /// acknowledgement.
    pub async fn create(&self, env: &Env, topic: Topic, synced: bool) {
        let client = self.connect(env).await;
        let flush = CreatableTopicConfig {
            name: "flush.messages".into(),
            value: Some("1".into()),
            ..Default::default()
        };
        let topic = CreatableTopic {
            name: StrBytes::from(topic.name()),
            num_partitions: self.lists,
            replication_factor: 1,
            configs: synced.then_some(flush).into_iter().collect(),
            ..Default::default()
        };
        loop {
            let created = client.admin().create_topics(vec![topic.clone()], false).await;
            match created.as_ref().map(|results| results.first().map(|(_, result)| result)) {
                Ok(Some(Ok(_))) => break,
                Ok(Some(Err(error))) if error.code() == Some(ErrorCode::TOPIC_ALREADY_EXISTS) => {
                    break;
                }
                _ => env.sleep(RETRY).await,
            }
        }
        client.close().await;
    }

    /// Appends to lists in one transaction after the other, for ever; without lists, only begins.
    pub async fn write(self, env: Env, worker: u32) {
        let client = self.connect(&env).await;
        let timeout_ms = if self.vice == Some(Vice::LeavesOpen) { 900_000 } else { 8_000 };
        loop {
            let producer = match self.vice {
                Some(Vice::WritesAlone) => Producer::new(&client, ProducerSettings::default()),
                _ => producer(&client, worker, timeout_ms).await,
            };
            if self.lists == 0 {
                return;
            }
            let writer = Writer { env: &env, workload: &self, producer: &producer, worker };
            while writer.transact().await.is_ok() {
                env.sleep(Duration::from_millis(env.random_u64() % 300)).await;
            }
            drop(producer);
        }
    }

    /// Carries elements over, for ever: what fails begins anew with another consumer and producer.
    pub async fn carry(self, env: Env, worker: u32) {
        let client = self.connect(&env).await;
        loop {
            let producer = producer(&client, worker, 8_000).await;
            let settings = ConsumerSettings {
                group_id: Some(GROUP.to_owned()),
                isolation_level: IsolationLevel::ReadCommitted,
                offset_reset: OffsetReset::Earliest,
                enable_auto_commit: false,
                session_timeout_ms: 6_000,
                heartbeat_interval_ms: 1_000,
                // So long a join waits for a node that is gone.
                max_poll_interval_ms: 8_000,
                poll_records_max: [1, 5, 500][(env.random_u64() % 3) as usize],
                ..ConsumerSettings::default()
            };
            let consumer = Consumer::new(&client, settings);
            consumer.subscribe(&[Topic::Lists.name()]).expect("it has a group");
            let mover =
                Mover { env: &env, workload: &self, producer: &producer, consumer: &consumer };
            while mover.transact().await == Ok(true) {}
            drop(producer);
            match env.random_u64() % 4 {
                0 => drop(consumer),
                _ => drop(consumer.close().await),
            }
            // Whoever comes back at once takes the others' generation from them, and they its own.
            env.sleep(Duration::from_millis(env.random_u64() % 5_000)).await;
        }
    }

    /// Reads the lists for ever, from their beginning again now and then.
    pub async fn look_on(self, env: Env) {
        let client = self.connect(&env).await;
        let isolation_level = match self.vice {
            Some(Vice::ReadsAll) => IsolationLevel::ReadUncommitted,
            _ => IsolationLevel::ReadCommitted,
        };
        loop {
            let consumer = self.consumer_of(&client, Topic::Lists, isolation_level);
            for _ in 0..=env.random_u64() % 40 {
                for one in consumer.poll(Duration::from_millis(300)).await.unwrap_or_default() {
                    let value = one.record.value.unwrap_or_default();
                    let element = Element::parse(&value).expect("every value is an element");
                    self.history.read(one.of.partition.0, one.record.offset.0, element);
                }
            }
        }
    }

    /// The ends of a topic, or of what is stable in it; none when the node does not tell.
    pub async fn ends(
        &self,
        client: &Client,
        topic: Topic,
        stable: bool,
    ) -> Option<BTreeMap<List, i64>> {
        let asked: Vec<_> =
            (0..self.lists).map(|at| (TopicPartition::new(topic.name(), at), LATEST)).collect();
        let told = client.admin().list_offsets(&asked, stable).await.ok()?;
        let ends =
            told.into_iter().map(|(of, result)| Some((of.partition.0, result.ok()?.offset.0)));
        ends.collect()
    }

    /// The committed elements of a topic, as far as it is stable now.
    pub async fn contents(&self, env: &Env, topic: Topic) -> Contents {
        let client = self.connect(env).await;
        let ends = loop {
            match self.ends(&client, topic, true).await {
                Some(ends) => break ends,
                None => env.sleep(RETRY).await,
            }
        };
        let consumer = self.consumer_of(&client, topic, IsolationLevel::ReadCommitted);
        let mut found: Contents = (0..self.lists).map(|list| (list, Vec::new())).collect();
        let is_behind = |(list, end): (&List, &i64)| {
            let position = consumer.position(&TopicPartition::new(topic.name(), *list));
            position.is_none_or(|position| position.0 < *end)
        };
        while ends.iter().any(is_behind) {
            for one in consumer.poll(Duration::from_millis(300)).await.unwrap_or_default() {
                let value = one.record.value.unwrap_or_default();
                let element = Element::parse(&value).expect("every value is an element");
                let list = one.of.partition.0;
                found.entry(list).or_default().push((one.record.offset.0, element));
            }
        }
        drop(consumer);
        client.close().await;
        found
    }

    /// A consumer of all of a topic, from its beginning on.
    fn consumer_of(
        &self,
        client: &Client,
        topic: Topic,
        isolation_level: IsolationLevel,
    ) -> Consumer {
        let settings = ConsumerSettings {
            isolation_level,
            offset_reset: OffsetReset::Earliest,
            ..ConsumerSettings::default()
        };
        let consumer = Consumer::new(client, settings);
        let all: Vec<_> = (0..self.lists).map(|at| TopicPartition::new(topic.name(), at)).collect();
        consumer.assign(&all).expect("it does not subscribe");
        consumer
    }
}

/// A producer under the id of this node, once it has one.
async fn producer(client: &Client, node: u32, timeout_ms: i32) -> Producer {
    loop {
        let settings = ProducerSettings {
            transactional_id: Some(format!("on {node}")),
            transaction_timeout_ms: timeout_ms,
            ..ProducerSettings::default()
        };
        let producer = Producer::new(client, settings);
        match producer.init_transactions().await {
            Ok(()) => return producer,
            Err(_) => client.env().sleep(RETRY).await,
        }
    }
}

fn record(topic: Topic, list: List, element: Element) -> ProducerRecord {
    ProducerRecord {
        topic: StrBytes::from(topic.name()),
        partition: Some(PartitionIndex(list)),
        value: Some(element.to_string().into()),
        ..ProducerRecord::default()
    }
}

struct Writer<'a> {
    env: &'a Env,
    workload: &'a Workload,
    producer: &'a Producer,
    worker: u32,
}

impl Writer<'_> {
    async fn transact(&self) -> Result<(), ClientError> {
        let Writer { env, workload, producer, worker } = *self;
        let (history, alone) = (&workload.history, workload.vice == Some(Vice::WritesAlone));
        let number = history.begin(worker);
        match alone {
            false => producer.begin_transaction()?,
            // What it writes counts at once.
            true => history.ends(worker, number, Outcome::Asked),
        }
        let lists = u64::try_from(workload.lists).expect("not negative");
        let append = |_| {
            let list = i32::try_from(env.random_u64() % lists).expect("few lists");
            (list, history.append(worker, number, list))
        };
        let appends: Vec<(List, Element)> = (0..=env.random_u64() % 4).map(append).collect();
        for (list, element) in appends {
            let sent = producer.send(record(Topic::Lists, list, element)).await;
            let sent = match sent {
                Ok(delivery) if env.random_u64().is_multiple_of(2) => delivery.await.map(drop),
                Ok(_) => Ok(()),
                Err(error) => Err(error),
            };
            if sent.is_err() {
                return self.abort(number).await;
            }
            if env.random_u64().is_multiple_of(8) {
                env.sleep(Duration::from_millis(env.random_u64() % 3_000)).await;
            }
        }
        if workload.vice == Some(Vice::LeavesOpen) && number > 3 {
            std::future::pending::<()>().await;
        }
        if env.random_u64().is_multiple_of(4) {
            return self.abort(number).await;
        }
        history.ends(worker, number, Outcome::Asked);
        if alone {
            producer.flush().await;
            history.ends(worker, number, Outcome::Committed);
            return Ok(());
        }
        loop {
            match producer.commit_transaction().await {
                Ok(()) => break history.ends(worker, number, Outcome::Committed),
                // Nobody has answered: the same again.
                Err(ClientError::Waited { .. }) => {}
                // Should the coordinator agree to the other end, it has not committed.
                Err(_) => return self.abort(number).await,
            }
        }
        Ok(())
    }

    async fn abort(&self, number: u32) -> Result<(), ClientError> {
        let Writer { workload, producer, worker, .. } = *self;
        if workload.vice != Some(Vice::WritesAlone) {
            producer.abort_transaction().await?;
        }
        workload.history.ends(worker, number, Outcome::Aborted);
        Ok(())
    }
}

struct Mover<'a> {
    env: &'a Env,
    workload: &'a Workload,
    producer: &'a Producer,
    consumer: &'a Consumer,
}

impl Mover<'_> {
    /// Whether to go on: who has aborted begins anew at the offsets that are committed.
    async fn transact(&self) -> Result<bool, ClientError> {
        let Mover { env, workload, producer, consumer } = *self;
        let mut read = consumer.poll(Duration::from_millis(500)).await?;
        let Some(member) = consumer.group_metadata().filter(|_| !read.is_empty()) else {
            return Ok(true);
        };
        let next = consumer.assignment().into_iter().filter_map(|of| {
            let (offset, leader_epoch) = (consumer.position(&of)?, LeaderEpoch(-1));
            Some(CommittedOffset { of, offset, leader_epoch, metadata: String::new() })
        });
        let next: Vec<CommittedOffset> = next.collect();
        if workload.vice == Some(Vice::CommitsAhead) {
            consumer.commit().await?;
            env.sleep(Duration::from_secs(1)).await;
        }
        if workload.vice == Some(Vice::TurnsRound) {
            read.reverse();
        }
        producer.begin_transaction()?;
        for one in read {
            let value = one.record.value.unwrap_or_default();
            let element = Element::parse(&value).expect("every value is an element");
            producer.send(record(Topic::Moved, one.of.partition.0, element)).await?;
        }
        if env.random_u64().is_multiple_of(8) {
            env.sleep(Duration::from_millis(env.random_u64() % 4_000)).await;
        }
        if !matches!(workload.vice, Some(Vice::CommitsAhead | Vice::CommitsBehind)) {
            producer.send_offsets(&next, &member).await?;
            if env.random_u64().is_multiple_of(16) {
                producer.abort_transaction().await?;
                return Ok(false);
            }
        }
        producer.commit_transaction().await?;
        if workload.vice == Some(Vice::CommitsBehind) {
            env.sleep(Duration::from_secs(1)).await;
            consumer.commit().await?;
        }
        Ok(true)
    }
}

const GROUP: &str = "movers";
/// How soon a client tries again what failed.
const RETRY: Duration = Duration::from_millis(100);
