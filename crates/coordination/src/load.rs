//! Reading a partition from its start into the state that its records tell.
//!
//! Not here: who reads when (shard.rs). Must hold: a record that cannot be read stops the loading
//! with its offset, and nothing behind it is looked at; memory is that of the state and one read.

use std::fmt;

use bytes::Bytes;
use ottla_env::Env;
use ottla_machine::Host;
use ottla_records::{BatchView, ControlRecord, batches, read_batch};
use ottla_wire::{ErrorCode, Offset, ProducerId};

use crate::hosted::Hosted;
use crate::log::PartitionLog;

/// Why a partition cannot be loaded.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadError {
    /// Where it stopped.
    pub offset: Offset,
    /// What is wrong there.
    pub reason: String,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "offset {}: {}", self.offset, self.reason)
    }
}

/// A loading in progress.
pub(crate) struct Load<M: Hosted> {
    pub(crate) host: Host<M, M::Reply>,
    position: Offset,
}

impl<M: Hosted> Load<M> {
    pub(crate) fn from(start: Offset) -> Self {
        Load { host: Host::new(M::default(), start), position: start }
    }

    /// Where it has come to.
    pub(crate) fn position(&self) -> Offset {
        self.position
    }

    /// Reads on until the log's end, which may move meanwhile.
    pub(crate) async fn catch_up(
        &mut self,
        env: &Env,
        log: &dyn PartitionLog,
        bytes_max: usize,
    ) -> Result<(), LoadError> {
        while self.position < log.end() {
            let before = self.position;
            let bytes = log.read(self.position, bytes_max).await;
            let bytes = bytes.map_err(|error| self.stop(refusal(error)))?;
            self.take(&bytes)?;
            if self.position == before {
                return Err(self.stop("the log gives nothing below its end".to_owned()));
            }
            env.yield_now().await;
        }
        Ok(())
    }

    fn take(&mut self, bytes: &Bytes) -> Result<(), LoadError> {
        for batch in batches(bytes) {
            let batch = batch.map_err(|error| self.stop(error.to_string()))?;
            if batch.last_offset() < self.position {
                continue;
            }
            batch.verify_crc().map_err(|error| self.stop(error.to_string()))?;
            self.take_batch(&bytes.slice_ref(batch.bytes()), &batch)?;
            self.position = batch.last_offset().next();
            self.host.loaded_to(self.position);
        }
        Ok(())
    }

    fn take_batch(&mut self, bytes: &Bytes, batch: &BatchView<'_>) -> Result<(), LoadError> {
        let producer = batch.is_transactional().then(|| batch.producer_id());
        for record in read_batch(bytes) {
            let record = record.map_err(|error| self.stop(error.to_string()))?;
            if record.offset < self.position {
                continue;
            }
            self.position = record.offset;
            let entry = if batch.is_control() {
                let control = ControlRecord::decode(&record);
                match marker::<M>(
                    control.map_err(|e| self.stop(e.to_string()))?,
                    batch.producer_id(),
                ) {
                    Some(marker) => marker,
                    None => continue,
                }
            } else {
                let key = record.key.ok_or_else(|| self.stop("a record without key".to_owned()))?;
                M::decode(key, record.value, producer).map_err(|reason| self.stop(reason))?
            };
            self.host.load(record.offset, &entry);
        }
        Ok(())
    }

    fn stop(&self, reason: String) -> LoadError {
        LoadError { offset: self.position, reason }
    }
}

/// The end of a producer's transaction, if the control record is one.
fn marker<M: Hosted>(control: ControlRecord, producer: ProducerId) -> Option<M::Record> {
    match control {
        ControlRecord::Commit { .. } => M::marker(producer, true),
        ControlRecord::Abort { .. } => M::marker(producer, false),
        _ => None,
    }
}

fn refusal(error: ErrorCode) -> String {
    format!("the log refuses to be read: {}", error.name())
}
