//! The disk: what survives a power cut, exhausted over many seeds for small scripts, and faults.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

use std::collections::BTreeSet;
use std::io::{ErrorKind, IoSlice};
use std::path::Path;

use ottla_env::{DirEntry, Disk, Open};
use ottla_sim::{Broken, Fault, World};

/// What is found after a power cut at the end of `script`, over all seeds: the content of
/// `/dir/a` and `/dir/b`, `-` when there is none.
fn outcomes(script: impl Fn(&Disk)) -> BTreeSet<String> {
    let outcome = |seed| {
        let world = World::new(seed);
        let disk = world.node(1).disk().clone();
        disk.create_dir_all(Path::new("/dir")).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        script(&disk);
        world.crash(1);
        let disk = world.boot(1).disk().clone();
        let content = |path: &str| match disk.read(Path::new(path)) {
            Ok(bytes) => String::from_utf8(bytes).unwrap().replace('\0', "0"),
            Err(_) => "-".to_owned(),
        };
        format!("{} {}", content("/dir/a"), content("/dir/b"))
    };
    (0..400).map(outcome).collect()
}

fn check(script: impl Fn(&Disk), expect: &[&str]) {
    let found = outcomes(script);
    let expect: BTreeSet<String> = expect.iter().map(ToString::to_string).collect();
    assert_eq!(found, expect);
}

fn write(disk: &Disk, path: &str, text: &str) {
    disk.write(path.as_ref(), text.as_bytes()).unwrap();
}

fn sync(disk: &Disk, path: &str) {
    disk.open(path.as_ref(), Open::ReadWrite).unwrap().sync().unwrap();
}

fn sync_dir(disk: &Disk) {
    disk.sync_dir("/dir".as_ref()).unwrap();
}

#[test]
fn a_file_lasts_only_with_its_bytes_and_its_name_synced() {
    check(|disk| write(disk, "/dir/a", "x"), &["- -", " -", "x -"]);
    let named = |disk: &Disk| {
        write(disk, "/dir/a", "x");
        sync_dir(disk);
    };
    check(named, &[" -", "x -"]);
    let filled = |disk: &Disk| {
        write(disk, "/dir/a", "x");
        sync(disk, "/dir/a");
    };
    check(filled, &["- -", "x -"]);
    let both = |disk: &Disk| {
        write(disk, "/dir/a", "x");
        sync(disk, "/dir/a");
        sync_dir(disk);
    };
    check(both, &["x -"]);
}

#[test]
fn writes_after_a_sync_are_kept_lost_or_reordered() {
    let script = |disk: &Disk| {
        write(disk, "/dir/a", "s");
        sync(disk, "/dir/a");
        sync_dir(disk);
        let file = disk.open("/dir/a".as_ref(), Open::ReadWrite).unwrap();
        file.write_all_at(b"1", 1).unwrap();
        file.write_all_at(b"2", 2).unwrap();
    };
    check(script, &["s -", "s1 -", "s02 -", "s12 -"]);
}

#[test]
fn a_long_write_is_torn_at_sectors() {
    let lengths: BTreeSet<usize> = (0..200)
        .map(|seed| {
            let world = World::new(seed);
            let disk = world.node(1).disk().clone();
            write(&disk, "/a", "");
            disk.sync_dir("/".as_ref()).unwrap();
            let file = disk.open("/a".as_ref(), Open::ReadWrite).unwrap();
            file.write_all_at(&[b'x'; 1200], 100).unwrap();
            world.crash(1);
            world.boot(1).disk().read("/a".as_ref()).unwrap().len()
        })
        .collect();
    assert_eq!(lengths, BTreeSet::from([0, 512, 1024, 1300]));
}

#[test]
fn a_cut_that_is_not_synced_may_come_back() {
    let script = |disk: &Disk| {
        write(disk, "/dir/a", "long");
        sync(disk, "/dir/a");
        sync_dir(disk);
        disk.open("/dir/a".as_ref(), Open::ReadWrite).unwrap().set_len(2).unwrap();
    };
    check(script, &["lo -", "long -"]);
}

#[test]
fn a_rename_is_whole_and_comes_after_what_came_before_it() {
    let script = |disk: &Disk| {
        write(disk, "/dir/b", "new");
        sync(disk, "/dir/b");
        disk.rename("/dir/b".as_ref(), "/dir/a".as_ref()).unwrap();
    };
    check(script, &["- -", "- new", "new -"]);
    let over = |disk: &Disk| {
        write(disk, "/dir/a", "old");
        sync(disk, "/dir/a");
        sync_dir(disk);
        script(disk);
    };
    check(over, &["old -", "old new", "new -"]);
}

#[test]
fn a_rename_of_unsynced_bytes_may_leave_an_empty_file() {
    let script = |disk: &Disk| {
        write(disk, "/dir/b", "new");
        disk.rename("/dir/b".as_ref(), "/dir/a".as_ref()).unwrap();
        sync_dir(disk);
    };
    check(script, &[" -", "new -"]);
}

#[test]
fn replace_leaves_the_new_file_and_when_it_is_cut_short_the_old_or_the_new_one() {
    let replaced = |disk: &Disk| {
        disk.replace("/dir/a".as_ref(), b"old").unwrap();
        disk.replace("/dir/a".as_ref(), b"new").unwrap();
    };
    check(replaced, &["new -"]);
    // Every way in which the second replace may be cut short.
    for calls in 0..8 {
        let found: BTreeSet<String> = (0..100)
            .map(|seed| {
                let world = World::new(seed);
                let disk = world.node(1).disk().clone();
                disk.replace("/a".as_ref(), b"old").unwrap();
                world.disk(1).fail_after(calls);
                let _ = disk.replace("/a".as_ref(), b"new");
                world.disk(1).repair();
                world.crash(1);
                let bytes = world.boot(1).disk().read("/a".as_ref()).unwrap();
                String::from_utf8(bytes).unwrap()
            })
            .collect();
        let either = BTreeSet::from(["old".to_owned(), "new".to_owned()]);
        assert!(found.is_subset(&either), "after {calls} calls: {found:?}");
    }
}

#[test]
fn a_removed_file_may_come_back_until_its_folder_is_synced() {
    let script = |disk: &Disk| {
        write(disk, "/dir/a", "x");
        sync(disk, "/dir/a");
        sync_dir(disk);
        disk.remove_file("/dir/a".as_ref()).unwrap();
    };
    check(script, &["x -", "- -"]);
    let lasting = |disk: &Disk| {
        script(disk);
        sync_dir(disk);
    };
    check(lasting, &["- -"]);
}

#[test]
fn a_synced_tree_lasts_whole() {
    let script = |disk: &Disk| {
        write(disk, "/dir/a", "x");
        write(disk, "/dir/b", "y");
        disk.sync_tree("/dir".as_ref()).unwrap();
    };
    check(script, &["x y"]);
}

#[test]
fn a_folder_lost_by_its_parent_takes_its_synced_files_with_it() {
    let found: BTreeSet<bool> = (0..50)
        .map(|seed| {
            let world = World::new(seed);
            let disk = world.node(1).disk().clone();
            disk.create_dir_all("/new".as_ref()).unwrap();
            disk.replace("/new/file".as_ref(), b"x").unwrap();
            world.crash(1);
            world.boot(1).disk().exists("/new/file".as_ref())
        })
        .collect();
    assert_eq!(found.len(), 2);
}

#[test]
fn a_killed_process_loses_nothing_and_its_lock() {
    let world = World::new(1);
    let disk = world.node(1).disk().clone();
    write(&disk, "/a", "unsynced");
    let held = disk.lock("/.lock".as_ref()).unwrap();
    assert_eq!(disk.lock("/.lock".as_ref()).unwrap_err().kind(), ErrorKind::WouldBlock);
    world.kill(1);
    assert!(disk.read("/a".as_ref()).is_err());
    let disk = world.boot(1).disk().clone();
    assert_eq!(disk.read("/a".as_ref()).unwrap(), b"unsynced");
    let ours = disk.lock("/.lock".as_ref()).unwrap();
    drop(held);
    assert!(disk.lock("/.lock".as_ref()).is_err(), "the lock of an earlier life is no key");
    drop(ours);
    disk.lock("/.lock".as_ref()).unwrap();
}

#[test]
fn what_a_failed_sync_did_not_write_no_later_sync_writes() {
    let found: BTreeSet<Vec<u8>> = (0..50)
        .map(|seed| {
            let world = World::new(seed);
            let disk = world.node(1).disk().clone();
            disk.replace("/a".as_ref(), b"1").unwrap();
            let file = disk.open("/a".as_ref(), Open::ReadWrite).unwrap();
            file.write_all_at(b"2", 1).unwrap();
            world.disk(1).break_below("/a", Broken::Syncs);
            file.sync().unwrap_err();
            world.disk(1).repair();
            file.sync().unwrap();
            assert_eq!(disk.read("/a".as_ref()).unwrap(), b"12");
            world.crash(1);
            world.boot(1).disk().read("/a".as_ref()).unwrap()
        })
        .collect();
    assert_eq!(found, BTreeSet::from([b"1".to_vec()]));
}

#[test]
fn what_a_disk_only_says_that_it_has_synced_may_be_lost() {
    let kept = |lies: bool| {
        let kept = (0..32).filter(|seed| {
            let world = World::new(*seed);
            let disk = world.node(1).disk().clone();
            disk.create_dir_all("/below".as_ref()).unwrap();
            write(&disk, "/below/a", "text");
            disk.sync_tree("/".as_ref()).unwrap();
            if lies {
                world.disk(1).lie_below("/below");
            }
            let file = disk.open("/below/a".as_ref(), Open::ReadWrite).unwrap();
            file.write_all_at(b"next", 0).unwrap();
            file.sync().unwrap();
            world.crash(1);
            world.boot(1).disk().read("/below/a".as_ref()).unwrap() == b"next"
        });
        kept.count()
    };
    assert_eq!(kept(false), 32);
    assert!((1..32).contains(&kept(true)), "{} of 32", kept(true));
}

#[test]
fn a_full_disk_takes_what_fits_and_refuses_the_rest() {
    let world = World::new(2);
    let disk = world.node(1).disk().clone();
    world.disk(1).set_capacity(3 * 4096);
    let file = disk.open("/a".as_ref(), Open::CreateNew).unwrap();
    file.set_len(1 << 20).unwrap();
    assert_eq!(disk.space("/".as_ref()).unwrap().usable_bytes, 3 * 4096, "a hole takes no space");
    let reserve = disk.open("/reserve".as_ref(), Open::CreateNew).unwrap();
    reserve.allocate(4096).unwrap();
    let page = [1; 4096];
    let parts = [IoSlice::new(&page), IoSlice::new(&page), IoSlice::new(&page)];
    let error = file.write_all_vectored_at(&parts, 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    file.write_all_at(&page, 0).unwrap();
    reserve.write_all_at(&page, 0).unwrap();
    disk.remove_file("/reserve".as_ref()).unwrap();
    drop(reserve);
    disk.sync_dir("/".as_ref()).unwrap();
    assert_eq!(disk.space("/".as_ref()).unwrap().usable_bytes, 4096);
    file.set_len(0).unwrap();
    assert_eq!(world.disk(1).used(), 0);
}

#[test]
fn broken_parts_of_a_disk_fail_and_the_others_do_not() {
    let world = World::new(3);
    let disk = world.node(1).disk().clone();
    for dir in ["/one", "/two"] {
        disk.create_dir_all(dir.as_ref()).unwrap();
        write(&disk, &format!("{dir}/file"), "text");
    }
    let platter = world.disk(1);
    platter.break_below("/one", Broken::Reads);
    assert_eq!(disk.read("/one/file".as_ref()).unwrap_err().raw_os_error(), Some(5));
    write(&disk, "/one/file", "more");
    platter.break_below("/one", Broken::All);
    assert!(disk.list("/one".as_ref()).is_err());
    assert_eq!(disk.read("/two/file".as_ref()).unwrap(), b"text");
    platter.repair();
    assert_eq!(disk.read("/one/file".as_ref()).unwrap(), b"more");
    platter.rot("/one/file", 0).unwrap();
    assert_eq!(disk.read("/one/file".as_ref()).unwrap()[0], !b'm');
    platter.fail_after(2);
    assert!(disk.list("/".as_ref()).is_ok() && disk.list("/".as_ref()).is_ok());
    assert!(disk.list("/".as_ref()).is_err());
}

#[test]
fn names_behave_as_on_a_real_disk() {
    let world = World::new(4);
    let disk = world.node(1).disk().clone();
    let path = Path::new;
    disk.create_dir_all(path("/a/b")).unwrap();
    write(&disk, "/a/b/file", "text");
    let before = disk.open(path("a/b/file"), Open::Read).unwrap();
    let error = |result: std::io::Result<()>| result.unwrap_err().kind();
    assert_eq!(error(disk.rename(path("/a"), path("/a/b/c"))), ErrorKind::InvalidInput);
    assert_eq!(error(disk.rename(path("/none"), path("/c"))), ErrorKind::NotFound);
    assert_eq!(error(disk.remove_file(path("/a/b"))), ErrorKind::IsADirectory);
    assert_eq!(error(disk.create_dir_all(path("/a/b/file"))), ErrorKind::AlreadyExists);
    let again = disk.open(path("/a/b/file"), Open::CreateNew).map(drop);
    assert_eq!(error(again), ErrorKind::AlreadyExists);
    disk.rename(path("/a/b"), path("/c")).unwrap();
    assert_eq!(world.disk(1).files("/"), [("/c/file".into(), 4)]);
    let dir = |name: &str| DirEntry { name: name.to_owned(), is_dir: true };
    assert_eq!(disk.list(path("/")).unwrap(), [dir("a"), dir("c")]);
    disk.set_read_only(path("/c/file")).unwrap();
    let error = disk.open(path("/c/file"), Open::ReadWrite).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    disk.set_modified_ms(path("/c/file"), 77).unwrap();
    assert_eq!(disk.metadata(path("/c/file")).unwrap().modified_ms, 77);
    disk.remove_dir_all(path("/c")).unwrap();
    assert!(!disk.exists(path("/c/file")));
    let mut bytes = [0; 8];
    assert_eq!(before.read_at(&mut bytes, 1).unwrap(), 3);
    assert_eq!(&bytes[..3], b"ext");
    assert!(before.write_at(b"no", 0).is_err(), "it was opened for reading");
}

#[test]
fn syncs_are_counted() {
    let world = World::new(5);
    let disk = world.node(1).disk().clone();
    disk.replace("/a".as_ref(), b"x").unwrap();
    disk.sync_tree("/".as_ref()).unwrap();
    assert_eq!(world.disk(1).syncs(), 3);
}

#[test]
fn cold_bytes_are_sometimes_not_resident() {
    let world = World::new(6);
    let disk = world.node(1).disk().clone();
    write(&disk, "/a", "text");
    let file = disk.open("/a".as_ref(), Open::Read).unwrap();
    let mut bytes = [0; 4];
    let reads: BTreeSet<_> =
        (0..100).map(|_| file.read_at_resident(&mut bytes, 0).unwrap()).collect();
    assert_eq!(reads, BTreeSet::from([None, Some(4)]));
}

#[test]
fn a_part_of_a_disk_fails_with_the_error_that_is_asked_for() {
    let world = World::new(7);
    let (disk, platter) = (world.node(1).disk().clone(), world.disk(1));
    disk.create_dir_all("/one".as_ref()).unwrap();
    write(&disk, "/one/file", "text");
    let opened = disk.open("/one/file".as_ref(), Open::ReadWrite).unwrap();
    for (fault, kind) in [
        (Fault::Denied, ErrorKind::PermissionDenied),
        (Fault::ReadOnly, ErrorKind::ReadOnlyFilesystem),
    ] {
        platter.fail_below("/one", Broken::Writes, fault);
        assert_eq!(opened.write_at(b"no", 0).unwrap_err().kind(), kind);
        let error = disk.open("/one/file".as_ref(), Open::ReadWrite).unwrap_err();
        assert_eq!(error.kind(), kind);
        assert_eq!(disk.read("/one/file".as_ref()).unwrap(), b"text");
        platter.repair();
    }
    platter.fail_below("/one", Broken::Writes, Fault::Full);
    let error = disk.write("/one/more".as_ref(), b"x").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
}

#[test]
fn what_was_removed_gives_its_space_back_when_it_is_needed() {
    let world = World::new(9);
    let (disk, platter) = (world.node(1).disk().clone(), world.disk(1));
    platter.set_capacity(8 * 4096);
    disk.write("/a".as_ref(), &[1; 8 * 4096]).unwrap();
    disk.sync_tree("/".as_ref()).unwrap();
    let open = disk.open("/a".as_ref(), Open::Read).unwrap();
    disk.remove_file("/a".as_ref()).unwrap();
    assert!(disk.write("/b".as_ref(), b"x").is_err(), "it is still open");
    drop(open);
    disk.write("/b".as_ref(), b"x").unwrap();
    assert_eq!(disk.space("/".as_ref()).unwrap().usable_bytes, 7 * 4096);
}

#[test]
fn holes_take_no_space_after_a_power_cut_either() {
    let world = World::new(10);
    let (disk, platter) = (world.node(1).disk().clone(), world.disk(1));
    let file = disk.open("/a".as_ref(), Open::Create).unwrap();
    file.set_len(1 << 20).unwrap();
    file.write_at(b"x", 500_000).unwrap();
    disk.sync_tree("/".as_ref()).unwrap();
    let used = platter.used();
    world.crash(1);
    assert_eq!(platter.used(), used);
}

#[test]
fn a_slow_disk_stalls_its_node_and_what_waits_for_it() {
    let world = World::new(8);
    let (told, mut heard) = tokio::sync::mpsc::channel(2);
    world.run(async |world: World| {
        world.disk(1).slow_us(50_000..60_000);
        world.start(1, async move |env: ottla_env::Env| {
            let before = env.monotonic();
            env.blocking(|| ()).await;
            told.send(env.monotonic() - before).await.unwrap();
            let before = env.monotonic();
            for at in 0..100 {
                env.disk().write("/a".as_ref(), at.to_string().as_bytes()).unwrap();
            }
            env.sleep(std::time::Duration::ZERO).await;
            env.sleep(std::time::Duration::from_nanos(1)).await;
            told.send(env.monotonic() - before).await.unwrap();
        });
        for _ in 0..2 {
            let slow = heard.recv().await.unwrap();
            assert!(slow >= std::time::Duration::from_millis(50), "{slow:?}");
        }
    });
}
