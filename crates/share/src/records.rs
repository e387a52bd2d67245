//! The records of `__share_group_state`: keys and values as bytes.
//!
//! A key is `int16 type | key`, a value `int16 version | value`; no value is a tombstone. Must
//! hold: what is written is what Kafka 4.3 writes; a record of an unknown type is kept as its
//! bytes, an unknown version is an error.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use ottla_wire::messages::{
    ShareSnapshotKey, ShareSnapshotValue, ShareUpdateKey, ShareUpdateValue,
};
use ottla_wire::{DecodeError, EncodeError, Message, Reader, StrBytes, Writer};

use crate::state::Key;

/// One record of the share coordinator's log.
#[derive(Clone, Debug, PartialEq)]
pub enum ShareRecord {
    /// The whole state of a share partition; without value: it is deleted.
    Snapshot {
        /// The share partition.
        key: Key,
        /// Its state.
        value: Option<Arc<ShareSnapshotValue>>,
    },
    /// What has changed since the last snapshot or update; never without value.
    Update {
        /// The share partition.
        key: Key,
        /// What is to be laid over its state.
        value: Arc<ShareUpdateValue>,
    },
    /// A record of a type that a later release knows, kept as it is.
    Unknown {
        /// The key's bytes.
        key: Bytes,
        /// The value's bytes.
        value: Option<Bytes>,
    },
}

/// A record that cannot be read.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordError(pub DecodeError);

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record of a share partition: {}", self.0)
    }
}

impl std::error::Error for RecordError {}

impl From<DecodeError> for RecordError {
    fn from(cause: DecodeError) -> Self {
        RecordError(cause)
    }
}

impl ShareRecord {
    /// Reads a record.
    ///
    /// # Errors
    /// Its bytes are not those of a record.
    pub fn decode(key: Bytes, value: Option<Bytes>) -> Result<ShareRecord, RecordError> {
        let mut reader = Reader::new(key.clone());
        match int16(&mut reader)? {
            KEY_SNAPSHOT => {
                let key = ShareSnapshotKey::decode(&mut reader, 0)?;
                let key = Key::copied(&key.group_id, key.topic_id, key.partition);
                let value = value.map(versioned).transpose()?.map(Arc::new);
                Ok(ShareRecord::Snapshot { key, value })
            }
            KEY_UPDATE => {
                let update = ShareUpdateKey::decode(&mut reader, 0)?;
                // An update that was deleted says nothing that a snapshot would not.
                let Some(value) = value else { return Ok(ShareRecord::Unknown { key, value }) };
                let key = Key::copied(&update.group_id, update.topic_id, update.partition);
                Ok(ShareRecord::Update { key, value: Arc::new(versioned(value)?) })
            }
            _ => Ok(ShareRecord::Unknown { key, value }),
        }
    }

    /// The record's key and value.
    pub fn encode(&self) -> (Bytes, Option<Bytes>) {
        match self {
            ShareRecord::Snapshot { key, value } => {
                let key = ShareSnapshotKey {
                    group_id: key.group.clone(),
                    topic_id: key.topic,
                    partition: key.partition,
                };
                let value = value.as_ref().map(|value| prefixed(0, |w| value.encode(w, 0)));
                (prefixed(KEY_SNAPSHOT, |w| key.encode(w, 0)), value)
            }
            ShareRecord::Update { key, value } => {
                let key = ShareUpdateKey {
                    group_id: key.group.clone(),
                    topic_id: key.topic,
                    partition: key.partition,
                };
                let value = prefixed(0, |w| value.encode(w, 0));
                (prefixed(KEY_UPDATE, |w| key.encode(w, 0)), Some(value))
            }
            ShareRecord::Unknown { key, value } => (key.clone(), value.clone()),
        }
    }
}

impl Key {
    /// A key that holds no slice of a frame.
    pub fn copied(
        group: &str,
        topic: ottla_wire::TopicId,
        partition: ottla_wire::PartitionIndex,
    ) -> Key {
        Key { group: StrBytes::copied(group), topic, partition }
    }
}

fn int16(reader: &mut Reader) -> Result<i16, DecodeError> {
    let bytes = reader.take(2)?;
    Ok(bytes.first_chunk().map_or(0, |chunk| i16::from_be_bytes(*chunk)))
}

fn versioned<M: Message>(value: Bytes) -> Result<M, DecodeError> {
    let mut reader = Reader::new(value);
    let version = int16(&mut reader)?;
    M::decode(&mut reader, version)
}

fn prefixed(number: i16, encode: impl FnOnce(&mut Writer) -> Result<(), EncodeError>) -> Bytes {
    let mut writer = Writer::new();
    writer.raw(&number.to_be_bytes());
    encode(&mut writer).expect("every field has a place in the only version");
    writer.into_bytes().expect("nothing of it is in a file")
}

const KEY_SNAPSHOT: i16 = 0;
const KEY_UPDATE: i16 = 1;
