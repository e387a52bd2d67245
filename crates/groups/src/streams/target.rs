//! Who shall have which tasks: when a new assignment is due, and what it is.
//!
//! One is due when the group's epoch is ahead of the last one's, but not sooner after that than the
//! assignment interval, and not while a group that was empty waits for more members. Not here: how
//! tasks are shared out (sticky.rs). Must hold: the target of an epoch is written as a whole.

use std::collections::BTreeMap;

use ottla_wire::{StrBytes, Timestamp};

use super::StreamsDraft;
use super::settings::StreamsRules;
use super::state::{Ground, StreamsGroup, target_entry, target_epoch_entry};
use super::sticky::{Assignable, Candidate, assign};
use super::tasks::Tasks;
use super::topology::Configured;

/// Computes new targets; without all topics nobody has anything to do.
pub(crate) fn retarget(draft: &mut StreamsDraft<'_>, configured: &Configured, wall: Timestamp) {
    let group = draft.group();
    let shared_out = match configured.is_ready() {
        true => assign(&assignable(group, configured)),
        false => vec![Tasks::default(); group.members().len()],
    };
    let epoch = group.epochs().epoch();
    let changed = group.members().keys().zip(&shared_out).filter(|(member, target)| {
        group.targets().get(*member).is_none_or(|known| known.as_ref() != *target)
    });
    let entries: Vec<_> = changed.map(|(member, target)| target_entry(member, target)).collect();
    for entry in entries {
        draft.push(entry);
    }
    draft.push(target_epoch_entry(epoch, wall));
}

/// Whether the last assignment is too young for another one.
pub(crate) fn is_too_soon(group: &StreamsGroup, rules: &StreamsRules, wall: Timestamp) -> bool {
    let interval_ms = i64::from(rules.assignment_interval_ms);
    // A clock that was set back must not hold the group up.
    group.epochs().target_at().is_some_and(|at| (0..interval_ms).contains(&(wall - at)))
}

/// What an assignment by these rules goes by, as the group's record tells.
pub(crate) fn configs(rules: &StreamsRules) -> BTreeMap<StrBytes, StrBytes> {
    let standbys = StrBytes::from(rules.num_standby_replicas.to_string());
    BTreeMap::from([(StrBytes::from(STANDBYS), standbys)])
}

fn assignable(group: &StreamsGroup, configured: &Configured) -> Assignable {
    let members = group.members().iter().map(|(id, value)| Candidate {
        id: id.clone(),
        process: value.process_id.clone(),
        had: group.target(id),
    });
    let subtopologies = configured.subtopologies.iter().flatten().map(|(id, subtopology)| {
        (id.clone(), (subtopology.tasks, !subtopology.changelogs.is_empty()))
    });
    Assignable {
        members: members.collect(),
        subtopologies: subtopologies.collect(),
        standbys: standbys(group.ground()),
    }
}

fn standbys(ground: &Ground) -> i32 {
    ground.configs.get(STANDBYS).and_then(|text| text.parse().ok()).unwrap_or(0)
}

const STANDBYS: &str = "num.standby.replicas";
