//! Closing the log directories in order, and telling the next start that it was so.
//!
//! Must hold: the mark of a clean stop is written last, only where every log was opened and
//! closed, and after everything it vouches for was synced.

use std::sync::atomic::Ordering;

use ottla_wire::BrokerEpoch;

use super::{Dir, LogDirs};
use crate::clean_shutdown;
use crate::error::StorageError;
use crate::log::lock;

/// So many logs with something to sync are synced one by one; more by one sync of everything.
const SINGLE_SYNCS_MAX: usize = 8;

impl LogDirs {
    /// Syncs and closes every log, writes the checkpoints and the marks, and gives up the locks.
    /// A directory that fails on the way is left to the next start's recovery.
    pub fn close(&self, epoch: BrokerEpoch) {
        self.stop_loading();
        let closing = self.working().map(|dir| self.logs_in(dir).len()).sum();
        self.headway.closing.store(closing, Ordering::Relaxed);
        for dir in self.working() {
            if let Err(error) = self.close_one(dir, epoch) {
                tracing::warn!(dir = %dir.directory.path().display(), %error, "not closed cleanly");
            }
        }
        for dir in &self.dirs {
            drop(lock(&dir.lock).take());
        }
    }

    fn close_one(&self, dir: &Dir, epoch: BrokerEpoch) -> Result<(), StorageError> {
        let logs = self.logs_in(dir);
        let mut unsynced = Vec::new();
        for log in &logs {
            log.close()?;
            self.headway.closed.fetch_add(1, Ordering::Relaxed);
            if log.needs_sync() {
                unsynced.push(log);
            }
        }
        let directory = &dir.directory;
        if unsynced.len() > SINGLE_SYNCS_MAX {
            let synced = directory.disk().sync_tree(directory.path());
            let synced = synced.map_err(StorageError::io("sync", directory.path()));
            if let Err(error) = &synced {
                directory.fail(&error.to_string());
            }
            synced?;
            unsynced.iter().for_each(|log| log.assume_synced());
        } else {
            unsynced.iter().try_for_each(|log| log.sync_closed())?;
        }
        self.write_recovery_points_of(dir)?;
        self.write_log_starts();
        self.write_high_watermarks();
        directory.check()?;
        if lock(&dir.checkpoints).loaded {
            let mark = directory.path().join(clean_shutdown::FILE);
            let text = clean_shutdown::format(epoch);
            directory.judge(directory.with_reserve(|| {
                let written = directory.disk().replace(&mark, text.as_bytes());
                written.map_err(StorageError::io("write", &mark))
            }))?;
        }
        Ok(())
    }
}
