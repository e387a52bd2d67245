//! `range`: of each topic every subscriber gets a range, the first ones one more.
//!
//! Members come in the order of their instance ids, then of their ids, so that topics of equally
//! many partitions and subscribers are cut at the same places, and a static member keeps its place
//! when its member id changes.

use std::collections::BTreeMap;

use ottla_wire::{MemberEpoch, PartitionIndex};

use crate::consumer::assign::{Assignable, Candidate};
use crate::consumer::partitions::Partitions;

pub(super) fn assign(group: &Assignable) -> Vec<Partitions> {
    let mut order: Vec<usize> = (0..group.members.len()).collect();
    order.sort_by_key(|at| place(&group.members[*at]));
    let mut subscribers: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for at in order {
        for topic in group.members[at].topics.iter() {
            subscribers.entry(*topic).or_default().push(at);
        }
    }
    let mut assigned = vec![Partitions::default(); group.members.len()];
    for (topic, members) in subscribers {
        let count = group.partitions.get(&topic).copied().unwrap_or(0);
        let shares = i32::try_from(members.len()).unwrap_or(i32::MAX);
        let (quota, mut extra) = (count / shares, count % shares);
        let mut next = 0;
        for at in members {
            let end = (next + quota + i32::from(extra > 0)).min(count);
            extra -= 1;
            for partition in next..end {
                assigned[at].insert(topic, PartitionIndex(partition), MemberEpoch(0));
            }
            next = end;
        }
    }
    assigned
}

/// Static members first, by instance id; then the others by member id.
fn place(member: &Candidate) -> (bool, &str) {
    match &member.instance {
        Some(instance) => (false, instance),
        None => (true, &member.id),
    }
}
