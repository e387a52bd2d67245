//! The producer: takes records, tells what became of each.
//!
//! A thin shell: [`crate::core::in_flight`] decides, this sends. One task steps the core; a task
//! per request waits for its answer. Transactions stand in producer/transactions.rs. Must hold:
//! requests to one broker leave in the order in which the core let them go, as each waits until the
//! one before is on its way.

mod request;
mod transactions;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use ottla_env::{Instant, Spawner, Tasks};
use ottla_wire::messages::InitProducerIdRequest;
use ottla_wire::{ApiKey, ErrorCode, Offset, PartitionIndex, StrBytes, Timestamp};
use tokio::sync::{Notify, oneshot};

use crate::attempts::Attempts;
use crate::client::Client;
use crate::core::accumulator::{Accumulator, Batching, Draft, Refusal};
use crate::core::backoff::Backoff;
use crate::core::cluster::{Cluster, Topic, TopicPartition};
use crate::core::in_flight::{Done, InFlight, Sending, Step};
use crate::core::partitioner::{Sticky, partition_of_key};
use crate::core::transaction::Transaction;
use crate::error::ClientError;
use crate::settings::ProducerSettings;

/// A record to be sent.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProducerRecord {
    /// The topic.
    pub topic: StrBytes,
    /// The partition; without one, the key decides, and without a key the producer.
    pub partition: Option<PartitionIndex>,
    /// Its timestamp; without one, now.
    pub timestamp: Option<Timestamp>,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value.
    pub value: Option<Bytes>,
    /// Its headers.
    pub headers: Vec<(StrBytes, Option<Bytes>)>,
}

/// Where a record was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordMetadata {
    /// In which partition.
    pub of: TopicPartition,
    /// At which offset; -1 when nobody told (acks=0).
    pub offset: Offset,
    /// With which timestamp.
    pub timestamp: Timestamp,
}

/// What will become of a record that was taken. Dropping it changes nothing for the record.
#[derive(Debug)]
pub struct Delivery {
    told: oneshot::Receiver<Result<RecordMetadata, ClientError>>,
}

impl Future for Delivery {
    type Output = Result<RecordMetadata, ClientError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.told).poll(cx).map(|told| told.unwrap_or(Err(ClientError::Closed)))
    }
}

/// Who waits for one record.
struct Ticket {
    timestamp: Timestamp,
    told: oneshot::Sender<Result<RecordMetadata, ClientError>>,
}

/// A producer. Dropping it gives up what is under way; see [`Producer::close`].
pub struct Producer {
    shared: Arc<Shared>,
    tasks: Tasks,
}

struct Shared {
    client: Client,
    settings: ProducerSettings,
    state: Mutex<State>,
    /// There may be something to do for the sender.
    news: Notify,
    /// Records are done: there is room, and perhaps nothing is left.
    relief: Notify,
}

struct State {
    in_flight: InFlight<Ticket>,
    sticky: BTreeMap<StrBytes, Sticky>,
    /// Calls of send that wait for room.
    short_of_memory: usize,
    /// Topics whose leaders are to be learned.
    unknown: BTreeSet<StrBytes>,
    is_learning: bool,
    is_asking_id: bool,
}

impl Producer {
    /// A producer over a client, which may serve others too.
    pub fn new(client: &Client, settings: ProducerSettings) -> Producer {
        let accumulator = Accumulator::new(Batching {
            batch_bytes: settings.batch_bytes,
            memory_bytes_max: settings.buffer_memory_bytes,
            codec: settings.compression_type,
            level: settings.compression_level(),
            is_transactional: settings.transactional_id.is_some(),
        });
        if settings.enable_idempotence && !settings.is_idempotent() {
            tracing::warn!("idempotence is off, as acks, retries or in-flight settings forbid it");
        }
        let mut in_flight = InFlight::new(accumulator, sending(client, &settings));
        in_flight.transaction = settings.transactional_id.as_deref().map(Transaction::new);
        let state = State {
            in_flight,
            sticky: BTreeMap::new(),
            short_of_memory: 0,
            unknown: BTreeSet::new(),
            is_learning: false,
            is_asking_id: false,
        };
        let shared = Arc::new(Shared {
            client: client.clone(),
            settings,
            state: Mutex::new(state),
            news: Notify::new(),
            relief: Notify::new(),
        });
        let tasks = client.env().tasks();
        tasks.spawn("producer", run(shared.clone(), tasks.spawner()));
        Producer { shared, tasks }
    }

    /// Takes a record; waits for the topic's partitions and for room in the buffer. Records of
    /// one partition are written in the order in which these calls return.
    ///
    /// # Errors
    /// When the topic or room is not there within max.block.ms, the record is too large, or, with
    /// transactional.id, no transaction is open or it can only be aborted.
    pub async fn send(&self, record: ProducerRecord) -> Result<Delivery, ClientError> {
        let shared = &*self.shared;
        shared.check_open()?;
        let draft = Draft {
            timestamp: record.timestamp.unwrap_or(Timestamp(shared.client.env().now_ms())),
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &record.headers,
        };
        let len = draft.len_max();
        if len > shared.settings.request_bytes_max {
            return Err(too_large(&record.topic, len, shared.settings.request_bytes_max));
        }
        let of = shared.place(&record, len).await?;
        let (told, delivery) = oneshot::channel();
        let ticket = Ticket { timestamp: draft.timestamp, told };
        shared.append(&of, &draft, ticket).await?;
        Ok(Delivery { told: delivery })
    }

    /// Sends what lingers and waits until nothing is under way.
    pub async fn flush(&self) {
        let shared = &*self.shared;
        let flushing = Flushing::begin(shared);
        loop {
            let mut relief = pin!(shared.relief.notified());
            relief.as_mut().enable();
            if shared.state().in_flight.is_idle() {
                break;
            }
            relief.await;
        }
        drop(flushing);
    }

    /// Waits until nothing is under way, then ends the producer's tasks. A transaction that is open
    /// is aborted. The client stays open.
    pub async fn close(self) {
        self.abandon().await;
        self.flush().await;
        self.tasks.shutdown().await;
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        let given_up = self.shared.state().in_flight.give_up(&ClientError::Closed);
        given_up.into_iter().for_each(tell);
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Producer({:?})", self.shared.client)
    }
}

/// While it lives, nothing lingers.
struct Flushing<'a>(&'a Shared);

impl<'a> Flushing<'a> {
    fn begin(shared: &'a Shared) -> Flushing<'a> {
        shared.state().in_flight.begin_flush();
        shared.news.notify_one();
        Flushing(shared)
    }
}

impl Drop for Flushing<'_> {
    fn drop(&mut self) {
        self.0.state().in_flight.end_flush();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }

    /// Whether records are taken: with transactions, only within one.
    fn check_open(&self) -> Result<(), ClientError> {
        self.state().in_flight.transaction.as_ref().map_or(Ok(()), Transaction::check_open)
    }

    /// The partition for a record.
    async fn place(
        &self,
        record: &ProducerRecord,
        len: usize,
    ) -> Result<TopicPartition, ClientError> {
        let of = |partition| TopicPartition { topic: record.topic.clone(), partition };
        let cluster = self.client.cluster();
        let known = cluster.topic(&record.topic).filter(|topic| !topic.partitions.is_empty());
        let partition = match known {
            Some(topic) => self.choose(record, topic, len),
            None => {
                let cluster = self.learn(&record.topic).await?;
                cluster.topic(&record.topic).and_then(|topic| self.choose(record, topic, len))
            }
        };
        partition.map(of).ok_or_else(|| {
            let about = match record.partition {
                Some(partition) => format!("{}-{partition}", record.topic),
                None => record.topic.to_string(),
            };
            let code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
            ClientError::refused(ApiKey::Metadata, about, code, Some("no such partition"))
        })
    }

    fn choose(&self, record: &ProducerRecord, topic: &Topic, len: usize) -> Option<PartitionIndex> {
        if let Some(partition) = record.partition {
            return topic.partitions.contains_key(&partition).then_some(partition);
        }
        let count = u32::try_from(topic.partitions.len()).ok().filter(|count| *count > 0)?;
        match &record.key {
            Some(key) if !self.settings.ignore_keys => Some(partition_of_key(key, count)),
            _ => {
                let all = || topic.partitions.values();
                let mut led: Vec<_> =
                    all().filter(|one| one.leader.is_some()).map(|one| one.index).collect();
                if led.is_empty() {
                    led = all().map(|one| one.index).collect();
                }
                let random = self.client.env().random_u64();
                let mut state = self.state();
                let sticky = match state.sticky.get_mut(&record.topic) {
                    Some(sticky) => sticky,
                    None => state.sticky.entry(StrBytes::copied(&record.topic)).or_default(),
                };
                sticky.pick(&led, len, self.settings.batch_bytes, random)
            }
        }
    }

    /// Waits until the topic is known; asks brokers to create it where they do.
    async fn learn(&self, topic: &StrBytes) -> Result<Arc<Cluster>, ClientError> {
        let about = format!("topic {topic}");
        let max_block_ms = self.settings.max_block_ms;
        let mut attempts =
            Attempts::new(self.client.env(), self.client.settings(), about, max_block_ms);
        let refused = |code| ClientError::refused(ApiKey::Metadata, &**topic, code, None);
        loop {
            let failed = match self.client.refresh_topics(std::slice::from_ref(topic), true).await {
                Ok((cluster, failed)) => match failed.first() {
                    None if cluster.topic(topic).is_some() => return Ok(cluster),
                    None => refused(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
                    Some((_, code)) => refused(*code),
                },
                Err(error) => error,
            };
            attempts.again(failed).await?;
        }
    }

    /// Puts a record into the buffer once there is room.
    async fn append(
        &self,
        of: &TopicPartition,
        draft: &Draft<'_>,
        mut ticket: Ticket,
    ) -> Result<(), ClientError> {
        let block = Duration::from_millis(self.settings.max_block_ms);
        let deadline = self.client.env().monotonic() + block;
        loop {
            let mut relief = pin!(self.relief.notified());
            relief.as_mut().enable();
            let appended = {
                let mut state = self.state();
                state.in_flight.accumulator.append(self.client.now(), of, draft, ticket)
            };
            match appended {
                Ok(news) => {
                    if news {
                        self.news.notify_one();
                    }
                    return Ok(());
                }
                Err((_, Refusal::TooLarge)) => {
                    return Err(too_large(&of.topic, draft.len_max(), i32::MAX as usize));
                }
                Err((back, Refusal::Full)) => ticket = back,
            }
            let short = Short::begin(self);
            let room = tokio::select! {
                biased;
                () = relief => true,
                () = self.client.env().sleep_until(deadline) => false,
            };
            drop(short);
            if !room {
                let about = format!("room in the buffer for a record to {of} (buffer.memory)");
                let timeout_ms = self.settings.max_block_ms;
                return Err(ClientError::Waited { about, timeout_ms, last: None });
            }
        }
    }
}

/// While it lives, batches do not linger: someone waits for room.
struct Short<'a>(&'a Shared);

impl<'a> Short<'a> {
    fn begin(shared: &'a Shared) -> Short<'a> {
        shared.state().short_of_memory += 1;
        shared.news.notify_one();
        Short(shared)
    }
}

impl Drop for Short<'_> {
    fn drop(&mut self) {
        self.0.state().short_of_memory -= 1;
    }
}

/// Steps the core whenever there is news or its time has come.
async fn run(shared: Arc<Shared>, spawner: Spawner) {
    loop {
        let step = {
            let now = shared.client.now();
            let cluster = shared.client.cluster();
            let mut state = shared.state();
            let is_short = state.short_of_memory > 0;
            state.in_flight.step(now, &cluster, is_short)
        };
        let wake = obey(&shared, &spawner, step);
        let news = shared.news.notified();
        match wake {
            None => news.await,
            Some(at) => tokio::select! {
                biased;
                () = news => {}
                () = shared.client.env().sleep_until(at) => {}
            },
        }
    }
}

fn obey(shared: &Arc<Shared>, spawner: &Spawner, step: Step<Ticket>) -> Option<Instant> {
    if !step.done.is_empty() {
        step.done.into_iter().for_each(tell);
        shared.relief.notify_waiters();
    }
    for departure in step.departures {
        spawner.spawn("produce", request::deliver(shared.clone(), departure));
    }
    let mut state = shared.state();
    state.unknown.extend(step.unknown);
    let client = &shared.client;
    let max_age = i64::try_from(client.settings().metadata_max_age_ms).unwrap_or(i64::MAX);
    if client.cluster().is_stale(client.now(), max_age) {
        let State { unknown, in_flight, .. } = &mut *state;
        unknown.extend(in_flight.accumulator.queues.keys().map(|of| of.topic.clone()));
    }
    if !state.unknown.is_empty() && !state.is_learning {
        state.is_learning = true;
        let topics = std::mem::take(&mut state.unknown).into_iter().collect();
        spawner.spawn("leaders", learn_leaders(shared.clone(), topics));
    }
    if !step.to_add.is_empty() {
        spawner.spawn("add partitions", transactions::add(shared.clone(), step.to_add));
    }
    if step.wants_producer_id && !state.is_asking_id {
        state.is_asking_id = true;
        spawner.spawn("producer id", ask_producer_id(shared.clone()));
    }
    step.wake.map(|wake| {
        let millis = u64::try_from(wake.0.saturating_add(1)).unwrap_or(0);
        Instant(0) + Duration::from_millis(millis)
    })
}

/// Learns leaders, then lets a little time pass before they may be asked for again.
async fn learn_leaders(shared: Arc<Shared>, topics: Vec<StrBytes>) {
    let learned = shared.client.refresh_topics(&topics, false).await;
    if let Err(error) = learned {
        tracing::debug!(%error, "leaders are not known yet");
    }
    shared.news.notify_one();
    let pause = Duration::from_millis(shared.client.settings().retry_backoff_ms);
    shared.client.env().sleep(pause).await;
    shared.state().is_learning = false;
    shared.news.notify_one();
}

/// Asks for a producer id; if there will be none, gives up what waits for it.
async fn ask_producer_id(shared: Arc<Shared>) {
    let request = InitProducerIdRequest {
        transactional_id: None,
        transaction_timeout_ms: i32::MAX,
        ..InitProducerIdRequest::default()
    };
    let mut attempts = shared.client.attempts("a producer id");
    let given_up = loop {
        let failed = match shared.client.call(&request).await {
            Ok(response) if response.error_code.is_none() => {
                let mut state = shared.state();
                state.in_flight.got_producer_id(response.producer_id, response.producer_epoch);
                break Vec::new();
            }
            Ok(refused) => {
                let (api, code) = (ApiKey::InitProducerId, refused.error_code);
                ClientError::refused(api, "this producer", code, None)
            }
            Err(error) => error,
        };
        if let Err(error) = attempts.again(failed).await {
            break shared.state().in_flight.give_up(&error);
        }
    };
    given_up.into_iter().for_each(tell);
    shared.state().is_asking_id = false;
    shared.relief.notify_waiters();
    shared.news.notify_one();
}

/// Tells those who wait for the records of a batch.
fn tell(done: Done<Ticket>) {
    for (place, ticket) in (0..).zip(done.tickets) {
        let told = done.result.clone().map(|(base, time)| RecordMetadata {
            of: done.of.clone(),
            offset: if base.0 < 0 { base } else { base + place },
            timestamp: time.unwrap_or(ticket.timestamp),
        });
        // Whoever sent it may not care.
        let _ = ticket.told.send(told);
    }
}

fn sending(client: &Client, settings: &ProducerSettings) -> Sending {
    let common = client.settings();
    let millis = |millis: u64| i64::try_from(millis).unwrap_or(i64::MAX);
    Sending {
        linger_ms: millis(settings.linger_ms),
        delivery_timeout_ms: millis(settings.delivery_timeout_ms),
        in_flight_max: settings.in_flight_max,
        request_bytes_max: settings.request_bytes_max,
        retries: settings.retries,
        is_idempotent: settings.is_idempotent(),
        backoff: Backoff {
            initial_ms: common.retry_backoff_ms,
            max_ms: common.retry_backoff_max_ms,
        },
    }
}

fn too_large(topic: &str, len: usize, max: usize) -> ClientError {
    let message = format!(
        "the record takes up to {len} bytes, max.request.size is {max}; raise it, and \
         max.message.bytes of the topic"
    );
    let code = ErrorCode::MESSAGE_TOO_LARGE;
    ClientError::refused(ApiKey::Produce, topic, code, Some(&message))
}
