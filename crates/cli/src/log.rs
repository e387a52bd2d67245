//! `ottla log verify <folder>...`: whether log directories are as they must be.
//!
//! Prints what is wrong as a table, or as JSON with --json; ends with 1 when something is. Not
//! here: what is checked (storage). Mending is the next start's: whatever is derived is made anew
//! when its file is gone.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use ottla_storage::verify::{Finding, Gravity, Verified, verify};

use crate::context::Context;
use crate::failure::Failure;

const USAGE: &str = "usage: ottla log verify [--json] <folder>...\n\n\
    Reads every batch of every log in the folders, and compares indexes, snapshots and\n\
    checkpoints with them. Changes nothing. The exit code is 1 when something is wrong.";

/// How often a long run says where it is.
const TELL_EACH: Duration = Duration::from_secs(1);

/// Runs one of the words.
pub(crate) async fn run(context: &mut Context, words: &[String]) -> Result<(), Failure> {
    let (json, folders) = match words.split_first() {
        Some((word, _)) if word == "--help" => return Ok(writeln!(context.out, "{USAGE}")?),
        Some((word, rest)) if word == "verify" => {
            let (options, folders): (Vec<&String>, Vec<&String>) =
                rest.iter().partition(|word| word.starts_with("--"));
            if let Some(unknown) = options.iter().find(|option| **option != "--json") {
                return Err(Failure::said(format!("{unknown} is no option\n{USAGE}")));
            }
            (!options.is_empty(), folders)
        }
        _ => return Err(Failure::said(USAGE)),
    };
    if folders.is_empty() {
        return Err(Failure::said(USAGE));
    }
    let mut is_damaged = false;
    for folder in folders {
        let verified = verified(context, folder)?;
        is_damaged |= verified.findings.iter().any(|it| it.gravity > Gravity::Note);
        match json {
            true => print_json(&mut *context.out, folder, &verified)?,
            false => print_table(&mut *context.out, folder, &verified)?,
        }
    }
    match is_damaged {
        true => Err(Failure::said("something is not as it must be: see above")),
        false => Ok(()),
    }
}

fn verified(context: &mut Context, folder: &str) -> Result<Verified, Failure> {
    let Context { env, err, .. } = context;
    let mut told = env.monotonic();
    let mut partitions = 0_u64;
    let mut next = |name: &str| {
        let now = env.monotonic();
        if now - told >= TELL_EACH {
            told = now;
            // Nobody may be there to read it, and that is no reason to stop.
            let _ = writeln!(err, "{folder}: {partitions} partitions are verified, next {name}");
        }
        partitions += 1;
    };
    verify(env.disk(), Path::new(folder), &mut next)
        .map_err(|error| crate::file::refused("list", "the folder", folder, &error))
}

fn gravity(finding: &Finding) -> (&'static str, &'static str) {
    match finding.gravity {
        Gravity::Note => ("note", ""),
        Gravity::Derived => ("derived", "; once it is removed a start makes it anew"),
        Gravity::Records => ("damage", ""),
    }
}

fn print_table(out: &mut dyn Write, folder: &str, verified: &Verified) -> Result<(), Failure> {
    for finding in &verified.findings {
        let (kind, remedy) = gravity(finding);
        let path = finding.path.display();
        let at = finding.position.map_or(String::new(), |at| format!(" at byte {at}"));
        writeln!(out, "{kind:<8} {path}{at}: {}{remedy}", finding.what)?;
    }
    let Verified { partitions, batches, records, bytes, findings } = verified;
    let wrong = findings.iter().filter(|it| it.gravity > Gravity::Note).count();
    writeln!(
        out,
        "{folder}: {partitions} partitions, {batches} batches, {records} records, {bytes} bytes; \
         {wrong} wrong"
    )?;
    Ok(())
}

fn print_json(out: &mut dyn Write, folder: &str, verified: &Verified) -> Result<(), Failure> {
    let findings: Vec<serde_json::Value> = verified
        .findings
        .iter()
        .map(|finding| {
            serde_json::json!({
                "kind": gravity(finding).0,
                "path": finding.path.display().to_string(),
                "position": finding.position,
                "what": finding.what,
            })
        })
        .collect();
    let told = serde_json::json!({
        "folder": folder,
        "partitions": verified.partitions,
        "batches": verified.batches,
        "records": verified.records,
        "bytes": verified.bytes,
        "findings": findings,
    });
    Ok(writeln!(out, "{told}")?)
}
