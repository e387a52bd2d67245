//! Random scripts by seed: whatever clients do, the promises of a group hold.
//!
//! Every ticket is answered at most once (the script's world insists) and in the end exactly once,
//! replay gives the live state (the kit insists), and what `restart` finds is what was settled.

use crate::script::{Dice, World};

fn command(dice: &mut Dice) -> String {
    let name = dice.pick(&["a", "b", "c", "d"]);
    match dice.roll(22) {
        0..=4 => {
            let version = dice.pick(&["3", "4", "9"]);
            let meta = dice.pick(&["m", "m", "m", "n"]);
            let protocols = dice.pick(&["range", "range,sticky", "sticky,range"]);
            let id = dice.pick(&["", "", " id=none"]);
            format!("join {name} v={version} meta={meta} protocols={protocols} rebalance=20s{id}")
        }
        5 => format!("join {name} v=9 static={name} id=none rebalance=20s"),
        6..=9 => format!("sync {name}"),
        10 | 11 => format!("beat {name}"),
        12 => format!("leave {name}"),
        13 => format!("commit {name} t:0@{}", dice.roll(100)),
        14 => format!("fetch{} t:0", dice.pick(&["", " stable=1"])),
        20 => format!("transact {name} t:0@{} by={}", dice.roll(100), dice.roll(2)),
        21 => format!("end {} {}", dice.roll(2), dice.pick(&["", "aborted"])),
        15 => "describe".to_owned(),
        16 if dice.roll(4) == 0 => "restart".to_owned(),
        16 => "fail".to_owned(),
        17 => format!("forget {}", dice.pick(&["t:0", "u:0"])),
        18 if dice.roll(3) == 0 => "delete".to_owned(),
        _ => format!("advance {}ms", dice.pick(&["1", "500", "3000", "10000", "30000"])),
    }
}

#[test]
fn random_scripts_keep_every_promise() {
    for seed in 1..=400 {
        let mut dice = Dice::of(seed);
        let mut world = World::new();
        let delay = if seed % 2 == 0 { "0ms" } else { "3s" };
        let mut script = vec![format!("settings delay={delay}")];
        world.run(&script[0]);
        for _ in 0..120 {
            let next = command(&mut dice);
            script.push(next.clone());
            world.run(&next);
        }
        // Nobody says anything any more: sessions end, and every wait with them.
        world.advance(3_600_000);
        assert_eq!(world.waiting(), 0, "seed {seed}: {}", script.join(" | "));
        world.finish();
    }
}
