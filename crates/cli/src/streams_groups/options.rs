//! Table: the options of `streams-groups`, and which go together.
//!
//! Not here: what they do. Must hold: the names are those of kafka-streams-groups.sh.

use crate::client_options::{BOOTSTRAP_SERVER, COMMAND_CONFIG};
use crate::context::Context;
use crate::failure::Failure;
use crate::groups::plan::Scenario;
use crate::options::{HELP, Opt, Parsed, VERSION, flag, long, maybe, text};

/// The options.
pub(crate) const OPTIONS: &[Opt] = &[
    flag("all-groups", "All streams groups."),
    flag("all-input-topics", "With --reset-offsets, --delete-offsets: all sources of the group."),
    BOOTSTRAP_SERVER.required(),
    text("by-duration", "duration", "Reset to the time so long ago: PnDTnHnMnS."),
    COMMAND_CONFIG,
    flag("delete", "Delete groups that have no members."),
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
    flag("export", "With --reset-offsets: print the offsets as CSV."),
    text("from-file", "path to CSV file", "Reset to the offsets in a file of CSV."),
    text("group", "streams group", "A group; may be repeated."),
    HELP,
    text("input-topic", "topic", "A source, or with partitions: topic:0,1; may be repeated."),
    flag("list", "List the groups."),
    flag("members", "With --describe: show members and their tasks."),
    flag("offsets", "With --describe: show offsets and lag, as without it."),
    flag(
        "reset-offsets",
        "Change the offsets of a group that has no members: by one of --to-datetime, \
         --by-duration, --to-earliest, --to-latest, \
         --shift-by, --from-file, --to-current, --to-offset.",
    ),
    long("shift-by", "number-of-offsets", "Reset to so many after (or before) the offset."),
    maybe(
        "state",
        "",
        "With --describe: show states. With --list: show states, or only groups in \
         these states, with commas between them.",
    ),
    long("timeout", "timeout (ms)", "How long a group may take to settle, in milliseconds.")
        .default("30000"),
    flag("to-current", "Reset to the offset that there is."),
    text("to-datetime", "datetime", "Reset to a time: YYYY-MM-DDThh:mm:ss.sss."),
    flag("to-earliest", "Reset to the first offset."),
    flag("to-latest", "Reset to the end."),
    long("to-offset", "offset", "Reset to this offset."),
    flag("verbose", "With --describe: show more."),
    VERSION,
];

/// The actions.
const ACTIONS: &[&str] = &["list", "describe", "delete", "reset-offsets", "delete-offsets"];

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
    let misused = ["members", "offsets", "verbose"];
    if let Some(name) = misused.iter().find(|name| parsed.has(name) && !parsed.has("describe")) {
        return Err(Failure::usage(format!(
            "Option(s) [{name}] are unavailable given other options on the command line"
        )));
    }
    let asked: Vec<&'static str> =
        ACTIONS.iter().copied().filter(|action| parsed.has(action)).collect();
    if !asked.is_empty() {
        parsed.need(&[BOOTSTRAP_SERVER.name])?;
    }
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

fn check_reset(parsed: &Parsed, has_group: bool, has_topics: bool) -> Result<(), Failure> {
    match (parsed.has("dry-run"), parsed.has("execute")) {
        (true, true) => {
            return Err(Failure::usage(
                "Option [reset-offsets] only accepts one of [execute] and [dry-run]",
            ));
        }
        (false, false) => {
            return Err(Failure::usage(
                "Option [reset-offsets] takes the option: [execute] or [dry-run]",
            ));
        }
        _ => {}
    }
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
    super::TOOL.scenario(context, parsed)
}
