//! The real node and the real client in one thread from one seed.
//!
//! story.rs draws what happens, clients.rs are those who see it, ledger.rs holds the invariants.
//! `cargo test` tells a few seeds' stories, `cargo xtask sim` those of others: from the seed in
//! OTTLA_SIM_SEED on, as many as OTTLA_SIM_SEEDS says.

mod clients;
mod ledger;
mod server;
mod start;
mod story;

use std::collections::BTreeSet;

use ottla_sim::World;

use ledger::Invariant;
use story::{About, Told, tell};

/// What the story of a seed is about.
fn about(seed: u64) -> About {
    if seed.is_multiple_of(2) { About::Kills } else { About::PowerCuts }
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

#[test]
fn what_a_power_cut_takes_is_missed() {
    let losses = BTreeSet::from([Invariant::CommittedNeverLost, Invariant::NothingUnsyncedShown]);
    let mut broken = BTreeSet::new();
    let mut seed = 0;
    while !broken.is_superset(&losses) {
        seed += 1;
        assert!(seed <= CANARIES, "only {broken:?} was seen");
        let told = tell(&World::new(seed), About::PowerCutsUnsynced);
        broken.extend(told.violations.into_iter().map(|violation| violation.of));
    }
}

/// How many stories are told until each loss was seen.
const CANARIES: u64 = 20;
/// How many stories an ordinary test run tells.
const SEEDS: u64 = 4;
