//! Mends a log directory that no node has open: what is derived from logs is made anew, and what
//! cannot be mended is told.
//!
//! What is wrong, and what mends it, comes from `verify`; this file obeys. Must hold: no byte of a
//! log goes without leave, and then it is on the disk in another place before it goes; a file is
//! the old one or the new one whenever the power goes; what is wrong afterwards is in the answer.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use ottla_env::{Disk, FileLock, Open};
use ottla_wire::TopicId;

use crate::dirs::LOCK;
use crate::error::StorageError;
use crate::verify::{Ends, Finding, Gravity, Remedy, Verified, Verifier};

/// What a repair may do.
#[derive(Clone, Debug)]
pub struct Repairing {
    /// Nothing is changed; the answer tells what would be.
    pub dry_run: bool,
    /// A log with a batch that is not whole ends before that batch.
    pub truncate_torn_tail: bool,
    /// The directory for what is cut off; made when something is. It must not be a log directory
    /// or lie in one.
    pub aside: PathBuf,
    /// The ids of topics, as the metadata of the cluster has them.
    pub topic_ids: BTreeMap<String, TopicId>,
}

/// Something that was mended, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mended {
    /// What was wrong.
    pub finding: Finding,
    /// What was done about it.
    pub how: Mending,
}

/// How a file is mended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mending {
    /// It was made anew.
    Rebuilt,
    /// It was removed: nobody needs it.
    Removed,
    /// The log was cut.
    Cut {
        /// So many bytes of the log.
        bytes: u64,
        /// So many files of segments behind it.
        files: usize,
    },
}

/// What came of a repair.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// In the order in which it was done.
    pub mended: Vec<Mended>,
    /// The directory as it is now; in a dry run, as it is.
    pub left: Verified,
}

/// What is mended may show what else is wrong; this often at most.
const ROUNDS_MAX: usize = 8;
/// So much is copied at a time.
const COPY_BYTES: usize = 1 << 20;

/// Repairs the log directory `dir`. `next` hears the name of each partition before it is read.
///
/// # Errors
/// A directory that cannot be listed or that another process has open is refused; a disk that
/// fails ends the repair, and what was mended until then is mended.
pub fn repair(
    disk: &Disk,
    dir: &Path,
    how: &Repairing,
    next: &mut dyn FnMut(&str),
) -> Result<Repaired, StorageError> {
    let listed = disk.list(dir).map_err(StorageError::io("list", dir))?;
    let _held = lock(disk, dir, how)?;
    let mut repair = Repair { disk, dir, how, done: Repaired::default() };
    let mut whole = Verifier::new(disk, &how.topic_ids);
    let checkpoints = whole.files_of(dir, &listed);
    let mut ends = Ends::new();
    for name in whole.partitions_of(dir, &listed) {
        next(&name);
        let end = repair.rounds(&mut whole, |verifier| verifier.partition(dir, &name))?;
        ends.insert(name, end);
    }
    let mut checkpoints = Some(checkpoints);
    repair.rounds(&mut whole, |verifier| {
        let files = checkpoints.take().unwrap_or_else(|| verifier.checkpoints_of(dir));
        verifier.compare(dir, &files, &ends);
    })?;
    repair.done.left = whole.found;
    Ok(repair.done)
}

/// Keeps nodes out, as a node keeps others out. A dry run makes no file for that.
fn lock(disk: &Disk, dir: &Path, how: &Repairing) -> Result<Option<FileLock>, StorageError> {
    let path = dir.join(LOCK);
    if how.dry_run && !disk.exists(&path) {
        return Ok(None);
    }
    disk.lock(&path).map(Some).map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock => StorageError::Refused(format!(
            "log directory {} is in use by another process: stop it first",
            dir.display()
        )),
        _ => StorageError::io("lock", &path)(error),
    })
}

struct Repair<'a> {
    disk: &'a Disk,
    dir: &'a Path,
    how: &'a Repairing,
    done: Repaired,
}

impl Repair<'_> {
    /// Verifies and mends a part of the directory until there is nothing that can be mended.
    fn rounds<T>(
        &mut self,
        verifier: &mut Verifier<'_>,
        mut verify: impl FnMut(&mut Verifier<'_>) -> T,
    ) -> Result<T, StorageError> {
        let before = verifier.found.clone();
        for round in 1.. {
            let result = verify(verifier);
            let remedies = self.choose(std::mem::take(&mut verifier.remedies));
            for (finding, remedy) in &remedies {
                let finding = verifier.found.findings[*finding].clone();
                let how = self.apply(&finding.path, remedy)?;
                self.done.mended.push(Mended { finding, how });
            }
            if remedies.is_empty() || self.how.dry_run || round == ROUNDS_MAX {
                return Ok(result);
            }
            // It is as if this part had not been looked at.
            verifier.found = before.clone();
        }
        unreachable!("the last round returns")
    }

    /// The remedies that are allowed. Where a log is cut everything else waits for the next round:
    /// it may be of files that go.
    fn choose(&self, mut remedies: Vec<(usize, Remedy)>) -> Vec<(usize, Remedy)> {
        let is_cut = |(_, remedy): &(usize, Remedy)| matches!(remedy, Remedy::Cut { .. });
        if self.how.truncate_torn_tail && remedies.iter().any(is_cut) {
            remedies.retain(is_cut);
        } else {
            remedies.retain(|remedy| !is_cut(remedy));
        }
        remedies
    }

    fn apply(&self, path: &Path, remedy: &Remedy) -> Result<Mending, StorageError> {
        let is_dry = self.how.dry_run;
        match remedy {
            Remedy::Replace(bytes) => {
                if !is_dry {
                    self.disk.replace(path, bytes).map_err(StorageError::io("write", path))?;
                }
                Ok(Mending::Rebuilt)
            }
            Remedy::Remove => {
                if !is_dry {
                    self.remove(path)?;
                }
                Ok(Mending::Removed)
            }
            Remedy::Cut { at, behind } => {
                let len = self.disk.metadata(path).map_err(StorageError::io("look at", path))?.len;
                if !is_dry {
                    self.cut(path, *at, behind)?;
                }
                Ok(Mending::Cut { bytes: len.saturating_sub(*at), files: behind.len() })
            }
        }
    }

    fn remove(&self, path: &Path) -> Result<(), StorageError> {
        let parent = path.parent().unwrap_or(self.dir);
        let removed = self.disk.remove_file(path).and_then(|()| self.disk.sync_dir(parent));
        removed.map_err(StorageError::io("remove", path))
    }

    /// Ends the log before the byte `at`, once all that goes is in the other place.
    fn cut(&self, path: &Path, at: u64, behind: &[PathBuf]) -> Result<(), StorageError> {
        self.set_aside(path, at)?;
        behind.iter().try_for_each(|file| self.set_aside(file, 0))?;
        // The newest goes first: whatever is left in between begins where the log begins.
        behind.iter().rev().try_for_each(|file| self.remove(file))?;
        let file = self.disk.open(path, Open::ReadWrite).map_err(StorageError::io("open", path))?;
        file.set_len(at).and_then(|()| file.sync()).map_err(StorageError::io("cut", path))
    }

    /// Copies a file from byte `at` on to where nothing is.
    fn set_aside(&self, path: &Path, at: u64) -> Result<(), StorageError> {
        let inside = path.strip_prefix(self.dir).unwrap_or(path);
        let mut name = self.how.aside.join(inside).into_os_string();
        if at > 0 {
            name.push(format!(".from-{at}"));
        }
        let mut name = PathBuf::from(name);
        let folder = name.parent().unwrap_or(&self.how.aside).to_path_buf();
        self.disk.create_dir_all(&folder).map_err(StorageError::io("create", &folder))?;
        // An earlier repair, whether it came to its end or not, may have set aside the same.
        let target = loop {
            match self.disk.open(&name, Open::CreateNew) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    let mut again = name.into_os_string();
                    again.push(".again");
                    name = PathBuf::from(again);
                }
                opened => break opened.map_err(StorageError::io("write", &name))?,
            }
        };
        let source = self.disk.open(path, Open::Read).map_err(StorageError::io("open", path))?;
        let len = source.len().map_err(StorageError::io("read the length of", path))?;
        let mut bytes = Vec::new();
        let mut position = at;
        while position < len {
            let part = usize::try_from(len - position).unwrap_or(COPY_BYTES).min(COPY_BYTES);
            bytes.resize(part, 0);
            source.read_exact_at(&mut bytes, position).map_err(StorageError::io("read", path))?;
            let written = target.write_all_at(&bytes, position - at);
            written.map_err(StorageError::io("write", &name))?;
            position += part as u64;
        }
        let synced = target.sync().and_then(|()| self.disk.sync_tree(&self.how.aside));
        synced.map_err(StorageError::io("sync", &name))
    }
}

impl Repaired {
    /// Whether nothing is wrong any more.
    pub fn is_sound(&self) -> bool {
        self.left.findings.iter().all(|finding| finding.gravity == Gravity::Note)
    }
}
