//! What leaves when, and what becomes of it: the producer's decisions.
//!
//! A batch leaves when it is full, has lingered, is flushed or memory is short; at most
//! `in_flight_max` requests are under way per broker. Idempotent batches get their sequence when
//! they first leave and keep it. What fails and may succeed is sent again, in the order of its
//! sequences, until the delivery timeout. Must hold: a batch is given up with a sequence only
//! together with the producer id, so that no gap is ever sent (KIP-360).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ottla_records::Producer;
use ottla_wire::{
    ApiKey, BrokerId, ErrorCode, Offset, ProducerEpoch, ProducerId, StrBytes, Timestamp,
};

use crate::core::accumulator::{Accumulator, Batch, Queue, sequence_after};
use crate::core::backoff::Backoff;
use crate::core::cluster::{Cluster, TopicPartition};
use crate::core::transaction::Transaction;
use crate::error::ClientError;

/// The rules of sending.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sending {
    /// How long a batch waits for more records.
    pub linger_ms: i64,
    /// How long a record may take in all.
    pub delivery_timeout_ms: i64,
    /// How many requests a broker may owe answers to.
    pub in_flight_max: usize,
    /// How large a request may be.
    pub request_bytes_max: usize,
    /// How many times a batch is sent again.
    pub retries: u32,
    /// Whether batches carry sequences.
    pub is_idempotent: bool,
    /// The waits between attempts.
    pub backoff: Backoff,
}

/// A request to send: at most one batch of each partition.
#[derive(Debug)]
pub struct Departure<T> {
    /// To whom.
    pub to: BrokerId,
    /// What.
    pub batches: Vec<Batch<T>>,
}

/// What became of one batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It was written: the offset of its first record (-1 if unknown), the log's time if it has
    /// one.
    Written(Offset, Option<Timestamp>),
    /// It was refused, or nobody knows.
    Failed(ClientError),
}

/// A batch that is done.
#[derive(Debug)]
pub struct Done<T> {
    /// Where it went.
    pub of: TopicPartition,
    /// One for each record, in order.
    pub tickets: Vec<T>,
    /// The offset of its first record and the log's time, or why not.
    pub result: Result<(Offset, Option<Timestamp>), ClientError>,
}

/// What is to be done now.
#[derive(Debug)]
pub struct Step<T> {
    /// To be sent.
    pub departures: Vec<Departure<T>>,
    /// To be told.
    pub done: Vec<Done<T>>,
    /// Topics whose leaders must be learned.
    pub unknown: BTreeSet<StrBytes>,
    /// Whether a producer id must be asked for.
    pub wants_producer_id: bool,
    /// Partitions that must be added to the transaction.
    pub to_add: Vec<TopicPartition>,
    /// When to come again at the latest.
    pub wake: Option<Timestamp>,
}

/// The requests to one broker.
#[derive(Clone, Copy, Debug, Default)]
struct Road {
    /// A request is being put on its way; the next waits for it, to keep their order.
    is_departing: bool,
    in_flight: usize,
}

/// The producer's records, from the first append to the last verdict.
#[derive(Debug)]
pub struct InFlight<T> {
    /// What has not left.
    pub accumulator: Accumulator<T>,
    /// The transactions that all records belong to, if they do.
    pub transaction: Option<Transaction>,
    sending: Sending,
    roads: BTreeMap<BrokerId, Road>,
    batches: usize,
    id: Option<(ProducerId, ProducerEpoch)>,
    /// The id must be replaced once nothing is in flight.
    spoiled: bool,
    /// Topics whose leaders have proved wrong.
    doubted: BTreeSet<StrBytes>,
    flushing: usize,
}

impl<T> InFlight<T> {
    /// Without records.
    pub fn new(accumulator: Accumulator<T>, sending: Sending) -> InFlight<T> {
        InFlight {
            accumulator,
            transaction: None,
            sending,
            roads: BTreeMap::new(),
            batches: 0,
            id: None,
            spoiled: false,
            doubted: BTreeSet::new(),
            flushing: 0,
        }
    }

    /// Whether every record is done.
    pub fn is_idle(&self) -> bool {
        self.batches == 0 && !self.accumulator.queues.values().any(Queue::is_waiting)
    }

    /// From here to `end_flush`, nothing lingers.
    pub fn begin_flush(&mut self) {
        self.flushing += 1;
    }

    /// Ends what `begin_flush` began.
    pub fn end_flush(&mut self) {
        self.flushing = self.flushing.saturating_sub(1);
    }

    /// The producer id that was asked for.
    pub fn got_producer_id(&mut self, id: ProducerId, epoch: ProducerEpoch) {
        self.id = Some((id, epoch));
    }

    /// The producer has this id and epoch from here on, whose sequences begin at 0. Nothing waits
    /// or is under way.
    pub fn begin_epoch(&mut self, id: ProducerId, epoch: ProducerEpoch) {
        self.id = Some((id, epoch));
        self.accumulator.queues.values_mut().for_each(|queue| queue.next_sequence = 0);
    }

    /// Who writes, once that is known.
    pub fn producer(&self) -> Option<(ProducerId, ProducerEpoch)> {
        self.id
    }

    /// Gives up all that has not left.
    pub fn give_up(&mut self, error: &ClientError) -> Vec<Done<T>> {
        let mut done = Vec::new();
        for queue in self.accumulator.queues.values_mut() {
            let waiting = queue.closed.drain(..).chain(queue.open.take());
            done.extend(waiting.map(|batch| (batch, Err(error.clone()))));
        }
        let has_gap = done.iter().any(|(batch, _)| batch.producer.is_some());
        if let Some(transaction) = self.transaction.as_mut().filter(|_| has_gap) {
            transaction.left_a_gap();
        }
        done.into_iter().map(|(batch, result)| self.done(batch, result)).collect()
    }

    /// Decides what leaves now.
    pub fn step(&mut self, now: Timestamp, cluster: &Cluster, memory_is_short: bool) -> Step<T> {
        let mut step = Step {
            departures: Vec::new(),
            done: self.expire(now),
            unknown: std::mem::take(&mut self.doubted),
            wants_producer_id: false,
            to_add: Vec::new(),
            wake: None,
        };
        self.replace_id();
        let hurry = self.flushing > 0 || memory_is_short;
        let mut departing: BTreeMap<BrokerId, Departure<T>> = BTreeMap::new();
        let mut lengths: BTreeMap<BrokerId, usize> = BTreeMap::new();
        for (of, queue) in &mut self.accumulator.queues {
            let Some((ready_at, expires)) = times(queue, &self.sending, hurry) else { continue };
            let wake = if ready_at > now { ready_at.min(expires) } else { expires };
            step.wake = Some(step.wake.map_or(wake, |other| other.min(wake)));
            let Some((leader, _)) = cluster.leader(&of.topic, of.partition) else {
                step.unknown.insert(of.topic.clone());
                continue;
            };
            if ready_at > now || self.spoiled {
                continue;
            }
            if self.sending.is_idempotent && self.id.is_none() {
                // That of a transactional producer comes before its first transaction.
                step.wants_producer_id = self.transaction.is_none();
                continue;
            }
            if self.transaction.as_mut().is_some_and(|transaction| !transaction.admits(of)) {
                continue;
            }
            let road = self.roads.entry(leader).or_default();
            let is_open = !road.is_departing && road.in_flight < self.sending.in_flight_max;
            let moved = !queue.in_flight.is_empty() && queue.at != Some(leader);
            let len = queue.closed.front().or(queue.open.as_ref()).map_or(0, Batch::len);
            let total = lengths.entry(leader).or_default();
            let fits = *total == 0 || *total + len <= self.sending.request_bytes_max;
            if !is_open || moved || !fits {
                continue;
            }
            let Some(batch) = leave(queue, leader, self.id) else { continue };
            *total += len;
            self.batches += 1;
            let none = || Departure { to: leader, batches: Vec::new() };
            departing.entry(leader).or_insert_with(none).batches.push(batch);
        }
        for (to, departure) in departing {
            self.roads.insert(to, Road { is_departing: true, in_flight: self.in_flight(to) + 1 });
            step.departures.push(departure);
        }
        step.to_add = self.transaction.as_mut().map(Transaction::to_add).unwrap_or_default();
        step
    }

    /// The request to this broker is on its way: the next one may follow.
    pub fn departed(&mut self, to: BrokerId) {
        self.roads.entry(to).or_default().is_departing = false;
    }

    /// What became of the batches of a request; gives those that are done.
    pub fn arrived(
        &mut self,
        now: Timestamp,
        from: BrokerId,
        random: u64,
        verdicts: Vec<(Batch<T>, Verdict)>,
    ) -> Vec<Done<T>> {
        let road = self.roads.entry(from).or_default();
        road.is_departing = false;
        road.in_flight = road.in_flight.saturating_sub(1);
        let mut done = Vec::new();
        for (batch, verdict) in verdicts {
            self.batches -= 1;
            if let Some(queue) = self.accumulator.queues.get_mut(&batch.of) {
                let sequence = batch.producer.map_or(0, |producer| producer.base_sequence);
                if let Some(place) = queue.in_flight.iter().position(|one| *one == sequence) {
                    queue.in_flight.remove(place);
                }
            }
            match verdict {
                Verdict::Written(offset, time) => done.push(self.done(batch, Ok((offset, time)))),
                Verdict::Failed(error) => done.extend(self.failed(now, random, batch, error)),
            }
        }
        done.extend(self.give_up_aborted());
        done
    }

    fn in_flight(&self, broker: BrokerId) -> usize {
        self.roads.get(&broker).map_or(0, |road| road.in_flight)
    }

    fn failed(
        &mut self,
        now: Timestamp,
        random: u64,
        batch: Batch<T>,
        error: ClientError,
    ) -> Option<Done<T>> {
        if error.code() == Some(ErrorCode::DUPLICATE_SEQUENCE_NUMBER) {
            return Some(self.done(batch, Ok((Offset(-1), None))));
        }
        if error.code() == Some(ErrorCode::MESSAGE_TOO_LARGE) && batch.tickets.len() > 1 {
            let parts = self.accumulator.split(batch);
            for part in parts.into_iter().rev() {
                if let Some(queue) = self.accumulator.queues.get_mut(&part.of) {
                    queue.put_back(part);
                }
            }
            return None;
        }
        let in_time = now - batch.created < self.sending.delivery_timeout_ms;
        let may_repeat = in_time && batch.attempts <= self.sending.retries;
        let sequence_is_wrong = batch.producer.is_some() && is_about_sequences(&error);
        if let Some(transaction) = &self.transaction {
            let explained = sequence_is_wrong && self.has_earlier(&batch);
            let goes_on = may_repeat && !transaction.is_given_up();
            if !goes_on || !(explained || error.is_retriable()) {
                self.spoil(&batch, &error);
                return Some(self.done(batch, Err(error)));
            }
        } else if !may_repeat || !(sequence_is_wrong || error.is_retriable()) {
            self.spoil(&batch, &error);
            return Some(self.done(batch, Err(error)));
        }
        if moves(&error) {
            self.doubted.insert(batch.of.topic.clone());
        }
        if sequence_is_wrong && !self.has_earlier(&batch) {
            self.spoil(&batch, &error);
        }
        let wait = millis(self.sending.backoff.after(batch.attempts, random));
        if let Some(queue) = self.accumulator.queues.get_mut(&batch.of) {
            queue.not_before = Some(now + wait);
            queue.put_back(batch);
        }
        None
    }

    /// A batch with a sequence was given up: what follows is to be another producer's, or the
    /// transaction fails.
    fn spoil(&mut self, batch: &Batch<T>, why: &ClientError) {
        match &mut self.transaction {
            Some(transaction) => transaction.fail(why),
            None => self.spoiled |= batch.producer.is_some(),
        }
    }

    /// Gives up what waits to be sent in a transaction that can only be aborted.
    pub fn give_up_aborted(&mut self) -> Vec<Done<T>> {
        match self.transaction.as_ref().is_some_and(Transaction::is_given_up) {
            true => self.give_up(&ClientError::Aborted),
            false => Vec::new(),
        }
    }

    /// Whether a batch before this one is still to be written, which explains a gap.
    fn has_earlier(&self, batch: &Batch<T>) -> bool {
        let own = batch.producer.map(|producer| producer.base_sequence);
        self.accumulator.queues.get(&batch.of).is_some_and(|queue| {
            let waiting = queue.closed.iter().filter_map(|other| other.producer);
            let waiting = waiting.map(|producer| producer.base_sequence);
            waiting.chain(queue.in_flight.iter().copied()).any(|other| Some(other) < own)
        })
    }

    /// Once nothing is in flight, a spoiled id is forgotten, and with it all sequences.
    fn replace_id(&mut self) {
        if !self.spoiled || self.batches > 0 {
            return;
        }
        self.spoiled = false;
        self.id = None;
        let batching = *self.accumulator.batching();
        for queue in self.accumulator.queues.values_mut() {
            queue.next_sequence = 0;
            for batch in &mut queue.closed {
                batch.unassign(&batching);
            }
        }
    }

    /// Gives up what could not be delivered in time.
    fn expire(&mut self, now: Timestamp) -> Vec<Done<T>> {
        let timeout = self.sending.delivery_timeout_ms;
        let mut late = Vec::new();
        for queue in self.accumulator.queues.values_mut() {
            let is_late = |batch: &mut Batch<T>| now - batch.created >= timeout;
            while let Some(batch) = queue.closed.pop_front_if(|batch| is_late(batch)) {
                late.push(batch);
            }
            if queue.closed.is_empty() {
                late.extend(queue.open.take_if(is_late));
            }
        }
        let expired = late.into_iter().map(|batch| {
            let timeout_ms = u64::try_from(timeout).unwrap_or(0);
            let about = format!("delivery of {} records to {}", batch.count(), batch.of);
            let error = ClientError::Waited { about, timeout_ms, last: None };
            self.spoil(&batch, &error);
            self.done(batch, Err(error))
        });
        let mut expired: Vec<_> = expired.collect();
        expired.extend(self.give_up_aborted());
        expired
    }

    fn done(
        &mut self,
        batch: Batch<T>,
        result: Result<(Offset, Option<Timestamp>), ClientError>,
    ) -> Done<T> {
        self.accumulator.release(&batch);
        Done { of: batch.of, tickets: batch.tickets, result }
    }
}

/// When a queue's next batch may leave and when it expires; none if there is none.
fn times<T>(queue: &Queue<T>, sending: &Sending, hurry: bool) -> Option<(Timestamp, Timestamp)> {
    let lingers =
        |open: &Batch<T>| if hurry { open.created } else { open.created + sending.linger_ms };
    let (created, ready_at) = match (queue.closed.front(), &queue.open) {
        (Some(closed), _) => (closed.created, closed.created),
        (None, Some(open)) => (open.created, lingers(open)),
        (None, None) => return None,
    };
    let ready_at = queue.not_before.map_or(ready_at, |not_before| not_before.max(ready_at));
    Some((ready_at, created + sending.delivery_timeout_ms))
}

/// Takes the queue's next batch and settles who writes it.
fn leave<T>(
    queue: &mut Queue<T>,
    to: BrokerId,
    id: Option<(ProducerId, ProducerEpoch)>,
) -> Option<Batch<T>> {
    let mut batch = queue.closed.pop_front().or_else(|| queue.open.take())?;
    if let (Some((id, epoch)), None) = (id, batch.producer) {
        let base_sequence = queue.next_sequence;
        batch.producer = Some(Producer { id, epoch, base_sequence });
        queue.next_sequence = sequence_after(base_sequence, batch.count());
    }
    batch.attempts += 1;
    queue.in_flight.push(batch.producer.map_or(0, |producer| producer.base_sequence));
    queue.at = Some(to);
    queue.not_before = None;
    Some(batch)
}

fn is_about_sequences(error: &ClientError) -> bool {
    matches!(
        error.code(),
        Some(
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER
                | ErrorCode::UNKNOWN_PRODUCER_ID
                | ErrorCode::INVALID_PRODUCER_EPOCH
        )
    )
}

/// Whether the failure says that the partition may be led by another broker.
pub(crate) fn moves(error: &ClientError) -> bool {
    match error {
        ClientError::Refused {
            code,
            api: ApiKey::Produce | ApiKey::Fetch | ApiKey::ListOffsets,
            ..
        } => matches!(
            *code,
            ErrorCode::NOT_LEADER_OR_FOLLOWER
                | ErrorCode::LEADER_NOT_AVAILABLE
                | ErrorCode::REPLICA_NOT_AVAILABLE
                | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
                | ErrorCode::UNKNOWN_TOPIC_ID
                | ErrorCode::INCONSISTENT_TOPIC_ID
                | ErrorCode::FENCED_LEADER_EPOCH
                | ErrorCode::UNKNOWN_LEADER_EPOCH
                | ErrorCode::KAFKA_STORAGE_ERROR
                | ErrorCode::OFFSET_NOT_AVAILABLE
        ),
        ClientError::Refused { .. } => false,
        error => error.is_retriable(),
    }
}

fn millis(wait: Duration) -> i64 {
    i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
