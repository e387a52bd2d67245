//! When the members of a share group get new targets, and what the assignor is told of the group.
//!
//! Only partitions whose state is initialized are given. Not here: who shall have what (simple.rs).
//! Must hold: the target of an epoch is written as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_wire::{PartitionIndex, StrBytes, TopicId};

use super::ShareDraft;
use super::simple::{Candidate, Place, assign};
use super::state::{Assigned, ShareGroup, target_entry, target_epoch_entry};
use crate::{Ask, Topics};

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

/// What each member shall have.
fn targets(group: &ShareGroup, topics: &dyn Topics) -> BTreeMap<StrBytes, Arc<Assigned>> {
    let members = group.members().iter().map(|(member, value)| {
        let names = value.subscribed_topic_names.iter();
        Candidate {
            topics: names.filter_map(|name| topics.id(name)).collect(),
            had: places(&group.target(member)).into_iter().collect(),
        }
    });
    let members: Vec<Candidate> = members.collect();
    let given = assign(&members, &|topic| initialized(group, topic, topics));
    let ids = group.members().keys().cloned();
    let targets = ids.zip(given).map(|(member, given)| {
        let mut target = Assigned::new();
        for (topic, index) in given {
            target.entry(topic).or_default().insert(index);
        }
        (member, Arc::new(target))
    });
    targets.collect()
}
