//! One share partition at the leader of its partition: which records are in flight, and whose.
//!
//! Records from the start offset up to the end that was ever acquired are kept as runs of equal
//! state (runs.rs). acquire.rs gives records to members, acknowledge.rs takes their verdicts, this
//! file loads, moves the start on and settles writes. A change of state is told as a [`Write`]; it
//! counts when [`SharePartition::settle`] says that it was written, and is taken back otherwise.
//! What is given up may have to go to a dead-letter queue first (dead.rs).
//!
//! Not here: reading the log, waiting, talking to the coordinator. Must hold: runs cover
//! `start..end` without gap or overlap; a run that is being written is nobody's to change.

mod acknowledge;
mod acquire;
mod dead;
mod runs;
#[cfg(test)]
mod tests;

use ottla_wire::{LeaderEpoch, Offset, StrBytes, Timestamp};

use crate::batches::{StateBatch, combine};
use runs::{Runs, Standing};

pub use acknowledge::{Acknowledgement, Verdict};
pub use acquire::{Acquired, Acquiring, Fetched, Mode, Span};
pub use dead::{DeadLetters, Reason};

/// What the group's configs say of its share partitions.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// `share.record.lock.duration.ms`
    pub lock_ms: i64,
    /// `share.delivery.count.limit`: a record that was delivered as often is given up.
    pub delivery_count_max: i16,
    /// `share.partition.max.record.locks`
    pub in_flight_max: i64,
    /// `share.renew.acknowledge.enable`
    pub may_renew: bool,
    /// Whether what is given up goes to a dead-letter queue: the group names a topic for it
    /// (`errors.deadletterqueue.topic.name`) and the cluster has them (share.version 2).
    pub has_dead_letters: bool,
}

impl Default for Rules {
    /// Kafka's defaults.
    fn default() -> Self {
        Rules {
            lock_ms: 30_000,
            delivery_count_max: 5,
            in_flight_max: 2_000,
            may_renew: true,
            has_dead_letters: false,
        }
    }
}

/// What the share coordinator knows of a share partition.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadState {
    /// Which initialisation it comes from.
    pub state_epoch: i32,
    /// The first offset that is not done with; where it was not written, the caller puts what the
    /// group's reset policy says.
    pub start: Offset,
    /// States of records.
    pub batches: Vec<StateBatch>,
}

/// Names a write until it is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WriteId(u64);

/// What is to be written before a change of states counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// To be given back to [`SharePartition::settle`].
    pub id: WriteId,
    /// Which initialisation it belongs to.
    pub state_epoch: i32,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// The first offset that is not done with.
    pub start: Offset,
    /// How many records from the start on are done with.
    pub delivery_complete_count: i32,
    /// The states that change.
    pub batches: Vec<StateBatch>,
}

/// One share partition.
#[derive(Clone, Debug)]
pub struct SharePartition {
    state_epoch: i32,
    leader_epoch: LeaderEpoch,
    start: Offset,
    runs: Runs,
    writes: u64,
}

impl SharePartition {
    /// Takes over what the coordinator knows, as the leader of an epoch. Records between those
    /// whose state was written were in flight: they are available again.
    pub fn load(state: &ReadState, leader_epoch: LeaderEpoch) -> SharePartition {
        // Whoever wrote it may have written anything.
        let start = state.start.max(Offset(0));
        let mut runs = Runs::from(start);
        for batch in combine(&[], &state.batches, start) {
            runs.push_to(Offset(batch.first.0 - 1), Standing::Available, 0);
            runs.push_to(batch.last, Standing::of_state(batch.state), batch.count);
        }
        let state_epoch = state.state_epoch;
        let mut loaded = SharePartition { state_epoch, leader_epoch, start, runs, writes: 0 };
        loaded.advance();
        loaded
    }

    /// Which initialisation its state comes from.
    pub fn state_epoch(&self) -> i32 {
        self.state_epoch
    }

    /// The epoch of the leader for which it was loaded.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        self.leader_epoch
    }

    /// The first offset that is not done with (SPSO).
    pub fn start(&self) -> Offset {
        self.start
    }

    /// One past the last offset that was ever acquired (SPEO).
    pub fn end(&self) -> Offset {
        self.runs.end()
    }

    /// Where the next records for a member are: the first that is available.
    pub fn next_fetch(&self) -> Offset {
        let available = self.runs.iter().find(|run| run.standing == Standing::Available);
        available.map_or(self.end(), |run| run.first)
    }

    /// How many records from the start on are in flight or not done with.
    pub fn in_flight(&self) -> i64 {
        self.end() - self.start - self.complete()
    }

    /// How many runs of records that stand alike there are.
    pub fn run_count(&self) -> usize {
        self.runs.iter().count()
    }

    /// Whether there may be something to acquire: what is available again, or room for more.
    pub fn can_acquire(&self, rules: &Rules) -> bool {
        self.next_fetch() != self.end() || self.in_flight() < rules.in_flight_max
    }

    /// The first time at which a lock runs out.
    pub fn deadline(&self) -> Option<Timestamp> {
        let locks = self.runs.iter().filter_map(|run| match &run.standing {
            Standing::Acquired { until, .. } => Some(*until),
            _ => None,
        });
        locks.min()
    }

    /// The log begins at `log_start` only: nothing below it can be delivered any more.
    pub fn move_start(&mut self, log_start: Offset) {
        if log_start > self.start {
            self.runs.drop_below(log_start);
            self.start = log_start;
            self.advance();
        }
    }

    /// A write has come to its end. What was written counts; what was not is as it was before, and
    /// a lock that ran out meanwhile runs out at the next look. The answer is what goes to the
    /// dead-letter queue now, and is to be [archived](Self::archive) after that.
    #[must_use]
    pub fn settle(&mut self, id: WriteId, is_written: bool) -> Vec<DeadLetters> {
        let dead = if is_written { self.dead_of(id) } else { Vec::new() };
        self.runs.change_all(|run| match &run.standing {
            Standing::Writing { write, after, member, until } if *write == id => {
                let standing = match is_written {
                    true => after.to_standing(),
                    false => Standing::Acquired { member: member.clone(), until: *until },
                };
                Some((standing, run.count))
            }
            _ => None,
        });
        self.advance();
        self.runs.join_done();
        dead
    }

    /// Gives up all locks of a member whose session ends. Nothing is counted as delivered less.
    pub fn release_member(&mut self, rules: &Rules, member: &StrBytes) -> Option<Write> {
        self.release(rules, |holder, _| holder == member)
    }

    /// Gives up the locks that have run out at `now`.
    pub fn release_expired(&mut self, now: Timestamp, rules: &Rules) -> Option<Write> {
        self.release(rules, |_, until| until <= now)
    }

    fn release(
        &mut self,
        rules: &Rules,
        is_released: impl Fn(&StrBytes, Timestamp) -> bool,
    ) -> Option<Write> {
        let id = self.next_write();
        self.runs.change_all(|run| match &run.standing {
            Standing::Acquired { member, until } if is_released(member, *until) => {
                let after = Verdict::Release.after(run.count, rules)?;
                Some((run.standing.written(id, after)?, run.count))
            }
            _ => None,
        });
        self.to_write(id)
    }

    fn next_write(&mut self) -> WriteId {
        self.writes += 1;
        WriteId(self.writes)
    }

    /// The write of everything that goes by this id.
    fn to_write(&self, id: WriteId) -> Option<Write> {
        let mut batches: Vec<StateBatch> = Vec::new();
        for run in self.runs.iter() {
            let Standing::Writing { write, after, .. } = &run.standing else { continue };
            let (state, count) = (after.to_state(), run.count);
            if *write != id {
                continue;
            }
            match batches.last_mut() {
                Some(former)
                    if former.last.next() == run.first
                        && (former.state, former.count) == (state, count) =>
                {
                    former.last = run.last;
                }
                _ => batches.push(StateBatch { first: run.first, last: run.last, state, count }),
            }
        }
        if batches.is_empty() {
            return None;
        }
        Some(self.write_of(id, batches))
    }

    fn write_of(&self, id: WriteId, batches: Vec<StateBatch>) -> Write {
        Write {
            id,
            state_epoch: self.state_epoch,
            leader_epoch: self.leader_epoch,
            start: self.start,
            delivery_complete_count: i32::try_from(self.complete()).unwrap_or(i32::MAX),
            batches,
        }
    }

    /// How many records from the start on are done with, what is being written included.
    fn complete(&self) -> i64 {
        let done = self.runs.iter().filter(|run| run.standing.is_done_soon());
        done.map(|run| run.len()).sum()
    }

    /// Moves the start over what is done with.
    fn advance(&mut self) {
        self.start = self.runs.drop_done(self.start);
    }
}
