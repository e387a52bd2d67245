//! The rules of an append that Kafka's verdicts do not show.

#![allow(clippy::unwrap_used, reason = "a test fails by unwrapping")]

use bytes::Bytes;
use ottla_records::control::end_transaction;
use ottla_records::validate::{Compression, Origin, RECORD_ERRORS_MAX};
use ottla_records::{
    BatchBuilder, BatchSettings, BatchView, Codec, ControlRecord, Producer, Rules, TimestampType,
    validate,
};
use ottla_wire::{ErrorCode, LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};

const PRODUCER: Producer =
    Producer { id: ProducerId(7), epoch: ProducerEpoch(1), base_sequence: i32::MAX - 1 };

#[test]
fn a_coordinator_writes_markers_and_a_client_does_not() {
    let commit = ControlRecord::Commit { coordinator_epoch: 3 };
    let marker = end_transaction(Offset(0), Timestamp(5), PRODUCER, &commit).unwrap();
    let coordinator = Rules { origin: Origin::Coordinator, ..rules() };
    let valid = validate(&marker, &coordinator).unwrap();
    assert!(valid.is_control && valid.is_transactional);
    assert_eq!(valid.producer, Some(Producer { base_sequence: -1, ..PRODUCER }));
    assert_eq!(valid.last_sequence(), -1);
    let refused = validate(&marker, &rules()).unwrap_err();
    assert_eq!(refused.error, ErrorCode::INVALID_RECORD);
}

#[test]
fn offset_and_epoch_are_set_without_touching_the_checksum() {
    let batch = batch(2, Codec::Lz4);
    let mut valid = validate(&batch, &rules()).unwrap();
    valid.assign(Offset(99), LeaderEpoch(4));
    assert_eq!(valid.header[17..], batch[17..61]);
    let stored = [&valid.header, valid.records(&batch)].concat();
    let stored = BatchView::first(&stored).unwrap().unwrap();
    assert_eq!((stored.base_offset(), stored.last_offset()), (Offset(99), Offset(100)));
    assert_eq!((stored.leader_epoch(), stored.verify_crc()), (LeaderEpoch(4), Ok(())));
}

#[test]
fn sequences_wrap_to_zero() {
    let batch = batch(3, Codec::None);
    let valid = validate(&batch, &rules()).unwrap();
    assert_eq!(valid.last_sequence(), 0);
    assert_eq!(BatchView::first(&batch).unwrap().unwrap().last_sequence(), 0);
}

#[test]
fn a_batch_beyond_a_segment_is_refused_after_all_else() {
    let batch = batch(3, Codec::None);
    let small = Rules { segment_bytes: batch.len() - 1, ..rules() };
    assert_eq!(validate(&batch, &small).unwrap_err().error, ErrorCode::RECORD_LIST_TOO_LARGE);
    let both = Rules { max_message_bytes: batch.len() - 1, ..small };
    assert_eq!(validate(&batch, &both).unwrap_err().error, ErrorCode::MESSAGE_TOO_LARGE);
}

#[test]
fn the_first_record_with_the_highest_timestamp_is_known() {
    let mut builder = BatchBuilder::new(BatchSettings::default());
    for time in [3, 9, 9, 1] {
        builder.append(Timestamp(time), None, None, &[]).unwrap();
    }
    let valid = validate(&builder.build().unwrap(), &rules()).unwrap();
    assert_eq!(valid.max_timestamp, Timestamp(9));
    assert_eq!(valid.offset_delta_of_max_timestamp, 1);
}

#[test]
fn answers_name_a_limited_number_of_records() {
    let mut builder = BatchBuilder::new(BatchSettings::compressed(Codec::Zstd));
    for _ in 0..3 * RECORD_ERRORS_MAX {
        builder.append(Timestamp(0), None, None, &[]).unwrap();
    }
    let compacted = Rules { compacted: true, ..rules() };
    let refused = validate(&builder.build().unwrap(), &compacted).unwrap_err();
    assert_eq!(refused.record_errors.len(), RECORD_ERRORS_MAX);
    assert!(refused.message.contains("3000 record errors"));
}

fn batch(count: i64, codec: Codec) -> Bytes {
    let settings = BatchSettings { producer: Some(PRODUCER), ..BatchSettings::compressed(codec) };
    let mut builder = BatchBuilder::new(settings);
    for n in 0..count {
        builder.append(Timestamp(n), Some(b"key"), Some(b"value"), &[]).unwrap();
    }
    builder.build().unwrap()
}

fn rules() -> Rules<'static> {
    Rules {
        origin: Origin::Client,
        partition: "topic-0",
        compacted: false,
        timestamp_type: TimestampType::CreateTime,
        before_max_ms: i64::MAX,
        after_max_ms: i64::MAX,
        now: Timestamp(1_000),
        compression: Compression::Producer,
        max_message_bytes: 1 << 20,
        segment_bytes: 1 << 30,
    }
}
