//! `cargo xtask fuzz [--seconds 60] [--seed N]`: hostile bytes for every decoder of the house.
//!
//! A crate takes part with a `tests/fuzz.rs` that draws a fixed number of `ottla_wire::fuzz::Cases`
//! by the seed in OTTLA_FUZZ_SEED; nothing is listed here. The crates are run in turn with one seed
//! after another until the time is over, so that a seed alone repeats a failure.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::root;

/// How long all crates together fuzz when not told.
const SECONDS: u64 = 60;

/// Runs the task.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let mut seconds = SECONDS;
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut seed = since_1970.as_secs();
    for pair in args.chunks(2) {
        let number = pair.get(1).and_then(|text| text.parse().ok());
        match (pair[0].as_str(), number) {
            ("--seconds", Some(number)) => seconds = number,
            ("--seed", Some(number)) => seed = number,
            _ => return Err("usage: cargo xtask fuzz [--seconds N] [--seed N]".into()),
        }
    }
    let crates = crates().map_err(|error| format!("crates/: {error}"))?;
    for name in &crates {
        cargo_test(name, &["--no-run"], seed)?;
    }
    let start = Instant::now();
    let first = seed;
    while seed == first || start.elapsed() < Duration::from_secs(seconds) {
        for name in &crates {
            cargo_test(name, &[], seed)?;
        }
        seed += 1;
    }
    println!("{}: seeds {first} to {}", crates.join(", "), seed - 1);
    Ok(())
}

fn cargo_test(name: &str, options: &[&str], seed: u64) -> Result<(), String> {
    let output = Command::new(env!("CARGO"))
        .args(["test", "--quiet", "--package", name, "--test", "fuzz"])
        .args(options)
        .env("OTTLA_FUZZ_SEED", seed.to_string())
        .current_dir(root())
        .output()
        .map_err(|error| format!("cargo test: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    Err(format!("{said}\n{name} fails: cargo xtask fuzz --seconds 0 --seed {seed}"))
}

/// The packages that have a `tests/fuzz.rs`, in order.
fn crates() -> std::io::Result<Vec<String>> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(root().join("crates"))? {
        folders.push(entry?.path());
    }
    folders.retain(|folder| folder.join("tests/fuzz.rs").exists());
    folders.sort();
    let names = folders.iter().filter_map(|folder| folder.file_name()?.to_str());
    Ok(names.map(|name| format!("ottla-{name}")).collect())
}
