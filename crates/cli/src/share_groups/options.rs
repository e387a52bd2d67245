//! Table: the options of `share-groups`, and which go together.
//!
//! Not here: what they do. Must hold: the names are those of kafka-share-groups.sh.

use crate::client_options::{BOOTSTRAP_SERVER, COMMAND_CONFIG};
use crate::failure::Failure;
use crate::groups::options::{
    DELETE, LIST, OFFSETS, STATE, TIMEOUT, TO_DATETIME, TO_EARLIEST, TO_LATEST, TOPIC, VERBOSE,
    asked, check_execution, check_views,
};
use crate::options::{HELP, Opt, Parsed, VERSION, flag, text};

use super::TOOL;

/// The options.
pub(crate) const OPTIONS: &[Opt] = &[
    flag("all-groups", "All share groups."),
    flag("all-topics", "With --reset-offsets: all topics that the group has a state of."),
    BOOTSTRAP_SERVER.required(),
    COMMAND_CONFIG,
    DELETE,
    flag("delete-offsets", "Delete what a group without members has of topics."),
    flag("describe", "Show where groups are, or their members or states."),
    flag("dry-run", "With --reset-offsets: only show where the group would be."),
    flag("execute", "With --reset-offsets: put the group there."),
    text("group", "share group", "A group; may be repeated."),
    HELP,
    LIST,
    flag("members", "With --describe: show members."),
    OFFSETS,
    flag(
        "reset-offsets",
        "Put a group that has no members elsewhere: by one of --to-datetime, --to-earliest, \
         --to-latest.",
    ),
    STATE,
    TIMEOUT,
    TO_DATETIME,
    TO_EARLIEST,
    TO_LATEST,
    TOPIC,
    VERBOSE,
    VERSION,
];

/// Where `--reset-offsets` may go.
const SCENARIOS: &[&str] = &["to-datetime", "to-earliest", "to-latest"];

/// The action asked for, when all the options fit it.
pub(super) fn check(parsed: &Parsed) -> Result<&'static str, Failure> {
    let asked = asked(&TOOL, parsed)?;
    if parsed.has("describe") {
        check_describe(parsed)?;
    }
    let has_group = parsed.has("group") || parsed.has("all-groups");
    if parsed.has("delete") && !has_group {
        return Err(Failure::usage("Option [delete] takes the options [group] or [all-groups]"));
    }
    if parsed.has("delete-offsets") && !(parsed.has("group") && parsed.has("topic")) {
        return Err(Failure::usage(
            "Option [delete-offsets] takes the following options: [group], [topic]",
        ));
    }
    if parsed.has("reset-offsets") {
        check_reset(parsed)?;
    }
    parsed.alone("group", &["all-groups", "list"])?;
    parsed.alone("topic", &["list", "describe", "delete"])?;
    match asked[..] {
        [action] => Ok(action),
        _ => Err(Failure::usage(
            "Command must include exactly one action: --list, --describe, --delete, \
             --reset-offsets, --delete-offsets.",
        )),
    }
}

fn check_describe(parsed: &Parsed) -> Result<(), Failure> {
    if !parsed.has("group") && !parsed.has("all-groups") {
        return Err(Failure::usage(
            "Option [describe] takes one of these options: [all-groups], [group]",
        ));
    }
    check_views(parsed)
}

fn check_reset(parsed: &Parsed) -> Result<(), Failure> {
    let takes = |what: &str| Failure::usage(format!("Option [reset-offsets] takes {what}"));
    check_execution(parsed)?;
    if !parsed.has("group") {
        return Err(takes("the option: [group]"));
    }
    if !parsed.has("topic") && !parsed.has("all-topics") {
        return Err(takes("one of these options: [all-topics], [topic]"));
    }
    let given: Vec<_> = SCENARIOS.iter().filter(|scenario| parsed.has(scenario)).collect();
    match given[..] {
        [] => Err(takes("one of these options: [to-datetime], [to-earliest], [to-latest]")),
        [_] => Ok(()),
        [one, other, ..] => Err(Failure::usage(format!(
            "Option \"[{one}]\" can't be used with option \"[{other}]\""
        ))),
    }
}
