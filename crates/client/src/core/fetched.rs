//! What a fetch has brought of one partition: its batches, read as records when they are taken.
//!
//! Control batches are passed over, and with read_committed the records of aborted transactions.
//! Must hold: records come in order, none before the offset that was asked for.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use ottla_records::{BatchView, ControlRecord, Record, TimestampType, read_batch};
use ottla_wire::{LeaderEpoch, Offset, ProducerId};

/// A record with what its batch says of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Read {
    /// The record.
    pub record: Record,
    /// Whose clock its timestamp is from.
    pub timestamp_type: TimestampType,
    /// The epoch of the leader that wrote it.
    pub leader_epoch: LeaderEpoch,
}

/// Batches of one partition.
#[derive(Debug)]
pub struct Fetched {
    rest: Bytes,
    records: VecDeque<Read>,
    next: Offset,
    verify: bool,
    /// Aborted transactions that have not begun, by their first offset; none when all is read.
    aborted: Option<VecDeque<(Offset, ProducerId)>>,
    aborting: BTreeSet<ProducerId>,
}

impl Fetched {
    /// What came when `from` was asked for. With `aborted`, the transactions in it are left out;
    /// with `verify`, checksums are checked.
    pub fn new(
        bytes: Bytes,
        from: Offset,
        verify: bool,
        aborted: Option<Vec<(Offset, ProducerId)>>,
    ) -> Fetched {
        let aborted = aborted.map(|mut aborted| {
            aborted.sort_unstable();
            aborted.into()
        });
        let (records, aborting) = (VecDeque::new(), BTreeSet::new());
        Fetched { rest: bytes, records, next: from, verify, aborted, aborting }
    }

    /// The offset behind all that has been taken or passed over.
    pub fn next(&self) -> Offset {
        self.records.front().map_or(self.next, |read| read.record.offset)
    }

    /// Takes up to so many records.
    ///
    /// # Errors
    /// Why the next batch cannot be read; what was before it has been taken.
    pub fn take(&mut self, max: usize) -> Result<Vec<Read>, String> {
        let mut taken = Vec::new();
        while taken.len() < max {
            match self.records.pop_front() {
                Some(read) => taken.push(read),
                None if self.open_batch()? => {}
                None => break,
            }
        }
        Ok(taken)
    }

    /// Whether nothing is left.
    pub fn is_done(&self) -> bool {
        self.records.is_empty() && self.rest.is_empty()
    }

    /// Reads the next batch; gives whether there was one.
    fn open_batch(&mut self) -> Result<bool, String> {
        let view = BatchView::first(&self.rest).map_err(|error| error.to_string())?;
        let Some(view) = view else {
            // The end may be cut: the rest comes with the next fetch.
            self.rest = Bytes::new();
            return Ok(false);
        };
        if self.verify {
            view.verify_crc().map_err(|error| format!("at offset {}: {error}", self.next))?;
        }
        let (producer, last) = (view.producer_id(), view.last_offset());
        let (is_transactional, is_control) = (view.is_transactional(), view.is_control());
        let (timestamp_type, leader_epoch) = (view.timestamp_type(), view.leader_epoch());
        let len = view.bytes().len();
        self.begin_aborted(last);
        let is_aborted = is_transactional && self.aborting.contains(&producer);
        let batch = self.rest.split_to(len);
        if is_control {
            self.end_aborted(&batch, producer);
        } else if !is_aborted {
            for record in read_batch(&batch) {
                let record = record.map_err(|error| format!("at offset {}: {error}", self.next))?;
                if record.offset >= self.next {
                    self.records.push_back(Read { record, timestamp_type, leader_epoch });
                }
            }
        }
        self.next = self.next.max(last.next());
        Ok(true)
    }

    fn begin_aborted(&mut self, until: Offset) {
        let Some(aborted) = &mut self.aborted else { return };
        while let Some((_, producer)) = aborted.pop_front_if(|(first, _)| *first <= until) {
            self.aborting.insert(producer);
        }
    }

    fn end_aborted(&mut self, batch: &Bytes, producer: ProducerId) {
        let mut records = read_batch(batch).map_while(Result::ok);
        let marker = records.next().and_then(|record| ControlRecord::decode(&record).ok());
        if matches!(marker, Some(ControlRecord::Abort { .. })) {
            self.aborting.remove(&producer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_records::{BatchBuilder, BatchSettings, Codec};
    use ottla_wire::Timestamp;

    fn batch(base: i64, values: &[&str]) -> Vec<u8> {
        let settings =
            BatchSettings { base_offset: Offset(base), ..BatchSettings::compressed(Codec::Lz4) };
        let mut builder = BatchBuilder::new(settings);
        for value in values {
            builder.append(Timestamp(1), None, Some(value.as_bytes()), &[]).unwrap();
        }
        builder.build().unwrap().to_vec()
    }

    fn values(read: &[Read]) -> Vec<&str> {
        let values = read.iter().map(|read| read.record.value.as_ref().unwrap());
        values.map(|value| std::str::from_utf8(value).unwrap()).collect()
    }

    #[test]
    fn records_before_the_asked_offset_and_a_torn_end_are_passed_over() {
        let mut bytes = batch(10, &["a", "b", "c"]);
        bytes.extend(batch(13, &["d"]));
        let torn = batch(14, &["e"]);
        bytes.extend(&torn[..torn.len() - 1]);
        let mut fetched = Fetched::new(bytes.into(), Offset(11), true, None);
        assert_eq!(values(&fetched.take(1).unwrap()), ["b"]);
        assert_eq!(fetched.next(), Offset(12));
        assert_eq!(values(&fetched.take(9).unwrap()), ["c", "d"]);
        assert!(fetched.is_done());
        assert_eq!(fetched.next(), Offset(14));
    }

    #[test]
    fn a_wrong_checksum_is_an_error_when_it_is_checked() {
        let mut bytes = batch(0, &["a"]);
        *bytes.last_mut().unwrap() ^= 1;
        let fetched = |verify| Fetched::new(bytes.clone().into(), Offset(0), verify, None).take(1);
        assert!(fetched(true).unwrap_err().starts_with("at offset 0: "));
    }
}
