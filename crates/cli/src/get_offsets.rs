//! `ottla get-offsets` (kafka-get-offsets.sh): offsets of partitions, one line each.
//!
//! A partition without an answer (nothing at or after the time asked) prints no line.

use std::io::Write;

use ottla_client::TopicPartition;
use ottla_wire::Timestamp;

use crate::client_options::{self, BOOTSTRAP_SERVER, COMMAND_CONFIG};
use crate::context::Context;
use crate::failure::Failure;
use crate::options::{HELP, Opt, Parsed, VERSION, flag, text};
use crate::partition_filter::PartitionFilter;

/// The options.
pub(crate) const OPTIONS: &[Opt] = &[
    BOOTSTRAP_SERVER.required(),
    COMMAND_CONFIG,
    flag("exclude-internal-topics", "Leave out internal topics."),
    HELP,
    text("partitions", "partition ids", "Partitions by number, separated by commas; else all."),
    text(
        "time",
        "<timestamp> / -1 or latest / -2 or earliest / -3 or max-timestamp / -4 or \
         earliest-local / -5 or latest-tiered / -6 or earliest-pending-upload",
        "Which offset: the first at or after this time in milliseconds, or one of the names.",
    )
    .default("latest"),
    text("topic", "topic", "A topic, or a regular expression for topics; else all."),
    text(
        "topic-partitions",
        "topic1:1,topic2:0-3,topic3,topic4:5-,topic5:-3",
        "Partitions of topics: a number, or a range from the first until before the last. Topics \
         may be regular expressions.",
    ),
    VERSION,
];

/// Prints the offsets.
pub(crate) async fn run(context: &mut Context, parsed: &Parsed) -> Result<(), Failure> {
    parsed.need(&[BOOTSTRAP_SERVER.name])?;
    let print = async {
        let filter = filter(parsed)?;
        let time = time(parsed.text("time")?.unwrap_or("latest"))?;
        let client = client_options::admin(context, parsed).await?;
        let cluster = client.refresh_all().await?;
        let mut wanted = Vec::new();
        for (name, topic) in &cluster.topics {
            if topic.is_internal && parsed.has("exclude-internal-topics") {
                continue;
            }
            let meant = topic.partitions.keys().filter(|index| filter.means(name, index.0));
            let of = |partition| TopicPartition { topic: name.clone(), partition };
            wanted.extend(meant.map(|index| (of(*index), time)));
        }
        if wanted.is_empty() {
            return Err(Failure::said(
                "Could not match any topic-partitions with the specified filters",
            ));
        }
        let offsets = client.admin().list_offsets(&wanted, false).await?;
        client.close().await;
        Ok::<_, Failure>(offsets)
    };
    let lead = |failure: Failure| Failure::said(format!("Error occurred: {failure}"));
    for (of, found) in print.await.map_err(lead)? {
        match found {
            Ok(found) if found.offset.0 < 0 => (),
            Ok(found) => writeln!(context.out, "{}:{}:{}", of.topic, of.partition, found.offset)?,
            Err(error) => writeln!(
                context.err,
                "Skip getting offsets for topic-partition {of} due to error: {error}"
            )?,
        }
    }
    Ok(())
}

fn filter(parsed: &Parsed) -> Result<PartitionFilter, Failure> {
    if let Some(rules) = parsed.text("topic-partitions")? {
        if parsed.has("topic") || parsed.has("partitions") {
            return Err(Failure::said(
                "--topic-partitions cannot be used with --topic or --partitions",
            ));
        }
        return PartitionFilter::parse(rules);
    }
    let mut partitions = Vec::new();
    if let Some(list) = parsed.text("partitions")? {
        for part in list.split(',').filter(|part| !part.is_empty()) {
            partitions.push(part.parse().map_err(|_| {
                Failure::said(format!(
                    "--partitions expects a comma separated list of numeric partition ids, but \
                     received: {list}"
                ))
            })?);
        }
    }
    PartitionFilter::topics(parsed.text("topic")?, &partitions)
}

/// What ListOffsets calls a time: a name, or milliseconds since 1970.
fn time(text: &str) -> Result<Timestamp, Failure> {
    let named = TIMES.iter().find(|(name, _)| *name == text).map(|(_, time)| *time);
    named.or_else(|| text.parse().ok()).map(Timestamp).ok_or_else(|| {
        Failure::said(format!(
            "Malformed time argument {text}. Please use -1 or latest / -2 or earliest / -3 or \
             max-timestamp / -4 or earliest-local / -5 or latest-tiered / -6 or \
             earliest-pending-upload, or a specified long format timestamp"
        ))
    })
}

/// The names of special times.
const TIMES: &[(&str, i64)] = &[
    ("latest", -1),
    ("earliest", -2),
    ("max-timestamp", -3),
    ("earliest-local", -4),
    ("latest-tiered", -5),
    ("earliest-pending-upload", -6),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_names_and_numbers() {
        for (text, expect) in [("latest", -1), ("-2", -2), ("earliest-local", -4), ("17", 17)] {
            assert_eq!(time(text).unwrap(), Timestamp(expect), "{text}");
        }
        assert!(
            time("bogus").unwrap_err().to_string().starts_with("Malformed time argument bogus.")
        );
    }
}
