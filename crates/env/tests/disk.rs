//! The real disk, in a folder that ends with the test.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

use std::io::{ErrorKind, IoSlice};

use ottla_env::{DirEntry, Disk, Env, Open};
use tempfile::TempDir;

/// A disk and an empty folder on it.
fn disk() -> (Disk, TempDir) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    (Env::real(runtime.handle().clone()).disk().clone(), TempDir::new().unwrap())
}

#[test]
fn files_are_read_and_written_at_positions() {
    let (disk, dir) = disk();
    let path = dir.path().join("file");
    assert_eq!(disk.open(&path, Open::Read).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(disk.open(&path, Open::ReadWrite).unwrap_err().kind(), ErrorKind::NotFound);
    let file = disk.open(&path, Open::CreateNew).unwrap();
    assert_eq!(disk.open(&path, Open::CreateNew).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert!(file.is_empty().unwrap());
    file.write_all_at(b"hello world", 3).unwrap();
    file.write_all_at(b"w", 0).unwrap();
    let again = disk.open(&path, Open::Create).unwrap();
    assert_eq!(again.len().unwrap(), 14, "opening does not cut");
    let mut bytes = [9; 5];
    again.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"w\0\0he");
    assert_eq!(again.read_at(&mut bytes, 12).unwrap(), 2);
    assert_eq!(again.read_at(&mut bytes, 99).unwrap(), 0);
    let short = again.read_exact_at(&mut bytes, 12).unwrap_err();
    assert_eq!(short.kind(), ErrorKind::UnexpectedEof);
    file.set_len(4).unwrap();
    file.allocate(100).unwrap();
    file.allocate(50).unwrap();
    assert_eq!(again.len().unwrap(), 100);
    file.sync().unwrap();
    let reader = disk.open(&path, Open::Read).unwrap();
    assert!(reader.write_at(b"x", 0).is_err());
}

#[test]
fn vectored_writes_are_whole_for_any_parts() {
    let (disk, dir) = disk();
    let file = disk.open(&dir.path().join("file"), Open::CreateNew).unwrap();
    // More parts than one system call takes, with empty ones in between.
    let parts: Vec<Vec<u8>> = (0..3000_usize).map(|n| vec![n.to_le_bytes()[0]; n % 7]).collect();
    let whole = parts.concat();
    let slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
    file.write_all_vectored_at(&slices, 5).unwrap();
    file.write_all_vectored_at(&[], 0).unwrap();
    file.write_all_vectored_at(&[IoSlice::new(&[])], 0).unwrap();
    let bytes = disk.read(&dir.path().join("file")).unwrap();
    assert_eq!(bytes[..5], [0; 5]);
    assert!(bytes[5..] == whole);
}

#[test]
fn long_writes_are_whole_wherever_they_begin() {
    let (disk, dir) = disk();
    let path = dir.path().join("file");
    for (first, second) in [(61, 16_000), (61, 300_000), (300_000, 61), (40_000, 40_000)] {
        let whole: Vec<u8> = (0..first + second).map(|n: u32| n.to_le_bytes()[0] ^ 7).collect();
        let (head, rest) = whole.split_at(first as usize);
        for position in [0, 1, 32_767, 32_768, 100_000] {
            let file = disk.open(&path, Open::Create).unwrap();
            file.set_len(0).unwrap();
            let parts = [IoSlice::new(head), IoSlice::new(rest)];
            file.write_all_vectored_at(&parts, position).unwrap();
            let written = disk.read(&path).unwrap();
            assert!(written[usize::try_from(position).unwrap()..] == whole, "{first} {position}");
        }
    }
}

#[test]
fn resident_bytes_are_read_without_waiting() {
    let (disk, dir) = disk();
    let path = dir.path().join("file");
    disk.write(&path, b"just written").unwrap();
    let file = disk.open(&path, Open::Read).unwrap();
    let mut bytes = [0; 4];
    // What was written a moment ago is in memory, unless the machine is short of it.
    if let Some(read) = file.read_at_resident(&mut bytes, 5).unwrap() {
        assert_eq!((read, &bytes), (4, b"writ"));
    }
    assert_eq!(file.read_at_resident(&mut bytes, 100).unwrap(), Some(0));
}

#[test]
fn replace_leaves_the_new_content_and_no_temporary_file() {
    let (disk, dir) = disk();
    let path = dir.path().join("meta.properties");
    disk.write(&dir.path().join("meta.properties.tmp"), b"left by an earlier crash").unwrap();
    disk.replace(&path, b"old and longer").unwrap();
    disk.replace(&path, b"new").unwrap();
    assert_eq!(disk.read(&path).unwrap(), b"new");
    let entry = DirEntry { name: "meta.properties".to_owned(), is_dir: false };
    assert_eq!(disk.list(dir.path()).unwrap(), [entry]);
    disk.write(&path, b"x").unwrap();
    assert_eq!(disk.read(&path).unwrap(), b"x");
}

#[test]
fn folders_are_made_listed_renamed_synced_and_removed() {
    let (disk, dir) = disk();
    let (deep, other) = (dir.path().join("b/deep"), dir.path().join("a"));
    disk.create_dir_all(&deep).unwrap();
    disk.create_dir_all(&deep).unwrap();
    disk.write(&deep.join("file"), b"text").unwrap();
    let open = disk.open(&deep.join("file"), Open::Read).unwrap();
    disk.rename(&deep, &other).unwrap();
    disk.sync_dir(dir.path()).unwrap();
    disk.sync_tree(dir.path()).unwrap();
    let entries = disk.list(dir.path()).unwrap();
    let names: Vec<(&str, bool)> = entries.iter().map(|e| (e.name.as_str(), e.is_dir)).collect();
    assert_eq!(names, [("a", true), ("b", true)]);
    disk.remove_dir_all(&other).unwrap();
    assert!(!disk.exists(&other) && disk.exists(dir.path()));
    let mut bytes = [0; 4];
    open.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"text");
    assert!(disk.space(dir.path()).unwrap().usable_bytes > 0);
}

#[test]
fn metadata_tells_and_keeps_the_time_of_change() {
    let (disk, dir) = disk();
    let path = dir.path().join("file");
    disk.write(&path, b"12345").unwrap();
    disk.set_modified_ms(&path, 1_234_567_890_123).unwrap();
    let meta = disk.metadata(&path).unwrap();
    assert_eq!((meta.len, meta.modified_ms, meta.is_dir), (5, 1_234_567_890_123, false));
    assert!(disk.metadata(dir.path()).unwrap().is_dir);
    disk.set_modified_ms(&path, -1_000).unwrap();
    assert_eq!(disk.metadata(&path).unwrap().modified_ms, -1_000);
    disk.set_read_only(&path).unwrap();
    disk.set_modified_ms(&path, 5_000).unwrap();
    disk.remove_file(&path).unwrap();
    assert_eq!(disk.remove_file(&path).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_private_folder_is_closed_to_others() {
    use std::os::unix::fs::PermissionsExt;
    let (disk, dir) = disk();
    let path = dir.path().join("metadata");
    disk.create_private_dir_all(&path).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_lock_is_held_once_until_it_is_dropped() {
    let (disk, dir) = disk();
    let path = dir.path().join(".lock");
    let held = disk.lock(&path).unwrap();
    let error = disk.lock(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    // Whoever opens and closes the file beside it does not break the lock.
    drop(disk.open(&path, Open::Create).unwrap());
    assert!(disk.lock(&path).is_err());
    drop(held);
    disk.lock(&path).unwrap();
}
