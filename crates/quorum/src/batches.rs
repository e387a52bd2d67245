//! From records to the batches of the metadata log, in Kafka's form: no compression, no
//! producer, the epoch and the offsets assigned here because nobody else appends.
//!
//! Must hold: records of one decision stay in one batch while they fit into one.

use bytes::Bytes;
use ottla_metadata::{METADATA_VERSION, MetadataRecord, MetadataVersion};
use ottla_records::{BatchBuilder, BatchSettings, ControlRecord};
use ottla_wire::messages::{LeaderChangeMessage, leader_change_message};
use ottla_wire::{BrokerId, LeaderEpoch, Offset, Timestamp};

use crate::error::QuorumError;

/// The largest batch of the metadata log and of its snapshots.
const BATCH_BYTES_MAX: usize = 8 << 20;
/// What a batch's header and a record's frame take at most, taken off of what records may fill.
const FRAME_BYTES_MAX: usize = 128;

/// Where batches begin, and under what they are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) base: Offset,
    pub(crate) epoch: LeaderEpoch,
    pub(crate) now: Timestamp,
}

/// Batches of `records`, as few as hold them.
pub(crate) fn data_batches(
    records: &[MetadataRecord],
    mut level: MetadataVersion,
    place: Place,
) -> Result<Vec<Bytes>, QuorumError> {
    let mut batches = Vec::new();
    let mut base = place.base;
    let mut builder = BatchBuilder::new(settings(Place { base, ..place }));
    for record in records {
        let value = record.encode(level);
        let full = builder.uncompressed_len() + value.len() + FRAME_BYTES_MAX > BATCH_BYTES_MAX;
        if full && !builder.is_empty() {
            base = base + i64::from(builder.count());
            let next = BatchBuilder::new(settings(Place { base, ..place }));
            batches.push(built(std::mem::replace(&mut builder, next))?);
        }
        builder.append(place.now, None, Some(&value), &[]).map_err(broken)?;
        level = level_after(record).unwrap_or(level);
    }
    if !builder.is_empty() {
        batches.push(built(builder)?);
    }
    Ok(batches)
}

/// One batch of control records.
pub(crate) fn control_batch(records: &[ControlRecord], place: Place) -> Result<Bytes, QuorumError> {
    let batch = ottla_records::control::control_batch(settings(place), place.now, records);
    batch.map_err(broken)
}

/// The record with which a leader begins its epoch; version 0 as Kafka 4.4 writes it still.
pub(crate) fn leader_change(
    leader: BrokerId,
    voters: impl IntoIterator<Item = BrokerId>,
) -> ControlRecord {
    let voter = |voter_id| leader_change_message::Voter { voter_id, ..Default::default() };
    ControlRecord::LeaderChange(LeaderChangeMessage {
        leader_id: leader,
        voters: voters.into_iter().map(voter).collect(),
        granting_voters: vec![voter(leader)],
        ..Default::default()
    })
}

/// The level that the records behind this one are written at, when it changes that.
fn level_after(record: &MetadataRecord) -> Option<MetadataVersion> {
    match record {
        MetadataRecord::FeatureLevel(level) if level.name == METADATA_VERSION => {
            MetadataVersion::from_level(level.feature_level)
        }
        _ => None,
    }
}

fn settings(place: Place) -> BatchSettings {
    BatchSettings { base_offset: place.base, leader_epoch: place.epoch, ..BatchSettings::default() }
}

fn built(builder: BatchBuilder) -> Result<Bytes, QuorumError> {
    builder.build().map_err(broken)
}

fn broken(error: impl std::fmt::Display) -> QuorumError {
    QuorumError::Records(error.to_string())
}
