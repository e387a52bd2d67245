//! `ottla leader-election` (kafka-leader-election.sh): gives partitions back to their preferred
//! leaders, or elects uncleanly where nobody leads.

use std::io::Write;

use ottla_wire::messages::ElectLeadersRequest;
use ottla_wire::messages::elect_leaders_request::TopicPartitions;
use ottla_wire::{ErrorCode, PartitionIndex, StrBytes};

use crate::client_options::{self, BOOTSTRAP_SERVER, COMMAND_CONFIG, refused, sentence};
use crate::context::Context;
use crate::failure::Failure;
use crate::options::{HELP, Opt, Parsed, VERSION, flag, integer, text};
use crate::partition_file;

/// The options.
pub(crate) const OPTIONS: &[Opt] = &[
    text("admin.config", "config file", "The older name of --command-config.").deprecated(),
    flag("all-topic-partitions", "Every partition for which an election is due."),
    BOOTSTRAP_SERVER.required(),
    COMMAND_CONFIG,
    text(
        "election-type",
        "PREFERRED or UNCLEAN",
        "Preferred: the first replica is to lead. Unclean: any replica is to lead a partition \
         without a leader, at the price of records.",
    )
    .required(),
    HELP,
    integer("partition", "partition id", "The partition of --topic."),
    text(
        "path-to-json-file",
        "path to JSON file",
        "A file that names partitions: {\"partitions\": [{\"topic\": \"t\", \"partition\": 1}]}.",
    ),
    text("topic", "topic name", "The topic of --partition."),
    VERSION,
];

/// The kinds of elections, by their numbers in ElectLeaders.
const KINDS: [&str; 2] = ["PREFERRED", "UNCLEAN"];

/// Asks for the elections and tells what became of them.
pub(crate) async fn run(context: &mut Context, parsed: &Parsed) -> Result<(), Failure> {
    let (kind, topic_partitions) = asked(context, parsed)?;
    let client = client_options::admin(context, parsed).await?;
    let election_type = i8::try_from(kind).unwrap_or_default();
    let request = ElectLeadersRequest { election_type, topic_partitions, ..Default::default() };
    let response = client.call(&request).await?;
    client.close().await;
    refused(response.error_code, None)?;
    let (mut elected, mut needless, mut failed) = (Vec::new(), Vec::new(), 0);
    let mut lines = String::new();
    for topic in &response.replica_election_results {
        for one in &topic.partition_result {
            let name = format!("{}-{}", topic.topic, one.partition_id);
            match one.error_code {
                ErrorCode::NONE => elected.push(name),
                ErrorCode::ELECTION_NOT_NEEDED => needless.push(name),
                code => {
                    failed += 1;
                    let why = one.error_message.as_ref().map(StrBytes::to_string);
                    let why = why.unwrap_or_else(|| sentence(code));
                    lines.push_str(&format!(
                        "Error completing leader election ({}) for partition: {name}: {why}\n",
                        KINDS[kind]
                    ));
                }
            }
        }
    }
    if !elected.is_empty() {
        let (kind, names) = (KINDS[kind], elected.join(", "));
        writeln!(
            context.out,
            "Successfully completed leader election ({kind}) for partitions {names}"
        )?;
    }
    if !needless.is_empty() {
        let names = needless.join(", ");
        writeln!(context.out, "Valid replica already elected for partitions {names}")?;
    }
    write!(context.out, "{lines}")?;
    match failed {
        0 => Ok(()),
        failed => Err(Failure::said(format!("{failed} replica(s) could not be elected"))),
    }
}

/// Which kind of election, and of which partitions; none for all.
fn asked(
    context: &Context,
    parsed: &Parsed,
) -> Result<(usize, Option<Vec<TopicPartitions>>), Failure> {
    let missing = |names: &str| Failure::said(format!("Missing required option(s): {names}"));
    let required = ["bootstrap-server", "election-type"];
    let absent: Vec<&str> = required.into_iter().filter(|name| !parsed.has(name)).collect();
    if !absent.is_empty() {
        return Err(missing(&absent.join(", ")));
    }
    let word = parsed.text("election-type")?.unwrap_or_default();
    let kind = KINDS.iter().position(|kind| kind.eq_ignore_ascii_case(word)).ok_or_else(|| {
        Failure::said(format!("Cannot parse argument '{word}' of option election-type"))
    })?;
    let ways = ["topic", "all-topic-partitions", "path-to-json-file"];
    let given: Vec<&str> = ways.into_iter().filter(|name| parsed.has(name)).collect();
    let of = |topic: &str, partition: i32| TopicPartitions {
        topic: StrBytes::copied(topic),
        partitions: vec![PartitionIndex(partition)],
        ..Default::default()
    };
    match given[..] {
        ["topic"] => {
            let partition: Option<i32> = parsed.number("partition")?;
            let partition = partition.ok_or_else(|| missing("partition"))?;
            let topic = parsed.text("topic")?.unwrap_or_default();
            Ok((kind, Some(vec![of(topic, partition)])))
        }
        ["all-topic-partitions"] => Ok((kind, None)),
        ["path-to-json-file"] => {
            let path = parsed.text("path-to-json-file")?.unwrap_or_default();
            let named = partition_file::read(context, path)?;
            if let Some(twice) = partition_file::named_twice(&named) {
                let what = format!("Replica election data contains duplicate partitions: {twice}");
                return Err(Failure::said(what));
            }
            Ok((kind, Some(named.iter().map(|named| of(&named.topic, named.partition)).collect())))
        }
        _ => Err(Failure::said(
            "One and only one of the following options is required: topic, \
             all-topic-partitions, path-to-json-file",
        )),
    }
}
