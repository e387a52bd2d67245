//! Reads a log directory, ours or Apache Kafka's, and tells what in it is not as it must be.
//!
//! Every batch of every log is read whole, and everything derived from logs is compared with them.
//! Changes nothing, takes no lock, and does not need the node to be down; what a running node
//! writes meanwhile may be told as a torn end. One file for a partition's directory
//! (verify/partition.rs), one for a segment (verify/segment.rs) and one for the indexes beside it
//! (verify/indexes.rs); verify/inside.rs is for starts, which want to know one thing only. With a
//! finding comes its remedy, where there is one. Memory is that of one batch, 32 bytes for each
//! batch of one segment, and the producers of one log.
//!
//! Not here: the records of the metadata's own snapshots, and mending (repair.rs).

mod indexes;
mod inside;
mod partition;
mod segment;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ottla_env::{DirEntry, Disk};
use ottla_wire::{Offset, TopicId};

use crate::checkpoint::{self, Offsets};
use crate::dirs::REMOTE_CACHE;
use crate::meta_properties::{self, MetaProperties};
use crate::names::{METADATA_DIR, parse_dir};
use crate::{clean_shutdown, reserve};

pub use inside::{Damage, damage_inside};

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file or directory.
    pub path: PathBuf,
    /// The first byte that is wrong, where it is one byte.
    pub position: Option<u64>,
    /// What was expected, and what is there.
    pub what: String,
    /// What follows from it.
    pub gravity: Gravity,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gravity {
    /// Nobody reads it; it may be there or not.
    Note,
    /// It is made anew from the log, at the next start or when it is removed.
    Derived,
    /// Records cannot be read from here on.
    Records,
}

/// What was read, and what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Partitions whose logs were read.
    pub partitions: u64,
    /// Batches that are whole.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes of segments.
    pub bytes: u64,
    /// In the order in which they were found.
    pub findings: Vec<Finding>,
}

/// What mends a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// The right content of the file.
    Replace(Vec<u8>),
    /// Nobody misses the file.
    Remove,
    /// The log ends before this byte, and what is behind it is lost with these files.
    Cut { at: u64, behind: Vec<PathBuf> },
}

/// Verifies the log directory `dir`, or the directory of one partition in it. `next` hears the name
/// of each partition before it is read. An error is that of listing `dir`; every other one is a
/// finding.
pub fn verify(disk: &Disk, dir: &Path, next: &mut dyn FnMut(&str)) -> std::io::Result<Verified> {
    let ids = BTreeMap::new();
    let mut verifier = Verifier::new(disk, &ids);
    let listed = disk.list(dir)?;
    if let Some((above, name)) = partition_in(disk, dir, &listed) {
        // For the log's start and the mark of a clean stop; what else is above was not asked for.
        let beside = disk.list(above).unwrap_or_default();
        verifier.files_of(above, &beside);
        (verifier.found, verifier.remedies) = Default::default();
        next(name);
        verifier.partition(above, name);
        return Ok(verifier.found);
    }
    let checkpoints = verifier.files_of(dir, &listed);
    let mut ends = Ends::new();
    for name in verifier.partitions_of(dir, &listed) {
        next(&name);
        ends.insert(name.clone(), verifier.partition(dir, &name));
        verifier.remedies.clear();
    }
    verifier.compare(dir, &checkpoints, &ends);
    Ok(verifier.found)
}

/// The log directory and the name, where `dir` is the directory of a partition.
fn partition_in<'a>(
    disk: &Disk,
    dir: &'a Path,
    listed: &[DirEntry],
) -> Option<(&'a Path, &'a str)> {
    let (above, name) = (dir.parent()?, dir.file_name()?.to_str()?);
    let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
    let is_formatted = |dir: &Path| disk.exists(&dir.join(meta_properties::FILE));
    let has_segment = listed.iter().any(|entry| !entry.is_dir && entry.name.ends_with(".log"));
    let is_one = parse_dir(name).is_some() && has_segment && !is_formatted(dir);
    (is_one && is_formatted(above)).then_some((above, name))
}

/// One run.
pub(crate) struct Verifier<'a> {
    disk: &'a Disk,
    pub(crate) found: Verified,
    /// What mends the findings with these places.
    pub(crate) remedies: Vec<(usize, Remedy)>,
    /// The ids of topics, as far as anybody is sure.
    topic_ids: &'a BTreeMap<String, TopicId>,
    /// The log starts of the checkpoint.
    starts: Offsets,
    /// Whether the logs were closed in order.
    is_clean: bool,
}

/// Where the log of each directory ends, as far as it can be read; none where it has no segment.
pub(crate) type Ends = BTreeMap<String, Option<Offset>>;

/// Checkpoints by the names of their files.
pub(crate) type Files = Vec<(&'static str, Vec<u8>)>;

/// The files that stand in a log directory itself; those of the last names hold no offsets.
const CHECKPOINTS: [&str; 4] = [
    checkpoint::RECOVERY_POINTS,
    checkpoint::LOG_STARTS,
    checkpoint::HIGH_WATERMARKS,
    checkpoint::CLEANER_OFFSETS,
];
const OTHERS: [&str; 5] =
    [".lock", "bootstrap.checkpoint", clean_shutdown::FILE, reserve::FILE, meta_properties::FILE];

impl<'a> Verifier<'a> {
    pub(crate) fn new(disk: &'a Disk, topic_ids: &'a BTreeMap<String, TopicId>) -> Verifier<'a> {
        Verifier {
            disk,
            found: Verified::default(),
            remedies: Vec::new(),
            topic_ids,
            starts: Offsets::new(),
            is_clean: false,
        }
    }

    /// The files of the log directory itself: identity, checkpoints, the mark of a clean stop.
    pub(crate) fn files_of(&mut self, dir: &Path, listed: &[DirEntry]) -> Files {
        match MetaProperties::read(self.disk, dir) {
            Ok(Some(_)) => (),
            Ok(None) => self.tell(
                &dir.join(meta_properties::FILE),
                Gravity::Records,
                "is missing: no node starts on this folder; is it a log directory?".to_owned(),
            ),
            Err(error) => {
                self.tell(&dir.join(meta_properties::FILE), Gravity::Records, error.to_string());
            }
        }
        let mut checkpoints = Files::new();
        for entry in listed.iter().filter(|entry| !entry.is_dir) {
            let path = dir.join(&entry.name);
            match CHECKPOINTS.into_iter().find(|name| *name == entry.name) {
                Some(name) => checkpoints.extend(self.read(&path).map(|bytes| (name, bytes))),
                None if OTHERS.contains(&entry.name.as_str()) => (),
                None => self.note(&path, "is no file of a log directory; nobody reads it"),
            }
        }
        self.is_clean = listed.iter().any(|entry| entry.name == clean_shutdown::FILE);
        let starts = checkpoints.iter().find(|(name, _)| *name == checkpoint::LOG_STARTS);
        self.starts = starts.map_or_else(Offsets::new, |(_, bytes)| checkpoint::salvage(bytes));
        checkpoints
    }

    /// The checkpoints, when they are looked at again.
    pub(crate) fn checkpoints_of(&mut self, dir: &Path) -> Files {
        let paths = CHECKPOINTS.into_iter().map(|name| (name, dir.join(name)));
        let paths: Vec<_> = paths.filter(|(_, path)| self.disk.exists(path)).collect();
        paths.into_iter().filter_map(|(name, path)| Some((name, self.read(&path)?))).collect()
    }

    /// The names of the partitions' directories.
    pub(crate) fn partitions_of(&mut self, dir: &Path, listed: &[DirEntry]) -> Vec<String> {
        let mut names = Vec::new();
        for entry in listed.iter().filter(|entry| entry.is_dir) {
            match parse_dir(&entry.name) {
                Some(_) => names.push(entry.name.clone()),
                None if entry.name == REMOTE_CACHE => {}
                None => {
                    let what = "is no partition's directory: a node does not start with it, nor \
                                does Apache Kafka; move it away";
                    self.tell(&dir.join(&entry.name), Gravity::Records, what.to_owned());
                }
            }
        }
        names
    }

    /// Offsets of the checkpoints against where the logs end. What no log can have is left out of
    /// the remedy: a start or a cleaner's place too much is worse than none.
    pub(crate) fn compare(&mut self, dir: &Path, checkpoints: &Files, ends: &Ends) {
        for (name, bytes) in checkpoints {
            let file = dir.join(name);
            let (offsets, broken) = match checkpoint::parse_offsets(bytes) {
                Ok(offsets) => (offsets, None),
                Err(what) => (checkpoint::salvage(bytes), Some(what)),
            };
            let mut right = Offsets::new();
            let mut wrong: Vec<String> = broken.into_iter().collect();
            for (key, offset) in &offsets {
                let dir = format!("{}-{}", key.0, key.1);
                match ends.get(&dir) {
                    None if dir == METADATA_DIR => (),
                    None => self.note(&file, &format!("tells of {dir}, which is not here")),
                    Some(Some(end)) if offset > end || offset.0 < 0 => {
                        wrong.push(format!("says {offset} of {dir}, whose log ends at {end}"));
                        if *name == checkpoint::HIGH_WATERMARKS {
                            right.insert(key.clone(), *end);
                        }
                        continue;
                    }
                    Some(_) => (),
                }
                right.insert(key.clone(), *offset);
            }
            for what in wrong {
                let text = checkpoint::format_offsets(&right).into_bytes();
                self.tell(&file, Gravity::Derived, what);
                self.remedy(Remedy::Replace(text));
            }
        }
    }

    fn read(&mut self, path: &Path) -> Option<Vec<u8>> {
        match self.disk.read(path) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                self.tell(path, Gravity::Records, format!("cannot be read: {error}"));
                None
            }
        }
    }

    fn note(&mut self, path: &Path, what: &str) {
        self.tell(path, Gravity::Note, what.to_owned());
    }

    fn tell(&mut self, path: &Path, gravity: Gravity, what: String) {
        let path = path.to_owned();
        self.found.findings.push(Finding { path, position: None, what, gravity });
    }

    fn tell_at(&mut self, path: &Path, position: u64, gravity: Gravity, what: String) {
        let (path, position) = (path.to_owned(), Some(position));
        self.found.findings.push(Finding { path, position, what, gravity });
    }

    /// What mends the last finding.
    fn remedy(&mut self, remedy: Remedy) {
        let last = self.found.findings.len().checked_sub(1);
        self.remedies.extend(last.map(|at| (at, remedy)));
    }
}
