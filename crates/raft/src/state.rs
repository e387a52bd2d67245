//! The states of a voter, each with what it knows.
//!
//! Not here: what moves between them (`step.rs`).

use ottla_wire::{BrokerId, LeaderEpoch, Offset};

use crate::quorum_state::QuorumState;
use crate::voters::{Voter, VoterSet};

/// Where the metadata log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogEnd {
    /// One past the last record.
    pub end: Offset,
    /// The epoch of the last record; 0 for an empty log.
    pub epoch: LeaderEpoch,
}

/// Why a node cannot take part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no voter at all.
    NoVoters,
    /// The node is not among the voters.
    NotAVoter(Voter),
    /// There are several voters.
    SeveralVoters(Vec<BrokerId>),
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refused::NoVoters => f.write_str(
                "nobody votes on the metadata log: format with --standalone, or name this node \
                 in controller.quorum.voters",
            ),
            Refused::NotAVoter(voter) => write!(
                f,
                "node {} with directory {} is not among the voters of the metadata log: use the \
                 folder and the node.id that it was formatted with",
                voter.id, voter.directory
            ),
            Refused::SeveralVoters(ids) => {
                let ids: Vec<String> = ids.iter().map(BrokerId::to_string).collect();
                let ids = ids.join(", ");
                write!(
                    f,
                    "the metadata log has the voters {ids}: a quorum of more than one node is \
                     not served yet; let controller.quorum.voters name this node alone"
                )
            }
        }
    }
}

impl std::error::Error for Refused {}

/// What this voter is in its epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Knows no leader.
    Unattached,
    /// Asks for votes for itself.
    Candidate,
    Leader(Leader),
    /// Has led and gives up.
    Resigned,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leader {
    /// The end of the log when the epoch began: nothing is committed before something of the own
    /// epoch is.
    pub(crate) epoch_start: Offset,
}

/// One voter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raft {
    pub(crate) me: Voter,
    pub(crate) voters: VoterSet,
    pub(crate) epoch: LeaderEpoch,
    pub(crate) state: State,
    pub(crate) log_end: Offset,
    pub(crate) high_watermark: Offset,
}

impl Raft {
    /// A voter with what it remembers and the log that it has.
    ///
    /// # Errors
    /// The node is not a voter, or not the only one.
    pub fn new(
        me: Voter,
        voters: VoterSet,
        remembered: Option<QuorumState>,
        log: LogEnd,
    ) -> Result<Raft, Refused> {
        if voters.is_empty() {
            return Err(Refused::NoVoters);
        }
        if voters.len() > 1 {
            return Err(Refused::SeveralVoters(voters.iter().map(|voter| voter.id).collect()));
        }
        if !voters.contains(me) {
            return Err(Refused::NotAVoter(me));
        }
        let (epoch, state) = match remembered {
            Some(known) if known.epoch >= log.epoch => (known.epoch, known.state(me)),
            _ => (log.epoch, State::Unattached),
        };
        Ok(Raft { me, voters, epoch, state, log_end: log.end, high_watermark: Offset(0) })
    }

    /// The current epoch.
    pub fn epoch(&self) -> LeaderEpoch {
        self.epoch
    }

    /// Whether this voter leads.
    pub fn is_leader(&self) -> bool {
        matches!(self.state, State::Leader(_))
    }

    /// Everything below is committed.
    pub fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// The voters.
    pub fn voters(&self) -> &VoterSet {
        &self.voters
    }
}

impl QuorumState {
    /// The state in which a voter that remembers this begins.
    fn state(&self, me: Voter) -> State {
        if self.leader == Some(me.id) {
            State::Resigned
        } else if self.voted == Some(me) {
            State::Candidate
        } else {
            State::Unattached
        }
    }
}
