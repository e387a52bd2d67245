//! Scripts for tests: `check("join a | advance 3s", expect!["a: JoinGroup generation=1 ..."])`.
//!
//! A script is commands between `|`; a command is words and `key=value`s. Clients have names, and
//! remember the member id and generation that they were told. What a command causes is printed in
//! order, what still waits at the end. Every script also shows that replay gives the live state.

mod classic;
mod consumers;
mod dice;
mod print;
mod readers;
mod topics;
mod transactional;
mod words;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use expect_test::Expect;
use ottla_machine::Ticket;
use ottla_machine::kit::Kit;
use ottla_wire::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use ottla_wire::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use ottla_wire::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use ottla_wire::messages::{ListGroupsRequest, OffsetCommitRequest, OffsetDeleteRequest};
use ottla_wire::{ErrorCode, Offset, PartitionIndex, StrBytes, Timestamp};

use self::consumers::Consumer;
pub(crate) use self::dice::Dice;
use self::print::{outcome, summary};
use self::readers::Reader;
use self::topics::TwoTopics;
pub(crate) use self::words::{Words, millis};
use crate::kinds::KindRecord;
use crate::{
    Ask, Decided, GroupRecord, GroupReply, Groups, MigrationPolicy, Now, Settings, Soft, Topics,
};

pub(crate) fn check(script: &str, expect: Expect) {
    let mut world = World::new();
    world.run(script);
    expect.assert_eq(&world.finish());
}

/// The same for what comes after a set-up that many scripts share: only that is shown.
pub(crate) fn check_after(setup: &str, script: &str, expect: Expect) {
    let mut world = World::new();
    world.run(setup);
    world.printed.clear();
    world.shown_from = world.kit.log().len();
    world.run(script);
    expect.assert_eq(&world.finish());
}

#[derive(Clone, Debug, Default)]
struct Client {
    member_id: String,
    generation: i32,
    roster: Vec<String>,
}

pub(crate) struct World {
    pub(crate) kit: Kit<Groups, GroupReply>,
    pub(crate) soft: Soft,
    pub(crate) settings: Settings,
    pub(crate) now: Now,
    topics: TwoTopics,
    clients: BTreeMap<String, Client>,
    consumers: BTreeMap<String, Consumer>,
    readers: BTreeMap<String, Reader>,
    tickets: BTreeMap<Ticket, String>,
    asked: u64,
    labels: BTreeMap<String, String>,
    fail_next: bool,
    printed: String,
    /// Where in the log begins what `show` shows.
    shown_from: usize,
}

impl World {
    pub(crate) fn new() -> Self {
        let mut world = World {
            kit: Kit::default(),
            soft: Soft::default(),
            settings: Settings::default(),
            now: Now { steady: Timestamp(0), wall: Timestamp(1_700_000_000_000) },
            topics: TwoTopics::default(),
            clients: BTreeMap::new(),
            consumers: BTreeMap::new(),
            readers: BTreeMap::new(),
            tickets: BTreeMap::new(),
            asked: 0,
            labels: BTreeMap::new(),
            fail_next: false,
            printed: String::new(),
            shown_from: 0,
        };
        let decided = world.kit.live().loaded(&mut world.soft, world.now, &world.settings);
        world.obey(decided);
        world
    }

    pub(crate) fn run(&mut self, script: &str) {
        for command in script.split('|') {
            self.command(command.trim());
        }
    }

    /// Everything printed, and who still waits.
    pub(crate) fn finish(mut self) -> String {
        assert_eq!(self.tickets.len(), self.soft.parked(), "tickets of clients and of sessions");
        let mut waiting: Vec<&String> = self.tickets.values().collect();
        waiting.sort();
        if !waiting.is_empty() {
            let names: Vec<&str> = waiting.iter().map(|name| name.as_str()).collect();
            writeln!(self.printed, "parked: {}", names.join(" ")).expect("strings grow");
        }
        self.printed.trim_end().to_owned()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.tickets.len()
    }

    fn command(&mut self, command: &str) {
        let words = Words::of(command);
        match words.plain[0] {
            "join" => self.join(&words),
            "poll" => self.poll(&words),
            "sync" => self.sync(&words),
            "beat" => self.beat(&words),
            "leave" => self.leave(&words),
            "commit" => self.commit(&words),
            "transact" => self.transact(&words),
            "end" => self.end(&words),
            "fetch" => self.fetch(&words),
            "forget" => self.forget(&words),
            "describe" => {
                let id = words.group();
                let ask = self.ask("describe", words.version(6));
                let decided = self.kit.live().describe(&self.soft, &ask.of(&self.settings), &id);
                self.obey(decided);
            }
            "list" => self.list(&words),
            "delete" => {
                let id = words.group();
                let ask = self.ask("delete", words.version(3));
                let asked = ask.of(&self.settings);
                let decided = self.kit.live().delete(&mut self.soft, &asked, &id);
                self.obey(decided);
            }
            "drop" => {
                let name = words.plain[1];
                let deleted = [(StrBytes::copied(name), self.topics.remove(name))];
                let decided = self.kit.live().topics_deleted(&mut self.soft, self.now, &deleted);
                self.obey(decided);
                self.topics_changed();
            }
            "advance" => self.advance(millis(words.plain[1])),
            "jump" => self.now.wall = self.now.wall + millis(words.plain[1]),
            "restart" => self.restart(),
            "fail" => self.fail_next = true,
            "settings" => self.set(&words),
            "show" => self.show(),
            other => self.consumer_command(other, &words),
        }
    }

    fn set(&mut self, words: &Words<'_>) {
        for (key, value) in &words.keys {
            match *key {
                "delay" => {
                    self.settings.initial_rebalance_delay_ms =
                        millis(value).try_into().expect("fits");
                }
                "size" => {
                    let size = value.parse().expect("a number");
                    Arc::make_mut(&mut self.settings.consumer).size_max = size;
                    self.settings.group_size_max = size;
                }
                "migration" => {
                    let policy = match *value {
                        "up" => MigrationPolicy::Upgrade,
                        "down" => MigrationPolicy::Downgrade,
                        "no" => MigrationPolicy::Disabled,
                        other => panic!("no such policy: {other}"),
                    };
                    Arc::make_mut(&mut self.settings.consumer).migration = policy;
                }
                "interval" => {
                    let interval_ms = millis(value).try_into().expect("fits");
                    let consumer = Arc::make_mut(&mut self.settings.consumer);
                    consumer.times.assignment_interval_ms = interval_ms;
                }
                "retention" => self.settings.offsets_retention_ms = millis(value),
                "check" => {
                    self.settings.offsets_retention_check_interval_ms = millis(value);
                }
                "refresh" => {
                    let consumer = Arc::make_mut(&mut self.settings.consumer);
                    consumer.regex_refresh_interval_ms = millis(value);
                }
                other => panic!("no such setting: {other}"),
            }
        }
    }

    fn ask(&mut self, who: &str, version: i16) -> Asked {
        self.asked += 1;
        let ticket = Ticket(self.asked);
        self.tickets.insert(ticket, who.to_owned());
        let random = u128::from(self.asked).to_be_bytes();
        Asked { now: self.now, version, client_id: who.to_owned(), random, ticket }
    }

    fn commit(&mut self, words: &Words<'_>) {
        let name = words.client();
        let version = words.version(9);
        let client = self.clients.get(&name).cloned().unwrap_or_default();
        let simple = client.member_id.is_empty();
        let topics = words.plain[2..].iter().map(|place| {
            let (place, offset) = place.split_once('@').expect("topic:partition@offset");
            let (topic, partition) = place_of(place);
            let partition = OffsetCommitRequestPartition {
                partition_index: partition,
                committed_offset: Offset(offset.parse().expect("an offset")),
                committed_metadata: words.optional("meta"),
                ..OffsetCommitRequestPartition::default()
            };
            OffsetCommitRequestTopic {
                topic_id: self.topics.id(topic).unwrap_or_default(),
                name: if version < 10 { StrBytes::copied(topic) } else { StrBytes::default() },
                partitions: vec![partition],
                ..OffsetCommitRequestTopic::default()
            }
        });
        let request = OffsetCommitRequest {
            group_id: words.group(),
            generation_id_or_member_epoch: words
                .number("gen", if simple { -1 } else { client.generation.into() })
                .try_into()
                .expect("fits"),
            member_id: words.text("id", &client.member_id),
            group_instance_id: words.optional("static"),
            retention_time_ms: words.millis("retention", "-1"),
            topics: topics.collect(),
            ..OffsetCommitRequest::default()
        };
        let ask = self.ask(&name, version);
        let asked = ask.of(&self.settings);
        let decided = self.kit.live().offset_commit(&mut self.soft, &asked, &self.topics, &request);
        self.obey(decided);
    }

    fn fetch(&mut self, words: &Words<'_>) {
        let version = words.version(9);
        let places = &words.plain[1..];
        let topics = places.iter().map(|place| {
            let (topic, partition) = place_of(place);
            OffsetFetchRequestTopics {
                name: if version < 10 { StrBytes::copied(topic) } else { StrBytes::default() },
                topic_id: self.topics.id(topic).unwrap_or_default(),
                partition_indexes: vec![partition],
                ..OffsetFetchRequestTopics::default()
            }
        });
        let group = OffsetFetchRequestGroup {
            group_id: words.group(),
            topics: (!places.is_empty()).then(|| topics.collect()),
            ..OffsetFetchRequestGroup::default()
        };
        let stable = words.keys.contains_key("stable");
        let ask = self.ask("fetch", version);
        let asked = ask.of(&self.settings);
        let decided =
            self.kit.live().offset_fetch(&self.soft, &asked, &self.topics, &group, stable);
        self.obey(decided);
    }

    fn forget(&mut self, words: &Words<'_>) {
        let topics = words.plain[1..].iter().map(|place| {
            let (topic, partition_index) = place_of(place);
            let partition = OffsetDeleteRequestPartition { partition_index };
            OffsetDeleteRequestTopic { name: StrBytes::copied(topic), partitions: vec![partition] }
        });
        let request = OffsetDeleteRequest { group_id: words.group(), topics: topics.collect() };
        let ask = self.ask("forget", 0);
        let asked = ask.of(&self.settings);
        let decided = self.kit.live().offset_delete(&self.soft, &asked, &self.topics, &request);
        self.obey(decided);
    }

    fn list(&mut self, words: &Words<'_>) {
        let filter = |key| words.optional(key).into_iter().collect();
        let request = ListGroupsRequest {
            states_filter: filter("state"),
            types_filter: filter("type"),
            ..ListGroupsRequest::default()
        };
        let ask = self.ask("list", 5);
        let decided = self.kit.live().list(&self.soft, &ask.of(&self.settings), &request);
        self.obey(decided);
    }

    /// Lets time pass, waking whenever the last decision asked for it.
    pub(crate) fn advance(&mut self, ms: i64) {
        let end = self.now.steady + ms;
        while let Some(at) = self.soft.wake().filter(|at| *at <= end) {
            self.pass_until(at);
            let decided = {
                let (now, settings, topics) = (self.now, &self.settings, &self.topics);
                self.kit.live().tick(&mut self.soft, now, settings, topics)
            };
            self.obey(decided);
        }
        self.pass_until(end);
    }

    fn pass_until(&mut self, at: Timestamp) {
        let passed = (at - self.now.steady).max(0);
        self.now = Now { steady: self.now.steady + passed, wall: self.now.wall + passed };
    }

    /// The coordinator moves: only the log is left.
    fn restart(&mut self) {
        let decided = Groups::unload(&mut self.soft, ErrorCode::NOT_COORDINATOR);
        self.obey(decided);
        let records = self.kit.log().to_vec();
        let mut kit = Kit::default();
        for record in records {
            kit.decide(Decided { records: vec![through_bytes(&record)], ..Decided::default() });
        }
        self.kit = kit;
        let decided = self.kit.live().loaded(&mut self.soft, self.now, &self.settings);
        self.obey(decided);
    }

    fn obey(&mut self, decided: Decided) {
        assert_eq!(decided.wake, self.soft.wake(), "a decision tells when to wake");
        if std::mem::take(&mut self.fail_next) {
            return self.fail(decided);
        }
        for (ticket, reply) in self.kit.decide(decided) {
            self.answer(ticket, &reply);
        }
    }

    /// What the shell does when the log refuses an append.
    fn fail(&mut self, decided: Decided) {
        let error = ErrorCode::COORDINATOR_NOT_AVAILABLE;
        for (ticket, reply) in decided.replies {
            self.answer(ticket, &reply.failed(error));
        }
        for record in &decided.records {
            if let Some(group) = record.of_members() {
                let live = self.kit.live();
                let (soft, now, settings) = (&mut self.soft, self.now, &self.settings);
                let decided = live.abandon(soft, now, settings, group, error);
                self.obey(decided);
            }
        }
    }

    fn show(&mut self) {
        let records = self.kit.log().iter().skip(self.shown_from);
        let lines: Vec<String> = records.map(|record| self.record(record)).collect();
        for line in lines {
            writeln!(self.printed, "{line}").expect("strings grow");
        }
    }

    fn record(&self, record: &GroupRecord) -> String {
        match record {
            GroupRecord::OffsetCommit(commit) => {
                let value = commit.value.as_ref().map(|value| value.offset.0);
                format!("log: {} {}:{} {value:?}", commit.group, commit.topic, commit.partition)
            }
            GroupRecord::GroupMetadata { group, value: None } => format!("log: {group} gone"),
            GroupRecord::GroupMetadata { group, value: Some(value) } => {
                let members = value.members.iter().map(|member| self.label(&member.member_id));
                let members: Vec<String> = members.collect();
                let leader = value.leader.as_ref().map_or("-".to_owned(), |id| self.label(id));
                format!(
                    "log: {group} type={} generation={} protocol={} leader={leader} members=[{}]",
                    value.protocol_type,
                    value.generation,
                    value.protocol.as_deref().unwrap_or("-"),
                    members.join(" "),
                )
            }
            GroupRecord::Kind(KindRecord::Consumer(record)) => consumers::record(record),
            GroupRecord::Kind(KindRecord::Share(record)) => {
                format!("{} share {:?}", record.group, record.entry)
            }
            other => format!("log: {other:?}"),
        }
    }

    fn label(&self, id: &str) -> String {
        self.labels.get(id).cloned().unwrap_or_else(|| id.to_owned())
    }

    /// Member ids print as the client or instance that they were made for, later ones numbered.
    fn learn(&mut self, id: &str, client: &str) {
        // In groups of KIP-848 ids do not name the client.
        let of_group = id.len() == UUID_LEN;
        if self.labels.contains_key(id) || id.len() <= 37 && !of_group {
            return;
        }
        let prefix = if of_group { client } else { &id[..id.len() - 37] };
        let is_same = |label: &&String| label.split('#').next() == Some(prefix);
        let same = self.labels.values().filter(is_same).count();
        let label = if same == 0 { prefix.to_owned() } else { format!("{prefix}#{}", same + 1) };
        self.labels.insert(id.to_owned(), label);
    }

    fn answer(&mut self, ticket: Ticket, reply: &GroupReply) {
        let name = self.tickets.remove(&ticket).expect("every ticket is answered once");
        let read = self.read(&name, reply);
        let line = match reply {
            GroupReply::Sync(_) if read.is_some() => read.unwrap_or_default(),
            GroupReply::Join(response) => {
                self.learn(&response.member_id, &name);
                for member in &response.members {
                    self.learn(&member.member_id, "");
                }
                let client = self.clients.entry(name.clone()).or_default();
                if response.error_code == ErrorCode::MEMBER_ID_REQUIRED {
                    client.member_id = response.member_id.to_string();
                }
                if response.error_code == ErrorCode::NONE {
                    client.member_id = response.member_id.to_string();
                    client.generation = response.generation_id.0;
                    let members = response.members.iter();
                    client.roster = members.map(|member| member.member_id.to_string()).collect();
                }
                self.joined(response)
            }
            GroupReply::Sync(response) => outcome("SyncGroup", response.error_code, || {
                format!("assignment={}", String::from_utf8_lossy(&response.assignment))
            }),
            GroupReply::Heartbeat(response) => {
                outcome("Heartbeat", response.error_code, || "ok".into())
            }
            GroupReply::Leave(response) => outcome("LeaveGroup", response.error_code, || {
                let members = response.members.iter().map(|member| member.error_code.name());
                format!("[{}]", members.collect::<Vec<_>>().join(" "))
            }),
            GroupReply::ConsumerHeartbeat(response) => self.heard(&name, response),
            _ => summary(reply),
        };
        writeln!(self.printed, "{name}: {line}").expect("strings grow");
    }

    fn joined(&self, response: &ottla_wire::messages::JoinGroupResponse) -> String {
        outcome("JoinGroup", response.error_code, || {
            let members = response.members.iter().map(|member| self.label(&member.member_id));
            let members: Vec<String> = members.collect();
            let mut line = format!(
                "generation={} leader={}",
                response.generation_id,
                self.label(&response.leader)
            );
            if response.protocol_name.as_deref() != Some("range") {
                let name = response.protocol_name.as_deref().unwrap_or("null");
                write!(line, " protocol={name}").expect("strings grow");
            }
            if !members.is_empty() {
                write!(line, " members=[{}]", members.join(" ")).expect("strings grow");
            }
            if response.skip_assignment {
                line.push_str(" skip");
            }
            line
        })
    }
}

/// The length of the ids that members of KIP-848 groups are given.
const UUID_LEN: usize = 22;

/// An [`Ask`] that owns its texts.
struct Asked {
    now: Now,
    version: i16,
    client_id: String,
    random: [u8; 16],
    ticket: Ticket,
}

impl Asked {
    fn of<'a>(&'a self, settings: &'a Settings) -> Ask<'a> {
        Ask {
            now: self.now,
            settings,
            version: self.version,
            client_id: &self.client_id,
            client_host: "/127.0.0.1",
            random: self.random,
            ticket: self.ticket,
        }
    }
}

fn place_of(place: &str) -> (&str, PartitionIndex) {
    let (topic, partition) = place.split_once(':').expect("topic:partition");
    (topic, PartitionIndex(partition.parse().expect("a partition")))
}

/// The record as it comes back from a log, where its batch tells the producer.
pub(crate) fn through_bytes(record: &GroupRecord) -> GroupRecord {
    let producer = match record {
        GroupRecord::EndTransaction { .. } => return record.clone(),
        GroupRecord::OffsetCommit(commit) => commit.producer,
        _ => None,
    };
    let (key, value) = record.encode().expect("only markers are no records");
    let again = GroupRecord::decode(key, value, producer).expect("what was written can be read");
    assert_eq!(&again, record);
    again
}
