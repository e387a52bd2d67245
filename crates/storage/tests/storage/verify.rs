//! Log directories that are verified: one of Apache Kafka's, whole, and with every kind of damage.

use std::path::{Path, PathBuf};

use ottla_env::Disk;
use ottla_sim::World;
use ottla_storage::verify::{Gravity, Verified, damage_inside, verify};

use super::support::unpack;

const SEGMENT: &str = "00000000000000000000";

fn with_folder(test: impl FnOnce(&Disk, &Path)) {
    World::new(1).run(async |world: World| {
        let (env, folder) = (world.node(1), PathBuf::from("/data"));
        env.disk().create_dir_all(&folder).unwrap();
        unpack(env.disk(), &folder);
        test(env.disk(), &folder);
    });
}

fn verified(disk: &Disk, folder: &Path) -> Verified {
    verify(disk, folder, &mut |_| ()).unwrap()
}

fn change(disk: &Disk, path: &Path, how: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = disk.read(path).unwrap();
    how(&mut bytes);
    disk.write(path, &bytes).unwrap();
}

#[test]
fn nothing_is_wrong_with_a_folder_of_apache_kafkas() {
    with_folder(|disk, folder| {
        let verified = verified(disk, folder);
        assert_eq!(verified.findings, []);
        // As Apache Kafka's dump tool counts them.
        assert_eq!((verified.partitions, verified.bytes), (29, 2_933_201));
        assert_eq!((verified.batches, verified.records), (897, 5_193));
    });
}

#[test]
fn the_folder_of_one_partition_is_verified_alone() {
    with_folder(|disk, folder| {
        let one = folder.join("sample-rolled-0");
        let whole = verified(disk, &one);
        assert_eq!((whole.partitions, whole.findings.as_slice()), (1, [].as_slice()));
        assert!(whole.batches > 0 && whole.bytes < 2_933_201);
        change(disk, &folder.join("sample-txn-0/00000000000000000000.log"), |it| it[100] ^= 1);
        change(disk, &folder.join("recovery-point-offset-checkpoint"), |it| it.clear());
        assert_eq!(verified(disk, &one).findings, []);
        assert_eq!(verified(disk, &folder.join("sample-txn-0")).findings[0].position, Some(72));
    });
}

#[test]
fn the_first_wrong_byte_is_named() {
    type Damage<'a> = &'a dyn Fn(&mut Vec<u8>);
    use Gravity::{Derived, Note, Records};
    let cases: &[(&str, Damage<'_>, Gravity, Option<u64>, &str)] = &[
        ("sample-txn-0/0.log", &|it| it[100] ^= 1, Records, Some(72), "computed crc"),
        ("sample-txn-0/0.log", &|it| it.truncate(1744), Records, Some(1686), "inside a batch"),
        ("sample-txn-0/0.log", &|it| it.extend([0; 9]), Records, Some(1764), "9 bytes"),
        ("sample-txn-0/0.log", &|it| it[79] = 0, Records, Some(72), "a batch at offset 0 follows"),
        ("sample-rolled-0/0.index", &|it| it[27] ^= 1, Derived, Some(24), "batch ends with 44"),
        ("sample-rolled-0/0.index", &|it| it[31] ^= 1, Derived, Some(24), "no batch begins"),
        ("sample-rolled-0/0.index", &|it| it.truncate(43), Derived, Some(40), "43 bytes"),
        ("sample-rolled-0/0.timeindex", &|it| it[40] = 255, Derived, Some(36), "where it is not"),
        ("sample-rolled-0/0.timeindex", &|it| it.truncate(65), Derived, Some(60), "65 bytes"),
        ("sample-txn-0/0.txnindex", &|it| it[1] = 7, Derived, None, "version 7"),
        (
            "sample-txn-0/00000000000000000024.snapshot",
            &|it| it[20] ^= 1,
            Derived,
            None,
            "checksum",
        ),
        ("sample-rolled-0/0.index", &|it| it[16..24].fill(0), Derived, Some(24), "follows where"),
        ("sample-rolled-0/0.timeindex", &|it| it[43] = 1, Derived, Some(36), "where it is not"),
        ("sample-rolled-0/0.timeindex", &|it| it.truncate(24), Derived, None, "ends with time"),
        ("sample-txn-0/0.txnindex", &|it| it[9] ^= 1, Derived, None, "no marker at offset 7"),
        ("sample-txn-0/0.txnindex", &|it| it.truncate(34), Derived, None, "does not tell"),
        ("sample-txn-0/leader-epoch-checkpoint", &|it| it[0] = b'x', Derived, None, ""),
        ("sample-txn-0/leader-epoch-checkpoint", &|it| it[4] = b'3', Derived, None, "epoch 3"),
        ("sample-txn-0/leader-epoch-checkpoint", &|it| it[6] = b'9', Derived, None, "0 to 9"),
        ("sample-txn-0/leader-epoch-checkpoint", &|it| it.clear(), Derived, None, "no epoch"),
        ("sample-txn-0/partition.metadata", &|it| it.clear(), Records, None, "version"),
        ("recovery-point-offset-checkpoint", &|it| it[0] = b'7', Derived, None, "7"),
        ("meta.properties", &|it| it.extend(b"\nversion=9\n"), Records, None, "version"),
        ("unknown", &|_| (), Note, None, "nobody reads it"),
        ("sample-txn-0/x.deleted", &|_| (), Note, None, "waits to be removed"),
    ];
    for (file, damage, gravity, position, what) in cases {
        with_folder(|disk, folder| {
            let path = folder.join(file.replace("/0.", &format!("/{SEGMENT}.")));
            if !disk.exists(&path) {
                disk.write(&path, b"").unwrap();
            }
            change(disk, &path, damage);
            let findings = verified(disk, folder).findings;
            let found = findings.iter().find(|finding| finding.path == path);
            let found = found.unwrap_or_else(|| panic!("{file}: {findings:?}"));
            assert_eq!((found.gravity, found.position), (*gravity, *position), "{file} {found:?}");
            assert!(found.what.contains(what), "{file}: {found:?}");
        });
    }
}

#[test]
fn whatever_byte_of_a_log_changes_is_seen() {
    with_folder(|disk, folder| {
        let one = PathBuf::from("/one");
        let files = ["log", "txnindex"].map(|kind| format!("sample-txn-0/{SEGMENT}.{kind}"));
        let small = ["leader-epoch-checkpoint", "partition.metadata"];
        let small = small.map(|name| format!("sample-txn-0/{name}"));
        let all = files.iter().chain(&small).map(String::as_str).chain(["meta.properties"]);
        for file in all {
            disk.create_dir_all(&one.join("sample-txn-0")).unwrap();
            disk.write(&one.join(file), &disk.read(&folder.join(file)).unwrap()).unwrap();
        }
        let path = one.join(format!("sample-txn-0/{SEGMENT}.log"));
        let whole = disk.read(&path).unwrap();
        assert_eq!(verified(disk, &one).findings, []);
        let mut unseen = Vec::new();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            disk.write(&path, &bytes).unwrap();
            if verified(disk, &one).findings.is_empty() {
                unseen.push(at);
            }
        }
        // The checksum leaves out the leader's epoch, which may rise, and the first offset, which
        // may leave a gap: nothing behind the last batch contradicts it.
        let last = whole.len() - 78;
        let allowed = |at: &usize| is_epoch(&whole, *at) || (last..last + 8).contains(at);
        unseen.retain(|at| !allowed(at));
        assert_eq!(unseen, []);
    });
}

/// Whether the byte is of a batch's leader epoch.
fn is_epoch(log: &[u8], at: usize) -> bool {
    let mut begin = 0;
    for batch in ottla_records::batches(log) {
        if (begin + 12..begin + 16).contains(&at) {
            return true;
        }
        begin += batch.unwrap().bytes().len();
    }
    false
}

#[test]
fn files_that_must_be_there_are_missed() {
    for (file, what) in [
        (format!("sample-rolled-0/{SEGMENT}.index"), "is missing"),
        (format!("sample-rolled-0/{SEGMENT}.timeindex"), "is missing"),
        (format!("sample-txn-0/{SEGMENT}.txnindex"), "is missing"),
        ("sample-txn-0/00000000000000000024.snapshot".to_owned(), "for unknown"),
        ("sample-txn-0/leader-epoch-checkpoint".to_owned(), "is missing"),
        ("sample-txn-0/partition.metadata".to_owned(), "sets a partition"),
    ] {
        with_folder(|disk, folder| {
            let path = folder.join(file);
            disk.remove_file(&path).unwrap();
            let findings = verified(disk, folder).findings;
            let [finding] = &findings[..] else { panic!("{findings:?}") };
            assert_eq!(finding.path, path);
            assert!(finding.what.contains(what), "{finding:?}");
        });
    }
}

#[test]
fn zeros_that_a_crash_leaves_in_the_indexes_of_a_short_log_are_no_fault() {
    with_folder(|disk, folder| {
        disk.remove_file(&folder.join(".kafka_cleanshutdown")).unwrap();
        for kind in ["index", "timeindex"] {
            let path = folder.join(format!("sample-txn-0/{SEGMENT}.{kind}"));
            disk.write(&path, &[0; 960]).unwrap();
        }
        assert_eq!(verified(disk, folder).findings, []);
    });
}

#[test]
fn damage_in_the_middle_of_a_log_is_told_from_a_torn_end() {
    type Damage<'a> = &'a dyn Fn(&mut Vec<u8>);
    let cases: &[(&str, Damage<'_>, Option<u64>)] = &[
        ("sample-txn-0", &|_| (), None),
        ("sample-txn-0", &|it| it[100] ^= 1, Some(72)),
        // A length that leads nowhere.
        ("sample-txn-0", &|it| it[80] ^= 1, Some(72)),
        ("sample-txn-0", &|it| it.truncate(1750), None),
        ("sample-txn-0", &|it| it[1763] ^= 1, None),
        ("sample-txn-0", &|it| it.extend([0; 4096]), None),
        ("sample-txn-0", &|it| it.extend([2; 4096]), None),
        // Nothing whole behind it in the file, and a segment that follows.
        ("sample-rolled-0", &|it| it.truncate(it.len() - 1), Some(u64::MAX)),
    ];
    for (name, damage, position) in cases {
        with_folder(|disk, folder| {
            let dir = folder.join(name);
            let path = dir.join(format!("{SEGMENT}.log"));
            change(disk, &path, damage);
            let found = damage_inside(disk, &dir).unwrap();
            assert_eq!(found.is_some(), position.is_some(), "{name} {found:?}");
            if let Some(found) = found.filter(|_| *position != Some(u64::MAX)) {
                assert_eq!((found.path, Some(found.position)), (path, *position));
            }
        });
    }
}
