//! From a batch to what it means for producers: its data, or the end of a transaction.
//!
//! Not here: the producers' state itself. Must hold: a control batch that is no marker, or one
//! that can't be read, means nothing.

use bytes::Bytes;
use ottla_records::batch::BatchHeader;
use ottla_records::record::read_batch;
use ottla_records::validate::Valid;
use ottla_wire::Offset;

use crate::producers::{Marker, ProducerBatch, Producers};
use crate::transaction_index::AbortedTransaction;

const ABORT: i16 = 0;
const COMMIT: i16 = 1;

/// The marker in a control batch that is about to be appended, its only record at `offset`.
pub(crate) fn of(valid: &Valid, records: &Bytes, offset: Offset) -> Option<Marker> {
    let marker = read(records, offset)?;
    Some(Marker { timestamp: valid.max_timestamp, ..marker })
}

/// The marker in a control batch; `None` for control batches of another kind.
pub(crate) fn read(batch: &Bytes, offset: Offset) -> Option<Marker> {
    let header = BatchHeader::first(batch).ok().flatten()?;
    let producer = header.producer()?;
    let record = read_batch(batch).next()?.ok()?;
    let key = record.key?;
    let kind = i16::from_be_bytes(key.get(2..4)?.try_into().ok()?);
    if kind != ABORT && kind != COMMIT {
        return None;
    }
    let value = record.value?;
    Some(Marker {
        id: producer.id,
        epoch: producer.epoch,
        abort: kind == ABORT,
        coordinator_epoch: i32::from_be_bytes(value.get(2..6)?.try_into().ok()?),
        offset,
        timestamp: header.max_timestamp(),
    })
}

/// What a batch of data tells of its producer, if it has one.
pub(crate) fn producer_batch(header: &BatchHeader<'_>) -> Option<ProducerBatch> {
    let producer = header.producer().filter(|_| !header.is_control())?;
    Some(ProducerBatch {
        id: producer.id,
        epoch: producer.epoch,
        base_sequence: producer.base_sequence,
        last_offset_delta: header.last_offset_delta(),
        max_timestamp: header.max_timestamp(),
        transactional: header.is_transactional(),
    })
}

/// Ends a transaction; answers what the transaction index must hold, if it was aborted.
pub(crate) fn complete(producers: &mut Producers, marker: &Marker) -> Option<AbortedTransaction> {
    let completed = producers.complete(marker)?;
    completed.aborted.then(|| AbortedTransaction {
        producer_id: completed.id,
        first_offset: completed.first,
        last_offset: completed.last,
        last_stable_offset: producers.stable_after(&completed),
    })
}
