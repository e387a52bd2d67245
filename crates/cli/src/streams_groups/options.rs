//! Table: the options of `streams-groups`, and which go together.
//!
//! Not here: what they do. Must hold: the names are those of kafka-streams-groups.sh.

use crate::client_options::{BOOTSTRAP_SERVER, COMMAND_CONFIG};
use crate::context::Context;
use crate::failure::Failure;
use crate::groups::options::{
    BY_DURATION, DELETE, EXPORT, FROM_FILE, LIST, OFFSETS, RESET_OFFSETS, SHIFT_BY, STATE, TIMEOUT,
    TO_CURRENT, TO_DATETIME, TO_EARLIEST, TO_LATEST, TO_OFFSET, VERBOSE, asked, check_execution,
    check_views,
};
use crate::groups::plan::Scenario;
use crate::options::{HELP, Opt, Parsed, VERSION, flag, text};

use super::TOOL;

/// The options.
pub(crate) const OPTIONS: &[Opt] = &[
    flag("all-groups", "All streams groups."),
    flag("all-input-topics", "With --reset-offsets, --delete-offsets: all sources of the group."),
    BOOTSTRAP_SERVER.required(),
    BY_DURATION,
    COMMAND_CONFIG,
    DELETE,
    flag(
        "delete-all-internal-topics",
        "With --delete, or --reset-offsets --execute: delete the group's internal topics too.",
    ),
    text(
        "delete-internal-topic",
        "topic",
        "With --reset-offsets --execute: delete this internal topic; may be repeated.",
    ),
    flag("delete-offsets", "Delete a group's offsets of topics."),
    flag("describe", "Show offsets and lag of groups, or their members or states."),
    flag("dry-run", "With --reset-offsets: only show what the offsets would be."),
    flag("execute", "With --reset-offsets: set the offsets."),
    EXPORT,
    FROM_FILE,
    text("group", "streams group", "A group; may be repeated."),
    HELP,
    text("input-topic", "topic", "A source, or with partitions: topic:0,1; may be repeated."),
    LIST,
    flag("members", "With --describe: show members and their tasks."),
    OFFSETS,
    RESET_OFFSETS,
    SHIFT_BY,
    STATE,
    TIMEOUT,
    TO_CURRENT,
    TO_DATETIME,
    TO_EARLIEST,
    TO_LATEST,
    TO_OFFSET,
    VERBOSE,
    VERSION,
];

/// Where `--reset-offsets` may go; in the order in which two of them are refused.
const SCENARIOS: &[&str] = &[
    "to-offset",
    "to-datetime",
    "by-duration",
    "to-earliest",
    "to-latest",
    "to-current",
    "shift-by",
    "from-file",
];

/// The action asked for, when all the options fit it.
pub(super) fn check(parsed: &Parsed) -> Result<&'static str, Failure> {
    let asked = asked(&TOOL, parsed)?;
    let has_group = parsed.has("group") || parsed.has("all-groups");
    if parsed.has("describe") {
        check_describe(parsed, has_group)?;
    }
    if parsed.has("delete") {
        if !has_group {
            return one_of("delete");
        }
        if parsed.has("delete-internal-topic") {
            return Err(Failure::usage(
                "Option [delete-internal-topic] takes [reset-offsets] when [execute] is used.",
            ));
        }
    }
    let has_topics = parsed.has("input-topic") || parsed.has("all-input-topics");
    if parsed.has("delete-offsets") && !(parsed.has("group") && has_topics) {
        return Err(Failure::usage(
            "Option [delete-offsets] takes the [group] and one of these options: \
             [all-input-topics], [input-topic]",
        ));
    }
    if parsed.has("reset-offsets") {
        check_reset(parsed, has_group, has_topics)?;
    }
    parsed.alone("group", &["all-groups", "list"])?;
    parsed.alone("input-topic", &["list", "describe", "delete"])?;
    match asked[..] {
        [action] => Ok(action),
        _ => Err(Failure::usage(
            "Command must include exactly one action: --list, --describe, --delete, \
             --reset-offsets, or --delete-offsets.",
        )),
    }
}

fn one_of(action: &str) -> Result<&'static str, Failure> {
    let options = "[all-groups], [group]";
    Err(Failure::usage(format!("Option [{action}] takes one of these options: {options}")))
}

fn check_describe(parsed: &Parsed, has_group: bool) -> Result<(), Failure> {
    if !has_group {
        return one_of("describe").map(|_| ());
    }
    check_views(parsed)
}

fn check_reset(parsed: &Parsed, has_group: bool, has_topics: bool) -> Result<(), Failure> {
    check_execution(parsed)?;
    if !has_group {
        return one_of("reset-offsets").map(|_| ());
    }
    let internal = ["delete-all-internal-topics", "delete-internal-topic"];
    if let Some(name) = internal.iter().find(|name| parsed.has(name))
        && !parsed.has("execute")
    {
        return Err(Failure::usage(format!(
            "Option [{name}] takes [execute] when [reset-offsets] is used."
        )));
    }
    let mut given = SCENARIOS.iter().filter(|scenario| parsed.has(scenario));
    if let (Some(one), Some(other)) = (given.next(), given.next()) {
        return Err(Failure::usage(format!(
            "Option \"[{one}]\" can't be used with option \"[{other}]\""
        )));
    }
    match has_topics || parsed.has("from-file") {
        true => Ok(()),
        false => {
            Err(Failure::usage("One of the reset scopes should be defined: --all-topics, --topic."))
        }
    }
}

/// Where the offsets are to go.
pub(super) fn scenario(context: &Context, parsed: &Parsed) -> Result<Scenario, Failure> {
    if !SCENARIOS.iter().any(|scenario| parsed.has(scenario)) {
        let all: Vec<String> = SCENARIOS.iter().map(|scenario| format!("[{scenario}]")).collect();
        return Err(Failure::usage(format!(
            "Option '[reset-offsets]' requires one of the following scenarios: [{}]",
            all.join(", ")
        )));
    }
    TOOL.scenario(context, parsed)
}
