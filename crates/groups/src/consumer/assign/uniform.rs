//! `uniform` where all members subscribe to the same topics: everyone gets equally many
//! partitions, and keeps of what it had as many as that allows. What has to move, as after a member
//! has left, goes to who will be heard of first, so that nobody waits for it longer than needed.
//!
//! Members with different topics are for mixed.rs. Must hold: no two members differ by more than
//! one partition.

use std::collections::BTreeSet;

use ottla_wire::{MemberEpoch, PartitionIndex, TopicId};

use crate::consumer::assign::{Assignable, mixed};
use crate::consumer::partitions::Partitions;

pub(super) fn assign(group: &Assignable) -> Vec<Partitions> {
    if !group.is_homogeneous() {
        return mixed::assign(group);
    }
    let Some(first) = group.members.first() else { return Vec::new() };
    let mut free: BTreeSet<(TopicId, PartitionIndex)> = BTreeSet::new();
    for topic in first.topics.iter() {
        let count = group.partitions.get(topic).copied().unwrap_or(0);
        free.extend((0..count).map(|partition| (*topic, PartitionIndex(partition))));
    }
    let members = group.members.len();
    let (quota, mut extra) = (free.len() / members, free.len() % members);
    let mut assigned = vec![Partitions::default(); members];
    let mut wants = vec![quota; members];
    for (at, member) in group.members.iter().enumerate() {
        for (topic, partition, _) in member.had.iter() {
            let has_room = assigned[at].len() < quota || assigned[at].len() == quota && extra > 0;
            if !has_room {
                break;
            }
            if free.remove(&(topic, partition)) {
                if assigned[at].len() == quota {
                    (extra, wants[at]) = (extra - 1, quota + 1);
                }
                assigned[at].insert(topic, partition, MemberEpoch(0));
            }
        }
    }
    let mut free = free.into_iter();
    for at in group.by_next_heartbeat() {
        if wants[at] == quota && extra > 0 {
            (extra, wants[at]) = (extra - 1, quota + 1);
        }
        let missing = wants[at] - assigned[at].len();
        for (topic, partition) in free.by_ref().take(missing) {
            assigned[at].insert(topic, partition, MemberEpoch(0));
        }
    }
    assigned
}
