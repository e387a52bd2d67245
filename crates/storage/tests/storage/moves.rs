//! A replica on its way from one directory to another: what it takes along, and what is there when
//! a disk fails or the power goes in the middle.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use ottla_env::Env;
use ottla_records::{BatchBuilder, BatchSettings};
use ottla_sim::{Broken, World};
use ottla_storage::{Cleaning, Log, LogConfig, LogDirs, Origin, Progress};
use ottla_wire::{BrokerEpoch, DirectoryId, LeaderEpoch, Offset, PartitionIndex, Uuid};

use crate::support::{
    NOW, batch, contents, coordinate, format, lead, marker, producer, start, topic,
};

const P0: PartitionIndex = PartitionIndex(0);

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 700,
        index_interval_bytes: 150,
        segment_index_bytes: 96,
        max_message_bytes: 700,
        file_delete_delay_ms: 1_000,
        ..LogConfig::default()
    }
}

fn with_dirs(seed: u64, test: impl AsyncFnOnce(World, Env)) {
    World::new(seed).run(async |world: World| {
        let env = world.node(1);
        format(env.disk(), "/a", 0xaa);
        format(env.disk(), "/b", 0xbb);
        test(world, env).await;
    });
}

fn create(dirs: &LogDirs) -> Arc<Log> {
    let place = Some(DirectoryId(Uuid([0xaa; 16])));
    dirs.create(topic(1), "orders", P0, place, Arc::new(config()), NOW).unwrap()
}

fn fill(log: &Log, from: usize, count: usize) {
    for at in from..from + count {
        log.append(&batch(None, false, &[&format!("value-{at}")]), lead()).unwrap();
    }
    log.set_high_watermark(log.end());
}

/// Copies until nothing is missing; answers in how many rounds.
fn copy_all(dirs: &LogDirs) -> usize {
    for round in 1.. {
        if dirs.copy(topic(1), P0, 300, NOW).unwrap().unwrap().missing == 0 {
            return round;
        }
    }
    unreachable!("it ends");
}

fn names(env: &Env, path: &str) -> Vec<String> {
    let listed = env.disk().list(Path::new(path)).unwrap().into_iter();
    let dirs = listed.filter(|entry| entry.is_dir).map(|entry| entry.name);
    dirs.map(|name| match name.rsplit_once('.') {
        Some((plain, unique)) => format!("{plain}{}", &unique[32..]),
        None => name,
    })
    .collect()
}

#[test]
fn a_moved_replica_takes_everything_along_and_leaves_nothing_behind() {
    with_dirs(1, async |_, env| {
        let dirs = start(&env, &["/a", "/b"], &config());
        let log = create(&dirs);
        fill(&log, 0, 40);
        let two = producer(2, 0, 0);
        log.append(&batch(Some(two), true, &["aborted"]), lead()).unwrap();
        log.append(&marker(2, 0, true), coordinate()).unwrap();
        log.append(&batch(Some(producer(3, 0, 0)), true, &["open"]), lead()).unwrap();
        log.set_high_watermark(log.end());
        log.delete_records(Offset(7)).unwrap();
        assert!(dirs.begin_move(topic(1), P0, Path::new("/b"), NOW).unwrap());
        assert!(!dirs.begin_move(topic(1), P0, Path::new("/b"), NOW).unwrap());
        assert_eq!(names(&env, "/b"), ["orders-0-future"]);
        assert!(copy_all(&dirs) > 5);
        fill(&log, 40, 1);
        // It is shorter than the original, which serves on.
        assert!(dirs.finish_move(topic(1), P0, NOW).unwrap().is_none());
        log.assign_epoch(LeaderEpoch(4)).unwrap();
        copy_all(&dirs);
        let moved = dirs.finish_move(topic(1), P0, NOW).unwrap().unwrap();
        assert!(log.append(&batch(None, false, &["late"]), lead()).is_err());
        let known = |log: &Log| {
            (
                (log.start(), log.end(), log.high_watermark(), log.last_stable_offset()),
                (contents(log), log.epoch_entries(), log.producers()),
                log.aborted(Offset(0), log.end()).unwrap(),
            )
        };
        assert_eq!(known(&moved), known(&log));
        assert_eq!(names(&env, "/b"), ["orders-0"]);
        assert_eq!(names(&env, "/a"), ["orders-0-delete"]);
        assert!(dirs.future(topic(1), P0).is_none());
        assert!(Arc::ptr_eq(&dirs.get(topic(1), P0).unwrap(), &moved));
        let origin = Origin::Leader { epoch: LeaderEpoch(4), now: NOW };
        moved.append(&batch(None, false, &["later"]), origin).unwrap();
        moved.set_high_watermark(moved.end());
        let before = known(&moved);
        assert_eq!(dirs.remove_due(NOW + 1_000), 1);
        assert!(names(&env, "/a").is_empty());
        let forgotten = env.disk().read(Path::new("/a/recovery-point-offset-checkpoint")).unwrap();
        assert!(!String::from_utf8_lossy(&forgotten).contains("orders"));
        dirs.close(BrokerEpoch(1));
        drop((dirs, log, moved));
        let dirs = start(&env, &["/a", "/b"], &config());
        let log = dirs.get(topic(1), P0).unwrap();
        assert_eq!(known(&log), before);
    });
}

#[test]
fn a_compacted_replica_takes_along_how_far_it_was_cleaned() {
    with_dirs(6, async |_, env| {
        let config = LogConfig {
            cleanup_delete: false,
            cleanup_compact: true,
            min_cleanable_dirty_ratio: 0.0,
            ..config()
        };
        let dirs = start(&env, &["/a", "/b"], &config);
        let place = Some(DirectoryId(Uuid([0xaa; 16])));
        let log =
            dirs.create(topic(1), "orders", P0, place, Arc::new(config.clone()), NOW).unwrap();
        for at in 0..40_u8 {
            let mut builder = BatchBuilder::new(BatchSettings::default());
            builder.append(NOW, Some(&[at % 3]), Some(b"some words"), &[]).unwrap();
            log.append(&builder.build().unwrap(), lead()).unwrap();
        }
        log.set_high_watermark(log.end());
        let cleaning =
            Cleaning { key_bytes: 1 << 12, load_factor: 0.9, io_bytes: 1 << 14, cleaners: 1 };
        let mut pass = dirs.next_to_clean(&cleaning, NOW).unwrap();
        while let Progress::More { .. } = dirs.clean(&mut pass) {}
        drop(pass);
        let told = |dir: &str| {
            let path = Path::new(dir).join("cleaner-offset-checkpoint");
            String::from_utf8(env.disk().read(&path).unwrap()).unwrap()
        };
        let cleaned = told("/a");
        assert!(cleaned.starts_with("0\n1\norders 0 "), "{cleaned}");
        let before = contents(&log);
        assert!(dirs.begin_move(topic(1), P0, Path::new("/b"), NOW).unwrap());
        copy_all(&dirs);
        let moved = dirs.finish_move(topic(1), P0, NOW).unwrap().unwrap();
        assert_eq!((contents(&moved), told("/b")), (before, cleaned));
        assert_eq!(told("/a"), "0\n0\n");
    });
}

#[test]
fn a_move_goes_on_after_a_restart_where_it_was() {
    with_dirs(2, async |_, env| {
        let dirs = start(&env, &["/a", "/b"], &config());
        let log = create(&dirs);
        fill(&log, 0, 30);
        dirs.begin_move(topic(1), P0, Path::new("/b"), NOW).unwrap();
        dirs.copy(topic(1), P0, 600, NOW).unwrap();
        dirs.close(BrokerEpoch(1));
        drop((dirs, log));
        let dirs = start(&env, &["/a", "/b"], &config());
        let so_far = dirs.future(topic(1), P0).unwrap().end();
        assert!(so_far > Offset(0) && so_far < Offset(30), "{so_far}");
        copy_all(&dirs);
        let moved = dirs.finish_move(topic(1), P0, NOW).unwrap().unwrap();
        assert_eq!(contents(&moved).len(), 30);
    });
}

#[test]
fn a_copy_follows_a_log_whose_start_passes_it_or_whose_end_was_cut() {
    with_dirs(3, async |_, env| {
        let dirs = start(&env, &["/a", "/b"], &config());
        let log = create(&dirs);
        fill(&log, 0, 20);
        dirs.begin_move(topic(1), P0, Path::new("/b"), NOW).unwrap();
        dirs.copy(topic(1), P0, 100, NOW).unwrap();
        log.delete_records(Offset(15)).unwrap();
        copy_all(&dirs);
        let future = dirs.future(topic(1), P0).unwrap();
        assert_eq!((future.start(), future.end()), (Offset(15), Offset(20)));
        log.truncate(Offset(17), NOW).unwrap();
        copy_all(&dirs);
        assert_eq!(contents(&future), contents(&log));
    });
}

#[test]
fn deleting_a_partition_removes_its_copy_too() {
    with_dirs(4, async |_, env| {
        let dirs = start(&env, &["/a", "/b"], &config());
        fill(&create(&dirs), 0, 3);
        dirs.begin_move(topic(1), P0, Path::new("/b"), NOW).unwrap();
        dirs.delete(topic(1), P0, NOW).unwrap();
        assert_eq!(names(&env, "/a"), ["orders-0-delete"]);
        assert_eq!(names(&env, "/b"), ["orders-0-delete"]);
        assert_eq!(dirs.copy(topic(1), P0, 300, NOW).unwrap(), None);
        assert_eq!(dirs.remove_due(NOW + 1_000), 2);
    });
}

#[test]
fn a_target_that_fails_leaves_the_original_serving() {
    with_dirs(5, async |world, env| {
        let dirs = start(&env, &["/a", "/b"], &config());
        let log = create(&dirs);
        fill(&log, 0, 20);
        dirs.begin_move(topic(1), P0, Path::new("/b"), NOW).unwrap();
        dirs.copy(topic(1), P0, 300, NOW).unwrap();
        world.disk(1).break_below("/b", Broken::All);
        assert!(dirs.copy(topic(1), P0, 300, NOW).is_err());
        dirs.forget_lost_moves();
        assert!(dirs.future(topic(1), P0).is_none());
        fill(&log, 20, 1);
        assert_eq!(contents(&log).len(), 21);
    });
}

/// What a start does with copies, told by where the metadata has the replica.
fn settle(dirs: &LogDirs) {
    for ((id, index), _) in dirs.futures() {
        dirs.adopt(id, index).unwrap();
    }
    dirs.align_moves(NOW).unwrap();
}

/// Moves with a disk that fails after so many calls; answers whether it got through.
fn life_cut_off_after(calls: u64, power: bool) -> bool {
    let world = World::new(calls);
    let mut done = false;
    world.run(async |world: World| {
        let mut env = world.node(1);
        format(env.disk(), "/a", 0xaa);
        format(env.disk(), "/b", 0xbb);
        let dirs = start(&env, &["/a", "/b"], &config());
        let log = create(&dirs);
        fill(&log, 0, 12);
        log.delete_records(Offset(2)).unwrap();
        log.sync().unwrap();
        dirs.write_recovery_points();
        dirs.write_log_starts();
        let expect = contents(&log);
        world.disk(1).fail_after(calls);
        let moved = dirs.begin_move(topic(1), P0, Path::new("/b"), NOW).and_then(|_| {
            while dirs.copy(topic(1), P0, 300, NOW)?.is_some_and(|copied| copied.missing > 0) {}
            dirs.finish_move(topic(1), P0, NOW)
        });
        done = moved.is_ok_and(|moved| moved.is_some());
        drop((dirs, log));
        match power {
            true => world.crash(1),
            false => world.kill(1),
        }
        world.disk(1).repair();
        env = world.boot(1);
        let dirs = start(&env, &["/a", "/b"], &config());
        settle(&dirs);
        let log = dirs.get(topic(1), P0).unwrap();
        assert_eq!(contents(&log), expect, "cut off after {calls} calls, power cut: {power}");
        let named: BTreeSet<&str> = ["/a", "/b"].into();
        let bearing = named.iter().filter(|dir| names(&env, dir).contains(&"orders-0".to_owned()));
        assert_eq!(bearing.count(), 1, "cut off after {calls} calls");
        let next = log.end();
        log.append(
            &batch(None, false, &["next"]),
            Origin::Leader { epoch: LeaderEpoch(0), now: NOW },
        )
        .unwrap();
        assert_eq!(log.end(), next.next());
    });
    done
}

#[test]
fn a_move_cut_off_at_any_call_loses_nothing_and_leaves_one_replica() {
    for power in [false, true] {
        let cut_off = (0..2_000).take_while(|calls| !life_cut_off_after(*calls, power)).count();
        assert!((50..2_000).contains(&cut_off), "{cut_off} lives were cut off");
    }
}
