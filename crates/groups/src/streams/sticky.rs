//! The `sticky` assignor: tasks stay where they were as far as members share them equally.
//!
//! Active tasks go to who had them, else to who had a copy, else to the least busy process; copies
//! then likewise, never two of one task in a process. A member's share shrinks as others fill up
//! theirs (Kafka's StickyTaskAssignor, whose choice between equals is that of Java's collections).
//! Must hold: every task is active exactly once.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_wire::{MemberEpoch, PartitionIndex, StrBytes};

use super::java_order::{Heap, TABLE, hash_order};
use super::tasks::{TaskId, Tasks};

/// One member, as the assignor sees it.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) id: StrBytes,
    /// Where it runs: copies of one task are worth nothing in one process.
    pub(crate) process: StrBytes,
    /// What it had in the last assignment.
    pub(crate) had: Arc<Tasks>,
}

/// A group to be assigned.
#[derive(Debug)]
pub(crate) struct Assignable {
    /// Sorted by id.
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

/// The tasks by partition: the first ones are those that are sure to stay.
fn tasks_of(group: &Assignable, with_state: bool) -> Vec<TaskId> {
    let subtopologies = group.subtopologies.iter().filter(|(_, (_, state))| !with_state || *state);
    let tasks = subtopologies.flat_map(|(id, (count, _))| {
        let of =
            |partition| TaskId { subtopology: id.clone(), partition: PartitionIndex(partition) };
        (0..*count).map(of)
    });
    let mut tasks: Vec<TaskId> = tasks.collect();
    tasks.sort_by_key(|task| task.partition);
    tasks
}

/// A member by its place in the list.
type MemberAt = usize;

struct Process {
    /// In the order of a hash.
    members: Vec<MemberAt>,
    tasks: BTreeSet<TaskId>,
    /// With every copy that a member of it has.
    count: usize,
    /// Its members by how busy they are, until one is given a task by name.
    by_load: Option<Heap>,
}

impl Process {
    /// Which of two has less to do for each of its members.
    fn busier(&self, other: &Process) -> Ordering {
        (self.count * other.members.len()).cmp(&(other.count * self.members.len()))
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

/// The processes with their members, both in the order of a hash.
fn processes_of(group: &Assignable, order: &[MemberAt]) -> Vec<Process> {
    let mut ids: Vec<&str> = Vec::new();
    let mut members: BTreeMap<&str, Vec<MemberAt>> = BTreeMap::new();
    for at in order {
        let id: &str = &group.members[*at].process;
        let of_process = members.entry(id).or_default();
        if of_process.is_empty() {
            ids.push(id);
        }
        of_process.push(*at);
    }
    let processes = hash_order(&ids, order.len()).into_iter().map(|at| Process {
        members: members.remove(ids[at]).unwrap_or_default(),
        tasks: BTreeSet::new(),
        count: 0,
        by_load: None,
    });
    processes.collect()
}

struct Work {
    given: Vec<Tasks>,
    counts: Vec<usize>,
    process_of: Vec<usize>,
    /// In the order of a hash.
    processes: Vec<Process>,
    was_active_at: BTreeMap<TaskId, MemberAt>,
    was_standby_at: BTreeMap<TaskId, Vec<MemberAt>>,
    active: Quota,
    total: Quota,
}

impl Work {
    fn of(group: &Assignable) -> Self {
        let ids: Vec<&str> = group.members.iter().map(|it| &*it.id).collect();
        let order = hash_order(&ids, TABLE);
        let mut processes = processes_of(group, &order);
        let (mut was_active_at, mut was_standby_at) = (BTreeMap::new(), BTreeMap::new());
        let mut process_of = vec![0; group.members.len()];
        for (at, process) in processes.iter().enumerate() {
            process.members.iter().for_each(|member| process_of[*member] = at);
        }
        for at in order {
            let member = &group.members[at];
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
        for process in &mut processes {
            let ids: Vec<&str> = process.members.iter().map(|at| ids[*at]).collect();
            let order = hash_order(&ids, TABLE).into_iter();
            process.members = order.map(|at| process.members[at]).collect();
        }
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
        process.by_load = None;
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
        homeless.sort();
        let mut queue = self.queue();
        for task in homeless {
            let Some(process) = queue.pop(self.by_load()) else { return };
            self.add_to_least_busy(process, task, true);
            queue.push(process, self.by_load());
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
        left.sort_by(|a, b| b.cmp(a));
        let mut queue = self.queue();
        for (task, copies) in left {
            for _ in 0..copies {
                let mut seen = Vec::new();
                while let Some(process) = queue.pop(self.by_load()) {
                    seen.push(process);
                    if !self.processes[process].tasks.contains(&task) {
                        break;
                    }
                }
                // There may be more copies wanted than there are processes.
                let free = seen.last().copied();
                let free = free.filter(|at| !self.processes[*at].tasks.contains(&task));
                if let Some(process) = free {
                    self.add_to_least_busy(process, task.clone(), false);
                }
                seen.into_iter().rev().for_each(|process| queue.push(process, self.by_load()));
                if free.is_none() {
                    break;
                }
            }
        }
    }

    fn queue(&self) -> Heap {
        let mut queue = Heap::default();
        (0..self.processes.len()).for_each(|process| queue.push(process, self.by_load()));
        queue
    }

    fn by_load(&self) -> impl Fn(usize, usize) -> Ordering {
        |a, b| self.processes[a].busier(&self.processes[b])
    }

    /// Gives a task to the least busy member of a process.
    fn add_to_least_busy(&mut self, process: usize, task: TaskId, is_active: bool) {
        let by_count = |a: MemberAt, b: MemberAt| self.counts[a].cmp(&self.counts[b]);
        let members = &self.processes[process].members;
        let mut heap = self.processes[process].by_load.clone().unwrap_or_else(|| {
            let mut heap = Heap::default();
            members.iter().for_each(|member| heap.push(*member, by_count));
            heap
        });
        let member = heap.pop(by_count).expect("a process has members");
        self.add(member, task, is_active);
        heap.push(member, |a, b| self.counts[a].cmp(&self.counts[b]));
        self.processes[process].by_load = Some(heap);
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
            if self.process(member).busier(self.process(found)).is_lt()
                && is_free(member)
                && self.counts[member] < self.counts[found]
            {
                found = member;
            }
        }
        is_free(first).then_some(found)
    }
}
