//! A partition's directory: its segments in order, and the files that tell of the whole log.
//!
//! Not here: what is in a segment.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use ottla_wire::{LeaderEpoch, Offset, Timestamp, TopicId};

use super::{Gravity, Remedy, Verifier};
use crate::epochs::{self, Epochs};
use crate::names::{
    CLEANED, DELETED, DirKind, FileKind, METADATA_DIR, SWAP, file_name, parse_dir, parse_file,
};
use crate::producers::Producers;
use crate::{partition_metadata, producer_snapshot};

/// What is carried from one segment to the next.
pub(super) struct Walk {
    /// The first segment's base.
    pub(super) begin: Offset,
    /// One past the last record so far.
    pub(super) end: Offset,
    /// The epoch of the last batch.
    pub(super) epoch: LeaderEpoch,
    /// The finding of the first batch that is not whole: nothing behind it counts.
    pub(super) torn: Option<Torn>,
    /// Whether offsets are missing, as compaction leaves them.
    pub(super) has_holes: bool,
    /// Whether the segment was closed, so that its indexes must be there and complete.
    pub(super) is_closed: bool,
    /// The producers as the batches tell them.
    pub(super) producers: Producers,
    /// The epochs of the batches.
    pub(super) epochs: Epochs,
    /// What `leader-epoch-checkpoint` says, and where the batches first say something else.
    pub(super) history: Option<Epochs>,
    pub(super) contradiction: Option<String>,
    /// The first offset that is served, and the first of those of whose epoch the file is silent.
    pub(super) start: Offset,
    pub(super) untold: Option<Offset>,
}

/// Where a log is torn.
#[derive(Clone, Copy)]
pub(super) struct Torn {
    pub(super) finding: usize,
    pub(super) base: Offset,
    pub(super) position: u64,
    /// Whether the disk did not give the bytes, which may all be right.
    pub(super) is_unread: bool,
}

/// Files that stand in a partition's directory and are not of a segment.
const OTHERS: [&str; 2] = ["quorum-state", partition_metadata::FILE];

/// What lies in a partition's directory.
#[derive(Default)]
struct Listed {
    segments: BTreeMap<Offset, Vec<FileKind>>,
    snapshots: Snapshots,
    has_history: bool,
    has_topic_id: bool,
}

/// Producer snapshots by their offsets.
#[derive(Default)]
struct Snapshots {
    good: BTreeSet<Offset>,
    /// What is wrong with the others.
    bad: BTreeMap<Offset, String>,
    /// What should be in those.
    rebuilt: BTreeMap<Offset, Vec<u8>>,
}

impl Verifier<'_> {
    /// Reads the log in the directory `name` of `parent`; answers its end, none when it has no
    /// segment or cannot be listed.
    pub(crate) fn partition(&mut self, parent: &Path, name: &str) -> Option<Offset> {
        let dir = parent.join(name);
        self.found.partitions += 1;
        let mut walk = Walk {
            begin: Offset(0),
            end: Offset(0),
            epoch: LeaderEpoch(-1),
            torn: None,
            has_holes: false,
            is_closed: false,
            producers: Producers::default(),
            epochs: Epochs::default(),
            history: None,
            contradiction: None,
            start: Offset(0),
            untold: None,
        };
        let mut listed = self.list(&dir, name, &mut walk)?;
        walk.begin = listed.segments.keys().next().copied().unwrap_or_default();
        let live = parse_dir(name).filter(|dir| dir.kind == DirKind::Live);
        let start = live.and_then(|dir| self.starts.get(&(dir.topic, dir.partition)).copied());
        walk.start = start.unwrap_or_default().max(walk.begin);
        let before = self.found.batches;
        let last = listed.segments.keys().next_back().copied();
        let in_use =
            parse_dir(name).is_some_and(|dir| matches!(dir.kind, DirKind::Live | DirKind::Future));
        // The metadata log is read whole at each start; nobody closes what is to be removed.
        let is_closed = in_use && name != METADATA_DIR;
        for (base, kinds) in &listed.segments {
            self.producers_at(&dir, *base, &mut listed.snapshots, &mut walk);
            walk.is_closed = is_closed && (self.is_clean || Some(*base) != last);
            self.segment(&dir, *base, kinds, &mut walk);
        }
        let has_batches = self.found.batches > before;
        walk.is_closed = is_closed && self.is_clean && walk.torn.is_none();
        self.remedy_of_torn(&dir, &listed, &walk);
        self.snapshots(&dir, &mut listed, &walk);
        self.history(&dir, listed.has_history, has_batches, &walk);
        if has_batches && !listed.has_topic_id {
            let what = "is missing: Apache Kafka sets a partition without it aside";
            self.topic_id_is_wrong(&dir.join(partition_metadata::FILE), name, what.to_owned());
        }
        (!listed.segments.is_empty()).then_some(walk.end)
    }

    fn list(&mut self, dir: &Path, name: &str, walk: &mut Walk) -> Option<Listed> {
        let entries = match self.disk.list(dir) {
            Ok(entries) => entries,
            Err(error) => {
                self.tell(dir, Gravity::Records, format!("cannot be listed: {error}"));
                return None;
            }
        };
        let mut listed = Listed::default();
        for entry in entries {
            let path = dir.join(&entry.name);
            match parse_file(&entry.name) {
                Some((at, FileKind::Snapshot)) => {
                    let Some(bytes) = self.read(&path) else { continue };
                    match producer_snapshot::entries(&bytes) {
                        Ok(_) => listed.snapshots.good.extend([at]),
                        Err(what) => listed.snapshots.bad.extend([(at, what)]),
                    }
                }
                Some((base, kind)) => listed.segments.entry(base).or_default().push(kind),
                None if entry.name == epochs::FILE => {
                    listed.has_history = true;
                    let Some(bytes) = self.read(&path) else { continue };
                    match Epochs::parse(&bytes) {
                        Ok(history) => walk.history = Some(history),
                        Err(what) => walk.contradiction = Some(what),
                    }
                }
                None if entry.name == partition_metadata::FILE => {
                    listed.has_topic_id = true;
                    let Some(bytes) = self.read(&path) else { continue };
                    match partition_metadata::parse(&bytes) {
                        Ok(id) => self.compare_id(&path, name, id),
                        Err(what) => self.topic_id_is_wrong(&path, name, what),
                    }
                }
                None => self.other(&path, &entry.name),
            }
        }
        Some(listed)
    }

    /// What is known of producers where a segment begins. A snapshot knows more than the batches
    /// when some of those are gone.
    fn producers_at(
        &mut self,
        dir: &Path,
        base: Offset,
        snapshots: &mut Snapshots,
        walk: &mut Walk,
    ) {
        if walk.torn.is_some() {
            return;
        }
        let knows_less = walk.begin.0 > 0 || walk.has_holes;
        if knows_less && snapshots.good.contains(&base) {
            let bytes = self.read(&dir.join(file_name(base, FileKind::Snapshot)));
            let read = bytes
                .and_then(|bytes| producer_snapshot::decode(&bytes, Timestamp(0), i64::MAX).ok());
            walk.producers = read.unwrap_or_default();
        }
        if snapshots.bad.contains_key(&base) {
            snapshots.rebuilt.insert(base, producer_snapshot::encode(&walk.producers));
        }
    }

    fn snapshots(&mut self, dir: &Path, listed: &mut Listed, walk: &Walk) {
        let snapshots = &mut listed.snapshots;
        let path = |at| dir.join(file_name(at, FileKind::Snapshot));
        let has_one = snapshots.good.contains(&walk.end) || snapshots.bad.contains_key(&walk.end);
        if walk.is_closed && !has_one && !walk.producers.is_empty() {
            let what = "is missing: the next start takes the producers for unknown".to_owned();
            snapshots.bad.insert(walk.end, what);
        }
        if walk.torn.is_none() && snapshots.bad.contains_key(&walk.end) {
            snapshots.rebuilt.insert(walk.end, producer_snapshot::encode(&walk.producers));
        }
        for (at, what) in std::mem::take(&mut snapshots.bad) {
            self.tell(&path(at), Gravity::Derived, what);
            match snapshots.rebuilt.remove(&at) {
                Some(bytes) => self.remedy(Remedy::Replace(bytes)),
                None if walk.torn.is_none() => self.remedy(Remedy::Remove),
                None => (),
            }
        }
        let beyond = snapshots.good.iter().filter(|at| **at > walk.end && walk.torn.is_none());
        for at in beyond {
            let what = format!("tells of offset {at}, the log ends at {}", walk.end);
            self.tell(&path(*at), Gravity::Derived, what);
            self.remedy(Remedy::Remove);
        }
    }

    /// What the epochs' file says against what the batches say.
    fn history(&mut self, dir: &Path, has_file: bool, has_batches: bool, walk: &Walk) {
        let start = if walk.start <= walk.end { walk.start } else { walk.begin };
        let newest = walk.history.as_ref().and_then(Epochs::latest_start);
        let oldest = walk.history.as_ref().and_then(|history| history.entries().first());
        let untold = walk.untold.zip(oldest).filter(|_| walk.is_closed);
        let what = match (&walk.contradiction, newest) {
            (Some(what), _) => what.clone(),
            (None, Some(start)) if start > walk.end && walk.torn.is_none() => {
                format!("an epoch begins at {start}, the log ends at {}", walk.end)
            }
            (None, None) if has_batches && walk.epochs.latest().is_some() => match has_file {
                true => "knows no epoch, and the batches have one".to_owned(),
                false => "is missing".to_owned(),
            },
            _ => match untold {
                Some((from, oldest)) => format!("knows nothing from {from} to {}", oldest.start),
                None => return,
            },
        };
        self.tell(&dir.join(epochs::FILE), Gravity::Derived, what);
        if walk.torn.is_some() {
            return;
        }
        let mut right = walk.epochs.clone();
        right.truncate_from_start(start);
        self.remedy(Remedy::Replace(right.format().into_bytes()));
    }

    /// Another id may be a fault, or be that of a topic that was deleted: nobody is sure.
    fn compare_id(&mut self, path: &Path, dir: &str, id: TopicId) {
        let live = parse_dir(dir).filter(|dir| dir.kind == DirKind::Live);
        let known = live.and_then(|dir| self.topic_ids.get(&dir.topic).copied());
        if let Some(known) = known.filter(|known| *known != id) {
            let what = format!(
                "says {id}, and the topic of this name is {known}: a start sets the partition aside"
            );
            self.note(path, &what);
        }
    }

    fn topic_id_is_wrong(&mut self, path: &Path, dir: &str, what: String) {
        self.tell(path, Gravity::Records, what);
        let topic = parse_dir(dir).map(|name| name.topic).unwrap_or_default();
        if let Some(id) = self.topic_ids.get(&topic) {
            self.remedy(Remedy::Replace(partition_metadata::format(*id).into_bytes()));
        }
    }

    /// A torn log can be cut where it is torn, if that is what its owner wants.
    fn remedy_of_torn(&mut self, dir: &Path, listed: &Listed, walk: &Walk) {
        let Some(torn) = walk.torn.filter(|torn| !torn.is_unread) else { return };
        let behind = listed.segments.iter().filter(|(base, _)| **base > torn.base);
        let files = behind
            .flat_map(|(base, kinds)| kinds.iter().map(|kind| dir.join(file_name(*base, *kind))));
        let behind: Vec<PathBuf> = files.collect();
        self.remedies.push((torn.finding, Remedy::Cut { at: torn.position, behind }));
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
