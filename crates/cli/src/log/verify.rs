//! `ottla log verify`: prints what is wrong, and ends with 1 when something is.
//!
//! Changes nothing.

use std::path::Path;

use ottla_storage::verify::{Gravity, Verified, verify};

use super::{Headway, USAGE, is_wrong, kind, place, summary, verified_json};
use crate::context::Context;
use crate::failure::Failure;

pub(super) const HELP: &str = "\
    verify reads every batch of every log in the folders, and compares indexes, snapshots and\n\
    checkpoints with them. A folder may be that of one partition. Changes nothing. The exit code\n\
    is 1 when something is wrong.";

pub(super) fn run(context: &mut Context, words: &[String]) -> Result<(), Failure> {
    let (options, folders): (Vec<&String>, Vec<&String>) =
        words.iter().partition(|word| word.starts_with('-'));
    if options.iter().any(|option| super::is_help(option)) {
        return Ok(writeln!(context.out, "{USAGE}\n\n{HELP}")?);
    }
    if let Some(unknown) = options.iter().find(|option| **option != "--json") {
        return Err(Failure::said(format!("{unknown} is no option\n{USAGE}")));
    }
    if folders.is_empty() {
        return Err(Failure::said(USAGE));
    }
    let mut is_damaged = false;
    for folder in folders {
        let verified = verified(context, folder)?;
        is_damaged |= is_wrong(&verified);
        match options.is_empty() {
            true => print_table(context, folder, &verified)?,
            false => writeln!(context.out, "{}", verified_json(folder, &verified))?,
        }
    }
    match is_damaged {
        true => Err(Failure::said("something is not as it must be: see above")),
        false => Ok(()),
    }
}

fn verified(context: &mut Context, folder: &str) -> Result<Verified, Failure> {
    let mut headway = Headway::new(context, folder);
    let Context { env, err, .. } = context;
    let mut next = |name: &str| headway.next(env.monotonic(), &mut **err, name);
    verify(env.disk(), Path::new(folder), &mut next)
        .map_err(|error| crate::file::refused("list", "the folder", folder, &error))
}

fn print_table(context: &mut Context, folder: &str, verified: &Verified) -> Result<(), Failure> {
    for finding in &verified.findings {
        let remedy = match finding.gravity {
            Gravity::Derived => "; `ottla log repair` makes it anew",
            Gravity::Note | Gravity::Records => "",
        };
        let (kind, place) = (kind(finding), place(finding));
        writeln!(context.out, "{kind:<8} {place}: {}{remedy}", finding.what)?;
    }
    Ok(writeln!(context.out, "{}", summary(folder, verified))?)
}
