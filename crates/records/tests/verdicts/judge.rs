//! Reads one line of verdicts and says whether the validator comes to the same one.
//!
//! A line is `name, produce version, now, topic configs, hex of records`, then Kafka's verdict:
//! `ok, first offset, hex of the batch in its log` or `refused, error code, index:message|..,
//! message`. Not compared: texts other than those of record errors, and re-encoded bytes beyond
//! what they inflate to.

use std::collections::BTreeMap;
use std::io::Read;

use ottla_records::validate::{Compression, Invalid, Origin, Rules, Valid, one_batch, validate};
use ottla_records::{BatchView, Codec, TimestampType, codec};
use ottla_wire::{LeaderEpoch, Offset, Timestamp};

/// `Err` tells the difference.
pub(crate) fn judge(line: &str) -> Result<(), String> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [name, version, now, configs, records, verdict @ ..] = &fields[..] else {
        return Err(format!("not a line of verdicts: {line}"));
    };
    let records = unhex(records);
    let rules = rules(configs, now.parse().expect("now is a number"));
    let version = version.parse().expect("the version is a number");
    let ours = one_batch(&records, version).and_then(|batch| validate(batch.bytes(), &rules));
    if ALLOWED.iter().any(|(cases, _reason)| name.starts_with(cases)) {
        return Ok(());
    }
    let same = match (verdict, &ours) {
        (["ok", offset, stored], Ok(valid)) => {
            let offset = offset.parse().expect("the offset is a number");
            compare_stored(&unhex(stored), valid, Offset(offset), &records)
        }
        (["refused", code, record_errors, message], Err(invalid)) => {
            compare_refused(code.parse().expect("a code"), record_errors, message, invalid)
        }
        _ => Err("one takes it, the other does not".to_owned()),
    };
    same.map_err(|why| {
        let ours = ours.map(|valid| hex(&valid.header)).map_err(|invalid| {
            format!("{} {} {:?}", invalid.error.0, invalid.message, invalid.record_errors)
        });
        format!("{name} ({configs}): {why}\n  kafka {verdict:?}\n  ours  {ours:?}")
    })
}

fn compare_refused(
    code: i16,
    record_errors: &str,
    message: &str,
    ours: &Invalid,
) -> Result<(), String> {
    let listed: Vec<String> = ours
        .record_errors
        .iter()
        .map(|error| format!("{}:{}", error.index, error.message))
        .collect();
    if ours.error.0 != code {
        return Err("error codes differ".into());
    }
    // Kafka prints the record's Java object into this one.
    let comparable = !record_errors.contains("Invalid timestamp type");
    if comparable && listed.join("|") != record_errors {
        return Err("record errors differ".into());
    }
    if comparable && !listed.is_empty() && !message.ends_with(&ours.message) {
        return Err("messages differ".into());
    }
    Ok(())
}

fn compare_stored(
    stored: &[u8],
    ours: &Valid,
    offset: Offset,
    records: &[u8],
) -> Result<(), String> {
    let mut ours = ours.clone();
    ours.assign(offset, LeaderEpoch(7));
    let bytes = [&ours.header, ours.records(records)].concat();
    if ours.reencoded.is_none() {
        return if bytes == stored { Ok(()) } else { Err("stored bytes differ".into()) };
    }
    let (theirs, ours) = (inflate(stored), inflate(&bytes));
    if ours != theirs {
        return Err(format!("written anew otherwise:\n  {theirs:?}\n  {ours:?}"));
    }
    Ok(())
}

/// What must be equal of a batch that was written anew: its header without length and checksum,
/// and its records.
fn inflate(bytes: &[u8]) -> (String, String) {
    let batch = BatchView::first(bytes).expect("a batch").expect("a whole batch");
    batch.verify_crc().expect("the checksum is right");
    let mut records = Vec::new();
    let codec = batch.codec().expect("a known codec");
    let mut reader = codec::reader(codec, batch.records()).expect("it inflates");
    reader.read_to_end(&mut records).expect("it inflates");
    let mut header = bytes[..61].to_vec();
    header[8..12].fill(0);
    header[17..21].fill(0);
    (hex(&header), hex(&records))
}

fn rules(configs: &str, now: i64) -> Rules<'static> {
    let configs: BTreeMap<&str, &str> =
        configs.split(',').filter_map(|pair| pair.split_once('=')).collect();
    let number = |name: &str, default: i64| {
        configs.get(name).map_or(default, |value| value.parse().expect("a number"))
    };
    let compression = match configs.get("compression.type") {
        None | Some(&"producer") => Compression::Producer,
        Some(name) => {
            let codec = Codec::from_name(name).expect("a codec's name");
            Compression::To { codec, level: codec.default_level() }
        }
    };
    Rules {
        origin: Origin::Client,
        partition: "topic-0",
        compacted: configs.get("cleanup.policy").is_some_and(|policy| policy.contains("compact")),
        timestamp_type: match configs.get("message.timestamp.type") {
            Some(&"LogAppendTime") => TimestampType::LogAppendTime,
            _ => TimestampType::CreateTime,
        },
        before_max_ms: number("message.timestamp.before.max.ms", i64::MAX),
        after_max_ms: number("message.timestamp.after.max.ms", 3_600_000),
        now: Timestamp(now),
        compression,
        max_message_bytes: number("max.message.bytes", 1_048_588).try_into().expect("a length"),
        segment_bytes: number("segment.bytes", 1 << 30).try_into().expect("a length"),
    }
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("a hex digit");
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::try_from(digit(pair[0]) << 4 | digit(pair[1])).expect("a byte"))
        .collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where we differ on purpose: how the cases' names begin, and why.
const ALLOWED: [(&str, &str); 6] = [
    ("offset delta 5", "Kafka sets out to write the batch anew, but has skipped its keys by then"),
    ("too short a length", "Kafka overlooks it in compressed batches; consumers cannot read them"),
    ("too long a length", "as above"),
    ("negative length", "as above"),
    ("endless length", "Kafka stumbles over it (-1) without compression and refuses it (87) with"),
    ("key -2", "Kafka writes null keys anew as -1, we copy them; readers see null"),
];
