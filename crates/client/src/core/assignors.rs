//! Who of a group gets which partitions: decided by the member that leads it.
//!
//! `range`: each topic by itself, in consecutive runs. `roundrobin`: all partitions dealt one by
//! one. `cooperative-sticky`: balanced, moving as little as possible, and giving a partition that
//! another member still has only once that one has let it go (KIP-429). Must hold: every
//! partition has at most one owner, who subscribes to its topic.

use std::collections::{BTreeMap, BTreeSet};

use ottla_wire::{PartitionIndex, StrBytes};

use crate::core::cluster::TopicPartition;

/// A way to assign.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Assignor {
    /// Runs within each topic.
    Range,
    /// One by one.
    RoundRobin,
    /// As little movement as possible.
    CooperativeSticky,
}

/// A member, as the leader sees it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Member {
    /// Its id.
    pub id: StrBytes,
    /// The id that it keeps over restarts, if it has one.
    pub instance_id: Option<StrBytes>,
    /// What it subscribes to.
    pub topics: BTreeSet<StrBytes>,
    /// What it has.
    pub owned: BTreeSet<TopicPartition>,
    /// Since which generation it has it.
    pub generation: i32,
}

/// The partitions of each member.
pub type Assignment = BTreeMap<StrBytes, BTreeSet<TopicPartition>>;

/// The assignors, by the name in the protocol and Apache Kafka's class.
const NAMES: [(Assignor, &str, &str); 3] = [
    (Assignor::Range, "range", "RangeAssignor"),
    (Assignor::RoundRobin, "roundrobin", "RoundRobinAssignor"),
    (Assignor::CooperativeSticky, "cooperative-sticky", "CooperativeStickyAssignor"),
];

impl Assignor {
    /// The assignor of this name, or with this Java class.
    pub fn from_name(name: &str) -> Option<Assignor> {
        let class = name.strip_prefix("org.apache.kafka.clients.consumer.").unwrap_or(name);
        let row = NAMES.iter().find(|(_, short, long)| name == *short || class == *long);
        row.map(|(assignor, ..)| *assignor)
    }

    /// Its name in the protocol.
    pub fn name(self) -> &'static str {
        let row = NAMES.iter().find(|(assignor, ..)| *assignor == self);
        row.map(|(_, name, _)| *name).expect("every assignor has a row")
    }

    /// Assigns the partitions of topics (with the count of each) to members.
    pub fn assign(self, members: &[Member], topics: &BTreeMap<StrBytes, i32>) -> Assignment {
        let mut members: Vec<&Member> = members.iter().collect();
        // Static members first, so that they keep their place when others come and go.
        members.sort_by_key(|member| {
            (member.instance_id.is_none(), member.instance_id.clone(), member.id.clone())
        });
        let mut assignment: Assignment =
            members.iter().map(|member| (member.id.clone(), BTreeSet::new())).collect();
        match self {
            Assignor::Range => range(&members, topics, &mut assignment),
            Assignor::RoundRobin => round_robin(&members, topics, &mut assignment),
            Assignor::CooperativeSticky => {
                sticky(&members, topics, &mut assignment);
                withhold(&members, &mut assignment);
            }
        }
        assignment
    }
}

fn give(assignment: &mut Assignment, member: &StrBytes, of: TopicPartition) {
    assignment.entry(member.clone()).or_default().insert(of);
}

fn partitions(topics: &BTreeMap<StrBytes, i32>) -> impl Iterator<Item = TopicPartition> {
    topics.iter().flat_map(|(topic, count)| {
        (0..*count).map(|partition| TopicPartition {
            topic: topic.clone(),
            partition: PartitionIndex(partition),
        })
    })
}

fn range(members: &[&Member], topics: &BTreeMap<StrBytes, i32>, assignment: &mut Assignment) {
    for (topic, count) in topics {
        let takers: Vec<_> = members.iter().filter(|one| one.topics.contains(topic)).collect();
        let Ok(many) = i32::try_from(takers.len()) else { continue };
        let mut next = 0;
        for (place, taker) in (0..many).zip(takers) {
            let run = count / many + i32::from(place < count % many);
            for partition in next..next + run {
                let partition = PartitionIndex(partition);
                give(assignment, &taker.id, TopicPartition { topic: topic.clone(), partition });
            }
            next += run;
        }
    }
}

fn round_robin(members: &[&Member], topics: &BTreeMap<StrBytes, i32>, assignment: &mut Assignment) {
    let mut turn = 0;
    for of in partitions(topics) {
        let from_turn = members.iter().enumerate().cycle().skip(turn).take(members.len());
        let mut takers = from_turn.filter(|(_, one)| one.topics.contains(&of.topic));
        if let Some((place, taker)) = takers.next() {
            turn = place + 1;
            give(assignment, &taker.id, of);
        }
    }
}

fn sticky(members: &[&Member], topics: &BTreeMap<StrBytes, i32>, assignment: &mut Assignment) {
    let mut free: BTreeSet<TopicPartition> = partitions(topics).collect();
    // Of two that claim a partition, the one of the later generation has it.
    let mut claimants = members.to_vec();
    claimants.sort_by_key(|member| std::cmp::Reverse(member.generation));
    for member in claimants {
        for of in member.owned.iter().filter(|of| member.topics.contains(&of.topic)) {
            if free.remove(of) {
                give(assignment, &member.id, of.clone());
            }
        }
    }
    for of in free {
        let takers = members.iter().filter(|member| member.topics.contains(&of.topic));
        if let Some(least) = takers.min_by_key(|member| assignment[&member.id].len()) {
            give(assignment, &least.id, of);
        }
    }
    while let Some((from, to, of)) = imbalance(members, assignment) {
        if let Some(partitions) = assignment.get_mut(&from) {
            partitions.remove(&of);
        }
        give(assignment, &to, of);
    }
}

/// A partition to move from a member that has two more than another that could have it.
fn imbalance(
    members: &[&Member],
    assignment: &Assignment,
) -> Option<(StrBytes, StrBytes, TopicPartition)> {
    let mut by_load: Vec<_> =
        members.iter().map(|member| (assignment[&member.id].len(), *member)).collect();
    by_load.sort_by_key(|(load, _)| *load);
    for (most, from) in by_load.iter().rev() {
        for (least, to) in &by_load {
            if least + 2 > *most {
                break;
            }
            let movable = |of: &&TopicPartition| to.topics.contains(&of.topic);
            // What came last goes first: it is the least likely to be warm.
            if let Some(of) = assignment[&from.id].iter().rev().find(movable) {
                return Some((from.id.clone(), to.id.clone(), of.clone()));
            }
        }
    }
    None
}

/// Leaves out what another member still has.
fn withhold(members: &[&Member], assignment: &mut Assignment) {
    for (id, partitions) in assignment.iter_mut() {
        partitions.retain(|of| {
            members.iter().all(|other| other.id == *id || !other.owned.contains(of))
                || members.iter().any(|own| own.id == *id && own.owned.contains(of))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Members as `name:topics:owned`, separated by spaces; topics as `a3 b2`.
    fn check(assignor: Assignor, members: &str, topics: &str, expected: &str) {
        let members: Vec<Member> = members.split_whitespace().map(member).collect();
        let topics = topics
            .split_whitespace()
            .map(|topic| (StrBytes::copied(&topic[..1]), topic[1..].parse().unwrap()));
        let assignment = assignor.assign(&members, &topics.collect());
        let shown = assignment.iter().map(|(member, partitions)| {
            let partitions: Vec<_> =
                partitions.iter().map(|of| format!("{}{}", of.topic, of.partition)).collect();
            format!("{member}:{}", partitions.join(","))
        });
        assert_eq!(shown.collect::<Vec<_>>().join(" "), expected);
    }

    fn member(text: &str) -> Member {
        let mut parts = text.split(':');
        let id = StrBytes::copied(parts.next().unwrap());
        let topics =
            parts.next().unwrap().chars().map(|topic| StrBytes::copied(&topic.to_string()));
        let owned = parts.next().unwrap_or("").split(',').filter(|of| !of.is_empty());
        let owned = owned.map(|of| TopicPartition::new(&of[..1], of[1..].parse().unwrap()));
        Member { id, topics: topics.collect(), owned: owned.collect(), ..Member::default() }
    }

    #[test]
    fn range_gives_runs_of_each_topic() {
        check(Assignor::Range, "x:ab y:ab", "a3 b3", "x:a0,a1,b0,b1 y:a2,b2");
        check(Assignor::Range, "x:a y:ab", "a2 b2", "x:a0 y:a1,b0,b1");
        check(Assignor::Range, "x:a y:a z:a", "a2", "x:a0 y:a1 z:");
    }

    #[test]
    fn round_robin_deals_all_partitions_one_by_one() {
        check(Assignor::RoundRobin, "x:ab y:ab", "a3 b3", "x:a0,a2,b1 y:a1,b0,b2");
        check(Assignor::RoundRobin, "x:a y:ab", "a2 b2", "x:a0 y:a1,b0,b1");
    }

    #[test]
    fn sticky_moves_as_little_as_balance_allows_and_withholds_what_is_still_owned() {
        let sticky = Assignor::CooperativeSticky;
        check(sticky, "x:a y:a", "a4", "x:a0,a2 y:a1,a3");
        check(sticky, "x:a:a0,a1,a2,a3 y:a", "a4", "x:a0,a1 y:");
        check(sticky, "x:a:a0,a1 y:a", "a4", "x:a0,a1 y:a2,a3");
        check(sticky, "x:a:a0,a1 y:a:a2 z:a", "a4", "x:a0,a1 y:a2 z:a3");
    }

    #[test]
    fn assignors_are_known_by_name_and_by_class() {
        for (assignor, name, class) in NAMES {
            assert_eq!(Assignor::from_name(name), Some(assignor));
            let class = format!("org.apache.kafka.clients.consumer.{class}");
            assert_eq!(Assignor::from_name(&class), Some(assignor));
            assert_eq!(assignor.name(), name);
        }
        assert_eq!(Assignor::from_name("sticky"), None);
    }
}
