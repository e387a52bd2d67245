//! Scenarios of log directories: formatting, locks, names, checkpoints, stops, failures.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use ottla_env::{Disk, Env};
use ottla_sim::{Broken, World};
use ottla_storage::{Loading, Log, LogConfig, LogDirs, StorageError};
use ottla_wire::{BrokerEpoch, DirectoryId, Offset, PartitionIndex, Uuid};

use crate::support::{NOW, batch, contents, dirs_opening, format, lead, start, topic};

const P0: PartitionIndex = PartitionIndex(0);

fn with_dirs(test: impl AsyncFnOnce(World, Env)) {
    let world = World::new(1);
    world.run(async |world: World| {
        let env = world.node(1);
        format(env.disk(), "/a", 0xaa);
        format(env.disk(), "/b", 0xbb);
        test(world, env).await;
    });
}

fn create(dirs: &LogDirs, id: u8, name: &str) -> Arc<ottla_storage::Log> {
    let config = Arc::new(LogConfig::default());
    dirs.create(topic(id), name, P0, None, config, NOW).unwrap()
}

fn refusal(env: &Env, paths: &[&str]) -> String {
    match LogDirs::open(env, &dirs_opening(paths)) {
        Err(StorageError::Refused(what)) => what,
        Err(other) => other.to_string(),
        Ok(_) => "opened".to_owned(),
    }
}

#[test]
fn a_clean_stop_is_told_to_the_next_start_once() {
    with_dirs(async |_, env| {
        let dirs = start(&env, &["/a", "/b"], &LogConfig::default());
        assert_eq!(dirs.previous_broker_epoch(), BrokerEpoch(-1));
        let log = create(&dirs, 1, "orders");
        log.append(&batch(None, false, &["a"]), lead()).unwrap();
        log.set_high_watermark(Offset(1));
        dirs.close(BrokerEpoch(17));
        drop((dirs, log));
        let dirs = start(&env, &["/a", "/b"], &LogConfig::default());
        assert_eq!(dirs.previous_broker_epoch(), BrokerEpoch(17));
        let log = dirs.get(topic(1), P0).unwrap();
        assert_eq!((log.high_watermark(), log.recovery_point()), (Offset(1), Offset(1)));
        assert_eq!(contents(&log), [(0, "a".to_owned())]);
        drop((dirs, log));
        let dirs = start(&env, &["/a", "/b"], &LogConfig::default());
        assert_eq!(dirs.previous_broker_epoch(), BrokerEpoch(-1));
    });
}

#[test]
fn a_directory_in_use_or_unformatted_or_of_another_node_is_refused() {
    with_dirs(async |_, env| {
        let dirs = LogDirs::open(&env, &dirs_opening(&["/a"])).unwrap();
        assert!(refusal(&env, &["/a"]).contains("in use by another process"));
        drop(dirs);
        assert!(refusal(&env, &["/new"]).contains("ottla storage format"));
        assert!(refusal(&env, &["/a", "/a"]).contains("twice"));
        format(env.disk(), "/c", 0xaa);
        assert!(refusal(&env, &["/a", "/c"]).contains("is also that of /a"));
        let write = |text: &str| env.disk().write(Path::new("/c/meta.properties"), text.as_bytes());
        write("version=1\nnode.id=2\ncluster.id=4L6g3nShT-eMCtK--X86sw\n").unwrap();
        assert!(refusal(&env, &["/a", "/c"]).contains("node.id is 2"));
        write("version=1\nnode.id=1\ncluster.id=x\n").unwrap();
        assert!(refusal(&env, &["/a", "/c"]).contains("cluster.id is x"));
        write("version=3\n").unwrap();
        assert!(refusal(&env, &["/c"]).contains("version is '3'"));
        assert_eq!(refusal(&env, &["/a", "/b"]), "opened");
    });
}

#[test]
fn a_directory_without_an_id_gets_one() {
    with_dirs(async |_, env| {
        let text = b"version=1\nnode.id=1\ncluster.id=x\n";
        env.disk().write(Path::new("/a/meta.properties"), text).unwrap();
        let id = |env: &Env| {
            let dirs = LogDirs::open(env, &dirs_opening(&["/a"])).unwrap();
            dirs.states()[0].id
        };
        let first = id(&env);
        assert_ne!(first, DirectoryId::default());
        assert_eq!(id(&env), first);
    });
}

#[test]
fn new_partitions_go_where_the_fewest_are_or_where_they_are_told() {
    with_dirs(async |_, env| {
        let dirs = start(&env, &["/a", "/b"], &LogConfig::default());
        let place = |log: &ottla_storage::Log| log.directory().path().to_owned();
        let first = place(&create(&dirs, 1, "one"));
        let second = place(&create(&dirs, 2, "two"));
        assert_ne!(first, second);
        let told = DirectoryId(Uuid([0xbb; 16]));
        for id in 3..6 {
            let config = Arc::new(LogConfig::default());
            let log =
                dirs.create(topic(id), "more", PartitionIndex(id.into()), Some(told), config, NOW);
            assert_eq!(place(&log.unwrap()), Path::new("/b"));
        }
    });
}

#[test]
fn new_partitions_keep_out_of_cordoned_directories_unless_they_are_sent_there() {
    with_dirs(async |_, env| {
        let dirs = start(&env, &["/a", "/b"], &LogConfig::default());
        let make = |id: u8, place: Option<DirectoryId>| {
            let made = dirs.create(
                topic(id),
                "more",
                PartitionIndex(id.into()),
                place,
                Arc::default(),
                NOW,
            );
            made.map(|log| log.directory().path().display().to_string()).map_err(|e| e.to_string())
        };
        dirs.cordon([Path::new("/a").to_owned()].into());
        assert_eq!(
            dirs.states().iter().map(|state| state.cordoned).collect::<Vec<_>>(),
            [true, false]
        );
        assert_eq!(make(1, None), Ok("/b".to_owned()));
        assert_eq!(make(2, Some(DirectoryId::UNASSIGNED)), Ok("/b".to_owned()));
        assert_eq!(make(3, Some(DirectoryId(Uuid([0xaa; 16])))), Ok("/a".to_owned()));
        dirs.prefer("more", PartitionIndex(4), Path::new("/a"));
        assert_eq!(make(4, Some(DirectoryId(Uuid([0xbb; 16])))), Ok("/a".to_owned()));
        // It was asked for once.
        assert_eq!(make(5, None), Ok("/b".to_owned()));
        dirs.cordon([Path::new("/a").to_owned(), Path::new("/b").to_owned()].into());
        assert!(make(6, None).unwrap_err().contains("cordoned.log.dirs"));
        dirs.cordon([].into());
        assert_eq!(make(7, None), Ok("/a".to_owned()));
    });
}

#[test]
fn a_replica_that_may_lie_in_an_offline_directory_is_not_made_anew() {
    with_dirs(async |world, env| {
        let dirs = start(&env, &["/a", "/b"], &LogConfig::default());
        let told = Some(DirectoryId(Uuid([0xbb; 16])));
        let log = dirs.create(topic(9), "there", P0, told, Arc::default(), NOW).unwrap();
        world.disk(1).break_below("/b", Broken::All);
        log.append(&batch(None, false, &["a"]), lead()).unwrap_err();
        let make = |id: u8, place: DirectoryId| {
            let made = dirs.create(
                topic(id),
                "more",
                PartitionIndex(id.into()),
                Some(place),
                Arc::default(),
                NOW,
            );
            made.map(|log| log.directory().path().display().to_string()).map_err(|e| e.to_string())
        };
        let lost = DirectoryId(Uuid([0xcc; 16]));
        assert!(make(2, DirectoryId(Uuid([0xbb; 16]))).unwrap_err().contains("/b"));
        assert!(make(3, lost).unwrap_err().contains("/b is offline"));
        assert!(make(4, DirectoryId::LOST).unwrap_err().contains("/b is offline"));
        assert_eq!(make(5, DirectoryId::UNASSIGNED), Ok("/a".to_owned()));
    });
}

#[test]
fn a_directory_whose_disk_fails_gets_no_new_partitions() {
    with_dirs(async |world, env| {
        let dirs = start(&env, &["/a", "/b"], &LogConfig::default());
        let told = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = Arc::clone(&told);
        let on_failure: Arc<ottla_storage::OnFailure> = Arc::new(move || {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        });
        dirs.watch(&on_failure);
        world.disk(1).break_below("/a", Broken::Writes);
        let log = create(&dirs, 1, "orders");
        assert_eq!(log.directory().path(), Path::new("/a"));
        // The first append shows it.
        log.append(&batch(None, false, &["a"]), lead()).unwrap_err();
        assert_eq!(create(&dirs, 2, "more").directory().path(), Path::new("/b"));
        assert_eq!(create(&dirs, 3, "other").directory().path(), Path::new("/b"));
        assert_eq!(told.load(std::sync::atomic::Ordering::Relaxed), 1);
        assert!(dirs.states()[0].failure.is_some());
    });
}

#[test]
fn a_new_topic_inherits_nothing_from_one_that_had_its_name() {
    with_dirs(async |_, env| {
        let dirs = start(&env, &["/a"], &LogConfig::default());
        let log = create(&dirs, 1, "orders");
        log.append(&batch(None, false, &["a", "b", "c"]), lead()).unwrap();
        log.set_high_watermark(Offset(3));
        log.delete_records(Offset(2)).unwrap();
        log.sync().unwrap();
        dirs.write_recovery_points();
        dirs.write_log_starts();
        dirs.write_high_watermarks();
        assert!(dirs.delete(topic(1), P0, NOW).unwrap());
        assert!(log.append(&batch(None, false, &["d"]), lead()).is_err());
        let log = create(&dirs, 2, "orders");
        log.append(&batch(None, false, &["x"]), lead()).unwrap();
        drop((dirs, log));
        let dirs = start(&env, &["/a"], &LogConfig::default());
        let log = dirs.get(topic(2), P0).unwrap();
        assert_eq!(
            (log.start(), log.end(), log.high_watermark()),
            (Offset(0), Offset(1), Offset(0))
        );
        assert_eq!(dirs.remove_due(NOW + 60_000), 1);
        let left = env.disk().list(Path::new("/a")).unwrap();
        assert!(!left.iter().any(|entry| entry.name.ends_with("-delete")));
    });
}

#[test]
fn a_partition_of_another_topic_is_in_the_way_until_it_is_set_aside() {
    with_dirs(async |_, env| {
        let dirs = start(&env, &["/a"], &LogConfig::default());
        let log = create(&dirs, 1, "orders");
        log.append(&batch(None, false, &["a"]), lead()).unwrap();
        let config = Arc::new(LogConfig::default());
        let refused = dirs.create(topic(2), "orders", P0, None, config, NOW).unwrap_err();
        assert!(refused.to_string().contains("belongs to another topic"));
        dirs.stray(&log).unwrap();
        create(&dirs, 2, "orders");
        let names = env.disk().list(Path::new("/a")).unwrap();
        assert!(names.iter().any(|entry| entry.name.ends_with("-stray")));
    });
}

#[test]
fn a_directory_with_an_odd_name_stops_the_start_and_is_named() {
    with_dirs(async |_, env| {
        env.disk().create_dir_all(Path::new("/a/backup")).unwrap();
        env.disk().write(Path::new("/a/notes.txt"), b"").unwrap();
        let dirs = LogDirs::open(&env, &dirs_opening(&["/a"])).unwrap();
        let error = dirs.find(NOW, 0).unwrap_err();
        assert!(error.to_string().contains("/a/backup is not the directory of a partition"));
    });
}

#[test]
fn one_failed_directory_takes_down_its_own_partitions_only() {
    with_dirs(async |world, env| {
        let dirs = start(&env, &["/a", "/b"], &LogConfig::default());
        let (one, two) = (create(&dirs, 1, "one"), create(&dirs, 2, "two"));
        world.disk(1).break_below("/b", Broken::All);
        let say =
            |log: &ottla_storage::Log| log.append(&batch(None, false, &["a"]), lead()).is_ok();
        let results = [say(&one), say(&two)];
        assert_eq!(results.iter().filter(|ok| **ok).count(), 1);
        let states = dirs.states();
        assert!(states[0].failure.is_none() && states[1].failure.is_some());
        dirs.write_recovery_points();
        dirs.close(BrokerEpoch(1));
        drop((dirs, one, two));
        let dirs = LogDirs::open(&env, &dirs_opening(&["/a", "/b"])).unwrap();
        assert!(dirs.states()[1].failure.is_some());
        assert_eq!(dirs.previous_broker_epoch(), BrokerEpoch(-1));
        world.disk(1).repair();
        assert!(matches!(
            LogDirs::open(&env, &dirs_opening(&["/b", "/a"])),
            Err(StorageError::Refused(_))
        ));
    });
}

#[test]
fn bad_checkpoints_cost_time_but_no_record() {
    with_dirs(async |_, env| {
        let dirs = start(&env, &["/a"], &LogConfig::default());
        let log = create(&dirs, 1, "orders");
        log.append(&batch(None, false, &["a", "b"]), lead()).unwrap();
        dirs.close(BrokerEpoch(1));
        drop((dirs, log));
        for name in ["recovery-point", "log-start", "replication"] {
            let path = format!("/a/{name}-offset-checkpoint");
            env.disk().write(Path::new(&path), b"0\n7\nx").unwrap();
        }
        env.disk().remove_file(Path::new("/a/.kafka_cleanshutdown")).unwrap();
        let dirs = start(&env, &["/a"], &LogConfig::default());
        assert_eq!(contents(&dirs.get(topic(1), P0).unwrap()).len(), 2);
    });
}

#[test]
fn unsynced_bytes_are_synced_behind_the_writers() {
    let config =
        LogConfig { segment_bytes: 1 << 20, max_message_bytes: 1 << 20, ..LogConfig::default() };
    with_dirs(async |_, env| {
        let dirs = start(&env, &["/a"], &config);
        let log = dirs.create(topic(1), "orders", P0, None, Arc::new(config.clone()), NOW).unwrap();
        let big = "x".repeat(300 << 10);
        for _ in 0..4 {
            log.append(&batch(None, false, &[&big]), lead()).unwrap();
        }
        // The closed segment is synced, and with it what came behind it.
        assert!(dirs.background_sync(NOW));
        assert_eq!(log.recovery_point(), Offset(4));
        assert!(!dirs.background_sync(NOW));
        let text = env.disk().read(Path::new("/a/recovery-point-offset-checkpoint")).unwrap();
        assert_eq!(text, b"0\n1\norders 0 4\n");
    });
}

#[test]
fn all_logs_are_opened_in_parallel() {
    with_dirs(async |_, env| {
        let dirs = start(&env, &["/a", "/b"], &LogConfig::default());
        for id in 1..20 {
            let log = create(&dirs, id, &format!("topic-{id}"));
            log.append(&batch(None, false, &["a"]), lead()).unwrap();
        }
        dirs.close(BrokerEpoch(3));
        drop(dirs);
        let dirs = Arc::new(LogDirs::open(&env, &dirs_opening(&["/a", "/b"])).unwrap());
        let loading = Loading {
            threads_per_dir: 4,
            delete_delay_ms: 60_000,
            config: Arc::new(|_: &str| Arc::default()),
            known: Arc::new(|_, _, _| true),
            opened: Arc::new(|_| {}),
        };
        dirs.load_all(loading).await.unwrap();
        assert_eq!(dirs.logs().len(), 19);
        assert!(dirs.logs().iter().all(|(_, log)| log.end() == Offset(1)));
    });
}

#[test]
fn a_directory_without_a_topic_id_is_set_aside_with_its_records_and_removed_without() {
    with_dirs(async |_, env| {
        let disk: &Disk = env.disk();
        let dirs = start(&env, &["/a"], &LogConfig::default());
        create(&dirs, 1, "orders").append(&batch(None, false, &["a"]), lead()).unwrap();
        drop(dirs);
        disk.write(Path::new("/a/orders-0/partition.metadata"), b"").unwrap();
        let dirs = start(&env, &["/a"], &LogConfig::default());
        assert!(dirs.logs().is_empty());
        assert_eq!(contents(&create(&dirs, 2, "orders")), []);
        let aside = |kind: &str| {
            let names = disk.list(Path::new("/a")).unwrap();
            names.into_iter().filter(|entry| entry.name.ends_with(kind)).count()
        };
        assert_eq!((aside("-stray"), aside("-delete")), (1, 0));
        drop(dirs);
        disk.create_dir_all(Path::new("/a/fish-0")).unwrap();
        let dirs = start(&env, &["/a"], &LogConfig::default());
        assert!(dirs.logs().is_empty());
        assert_eq!((aside("-stray"), aside("-delete")), (1, 1));
        drop(dirs);
        // What is not a log's is never removed, whatever its folder is called.
        disk.create_dir_all(Path::new("/a/backup-2024/sub")).unwrap();
        disk.create_dir_all(Path::new("/a/copies-1")).unwrap();
        disk.write(Path::new("/a/copies-1/00000000000000000000.log.bak"), b"precious").unwrap();
        let dirs = start(&env, &["/a"], &LogConfig::default());
        assert!(dirs.logs().is_empty());
        assert_eq!((aside("-stray"), aside("-delete")), (3, 1));
    });
}

#[test]
fn a_directory_whose_file_cannot_be_read_while_it_is_sent_is_offline() {
    with_dirs(async |world, env| {
        let dirs = start(&env, &["/a"], &LogConfig::default());
        let log = create(&dirs, 1, "orders");
        log.append(&batch(None, false, &["a"]), lead()).unwrap();
        let slice = log.read(Offset(0), 1 << 16, log.end(), true).unwrap();
        let ottla_wire::Records::File(sent) = slice.records else { panic!("not a range") };
        let file = sent.file.downcast_ref::<ottla_env::File>().unwrap();
        file.tell_fault(&std::io::Error::from_raw_os_error(24));
        assert!(dirs.are_all_online(), "too many open files are no fault of the disk");
        world.disk(1).break_below("/a", Broken::Reads);
        file.tell_fault(&file.read_at(&mut [0], 0).unwrap_err());
        assert!(dirs.are_all_offline());
        assert!(log.append(&batch(None, false, &["b"]), lead()).is_err());
    });
}

#[test]
fn records_of_a_deleted_topic_never_come_back_under_one_of_the_same_name() {
    let config = || LogConfig { segment_index_bytes: 96, ..LogConfig::default() };
    let create = |dirs: &LogDirs, id: u8| {
        dirs.create(topic(id), "orders", P0, None, Arc::new(config()), NOW).unwrap()
    };
    for seed in 0..300 {
        World::new(seed).run(async |world: World| {
            let env = world.node(1);
            format(env.disk(), "/a", 0xaa);
            let dirs = start(&env, &["/a"], &config());
            let old = create(&dirs, 1);
            old.append(&batch(None, false, &["old"]), lead()).unwrap();
            if seed % 2 == 0 {
                old.sync().unwrap();
            }
            dirs.delete(topic(1), P0, NOW).unwrap();
            dirs.remove_due(NOW + 60_000);
            let new = create(&dirs, 2);
            if seed % 3 == 0 {
                new.append(&batch(None, false, &["new"]), lead()).unwrap();
            }
            world.crash(1);
            let dirs = start(&world.boot(1), &["/a"], &config());
            if let Some(log) = dirs.get(topic(1), P0) {
                dirs.stray(&log).unwrap();
            }
            let found = contents(&create(&dirs, 2));
            assert!(found.iter().all(|(_, value)| value == "new"), "seed {seed}: {found:?}");
        });
    }
}

/// What reads from the disk, one after the other.
type Reading = fn(&Log) -> bool;

#[test]
fn a_directory_that_cannot_be_read_is_offline_and_the_others_serve() {
    let readings: [Reading; 3] = [
        |log| log.read(Offset(1), 1 << 16, log.end(), true).is_err(),
        |log| log.offset_for_time(NOW).is_err(),
        |log| log.offset_of_max_timestamp().is_err(),
    ];
    for reading in readings {
        with_dirs(async |world, env| {
            let config = LogConfig { segment_bytes: 700, ..LogConfig::default() };
            let dirs = start(&env, &["/a", "/b"], &config);
            for (id, place) in [(1, 0xaa), (2, 0xbb)] {
                let place = Some(DirectoryId(Uuid([place; 16])));
                let config = Arc::new(config.clone());
                let log =
                    dirs.create(topic(id), "more", PartitionIndex(id.into()), place, config, NOW);
                let log = log.unwrap();
                for _ in 0..40 {
                    log.append(&batch(None, false, &["some words"]), lead()).unwrap();
                }
            }
            dirs.close(BrokerEpoch(1));
            drop(dirs);
            let dirs = start(&env, &["/a", "/b"], &config);
            let [one, two] =
                [1, 2].map(|id| dirs.get(topic(id), PartitionIndex(id.into())).unwrap());
            world.disk(1).break_below("/a", Broken::Reads);
            assert!(reading(&one));
            let failure = one.directory().failure().map(str::to_owned);
            assert!(failure.is_some_and(|why| why.contains("can't read /a/more-1/")));
            assert!(!reading(&two) && two.directory().failure().is_none());
            assert!(!dirs.are_all_offline());
        });
    }
}

#[test]
fn as_many_logs_are_opened_at_a_time_as_there_are_recovery_threads() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let env = Env::real(runtime.handle().clone());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    format(env.disk(), path, 0xaa);
    let dirs = start(&env, &[path], &LogConfig::default());
    for id in 1..=6 {
        let made =
            dirs.create(topic(id), "more", PartitionIndex(id.into()), None, Arc::default(), NOW);
        made.unwrap().append(&batch(None, false, &["one"]), lead()).unwrap();
    }
    dirs.close(BrokerEpoch(1));
    drop(dirs);
    for threads in [1, 3] {
        let dirs = Arc::new(LogDirs::open(&env, &dirs_opening(&[path])).unwrap());
        let (at_it, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
        // Nobody passes before that many are there.
        let together = Barrier::new(threads);
        let count = Arc::clone(&most);
        let loading = Loading {
            threads_per_dir: threads,
            delete_delay_ms: 0,
            config: Arc::new(move |_| {
                count.fetch_max(at_it.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                together.wait();
                at_it.fetch_sub(1, Ordering::SeqCst);
                Arc::default()
            }),
            known: Arc::new(|_, _, _| true),
            opened: Arc::new(|_| ()),
        };
        runtime.block_on(dirs.load_all(loading)).unwrap();
        assert_eq!(most.load(Ordering::SeqCst), threads);
        dirs.loaded();
        dirs.close(BrokerEpoch(1));
    }
}
