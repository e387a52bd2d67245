//! Who of a group's members shall have which partitions: one file per assignor, one row each.
//!
//! `range` gives every member a range of each topic; `uniform` gives all members equally many
//! partitions and moves as few as that takes. Neither looks at racks, as in Kafka. Not here: what a
//! member subscribes to (subscription.rs). Must hold: every partition that somebody subscribes to
//! is given to exactly one of those who do.

mod mixed;
mod range;
#[cfg(test)]
mod tests;
mod uniform;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_wire::{StrBytes, Timestamp, TopicId};

use crate::consumer::partitions::Partitions;

/// One member, as assignors see it.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) id: StrBytes,
    pub(crate) instance: Option<StrBytes>,
    /// The topics that it subscribes to; members with the same ones share them.
    pub(crate) topics: Arc<BTreeSet<TopicId>>,
    /// What it had in the last assignment.
    pub(crate) had: Arc<Partitions>,
    /// When it will probably be heard of next, and so when it could get more.
    pub(crate) next_heartbeat: Timestamp,
}

/// A group to be assigned.
#[derive(Debug)]
pub(crate) struct Assignable {
    /// Sorted by id.
    pub(crate) members: Vec<Candidate>,
    /// How many partitions each subscribed topic has.
    pub(crate) partitions: BTreeMap<TopicId, i32>,
}

impl Assignable {
    /// Whether all members subscribe to the same topics.
    fn is_homogeneous(&self) -> bool {
        self.members.windows(2).all(|two| {
            Arc::ptr_eq(&two[0].topics, &two[1].topics) || two[0].topics == two[1].topics
        })
    }

    /// The places of members in the list, those first that will be heard of first. Who takes
    /// over what is free is told of it with its next heartbeat and not before.
    fn by_next_heartbeat(&self) -> Vec<usize> {
        let mut places: Vec<usize> = (0..self.members.len()).collect();
        places.sort_by_key(|at| self.members[*at].next_heartbeat);
        places
    }
}

/// A way to assign; gives what each member shall have, in the order of members.
pub(crate) struct Assignor {
    pub(crate) name: &'static str,
    pub(crate) assign: fn(&Assignable) -> Vec<Partitions>,
}

/// Every assignor that there is.
pub(crate) const ASSIGNORS: &[Assignor] = &[
    Assignor { name: "range", assign: range::assign },
    Assignor { name: "uniform", assign: uniform::assign },
];

/// The assignor of that name.
pub(crate) fn assignor(name: &str) -> Option<&'static Assignor> {
    ASSIGNORS.iter().find(|assignor| assignor.name == name)
}
