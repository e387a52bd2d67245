//! A partition as the coordinators see it.
//!
//! Must hold: an append that was decided under another epoch than the partition is led in now is
//! refused, and what `flush.messages` wants synced is.

use std::sync::Arc;

use bytes::Bytes;
use ottla_coordination::{BoxFuture, PartitionLog};
use ottla_env::{Env, Spawner};
use ottla_records::MarkerEpoch;
use ottla_storage::Appended;
use ottla_storage::read::bytes_of;
use ottla_wire::{ErrorCode, LeaderEpoch, Offset, Timestamp};
use tokio::sync::watch;

use crate::partition::Partition;
use crate::refusal::Refusal;

/// One led partition of an internal topic.
pub(crate) struct CoordinatedLog {
    pub(crate) partition: Arc<Partition>,
    pub(crate) env: Env,
    pub(crate) tasks: Spawner,
}

impl PartitionLog for CoordinatedLog {
    fn append(&self, epoch: LeaderEpoch, batch: Bytes) -> Result<Offset, ErrorCode> {
        self.appended(self.partition.append_decided(&batch, epoch, self.now()))
    }

    fn append_marker(
        &self,
        epoch: LeaderEpoch,
        marker: Bytes,
        of: MarkerEpoch,
    ) -> Result<Offset, ErrorCode> {
        self.appended(self.partition.append_marker(&marker, of, Some(epoch), self.now()))
    }

    fn start(&self) -> Offset {
        self.partition.log().start()
    }

    fn end(&self) -> Offset {
        self.partition.log().end()
    }

    fn high_watermark(&self) -> watch::Receiver<Offset> {
        self.partition.watch_high_watermark()
    }

    fn read(&self, from: Offset, bytes_max: usize) -> BoxFuture<'_, Result<Bytes, ErrorCode>> {
        let log = self.partition.log();
        Box::pin(self.env.blocking(move || {
            let slice = log.read(from, bytes_max, log.end(), true).map_err(|error| error.code())?;
            bytes_of(&slice.records).map_err(|_| ErrorCode::KAFKA_STORAGE_ERROR)
        }))
    }

    /// In a task, since whoever asks holds a lock, and a log's new start is written down.
    fn forget(&self, below: Offset) {
        let (partition, env) = (Arc::clone(&self.partition), self.env.clone());
        self.tasks.spawn("prune a coordinator's log", async move {
            let place = Arc::clone(&partition);
            if let Err(refused) = env.blocking(move || place.delete_records(below)).await {
                let (topic, partition, code) =
                    (&partition.topic, partition.index, refused.error.name());
                tracing::warn!(%topic, %partition, code, "a coordinator's log was not pruned");
            }
        });
    }

    fn batch_bytes_max(&self) -> usize {
        usize::try_from(self.partition.log().config().max_message_bytes).unwrap_or(usize::MAX)
    }
}

impl CoordinatedLog {
    fn now(&self) -> Timestamp {
        Timestamp(self.env.now_ms())
    }

    fn appended(&self, appended: Result<Appended, Refusal>) -> Result<Offset, ErrorCode> {
        let appended = appended.map_err(|refused| {
            let (topic, partition) = (&self.partition.topic, self.partition.index);
            let (code, why) = (refused.code.name(), &refused.message);
            tracing::warn!(%topic, %partition, code, why, "a coordinator could not append");
            refused.code
        })?;
        if appended.sync_due {
            self.partition.sync_soon(&self.env, &self.tasks);
        }
        Ok(appended.first_offset)
    }
}
