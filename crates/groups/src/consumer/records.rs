//! The records of KIP-848 groups: types 3 to 8 and 16 of `__consumer_offsets`.
//!
//! A group is written down as its epoch, its members, their targets and what each of them has now;
//! none of these tells the whole. Type 4, which Kafka 4.0 wrote, is kept as its bytes. Must hold:
//! what is read is written back as the same bytes.

use std::sync::Arc;

use bytes::Bytes;
use ottla_wire::messages::{
    ConsumerGroupCurrentMemberAssignmentKey, ConsumerGroupCurrentMemberAssignmentValue,
    ConsumerGroupMemberMetadataKey, ConsumerGroupMemberMetadataValue, ConsumerGroupMetadataKey,
    ConsumerGroupMetadataValue, ConsumerGroupPartitionMetadataKey,
    ConsumerGroupRegularExpressionKey, ConsumerGroupRegularExpressionValue,
    ConsumerGroupTargetAssignmentMemberKey, ConsumerGroupTargetAssignmentMemberValue,
    ConsumerGroupTargetAssignmentMetadataKey, ConsumerGroupTargetAssignmentMetadataValue,
};
use ottla_wire::{DecodeError, Message, Reader, StrBytes};

use crate::records::{versioned, with_int16, with_key};

/// One record of a KIP-848 group; an entry without value is a tombstone.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsumerRecord {
    /// The group's id.
    pub group: StrBytes,
    /// What it says.
    pub entry: ConsumerEntry,
}

/// What a record of a KIP-848 group says.
#[derive(Clone, Debug, PartialEq)]
pub enum ConsumerEntry {
    /// The group's epoch and the hash of the topics it was made for; without it the group is gone.
    Epoch(Option<ConsumerGroupMetadataValue>),
    /// The topics as Kafka 4.0 wrote them down; of no meaning but to be removed.
    PartitionMetadata(Option<Bytes>),
    /// A member and what it subscribes to.
    Member(StrBytes, Option<Arc<ConsumerGroupMemberMetadataValue>>),
    /// For which group epoch the targets are, and when they were computed.
    TargetEpoch(Option<ConsumerGroupTargetAssignmentMetadataValue>),
    /// What a member shall have.
    Target(StrBytes, Option<Arc<ConsumerGroupTargetAssignmentMemberValue>>),
    /// What a member has, and where it stands on its way to its target.
    Current(StrBytes, Option<Arc<ConsumerGroupCurrentMemberAssignmentValue>>),
    /// Which topics a regular expression stands for.
    Regex(StrBytes, Option<Arc<ConsumerGroupRegularExpressionValue>>),
}

impl ConsumerRecord {
    /// Whether the group ends with it.
    pub(crate) fn ends_group(&self) -> bool {
        matches!(self.entry, ConsumerEntry::Epoch(None))
    }

    /// Reads a record of type `kind` whose key goes on in `key`; none for another type.
    pub(crate) fn decode(
        kind: i16,
        key: &mut Reader,
        value: Option<Bytes>,
    ) -> Result<Option<ConsumerRecord>, DecodeError> {
        // What is kept holds on to the value, which is small, rather than to a whole batch.
        let value = value.map(|value| Bytes::copy_from_slice(&value));
        let (group, entry) = match kind {
            KEY_GROUP => {
                let key = ConsumerGroupMetadataKey::decode(key, 0)?;
                (key.group_id, ConsumerEntry::Epoch(versioned(value)?))
            }
            KEY_PARTITION_METADATA => {
                let key = ConsumerGroupPartitionMetadataKey::decode(key, 0)?;
                (key.group_id, ConsumerEntry::PartitionMetadata(value))
            }
            KEY_MEMBER => {
                let key = ConsumerGroupMemberMetadataKey::decode(key, 0)?;
                let value = versioned(value)?.map(Arc::new);
                (key.group_id, ConsumerEntry::Member(key.member_id, value))
            }
            KEY_TARGET_EPOCH => {
                let key = ConsumerGroupTargetAssignmentMetadataKey::decode(key, 0)?;
                (key.group_id, ConsumerEntry::TargetEpoch(versioned(value)?))
            }
            KEY_TARGET => {
                let key = ConsumerGroupTargetAssignmentMemberKey::decode(key, 0)?;
                let value = versioned(value)?.map(Arc::new);
                (key.group_id, ConsumerEntry::Target(key.member_id, value))
            }
            KEY_CURRENT => {
                let key = ConsumerGroupCurrentMemberAssignmentKey::decode(key, 0)?;
                let value = versioned(value)?.map(Arc::new);
                (key.group_id, ConsumerEntry::Current(key.member_id, value))
            }
            KEY_REGEX => {
                let key = ConsumerGroupRegularExpressionKey::decode(key, 0)?;
                let value = versioned(value)?.map(Arc::new);
                (key.group_id, ConsumerEntry::Regex(key.regular_expression, value))
            }
            _ => return Ok(None),
        };
        Ok(Some(ConsumerRecord { group, entry }))
    }

    /// The record's key and value.
    pub(crate) fn encode(&self) -> (Bytes, Option<Bytes>) {
        let group_id = self.group.clone();
        match &self.entry {
            ConsumerEntry::Epoch(value) => {
                let key = ConsumerGroupMetadataKey { group_id };
                (with_key(KEY_GROUP, &key), value.as_ref().map(|value| with_int16(0, value)))
            }
            ConsumerEntry::PartitionMetadata(value) => {
                let key = ConsumerGroupPartitionMetadataKey { group_id };
                (with_key(KEY_PARTITION_METADATA, &key), value.clone())
            }
            ConsumerEntry::Member(member_id, value) => {
                let key = ConsumerGroupMemberMetadataKey { group_id, member_id: member_id.clone() };
                (with_key(KEY_MEMBER, &key), value.as_deref().map(|value| with_int16(0, value)))
            }
            ConsumerEntry::TargetEpoch(value) => {
                let key = ConsumerGroupTargetAssignmentMetadataKey { group_id };
                (with_key(KEY_TARGET_EPOCH, &key), value.as_ref().map(|value| with_int16(0, value)))
            }
            ConsumerEntry::Target(member_id, value) => {
                let member_id = member_id.clone();
                let key = ConsumerGroupTargetAssignmentMemberKey { group_id, member_id };
                (with_key(KEY_TARGET, &key), value.as_deref().map(|value| with_int16(0, value)))
            }
            ConsumerEntry::Current(member_id, value) => {
                let member_id = member_id.clone();
                let key = ConsumerGroupCurrentMemberAssignmentKey { group_id, member_id };
                (with_key(KEY_CURRENT, &key), value.as_deref().map(|value| with_int16(0, value)))
            }
            ConsumerEntry::Regex(regex, value) => {
                let regular_expression = regex.clone();
                let key = ConsumerGroupRegularExpressionKey { group_id, regular_expression };
                (with_key(KEY_REGEX, &key), value.as_deref().map(|value| with_int16(0, value)))
            }
        }
    }
}

const KEY_GROUP: i16 = 3;
const KEY_PARTITION_METADATA: i16 = 4;
const KEY_MEMBER: i16 = 5;
const KEY_TARGET_EPOCH: i16 = 6;
const KEY_TARGET: i16 = 7;
const KEY_CURRENT: i16 = 8;
const KEY_REGEX: i16 = 16;
