//! Snapshot files: what `.checkpoint` and `bootstrap.checkpoint` hold, batch by batch.
//!
//! A control batch with the header, batches of metadata records, a control batch with the
//! footer; offsets count from 0. Not here: where they lie (snapshots.rs).
//! Must hold: a file without its footer is no snapshot.

use std::fmt;

use bytes::Bytes;
use ottla_metadata::{MetadataRecord, MetadataVersion};
use ottla_records::{BatchView, ControlRecord, batches, read_batch};
use ottla_wire::messages::{SnapshotFooterRecord, SnapshotHeaderRecord};
use ottla_wire::{LeaderEpoch, Offset, Timestamp};

use crate::batches::{Place, control_batch, data_batches};
use crate::error::QuorumError;

/// What a snapshot file says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoint {
    /// When the last record that it contains was appended.
    pub last_timestamp: Timestamp,
    /// `kraft.version` and the voters, where the file tells them.
    pub quorum: Vec<ControlRecord>,
    /// The records of the cluster's metadata.
    pub records: Vec<MetadataRecord>,
}

/// Why bytes are no snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenCheckpoint(String);

impl fmt::Display for BrokenCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a snapshot: {}", self.0)
    }
}

impl std::error::Error for BrokenCheckpoint {}

impl Checkpoint {
    /// Gives the file's bytes to `sink`, a batch at a time.
    ///
    /// # Errors
    /// A record does not fit a batch, or what `sink` says.
    pub fn encode<E: From<QuorumError>>(
        &self,
        epoch: LeaderEpoch,
        now: Timestamp,
        mut sink: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut base = Offset(0);
        let place = |base| Place { base, epoch, now };
        let mut begin = vec![header(self.last_timestamp)];
        begin.extend(self.quorum.iter().cloned());
        sink(&control_batch(&begin, place(base))?)?;
        base = base + count(begin.len());
        let level = MetadataVersion::MINIMUM;
        for batch in data_batches(&self.records, level, place(base))? {
            sink(&batch)?;
        }
        base = base + count(self.records.len());
        sink(&control_batch(&[footer()], place(base))?)
    }

    /// Reads a whole file.
    ///
    /// # Errors
    /// A batch or record is damaged or unknown, or the file has no footer.
    pub fn decode(bytes: &Bytes) -> Result<Checkpoint, BrokenCheckpoint> {
        let mut checkpoint = Checkpoint::default();
        let mut is_whole = false;
        for batch in batches(bytes) {
            let batch = batch.map_err(broken)?;
            batch.verify_crc().map_err(broken)?;
            is_whole = checkpoint.take_in(bytes, &batch)?;
        }
        if is_whole { Ok(checkpoint) } else { Err(BrokenCheckpoint("its end is missing".into())) }
    }

    /// Takes in one batch; answers whether it was the last one.
    fn take_in(&mut self, bytes: &Bytes, batch: &BatchView<'_>) -> Result<bool, BrokenCheckpoint> {
        let mut is_last = false;
        for record in read_batch(&bytes.slice_ref(batch.bytes())) {
            let record = record.map_err(broken)?;
            if !batch.is_control() {
                let value = record.value.unwrap_or_default();
                self.records.push(MetadataRecord::decode(value).map_err(broken)?);
                continue;
            }
            match ControlRecord::decode(&record).map_err(broken)? {
                ControlRecord::SnapshotHeader(header) => {
                    self.last_timestamp = header.last_contained_log_timestamp;
                }
                ControlRecord::SnapshotFooter(_) => is_last = true,
                other => self.quorum.push(other),
            }
        }
        Ok(is_last)
    }
}

fn header(last_contained_log_timestamp: Timestamp) -> ControlRecord {
    let header = SnapshotHeaderRecord { last_contained_log_timestamp, ..Default::default() };
    ControlRecord::SnapshotHeader(header)
}

fn footer() -> ControlRecord {
    ControlRecord::SnapshotFooter(SnapshotFooterRecord::default())
}

fn count(records: usize) -> i64 {
    i64::try_from(records).expect("a list in memory has fewer records than an i64 counts")
}

fn broken(error: impl fmt::Display) -> BrokenCheckpoint {
    BrokenCheckpoint(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_metadata::{Bootstrap, bootstrap_records};

    fn bytes(checkpoint: &Checkpoint) -> Bytes {
        let mut bytes = Vec::new();
        let sink = |batch: &[u8]| {
            bytes.extend_from_slice(batch);
            Ok::<(), QuorumError>(())
        };
        checkpoint.encode(LeaderEpoch(0), Timestamp(5), sink).expect("records fit");
        bytes.into()
    }

    #[test]
    fn what_was_written_is_read_back() {
        let checkpoint = Checkpoint {
            last_timestamp: Timestamp(7),
            quorum: Vec::new(),
            records: bootstrap_records(&Bootstrap::default()).expect("levels fit"),
        };
        assert_eq!(Checkpoint::decode(&bytes(&checkpoint)), Ok(checkpoint));
    }

    #[test]
    fn a_file_that_was_cut_is_refused() {
        let whole = bytes(&Checkpoint::default());
        for cut in 0..whole.len() {
            assert!(Checkpoint::decode(&whole.slice(..cut)).is_err(), "{cut}");
        }
    }

    #[test]
    fn the_bytes_are_those_of_apache_kafka() {
        let file: &[u8] = include_bytes!("../tests/fixtures/bootstrap.checkpoint");
        let decoded = Checkpoint::decode(&Bytes::from_static(file)).expect("written by Kafka");
        assert_eq!(decoded.records.len(), 9);
        assert_eq!(decoded.records[0].name(), "FeatureLevelRecord");
        // Kafka takes the time of each batch anew; apart from times and checksums all is equal.
        let ours = bytes(&decoded);
        assert_eq!(without_times(&ours), without_times(file));
    }

    fn without_times(bytes: &[u8]) -> Vec<Vec<u8>> {
        let stripped = batches(bytes).map(|batch| {
            let mut bytes = batch.expect("a batch").bytes().to_vec();
            bytes[17..21].fill(0); // checksum
            bytes[27..43].fill(0); // base and maximal timestamp
            bytes
        });
        stripped.collect()
    }
}
