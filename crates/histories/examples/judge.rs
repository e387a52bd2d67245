//! Judges histories that programs of other languages have told in lines of JSON:
//! `cargo run -p ottla-histories --example judge -- FILE...`, which src/lines.rs explains.
//!
//! Prints what is wrong, one line each, and how much there was; fails when anything is wrong.
#![allow(
    clippy::disallowed_methods,
    reason = "a tool reads files of its user, and runs in no node"
)]

use std::process::ExitCode;

use ottla_histories::Lines;

fn main() -> ExitCode {
    let mut lines = Lines::default();
    for path in std::env::args().skip(1) {
        let read = std::fs::read_to_string(&path).map_err(|error| error.to_string());
        if let Err(why) = read.and_then(|text| lines.tell(&text)) {
            eprintln!("{path}: {why}");
            return ExitCode::from(2);
        }
    }
    let (anomalies, (transactions, committed)) = lines.judge();
    for (anomaly, what) in &anomalies {
        println!("{anomaly:?}: {what}");
    }
    println!(
        "{transactions} transactions, {committed} committed for certain, {} anomalies",
        anomalies.len()
    );
    if anomalies.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
