//! The project's own tools: `cargo xtask <task>`.
//!
//! One file per task; a task is a row in `TASKS`. Nothing here is shipped to a user, so the
//! tools read files, clocks and processes directly instead of through `env`.
//! Must hold: a task returns its failures as text, and only `main` turns them into an exit code.
#![allow(
    clippy::disallowed_methods,
    reason = "tools run on the developer's machine, not in a node"
)]

mod ci;
mod codegen;
mod conform;
mod deps;
mod dist;
mod docs;
mod fuzz;
mod layers;
mod sim;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// One task: its name on the command line, a sentence for the list, and its body.
struct Task {
    name: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Result<(), String>,
}

/// Every task, one row each.
#[rustfmt::skip]
const TASKS: &[Task] = &[
    Task { name: "ci", about: "everything that must pass, step by step", run: ci::run },
    Task { name: "codegen", about: "write wire's messages from their table", run: codegen::run },
    Task { name: "conform", about: "real clients against a broker", run: conform::run },
    Task { name: "deps", about: "licences and bans over every dependency", run: deps::run },
    Task { name: "dist", about: "a static release binary, tried and packed", run: dist::run },
    Task { name: "docs", about: "write pages of docs/ from tables", run: docs::run },
    Task { name: "fuzz", about: "hostile bytes for every decoder", run: fuzz::run },
    Task { name: "sim", about: "stories of the simulated world", run: sim::run },
    Task { name: "tidy", about: "check the house rules over every file", run: tidy::run },
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some(task) = args.first().and_then(|name| TASKS.iter().find(|task| task.name == *name))
    else {
        eprintln!("usage: cargo xtask <task> [options]\n");
        for task in TASKS {
            eprintln!("  {:<10} {}", task.name, task.about);
        }
        return ExitCode::from(2);
    };
    match (task.run)(&args[1..]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the workspace: where the root `Cargo.toml` lies.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("xtask lies in a folder of the workspace").to_path_buf()
}
