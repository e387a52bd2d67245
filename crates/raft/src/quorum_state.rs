//! `quorum-state`: what a voter must remember over a crash, as one line of JSON.
//!
//! Version 0 is written while `kraft.version` is 0, version 1 from `kraft.version` 1 on; both are
//! read. Unknown fields are ignored, as they are by Kafka's reader.

use ottla_wire::{BrokerId, DirectoryId, LeaderEpoch};

use crate::voters::{Voter, VoterSet};

/// Stands for no leader and no vote.
const NOBODY: i64 = -1;

/// The epoch, and what this voter knows and did in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuorumState {
    /// The newest epoch that this voter has seen.
    pub epoch: LeaderEpoch,
    /// Its leader, when known.
    pub leader: Option<BrokerId>,
    /// Whom this voter has voted for in it.
    pub voted: Option<Voter>,
}

/// A `quorum-state` that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidQuorumState(String);

impl std::fmt::Display for InvalidQuorumState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "not a quorum-state: {}", self.0)
    }
}

impl std::error::Error for InvalidQuorumState {}

impl QuorumState {
    /// Reads either version.
    ///
    /// # Errors
    /// The bytes are not JSON, or a field is missing or out of range.
    pub fn parse(bytes: &[u8]) -> Result<QuorumState, InvalidQuorumState> {
        let json: serde_json::Value =
            serde_json::from_slice(bytes).map_err(|error| InvalidQuorumState(error.to_string()))?;
        let number = |name: &str| {
            let value = json.get(name).and_then(serde_json::Value::as_i64);
            let small = value.and_then(|value| i32::try_from(value).ok());
            small.ok_or_else(|| InvalidQuorumState(format!("{name} is missing or out of range")))
        };
        let version = number("data_version")?;
        if !(0..=1).contains(&version) {
            let why = format!("data_version {version} is not known; 0 and 1 are");
            return Err(InvalidQuorumState(why));
        }
        let some = |id: i32| (i64::from(id) != NOBODY).then_some(BrokerId(id));
        let voted = match some(number("votedId")?) {
            None => None,
            Some(id) => Some(Voter { id, directory: voted_directory(&json)? }),
        };
        Ok(QuorumState {
            epoch: LeaderEpoch(number("leaderEpoch")?),
            leader: some(number("leaderId")?),
            voted,
        })
    }

    /// Writes the version that goes with `kraft_version`; `voters` are part of version 0.
    pub fn format(&self, kraft_version: i16, voters: &VoterSet) -> String {
        let id = |id: Option<BrokerId>| id.map_or(NOBODY, |id| i64::from(id.0));
        let (leader, epoch) = (id(self.leader), self.epoch);
        let voted = id(self.voted.map(|voter| voter.id));
        if kraft_version == 0 {
            let voters: Vec<String> =
                voters.iter().map(|voter| format!("{{\"voterId\":{}}}", voter.id)).collect();
            let voters = voters.join(",");
            return format!(
                "{{\"clusterId\":\"\",\"leaderId\":{leader},\"leaderEpoch\":{epoch},\
                 \"votedId\":{voted},\"appliedOffset\":0,\"currentVoters\":[{voters}],\
                 \"data_version\":0}}"
            );
        }
        let directory = self.voted.map(|voter| voter.directory).unwrap_or_default();
        format!(
            "{{\"leaderId\":{leader},\"leaderEpoch\":{epoch},\"votedId\":{voted},\
             \"votedDirectoryId\":\"{directory}\",\"data_version\":1}}"
        )
    }
}

fn voted_directory(json: &serde_json::Value) -> Result<DirectoryId, InvalidQuorumState> {
    match json.get("votedDirectoryId").and_then(serde_json::Value::as_str) {
        None => Ok(DirectoryId::default()),
        Some(text) => text
            .parse()
            .map(DirectoryId)
            .map_err(|_| InvalidQuorumState(format!("votedDirectoryId {text:?} is not an id"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Written by Apache Kafka 4.3.1: one from a formatted node, one from a node that led.
    const FRESH: &str = "{\"leaderId\":-1,\"leaderEpoch\":1,\"votedId\":-1,\
        \"votedDirectoryId\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"data_version\":1}";
    const VERSION_0: &str = "{\"clusterId\":\"\",\"leaderId\":1,\"leaderEpoch\":2,\"votedId\":-1,\
        \"appliedOffset\":0,\"currentVoters\":[{\"voterId\":1}],\"data_version\":0}";

    #[test]
    fn both_versions_are_read_and_written_alike() {
        let voters = VoterSet::of([Voter { id: BrokerId(1), directory: DirectoryId::default() }]);
        for (text, version) in [(FRESH, 1), (VERSION_0, 0)] {
            let state = QuorumState::parse(text.as_bytes()).expect("written by Kafka");
            assert_eq!(state.format(version, &voters), text);
        }
    }

    #[test]
    fn what_is_not_a_quorum_state_is_refused_with_a_reason() {
        for (text, why) in [
            ("", "EOF"),
            ("{}", "data_version is missing"),
            ("{\"data_version\":2}", "data_version 2 is not known"),
            (&FRESH.replace("\"leaderEpoch\":1", "\"leaderEpoch\":99999999999"), "leaderEpoch"),
            (&FRESH.replace("\"votedId\":-1", "\"votedId\":1").replace("AAAA", "!"), "not an id"),
        ] {
            let error = QuorumState::parse(text.as_bytes()).expect_err(text).to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
