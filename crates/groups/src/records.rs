//! The records of `__consumer_offsets`: their types, keys and values as bytes.
//!
//! A key is `int16 type | key`, a value `int16 version | value`; no value is a tombstone. Every
//! version of Kafka's is read; written are the versions that Kafka 4.3 writes. Must hold: a record
//! of an unknown type is kept as its bytes, an unknown version of a known type is an error.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use ottla_wire::messages::{
    GroupMetadataKey, GroupMetadataValue, OffsetCommitKey, OffsetCommitValue,
};
use ottla_wire::{DecodeError, Message, PartitionIndex, ProducerId, Reader, StrBytes, Writer};

use crate::KindRecord;

/// One record of the group coordinator's log.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupRecord {
    /// A committed offset, or that there is none any more.
    OffsetCommit(OffsetCommit),
    /// A classic group at the settling of a generation; without value: the group is deleted.
    GroupMetadata {
        /// The group's id.
        group: StrBytes,
        /// What the record says.
        value: Option<Arc<GroupMetadataValue>>,
    },
    /// A record of a group whose members are told what to have.
    Kind(KindRecord),
    /// The marker of a transaction's end: a control batch, which has no key and value of ours.
    EndTransaction {
        /// Whose transaction ends.
        producer: ProducerId,
        /// Whether its offsets count.
        committed: bool,
    },
    /// A record of a type that no release knows, kept as it is.
    Unserved {
        /// The record type.
        kind: i16,
        /// The key's bytes.
        key: Bytes,
        /// The value's bytes.
        value: Option<Bytes>,
    },
}

/// A commit of one offset.
#[derive(Clone, Debug, PartialEq)]
pub struct OffsetCommit {
    /// The group's id.
    pub group: StrBytes,
    /// The topic's name.
    pub topic: StrBytes,
    /// The partition.
    pub partition: PartitionIndex,
    /// The producer whose open transaction the commit belongs to.
    pub producer: Option<ProducerId>,
    /// The offset; without it a tombstone.
    pub value: Option<OffsetCommitValue>,
}

/// A record that cannot be read.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordError {
    /// The record type, if the key could be read that far.
    pub kind: Option<i16>,
    /// What is wrong.
    pub cause: DecodeError,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Some(kind) => write!(f, "record of type {kind}: {}", self.cause),
            None => write!(f, "record without a type: {}", self.cause),
        }
    }
}

impl std::error::Error for RecordError {}

impl GroupRecord {
    /// The group whose members the record is about; none for what it commits.
    pub fn of_members(&self) -> Option<&StrBytes> {
        match self {
            GroupRecord::GroupMetadata { group, .. } => Some(group),
            GroupRecord::Kind(record) => Some(record.group()),
            _ => None,
        }
    }

    /// A tombstone of a committed offset.
    pub(crate) fn forget_offset(group: &str, topic: &str, partition: PartitionIndex) -> Self {
        GroupRecord::OffsetCommit(OffsetCommit {
            group: StrBytes::copied(group),
            topic: StrBytes::copied(topic),
            partition,
            producer: None,
            value: None,
        })
    }

    /// Reads a record; `producer` is that of its batch, when the batch is part of a transaction.
    pub fn decode(
        key: Bytes,
        value: Option<Bytes>,
        producer: Option<ProducerId>,
    ) -> Result<GroupRecord, RecordError> {
        let mut reader = Reader::new(key.clone());
        let kind = int16(&mut reader).map_err(|cause| RecordError { kind: None, cause })?;
        let wrong = |cause| RecordError { kind: Some(kind), cause };
        match kind {
            KEY_LEGACY_OFFSET_COMMIT | KEY_OFFSET_COMMIT => {
                let key = OffsetCommitKey::decode(&mut reader, 0).map_err(wrong)?;
                Ok(GroupRecord::OffsetCommit(OffsetCommit {
                    group: key.group,
                    topic: key.topic,
                    partition: key.partition,
                    producer,
                    value: value.map(versioned).transpose().map_err(wrong)?,
                }))
            }
            KEY_GROUP_METADATA => {
                let key = GroupMetadataKey::decode(&mut reader, 0).map_err(wrong)?;
                // Members keep slices of the value, which is small, rather than of a whole batch.
                let value = value.map(|value| Bytes::copy_from_slice(&value));
                let value = value.map(versioned).transpose().map_err(wrong)?.map(Arc::new);
                Ok(GroupRecord::GroupMetadata { group: key.group, value })
            }
            _ => {
                let record = KindRecord::decode(kind, &mut reader, value.as_ref());
                Ok(match record.map_err(wrong)? {
                    Some(record) => GroupRecord::Kind(record),
                    None => GroupRecord::Unserved { kind, key, value },
                })
            }
        }
    }

    /// The record's key and value; `None` for a marker, which is not written as a record.
    pub fn encode(&self) -> Option<(Bytes, Option<Bytes>)> {
        match self {
            GroupRecord::OffsetCommit(commit) => {
                let key = OffsetCommitKey {
                    group: commit.group.clone(),
                    topic: commit.topic.clone(),
                    partition: commit.partition,
                };
                let value = commit.value.as_ref().map(|value| {
                    let explicit = value.expire_timestamp.0 != -1;
                    with_int16(if explicit { 1 } else { 4 }, value)
                });
                Some((with_key(KEY_OFFSET_COMMIT, &key), value))
            }
            GroupRecord::GroupMetadata { group, value } => {
                let key = GroupMetadataKey { group: group.clone() };
                let value = value.as_ref().map(|value| with_int16(3, value.as_ref()));
                Some((with_key(KEY_GROUP_METADATA, &key), value))
            }
            GroupRecord::Kind(record) => Some(record.encode()),
            GroupRecord::EndTransaction { .. } => None,
            GroupRecord::Unserved { key, value, .. } => Some((key.clone(), value.clone())),
        }
    }
}

fn int16(reader: &mut Reader) -> Result<i16, DecodeError> {
    let bytes = reader.take(2)?;
    Ok(bytes.first_chunk().map_or(0, |chunk| i16::from_be_bytes(*chunk)))
}

pub(crate) fn versioned<M: Message>(value: Bytes) -> Result<M, DecodeError> {
    let mut reader = Reader::new(value);
    let version = int16(&mut reader)?;
    M::decode(&mut reader, version)
}

pub(crate) fn with_key<M: Message>(kind: i16, key: &M) -> Bytes {
    let mut writer = Writer::new();
    writer.raw(&kind.to_be_bytes());
    key.encode(&mut writer, 0).expect("a key has no field that its only version lacks");
    writer.into_bytes().expect("nothing of it is in a file")
}

pub(crate) fn with_int16<M: Message>(version: i16, value: &M) -> Bytes {
    let mut writer = Writer::new();
    writer.raw(&version.to_be_bytes());
    value.encode(&mut writer, version).expect("fields of a value are ignorable where absent");
    writer.into_bytes().expect("nothing of it is in a file")
}

const KEY_LEGACY_OFFSET_COMMIT: i16 = 0;
const KEY_OFFSET_COMMIT: i16 = 1;
const KEY_GROUP_METADATA: i16 = 2;
