//! The world of scripts for streams groups: clients, topics, time, and how answers are printed.
//!
//! Not here: requests (world/requests.rs), what is printed of answers (world/print.rs).

mod print;
mod requests;

use std::collections::BTreeMap;
use std::sync::Arc;

use expect_test::Expect;
use ottla_machine::kit::Kit;
use ottla_machine::{Now, Ticket};
use ottla_wire::messages::offset_fetch_request::OffsetFetchRequestGroup;
use ottla_wire::messages::streams_group_heartbeat_response as told;
use ottla_wire::messages::{ConsumerGroupHeartbeatRequest, JoinGroupRequest};
use ottla_wire::{
    ErrorCode, MemberEpoch, Offset, PartitionIndex, StrBytes, Timestamp, TopicId, Uuid,
};

pub(super) use self::print::{created, wrapped};
use self::print::{endpoints, entry, names, printed, status};
use self::requests::{commit, forget, request};
pub(super) use self::requests::{subtopologies, task};
use crate::kinds::KindRecord;
use crate::script::{Words, millis};
use crate::streams::tasks::{TaskId, Tasks, tasks_of};
use crate::streams::{InternalTopic, StreamsAnswer, StreamsSettings};
use crate::{Ask, Decided, GroupRecord, GroupReply, Groups, Settings, Soft, Topics};

/// Topics with as many partitions as a script says.
pub(super) struct Cluster {
    pub(super) counts: BTreeMap<String, i32>,
    version: i64,
}

impl Cluster {
    pub(super) fn of(counts: &[(&str, i32)]) -> Self {
        let counts = counts.iter().map(|(name, count)| ((*name).to_owned(), *count));
        Cluster { counts: counts.collect(), version: 1 }
    }
}

fn id_of(name: &str) -> TopicId {
    let sum = name.bytes().fold(7_u128, |sum, byte| sum * 131 + u128::from(byte));
    TopicId(Uuid::from_u128(sum))
}

impl Topics for Cluster {
    fn id(&self, name: &str) -> Option<TopicId> {
        self.counts.contains_key(name).then(|| id_of(name))
    }
    fn name(&self, id: TopicId) -> Option<StrBytes> {
        self.counts.keys().find(|name| id_of(name) == id).map(|name| StrBytes::copied(name))
    }
    fn has_partition(&self, name: &str, partition: PartitionIndex) -> bool {
        self.counts.get(name).is_some_and(|count| partition.0 < *count)
    }
    fn partition_count(&self, id: TopicId) -> i32 {
        self.counts.iter().find(|(name, _)| id_of(name) == id).map_or(0, |(_, count)| *count)
    }
    fn racks(&self, _: TopicId, _: PartitionIndex) -> Vec<StrBytes> {
        Vec::new()
    }
    fn each_name(&self, _: &mut dyn FnMut(&str)) {}
    fn version(&self) -> Offset {
        Offset(self.version)
    }
}

/// What a client remembers.
#[derive(Clone, Debug, Default)]
pub(super) struct Client {
    epoch: i32,
    app: String,
    pub(super) has: Tasks,
    given: Tasks,
    endpoints_seen: i32,
}

pub(super) struct World {
    pub(super) kit: Kit<Groups, GroupReply>,
    soft: Soft,
    settings: Settings,
    cluster: Cluster,
    now: Now,
    pub(super) clients: BTreeMap<String, Client>,
    create: Vec<InternalTopic>,
    fail_next: bool,
}

/// Plays commands and compares what each of them tells.
pub(super) fn check(script: &str, expect: Expect) {
    let told: Vec<String> = play(script).iter().map(|line| wrapped(line)).collect();
    expect.assert_eq(&told.join("\n"));
}

/// What each command of a script tells, of those that tell something.
pub(super) fn play(script: &str) -> Vec<String> {
    let mut world = World::new();
    let told = script.split('|').map(|line| world.run(line.trim()));
    let told: Vec<String> = told.filter(|line| !line.is_empty()).collect();
    world.through_bytes();
    told
}

impl World {
    pub(super) fn new() -> Self {
        let mut streams = StreamsSettings::default();
        (streams.rules.initial_rebalance_delay_ms, streams.rules.assignment_interval_ms) = (0, 0);
        let mut world = World {
            kit: Kit::default(),
            soft: Soft::default(),
            settings: Settings { streams: Arc::new(streams), ..Settings::default() },
            cluster: Cluster::of(&[("t", 2), ("u", 2)]),
            now: Now { steady: Timestamp(0), wall: Timestamp(1_900_000_000_000) },
            clients: BTreeMap::new(),
            create: Vec::new(),
            fail_next: false,
        };
        let decided = world.kit.live().loaded(&mut world.soft, world.now, &world.settings);
        world.kit.decide(decided);
        world
    }

    /// Every record that was written is read again as the same.
    pub(super) fn through_bytes(&self) {
        for record in self.kit.log() {
            let (key, value) = record.encode().expect("no marker");
            assert_eq!(GroupRecord::decode(key, value, None).as_ref(), Ok(record), "round trip");
        }
    }

    pub(super) fn run(&mut self, line: &str) -> String {
        let words = Words::of(line);
        match words.plain[..] {
            ["hb", name, ..] => self.heartbeat(name, &words, None),
            ["quit", name, ..] => self.heartbeat(name, &words, Some(-1)),
            ["pause", name] => self.heartbeat(name, &words, Some(-2)),
            ["keep", name, time] => {
                let end = self.now.steady + millis(time);
                while self.now.steady < end {
                    self.heartbeat(name, &words, None);
                    self.advance(40_000);
                }
                String::new()
            }
            ["advance", time] => {
                self.advance(millis(time));
                String::new()
            }
            [key @ ("delay" | "interval" | "standbys" | "size"), value] => self.set(key, value),
            ["make", name, count] => {
                self.cluster.counts.insert(name.to_owned(), count.parse().expect("a number"));
                self.topics_changed("make")
            }
            ["drop", name] => {
                self.cluster.counts.remove(name);
                self.topics_changed("drop")
            }
            ["create"] => {
                for topic in std::mem::take(&mut self.create) {
                    self.cluster.counts.insert(topic.name.to_string(), topic.partitions);
                }
                self.topics_changed("create")
            }
            ["restart"] => self.restart(),
            ["fail"] => {
                self.fail_next = true;
                String::new()
            }
            ["log"] => self.log(),
            _ => self.admin(&words),
        }
    }

    fn set(&mut self, key: &str, value: &str) -> String {
        let streams = Arc::make_mut(&mut self.settings.streams);
        let number: i32 = value.parse().expect("a number");
        match key {
            "delay" => streams.rules.initial_rebalance_delay_ms = number,
            "interval" => streams.rules.assignment_interval_ms = number,
            "standbys" => streams.rules.num_standby_replicas = number,
            _ => streams.size_max = number.try_into().expect("a size"),
        }
        String::new()
    }

    fn topics_changed(&mut self, command: &str) -> String {
        self.cluster.version += 1;
        let at = self.cluster.version();
        let decided = self.kit.live().topics_changed(&mut self.soft, at);
        self.kit.decide(decided);
        command.to_owned()
    }

    fn ask<'a>(&self, settings: &'a Settings, name: &'a str, version: i16) -> Ask<'a> {
        Ask {
            now: self.now,
            settings,
            version,
            client_id: name,
            client_host: "/127.0.0.1",
            random: [0; 16],
            ticket: Ticket(1),
        }
    }

    fn heartbeat(&mut self, name: &str, words: &Words<'_>, leaving: Option<i32>) -> String {
        let keeps = words.plain.contains(&"keep");
        let client = self.clients.entry(name.to_owned()).or_insert_with(|| Client {
            app: "plain".to_owned(),
            endpoints_seen: -1,
            ..Client::default()
        });
        if let Some(app) = words.keys.get("app") {
            client.app = (*app).to_owned();
        }
        if !keeps {
            client.has = client.given.clone();
        }
        let given = words.keys.get("epoch").map(|epoch| epoch.parse().expect("an epoch"));
        let epoch = leaving.or(given).unwrap_or(client.epoch);
        if epoch == 0 {
            client.has = Tasks::default();
        }
        let request = request(name, words, client, epoch);
        let settings = self.settings.clone();
        let ask = self.ask(&settings, name, 0);
        let live = self.kit.live();
        let decided = live.streams_heartbeat(&mut self.soft, &ask, &self.cluster, &request);
        assert_eq!(decided.wake, self.soft.wake(), "a decision tells when to wake");
        let Some(GroupReply::StreamsHeartbeat(answer)) = self.decide(decided) else {
            panic!("a heartbeat is answered at once")
        };
        self.heard(name, *answer, keeps)
    }

    /// Appends what was decided, or what becomes of it when the log refuses.
    fn decide(&mut self, decided: Decided) -> Option<GroupReply> {
        if !std::mem::take(&mut self.fail_next) {
            return self.kit.decide(decided).into_iter().map(|(_, reply)| reply).next();
        }
        let error = ErrorCode::COORDINATOR_NOT_AVAILABLE;
        for record in &decided.records {
            let group = record.of_members().expect("of members");
            let (soft, settings) = (&mut self.soft, &self.settings);
            let again = self.kit.live().abandon(soft, self.now, settings, group, error);
            self.kit.decide(again);
        }
        decided.replies.into_iter().map(|(_, reply)| reply.failed(error)).next()
    }

    /// What a client makes of an answer, and how it is printed.
    fn heard(&mut self, name: &str, answer: StreamsAnswer, keeps: bool) -> String {
        let StreamsAnswer { response, create } = answer;
        let client = self.clients.get_mut(name).expect("it asked");
        if response.error_code != ErrorCode::NONE {
            let begins_anew = [
                ErrorCode::FENCED_MEMBER_EPOCH,
                ErrorCode::UNKNOWN_MEMBER_ID,
                ErrorCode::GROUP_ID_NOT_FOUND,
            ];
            if begins_anew.contains(&response.error_code) {
                let app = client.app.clone();
                *client = Client { app, endpoints_seen: -1, ..Client::default() };
            }
            let message = response.error_message.unwrap_or_default();
            return format!("{name}: {} {message}", response.error_code.name()).trim().to_owned();
        }
        let mut line = format!("{name}: epoch={}", response.member_epoch);
        client.epoch = response.member_epoch.0.max(0);
        if response.member_epoch.0 < 0 {
            self.clients.remove(name);
            return line;
        }
        if let (Some(active), Some(standby)) = (&response.active_tasks, &response.standby_tasks) {
            let read = |lists: &[told::TaskIds]| -> Vec<TaskId> {
                tasks_of(lists.iter().map(|it| (&it.subtopology_id, &*it.partitions))).collect()
            };
            client.given = Tasks {
                active: read(active).into_iter().map(|task| (task, MemberEpoch(0))).collect(),
                standby: read(standby).into_iter().collect(),
                ..Tasks::default()
            };
            line += &format!(
                " active=[{}] standby=[{}]",
                names(client.given.active.keys()),
                names(&client.given.standby)
            );
        }
        // A client starts what it is given at once, and stops with its next heartbeat.
        client.has.active.extend(client.given.active.clone());
        client.has.standby.extend(client.given.standby.clone());
        if !keeps {
            client.has = client.given.clone();
        }
        client.endpoints_seen = response.endpoint_information_epoch;
        line += &status(&response);
        line += &endpoints(&response);
        line += &created(&create);
        self.create = create;
        line
    }

    pub(super) fn advance(&mut self, ms: i64) {
        let end = self.now.steady + ms;
        while let Some(at) = self.soft.wake().filter(|at| *at <= end) {
            self.pass_until(at);
            let (soft, settings) = (&mut self.soft, &self.settings);
            let decided = self.kit.live().tick(soft, self.now, settings, &self.cluster);
            self.kit.decide(decided);
        }
        self.pass_until(end);
    }

    fn pass_until(&mut self, at: Timestamp) {
        let passed = (at - self.now.steady).max(0);
        self.now = Now { steady: self.now.steady + passed, wall: self.now.wall + passed };
    }

    /// The coordinator moves: only the log is left.
    fn restart(&mut self) -> String {
        let decided = Groups::unload(&mut self.soft, ErrorCode::NOT_COORDINATOR);
        self.kit.decide(decided);
        let records = self.kit.log().to_vec();
        self.kit = Kit::default();
        self.kit.decide(Decided { records, ..Decided::default() });
        let decided = self.kit.live().loaded(&mut self.soft, self.now, &self.settings);
        self.kit.decide(decided);
        "restart".to_owned()
    }

    fn admin(&mut self, words: &Words<'_>) -> String {
        let settings = self.settings.clone();
        let version = words.keys.get("v").map_or(9, |version| version.parse().expect("a version"));
        let ask = self.ask(&settings, "admin", version);
        let group = StrBytes::from("g");
        let live = self.kit.live();
        let (soft, cluster) = (&mut self.soft, &self.cluster);
        let decided = match words.plain[..] {
            ["describe"] => live.streams_describe(soft, &ask, &group),
            ["list"] => live.list(soft, &ask, &Default::default()),
            ["delete"] => live.delete(soft, &ask, &group),
            ["commit", member, place, epoch] => {
                live.offset_commit(soft, &ask, cluster, &commit(member, place, epoch))
            }
            ["simple", _] => live.offset_commit(soft, &ask, cluster, &commit("-", "t:0", "-1")),
            ["fetch", member, epoch] => {
                let asked = OffsetFetchRequestGroup {
                    group_id: group,
                    member_id: (member != "-").then(|| StrBytes::copied(member)),
                    member_epoch: MemberEpoch(epoch.parse().expect("an epoch")),
                    topics: None,
                    ..OffsetFetchRequestGroup::default()
                };
                live.offset_fetch(soft, &ask, cluster, &asked, false)
            }
            ["forget", place] => live.offset_delete(soft, &ask, cluster, &forget(place)),
            ["consumer", _] => {
                let request = ConsumerGroupHeartbeatRequest {
                    group_id: group,
                    member_id: "c".into(),
                    rebalance_timeout_ms: 1_000,
                    subscribed_topic_names: Some(vec!["t".into()]),
                    topic_partitions: Some(Vec::new()),
                    ..ConsumerGroupHeartbeatRequest::default()
                };
                live.consumer_heartbeat(soft, &ask, cluster, &request)
            }
            ["classic", _] => {
                let request = JoinGroupRequest {
                    group_id: group,
                    session_timeout_ms: 10_000,
                    protocol_type: "consumer".into(),
                    protocols: vec![Default::default()],
                    ..JoinGroupRequest::default()
                };
                live.join(soft, &ask, cluster, &request)
            }
            _ => panic!("no such command"),
        };
        self.kit.decide(decided).into_iter().map(|(_, reply)| printed(&reply)).collect()
    }

    fn log(&self) -> String {
        let records = self.kit.log().iter().map(|record| match record {
            GroupRecord::Kind(KindRecord::Streams(record)) => entry(record),
            other => format!("{other:?}"),
        });
        records.collect::<Vec<_>>().join(", ")
    }
}
