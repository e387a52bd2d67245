//! One record of `__cluster_metadata`, and its bytes: frame version 1, key, version, message.
//!
//! One row per record type. In which version a record is written follows from the cluster's
//! `metadata.version`, as Apache Kafka decides it; what that version cannot hold is left out.
//! Must hold: bytes that Apache Kafka 4.4 or older wrote decode, and encode to the same bytes at
//! the level they were written at.

use std::fmt;

use ottla_wire::messages::{
    AbortTransactionRecord, AccessControlEntryRecord, BeginTransactionRecord,
    BrokerRegistrationChangeRecord, ClearElrRecord, ClientQuotaRecord, ConfigRecord,
    DelegationTokenRecord, EndTransactionRecord, FeatureLevelRecord, FenceBrokerRecord, NoOpRecord,
    PartitionChangeRecord, PartitionRecord, ProducerIdsRecord, RegisterBrokerRecord,
    RegisterControllerRecord, RemoveAccessControlEntryRecord, RemoveDelegationTokenRecord,
    RemoveTopicRecord, RemoveUserScramCredentialRecord, TopicRecord, UnfenceBrokerRecord,
    UnregisterBrokerRecord, UnregisterControllerRecord, UserScramCredentialRecord,
    ZkMigrationStateRecord,
};
use ottla_wire::{Bytes, DecodeError, Message, Reader, Writer};

use crate::features::MetadataVersion;

/// The only frame version there is.
const FRAME: u32 = 1;

/// Why bytes are no record of the cluster's metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// A frame version that only a later release knows.
    Frame(u32),
    /// A record type that only a later release knows.
    Key(u32),
    /// A version that does not fit into its number.
    Version(u32),
    /// The message is torn, of an unknown version, or followed by other bytes.
    Message(DecodeError),
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(frame) => write!(f, "metadata record with unknown frame version {frame}"),
            Self::Key(key) => write!(f, "metadata record with unknown type {key}"),
            Self::Version(version) => write!(f, "metadata record with version {version}"),
            Self::Message(error) => write!(f, "damaged metadata record: {error}"),
        }
    }
}

impl std::error::Error for RecordError {}

impl From<DecodeError> for RecordError {
    fn from(error: DecodeError) -> Self {
        Self::Message(error)
    }
}

/// Gives a message in the version for a level, without what that version cannot hold.
trait Fit: Message {
    /// The version that is written at `level`.
    fn version_at(&self, level: MetadataVersion) -> i16;

    /// The message without the fields that `version` does not have.
    fn fitted(&self, _version: i16) -> Self {
        self.clone()
    }
}

macro_rules! records {
    ($($key:literal $variant:ident $message:ident;)*) => {
        /// One record of the cluster's metadata.
        #[derive(Clone, Debug, PartialEq)]
        #[expect(missing_docs, reason = "the variants are Kafka's record types")]
        pub enum MetadataRecord {
            $($variant($message),)*
        }

        $(impl From<$message> for MetadataRecord {
            fn from(message: $message) -> Self {
                Self::$variant(message)
            }
        })*

        impl MetadataRecord {
            /// The number of every record type, in order.
            pub const KEYS: &[u32] = &[$($key),*];

            /// The number of the record's type.
            pub fn key(&self) -> u32 {
                match self {
                    $(Self::$variant(_) => $key,)*
                }
            }

            /// Kafka's name of the record's type.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $message::NAME,)*
                }
            }

            /// Reads the value of one record of the metadata log.
            pub fn decode(bytes: Bytes) -> Result<Self, RecordError> {
                let mut r = Reader::new(bytes);
                let frame = r.uvarint()?;
                if frame != FRAME {
                    return Err(RecordError::Frame(frame));
                }
                let (key, version) = (r.uvarint()?, r.uvarint()?);
                let version = i16::try_from(version).map_err(|_| RecordError::Version(version))?;
                let record = match key {
                    $($key => Self::$variant($message::decode(&mut r, version)?),)*
                    _ => return Err(RecordError::Key(key)),
                };
                r.finish()?;
                Ok(record)
            }

            /// The version that is written at `level`.
            pub fn version_at(&self, level: MetadataVersion) -> i16 {
                match self {
                    $(Self::$variant(message) => message.version_at(level),)*
                }
            }

            /// The value of one record of the metadata log, as written at `level`.
            pub fn encode(&self, level: MetadataVersion) -> Bytes {
                match self {
                    $(Self::$variant(message) => frame($key, message, level),)*
                }
            }

            /// The record as JSON, as `kafka-dump-log` shows its data.
            pub fn to_json(&self, level: MetadataVersion) -> String {
                match self {
                    $(Self::$variant(message) => {
                        let version = message.version_at(level);
                        message.fitted(version).to_json(version)
                    })*
                }
            }
        }
    };
}

fn frame<M: Fit>(key: u32, message: &M, level: MetadataVersion) -> Bytes {
    let version = message.version_at(level);
    let mut w = Writer::new();
    w.uvarint(FRAME);
    w.uvarint(key);
    w.uvarint(u32::try_from(version).expect("versions count from 0"));
    message
        .fitted(version)
        .encode(&mut w, version)
        .and_then(|()| w.into_bytes())
        .expect("what a version cannot hold is left out, and metadata is small")
}

records! {
    0 RegisterBroker RegisterBrokerRecord;
    1 UnregisterBroker UnregisterBrokerRecord;
    2 Topic TopicRecord;
    3 Partition PartitionRecord;
    4 Config ConfigRecord;
    5 PartitionChange PartitionChangeRecord;
    7 FenceBroker FenceBrokerRecord;
    8 UnfenceBroker UnfenceBrokerRecord;
    9 RemoveTopic RemoveTopicRecord;
    10 DelegationToken DelegationTokenRecord;
    11 UserScramCredential UserScramCredentialRecord;
    12 FeatureLevel FeatureLevelRecord;
    14 ClientQuota ClientQuotaRecord;
    15 ProducerIds ProducerIdsRecord;
    17 BrokerRegistrationChange BrokerRegistrationChangeRecord;
    18 AccessControlEntry AccessControlEntryRecord;
    19 RemoveAccessControlEntry RemoveAccessControlEntryRecord;
    20 NoOp NoOpRecord;
    21 ZkMigrationState ZkMigrationStateRecord;
    22 RemoveUserScramCredential RemoveUserScramCredentialRecord;
    23 BeginTransaction BeginTransactionRecord;
    24 EndTransaction EndTransactionRecord;
    25 AbortTransaction AbortTransactionRecord;
    26 RemoveDelegationToken RemoveDelegationTokenRecord;
    27 RegisterController RegisterControllerRecord;
    28 ClearElr ClearElrRecord;
    29 UnregisterController UnregisterControllerRecord;
}

macro_rules! only_version_0 {
    ($($message:ident)*) => {$(
        impl Fit for $message {
            fn version_at(&self, _level: MetadataVersion) -> i16 {
                0
            }
        }
    )*};
}

only_version_0! {
    UnregisterBrokerRecord TopicRecord ConfigRecord FenceBrokerRecord UnfenceBrokerRecord
    RemoveTopicRecord DelegationTokenRecord UserScramCredentialRecord FeatureLevelRecord
    ClientQuotaRecord ProducerIdsRecord AccessControlEntryRecord RemoveAccessControlEntryRecord
    NoOpRecord ZkMigrationStateRecord RemoveUserScramCredentialRecord BeginTransactionRecord
    EndTransactionRecord AbortTransactionRecord RemoveDelegationTokenRecord
    RegisterControllerRecord ClearElrRecord UnregisterControllerRecord
}

impl Fit for RegisterBrokerRecord {
    fn version_at(&self, level: MetadataVersion) -> i16 {
        match level {
            level if level >= MetadataVersion::CORDONED_LOG_DIRS => 4,
            level if level >= MetadataVersion::DIRECTORIES => 3,
            level if level >= MetadataVersion::ZK_MIGRATION => 2,
            _ => 1,
        }
    }

    fn fitted(&self, version: i16) -> Self {
        let mut fitted = self.clone();
        if version < 4 {
            fitted.cordoned_log_dirs = None;
        }
        if version < 3 {
            fitted.log_dirs.clear();
        }
        if version < 2 {
            fitted.is_migrating_zk_broker = false;
        }
        fitted
    }
}

/// The version of both records of a partition.
fn partition_version_at(level: MetadataVersion) -> i16 {
    match level {
        level if level >= MetadataVersion::ELIGIBLE_LEADER_REPLICAS => 2,
        level if level >= MetadataVersion::DIRECTORIES => 1,
        _ => 0,
    }
}

impl Fit for PartitionRecord {
    fn version_at(&self, level: MetadataVersion) -> i16 {
        partition_version_at(level)
    }

    fn fitted(&self, version: i16) -> Self {
        let mut fitted = self.clone();
        if version < 2 {
            fitted.eligible_leader_replicas = None;
            fitted.last_known_elr = None;
        }
        if version < 1 {
            fitted.directories.clear();
        }
        fitted
    }
}

impl Fit for PartitionChangeRecord {
    fn version_at(&self, level: MetadataVersion) -> i16 {
        partition_version_at(level)
    }

    fn fitted(&self, version: i16) -> Self {
        let mut fitted = self.clone();
        if version < 2 {
            fitted.eligible_leader_replicas = None;
            fitted.last_known_elr = None;
        }
        if version < 1 {
            fitted.directories = None;
        }
        fitted
    }
}

impl Fit for BrokerRegistrationChangeRecord {
    /// The lowest version that holds what changed: Apache Kafka 4.3 writes fencing as version 0.
    ///
    /// A change of nothing is version 2: it is a list of directories that became empty, which
    /// the encoding cannot tell from no change.
    fn version_at(&self, _level: MetadataVersion) -> i16 {
        if self.cordoned_log_dirs.is_some() {
            3
        } else if !self.log_dirs.is_empty() {
            2
        } else if self.in_controlled_shutdown != 0 {
            1
        } else if self.fenced != 0 {
            0
        } else {
            2
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &'static [u8]) -> Result<MetadataRecord, RecordError> {
        MetadataRecord::decode(Bytes::from_static(bytes))
    }

    #[test]
    fn a_record_is_framed_by_version_key_and_record_version() {
        assert_eq!(decoded(&[1, 20, 0, 0]), Ok(NoOpRecord::default().into()));
        let no_op = MetadataRecord::from(NoOpRecord::default());
        assert_eq!(&no_op.encode(MetadataVersion::LATEST)[..], &[1, 20, 0, 0]);
        assert_eq!((no_op.key(), no_op.name()), (20, "NoOpRecord"));
    }

    #[test]
    fn what_a_later_release_wrote_is_named() {
        assert_eq!(decoded(&[2, 20, 0, 0]), Err(RecordError::Frame(2)));
        assert_eq!(decoded(&[1, 99, 0, 0]), Err(RecordError::Key(99)));
        assert_eq!(decoded(&[1, 20, 0x80, 0x80, 4, 0]), Err(RecordError::Version(65_536)));
        assert!(matches!(decoded(&[1, 20, 9, 0]), Err(RecordError::Message(_))));
        assert!(matches!(decoded(&[1, 20, 0, 0, 0]), Err(RecordError::Message(_))));
        assert!(matches!(decoded(&[]), Err(RecordError::Message(_))));
    }

    #[test]
    fn an_old_level_writes_old_versions_without_the_new_fields() {
        let record = MetadataRecord::from(PartitionRecord {
            directories: vec![ottla_wire::DirectoryId::LOST],
            eligible_leader_replicas: Some(vec![ottla_wire::BrokerId(1)]),
            ..PartitionRecord::default()
        });
        let old = MetadataRecord::decode(record.encode(MetadataVersion::MINIMUM));
        assert_eq!(old, Ok(PartitionRecord::default().into()));
        let new = MetadataRecord::decode(record.encode(MetadataVersion::LATEST));
        assert_eq!(new, Ok(record));
    }
}
