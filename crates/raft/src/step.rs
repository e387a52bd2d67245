//! What moves a voter from state to state, and what it asks its caller to do.
//!
//! Must hold: what is to be persisted stands before everything that relies on it.

use ottla_wire::{LeaderEpoch, Offset};

use crate::quorum_state::QuorumState;
use crate::state::{Leader, Raft, State};

/// What happens to a voter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The node has loaded its log and begins.
    Start,
    /// The log now ends here; the bytes may not be on the disk yet.
    Appended {
        /// One past the last record.
        end: Offset,
    },
    /// Everything below is on the disk.
    Flushed {
        /// One past the last record that is.
        end: Offset,
    },
    /// The node is about to stop.
    Resign,
}

/// What the caller must do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Write this to `quorum-state` and sync it before anything that follows.
    Persist(QuorumState),
    /// Append the control batch that begins the epoch (LeaderChange, and KRaftVersion and
    /// KRaftVoters where the log lacks them), then tell of it with [`Input::Appended`].
    Lead {
        /// The epoch that this voter leads.
        epoch: LeaderEpoch,
    },
    /// Sync the log up to here, then tell of it with [`Input::Flushed`].
    Flush {
        /// One past the last record.
        end: Offset,
    },
    /// Everything below is committed.
    Committed {
        /// The new high watermark.
        to: Offset,
    },
}

impl Raft {
    /// Takes one input and adds what it leads to.
    pub fn step(&mut self, input: Input, outputs: &mut Vec<Output>) {
        match (input, self.state) {
            (Input::Start, _) => self.elect(outputs),
            (Input::Appended { end }, State::Leader(_)) => {
                self.log_end = end;
                outputs.push(Output::Flush { end });
            }
            (Input::Flushed { end }, State::Leader(leader)) => self.commit(leader, end, outputs),
            (Input::Resign, State::Leader(_)) => self.state = State::Resigned,
            (Input::Appended { .. } | Input::Flushed { .. } | Input::Resign, _) => {}
        }
    }

    /// A sole voter is its own majority: it stands and wins at once. One that has voted for
    /// itself in this epoch already wins that one, everyone else a new one.
    fn elect(&mut self, outputs: &mut Vec<Output>) {
        if self.state != State::Candidate {
            self.epoch = LeaderEpoch(self.epoch.0 + 1);
            self.state = State::Candidate;
            outputs.push(self.persist(false));
        }
        self.state = State::Leader(Leader { epoch_start: self.log_end });
        outputs.push(self.persist(true));
        outputs.push(Output::Lead { epoch: self.epoch });
    }

    fn commit(&mut self, leader: Leader, end: Offset, outputs: &mut Vec<Output>) {
        if end > leader.epoch_start && end > self.high_watermark {
            self.high_watermark = end;
            outputs.push(Output::Committed { to: end });
        }
    }

    /// A leader need not remember its vote: nobody else can win its epoch.
    fn persist(&self, leads: bool) -> Output {
        Output::Persist(QuorumState {
            epoch: self.epoch,
            leader: leads.then_some(self.me.id),
            voted: (!leads).then_some(self.me),
        })
    }
}

#[cfg(test)]
mod tests;
