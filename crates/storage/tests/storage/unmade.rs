//! Partitions without a directory: nothing is on the disk before the first append.

use std::path::Path;
use std::sync::Arc;

use ottla_env::Env;
use ottla_sim::{Broken, World};
use ottla_storage::{Log, LogConfig, LogDirs, checkpoint};
use ottla_wire::{BrokerEpoch, LeaderEpoch, Offset, PartitionIndex, Timestamp};

use crate::support::{NOW, batch, contents, format, lead, start, topic};

const P0: PartitionIndex = PartitionIndex(0);

fn with_dirs(test: impl AsyncFnOnce(World, Env)) {
    World::new(1).run(async |world: World| {
        let env = world.node(1);
        format(env.disk(), "/a", 0xaa);
        format(env.disk(), "/b", 0xbb);
        test(world, env).await;
    });
}

fn create(dirs: &LogDirs) -> Arc<Log> {
    dirs.create(topic(1), "orders", P0, None, Arc::new(LogConfig::default()), NOW).unwrap()
}

/// The names of the directories below a log directory.
fn directories(env: &Env, path: &str) -> Vec<String> {
    let all = env.disk().list(Path::new(path)).unwrap();
    all.into_iter().filter(|entry| entry.is_dir).map(|entry| entry.name).collect()
}

fn say(log: &Log, value: &str) {
    log.append(&batch(None, false, &[value]), lead()).unwrap();
}

#[test]
fn the_first_append_makes_the_directory_with_all_that_was_told_before() {
    with_dirs(async |world, env| {
        let dirs = start(&env, &["/a"], &LogConfig::default());
        let log = create(&dirs);
        log.assign_epoch(LeaderEpoch(0)).unwrap();
        log.assign_epoch(LeaderEpoch(3)).unwrap();
        assert!(!log.is_made() && directories(&env, "/a").is_empty());
        say(&log, "one");
        assert_eq!(directories(&env, "/a"), ["orders-0"]);
        let read = |name: &str| {
            let bytes = env.disk().read(&Path::new("/a/orders-0").join(name)).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        assert_eq!(read("leader-epoch-checkpoint"), "0\n1\n3 0\n");
        assert!(read("partition.metadata").contains(&topic(1).to_string()));
        log.sync().unwrap();
        world.crash(1);
        let dirs = start(&world.boot(1), &["/a"], &LogConfig::default());
        let log = dirs.get(topic(1), P0).unwrap();
        assert_eq!(contents(&log), [(0, "one".to_owned())]);
        assert_eq!(log.latest_epoch(), Some(LeaderEpoch(3)));
    });
}

#[test]
fn nothing_that_is_asked_of_an_empty_log_makes_its_directory() {
    with_dirs(async |_, env| {
        let dirs = start(&env, &["/a"], &LogConfig::default());
        let log = create(&dirs);
        assert_eq!(contents(&log), []);
        assert!(log.read(Offset(0), 100, Offset(0), true).unwrap().records.is_empty());
        for timestamp in [-5, -1, 0, NOW.0] {
            assert_eq!(log.offset_for_time(Timestamp(timestamp)).unwrap(), None);
        }
        assert_eq!(log.offset_of_max_timestamp().unwrap(), None);
        assert_eq!(log.delete_records(Offset(-1)).unwrap(), Offset(0));
        assert_eq!(log.retain(Timestamp(i64::MAX)).unwrap(), 0);
        assert!(!log.truncate(Offset(0), NOW).unwrap());
        assert_eq!(log.sync().unwrap(), Offset(0));
        assert_eq!(log.aborted(Offset(0), Offset(0)).unwrap(), []);
        log.close_idle_files();
        dirs.background_sync(NOW);
        dirs.write_recovery_points();
        dirs.write_high_watermarks();
        let text = env.disk().read(&Path::new("/a").join(checkpoint::HIGH_WATERMARKS)).unwrap();
        assert!(checkpoint::parse_offsets(&text).unwrap().is_empty());
        dirs.close(BrokerEpoch(3));
        assert!(directories(&env, "/a").is_empty());
    });
}

#[test]
fn a_start_finds_nothing_to_open_and_the_partition_is_empty_as_before() {
    with_dirs(async |world, env| {
        let dirs = start(&env, &["/a"], &LogConfig::default());
        create(&dirs);
        dirs.close(BrokerEpoch(3));
        world.crash(1);
        let dirs = start(&world.boot(1), &["/a"], &LogConfig::default());
        assert!(dirs.logs().is_empty());
        let log = create(&dirs);
        say(&log, "one");
        assert_eq!(contents(&log), [(0, "one".to_owned())]);
    });
}

#[test]
fn a_follower_that_begins_at_a_later_offset_has_a_directory() {
    with_dirs(async |_, env| {
        let dirs = start(&env, &["/a"], &LogConfig::default());
        let log = create(&dirs);
        dirs.truncate_fully(&log, Offset(70), NOW).unwrap();
        assert_eq!((log.start(), log.end()), (Offset(70), Offset(70)));
        assert_eq!(directories(&env, "/a"), ["orders-0"]);
    });
}

#[test]
fn a_deleted_partition_leaves_no_directory_and_takes_no_append() {
    with_dirs(async |_, env| {
        let dirs = start(&env, &["/a"], &LogConfig::default());
        let log = create(&dirs);
        assert!(dirs.delete(topic(1), P0, NOW).unwrap());
        log.append(&batch(None, false, &["late"]), lead()).unwrap_err();
        dirs.truncate_fully(&log, Offset(5), NOW).unwrap_err();
        assert!(directories(&env, "/a").is_empty());
        assert_eq!(dirs.remove_due(NOW + 100_000), 0);
    });
}

#[test]
fn a_move_gives_the_replica_a_directory_where_it_goes() {
    with_dirs(async |world, env| {
        let dirs = start(&env, &["/a", "/b"], &LogConfig::default());
        let log = create(&dirs);
        let from = log.directory().path().to_owned();
        let to = if from == Path::new("/a") { "/b" } else { "/a" };
        assert!(dirs.begin_move(topic(1), P0, Path::new(to), NOW).unwrap());
        dirs.copy(topic(1), P0, 1 << 20, NOW).unwrap().unwrap();
        let moved = dirs.finish_move(topic(1), P0, NOW).unwrap().unwrap();
        assert_eq!(moved.directory().path(), Path::new(to));
        say(&moved, "one");
        moved.sync().unwrap();
        world.crash(1);
        let env = world.boot(1);
        let dirs = start(&env, &["/a", "/b"], &LogConfig::default());
        let log = dirs.get(topic(1), P0).unwrap();
        assert_eq!(log.directory().path(), Path::new(to));
        assert_eq!(contents(&log), [(0, "one".to_owned())]);
    });
}

#[test]
fn a_disk_that_fails_when_the_directory_is_to_be_made_refuses_the_append() {
    with_dirs(async |world, env| {
        let dirs = start(&env, &["/a"], &LogConfig::default());
        let log = create(&dirs);
        world.disk(1).break_below("/a", Broken::Writes);
        log.append(&batch(None, false, &["a"]), lead()).unwrap_err();
        assert!(log.directory().failure().is_some());
        world.disk(1).repair();
        world.crash(1);
        let dirs = start(&world.boot(1), &["/a"], &LogConfig::default());
        let log = create(&dirs);
        say(&log, "b");
        assert_eq!(contents(&log), [(0, "b".to_owned())]);
    });
}

#[test]
fn counts_of_new_replicas_keep_the_directories_even() {
    with_dirs(async |_, env| {
        let dirs = start(&env, &["/a", "/b"], &LogConfig::default());
        let config = Arc::new(LogConfig::default());
        let make = |index| {
            let index = PartitionIndex(index);
            dirs.create(topic(1), "orders", index, None, Arc::clone(&config), NOW).unwrap()
        };
        let in_a = |logs: &[Arc<Log>]| {
            logs.iter().filter(|log| log.directory().path() == Path::new("/a")).count()
        };
        let logs: Vec<Arc<Log>> = (0..40).map(make).collect();
        assert_eq!(in_a(&logs), 20);
        for log in logs.iter().filter(|log| log.directory().path() == Path::new("/a")).take(10) {
            let index = log.name().rsplit_once('-').unwrap().1.parse().unwrap();
            dirs.delete(topic(1), PartitionIndex(index), NOW).unwrap();
        }
        let more: Vec<Arc<Log>> = (40..50).map(make).collect();
        assert_eq!(in_a(&more), 10);
    });
}
