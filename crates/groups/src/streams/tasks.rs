//! Tasks of a streams application: what its members run, keep copies of, or warm up.
//!
//! A task is one partition of a sub-topology. Only active tasks carry the epoch in which they were
//! assigned, by which commits of older epochs are judged. Must hold: a target carries none.

use std::collections::{BTreeMap, BTreeSet};

use ottla_wire::{MemberEpoch, PartitionIndex, StrBytes};

/// One task.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TaskId {
    pub(crate) subtopology: StrBytes,
    pub(crate) partition: PartitionIndex,
}

/// The tasks that a member has or shall have.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tasks {
    pub(crate) active: BTreeMap<TaskId, MemberEpoch>,
    pub(crate) standby: BTreeSet<TaskId>,
    pub(crate) warmup: BTreeSet<TaskId>,
}

impl Tasks {
    pub(crate) fn is_empty(&self) -> bool {
        self.active.is_empty() && self.standby.is_empty() && self.warmup.is_empty()
    }

    /// Whether one of the others is in here in the same role.
    pub(crate) fn contains_any(&self, others: &Tasks) -> bool {
        others.active.keys().any(|task| self.active.contains_key(task))
            || !self.standby.is_disjoint(&others.standby)
            || !self.warmup.is_disjoint(&others.warmup)
    }

    /// Whether all of the others are in here in the same role.
    pub(crate) fn contains_all(&self, others: &Tasks) -> bool {
        others.active.keys().all(|task| self.active.contains_key(task))
            && others.standby.is_subset(&self.standby)
            && others.warmup.is_subset(&self.warmup)
    }
}

/// Tasks from a list by sub-topology, as messages and records have them.
pub(crate) fn tasks_of<'a>(
    lists: impl IntoIterator<Item = (&'a StrBytes, &'a [PartitionIndex])>,
) -> impl Iterator<Item = TaskId> {
    lists.into_iter().flat_map(|(subtopology, partitions)| {
        let subtopology = StrBytes::copied(subtopology);
        let partitions = partitions.iter();
        partitions.map(move |partition| TaskId {
            subtopology: subtopology.clone(),
            partition: *partition,
        })
    })
}

/// Tasks as a list by sub-topology, sorted.
pub(crate) fn lists_of<'a, T>(
    tasks: impl IntoIterator<Item = &'a TaskId>,
    list: impl Fn(StrBytes, Vec<PartitionIndex>) -> T,
) -> Vec<T> {
    let mut lists: Vec<(StrBytes, Vec<PartitionIndex>)> = Vec::new();
    for task in tasks {
        match lists.last_mut().filter(|(id, _)| *id == task.subtopology) {
            Some((_, partitions)) => partitions.push(task.partition),
            None => lists.push((task.subtopology.clone(), vec![task.partition])),
        }
    }
    lists.into_iter().map(|(id, partitions)| list(id, partitions)).collect()
}
