//! Logs, batch by batch: `.log` files, and the snapshots of the cluster's metadata.
//!
//! Holds one batch at a time. Must hold: a damaged batch is told, with its place, and whatever can
//! be read is printed.

use std::io::Write;
use std::path::Path;

use ottla_env::{File, Open};
use ottla_records::batch::batch_len;
use ottla_records::{BatchView, Codec, ControlRecord, Record, TimestampType, read_batch};
use ottla_wire::json::Json;
use ottla_wire::{Bytes, Message};

use super::indexes::Doubts;
use super::{Depth, Source, optional};
use crate::failure::Failure;

/// So many bytes tell a batch's length and magic.
const PREFIX_BYTES: usize = 17;

/// A file of batches, read from its begin or from the begin of one of them.
pub(super) struct Batches<'a> {
    source: &'a Source<'a>,
    file: File,
    position: u64,
    end: u64,
}

impl<'a> Batches<'a> {
    pub(super) fn open(source: &'a Source<'a>, bytes_max: Option<u64>) -> Result<Self, Failure> {
        let cannot = |error| source.cannot("open", &error);
        let file = source.disk.open(Path::new(source.path), Open::Read).map_err(cannot)?;
        let len = file.len().map_err(cannot)?;
        let end = bytes_max.map_or(len, |max| len.min(max));
        Ok(Batches { source, file, position: 0, end })
    }

    /// Where the next batch begins.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Goes to the begin of another batch.
    pub(super) fn seek(&mut self, position: u64) {
        self.position = position;
    }

    /// The next batch; none at the end, or when less than a batch is left.
    pub(super) fn next_batch(&mut self) -> Result<Option<Bytes>, Failure> {
        let left = self.end.saturating_sub(self.position);
        let mut prefix = [0; PREFIX_BYTES];
        if left < PREFIX_BYTES as u64 {
            return Ok(None);
        }
        let cannot = |error| self.source.cannot("read", &error);
        self.file.read_exact_at(&mut prefix, self.position).map_err(cannot)?;
        let len = batch_len(&prefix).map_err(|error| self.damage(error))?;
        let Some(len) = len.filter(|len| *len as u64 <= left) else { return Ok(None) };
        let mut batch = vec![0; len];
        self.file.read_exact_at(&mut batch, self.position).map_err(cannot)?;
        self.position += len as u64;
        Ok(Some(Bytes::from(batch)))
    }

    fn damage(&self, what: impl std::fmt::Display) -> Failure {
        self.source.wrong(format!("no batch begins at byte {}: {what}", self.position))
    }
}

/// Prints the batches, and their records as far as asked for.
pub(super) fn print(
    source: &Source<'_>,
    depth: &Depth,
    doubts: &mut Doubts,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut batches = Batches::open(source, depth.bytes_max)?;
    let mut last_offset = None;
    loop {
        let position = batches.position();
        let Some(bytes) = batches.next_batch()? else { break };
        let damage = |what: &dyn std::fmt::Display| {
            source.wrong(format!("the batch at byte {position} cannot be read: {what}"))
        };
        let batch = BatchView::first(&bytes).map_err(|error| damage(&error))?;
        let batch = batch.ok_or_else(|| damage(&"it is cut"))?;
        print_batch(&batch, position, out)?;
        if !depth.records {
            continue;
        }
        for record in read_batch(&bytes) {
            let record = record.map_err(|error| damage(&error))?;
            let offset = record.offset.0;
            if let Some(last) = last_offset.replace(offset).filter(|last| *last + 1 != offset) {
                doubts.gap(source.path, last, offset);
            }
            print_record(&batch, &record, depth, out)?;
        }
    }
    let left = batches.end.saturating_sub(batches.position());
    if left > 0 && depth.bytes_max.is_none() {
        let name = source.path.rsplit('/').next().unwrap_or(source.path);
        writeln!(out, "Found {left} invalid bytes at the end of {name}")?;
    }
    Ok(())
}

fn print_batch(batch: &BatchView<'_>, position: u64, out: &mut dyn Write) -> Result<(), Failure> {
    let (time, codec) = match batch.magic() {
        2 => {
            let last_sequence = batch.last_sequence();
            write!(
                out,
                "baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: \
                 {last_sequence} producerId: {} producerEpoch: {} partitionLeaderEpoch: {} \
                 isTransactional: {} isControl: {} deleteHorizonMs: {}",
                batch.base_offset(),
                batch.last_offset(),
                batch.count(),
                batch.base_sequence(),
                batch.producer_id(),
                batch.producer_epoch(),
                batch.leader_epoch(),
                batch.is_transactional(),
                batch.is_control(),
                optional(batch.delete_horizon().map(|horizon| horizon.0)),
            )?;
            let time = format!("{}: {}", time_name(batch), batch.max_timestamp());
            (time, batch.codec().map_or("unknown", Codec::name))
        }
        magic => {
            write!(out, "offset: {}", batch.base_offset())?;
            old_time_and_codec(batch.bytes(), magic)
        }
    };
    let is_valid = batch.verify_crc().is_ok();
    Ok(writeln!(
        out,
        " position: {position} {time} size: {} magic: {} compresscodec: {codec} crc: {} isvalid: \
         {is_valid}",
        batch.len_bytes(),
        batch.magic(),
        batch.crc(),
    )?)
}

/// The same fields in a message of magic 0, which has no time, or 1.
fn old_time_and_codec(message: &[u8], magic: u8) -> (String, &'static str) {
    let attributes = message.get(PREFIX_BYTES).copied().unwrap_or(0);
    let codec = Codec::from_id(attributes & 7).map_or("unknown", Codec::name);
    let at = message.get(PREFIX_BYTES + 1..).and_then(|rest| rest.first_chunk());
    let time = match (magic, at) {
        (1, Some(at)) => {
            let name = if attributes & 8 == 0 { "CreateTime" } else { "LogAppendTime" };
            format!("{name}: {}", i64::from_be_bytes(*at))
        }
        _ => "NoTimestampType: -1".to_owned(),
    };
    (time, codec)
}

fn time_name(batch: &BatchView<'_>) -> &'static str {
    match batch.timestamp_type() {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    }
}

fn print_record(
    batch: &BatchView<'_>,
    record: &Record,
    depth: &Depth,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut line = String::new();
    if !depth.data_only {
        line = record_line(batch, record);
    }
    if depth.data && !batch.is_control() {
        let (key, payload) = depth.decoder.parse(record)?;
        for (name, text) in [("key", key), ("payload", payload)] {
            let Some(text) = text else { continue };
            line.push_str(if line.is_empty() { "| " } else { " " });
            line.push_str(&format!("{name}: {text}"));
        }
    }
    Ok(writeln!(out, "{line}")?)
}

/// What a record is, without key and value; of a control record all.
fn record_line(batch: &BatchView<'_>, record: &Record) -> String {
    let size = |bytes: &Option<Bytes>| bytes.as_ref().map_or(-1, |bytes| bytes.len() as i128);
    let delta = record.offset.0 - batch.base_offset().0;
    let headers: Vec<&str> = record.headers.iter().map(|(name, _)| &**name).collect();
    let mut line = format!(
        "| offset: {} {}: {} keySize: {} valueSize: {} sequence: {} headerKeys: [{}]",
        record.offset,
        time_name(batch),
        record.timestamp,
        size(&record.key),
        size(&record.value),
        sequence_after(batch.base_sequence(), delta),
        headers.join(",")
    );
    if batch.is_control() {
        line.push(' ');
        line.push_str(&control(record));
    }
    line
}

fn control(record: &Record) -> String {
    let marker = |name, epoch| format!("endTxnMarker: {name} coordinatorEpoch: {epoch}");
    match ControlRecord::decode(record) {
        Ok(ControlRecord::Abort { coordinator_epoch }) => marker("ABORT", coordinator_epoch),
        Ok(ControlRecord::Commit { coordinator_epoch }) => marker("COMMIT", coordinator_epoch),
        Ok(ControlRecord::LeaderChange(it)) => format!("LeaderChange: {}", json(&it, it.version)),
        Ok(ControlRecord::SnapshotHeader(it)) => {
            format!("SnapshotHeader {}", json(&it, it.version))
        }
        Ok(ControlRecord::SnapshotFooter(it)) => {
            format!("SnapshotFooter {}", json(&it, it.version))
        }
        Ok(ControlRecord::KRaftVersion(it)) => format!("KRaftVersion {}", json(&it, it.version)),
        Ok(ControlRecord::KRaftVoters(it)) => format!("KRaftVoters {}", json(&it, it.version)),
        Ok(ControlRecord::Unknown(kind)) => format!("controlType: UNKNOWN({kind})"),
        Err(error) => format!("no control record: {error}"),
    }
}

fn json<M: Message>(message: &M, version: i16) -> String {
    let mut json = Json::new();
    message.walk(version, &mut json);
    json.into_text()
}

/// The sequence number so many records after (or before) another one; after 2147483647 comes 0.
pub(super) fn sequence_after(sequence: i32, records: i64) -> i32 {
    const NUMBERS: i64 = 1 << 31;
    match sequence {
        ..0 => -1,
        _ => i32::try_from((i64::from(sequence) + records).rem_euclid(NUMBERS))
            .expect("the remainder of 2^31 has 31 bits"),
    }
}
