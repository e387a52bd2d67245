//! The records of share groups in `__consumer_offsets`: types 10 to 15.
//!
//! Must hold: what is written is what Kafka 4.3 writes; what is kept holds no slice of a batch.

use std::sync::Arc;

use bytes::Bytes;
use ottla_wire::messages::{
    ShareGroupCurrentMemberAssignmentKey, ShareGroupCurrentMemberAssignmentValue,
    ShareGroupMemberMetadataKey, ShareGroupMemberMetadataValue, ShareGroupMetadataKey,
    ShareGroupMetadataValue, ShareGroupStatePartitionMetadataKey,
    ShareGroupStatePartitionMetadataValue, ShareGroupTargetAssignmentMemberKey,
    ShareGroupTargetAssignmentMemberValue, ShareGroupTargetAssignmentMetadataKey,
    ShareGroupTargetAssignmentMetadataValue,
};
use ottla_wire::{DecodeError, Message, Reader, StrBytes};

use crate::records::{versioned, with_int16, with_key};

/// A record of a share group.
#[derive(Clone, Debug, PartialEq)]
pub struct ShareGroupRecord {
    /// The group's id.
    pub group: StrBytes,
    /// What it says.
    pub entry: ShareEntry,
}

/// What a record of a share group says; without value it takes that back.
#[derive(Clone, Debug, PartialEq)]
pub enum ShareEntry {
    /// A member, as it says of itself.
    Member(StrBytes, Option<Arc<ShareGroupMemberMetadataValue>>),
    /// The group's epoch, and the hash of its topics.
    Epoch(Option<ShareGroupMetadataValue>),
    /// The group's epoch that targets are for.
    TargetEpoch(Option<ShareGroupTargetAssignmentMetadataValue>),
    /// What a member shall have.
    Target(StrBytes, Option<Arc<ShareGroupTargetAssignmentMemberValue>>),
    /// What a member has.
    Current(StrBytes, Option<Arc<ShareGroupCurrentMemberAssignmentValue>>),
    /// Which partitions have a state at the share coordinator.
    States(Option<Arc<ShareGroupStatePartitionMetadataValue>>),
}

impl ShareGroupRecord {
    /// Whether the group is gone with it.
    pub(crate) fn ends_group(&self) -> bool {
        matches!(self.entry, ShareEntry::Epoch(None))
    }

    /// Reads a record, when its type is one of share groups.
    pub(crate) fn decode(
        kind: i16,
        key: &mut Reader,
        value: Option<Bytes>,
    ) -> Result<Option<ShareGroupRecord>, DecodeError> {
        // What is kept are slices of the value, which is small, rather than of a whole batch.
        let value = value.map(|value| Bytes::copy_from_slice(&value));
        let (group, entry) = match kind {
            MEMBER => {
                let key = ShareGroupMemberMetadataKey::decode(key, 0)?;
                let value = versioned(value)?.map(Arc::new);
                (key.group_id, ShareEntry::Member(StrBytes::copied(&key.member_id), value))
            }
            EPOCH => {
                let key = ShareGroupMetadataKey::decode(key, 0)?;
                (key.group_id, ShareEntry::Epoch(versioned(value)?))
            }
            TARGET_EPOCH => {
                let key = ShareGroupTargetAssignmentMetadataKey::decode(key, 0)?;
                (key.group_id, ShareEntry::TargetEpoch(versioned(value)?))
            }
            TARGET => {
                let key = ShareGroupTargetAssignmentMemberKey::decode(key, 0)?;
                let value = versioned(value)?.map(Arc::new);
                (key.group_id, ShareEntry::Target(StrBytes::copied(&key.member_id), value))
            }
            CURRENT => {
                let key = ShareGroupCurrentMemberAssignmentKey::decode(key, 0)?;
                let value = versioned(value)?.map(Arc::new);
                (key.group_id, ShareEntry::Current(StrBytes::copied(&key.member_id), value))
            }
            STATES => {
                let key = ShareGroupStatePartitionMetadataKey::decode(key, 0)?;
                (key.group_id, ShareEntry::States(versioned(value)?.map(Arc::new)))
            }
            _ => return Ok(None),
        };
        Ok(Some(ShareGroupRecord { group: StrBytes::copied(&group), entry }))
    }

    /// The record's key and value.
    pub(crate) fn encode(&self) -> (Bytes, Option<Bytes>) {
        let group_id = self.group.clone();
        match &self.entry {
            ShareEntry::Member(member, value) => {
                let key = ShareGroupMemberMetadataKey { group_id, member_id: member.clone() };
                (with_key(MEMBER, &key), value.as_deref().map(first_version))
            }
            ShareEntry::Epoch(value) => {
                let key = ShareGroupMetadataKey { group_id };
                (with_key(EPOCH, &key), value.as_ref().map(first_version))
            }
            ShareEntry::TargetEpoch(value) => {
                let key = ShareGroupTargetAssignmentMetadataKey { group_id };
                (with_key(TARGET_EPOCH, &key), value.as_ref().map(first_version))
            }
            ShareEntry::Target(member, value) => {
                let member_id = member.clone();
                let key = ShareGroupTargetAssignmentMemberKey { group_id, member_id };
                (with_key(TARGET, &key), value.as_deref().map(first_version))
            }
            ShareEntry::Current(member, value) => {
                let member_id = member.clone();
                let key = ShareGroupCurrentMemberAssignmentKey { group_id, member_id };
                (with_key(CURRENT, &key), value.as_deref().map(first_version))
            }
            ShareEntry::States(value) => {
                let key = ShareGroupStatePartitionMetadataKey { group_id };
                (with_key(STATES, &key), value.as_deref().map(first_version))
            }
        }
    }
}

fn first_version<M: Message>(value: &M) -> Bytes {
    with_int16(0, value)
}

const MEMBER: i16 = 10;
const EPOCH: i16 = 11;
const TARGET_EPOCH: i16 = 12;
const TARGET: i16 = 13;
const CURRENT: i16 = 14;
const STATES: i16 = 15;
