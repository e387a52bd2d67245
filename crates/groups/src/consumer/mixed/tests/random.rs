//! Random lives of groups whose members speak both protocols, by seed: no partition is with two of
//! them, and in the end every partition is with one.

use std::collections::BTreeSet;

use crate::script::{Dice, World};

const CLASSIC: [&str; 3] = ["a", "b", "c"];
const NEW: [&str; 3] = ["x", "y", "z"];

fn command(dice: &mut Dice) -> String {
    let (old, new) = (dice.pick(&CLASSIC), dice.pick(&NEW));
    match dice.roll(24) {
        0..=10 => format!("poll {old}"),
        11..=15 => format!("hb {new}"),
        16 => format!("hb {new} keep"),
        17 => format!("quit {new}"),
        18 => format!("leave {old}"),
        19 => format!("poll {old} topics={}", dice.pick(&["t", "u", "t+u"])),
        20 if dice.roll(4) == 0 => "fail".to_owned(),
        20 if dice.roll(4) == 0 => "restart".to_owned(),
        21 => format!("hb {new} epoch=0 topics={}", dice.pick(&["t", "u", "t+u"])),
        _ => format!("advance {}ms", dice.pick(&["100", "1000", "5000", "20000"])),
    }
}

/// What members believe to have, they have alone.
fn nothing_is_owned_twice(world: &World, script: &[String]) {
    let mut owners = BTreeSet::new();
    for (member, place) in world.owned() {
        let is_first = owners.insert(place.clone());
        assert!(is_first, "{member} has {place} as well: {}", script.join(" | "));
    }
}

#[test]
fn no_partition_has_two_owners_whatever_the_protocols_and_every_group_settles() {
    for seed in 1..=120 {
        let mut dice = Dice::of(seed);
        let mut world = World::new();
        let mut script = vec!["settings delay=0ms".to_owned()];
        world.run(&script[0]);
        for _ in 0..100 {
            let next = command(&mut dice);
            script.push(next.clone());
            world.run(&next);
            nothing_is_owned_twice(&world, &script);
        }
        for round in 0..60 {
            let old = CLASSIC.map(|name| format!("poll {name} topics=t"));
            let new = NEW.into_iter().filter(|_| seed % 3 > 0);
            let topics = if round == 0 { " topics=t regex=" } else { "" };
            let new = new.map(|name| format!("hb {name}{topics}"));
            for next in old.into_iter().chain(new).chain(["advance 2s".to_owned()]) {
                world.run(&next);
                script.push(next);
            }
            nothing_is_owned_twice(&world, &script);
        }
        let owned = world.owned().len();
        assert_eq!(owned, 4, "seed {seed}: {}", script.join(" | "));
        assert!(world.imbalance() <= 1, "seed {seed}: {}", script.join(" | "));
        world.finish();
    }
}
