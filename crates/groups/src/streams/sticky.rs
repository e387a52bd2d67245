//! The `sticky` assignor: tasks stay where they were as far as members share them equally.
//!
//! Active tasks go to who had them, else to who had a copy, else to the least busy process; copies
//! then likewise, never two of one task in a process. A member's share shrinks as others fill up
//! theirs (Kafka's StickyTaskAssignor, but for the order of equally busy ones, which is by id here
//! and by a hash there). Must hold: every task is active exactly once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_wire::{MemberEpoch, PartitionIndex, StrBytes};

use super::tasks::{TaskId, Tasks};

/// One member, as the assignor sees it.
#[derive(Debug)]
pub(crate) struct Candidate {
    /// Where it runs: copies of one task are worth nothing in one process.
    pub(crate) process: StrBytes,
    /// What it had in the last assignment.
    pub(crate) had: Arc<Tasks>,
}

/// A group to be assigned.
#[derive(Debug)]
pub(crate) struct Assignable {
    /// Sorted by id, which decides between equals.
    pub(crate) members: Vec<Candidate>,
    /// How many tasks each sub-topology has, and whether they have state.
    pub(crate) subtopologies: BTreeMap<StrBytes, (i32, bool)>,
    /// How many copies of each task with state there shall be.
    pub(crate) standbys: i32,
}

/// What each member shall have, in the order of members.
pub(crate) fn assign(group: &Assignable) -> Vec<Tasks> {
    let mut work = Work::of(group);
    if group.members.is_empty() {
        return Vec::new();
    }
    work.assign_active(tasks_of(group, false));
    if group.standbys > 0 {
        work.assign_standby(tasks_of(group, true), group.standbys);
    }
    work.given
}

fn tasks_of(group: &Assignable, with_state: bool) -> Vec<TaskId> {
    let subtopologies = group.subtopologies.iter().filter(|(_, (_, state))| !with_state || *state);
    let tasks = subtopologies.flat_map(|(id, (count, _))| {
        let of =
            |partition| TaskId { subtopology: id.clone(), partition: PartitionIndex(partition) };
        (0..*count).map(of)
    });
    tasks.collect()
}

/// A member by its place in the list.
type MemberAt = usize;

struct Process {
    members: Vec<MemberAt>,
    tasks: BTreeSet<TaskId>,
    /// With every copy that a member of it has.
    count: usize,
}

impl Process {
    /// Whether it has less to do for each of its members than the other one.
    fn is_less_busy(&self, other: &Process) -> bool {
        self.count * other.members.len() < other.count * self.members.len()
    }
}

/// How many tasks a member may have before others are full too.
struct Quota {
    tasks: usize,
    members: usize,
    per_member: usize,
}

impl Quota {
    fn of(tasks: usize, members: usize) -> Self {
        Quota { tasks, members, per_member: tasks.checked_div(members).unwrap_or(0) }.rounded()
    }

    fn rounded(mut self) -> Self {
        self.per_member = if self.members == 0 { 0 } else { self.tasks.div_ceil(self.members) };
        self
    }

    /// A member has so many tasks: a full one leaves the rest to the others.
    fn given(&mut self, count: usize) {
        if count == self.per_member {
            let members = self.members.saturating_sub(1);
            *self = Quota::of(self.tasks.saturating_sub(count), members);
        }
    }
}

struct Work {
    given: Vec<Tasks>,
    counts: Vec<usize>,
    process_of: Vec<usize>,
    /// Sorted by id.
    processes: Vec<Process>,
    was_active_at: BTreeMap<TaskId, MemberAt>,
    was_standby_at: BTreeMap<TaskId, Vec<MemberAt>>,
    active: Quota,
    total: Quota,
}

impl Work {
    fn of(group: &Assignable) -> Self {
        let ids: BTreeSet<&StrBytes> = group.members.iter().map(|it| &it.process).collect();
        let places: BTreeMap<&StrBytes, usize> =
            ids.iter().enumerate().map(|(at, id)| (*id, at)).collect();
        let new = || Process { members: Vec::new(), tasks: BTreeSet::new(), count: 0 };
        let mut processes: Vec<Process> = ids.iter().map(|_| new()).collect();
        let (mut was_active_at, mut was_standby_at) = (BTreeMap::new(), BTreeMap::new());
        let mut process_of = Vec::new();
        for (at, member) in group.members.iter().enumerate() {
            let process = places[&member.process];
            process_of.push(process);
            processes[process].members.push(at);
            was_active_at.extend(member.had.active.keys().map(|task| (task.clone(), at)));
            for task in &member.had.standby {
                was_standby_at.entry(task.clone()).or_insert_with(Vec::new).push(at);
            }
        }
        let sum = |only_state: bool| -> usize {
            let counts = group.subtopologies.values().filter(|(_, state)| !only_state || *state);
            counts.map(|(count, _)| usize::try_from(*count).unwrap_or(0)).sum()
        };
        let copies = usize::try_from(group.standbys).unwrap_or(0).saturating_mul(sum(true));
        let members = group.members.len();
        Work {
            given: vec![Tasks::default(); members],
            counts: vec![0; members],
            process_of,
            processes,
            was_active_at,
            was_standby_at,
            active: Quota::of(sum(false), members),
            total: Quota::of(sum(false).saturating_add(copies), members),
        }
    }

    fn process(&self, member: MemberAt) -> &Process {
        &self.processes[self.process_of[member]]
    }

    fn add(&mut self, member: MemberAt, task: TaskId, is_active: bool) {
        let process = &mut self.processes[self.process_of[member]];
        process.count += 1;
        process.tasks.insert(task.clone());
        self.counts[member] += 1;
        let count = self.counts[member];
        if is_active {
            self.given[member].active.insert(task, MemberEpoch(0));
            self.active.given(count);
        } else {
            self.given[member].standby.insert(task);
        }
        self.total.given(count);
    }

    fn assign_active(&mut self, tasks: Vec<TaskId>) {
        let mut left = Vec::new();
        for task in tasks {
            match self.was_active_at.get(&task).copied() {
                Some(member) if self.counts[member] < self.active.per_member => {
                    self.add(member, task, true);
                }
                _ => left.push(task),
            }
        }
        let mut homeless = Vec::new();
        for task in left {
            match self.least_busy_former(&task, false) {
                Some(member) if self.counts[member] < self.active.per_member => {
                    self.add(member, task, true);
                }
                _ => homeless.push(task),
            }
        }
        homeless.sort_by(|a, b| (a.partition, &a.subtopology).cmp(&(b.partition, &b.subtopology)));
        for task in homeless {
            let Some(process) = self.least_busy(None) else { return };
            self.add(self.least_busy_member(process), task, true);
        }
    }

    fn assign_standby(&mut self, tasks: Vec<TaskId>, standbys: i32) {
        let mut left: Vec<(TaskId, i32)> = Vec::new();
        for task in tasks.into_iter().rev() {
            for copy in 0..standbys {
                let former = self.was_active_at.get(&task).copied();
                let former = former.filter(|member| {
                    !self.process(*member).tasks.contains(&task) && self.has_room(*member)
                });
                let copied = || self.least_busy_former(&task, true);
                let copied = || copied().filter(|member| self.has_room(*member));
                let Some(member) = former.or_else(copied) else {
                    left.push((task, standbys - copy));
                    break;
                };
                self.add(member, task.clone(), false);
            }
        }
        for (task, copies) in left {
            for _ in 0..copies {
                // There may be more copies wanted than there are processes.
                let Some(process) = self.least_busy(Some(&task)) else { break };
                self.add(self.least_busy_member(process), task.clone(), false);
            }
        }
    }

    fn has_room(&self, member: MemberAt) -> bool {
        self.counts[member] < self.total.per_member
    }

    /// The least busy of those that had a copy; for another copy, who has none of it yet. As in
    /// Kafka it is the first one's process that decides in the end whether it has none.
    fn least_busy_former(&self, task: &TaskId, for_copy: bool) -> Option<MemberAt> {
        let former = self.was_standby_at.get(task)?;
        let is_free = |member: MemberAt| !for_copy || !self.process(member).tasks.contains(task);
        let first = *former.first()?;
        let mut found = first;
        for member in former.iter().copied().skip(1) {
            if self.process(member).is_less_busy(self.process(found))
                && is_free(member)
                && self.counts[member] < self.counts[found]
            {
                found = member;
            }
        }
        is_free(first).then_some(found)
    }

    /// The least busy process, for a copy one that has none of the task.
    fn least_busy(&self, for_copy_of: Option<&TaskId>) -> Option<usize> {
        let is_free =
            |process: &Process| for_copy_of.is_none_or(|task| !process.tasks.contains(task));
        let free = self.processes.iter().enumerate().filter(|(_, process)| is_free(process));
        free.reduce(|best, next| if next.1.is_less_busy(best.1) { next } else { best })
            .map(|(at, _)| at)
    }

    fn least_busy_member(&self, process: usize) -> MemberAt {
        let members = self.processes[process].members.iter().copied();
        members.min_by_key(|member| self.counts[*member]).expect("a process has members")
    }
}
