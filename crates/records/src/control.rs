//! Control records: what a batch with the control bit says to the log and to raft.
//!
//! The key is `int16 version | int16 type`. Transaction markers have a value with a version in
//! front of it; KRaft's messages carry theirs as their first field and have none in front. Not
//! here: what follows from them. Must hold: a type that nobody knows is skipped, never an error.

use std::fmt;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use ottla_wire::messages::kraft_version_record::KRaftVersionRecord;
use ottla_wire::messages::leader_change_message::LeaderChangeMessage;
use ottla_wire::messages::snapshot_footer_record::SnapshotFooterRecord;
use ottla_wire::messages::snapshot_header_record::SnapshotHeaderRecord;
use ottla_wire::messages::voters_record::VotersRecord;
use ottla_wire::{DecodeError, EncodeError, Message, Offset, Reader, Timestamp, Writer};

use crate::batch::Producer;
use crate::builder::{BatchBuilder, BatchSettings, BuildError};
use crate::record::Record;

/// What a control record says.
#[derive(Clone, PartialEq, Debug)]
pub enum ControlRecord {
    /// The producer's transaction is aborted.
    Abort {
        /// The epoch of the transaction coordinator that decided it.
        coordinator_epoch: i32,
    },
    /// The producer's transaction is committed.
    Commit {
        /// The epoch of the transaction coordinator that decided it.
        coordinator_epoch: i32,
    },
    /// A leader begins its epoch of a KRaft log.
    LeaderChange(LeaderChangeMessage),
    /// The first record of a snapshot.
    SnapshotHeader(SnapshotHeaderRecord),
    /// The last record of a snapshot.
    SnapshotFooter(SnapshotFooterRecord),
    /// The quorum's `kraft.version`.
    KRaftVersion(KRaftVersionRecord),
    /// The quorum's voters.
    KRaftVoters(VotersRecord),
    /// A type of a later release.
    Unknown(i16),
}

/// Why a record of a control batch is not a control record.
#[derive(Debug)]
pub enum ControlError {
    /// The key is not a version and a type.
    Key,
    /// A marker's value is not a version and an epoch.
    Marker,
    /// A message of KRaft cannot be read.
    Message(DecodeError),
}

impl ControlRecord {
    /// What a record of a control batch says.
    pub fn decode(record: &Record) -> Result<ControlRecord, ControlError> {
        let key = record.key.as_deref().ok_or(ControlError::Key)?;
        let (_version, rest) = key.split_first_chunk::<2>().ok_or(ControlError::Key)?;
        let kind = rest.first_chunk::<2>().ok_or(ControlError::Key)?;
        let value = record.value.clone().unwrap_or_default();
        match i16::from_be_bytes(*kind) {
            ABORT => Ok(Self::Abort { coordinator_epoch: marker(value)? }),
            COMMIT => Ok(Self::Commit { coordinator_epoch: marker(value)? }),
            LEADER_CHANGE => Ok(Self::LeaderChange(message(value)?)),
            SNAPSHOT_HEADER => Ok(Self::SnapshotHeader(message(value)?)),
            SNAPSHOT_FOOTER => Ok(Self::SnapshotFooter(message(value)?)),
            KRAFT_VERSION => Ok(Self::KRaftVersion(message(value)?)),
            KRAFT_VOTERS => Ok(Self::KRaftVoters(message(value)?)),
            unknown => Ok(Self::Unknown(unknown)),
        }
    }

    /// The record's key.
    pub fn key(&self) -> [u8; 4] {
        let kind = match self {
            Self::Abort { .. } => ABORT,
            Self::Commit { .. } => COMMIT,
            Self::LeaderChange(_) => LEADER_CHANGE,
            Self::SnapshotHeader(_) => SNAPSHOT_HEADER,
            Self::SnapshotFooter(_) => SNAPSHOT_FOOTER,
            Self::KRaftVersion(_) => KRAFT_VERSION,
            Self::KRaftVoters(_) => KRAFT_VOTERS,
            Self::Unknown(kind) => *kind,
        };
        let [high, low] = kind.to_be_bytes();
        [0, 0, high, low]
    }

    /// The record's value. KRaft's messages are written in the version that they carry.
    pub fn value(&self) -> Result<Bytes, EncodeError> {
        match self {
            Self::Abort { coordinator_epoch } | Self::Commit { coordinator_epoch } => {
                let mut value = BytesMut::with_capacity(6);
                value.put_i16(0);
                value.put_i32(*coordinator_epoch);
                Ok(value.freeze())
            }
            Self::LeaderChange(message) => encoded(message, message.version),
            Self::SnapshotHeader(message) => encoded(message, message.version),
            Self::SnapshotFooter(message) => encoded(message, message.version),
            Self::KRaftVersion(message) => encoded(message, message.version),
            Self::KRaftVoters(message) => encoded(message, message.version),
            Self::Unknown(_) => Ok(Bytes::new()),
        }
    }
}

/// Which epochs the end of a transaction may have, beside that of its producer in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkerEpoch {
    /// The producer's own or a later one: up to transaction version 1.
    AtLeast,
    /// A later one, as from transaction version 2 on every end bumps the epoch (KIP-1228): a marker
    /// that comes late cannot end the next transaction.
    Above,
}

impl MarkerEpoch {
    /// What holds in a transaction of this version (`transaction.version`).
    pub fn of(transaction_version: i8) -> MarkerEpoch {
        if transaction_version >= 2 { MarkerEpoch::Above } else { MarkerEpoch::AtLeast }
    }
}

/// A control batch of `records`. Its settings' codec and control bit are not looked at: control
/// batches are never compressed.
pub fn control_batch(
    settings: BatchSettings,
    timestamp: Timestamp,
    records: &[ControlRecord],
) -> Result<Bytes, ControlBatchError> {
    let codec = crate::Codec::None;
    let mut builder = BatchBuilder::new(BatchSettings { is_control: true, codec, ..settings });
    for record in records {
        let value = record.value().map_err(ControlBatchError::Encode)?;
        builder
            .append(timestamp, Some(&record.key()), Some(&value), &[])
            .map_err(ControlBatchError::Build)?;
    }
    builder.build().map_err(ControlBatchError::Build)
}

/// The batch that ends a producer's transaction in a partition.
pub fn end_transaction(
    base_offset: Offset,
    timestamp: Timestamp,
    producer: Producer,
    marker: &ControlRecord,
) -> Result<Bytes, ControlBatchError> {
    let producer = Producer { base_sequence: -1, ..producer };
    let settings = BatchSettings {
        base_offset,
        producer: Some(producer),
        is_transactional: true,
        ..Default::default()
    };
    control_batch(settings, timestamp, std::slice::from_ref(marker))
}

/// Why a control batch cannot be written.
#[derive(Debug)]
pub enum ControlBatchError {
    /// A message does not fit the version that it carries.
    Encode(EncodeError),
    /// The batch does not fit its length field.
    Build(BuildError),
}

fn marker(mut value: Bytes) -> Result<i32, ControlError> {
    let _version = value.try_get_i16().map_err(|_| ControlError::Marker)?;
    value.try_get_i32().map_err(|_| ControlError::Marker)
}

/// The message's own first field tells its version; a later one is read as the latest known.
fn message<M: Message>(value: Bytes) -> Result<M, ControlError> {
    let version = value.first_chunk::<2>().map_or(0, |version| i16::from_be_bytes(*version));
    let version = version.clamp(M::VERSIONS.min, M::VERSIONS.max);
    M::decode(&mut Reader::new(value), version).map_err(ControlError::Message)
}

fn encoded<M: Message>(message: &M, version: i16) -> Result<Bytes, EncodeError> {
    let mut writer = Writer::new();
    message.encode(&mut writer, version)?;
    writer.into_bytes()
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ControlError::Key => f.write_str("control record without version and type in its key"),
            ControlError::Marker => f.write_str("transaction marker without version and epoch"),
            ControlError::Message(error) => write!(f, "control record cannot be read: {error}"),
        }
    }
}

impl std::error::Error for ControlError {}

impl fmt::Display for ControlBatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ControlBatchError::Encode(error) => write!(f, "control record: {error}"),
            ControlBatchError::Build(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ControlBatchError {}

const ABORT: i16 = 0;
const COMMIT: i16 = 1;
const LEADER_CHANGE: i16 = 2;
const SNAPSHOT_HEADER: i16 = 3;
const SNAPSHOT_FOOTER: i16 = 4;
const KRAFT_VERSION: i16 = 5;
const KRAFT_VOTERS: i16 = 6;
