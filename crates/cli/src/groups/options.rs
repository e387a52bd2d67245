//! Options that the commands on groups have in common, and which of them go together.
//!
//! Not here: the tables of options, which each command has, in the order of their names. Must hold:
//! a refusal is in the words of Apache Kafka's scripts.

use crate::client_options::BOOTSTRAP_SERVER;
use crate::failure::Failure;
use crate::options::{Opt, Parsed, flag, long, maybe, text};

use super::Tool;

pub(crate) const BY_DURATION: Opt =
    text("by-duration", "duration", "Reset to the time so long ago: PnDTnHnMnS.");
pub(crate) const DELETE: Opt = flag("delete", "Delete groups that have no members.");
pub(crate) const EXPORT: Opt = flag("export", "With --reset-offsets: print the offsets as CSV.");
pub(crate) const FROM_FILE: Opt =
    text("from-file", "path to CSV file", "Reset to the offsets in a file of CSV.");
pub(crate) const LIST: Opt = flag("list", "List the groups.");
pub(crate) const OFFSETS: Opt =
    flag("offsets", "With --describe: show offsets and lag, as without it.");
pub(crate) const RESET_OFFSETS: Opt = flag(
    "reset-offsets",
    "Change the offsets of a group that has no members: by one of --to-datetime, \
     --by-duration, --to-earliest, --to-latest, \
     --shift-by, --from-file, --to-current, --to-offset.",
);
pub(crate) const SHIFT_BY: Opt =
    long("shift-by", "number-of-offsets", "Reset to so many after (or before) the offset.");
pub(crate) const STATE: Opt = maybe(
    "state",
    "",
    "With --describe: show states. With --list: show states, or only groups in \
     these states, with commas between them.",
);
pub(crate) const TIMEOUT: Opt =
    long("timeout", "timeout (ms)", "How long a group may take to settle, in milliseconds.")
        .default("30000");
pub(crate) const TO_CURRENT: Opt = flag("to-current", "Reset to the offset that there is.");
pub(crate) const TO_DATETIME: Opt =
    text("to-datetime", "datetime", "Reset to a time: YYYY-MM-DDThh:mm:ss.sss.");
pub(crate) const TO_EARLIEST: Opt = flag("to-earliest", "Reset to the first offset.");
pub(crate) const TO_LATEST: Opt = flag("to-latest", "Reset to the end.");
pub(crate) const TO_OFFSET: Opt = long("to-offset", "offset", "Reset to this offset.");
pub(crate) const TOPIC: Opt =
    text("topic", "topic", "A topic, or with --reset-offsets topic:0,1; may be repeated.");
pub(crate) const VERBOSE: Opt = flag("verbose", "With --describe: show more.");

/// The actions that are asked for, when what belongs to descriptions comes with one and the servers
/// are named.
pub(crate) fn asked(tool: &Tool, parsed: &Parsed) -> Result<Vec<&'static str>, Failure> {
    let of_describe = ["members", OFFSETS.name, VERBOSE.name];
    let misused = of_describe.iter().find(|name| parsed.has(name) && !parsed.has("describe"));
    if let Some(name) = misused {
        return Err(Failure::usage(format!(
            "Option(s) [{name}] are unavailable given other options on the command line"
        )));
    }
    let asked = actions(tool, parsed);
    if !asked.is_empty() {
        parsed.need(&[BOOTSTRAP_SERVER.name])?;
    }
    Ok(asked)
}

/// The actions that are asked for.
pub(crate) fn actions(tool: &Tool, parsed: &Parsed) -> Vec<&'static str> {
    let actions = tool.actions.iter().map(|action| action.option);
    std::iter::once(LIST.name).chain(actions).filter(|action| parsed.has(action)).collect()
}

/// What is described is one thing, and not of some states only.
pub(crate) fn check_views(parsed: &Parsed) -> Result<(), Failure> {
    let views = ["members", "offsets", "state"].iter().filter(|view| parsed.has(view));
    if views.count() > 1 {
        return Err(Failure::usage(
            "Option [describe] takes at most one of these options: [members], [offsets], [state]",
        ));
    }
    match parsed.texts("state").is_empty() {
        true => Ok(()),
        false => Err(Failure::usage("Option [describe] does not take a value for [state]")),
    }
}

/// A reset is either done or shown, and says which.
pub(crate) fn check_execution(parsed: &Parsed) -> Result<(), Failure> {
    match (parsed.has("dry-run"), parsed.has("execute")) {
        (true, true) => Err(Failure::usage(
            "Option [reset-offsets] only accepts one of [execute] and [dry-run]",
        )),
        (false, false) => {
            Err(Failure::usage("Option [reset-offsets] takes the option: [execute] or [dry-run]"))
        }
        _ => Ok(()),
    }
}
