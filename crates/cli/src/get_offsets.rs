//! `ottla get-offsets` (kafka-get-offsets.sh): offsets of partitions, one line each.
//!
//! A partition without an answer (nothing at or after the time asked) prints no line.

use std::collections::BTreeMap;
use std::io::Write;

use ottla_client::Client;
use ottla_wire::messages::ListOffsetsRequest;
use ottla_wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use ottla_wire::{BrokerId, ErrorCode, Offset, PartitionIndex, StrBytes, Timestamp};

use crate::client_options::{self, BOOTSTRAP_SERVER, COMMAND_CONFIG, sentence};
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
            wanted.extend(meant.map(|index| (name.clone(), *index)));
        }
        if wanted.is_empty() {
            return Err(Failure::said(
                "Could not match any topic-partitions with the specified filters",
            ));
        }
        let times = wanted.iter().map(|place| (place.clone(), time)).collect();
        let offsets = offsets(&client, times).await?;
        client.close().await;
        Ok::<_, Failure>((wanted, offsets))
    };
    let lead = |failure: Failure| Failure::said(format!("Error occurred: {failure}"));
    let (wanted, offsets) = print.await.map_err(lead)?;
    for (topic, partition) in wanted {
        match offsets.get(&(topic.clone(), partition)) {
            Some(Ok(offset)) if offset.0 >= 0 => {
                writeln!(context.out, "{topic}:{partition}:{offset}")?;
            }
            Some(Err(code)) => writeln!(
                context.err,
                "Skip getting offsets for topic-partition {topic}-{partition} due to error: {}",
                sentence(*code)
            )?,
            Some(Ok(_)) | None => (),
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

/// A partition by the name of its topic.
pub(crate) type Place = (StrBytes, PartitionIndex);

/// Asks the leader of each partition; one request per leader. -1 means that there is none.
pub(crate) async fn offsets(
    client: &Client,
    wanted: Vec<(Place, Timestamp)>,
) -> Result<BTreeMap<Place, Result<Offset, ErrorCode>>, Failure> {
    let mut by_leader: BTreeMap<BrokerId, BTreeMap<StrBytes, Vec<ListOffsetsPartition>>> =
        BTreeMap::new();
    for ((topic, partition_index), timestamp) in wanted {
        let (leader, current_leader_epoch) = client.leader(&topic, partition_index).await?;
        by_leader.entry(leader).or_default().entry(topic).or_default().push(ListOffsetsPartition {
            partition_index,
            current_leader_epoch,
            timestamp,
            ..Default::default()
        });
    }
    let mut answers = BTreeMap::new();
    for (leader, topics) in by_leader {
        let topics = topics.into_iter().map(|(name, partitions)| ListOffsetsTopic {
            name,
            partitions,
            ..Default::default()
        });
        let request = ListOffsetsRequest {
            replica_id: BrokerId(-1),
            topics: topics.collect(),
            ..Default::default()
        };
        for topic in client.call_broker(leader, &request).await?.topics {
            for partition in topic.partitions {
                let answer = partition.error_code.ok().map(|()| partition.offset);
                answers.insert((topic.name.clone(), partition.partition_index), answer);
            }
        }
    }
    Ok(answers)
}

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
