//! linux.rs for systems without those calls: the same answers by plain reads and writes.
//!
//! Must hold: the list of functions is that of linux.rs.

use std::fs::File;
use std::io::{self, IoSlice};
use std::path::Path;

use rustix::fs::FlockOperation;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;

use super::disk::{self, read_at, write_at};

/// Copies one buffer; 0 at the file's end.
pub(crate) async fn send_file(
    stream: &mut OwnedWriteHalf,
    file: &File,
    position: u64,
    len: u64,
) -> io::Result<u64> {
    let mut buffer = vec![0; usize::try_from(len).unwrap_or(usize::MAX).min(COPY_BYTES)];
    let read = read_at(file, &mut buffer, position)?;
    stream.write_all(&buffer[..read]).await?;
    Ok(read as u64)
}

pub(crate) fn read_at_resident(
    file: &File,
    buf: &mut [u8],
    position: u64,
) -> io::Result<Option<usize>> {
    read_at(file, buf, position).map(Some)
}

pub(crate) fn write_vectored_at(
    file: &File,
    parts: &[IoSlice<'_>],
    position: u64,
) -> io::Result<usize> {
    let first = parts.iter().find(|part| !part.is_empty());
    first.map_or(Ok(0), |part| write_at(file, part, position))
}

pub(crate) fn allocate(file: &File, len: u64) -> io::Result<()> {
    disk::allocate_by_writing(file, len)
}

pub(crate) fn sync_tree(path: &Path) -> io::Result<()> {
    for entry in disk::list(path)? {
        let path = path.join(entry.name);
        if entry.is_dir {
            sync_tree(&path)?;
        } else {
            disk::sync_dir(&path)?;
        }
    }
    disk::sync_dir(path)
}

/// Two locks: the record lock keeps other processes out, Java's too, and the lock of the open
/// file keeps out the other nodes of this process, which record locks do not see.
pub(crate) fn lock(file: &File) -> io::Result<()> {
    rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive)?;
    rustix::fs::fcntl_lock(file, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| io::ErrorKind::WouldBlock.into())
}

const COPY_BYTES: usize = 64 * 1024;
