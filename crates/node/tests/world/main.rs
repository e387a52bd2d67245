//! The real node and the real client in one thread from one seed.
//!
//! story.rs draws what happens, clients.rs and members.rs are those who see it, ledger.rs and
//! group.rs hold the invariants.
//! `cargo test` tells a few seeds' stories, `cargo xtask sim` those of others: from the seed in
//! OTTLA_SIM_SEED on, as many as OTTLA_SIM_SEEDS says.

mod clients;
mod group;
mod ledger;
mod members;
mod server;
mod start;
mod story;

use std::collections::BTreeSet;

use ottla_sim::World;

use ledger::Invariant;
use members::Vice;
use story::{About, Told, tell};

/// What the story of a seed is about.
fn about(seed: u64) -> About {
    match seed % 5 {
        0 | 2 => About::Kills,
        1 | 3 => About::PowerCuts,
        _ => About::Disks,
    }
}

fn told(seed: u64) -> Told {
    tell(&World::new(seed), about(seed))
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

#[test]
fn no_story_breaks_a_promise() {
    let first = number("OTTLA_SIM_SEED").unwrap_or(1);
    for seed in first..first + number("OTTLA_SIM_SEEDS").unwrap_or(SEEDS) {
        let told = told(seed);
        println!("seed {seed}, {:?}: {told:?}", about(seed));
        assert!(
            told.violations.is_empty(),
            "{told:#?}\nthe world had seed {seed}: cargo xtask sim --seed {seed}"
        );
    }
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in 1..=2 {
        let once = told(seed);
        assert_eq!(once, told(seed), "seed {seed}");
        assert_ne!(once.trace_hash, told(seed + 100).trace_hash, "seed {seed}");
    }
}

/// Tells stories in which promises are broken, until each of these was seen to be.
fn is_missed(about: About, expected: &[Invariant]) {
    let mut broken = BTreeSet::new();
    let mut seed = 0;
    while !expected.iter().all(|invariant| broken.contains(invariant)) {
        seed += 1;
        assert!(seed <= CANARIES, "only {broken:?} was seen");
        let told = tell(&World::new(seed), about);
        broken.extend(told.violations.into_iter().map(|violation| violation.of));
    }
}

#[test]
fn what_a_power_cut_takes_is_missed() {
    let losses = [
        Invariant::CommittedNeverLost,
        Invariant::NothingUnsyncedShown,
        Invariant::OffsetsNeverGoBack,
    ];
    is_missed(About::PowerCutsUnsynced, &losses);
}

#[test]
fn what_a_member_commits_before_it_has_worked_on_it_is_missed() {
    is_missed(About::Vices(Vice::CommitsAhead), &[Invariant::GivenAtLeastOnce]);
}

#[test]
fn a_member_that_jumps_about_is_seen() {
    is_missed(About::Vices(Vice::Seeks), &[Invariant::OrderPerPartition]);
}

#[test]
fn a_leader_that_gives_partitions_to_everybody_is_seen() {
    is_missed(About::Vices(Vice::GivesToAll), &[Invariant::OneOwner]);
}

/// How many stories are told until each loss was seen.
const CANARIES: u64 = 20;
/// How many stories an ordinary test run tells.
const SEEDS: u64 = 5;
