//! What the sticky assignor promises, and what Kafka's gives to the same groups.
//!
//! tests/golden/tasks.txt is what conform/golden/kafka-4.3 printed by the classes of Kafka: groups
//! in pairs, of which the second begins with what the first was given.

use std::collections::BTreeSet;
use std::sync::Arc;

use ottla_wire::{MemberEpoch, StrBytes};

use super::world::task;
use crate::streams::sticky::{Assignable, Candidate, assign};
use crate::streams::tasks::{TaskId, Tasks};

/// A line of the captured ones: a group, and what Kafka's assignor gave to its members.
struct Case {
    line: &'static str,
    group: Assignable,
    kafka: Vec<Tasks>,
}

fn tasks(active: &str, standby: &str) -> Tasks {
    let read = |text: &str| -> Vec<TaskId> { text.split_whitespace().map(task).collect() };
    Tasks {
        active: read(active).into_iter().map(|task| (task, MemberEpoch(0))).collect(),
        standby: read(standby).into_iter().collect(),
        ..Tasks::default()
    }
}

fn cases() -> impl Iterator<Item = Case> {
    let text = include_str!("../../../tests/golden/tasks.txt");
    text.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let parts: Vec<&str> = line.split(';').collect();
        let [standbys, sizes, told] = parts[..] else { panic!("three parts: {line}") };
        let subtopologies = sizes.split(',').map(|size| {
            let (id, count) = size.split_once('=').expect("subtopology=tasks");
            let state = count.ends_with('s');
            let count = count.trim_end_matches('s').parse().expect("a number");
            (StrBytes::copied(id), (count, state))
        });
        let (mut members, mut kafka) = (Vec::new(), Vec::new());
        for member in told.split(',') {
            let words: Vec<&str> = member.split('/').collect();
            let (id, process) = words[0].split_once('@').expect("member@process");
            let (id, process) = (StrBytes::copied(id), StrBytes::copied(process));
            members.push(Candidate { id, process, had: Arc::new(tasks(words[1], words[2])) });
            kafka.push(tasks(words[3], words[4]));
        }
        let standbys = standbys.parse().expect("a number");
        let subtopologies = subtopologies.collect();
        Case { line, group: Assignable { members, subtopologies, standbys }, kafka }
    })
}

fn ours() -> impl Iterator<Item = (Case, Vec<Tasks>)> {
    cases().map(|case| {
        let given = assign(&case.group);
        (case, given)
    })
}

#[test]
fn every_task_is_active_exactly_once_and_copied_at_most_once_in_a_process() {
    for (Case { line, group, .. }, given) in ours() {
        let mut active = BTreeSet::new();
        let mut seen = BTreeSet::new();
        for (member, tasks) in group.members.iter().zip(&given) {
            for task in tasks.active.keys() {
                assert!(active.insert(task), "{task:?} is active twice: {line}");
                assert!(seen.insert((&member.process, task)), "{task:?} is copied beside: {line}");
            }
            for task in &tasks.standby {
                assert!(seen.insert((&member.process, task)), "{task:?} is copied beside: {line}");
            }
        }
        let count: i32 = group.subtopologies.values().map(|(count, _)| count).sum();
        assert_eq!(i32::try_from(active.len()), Ok(count), "{line}");
    }
}

#[test]
fn every_group_is_given_what_kafka_gives_it() {
    for (Case { line, kafka, .. }, given) in ours() {
        assert_eq!(given, kafka, "{line}");
    }
}
