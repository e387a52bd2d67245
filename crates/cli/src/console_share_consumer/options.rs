//! Table: the options of `console-share-consumer`, and the properties that they stand for.
//!
//! Not here: what the properties do. Must hold: the names are those of
//! kafka-console-share-consumer.sh.

use crate::client_options::{BOOTSTRAP_SERVER, COMMAND_CONFIG, file, pairs};
pub(super) use crate::console_consumer::formatter_properties;
use crate::console_consumer::{DEFAULT_FORMATTER, deserializers, formatter_keys, formatters};
use crate::context::Context;
use crate::failure::Failure;
use crate::options::{HELP, Opt, Parsed, VERSION, flag, integer, text};

/// The options.
pub(crate) const OPTIONS: &[Opt] = &[
    BOOTSTRAP_SERVER.required(),
    COMMAND_CONFIG,
    text("command-property", "consumer_prop", "A property of the consumer: key=value."),
    text("consumer-config", "config file", "The same as --command-config.").deprecated(),
    text("consumer-property", "consumer_prop", "The same as --command-property.").deprecated(),
    flag("enable-systest-events", "Say on the output when the consumer has ended."),
    text("formatter", "class", "The class that prints records. Served are:")
        .more(formatters)
        .default(DEFAULT_FORMATTER),
    text("formatter-config", "config file", "A file of properties for the printing of records."),
    text("formatter-property", "prop", "How a record is printed: key=value. The keys:")
        .more(formatter_keys),
    text("group", "share group id", "The share group; else console-share-consumer."),
    HELP,
    text("key-deserializer", "deserializer for keys", "The class that reads keys. Served are:")
        .more(deserializers),
    integer("max-messages", "num_messages", "How many records to print before ending."),
    text("property", "prop", "The same as --formatter-property.").deprecated(),
    flag("reject", "Reject the records: nobody is to try them again."),
    flag("reject-message-on-error", "Reject a record that cannot be printed, and go on."),
    flag("release", "Release the records: another member may try them."),
    integer("timeout-ms", "timeout_ms", "End when no record came for so long."),
    text("topic", "topic", "The topic to read."),
    text("value-deserializer", "deserializer for values", "The class that reads values."),
    VERSION,
];

/// A deprecated option, and the one to use.
const DEPRECATED: &[(&str, &str)] = &[
    ("property", "formatter-property"),
    ("consumer-property", "command-property"),
    ("consumer-config", "command-config"),
];

pub(super) fn check(parsed: &Parsed) -> Result<(), Failure> {
    parsed.need(&[BOOTSTRAP_SERVER.name])?;
    if !parsed.has("topic") {
        return Err(Failure::usage("--topic is a required argument"));
    }
    if parsed.has("reject") && parsed.has("release") {
        return Err(Failure::usage("At most one of --reject and --release may be specified."));
    }
    for (one, other) in DEPRECATED {
        if parsed.has(one) && parsed.has(other) {
            return Err(Failure::usage(format!(
                "Options --{one} and --{other} cannot be specified together."
            )));
        }
    }
    Ok(())
}

/// A line for each deprecated option that was given.
pub(super) fn notices(parsed: &Parsed) -> Vec<String> {
    parsed.deprecated(DEPRECATED)
}

/// The consumer's properties: of a file, of options, and the group.
pub(super) fn consumer_properties(
    context: &Context,
    parsed: &Parsed,
) -> Result<Vec<(String, String)>, Failure> {
    let mut properties = Vec::new();
    for option in ["consumer-config", COMMAND_CONFIG.name] {
        if let Some(path) = parsed.text(option)? {
            properties.extend(file(context, path)?);
        }
    }
    for option in ["consumer-property", "command-property"] {
        properties.extend(pairs(&parsed.texts(option)));
    }
    let named = properties.iter().rev().find(|(key, _)| key == "group.id");
    let named = named.map(|(_, group)| group.clone());
    let group = match (parsed.text("group")?, named) {
        (Some(group), Some(other)) if group != other => {
            return Err(Failure::usage(format!(
                "The group ids provided in different places (directly using '--group', via \
                 '--consumer-property', or via '--consumer-config') do not match. Detected group \
                 ids: '{other}', '{group}'"
            )));
        }
        (Some(group), _) => group.to_string(),
        (None, Some(other)) => other,
        (None, None) => DEFAULT_GROUP.to_string(),
    };
    properties.push(("group.id".to_string(), group));
    Ok(properties)
}

/// The group of those who name none.
const DEFAULT_GROUP: &str = "console-share-consumer";
