//! `ottla delete-records` (kafka-delete-records.sh): moves the start of partitions up to offsets
//! that a file names; -1 stands for the high watermark.

use std::io::Write;

use ottla_client::{Client, ClientError};
use ottla_wire::messages::DeleteRecordsRequest;
use ottla_wire::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use ottla_wire::{Offset, PartitionIndex, StrBytes};

use crate::client_options::{self, BOOTSTRAP_SERVER, COMMAND_CONFIG, sentence};
use crate::context::Context;
use crate::failure::Failure;
use crate::options::{HELP, Opt, Parsed, VERSION, text};
use crate::partition_file::{self, Named};

/// The options.
pub(crate) const OPTIONS: &[Opt] = &[
    BOOTSTRAP_SERVER.required(),
    COMMAND_CONFIG,
    HELP,
    text(
        "offset-json-file",
        "Offset json file path",
        "A file that says how far: {\"partitions\": [{\"topic\": \"t\", \"partition\": 0, \
         \"offset\": 5}], \"version\": 1}.",
    )
    .required(),
    VERSION,
];

/// Deletes, and tells where each partition begins now.
pub(crate) async fn run(context: &mut Context, parsed: &Parsed) -> Result<(), Failure> {
    parsed.need(&[BOOTSTRAP_SERVER.name, "offset-json-file"])?;
    let path = parsed.text("offset-json-file")?.unwrap_or_default();
    let named = partition_file::read(context, path)?;
    if let Some(twice) = named.iter().enumerate().find_map(|(place, one)| {
        let mut before = named[..place].iter();
        before
            .any(|other| (&other.topic, other.partition) == (&one.topic, one.partition))
            .then_some(one)
    }) {
        let (topic, partition) = (&twice.topic, twice.partition);
        return Err(Failure::said(format!(
            "Offset json file contains duplicate topic partitions: {topic}-{partition}"
        )));
    }
    let client = client_options::admin(context, parsed).await?;
    writeln!(context.out, "Executing records delete operation")?;
    writeln!(context.out, "Records delete operation completed:")?;
    for one in &named {
        let told = match deleted(&client, one).await {
            Ok(Ok(start)) => format!("low_watermark: {start}"),
            Ok(Err(why)) => format!("error: {why}"),
            Err(error) => format!("error: {error}"),
        };
        writeln!(context.out, "partition: {}-{}\t{told}", one.topic, one.partition)?;
    }
    client.close().await;
    Ok(())
}

/// Where the partition begins now, or why that did not change.
async fn deleted(client: &Client, one: &Named) -> Result<Result<Offset, String>, ClientError> {
    let partition_index = PartitionIndex(one.partition);
    let offset = Offset(one.offset.unwrap_or(-1));
    let partition = DeleteRecordsPartition { partition_index, offset, ..Default::default() };
    let topic = DeleteRecordsTopic {
        name: StrBytes::copied(&one.topic),
        partitions: vec![partition],
        ..Default::default()
    };
    let request =
        DeleteRecordsRequest { topics: vec![topic], timeout_ms: TIMEOUT_MS, ..Default::default() };
    let response = client.call_leader(&one.topic, partition_index, &request).await?;
    let result = response.topics.first().and_then(|topic| topic.partitions.first());
    Ok(match result {
        Some(result) if result.error_code.is_none() => Ok(result.low_watermark),
        Some(result) => Err(sentence(result.error_code)),
        None => Err("the answer names no partition".to_owned()),
    })
}

/// How long the broker may take.
const TIMEOUT_MS: i32 = 60_000;
