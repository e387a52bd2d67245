//! The records of streams groups in `__consumer_offsets`: types 17 and 19 to 23.
//!
//! Type 18, which no release of Kafka has written, is kept as an unknown one. Must hold: what is
//! written is what Kafka 4.3 writes; what is kept holds no slice of a batch.

use std::sync::Arc;

use bytes::Bytes;
use ottla_wire::messages::{
    StreamsGroupCurrentMemberAssignmentKey, StreamsGroupCurrentMemberAssignmentValue,
    StreamsGroupMemberMetadataKey, StreamsGroupMemberMetadataValue, StreamsGroupMetadataKey,
    StreamsGroupMetadataValue, StreamsGroupTargetAssignmentMemberKey,
    StreamsGroupTargetAssignmentMemberValue, StreamsGroupTargetAssignmentMetadataKey,
    StreamsGroupTargetAssignmentMetadataValue, StreamsGroupTopologyKey, StreamsGroupTopologyValue,
};
use ottla_wire::{DecodeError, Message, Reader, StrBytes};

use crate::records::{versioned, with_int16, with_key};

/// A record of a streams group.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamsRecord {
    /// The group's id.
    pub group: StrBytes,
    /// What it says.
    pub entry: StreamsEntry,
}

/// What a record of a streams group says; without value it takes that back.
#[derive(Clone, Debug, PartialEq)]
pub enum StreamsEntry {
    /// The group's epoch, and what its last assignment went by.
    Epoch(Option<Arc<StreamsGroupMetadataValue>>),
    /// A member, as it says of itself.
    Member(StrBytes, Option<Arc<StreamsGroupMemberMetadataValue>>),
    /// The group's epoch that targets are for.
    TargetEpoch(Option<StreamsGroupTargetAssignmentMetadataValue>),
    /// The tasks that a member shall have.
    Target(StrBytes, Option<Arc<StreamsGroupTargetAssignmentMemberValue>>),
    /// The tasks that a member has, and where it stands on its way to its target.
    Current(StrBytes, Option<Arc<StreamsGroupCurrentMemberAssignmentValue>>),
    /// What the application does, as its first member said.
    Topology(Option<Arc<StreamsGroupTopologyValue>>),
}

impl StreamsRecord {
    /// Whether the group is gone with it.
    pub(crate) fn ends_group(&self) -> bool {
        matches!(self.entry, StreamsEntry::Epoch(None))
    }

    /// Reads a record, when its type is one of streams groups.
    pub(crate) fn decode(
        kind: i16,
        key: &mut Reader,
        value: Option<Bytes>,
    ) -> Result<Option<StreamsRecord>, DecodeError> {
        // What is kept are slices of the value, which is small, rather than of a whole batch.
        let value = value.map(|value| Bytes::copy_from_slice(&value));
        let (group, entry) = match kind {
            EPOCH => {
                let key = StreamsGroupMetadataKey::decode(key, 0)?;
                (key.group_id, StreamsEntry::Epoch(versioned(value)?.map(Arc::new)))
            }
            MEMBER => {
                let key = StreamsGroupMemberMetadataKey::decode(key, 0)?;
                let value = versioned(value)?.map(Arc::new);
                (key.group_id, StreamsEntry::Member(StrBytes::copied(&key.member_id), value))
            }
            TARGET_EPOCH => {
                let key = StreamsGroupTargetAssignmentMetadataKey::decode(key, 0)?;
                (key.group_id, StreamsEntry::TargetEpoch(versioned(value)?))
            }
            TARGET => {
                let key = StreamsGroupTargetAssignmentMemberKey::decode(key, 0)?;
                let value = versioned(value)?.map(Arc::new);
                (key.group_id, StreamsEntry::Target(StrBytes::copied(&key.member_id), value))
            }
            CURRENT => {
                let key = StreamsGroupCurrentMemberAssignmentKey::decode(key, 0)?;
                let value = versioned(value)?.map(Arc::new);
                (key.group_id, StreamsEntry::Current(StrBytes::copied(&key.member_id), value))
            }
            TOPOLOGY => {
                let key = StreamsGroupTopologyKey::decode(key, 0)?;
                (key.group_id, StreamsEntry::Topology(versioned(value)?.map(Arc::new)))
            }
            _ => return Ok(None),
        };
        Ok(Some(StreamsRecord { group: StrBytes::copied(&group), entry }))
    }

    /// The record's key and value.
    pub(crate) fn encode(&self) -> (Bytes, Option<Bytes>) {
        let group_id = self.group.clone();
        match &self.entry {
            StreamsEntry::Epoch(value) => {
                let key = StreamsGroupMetadataKey { group_id };
                (with_key(EPOCH, &key), value.as_deref().map(first_version))
            }
            StreamsEntry::Member(member, value) => {
                let key = StreamsGroupMemberMetadataKey { group_id, member_id: member.clone() };
                (with_key(MEMBER, &key), value.as_deref().map(first_version))
            }
            StreamsEntry::TargetEpoch(value) => {
                let key = StreamsGroupTargetAssignmentMetadataKey { group_id };
                (with_key(TARGET_EPOCH, &key), value.as_ref().map(first_version))
            }
            StreamsEntry::Target(member, value) => {
                let member_id = member.clone();
                let key = StreamsGroupTargetAssignmentMemberKey { group_id, member_id };
                (with_key(TARGET, &key), value.as_deref().map(first_version))
            }
            StreamsEntry::Current(member, value) => {
                let member_id = member.clone();
                let key = StreamsGroupCurrentMemberAssignmentKey { group_id, member_id };
                (with_key(CURRENT, &key), value.as_deref().map(first_version))
            }
            StreamsEntry::Topology(value) => {
                let key = StreamsGroupTopologyKey { group_id };
                (with_key(TOPOLOGY, &key), value.as_deref().map(first_version))
            }
        }
    }
}

fn first_version<M: Message>(value: &M) -> Bytes {
    with_int16(0, value)
}

const EPOCH: i16 = 17;
const MEMBER: i16 = 19;
const TARGET_EPOCH: i16 = 20;
const TARGET: i16 = 21;
const CURRENT: i16 = 22;
const TOPOLOGY: i16 = 23;
