//! Table: the options of `topics`, and which go together.
//!
//! Not here: what they do. Must hold: the names are those of kafka-topics.sh.

use ottla_settings::table::{Scope, rows};

use crate::client_options::{BOOTSTRAP_SERVER, COMMAND_CONFIG};
use crate::failure::Failure;
use crate::options::{HELP, Opt, Parsed, VERSION, flag, integer, text};

/// The options.
pub(crate) const OPTIONS: &[Opt] = &[
    flag("alter", "Add partitions to topics. (`ottla configs` alters their configs.)"),
    flag(
        "at-min-isr-partitions",
        "Describe only partitions with just as many replicas in sync as they must have.",
    ),
    BOOTSTRAP_SERVER.required(),
    COMMAND_CONFIG,
    text("config", "name=value", "A config of the topic to create; may be repeated. The names:")
        .more(topic_configs),
    flag("create", "Create a topic."),
    flag("delete", "Delete topics."),
    text("delete-config", "name", "Without effect since 4.0.").deprecated(),
    flag("describe", "Show topics with their partitions."),
    flag("exclude-internal", "Leave out internal topics."),
    HELP,
    flag(
        "if-exists",
        "With --alter, --delete or --describe: no error when there is no such topic.",
    ),
    flag("if-not-exists", "With --create: no error when the topic is there."),
    flag("list", "List the names of topics."),
    integer(
        "partition-size-limit-per-response",
        "maximum number of partitions per response",
        "How many partitions to ask for at a time when describing.",
    ),
    integer(
        "partitions",
        "# of partitions",
        "How many partitions the topic is to have; without it the broker decides. More partitions \
         change where the records of a key go.",
    ),
    text(
        "replica-assignment",
        "broker_id_for_part1_replica1 : broker_id_for_part1_replica2 , \
         broker_id_for_part2_replica1 : broker_id_for_part2_replica2 , ...",
        "The brokers of each partition.",
    ),
    integer(
        "replication-factor",
        "replication factor",
        "How many replicas each partition is to have; without it the broker decides.",
    ),
    text(
        "topic",
        "topic",
        "The topic; but for --create it may be a regular expression, with commas between \
         alternatives.",
    ),
    text("topic-id", "topic-id", "The id of the topic to describe."),
    flag("topics-with-overrides", "Describe only topics with configs of their own."),
    flag("unavailable-partitions", "Describe only partitions without a leader."),
    flag(
        "under-min-isr-partitions",
        "Describe only partitions with fewer replicas in sync than they must have.",
    ),
    flag(
        "under-replicated-partitions",
        "Describe only partitions with replicas that are not in sync.",
    ),
    VERSION,
];

/// The five actions.
const ACTIONS: &[&str] = &["list", "describe", "create", "alter", "delete"];

/// Which partitions `--describe` shows; each excludes whole topics.
const FILTERS: &[&str] = &[
    "under-replicated-partitions",
    "unavailable-partitions",
    "under-min-isr-partitions",
    "at-min-isr-partitions",
];

/// An option, and the actions that it goes with.
const GOES_WITH: &[(&str, &[&str])] = &[
    ("config", &["create"]),
    ("delete-config", &["alter", "create"]),
    ("partitions", &["create", "alter"]),
    ("replication-factor", &["create"]),
    ("replica-assignment", &["create", "alter"]),
    ("topics-with-overrides", &["describe"]),
    ("under-replicated-partitions", &["describe"]),
    ("unavailable-partitions", &["describe"]),
    ("under-min-isr-partitions", &["describe"]),
    ("at-min-isr-partitions", &["describe"]),
    ("partition-size-limit-per-response", &["describe"]),
    ("if-exists", &["alter", "delete", "describe"]),
    ("if-not-exists", &["create"]),
    ("exclude-internal", &["list", "describe"]),
    ("topic-id", &["describe"]),
];

/// The action asked for, when all the options fit it.
pub(super) fn check(parsed: &Parsed) -> Result<&'static str, Failure> {
    let asked: Vec<&'static str> =
        ACTIONS.iter().copied().filter(|action| parsed.has(action)).collect();
    let [action] = asked[..] else {
        return Err(Failure::usage(
            "Command must include exactly one action: --list, --describe, --create, --alter or \
             --delete",
        ));
    };
    if !parsed.has(BOOTSTRAP_SERVER.name) {
        return Err(Failure::said("--bootstrap-server must be specified"));
    }
    if action == "create" || action == "delete" {
        parsed.need(&["topic"])?;
    }
    if action == "alter" {
        parsed.need(&["topic", "partitions"])?;
    }
    if action == "create" {
        parsed.alone("replica-assignment", &["partitions", "replication-factor"])?;
    }
    for (option, actions) in GOES_WITH {
        if !actions.contains(&action) {
            parsed.alone(option, &[action])?;
        }
    }
    for filter in FILTERS {
        parsed.alone("topics-with-overrides", &[filter])?;
    }
    Ok(action)
}

fn topic_configs() -> Vec<String> {
    let mut names: Vec<&str> =
        rows(Scope::Topic).filter(|row| !row.is_internal()).map(|row| row.name).collect();
    names.sort_unstable();
    names.iter().map(|name| format!("  {name}")).collect()
}
