//! The life of share groups, in sentences: heartbeats go in, assignments and records come out.

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_machine::kit::Kit;
use ottla_machine::{Now, Ticket};
use ottla_wire::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use ottla_wire::messages::{OffsetCommitRequest, ShareGroupHeartbeatRequest};
use ottla_wire::{
    ErrorCode, MemberEpoch, Offset, PartitionIndex, StrBytes, Timestamp, TopicId, Uuid,
};

use super::{Initialize, Places, ShareEntry, ShareSettings, ShareTimes};
use crate::kinds::KindRecord;
use crate::{Ask, Decided, GroupRecord, GroupReply, Groups, NoTopics, Settings, Soft, Topics};

/// Topics with as many partitions as a script says.
#[derive(Default)]
struct Cluster {
    counts: BTreeMap<&'static str, i32>,
    version: i64,
}

fn id_of(name: &str) -> TopicId {
    TopicId(Uuid([name.as_bytes()[0]; 16]))
}

impl Topics for Cluster {
    fn id(&self, name: &str) -> Option<TopicId> {
        self.counts.contains_key(name).then(|| id_of(name))
    }
    fn name(&self, id: TopicId) -> Option<StrBytes> {
        self.counts.keys().find(|name| id_of(name) == id).map(|name| StrBytes::from(*name))
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

struct Scene {
    kit: Kit<Groups, GroupReply>,
    soft: Soft,
    settings: Settings,
    cluster: Cluster,
    now: i64,
    epochs: BTreeMap<String, i32>,
    pending: Option<Initialize>,
}

/// Plays commands and compares what each of them tells.
fn check(script: &str, expect: &str) {
    let times = ShareTimes { assignment_interval_ms: 0, ..ShareSettings::default().times };
    let share = ShareSettings { times, size_max: 3, ..ShareSettings::default() };
    let mut scene = Scene {
        kit: Kit::default(),
        soft: Soft::default(),
        settings: Settings { share: Arc::new(share), ..Settings::default() },
        cluster: Cluster { counts: BTreeMap::from([("t", 2)]), version: 1 },
        now: 0,
        epochs: BTreeMap::new(),
        pending: None,
    };
    let told: Vec<String> = script.split('|').map(|line| scene.obey(line.trim())).collect();
    assert_eq!(told.join("\n"), expect);
    for record in scene.kit.log() {
        let (key, value) = record.encode().expect("no marker");
        assert_eq!(GroupRecord::decode(key, value, None).as_ref(), Ok(record), "round trip");
    }
}

impl Scene {
    fn obey(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        let now =
            Now { steady: Timestamp(self.now), wall: Timestamp(1_900_000_000_000 + self.now) };
        let settings = self.settings.clone();
        let ask = Ask {
            now,
            settings: &settings,
            version: 1,
            client_id: "c",
            client_host: "/127.0.0.1",
            random: [0; 16],
            ticket: Ticket(1),
        };
        let groups = self.kit.live();
        let id = StrBytes::from("g");
        let decided = match words[..] {
            ["hb", member] | ["hb", member, _] => {
                let known = self.epochs.get(member).copied().unwrap_or(0);
                let epoch = words.get(2).map_or(known, |epoch| epoch.parse().unwrap());
                let names = (epoch == 0).then(|| vec![StrBytes::from("t")]);
                let request = ShareGroupHeartbeatRequest {
                    group_id: id,
                    member_id: StrBytes::copied(member),
                    member_epoch: MemberEpoch(epoch),
                    subscribed_topic_names: names,
                    ..Default::default()
                };
                let topics = &self.cluster;
                let decided = groups.share_heartbeat(&mut self.soft, &ask, topics, &request);
                return self.heartbeat(member, decided);
            }
            ["commit"] => {
                let request = simple_commit();
                let topics = &self.cluster;
                groups.offset_commit(&mut self.soft, &ask, topics, &request)
            }
            ["initialized", is_done] => {
                let initialize = self.pending.take().expect("something is to be initialized");
                groups.share_initialized(&mut self.soft, &ask, &initialize, is_done == "well")
            }
            ["alter", index, offset] => {
                let place = PartitionIndex(index.parse().unwrap());
                let at = BTreeMap::from([(place, Offset(offset.parse().unwrap()))]);
                let places = Places::from([(id_of("t"), at)]);
                let names = BTreeMap::from([(id_of("t"), "t".into())]);
                groups.share_alter(&mut self.soft, &ask, &id, &names, &places)
            }
            ["places"] => groups.share_places(&self.soft, &ask, &id, true),
            ["offsets"] => groups.share_places(&self.soft, &ask, &id, false),
            ["forget"] => groups.share_forgotten(&self.soft, &ask, &id, &[id_of("t")]),
            ["describe"] => groups.share_describe(&self.soft, &ask, &self.cluster, &id),
            ["list"] => groups.list(&self.soft, &ask, &Default::default()),
            ["delete"] => groups.delete(&mut self.soft, &ask, &id),
            ["topic", "gone"] => {
                groups.topics_deleted(&mut self.soft, now, &[("t".into(), id_of("t"))])
            }
            ["grow", count] => {
                self.cluster.version += 1;
                self.cluster.counts.insert("t", count.parse().unwrap());
                groups.topics_changed(&mut self.soft, Offset(self.cluster.version))
            }
            ["wait", ms] => {
                self.now += ms.parse::<i64>().unwrap();
                let steady = Timestamp(self.now);
                groups.tick(&mut self.soft, Now { steady, ..now }, &settings, &NoTopics)
            }
            _ => panic!("no such command: {line}"),
        };
        self.tell(decided)
    }

    fn heartbeat(&mut self, member: &str, decided: Decided) -> String {
        let mut told = String::new();
        for (_, reply) in self.kit.decide(decided) {
            let GroupReply::ShareHeartbeat(answer) = reply else { panic!("{reply:?}") };
            let (response, initialize) = *answer;
            if response.error_code != ErrorCode::NONE {
                return response.error_code.name().to_owned();
            }
            self.epochs.insert(member.to_owned(), response.member_epoch.0);
            told = format!("epoch {}", response.member_epoch);
            if let Some(assignment) = response.assignment {
                let topics = assignment.topic_partitions.iter();
                let indexes: Vec<i32> =
                    topics.flat_map(|topic| topic.partitions.iter().map(|index| index.0)).collect();
                told += &format!(" {indexes:?}");
            }
            if let Some(initialize) = initialize {
                let count: usize = initialize.places.values().map(BTreeMap::len).sum();
                told += &format!(", {count} to initialize in {}", initialize.epoch);
                self.pending = Some(initialize);
            }
        }
        told
    }

    fn tell(&mut self, decided: Decided) -> String {
        let mut told: Vec<String> = decided.records.iter().map(record).collect();
        for (_, reply) in self.kit.decide(decided) {
            told.push(match reply {
                GroupReply::ShareNoted(code) => code.name().to_owned(),
                GroupReply::SharePlaces(places) => match places {
                    Ok(places) => {
                        format!("{} places", places.values().map(Vec::len).sum::<usize>())
                    }
                    Err((code, _)) => code.name().to_owned(),
                },
                GroupReply::ShareAltered(altered) => match altered {
                    Ok(initialize) => {
                        let told = format!("to initialize in {}", initialize.epoch);
                        self.pending = Some(initialize);
                        told
                    }
                    Err((code, _)) => code.name().to_owned(),
                },
                GroupReply::ShareDescribe(it) if it.error_code != ErrorCode::NONE => {
                    it.error_code.name().to_owned()
                }
                GroupReply::ShareDescribe(it) => {
                    let epochs = (it.group_epoch.0, it.assignment_epoch.0);
                    format!("{} {epochs:?} {} members", it.group_state, it.members.len())
                }
                GroupReply::List(groups) => {
                    let words =
                        groups.iter().map(|it| format!("{} {}", it.group_type, it.group_state));
                    words.collect::<Vec<_>>().join(", ")
                }
                GroupReply::Delete(it) => it.error_code.name().to_owned(),
                GroupReply::OffsetCommit(it) => {
                    it.topics[0].partitions[0].error_code.name().to_owned()
                }
                other => panic!("{other:?}"),
            });
        }
        if told.is_empty() { "nothing".to_owned() } else { told.join(", ") }
    }
}

/// What a consumer without a membership says.
fn simple_commit() -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition {
        committed_offset: Offset(3),
        ..OffsetCommitRequestPartition::default()
    };
    let topic = OffsetCommitRequestTopic {
        name: "t".into(),
        partitions: vec![partition],
        ..OffsetCommitRequestTopic::default()
    };
    OffsetCommitRequest {
        group_id: "g".into(),
        generation_id_or_member_epoch: -1,
        topics: vec![topic],
        ..OffsetCommitRequest::default()
    }
}

fn record(record: &GroupRecord) -> String {
    let GroupRecord::Kind(KindRecord::Share(record)) = record else { return "another".to_owned() };
    let gone = |is_gone: bool| if is_gone { " gone" } else { "" };
    match &record.entry {
        ShareEntry::Member(id, value) => format!("member {id}{}", gone(value.is_none())),
        ShareEntry::Epoch(Some(value)) => format!("epoch {}", value.epoch),
        ShareEntry::Epoch(None) => "group gone".to_owned(),
        ShareEntry::TargetEpoch(value) => format!("target epoch{}", gone(value.is_none())),
        ShareEntry::Target(id, value) => format!("target {id}{}", gone(value.is_none())),
        ShareEntry::Current(id, value) => format!("current {id}{}", gone(value.is_none())),
        ShareEntry::States(Some(value)) => format!(
            "states {}/{}",
            value.initializing_topics.iter().map(|it| it.partitions.len()).sum::<usize>(),
            value.initialized_topics.iter().map(|it| it.partitions.len()).sum::<usize>()
        ),
        ShareEntry::States(None) => "states gone".to_owned(),
    }
}

#[test]
fn no_share_group_takes_the_place_of_committed_offsets() {
    check("commit | hb a 0 | list", "another, NONE\nGROUP_ID_NOT_FOUND\nclassic Empty");
}

#[test]
fn nobody_commits_offsets_into_a_share_group() {
    check("hb a 0 | commit", "epoch 2 [], 2 to initialize in 2\nGROUP_ID_NOT_FOUND");
}

#[test]
fn a_member_is_assigned_what_has_been_initialized() {
    check(
        "hb a 0 | initialized well | hb a | hb a | describe | list",
        "epoch 2 [], 2 to initialize in 2
states 0/2, NONE
epoch 3 [0, 1]
epoch 3
Stable (3, 3) 1 members
share Stable",
    );
}

#[test]
fn members_share_partitions_and_take_over_what_one_leaves() {
    check(
        "hb a 0 | initialized well | hb a | hb b 0 | hb a | hb c 0 | hb b | hb a -1 | hb b | hb c",
        "epoch 2 [], 2 to initialize in 2
states 0/2, NONE
epoch 3 [0, 1]
epoch 4 [1]
epoch 4 [0]
epoch 5 [0]
epoch 5
epoch -1
epoch 6
epoch 6",
    );
}

#[test]
fn a_failed_initialization_is_asked_for_again_and_a_lost_one_after_a_while() {
    check(
        "hb a 0 | initialized badly | hb a | wait 29000 | hb a | wait 2000 | hb a",
        "epoch 2 [], 2 to initialize in 2
states 0/0, NONE
epoch 2, 2 to initialize in 2
nothing
epoch 2
nothing
epoch 2, 2 to initialize in 2",
    );
}

#[test]
fn new_partitions_are_initialized_and_assigned() {
    check(
        "hb a 0 | initialized well | hb a | grow 3 | hb a | initialized well | hb a",
        "epoch 2 [], 2 to initialize in 2
states 0/2, NONE
epoch 3 [0, 1]
nothing
epoch 4, 1 to initialize in 4
states 0/3, NONE
epoch 5 [0, 1, 2]",
    );
}

#[test]
fn who_is_silent_or_speaks_out_of_turn_is_no_member() {
    check(
        "hb a 5 | hb a 0 | hb a 9 | hb a 1 | hb b 2 | hb a -2 | hb b 0 | hb c 0 | hb d 0 \
         | wait 45000 | hb a 2",
        "GROUP_ID_NOT_FOUND
epoch 2 [], 2 to initialize in 2
FENCED_MEMBER_EPOCH
FENCED_MEMBER_EPOCH
UNKNOWN_MEMBER_ID
INVALID_REQUEST
epoch 3 []
epoch 4 []
GROUP_MAX_SIZE_REACHED
current a gone, target a gone, member a gone, epoch 5
UNKNOWN_MEMBER_ID",
    );
}

#[test]
fn offsets_are_altered_and_groups_deleted_while_nobody_is_in_them() {
    check(
        "hb a 0 | initialized well | offsets | alter 0 5 | places | delete | hb a -1 | alter 0 5 \
         | initialized well | places | forget | places | delete | describe",
        "epoch 2 [], 2 to initialize in 2
states 0/2, NONE
2 places
NON_EMPTY_GROUP
NON_EMPTY_GROUP
NON_EMPTY_GROUP
epoch -1
states 1/2, to initialize in 3
states 0/2, NONE
2 places
states 0/0, NONE
0 places
target epoch gone, group gone, NONE
GROUP_ID_NOT_FOUND",
    );
}

#[test]
fn offsets_are_set_before_anybody_is_in_the_group_and_a_group_that_is_not_there_has_none() {
    check(
        "offsets | alter 0 5 | initialized well | places | list | describe | hb a 0 | delete",
        "0 places
states 1/0, to initialize in 1
states 0/1, NONE
1 places
share Empty
Empty (1, 1) 0 members
epoch 2 [0], 1 to initialize in 2
NON_EMPTY_GROUP",
    );
    check("commit | offsets | alter 0 5", "another, NONE\n0 places\nGROUP_ID_NOT_FOUND");
}

#[test]
fn a_deleted_topic_has_no_states() {
    check(
        "hb a 0 | initialized well | topic gone",
        "epoch 2 [], 2 to initialize in 2
states 0/2, NONE
states 0/0",
    );
}
