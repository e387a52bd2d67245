//! Reads a log directory, ours or Apache Kafka's, and tells what in it is not as it must be.
//!
//! Every batch of every log is read whole, and everything derived from logs is compared with them.
//! Changes nothing, takes no lock, and does not need the node to be down; what a running node
//! writes meanwhile may be told as a torn end. One file for a partition's directory
//! (verify/partition.rs), one for a segment with what is beside it (verify/segment.rs). Memory is
//! that of one batch, and 24 bytes for each batch of one segment.
//!
//! Not here: the records of the metadata's own snapshots, and mending.

mod partition;
mod segment;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ottla_env::{DirEntry, Disk};
use ottla_wire::Offset;

use crate::checkpoint::{self, Offsets};
use crate::meta_properties::{self, MetaProperties};
use crate::names::{METADATA_DIR, parse_dir};
use crate::{clean_shutdown, reserve};

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

/// Verifies the log directory `dir`. `next` hears the name of each partition before it is read.
/// An error is that of listing `dir`; every other one is a finding.
pub fn verify(disk: &Disk, dir: &Path, next: &mut dyn FnMut(&str)) -> std::io::Result<Verified> {
    let mut verifier = Verifier { disk, found: Verified::default() };
    let entries = disk.list(dir)?;
    let checkpoints = verifier.files_of(dir, &entries);
    let mut ends = Ends::new();
    for entry in entries.iter().filter(|entry| entry.is_dir) {
        let path = dir.join(&entry.name);
        match parse_dir(&entry.name) {
            Some(_) => {
                next(&entry.name);
                ends.insert(entry.name.clone(), verifier.partition(&path));
            }
            None => verifier.note(&path, "is no partition's directory; nobody reads it"),
        }
    }
    for (file, offsets) in checkpoints {
        verifier.compare(&dir.join(file), &offsets, &ends);
    }
    Ok(verifier.found)
}

/// One run.
struct Verifier<'a> {
    disk: &'a Disk,
    found: Verified,
}

/// The files that stand in a log directory itself; those of the last names hold no offsets.
const CHECKPOINTS: [&str; 4] = [
    checkpoint::RECOVERY_POINTS,
    checkpoint::LOG_STARTS,
    checkpoint::HIGH_WATERMARKS,
    checkpoint::CLEANER_OFFSETS,
];
const OTHERS: [&str; 5] =
    [".lock", "bootstrap.checkpoint", clean_shutdown::FILE, reserve::FILE, meta_properties::FILE];

impl Verifier<'_> {
    /// The files of the log directory itself.
    fn files_of(&mut self, dir: &Path, entries: &[DirEntry]) -> Vec<(&'static str, Offsets)> {
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
        let mut checkpoints = Vec::new();
        for entry in entries.iter().filter(|entry| !entry.is_dir) {
            let path = dir.join(&entry.name);
            let known = CHECKPOINTS.into_iter().find(|name| *name == entry.name);
            match known {
                Some(name) => {
                    let Some(bytes) = self.read(&path) else { continue };
                    match checkpoint::parse_offsets(&bytes) {
                        Ok(offsets) => checkpoints.push((name, offsets)),
                        Err(what) => self.tell(&path, Gravity::Derived, what),
                    }
                }
                None if OTHERS.contains(&entry.name.as_str()) => (),
                None => self.note(&path, "is no file of a log directory; nobody reads it"),
            }
        }
        checkpoints
    }

    /// Offsets of a checkpoint against where the logs begin and end.
    fn compare(&mut self, file: &Path, offsets: &Offsets, ends: &Ends) {
        for ((topic, partition), offset) in offsets {
            let name = format!("{topic}-{partition}");
            match ends.get(&name) {
                None if name == METADATA_DIR => (),
                None => self.note(file, &format!("tells of {name}, which is not here")),
                Some(Some(end)) if offset > end => self.tell(
                    file,
                    Gravity::Derived,
                    format!("says {offset} of {name}, whose log ends at {end}"),
                ),
                Some(_) => (),
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
}

/// Where the log of each directory ends, as far as it can be read; none where it has no segment.
type Ends = BTreeMap<String, Option<Offset>>;
