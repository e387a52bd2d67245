//! linux.rs for systems without those calls: the same answers by plain reads and writes.
//!
//! Must hold: the list of functions is that of linux.rs.

use std::fs::File;
use std::io::{self, IoSlice};
use std::path::Path;

use rustix::fs::FlockOperation;
use rustix::io::Errno;
use tokio::net::tcp::OwnedWriteHalf;

use super::disk::{self, read_at, write_at};
use crate::Process;

/// Copies one buffer; 0 at the file's end.
pub(crate) async fn send_file(
    stream: &mut OwnedWriteHalf,
    file: &File,
    position: u64,
    len: u64,
) -> io::Result<u64> {
    super::copy_file(stream, file, position, len).await
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

/// There is no such call: the system writes when it likes.
pub(crate) fn start_writeback(_: &File, _: u64, _: u64) -> io::Result<()> {
    Ok(())
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

pub(crate) fn process() -> Process {
    let cpu_time = super::cpu_time();
    Process { cpu_time, resident_bytes: None, open_files: None, open_files_max: None }
}

/// Two locks: the record lock keeps other processes out, Java's too, and the lock of the open
/// file keeps out the other nodes of this process, which record locks do not see.
pub(crate) fn lock(file: &File) -> io::Result<()> {
    rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive)?;
    match rustix::fs::fcntl_lock(file, FlockOperation::NonBlockingLockExclusive) {
        // Both mean that another one holds it.
        Err(Errno::ACCESS | Errno::AGAIN) => Err(io::ErrorKind::WouldBlock.into()),
        result => Ok(result?),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[test]
    fn the_portable_calls_answer_as_those_of_linux() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("file");
        let file = disk::open(&path, crate::Open::CreateNew).unwrap();
        let parts = [IoSlice::new(b""), IoSlice::new(b"one"), IoSlice::new(b"two")];
        assert_eq!(write_vectored_at(&file, &parts, 2).unwrap(), 3);
        assert_eq!(write_vectored_at(&file, &[], 2).unwrap(), 0);
        let mut bytes = [0; 9];
        assert_eq!(read_at_resident(&file, &mut bytes, 2).unwrap(), Some(3));
        assert_eq!(&bytes[..3], b"one");
        start_writeback(&file, 0, 8).unwrap();
        super::super::system::start_writeback(&file, 0, 8).unwrap();
        allocate(&file, 10_000).unwrap();
        allocate(&file, 10).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 10_000);
        disk::create_dir_all(&folder.path().join("below/it")).unwrap();
        sync_tree(folder.path()).unwrap();

        lock(&file).unwrap();
        let again = disk::open(&path, crate::Open::ReadWrite).unwrap();
        assert_eq!(lock(&again).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn processor_time_is_known_everywhere() {
        let (here, linux) = (process(), super::super::system::process());
        assert!(linux.cpu_time >= here.cpu_time);
        assert!(linux.resident_bytes.is_some_and(|bytes| bytes > 100_000));
        let files = linux.open_files.zip(linux.open_files_max);
        assert!(files.is_some_and(|(open, max)| open > 2 && open < max), "{files:?}");
    }

    #[test]
    fn a_file_is_sent_by_copies() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let connect = tokio::net::TcpStream::connect(address);
            let (ours, theirs) = tokio::join!(connect, listener.accept());
            let (_read, mut write) = ours.unwrap().into_split();
            let folder = tempfile::TempDir::new().unwrap();
            let file = disk::open(&folder.path().join("file"), crate::Open::CreateNew).unwrap();
            assert_eq!(write_at(&file, b"0123456789", 0).unwrap(), 10);
            assert_eq!(send_file(&mut write, &file, 4, 3).await.unwrap(), 3);
            assert_eq!(send_file(&mut write, &file, 10, 3).await.unwrap(), 0);
            drop(write);
            let mut text = String::new();
            theirs.unwrap().0.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "456");
        });
    }
}
