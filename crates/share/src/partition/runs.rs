//! Runs of records that stand alike, from one offset to another without gap.
//!
//! Must hold: after every change the runs cover what they covered before. A walk over all of them
//! is of the order of the records in flight, which `share.partition.max.record.locks` bounds.

use std::collections::BTreeMap;

use ottla_wire::{Offset, StrBytes, Timestamp};

use super::WriteId;
use super::dead::Reason;

/// Where a record's life ends, for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    Available,
    Acknowledged,
    /// To the dead-letter queue first, then archived.
    Archiving(Reason),
    Archived,
}

impl After {
    /// Kafka's number of the state (RecordState).
    pub(super) fn to_state(self) -> i8 {
        match self {
            After::Available => 0,
            After::Acknowledged => 2,
            After::Archiving(_) => 3,
            After::Archived => 4,
        }
    }

    pub(super) fn to_standing(self) -> Standing {
        match self {
            After::Available => Standing::Available,
            After::Acknowledged => Standing::Acknowledged,
            After::Archiving(_) => Standing::Archiving,
            After::Archived => Standing::Archived,
        }
    }
}

/// How the records of a run stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// To be had.
    Available,
    /// Locked by a member for a while.
    Acquired { member: StrBytes, until: Timestamp },
    /// Was acquired, and is to be `after` once that is written; else the member has it again.
    Writing { write: WriteId, after: After, member: StrBytes, until: Timestamp },
    /// Done with.
    Acknowledged,
    /// Given up, on the way to the dead-letter queue.
    Archiving,
    /// Given up.
    Archived,
}

impl Standing {
    /// Of a state that was written. What was locked then is available.
    pub(super) fn of_state(state: i8) -> Standing {
        match state {
            2 => Standing::Acknowledged,
            3 => Standing::Archiving,
            4 => Standing::Archived,
            _ => Standing::Available,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self, Standing::Acknowledged | Standing::Archived)
    }

    pub(super) fn is_done_soon(&self) -> bool {
        match self {
            Standing::Writing { after, .. } => {
                matches!(after, After::Acknowledged | After::Archived)
            }
            standing => standing.is_done(),
        }
    }

    /// A lock that is being given up.
    pub(super) fn written(&self, write: WriteId, after: After) -> Option<Standing> {
        match self {
            Standing::Acquired { member, until } => {
                Some(Standing::Writing { write, after, member: member.clone(), until: *until })
            }
            _ => None,
        }
    }
}

/// Records that stand alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) first: Offset,
    pub(super) last: Offset,
    pub(super) standing: Standing,
    pub(super) count: i16,
}

impl Run {
    pub(super) fn len(&self) -> i64 {
        self.last.next() - self.first
    }
}

/// All runs of a share partition.
#[derive(Clone, Debug)]
pub(super) struct Runs {
    runs: BTreeMap<Offset, Run>,
    end: Offset,
}

impl Runs {
    /// None yet, and the first will begin at `end`.
    pub(super) fn from(end: Offset) -> Runs {
        Runs { runs: BTreeMap::new(), end }
    }

    pub(super) fn end(&self) -> Offset {
        self.end
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Run> {
        self.runs.values()
    }

    /// Adds records from the end up to `last`, if there are any.
    pub(super) fn push_to(&mut self, last: Offset, standing: Standing, count: i16) {
        if last >= self.end {
            let first = self.end;
            self.runs.insert(first, Run { first, last, standing, count });
            self.end = last.next();
        }
    }

    /// The runs that hold any of these offsets.
    pub(super) fn within(&self, first: Offset, last: Offset) -> impl Iterator<Item = &Run> {
        let before = self.runs.range(..first).next_back().map(|(_, run)| run);
        let before = before.filter(move |run| run.last >= first && first <= last);
        let inside = if first <= last { Some(self.runs.range(first..=last)) } else { None };
        before.into_iter().chain(inside.into_iter().flatten().map(|(_, run)| run))
    }

    /// Changes the records of a range as `change` says of each run's part in it.
    pub(super) fn change(
        &mut self,
        first: Offset,
        last: Offset,
        mut change: impl FnMut(&Run) -> Option<(Standing, i16)>,
    ) {
        let found: Vec<Run> = self.within(first, last).cloned().collect();
        for run in found {
            let part = Run { first: run.first.max(first), last: run.last.min(last), ..run.clone() };
            let Some((standing, count)) = change(&part) else { continue };
            self.runs.remove(&run.first);
            if run.first < part.first {
                let last = Offset(part.first.0 - 1);
                self.runs.insert(run.first, Run { last, ..run.clone() });
            }
            if part.last < run.last {
                let first = part.last.next();
                self.runs.insert(first, Run { first, ..run.clone() });
            }
            self.runs.insert(part.first, Run { standing, count, ..part });
        }
    }

    /// Changes whole runs.
    pub(super) fn change_all(&mut self, change: impl Fn(&Run) -> Option<(Standing, i16)>) {
        for run in self.runs.values_mut() {
            if let Some((standing, count)) = change(run) {
                (run.standing, run.count) = (standing, count);
            }
        }
    }

    /// Forgets what is below `start`.
    pub(super) fn drop_below(&mut self, start: Offset) {
        let kept = self.runs.split_off(&start);
        let reaching = std::mem::replace(&mut self.runs, kept).pop_last().map(|(_, run)| run);
        if let Some(run) = reaching.filter(|run| run.last >= start) {
            self.runs.insert(start, Run { first: start, ..run });
        }
        self.end = self.end.max(start);
    }

    /// Makes neighbours one that are done with alike, so that what is done with behind a record
    /// that is not takes no room for each record.
    pub(super) fn join_done(&mut self) {
        let mut joined: Option<Offset> = None;
        let firsts: Vec<Offset> = self.runs.keys().copied().collect();
        for first in firsts {
            let Some(run) = self.runs.get(&first) else { continue };
            let (last, is_done) = (run.last, run.standing.is_done());
            let alike = joined.and_then(|at| self.runs.get(&at)).is_some_and(|former| {
                is_done && (&former.standing, former.count) == (&run.standing, run.count)
            });
            match joined.and_then(|at| self.runs.get_mut(&at)).filter(|_| alike) {
                Some(former) => {
                    former.last = last;
                    self.runs.remove(&first);
                }
                None => joined = Some(first),
            }
        }
    }

    /// Forgets the runs in front that are done with; answers where the first other one begins.
    pub(super) fn drop_done(&mut self, start: Offset) -> Offset {
        let mut start = start;
        while let Some(first) = self.runs.first_entry() {
            if !first.get().standing.is_done() {
                break;
            }
            start = first.remove().last.next();
        }
        start
    }
}
