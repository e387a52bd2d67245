//! Records on their way to brokers, gathered into one batch after another for each partition.
//!
//! Not here: when they leave, and what became of them (in_flight.rs). Must hold: records of a
//! partition keep their order; the memory of all that is not done stays within its limit.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use ottla_records::builder::BuildError;
use ottla_records::{BatchBuilder, BatchSettings, Codec, Producer, Record, read_batch};
use ottla_wire::{BrokerId, StrBytes, Timestamp};

use crate::core::cluster::TopicPartition;

/// A record to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Draft<'a> {
    /// Its timestamp.
    pub timestamp: Timestamp,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: &'a [(StrBytes, Option<Bytes>)],
}

impl Draft<'_> {
    /// At most so many bytes of a batch.
    pub fn len_max(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| {
            name.len() + value.as_ref().map_or(0, Bytes::len) + 2 * LENGTH_LEN_MAX
        });
        let fields = self.key.map_or(0, <[u8]>::len) + self.value.map_or(0, <[u8]>::len);
        RECORD_OVERHEAD_MAX + fields + headers.sum::<usize>()
    }
}

/// How batches are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Batching {
    /// A batch is full with so many bytes before compression.
    pub batch_bytes: usize,
    /// All that is not done may take so many bytes.
    pub memory_bytes_max: usize,
    /// The codec.
    pub codec: Codec,
    /// Its level.
    pub level: i32,
    /// Whether they belong to transactions.
    pub is_transactional: bool,
}

/// A batch with those who wait for it.
#[derive(Debug)]
pub struct Batch<T> {
    /// Where it goes.
    pub of: TopicPartition,
    /// One for each record, in order.
    pub tickets: Vec<T>,
    /// When its first record came.
    pub created: Timestamp,
    /// How many times it has been sent.
    pub attempts: u32,
    /// Who writes it and under which sequence, once that is settled.
    pub producer: Option<Producer>,
    contents: Contents,
    bytes: usize,
}

#[derive(Debug)]
enum Contents {
    Open(BatchBuilder),
    Built(Bytes),
}

impl<T> Batch<T> {
    /// The bytes to send. Built once; compression happens here.
    ///
    /// # Errors
    /// When the codec's level is out of its range.
    pub fn bytes(&mut self) -> Result<Bytes, BuildError> {
        let built = match &mut self.contents {
            Contents::Built(built) => return Ok(built.clone()),
            Contents::Open(builder) => {
                builder.set_producer(self.producer);
                let empty = BatchBuilder::new(BatchSettings::default());
                std::mem::replace(builder, empty).build()?
            }
        };
        self.contents = Contents::Built(built.clone());
        Ok(built)
    }

    /// How many records it has.
    pub fn count(&self) -> i32 {
        i32::try_from(self.tickets.len()).expect("the builder counts records in an int32")
    }

    /// Its size before compression.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Never: a batch is made for a record.
    pub fn is_empty(&self) -> bool {
        self.tickets.is_empty()
    }

    /// Forgets who was to write it, so that it can be written anew by another.
    pub(crate) fn unassign(&mut self, batching: &Batching) {
        self.producer = None;
        if let Contents::Built(built) = &self.contents {
            let mut builder = batching.builder();
            for record in read_batch(built).map_while(Result::ok) {
                again(&mut builder, &record);
            }
            self.contents = Contents::Open(builder);
        }
    }
}

impl Batching {
    fn builder(&self) -> BatchBuilder {
        let settings = BatchSettings::compressed(self.codec);
        let Batching { level, is_transactional, .. } = *self;
        BatchBuilder::new(BatchSettings { level, is_transactional, ..settings })
    }
}

/// The batches of one partition that are not in flight, and what is known of those that are.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    /// The batch that takes records.
    pub(crate) open: Option<Batch<T>>,
    /// Batches that take no more: new ones at the back, those to be sent again at the front.
    pub(crate) closed: VecDeque<Batch<T>>,
    /// The sequence of the next batch that gets one.
    pub(crate) next_sequence: i32,
    /// The base sequences of batches in flight; 0 without idempotence.
    pub(crate) in_flight: Vec<i32>,
    /// Where they are.
    pub(crate) at: Option<BrokerId>,
    /// Nothing is sent before.
    pub(crate) not_before: Option<Timestamp>,
}

impl<T> Queue<T> {
    fn new() -> Queue<T> {
        Queue {
            open: None,
            closed: VecDeque::new(),
            next_sequence: 0,
            in_flight: Vec::new(),
            at: None,
            not_before: None,
        }
    }

    /// Whether anything waits to be sent.
    pub(crate) fn is_waiting(&self) -> bool {
        self.open.is_some() || !self.closed.is_empty()
    }

    /// Puts a batch back where its sequence belongs: before all that have not been sent.
    pub(crate) fn put_back(&mut self, batch: Batch<T>) {
        let sequence = |batch: &Batch<T>| batch.producer.map(|producer| producer.base_sequence);
        let own = sequence(&batch);
        let before = |other: &Batch<T>| match (sequence(other), own) {
            (Some(other), Some(own)) => other < own,
            _ => other.attempts > 0 && other.created < batch.created,
        };
        let place = self.closed.iter().take_while(|other| before(other)).count();
        self.closed.insert(place, batch);
    }
}

/// Why a record is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The memory is used up for now.
    Full,
    /// The record is larger than a batch can be.
    TooLarge,
}

/// All records that are not done.
#[derive(Debug)]
pub struct Accumulator<T> {
    batching: Batching,
    pub(crate) queues: BTreeMap<TopicPartition, Queue<T>>,
    used: usize,
}

impl<T> Accumulator<T> {
    /// Without records.
    pub fn new(batching: Batching) -> Accumulator<T> {
        Accumulator { batching, queues: BTreeMap::new(), used: 0 }
    }

    /// How batches are made.
    pub fn batching(&self) -> &Batching {
        &self.batching
    }

    /// The memory of all that is not done.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Takes a record; gives whether there is news for the sender: a batch has begun or is full.
    ///
    /// # Errors
    /// Gives the ticket back with the reason.
    pub fn append(
        &mut self,
        now: Timestamp,
        of: &TopicPartition,
        record: &Draft<'_>,
        ticket: T,
    ) -> Result<bool, (T, Refusal)> {
        let len = record.len_max();
        // A record larger than all memory may still go alone.
        if self.used > 0 && self.used.saturating_add(len) > self.batching.memory_bytes_max {
            return Err((ticket, Refusal::Full));
        }
        if !self.queues.contains_key(of) {
            self.queues.insert(of.clone(), Queue::new());
        }
        let queue = self.queues.get_mut(of).expect("it is there or has been put there");
        let fits = |open: &Batch<T>| open.bytes + len <= self.batching.batch_bytes;
        let mut news = false;
        if let Some(full) = queue.open.take_if(|open| !fits(open)) {
            queue.closed.push_back(full);
            news = true;
        }
        let open = queue.open.get_or_insert_with(|| {
            news = true;
            let contents = Contents::Open(self.batching.builder());
            let tickets = Vec::new();
            let of = of.clone();
            Batch { of, tickets, created: now, attempts: 0, producer: None, contents, bytes: 0 }
        });
        let Contents::Open(builder) = &mut open.contents else {
            unreachable!("a batch is built when it leaves")
        };
        let Draft { timestamp, key, value, headers } = *record;
        if builder.append(timestamp, key, value, headers).is_err() {
            queue.open.take_if(|open| open.is_empty());
            return Err((ticket, Refusal::TooLarge));
        }
        let grown = builder.uncompressed_len() - open.bytes;
        open.bytes += grown;
        self.used += grown;
        open.tickets.push(ticket);
        if let Some(full) = queue.open.take_if(|open| open.bytes >= self.batching.batch_bytes) {
            queue.closed.push_back(full);
            news = true;
        }
        Ok(news)
    }

    /// Makes two of a batch that is too large for its topic, each with its part of the sequence.
    /// A batch of one record comes back as it was.
    pub(crate) fn split(&mut self, mut batch: Batch<T>) -> Vec<Batch<T>> {
        let half = batch.tickets.len() / 2;
        let (Contents::Built(built), Ok(first_count @ 1..)) =
            (&batch.contents, i32::try_from(half))
        else {
            return vec![batch];
        };
        let mut builders = [self.batching.builder(), self.batching.builder()];
        for (place, record) in read_batch(built).map_while(Result::ok).enumerate() {
            let builder = &mut builders[usize::from(place >= half)];
            again(builder, &record);
        }
        self.release(&batch);
        let second_tickets = batch.tickets.split_off(half);
        let second_producer = batch.producer.map(|producer| {
            let base_sequence = sequence_after(producer.base_sequence, first_count);
            Producer { base_sequence, ..producer }
        });
        let Batch { of, tickets, created, attempts, producer, .. } = batch;
        let parts = [(tickets, producer), (second_tickets, second_producer)];
        let parts = builders.into_iter().zip(parts).map(|(builder, (tickets, producer))| {
            let bytes = builder.uncompressed_len();
            self.used += bytes;
            let (of, contents) = (of.clone(), Contents::Open(builder));
            Batch { of, tickets, created, attempts, producer, contents, bytes }
        });
        parts.collect()
    }

    /// Forgets a batch that is done.
    pub(crate) fn release(&mut self, batch: &Batch<T>) {
        self.used = self.used.saturating_sub(batch.bytes);
    }
}

/// Puts a record that was in one batch into another.
fn again(builder: &mut BatchBuilder, record: &Record) {
    let (key, value) = (record.key.as_deref(), record.value.as_deref());
    builder
        .append(record.timestamp, key, value, &record.headers)
        .expect("records that were in one batch fit into one again");
}

/// The sequence behind so many records: from 0 to the highest int32 and around.
pub(crate) fn sequence_after(base: i32, count: i32) -> i32 {
    let next = (i64::from(base) + i64::from(count)) & i64::from(i32::MAX);
    i32::try_from(next).expect("masked to 31 bits")
}

/// The most that a record takes beyond its fields.
const RECORD_OVERHEAD_MAX: usize = 5 + 1 + 10 + 5 + 3 * LENGTH_LEN_MAX;
/// The most that a length takes.
const LENGTH_LEN_MAX: usize = 5;
