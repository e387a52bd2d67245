//! Records that are given up, on their way to the group's dead-letter queue (KIP-1191).
//!
//! A record that nobody is to try again is *archiving* once that is written, until it is in the
//! queue or cannot be brought there; then it is archived, and that is written too. Not here: the
//! queue. Must hold: what was archiving under a former leader is brought again, so that a record
//! may be in the queue twice and is never left out for want of a leader.

use ottla_wire::Offset;

use super::runs::{After, Standing};
use super::{Rules, SharePartition, Write, WriteId};
use crate::batches::StateBatch;

/// Why nobody is to try a record again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A member has said so.
    Rejected,
    /// It was delivered as often as it may be.
    DeliveredTooOften,
}

/// Neighbouring records that are to be brought to the dead-letter queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetters {
    /// The first offset.
    pub first: Offset,
    /// The last offset.
    pub last: Offset,
    /// How often they were delivered.
    pub count: i16,
    /// Why they are given up.
    pub reason: Reason,
}

impl SharePartition {
    /// What is archiving, and nobody brings: that of a former leader, right after the load. Why it
    /// was given up is not written anywhere: the count of deliveries tells (SharePartition).
    pub fn unsent(&self, rules: &Rules) -> Vec<DeadLetters> {
        let archiving = self.runs.iter().filter(|run| run.standing == Standing::Archiving);
        let letters = archiving.map(|run| DeadLetters {
            first: run.first,
            last: run.last,
            count: run.count,
            reason: match run.count >= rules.delivery_count_max {
                true => Reason::DeliveredTooOften,
                false => Reason::Rejected,
            },
        });
        joined(letters)
    }

    /// What goes to the queue once this is written.
    pub(super) fn dead_of(&self, id: WriteId) -> Vec<DeadLetters> {
        let letters = self.runs.iter().filter_map(|run| match &run.standing {
            Standing::Writing { write, after: After::Archiving(reason), .. } if *write == id => {
                let (first, last, count) = (run.first, run.last, run.count);
                Some(DeadLetters { first, last, count, reason: *reason })
            }
            _ => None,
        });
        joined(letters)
    }

    /// Records have come to the queue, or never will: they are archived whatever becomes of the
    /// write, which is the answer. None when the log has lost them meanwhile.
    pub fn archive(&mut self, dead: &[DeadLetters]) -> Option<Write> {
        let mut batches = Vec::new();
        for letters in dead {
            let first = letters.first.max(self.start);
            let mut is_changed = false;
            self.runs.change(first, letters.last, |run| {
                let is_archiving = run.standing == Standing::Archiving;
                is_changed |= is_archiving;
                is_archiving.then_some((Standing::Archived, run.count))
            });
            if is_changed {
                let (last, state, count) =
                    (letters.last, After::Archived.to_state(), letters.count);
                batches.push(StateBatch { first, last, state, count });
            }
        }
        if batches.is_empty() {
            return None;
        }
        let id = self.next_write();
        let write = self.write_of(id, batches);
        self.advance();
        self.runs.join_done();
        Some(write)
    }
}

/// Neighbours of one fate as one.
fn joined(letters: impl Iterator<Item = DeadLetters>) -> Vec<DeadLetters> {
    let mut joined: Vec<DeadLetters> = Vec::new();
    for next in letters {
        match joined.last_mut() {
            Some(former)
                if former.last.next() == next.first
                    && (former.count, former.reason) == (next.count, next.reason) =>
            {
                former.last = next.last;
            }
            _ => joined.push(next),
        }
    }
    joined
}
