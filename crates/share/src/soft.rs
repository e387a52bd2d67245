//! What need not survive: when cold share partitions get a snapshot, and when the log is pruned.
//!
//! A snapshot of a share partition that is not written to moves forward what of the log is needed.
//! Must hold: a shard at rest costs no timer; each look writes a bounded number of records.

use ottla_machine::{Now, Ticket};
use ottla_wire::{Offset, Timestamp};

use crate::decide::cold_snapshot;
use crate::{Decided, Settings, ShareReply, ShareStates};

/// The soft state beside one [`ShareStates`].
#[derive(Debug, Default)]
pub struct Soft {
    cold_at: Option<Timestamp>,
    prune_at: Option<Timestamp>,
    pruned_to: Offset,
}

impl Soft {
    /// The earliest time at which [`ShareStates::tick`] has something to do.
    pub fn wake(&self) -> Option<Timestamp> {
        match (self.cold_at, self.prune_at) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Something is written: it grows cold, and replaces what was before.
    pub(crate) fn watch(&mut self, now: Now, settings: &Settings) {
        self.cold_at.get_or_insert(now.steady + settings.cold_interval_ms.max(1));
        self.prune_at.get_or_insert(now.steady + settings.prune_interval_ms.max(1));
    }
}

impl ShareStates {
    /// The partition is loaded.
    pub fn loaded(&self, soft: &mut Soft, now: Now, settings: &Settings) -> Decided {
        if !self.is_empty() {
            soft.watch(now, settings);
        }
        Decided { wake: soft.wake(), ..Decided::default() }
    }

    /// Does what is due at `now`: snapshots of what is cold, and the order to prune.
    pub fn tick(&self, soft: &mut Soft, now: Now, settings: &Settings) -> Decided {
        let mut decided = Decided::default();
        if soft.cold_at.is_some_and(|at| at <= now.steady) {
            soft.cold_at = None;
            let warm = self.iter().filter(|(_, state)| !state.is_cold()).count();
            let is_old = |at: Timestamp| now.wall - at >= settings.cold_interval_ms;
            // Once everything is cold the log's start does not move by more snapshots.
            let due = self.iter().filter(|(_, state)| warm > 0 && is_old(state.written_at));
            let snapshots = due.take(TICK_RECORDS_MAX);
            decided.records = snapshots.map(|(key, s)| cold_snapshot(key, s, now.wall)).collect();
            if warm > 0 {
                soft.watch(now, settings);
            }
        }
        if soft.prune_at.is_some_and(|at| at <= now.steady) {
            soft.prune_at = None;
            let to = self.needed_from();
            if to > soft.pruned_to {
                soft.pruned_to = to;
                decided.replies.push((Ticket::HOST, ShareReply::Prune(to)));
            }
            // What is decided with this is not replayed yet: the next look sees to it.
            if !decided.records.is_empty() {
                soft.watch(now, settings);
            }
        }
        decided.wake = soft.wake();
        decided
    }
}

/// One tick appends as many records at most.
const TICK_RECORDS_MAX: usize = 1_000;
