//! What a log directory keeps back for a full disk: a file that holds nothing but space.
//!
//! What must go on then (metadata, groups, checkpoints, whatever deleting needs) gives it up piece
//! by piece; records of clients are refused until the file is whole again. Apache Kafka looks at
//! no plain file of this name. Must hold: nothing is ever read from the file, and its loss costs
//! nothing but what a full disk then allows.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ottla_env::{Disk, Open, Space};

/// The file's name in the log directory.
pub const FILE: &str = ".ottla_reserve";

/// Enough for 80,000 commits of a group's offset.
const BYTES_MAX: u64 = 16 << 20;
/// A small disk gives no more than one of so many parts of it.
const PART_OF_DISK: u64 = 32;
/// Space is given up in so many pieces.
const PIECES: u64 = 16;
/// With fewer pieces than this the node has to stop, as long as it can do so in order.
const PIECES_TO_STOP: u64 = 4;
/// What can wait, like new partitions, leaves so many of them.
const PIECES_TO_LEAVE: u64 = 8;
/// Pieces are whole blocks of every file system.
const BLOCK: u64 = 64 << 10;

/// How much of the reserve something may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// All of it: what deletes, what others wait for, what a stop in order needs.
    All,
    /// Half of it: what makes new partitions.
    Half,
}

/// The space that one directory keeps back.
#[derive(Debug)]
pub(crate) struct Reserve {
    disk: Disk,
    path: PathBuf,
    kept: Mutex<Kept>,
    /// Less is kept than should be, so that nobody else may take what becomes free.
    is_short: AtomicBool,
}

#[derive(Debug, Default)]
struct Kept {
    /// The file's length; none until it was looked at.
    bytes: Option<u64>,
    /// What it should be, as the size of the disk allows.
    whole: u64,
    /// Whether space was asked for that was not there.
    was_missed: bool,
}

impl Reserve {
    pub(crate) fn new(disk: Disk, directory: &Path) -> Reserve {
        let (kept, is_short) = (Mutex::default(), AtomicBool::new(false));
        Reserve { disk, path: directory.join(FILE), kept, is_short }
    }

    /// Whether some of it was given up and is not back.
    pub(crate) fn is_short(&self) -> bool {
        self.is_short.load(Ordering::Relaxed)
    }

    /// Whether what is left is only enough for stopping in order.
    pub(crate) fn is_used_up(&self) -> bool {
        let kept = self.kept();
        self.is_short() && kept.was_missed && kept.is_low()
    }

    /// Gives up a piece; answers whether there was one for this.
    pub(crate) fn give(&self, share: Share) -> bool {
        let mut kept = self.kept();
        self.is_short.store(true, Ordering::Relaxed);
        let bytes = self.look(&mut kept);
        if share == Share::Half && bytes <= PIECES_TO_LEAVE * kept.piece() {
            return false;
        }
        let left = bytes.saturating_sub(kept.piece());
        let cut = match bytes {
            0 => false,
            _ => self.cut(left).is_ok(),
        };
        if cut {
            kept.bytes = Some(left);
        }
        kept.was_missed |= !cut || kept.is_low();
        cut
    }

    /// Shortens the file. The sync is what makes the space free: a journal that could still bring
    /// it back keeps it until then.
    fn cut(&self, left: u64) -> io::Result<()> {
        let file = self.disk.open(&self.path, Open::ReadWrite)?;
        file.set_len(left)?;
        file.sync()
    }

    /// Takes what is missing, as far as the disk has room; looks at the disk only when something
    /// is missing.
    pub(crate) fn fill(&self) -> io::Result<()> {
        let mut kept = self.kept();
        if kept.is_whole() {
            return Ok(());
        }
        let directory = self.path.parent().unwrap_or(&self.path);
        let space = self.disk.space(directory)?;
        let bytes = self.look(&mut kept);
        kept.whole = whole(space.total_bytes);
        let room = space.usable_bytes / BLOCK * BLOCK;
        let next = kept.whole.min(bytes.saturating_add(room)).max(bytes);
        let file = self.disk.open(&self.path, Open::Create)?;
        // A file that was copied may be all holes, so that what it has is asked for too.
        match file.allocate(next) {
            Ok(()) => kept.bytes = Some(file.len()?),
            Err(error) if error.kind() == io::ErrorKind::StorageFull => file.set_len(bytes)?,
            Err(error) => return Err(error),
        }
        let is_short = kept.bytes < Some(kept.whole);
        kept.was_missed &= kept.is_low();
        if self.is_short.swap(is_short, Ordering::Relaxed) != is_short {
            let dir = directory.display();
            match is_short {
                true => tracing::warn!(%dir, "the disk has no room for the whole reserve"),
                false => tracing::info!(%dir, "there is room again, records are taken"),
            }
        }
        Ok(())
    }

    fn look(&self, kept: &mut Kept) -> u64 {
        *kept.bytes.get_or_insert_with(|| {
            self.disk.metadata(&self.path).map_or(0, |meta| if meta.is_dir { 0 } else { meta.len })
        })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn piece(&self) -> u64 {
        (self.whole / PIECES).max(BLOCK)
    }

    fn is_whole(&self) -> bool {
        self.whole > 0 && self.bytes == Some(self.whole)
    }

    fn is_low(&self) -> bool {
        self.bytes.unwrap_or(0) < PIECES_TO_STOP * self.piece()
    }
}

/// How much room a disk has beside the reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// Not even for a small batch.
    None,
    /// For some batches; whether it is full is told by those that were refused.
    Little,
    /// As much as is kept back, or more.
    Enough,
}

/// How much room that is.
pub(crate) fn room(space: &Space) -> Room {
    match space.usable_bytes {
        bytes if bytes < BLOCK => Room::None,
        bytes if bytes < whole(space.total_bytes) => Room::Little,
        _ => Room::Enough,
    }
}

/// How much is kept on a disk of this size, in whole pieces.
fn whole(total_bytes: u64) -> u64 {
    let part = (total_bytes / PART_OF_DISK).min(BYTES_MAX);
    (part / (PIECES * BLOCK) * (PIECES * BLOCK)).max(PIECES * BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_disk_gives_a_small_part_and_a_large_one_no_more_than_the_most() {
        assert_eq!(whole(1 << 40), BYTES_MAX);
        assert_eq!(whole(64 << 20), 2 << 20);
        assert_eq!(whole(1 << 20), PIECES * BLOCK);
    }
}
