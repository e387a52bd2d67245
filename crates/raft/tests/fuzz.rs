//! Hostile bytes for `quorum-state`: nothing panics, and what can be read is written and read again
//! as the same.
//!
//! `cargo test` runs the same cases each time, `cargo xtask fuzz` those of other seeds, by
//! OTTLA_FUZZ_SEED.

#![allow(clippy::unwrap_used, reason = "a test says why it fails by its line")]

use ottla_raft::{QuorumState, VoterSet};
use ottla_wire::fuzz::{Cases, Prng, Target};

/// Cases of one run, less than a second's worth.
const CASES: usize = 20_000;

const TARGETS: &[Target] =
    &[Target { name: "raft_quorum_state", run: quorum_state, seeds, allocation_max: 0 }];

#[test]
fn no_bytes_of_a_quorum_state_break_a_promise() {
    let seed = std::env::var("OTTLA_FUZZ_SEED").ok().and_then(|seed| seed.parse().ok());
    for case in Cases::new(TARGETS, seed.unwrap_or(1)).take(CASES) {
        case.run();
    }
}

fn seeds(_: &mut Prng) -> Vec<Vec<u8>> {
    let version_0 = "{\"clusterId\":\"\",\"leaderId\":1,\"leaderEpoch\":17,\"votedId\":2,\
                     \"appliedOffset\":0,\"currentVoters\":[{\"voterId\":1}],\"data_version\":0}";
    let version_1 = "{\"leaderId\":-1,\"leaderEpoch\":3,\"votedId\":1,\
                     \"votedDirectoryId\":\"Ana4Dv2kTjWzp2ttFiplOQ\",\"data_version\":1}";
    vec![version_0.into(), version_1.into()]
}

fn quorum_state(bytes: &[u8]) {
    if let Ok(state) = QuorumState::parse(bytes) {
        let again = state.format(1, &VoterSet::default());
        assert_eq!(QuorumState::parse(again.as_bytes()), Ok(state));
    }
}
