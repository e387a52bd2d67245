//! Random scripts by seed against a simple model of who may do what.
//!
//! The model knows the producer that was told last, and what its transaction holds. Whatever
//! happens between, a transaction ends in all of its partitions as it was decided, once; a producer
//! that was replaced changes nothing; replay gives the live state (the kit insists).

use std::collections::BTreeSet;

use ottla_machine::Prng;

use crate::script::World;
use crate::state::State;

fn command(random: &mut Prng) -> String {
    let pick = |random: &mut Prng, from: &[&str]| from[random.below(from.len())].to_owned();
    let client = pick(random, &["a", "a", "a", "b"]);
    let version = pick(random, &["5", "5", "4"]);
    match random.below(22) {
        0 => format!("init {client}"),
        1 => format!("init {client} again"),
        2..=6 => format!("add {client} {}", pick(random, &["t-0", "t-1", "u-0"])),
        7 => format!("offsets {client}"),
        8..=10 => format!("commit {client} v={version}"),
        11 | 12 => format!("abort {client} v={version}"),
        13..=16 => "written".to_owned(),
        17 => format!("written t-0={}", pick(random, &["6", "gone", "7"])),
        18 => "fail".to_owned(),
        19 if random.below(3) == 0 => "restart".to_owned(),
        20 if random.below(4) == 0 => "exhaust".to_owned(),
        21 => format!("advance {}", pick(random, &["1", "11", "70"])),
        _ => format!("verify {client} t-0"),
    }
}

/// What must hold between the state before a command and the state after it.
fn judge(world: &World, before: Option<&crate::Transaction>, script: &[String]) {
    let Some(now) = world.transaction() else { return };
    let Some(before) = before else {
        assert_eq!(now.state, State::Empty, "{script:?}");
        return;
    };
    if *before == *now {
        return;
    }
    let may = match now.state {
        State::Empty => {
            matches!(before.state, State::Empty | State::CompleteCommit | State::CompleteAbort)
        }
        State::Ongoing => !before.state.is_prepared(),
        State::PrepareCommit => before.state == State::Ongoing,
        State::PrepareAbort => !before.state.is_prepared(),
        State::CompleteCommit => before.state == State::PrepareCommit,
        State::CompleteAbort => before.state == State::PrepareAbort,
        State::Dead | State::PrepareEpochFence => false,
    };
    let exhausted = script.last().is_some_and(|last| last == "exhaust");
    // A tick may take more than one step.
    let ticked = script.last().is_some_and(|last| last.starts_with("advance"));
    assert!(may || exhausted || ticked, "{:?} to {:?}: {script:?}", before.state, now.state);
    if now.producer_id == before.producer_id && !exhausted {
        assert!(now.producer_epoch >= before.producer_epoch, "{script:?}");
    }
    if now.state == State::PrepareCommit || now.state == State::PrepareAbort {
        assert_eq!(now.partitions, before.partitions, "{script:?}");
    }
}

#[test]
fn random_scripts_keep_every_promise() {
    for seed in 1..=300 {
        let mut random = Prng::new(seed);
        let mut world = World::new();
        let mut script = vec!["init a".to_owned(), "init b id=other".to_owned()];
        world.run(&script.join(" | "));
        for _ in 0..150 {
            let next = command(&mut random);
            let before = world.transaction().cloned();
            script.push(next.clone());
            world.run(&next);
            judge(&world, before.as_ref(), &script);
            if script.len() > 40 {
                script.remove(0);
            }
        }
        // All markers are written in the end, and every transaction is over.
        for _ in 0..20 {
            world.run("written | written | advance 100");
        }
        let left: BTreeSet<State> = world.kit.live().iter().map(|(_, t)| t.state).collect();
        let ended = [State::Empty, State::CompleteCommit, State::CompleteAbort];
        assert!(left.iter().all(|state| ended.contains(state)), "seed {seed}: {left:?}");
        assert_eq!(world.soft.marking(), 0, "seed {seed}");
        world.finish();
    }
}
