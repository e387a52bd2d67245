//! Who shall have what: the assignor `simple` of share groups, and when it is asked.
//!
//! Every partition has at least one member, every member about as many partitions: where there are
//! more members than partitions, several share one. What a member has it keeps as far as that fits
//! (SimpleAssignor). Only partitions whose state is initialized are given. Must hold: the target of
//! an epoch is written as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_wire::{PartitionIndex, StrBytes, TopicId};

use super::ShareDraft;
use super::state::{Assigned, ShareGroup, target_entry, target_epoch_entry};
use crate::{Ask, Topics};

type Place = (TopicId, PartitionIndex);

/// Computes new targets if they are due.
pub(super) fn retarget(draft: &mut ShareDraft<'_>, ask: &Ask<'_>, topics: &dyn Topics) {
    let group = draft.group();
    if !group.epochs().is_ahead() {
        return;
    }
    let interval_ms = i64::from(ask.settings.share.times_of(&draft.id).assignment_interval_ms);
    let passed_ms = group.epochs().target_at().map_or(i64::MAX, |at| ask.now.wall - at);
    // A clock that was set back must not hold the group up.
    if (0..interval_ms).contains(&passed_ms) {
        return;
    }
    let targets = targets(group, topics);
    let changed = targets
        .iter()
        .filter(|(member, target)| !group.has_target(member) || group.target(member) != **target);
    let entries: Vec<_> = changed.map(|(member, target)| target_entry(member, target)).collect();
    let epoch = group.epochs().epoch();
    for entry in entries {
        draft.push(entry);
    }
    draft.push(target_epoch_entry(epoch, ask.now.wall));
}

/// Whether the partitions that may be assigned are others than those that are.
pub(super) fn is_pending(group: &ShareGroup, topics: &dyn Topics) -> bool {
    let assigned: BTreeSet<Place> =
        group.members().keys().flat_map(|member| places(&group.target(member))).collect();
    let names = group.names();
    let assignable = names.iter().filter_map(|name| topics.id(name));
    let assignable = assignable.flat_map(|topic| initialized(group, topic, topics));
    assignable.collect::<BTreeSet<Place>>() != assigned
}

/// The partitions of a topic that may be assigned.
fn initialized(group: &ShareGroup, topic: TopicId, topics: &dyn Topics) -> Vec<Place> {
    let all = (0..topics.partition_count(topic)).map(PartitionIndex);
    let done = all.filter(|index| group.states().is_initialized(topic, *index));
    done.map(|index| (topic, index)).collect()
}

fn places(assigned: &Assigned) -> Vec<Place> {
    let topics = assigned.iter();
    topics.flat_map(|(topic, partitions)| partitions.iter().map(|index| (*topic, *index))).collect()
}

/// What each member shall have. Members that subscribe alike share alike among each other.
fn targets(group: &ShareGroup, topics: &dyn Topics) -> BTreeMap<StrBytes, Arc<Assigned>> {
    let mut targets: BTreeMap<StrBytes, Assigned> =
        group.members().keys().map(|member| (member.clone(), Assigned::new())).collect();
    let topics_of = |names: &[StrBytes]| -> BTreeSet<TopicId> {
        names.iter().filter_map(|name| topics.id(name)).collect()
    };
    let mut by_topics: BTreeMap<BTreeSet<TopicId>, Vec<&StrBytes>> = BTreeMap::new();
    for (member, value) in group.members().iter() {
        by_topics.entry(topics_of(&value.subscribed_topic_names)).or_default().push(member);
    }
    let rounds: Vec<(BTreeSet<TopicId>, Vec<&StrBytes>)> = match by_topics.len() {
        1 => by_topics.into_iter().collect(),
        // Otherwise topic by topic, among those who subscribe to it.
        _ => {
            let all: BTreeSet<TopicId> = by_topics.keys().flatten().copied().collect();
            let among = |topic: &TopicId| -> Vec<&StrBytes> {
                let wanting = by_topics.iter().filter(|(topics, _)| topics.contains(topic));
                let mut members: Vec<&StrBytes> =
                    wanting.flat_map(|(_, members)| members.iter().copied()).collect();
                members.sort();
                members
            };
            all.iter().map(|topic| (BTreeSet::from([*topic]), among(topic))).collect()
        }
    };
    for (of_topics, members) in rounds {
        let open: Vec<Place> =
            of_topics.iter().flat_map(|topic| initialized(group, *topic, topics)).collect();
        let had: Vec<BTreeSet<Place>> = members
            .iter()
            .map(|member| places(&group.target(member)).into_iter().collect())
            .collect();
        for (member, given) in members.iter().zip(share_out(&open, &had)) {
            if let Some(target) = targets.get_mut(*member) {
                for (topic, index) in given {
                    target.entry(topic).or_default().insert(index);
                }
            }
        }
    }
    targets.into_iter().map(|(member, target)| (member, Arc::new(target))).collect()
}

/// Shares partitions out among members, by what each of them had.
fn share_out(open: &[Place], had: &[BTreeSet<Place>]) -> Vec<BTreeSet<Place>> {
    let (count, members) = (open.len(), had.len());
    let mut given: Vec<BTreeSet<Place>> = vec![BTreeSet::new(); members];
    if count == 0 || members == 0 {
        return given;
    }
    let sharing = members.div_ceil(count);
    let all = count * sharing;
    // So many for each, which differ by one at most and add up to all.
    let room =
        |member: usize| (all * (member + 1)).div_ceil(members) - (all * member).div_ceil(members);
    let mut holders: BTreeMap<Place, usize> = open.iter().map(|place| (*place, 0)).collect();
    for (member, had) in had.iter().enumerate() {
        for place in had {
            let Some(held) = holders.get_mut(place).filter(|held| **held < sharing) else {
                continue;
            };
            if given[member].len() < room(member) {
                given[member].insert(*place);
                *held += 1;
            }
        }
    }
    for (member, given) in given.iter_mut().enumerate() {
        // Those that nobody has come first.
        while given.len() < room(member) {
            let free = holders
                .iter_mut()
                .filter(|(place, held)| **held < sharing && !given.contains(*place));
            let Some((place, held)) = free.min_by_key(|(place, held)| (**held, **place)) else {
                break;
            };
            given.insert(*place);
            *held += 1;
        }
    }
    // Where only those had room who have it already, somebody gets one more.
    for place in holders.iter().filter(|(_, held)| **held == 0).map(|(place, _)| *place) {
        if let Some(least) = given.iter_mut().min_by_key(|given| given.len()) {
            least.insert(place);
        }
    }
    given
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(count: i32) -> Vec<Place> {
        let topic = TopicId(ottla_wire::Uuid([1; 16]));
        (0..count).map(|index| (topic, PartitionIndex(index))).collect()
    }

    #[test]
    fn every_partition_has_somebody_and_every_member_about_as_many() {
        for partitions in 1..12 {
            for members in 1..12 {
                let open = open(partitions);
                let given = share_out(&open, &vec![BTreeSet::new(); members]);
                for place in &open {
                    let holders = given.iter().filter(|given| given.contains(place)).count();
                    assert!(holders > 0, "{place:?} of {partitions} among {members}");
                }
                let least = given.iter().map(BTreeSet::len).min().unwrap();
                let most = given.iter().map(BTreeSet::len).max().unwrap();
                assert!(most - least <= 1, "{partitions} among {members}: {least} to {most}");
            }
        }
    }

    #[test]
    fn what_a_member_has_it_keeps() {
        let open = open(6);
        let alone = share_out(&open, &[BTreeSet::new()]);
        let both = share_out(&open, &[alone[0].clone(), BTreeSet::new()]);
        assert!(both[0].is_subset(&alone[0]) && both[0].len() == 3 && both[1].len() == 3);
        assert_eq!(share_out(&open, &both), both);
    }
}
