//! Table: the options of `consumer-groups`, and which go together.
//!
//! Not here: what they do. Must hold: the names are those of kafka-consumer-groups.sh.

use crate::client_options::{BOOTSTRAP_SERVER, COMMAND_CONFIG};
use crate::failure::Failure;
use crate::groups::options::{
    BY_DURATION, DELETE, EXPORT, FROM_FILE, LIST, OFFSETS, RESET_OFFSETS, SHIFT_BY, STATE, TIMEOUT,
    TO_CURRENT, TO_DATETIME, TO_EARLIEST, TO_LATEST, TO_OFFSET, TOPIC, VERBOSE, actions,
    check_views,
};
use crate::options::{HELP, Opt, Parsed, VERSION, flag, maybe, text};

use super::TOOL;

/// The options.
pub(crate) const OPTIONS: &[Opt] = &[
    flag("all-groups", "All groups."),
    flag("all-topics", "With --reset-offsets: all topics that the group has offsets of."),
    BOOTSTRAP_SERVER.required(),
    BY_DURATION,
    COMMAND_CONFIG,
    DELETE,
    flag("delete-offsets", "Delete a group's offsets of topics."),
    flag("describe", "Show offsets and lag of groups, or their members or states."),
    flag("dry-run", "With --reset-offsets: only show what the offsets would be."),
    flag("execute", "With --reset-offsets: set the offsets."),
    EXPORT,
    FROM_FILE,
    text("group", "consumer group", "A group; may be repeated."),
    HELP,
    LIST,
    flag("members", "With --describe: show members."),
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
    TOPIC,
    maybe("type", "", "With --list: show types, or only groups of these types."),
    text("validate-regex", "regex", "Say whether a regular expression is one for brokers (RE2)."),
    VERBOSE,
    VERSION,
];

/// Where `--reset-offsets` may go.
pub(super) const SCENARIOS: &[&str] = &[
    "to-datetime",
    "by-duration",
    "to-latest",
    "to-current",
    "to-earliest",
    "to-offset",
    "shift-by",
    "from-file",
];

/// The action asked for, when all the options fit it.
pub(super) fn check(parsed: &Parsed) -> Result<&'static str, Failure> {
    let mut asked = actions(&TOOL, parsed);
    asked.extend(Some("validate-regex").filter(|action| parsed.has(action)));
    let [action] = asked[..] else {
        return Err(Failure::usage(
            "Command must include exactly one action: --list, --describe, --delete, \
             --reset-offsets, --delete-offsets, --validate-regex",
        ));
    };
    if action == "validate-regex" {
        return Ok(action);
    }
    parsed.need(&[BOOTSTRAP_SERVER.name])?;
    parsed.alone("group", &["all-groups"])?;
    let has_group = parsed.has("group") || parsed.has("all-groups");
    match action {
        "describe" => {
            if !has_group {
                return one_of("describe", "[group], [all-groups]");
            }
            check_views(parsed)?;
        }
        "delete" => {
            if !has_group {
                return one_of("delete", "[all-groups], [group]");
            }
            if parsed.has("topic") {
                return Err(Failure::usage(
                    "The consumer does not support topic-specific offset deletion from a consumer \
                     group.",
                ));
            }
        }
        "delete-offsets" if !parsed.has("group") || !parsed.has("topic") => {
            return Err(Failure::usage(
                "Option [delete-offsets] takes the following options: [topic], [group]",
            ));
        }
        "reset-offsets" => check_reset(parsed, has_group)?,
        _ => (),
    }
    Ok(action)
}

fn one_of(action: &str, options: &str) -> Result<&'static str, Failure> {
    Err(Failure::usage(format!("Option [{action}] takes one of these options: {options}")))
}

fn check_reset(parsed: &Parsed, has_group: bool) -> Result<(), Failure> {
    if parsed.has("dry-run") && parsed.has("execute") {
        return Err(Failure::usage(
            "Option [reset-offsets] only accepts one of [execute], [dry-run]",
        ));
    }
    if !has_group {
        return one_of("reset-offsets", "[all-groups], [group]").map(|_| ());
    }
    let mut given = SCENARIOS.iter().filter(|scenario| parsed.has(scenario));
    match (given.next(), given.next()) {
        (None, _) => {
            let all: Vec<String> =
                SCENARIOS.iter().map(|scenario| format!("[{scenario}]")).collect();
            return Err(Failure::usage(format!(
                "Option '[reset-offsets]' requires one of the following scenarios: [{}]",
                all.join(", ")
            )));
        }
        (Some(one), Some(other)) => {
            return Err(Failure::usage(format!(
                "Option \"[{other}]\" can't be used with option \"[{one}]\""
            )));
        }
        (Some(_), None) => (),
    }
    parsed.alone("all-topics", &["topic"])?;
    if !parsed.has("all-topics") && !parsed.has("topic") && !parsed.has("from-file") {
        return Err(Failure::usage(
            "One of the reset scopes should be defined: --all-topics, --topic.",
        ));
    }
    Ok(())
}
