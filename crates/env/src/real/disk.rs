//! The real disk: paths through the standard library.
//!
//! Not here: what systems have under different names (linux.rs, portable.rs).
//! Must hold: interrupted calls are repeated, other errors pass through as they came.
#![expect(clippy::disallowed_methods, reason = "this is the one place where the disk is real")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{saturating_ms, system};
use crate::{DirEntry, Meta, Open, Space};

pub(crate) fn create_dir_all(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

pub(crate) fn create_private_dir_all(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

pub(crate) fn open(path: &Path, how: Open) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(how != Open::Read);
    options.create(how == Open::Create).create_new(how == Open::CreateNew);
    options.open(path)
}

/// All bytes of a file. One that has no length, as a pipe, may bring up to `STREAM_BYTES_MAX`.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut bytes = Vec::new();
    if file.metadata()?.is_file() {
        file.read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    let read = file.take(STREAM_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if read as u64 > STREAM_BYTES_MAX { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

/// No configuration is longer, and a device may never end.
const STREAM_BYTES_MAX: u64 = 16 << 20;

pub(crate) fn list(path: &Path) -> io::Result<Vec<DirEntry>> {
    fs::read_dir(path)?
        .map(|entry| {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // Through a symbolic link, as a mounted log folder may be one.
            let is_dir = match entry.file_type()? {
                kind if kind.is_symlink() => fs::metadata(entry.path()).is_ok_and(|m| m.is_dir()),
                kind => kind.is_dir(),
            };
            Ok(DirEntry { name, is_dir })
        })
        .collect()
}

pub(crate) fn metadata(path: &Path) -> io::Result<Meta> {
    let meta = fs::metadata(path)?;
    let modified_ms = unix_ms(meta.modified()?);
    Ok(Meta { len: meta.len(), modified_ms, is_dir: meta.is_dir() })
}

pub(crate) fn set_modified_ms(path: &Path, modified_ms: i64) -> io::Result<()> {
    let offset = Duration::from_millis(modified_ms.unsigned_abs());
    let time = if modified_ms < 0 {
        UNIX_EPOCH.checked_sub(offset)
    } else {
        UNIX_EPOCH.checked_add(offset)
    };
    let time = time.ok_or(io::ErrorKind::InvalidInput)?;
    File::open(path)?.set_modified(time)
}

pub(crate) fn set_read_only(path: &Path) -> io::Result<()> {
    let mut permissions = fs::metadata(path)?.permissions();
    permissions.set_readonly(true);
    fs::set_permissions(path, permissions)
}

pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

pub(crate) fn remove_dir_all(path: &Path) -> io::Result<()> {
    fs::remove_dir_all(path)
}

pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

pub(crate) fn sync_tree(path: &Path) -> io::Result<()> {
    system::sync_tree(path)
}

pub(crate) fn lock(path: &Path) -> io::Result<File> {
    let file = open(path, Open::Create)?;
    system::lock(&file)?;
    Ok(file)
}

pub(crate) fn space(path: &Path) -> io::Result<Space> {
    let space = rustix::fs::statvfs(path)?;
    let bytes = |blocks: u64| blocks.saturating_mul(space.f_frsize);
    Ok(Space { total_bytes: bytes(space.f_blocks), usable_bytes: bytes(space.f_bavail) })
}

pub(crate) fn open_files_max() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

pub(crate) fn read_at(file: &File, buf: &mut [u8], position: u64) -> io::Result<usize> {
    uninterrupted(|| file.read_at(buf, position))
}

pub(crate) fn write_at(file: &File, bytes: &[u8], position: u64) -> io::Result<usize> {
    uninterrupted(|| file.write_at(bytes, position))
}

/// How much of `len` bytes is written at `position` in one call: all of it when it is not long,
/// else as far as the next boundary of [`PIECE`].
pub(crate) fn piece(position: u64, len: usize) -> usize {
    if len <= 2 * PIECE {
        return len;
    }
    let behind = position % PIECE as u64;
    PIECE - usize::try_from(behind).expect("it is less than a piece")
}

/// Repeats a call that a signal interrupted.
pub(crate) fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

pub(crate) fn unix_ms(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => saturating_ms(after),
        Err(before) => -saturating_ms(before.duration()),
    }
}

/// Reserves space on a file system without a call for it: zeros after the end.
pub(crate) fn allocate_by_writing(file: &File, len: u64) -> io::Result<()> {
    let zeros = [0; 8192];
    let mut position = file.metadata()?.len();
    while position < len {
        let wanted = usize::try_from(len - position).unwrap_or(usize::MAX).min(zeros.len());
        position += write_at(file, &zeros[..wanted], position)? as u64;
    }
    Ok(())
}

/// The page cache takes memory in blocks as large as a write allows. Blocks of 128 KiB and more are
/// what a virtual machine gives back to its host when they are free, and touching one again costs a
/// fault there: with writes of 1 MiB such a machine took 2.2 CPU-seconds per GB, with these 0.25.
/// Where memory is the machine's own, the additional calls cost about 0.02.
const PIECE: usize = 32 << 10;
