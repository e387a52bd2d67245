//! `cargo xtask ci`: everything that must pass before a change is taken, step by step.
//!
//! Every step runs even when an earlier one failed, so that one run tells everything. At the end
//! stand cargo's own closing lines of the tests and a plain table with the time of each step.
//! Must hold: the exit code is a failure when any step failed.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How a step is done.
enum Work {
    /// `cargo` with these arguments.
    Cargo(&'static [&'static str]),
    /// Another task of this program.
    Task(&'static str, &'static [&'static str]),
    /// A script of the project, where there is one.
    Script(&'static str),
    /// The static binary, where the toolchain can make one.
    Static,
}

/// One step: its name in the table and what it does.
struct Step {
    name: &'static str,
    work: Work,
}

/// The steps in their order: what fails fastest comes first.
const STEPS: &[Step] = &[
    Step { name: "fmt", work: Work::Cargo(&["fmt", "--all", "--check"]) },
    Step {
        name: "clippy",
        work: Work::Cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    },
    Step { name: "test", work: Work::Cargo(&["test", "--workspace", "--no-fail-fast"]) },
    Step { name: "tidy", work: Work::Task("tidy", &[]) },
    Step { name: "doc", work: Work::Cargo(&["doc", "--workspace", "--no-deps"]) },
    Step { name: "deps", work: Work::Task("deps", &[]) },
    Step { name: "fuzz", work: Work::Task("fuzz", &["--seconds", "60"]) },
    Step { name: "sim", work: Work::Task("sim", &["--seconds", "60"]) },
    Step { name: "dist", work: Work::Static },
    Step { name: "conform", work: Work::Script("conform/run") },
];

/// What cargo prints when a test program has ended.
const CLOSING: &str = "test result: ";

/// How a step ended.
enum Outcome {
    Passed,
    Failed(String),
    /// Nothing of this kind lives in the project.
    Absent,
    /// This machine lacks what it takes; in CI that is a failure.
    Skipped(String),
}

/// Runs every step; `cargo xtask ci <step>...` runs only the named ones.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    if let Some(unknown) = args.iter().find(|arg| STEPS.iter().all(|step| step.name != **arg)) {
        let names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        return Err(format!("no step {unknown}; there are {}", names.join(", ")));
    }
    let mut closings = Vec::new();
    let mut rows = Vec::new();
    for step in STEPS.iter().filter(|step| args.is_empty() || args.iter().any(|a| a == step.name)) {
        println!("==> {}", step.name);
        let started = Instant::now();
        let outcome = perform(&step.work, &mut closings);
        if let Outcome::Failed(reason) = &outcome {
            println!("{} failed: {reason}", step.name);
        }
        if let Outcome::Skipped(reason) = &outcome {
            println!("{} is skipped: {reason}", step.name);
        }
        rows.push((step.name, outcome, started.elapsed()));
    }
    report(&closings, &rows)
}

fn perform(work: &Work, closings: &mut Vec<String>) -> Outcome {
    let done = match work {
        Work::Cargo(arguments) => {
            let mut command = Command::new(env!("CARGO"));
            command.args(*arguments).env("RUSTDOCFLAGS", "-D warnings");
            stream(command, closings)
        }
        Work::Task(name, arguments) => {
            let Some(task) = crate::TASKS.iter().find(|task| task.name == *name) else {
                return Outcome::Absent;
            };
            let arguments: Vec<_> = arguments.iter().map(|text| text.to_string()).collect();
            (task.run)(&arguments)
        }
        Work::Script(path) if !crate::root().join(path).is_file() => return Outcome::Absent,
        Work::Script(path) => stream(Command::new(crate::root().join(path)), closings),
        Work::Static => match crate::dist::missing() {
            // The servers of the toolchain may be out of reach where all registries are at hand.
            Some(what) => return Outcome::Skipped(what),
            None => crate::dist::attempt(),
        },
    };
    match done {
        Ok(()) => Outcome::Passed,
        Err(reason) => Outcome::Failed(reason),
    }
}

/// Runs a command, passing its output on line by line and keeping the closing lines of tests.
fn stream(mut command: Command, closings: &mut Vec<String>) -> Result<(), String> {
    command.current_dir(crate::root()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|e| e.to_string())?;
    let output = child.stdout.take().expect("the output was asked for as a pipe");
    for line in BufReader::new(output).split(b'\n') {
        let line = line.map_err(|e| e.to_string())?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        if line.starts_with(CLOSING) {
            closings.push(line.into_owned());
        }
    }
    let status = child.wait().map_err(|e| e.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("{status}")) }
}

fn report(closings: &[String], rows: &[(&str, Outcome, Duration)]) -> Result<(), String> {
    if !closings.is_empty() {
        println!("\n==> tests");
        for line in closings {
            println!("{line}");
        }
        println!(
            "sum of {} test programs: {} passed; {} failed; {} ignored",
            closings.len(),
            sum(closings, "passed"),
            sum(closings, "failed"),
            sum(closings, "ignored")
        );
    }
    println!("\n==> steps");
    for (name, outcome, took) in rows {
        let word = match outcome {
            Outcome::Passed => "ok",
            Outcome::Failed(_) => "FAILED",
            Outcome::Absent => "not in this tree",
            Outcome::Skipped(_) => "skipped",
        };
        println!("{name:<10} {word:<18} {:>8.1} s", took.as_secs_f64());
    }
    let failed: Vec<_> = rows
        .iter()
        .filter(|(_, outcome, _)| matches!(outcome, Outcome::Failed(_)))
        .map(|(name, ..)| *name)
        .collect();
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
}

/// Adds up the number before `word` in each closing line.
fn sum(closings: &[String], word: &str) -> usize {
    let number = |line: &String| -> Option<usize> {
        let mut words = line.split([' ', ';']).filter(|part| !part.is_empty()).peekable();
        let mut last = None;
        while let Some(part) = words.next_if(|part| *part != word) {
            last = part.parse().ok();
        }
        words.peek().and(last)
    };
    closings.iter().filter_map(number).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_added_up() {
        let closings = [
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured".to_string(),
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured".to_string(),
        ];
        let sums = ["passed", "failed", "ignored"].map(|word| sum(&closings, word));
        assert_eq!(sums, [15, 2, 1]);
    }
}
