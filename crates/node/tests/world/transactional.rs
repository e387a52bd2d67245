//! Stories of transactions: writers append to lists, movers carry lists over, readers look on.
//!
//! Writers and movers are processes of their own, that die, rest and are cut off as the node does.
//! Some have a vice, so that the checkers have something to see. Must hold: all that they do and
//! are told is in the history; nothing comes from anywhere but the world.

use std::collections::BTreeMap;
use std::time::Duration;

use ottla_client::admin::LATEST;
use ottla_client::{
    Client, ClientError, CommittedOffset, Consumer, ConsumerSettings, IsolationLevel, OffsetReset,
    Producer, ProducerRecord, ProducerSettings, TopicPartition,
};
use ottla_env::Env;
use ottla_sim::World;
use ottla_wire::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use ottla_wire::{ErrorCode, LeaderEpoch, PartitionIndex, StrBytes};

use crate::clients::connect;
use crate::history::{Anomaly, Element, History, List, Outcome};
use crate::server::{NODE, Server, settings};

const LISTS: &str = "lists";
const MOVED: &str = "moved";
const GROUP: &str = "movers";
const READER: u32 = 3;
const WRITERS: [u32; 2] = [4, 5];
const MOVERS: [u32; 2] = [6, 7];

/// What befalls the node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Harm {
    Kills,
    /// Everything is synced before it is acknowledged.
    PowerCuts,
    /// The power is cut and nothing is synced.
    PowerCutsUnsynced,
    /// Nothing, or something that its clients do wrong.
    Nothing,
}

/// What breaks a promise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Vice {
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

/// How a story went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Told {
    pub(crate) trace_hash: u64,
    /// How many transactions there were, and how many were committed for certain.
    pub(crate) transactions: (usize, usize),
    /// How many elements the lists have in the end.
    pub(crate) elements: usize,
    pub(crate) anomalies: Vec<(Anomaly, String)>,
}

/// Tells the story of a seed to its end.
pub(crate) fn tell(world: &World, harm: Harm, vice: Option<Vice>) -> Told {
    let history = History::default();
    let lists = 1 + i32::try_from(world.random_below(3)).expect("a small number");
    let story = Story { world: world.clone(), history: history.clone(), harm, vice, lists };
    let elements = world.run_until(STORY_MAX, async move { story.play().await });
    Told {
        trace_hash: world.trace_hash(),
        transactions: history.counts(),
        elements,
        anomalies: history.anomalies(),
    }
}

#[derive(Clone)]
struct Story {
    world: World,
    history: History,
    harm: Harm,
    vice: Option<Vice>,
    lists: i32,
}

impl Story {
    async fn play(&self) -> usize {
        let world = &self.world;
        let mut overrides = vec![
            "transaction.state.log.replication.factor=1",
            "transaction.state.log.min.isr=1",
            "transaction.state.log.num.partitions=3",
        ];
        let synced = self.harm == Harm::PowerCuts;
        if synced {
            overrides.push("log.flush.interval.messages=1");
        }
        let mut server = Server::new(world, settings(&overrides));
        server.start();
        let reader = world.node(READER);
        for topic in [LISTS, MOVED] {
            create(&reader, topic, self.lists, synced).await;
        }
        let looking = reader.tasks();
        looking.spawn("reader", look_on(reader.clone(), self.clone()));
        for node in WRITERS.into_iter().chain(MOVERS) {
            self.start_worker(node);
        }
        for _ in 0..1 + world.random_below(5) {
            world.sleep(self.some_ms(3_000)).await;
            self.befall(&mut server).await;
        }
        self.rest(&reader).await;
        looking.shutdown().await;
        let lists = contents(&reader, LISTS, self.lists).await;
        self.history.judge(&lists);
        self.wait_for_movers(&reader, &lists).await;
        let elements = lists.values().map(Vec::len).sum();
        server.stop().await;
        elements
    }

    fn some_ms(&self, bound: u64) -> Duration {
        Duration::from_millis(self.world.random_below(bound))
    }

    fn start_worker(&self, node: u32) {
        let story = self.clone();
        match WRITERS.contains(&node) {
            true => self.world.restart(node, |env| write(env, story, node)),
            false => self.world.restart(node, |env| carry(env, story, node)),
        };
    }

    /// Lets one thing happen, and has everybody up again in the end.
    async fn befall(&self, server: &mut Server) {
        let world = &self.world;
        let workers = [WRITERS, MOVERS].concat();
        let pick = usize::try_from(world.random_below(workers.len() as u64)).expect("small");
        let worker = workers[pick];
        let ends_node = !matches!(self.harm, Harm::Nothing);
        match world.random_below(8) {
            0..=2 if ends_node => {
                match self.harm {
                    Harm::Kills => server.kill(),
                    _ => server.crash(),
                }
                world.sleep(self.some_ms(3_000)).await;
                server.start();
            }
            3 if ends_node => {
                server.stop().await;
                server.start();
            }
            4 if self.vice.is_none() => world.stall(worker, self.some_ms(15_000)),
            5 if self.vice.is_none() => {
                world.partition(&[NODE], &[worker]);
                world.sleep(self.some_ms(15_000)).await;
                world.heal();
            }
            6 => world.reset_connections(NODE, worker),
            _ => {
                world.kill(worker);
                world.sleep(self.some_ms(8_000)).await;
                self.start_worker(worker);
            }
        }
    }

    /// Ends the writers, and waits until nothing that they have begun is open.
    async fn rest(&self, reader: &Env) {
        if self.vice != Some(Vice::LeavesOpen) {
            // Their next lives only begin, which ends what their last ones have open.
            for node in WRITERS {
                let story = Story { lists: 0, ..self.clone() };
                self.world.restart(node, |env| write(env, story, node));
            }
        }
        let client = connect(reader).await;
        let mut patience = AT_REST_WITHIN;
        loop {
            let ends =
                (ends(&client, self.lists, true).await, ends(&client, self.lists, false).await);
            match ends {
                (Some(stable), Some(ends)) if stable == ends => break,
                ends if patience.is_zero() => {
                    let what = format!("stable offsets and ends stay {ends:?}");
                    self.history.hangs(what);
                    break;
                }
                _ => {}
            }
            self.world.sleep(LOOK_EACH).await;
            patience = patience.saturating_sub(LOOK_EACH);
        }
        WRITERS.into_iter().for_each(|node| self.world.kill(node));
        client.close().await;
    }

    /// Gives the movers the time to carry over what is left, and judges them.
    async fn wait_for_movers(&self, reader: &Env, lists: &BTreeMap<List, Vec<(i64, Element)>>) {
        let wanted: usize = lists.values().map(Vec::len).sum();
        let mut patience = AT_REST_WITHIN;
        let mut moved = contents(reader, MOVED, self.lists).await;
        while moved.values().map(Vec::len).sum::<usize>() < wanted && !patience.is_zero() {
            self.world.sleep(LOOK_EACH).await;
            patience = patience.saturating_sub(LOOK_EACH);
            moved = contents(reader, MOVED, self.lists).await;
        }
        // Whoever has moved too much has had time for it.
        self.world.sleep(Duration::from_secs(10)).await;
        MOVERS.into_iter().for_each(|node| self.world.kill(node));
        self.history.judge_queue(lists, &contents(reader, MOVED, self.lists).await);
    }
}

async fn create(env: &Env, topic: &str, partitions: i32, synced: bool) {
    let client = connect(env).await;
    let flush = CreatableTopicConfig {
        name: "flush.messages".into(),
        value: Some("1".into()),
        ..Default::default()
    };
    let topic = CreatableTopic {
        name: StrBytes::copied(topic),
        num_partitions: partitions,
        replication_factor: 1,
        configs: synced.then_some(flush).into_iter().collect(),
        ..Default::default()
    };
    loop {
        let created = client.admin().create_topics(vec![topic.clone()], false).await;
        match created.as_ref().map(|results| results.first().map(|(_, result)| result)) {
            Ok(Some(Ok(_))) => break,
            Ok(Some(Err(error))) if error.code() == Some(ErrorCode::TOPIC_ALREADY_EXISTS) => break,
            _ => env.sleep(RETRY).await,
        }
    }
    client.close().await;
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

fn record(topic: &str, list: List, element: Element) -> ProducerRecord {
    ProducerRecord {
        topic: StrBytes::copied(topic),
        partition: Some(PartitionIndex(list)),
        value: Some(element.to_string().into()),
        ..ProducerRecord::default()
    }
}

/// Appends to lists in one transaction after the other, for ever; without lists, only begins.
async fn write(env: Env, story: Story, node: u32) {
    let client = connect(&env).await;
    let timeout_ms = if story.vice == Some(Vice::LeavesOpen) { 900_000 } else { 8_000 };
    loop {
        let producer = match story.vice {
            Some(Vice::WritesAlone) => Producer::new(&client, ProducerSettings::default()),
            _ => producer(&client, node, timeout_ms).await,
        };
        if story.lists == 0 {
            return;
        }
        let writer = Writer { env: &env, story: &story, producer: &producer, node };
        while writer.transact().await.is_ok() {
            env.sleep(Duration::from_millis(env.random_u64() % 300)).await;
        }
        drop(producer);
    }
}

struct Writer<'a> {
    env: &'a Env,
    story: &'a Story,
    producer: &'a Producer,
    node: u32,
}

impl Writer<'_> {
    async fn transact(&self) -> Result<(), ClientError> {
        let Writer { env, story, producer, node } = *self;
        let (history, alone) = (&story.history, story.vice == Some(Vice::WritesAlone));
        let number = history.begin(node);
        match alone {
            false => producer.begin_transaction()?,
            // What it writes counts at once.
            true => history.ends(node, number, Outcome::Asked),
        }
        let lists = u64::try_from(story.lists).expect("not negative");
        let append = |_| {
            let list = i32::try_from(env.random_u64() % lists).expect("few lists");
            (list, history.append(node, number, list))
        };
        let appends: Vec<(List, Element)> = (0..=env.random_u64() % 4).map(append).collect();
        for (list, element) in appends {
            let sent = producer.send(record(LISTS, list, element)).await;
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
        if story.vice == Some(Vice::LeavesOpen) && number > 3 {
            std::future::pending::<()>().await;
        }
        if env.random_u64().is_multiple_of(4) {
            return self.abort(number).await;
        }
        history.ends(node, number, Outcome::Asked);
        if alone {
            producer.flush().await;
            history.ends(node, number, Outcome::Committed);
            return Ok(());
        }
        loop {
            match producer.commit_transaction().await {
                Ok(()) => break history.ends(node, number, Outcome::Committed),
                // Nobody has answered: the same again.
                Err(ClientError::Waited { .. }) => {}
                // Should the coordinator agree to the other end, it has not committed.
                Err(_) => return self.abort(number).await,
            }
        }
        Ok(())
    }

    async fn abort(&self, number: u32) -> Result<(), ClientError> {
        let Writer { story, producer, node, .. } = *self;
        if story.vice != Some(Vice::WritesAlone) {
            producer.abort_transaction().await?;
        }
        story.history.ends(node, number, Outcome::Aborted);
        Ok(())
    }
}

/// Carries elements over, for ever: what fails begins anew with another consumer and producer.
async fn carry(env: Env, story: Story, node: u32) {
    let client = connect(&env).await;
    loop {
        let producer = producer(&client, node, 8_000).await;
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
        consumer.subscribe(&[LISTS]).expect("it has a group");
        let mover = Mover { env: &env, story: &story, producer: &producer, consumer: &consumer };
        while mover.transact().await.is_ok() {}
        drop(producer);
        match env.random_u64() % 4 {
            0 => drop(consumer),
            _ => drop(consumer.close().await),
        }
        // Whoever comes back at once takes the others' generation from them, and they its own.
        env.sleep(Duration::from_millis(env.random_u64() % 5_000)).await;
    }
}

struct Mover<'a> {
    env: &'a Env,
    story: &'a Story,
    producer: &'a Producer,
    consumer: &'a Consumer,
}

impl Mover<'_> {
    async fn transact(&self) -> Result<(), ClientError> {
        let Mover { env, story, producer, consumer } = *self;
        let mut read = consumer.poll(Duration::from_millis(500)).await?;
        let Some(member) = consumer.group_metadata().filter(|_| !read.is_empty()) else {
            return Ok(());
        };
        let next = consumer.assignment().into_iter().filter_map(|of| {
            let (offset, leader_epoch) = (consumer.position(&of)?, LeaderEpoch(-1));
            Some(CommittedOffset { of, offset, leader_epoch, metadata: String::new() })
        });
        let next: Vec<CommittedOffset> = next.collect();
        if story.vice == Some(Vice::CommitsAhead) {
            consumer.commit().await?;
            env.sleep(Duration::from_secs(1)).await;
        }
        if story.vice == Some(Vice::TurnsRound) {
            read.reverse();
        }
        producer.begin_transaction()?;
        for one in read {
            let value = one.record.value.unwrap_or_default();
            let element = Element::parse(&value).expect("every value is an element");
            producer.send(record(MOVED, one.of.partition.0, element)).await?;
        }
        if env.random_u64().is_multiple_of(8) {
            env.sleep(Duration::from_millis(env.random_u64() % 4_000)).await;
        }
        if !matches!(story.vice, Some(Vice::CommitsAhead | Vice::CommitsBehind)) {
            producer.send_offsets(&next, &member).await?;
        }
        producer.commit_transaction().await?;
        if story.vice == Some(Vice::CommitsBehind) {
            env.sleep(Duration::from_secs(1)).await;
            consumer.commit().await?;
        }
        Ok(())
    }
}

/// Reads the lists for ever, from their beginning again now and then.
async fn look_on(env: Env, story: Story) {
    let client = connect(&env).await;
    let isolation_level = match story.vice {
        Some(Vice::ReadsAll) => IsolationLevel::ReadUncommitted,
        _ => IsolationLevel::ReadCommitted,
    };
    loop {
        let consumer = consumer_of(&client, LISTS, story.lists, isolation_level);
        for _ in 0..=env.random_u64() % 40 {
            for one in consumer.poll(Duration::from_millis(300)).await.unwrap_or_default() {
                let value = one.record.value.unwrap_or_default();
                let element = Element::parse(&value).expect("every value is an element");
                story.history.read(one.of.partition.0, one.record.offset.0, element);
            }
        }
    }
}

/// A consumer of all of a topic, from its beginning on.
fn consumer_of(
    client: &Client,
    topic: &str,
    partitions: i32,
    isolation_level: IsolationLevel,
) -> Consumer {
    let settings = ConsumerSettings {
        isolation_level,
        offset_reset: OffsetReset::Earliest,
        ..ConsumerSettings::default()
    };
    let consumer = Consumer::new(client, settings);
    let all: Vec<_> = (0..partitions).map(|at| TopicPartition::new(topic, at)).collect();
    consumer.assign(&all).expect("it does not subscribe");
    consumer
}

/// The ends of the lists, or of what is stable in them.
async fn ends(client: &Client, lists: i32, stable: bool) -> Option<BTreeMap<List, i64>> {
    ends_of(client, LISTS, lists, stable).await
}

async fn ends_of(
    client: &Client,
    topic: &str,
    partitions: i32,
    stable: bool,
) -> Option<BTreeMap<List, i64>> {
    let asked: Vec<_> =
        (0..partitions).map(|at| (TopicPartition::new(topic, at), LATEST)).collect();
    let told = client.admin().list_offsets(&asked, stable).await.ok()?;
    let ends = told.into_iter().map(|(of, result)| Some((of.partition.0, result.ok()?.offset.0)));
    ends.collect()
}

/// The committed elements of a topic, as far as it is stable now.
async fn contents(env: &Env, topic: &str, partitions: i32) -> BTreeMap<List, Vec<(i64, Element)>> {
    let client = connect(env).await;
    let ends = loop {
        match ends_of(&client, topic, partitions, true).await {
            Some(ends) => break ends,
            None => env.sleep(RETRY).await,
        }
    };
    let consumer = consumer_of(&client, topic, partitions, IsolationLevel::ReadCommitted);
    let mut found: BTreeMap<List, Vec<(i64, Element)>> =
        (0..partitions).map(|list| (list, Vec::new())).collect();
    let is_behind = |(list, end): (&List, &i64)| {
        let position = consumer.position(&TopicPartition::new(topic, *list));
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

/// A story that takes longer has come to a stand.
const STORY_MAX: Duration = Duration::from_secs(1_800);
/// Timeouts of transactions, sessions and rests are over by then.
const AT_REST_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EACH: Duration = Duration::from_secs(1);
/// How soon a client tries again what failed.
const RETRY: Duration = Duration::from_millis(100);
