//! The records of `__transaction_state`: keys and values as bytes.
//!
//! A key is `int16 type | key`, a value `int16 version | value`; no value is a tombstone. Must
//! hold: what is written is what Kafka 4.3 writes, but for the order of topics, which has no
//! meaning; a record of an unknown type is kept as its bytes, an unknown version or state is an
//! error.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use ottla_wire::messages::transaction_log_value::PartitionsSchema;
use ottla_wire::messages::{TransactionLogKey, TransactionLogValue};
use ottla_wire::{DecodeError, Message, Reader, StrBytes, Writer};

use crate::state::{State, TopicPartition, Transaction};

/// One record of the transaction coordinator's log.
#[derive(Clone, Debug, PartialEq)]
pub enum TransactionRecord {
    /// A transactional id takes a step; without value: it is forgotten.
    Transaction {
        /// The transactional id.
        id: StrBytes,
        /// What it is from here on.
        value: Option<Arc<Transaction>>,
        /// The version of the value's bytes.
        version: i16,
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
pub enum RecordError {
    /// Its bytes are not those of a record.
    Bytes(DecodeError),
    /// It names a state that no release has, or that no log has.
    State(i8),
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordError::Bytes(cause) => write!(f, "record of a transaction: {cause}"),
            RecordError::State(byte) => write!(f, "record of a transaction in state {byte}"),
        }
    }
}

impl std::error::Error for RecordError {}

impl From<DecodeError> for RecordError {
    fn from(cause: DecodeError) -> Self {
        RecordError::Bytes(cause)
    }
}

impl TransactionRecord {
    /// Reads a record.
    ///
    /// # Errors
    /// Its bytes are not those of a record, or its state is not one that a log has.
    pub fn decode(key: Bytes, value: Option<Bytes>) -> Result<TransactionRecord, RecordError> {
        let mut reader = Reader::new(key.clone());
        if int16(&mut reader)? != KEY_TRANSACTION {
            return Ok(TransactionRecord::Unknown { key, value });
        }
        let id = TransactionLogKey::decode(&mut reader, 0)?.transactional_id;
        let id = StrBytes::copied(&id);
        let Some(value) = value else {
            return Ok(TransactionRecord::Transaction { id, value: None, version: 0 });
        };
        let mut reader = Reader::new(value);
        let version = int16(&mut reader)?;
        let value = TransactionLogValue::decode(&mut reader, version)?;
        let value = Some(Arc::new(from_value(&value)?));
        Ok(TransactionRecord::Transaction { id, value, version })
    }

    /// The record's key and value.
    pub fn encode(&self) -> (Bytes, Option<Bytes>) {
        match self {
            TransactionRecord::Transaction { id, value, version } => {
                let key = TransactionLogKey { transactional_id: id.clone() };
                let value = value.as_ref().map(|value| {
                    let value = to_value(value, *version);
                    prefixed(*version, |w| value.encode(w, *version))
                });
                (prefixed(KEY_TRANSACTION, |w| key.encode(w, 0)), value)
            }
            TransactionRecord::Unknown { key, value } => (key.clone(), value.clone()),
        }
    }
}

fn from_value(value: &TransactionLogValue) -> Result<Transaction, RecordError> {
    let byte = value.transaction_status;
    let state = State::from_byte(byte).ok_or(RecordError::State(byte))?;
    if matches!(state, State::PrepareEpochFence | State::Dead) {
        return Err(RecordError::State(byte));
    }
    let topics = value.transaction_partitions.iter().flatten();
    let partitions = topics.flat_map(|topic| {
        let name = StrBytes::copied(&topic.topic);
        topic
            .partition_ids
            .iter()
            .map(move |partition| TopicPartition { topic: name.clone(), partition: *partition })
    });
    Ok(Transaction {
        state,
        producer_id: value.producer_id,
        producer_epoch: value.producer_epoch,
        previous_producer_id: value.previous_producer_id,
        next_producer_id: value.next_producer_id,
        timeout_ms: value.transaction_timeout_ms,
        partitions: partitions.collect(),
        started_at: value.transaction_start_timestamp_ms,
        updated_at: value.transaction_last_update_timestamp_ms,
        client_version: value.client_transaction_version,
    })
}

fn to_value(transaction: &Transaction, version: i16) -> TransactionLogValue {
    let in_words = TransactionLogValue {
        producer_id: transaction.producer_id,
        producer_epoch: transaction.producer_epoch,
        transaction_timeout_ms: transaction.timeout_ms,
        transaction_status: transaction.state.to_byte(),
        transaction_partitions: (transaction.state != State::Empty)
            .then(|| by_topic(&transaction.partitions)),
        transaction_last_update_timestamp_ms: transaction.updated_at,
        transaction_start_timestamp_ms: transaction.started_at,
        ..TransactionLogValue::default()
    };
    if version == 0 {
        return in_words;
    }
    TransactionLogValue {
        previous_producer_id: transaction.previous_producer_id,
        next_producer_id: transaction.next_producer_id,
        client_transaction_version: transaction.client_version,
        ..in_words
    }
}

fn by_topic(partitions: &BTreeSet<TopicPartition>) -> Vec<PartitionsSchema> {
    let mut topics: Vec<PartitionsSchema> = Vec::new();
    for TopicPartition { topic, partition } in partitions {
        match topics.last_mut().filter(|last| last.topic == *topic) {
            Some(last) => last.partition_ids.push(*partition),
            None => topics.push(PartitionsSchema {
                topic: topic.clone(),
                partition_ids: vec![*partition],
                ..PartitionsSchema::default()
            }),
        }
    }
    topics
}

fn int16(reader: &mut Reader) -> Result<i16, DecodeError> {
    let bytes = reader.take(2)?;
    Ok(bytes.first_chunk().map_or(0, |chunk| i16::from_be_bytes(*chunk)))
}

fn prefixed(
    number: i16,
    encode: impl FnOnce(&mut Writer) -> Result<(), ottla_wire::EncodeError>,
) -> Bytes {
    let mut writer = Writer::new();
    writer.raw(&number.to_be_bytes());
    encode(&mut writer).expect("every field has a place in the version that it was made for");
    writer.into_bytes().expect("nothing of it is in a file")
}

const KEY_TRANSACTION: i16 = 0;
