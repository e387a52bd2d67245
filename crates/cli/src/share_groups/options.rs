//! Table: the options of `share-groups`, and which go together.
//!
//! Not here: what they do. Must hold: the names are those of kafka-share-groups.sh.

use crate::client_options::{BOOTSTRAP_SERVER, COMMAND_CONFIG};
use crate::failure::Failure;
use crate::options::{HELP, Opt, Parsed, VERSION, flag, long, maybe, text};

/// The options.
pub(crate) const OPTIONS: &[Opt] = &[
    flag("all-groups", "All share groups."),
    flag("all-topics", "With --reset-offsets: all topics that the group has a state of."),
    BOOTSTRAP_SERVER.required(),
    COMMAND_CONFIG,
    flag("delete", "Delete groups that have no members."),
    flag("delete-offsets", "Delete what a group without members has of topics."),
    flag("describe", "Show where groups are, or their members or states."),
    flag("dry-run", "With --reset-offsets: only show where the group would be."),
    flag("execute", "With --reset-offsets: put the group there."),
    text("group", "share group", "A group; may be repeated."),
    HELP,
    flag("list", "List the groups."),
    flag("members", "With --describe: show members."),
    flag("offsets", "With --describe: show offsets and lag, as without it."),
    flag(
        "reset-offsets",
        "Put a group that has no members elsewhere: by one of --to-datetime, --to-earliest, \
         --to-latest.",
    ),
    maybe(
        "state",
        "",
        "With --describe: show states. With --list: show states, or only groups in \
         these states, with commas between them.",
    ),
    long("timeout", "timeout (ms)", "How long a group may take to settle, in milliseconds.")
        .default("30000"),
    text("to-datetime", "datetime", "Reset to a time: YYYY-MM-DDThh:mm:ss.sss."),
    flag("to-earliest", "Reset to the first offset."),
    flag("to-latest", "Reset to the end."),
    text("topic", "topic", "A topic, or with --reset-offsets topic:0,1; may be repeated."),
    flag("verbose", "With --describe: show more."),
    VERSION,
];

/// The actions.
const ACTIONS: &[&str] = &["list", "describe", "delete", "reset-offsets", "delete-offsets"];
/// Where `--reset-offsets` may go.
const SCENARIOS: &[&str] = &["to-datetime", "to-earliest", "to-latest"];

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

fn check_reset(parsed: &Parsed) -> Result<(), Failure> {
    let takes = |what: &str| Failure::usage(format!("Option [reset-offsets] takes {what}"));
    match (parsed.has("dry-run"), parsed.has("execute")) {
        (true, true) => {
            return Err(Failure::usage(
                "Option [reset-offsets] only accepts one of [execute] and [dry-run]",
            ));
        }
        (false, false) => return Err(takes("the option: [execute] or [dry-run]")),
        _ => {}
    }
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
