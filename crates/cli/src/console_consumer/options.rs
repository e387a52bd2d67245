//! Table: the options of `console-consumer`, and the properties that they stand for.
//!
//! Not here: what the properties do. Must hold: the names are those of kafka-console-consumer.sh.

use ottla_wire::Offset;

use super::printing::{self, FORMATTERS, Printing};
use crate::client_options::{BOOTSTRAP_SERVER, COMMAND_CONFIG, file, pairs};
use crate::context::Context;
use crate::failure::Failure;
use crate::options::{HELP, Opt, Parsed, VERSION, flag, integer, long, text};

/// The options.
pub(crate) const OPTIONS: &[Opt] = &[
    BOOTSTRAP_SERVER.required(),
    COMMAND_CONFIG,
    text("command-property", "consumer_prop", "A property of the consumer: key=value."),
    text("consumer-property", "consumer_prop", "The same as --command-property.").deprecated(),
    text("consumer.config", "config file", "The same as --command-config.").deprecated(),
    flag("enable-systest-events", "Say on the output when the consumer has ended."),
    text("formatter", "class", "The class that prints records. Served are:")
        .more(formatters)
        .default(printing::DEFAULT),
    text("formatter-config", "config file", "A file of properties for the printing of records."),
    text("formatter-property", "prop", "How a record is printed: key=value. The keys:")
        .more(formatter_keys),
    flag("from-beginning", "Begin at the first record, where the group has no offset yet."),
    text("group", "consumer group id", "The group; else one that nobody else is in."),
    HELP,
    text("include", "Java regex (String)", "Topics, as a regular expression."),
    text("isolation-level", "", "read_committed leaves out what transactions have not committed.")
        .default("read_uncommitted"),
    text("key-deserializer", "deserializer for keys", "The class that reads keys. Served are:")
        .more(deserializers),
    integer("max-messages", "num_messages", "How many records to print before ending."),
    text("offset", "consume offset", "Where to begin: a number, earliest or latest.")
        .default("latest"),
    integer("partition", "partition", "The one partition to read."),
    text("property", "prop", "The same as --formatter-property.").deprecated(),
    flag("skip-message-on-error", "Pass over a record that cannot be printed."),
    long("timeout-ms", "timeout_ms", "End when no record came for so long."),
    text("topic", "topic", "The topic to read."),
    text("value-deserializer", "deserializer for values", "The class that reads values."),
    VERSION,
];

/// A deprecated option, and the one to use.
const DEPRECATED: &[(&str, &str)] = &[
    ("property", "formatter-property"),
    ("consumer-property", "command-property"),
    ("consumer.config", "command-config"),
];

/// Where reading begins.
pub(super) struct Start {
    pub(super) partition: Option<i32>,
    /// The offset; -2 is the first, -1 the end, as in ListOffsets.
    pub(super) offset: Option<Offset>,
}

pub(super) fn check(parsed: &Parsed) -> Result<(), Failure> {
    if parsed.has("topic") == parsed.has("include") {
        return Err(Failure::usage(
            "Exactly one of the following arguments is required: [topic], [include]",
        ));
    }
    parsed.need(&[BOOTSTRAP_SERVER.name])?;
    let pairs = [
        ("from-beginning", "offset"),
        ("group", "partition"),
        ("property", "formatter-property"),
        ("consumer-property", "command-property"),
        ("consumer.config", "command-config"),
    ];
    if parsed.has("partition") && !parsed.has("topic") {
        return Err(Failure::usage("The topic is required when partition is specified."));
    }
    if parsed.has("offset") && !parsed.has("partition") {
        return Err(Failure::usage("The partition is required when offset is specified."));
    }
    for (one, other) in pairs {
        if parsed.has(one) && parsed.has(other) {
            // Apache Kafka names the options of properties with their dashes, the others without.
            let dashes = if other.contains('-') { "--" } else { "" };
            return Err(Failure::usage(format!(
                "Options {dashes}{one} and {dashes}{other} cannot be specified together."
            )));
        }
    }
    Ok(())
}

/// A line for each deprecated option that was given.
pub(super) fn notices(parsed: &Parsed) -> Vec<String> {
    parsed.deprecated(DEPRECATED)
}

pub(super) fn start(parsed: &Parsed) -> Result<Start, Failure> {
    let offset = match parsed.has("offset") {
        true => parsed.text("offset")?,
        false => None,
    };
    let offset = match offset.map(|text| (text, text.to_lowercase())) {
        None if parsed.has("from-beginning") => Some(Offset(-2)),
        None => None,
        Some((_, word)) if word == "earliest" => Some(Offset(-2)),
        Some((_, word)) if word == "latest" => Some(Offset(-1)),
        Some((text, _)) => match text.parse::<i64>().ok().filter(|offset| *offset >= 0) {
            Some(offset) => Some(Offset(offset)),
            None => {
                return Err(Failure::usage(format!(
                    "The provided offset value '{text}' is incorrect. Valid values are 'earliest', \
                     'latest', or a non-negative long."
                )));
            }
        },
    };
    Ok(Start { partition: parsed.number("partition")?, offset })
}

/// What is to be printed; an error for classes that cannot run here.
pub(crate) fn printing(parsed: &Parsed) -> Result<Printing, Failure> {
    let class = parsed.text("formatter")?.unwrap_or(printing::DEFAULT);
    let found = FORMATTERS.iter().find(|(name, _)| *name == class);
    found.map(|(_, printing)| *printing).ok_or_else(|| Failure::usage(class))
}

/// The consumer's properties: of a file, of `--command-property`, of the options.
pub(super) fn consumer_properties(
    context: &Context,
    parsed: &Parsed,
    random: u64,
) -> Result<Vec<(String, String)>, Failure> {
    let mut properties = Vec::new();
    for option in ["consumer.config", COMMAND_CONFIG.name] {
        if let Some(path) = parsed.text(option)? {
            properties.extend(file(context, path)?);
        }
    }
    properties.extend(pairs(&parsed.texts("consumer-property")));
    properties.extend(pairs(&parsed.texts("command-property")));
    let last = |properties: &[(String, String)], key: &str| {
        let found = properties.iter().rev().find(|(name, _)| name == key);
        found.map(|(_, value)| value.clone())
    };
    let reset = last(&properties, "auto.offset.reset");
    if let Some(reset) = reset.filter(|reset| reset != "earliest")
        && parsed.has("from-beginning")
    {
        return Err(Failure::said(format!(
            "Can't simultaneously specify --from-beginning and 'auto.offset.reset={reset}', please \
             remove one option"
        )));
    }
    let property = |key: &str, value: String| (key.to_string(), value);
    if parsed.has("isolation-level") {
        let level = parsed.text("isolation-level")?.unwrap_or_default();
        properties.push(property("isolation.level", level.to_string()));
    }
    if let Some(group) = parsed.text("group")? {
        let group = group.to_string();
        match last(&properties, "group.id").filter(|other| *other != group) {
            Some(other) => {
                return Err(Failure::said(format!(
                    "The group ids provided in different places (directly using '--group', via \
                     '--command-property', or via '--command-config') do not match. Detected group \
                     ids: '{group}', '{other}'"
                )));
            }
            None => properties.push(property("group.id", group)),
        }
    } else if last(&properties, "group.id").is_none() {
        // Nobody else is in this group, and nothing of it is to be kept.
        let group = format!("console-consumer-{}", random % GROUPS);
        properties.push(property("group.id", group));
        properties.push(property("enable.auto.commit", "false".to_string()));
    }
    Ok(properties)
}

/// The formatter's properties: of a file, then of options.
pub(crate) fn formatter_properties(
    context: &Context,
    parsed: &Parsed,
) -> Result<Vec<(String, String)>, Failure> {
    let mut properties = match parsed.text("formatter-config")? {
        Some(path) => file(context, path)?,
        None => Vec::new(),
    };
    properties.extend(pairs(&parsed.texts("property")));
    properties.extend(pairs(&parsed.texts("formatter-property")));
    for (option, key) in
        [("key-deserializer", "key.deserializer"), ("value-deserializer", "value.deserializer")]
    {
        if let Some(class) = parsed.text(option)? {
            properties.push((key.to_string(), class.to_string()));
        }
    }
    Ok(properties)
}

pub(crate) fn formatters() -> Vec<String> {
    FORMATTERS.iter().map(|(class, _)| format!("  {class}")).collect()
}

pub(crate) fn formatter_keys() -> Vec<String> {
    super::formatter::KEYS.iter().map(|(key, default)| format!("  {key}={default}")).collect()
}

pub(crate) fn deserializers() -> Vec<String> {
    super::formatter::CLASSES.iter().map(|class| format!("  {class}")).collect()
}

/// How many names of groups there are for those who name none.
const GROUPS: u64 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formatter_takes_a_file_of_properties_and_options_count_after_it() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (context, _) = Context::captured(ottla_env::Env::real(runtime.handle().clone()));
        let path = folder.path().join("formatter.properties");
        context.env.disk().write(&path, b"print.key=true\nprint.offset=true\n").unwrap();
        let path = path.display().to_string();
        let words = ["--formatter-config", &path, "--formatter-property", "print.key=false"];
        let words = words.map(str::to_owned);
        let parsed = crate::options::parse(OPTIONS, &words).unwrap();
        let properties = formatter_properties(&context, &parsed).unwrap();
        let pairs: Vec<(&str, &str)> =
            properties.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let wanted = [("print.key", "true"), ("print.offset", "true"), ("print.key", "false")];
        assert_eq!(pairs, wanted);
    }
}
