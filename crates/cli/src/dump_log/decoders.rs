//! What keys and values say: text and numbers, or the records of Kafka's own topics as JSON.
//!
//! Records of coordinators carry their type in the key and their version in the value; those of
//! the cluster's metadata carry both in the value. The table of messages in `wire` knows the rest.
//! A record that cannot be read is told in its line, and the next one is read.

use ottla_records::Record;
use ottla_wire::messages::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use ottla_wire::messages::{GroupMetadataValue, group_metadata_value};
use ottla_wire::registry::{Kind, MESSAGES, MessageInfo};
use ottla_wire::{Bytes, Message, Reader};

use super::STRING_DECODER;
use crate::failure::Failure;
use crate::options::Parsed;

/// How records are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decoder {
    /// By two of Kafka's decoder classes.
    Classes { key: Class, value: Class },
    /// As records of a coordinator's topic.
    Coordinator(Topic),
    /// As records of the cluster's metadata, or of remote logs.
    Framed(Kind),
}

/// A topic that coordinators write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    Offsets,
    Transactions,
    ShareState,
}

/// One of Kafka's decoder classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Text,
    Integer,
    Long,
    Double,
}

/// The classes by name.
const CLASSES: &[(&str, Class)] = &[
    (STRING_DECODER, Class::Text),
    ("org.apache.kafka.tools.api.IntegerDecoder", Class::Integer),
    ("org.apache.kafka.tools.api.LongDecoder", Class::Long),
    ("org.apache.kafka.tools.api.DoubleDecoder", Class::Double),
];

/// The options that choose a decoder, the strongest first.
const CHOICES: &[(&str, Decoder)] = &[
    ("offsets-decoder", Decoder::Coordinator(Topic::Offsets)),
    ("transaction-log-decoder", Decoder::Coordinator(Topic::Transactions)),
    ("cluster-metadata-decoder", Decoder::Framed(Kind::Metadata)),
    ("remote-log-metadata-decoder", Decoder::Framed(Kind::RemoteLog)),
    ("share-group-state-decoder", Decoder::Coordinator(Topic::ShareState)),
];

impl Decoder {
    /// The decoder that the options ask for.
    pub(super) fn of(parsed: &Parsed) -> Result<Decoder, Failure> {
        if let Some((_, decoder)) = CHOICES.iter().find(|(option, _)| parsed.has(option)) {
            return Ok(*decoder);
        }
        let class = |option| {
            let name = parsed.text(option)?.unwrap_or(STRING_DECODER);
            let found = CLASSES.iter().find(|(known, _)| *known == name);
            found.map(|(_, class)| *class).ok_or_else(|| {
                let known: Vec<&str> = CLASSES.iter().map(|(known, _)| *known).collect();
                Failure::said(format!(
                    "--{option} {name}: Java classes are not loaded here; there are {}",
                    known.join(", ")
                ))
            })
        };
        Ok(Decoder::Classes {
            key: class("key-decoder-class")?,
            value: class("value-decoder-class")?,
        })
    }

    /// Whether it is for records of one of Kafka's own topics.
    pub(super) fn is_of_a_topic(self) -> bool {
        !matches!(self, Decoder::Classes { .. })
    }

    /// What the key and the value say.
    pub(super) fn parse(
        self,
        record: &Record,
    ) -> Result<(Option<String>, Option<String>), Failure> {
        match self {
            Decoder::Classes { key, value } => {
                let read = |class: Class, bytes: &Option<Bytes>| {
                    let Some(bytes) = bytes else { return Ok(None) };
                    class.read(bytes).map(Some).ok_or_else(|| {
                        let (offset, len) = (record.offset, bytes.len());
                        Failure::said(format!(
                            "offset {offset}: {len} bytes are too few for {class:?}; choose \
                             another decoder class"
                        ))
                    })
                };
                Ok((read(key, &record.key)?, read(value, &record.value)?))
            }
            Decoder::Coordinator(topic) => coordinator(topic, record),
            Decoder::Framed(kind) => {
                let read = |value: &Bytes| {
                    framed(kind, value.clone()).unwrap_or_else(|what| skipped(record, &what))
                };
                Ok((None, record.value.as_ref().map(read)))
            }
        }
    }
}

impl Class {
    fn read(self, bytes: &[u8]) -> Option<String> {
        match self {
            Class::Text => Some(String::from_utf8_lossy(bytes).into_owned()),
            Class::Integer => bytes.first_chunk().map(|it| i32::from_be_bytes(*it).to_string()),
            Class::Long => bytes.first_chunk().map(|it| i64::from_be_bytes(*it).to_string()),
            Class::Double => bytes.first_chunk().map(|it| format!("{:?}", f64::from_be_bytes(*it))),
        }
    }
}

fn skipped(record: &Record, what: &str) -> String {
    format!("Error at offset {}, skipping. {what}", record.offset)
}

/// A record of a coordinator's topic.
fn coordinator(topic: Topic, record: &Record) -> Result<(Option<String>, Option<String>), Failure> {
    let Some(key) = &record.key else {
        return Err(Failure::said(format!(
            "offset {}: a record without a key is not of this topic; choose another decoder",
            record.offset
        )));
    };
    let read = || -> Result<(String, String), String> {
        let (kind, key) = int16(key.clone())?;
        let info = MESSAGES.iter().find(|info| {
            info.kind == Kind::CoordinatorKey && info.key == Some(kind) && topic.has(info.name)
        });
        let info = info.ok_or_else(|| format!("No record of this topic has type {kind}."))?;
        let key = info.json(key, 0).map_err(|error| error.to_string())?;
        let value = match &record.value {
            None => "<DELETE>".to_owned(),
            Some(value) => coordinator_value(info, value.clone())?,
        };
        Ok((format!("{{\"type\":\"{kind}\",\"data\":{key}}}"), value))
    };
    match read() {
        Ok((key, value)) => Ok((Some(key), Some(value))),
        Err(what) => Ok((Some(skipped(record, &what)), None)),
    }
}

fn coordinator_value(key: &MessageInfo, value: Bytes) -> Result<String, String> {
    let name = key.name.strip_suffix("Key").unwrap_or(key.name);
    let is_value = |info: &&MessageInfo| {
        info.kind == Kind::CoordinatorValue && info.name.strip_suffix("Value") == Some(name)
    };
    let info = MESSAGES.iter().find(is_value).ok_or("The record's type has no value.")?;
    let (version, value) = int16(value)?;
    let json = info.json(value.clone(), version).map_err(|error| error.to_string())?;
    let json = match info.name == GroupMetadataValue::NAME {
        true => with_members(json, value, version)?,
        false => json,
    };
    Ok(format!("{{\"version\":\"{version}\",\"data\":{json}}}"))
}

/// A group of consumers, with what its members told each other in place of bytes.
fn with_members(json: String, value: Bytes, version: i16) -> Result<String, String> {
    let group =
        GroupMetadataValue::decode_all(value, version).map_err(|error| error.to_string())?;
    if &*group.protocol_type != "consumer" {
        return Ok(json);
    }
    // A quote inside of a text is written with a backslash, so that these are names of fields.
    let (mut out, mut rest) = (String::new(), json.as_str());
    for member in &group.members {
        for (field, text) in
            [("\"subscription\":", subscription(member)), ("\"assignment\":", assignment(member))]
        {
            let (Some(text), Some(at)) = (text, rest.find(field)) else { continue };
            let (before, after) = rest.split_at(at + field.len());
            out.push_str(before);
            out.push_str(&text);
            // Base64 in quotes.
            rest = after
                .strip_prefix('"')
                .and_then(|after| after.split_once('"'))
                .map_or("", |it| it.1);
        }
    }
    Ok(out + rest)
}

fn subscription(member: &group_metadata_value::MemberMetadata) -> Option<String> {
    protocol::<ConsumerProtocolSubscription>(&member.subscription)
}

fn assignment(member: &group_metadata_value::MemberMetadata) -> Option<String> {
    protocol::<ConsumerProtocolAssignment>(&member.assignment)
}

fn protocol<M: Message>(bytes: &Bytes) -> Option<String> {
    let (version, bytes) = int16(bytes.clone()).ok()?;
    let info = MESSAGES.iter().find(|info| info.name == M::NAME)?;
    info.json(bytes, version).ok()
}

/// A record whose value tells its frame version, type and version.
fn framed(kind: Kind, value: Bytes) -> Result<String, String> {
    let mut reader = Reader::new(value);
    let mut number = || reader.uvarint().map_err(|error| error.to_string());
    let (frame, key, version) = (number()?, number()?, number()?);
    if frame > 1 {
        return Err(format!("No release writes frame version {frame}."));
    }
    let info = MESSAGES.iter().find(|info| {
        info.kind == kind && info.key.and_then(|key| u32::try_from(key).ok()) == Some(key)
    });
    let info = info.ok_or_else(|| format!("No record has type {key}."))?;
    let version =
        i16::try_from(version).map_err(|_| format!("No record has version {version}."))?;
    let json = info.json(reader.rest(), version).map_err(|error| error.to_string())?;
    let name = constant_case(info.name);
    Ok(format!("{{\"type\":\"{name}\",\"version\":{version},\"data\":{json}}}"))
}

/// `TopicRecord` as `TOPIC_RECORD`.
fn constant_case(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(letter.to_ascii_uppercase());
    }
    out
}

fn int16(bytes: Bytes) -> Result<(i16, Bytes), String> {
    let number = bytes.first_chunk().copied().ok_or("It has no version.")?;
    Ok((i16::from_be_bytes(number), bytes.slice(2..)))
}

impl Topic {
    /// Whether records of that name stand in the topic.
    fn has(self, name: &str) -> bool {
        let of_shares = matches!(name, "ShareSnapshotKey" | "ShareUpdateKey");
        match self {
            Topic::Transactions => name == "TransactionLogKey",
            Topic::ShareState => of_shares,
            Topic::Offsets => !of_shares && name != "TransactionLogKey",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_of_the_metadata_has_kafkas_name() {
        for (name, expect) in [
            ("TopicRecord", "TOPIC_RECORD"),
            ("NoOpRecord", "NO_OP_RECORD"),
            ("ZkMigrationStateRecord", "ZK_MIGRATION_STATE_RECORD"),
        ] {
            assert_eq!(constant_case(name), expect);
        }
    }

    #[test]
    fn every_coordinators_key_has_a_value() {
        for key in MESSAGES.iter().filter(|info| info.kind == Kind::CoordinatorKey) {
            let told = coordinator_value(key, Bytes::from_static(b"\x7f\xff")).unwrap_err();
            assert!(!told.contains("no value"), "{}: {told}", key.name);
        }
    }
}
