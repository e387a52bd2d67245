//! A partition's directory: its segments in order, and the files that tell of the whole log.
//!
//! Not here: what is in a segment.

use std::collections::BTreeMap;
use std::path::Path;

use ottla_wire::{LeaderEpoch, Offset};

use super::{Gravity, Verifier};
use crate::epochs::{self, Epochs};
use crate::names::{CLEANED, DELETED, FileKind, SWAP, parse_file};
use crate::{partition_metadata, producer_snapshot};

/// What is carried from one segment to the next.
pub(super) struct Walk {
    /// One past the last record so far.
    pub(super) end: Offset,
    /// The epoch of the last batch.
    pub(super) epoch: LeaderEpoch,
    /// Whether a batch was not whole, so that nothing behind it counts.
    pub(super) is_torn: bool,
}

/// Files that stand in a partition's directory and are not of a segment.
const OTHERS: [&str; 2] = ["quorum-state", partition_metadata::FILE];

impl Verifier<'_> {
    /// Reads the log; answers its end, none when it has no segment or cannot be listed.
    pub(super) fn partition(&mut self, dir: &Path) -> Option<Offset> {
        self.found.partitions += 1;
        let entries = match self.disk.list(dir) {
            Ok(entries) => entries,
            Err(error) => {
                self.tell(dir, Gravity::Records, format!("cannot be listed: {error}"));
                return None;
            }
        };
        let mut segments: BTreeMap<Offset, Vec<FileKind>> = BTreeMap::new();
        let mut snapshots = Vec::new();
        let mut history = None;
        for entry in entries {
            let path = dir.join(&entry.name);
            match parse_file(&entry.name) {
                Some((at, FileKind::Snapshot)) => snapshots.push((at, path)),
                Some((base, kind)) => segments.entry(base).or_default().push(kind),
                None if entry.name == epochs::FILE => history = self.epochs(&path),
                None if entry.name == partition_metadata::FILE => self.topic_id(&path),
                None => self.other(&path, &entry.name),
            }
        }
        let mut walk = Walk { end: Offset(0), epoch: LeaderEpoch(-1), is_torn: false };
        for (base, kinds) in &segments {
            self.segment(dir, *base, kinds, &mut walk);
        }
        for (at, path) in snapshots {
            self.snapshot(&path, at, &walk);
        }
        let newest = history.as_ref().and_then(Epochs::latest_start);
        if let Some(start) = newest.filter(|start| *start > walk.end) {
            let what = format!("an epoch begins at {start}, the log ends at {}", walk.end);
            self.tell(&dir.join(epochs::FILE), Gravity::Derived, what);
        }
        (!segments.is_empty()).then_some(walk.end)
    }

    fn epochs(&mut self, path: &Path) -> Option<Epochs> {
        let bytes = self.read(path)?;
        match Epochs::parse(&bytes) {
            Ok(epochs) => Some(epochs),
            Err(what) => {
                self.tell(path, Gravity::Derived, what);
                None
            }
        }
    }

    fn topic_id(&mut self, path: &Path) {
        let Some(bytes) = self.read(path) else { return };
        if let Err(what) = partition_metadata::parse(&bytes) {
            self.tell(path, Gravity::Records, what);
        }
    }

    fn snapshot(&mut self, path: &Path, at: Offset, walk: &Walk) {
        let Some(bytes) = self.read(path) else { return };
        match producer_snapshot::entries(&bytes) {
            Err(what) => self.tell(path, Gravity::Derived, what),
            Ok(_) if at > walk.end && !walk.is_torn => {
                let what = format!("tells of offset {at}, the log ends at {}", walk.end);
                self.tell(path, Gravity::Derived, what);
            }
            Ok(_) => (),
        }
    }

    fn other(&mut self, path: &Path, name: &str) {
        let is_checkpoint = name.ends_with(".checkpoint");
        if OTHERS.contains(&name) || is_checkpoint {
            return;
        }
        let what = match name {
            _ if name.ends_with(DELETED) => "waits to be removed",
            _ if name.ends_with(SWAP) => "is left of a compaction; the next start takes it over",
            _ if name.ends_with(CLEANED) => "is left of a compaction; the next start removes it",
            _ => "is no file of a log; nobody reads it",
        };
        self.note(path, what);
    }
}
