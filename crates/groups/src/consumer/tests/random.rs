//! Random scripts by seed: whatever members do, no partition has two owners, and in the end
//! everyone has what the assignor gave.

use std::collections::BTreeSet;

use crate::kinds::AnyKind;
use crate::script::{Dice, World};

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

fn command(dice: &mut Dice) -> String {
    let name = dice.pick(&NAMES);
    match dice.roll(24) {
        0..=11 => format!("hb {name}"),
        12 => format!("hb {name} keep"),
        13 => format!("hb {name} epoch=0 topics={}", dice.pick(&["t", "u", "t+u", ""])),
        14 => format!("hb {name} topics={}", dice.pick(&["t", "u", "t+u"])),
        15 => format!("hb {name} regex={}", dice.pick(&["t", "[tu]", ".*", "x"])),
        16 => format!("hb {name} assignor={}", dice.pick(&["range", "uniform"])),
        17 => format!("quit {name}"),
        18 => format!("grow {} {}", dice.pick(&["t", "u", "v"]), 4 + dice.roll(4)),
        19 if dice.roll(3) == 0 => "fail".to_owned(),
        20 if dice.roll(3) == 0 => "restart".to_owned(),
        21 => format!("hb {name} static=s{name} epoch=0"),
        22 => format!("commit {name} t:0@{} id={name} gen={}", dice.roll(9), dice.roll(9)),
        _ => format!("advance {}ms", dice.pick(&["100", "1000", "5000", "20000"])),
    }
}

/// Whoever was told of a partition and has not given it up has it alone.
fn nothing_is_owned_twice(world: &World, script: &[String]) {
    let group = world.kit.live().group("g").and_then(|group| group.kinds.consumers.as_deref());
    let Some(group) = group else { return };
    let mut owners = BTreeSet::new();
    for member in group.members().keys() {
        for (topic, partition, _) in group.current(member).assigned.iter() {
            let is_first = owners.insert((topic, partition));
            assert!(is_first, "{topic}:{partition} has two owners: {}", script.join(" | "));
        }
    }
    for (name, has) in world.beliefs() {
        let Some(_) = group.member(name) else { continue };
        for (topic, partition) in has {
            let current = group.current(name);
            let others = group.members().keys().filter(|other| ***other != **name);
            let is_others = others
                .into_iter()
                .any(|other| group.current(other).assigned.contains(*topic, *partition));
            let knows = current.assigned.contains(*topic, *partition)
                || current.revoking.contains(*topic, *partition);
            assert!(knows || !is_others, "{name} has {partition}: {}", script.join(" | "));
        }
    }
}

#[test]
fn no_partition_has_two_owners_and_every_group_settles() {
    for seed in 1..=60 {
        let mut dice = Dice::of(seed);
        let mut world = World::new();
        let mut script = Vec::new();
        for _ in 0..80 {
            let next = command(&mut dice);
            script.push(next.clone());
            world.run(&next);
            nothing_is_owned_twice(&world, &script);
        }
        settle(&mut world, &mut script);
        let group = world.kit.live().group("g").and_then(|group| group.kinds.consumers.as_deref());
        if let Some(group) = group {
            let is_settled = ["Stable", "Empty"].contains(&group.state());
            assert!(is_settled, "seed {seed}: {} {}", group.state(), script.join(" | "));
        }
        assert_eq!(world.waiting(), 0);
        world.finish();
    }
}

/// Everyone sends heartbeats until nothing changes any more.
fn settle(world: &mut World, script: &mut Vec<String>) {
    for _ in 0..12 {
        for name in NAMES {
            let next = format!("hb {name}");
            script.push(next.clone());
            world.run(&next);
        }
        nothing_is_owned_twice(world, script);
        world.run("advance 2s");
    }
}
