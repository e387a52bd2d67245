//! `ottla log verify|repair <folder>...`: whether log directories are as they must be, and what
//! makes them so.
//!
//! One file per word; what both print stands here. Results are a table, or one JSON object per
//! folder with --json; a run that takes long says on stderr where it is. Not here: what is checked
//! and how it is mended (storage).

mod repair;
mod topic_ids;
mod verify;

use std::io::Write;
use std::time::Duration;

use ottla_env::Instant;
use ottla_storage::verify::{Finding, Gravity, Verified};

use crate::context::Context;
use crate::failure::Failure;

const USAGE: &str = "usage: ottla log verify [--json] <folder>...\n       \
    ottla log repair [--dry-run] [--truncate-torn-tail] [--aside <folder>] [--json] <folder>...";

/// How often a long run says where it is.
const TELL_EACH: Duration = Duration::from_secs(1);

/// Runs one of the words.
pub(crate) async fn run(context: &mut Context, words: &[String]) -> Result<(), Failure> {
    match words.split_first() {
        Some((word, rest)) if word == "verify" => verify::run(context, rest),
        Some((word, rest)) if word == "repair" => repair::run(context, rest),
        Some((word, _)) if is_help(word) => {
            let (verify, repair) = (verify::HELP, repair::HELP);
            Ok(writeln!(context.out, "{USAGE}\n\n{verify}\n\n{repair}")?)
        }
        _ => Err(Failure::said(USAGE)),
    }
}

/// Whether the word asks what the options are.
fn is_help(word: &str) -> bool {
    matches!(word, "--help" | "-h")
}

/// Says once a second how far a run is.
struct Headway<'a> {
    folder: &'a str,
    told: Instant,
    partitions: u64,
}

impl<'a> Headway<'a> {
    fn new(context: &Context, folder: &'a str) -> Headway<'a> {
        Headway { folder, told: context.env.monotonic(), partitions: 0 }
    }

    fn next(&mut self, now: Instant, err: &mut dyn Write, name: &str) {
        if now - self.told >= TELL_EACH {
            self.told = now;
            let (folder, partitions) = (self.folder, self.partitions);
            // Nobody may be there to read it, and that is no reason to stop.
            let _ = writeln!(err, "{folder}: {partitions} partitions are read, next {name}");
        }
        self.partitions += 1;
    }
}

/// What a kind of finding is called.
fn kind(finding: &Finding) -> &'static str {
    match finding.gravity {
        Gravity::Note => "note",
        Gravity::Derived => "derived",
        Gravity::Records => "damage",
    }
}

/// Where something is wrong.
fn place(finding: &Finding) -> String {
    let at = finding.position.map_or(String::new(), |at| format!(" at byte {at}"));
    format!("{}{at}", finding.path.display())
}

fn is_wrong(verified: &Verified) -> bool {
    verified.findings.iter().any(|finding| finding.gravity > Gravity::Note)
}

fn summary(folder: &str, verified: &Verified) -> String {
    let Verified { partitions, batches, records, bytes, findings } = verified;
    let wrong = findings.iter().filter(|it| it.gravity > Gravity::Note).count();
    format!(
        "{folder}: {partitions} partitions, {batches} batches, {records} records, {bytes} bytes; \
         {wrong} wrong"
    )
}

fn finding_json(finding: &Finding) -> serde_json::Value {
    serde_json::json!({
        "kind": kind(finding),
        "path": finding.path.display().to_string(),
        "position": finding.position,
        "what": finding.what,
    })
}

fn verified_json(folder: &str, verified: &Verified) -> serde_json::Value {
    let findings: Vec<_> = verified.findings.iter().map(finding_json).collect();
    serde_json::json!({
        "folder": folder,
        "partitions": verified.partitions,
        "batches": verified.batches,
        "records": verified.records,
        "bytes": verified.bytes,
        "findings": findings,
    })
}
