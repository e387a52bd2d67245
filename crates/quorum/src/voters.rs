//! The voters as control records tell them (KIP-853), and as the configuration does.
//!
//! Not here: what voters decide (raft). Must hold: records that are newer win; a quorum whose
//! log or formatting snapshot tells its voters does not look at `controller.quorum.voters`.

use ottla_raft::{Voter, VoterSet};
use ottla_records::ControlRecord;
use ottla_wire::messages::{KRaftVersionRecord, VotersRecord, voters_record};
use ottla_wire::{BrokerId, DirectoryId, StrBytes};

/// The `kraft.version` range that this node speaks.
pub const KRAFT_VERSIONS: (i16, i16) = (0, 1);

/// Where a voter is reached by the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoterEndpoint {
    /// The controller listener's name.
    pub listener: String,
    /// The host that others use.
    pub host: String,
    /// The port that others use.
    pub port: u16,
}

/// A voter that a quorum begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitialVoter {
    /// Who it is.
    pub key: Voter,
    /// Where it is reached, the default listener first.
    pub endpoints: Vec<VoterEndpoint>,
}

/// What log and snapshots have told of the voters so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct VoterHistory {
    /// The finalised `kraft.version`.
    pub(crate) kraft_version: i16,
    /// The newest voters, if any record told them.
    pub(crate) voters: Option<VotersRecord>,
    /// Whether a record of the log itself, or a snapshot of it, has told them.
    pub(crate) in_log: bool,
}

impl VoterHistory {
    /// Takes in a control record; others than those of voters say nothing here.
    pub(crate) fn learn(&mut self, record: &ControlRecord, in_log: bool) {
        match record {
            ControlRecord::KRaftVersion(record) => self.kraft_version = record.kraft_version,
            ControlRecord::KRaftVoters(record) => {
                self.voters = Some(record.clone());
                self.in_log = in_log;
            }
            _ => {}
        }
    }

    /// The voters, those of the configuration where no record tells any.
    pub(crate) fn set(&self, fixed: &[BrokerId]) -> VoterSet {
        match &self.voters {
            Some(record) => VoterSet::of(
                record
                    .voters
                    .iter()
                    .map(|voter| Voter { id: voter.voter_id, directory: voter.voter_directory_id }),
            ),
            None => VoterSet::of(
                fixed.iter().map(|id| Voter { id: *id, directory: DirectoryId::default() }),
            ),
        }
    }

    /// The records that a new leader adds to its first batch: with `kraft.version` 1, when the
    /// log does not hold the voters yet, or tells another address of the leader than it has.
    pub(crate) fn missing(&self, leader: Voter, at: &[VoterEndpoint]) -> Vec<ControlRecord> {
        let Some(known) = self.voters.as_ref().filter(|_| self.kraft_version > 0) else {
            return Vec::new();
        };
        let mut voters = known.clone();
        for voter in voters.voters.iter_mut().filter(|voter| voter.voter_id == leader.id) {
            *voter = record_of(leader, at);
        }
        if self.in_log && voters == *known {
            return Vec::new();
        }
        vec![version_record(self.kraft_version), ControlRecord::KRaftVoters(voters)]
    }
}

/// The record that sets `kraft.version`.
pub(crate) fn version_record(version: i16) -> ControlRecord {
    ControlRecord::KRaftVersion(KRaftVersionRecord { kraft_version: version, ..Default::default() })
}

/// The record of these voters.
pub(crate) fn voters_record(voters: &[InitialVoter]) -> ControlRecord {
    let voters = voters.iter().map(|voter| record_of(voter.key, &voter.endpoints)).collect();
    ControlRecord::KRaftVoters(VotersRecord { voters, ..Default::default() })
}

fn record_of(voter: Voter, at: &[VoterEndpoint]) -> voters_record::Voter {
    let endpoint = |endpoint: &VoterEndpoint| voters_record::Endpoint {
        name: StrBytes::copied(&endpoint.listener),
        host: StrBytes::copied(&endpoint.host),
        port: endpoint.port,
        ..Default::default()
    };
    voters_record::Voter {
        voter_id: voter.id,
        voter_directory_id: voter.directory,
        endpoints: at.iter().map(endpoint).collect(),
        kraft_version_feature: voters_record::KRaftVersionFeature {
            min_supported_version: KRAFT_VERSIONS.0,
            max_supported_version: KRAFT_VERSIONS.1,
            ..Default::default()
        },
        ..Default::default()
    }
}
