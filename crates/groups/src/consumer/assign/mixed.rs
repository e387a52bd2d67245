//! `uniform` where members subscribe to different topics.
//!
//! Everyone keeps what it had, what is free goes to who has least, and then partitions move along
//! chains of members, from one that has more to one that has at least two less, the shortest chain
//! first, until there is none: then no assignment is more balanced. Must hold: each move makes the
//! assignment more balanced, so that it ends.

use std::collections::{BTreeMap, BTreeSet};

use ottla_wire::{MemberEpoch, PartitionIndex, TopicId};

use crate::consumer::assign::Assignable;
use crate::consumer::partitions::Partitions;

/// What is where while it is being shared out; members are places in the group's list.
struct Sharing<'a> {
    group: &'a Assignable,
    subscribers: BTreeMap<TopicId, Vec<usize>>,
    has: Vec<BTreeMap<TopicId, BTreeSet<PartitionIndex>>>,
    loads: Vec<usize>,
    /// Of equals, who comes first.
    turns: Vec<usize>,
}

pub(super) fn assign(group: &Assignable) -> Vec<Partitions> {
    let mut sharing = Sharing::of(group);
    let free = sharing.keep();
    sharing.share_out(free);
    while sharing.improve() {}
    let members = sharing.has.iter().map(|topics| {
        let places = topics.iter().flat_map(|(topic, partitions)| {
            partitions.iter().map(|partition| (*topic, *partition, MemberEpoch(0)))
        });
        places.collect()
    });
    members.collect()
}

impl<'a> Sharing<'a> {
    fn of(group: &'a Assignable) -> Self {
        let mut subscribers: BTreeMap<TopicId, Vec<usize>> = BTreeMap::new();
        for (at, member) in group.members.iter().enumerate() {
            for topic in member.topics.iter() {
                subscribers.entry(*topic).or_default().push(at);
            }
        }
        let members = group.members.len();
        let mut turns = vec![0; members];
        for (turn, at) in group.by_next_heartbeat().into_iter().enumerate() {
            turns[at] = turn;
        }
        let (has, loads) = (vec![BTreeMap::new(); members], vec![0; members]);
        Sharing { group, subscribers, has, loads, turns }
    }

    /// Leaves with everyone what it had and still wants; gives what is left.
    fn keep(&mut self) -> Vec<(TopicId, PartitionIndex)> {
        let mut free = BTreeSet::new();
        for topic in self.subscribers.keys() {
            let count = self.group.partitions.get(topic).copied().unwrap_or(0);
            free.extend((0..count).map(|partition| (*topic, PartitionIndex(partition))));
        }
        for (at, member) in self.group.members.iter().enumerate() {
            for (topic, partition, _) in member.had.iter() {
                if member.topics.contains(&topic) && free.remove(&(topic, partition)) {
                    self.give(at, topic, partition);
                }
            }
        }
        free.into_iter().collect()
    }

    /// Gives what is free to who has least, the topics with the fewest subscribers first.
    fn share_out(&mut self, mut free: Vec<(TopicId, PartitionIndex)>) {
        free.sort_by_key(|(topic, partition)| {
            (self.subscribers.get(topic).map_or(0, Vec::len), *topic, *partition)
        });
        let mut queue: BTreeSet<(usize, usize, usize)> = BTreeSet::new();
        let mut queued = None;
        for (topic, partition) in free {
            if queued != Some(topic) {
                let subscribers = self.subscribers.get(&topic).into_iter().flatten();
                queue = subscribers.map(|at| (self.loads[*at], self.turns[*at], *at)).collect();
                queued = Some(topic);
            }
            let Some((load, turn, at)) = queue.pop_first() else { continue };
            self.give(at, topic, partition);
            queue.insert((load + 1, turn, at));
        }
    }

    fn give(&mut self, at: usize, topic: TopicId, partition: PartitionIndex) {
        self.has[at].entry(topic).or_default().insert(partition);
        self.loads[at] += 1;
    }

    /// Moves one partition per link of the first chain that makes the assignment more balanced.
    fn improve(&mut self) -> bool {
        let mut order: Vec<usize> = (0..self.loads.len()).collect();
        order.sort_by_key(|at| std::cmp::Reverse(self.loads[*at]));
        let least = self.loads.iter().min().copied().unwrap_or(0);
        // From whoever has been reached without success nobody can be relieved either, as long as
        // loads fall: what it reaches was reached before.
        let mut seen = vec![false; self.loads.len()];
        for from in order {
            if self.loads[from] < least + 2 {
                return false;
            }
            if let Some(chain) = self.chain(from, &mut seen) {
                self.pass_on(&chain);
                return true;
            }
        }
        false
    }

    /// The shortest chain from a member to one with at least two partitions less, of those to the
    /// one with the fewest: each link says who gives a partition of which topic to whom.
    fn chain(&self, from: usize, seen: &mut [bool]) -> Option<Vec<(usize, TopicId, usize)>> {
        let mut came: BTreeMap<usize, (usize, TopicId)> = BTreeMap::new();
        let mut topics_seen = BTreeSet::new();
        let mut reached = vec![from];
        seen[from] = true;
        while !reached.is_empty() {
            let mut next = Vec::new();
            for at in reached {
                let topics = self.has[at].keys().filter(|topic| topics_seen.insert(**topic));
                for topic in topics {
                    for to in self.subscribers.get(topic).into_iter().flatten() {
                        if !std::mem::replace(&mut seen[*to], true) {
                            came.insert(*to, (at, *topic));
                            next.push(*to);
                        }
                    }
                }
            }
            let least = next.iter().min_by_key(|to| self.loads[**to]);
            if let Some(to) = least.filter(|to| self.loads[**to] + 2 <= self.loads[from]) {
                return Some(links(&came, from, *to));
            }
            reached = next;
        }
        None
    }

    fn pass_on(&mut self, chain: &[(usize, TopicId, usize)]) {
        for (from, topic, to) in chain {
            let had = &self.group.members[*from].had;
            let Some(partitions) = self.has[*from].get_mut(topic) else { continue };
            // What it did not have before costs nobody anything.
            let new = partitions.iter().find(|partition| !had.contains(*topic, **partition));
            let Some(partition) = new.or(partitions.last()).copied() else { continue };
            partitions.remove(&partition);
            if partitions.is_empty() {
                self.has[*from].remove(topic);
            }
            self.loads[*from] -= 1;
            self.give(*to, *topic, partition);
        }
    }
}

/// The way by which `to` was reached, from its end: nobody gives what it has yet to be given.
fn links(
    came: &BTreeMap<usize, (usize, TopicId)>,
    from: usize,
    to: usize,
) -> Vec<(usize, TopicId, usize)> {
    let mut chain = Vec::new();
    let mut at = to;
    while at != from {
        let Some((giver, topic)) = came.get(&at) else { break };
        chain.push((*giver, *topic, at));
        at = *giver;
    }
    chain
}
