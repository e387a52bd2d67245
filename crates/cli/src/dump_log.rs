//! `ottla dump-log` (kafka-dump-log.sh): prints what is in the files of a partition's folder.
//!
//! Reads the files themselves, no node, and changes nothing. One file per kind: logs and snapshots
//! of the cluster's metadata (batches.rs), indexes with their check against the log (indexes.rs),
//! what a record says (decoders.rs). Where Apache Kafka's tool ends with a stack trace, this one
//! says what is wrong where. Not served: classes of one's own as decoders, and records of magic 0
//! and 1 one by one.

mod batches;
mod decoders;
mod indexes;

use std::io::Write;
use std::path::Path;

use ottla_env::Disk;
use ottla_storage::{producer_snapshot, transaction_index};
use ottla_wire::Offset;

use crate::context::Context;
use crate::failure::Failure;
use crate::options::{HELP, Opt, Parsed, VERSION, flag, integer, maybe, text};
use decoders::Decoder;
use indexes::{Check, Doubts};

const STRING_DECODER: &str = "org.apache.kafka.tools.api.StringDecoder";

/// The options.
pub(crate) const OPTIONS: &[Opt] = &[
    flag("cluster-metadata-decoder", "Print records as those of the cluster's metadata."),
    flag("deep-iteration", "Print a line for each record, too; --print-data-log implies it."),
    text("files", "file1, file2, ...", "The files, separated by commas.").required(),
    HELP,
    flag(
        "index-sanity-check",
        "Check an index only as far as a start does, which decides whether it is made anew.",
    ),
    maybe("key-decoder-class", "", "How to read keys: the name of one of Kafka's decoders.")
        .default(STRING_DECODER),
    integer("max-bytes", "size", "Read no more than so many bytes of a log.").default("2147483647"),
    integer("max-message-size", "size", "The size of the largest message.").default("5242880"),
    flag("offsets-decoder", "Print records as those of __consumer_offsets."),
    flag(
        "print-data-log",
        "Print keys and values of records, too; every decoder but those of classes implies it.",
    ),
    flag("remote-log-metadata-decoder", "Print records as those of __remote_log_metadata."),
    flag("share-group-state-decoder", "Print records as those of __share_group_state."),
    flag("skip-record-metadata", "Print keys and values of records, and nothing else of them."),
    flag("transaction-log-decoder", "Print records as those of __transaction_state."),
    maybe("value-decoder-class", "", "How to read values: the name of one of Kafka's decoders.")
        .default(STRING_DECODER),
    flag("verify-index-only", "Check an index against its log, without printing entries."),
    VERSION,
];

/// How much of a log is printed.
struct Depth {
    /// A line for each record.
    records: bool,
    /// Keys and values in it.
    data: bool,
    /// Nothing but keys and values in it.
    data_only: bool,
    decoder: Decoder,
    bytes_max: Option<u64>,
}

/// One file to print.
struct Source<'a> {
    disk: &'a Disk,
    /// As it was asked for.
    path: &'a str,
    /// What the name says before the suffix.
    stem: &'a str,
}

impl Source<'_> {
    fn bytes(&self) -> Result<Vec<u8>, Failure> {
        self.disk.read(Path::new(self.path)).map_err(|error| self.cannot("read", &error))
    }

    /// The offset that the file is named by.
    fn offset(&self) -> Result<Offset, Failure> {
        self.stem.parse().map(Offset).map_err(|_| {
            self.wrong(
                "it is named by no offset, as 00000000000000000000.log is; give its own name",
            )
        })
    }

    fn cannot(&self, what: &str, error: &std::io::Error) -> Failure {
        crate::file::refused(what, "the file", self.path, error)
    }

    fn wrong(&self, what: impl std::fmt::Display) -> Failure {
        Failure::said(format!("{}: {what}", self.path))
    }
}

/// Prints the files.
pub(crate) async fn run(context: &mut Context, parsed: &Parsed) -> Result<(), Failure> {
    parsed.need(&["files"])?;
    let decoder = Decoder::of(parsed)?;
    let data = parsed.has("print-data-log") || decoder.is_of_a_topic();
    let max: i64 = parsed.number("max-bytes")?.unwrap_or(i64::from(i32::MAX));
    let depth = Depth {
        records: data || parsed.has("deep-iteration"),
        data,
        data_only: parsed.has("skip-record-metadata"),
        decoder,
        bytes_max: u64::try_from(max).ok().filter(|_| max != i64::from(i32::MAX)),
    };
    let check = match (parsed.has("index-sanity-check"), parsed.has("verify-index-only")) {
        (true, _) => Check::Sanity,
        (false, true) => Check::Entries { printed: false },
        (false, false) => Check::Entries { printed: true },
    };
    let disk = context.env.disk().clone();
    let mut doubts = Doubts::default();
    for path in parsed.text("files")?.unwrap_or_default().split(',') {
        writeln!(context.out, "Dumping {path}")?;
        let name = path.rsplit('/').next().unwrap_or(path);
        let (stem, suffix) = name.rsplit_once('.').unwrap_or((name, ""));
        let source = Source { disk: &disk, path, stem };
        let out = &mut *context.out;
        match suffix {
            "log" => {
                writeln!(out, "Log starting offset: {}", source.offset()?)?;
                batches::print(&source, &depth, &mut doubts, out)?;
            }
            "checkpoint" => {
                writeln!(out, "{}", snapshot_title(&source)?)?;
                batches::print(&source, &depth, &mut doubts, out)?;
            }
            "index" => indexes::print_offsets(&source, check, &mut doubts, out)?,
            "timeindex" => indexes::print_times(&source, check, &mut doubts, out)?,
            "snapshot" => print_producers(&source, out)?,
            "txnindex" => print_aborted(&source, out)?,
            _ => writeln!(context.err, "Ignoring unknown file {path}")?,
        }
    }
    doubts.print(&mut *context.out)
}

/// What a snapshot of the cluster's metadata covers, by its name.
fn snapshot_title(source: &Source<'_>) -> Result<String, Failure> {
    if source.stem == "bootstrap" {
        return Ok("KRaft bootstrap snapshot".to_owned());
    }
    let numbers = source.stem.split_once('-').and_then(|(offset, epoch)| {
        Some((offset.parse::<i64>().ok()?, epoch.parse::<i32>().ok()?))
    });
    let (offset, epoch) = numbers.ok_or_else(|| {
        source.wrong("a snapshot is named by offset and epoch, or bootstrap.checkpoint")
    })?;
    Ok(format!("Snapshot end offset: {offset}, epoch: {epoch}"))
}

/// Prints what a log remembers of producers.
fn print_producers(source: &Source<'_>, out: &mut dyn Write) -> Result<(), Failure> {
    let entries = match producer_snapshot::entries(&source.bytes()?) {
        Ok(entries) => entries,
        Err(what) => return Ok(writeln!(out, "Snapshot is corrupt ({what})")?),
    };
    for (id, producer) in entries {
        let start = optional(producer.transaction_start.map(|start| start.0));
        write!(
            out,
            "producerId: {id} producerEpoch: {} coordinatorEpoch: {} currentTxnFirstOffset: \
             {start} lastTimestamp: {}",
            producer.epoch, producer.coordinator_epoch, producer.last_timestamp
        )?;
        if let Some(last) = producer.last() {
            write!(
                out,
                " firstSequence: {} lastSequence: {} lastOffset: {} offsetDelta: {} timestamp: {}",
                batches::sequence_after(last.last_sequence, -i64::from(last.offset_delta)),
                last.last_sequence,
                last.last_offset,
                last.offset_delta,
                last.timestamp
            )?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Prints the aborted transactions of a segment.
fn print_aborted(source: &Source<'_>, out: &mut dyn Write) -> Result<(), Failure> {
    let entries = transaction_index::decode(&source.bytes()?, source.offset()?);
    for entry in entries.map_err(|what| source.wrong(what))? {
        writeln!(
            out,
            "version: 0 producerId: {} firstOffset: {} lastOffset: {} lastStableOffset: {}",
            entry.producer_id, entry.first_offset, entry.last_offset, entry.last_stable_offset
        )?;
    }
    Ok(())
}

/// A number that may be missing, as Java spells it.
fn optional(number: Option<i64>) -> String {
    number
        .map_or_else(|| "OptionalLong.empty".to_owned(), |number| format!("OptionalLong[{number}]"))
}
