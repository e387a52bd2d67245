//! Scripts of a producer's life: a command a line, what it caused below, set in.
//!
//! `append P WORD` takes a record for partition P of topic t; `step` sends what is due; `answer`
//! gives the oldest request's batches their verdicts, one word each: an offset or an error code's
//! number; `lost` loses that request; `transactional V` has records in transactions of version V,
//! whose producer has id 7, and begins one; `added` adds what was to be added to it; `ended E` ends
//! it, gives epoch E and begins the next; `id N` brings a producer id; `advance MS` lets time pass;
//! `lead P B` makes broker B lead P. Every request leaves at once.

use std::collections::VecDeque;
use std::fmt::Write;

use expect_test::{Expect, expect};
use ottla_records::Codec;
use ottla_wire::{LeaderEpoch, PartitionIndex};

use super::*;
use crate::core::accumulator::{Batching, Draft};
use crate::core::cluster::{Broker, Partition, Topic};

struct World {
    now: Timestamp,
    cluster: Cluster,
    in_flight: InFlight<String>,
    requests: VecDeque<Departure<String>>,
    to_add: Vec<TopicPartition>,
    shown: String,
}

/// The commands of a script are its lines that are not set in.
fn check(expected: &Expect) {
    let lines: Vec<&str> = expected.data().lines().filter(|line| !line.trim().is_empty()).collect();
    let depth = |line: &&str| line.len() - line.trim_start().len();
    let outermost = lines.iter().map(depth).min().unwrap_or(0);
    let script: Vec<&str> =
        lines.into_iter().filter(|line| depth(line) == outermost).map(str::trim).collect();
    let batching = Batching {
        batch_bytes: 300,
        memory_bytes_max: 10_000,
        codec: Codec::None,
        level: 0,
        is_transactional: false,
    };
    let sending = Sending {
        linger_ms: 5,
        delivery_timeout_ms: 1000,
        in_flight_max: 2,
        request_bytes_max: 1000,
        retries: 10,
        is_idempotent: !script.contains(&"not idempotent"),
        backoff: Backoff { initial_ms: 100, max_ms: 100 },
    };
    let mut world = World {
        now: Timestamp(0),
        cluster: Cluster::default(),
        in_flight: InFlight::new(Accumulator::new(batching), sending),
        requests: VecDeque::new(),
        to_add: Vec::new(),
        shown: String::new(),
    };
    for line in script {
        writeln!(world.shown, "{line}").unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        world.obey(&words);
    }
    expected.assert_eq(&world.shown);
}

impl World {
    fn obey(&mut self, words: &[&str]) {
        match words {
            ["append", partition, word] => {
                let of = TopicPartition::new("t", partition.parse().unwrap());
                let value = word.as_bytes();
                let (timestamp, value) = (self.now, Some(value));
                let draft = Draft { timestamp, key: None, value, headers: &[] };
                let accumulator = &mut self.in_flight.accumulator;
                accumulator.append(self.now, &of, &draft, (*word).to_owned()).unwrap();
            }
            ["advance", millis] => self.now = self.now + millis.parse::<i64>().unwrap(),
            ["id", id] => {
                let id = ProducerId(id.parse().unwrap());
                self.in_flight.got_producer_id(id, ProducerEpoch(0));
            }
            ["lead", partition, broker] => self.lead(partition, broker),
            ["step"] => self.step(),
            ["answer", verdicts @ ..] => {
                let request = self.requests.pop_front().unwrap();
                let judged = request.batches.into_iter().zip(verdicts);
                let judged = judged.map(|(batch, word)| (batch, verdict(word))).collect();
                self.arrived(request.to, judged);
            }
            ["lost"] => {
                let request = self.requests.pop_front().unwrap();
                let lost = |batch| {
                    let (broker, cause) = (String::new(), String::new());
                    let api = ApiKey::Produce;
                    (batch, Verdict::Failed(ClientError::Disconnected { broker, api, cause }))
                };
                self.arrived(request.to, request.batches.into_iter().map(lost).collect());
            }
            ["not", "idempotent"] => {}
            ["transactional", version] => {
                let mut transaction = Transaction::new("tx");
                transaction.initialized(*version == "2");
                transaction.begin().unwrap();
                self.in_flight.transaction = Some(transaction);
                self.in_flight.begin_epoch(ProducerId(7), ProducerEpoch(0));
            }
            ["added"] => {
                let added = std::mem::take(&mut self.to_add);
                self.in_flight.transaction.as_mut().unwrap().added(&added, Ok(()));
            }
            ["ended", epoch] => {
                let transaction = self.in_flight.transaction.as_mut().unwrap();
                let commits = transaction.check_open().is_ok();
                transaction.end(commits).unwrap();
                transaction.ended();
                transaction.begin().unwrap();
                let epoch = ProducerEpoch(epoch.parse().unwrap());
                self.in_flight.begin_epoch(ProducerId(7), epoch);
            }
            other => panic!("{other:?}"),
        }
    }

    fn lead(&mut self, partition: &str, broker: &str) {
        let id = BrokerId(broker.parse().unwrap());
        let index = PartitionIndex(partition.parse().unwrap());
        let broker = Broker { id, host: "h".into(), port: 1, rack: None };
        self.cluster.brokers.insert(id, broker);
        let topic = self.cluster.topics.entry("t".into()).or_insert_with(|| Topic {
            name: "t".into(),
            id: Default::default(),
            is_internal: false,
            partitions: BTreeMap::new(),
        });
        let leader_epoch = LeaderEpoch(0);
        let (replicas, isr, offline) = (Vec::new(), Vec::new(), Vec::new());
        let leader = Some(id);
        let partition = Partition { index, leader, leader_epoch, replicas, isr, offline };
        topic.partitions.insert(index, partition);
    }

    fn step(&mut self) {
        let step = self.in_flight.step(self.now, &self.cluster, false);
        self.tell(step.done);
        for mut departure in step.departures {
            write!(self.shown, "  to {}:", departure.to).unwrap();
            for batch in &mut departure.batches {
                batch.bytes().unwrap();
                let producer = batch.producer.map(|one| (one.id.0, one.base_sequence));
                write!(self.shown, " {}[{}]", batch.of, batch.tickets.join(" ")).unwrap();
                if let Some((id, sequence)) = producer {
                    write!(self.shown, " id {id} sequence {sequence}").unwrap();
                }
            }
            self.shown.push('\n');
            self.in_flight.departed(departure.to);
            self.requests.push_back(departure);
        }
        if step.wants_producer_id {
            self.shown.push_str("  wants a producer id\n");
        }
        if !step.to_add.is_empty() {
            let named: Vec<_> = step.to_add.iter().map(ToString::to_string).collect();
            writeln!(self.shown, "  adds {}", named.join(" ")).unwrap();
            self.to_add = step.to_add;
        }
        if !step.unknown.is_empty() {
            self.shown.push_str("  wants leaders\n");
        }
    }

    fn arrived(&mut self, from: BrokerId, verdicts: Vec<(Batch<String>, Verdict)>) {
        let done = self.in_flight.arrived(self.now, from, 0, verdicts);
        self.tell(done);
    }

    fn tell(&mut self, done: Vec<Done<String>>) {
        for done in done {
            let result = match done.result {
                Ok((offset, _)) => format!("at {offset}"),
                Err(error) => error.code().map_or(error.to_string(), |code| code.name().into()),
            };
            writeln!(self.shown, "  {}[{}] {result}", done.of, done.tickets.join(" ")).unwrap();
        }
        if self.in_flight.is_idle() {
            assert_eq!(self.in_flight.accumulator.used(), 0, "memory is given back");
        }
    }
}

fn verdict(word: &str) -> Verdict {
    match word.strip_prefix('!') {
        None => Verdict::Written(Offset(word.parse().unwrap()), None),
        Some(code) => {
            let code = ErrorCode(code.parse().unwrap());
            Verdict::Failed(ClientError::refused(ApiKey::Produce, "t", code, None))
        }
    }
}

#[test]
fn records_linger_together_and_leave_under_one_id() {
    check(&expect![[r#"
        lead 0 1
        append 0 a
        step
        advance 4
        append 0 b
        step
        advance 1
        step
          wants a producer id
        id 7
        step
          to 1: t-0[a b] id 7 sequence 0
        append 0 c
        advance 5
        step
          to 1: t-0[c] id 7 sequence 2
        answer 40
          t-0[a b] at 40
        answer 42
          t-0[c] at 42
    "#]]);
}

#[test]
fn no_more_requests_are_under_way_than_allowed() {
    check(&expect![[r#"
        not idempotent
        lead 0 1
        append 0 a
        advance 5
        step
          to 1: t-0[a]
        append 0 b
        advance 5
        step
          to 1: t-0[b]
        append 0 c
        advance 5
        step
        answer 0
          t-0[a] at 0
        step
          to 1: t-0[c]
    "#]]);
}

#[test]
fn what_was_lost_is_sent_again_in_its_order_with_its_sequences() {
    check(&expect![[r#"
        lead 0 1
        id 7
        append 0 a
        advance 5
        step
          to 1: t-0[a] id 7 sequence 0
        append 0 b
        advance 5
        step
          to 1: t-0[b] id 7 sequence 1
        append 0 c
        lost
        lost
        advance 80
        step
          to 1: t-0[a] id 7 sequence 0
          wants leaders
        step
          to 1: t-0[b] id 7 sequence 1
        step
        answer 0
          t-0[a] at 0
        answer 1
          t-0[b] at 1
        step
          to 1: t-0[c] id 7 sequence 2
    "#]]);
}

#[test]
fn a_batch_behind_a_failed_one_waits_for_it_and_keeps_the_id() {
    check(&expect![[r#"
        lead 0 1
        id 7
        append 0 a
        advance 5
        step
          to 1: t-0[a] id 7 sequence 0
        append 0 b
        advance 5
        step
          to 1: t-0[b] id 7 sequence 1
        answer !19
        answer !45
        advance 80
        step
          to 1: t-0[a] id 7 sequence 0
        step
          to 1: t-0[b] id 7 sequence 1
        answer 0
          t-0[a] at 0
        answer 1
          t-0[b] at 1
    "#]]);
}

#[test]
fn after_a_final_refusal_the_rest_goes_on_under_a_new_id() {
    check(&expect![[r#"
        lead 0 1
        id 7
        append 0 a
        advance 5
        step
          to 1: t-0[a] id 7 sequence 0
        append 0 b
        advance 5
        step
          to 1: t-0[b] id 7 sequence 1
        answer !10
          t-0[a] MESSAGE_TOO_LARGE
        answer !45
        advance 80
        step
          wants a producer id
        id 8
        step
          to 1: t-0[b] id 8 sequence 0
        answer 0
          t-0[b] at 0
    "#]]);
}

#[test]
fn a_batch_that_is_too_large_goes_in_halves_with_their_parts_of_the_sequence() {
    check(&expect![[r#"
        lead 0 1
        id 7
        append 0 a
        append 0 b
        append 0 c
        advance 5
        step
          to 1: t-0[a b c] id 7 sequence 0
        answer !10
        step
          to 1: t-0[a] id 7 sequence 0
        step
          to 1: t-0[b c] id 7 sequence 1
        answer !10
          t-0[a] MESSAGE_TOO_LARGE
        answer 3
          t-0[b c] at 3
    "#]]);
}

#[test]
fn what_was_written_before_counts_as_written() {
    check(&expect![[r#"
        lead 0 1
        id 7
        append 0 a
        advance 5
        step
          to 1: t-0[a] id 7 sequence 0
        answer !46
          t-0[a] at -1
    "#]]);
}

#[test]
fn a_batch_stays_with_the_old_leader_until_it_is_answered() {
    check(&expect![[r#"
        lead 0 1
        id 7
        append 0 a
        advance 5
        step
          to 1: t-0[a] id 7 sequence 0
        append 0 b
        advance 5
        lead 0 2
        step
        answer 0
          t-0[a] at 0
        step
          to 2: t-0[b] id 7 sequence 1
    "#]]);
}

#[test]
fn what_cannot_be_delivered_in_time_is_given_up() {
    check(&expect![[r#"
        append 0 a
        step
          wants leaders
        advance 1000
        step
          t-0[a] delivery of 1 records to t-0 did not come about within 1000 ms
    "#]]);
}

#[test]
fn in_older_transactions_partitions_are_added_before_they_are_written_to() {
    check(&expect![[r#"
        transactional 1
        lead 0 1
        lead 1 1
        append 0 a
        append 1 b
        advance 5
        step
          adds t-0 t-1
        step
        added
        step
          to 1: t-0[a] id 7 sequence 0 t-1[b] id 7 sequence 0
        answer 3 4
          t-0[a] at 3
          t-1[b] at 4
        append 0 c
        advance 5
        step
          to 1: t-0[c] id 7 sequence 1
    "#]]);
}

#[test]
fn a_new_epoch_begins_its_sequences_at_zero() {
    check(&expect![[r#"
        transactional 2
        lead 0 1
        append 0 a
        advance 5
        step
          to 1: t-0[a] id 7 sequence 0
        answer 3
          t-0[a] at 3
        ended 1
        append 0 b
        advance 5
        step
          to 1: t-0[b] id 7 sequence 0
    "#]]);
}

#[test]
fn a_record_that_fails_for_good_takes_all_others_of_its_transaction_with_it() {
    check(&expect![[r#"
        transactional 2
        lead 0 1
        lead 1 1
        append 0 a
        advance 5
        step
          to 1: t-0[a] id 7 sequence 0
        append 0 b
        append 1 c
        answer !120
          t-0[a] TRANSACTION_ABORTABLE
          t-0[b] the record's transaction is not committed
          t-1[c] the record's transaction is not committed
        append 1 d
        step
          t-1[d] the record's transaction is not committed
    "#]]);
}

#[test]
fn what_waits_for_the_last_transactions_end_is_sent_again() {
    check(&expect![[r#"
        transactional 2
        lead 0 1
        append 0 a
        advance 5
        step
          to 1: t-0[a] id 7 sequence 0
        answer !51
        step
        advance 100
        step
          to 1: t-0[a] id 7 sequence 0
    "#]]);
}
