//! Putting a compacted segment in the place of those it was made from.
//!
//! `.cleaned` becomes `.swap`, which commits it; the old files become `.deleted`; `.swap` becomes
//! the final name. The folder is synced after each of the three, so that a power cut leaves a
//! state that a start carries to its end. Readers go on in the old segments, which stay open, and
//! find the new one as soon as all names are right. Must hold: the writer's lock is held only to
//! look at and to replace the list of segments.

use std::sync::Arc;

use ottla_wire::Timestamp;

use super::CleanError;
use super::output::{Finished, KINDS, cleaned_name};
use crate::error::StorageError;
use crate::log::{Log, lock};
use crate::names::{FileKind, SWAP, file_name};
use crate::segment::{Segment, mark_deleted};

impl Log {
    /// Whether the segments are all still part of the log, and the log is in use. The caller
    /// holds `cleaning`, so that it stays so until that is let go.
    pub(crate) fn holds(&self, segments: &[Arc<Segment>]) -> bool {
        let closed = lock(&self.writer).closed;
        let all = self.segments();
        let first = segments
            .first()
            .map_or(0, |first| all.partition_point(|segment| segment.base < first.base));
        let held = all.get(first..first + segments.len());
        let same =
            |held: &[Arc<Segment>]| held.iter().zip(segments).all(|(a, b)| Arc::ptr_eq(a, b));
        !closed && held.is_some_and(same)
    }

    /// Replaces `old`, which follow each other, by what was written for them. The caller holds
    /// `cleaning`.
    pub(crate) fn replace_cleaned(
        &self,
        old: &[Arc<Segment>],
        new: Finished,
        now: Timestamp,
    ) -> Result<(), CleanError> {
        if !self.holds(old) {
            return Err(CleanError::Overtaken);
        }
        if let Err(error) = self.swap_files(old, new, now) {
            // Names are half changed: only a start can tell which state that is.
            self.home.directory.fail(&error.to_string());
            return Err(error.into());
        }
        let segment = Arc::new(Segment::new(Arc::clone(&self.home), new.base, new.size, now));
        segment.set_newest(new.newest);
        let _writer = lock(&self.writer);
        let mut segments = self.segments().as_ref().clone();
        let from = segments.partition_point(|held| held.base < new.base);
        segments.splice(from..from + old.len(), [segment]);
        self.replace_segments(segments);
        Ok(())
    }

    fn swap_files(
        &self,
        old: &[Arc<Segment>],
        new: Finished,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        // First, since it may fail without harm.
        old.iter().try_for_each(|segment| segment.pin())?;
        for kind in KINDS {
            let swap = format!("{}{SWAP}", file_name(new.base, kind));
            self.rename(kind, &cleaned_name(new.base, kind), &swap)?;
        }
        self.sync_folder()?;
        let due = now + self.config().file_delete_delay_ms;
        for segment in old {
            let mut gone = segment.mark_deleted()?;
            if segment.base != new.base {
                let snapshot = file_name(segment.base, FileKind::Snapshot);
                gone.extend(mark_deleted(&self.home, &snapshot)?);
            }
            for name in gone {
                self.home.directory.remove_later(self.home.file(&name), due);
            }
        }
        self.sync_folder()?;
        for kind in KINDS {
            let name = file_name(new.base, kind);
            self.rename(kind, &format!("{name}{SWAP}"), &name)?;
        }
        self.sync_folder()
    }

    fn rename(&self, kind: FileKind, from: &str, to: &str) -> Result<(), StorageError> {
        let (from, to) = (self.home.file(from), self.home.file(to));
        self.home.directory.with_reserve(|| match self.home.disk().rename(&from, &to) {
            // Most segments have none.
            Err(error)
                if kind == FileKind::TransactionIndex
                    && error.kind() == std::io::ErrorKind::NotFound =>
            {
                Ok(())
            }
            renamed => renamed.map_err(StorageError::io("rename", &from)),
        })
    }

    fn sync_folder(&self) -> Result<(), StorageError> {
        let path = self.home.path();
        self.home.directory.sync_dir(&path)
    }
}
