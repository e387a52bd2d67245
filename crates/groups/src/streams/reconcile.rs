//! How a member comes from the tasks that it has to those that it shall have, one heartbeat at a
//! time.
//!
//! The rules are those of Kafka's CurrentAssignmentBuilder: a member first lets go what it shall
//! not have, then gets what is free, and asks again for what others still have. An active task is
//! free when nobody runs it and this process has no copy of it, a copy when this process has
//! nothing of the task. Not here: what it shall have (target.rs). Must hold: no task is active that
//! is active elsewhere or about to be let go.

use std::collections::{BTreeMap, BTreeSet};

use ottla_wire::{ErrorCode, MemberEpoch, StrBytes};

use super::state::{Current, MemberState, StreamsGroup};
use super::tasks::{TaskId, Tasks};

/// What a member's next step depends on.
pub(crate) struct Reconciliation<'a> {
    /// What it has.
    pub(crate) current: &'a Current,
    pub(crate) target_epoch: MemberEpoch,
    pub(crate) target: &'a Tasks,
    /// What it says it has; none when it does not say.
    pub(crate) owned: Option<&'a Tasks>,
    pub(crate) taken: &'a Taken,
}

/// Who has which tasks, as far as that keeps a member from getting one.
pub(crate) struct Taken {
    /// Tasks that somebody runs.
    active: BTreeSet<TaskId>,
    /// Tasks that run in the member's process.
    active_here: BTreeSet<TaskId>,
    /// Tasks of which the member's process has a copy.
    copied_here: BTreeSet<TaskId>,
}

impl Taken {
    /// As a member of `process` sees its group.
    pub(crate) fn of(group: &StreamsGroup, process: &StrBytes) -> Self {
        let mut taken = Taken {
            active: BTreeSet::new(),
            active_here: BTreeSet::new(),
            copied_here: BTreeSet::new(),
        };
        for (member, current) in group.holders() {
            for tasks in [&current.assigned, &current.revoking] {
                taken.active.extend(tasks.active.keys().cloned());
                if member.process_id == *process {
                    taken.active_here.extend(tasks.active.keys().cloned());
                    let copies = tasks.standby.iter().chain(&tasks.warmup);
                    taken.copied_here.extend(copies.cloned());
                }
            }
        }
        taken
    }

    fn is_running(&self, task: &TaskId) -> bool {
        self.active.contains(task) || self.copied_here.contains(task)
    }

    fn is_here(&self, task: &TaskId) -> bool {
        self.active_here.contains(task) || self.copied_here.contains(task)
    }
}

impl Reconciliation<'_> {
    /// What the member has next; the same when nothing changes.
    pub(crate) fn next(&self) -> Result<Current, ErrorCode> {
        let current = self.current;
        match current.state {
            MemberState::Stable if current.epoch == self.target_epoch => Ok(current.clone()),
            MemberState::Stable | MemberState::Unreleased => Ok(self.advance(current.epoch)),
            MemberState::Unrevoked if self.has_any(&current.revoking) => Ok(current.clone()),
            // All is let go: the member is past the epoch that it had to do that in.
            MemberState::Unrevoked => {
                Ok(self.advance(MemberEpoch(current.epoch.0.saturating_add(1))))
            }
            // Whoever knew that state is gone: the member begins anew.
            MemberState::Unknown(_) if self.owned.is_none_or(|owned| !owned.is_empty()) => {
                Err(ErrorCode::FENCED_MEMBER_EPOCH)
            }
            MemberState::Unknown(_) => Ok(self.advance(self.target_epoch)),
        }
    }

    /// The next step towards the target, from an epoch.
    fn advance(&self, epoch: MemberEpoch) -> Current {
        let (had, target) = (&self.current.assigned, self.target);
        let (mut kept, mut revoking) = (Tasks::default(), Tasks::default());
        let (stay, go): (BTreeMap<_, _>, BTreeMap<_, _>) =
            had.active.clone().into_iter().partition(|(task, _)| target.active.contains_key(task));
        (kept.active, revoking.active) = (stay, go);
        (kept.standby, revoking.standby) = split(&had.standby, &target.standby);
        (kept.warmup, revoking.warmup) = split(&had.warmup, &target.warmup);
        let previous_epoch = self.current.epoch;
        if !revoking.is_empty() && self.has_any(&revoking) {
            let state = MemberState::Unrevoked;
            return Current { epoch, previous_epoch, state, assigned: kept, revoking };
        }
        let mut waits = false;
        for task in target.active.keys().filter(|task| !had.active.contains_key(*task)) {
            match self.taken.is_running(task) {
                true => waits = true,
                false => drop(kept.active.insert(task.clone(), self.target_epoch)),
            }
        }
        for (wanted, had, kept) in [
            (&target.standby, &had.standby, &mut kept.standby),
            (&target.warmup, &had.warmup, &mut kept.warmup),
        ] {
            for task in wanted.difference(had) {
                match self.taken.is_here(task) {
                    true => waits = true,
                    false => drop(kept.insert(task.clone())),
                }
            }
        }
        Current {
            epoch: self.target_epoch,
            previous_epoch,
            state: if waits { MemberState::Unreleased } else { MemberState::Stable },
            assigned: kept,
            revoking: Tasks::default(),
        }
    }

    /// Whether the member has one of these, as far as it says: if it says nothing, it has.
    fn has_any(&self, tasks: &Tasks) -> bool {
        self.owned.is_none_or(|owned| owned.contains_any(tasks))
    }
}

/// What is wanted of what there is, and what is not.
fn split(
    had: &BTreeSet<TaskId>,
    wanted: &BTreeSet<TaskId>,
) -> (BTreeSet<TaskId>, BTreeSet<TaskId>) {
    had.iter().cloned().partition(|task| wanted.contains(task))
}
