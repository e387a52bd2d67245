//! Random scripts by seed: whatever members do, no task is active at two of them, and in the end
//! everyone has what the assignor gave.

use std::collections::BTreeSet;

use super::world::World;
use crate::kinds::AnyKind;
use crate::script::Dice;

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

fn command(dice: &mut Dice) -> String {
    let name = dice.pick(&NAMES);
    match dice.roll(24) {
        0..=11 => format!("hb {name}"),
        12 | 13 => format!("hb {name} keep"),
        14 => format!("hb {name} epoch=0 process={}", dice.pick(&["p", "q", "r"])),
        15 => format!("hb {name} at=host:{}", dice.roll(9)),
        16 => format!("standbys {}", dice.roll(3)),
        17 => format!("quit {name}"),
        18 => "create".to_owned(),
        19 if dice.roll(3) == 0 => "fail".to_owned(),
        20 if dice.roll(3) == 0 => "restart".to_owned(),
        21 if dice.roll(4) == 0 => "drop count-c".to_owned(),
        22 => format!("hb {name} epoch={}", dice.roll(9)),
        _ => format!("advance {}ms", dice.pick(&["100", "1000", "5000", "20000"])),
    }
}

/// Whoever runs a task runs it alone, as far as the coordinator and clients that it knows can tell.
fn nothing_is_active_twice(world: &World, script: &[String]) {
    let Some(group) = world.kit.live().streams_group("g") else { return };
    let mut running = BTreeSet::new();
    for member in group.members().keys() {
        let current = group.current(member);
        for task in current.assigned.active.keys().chain(current.revoking.active.keys()) {
            assert!(running.insert(task.clone()), "{task:?}: {}", script.join(" | "));
        }
    }
    for (name, client) in &world.clients {
        let Some(_) = group.member(name) else { continue };
        let current = group.current(name);
        for task in client.has.active.keys() {
            let knows = current.assigned.active.contains_key(task)
                || current.revoking.active.contains_key(task);
            let others = group.members().keys().filter(|other| ***other != **name);
            let is_others = others
                .into_iter()
                .any(|other| group.current(other).assigned.active.contains_key(task));
            assert!(knows || !is_others, "{name} runs {task:?}: {}", script.join(" | "));
        }
    }
}

#[test]
fn no_task_is_active_twice_and_every_group_settles() {
    for seed in 1..=60 {
        let mut dice = Dice::of(seed);
        let mut world = World::new();
        let mut script = Vec::new();
        for name in NAMES {
            script.push(format!("hb {name} app=count"));
        }
        script.push("create".to_owned());
        script.iter().for_each(|line| drop(world.run(line)));
        for _ in 0..100 {
            let next = command(&mut dice);
            script.push(next.clone());
            world.run(&next);
            nothing_is_active_twice(&world, &script);
        }
        settle(&mut world, &mut script);
        if let Some(group) = world.kit.live().streams_group("g") {
            let state = group.state();
            assert_eq!(state, "Stable", "seed {seed}: {}", script.join(" | "));
            let active: usize = group.targets().values().map(|tasks| tasks.active.len()).sum();
            assert_eq!(active, 4, "seed {seed}: {}", script.join(" | "));
        }
        world.through_bytes();
    }
}

/// Everyone sends heartbeats until nothing changes any more.
fn settle(world: &mut World, script: &mut Vec<String>) {
    for _ in 0..12 {
        for name in NAMES {
            for next in [format!("hb {name} app=count"), "create".to_owned()] {
                script.push(next.clone());
                world.run(&next);
            }
        }
        nothing_is_active_twice(world, script);
        world.run("advance 2s");
    }
}
