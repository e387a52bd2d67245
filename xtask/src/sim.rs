//! `cargo xtask sim [--seconds 60] [--seed N]`: stories of the simulated world, seed after seed.
//!
//! Each story is told by crates/node/tests/world, which takes its seeds from OTTLA_SIM_SEED and
//! OTTLA_SIM_SEEDS and names the one that fails. With a seed alone, only that one runs.

use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::root;

/// How long stories are told when not told.
const SECONDS: u64 = 60;
/// So many seeds are one run of the test program.
const SEEDS: u64 = 4;

/// Runs the task.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let (mut seconds, mut seed) = (None, None);
    for pair in args.chunks(2) {
        let number = pair.get(1).and_then(|text| text.parse().ok());
        match (pair[0].as_str(), number) {
            ("--seconds", Some(number)) => seconds = Some(number),
            ("--seed", Some(number)) => seed = Some(number),
            _ => return Err("usage: cargo xtask sim [--seconds N] [--seed N]".into()),
        }
    }
    tell(1, 0, &["--no-run"])?;
    if let (Some(seed), None) = (seed, seconds) {
        tell(seed, 1, &[])?;
        println!("seed {seed}: no promise was broken");
        return Ok(());
    }
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let first = seed.unwrap_or(since_1970.as_secs());
    let time = Duration::from_secs(seconds.unwrap_or(SECONDS));
    let (start, mut next) = (Instant::now(), first);
    while start.elapsed() < time {
        tell(next, SEEDS, &[])?;
        next += SEEDS;
    }
    let told = u32::try_from(next - first).unwrap_or(u32::MAX);
    let speed = f64::from(told) / start.elapsed().as_secs_f64();
    println!("seeds {first} to {}: {speed:.1} a second, no promise was broken", next - 1);
    Ok(())
}

fn tell(seed: u64, seeds: u64, options: &[&str]) -> Result<(), String> {
    let output = Command::new(env!("CARGO"))
        .args(["test", "--quiet", "--package", "ottla-node", "--test", "world"])
        .args(options)
        .args(["no_story_breaks_a_promise"])
        .env("OTTLA_SIM_SEED", seed.to_string())
        .env("OTTLA_SIM_SEEDS", seeds.to_string())
        .current_dir(root())
        .output()
        .map_err(|error| format!("cargo test: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(String::from_utf8_lossy(&said).into_owned())
}
