//! Log directories that are damaged at random and repaired: what was derived is as it was, and no
//! byte of a log is lost.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ottla_env::Disk;
use ottla_sim::World;
use ottla_storage::repair::{Mending, Repaired, Repairing, repair};
use ottla_storage::verify::{Gravity, verify};
use ottla_storage::{Log, StorageError, partition_metadata};
use ottla_wire::fuzz::Prng;
use ottla_wire::{Offset, Timestamp};

use super::support::{contents, directory, opening, unpack};

const FOLDER: &str = "/data";
const CUT: &str = "/data.cut";
const PARTITIONS: [&str; 3] = ["sample-txn-0", "sample-rolled-0", "sample-rolled-1"];

fn with_folder(seed: u64, test: impl FnOnce(&Disk)) {
    World::new(seed).run(async |world: World| {
        let disk = world.node(1).disk().clone();
        let whole = Path::new("/kafka");
        unpack(&disk, whole);
        let folder = Path::new(FOLDER);
        disk.create_dir_all(folder).unwrap();
        for entry in disk.list(whole).unwrap() {
            let from = whole.join(&entry.name);
            if !entry.is_dir && entry.name != ".lock" {
                copy(&disk, &from, &folder.join(&entry.name));
            } else if PARTITIONS.contains(&entry.name.as_str()) {
                disk.create_dir_all(&folder.join(&entry.name)).unwrap();
                for file in disk.list(&from).unwrap() {
                    copy(&disk, &from.join(&file.name), &folder.join(&entry.name).join(&file.name));
                }
            }
        }
        test(&disk);
    });
}

fn copy(disk: &Disk, from: &Path, to: &Path) {
    disk.write(to, &disk.read(from).unwrap()).unwrap();
}

/// What the partitions' ids are before anything is damaged.
fn repairing(disk: &Disk) -> Repairing {
    let ids = PARTITIONS.map(|name| {
        let path = Path::new(FOLDER).join(name).join("partition.metadata");
        let id = partition_metadata::parse(&disk.read(&path).unwrap()).unwrap();
        (name.rsplit_once('-').unwrap().0.to_owned(), id)
    });
    Repairing {
        dry_run: false,
        truncate_torn_tail: false,
        aside: CUT.into(),
        topic_ids: ids.into_iter().collect(),
    }
}

fn repaired(disk: &Disk, how: &Repairing) -> Repaired {
    repair(disk, Path::new(FOLDER), how, &mut |_| ()).unwrap()
}

/// The files that are made from logs, and the logs.
fn files(disk: &Disk) -> (Vec<PathBuf>, BTreeMap<PathBuf, Vec<u8>>) {
    let (mut derived, mut logs) = (Vec::new(), BTreeMap::new());
    for entry in disk.list(Path::new(FOLDER)).unwrap() {
        let path = Path::new(FOLDER).join(&entry.name);
        if entry.name.ends_with("-offset-checkpoint") {
            derived.push(path);
            continue;
        }
        let inside = if entry.is_dir { disk.list(&path).unwrap() } else { Vec::new() };
        for file in inside {
            let path = path.join(&file.name);
            match file.name.ends_with(".log") {
                true => drop(logs.insert(path.clone(), disk.read(&path).unwrap())),
                false => derived.push(path),
            }
        }
    }
    (derived, logs)
}

/// All that a start reads of the partitions, in a few words.
fn known(disk: &Disk) -> Vec<String> {
    let place = directory(disk, FOLDER);
    let mut told = Vec::new();
    for name in PARTITIONS {
        let log = Log::open(opening(&place, name, true)).unwrap();
        told.push(format!("{name} {:?} {:?}", log.start(), contents(&log)));
        told.push(format!("{:?} {:?}", log.end(), log.topic_id()));
        told.push(format!("{:?}", log.aborted(Offset(0), log.end()).unwrap()));
        told.push(format!("{:?} {:?}", log.producers(), log.epoch_entries()));
        for time in [0, 1_900_000_000_999, 1_900_000_003_001, 1_900_000_003_999] {
            told.push(format!("{:?}", log.offset_for_time(Timestamp(time)).unwrap()));
        }
    }
    told
}

/// Damages bytes in one of five ways; `None` is a file that is gone.
fn damage(random: &mut Prng, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let at = if bytes.is_empty() { 0 } else { random.below(bytes.len()) };
    match random.below(5) {
        0 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
        1 => bytes.truncate(at),
        2 => bytes.extend((0..=random.below(40)).map(|n| (n * 37 % 256) as u8)),
        3 => bytes[at..].iter_mut().take(20).for_each(|byte| *byte = 0),
        _ => return None,
    }
    Some(bytes)
}

fn put(disk: &Disk, path: &Path, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => disk.write(path, bytes).unwrap(),
        None => disk.remove_file(path).unwrap(),
    }
}

/// The same cases each time, and others when `cargo xtask fuzz` asks for them.
fn seeds(count: u64) -> impl Iterator<Item = u64> {
    let seed = std::env::var("OTTLA_FUZZ_SEED").ok().and_then(|seed| seed.parse().ok());
    let first = seed.unwrap_or(0_u64).wrapping_mul(1_000);
    (0..count).map(move |at| first.wrapping_add(at))
}

#[test]
fn whatever_was_made_from_a_log_is_made_anew() {
    for seed in seeds(60) {
        with_folder(seed, |disk| {
            let how = repairing(disk);
            let (derived, logs) = files(disk);
            let mut random = Prng::new(seed);
            let path = &derived[random.below(derived.len())];
            let whole = disk.read(path).unwrap();
            let damaged = damage(&mut random, whole.clone());
            let before = {
                let before = known(disk);
                put(disk, path, Some(&whole));
                before
            };
            put(disk, path, damaged.as_deref());
            let case =
                format!("seed {seed}: {} {:?}", path.display(), damaged.as_ref().map(Vec::len));
            let repaired = repaired(disk, &how);
            assert!(repaired.is_sound(), "{case} {:?}", repaired.left.findings);
            let verified = verify(disk, Path::new(FOLDER), &mut |_| ()).unwrap().findings;
            assert!(verified.iter().all(|it| it.gravity == Gravity::Note), "{case} {verified:?}");
            assert_eq!(files(disk).1, logs, "{case}");
            // A start that the checkpoint does not tell any more begins where the log begins; all
            // else is as before, also what of the damage made no difference.
            let is_another_id = path.ends_with("partition.metadata") && repaired.mended.is_empty();
            if path.ends_with("log-start-offset-checkpoint") || is_another_id {
                return;
            }
            for (now, before) in known(disk).iter().zip(&before) {
                assert!(
                    now == before,
                    "{case} {:?}: {:.500} was {before:.500}",
                    repaired.mended,
                    now
                );
            }
        });
    }
}

#[test]
fn a_torn_log_is_cut_only_when_that_is_wanted_and_nothing_of_it_is_lost() {
    for seed in seeds(25) {
        with_folder(seed, |disk| {
            let mut how = repairing(disk);
            let (_, logs) = files(disk);
            let mut random = Prng::new(seed);
            let path = logs.keys().nth(random.below(logs.len())).unwrap();
            let Some(damaged) = damage(&mut random, logs[path].clone()) else { return };
            put(disk, path, Some(&damaged));
            let (_, logs) = files(disk);
            let case = format!("seed {seed}: {}", path.display());
            let first = repaired(disk, &how);
            assert_eq!(files(disk).1, logs, "{case}");
            let is_torn = first.left.findings.iter().any(|it| it.what.contains("no whole batch"));
            how.truncate_torn_tail = true;
            let second = repaired(disk, &how);
            let is_cut =
                |it: &&ottla_storage::repair::Mended| matches!(it.how, Mending::Cut { .. });
            let cut = second.mended.iter().find(is_cut);
            assert_eq!(cut.is_some(), is_torn, "{case} {first:?} {second:?}");
            assert!(!is_torn || second.is_sound(), "{case} {:?}", second.left.findings);
            let Some(cut) = cut else { return };
            let at = cut.finding.position.unwrap();
            let (_, after) = files(disk);
            for (path, bytes) in &logs {
                let kept = after.get(path).map(Vec::as_slice).unwrap_or_default();
                let inside = path.strip_prefix(FOLDER).unwrap();
                let mut aside = Path::new(CUT).join(inside).into_os_string();
                if *path == cut.finding.path && at > 0 {
                    aside.push(format!(".from-{at}"));
                }
                let aside = disk.read(Path::new(&aside)).unwrap_or_default();
                assert_eq!([kept, &aside].concat(), *bytes, "{case} {}", path.display());
            }
        });
    }
}

#[test]
fn what_was_set_aside_before_stays_when_the_same_place_is_torn_again() {
    with_folder(1, |disk| {
        let how = Repairing { truncate_torn_tail: true, ..repairing(disk) };
        let torn = Path::new(FOLDER).join("sample-rolled-0/00000000000000000000.log");
        let whole = disk.read(&torn).unwrap();
        for tail in [[1; 99], [2; 99], [3; 99]] {
            disk.write(&torn, &[&whole[..], &tail].concat()).unwrap();
            let repaired = repaired(disk, &how);
            assert!(repaired.is_sound(), "{:?}", repaired.left.findings);
            assert_eq!(disk.read(&torn).unwrap(), whole);
        }
        let mut name = Path::new(CUT).join(torn.strip_prefix(FOLDER).unwrap()).into_os_string();
        name.push(format!(".from-{}", whole.len()));
        for tail in [[1; 99], [2; 99], [3; 99]] {
            assert_eq!(disk.read(Path::new(&name)).unwrap(), tail);
            name.push(".again");
        }
    });
}

#[test]
fn a_dry_run_tells_and_changes_nothing() {
    with_folder(1, |disk| {
        let how = Repairing { dry_run: true, truncate_torn_tail: true, ..repairing(disk) };
        let torn = Path::new(FOLDER).join("sample-rolled-0/00000000000000000000.log");
        let index = Path::new(FOLDER).join("sample-rolled-1/00000000000000000000.index");
        let index = if disk.exists(&index) {
            index
        } else {
            Path::new(FOLDER).join("sample-rolled-1/00000000000000001440.index")
        };
        let mut bytes = disk.read(&torn).unwrap();
        bytes[5000] ^= 1;
        disk.write(&torn, &bytes).unwrap();
        disk.write(&index, &[7; 24]).unwrap();
        let told = repaired(disk, &how);
        let hows: Vec<_> = told.mended.iter().map(|it| (&it.finding.path, &it.how)).collect();
        assert!(
            matches!(hows[..], [(a, Mending::Cut { .. }), (b, Mending::Rebuilt)]
            if *a == torn && *b == index),
            "{hows:?}"
        );
        assert!(!told.is_sound());
        assert_eq!(disk.read(&torn).unwrap(), bytes);
        assert_eq!(disk.read(&index).unwrap(), [7; 24]);
        assert!(!disk.exists(Path::new(CUT)) && !disk.exists(&Path::new(FOLDER).join(".lock")));
    });
}

#[test]
fn a_folder_that_a_node_has_open_is_refused() {
    with_folder(1, |disk| {
        let how = repairing(disk);
        let held = disk.lock(&Path::new(FOLDER).join(".lock")).unwrap();
        for dry_run in [false, true] {
            let how = Repairing { dry_run, ..how.clone() };
            let error = repair(disk, Path::new(FOLDER), &how, &mut |_| ()).unwrap_err();
            assert!(matches!(&error, StorageError::Refused(why) if why.contains("in use")));
        }
        drop(held);
        assert!(repaired(disk, &how).is_sound());
    });
}

#[test]
fn an_id_that_nobody_knows_is_not_made_up() {
    with_folder(1, |disk| {
        let how = Repairing { topic_ids: BTreeMap::new(), ..repairing(disk) };
        let path = Path::new(FOLDER).join("sample-txn-0/partition.metadata");
        disk.write(&path, b"version: 0\ntopic_id: x").unwrap();
        let repaired = repaired(disk, &how);
        assert!(repaired.mended.is_empty() && !repaired.is_sound(), "{repaired:?}");
        assert_eq!(disk.read(&path).unwrap(), b"version: 0\ntopic_id: x");
    });
}
