//! What assignors promise, and what Kafka's give to the same groups.
//!
//! tests/golden/assignors.txt is what `java Assign` of conform/golden printed with Kafka 4.3.1:
//! groups in pairs, of which the second begins with what the first was given.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_wire::{MemberEpoch, PartitionIndex, StrBytes, Timestamp, TopicId, Uuid};

use super::{Assignable, Candidate, assignor};
use crate::consumer::partitions::Partitions;

/// A line of the captured ones: a group, and what Kafka's assignor gave to its members.
struct Case {
    assignor: &'static str,
    group: Assignable,
    kafka: Vec<Partitions>,
}

fn topic(text: &str) -> TopicId {
    TopicId(Uuid::from_u128(text.parse().expect("a number")))
}

fn partitions(text: &str) -> Partitions {
    let places = text.split_whitespace().map(|place| {
        let (name, partition) = place.split_once(':').expect("topic:partition");
        let partition = PartitionIndex(partition.parse().expect("a number"));
        (topic(name), partition, MemberEpoch(0))
    });
    places.collect()
}

fn cases() -> impl Iterator<Item = Case> {
    let text = include_str!("../../../tests/golden/assignors.txt");
    text.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let mut parts = line.split(';');
        let mut part = || parts.next().expect("three parts");
        let assignor = part();
        let counts = part().split(',').map(|topic_of| {
            let (name, count) = topic_of.split_once('=').expect("topic=partitions");
            (topic(name), count.parse().expect("a number"))
        });
        let counts: BTreeMap<TopicId, i32> = counts.collect();
        let (mut members, mut kafka) = (Vec::new(), Vec::new());
        for member in part().split(',') {
            let words: Vec<&str> = member.split('/').collect();
            let (id, instance) = words[0].split_once('@').expect("member@instance");
            let wanted = words[1].split('+').filter(|name| !name.is_empty()).map(topic);
            members.push(Candidate {
                next_heartbeat: Timestamp(0),
                id: StrBytes::copied(id),
                instance: (!instance.is_empty()).then(|| StrBytes::copied(instance)),
                topics: Arc::new(wanted.collect()),
                had: Arc::new(partitions(words[2])),
            });
            kafka.push(partitions(words[3]));
        }
        let group = Assignable { members, partitions: counts };
        Case { assignor, group, kafka }
    })
}

fn ours(case: &Case) -> Vec<Partitions> {
    (assignor(case.assignor).expect("an assignor of Kafka's").assign)(&case.group)
}

/// How many partitions the members have, the busiest first.
fn loads(assigned: &[Partitions]) -> Vec<usize> {
    let mut loads: Vec<usize> = assigned.iter().map(Partitions::len).collect();
    loads.sort_unstable_by(|a, b| b.cmp(a));
    loads
}

/// How many partitions have another owner than before.
fn moves(group: &Assignable, assigned: &[Partitions]) -> usize {
    let members = group.members.iter().zip(assigned);
    let lost = members.map(|(member, assigned)| {
        let had = member.had.iter();
        had.filter(|(topic, index, _)| !assigned.contains(*topic, *index)).count()
    });
    lost.sum()
}

#[test]
fn range_gives_what_kafkas_gives() {
    for case in cases().filter(|case| case.assignor == "range") {
        assert_eq!(ours(&case), case.kafka, "{:?}", case.group);
    }
}

#[test]
fn uniform_is_as_balanced_as_kafkas_and_moves_no_more() {
    let (mut moves_here, mut moves_there) = (0, 0);
    for case in cases().filter(|case| case.assignor == "uniform") {
        let (ours, kafkas) = (ours(&case), &case.kafka);
        let (loads_here, loads_there) = (loads(&ours), loads(kafkas));
        let squares = |loads: &[usize]| loads.iter().map(|load| load * load).sum::<usize>();
        assert!(squares(&loads_here) <= squares(&loads_there), "{loads_here:?} {:?}", case.group);
        let (here, there) = (moves(&case.group, &ours), moves(&case.group, kafkas));
        if case.group.is_homogeneous() {
            assert!(here <= there, "{here} > {there} {:?}", case.group);
        }
        // What is more balanced may have to move more.
        if loads_here == loads_there {
            (moves_here, moves_there) = (moves_here + here, moves_there + there);
        }
    }
    // Where members subscribe to different topics neither finds the fewest moves that there are.
    assert!(moves_here * 20 <= moves_there * 21, "{moves_here} > {moves_there}");
}

#[test]
fn every_partition_goes_to_one_of_its_subscribers() {
    for case in cases() {
        let mut seen = BTreeSet::new();
        for (member, assigned) in case.group.members.iter().zip(ours(&case)) {
            for (topic, partition, _) in assigned.iter() {
                assert!(member.topics.contains(&topic));
                assert!(seen.insert((topic, partition)), "given twice");
            }
        }
        let wanted: BTreeSet<TopicId> =
            case.group.members.iter().flat_map(|member| member.topics.iter().copied()).collect();
        let count: i32 = wanted.iter().map(|topic| case.group.partitions[topic]).sum();
        assert_eq!(seen.len(), usize::try_from(count).expect("small"));
    }
}

#[test]
fn uniform_finds_a_chain_where_no_single_move_helps() {
    // a has three of t, b two of u, c one of v; a and b share t, b and c share u.
    let candidate = |id: &str, topics: &[&str], had: &str| Candidate {
        next_heartbeat: Timestamp(0),
        id: StrBytes::copied(id),
        instance: None,
        topics: Arc::new(topics.iter().map(|name| topic(name)).collect()),
        had: Arc::new(partitions(had)),
    };
    let group = Assignable {
        members: vec![
            candidate("a", &["1"], "1:0 1:1 1:2"),
            candidate("b", &["1", "2"], "2:0 2:1"),
            candidate("c", &["2", "3"], "3:0"),
        ],
        partitions: BTreeMap::from([(topic("1"), 3), (topic("2"), 2), (topic("3"), 1)]),
    };
    let assigned = (assignor("uniform").expect("there").assign)(&group);
    assert_eq!(loads(&assigned), [2, 2, 2]);
    assert_eq!(moves(&group, &assigned), 2);
}
