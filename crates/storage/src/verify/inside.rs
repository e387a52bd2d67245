//! Whether a log is damaged in its middle: behind a batch that is not whole there are whole ones.
//!
//! A crash tears the end of a log; a log that was closed in order and has whole batches behind a
//! broken one was damaged later, and whoever cuts it there loses what was acknowledged. Must hold:
//! memory is bounded whatever the lengths in the file say.

use std::io;
use std::path::{Path, PathBuf};

use ottla_env::{Disk, File, Open};
use ottla_records::BatchView;

use crate::names::{FileKind, parse_file};
use crate::scan::{CHUNK_LARGE, Scan, ScanError};

/// So many bytes behind a broken batch are searched for a whole one, and so many are checked for
/// being one.
const SEARCHED_MAX: usize = 16 << 20;
const CHECKED_MAX: usize = 16 * SEARCHED_MAX;
/// Where a batch tells its format, and which one is looked for.
const MAGIC_AT: usize = 16;
const MAGIC: u8 = 2;

/// A batch in the middle of a log that is not whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// Where the batch begins.
    pub position: u64,
    /// What is wrong with it.
    pub what: String,
}

/// Looks for damage in the middle of the log in a partition's directory `dir`; its end may be torn.
/// Reads all of it. A directory that is not there has no damage.
///
/// # Errors
/// What the disk says, when it cannot be read.
pub fn damage_inside(disk: &Disk, dir: &Path) -> io::Result<Option<Damage>> {
    let listed = match disk.list(dir) {
        Ok(listed) => listed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let is_log = |name: &str| parse_file(name).is_some_and(|(_, kind)| kind == FileKind::Log);
    let mut broken: Option<Damage> = None;
    for entry in listed.iter().filter(|entry| is_log(&entry.name)) {
        let path = dir.join(&entry.name);
        let file = disk.open(&path, Open::Read)?;
        let len = file.len()?;
        if broken.is_some() {
            // The segment before this one is torn.
            if first_whole(&file, 0, len)? {
                return Ok(broken);
            }
            continue;
        }
        if let Some((position, what)) = first_broken(&file, len)? {
            broken = Some(Damage { path, position, what });
            if first_whole(&file, position + 1, len)? {
                return Ok(broken);
            }
        }
    }
    Ok(None)
}

fn first_broken(file: &File, len: u64) -> io::Result<Option<(u64, String)>> {
    let mut scan = Scan::new(file, 0, len, CHUNK_LARGE);
    loop {
        let position = scan.position();
        let next = scan.next().and_then(|placed| match placed {
            Some(placed) => scan.verify(&placed).map(|()| true),
            None => Ok(false),
        });
        match next {
            Ok(true) => (),
            Ok(false) | Err(ScanError::Cold) => return Ok(None),
            Err(ScanError::Io(error)) => return Err(error),
            Err(ScanError::Torn(what)) => return Ok(Some((position, what))),
        }
    }
}

/// Whether a whole batch begins somewhere from `from` on. What is no batch has no right checksum.
fn first_whole(file: &File, from: u64, len: u64) -> io::Result<bool> {
    let rest = usize::try_from(len.saturating_sub(from)).unwrap_or(SEARCHED_MAX);
    let mut bytes = vec![0; rest.min(SEARCHED_MAX)];
    file.read_exact_at(&mut bytes, from)?;
    let mut left = CHECKED_MAX;
    let is_whole = |at: usize| {
        let Some(batch) = BatchView::first(&bytes[at..]).ok().flatten() else { return false };
        left = left.saturating_sub(batch.bytes().len());
        left > 0 && batch.verify_crc().is_ok()
    };
    let ends = bytes.iter().enumerate().skip(MAGIC_AT);
    let mut begins = ends.filter(|(_, magic)| **magic == MAGIC).map(|(at, _)| at - MAGIC_AT);
    Ok(begins.any(is_whole))
}
