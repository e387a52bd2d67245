//! What a log knows of its producers: the last batches of each, and open transactions.
//!
//! Not here: files (producer_snapshot.rs) and who may write. Must hold: the state after an append
//! is a function of the log's batches up to there, so that a follower and a restart reach the
//! same; checks look only, `append` and `complete` only note what is already in the log.

use std::collections::BTreeMap;

use ottla_records::MarkerEpoch;
use ottla_wire::{ErrorCode, Offset, ProducerEpoch, ProducerId, Timestamp};

/// How many batches of a producer are remembered to recognise repetitions.
pub const WINDOW: usize = 5;

const NO_SEQUENCE: i32 = -1;
const NO_EPOCH: ProducerEpoch = ProducerEpoch(-1);
const LAST_EPOCH: ProducerEpoch = ProducerEpoch(i16::MAX);

/// What the producer's state needs to know of a batch of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerBatch {
    /// The producer, never -1.
    pub id: ProducerId,
    /// The producer's epoch.
    pub epoch: ProducerEpoch,
    /// The sequence of the first record.
    pub base_sequence: i32,
    /// The last record's offset less the first one's.
    pub last_offset_delta: i32,
    /// The newest timestamp.
    pub max_timestamp: Timestamp,
    /// Whether the batch belongs to a transaction.
    pub transactional: bool,
}

impl ProducerBatch {
    fn last_sequence(&self) -> i32 {
        sequence_after(self.base_sequence, self.last_offset_delta)
    }
}

/// What the end of a transaction tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker {
    /// The producer whose transaction ends.
    pub id: ProducerId,
    /// The epoch in the marker, which may be above that of the data.
    pub epoch: ProducerEpoch,
    /// Whether the transaction is taken back.
    pub abort: bool,
    /// The epoch of the coordinator that wrote the marker.
    pub coordinator_epoch: i32,
    /// The marker's offset.
    pub offset: Offset,
    /// The marker's timestamp.
    pub timestamp: Timestamp,
}

/// A transaction that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completed {
    /// Whose it was.
    pub id: ProducerId,
    /// The offset of its first record.
    pub first: Offset,
    /// The offset of its marker.
    pub last: Offset,
    /// Whether it was taken back.
    pub aborted: bool,
}

/// A batch that was appended before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// The sequence of its last record.
    pub last_sequence: i32,
    /// The offset of its last record.
    pub last_offset: Offset,
    /// The last offset less the first one.
    pub offset_delta: i32,
    /// Its newest timestamp.
    pub timestamp: Timestamp,
}

impl Remembered {
    fn first_sequence(&self) -> i32 {
        sequence_before(self.last_sequence, self.offset_delta)
    }

    /// The offset of its first record.
    pub fn first_offset(&self) -> Offset {
        self.last_offset + -i64::from(self.offset_delta)
    }
}

/// One producer of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Producer {
    /// Its epoch, -1 when only its id is known.
    pub epoch: ProducerEpoch,
    /// The epoch of the coordinator that last ended a transaction of it, or -1.
    pub coordinator_epoch: i32,
    /// When it last wrote, by the timestamps of what it wrote.
    pub last_timestamp: Timestamp,
    /// Where its open transaction begins.
    pub transaction_start: Option<Offset>,
    batches: [Remembered; WINDOW],
    count: u8,
}

impl Producer {
    fn new(epoch: ProducerEpoch) -> Producer {
        let none = Remembered {
            last_sequence: NO_SEQUENCE,
            last_offset: Offset(-1),
            offset_delta: 0,
            timestamp: Timestamp(-1),
        };
        Producer {
            epoch,
            coordinator_epoch: -1,
            last_timestamp: Timestamp(-1),
            transaction_start: None,
            batches: [none; WINDOW],
            count: 0,
        }
    }

    /// The producer as one snapshot entry tells it.
    pub(crate) fn restored(
        epoch: ProducerEpoch,
        last: Option<Remembered>,
        last_timestamp: Timestamp,
        coordinator_epoch: i32,
        transaction_start: Option<Offset>,
    ) -> Producer {
        let mut producer = Producer::new(epoch);
        if let Some(last) = last {
            producer.remember(last);
        }
        producer.last_timestamp = last_timestamp;
        producer.coordinator_epoch = coordinator_epoch;
        producer.transaction_start = transaction_start;
        producer
    }

    /// The remembered batches, oldest first.
    pub fn batches(&self) -> &[Remembered] {
        &self.batches[..usize::from(self.count)]
    }

    /// The newest remembered batch.
    pub fn last(&self) -> Option<&Remembered> {
        self.batches().last()
    }

    fn remember(&mut self, batch: Remembered) {
        if usize::from(self.count) == WINDOW {
            self.batches.rotate_left(1);
            self.count -= 1;
        }
        self.batches[usize::from(self.count)] = batch;
        self.count += 1;
    }

    /// A new epoch begins with nothing remembered.
    fn advance(&mut self, epoch: ProducerEpoch) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.count = 0;
        }
    }

    fn repeated(&self, batch: &ProducerBatch) -> Option<Remembered> {
        if batch.epoch != self.epoch {
            return None;
        }
        let last = batch.last_sequence();
        self.batches()
            .iter()
            .find(|known| {
                known.last_sequence == last && known.first_sequence() == batch.base_sequence
            })
            .copied()
    }

    fn is_expired(&self, now: Timestamp, after_ms: i64) -> bool {
        self.transaction_start.is_none() && now.0.saturating_sub(self.last_timestamp.0) >= after_ms
    }
}

/// Where a producer stands in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is known of its id.
    Unknown,
    /// It is known, and has no open transaction in its epoch.
    Idle,
    /// A transaction of its epoch is open.
    Open,
}

/// Why a batch or marker is not appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fenced {
    /// Kafka's code.
    pub error: ErrorCode,
    /// What was expected and what came.
    pub message: String,
}

/// The producers of one log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Producers {
    producers: BTreeMap<ProducerId, Producer>,
    /// Open transactions by their first offset.
    ongoing: BTreeMap<Offset, ProducerId>,
    /// Ended transactions by their first offset, until the high watermark passes their marker.
    unreplicated: BTreeMap<Offset, Offset>,
}

impl Producers {
    /// The producers by id.
    pub fn iter(&self) -> impl Iterator<Item = (ProducerId, &Producer)> {
        self.producers.iter().map(|(id, producer)| (*id, producer))
    }

    /// One producer.
    pub fn get(&self, id: ProducerId) -> Option<&Producer> {
        self.producers.get(&id)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.producers.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.producers.is_empty()
    }

    /// Looks whether the leader may append `batch`: `Some` when it is a repetition.
    pub fn check(&self, batch: &ProducerBatch) -> Result<Option<Remembered>, Fenced> {
        let Some(known) = self.producers.get(&batch.id) else { return Ok(None) };
        if let Some(repeated) = known.repeated(batch) {
            return Ok(Some(repeated));
        }
        check_epoch(known, batch.id, batch.epoch)?;
        check_sequence(known, batch)?;
        check_transaction(known, batch)?;
        Ok(None)
    }

    /// Looks whether a coordinator may append `batch` in a producer's name. Coordinators count no
    /// sequences: every batch of theirs begins at 0, and none is ever a repetition.
    pub fn check_coordinated(&self, batch: &ProducerBatch) -> Result<(), Fenced> {
        let Some(known) = self.producers.get(&batch.id) else { return Ok(()) };
        check_epoch(known, batch.id, batch.epoch)?;
        check_transaction(known, batch)
    }

    /// Where a producer of this epoch stands.
    pub fn standing(&self, id: ProducerId, epoch: ProducerEpoch) -> Standing {
        match self.producers.get(&id) {
            None => Standing::Unknown,
            Some(known) if known.epoch == epoch && known.transaction_start.is_some() => {
                Standing::Open
            }
            Some(_) => Standing::Idle,
        }
    }

    /// Looks whether a coordinator may append this marker, whose epoch is to be such.
    pub fn check_marker(&self, marker: &Marker, of: MarkerEpoch) -> Result<(), Fenced> {
        let Some(known) = self.producers.get(&marker.id) else { return Ok(()) };
        check_epoch(known, marker.id, marker.epoch)?;
        // Written again, as the coordinator did not hear of it, or none can be above: let in.
        let has_ended = known.transaction_start.is_none() || marker.epoch == LAST_EPOCH;
        if of == MarkerEpoch::Above && marker.epoch == known.epoch && !has_ended {
            let (id, epoch) = (marker.id.0, known.epoch.0);
            return Err(Fenced {
                error: ErrorCode::INVALID_PRODUCER_EPOCH,
                message: format!("producer {id} is open in epoch {epoch}, its end is to be above"),
            });
        }
        if known.coordinator_epoch > marker.coordinator_epoch {
            return Err(Fenced {
                error: ErrorCode::TRANSACTION_COORDINATOR_FENCED,
                message: format!(
                    "coordinator epoch {} is below {}",
                    marker.coordinator_epoch, known.coordinator_epoch
                ),
            });
        }
        Ok(())
    }

    /// Notes a batch that is in the log from `first` on.
    pub fn append(&mut self, batch: &ProducerBatch, first: Offset) {
        let known = self.producers.entry(batch.id).or_insert_with(|| Producer::new(NO_EPOCH));
        known.advance(batch.epoch);
        known.remember(Remembered {
            last_sequence: batch.last_sequence(),
            last_offset: first + i64::from(batch.last_offset_delta),
            offset_delta: batch.last_offset_delta,
            timestamp: batch.max_timestamp,
        });
        known.last_timestamp = batch.max_timestamp;
        if batch.transactional && known.transaction_start.is_none() {
            known.transaction_start = Some(first);
            self.ongoing.insert(first, batch.id);
        }
    }

    /// Notes a marker that is in the log; answers the transaction that it ends, if it had records.
    pub fn complete(&mut self, marker: &Marker) -> Option<Completed> {
        let known = self.producers.entry(marker.id).or_insert_with(|| Producer::new(NO_EPOCH));
        known.advance(marker.epoch);
        known.last_timestamp = marker.timestamp;
        known.coordinator_epoch = marker.coordinator_epoch;
        let first = known.transaction_start.take()?;
        self.ongoing.remove(&first);
        self.unreplicated.insert(first, marker.offset);
        Some(Completed { id: marker.id, first, last: marker.offset, aborted: marker.abort })
    }

    /// The last stable offset right after `completed`: what its transaction index entry holds.
    pub fn stable_after(&self, completed: &Completed) -> Offset {
        self.ongoing.keys().next().copied().unwrap_or_else(|| completed.last.next())
    }

    /// The first offset whose transaction is open, or ended at or above the high watermark.
    pub fn first_unstable(&self) -> Option<Offset> {
        let ended = self.unreplicated.keys().next();
        let open = self.ongoing.keys().next();
        match (ended, open) {
            (Some(ended), Some(open)) => Some(*ended.min(open)),
            (one, other) => one.or(other).copied(),
        }
    }

    /// Forgets ended transactions whose marker is below the high watermark; answers whether any.
    pub fn replicated_to(&mut self, high_watermark: Offset) -> bool {
        let before = self.unreplicated.len();
        self.unreplicated.retain(|_, marker| *marker >= high_watermark);
        before != self.unreplicated.len()
    }

    /// Forgets producers that wrote nothing for `after_ms` and have no open transaction.
    pub fn expire(&mut self, now: Timestamp, after_ms: i64) {
        self.producers.retain(|_, producer| !producer.is_expired(now, after_ms));
    }

    /// Takes a producer from a snapshot; not one that contradicts another.
    pub(crate) fn restore(&mut self, id: ProducerId, producer: Producer) -> bool {
        let known =
            producer.transaction_start.is_some_and(|start| self.ongoing.contains_key(&start));
        if id.0 < 0 || known || self.producers.contains_key(&id) {
            return false;
        }
        if let Some(start) = producer.transaction_start {
            self.ongoing.insert(start, id);
        }
        self.producers.insert(id, producer);
        true
    }
}

fn check_epoch(known: &Producer, id: ProducerId, epoch: ProducerEpoch) -> Result<(), Fenced> {
    if epoch >= known.epoch {
        return Ok(());
    }
    Err(Fenced {
        error: ErrorCode::INVALID_PRODUCER_EPOCH,
        message: format!("producer {} has epoch {}, not {}", id.0, known.epoch.0, epoch.0),
    })
}

fn check_sequence(known: &Producer, batch: &ProducerBatch) -> Result<(), Fenced> {
    if known.epoch == NO_EPOCH {
        return Ok(());
    }
    let last = match known.last() {
        Some(last) if known.epoch == batch.epoch => last.last_sequence,
        _ => NO_SEQUENCE,
    };
    if batch.base_sequence == sequence_after(last, 1) {
        return Ok(());
    }
    Err(Fenced {
        error: ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
        message: format!(
            "producer {} epoch {} wrote sequence {} after {last}",
            batch.id.0, batch.epoch.0, batch.base_sequence
        ),
    })
}

fn check_transaction(known: &Producer, batch: &ProducerBatch) -> Result<(), Fenced> {
    if known.transaction_start.is_none() || batch.transactional {
        return Ok(());
    }
    Err(Fenced {
        error: ErrorCode::INVALID_TXN_STATE,
        message: format!("producer {} wrote outside of its open transaction", batch.id.0),
    })
}

/// The sequence `delta` records later; after 2147483647 comes 0.
fn sequence_after(sequence: i32, delta: i32) -> i32 {
    sequence.checked_add(delta).unwrap_or_else(|| delta - (i32::MAX - sequence) - 1)
}

/// The sequence `delta` records earlier.
fn sequence_before(sequence: i32, delta: i32) -> i32 {
    if sequence >= delta { sequence - delta } else { i32::MAX - (delta - sequence) + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(epoch: i16, base_sequence: i32, count: i32) -> ProducerBatch {
        ProducerBatch {
            id: ProducerId(7),
            epoch: ProducerEpoch(epoch),
            base_sequence,
            last_offset_delta: count - 1,
            max_timestamp: Timestamp(100),
            transactional: false,
        }
    }

    fn marker(epoch: i16, offset: i64, abort: bool) -> Marker {
        Marker {
            id: ProducerId(7),
            epoch: ProducerEpoch(epoch),
            abort,
            coordinator_epoch: 0,
            offset: Offset(offset),
            timestamp: Timestamp(200),
        }
    }

    /// Checks and appends batches in turn; the last one's verdict as text.
    fn verdict(batches: &[ProducerBatch]) -> String {
        let mut producers = Producers::default();
        let mut end = Offset(0);
        let mut last = String::new();
        for batch in batches {
            last = match producers.check(batch) {
                Ok(None) => {
                    producers.append(batch, end);
                    end = end + i64::from(batch.last_offset_delta) + 1;
                    "appended".to_owned()
                }
                Ok(Some(old)) => {
                    format!("repeats {}..={}", old.first_offset().0, old.last_offset.0)
                }
                Err(fenced) => fenced.error.name().to_owned(),
            };
        }
        last
    }

    #[test]
    fn sequences_must_follow_each_other_and_wrap() {
        assert_eq!(verdict(&[batch(0, 0, 3), batch(0, 3, 1)]), "appended");
        assert_eq!(verdict(&[batch(0, 0, 3), batch(0, 4, 1)]), "OUT_OF_ORDER_SEQUENCE_NUMBER");
        assert_eq!(verdict(&[batch(0, i32::MAX - 1, 2), batch(0, 0, 1)]), "appended");
        assert_eq!(verdict(&[batch(0, i32::MAX - 1, 4), batch(0, 2, 1)]), "appended");
    }

    #[test]
    fn a_producer_without_state_may_begin_anywhere() {
        assert_eq!(verdict(&[batch(3, 55, 1)]), "appended");
    }

    #[test]
    fn the_last_five_batches_are_recognised_and_older_ones_are_out_of_order() {
        let many: Vec<_> = (0..6).map(|n| batch(0, n * 2, 2)).collect();
        let again = |n: i32| {
            let mut batches = many.clone();
            batches.push(batch(0, n * 2, 2));
            verdict(&batches)
        };
        assert_eq!(again(5), "repeats 10..=11");
        assert_eq!(again(1), "repeats 2..=3");
        assert_eq!(again(0), "OUT_OF_ORDER_SEQUENCE_NUMBER");
        let wrapped = batch(0, i32::MAX - 1, 4);
        assert_eq!(verdict(&[wrapped, wrapped]), "repeats 0..=3");
    }

    #[test]
    fn a_new_epoch_begins_at_zero_and_an_old_one_is_refused() {
        assert_eq!(verdict(&[batch(1, 0, 1), batch(2, 0, 1)]), "appended");
        assert_eq!(verdict(&[batch(1, 0, 1), batch(2, 1, 1)]), "OUT_OF_ORDER_SEQUENCE_NUMBER");
        assert_eq!(verdict(&[batch(1, 0, 1), batch(0, 1, 1)]), "INVALID_PRODUCER_EPOCH");
    }

    #[test]
    fn a_transaction_holds_the_stable_offset_until_its_marker_is_replicated() {
        let mut producers = Producers::default();
        let data = ProducerBatch { transactional: true, ..batch(0, 0, 2) };
        producers.append(&data, Offset(10));
        assert_eq!(producers.first_unstable(), Some(Offset(10)));
        let outside = producers.check(&batch(0, 2, 1)).unwrap_err();
        assert_eq!(outside.error, ErrorCode::INVALID_TXN_STATE);
        let completed = producers.complete(&marker(1, 12, true)).unwrap();
        assert_eq!(
            (completed.first, completed.last, completed.aborted),
            (Offset(10), Offset(12), true)
        );
        assert_eq!(producers.stable_after(&completed), Offset(13));
        assert_eq!(producers.first_unstable(), Some(Offset(10)));
        assert!(!producers.replicated_to(Offset(12)));
        assert!(producers.replicated_to(Offset(13)));
        assert_eq!(producers.first_unstable(), None);
        assert_eq!(producers.complete(&marker(1, 13, false)), None);
    }

    #[test]
    fn after_a_marker_that_bumped_the_epoch_sequences_begin_at_zero() {
        let mut producers = Producers::default();
        producers.append(&ProducerBatch { transactional: true, ..batch(0, 0, 2) }, Offset(0));
        producers.complete(&marker(1, 2, false));
        assert!(producers.check(&batch(1, 2, 1)).is_err());
        assert_eq!(producers.check(&batch(1, 0, 1)), Ok(None));
        assert_eq!(
            producers.check_marker(&marker(0, 3, false), MarkerEpoch::AtLeast).unwrap_err().error,
            ErrorCode::INVALID_PRODUCER_EPOCH
        );
        let older = Marker { coordinator_epoch: -1, ..marker(1, 3, false) };
        assert_eq!(
            producers.check_marker(&older, MarkerEpoch::AtLeast).unwrap_err().error,
            ErrorCode::TRANSACTION_COORDINATOR_FENCED
        );
    }

    #[test]
    fn where_every_end_bumps_the_epoch_a_marker_that_does_not_is_refused() {
        let mut producers = Producers::default();
        let refused = Err(ErrorCode::INVALID_PRODUCER_EPOCH);
        let check = |producers: &Producers, epoch, of| {
            let checked = producers.check_marker(&marker(epoch, 9, false), of);
            checked.map_err(|fenced| fenced.error)
        };
        assert_eq!(check(&producers, 0, MarkerEpoch::Above), Ok(()));
        producers.append(&ProducerBatch { transactional: true, ..batch(3, 0, 2) }, Offset(0));
        assert_eq!(check(&producers, 2, MarkerEpoch::AtLeast), refused);
        assert_eq!(check(&producers, 3, MarkerEpoch::AtLeast), Ok(()));
        assert_eq!(check(&producers, 3, MarkerEpoch::Above), refused);
        assert_eq!(check(&producers, 4, MarkerEpoch::Above), Ok(()));
        // Written a second time, it ends nothing and harms nobody.
        producers.complete(&marker(4, 2, false));
        assert_eq!(check(&producers, 4, MarkerEpoch::Above), Ok(()));
        assert_eq!(check(&producers, 3, MarkerEpoch::Above), refused);
        // Once the next transaction is open it would end that one.
        producers.append(&ProducerBatch { transactional: true, ..batch(4, 0, 1) }, Offset(3));
        assert_eq!(check(&producers, 4, MarkerEpoch::Above), refused);
        // Above the last epoch there is none.
        let last = ProducerBatch { transactional: true, ..batch(i16::MAX, 0, 1) };
        producers.append(&last, Offset(4));
        assert_eq!(check(&producers, i16::MAX, MarkerEpoch::Above), Ok(()));
    }

    #[test]
    fn idle_producers_are_forgotten_but_not_those_with_an_open_transaction() {
        let mut producers = Producers::default();
        producers.append(&batch(0, 0, 1), Offset(0));
        let open = ProducerBatch { id: ProducerId(8), transactional: true, ..batch(0, 0, 1) };
        producers.append(&open, Offset(1));
        producers.expire(Timestamp(199), 100);
        assert_eq!(producers.len(), 2);
        producers.expire(Timestamp(200), 100);
        assert_eq!(producers.iter().map(|(id, _)| id.0).collect::<Vec<_>>(), [8]);
    }

    #[test]
    fn a_coordinators_batches_are_no_repetitions_and_count_nothing() {
        let mut producers = Producers::default();
        let open = ProducerBatch { transactional: true, ..batch(1, 0, 2) };
        assert_eq!(producers.standing(open.id, open.epoch), Standing::Unknown);
        producers.append(&open, Offset(0));
        assert_eq!(producers.standing(open.id, open.epoch), Standing::Open);
        assert_eq!(producers.standing(open.id, ProducerEpoch(2)), Standing::Idle);
        assert_eq!(producers.check_coordinated(&open), Ok(()));
        let outside = producers.check_coordinated(&batch(1, 0, 1)).unwrap_err();
        assert_eq!(outside.error, ErrorCode::INVALID_TXN_STATE);
        producers.complete(&marker(2, 2, false));
        let late = producers.check_coordinated(&open).unwrap_err();
        assert_eq!(late.error, ErrorCode::INVALID_PRODUCER_EPOCH);
        assert_eq!(producers.standing(open.id, ProducerEpoch(2)), Standing::Idle);
    }
}
