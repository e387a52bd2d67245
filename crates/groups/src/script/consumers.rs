//! Commands of scripts for KIP-848 groups: `hb` a heartbeat, `quit` and `pause` the last one,
//! `consumers` a description, `grow` a topic's partitions.
//!
//! A client joins with its first heartbeat and gives up what it is told to with its next one, but
//! with `keep` it does not. It tells what it has when that has changed.

use std::collections::BTreeSet;

use ottla_wire::messages::consumer_group_heartbeat_request::TopicPartitions;
use ottla_wire::messages::{
    ConsumerGroupHeartbeatRequest as Request, ConsumerGroupHeartbeatResponse as Response,
};
use ottla_wire::{ErrorCode, MemberEpoch, PartitionIndex, StrBytes, TopicId};

use super::print::outcome;
use super::words::Words;
use super::{World, millis};
use crate::consumer::ConsumerEntry;
use crate::kinds::{AnyKind, RecordOf};

type Place = (TopicId, PartitionIndex);

/// What a client of a script remembers.
#[derive(Clone, Debug, Default)]
pub(super) struct Consumer {
    epoch: i32,
    has: BTreeSet<Place>,
    told: Option<BTreeSet<Place>>,
    /// The last assignment that it was told.
    given: BTreeSet<Place>,
    keeps: bool,
    /// Its heartbeat interval is printed.
    shows: bool,
    /// The heartbeat interval that it was told with the last answer.
    next_ms: Option<i32>,
}

impl World {
    pub(super) fn consumer_command(&mut self, command: &str, words: &Words<'_>) {
        match command {
            "hb" => self.heartbeat(words, None),
            "quit" => self.heartbeat(words, Some(-1)),
            "pause" => self.heartbeat(words, Some(-2)),
            "keep" => {
                // Time passes, with a heartbeat in time.
                let end = self.now.steady + millis(words.plain[2]);
                while self.now.steady < end {
                    self.run(&format!("hb {} | advance 30s", words.plain[1]));
                    let last = self.printed.trim_end().rfind('\n').map_or(0, |at| at + 1);
                    self.printed.truncate(last);
                }
            }
            "grow" => {
                self.topics.put(words.plain[1], words.plain[2].parse().expect("a number"));
                self.topics_changed();
            }
            "consumers" => {
                let id = words.group();
                let ask = self.ask("consumers", words.version(1));
                let asked = ask.of(&self.settings);
                let live = self.kit.live();
                let decided = live.consumer_describe(&self.soft, &asked, &self.topics, &id);
                self.obey(decided);
            }
            other => panic!("no such command: {other}"),
        }
    }

    pub(super) fn topics_changed(&mut self) {
        let at = crate::Topics::version(&self.topics);
        let decided = self.kit.live().topics_changed(&mut self.soft, at);
        self.obey(decided);
    }

    /// What a client that was told of a member believes to have; nothing if it was fenced.
    pub(crate) fn beliefs(&self) -> impl Iterator<Item = (&String, &BTreeSet<Place>)> {
        self.consumers.iter().map(|(name, client)| (name, &client.has))
    }

    fn heartbeat(&mut self, words: &Words<'_>, leaving: Option<i32>) {
        let name = words.client();
        let client = self.consumers.entry(name.clone()).or_default();
        client.keeps = words.plain.contains(&"keep");
        client.shows = words.plain.contains(&"show");
        client.next_ms = None;
        let given = words.keys.get("epoch").map(|epoch| epoch.parse().expect("an epoch"));
        let epoch = leaving.or(given).unwrap_or(client.epoch);
        let joins = epoch == 0;
        if !client.keeps {
            client.has = client.given.clone();
        }
        if joins {
            (client.has, client.told) = (BTreeSet::new(), None);
        }
        let full = joins || words.plain.contains(&"full");
        let tells = full || client.told.as_ref() != Some(&client.has);
        if tells {
            client.told = Some(client.has.clone());
        }
        let owned = client.has.iter().map(|(topic_id, partition)| TopicPartitions {
            topic_id: *topic_id,
            partitions: vec![*partition],
            ..TopicPartitions::default()
        });
        let topics = words.keys.get("topics").copied();
        let default = (joins && !words.keys.contains_key("regex")).then_some("t");
        let names = topics.or(default).map(|names| {
            names.split('+').filter(|name| !name.is_empty()).map(StrBytes::copied).collect()
        });
        let rebalance = words.keys.get("rebalance").map_or(60_000, |text| millis(text));
        let request = Request {
            group_id: words.group(),
            member_id: words.text("id", &name),
            member_epoch: MemberEpoch(epoch),
            instance_id: words.optional("static"),
            rebalance_timeout_ms: if full { rebalance.try_into().expect("fits") } else { -1 },
            subscribed_topic_names: names,
            subscribed_topic_regex: words.optional("regex"),
            server_assignor: words.optional("assignor"),
            topic_partitions: tells.then(|| owned.collect()),
            ..Request::default()
        };
        let ask = self.ask(&name, words.version(1));
        let asked = ask.of(&self.settings);
        let live = self.kit.live();
        let decided = live.consumer_heartbeat(&mut self.soft, &asked, &self.topics, &request);
        self.obey(decided);
        if leaving.is_none() {
            self.interval_follows_the_rule(&name, &request.group_id);
        }
    }

    /// When a client was told to send its next heartbeat; none when it was refused.
    pub(crate) fn told_ms(&self, name: &str) -> Option<i32> {
        self.consumers.get(name)?.next_ms
    }

    /// A shorter interval than the configured one is told while the group is not stable only, and
    /// none below the limit.
    fn interval_follows_the_rule(&mut self, name: &str, group: &str) {
        let group = self.kit.live().consumers(group);
        let Some((next_ms, group)) = self.told_ms(name).zip(group) else { return };
        let times = &self.settings.consumer.times;
        let least_ms = times.heartbeat_interval_ms.min(250);
        assert!((least_ms..=times.heartbeat_interval_ms).contains(&next_ms), "{next_ms}");
        let assigned_at = group.epochs().target_at().map_or(0, |at| at.0);
        let passed_ms = self.now.wall.0 - assigned_at;
        let is_over = passed_ms < 0 || passed_ms >= i64::from(times.assignment_interval_ms);
        if group.state() == "Stable" && is_over {
            assert_eq!(next_ms, times.heartbeat_interval_ms, "the group is stable");
        }
    }

    /// What a client makes of an answer, and how it is printed.
    pub(super) fn heard(&mut self, name: &str, response: &Response) -> String {
        let client = self.consumers.entry(name.to_owned()).or_default();
        let starts_again = [
            ErrorCode::FENCED_MEMBER_EPOCH,
            ErrorCode::UNKNOWN_MEMBER_ID,
            ErrorCode::GROUP_ID_NOT_FOUND,
        ];
        if starts_again.contains(&response.error_code) {
            *client = Consumer::default();
        }
        if response.error_code != ErrorCode::NONE {
            // What it told may not have been heard.
            client.told = None;
        }
        if response.error_code == ErrorCode::NONE {
            client.next_ms = Some(response.heartbeat_interval_ms);
            client.epoch = response.member_epoch.0.max(0);
            if response.member_epoch.0 < 0 {
                *client = Consumer::default();
            }
        }
        let told = response.assignment.as_ref().map(|assignment| {
            let topics = assignment.topic_partitions.iter();
            let places = topics.flat_map(|topic| {
                topic.partitions.iter().map(move |partition| (topic.topic_id, *partition))
            });
            places.collect::<BTreeSet<Place>>()
        });
        if let Some(told) = &told {
            client.given = told.clone();
            // What it keeps it has beside what it is given.
            client.has = match client.keeps {
                true => client.has.union(told).copied().collect(),
                false => told.clone(),
            };
        }
        let shows = client.shows;
        outcome("Heartbeat", response.error_code, || {
            let mut line = format!("epoch={}", response.member_epoch);
            if shows {
                line.push_str(&format!(" next={}ms", response.heartbeat_interval_ms));
            }
            if let Some(told) = told {
                line.push_str(&format!(" [{}]", self.places(&told)));
            }
            line
        })
    }

    fn places(&self, places: &BTreeSet<Place>) -> String {
        let names = self.topics.names();
        let places = places.iter().map(|(topic, partition)| {
            format!("{}:{partition}", names.get(topic).copied().unwrap_or("?"))
        });
        places.collect::<Vec<_>>().join(" ")
    }
}

/// A record as scripts show it.
pub(super) fn record(record: &RecordOf<ConsumerEntry>) -> String {
    let gone_or = |text: Option<String>| text.unwrap_or_else(|| "gone".to_owned());
    let count = |counts: Vec<usize>| counts.into_iter().sum::<usize>();
    let text = match &record.entry {
        ConsumerEntry::Epoch(value) => {
            let text = value.as_ref().map(|value| value.epoch.to_string());
            format!("epoch {}", gone_or(text))
        }
        ConsumerEntry::PartitionMetadata(value) => {
            format!("partition metadata {}", gone_or(value.as_ref().map(|_| "there".to_owned())))
        }
        ConsumerEntry::Member(id, value) => {
            let text = value.as_ref().map(|value| value.subscribed_topic_names.join("+"));
            format!("member {id} {}", gone_or(text))
        }
        ConsumerEntry::TargetEpoch(value) => {
            let text = value.as_ref().map(|value| value.assignment_epoch.to_string());
            format!("target epoch {}", gone_or(text))
        }
        ConsumerEntry::Target(id, value) => {
            let text = value.as_ref().map(|value| {
                let topics = value.topic_partitions.iter();
                count(topics.map(|topic| topic.partitions.len()).collect()).to_string()
            });
            format!("target {id} {}", gone_or(text))
        }
        ConsumerEntry::Current(id, value) => {
            let text = value.as_ref().map(|value| {
                let assigned = value.assigned_partitions.iter().map(|it| it.partitions.len());
                let revoking = value.partitions_pending_revocation.iter();
                format!(
                    "{}/{} state={} has={} revoking={}",
                    value.member_epoch,
                    value.previous_member_epoch,
                    value.state,
                    count(assigned.collect()),
                    count(revoking.map(|it| it.partitions.len()).collect())
                )
            });
            format!("current {id} {}", gone_or(text))
        }
        ConsumerEntry::Regex(regex, value) => {
            let text = value.as_ref().map(|value| value.topics.join("+"));
            format!("regex {regex} {}", gone_or(text))
        }
    };
    format!("log: {} {text}", record.group)
}
