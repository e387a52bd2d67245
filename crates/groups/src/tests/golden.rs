//! Records in bytes, as Apache Kafka 4.3.1 wrote them.
//!
//! tests/golden/consumer_offsets.txt has keys and values from segments of `__consumer_offsets`.

use bytes::Bytes;
use expect_test::expect;
use ottla_machine::Machine;
use ottla_machine::Ticket;
use ottla_machine::golden::unhex;
use ottla_wire::messages::ConsumerGroupHeartbeatRequest;
use ottla_wire::{
    ErrorCode, MemberEpoch, Offset, PartitionIndex, ProducerId, StrBytes, Timestamp, TopicId, Uuid,
};

use crate::kinds::KindRecord;
use crate::{Ask, ConsumerEntry, GroupRecord, GroupReply, Groups, Now, Settings, Soft, Topics};

fn bytes(hex: &str) -> Bytes {
    Bytes::from(unhex(hex))
}

struct Golden {
    name: &'static str,
    key: Bytes,
    value: Option<Bytes>,
}

fn golden() -> Vec<Golden> {
    let text = include_str!("../../tests/golden/consumer_offsets.txt");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next().expect("a name");
            let key = bytes(words.next().expect("a key"));
            let value = words.next().filter(|value| *value != "-").map(bytes);
            Golden { name, key, value }
        })
        .collect()
}

#[test]
fn what_kafka_wrote_is_read_and_written_back_in_the_same_bytes() {
    for Golden { name, key, value } in golden() {
        let record = GroupRecord::decode(key.clone(), value.clone(), None)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(record.encode(), Some((key, value)), "{name}");
    }
}

#[test]
fn kafkas_commit_is_understood() {
    let mut groups = Groups::default();
    let Golden { key, value, .. } = golden().swap_remove(0);
    let record = GroupRecord::decode(key, value, None).expect("Kafka wrote it");
    groups.replay(Offset(0), &record);
    let committed = groups.committed("sample-group", "sample-zstd", PartitionIndex(0));
    let committed = committed.expect("it was committed");
    assert_eq!((committed.offset, &*committed.metadata), (Offset(42), "some metadata"));
    let id = "8LLhffHCSrqIKm2zXuClqg".parse().expect("from partition.metadata");
    assert_eq!(committed.topic_id, TopicId(id));
}

#[test]
fn offsets_of_a_transaction_count_once_it_is_committed() {
    let Golden { key, value, .. } = golden().swap_remove(1);
    let producer = ProducerId(4);
    let pending = GroupRecord::decode(key, value, Some(producer)).expect("Kafka wrote it");
    let committed = |groups: &Groups| {
        groups
            .committed("sample-group-txn", "sample-none", PartitionIndex(0))
            .map(|committed| committed.offset)
    };
    let mut groups = Groups::default();
    groups.replay(Offset(0), &pending);
    assert_eq!(committed(&groups), None);
    let aborted = GroupRecord::EndTransaction { producer, committed: false };
    let undo = groups.replay(Offset(1), &aborted);
    // The group stays, with nothing in it.
    assert_eq!((committed(&groups), groups.len(), groups.pending.is_empty()), (None, 1, true));
    groups.undo(undo);
    groups.replay(Offset(1), &GroupRecord::EndTransaction { producer, committed: true });
    assert_eq!(committed(&groups), Some(Offset(100)));
}

/// The topic of the captured KIP-848 groups: `t4` with two partitions.
struct T4;

impl T4 {
    fn topic_id() -> TopicId {
        TopicId(Uuid::from_u128(0x203c_fadd_e3d6_40dd_921d_192f_45c5_2424))
    }
}

impl Topics for T4 {
    fn id(&self, name: &str) -> Option<TopicId> {
        (name == "t4").then(T4::topic_id)
    }
    fn name(&self, _: TopicId) -> Option<StrBytes> {
        Some(StrBytes::from("t4"))
    }
    fn has_partition(&self, _: &str, _: PartitionIndex) -> bool {
        true
    }
    fn partition_count(&self, _: TopicId) -> i32 {
        2
    }
    fn racks(&self, _: TopicId, _: PartitionIndex) -> Vec<StrBytes> {
        Vec::new()
    }
    fn each_name(&self, show: &mut dyn FnMut(&str)) {
        show("t4");
    }
    fn version(&self) -> Offset {
        Offset(0)
    }
}

#[test]
fn a_consumer_group_that_kafka_wrote_goes_on_in_its_epoch() {
    let mut groups = Groups::default();
    for (at, Golden { key, value, .. }) in (0..).zip(golden()) {
        let record = GroupRecord::decode(key, value, None).expect("Kafka wrote it");
        groups.replay(Offset(at), &record);
    }
    let (mut soft, settings) = (Soft::default(), Settings::default());
    let now = Now { steady: Timestamp(0), wall: Timestamp(1_900_000_000_000) };
    groups.loaded(&mut soft, now, &settings);
    let ask = Ask {
        now,
        settings: &settings,
        version: 1,
        client_id: "diff",
        client_host: "/127.0.0.1",
        random: [0; 16],
        ticket: Ticket(1),
    };
    let heartbeat = ConsumerGroupHeartbeatRequest {
        group_id: "krx".into(),
        member_id: "a".into(),
        member_epoch: MemberEpoch(2),
        ..Default::default()
    };
    // The regular expression is as old as the capture and is resolved again; nothing else changes,
    // since the hash of the topics is Kafka's.
    let decided = groups.consumer_heartbeat(&mut soft, &ask, &T4, &heartbeat);
    let [GroupRecord::Kind(KindRecord::Consumer(record))] = decided.records.as_slice() else {
        panic!("{decided:?}")
    };
    assert!(matches!(record.entry, ConsumerEntry::Regex(..)), "{record:?}");
    let [(_, GroupReply::ConsumerHeartbeat(told))] = decided.replies.as_slice() else {
        panic!("{decided:?}")
    };
    assert_eq!((told.error_code, told.member_epoch), (ErrorCode::NONE, MemberEpoch(2)));
    // The other two groups are empty: all of their members left.
    let states: Vec<_> = ["krx", "kt", "ks"]
        .into_iter()
        .map(|id| {
            let decided = groups.consumer_describe(&soft, &ask, &T4, &id.into());
            match decided.replies.into_iter().next() {
                Some((_, GroupReply::ConsumerDescribe(group))) => {
                    format!("{} {}", group.group_state, group.group_epoch)
                }
                other => panic!("{other:?}"),
            }
        })
        .collect();
    assert_eq!(states, ["Stable 2", "Empty 5", "Empty 3"]);
}

#[test]
fn every_replay_can_be_taken_back() {
    let mut groups = Groups::default();
    let mut undos = Vec::new();
    let mut before = Vec::new();
    let mut at = Offset(0);
    for round in 0..2 {
        for Golden { key, value, .. } in golden() {
            for producer in [None, Some(ProducerId(7))] {
                let value = value.clone().filter(|_| round == 0);
                let record = GroupRecord::decode(key.clone(), value, producer).expect("golden");
                before.push(groups.clone());
                undos.push(groups.replay(at, &record));
                at = at.next();
            }
        }
        let end = GroupRecord::EndTransaction { producer: ProducerId(7), committed: true };
        before.push(groups.clone());
        undos.push(groups.replay(at, &end));
        at = at.next();
    }
    while let (Some(undo), Some(state)) = (undos.pop(), before.pop()) {
        groups.undo(undo);
        assert_eq!(groups, state);
    }
}

#[test]
fn records_of_other_kinds_are_kept_and_counted() {
    let mut groups = Groups::default();
    // The type that streams groups lost before their first release, and one that does not exist.
    let group = GroupRecord::decode(bytes("0012000467383438"), Some(bytes("00000000000300")), None);
    let unknown = GroupRecord::decode(bytes("7fff01"), Some(bytes("02")), None);
    for (at, record) in [group, unknown].into_iter().enumerate() {
        let record = record.expect("kept as bytes");
        groups.replay(Offset(i64::try_from(at).expect("small")), &record);
        let (key, value) = record.encode().expect("bytes");
        assert!(key.len() > 2 && value.is_some());
    }
    expect![[r#"
        {
            18: 1,
            32767: 1,
        }
    "#]]
    .assert_debug_eq(groups.unserved());
    assert_eq!(groups.len(), 0);
}

#[test]
fn all_versions_of_kafkas_values_are_read() {
    // Group `g`: type consumer, generation 2, protocol range, leader m, one member, in version 0.
    let version_0 = "0000 0008636f6e73756d6572 00000002 000572616e6765 00016d 00000001 00016d \
                     000163 00012f 00002710 00000001aa 00000001bb";
    let value = bytes(&version_0.replace(' ', ""));
    let record = GroupRecord::decode(bytes("0002000167"), Some(value), None).expect("version 0");
    let GroupRecord::GroupMetadata { value: Some(value), .. } = &record else { panic!("a group") };
    assert_eq!((value.generation.0, value.members[0].session_timeout), (2, 10_000));
    // An offset of 5 in version 0, with key version 0.
    let value = bytes("0000000000000000000500000000000000000009");
    let record = GroupRecord::decode(bytes("00000001670001740000000a"), Some(value), None);
    assert!(matches!(record, Ok(GroupRecord::OffsetCommit(commit)) if commit.value.is_some()));
}

#[test]
fn versions_that_do_not_exist_and_torn_records_are_refused() {
    for (key, value) in [
        ("00", None),
        ("", None),
        ("0001000167", None),
        ("0002000167", Some("0005")),
        ("0002000167", Some("00")),
        ("000100016700017400000000", Some("00040000")),
    ] {
        assert!(GroupRecord::decode(bytes(key), value.map(bytes), None).is_err(), "{key}");
    }
}
