//! More logs than the process may have files open.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ottla_env::{Env, Open};
use ottla_sim::{Fault, World};
use ottla_storage::{Directory, Log, LogConfig, LogDirs};
use ottla_wire::{BrokerEpoch, Offset, PartitionIndex};

use crate::support::{NOW, batch, contents, dirs_opening, format, lead, start, topic};

/// What the broker does for a directory: syncs what is due, and closes files when they are many.
fn keep_synced(env: &Env, dirs: &Arc<LogDirs>, directory: &Arc<Directory>) {
    let (world, dirs, directory) = (env.clone(), Arc::clone(dirs), Arc::clone(directory));
    // It lives as long as the world of the test.
    let tasks = Box::leak(Box::new(env.tasks()));
    tasks.spawn("sync", async move {
        loop {
            let _ = world.timeout(Duration::from_millis(500), directory.many_unsynced()).await;
            if directory.lacks_files() {
                dirs.close_crowd(&directory).await;
            }
        }
    });
}

/// Without indexes of 10 MiB, which a simulated disk has in memory.
fn small() -> LogConfig {
    LogConfig { segment_index_bytes: 1 << 12, ..LogConfig::default() }
}

fn create(dirs: &LogDirs, partition: i32) -> Arc<Log> {
    let config = Arc::new(small());
    dirs.create(topic(7), "many", PartitionIndex(partition), None, config, NOW).unwrap()
}

/// Writes a record to each of so many new logs, `at_a_time` of them at a time; calls `look` after
/// each of them.
async fn write_each(
    env: &Env,
    dirs: &Arc<LogDirs>,
    count: usize,
    at_a_time: usize,
    look: impl Fn() + Clone + Send + 'static,
) -> Vec<Arc<Log>> {
    let logs: Vec<_> = (0..count).map(|at| create(dirs, i32::try_from(at).unwrap())).collect();
    let (all, next) = (Arc::new(logs.clone()), Arc::new(AtomicUsize::new(0)));
    let tasks = env.tasks();
    for _ in 0..at_a_time {
        let (all, next) = (Arc::clone(&all), Arc::clone(&next));
        let (look, env) = (look.clone(), env.clone());
        tasks.spawn("write", async move {
            while let Some(log) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                let records = batch(None, false, &["first"]);
                let admitted = log.admit(records.len() as u64).await.unwrap();
                log.append(&records, lead()).unwrap();
                drop(admitted);
                look();
                env.yield_now().await;
            }
        });
    }
    tasks.join_all().await;
    logs
}

#[test]
fn a_burst_of_first_writes_to_many_more_logs_than_files_may_be_open_succeeds() {
    World::new(5).run(async |world: World| {
        let env = world.node(1);
        format(env.disk(), "/a", 0xaa);
        world.disk(1).open_files_max(328);
        let dirs = Arc::new(start(&env, &["/a"], &LogConfig::default()));
        let directory = dirs.directories().next().unwrap().clone();
        keep_synced(&env, &dirs, &directory);
        let most = Arc::new(AtomicUsize::new(0));
        let (disk, seen) = (world.disk(1), Arc::clone(&most));
        let look = move || {
            seen.fetch_max(usize::try_from(disk.open_files()).unwrap(), Ordering::Relaxed);
        };
        let logs = write_each(&env, &dirs, 600, 30, look).await;
        assert_eq!(directory.failure(), None);
        let most = most.load(Ordering::Relaxed);
        assert!((50..=164).contains(&most), "{most} files of 328 were open, half is for sockets");
        for log in &logs {
            log.set_high_watermark(Offset(1));
            assert_eq!(contents(log), [(0, "first".to_owned())]);
        }
        dirs.close(BrokerEpoch(3));
        assert_eq!(directory.failure(), None);
    });
}

/// Only who cannot wait appends without being let in: followers, and coordinators.
#[test]
fn who_cannot_wait_syncs_files_himself_when_all_others_are_changed() {
    World::new(6).run(async |world: World| {
        let env = world.node(1);
        format(env.disk(), "/a", 0xaa);
        world.disk(1).open_files_max(300);
        let dirs = start(&env, &["/a"], &LogConfig::default());
        let directory = dirs.directories().next().unwrap();
        for partition in 0..400 {
            create(&dirs, partition).append(&batch(None, false, &["x"]), lead()).unwrap();
            assert!(world.disk(1).open_files() <= 150);
        }
        assert_eq!(directory.failure(), None);
        assert!(directory.lacks_files());
    });
}

#[test]
fn a_lack_of_files_or_memory_is_no_failure_of_the_disk() {
    World::new(7).run(async |world: World| {
        let env = world.node(1);
        format(env.disk(), "/a", 0xaa);
        let dirs = Arc::new(start(&env, &["/a"], &LogConfig::default()));
        let directory = dirs.directories().next().unwrap().clone();
        let log = create(&dirs, 0);
        log.append(&batch(None, false, &["one"]), lead()).unwrap();
        log.sync().unwrap();
        log.close_idle_files();
        let other = create(&dirs, 1);
        // Somebody else opens all that there are.
        let hog = |at: usize| env.disk().open(&PathBuf::from(format!("/{at}")), Open::Create);
        world.disk(1).open_files_max(40);
        let mut others: Vec<_> = (0..).map_while(|at| hog(at).ok()).collect();
        for log in [&log, &other] {
            let refused = log.append(&batch(None, false, &["lost"]), lead()).unwrap_err();
            assert!(refused.message.contains("os error 24"), "{refused}");
        }
        assert_eq!(directory.failure(), None);
        others.truncate(30);
        log.append(&batch(None, false, &["two"]), lead()).unwrap();
        others.extend((100..).map_while(|at| hog(at).ok()));
        // What is open has to be synced and closed, so that something else may be opened.
        other.append(&batch(None, false, &["one"]), lead()).unwrap();
        others.clear();
        log.append(&batch(None, false, &["three"]), lead()).unwrap();
        world.disk(1).fail_below("/a", ottla_sim::Broken::All, Fault::Memory);
        create(&dirs, 2).append(&batch(None, false, &["lost"]), lead()).unwrap_err();
        log.sync().unwrap_err();
        world.disk(1).repair();
        log.sync().unwrap();
        for log in [&log, &other] {
            log.set_high_watermark(log.end());
        }
        let values = |log: &Log| contents(log).into_iter().map(|(_, it)| it).collect::<Vec<_>>();
        assert_eq!(values(&log), ["one", "two", "three"]);
        assert_eq!(values(&other), ["one"]);
        assert_eq!((log.recovery_point(), directory.failure()), (Offset(3), None));
    });
}

/// What the test below runs in a process of its own, whose limit the shell has lowered.
#[test]
fn in_a_process_with_few_files() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let env = Env::real(runtime.handle().clone());
    assert_eq!(env.disk().open_files_max(), Some(LIMIT));
    let folder = folder.as_str();
    format(env.disk(), folder, 0xaa);
    let dirs = Arc::new(start(&env, &[folder], &LogConfig::default()));
    let directory = dirs.directories().next().unwrap().clone();
    runtime.block_on(async {
        keep_synced(&env, &dirs, &directory);
        let logs = write_each(&env, &dirs, 400, 10, || ()).await;
        let open = usize::try_from(env.process().unwrap().open_files.unwrap()).unwrap();
        assert!(open < 128, "{open} files are open, half is for sockets");
        // Reading them all opens them again, one after the other.
        for log in logs {
            log.set_high_watermark(Offset(1));
            assert_eq!(contents(&log), [(0, "first".to_owned())]);
        }
    });
    assert_eq!(directory.failure(), None);
    dirs.close(BrokerEpoch(1));
    println!("{DONE}");
}

#[test]
fn a_process_with_a_low_limit_writes_to_more_logs_than_it_may_have_files_open() {
    let folder = tempfile::tempdir().unwrap();
    let child = Command::new("sh")
        .arg("-c")
        .arg(format!(r#"ulimit -n {LIMIT} && exec "$0" --exact "$1" --nocapture"#))
        .arg(std::env::current_exe().unwrap())
        .arg("open_files::in_a_process_with_few_files")
        .env(FOLDER, folder.path().join("logs"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&child.stdout);
    let errors = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success() && told.contains(DONE), "{told}{errors}");
}

const FOLDER: &str = "OTTLA_TEST_FOLDER";
const LIMIT: u64 = 256;
const DONE: &str = "all were written";

#[test]
fn the_files_of_one_directory_do_not_take_the_place_of_another() {
    assert_eq!(dirs_opening(&["/a"]).connections_max, usize::MAX);
    World::new(8).run(async |world: World| {
        let env = world.node(1);
        format(env.disk(), "/a", 0xaa);
        format(env.disk(), "/b", 0xbb);
        world.disk(1).open_files_max(400);
        let dirs = start(&env, &["/a", "/b"], &LogConfig::default());
        let [a, b] = [0, 1].map(|at| dirs.directories().nth(at).unwrap().clone());
        for partition in 0..200 {
            let (config, place) = (Arc::new(small()), a.id());
            let place = Some(place);
            let partition = PartitionIndex(partition);
            let log = dirs.create(topic(7), "many", partition, place, config, NOW).unwrap();
            log.append(&batch(None, false, &["x"]), lead()).unwrap();
        }
        assert!(a.lacks_files() && !b.lacks_files());
    });
}
