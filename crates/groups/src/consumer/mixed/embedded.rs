//! What consumers say within the classic protocol: the topics that they want and the partitions
//! that they have, and what they shall have.
//!
//! The coordinator of a classic group passes these bytes on unread. They are written by clients:
//! they may be anything. Must hold: what is written is in the version of who is to read it.

use bytes::Bytes;
use ottla_wire::messages::consumer_group_heartbeat_request::TopicPartitions;
use ottla_wire::messages::consumer_protocol_assignment::TopicPartition;
use ottla_wire::messages::consumer_protocol_subscription::TopicPartition as OwnedPartitions;
use ottla_wire::messages::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use ottla_wire::{Message, Reader, Writer};

use crate::Topics;
use crate::consumer::partitions::Partitions;

/// What a consumer says in JoinGroup; none when it cannot be read.
pub(crate) fn subscription(metadata: &Bytes) -> Option<ConsumerProtocolSubscription> {
    versioned(metadata)
}

/// What a leader gave to a consumer; none when it cannot be read.
pub(crate) fn assignment(bytes: &Bytes) -> Option<ConsumerProtocolAssignment> {
    versioned(bytes)
}

/// The partitions that a consumer says it has, as a heartbeat would; topics that are gone are not
/// among them.
pub(super) fn owned(owned: &[OwnedPartitions], topics: &dyn Topics) -> Vec<TopicPartitions> {
    let owned = owned.iter().filter_map(|topic| {
        Some(TopicPartitions {
            topic_id: topics.id(&topic.topic)?,
            partitions: topic.partitions.clone(),
            ..TopicPartitions::default()
        })
    });
    owned.collect()
}

/// What a consumer shall have, in the version in which `metadata` is; none when that is no version.
pub(super) fn assigned(
    partitions: &Partitions,
    topics: &dyn Topics,
    metadata: &Bytes,
) -> Option<Bytes> {
    let assigned_partitions = partitions.topics().filter_map(|(topic_id, partitions)| {
        Some(TopicPartition {
            topic: topics.name(topic_id)?,
            partitions: partitions.iter().map(|(index, _)| *index).collect(),
        })
    });
    let assigned_partitions = assigned_partitions.collect();
    let assignment = ConsumerProtocolAssignment { assigned_partitions, user_data: None };
    assignment_bytes(&assignment, metadata)
}

/// An assignment in the version in which `metadata` is.
pub(crate) fn assignment_bytes(
    assignment: &ConsumerProtocolAssignment,
    metadata: &Bytes,
) -> Option<Bytes> {
    let mut reader = Reader::new(metadata.clone());
    let version = version(&mut reader)?.min(ConsumerProtocolAssignment::VERSIONS.max);
    let mut writer = Writer::new();
    writer.raw(&version.to_be_bytes());
    assignment.encode(&mut writer, version).ok()?;
    writer.into_bytes().ok()
}

fn versioned<M: Message>(bytes: &Bytes) -> Option<M> {
    let mut reader = Reader::new(bytes.clone());
    // A newer version only adds fields behind those that are known.
    let version = version(&mut reader)?.min(M::VERSIONS.max);
    M::decode(&mut reader, version).ok()
}

fn version(reader: &mut Reader) -> Option<i16> {
    let bytes = reader.take(2).ok()?;
    let version = i16::from_be_bytes(*bytes.first_chunk()?);
    (version >= 0).then_some(version)
}
