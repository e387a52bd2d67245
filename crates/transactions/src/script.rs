//! Scripts for tests: `check("init a | add a t-0 | commit a", expect!["a: Init 1/0 ..."])`.
//!
//! A script is commands between `|`; a command is words and `key=value`s. Clients have names, and
//! remember the producer id and epoch that they were told. What a command causes is printed in
//! order, markers that nobody has answered at the end. Every script also shows that replay gives
//! the live state, and that the log's bytes give it again.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;

use expect_test::Expect;
use ottla_machine::kit::Kit;
use ottla_machine::{Machine, Now, Ticket};
use ottla_wire::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use ottla_wire::messages::{
    AddOffsetsToTxnRequest, EndTxnRequest, InitProducerIdRequest, ListTransactionsRequest,
};
use ottla_wire::{
    ErrorCode, Offset, PartitionIndex, ProducerEpoch, ProducerId, StrBytes, Timestamp,
};

use crate::{
    Ask, Decided, Filter, Marked, Markers, Settings, Soft, TopicPartition, Transaction,
    TransactionRecord, TransactionReply, Transactions,
};

pub(crate) fn check(script: &str, expect: Expect) {
    let mut world = World::new();
    world.run(script);
    expect.assert_eq(&world.finish());
}

type Producer = (ProducerId, ProducerEpoch);

pub(crate) struct World {
    pub(crate) kit: Kit<Transactions, TransactionReply>,
    pub(crate) soft: Soft,
    pub(crate) settings: Settings,
    pub(crate) now: Now,
    pub(crate) clients: BTreeMap<String, Producer>,
    pub(crate) outstanding: VecDeque<Markers>,
    fresh: i64,
    fail_next: bool,
    printed: String,
}

struct Words<'a> {
    plain: Vec<&'a str>,
    keys: BTreeMap<&'a str, &'a str>,
}

impl<'a> Words<'a> {
    fn of(command: &'a str) -> Self {
        let mut words = Words { plain: Vec::new(), keys: BTreeMap::new() };
        for word in command.split_whitespace() {
            match word.split_once('=') {
                Some((key, value)) => {
                    words.keys.insert(key, value);
                }
                None => words.plain.push(word),
            }
        }
        words
    }

    fn number(&self, key: &str, default: i64) -> i64 {
        self.keys.get(key).map_or(default, |text| text.parse().expect("a number"))
    }

    fn version(&self, default: i16) -> i16 {
        i16::try_from(self.number("v", default.into())).expect("a version")
    }

    fn id(&self) -> StrBytes {
        StrBytes::copied(self.keys.get("id").unwrap_or(&"tx"))
    }
}

impl World {
    pub(crate) fn new() -> Self {
        World {
            kit: Kit::default(),
            soft: Soft::default(),
            settings: Settings::default(),
            now: Now { steady: Timestamp(0), wall: Timestamp(1_700_000_000_000) },
            clients: BTreeMap::new(),
            outstanding: VecDeque::new(),
            fresh: 0,
            fail_next: false,
            printed: String::new(),
        }
    }

    pub(crate) fn run(&mut self, script: &str) {
        for command in script.split('|') {
            self.command(command.trim());
        }
    }

    pub(crate) fn finish(mut self) -> String {
        self.reread();
        for markers in &self.outstanding {
            writeln!(self.printed, "unanswered: {}", told(markers)).expect("strings grow");
        }
        self.printed.trim_end().to_owned()
    }

    pub(crate) fn transaction(&self) -> Option<&Transaction> {
        self.kit.live().get("tx").map(|transaction| &**transaction)
    }

    fn print(&mut self, line: &str) {
        writeln!(self.printed, "{line}").expect("strings grow");
    }

    fn command(&mut self, command: &str) {
        let words = Words::of(command);
        match words.plain[0] {
            "init" => self.init(&words),
            "add" => self.add(&words),
            "verify" => self.add(&words),
            "offsets" => self.offsets(&words),
            "commit" | "abort" => self.end(&words),
            "written" => self.written(&words),
            "advance" => self.advance(words.plain[1].parse().expect("seconds")),
            "state" => self.state(),
            "list" => self.list(&words),
            "describe" => self
                .ask("describe", 0, |transactions, _, ask| transactions.describe(ask, &words.id())),
            // The producer that the client has, whatever it was told.
            "set" => {
                let epoch = i16::try_from(words.number("epoch", 0)).expect("an epoch");
                let id = ProducerId(words.number("pid", 1));
                self.clients.insert(words.plain[1].to_owned(), (id, ProducerEpoch(epoch)));
            }
            "exhaust" => self.exhaust(&words),
            "level" => self.settings.transaction_version = words.plain[1].parse().expect("level"),
            "2pc" => self.settings.two_phase_commit = true,
            // The log refuses the next append.
            "fail" => self.fail_next = true,
            "restart" => self.restart(),
            other => panic!("no command {other:?}"),
        }
    }

    fn init(&mut self, words: &Words<'_>) {
        let name = words.plain[1];
        let (id, epoch) = match words.plain.contains(&"again") {
            true => self.producer(name),
            false => (ProducerId(-1), ProducerEpoch(-1)),
        };
        let request = InitProducerIdRequest {
            transactional_id: Some(words.id()),
            transaction_timeout_ms: i32::try_from(words.number("timeout", 60_000)).expect("ms"),
            producer_id: id,
            producer_epoch: epoch,
            enable2_pc: words.plain.contains(&"2pc"),
            keep_prepared_txn: words.plain.contains(&"keep"),
            ..Default::default()
        };
        self.ask(name, words.version(5), |transactions, soft, ask| {
            transactions.init_producer_id(soft, ask, &request)
        });
    }

    fn add(&mut self, words: &Words<'_>) {
        let name = words.plain[1];
        let (producer_id, producer_epoch) = self.producer(name);
        let topics = words.plain[2..].iter().map(|word| {
            let (topic, partition) = word.rsplit_once('-').expect("topic-partition");
            AddPartitionsToTxnTopic {
                name: StrBytes::copied(topic),
                partitions: vec![PartitionIndex(partition.parse().expect("a number"))],
                ..Default::default()
            }
        });
        let request = AddPartitionsToTxnTransaction {
            transactional_id: words.id(),
            producer_id,
            producer_epoch,
            verify_only: words.plain[0] == "verify",
            topics: topics.collect(),
            ..Default::default()
        };
        self.ask(name, words.version(5), |transactions, soft, ask| {
            transactions.add_partitions(soft, ask, &request)
        });
    }

    fn offsets(&mut self, words: &Words<'_>) {
        let name = words.plain[1];
        let (producer_id, producer_epoch) = self.producer(name);
        let request = AddOffsetsToTxnRequest {
            transactional_id: words.id(),
            producer_id,
            producer_epoch,
            group_id: "g".into(),
            ..Default::default()
        };
        self.ask(name, words.version(4), |transactions, soft, ask| {
            transactions.add_offsets(soft, ask, &request, PartitionIndex(9))
        });
    }

    fn end(&mut self, words: &Words<'_>) {
        let name = words.plain[1];
        let (producer_id, producer_epoch) = self.producer(name);
        let request = EndTxnRequest {
            transactional_id: words.id(),
            producer_id,
            producer_epoch,
            committed: words.plain[0] == "commit",
            ..Default::default()
        };
        self.ask(name, words.version(5), |transactions, soft, ask| {
            transactions.end(soft, ask, &request)
        });
    }

    fn list(&mut self, words: &Words<'_>) {
        let request = ListTransactionsRequest {
            state_filters: words
                .keys
                .get("state")
                .map(|s| StrBytes::copied(s))
                .into_iter()
                .collect(),
            producer_id_filters: words
                .keys
                .get("pid")
                .map(|pid| ProducerId(pid.parse().expect("a number")))
                .into_iter()
                .collect(),
            duration_filter: words.number("longer", -1),
            transactional_id_pattern: words.keys.get("pattern").map(|s| StrBytes::copied(s)),
            ..Default::default()
        };
        match Filter::of(&request) {
            Err(error) => self.print(&format!("list: {}", error.name())),
            Ok(filter) => {
                self.ask("list", 2, |transactions, _, ask| transactions.list(ask, &filter));
            }
        }
    }

    /// Answers the oldest markers: all well, but for `partition=ERROR` and `partition=gone`.
    fn written(&mut self, words: &Words<'_>) {
        let Some(markers) = self.outstanding.pop_front() else { return };
        let results: Vec<(TopicPartition, Marked)> = markers
            .partitions
            .iter()
            .map(|partition| {
                let result = match words.keys.get(&*partition.to_string()) {
                    None => Marked::Answered(ErrorCode::NONE),
                    Some(&"gone") => Marked::Gone,
                    Some(code) => Marked::Answered(ErrorCode(code.parse().expect("a code"))),
                };
                (partition.clone(), result)
            })
            .collect();
        let decided =
            self.kit.live().marked(&mut self.soft, self.now, &self.settings, &markers, &results);
        self.obey("", decided);
    }

    pub(crate) fn advance(&mut self, seconds: i64) {
        let end = self.now.steady + seconds * 1_000;
        while let Some(at) = self.soft.wake().filter(|at| *at <= end) {
            self.set_now(at.max(self.now.steady));
            let decided = self.kit.live().tick(&mut self.soft, self.now, &self.settings);
            self.obey("", decided);
            assert!(self.soft.wake().is_none_or(|next| next > at), "a tick leaves nothing due");
        }
        self.set_now(end);
    }

    fn set_now(&mut self, steady: Timestamp) {
        let passed = steady - self.now.steady;
        self.now = Now { steady, wall: self.now.wall + passed };
    }

    fn state(&mut self) {
        let line = match self.transaction() {
            None => "state: none".to_owned(),
            Some(known) => format!(
                "state: {} {}/{} before={} next={} v{} [{}]",
                known.state.name(),
                known.producer_id,
                known.producer_epoch,
                known.previous_producer_id,
                known.next_producer_id,
                known.client_version,
                joined(&known.partitions)
            ),
        };
        self.print(&line);
    }

    /// Makes the producer's epoch this one, as many transactions would have.
    fn exhaust(&mut self, words: &Words<'_>) {
        let epoch = ProducerEpoch(i16::try_from(words.number("epoch", 32_766)).expect("an epoch"));
        let known = self.transaction().expect("an id").clone();
        if known.state.is_prepared() {
            return;
        }
        for client in self.clients.values_mut().filter(|(id, _)| *id == known.producer_id) {
            client.1 = epoch;
        }
        let value = Some(Transaction { producer_epoch: epoch, ..known }.into());
        let record = TransactionRecord::Transaction { id: words.id(), value, version: 1 };
        self.obey("", Decided { records: vec![record], ..Decided::default() });
    }

    /// Another coordinator takes over: what is not in the log is lost.
    fn restart(&mut self) {
        self.reread();
        self.soft = Soft::default();
        self.outstanding.clear();
        let decided = self.kit.live().loaded(&mut self.soft, self.now, &self.settings);
        self.obey("", decided);
    }

    /// The log as bytes gives the live state again.
    fn reread(&self) {
        let mut again = Transactions::default();
        for (at, record) in (0..).zip(self.kit.log()) {
            let (key, value) = record.encode();
            let read = TransactionRecord::decode(key, value).expect("it was just written");
            again.replay(Offset(at), &read);
        }
        if self.settings.transaction_version > 0 {
            assert_eq!(&again, self.kit.live());
        }
    }

    fn producer(&self, name: &str) -> Producer {
        *self.clients.get(name).expect("the client has a producer")
    }

    fn ask(
        &mut self,
        name: &str,
        version: i16,
        decide: impl Fn(&Transactions, &mut Soft, &Ask<'_>) -> Decided,
    ) {
        let (now, ticket) = (self.now, Ticket(1));
        let mut ask = Ask { now, settings: &self.settings, version, fresh: None, ticket };
        let mut decided = decide(self.kit.live(), &mut self.soft, &ask);
        if decided.replies == [(ticket, TransactionReply::NeedsProducerId)] {
            self.fresh += 1;
            ask.fresh = Some(ProducerId(self.fresh));
            decided = decide(self.kit.live(), &mut self.soft, &ask);
        }
        self.obey(name, decided);
    }

    fn obey(&mut self, name: &str, mut decided: Decided) {
        assert_eq!(decided.wake.or(self.soft.wake()), self.soft.wake());
        if !decided.records.is_empty() && std::mem::take(&mut self.fail_next) {
            let error = ErrorCode::COORDINATOR_NOT_AVAILABLE;
            self.kit.live().abandon(&mut self.soft, self.now, &decided.records);
            decided.records.clear();
            decided.replies.retain(|(ticket, _)| *ticket != Ticket::HOST);
            for (_, reply) in &mut decided.replies {
                *reply = reply.clone().failed(error);
            }
            self.print("append refused");
        }
        for (ticket, reply) in self.kit.decide(decided) {
            match reply {
                TransactionReply::Write(markers) => {
                    self.print(&format!("write {}", told(&markers)));
                    self.outstanding.push_back(markers);
                }
                TransactionReply::AbortNeedsProducerId { id } => {
                    self.fresh += 1;
                    let fresh = Some(ProducerId(self.fresh));
                    let decided = self.kit.live().abort_timed_out(
                        &mut self.soft,
                        self.now,
                        &self.settings,
                        &id,
                        fresh,
                    );
                    self.obey("", decided);
                }
                reply => {
                    assert_eq!(ticket, Ticket(1), "{reply:?}");
                    self.hear(name, &reply);
                    let line = format!("{name}: {}", summary(&reply));
                    self.print(&line);
                }
            }
        }
    }

    fn hear(&mut self, name: &str, reply: &TransactionReply) {
        let producer = match reply {
            TransactionReply::Init(response) => (response.producer_id, response.producer_epoch),
            TransactionReply::End(response) => (response.producer_id, response.producer_epoch),
            _ => return,
        };
        if producer.0 != ProducerId(-1) {
            self.clients.insert(name.to_owned(), producer);
        }
    }
}

fn joined<'a>(partitions: impl IntoIterator<Item = &'a TopicPartition>) -> String {
    partitions.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn told(markers: &Markers) -> String {
    format!(
        "{} {}/{} v{} [{}]",
        if markers.committed { "commit" } else { "abort" },
        markers.producer_id,
        markers.producer_epoch,
        markers.transaction_version,
        joined(&markers.partitions)
    )
}

fn summary(reply: &TransactionReply) -> String {
    let producer = |api: &str, error: ErrorCode, id: ProducerId, epoch: ProducerEpoch| match error {
        ErrorCode::NONE if id == ProducerId(-1) => format!("{api} ok"),
        ErrorCode::NONE => format!("{api} {id}/{epoch}"),
        error => format!("{api} {}", error.name()),
    };
    match reply {
        TransactionReply::Init(it) => {
            producer("Init", it.error_code, it.producer_id, it.producer_epoch)
        }
        TransactionReply::End(it) => {
            producer("End", it.error_code, it.producer_id, it.producer_epoch)
        }
        TransactionReply::AddPartitions(result) => {
            let results = result.topic_results.iter().flat_map(|t| &t.results_by_partition);
            let codes: Vec<&str> = results.map(|one| one.partition_error_code.name()).collect();
            format!("Add [{}]", codes.join(" "))
        }
        TransactionReply::AddOffsets(error) => format!("AddOffsets {}", error.name()),
        TransactionReply::Describe(it) => format!(
            "{} {} {}/{} timeout={} [{}]",
            it.error_code.name(),
            it.transaction_state,
            it.producer_id,
            it.producer_epoch,
            it.transaction_timeout_ms,
            it.topics
                .iter()
                .map(|topic| format!("{}:{}", topic.topic, topic.partitions.len()))
                .collect::<Vec<_>>()
                .join(" ")
        ),
        TransactionReply::List(states) => {
            let ids = states.iter().map(|state| {
                format!(
                    "{} {} {}",
                    state.transactional_id, state.producer_id, state.transaction_state
                )
            });
            format!("[{}]", ids.collect::<Vec<_>>().join(", "))
        }
        other => format!("{other:?}"),
    }
}
