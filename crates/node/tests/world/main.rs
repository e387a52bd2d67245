//! The real node and the real client in one thread from one seed.
//!
//! story.rs draws what happens, clients.rs and members.rs are those who see it, ledger.rs and
//! group.rs hold the invariants. transactional.rs tells stories of transactions, which histories
//! judges, sharing.rs those of a share group. `cargo test` tells a few seeds' stories, `cargo xtask
//! sim` those of others: from the seed in OTTLA_SIM_SEED on, as many as OTTLA_SIM_SEEDS says.

mod clients;
mod closing;
mod group;
mod ledger;
mod members;
mod outage;
mod planted;
mod server;
mod sharing;
mod start;
mod story;
mod transactional;

use std::collections::BTreeSet;

use ottla_histories::{Anomaly, Vice as Misdeed};
use ottla_sim::World;

use ledger::Invariant;
use members::Vice;
use planted::Bug;
use sharing::Promise;
use story::{About, Told, tell};
use transactional::Harm;

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
fn no_story_breaks_a_promise_of_compaction() {
    let first = number("OTTLA_SIM_SEED").unwrap_or(1);
    let mut compacted = 0;
    for seed in first..first + number("OTTLA_SIM_SEEDS").unwrap_or(SEEDS) {
        let told = tell(&World::new(seed), About::Compaction);
        println!("seed {seed}, compacted: {told:?}");
        assert!(
            told.violations.is_empty(),
            "{told:#?}\nthe world had seed {seed}: cargo xtask sim --seed {seed}"
        );
        compacted += told.compacted;
    }
    // One story alone may be too short for it.
    assert!(compacted > 0 || number("OTTLA_SIM_SEED").is_some(), "nothing was compacted");
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

/// What befalls the node in the story of transactions of a seed.
fn harm(seed: u64) -> Harm {
    match seed % 3 {
        0 => Harm::Nothing,
        1 => Harm::Kills,
        _ => Harm::PowerCuts,
    }
}

/// Tells stories of transactions from the first seed on, in each of which no promise is broken.
fn keeps_promises(seeds: u64, harm: impl Fn(u64) -> Harm) {
    let first = number("OTTLA_SIM_SEED").unwrap_or(1);
    for seed in first..first + number("OTTLA_SIM_SEEDS").unwrap_or(seeds) {
        let told = transactional::tell(&World::new(seed), harm(seed), None);
        println!("seed {seed}, {:?}: {told:?}", harm(seed));
        let says_why = told.ends.iter().all(|why| why.contains("/data"));
        assert!(
            told.anomalies.is_empty() && says_why,
            "{told:#?}\nthe world had seed {seed}: cargo xtask sim --seed {seed}"
        );
    }
}

#[test]
fn no_story_breaks_a_promise_of_transactions() {
    keeps_promises(SEEDS, harm);
}

#[test]
fn no_story_breaks_a_promise_of_transactions_on_faulty_disks() {
    keeps_promises(SEEDS, |_| Harm::Disks);
}

#[test]
fn no_story_breaks_a_promise_of_share_groups() {
    let first = number("OTTLA_SIM_SEED").unwrap_or(1);
    for seed in first..first + number("OTTLA_SIM_SEEDS").unwrap_or(HARMS) {
        let told = sharing::tell(&World::new(seed), harm(seed));
        println!("seed {seed}, {:?}: {told:?}", harm(seed));
        assert!(
            told.broken.is_empty(),
            "{told:#?}\nthe world had seed {seed}: cargo xtask sim --seed {seed}"
        );
    }
}

#[test]
fn verdicts_on_shared_records_that_a_power_cut_takes_are_missed() {
    let mut broken = BTreeSet::new();
    // Few stories have a cut between a verdict and the next look at it.
    for seed in 1..=5 * CANARIES {
        let told = sharing::tell(&World::new(seed), Harm::PowerCutsUnsynced);
        broken.extend(told.broken.into_iter().map(|(promise, _)| promise));
        if broken.contains(&Promise::DoneStaysDone) && broken.contains(&Promise::CountsNeverFall) {
            return;
        }
    }
    panic!("only {broken:?} was seen");
}

/// Tells stories of transactions with something wrong, until that was seen.
fn is_caught(harm: Harm, vice: Option<Misdeed>, expected: Anomaly) {
    is_caught_as(harm, vice, &[expected]);
}

/// As [`is_caught`], where a bug may show in different ways.
fn is_caught_as(harm: Harm, vice: Option<Misdeed>, expected: &[Anomaly]) {
    let mut seen = BTreeSet::new();
    for seed in 1..=CANARIES {
        let told = transactional::tell(&World::new(seed), harm, vice);
        seen.extend(told.anomalies.into_iter().map(|(anomaly, _)| anomaly));
        if expected.iter().any(|expected| seen.contains(expected)) {
            return;
        }
    }
    panic!("only {seen:?} was seen");
}

#[test]
fn what_is_written_without_transactions_is_read_although_it_was_taken_back() {
    is_caught(Harm::Nothing, Some(Misdeed::WritesAlone), Anomaly::DirtyRead);
}

#[test]
fn half_a_transaction_is_seen() {
    is_caught(Harm::Kills, Some(Misdeed::WritesAlone), Anomaly::Torn);
}

#[test]
fn a_reader_of_what_is_not_committed_is_seen() {
    is_caught(Harm::Nothing, Some(Misdeed::ReadsAll), Anomaly::DirtyRead);
}

#[test]
fn what_a_mover_commits_before_it_writes_is_missed() {
    is_caught(Harm::Nothing, Some(Misdeed::CommitsAhead), Anomaly::Lost);
}

#[test]
fn what_a_mover_commits_after_it_has_written_comes_twice() {
    is_caught(Harm::Nothing, Some(Misdeed::CommitsBehind), Anomaly::Doubled);
}

#[test]
fn a_mover_that_turns_round_what_it_read_is_seen() {
    is_caught(Harm::Nothing, Some(Misdeed::TurnsRound), Anomaly::Reordered);
}

#[test]
fn a_transaction_that_nobody_ends_is_seen() {
    is_caught(Harm::Nothing, Some(Misdeed::LeavesOpen), Anomaly::Hanging);
}

#[test]
fn committed_transactions_that_a_power_cut_takes_are_missed() {
    is_caught(Harm::PowerCutsUnsynced, None, Anomaly::Lost);
}

#[test]
fn markers_that_are_written_before_their_decision_is_durable_are_seen() {
    let expected = [Anomaly::Lost, Anomaly::Torn, Anomaly::DirtyRead];
    is_caught_as(Harm::Planted(Bug::DecisionsUnsynced), None, &expected);
}

#[test]
fn offsets_that_are_not_durable_when_their_transaction_ends_are_missed() {
    is_caught(Harm::Planted(Bug::OffsetsUnsynced), None, Anomaly::Doubled);
}

#[test]
fn a_reload_that_passes_over_prepared_transactions_is_seen() {
    // What is left open ends as the next transaction of its producer does, if there is one.
    let expected = [Anomaly::Hanging, Anomaly::Lost, Anomaly::Torn, Anomaly::DirtyRead];
    is_caught_as(Harm::Planted(Bug::PreparedForgotten), None, &expected);
}

#[test]
fn the_bump_of_an_epoch_that_a_restart_forgets_is_missed() {
    let expected = [Anomaly::Lost, Anomaly::Torn];
    is_caught_as(Harm::Planted(Bug::BumpForgotten), None, &expected);
}

#[test]
fn offsets_of_aborted_transactions_that_count_are_seen() {
    is_caught(Harm::Planted(Bug::AbortedOffsetsCount), None, Anomaly::Lost);
}

/// How many stories are told until each loss was seen.
const CANARIES: u64 = 20;
/// How many stories an ordinary test run tells.
const SEEDS: u64 = 5;
/// How many tell of each harm once.
const HARMS: u64 = 3;
