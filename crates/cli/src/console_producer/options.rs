//! Table: the options of `console-producer`, and the producer's properties that they stand for.
//!
//! Not here: what the properties do. Must hold: the names are those of kafka-console-producer.sh.

use crate::client_options::{file, pairs};
use crate::context::Context;
use crate::failure::Failure;
use crate::options::{HELP, Opt, Parsed, VERSION, flag, integer, long, maybe, text};

use super::{BOOTSTRAP_SERVER, COMMAND_CONFIG};

/// The options.
pub(crate) const OPTIONS: &[Opt] = &[
    integer("batch-size", "size", "A batch is sent when it has so many bytes (batch.size).")
        .default("16384"),
    BOOTSTRAP_SERVER.required(),
    COMMAND_CONFIG,
    text("command-property", "producer_prop", "A property of the producer: key=value."),
    maybe(
        "compression-codec",
        "compression-codec",
        "The codec of batches: none, gzip, snappy, lz4 or zstd; gzip when none is named.",
    ),
    HELP,
    text(
        "line-reader",
        "reader_class",
        "The class that reads lines; only the usual one is served.",
    )
    .default(LINE_READER),
    long(
        "max-block-ms",
        "max block on send",
        "How long a record may wait for room (max.block.ms).",
    )
    .default("60000"),
    long("max-memory-bytes", "total memory in bytes", "Room for records (buffer.memory).")
        .default("33554432"),
    integer(
        "max-partition-memory-bytes",
        "memory in bytes per partition",
        "The same as --batch-size.",
    )
    .default("16384")
    .deprecated(),
    integer("message-send-max-retries", "", "How often a batch is sent again (retries).")
        .default("3"),
    long(
        "metadata-expiry-ms",
        "metadata expiration interval",
        "How old knowledge of the cluster may become (metadata.max.age.ms).",
    )
    .default("300000"),
    text("producer-property", "producer_prop", "The same as --command-property.").deprecated(),
    text("producer.config", "config file", "The same as --command-config.").deprecated(),
    text("property", "prop", "The same as --reader-property.").deprecated(),
    text("reader-config", "config file", "A file of properties for the reading of lines."),
    text("reader-property", "prop", "How a line is read: key=value. The keys with their defaults:")
        .more(reader_keys),
    text(
        "request-required-acks",
        "request required acks",
        "How many replicas must have it (acks).",
    )
    .default("-1"),
    integer("request-timeout-ms", "request timeout ms", "How long an answer may take.")
        .default("1500"),
    long("retry-backoff-ms", "", "How long to wait before a retry (retry.backoff.ms).")
        .default("100"),
    integer("socket-buffer-size", "size", "Without effect: the system sizes buffers by itself.")
        .default("102400"),
    flag("sync", "Send records one by one, and end at the first that fails."),
    long("timeout", "timeout_ms", "How long a batch waits for more records (linger.ms).")
        .default("1000"),
    text("topic", "topic", "The topic to write to.").required(),
    VERSION,
];

/// The class whose work lines.rs does.
const LINE_READER: &str = "org.apache.kafka.tools.LineMessageReader";

/// An option, and the property that it stands for.
const PROPERTIES: &[(&str, &str)] = &[
    ("batch-size", "batch.size"),
    ("request-required-acks", "acks"),
    ("request-timeout-ms", "request.timeout.ms"),
    ("message-send-max-retries", "retries"),
    ("retry-backoff-ms", "retry.backoff.ms"),
    ("max-memory-bytes", "buffer.memory"),
    ("max-block-ms", "max.block.ms"),
    ("metadata-expiry-ms", "metadata.max.age.ms"),
    ("timeout", "linger.ms"),
];

/// A deprecated option, and the one to use.
const DEPRECATED: &[(&str, &str)] = &[
    ("property", "reader-property"),
    ("producer-property", "command-property"),
    ("producer.config", "command-config"),
    ("max-partition-memory-bytes", "batch-size"),
];

pub(super) fn check(parsed: &Parsed) -> Result<(), Failure> {
    parsed.need(&["topic"])?;
    if !parsed.has(BOOTSTRAP_SERVER.name) {
        return Err(Failure::usage("Error while validating the bootstrap address\n"));
    }
    for (old, new) in DEPRECATED {
        parsed.alone(new, &[old])?;
    }
    match parsed.text("line-reader")? {
        Some(LINE_READER) | None => Ok(()),
        Some(class) => Err(Failure::said(format!(
            "{class} is not served: a reader of lines in Java cannot run here"
        ))),
    }
}

/// A line for each deprecated option that was given.
pub(super) fn notices(parsed: &Parsed) -> Vec<String> {
    let given = DEPRECATED.iter().filter(|(old, _)| parsed.has(old));
    given
        .map(|(old, new)| {
            format!(
                "Warning: --{old} is deprecated and will be removed in a future version. Use \
                 --{new} instead."
            )
        })
        .collect()
}

/// The producer's properties: of a file, of `--command-property`, of the options; the later wins,
/// but an option that was not given yields to them all.
pub(super) fn producer_properties(
    context: &Context,
    parsed: &Parsed,
) -> Result<Vec<(String, String)>, Failure> {
    let mut properties = Vec::new();
    for option in ["producer.config", COMMAND_CONFIG.name] {
        if let Some(path) = parsed.text(option)? {
            properties.extend(file(context, path)?);
        }
    }
    properties.extend(pairs(&parsed.texts("producer-property")));
    properties.extend(pairs(&parsed.texts("command-property")));
    let mut defaults = Vec::new();
    for (option, key) in PROPERTIES {
        let Some(value) = parsed.text(option)? else { continue };
        let of = if parsed.has(option) { &mut properties } else { &mut defaults };
        of.push((key.to_string(), value.to_string()));
    }
    if parsed.has("max-partition-memory-bytes") {
        let size = parsed.text("max-partition-memory-bytes")?.unwrap_or_default();
        properties.push(("batch.size".to_string(), size.to_string()));
    }
    if parsed.has("compression-codec") {
        let codec = parsed.text("compression-codec")?.unwrap_or("gzip");
        properties.push(("compression.type".to_string(), codec.to_string()));
    }
    defaults.extend(properties);
    Ok(defaults)
}

/// The reader's properties: of a file, then of options.
pub(super) fn reader_properties(
    context: &Context,
    parsed: &Parsed,
) -> Result<Vec<(String, String)>, Failure> {
    let mut properties = match parsed.text("reader-config")? {
        Some(path) => file(context, path)?,
        None => Vec::new(),
    };
    properties.extend(pairs(&parsed.texts("property")));
    properties.extend(pairs(&parsed.texts("reader-property")));
    Ok(properties)
}

fn reader_keys() -> Vec<String> {
    super::lines::KEYS.iter().map(|(key, default)| format!("  {key}={default}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_takes_a_file_of_properties_and_options_count_after_it() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (context, _) = Context::captured(ottla_env::Env::real(runtime.handle().clone()));
        let path = folder.path().join("reader.properties");
        context.env.disk().write(&path, b"parse.key=true\nkey.separator=:\n").unwrap();
        let path = path.display().to_string();
        let words = ["--reader-config", &path, "--reader-property", "key.separator=|"];
        let words = words.map(str::to_owned);
        let parsed = crate::options::parse(OPTIONS, &words).unwrap();
        let properties = reader_properties(&context, &parsed).unwrap();
        let pairs: Vec<(&str, &str)> =
            properties.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let wanted = [("parse.key", "true"), ("key.separator", ":"), ("key.separator", "|")];
        assert_eq!(pairs, wanted);
    }
}
