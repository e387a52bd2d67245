//! The calls that only Linux has, or has under this name: sendfile, preadv2, pwritev, syncfs,
//! sync_file_range, fallocate, locks of an open file, and what /proc tells of this process.
//!
//! portable.rs is the same list for other systems. Must hold: both answer alike, and a file
//! system without a call gets the plain way instead of an error.
#![expect(unsafe_code, reason = "the one place for calls that no safe library has")]

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::AsRawFd;
use std::path::Path;

use rustix::fs::{FallocateFlags, Mode, OFlags};
use rustix::io::{Errno, ReadWriteFlags};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;

use super::disk::{read_at, uninterrupted};
use crate::Process;

/// One call of sendfile, when the socket takes bytes; 0 at the file's end.
pub(crate) async fn send_file(
    stream: &mut OwnedWriteHalf,
    file: &File,
    position: u64,
    len: u64,
) -> io::Result<u64> {
    loop {
        let socket: &TcpStream = stream.as_ref();
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let call = || {
            let mut position = position;
            Ok(rustix::fs::sendfile(socket, file, Some(&mut position), len)? as u64)
        };
        match socket.async_io(Interest::WRITABLE, call).await {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // The file system does not give its pages away.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS)) => {
                break;
            }
            result => return result,
        }
    }
    super::copy_file(stream, file, position, len).await
}

pub(crate) fn read_at_resident(
    file: &File,
    buf: &mut [u8],
    position: u64,
) -> io::Result<Option<usize>> {
    let mut parts = [IoSliceMut::new(buf)];
    loop {
        match rustix::io::preadv2(file, &mut parts, position, ReadWriteFlags::NOWAIT) {
            Ok(read) => return Ok(Some(read)),
            Err(Errno::AGAIN) => return Ok(None),
            Err(Errno::INTR) => {}
            // The file system, the kernel (before 4.14) or its guard cannot tell.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::PERM) => break,
            Err(error) => return Err(error.into()),
        }
    }
    read_at(file, buf, position).map(Some)
}

pub(crate) fn write_vectored_at(
    file: &File,
    parts: &[IoSlice<'_>],
    position: u64,
) -> io::Result<usize> {
    let parts = &parts[..parts.len().min(PARTS_MAX)];
    uninterrupted(|| Ok(rustix::io::pwritev(file, parts, position)?))
}

pub(crate) fn allocate(file: &File, len: u64) -> io::Result<()> {
    if len == 0 {
        return Ok(());
    }
    match uninterrupted(|| Ok(rustix::fs::fallocate(file, FallocateFlags::empty(), 0, len)?)) {
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {
            super::disk::allocate_by_writing(file, len)
        }
        result => result,
    }
}

pub(crate) fn start_writeback(file: &File, position: u64, len: u64) -> io::Result<()> {
    let offset = |value: u64| i64::try_from(value).map_err(|_| io::ErrorKind::InvalidInput);
    let (position, len) = (offset(position)?, offset(len)?);
    let (file, flags) = (file.as_raw_fd(), libc::SYNC_FILE_RANGE_WRITE);
    // SAFETY: the descriptor is open while `file` is borrowed; the call takes numbers only.
    match unsafe { libc::sync_file_range(file, position, len, flags) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

pub(crate) fn sync_tree(path: &Path) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = rustix::fs::open(path, flags, Mode::empty())?;
    Ok(rustix::fs::syncfs(dir)?)
}

/// What /proc tells of this process; what it does not tell is none.
pub(crate) fn process() -> Process {
    let text = |name: &str| std::fs::read_to_string(format!("/proc/self/{name}")).ok();
    let number = |text: &str, line: &str, word: usize| -> Option<u64> {
        let rest = text.lines().find_map(|it| it.strip_prefix(line))?;
        rest.split_whitespace().nth(word)?.parse().ok()
    };
    let resident_kib = text("status").and_then(|text| number(&text, "VmRSS:", 0));
    Process {
        cpu_time: super::cpu_time(),
        resident_bytes: resident_kib.map(|kib| kib.saturating_mul(1024)),
        // The folder that is listed is open too, for as long as it is listed.
        open_files: std::fs::read_dir("/proc/self/fd")
            .ok()
            .map(|dir| (dir.count() as u64).saturating_sub(1)),
        open_files_max: text("limits").and_then(|text| number(&text, "Max open files", 0)),
    }
}

/// A lock of the open file description: it conflicts with the locks of Java and of other
/// processes, and with those of other nodes in this process, and ends with the file.
pub(crate) fn lock(file: &File) -> io::Result<()> {
    // SAFETY: flock is plain data of numbers, for which all zeros are valid values.
    let mut whole: libc::flock = unsafe { std::mem::zeroed() };
    whole.l_type = libc::F_WRLCK as libc::c_short;
    whole.l_whence = libc::SEEK_SET as libc::c_short;
    // SAFETY: the descriptor is open while `file` is borrowed, and the call reads one flock
    // that lives until it returns.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const whole) } {
        -1 => Err(match io::Error::last_os_error() {
            // Both mean that another one holds it.
            error if matches!(error.raw_os_error(), Some(libc::EACCES | libc::EAGAIN)) => {
                io::ErrorKind::WouldBlock.into()
            }
            error => error,
        }),
        _ => Ok(()),
    }
}

/// What the kernel takes in one vectored call (IOV_MAX).
const PARTS_MAX: usize = 1024;
