//! The share coordinator's machine: its decisions as scripts, and its log as bytes.

mod golden;

use ottla_machine::kit::Kit;
use ottla_machine::{Now, Ticket};
use ottla_wire::messages::{
    initialize_share_group_state_request, read_share_group_state_request,
    read_share_group_state_summary_request, write_share_group_state_request,
};
use ottla_wire::{ErrorCode, LeaderEpoch, Offset, PartitionIndex, Timestamp, TopicId, Uuid};

use crate::{Ask, Decided, Key, Settings, ShareRecord, ShareReply, ShareStates, Soft};

const WALL_MS: i64 = 1_900_000_000_000;

struct Scene {
    kit: Kit<ShareStates, ShareReply>,
    soft: Soft,
    settings: Settings,
    now: i64,
    exists: bool,
}

/// Plays commands, one after the other; each tells the records that it wrote and its answer.
fn check(script: &str, expect: &str) {
    let mut scene = Scene {
        kit: Kit::default(),
        soft: Soft::default(),
        settings: Settings { updates_per_snapshot: 2, ..Settings::default() },
        now: 0,
        exists: true,
    };
    let told: Vec<String> = script.split('|').map(|line| scene.obey(line.trim())).collect();
    assert_eq!(told.join("\n"), expect);
    for record in scene.kit.log() {
        let (key, value) = record.encode();
        assert_eq!(ShareRecord::decode(key, value).as_ref(), Ok(record), "round trip");
    }
}

fn key(partition: &str) -> Key {
    Key::copied("g", TopicId(Uuid([7; 16])), PartitionIndex(partition.parse().unwrap()))
}

fn number(word: &str) -> i32 {
    word.parse().unwrap()
}

impl Scene {
    fn obey(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        let now = Now { steady: Timestamp(self.now), wall: Timestamp(WALL_MS + self.now) };
        let settings = self.settings.clone();
        let ask = Ask { now, settings: &settings, exists: self.exists, ticket: Ticket(1) };
        let states = self.kit.live();
        let decided = match words[..] {
            ["init", of, epoch, start] => {
                let request = initialize_share_group_state_request::PartitionData {
                    state_epoch: number(epoch),
                    start_offset: Offset(start.parse().unwrap()),
                    ..Default::default()
                };
                states.initialize(&mut self.soft, &ask, &key(of), &request)
            }
            ["read", of, epoch] => {
                let request = read_share_group_state_request::PartitionData {
                    leader_epoch: LeaderEpoch(number(epoch)),
                    ..Default::default()
                };
                states.read(&mut self.soft, &ask, &key(of), &request)
            }
            ["write", of, epochs, start, batch] => {
                let request = write(epochs, start, batch);
                states.write(&mut self.soft, &ask, &key(of), &request)
            }
            ["summary", of] => {
                let request = read_share_group_state_summary_request::PartitionData::default();
                states.summary(&mut self.soft, &ask, &key(of), &request)
            }
            ["delete", of] => states.delete(&mut self.soft, &ask, &key(of), &Default::default()),
            ["topic", "gone"] => states.topics_deleted(&self.soft, &[TopicId(Uuid([7; 16]))]),
            ["unknown", "topic"] => {
                self.exists = false;
                return "so be it".to_owned();
            }
            ["wait", ms] => {
                self.now += ms.parse::<i64>().unwrap();
                let steady = Timestamp(self.now);
                let now = Now { steady, wall: Timestamp(WALL_MS + self.now) };
                if self.soft.wake().is_none_or(|at| at > steady) {
                    return "asleep".to_owned();
                }
                states.tick(&mut self.soft, now, &settings)
            }
            _ => panic!("no such command: {line}"),
        };
        self.tell(decided)
    }

    fn tell(&mut self, decided: Decided) -> String {
        let mut told: Vec<String> = decided.records.iter().map(record).collect();
        told.extend(self.kit.decide(decided).into_iter().map(|(_, reply)| answer(reply)));
        if told.is_empty() { "nothing".to_owned() } else { told.join(", ") }
    }
}

fn write(epochs: &str, start: &str, batch: &str) -> write_share_group_state_request::PartitionData {
    let (state_epoch, leader_epoch) = epochs.split_once('/').unwrap();
    let (range, state) = batch.split_once(':').unwrap();
    let (first, last) = range.split_once('-').unwrap();
    write_share_group_state_request::PartitionData {
        state_epoch: number(state_epoch),
        leader_epoch: LeaderEpoch(number(leader_epoch)),
        start_offset: Offset(start.parse().unwrap()),
        delivery_complete_count: 3,
        state_batches: vec![write_share_group_state_request::StateBatch {
            first_offset: Offset(first.parse().unwrap()),
            last_offset: Offset(last.parse().unwrap()),
            delivery_state: state.parse().unwrap(),
            delivery_count: 1,
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn record(record: &ShareRecord) -> String {
    match record {
        ShareRecord::Snapshot { key, value: Some(it) } => {
            let batches: Vec<String> = it
                .state_batches
                .iter()
                .map(|it| format!("{}-{}:{}", it.first_offset, it.last_offset, it.delivery_state))
                .collect();
            format!(
                "snapshot {} of {} (epochs {}/{}) from {} [{}]",
                it.snapshot_epoch,
                key.partition,
                it.state_epoch,
                it.leader_epoch,
                it.start_offset,
                batches.join(" ")
            )
        }
        ShareRecord::Snapshot { key, value: None } => format!("{} forgotten", key.partition),
        ShareRecord::Update { key, value } => {
            let epoch = value.leader_epoch;
            let count = value.state_batches.len();
            format!("update {} of {} ({epoch}): {count}", value.snapshot_epoch, key.partition)
        }
        ShareRecord::Unknown { .. } => "unknown".to_owned(),
    }
}

fn answer(reply: ShareReply) -> String {
    let failed = |code: ErrorCode| (code != ErrorCode::NONE).then(|| code.name().to_owned());
    let ok = || "done".to_owned();
    match reply {
        ShareReply::Initialize(it) => failed(it.error_code).unwrap_or_else(ok),
        ShareReply::Write(it) => failed(it.error_code).unwrap_or_else(ok),
        ShareReply::Delete(it) => failed(it.error_code).unwrap_or_else(ok),
        ShareReply::Read(it) => failed(it.error_code).unwrap_or_else(|| {
            let batches = it.state_batches.iter();
            let batches: Vec<String> = batches
                .map(|it| format!("{}-{}:{}", it.first_offset, it.last_offset, it.delivery_state))
                .collect();
            format!("epoch {} from {} [{}]", it.state_epoch, it.start_offset, batches.join(" "))
        }),
        ShareReply::Summary(it) => failed(it.error_code).unwrap_or_else(|| {
            let (epoch, leader) = (it.state_epoch, it.leader_epoch);
            let (start, done) = (it.start_offset, it.delivery_complete_count);
            format!("epochs {epoch}/{leader} from {start}, {done} done")
        }),
        ShareReply::Prune(to) => format!("prune to {to}"),
    }
}

#[test]
fn what_was_written_is_read_by_the_next_leader() {
    check(
        "init 0 2 -1 | read 0 0 | write 0 2/0 0 0-4:2 | write 0 2/0 3 5-9:0 | write 0 2/0 5 7-7:4 \
         | read 0 1 | summary 0",
        "snapshot 0 of 0 (epochs 2/0) from -1 [], done
epoch 2 from -1 []
update 0 of 0 (0): 1, done
update 0 of 0 (0): 1, done
snapshot 1 of 0 (epochs 2/0) from 5 [5-6:0 7-7:4 8-9:0], done
update 1 of 0 (1): 0, epoch 2 from 5 [5-6:0 7-7:4 8-9:0]
epochs 2/1 from 5, 3 done",
    );
}

#[test]
fn a_former_leader_and_a_former_state_are_fenced() {
    check(
        "init 0 2 0 | read 0 5 | read 0 4 | write 0 2/4 0 0-0:2 | write 0 1/5 0 0-0:2 | init 0 1 0 \
         | init 0 3 7 | write 0 2/5 0 0-0:2 | read 0 5",
        "snapshot 0 of 0 (epochs 2/0) from 0 [], done
update 0 of 0 (5): 0, epoch 2 from 0 []
FENCED_LEADER_EPOCH
FENCED_LEADER_EPOCH
FENCED_STATE_EPOCH
FENCED_STATE_EPOCH
snapshot 1 of 0 (epochs 3/0) from 7 [], done
FENCED_STATE_EPOCH
epoch 3 from 7 []",
    );
}

#[test]
fn epochs_and_partitions_below_zero_are_refused() {
    check(
        "init 0 -1 0 | init 0 -2 0 | init -1 2 0 | init 0 2 0 | read 0 -1 | read -1 0 \
         | write 0 -1/0 0 0-0:2 | write 0 2/-1 0 0-0:2 | write -1 2/0 0 0-0:2 | summary 0",
        "INVALID_REQUEST
INVALID_REQUEST
INVALID_REQUEST
snapshot 0 of 0 (epochs 2/0) from 0 [], done
INVALID_REQUEST
INVALID_REQUEST
INVALID_REQUEST
INVALID_REQUEST
INVALID_REQUEST
epochs 2/0 from 0, 0 done",
    );
}

#[test]
fn where_a_group_begins_does_not_go_back() {
    check(
        "init 0 2 10 | write 0 2/0 14 15-18:2 | summary 0 | write 0 2/0 4 3-12:2 \
         | write 0 2/0 -7 3-16:4 | read 0 0 | summary 0 | init 0 3 12 | summary 0",
        "snapshot 0 of 0 (epochs 2/0) from 10 [], done
update 0 of 0 (0): 1, done
epochs 2/0 from 14, 3 done
update 0 of 0 (0): 0, done
snapshot 1 of 0 (epochs 2/0) from 14 [14-16:4 17-18:2], done
epoch 2 from 14 [14-16:4 17-18:2]
epochs 2/0 from 14, 3 done
snapshot 2 of 0 (epochs 3/0) from 12 [], done
epochs 3/0 from 12, 0 done",
    );
}

#[test]
fn batches_without_sense_are_passed_over_or_kept_as_they_are() {
    check(
        "init 0 2 0 | write 0 2/0 0 9-5:2 | write 0 2/0 0 2-3:77 | read 0 0 \
         | write 0 2/0 0 5-9223372036854775807:2 | read 0 0",
        "snapshot 0 of 0 (epochs 2/0) from 0 [], done
update 0 of 0 (0): 0, done
update 0 of 0 (0): 1, done
epoch 2 from 0 [2-3:77]
snapshot 1 of 0 (epochs 2/0) from 0 [2-3:77], done
epoch 2 from 0 [2-3:77]",
    );
}

#[test]
fn a_new_initialisation_forgets_its_leader_but_fences_those_before() {
    check(
        "init 0 2 0 | read 0 5 | init 0 3 0 | summary 0 | read 0 4 | read 0 5 | summary 0",
        "snapshot 0 of 0 (epochs 2/0) from 0 [], done
update 0 of 0 (5): 0, epoch 2 from 0 []
snapshot 1 of 0 (epochs 3/0) from 0 [], done
epochs 3/0 from 0, 0 done
FENCED_LEADER_EPOCH
epoch 3 from 0 []
epochs 3/0 from 0, 0 done",
    );
}

#[test]
fn what_is_not_initialised_can_neither_be_read_nor_written() {
    check(
        "read 0 0 | write 0 0/0 0 0-0:2 | summary 0 | delete 0 | init -1 0 0 \
         | unknown topic | init 0 0 0",
        "INVALID_REQUEST
INVALID_REQUEST
epochs 0/0 from -1, -1 done
done
INVALID_REQUEST
so be it
UNKNOWN_TOPIC_OR_PARTITION",
    );
}

#[test]
fn a_share_partition_is_forgotten_by_itself_or_with_its_topic() {
    check(
        "init 0 1 0 | init 1 1 0 | delete 0 | read 0 0 | topic gone | read 1 0",
        "snapshot 0 of 0 (epochs 1/0) from 0 [], done
snapshot 0 of 1 (epochs 1/0) from 0 [], done
0 forgotten, done
INVALID_REQUEST
1 forgotten
INVALID_REQUEST",
    );
}

#[test]
fn what_no_snapshot_needs_is_pruned_and_cold_ones_do_not_hold_it_up() {
    check(
        "init 0 1 0 | init 1 1 0 | write 0 1/0 0 0-0:2 | write 0 1/0 0 1-1:2 | write 0 1/0 0 2-2:2 \
         | wait 300000 | wait 300000 | wait 300000 | wait 300000",
        "snapshot 0 of 0 (epochs 1/0) from 0 [], done
snapshot 0 of 1 (epochs 1/0) from 0 [], done
update 0 of 0 (0): 1, done
update 0 of 0 (0): 1, done
snapshot 1 of 0 (epochs 1/0) from 0 [0-2:2], done
snapshot 2 of 0 (epochs 1/0) from 0 [0-2:2], snapshot 1 of 1 (epochs 1/0) from 0 [], prune to 1
prune to 5
asleep
asleep",
    );
}

#[test]
fn what_is_not_committed_is_taken_back() {
    let mut kit: Kit<ShareStates, ShareReply> = Kit::default();
    let (mut soft, settings) = (Soft::default(), Settings::default());
    let now = Now { steady: Timestamp(0), wall: Timestamp(WALL_MS) };
    let ask = Ask { now, settings: &settings, exists: true, ticket: Ticket(1) };
    let request = initialize_share_group_state_request::PartitionData::default();
    let decided = kit.live().initialize(&mut soft, &ask, &key("0"), &request);
    kit.decide(decided);
    let before = kit.live().clone();
    let decided = kit.live().write(&mut soft, &ask, &key("0"), &write("0/3", "4", "4-9:2"));
    kit.append(decided);
    let decided = kit.live().delete(&mut soft, &ask, &key("0"), &Default::default());
    kit.append(decided);
    let unknown = ShareRecord::Unknown { key: b"\0\x09"[..].into(), value: None };
    kit.append(Decided { records: vec![unknown], ..Decided::default() });
    assert_eq!(kit.rollback().len(), 2);
    assert_eq!(kit.live(), &before);
}
