//! The disk: folders by path, files by position.
//!
//! Not here: any idea of what lies in a file. All calls are synchronous; whoever must not block
//! wraps them in `Env::blocking`.
//! Must hold: durability has the words of a journaling file system. File bytes last after
//! [`File::sync`]; a name (created, renamed, removed) lasts after [`Disk::sync_dir`] of its
//! folder; [`Disk::replace`] does both. Only positional I/O, so a file has no shared cursor.

use std::fmt;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::real;
use crate::sim_api::{SimDisk, SimFile};

/// The disk of one node.
#[derive(Clone)]
pub struct Disk {
    kind: DiskKind,
}

#[derive(Clone)]
enum DiskKind {
    Real,
    Sim(Arc<dyn SimDisk>),
}

/// How a file is opened; it is never truncated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Open {
    /// For reading; the file must be there.
    Read,
    /// For reading and writing; the file must be there.
    ReadWrite,
    /// For reading and writing; made empty when it is not there.
    Create,
    /// For reading and writing; it must not be there.
    CreateNew,
}

/// One name in a folder.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct DirEntry {
    /// The name without the folder's path.
    pub name: String,
    /// Whether it is a folder.
    pub is_dir: bool,
}

/// What the disk knows about a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Meta {
    /// The length in bytes; without meaning for a folder.
    pub len: u64,
    /// When the content was last changed, in milliseconds since 1970.
    pub modified_ms: i64,
    /// Whether it is a folder.
    pub is_dir: bool,
}

#[expect(clippy::missing_errors_doc, reason = "every error is the operating system's")]
impl Disk {
    pub(crate) fn real() -> Disk {
        Disk { kind: DiskKind::Real }
    }

    pub(crate) fn simulated(disk: Arc<dyn SimDisk>) -> Disk {
        Disk { kind: DiskKind::Sim(disk) }
    }

    /// Makes a folder and those above it that are missing.
    pub fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        match &self.kind {
            DiskKind::Real => real::disk::create_dir_all(path),
            DiskKind::Sim(disk) => disk.create_dir_all(path),
        }
    }

    /// Makes a folder that only its owner may enter (mode 0700), and those above it.
    pub fn create_private_dir_all(&self, path: &Path) -> io::Result<()> {
        match &self.kind {
            DiskKind::Real => real::disk::create_private_dir_all(path),
            DiskKind::Sim(disk) => disk.create_dir_all(path),
        }
    }

    /// Opens a file.
    pub fn open(&self, path: &Path, how: Open) -> io::Result<File> {
        Ok(match &self.kind {
            DiskKind::Real => File::new(FileKind::Real(Arc::new(real::disk::open(path, how)?))),
            DiskKind::Sim(disk) => File::new(FileKind::Sim(disk.open(path, how)?)),
        })
    }

    /// The whole content of a file; what comes through a pipe, up to 16 MiB, too.
    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match &self.kind {
            DiskKind::Real => real::disk::read(path),
            DiskKind::Sim(disk) => {
                let file = disk.open(path, Open::Read)?;
                let len = usize::try_from(file.len()?).map_err(|_| io::ErrorKind::FileTooLarge)?;
                let mut bytes = vec![0; len];
                let read = file.read_at(&mut bytes, 0)?;
                bytes.truncate(read);
                Ok(bytes)
            }
        }
    }

    /// Makes `bytes` the whole content of a file, without syncing anything.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let file = self.open(path, Open::Create)?;
        file.set_len(0)?;
        file.write_all_at(bytes, 0)
    }

    /// Makes `bytes` the whole content of a file in one step that lasts: after a power cut the
    /// file is the old one or the new one. Goes through `<path>.tmp`, which it overwrites.
    pub fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".tmp");
        let temporary = PathBuf::from(temporary);
        let file = self.open(&temporary, Open::Create)?;
        file.set_len(0)?;
        file.write_all_at(bytes, 0)?;
        file.sync()?;
        self.rename(&temporary, path)?;
        self.sync_dir(parent(path))
    }

    /// The names in a folder, sorted.
    pub fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = match &self.kind {
            DiskKind::Real => real::disk::list(path)?,
            DiskKind::Sim(disk) => disk.list(path)?,
        };
        entries.sort_unstable();
        Ok(entries)
    }

    /// Whether there is something at this path.
    pub fn exists(&self, path: &Path) -> bool {
        self.metadata(path).is_ok()
    }

    /// Length, time of change and kind.
    pub fn metadata(&self, path: &Path) -> io::Result<Meta> {
        match &self.kind {
            DiskKind::Real => real::disk::metadata(path),
            DiskKind::Sim(disk) => disk.metadata(path),
        }
    }

    /// Sets the time of the last change.
    pub fn set_modified_ms(&self, path: &Path, modified_ms: i64) -> io::Result<()> {
        match &self.kind {
            DiskKind::Real => real::disk::set_modified_ms(path, modified_ms),
            DiskKind::Sim(disk) => disk.set_modified_ms(path, modified_ms),
        }
    }

    /// Forbids opening the file for writing from here on.
    pub fn set_read_only(&self, path: &Path) -> io::Result<()> {
        match &self.kind {
            DiskKind::Real => real::disk::set_read_only(path),
            DiskKind::Sim(disk) => disk.set_read_only(path),
        }
    }

    /// Renames a file or folder, in place of what was there. Open files stay open.
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        match &self.kind {
            DiskKind::Real => real::disk::rename(from, to),
            DiskKind::Sim(disk) => disk.rename(from, to),
        }
    }

    /// Removes a file's name; who has it open may go on reading.
    pub fn remove_file(&self, path: &Path) -> io::Result<()> {
        match &self.kind {
            DiskKind::Real => real::disk::remove_file(path),
            DiskKind::Sim(disk) => disk.remove_file(path),
        }
    }

    /// Removes a folder with all that is in it.
    pub fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        match &self.kind {
            DiskKind::Real => real::disk::remove_dir_all(path),
            DiskKind::Sim(disk) => disk.remove_dir_all(path),
        }
    }

    /// Makes the names in a folder last.
    pub fn sync_dir(&self, path: &Path) -> io::Result<()> {
        match &self.kind {
            DiskKind::Real => real::disk::sync_dir(path),
            DiskKind::Sim(disk) => disk.sync_dir(path),
        }
    }

    /// Makes everything below a folder last, names and bytes, in one call where the system has
    /// one (it then syncs the whole file system).
    pub fn sync_tree(&self, path: &Path) -> io::Result<()> {
        match &self.kind {
            DiskKind::Real => real::disk::sync_tree(path),
            DiskKind::Sim(disk) => disk.sync_tree(path),
        }
    }

    /// Takes the lock of the file at `path`, made when it is not there; held until the result
    /// is dropped. It excludes other processes, Java's `FileChannel.tryLock` too, and other
    /// nodes of this process.
    ///
    /// # Errors
    /// `WouldBlock` when someone else holds it.
    pub fn lock(&self, path: &Path) -> io::Result<FileLock> {
        Ok(FileLock {
            _held: match &self.kind {
                DiskKind::Real => Box::new(real::disk::lock(path)?),
                DiskKind::Sim(disk) => disk.lock(path)?,
            },
        })
    }

    /// How many files and sockets this process, or simulated node, may have open at a time; none
    /// when there is no limit.
    pub fn open_files_max(&self) -> Option<u64> {
        match &self.kind {
            DiskKind::Real => real::disk::open_files_max(),
            DiskKind::Sim(disk) => disk.open_files_max(),
        }
    }

    /// How large the disk is that holds `path`, and how much of it can still be written.
    pub fn space(&self, path: &Path) -> io::Result<Space> {
        match &self.kind {
            DiskKind::Real => real::disk::space(path),
            DiskKind::Sim(disk) => disk.space(path),
        }
    }
}

/// The room on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// All of it, in bytes.
    pub total_bytes: u64,
    /// What can still be written, in bytes.
    pub usable_bytes: u64,
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disk")
    }
}

/// The folder that holds `path`.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A lock that keeps others out of a folder until it is dropped.
pub struct FileLock {
    _held: Box<dyn Send + Sync>,
}

impl fmt::Debug for FileLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileLock")
    }
}

/// An open file. Cheap to clone; the file closes with its last clone.
#[derive(Clone)]
pub struct File {
    kind: FileKind,
    owner: Option<Arc<OnFault>>,
}

/// Hears that a file of his could not be read, by somebody who was only given it to send.
pub type OnFault = dyn Fn(&io::Error) + Send + Sync;

#[derive(Clone)]
enum FileKind {
    Real(Arc<std::fs::File>),
    Sim(Arc<dyn SimFile>),
}

#[expect(clippy::missing_errors_doc, reason = "every error is the operating system's")]
impl File {
    fn new(kind: FileKind) -> File {
        File { kind, owner: None }
    }

    /// Lets `owner` hear what `tell_fault` is told of this file.
    #[must_use]
    pub fn owned_by(self, owner: Arc<OnFault>) -> File {
        File { owner: Some(owner), ..self }
    }

    /// Tells the owner, if there is one, that the file could not be read.
    pub fn tell_fault(&self, error: &io::Error) {
        if let Some(owner) = &self.owner {
            owner(error);
        }
    }

    /// Reads at most `buf.len()` bytes; 0 at the file's end.
    pub fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        match &self.kind {
            FileKind::Real(file) => real::disk::read_at(file, buf, position),
            FileKind::Sim(file) => file.read_at(buf, position),
        }
    }

    /// Fills `buf`.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file ends earlier.
    pub fn read_exact_at(&self, buf: &mut [u8], position: u64) -> io::Result<()> {
        let mut filled = 0;
        while filled < buf.len() {
            match self.read_at(&mut buf[filled..], position + filled as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => filled += read,
            }
        }
        Ok(())
    }

    /// Reads what is in memory already: None when the first byte would have to wait for the
    /// disk. May read less than is resident; where the system cannot tell, it just reads.
    pub fn read_at_resident(&self, buf: &mut [u8], position: u64) -> io::Result<Option<usize>> {
        match &self.kind {
            FileKind::Real(file) => real::system::read_at_resident(file, buf, position),
            FileKind::Sim(file) => file.read_at_resident(buf, position),
        }
    }

    /// Writes some of `bytes`, and says how many.
    pub fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize> {
        match &self.kind {
            FileKind::Real(file) => real::disk::write_at(file, bytes, position),
            FileKind::Sim(file) => file.write_at(bytes, position),
        }
    }

    /// Writes all of `bytes`. After an error part of them may be written.
    pub fn write_all_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.write_all_vectored_at(&[IoSlice::new(bytes)], position)
    }

    /// Writes all parts one after the other, in one call where the system has one and they are
    /// not long. After an error some bytes may be written.
    pub fn write_all_vectored_at(&self, parts: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        let total: usize = parts.iter().map(|part| part.len()).sum();
        let (mut first, mut skip, mut done) = (0, 0, 0);
        while done < total {
            let at = position + done as u64;
            while parts[first].len() == skip {
                (first, skip) = (first + 1, 0);
            }
            let mut written = match &self.kind {
                FileKind::Real(file) => {
                    let room = real::disk::piece(at, total - done);
                    let part = &parts[first][skip..];
                    match parts.get(first + 1) {
                        Some(next) if part.len() < room => {
                            let next = &next[..next.len().min(room - part.len())];
                            let two = [IoSlice::new(part), IoSlice::new(next)];
                            real::system::write_vectored_at(file, &two, at)?
                        }
                        _ => self.write_at(&part[..part.len().min(room)], at)?,
                    }
                }
                FileKind::Sim(_) => self.write_at(&parts[first][skip..], at)?,
            };
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            done += written;
            while written > 0 {
                let step = written.min(parts[first].len() - skip);
                (skip, written) = (skip + step, written - step);
                if written > 0 {
                    (first, skip) = (first + 1, 0);
                }
            }
        }
        Ok(())
    }

    /// The length in bytes.
    pub fn len(&self) -> io::Result<u64> {
        match &self.kind {
            FileKind::Real(file) => Ok(file.metadata()?.len()),
            FileKind::Sim(file) => file.len(),
        }
    }

    /// Whether there is no byte in it.
    pub fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Cuts the file or lengthens it with zeros, which take no space.
    pub fn set_len(&self, len: u64) -> io::Result<()> {
        match &self.kind {
            FileKind::Real(file) => file.set_len(len),
            FileKind::Sim(file) => file.set_len(len),
        }
    }

    /// Reserves the space of the first `len` bytes, and lengthens the file to them: writes there
    /// cannot fail for want of space.
    pub fn allocate(&self, len: u64) -> io::Result<()> {
        match &self.kind {
            FileKind::Real(file) => real::system::allocate(file, len),
            FileKind::Sim(file) => file.allocate(len),
        }
    }

    /// Asks the system to begin writing these bytes to the disk, where it knows how to. That is
    /// no sync: it says nothing about what lasts, and an error of the disk is told by the next
    /// [`File::sync`] in any case. Waits for as long as the disk takes no more orders.
    pub fn start_writeback(&self, position: u64, len: u64) -> io::Result<()> {
        match &self.kind {
            FileKind::Real(file) => real::system::start_writeback(file, position, len),
            FileKind::Sim(_) => Ok(()),
        }
    }

    /// Makes the content and length last (fdatasync). After an error the state of what was
    /// written since the last sync is unknown: reading it back proves nothing.
    pub fn sync(&self) -> io::Result<()> {
        match &self.kind {
            FileKind::Real(file) => file.sync_data(),
            FileKind::Sim(file) => file.sync(),
        }
    }

    pub(crate) fn as_real(&self) -> Option<&std::fs::File> {
        match &self.kind {
            FileKind::Real(file) => Some(file),
            FileKind::Sim(_) => None,
        }
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            FileKind::Real(file) => file.fmt(f),
            FileKind::Sim(_) => f.write_str("File"),
        }
    }
}
